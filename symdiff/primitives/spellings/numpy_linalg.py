"""NumPy's products, norms, factorisations and polynomials in terms of the rows."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.ir.types import Dim, dim_add, dim_mul, symbol
from symdiff.primitives import arrays as A
from symdiff.primitives import contraction as C
from symdiff.primitives import elementary as el
from symdiff.primitives import linalg as L
from symdiff.primitives import reductions as R
from symdiff.primitives.arithmetic import add, multiply
from symdiff.primitives.elementary import with_size
from symdiff.primitives.indexing import take_slice
from symdiff.primitives.shape import normal_axes, normal_axis, size_of
from symdiff.primitives.shaping import flip, move_axis
from symdiff.primitives.spell import ATTRIBUTES
from symdiff.primitives.spellings.common import (
    array_of,
    as_float_array,
    folds,
    one_axis_of,
    raveled,
    refuse,
    several,
    static_int,
)

# Products.


@folds(np.matmul)
def matmul(a: Any, b: Any, **options: Any) -> Expr:
    refuse(**options)
    return A.matmul.build(array_of(a), array_of(b))


@folds(np.dot, method="dot")
def dot(a: Any, b: Any, out: Any = None) -> Expr:
    refuse(out=out)
    x, y = array_of(a), array_of(b)
    if not x.type.rank or not y.type.rank:
        return multiply.build(x, y)
    if y.type.rank > 2:
        return C.tensordot.build(x, y, attrs=((-1,), (-2,)))
    return A.matmul.build(x, y)


@folds(np.vdot)
def vdot(a: Any, b: Any) -> Expr:
    x, y = array_of(a), array_of(b)
    if x.type.is_complex:
        raise UnsupportedError("np.vdot of complex arrays is not supported")
    return A.matmul.build(raveled(x), raveled(y))


@folds(np.inner)
def inner(a: Any, b: Any) -> Expr:
    x, y = array_of(a), array_of(b)
    if not x.type.rank or not y.type.rank:
        return multiply.build(x, y)
    if y.type.rank == 1:
        return A.matmul.build(x, y)
    return C.tensordot.build(x, y, attrs=((-1,), (-1,)))


@folds(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, *, axis: Any = -1) -> Expr:
    x, y = array_of(x1), array_of(x2)
    x, y = (move_axis(v, one_axis_of(v, axis), -1) for v in (x, y))
    return A.sum_.build(multiply.build(x, y), attrs=((-1,), False))


@folds(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Expr:
    e = array_of(x)
    if e.type.rank < 2:
        raise IllTypedError("matrix transpose needs an array of at least two dimensions")
    return A.swap_last(e)


ATTRIBUTES["mT"] = matrix_transpose


@folds(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Expr:
    refuse(out=out)
    return A.outer.build(raveled(array_of(a)), raveled(array_of(b)))


@folds(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Expr:
    x, y = array_of(a), array_of(b)
    if isinstance(axes, (tuple, list)):
        left, right = (v if isinstance(v, (tuple, list)) else (v,) for v in axes)
        mine = tuple(normal_axis(i, x.type.rank) for i in left)
        theirs = tuple(normal_axis(i, y.type.rank) for i in right)
    else:
        count = static_int(axes, "axes")
        if count > min(x.type.rank, y.type.rank):
            raise IllTypedError("tensordot: more axes than the arrays have")
        mine = tuple(range(-count, 0))
        theirs = tuple(range(-y.type.rank, count - y.type.rank))
    if len(mine) != len(theirs) or len(set(mine)) != len(mine) or len(set(theirs)) != len(theirs):
        raise IllTypedError("shape-mismatch for sum: the axes do not pair up")
    return C.tensordot.build(x, y, attrs=(mine, theirs))


@folds(np.einsum)
def einsum(*operands: Any, optimize: Any = False, **options: Any) -> Expr:
    refuse(**options)
    if not operands:
        raise IllTypedError(
            "must specify the einstein sum subscripts string and at least one operand"
        )
    if isinstance(operands[0], str):
        text, arrays = operands[0], [array_of(x) for x in operands[1:]]
    else:
        text, arrays = _interleaved(operands)
    subscripts, out = _subscripts(text, arrays)
    return C.einsum.build(*arrays, attrs=(subscripts, out, bool(optimize)))


def _interleaved(operands: Sequence[Any]) -> tuple[str, list[Expr]]:
    """`einsum(x, [0, 1], y, [1], [0])` as letters."""

    def letters(numbers: Any) -> str:
        return "".join(
            "..." if i is Ellipsis else string.ascii_letters[static_int(i, "a label")]
            for i in numbers
        )

    pairs = list(zip(operands[::2], operands[1::2], strict=False))
    text = ",".join(letters(labels) for _, labels in pairs)
    if len(operands) % 2:
        text += "->" + letters(operands[-1])
    return text, [array_of(x) for x, _ in pairs]


def _subscripts(text: str, arrays: Sequence[Expr]) -> tuple[tuple[str, ...], str]:
    """Letters for each operand and for the result, with an ellipsis written out."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise IllTypedError(f"einsum: {len(terms)} subscripts for {len(arrays)} operands")
    free = [c for c in string.ascii_letters if c not in text]
    broadcast = ""
    for term, x in zip(terms, arrays, strict=True):
        if "..." in term:
            count = x.type.rank - len(term.replace("...", ""))
            if count < 0:
                raise IllTypedError(f"einsum: subscripts {term!r} for {x.type.rank} dimensions")
            if count > len(broadcast):
                broadcast = "".join(free[:count])
    free_last = broadcast[::-1]

    def written(term: str, rank: int) -> str:
        count = rank - len(term.replace("...", ""))
        return term.replace("...", free_last[:count][::-1]) if "..." in term else term

    subscripts = tuple(written(t, x.type.rank) for t, x in zip(terms, arrays, strict=True))
    letters = "".join(subscripts)
    for c in letters:
        if c not in string.ascii_letters:
            raise IllTypedError(f"einsum: {c!r} is not a letter")
    if arrow:
        out = right.replace("...", broadcast)
    else:
        plain = left.replace("...", "").replace(",", "")
        out = broadcast + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))
    if len(set(out)) != len(out) or any(c not in letters for c in out):
        raise IllTypedError(
            f"einsum: the output subscripts {right!r} must each occur once, in an input"
        )
    return subscripts, out


