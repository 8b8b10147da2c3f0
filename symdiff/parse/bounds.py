"""Where an item is in a list that has grown, and whether it is inside: its array is larger.

    items[-1]  demands  len(items) >= 1        items[k]  demands  -len(items) <= k < len(items)

Nothing is demanded where it is certain: behind an `append`, in `for i in range(len(items))`.
"""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, If, Loop, Project
from symdiff.ir.types import dim_add, dim_mul
from symdiff.parse.frame import Context
from symdiff.parse.integers import moved_by, offset
from symdiff.parse.requires import Demand, excludes, negation
from symdiff.primitives.arithmetic import add, greater_equal, less, negative, not_equal, subtract
from symdiff.primitives.row import as_expr, choose
from symdiff.primitives.shape import as_dim, axis_size, size

BEYOND = ("IndexError", "list index out of range")
EMPTY = ("IndexError", "pop from empty list")


def place_of(context: Context, key: Any, length: Any, error: tuple[str, str]) -> Any:
    """Where `items[key]` is, in a list of that length. Raises IndexError where it cannot be."""
    key = key.value if isinstance(key, Const) else key
    if isinstance(key, Expr) and offset(key) == offset(subtract.build(as_expr(length), 1)):
        key = -1
    if not isinstance(key, Expr):
        needed = key + 1 if key >= 0 else -key
        if isinstance(length, Expr) and _least_here(context, length) < needed:
            _demand(context, greater_equal.build(length, needed), error)
        elif not isinstance(length, Expr) and length < needed:  # perhaps only in the first round
            context.demands.append(Demand(False, error, context.path))
        return key if key >= 0 else moved_by(length, key)
    first, stop = _range_of(context, key)
    if stop is None:
        base, shift = offset(key)
        stop = base, shift + 1
    if not _is_at_most(stop, length):
        _demand(context, less.build(key, as_expr(length)), error)
    if first is not None and first >= 0:
        return key
    _demand(context, greater_equal.build(key, negative.build(as_expr(length))), error)
    return choose(less.build(key, 0), add.build(as_expr(length), key), key).expr


def _demand(context: Context, holds: Expr, error: tuple[str, str]) -> None:
    fails = negation(holds)
    if not any(excludes(pred, side, fails) for pred, side in context.path):
        context.demands.append(Demand(holds, error, context.path, by=holds))


def least(context: Context, length: Any) -> int:
    """What a length is at least: in a round, and after a loop, what no round has less than."""
    if not isinstance(length, Expr):
        return int(length)
    done: dict[Expr, int] = {}
    stack = [length]
    while stack:
        node = stack[-1]
        base, shift = offset(node)
        below = (base.then, base.orelse) if isinstance(base, If) else ()
        pending = [x for x in below if x not in done]
        if pending:
            stack += pending
            continue
        stack.pop()
        if isinstance(base, Const):
            known = int(base.value)
        elif isinstance(base, If):
            known = min(done[x] for x in below)
        else:
            known = context.least.get(_variable(base), 0)
        done[node] = known + shift
    return done[length]


def _least_here(context: Context, length: Expr) -> int:
    """What a length is at least on this path: `while items` runs where there is one."""
    base, shift = offset(length)
    asked = any(
        isinstance(pred, Apply) and pred.op is not_equal and pred.operands[0] is base
        and isinstance(pred.operands[1], Const) and not pred.operands[1].value
        for pred, side in context.path if side
    )  # fmt: skip
    return max(least(context, length), shift + 1 if asked and least(context, base) == 0 else 0)


def _variable(node: Expr) -> Expr:
    """The variable that a loop carries, of what it is after the last round."""
    if isinstance(node, Project) and isinstance(node.operands[0], Loop):
        return node.operands[0].carried[node.index]
    return node


def _range_of(context: Context, key: Expr) -> tuple[int | None, Any]:
    """The first and the stop of a key that is the number of a round, or so far before or after."""
    base, shift = offset(key)
    for loop in context.looping.values():
        rounds = getattr(loop, "rounds", None)
        if rounds is None or loop.index is not base:
            continue
        first, stop, step = rounds.bounds or (0, rounds.count, 1)
        if step > 0 and isinstance(first, int):
            other, more = offset(as_expr(stop))
            return first + shift, (other, more + shift)
    return None, None


def _is_at_most(stop: tuple[Expr, int], length: Any) -> bool:
    """Whether `stop`, a value and what is added to it, is certain to be no more than a length."""
    base, shift = offset(as_expr(length))
    if isinstance(base, Const) and isinstance(stop[0], Const):
        return stop[0].value + stop[1] <= base.value + shift
    if isinstance(length, Apply) and length.op in (size, axis_size):
        gap = dim_add(as_dim(length), dim_mul(-1, as_dim(add.build(*map(as_expr, stop)))))
        return isinstance(gap, int) and gap >= 0
    return stop[0] is base and stop[1] <= shift
