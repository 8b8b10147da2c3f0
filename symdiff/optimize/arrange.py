"""Products read as one writes them: numbers, then names, then sums, then function calls.

    cos(x**2) * (2 * x)   ->   2 * x * cos(x**2)
    x * (2 * cos(y))      ->   2 * x * cos(y)

Condition: `exact` where the two operands only change places, `real` where a number moves to the front
(of Python floats alone: of arrays it would cost an operation on all elements).
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Const, Expr, Var
from symdiff.ir.function import Function
from symdiff.ir.walk import users
from symdiff.optimize.rebuild import rebuilt
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, multiply, negative, power, subtract

_NUMBER, _NAME, _POWER, _SUM, _CALL = range(5)


def arrange(function: Function, options: Options) -> Function:
    """`function` with the operands of its products in reading order."""
    if not options.optimize:
        return function
    order = function.nodes()
    named = set(function.names)
    weight: dict[Expr, int] = {}

    uses = users(order)

    def arranged(node: Expr) -> Expr:
        if isinstance(node, Apply) and node.op is multiply:
            left, right = node.operands
            if uses.get(right) == 1 and right not in named and _is_multiple(right):
                number, rest = right.operands
                if not isinstance(left, Const) and node.type.weak:
                    left, right = multiply.build(number, left), rest
                    weight.setdefault(left, _weight(left, weight))
                    node = multiply.build(left, right)
            if weight.get(left, _CALL) > weight.get(right, _CALL):
                node = multiply.build(right, left)
        weight[node] = _weight(node, weight)
        return node

    # What the user named is printed as a name, whatever it is made of.
    weight.update((node, _NAME) for node in named)
    return function.rewritten(rebuilt(order, arranged))


def _is_multiple(node: Expr) -> bool:
    return isinstance(node, Apply) and node.op is multiply and isinstance(node.operands[0], Const)


def _weight(node: Expr, weight: dict[Expr, int]) -> int:
    known = weight.get(node)
    if known is not None:
        return known
    match node:
        case Const():
            return _NUMBER
        case Var():
            return _NAME
        case Apply() if node.op is multiply or node.op is negative:
            return max(weight.get(x, _CALL) for x in node.operands)
        case Apply() if node.op is power and isinstance(node.operands[1], Const):
            return max(_POWER, weight.get(node.operands[0], _CALL))
        case Apply() if node.op is add or node.op is subtract:
            return _SUM
        case _:
            return _CALL
