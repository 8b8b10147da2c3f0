"""Products read as one writes them: numbers, then names, then sums, then function calls.

    cos(x**2) * (2 * x)   ->   2 * x * cos(x**2)
    x * (2 * cos(y))      ->   2 * x * cos(y)

Condition: `exact` where the two operands only change places, `real` where a number moves to the
front (of Python floats alone: for arrays it would cost an operation on all elements).
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Const, Expr, Var, with_operands
from symdiff.ir.function import Function
from symdiff.ir.walk import users
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, multiply, negative, power, subtract

_NUMBER, _NAME, _POWER, _SUM, _CALL = range(5)


def arrange(function: Function, options: Options) -> Function:
    """`function` with the operands of its products in reading order."""
    if not options.optimize:
        return function
    order = function.nodes()
    uses = users(order)
    # What the user named is printed as a name, whatever it is made of.
    weight: dict[Expr, int] = dict.fromkeys(function.names, _NAME)
    fixed: set[Expr] = set(function.names)  # products that are not taken apart
    done: dict[Expr, Expr] = {}
    for node in order:
        new = node
        for x in node.operands:
            if done[x] is not x:
                new = with_operands(node, tuple([done[y] for y in node.operands]))
                break
        if isinstance(new, Apply) and new.op is multiply:
            new = _product(new, weight, fixed)
        if uses.get(node, 0) != 1 or node in function.names:
            fixed.add(new)
        if node in function.names:
            weight[new] = _NAME
        weight[new] = _weight(new, weight)
        done[node] = new
    return function.rewritten(done)


def _product(node: Apply, weight: dict[Expr, int], fixed: set[Expr]) -> Expr:
    left, right = node.operands
    for one, other in ((left, right), (right, left)):
        if node.type.weak and one not in fixed and _is_multiple(one) and weight[other] != _NUMBER:
            number, rest = one.operands
            first, last = sorted((other, rest), key=lambda x: weight[x])
            start = multiply.build(number, first)
            weight.setdefault(start, _weight(start, weight))
            return multiply.build(start, last)
    return multiply.build(right, left) if weight[left] > weight[right] else node


def _is_multiple(node: Expr) -> bool:
    return isinstance(node, Apply) and node.op is multiply and isinstance(node.operands[0], Const)


def _weight(node: Expr, weight: dict[Expr, int]) -> int:
    known = weight.get(node)
    if known is not None:
        return known
    if not isinstance(node, Apply):
        return _NUMBER if isinstance(node, Const) else _NAME if isinstance(node, Var) else _CALL
    op = node.op
    if op is multiply or op is negative:
        return max([weight[x] for x in node.operands])
    if op is add or op is subtract:
        return _SUM
    if op is power and isinstance(node.operands[1], Const):
        return max(_POWER, weight[node.operands[0]])
    return _CALL
