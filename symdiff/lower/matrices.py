"""Factorisations of matrices: a copy of the matrix is factored in place, once for all that need it.

    x = np.linalg.solve(a, b)            a_lu = a;  lu_factor(a_lu, pivots, &singular)
    y = np.linalg.solve(a.T, c)    ->    raise LinAlgError where singular
                                         x = b;  lu_solve(a_lu, pivots, x)
                                         y = c;  lu_solve(a_lu, pivots, y), of the transpose

A factor of Cholesky's is triangular, so that nothing is left to factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.nest import Buffer, Declare, Invoke, Load, Local, Num, Op, Ref, Term
from symdiff.lower.arrays import ONE, ZERO, Array, Index, stored
from symdiff.lower.context import Context, Value, refused
from symdiff.primitives import arrays as A
from symdiff.primitives import linalg as L
from symdiff.primitives.row import Primitive

Given = tuple[Term | Buffer, ...]
Dims = tuple[Term, ...]
_ERROR = "LinAlgError"


@dataclass(frozen=True)
class Factors:
    """The factored matrices in `buffer`; pivots: None where they are lower triangular."""

    buffer: Buffer
    pivots: Buffer | None
    singular: Local | None

    @property
    def size(self) -> Term:
        """How many rows each has."""
        return self.buffer.dims[-1]


def _call(to: Context, name: str, given: Given, *results: Local | Buffer) -> None:
    """A call of a function of `codegen.c.matrices`."""
    kinds = {x.dtype for x in (*given, *results) if isinstance(x, Buffer)}
    name = f"{name}_float" if "float32" in kinds else name
    to.out += (Declare(x) for x in results if isinstance(x, Local))
    to.out.append(Invoke(name, given, results, to.line, raises=False))


def _square(to: Context, x: Array) -> None:
    message = "Last 2 dimensions of the array must be square"
    to.require_equal(x.dims[-2], x.dims[-1], message, _ERROR)


def _copied(to: Context, x: Array, dims: Dims, wish: str, node: Apply) -> Buffer:
    """`x`, broadcast to `dims`, in memory that may be written over."""
    buffer = to.work(wish, node.type.dtype, dims)
    to.copied_into(buffer, x)
    return buffer


def _matrices(to: Context, x: Array | Buffer) -> Term:
    """How many matrices an array holds."""
    return to.count(x.dims[:-2])


def _untransposed(to: Context, node: Expr) -> tuple[Expr, bool]:
    """The array whose matrices are those of `node`, or their transposes, and which."""
    turned = False
    while isinstance(node, Apply) and node.op is A.transpose:
        rank, inner = node.type.rank, node.operands[0]
        if node.attrs[0] != (*range(-rank, -2), -1, -2):
            break
        if to.array(node).reads != to.array(inner).reads:
            break  # what is inside may have been written over since
        node, turned = inner, not turned
    return node, turned


def _factored(to: Context, node: Expr, like: Apply, dims: Dims | None = None) -> Factors:
    """The factors of the matrices of `node`, in the dtype of `like`; dims: broadcast to these."""
    x = to.array(node)
    dims = dims or x.dims
    if (
        isinstance(node, Apply) and node.op is L.cholesky and dims == x.dims
        and x.dtype == like.type.dtype
    ):  # fmt: skip
        array = to.realized(x, to.wish_for(node))
        assert array.buffer is not None
        return Factors(array.buffer, None, None)
    return _lu(to, node, like, dims)


def _lu(to: Context, node: Expr, like: Apply, dims: Dims) -> Factors:
    def factor() -> Factors:
        buffer = _copied(to, to.array(node), dims, "lu", like)
        pivots = to.work("pivots", "int", dims[:-1])
        singular = Local("singular", "bool")
        _call(to, "lu_factor", (_matrices(to, buffer), dims[-1]), buffer, pivots, singular)
        return Factors(buffer, pivots, singular)

    _square(to, to.array(node))
    return to.once(("factors", node, like.type.dtype, dims), factor)


def _solved(to: Context, factors: Factors, turned: bool, x: Buffer, vector: bool) -> Value:
    """What solves the systems whose right sides are in `x`."""
    if factors.singular is not None:
        to.fail(Ref(factors.singular), _ERROR, "Singular matrix")
    count = to.count(x.dims[:-1] if vector else x.dims[:-2])
    columns = ONE if vector else x.dims[-1]
    each = (
        count, _matrices(to, factors.buffer), Num(turned, "bool"), factors.size, columns,
        factors.buffer,
    )  # fmt: skip
    if factors.pivots is None:
        _call(to, "lower_solve", each, x)
    else:
        _call(to, "lu_solve", (*each, factors.pivots), x)
    return stored(x)


def _solve(to: Context, node: Apply) -> Value:
    right = to.array(node.operands[1])
    vector = right.rank == 1
    inner, turned = _untransposed(to, node.operands[0])
    a = to.array(inner)
    _square(to, a)
    rows = right.dims[-1 if vector else -2]
    message = "np.linalg.solve of a matrix and a right-hand side of different sizes"
    to.require_equal(a.dims[-1], rows, message)
    if vector:
        dims = (*a.dims[:-2], a.dims[-1])
    else:
        dims = (*to.common([a.dims[:-2], right.dims[:-2]]), a.dims[-1], right.dims[-1])
    batch = dims[: len(dims) - (1 if vector else 2)]
    alike = len(a.dims) - 2 == len(batch) and all(map(to.known.equal, a.dims, batch))
    single = all(d == ONE for d in a.dims[:-2])
    factors = _factored(to, inner, node, None if alike or single else (*batch, *a.dims[-2:]))
    x = _copied(to, right, dims, to.wish_for(node), node)
    return _solved(to, factors, turned, x, vector)


def _inv(to: Context, node: Apply) -> Value:
    inner, turned = _untransposed(to, node.operands[0])
    factors = _factored(to, inner, node)
    dims = factors.buffer.dims

    def at(index: Index) -> Term:
        on = Op("{0} == {1}", index[-2:], "bool")
        return Op("{0} ? {1} : {2}", (on, Num(1.0, node.type.dtype), Num(0.0, node.type.dtype)),
                  node.type.dtype)  # fmt: skip

    x = _copied(to, Array(node.type.dtype, dims, at), dims, to.wish_for(node), node)
    return _solved(to, factors, turned, x, False)


def _cholesky(to: Context, node: Apply) -> Value:
    x = to.array(node.operands[0])
    _square(to, x)
    buffer = _copied(to, x, x.dims, to.wish_for(node), node)
    indefinite = Local("indefinite", "bool")
    _call(to, "cholesky", (_matrices(to, buffer), x.dims[-1]), buffer, indefinite)
    to.fail(Ref(indefinite), _ERROR, "Matrix is not positive definite")
    return stored(buffer)


def _of_factors(function: str, pivoted: bool) -> Callable[[Context, Apply], Value]:
    """The rule of a row that has one number for each matrix."""

    def rule(to: Context, node: Apply) -> Value:
        inner, _ = _untransposed(to, node.operands[0])
        x = to.array(inner)
        if node.attrs[1]:
            raise refused(f"{node.op.name} with keepdims=", to.line)
        factors = _lu(to, inner, node, x.dims)
        given: Given = (_matrices(to, x), factors.size, factors.buffer)
        if pivoted:
            assert factors.pivots is not None
            given = (*given, factors.pivots)
        if x.rank > 2:
            out = to.work(to.wish_for(node), node.type.dtype, x.dims[:-2])
            _call(to, function, given, out)
            return stored(out)
        number = to.work(to.wish_for(node), node.type.dtype, (ONE,))
        _call(to, function, given, number)
        return to.bind(Load(number, (ZERO,)))

    return rule


def _cofactors(to: Context, node: Apply) -> Value:
    x = to.array(node.operands[0])
    _square(to, x)
    n = x.dims[-1]
    copy = _copied(to, x, x.dims, "rest", node)
    order = to.work("order", "int", (Num(2, "int"), n))
    room = to.work("column", node.type.dtype, (n,))
    out = to.work(to.wish_for(node), node.type.dtype, x.dims)
    _call(to, "cofactors", (_matrices(to, x), n), copy, order, room, out)
    return stored(out)


MATRICES: dict[Primitive, Callable[[Context, Apply], Value]] = {
    L.solve: _solve, L.inv: _inv, L.cholesky: _cholesky, L.cofactors: _cofactors,
    L.det: _of_factors("lu_determinant", True), L.detsign: _of_factors("lu_sign", True),
    L.logabsdet: _of_factors("lu_log_size", False),
}  # fmt: skip
