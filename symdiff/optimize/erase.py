"""Marks that mean something only to differentiation disappear.

    detach(x) * y     ->  x * y
    custom(value, x, partial)   ->  value

Always on: it runs once, when all derivatives have been taken.
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.function import Function
from symdiff.ir.walk import topological
from symdiff.optimize.rebuild import rebuilt
from symdiff.options import Options
from symdiff.primitives.custom import custom
from symdiff.primitives.elementary import aborts, detach

_MARKS = frozenset((detach, custom, aborts))


def erase(function: Function, options: Options) -> Function:
    """`function` without `detach`, `custom` and `aborts`."""
    order = function.nodes()
    if function.requires:
        order = topological([*function.results, *(r.fails for r in function.requires)])
    if not any(type(n) is Apply and n.op in _MARKS for n in order):
        return function
    return function.rewritten(rebuilt(order, _erased))


def _erased(node: Expr) -> Expr:
    if type(node) is Apply and node.op in _MARKS:
        return node.operands[0]
    return node
