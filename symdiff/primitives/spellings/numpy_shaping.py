"""NumPy's functions that rearrange, join and split arrays, in terms of the rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.types import Dim, broadcast_shapes, dim_add, dim_quotient
from symdiff.primitives import arrays as A
from symdiff.primitives import shaping as S
from symdiff.primitives.indexing import take_slice
from symdiff.primitives.shape import as_dim, normal_axes, normal_axis, size_of
from symdiff.primitives.spell import subscript, to_expr
from symdiff.primitives.spellings.common import (
    array_of,
    folds,
    one_axis_of,
    raveled,
    refuse,
    several,
    static_int,
)

# Axes.


@folds(np.swapaxes, method="swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Expr:
    x = array_of(a)
    order = list(range(-x.type.rank, 0))
    i, j = (normal_axis(axis, x.type.rank) for axis in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return S.permuted(x, tuple(order))


@folds(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Expr:
    x = array_of(a)
    rank = x.type.rank
    sources, targets = (
        [normal_axis(i, rank) for i in (axis if isinstance(axis, (tuple, list)) else (axis,))]
        for axis in (source, destination)
    )
    if len(sources) != len(targets) or len(set(sources)) != len(sources):
        raise IllTypedError("`source` and `destination` must name equally many different axes")
    if len(set(targets)) != len(targets):
        raise IllTypedError("repeated axis in `destination`")
    order = [i for i in range(-rank, 0) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target + rank, origin)
    return S.permuted(x, tuple(order))


def _at_least(rank: int, *objects: Any) -> Any:
    @folds(*objects)
    def call(*arrays: Any) -> Any:
        results = [_with_rank(array_of(a), rank) for a in arrays]
        return results[0] if len(results) == 1 else tuple(results)

    return call


def _with_rank(x: Expr, rank: int) -> Expr:
    """What `np.atleast_1d`, `_2d` and `_3d` do; the last puts a vector in the middle."""
    missing = rank - x.type.rank
    if missing <= 0:
        return x
    if not x.type.rank:
        return S.reshaped(x, (1,) * rank)
    if rank == 3:
        axes = (-3, -1) if missing == 2 else (-1,)
    else:
        axes = (-2,)
    return A.expand_dims.build(x, attrs=(axes,))


_at_least(1, np.atleast_1d)
_at_least(2, np.atleast_2d)
_at_least(3, np.atleast_3d)


@folds(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any, subok: Any = False) -> Any:
    parts = [array_of(a) for a in arrays]
    shape = broadcast_shapes(*(p.type.shape for p in parts))
    return tuple(
        p if p.type.shape == shape else A.broadcast_to.build(p, attrs=(shape,)) for p in parts
    )


# Joining.


def _columns(parts: Sequence[Expr], axis: int) -> Expr:
    return A.concatenate.build(*parts, attrs=(normal_axis(axis, parts[0].type.rank),))


@folds(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Expr:
    x, more = array_of(arr), array_of(values)
    if axis is None:
        return _columns([raveled(x), raveled(more)], 0)
    return _columns([x, more], one_axis_of(x, axis))


@folds(np.hstack)
def hstack(tup: Any, **options: Any) -> Expr:
    refuse(**options)
    parts = [_with_rank(array_of(a), 1) for a in several(tup, "np.hstack")]
    return _columns(parts, 0 if parts[0].type.rank == 1 else 1)


@folds(np.vstack)
def vstack(tup: Any, **options: Any) -> Expr:
    refuse(**options)
    parts = [array_of(a) for a in several(tup, "np.vstack")]
    if all(p.type.rank == 1 for p in parts):
        return A.stack.build(*parts, attrs=(-2,))
    return _columns([_with_rank(p, 2) for p in parts], 0)


@folds(np.column_stack)
def column_stack(tup: Any) -> Expr:
    parts = [array_of(a) for a in several(tup, "np.column_stack")]
    if all(p.type.rank == 1 for p in parts):
        return A.stack.build(*parts, attrs=(-1,))
    columns = [
        p if p.type.rank > 1 else A.expand_dims.build(_with_rank(p, 1), attrs=((-1,),))
        for p in parts
    ]
    return _columns(columns, 1)


@folds(np.dstack)
def dstack(tup: Any) -> Expr:
    parts = [_with_rank(array_of(a), 3) for a in several(tup, "np.dstack")]
    return _columns(parts, 2)


@folds(np.block)
def block(arrays: Any) -> Expr:
    """Rows of blocks: lists of lists, as NumPy takes them, up to two levels."""
    if not isinstance(arrays, list):
        return array_of(arrays)
    if any(isinstance(row, list) for row in arrays):
        if not all(isinstance(row, list) for row in arrays):
            raise IllTypedError("np.block: the lists are not nested equally deep")
        rows = [_columns([_with_rank(array_of(a), 2) for a in row], -1) for row in arrays]
        return _columns(rows, -2)
    parts = [_with_rank(array_of(a), 1) for a in arrays]
    rank = max(p.type.rank for p in parts)
    return _columns([_with_rank(p, min(rank, 2)) for p in parts], -1)


# Splitting: a list of slices.


def _pieces(x: Expr, sections: Any, axis: int, even: bool) -> list[Expr]:
    n = x.type.shape[axis]
    if isinstance(sections, Const):
        sections = sections.value
    if isinstance(sections, (list, tuple, np.ndarray)):
        bounds: list[Any] = [0, *sections, None]
        return [
            take_slice(x, axis, low or None, high)
            for low, high in itertools.pairwise(bounds)
        ]
    count = static_int(sections, "the number of sections")
    if count <= 0:
        raise IllTypedError("number sections must be larger than 0.")
    size = dim_quotient(n, count)
    if size is None and even:
        if isinstance(n, int):
            raise IllTypedError("array split does not result in an equal division")
        raise UnsupportedError(
            f"cannot tell how to split {n} elements into {count} equal parts",
            hint="declare the size of the argument, or give the places where to split",
        )
    if size is not None:
        sizes: list[Dim] = [size] * count
    elif isinstance(n, int):
        short, longer = divmod(n, count)
        sizes = [short + (i < longer) for i in range(count)]
    else:
        raise UnsupportedError(
            f"cannot tell how to split {n} elements into {count} parts",
            hint="declare the size of the argument",
        )
    pieces: list[Expr] = []
    start: Dim = 0
    for each in sizes:
        stop = dim_add(start, each)
        pieces.append(take_slice(x, axis, size_of(start), size_of(stop)))
        start = stop
    return pieces


@folds(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Expr]:
    x = array_of(ary)
    return _pieces(x, indices_or_sections, one_axis_of(x, axis), True)


@folds(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Expr]:
    x = array_of(ary)
    return _pieces(x, indices_or_sections, one_axis_of(x, axis), False)


def _split_along(axis: int, least: int, *objects: Any) -> None:
    @folds(*objects)
    def call(ary: Any, indices_or_sections: Any) -> list[Expr]:
        x = array_of(ary)
        if x.type.rank < least:
            raise IllTypedError(f"this function splits arrays of {least} or more dimensions")
        return split(x, indices_or_sections, axis if x.type.rank > 1 else 0)


_split_along(0, 2, np.vsplit)
_split_along(1, 1, np.hsplit)
_split_along(2, 3, np.dsplit)


# Turning and repeating.


@folds(np.flip)
def flip(m: Any, axis: Any = None) -> Expr:
    x = array_of(m)
    return S.flip(x, normal_axes(axis, x.type.rank))


def _flip_along(axis: int, *objects: Any) -> None:
    @folds(*objects)
    def call(m: Any) -> Expr:
        x = array_of(m)
        return S.flip(x, normal_axes(axis, x.type.rank))


_flip_along(0, np.flipud)
_flip_along(1, np.fliplr)


@folds(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Expr:
    x = array_of(a)
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift]
    if axis is None:
        if len(shifts) > 1:
            raise UnsupportedError("np.roll by several shifts needs axis=")
        return S.roll.build(x, _whole(shifts[0]), attrs=(None if x.type.rank > 1 else -1,))
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    count = max(len(shifts), len(axes))
    if len(shifts) not in (1, count) or len(axes) not in (1, count):
        raise IllTypedError("'shift' and 'axis' should be scalars or 1D sequences of equal length")
    shifts, axes = (v * count if len(v) == 1 else v for v in (shifts, axes))
    for by, at in zip(shifts, axes, strict=True):
        x = S.roll.build(x, _whole(by), attrs=(normal_axis(at, x.type.rank),))
    return x


def _whole(value: Any) -> Expr:
    e = to_expr(value)
    if e.type.dtype != "int" or e.type.rank:
        raise IllTypedError("a shift must be an integer")
    return e


@folds(np.rot90)
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Expr:
    x = array_of(m)
    first, second = (normal_axis(a, x.type.rank) for a in axes)
    if first == second:
        raise IllTypedError("Axes must be different.")
    turns = static_int(k, "k") % 4
    if turns == 0:
        return x
    if turns == 2:
        return S.flip(x, (first, second))
    if turns == 1:
        return swapaxes(S.flip(x, (second,)), first, second)
    return S.flip(swapaxes(x, first, second), (second,))


@folds(np.tile)
def tile(A: Any, reps: Any) -> Expr:
    x = array_of(A)
    many = reps if isinstance(reps, (tuple, list)) else (reps,)
    counts = tuple(as_dim(r) for r in many)
    counts = (1,) * (x.type.rank - len(counts)) + counts
    if not x.type.rank:
        x = S.reshaped(x, (1,) * len(counts))
    return S.tile.build(x, attrs=(counts,)) if counts else x


@folds(np.repeat, method="repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Expr:
    x = array_of(a)
    if axis is None:
        x, axis = raveled(x), 0
    at = one_axis_of(x, axis)
    if isinstance(repeats, Const):
        repeats = repeats.value
    if isinstance(repeats, (list, tuple, np.ndarray)) and np.ndim(repeats):
        counts = np.asarray(repeats)
        n = x.type.shape[at]
        if not isinstance(n, int) or counts.shape != (n,):
            if counts.shape != (1,):
                raise UnsupportedError(
                    "np.repeat with several counts needs an axis whose size is known",
                    hint="declare the size of the argument",
                )
        else:
            places = np.repeat(np.arange(n), counts)
            return subscript(x, (*(slice(None),) * (at + x.type.rank), places))
        repeats = counts.item()
    count = as_dim(repeats)
    if isinstance(count, int) and count < 0:
        raise IllTypedError("repeats may not contain negative values.")
    return S.repeat.build(x, attrs=(count, at))


# Diagonals and triangles.


def _diagonal_last(x: Expr, axis1: Any, axis2: Any) -> Expr:
    """x with the two axes moved to the end."""
    rank = x.type.rank
    if rank < 2:
        raise IllTypedError("diag requires an array of at least two dimensions")
    first, second = normal_axis(axis1, rank), normal_axis(axis2, rank)
    if first == second:
        raise IllTypedError("axis1 and axis2 cannot be the same")
    lead = [i for i in range(-rank, 0) if i not in (first, second)]
    return S.permuted(x, (*lead, first, second))


@folds(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Expr:
    x = _diagonal_last(array_of(a), axis1, axis2)
    return S.diagonal.build(x, attrs=(static_int(offset, "offset"),))


@folds(np.trace, method="trace")
def trace(
    a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None
) -> Expr:
    from symdiff.primitives import linalg

    refuse(dtype=dtype, out=out)
    x = _diagonal_last(array_of(a), axis1, axis2)
    return linalg.trace.build(x, attrs=(static_int(offset, "offset"),))


@folds(np.diag)
def diag(v: Any, k: Any = 0) -> Expr:
    x, offset = array_of(v), static_int(k, "k")
    if x.type.rank == 1:
        return S.diag.build(x, attrs=(offset,))
    if x.type.rank != 2:
        raise IllTypedError("Input must be 1- or 2-d.")
    return S.diagonal.build(x, attrs=(offset,))


@folds(np.diagflat)
def diagflat(v: Any, k: Any = 0) -> Expr:
    return S.diag.build(raveled(array_of(v)), attrs=(static_int(k, "k"),))


def _triangle(row: Any, *objects: Any) -> None:
    @folds(*objects)
    def call(m: Any, k: Any = 0) -> Expr:
        x = array_of(m)
        if x.type.rank < 2:
            raise UnsupportedError(f"np.{row.name} of a vector is not supported")
        return row.build(x, attrs=(static_int(k, "k"),))


_triangle(S.tril, np.tril)
_triangle(S.triu, np.triu)


@folds(np.meshgrid)
def meshgrid(*xi: Any, copy: Any = True, sparse: Any = False, indexing: Any = "xy") -> list[Expr]:
    vectors = [raveled(array_of(x)) for x in xi]
    rank = len(vectors)
    if indexing not in ("xy", "ij"):
        raise IllTypedError("Valid values for `indexing` are 'xy' and 'ij'.")
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[:2] = [1, 0]
    laid = [S.at_axis(v, at - rank, rank) for v, at in zip(vectors, order, strict=True)]
    if sparse:
        lead = [(1,) * (rank - v.type.rank) + v.type.shape for v in laid]
        return [S.reshaped(v, shape) for v, shape in zip(laid, lead, strict=True)]
    shape = broadcast_shapes(*(v.type.shape for v in laid))
    return [A.broadcast_to.build(v, attrs=(shape,)) if v.type.shape != shape else v for v in laid]
