"""Products and factorisations of matrices. Leading axes are batches, as in NumPy.

Rules of the factorisations: M. Giles, "An extended collection of matrix derivative results for
forward and reverse mode algorithmic differentiation" (2008). They are not elementwise, so a row
states its differential and the transpose of it; the tests hold one against the other.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Expr, const
from symdiff.ir.types import Type, broadcast_shapes, promote_dtype, show_shape
from symdiff.primitives.arithmetic import add, multiply, negative, subtract
from symdiff.primitives.arrays import (
    expand_dims,
    eye,
    matmul,
    outer_product,
    reduced,
    stack,
    sum_,
    swap_last,
)
from symdiff.primitives.indexing import index, take
from symdiff.primitives.printed import call, with_offset
from symdiff.primitives.row import (
    Attrs,
    Composite,
    Discrete,
    Primitive,
    Reduction,
    Term,
    fit,
    float_result,
)
from symdiff.primitives.shaping import diagonal, flip, reshaped, roll, tril
from symdiff.primitives.support import COFACTORS

Types = Sequence[Type]


def _square(x: Type, what: str) -> None:
    if x.rank < 2:
        raise IllTypedError(f"{what} needs a matrix, not an array of shape {show_shape(x.shape)}")
    rows, columns = x.shape[-2:]
    if isinstance(rows, int) and isinstance(columns, int) and rows != columns:
        raise IllTypedError(f"{what} needs a square matrix, not one of shape {show_shape(x.shape)}")


def minus(x: Expr) -> Expr:
    return negative.build(x)


# Composites: printed by their NumPy name, differentiated as what they mean.


def _trace_type(attrs: Attrs, types: Types) -> Type:
    x = types[0].strong
    if x.rank < 2:
        raise IllTypedError("a trace needs an array of at least two dimensions")
    return x.with_shape(x.shape[:-2]) if x.dtype != "bool" else Type("int", x.shape[:-2])


def _trace_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    if node.operands[0].type.rank == 2:
        return with_offset("np.trace")(operands, node, target)
    return call("np.trace", operands[0], node.attrs[0], -2, -1)


# attrs: (offset,); the last two axes.
trace = Composite(
    "trace", _trace_type,
    lambda x, attrs: sum_.build(diagonal.build(x, attrs=attrs), attrs=((-1,), False)),
    numpy=_trace_shown, attrs=("offset",),
)  # fmt: skip


def _kron_parts(a: Type, b: Type) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    rank = max(a.rank, b.rank)
    return (1,) * (rank - a.rank) + a.shape, (1,) * (rank - b.rank) + b.shape


def _kron_type(attrs: Attrs, types: Types) -> Type:
    from symdiff.ir.types import dim_mul

    a, b = _kron_parts(*types)
    return Type(promote_dtype(*types), tuple(map(dim_mul, a, b)))


def _kron_expand(x: Term, y: Term, attrs: Attrs) -> Expr:
    a, b = _kron_parts(x.expr.type, y.expr.type)
    left = reshaped(x.expr, tuple(d for n in a for d in (n, 1)))
    right = reshaped(y.expr, tuple(d for n in b for d in (1, n)))
    return reshaped(multiply.build(left, right), _kron_type((), [x.expr.type, y.expr.type]).shape)


kron = Composite("kron", _kron_type, _kron_expand, numpy="np.kron({0}, {1})")


def _cross_type(attrs: Attrs, types: Types) -> Type:
    for t in types:
        if not t.rank or t.shape[-1] != 3:
            raise IllTypedError(
                f"np.cross takes vectors of three components, not shape {show_shape(t.shape)}",
                hint="declare the size: float64[n,3]",
            )
    return Type(promote_dtype(*types), broadcast_shapes(*(t.shape for t in types)))


def _cross_expand(a: Term, b: Term, attrs: Attrs) -> Expr:
    def part(i: int, j: int) -> Expr:
        left = multiply.build(take(a.expr, -1, i), take(b.expr, -1, j))
        return subtract.build(left, multiply.build(take(a.expr, -1, j), take(b.expr, -1, i)))

    return stack.build(part(1, 2), part(2, 0), part(0, 1), attrs=(-1,))


# The cross product of vectors along the last axis.
cross = Composite("cross", _cross_type, _cross_expand, numpy="np.cross({0}, {1})")


# Rows that are neither elementwise nor linear.

Differential = Callable[[Apply, Sequence[Expr | None]], Expr]
Adjoint = Callable[[Apply, Expr, Sequence[bool]], list[Expr | None]]


class Factorisation(Primitive):
    """`differential(node, tangents)`, and `adjoint(node, ct, wanted)`, which is its transpose."""

    def __init__(
        self, name: str, infer: Any, differential: Differential, adjoint: Adjoint, **row: Any
    ):
        super().__init__(name, infer, raises=True, **row)
        self.differential = differential
        self.adjoint = adjoint

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        if all(t is None for t in tangents):
            return None
        return fit(self.differential(node, tangents), node.type)

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        found = self.adjoint(node, ct, wanted)
        return [
            None if d is None or not w else fit(d, x.type)
            for d, w, x in zip(found, wanted, node.operands, strict=True)
        ]


def _square_type(what: str) -> Callable[[Attrs, Types], Type]:
    def infer(attrs: Attrs, types: Types) -> Type:
        _square(types[0], what)
        return float_result(attrs, types).strong

    return infer


def _inv_differential(node: Apply, tangents: Sequence[Expr | None]) -> Expr:
    (tangent,) = tangents
    assert tangent is not None
    return minus(matmul.build(matmul.build(node, tangent), node))


def _inv_adjoint(node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
    transposed = swap_last(node)
    return [minus(matmul.build(matmul.build(transposed, ct), transposed))]


inv = Factorisation(
    "inv", _square_type("an inverse"), _inv_differential, _inv_adjoint,
    numpy="np.linalg.inv({0})",
)  # fmt: skip


def _solve_type(attrs: Attrs, types: Types) -> Type:
    a, b = types
    _square(a, "np.linalg.solve")
    if not b.rank:
        raise IllTypedError("np.linalg.solve needs a right-hand side of at least one dimension")
    n, rows = a.shape[-1], b.shape[-1 if b.rank == 1 else -2]
    if isinstance(n, int) and isinstance(rows, int) and n != rows:
        raise IllTypedError(
            f"np.linalg.solve of shapes {show_shape(a.shape)} and {show_shape(b.shape)}"
        )
    dtype = float_result((), [Type(promote_dtype(a, b))]).dtype
    if b.rank == 1:
        return Type(dtype, (*a.shape[:-2], rows))
    return Type(dtype, (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]))


def _as_columns(x: Expr, vector: bool) -> Expr:
    return expand_dims.build(x, attrs=((-1,),)) if vector else x


def _solved(a: Expr, b: Expr, vector: bool) -> Expr:
    """A^-1 b; a batch of vectors is not a matrix (NumPy takes only one dimension as a vector)."""
    if not vector or b.type.rank == 1:
        return solve.build(a, b)
    x = solve.build(a, expand_dims.build(b, attrs=((-1,),)))
    return index.build(x, attrs=((("ellipsis",), ("int", 0)),))


def _solve_differential(node: Apply, tangents: Sequence[Expr | None]) -> Expr:
    a, b = node.operands
    d_a, d_b = tangents
    vector = b.type.rank == 1
    right = d_b
    if d_a is not None:
        if vector and node.type.rank > 1:
            moved = matmul.build(d_a, _as_columns(node, True))
            moved = index.build(moved, attrs=((("ellipsis",), ("int", 0)),))
        else:
            moved = matmul.build(d_a, node)
        right = minus(moved) if right is None else subtract.build(right, moved)
    assert right is not None
    return _solved(a, right, vector)


def _solve_adjoint(node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
    a, b = node.operands
    vector = b.type.rank == 1
    d_b = _solved(swap_last(a), ct, vector)
    d_a = None
    if wanted[0]:
        if vector and node.type.rank == 1:
            d_a = minus(outer_product(d_b, node))
        else:
            row = swap_last(_as_columns(node, vector))
            d_a = minus(matmul.build(_as_columns(d_b, vector), row))
    return [d_a, d_b]


solve = Factorisation(
    "solve", _solve_type, _solve_differential, _solve_adjoint, numpy="np.linalg.solve({0}, {1})"
)


def _half_lower(x: Expr) -> Expr:
    """The lower triangle with its diagonal halved."""
    n = x.type.shape[-1]
    half = multiply.build(0.5, eye.build(attrs=(n, n, x.type.dtype, 0)))
    return multiply.build(tril.build(x, attrs=(0,)), subtract.build(1.0, half))


def _cholesky_differential(node: Apply, tangents: Sequence[Expr | None]) -> Expr:
    (tangent,) = tangents
    assert tangent is not None
    # NumPy reads only the lower triangle, so the upper one is its mirror image.
    half = _half_lower(tangent)
    symmetric = add.build(half, swap_last(half))
    inner = swap_last(solve.build(node, swap_last(solve.build(node, symmetric))))
    return matmul.build(node, _half_lower(inner))


def _cholesky_adjoint(node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
    upper = swap_last(node)
    inner = _half_lower(matmul.build(upper, ct))
    inner = swap_last(solve.build(upper, swap_last(solve.build(upper, inner))))
    return [_half_lower(add.build(inner, swap_last(inner)))]


cholesky = Factorisation(
    "cholesky", _square_type("a Cholesky factor"), _cholesky_differential, _cholesky_adjoint,
    numpy="np.linalg.cholesky({0})",
)  # fmt: skip


# Determinants reduce the last two axes: attrs are (axes, keepdims) as of every reduction.

LAST_TWO = ((-2, -1), False)


def _cofactors_type(attrs: Attrs, types: Types) -> Type:
    _square(types[0], "a determinant")
    return float_result(attrs, types).strong


# What the determinant's derivative is made of. Its own derivative assumes a regular matrix, and
# raises LinAlgError for a singular one.
cofactors = Composite(
    "cofactors", _cofactors_type,
    lambda x, attrs: multiply.build(
        expand_dims.build(det.build(x, attrs=LAST_TWO), attrs=((-2, -1),)),
        swap_last(inv.build(x)),
    ),
    numpy="_cofactors({0})", support=(COFACTORS,),
)  # fmt: skip


def _det_partial(x: Term, y: Term, node: Apply) -> Any:
    """The cofactors. Up to three rows they are written out, and are right for singular matrices."""
    n = x.expr.type.shape[-1]
    if n == 1:
        return 1.0
    if n == 2:
        signs = const(np.array([[1.0, -1.0], [-1.0, 1.0]]), Type("float64", (2, 2)))
        turned = swap_last(flip(x.expr, (-2, -1)))
        return swap_last(multiply.build(fit(signs, Type(x.expr.type.dtype, (2, 2))), turned))
    if n == 3:
        below, above = (roll.build(x, shift, attrs=(-2,)) for shift in (-1, -2))
        return cross.build(below, above)
    return cofactors.build(x)


def _determinant(what: str) -> Any:
    rule = reduced(float_result)

    def infer(attrs: Attrs, types: Types) -> Type:
        _square(types[0], what)
        return rule(attrs, types)

    return infer


det = Reduction(
    "det", _determinant("a determinant"), _det_partial,
    numpy="np.linalg.det({0})", attrs=("axes", "keepdims"),
)  # fmt: skip
logabsdet = Reduction(
    "logabsdet", _determinant("slogdet"), lambda x, y, node: swap_last(inv.build(x)),
    numpy="np.linalg.slogdet({0})[1]", attrs=("axes", "keepdims"), raises=True,
)  # fmt: skip
detsign = Discrete(
    "detsign", _determinant("slogdet"), numpy="np.linalg.slogdet({0})[0]",
    attrs=("axes", "keepdims"),
)  # fmt: skip
