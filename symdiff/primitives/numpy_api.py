"""NumPy's array functions and methods in terms of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.types import Type, dim_mul, dim_quotient, show_shape
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives.row import fit
from symdiff.primitives.shape import as_dim, as_shape, normal_axes, normal_axis, shape_size
from symdiff.primitives.spell import dtype_of, spells, strong, to_expr


def refuse(**options: Any) -> None:
    """An error for an option that is given and not supported."""
    for name, value in options.items():
        if value is not None:
            raise UnsupportedError(f"the option {name}= is not supported here")


def _reduction(row: Any, *objects: Any, method: str) -> None:
    @spells(*objects, method=method)
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
        *, initial: Any = None, where: Any = None,
    ) -> Expr:
        refuse(dtype=dtype, out=out, initial=initial, where=where)
        x = strong(to_expr(a))
        return row.build(x, attrs=(normal_axes(axis, x.type.rank), bool(keepdims)))


_reduction(A.sum_, np.sum, method="sum")
_reduction(A.mean, np.mean, method="mean")


def _extreme(row: Any, *objects: Any, method: str) -> None:
    @spells(*objects, method=method)
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Expr:
        refuse(out=out)
        x = strong(to_expr(a))
        return row.build(x, attrs=(normal_axes(axis, x.type.rank), bool(keepdims)))


_extreme(A.max_, np.max, np.amax, method="max")
_extreme(A.min_, np.min, np.amin, method="min")


@spells(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Expr:
    if x is None or y is None:
        raise UnsupportedError("np.where with one argument is not supported", hint="give both values")
    mask = to_expr(condition)
    if mask.type.dtype != "bool":
        from symdiff.primitives.arithmetic import not_equal

        mask = not_equal.build(mask, 0)
    return el.where.build(mask, to_expr(x), to_expr(y))


@spells(np.clip, method="clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Expr:
    low = options.pop("min", a_min)
    high = options.pop("max", a_max)
    refuse(**options)
    x = strong(to_expr(a))
    if low is None and high is None:
        return x
    if low is None:
        return el.minimum.build(x, to_expr(high))
    if high is None:
        return el.maximum.build(x, to_expr(low))
    return el.clip.build(x, to_expr(low), to_expr(high))


@spells(np.square)
def square(x: Any) -> Expr:
    from symdiff.primitives.arithmetic import power

    return power.build(strong(to_expr(x)), 2)


@spells(np.reciprocal)
def reciprocal(x: Any) -> Expr:
    from symdiff.primitives.arithmetic import divide

    return divide.build(1.0, strong(to_expr(x)))


@spells(np.matmul)
def matmul(a: Any, b: Any) -> Expr:
    return A.matmul.build(to_expr(a), to_expr(b))


@spells(np.dot, method="dot")
def dot(a: Any, b: Any) -> Expr:
    x, y = to_expr(a), to_expr(b)
    if not x.type.rank or not y.type.rank:
        from symdiff.primitives.arithmetic import multiply

        return multiply.build(x, y)
    if y.type.rank > 2:
        raise UnsupportedError("np.dot with an array of three or more dimensions", hint="use @ or np.einsum")
    return A.matmul.build(x, y)


@spells(np.outer)
def outer(a: Any, b: Any) -> Expr:
    return A.outer.build(ravel(a), ravel(b))


@spells(np.ravel, method="ravel")
def ravel(a: Any, order: Any = "C") -> Expr:
    x = strong(to_expr(a))
    _row_major(order)
    return x if x.type.rank == 1 else A.reshape.build(x, attrs=((shape_size(x.type.shape),),))


def _row_major(order: Any) -> None:
    if order not in ("C", None):
        raise UnsupportedError(f"order={order!r} is not supported", hint="use the default order")


spells(method="flatten")(ravel)


@spells(np.reshape)
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
            raise IllTypedError(
                f"cannot tell the size of -1: {total} elements into {show_shape(tuple(wanted))}",
                hint="write the size out, or declare the sizes of the argument",
            )
        wanted[wanted.index(-1)] = missing
    elif isinstance(total, int) and all(isinstance(d, int) for d in wanted):
        if shape_size(tuple(wanted)) != total:
            raise IllTypedError(
                f"cannot reshape an array of shape {show_shape(x.type.shape)} into {tuple(wanted)}"
            )
    if tuple(wanted) == x.type.shape:
        return x
    return A.reshape.build(x, attrs=(tuple(wanted),))


@spells(method="reshape")
def reshape_method(a: Any, *shape: Any, order: Any = "C") -> Expr:
    return reshape(a, shape[0] if len(shape) == 1 else shape, order)


@spells(np.transpose)
def transpose(a: Any, axes: Any = None) -> Expr:
    x = strong(to_expr(a))
    rank = x.type.rank
    order = range(rank)[::-1] if axes is None else axes
    permutation = tuple(normal_axis(i, rank) for i in order)
    if sorted(permutation) != list(range(-rank, 0)):
        raise IllTypedError("axes don't match array")
    return x if permutation == tuple(range(-rank, 0)) else A.transpose.build(x, attrs=(permutation,))


@spells(method="transpose")
def transpose_method(a: Any, *axes: Any) -> Expr:
    if not axes or axes == (None,):
        return transpose(a)
    return transpose(a, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


@spells(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Expr:
    x = strong(to_expr(a))
    many = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.type.rank + len(many)
    return A.expand_dims.build(x, attrs=(tuple(sorted(normal_axis(i, rank) for i in many)),))


@spells(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Expr:
    x = strong(to_expr(a))
    rank = x.type.rank
    axes = normal_axes(axis, rank) if axis is not None else tuple(
        i - rank for i, d in enumerate(x.type.shape) if d == 1
    )
    if any(x.type.shape[i] != 1 for i in axes):
        raise IllTypedError("cannot select an axis to squeeze out which has size not equal to one")
    return A.squeeze.build(x, attrs=(axes,)) if axes else x


@spells(np.broadcast_to)
def broadcast_to(a: Any, shape: Any, subok: Any = False) -> Expr:
    x = strong(to_expr(a))
    wanted = as_shape(shape)
    return x if wanted == x.type.shape else A.broadcast_to.build(x, attrs=(wanted,))


@spells(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0, **options: Any) -> Expr:
    refuse(**options)
    if isinstance(arrays, Expr):
        raise UnsupportedError("np.concatenate of a single array is not supported")
    parts = [to_expr(a) for a in arrays]
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    return A.concatenate.build(*parts, attrs=(normal_axis(axis, parts[0].type.rank),))


@spells(np.stack)
def stack(arrays: Any, axis: Any = 0, **options: Any) -> Expr:
    refuse(**options)
    if isinstance(arrays, Expr):
        raise UnsupportedError("np.stack of a single array is not supported")
    parts = [to_expr(a) for a in arrays]
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
    x = strong(to_expr(a))
    target = dtype_of(dtype)
    return x if x.type.dtype == target else el.cast.build(x, attrs=(target, False))


@spells(np.float64)
def float64(x: Any = 0.0) -> Expr:
    return astype(x, np.float64)


@spells(np.float32)
def float32(x: Any = 0.0) -> Expr:
    return astype(x, np.float32)


@spells(method="item")
def item(a: Any) -> Expr:
    from symdiff.primitives.spell import weak

    return weak(to_expr(a))


# Filling.


def _filled(shape: Any, value: Any, dtype: Any) -> Expr:
    e = to_expr(value)
    target = dtype_of(dtype) if dtype is not None else e.type.dtype
    return A.full.build(e, attrs=(as_shape(shape), target))


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
        refuse(**{k: v for k, v in options.items() if k == "shape"})
        x = to_expr(a)
        return A.full.build(
            to_expr(value), attrs=(x.type.shape, dtype_of(dtype) if dtype is not None else x.type.dtype)
        )

    return call


spells(np.zeros_like)(_like(0.0))
spells(np.empty_like)(_like(0.0))
spells(np.ones_like)(_like(1.0))


@spells(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Expr:
    x = to_expr(a)
    target = dtype_of(dtype) if dtype is not None else x.type.dtype
    return A.full.build(to_expr(fill_value), attrs=(x.type.shape, target))


@spells(np.eye)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **options: Any) -> Expr:
    rows = as_dim(N)
    return A.eye.build(attrs=(rows, rows if M is None else as_dim(M), dtype_of(dtype), int(k)))


@spells(np.identity)
def identity(n: Any, dtype: Any = float, **options: Any) -> Expr:
    return eye(n, dtype=dtype)


__all__ = ["Type", "fit"]
