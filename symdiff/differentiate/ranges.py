"""Arithmetic on the bounds of loops: how many rounds, which round, the same range backwards."""

from __future__ import annotations

from symdiff.ir.expr import Apply, Const, Expr
from symdiff.primitives.arithmetic import add, floor_divide, multiply, subtract
from symdiff.primitives.row import as_expr


def is_(x: Expr, value: int) -> bool:
    return isinstance(x, Const) and x.value == value


def plus(a: Expr, b: Expr) -> Expr:
    return b if is_(a, 0) else a if is_(b, 0) else add.build(a, b)


def minus(a: Expr, b: Expr) -> Expr:
    if isinstance(b, Const):
        return shifted(a, -b.value)
    if isinstance(a, Apply) and a.op is add and a.operands[0] is b:
        return a.operands[1]
    return subtract.build(a, b)


def shifted(x: Expr, by: int) -> Expr:
    """x + by, where x may be a constant or such a sum itself."""
    if isinstance(x, Const):
        return as_expr(x.value + by)
    if isinstance(x, Apply) and x.op in (add, subtract) and isinstance(x.operands[1], Const):
        known = x.operands[1].value
        return shifted(x.operands[0], by + (known if x.op is add else -known))
    if by == 0:
        return x
    return add.build(x, by) if by > 0 else subtract.build(x, -by)


def times(a: Expr, b: Expr) -> Expr:
    return a if is_(b, 1) else multiply.build(a, b)


def count(start: Expr, stop: Expr, step: Expr) -> Expr:
    """How many rounds; where there are none, it may be negative."""
    if is_(step, 1):
        return minus(stop, start)
    if is_(step, -1):
        return minus(start, stop)
    if all(isinstance(x, Const) for x in (start, stop, step)):
        return as_expr(len(range(start.value, stop.value, step.value)))  # type: ignore[attr-defined]
    return subtract.build(0, floor_divide.build(minus(start, stop), step))


def round_number(i: Expr, start: Expr, step: Expr) -> Expr:
    if is_(step, -1):
        return minus(start, i)
    offset = minus(i, start)
    return offset if is_(step, 1) else floor_divide.build(offset, step)


def backwards(start: Expr, stop: Expr, step: Expr) -> tuple[Expr, Expr, Expr]:
    """The bounds of the same range backwards."""
    assert isinstance(step, Const)
    if all(isinstance(x, Const) for x in (start, stop)):
        known = range(start.value, stop.value, step.value)[::-1]  # type: ignore[attr-defined]
        return as_expr(known.start), as_expr(known.stop), as_expr(known.step)
    back = as_expr(-step.value)
    if step.value in (1, -1):
        return shifted(stop, -step.value), shifted(start, -step.value), back
    last = plus(start, times(minus(count(start, stop, step), as_expr(1)), step))
    return last, minus(start, step), back
