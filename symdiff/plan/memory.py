"""Which rows give a value in the memory of another, and which make new memory."""

from __future__ import annotations

from symdiff.ir.expr import Apply, Expr
from symdiff.primitives import arrays as A
from symdiff.primitives.elementary import cast
from symdiff.primitives.indexing import index

VIEWS = frozenset((
    A.reshape, A.expand_dims, A.squeeze, A.transpose, A.broadcast_to, A.broadcast_like, index,
))  # fmt: skip
FILLS = frozenset((A.full,))


def is_flavour_change(node: Expr) -> bool:
    """A cast only between Python's and NumPy's number of one dtype."""
    return (
        type(node) is Apply and node.op is cast and not node.type.rank
        and node.type.dtype == node.operands[0].type.dtype
    )  # fmt: skip
