"""Guards of denominators go where the function divides by the same value anyway.

    n = x / r;  d = x / (r if r != 0 else 1)     ->   n = x / r;  d = x / r

A Python float divided by zero raises, so where `x / r` is certain to run, r is not 0 afterwards.
Only Python numbers, and only divisions outside of branches and `Map` bodies, count as certain.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Apply, Const, Expr, If, Map
from symdiff.ir.function import Function
from symdiff.optimize.rebuild import rebuilt
from symdiff.options import Options
from symdiff.primitives.arithmetic import divide, equal, multiply


def drop_guards(function: Function, options: Options) -> Function:
    """`function` without the guards that cannot be reached."""
    if not options.optimize:
        return function
    order = function.nodes()
    if not any(type(node) is If for node in order):
        return function
    divisors = certain_divisors(function.results)
    if not divisors:
        return function

    def unguarded(node: Expr) -> Expr:
        if type(node) is If:
            y = _compared_with_zero(node.pred)
            if y is not None and y in divisors:
                return node.orelse
        return node

    return function.rewritten(rebuilt(order, unguarded))


def certain_divisors(results: Sequence[Expr]) -> set[Expr]:
    """What the function is certain to divide by, in Python floats."""
    found: set[Expr] = set()
    seen: set[Expr] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if type(node) is Apply:
            if node.op is divide and all(x.type.weak for x in node.operands):
                found.update(_factors(node.operands[1]))
            stack.extend(node.operands)
        elif type(node) is If:
            stack.append(node.pred)
        elif type(node) is Map:
            stack.extend(node.over)
        else:
            stack.extend(node.operands[:3])
    return found


def _factors(divisor: Expr) -> list[Expr]:
    """`divisor`, and the factors of a product: it is 0 where one of them is (and none is inf)."""
    found: list[Expr] = []
    stack = [divisor]
    while stack:
        node = stack.pop()
        found.append(node)
        if type(node) is Apply and node.op is multiply:
            stack.extend(node.operands)
    return found


def _compared_with_zero(pred: Expr) -> Expr | None:
    if type(pred) is Apply and pred.op is equal:
        x, zero = pred.operands
        if isinstance(zero, Const) and zero.type.weak and zero.value == 0:
            return x
    return None
