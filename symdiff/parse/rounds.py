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
from symdiff.parse.integers import is_same, minus, plus, smaller, times
from symdiff.parse.values import Opaque
from symdiff.primitives.arithmetic import floor_divide, negative
from symdiff.primitives.shape import length_of
from symdiff.primitives.spell import subscript, to_expr
from symdiff.primitives.spellings.numpy_creation import arange


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
        self.called = "iterator" if bounds is None else "range"

    def as_indices(self) -> Any:
        """`x[range(...)]` is `x[np.arange(...)]`; what is no range is no index."""
        return self if self.bounds is None else arange(*self.bounds)


class Unrolled(Opaque):
    """What a loop runs over that is written out round by round, of whatever length."""

    called = "symdiff.unroll"

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
    return Rounds(len(value), lambda k: plus(value.start, times(value.step, k)), bounds)


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
        count = stop if is_same(start, 0) else minus(stop, start)
    else:  # ceil((stop - start) / step)
        count = negative.build(floor_divide.build(minus(start, stop), step))
    return Rounds(
        count,
        lambda k: plus(start, times(step, k)),
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
        return Rounds(value.length, value.at, over=(value,))
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
        if part.count is not count and not is_same(part.count, count):
            count = smaller(count, part.count)
    over = [grown for part in parts for grown in part.over]
    return Rounds(count, lambda k: tuple(p.item(k) for p in parts), over=over)


def enumerated(value: Any, start: Any = 0) -> Rounds:
    """`enumerate(value, start)`."""
    part = rounds_of(value)
    assert part is not None
    return Rounds(part.count, lambda k: (plus(start, k), part.item(k)), over=part.over)


def backwards(value: Any) -> Rounds:
    """`reversed(value)`."""
    part = rounds_of(value)
    assert part is not None
    if part.bounds is not None and part.bounds[2] in (1, -1):
        start, stop, step = part.bounds
        return range_of(minus(stop, step), minus(start, step), -step)
    last = minus(part.count, 1)
    return Rounds(part.count, lambda k: part.item(minus(last, k)), over=part.over)


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
