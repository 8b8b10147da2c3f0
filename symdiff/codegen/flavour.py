"""Python's numbers and NumPy's: where the generated code need not say which.

    y = np.float64(d) * x[i]   ->   y = d * x[i]

A product with a number of NumPy is one of NumPy already.
"""

from __future__ import annotations

from symdiff.codegen.arrays import spelt
from symdiff.ir.expr import Apply, Expr, If
from symdiff.plan.memory import is_flavour_change
from symdiff.primitives.arithmetic import add, divide, multiply, negative, subtract
from symdiff.primitives.row import Elementwise

_JOINED = frozenset((add, subtract, multiply))
_DEPTH = 4  # how far down is looked for what makes a number one of NumPy


def is_needless(cast: Apply, parent: Apply) -> bool:
    """Whether the other operand of `parent` makes it NumPy's without the cast.

    A division is not taken: by a number of Python that is 0 it would raise.
    """
    return (
        parent.op in _JOINED and not cast.type.weak and not parent.type.rank
        and any(x is not cast and _is_numpy(x, cast) for x in parent.operands)
    )  # fmt: skip


def _is_numpy(node: Expr, like: Expr, depth: int = _DEPTH) -> bool:
    """Whether a number is certainly one of NumPy, of the precision of `like`.

    It is of an array, or computed from such. What its type says is not enough: `0.0` is written
    as such.
    """
    if node.type != like.type or depth == 0:
        return False
    if isinstance(node, If):
        return all(_is_numpy(x, like, depth - 1) for x in (node.then, node.orelse))
    if not isinstance(node, Apply) or is_flavour_change(node):
        return False
    if any(x.type.rank and not x.type.listed for x in node.operands):
        return True
    if node.op in _JOINED or node.op in (divide, negative):
        return any(_is_numpy(x, like, depth - 1) for x in node.operands)
    return isinstance(node.op, Elementwise) and spelt(node).library == "np."
