"""How much a function costs: the number of operations that its code carries out.

2 * x * cos(x**2)   ->   4: two products, a power, a cosine
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.expr import Const, Expr, For, Map, Project, Var, While
from symdiff.ir.function import Function
from symdiff.ir.walk import topological


def operations(function: Function) -> int:
    """Arithmetic operations and function calls, each shared value once.

    Constants, variables and the choice itself of an `If` cost nothing; its comparison does.
    """
    return cost(function.results)


def cost(results: Iterable[Expr]) -> int:
    """`operations` of bare expressions."""
    return count(topological(results))


def count(nodes: Iterable[Expr]) -> int:
    """How many of `nodes` are operations."""
    return sum([type(node) not in _FREE for node in nodes])


_FREE = (Const, Var, Project, Map, For, While)
