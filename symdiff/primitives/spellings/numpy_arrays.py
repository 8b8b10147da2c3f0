"""NumPy's array functions and methods in terms of the rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.types import Shape, dim_mul, dim_quotient, is_counted, show_shape, symbol
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives.shape import as_dim, as_shape, normal_axes, normal_axis, shape_size
from symdiff.primitives.spell import dtype_of, spells, strong, subscript, to_expr, weak
from symdiff.primitives.spellings.common import cast_to, folds, mask_of, refuse, several


@spells(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Expr:
    if x is None or y is None:
        raise UnsupportedError(
            "np.where with one argument is not supported", hint="give both values"
        )
    mask = mask_of(condition)
    return el.where.build(strong(mask), to_expr(x), to_expr(y))


@spells(np.clip, method="clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Expr:
    low = options.pop("min", a_min)
    high = options.pop("max", a_max)
    refuse(**options)
    x = strong(to_expr(a))
    if low is None and high is None:
        return x
    if not x.type.differentiable and (low is None or high is None):
        row, bound = (el.minimum, high) if low is None else (el.maximum, low)
        return row.build(x, to_expr(bound))
    # A side that is left open stays a clip: its derivative at the bound is 1, not a tie's 1/2.
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    return el.clip.build(x, to_expr(low), to_expr(high))


@spells(np.square)
def square(x: Any) -> Expr:
    from symdiff.primitives.arithmetic import power

    return power.build(strong(to_expr(x)), 2)


@spells(np.reciprocal)
def reciprocal(x: Any) -> Expr:
    from symdiff.primitives.arithmetic import divide

    return divide.build(1.0, strong(to_expr(x)))


@folds(np.ravel, method="ravel")
def ravel(a: Any, order: Any = "C") -> Expr:
    x = strong(to_expr(a))
    _row_major(order)
    return x if x.type.rank == 1 else A.reshape.build(x, attrs=((shape_size(x.type.shape),),))


def _row_major(order: Any) -> None:
    if order not in ("C", None):
        raise UnsupportedError(f"order={order!r} is not supported", hint="use the default order")


spells(method="flatten")(ravel)


@folds(np.reshape)
def reshape(a: Any, shape: Any = None, order: Any = "C", **options: Any) -> Expr:
    _row_major(order)
    x = strong(to_expr(a))
    wanted = list(as_shape(options.pop("newshape", shape)))
    refuse(**options)
    total = shape_size(x.type.shape)
    if wanted.count(-1) > 1:
        raise IllTypedError("can only specify one unknown dimension")
    if -1 in wanted:
        rest = dim_mul(*(d for d in wanted if d != -1))
        missing = dim_quotient(total, rest)
        if missing is None:
            if rest == 0 or (isinstance(total, int) and isinstance(rest, int)):
                raise IllTypedError(
                    f"cannot reshape an array of shape {show_shape(x.type.shape)} "
                    f"into {show_shape(tuple(wanted))}"
                )
            missing = symbol(f"({total}) // ({rest})")  # whether it divides shows at run time
        wanted[wanted.index(-1)] = missing
    size = shape_size(tuple(wanted))
    if isinstance(total, int) and isinstance(size, int) and size != total:
        raise IllTypedError(
            f"cannot reshape an array of shape {show_shape(x.type.shape)} into {tuple(wanted)}"
        )
    if tuple(wanted) == x.type.shape:
        return x
    return A.reshape.build(x, attrs=(tuple(wanted),))


@spells(method="reshape")
def reshape_method(a: Any, *shape: Any, order: Any = "C") -> Expr:
    return reshape(a, shape[0] if len(shape) == 1 else shape, order)


@folds(np.transpose)
def transpose(a: Any, axes: Any = None) -> Expr:
    x = strong(to_expr(a))
    rank = x.type.rank
    order = range(rank)[::-1] if axes is None else axes
    permutation = tuple(normal_axis(i, rank) for i in order)
    if sorted(permutation) != list(range(-rank, 0)):
        raise IllTypedError("axes don't match array")
    return (
        x if permutation == tuple(range(-rank, 0)) else A.transpose.build(x, attrs=(permutation,))
    )


@spells(method="transpose")
def transpose_method(a: Any, *axes: Any) -> Expr:
    if not axes or axes == (None,):
        return transpose(a)
    return transpose(a, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


@folds(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Expr:
    x = strong(to_expr(a))
    many = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.type.rank + len(many)
    if len({normal_axis(i, rank) for i in many}) != len(many):
        raise IllTypedError("repeated axis")
    return A.expand_dims.build(x, attrs=(tuple(sorted(normal_axis(i, rank) for i in many)),))


@folds(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Expr:
    x = strong(to_expr(a))
    rank = x.type.rank
    axes = (
        normal_axes(axis, rank)
        if axis is not None
        else tuple(i - rank for i, d in enumerate(x.type.shape) if d == 1)
    )
    if any(x.type.shape[i] != 1 for i in axes):
        raise IllTypedError("cannot select an axis to squeeze out which has size not equal to one")
    return A.squeeze.build(x, attrs=(axes,)) if axes else x


@folds(np.broadcast_to)
def broadcast_to(a: Any, shape: Any, subok: Any = False) -> Expr:
    x = strong(to_expr(a))
    wanted = as_shape(shape)
    _check_broadcast(x.type.shape, wanted)
    return x if wanted == x.type.shape else A.broadcast_to.build(x, attrs=(wanted,))


def _check_broadcast(shape: Shape, wanted: Shape) -> None:
    fits = len(shape) <= len(wanted)
    for have, want in zip(shape[::-1], wanted[::-1], strict=False):
        known = isinstance(have, int) and isinstance(want, int)
        fits = fits and not (known and have not in (1, want))
    if not fits:
        raise IllTypedError(
            f"an array of shape {show_shape(shape)} cannot be broadcast to {show_shape(wanted)}"
        )


@folds(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0, **options: Any) -> Expr:
    refuse(**options)
    parts = [strong(to_expr(a)) for a in several(arrays, "np.concatenate")]
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    return A.concatenate.build(*parts, attrs=(normal_axis(axis, parts[0].type.rank),))


@folds(np.stack)
def stack(arrays: Any, axis: Any = 0, **options: Any) -> Expr:
    refuse(**options)
    parts = [strong(to_expr(a)) for a in several(arrays, "np.stack")]
    return A.stack.build(*parts, attrs=(normal_axis(axis, parts[0].type.rank + 1),))


@spells(np.array, np.asarray, np.ascontiguousarray)
def array(value: Any, dtype: Any = None, copy: Any = None, **options: Any) -> Expr:
    refuse(**{k: v for k, v in options.items() if k != "order"})
    x = strong(to_expr(value))
    return x if dtype is None else astype(x, dtype)


@spells(method="copy")
def copy(a: Any, order: Any = "C") -> Expr:
    return strong(to_expr(a))


spells(np.copy)(copy)


@spells(method="astype")
def astype(a: Any, dtype: Any, **options: Any) -> Expr:
    return cast_to(strong(to_expr(a)), dtype)


@spells(np.float64)
def float64(x: Any = 0.0) -> Expr:
    return astype(x, np.float64)


@spells(np.float32)
def float32(x: Any = 0.0) -> Expr:
    return astype(x, np.float32)


@spells(method="item")
def item(a: Any, *place: Any) -> Expr:
    x = to_expr(a)
    if place:
        if len(place) == 1 and x.type.rank != 1 and not isinstance(place[0], (tuple, list)):
            x = ravel(x)
        x = subscript(x, place[0] if len(place) == 1 else tuple(place))
    if any(isinstance(d, int) and d != 1 for d in x.type.shape):
        raise IllTypedError("can only convert an array of size 1 to a Python scalar")
    return weak(A.reshape.build(x, attrs=((),)) if x.type.rank else x)


# Filling.


def _filled(shape: Any, value: Any, dtype: Any) -> Expr:
    e = to_expr(value)
    target = dtype_of(dtype) if dtype is not None else e.type.dtype
    wanted = as_shape(shape)
    _check_broadcast(e.type.shape, wanted)
    return A.filled(e, shape, target)


@spells(np.zeros)
def zeros(shape: Any, dtype: Any = float, **options: Any) -> Expr:
    return _filled(shape, 0.0, dtype)


@spells(np.empty)
def empty(shape: Any, dtype: Any = float, **options: Any) -> Expr:
    return _filled(shape, 0.0, dtype)


@spells(np.ones)
def ones(shape: Any, dtype: Any = float, **options: Any) -> Expr:
    return _filled(shape, 1.0, dtype)


@spells(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Expr:
    return _filled(shape, fill_value, dtype)


def _like(value: float) -> Any:
    def call(a: Any, dtype: Any = None, **options: Any) -> Expr:
        x = to_expr(a)
        shape = x.type.shape if options.get("shape") is None else as_shape(options["shape"])
        target = dtype_of(dtype) if dtype is not None else x.type.dtype
        if shape is x.type.shape and is_counted(shape):
            return A.broadcast_like.build(cast_to(to_expr(value), target), x)
        return A.full.build(to_expr(value), attrs=(shape, target))

    return call


spells(np.zeros_like)(_like(0.0))
spells(np.empty_like)(_like(0.0))
spells(np.ones_like)(_like(1.0))


@spells(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Expr:
    x = to_expr(a)
    return _filled(x.type.shape, fill_value, dtype if dtype is not None else x.type.dtype)


@spells(np.eye)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **options: Any) -> Expr:
    rows = as_dim(N)
    return A.eye.build(attrs=(rows, rows if M is None else as_dim(M), dtype_of(dtype), int(k)))


@spells(np.identity)
def identity(n: Any, dtype: Any = float, **options: Any) -> Expr:
    return eye(n, dtype=dtype)