@folds(np.kron)
def kron(a: Any, b: Any) -> Expr:
    x, y = array_of(a), array_of(b)
    return L.kron.build(x, y) if x.type.rank or y.type.rank else multiply.build(x, y)


@folds(np.cross)
def cross(
    a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None
) -> Expr:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = array_of(a), array_of(b)
    x = move_axis(x, one_axis_of(x, axisa), -1)
    y = move_axis(y, one_axis_of(y, axisb), -1)
    x, y = (with_size(e, -1, 3) if e.type.rank else e for e in (x, y))
    result = L.cross.build(x, y)
    return permuted_to(result, normal_axis(axisc, result.type.rank))


def permuted_to(x: Expr, axis: int) -> Expr:
    """The last axis moved to `axis`."""
    return x if axis == -1 else move_axis(x, -1, axis)


# Convolution.


@folds(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Expr:
    x, y = (_vector(array_of(e)) for e in (a, v))
    n, m = x.type.shape[0], y.type.shape[0]
    if mode not in ("full", "same", "valid"):
        raise IllTypedError("mode must be 'full', 'same' or 'valid'")
    if mode == "full":
        return C.convolve.build(x, y, attrs=("full",))
    if isinstance(n, int) and isinstance(m, int) and mode == "valid":
        return C.convolve.build(*((x, y) if n >= m else (y, x)), attrs=("valid",))
    # What is longer may be known only at run time, so the ends of "full" are cut off.
    longer, shorter = _larger(n, m), _smaller(n, m)
    full = C.convolve.build(x, y, attrs=("full",))
    if mode == "valid":
        start, size = dim_add(shorter, -1), dim_add(longer, 1, dim_mul(-1, shorter))
    else:
        start, size = _half(dim_add(shorter, -1)), longer
    return take_slice(full, -1, size_of(start), size_of(dim_add(start, size)))


def _vector(x: Expr) -> Expr:
    if x.type.rank > 1:
        raise IllTypedError("object too deep for desired array: np.convolve takes vectors")
    return raveled(x)


def _larger(n: Dim, m: Dim) -> Dim:
    if isinstance(n, int) and isinstance(m, int):
        return max(n, m)
    return n if n == m else symbol(f"max({n}, {m})")


def _smaller(n: Dim, m: Dim) -> Dim:
    if isinstance(n, int) and isinstance(m, int):
        return min(n, m)
    return n if n == m else symbol(f"min({n}, {m})")


def _half(dim: Dim) -> Dim:
    return dim // 2 if isinstance(dim, int) else symbol(f"({dim}) // 2")


@folds(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Expr:
    x, y = (_vector(array_of(e)) for e in (a, v))
    n, m = x.type.shape[0], y.type.shape[0]
    if mode != "full" and not (isinstance(n, int) and isinstance(m, int) and n >= m):
        raise UnsupportedError(
            "np.correlate needs to know that its first operand is the longer one",
            hint="declare the sizes, or use np.convolve(a, v[::-1], mode)",
        )
    return convolve(x, flip(y, (-1,)), mode)


# Norms.


@folds(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Expr:
    a = as_float_array(array_of(x))
    if a.type.is_complex:
        raise UnsupportedError("the norm of a complex array is not supported")
    axes = normal_axes(axis, a.type.rank)
    if isinstance(ord, Expr):
        raise UnsupportedError("the order of a norm must be known when compiling")
    keep = bool(keepdims)
    if ord is None and (axis is None or len(axes) <= 2):
        return R.norm.build(a, attrs=(axes, keep))
    if len(axes) == 1:
        return _vector_norm(a, ord, axes, keep)
    if len(axes) != 2:
        raise IllTypedError("Improper number of dimensions to norm.")
    return _matrix_norm(a, ord, tuple(axes), keep, axis)


def _vector_norm(a: Expr, ord: Any, axes: tuple[int, ...], keep: bool) -> Expr:
    if ord in (None, 2):
        return R.norm.build(a, attrs=(axes, keep))
    size = el.abs_.build(a)
    if ord == np.inf:
        return A.max_.build(size, attrs=(axes, keep))
    if ord == -np.inf:
        return A.min_.build(size, attrs=(axes, keep))
    if ord == 0:
        raise UnsupportedError("the number of nonzero entries has no derivative (ord=0)")
    if isinstance(ord, str):
        raise IllTypedError(f"Invalid norm order '{ord}' for vectors")
    if ord == 1:
        return A.sum_.build(size, attrs=(axes, keep))
    return R.power_norm.build(a, attrs=(axes, keep, float(ord)))


def _matrix_norm(a: Expr, ord: Any, axes: tuple[int, ...], keep: bool, axis: Any) -> Expr:
    if ord in (None, "fro"):
        return R.norm.build(a, attrs=(axes, keep))
    rows, columns = axes if axis is None else (normal_axis(i, a.type.rank) for i in axis)
    size = el.abs_.build(a)
    if ord in (1, -1, np.inf, -np.inf):
        first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.sum_.build(size, attrs=((first,), True))
        value = (A.max_ if ord > 0 else A.min_).build(sums, attrs=((second,), True))
        return value if keep else A.squeeze.build(value, attrs=(axes,))
    raise UnsupportedError(
        f"the matrix norm ord={ord!r} is not supported", hint="use the Frobenius norm"
    )


@folds(np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Expr:
    a = as_float_array(array_of(x))
    if axis is None and ord == 2:
        return norm(a, None, None, keepdims)
    return norm(raveled(a) if axis is None and not keepdims else a, ord, axis, keepdims)


# Factorisations.


def _unary(row: Any, *objects: Any) -> None:
    @folds(*objects)
    def call(a: Any) -> Expr:
        return row.build(as_float_array(array_of(a)))


_unary(L.inv, np.linalg.inv)


@folds(np.linalg.cholesky)
def cholesky(a: Any, *, upper: Any = False) -> Expr:
    if upper is not False:
        raise UnsupportedError("np.linalg.cholesky with upper= is not supported", hint="use .T")
    return L.cholesky.build(as_float_array(array_of(a)))


@folds(np.linalg.solve)
def solve(a: Any, b: Any) -> Expr:
    return L.solve.build(as_float_array(array_of(a)), as_float_array(array_of(b)))


@folds(np.linalg.det)
def det(a: Any) -> Expr:
    return L.det.build(as_float_array(array_of(a)), attrs=L.LAST_TWO)


@folds(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    x = as_float_array(array_of(a))
    sign, value = (row.build(x, attrs=L.LAST_TWO) for row in (L.detsign, L.logabsdet))
    return Record(type(np.linalg.slogdet(np.eye(1))), {"sign": sign, "logabsdet": value})


@folds(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Expr:
    x, times = array_of(a), static_int(n, "the power of a matrix")
    if times < 0:
        x, times = L.inv.build(as_float_array(x)), -times
    if times == 0:
        rows = x.type.shape[-1]
        one = A.eye.build(attrs=(rows, rows, x.type.dtype, 0))
        return one if x.type.rank == 2 else A.broadcast_to.build(one, attrs=(x.type.shape,))
    result: Expr | None = None
    while times:  # repeated squaring
        if times % 2:
            result = x if result is None else A.matmul.build(result, x)
        times //= 2
        x = A.matmul.build(x, x) if times else x
    assert result is not None
    return result


@folds(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Expr:
    refuse(out=out)
    parts = [array_of(a) for a in several(arrays, "np.linalg.multi_dot")]
    result = parts[0]
    for part in parts[1:]:
        result = A.matmul.build(result, part)
    return result


# Polynomials.


@folds(np.polyval)
def polyval(p: Any, x: Any) -> Expr:
    coefficients = [array_of(c) for c in several(p, "np.polyval")]
    point = array_of(x)
    value = coefficients[0]
    if len(coefficients) == 1:
        return A.broadcast_to.build(value, attrs=(point.type.shape,)) if point.type.rank else value
    for c in coefficients[1:]:  # Horner's rule
        value = add.build(multiply.build(value, point), c)
    return value
