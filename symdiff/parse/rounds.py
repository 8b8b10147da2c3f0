"""What a loop runs over when the number of rounds is known only at run time.

range(n), an array's rows, and `zip`, `enumerate`, `reversed` of such: each is a count and the item
of round number k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.parse.growing import Grown
from symdiff.parse.values import Opaque
from symdiff.primitives.arithmetic import add, floor_divide, multiply, negative, subtract
from symdiff.primitives.row import as_expr
from symdiff.primitives.shape import length_of
from symdiff.primitives.spell import subscript, to_expr


class Rounds(Opaque):
    """count: how many (a negative number is none). item: of round k. bounds: of a plain `range`.

    over: the lists that have grown and that it looks into: none may change while it runs.
    """

    def __init__(
        self,
        count: Any,
        item: Callable[[Any], Any],
        bounds: tuple[Any, Any, int] | None = None,
        over: Sequence[Grown] = (),
    ):
        self.count, self.item, self.bounds, self.over = count, item, bounds, over


class Unrolled(Opaque):
    """What a loop runs over that is written out round by round, of whatever length."""

    def __init__(self, iterable: Any):
        self.iterable = iterable


class Checkpointed(Opaque):
    """What a loop runs over of which the reverse sweep stores the state at every `every`-th round.

    every: None for about the square root of the number of rounds.
    """

    def __init__(self, rounds: Rounds, iterable: Any, every: Any):
        self.rounds, self.iterable, self.every = rounds, iterable, every


def range_of_known(value: range) -> Rounds:
    """A range that is known when compiling."""
    bounds = (value.start, value.stop, value.step)
    return Rounds(len(value), lambda k: _add(value.start, _times(value.step, k)), bounds)


def range_of(start: Any, stop: Any, step: Any) -> Rounds:
    """`range(start, stop, step)`."""
    step = step.value if isinstance(step, Const) else step
    if not isinstance(step, Expr) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    for bound in (start, stop, step):
        if isinstance(bound, Expr) and (bound.type.rank or bound.type.dtype not in ("int", "bool")):
            raise IllTypedError(
                f"TypeError: '{bound.type}' object cannot be interpreted as an integer",
                hint="pass an integer, or declare it: annotate `n: int`, or give --arg n=int",
            )
    plain = not isinstance(step, Expr)
    if plain and step == 1:
        count = stop if _is(start, 0) else _sub(stop, start)
    else:  # ceil((stop - start) / step)
        count = negative.build(floor_divide.build(_sub(start, stop), step))
    return Rounds(
        count,
        lambda k: _add(start, _times(step, k)),
        (start, stop, step) if plain else None,
    )


def rounds_of(value: Any) -> Rounds | None:
    """How to run over `value` round by round, or None where it is known item by item."""
    if isinstance(value, Rounds):
        return value
    if isinstance(value, Checkpointed):
        raise UnsupportedError(
            "checkpoint: this loop runs over more than what is checkpointed",
            hint="put it around all of it: checkpoint(zip(...)), checkpoint(enumerate(...))",
        )
    if isinstance(value, Grown):
        buffer = value.fields["buffer"]
        return Rounds(value.length, lambda k: subscript(buffer, k), over=(value,))
    if isinstance(value, Expr) and value.type.rank:
        return Rounds(length_of(value), lambda k: subscript(value, k))
    return None


def is_dynamic(value: Any) -> bool:
    """Whether `value` can be iterated over only at run time."""
    if isinstance(value, (Rounds, Grown, Checkpointed)):
        return True
    return isinstance(value, Expr) and bool(value.type.rank) and not isinstance(
        value.type.shape[0], int
    )  # fmt: skip


def zipped(values: Sequence[Any], strict: bool = False) -> Rounds:
    """`zip(*values)`, where one of them is known only at run time."""
    parts = [rounds_of(v) or _constant(v) for v in values]
    count = parts[0].count
    for part in parts[1:]:
        if part.count is not count and not _is(part.count, count):
            count = _smaller(count, part.count)
    over = [grown for part in parts for grown in part.over]
    return Rounds(count, lambda k: tuple(p.item(k) for p in parts), over=over)


def enumerated(value: Any, start: Any = 0) -> Rounds:
    """`enumerate(value, start)`."""
    part = rounds_of(value)
    assert part is not None
    return Rounds(part.count, lambda k: (_add(start, k), part.item(k)), over=part.over)


def backwards(value: Any) -> Rounds:
    """`reversed(value)`."""
    part = rounds_of(value)
    assert part is not None
    if part.bounds is not None and part.bounds[2] in (1, -1):
        start, stop, step = part.bounds
        return range_of(_sub(stop, step), _sub(start, step), -step)
    last = _sub(part.count, 1)
    return Rounds(part.count, lambda k: part.item(_sub(last, k)), over=part.over)


def _constant(value: Any) -> Rounds:
    """A container of numbers beside something that is known only at run time."""
    from symdiff.parse.containers import items_of

    items = items_of(value)
    try:
        table = np.array(items)
    except (TypeError, ValueError):
        table = None
    if table is None or table.dtype == object:
        raise UnsupportedError(
            "zip of a Python container and something whose length is known only at run time",
            hint="turn the container into an array with np.array(...)",
        )
    known = to_expr(table)
    return Rounds(len(items), lambda k: subscript(known, k))


def _smaller(a: Any, b: Any) -> Any:
    from symdiff.primitives.row import choose

    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return min(a, b)
    from symdiff.primitives.arithmetic import less_equal

    return choose(less_equal.build(a, b), a, b).expr


def _is(a: Any, b: Any) -> bool:
    if isinstance(a, Expr) or isinstance(b, Expr):
        return a is b
    return a == b


def _add(a: Any, b: Any) -> Any:
    if _is(a, 0):
        return b
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a + b
    return b if _is(a, 0) else a if _is(b, 0) else add.build(as_expr(a), as_expr(b))


def _sub(a: Any, b: Any) -> Any:
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a - b
    return a if _is(b, 0) else subtract.build(as_expr(a), as_expr(b))


def _times(a: Any, b: Any) -> Any:
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a * b
    return b if _is(a, 1) else multiply.build(as_expr(a), as_expr(b))
