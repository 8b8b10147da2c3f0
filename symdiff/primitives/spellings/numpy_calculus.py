"""NumPy's discrete calculus: differences, integrals, slopes, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.primitives import arrays as A
from symdiff.primitives import reductions as R
from symdiff.primitives.arithmetic import add, divide, multiply, subtract
from symdiff.primitives.indexing import take_slice
from symdiff.primitives.shaping import at_axis
from symdiff.primitives.spell import to_expr
from symdiff.primitives.spellings.common import (
    array_of,
    as_float_array,
    folds,
    one_axis_of,
    refuse,
    static_int,
)


@folds(np.diff)
def diff(a: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Expr:
    x = array_of(a)
    if not x.type.rank:
        raise IllTypedError("np.diff needs an array of at least one dimension")
    at = one_axis_of(x, axis)
    parts = [x if p is x else _edge(p, x, at) for p in (prepend, x, append) if p is not None]
    if len(parts) > 1:
        x = A.concatenate.build(*parts, attrs=(at,))
    times = static_int(n, "n")
    if times < 0:
        raise IllTypedError(f"order must be non-negative but got {times}")
    if x.type.dtype == "bool":
        raise UnsupportedError("np.diff of booleans is not supported", hint="use x[1:] != x[:-1]")
    for _ in range(times):
        x = subtract.build(take_slice(x, at, 1, None), take_slice(x, at, None, -1))
    return x


def _edge(value: Any, x: Expr, axis: int) -> Expr:
    """What `prepend=` adds: a number is a slice of size one."""
    e = array_of(value)
    if e.type.rank:
        return e
    shape = tuple(1 if i - x.type.rank == axis else d for i, d in enumerate(x.type.shape))
    return A.broadcast_to.build(e, attrs=(shape,))


@folds(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Expr:
    values = array_of(y)
    at = one_axis_of(values, axis)
    pairs = add.build(take_slice(values, at, 1, None), take_slice(values, at, None, -1))
    width = to_expr(dx)
    if x is not None:
        points = array_of(x)
        if points.type.rank == 1:
            width = at_axis(diff(points), at, values.type.rank)
        else:
            width = diff(points, axis=axis)
    area = divide.build(multiply.build(width, pairs), 2.0)
    return A.sum_.build(area, attrs=((at,), False))


@folds(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """Central differences inside, one-sided ones at both ends, for a constant spacing."""
    x = as_float_array(array_of(f))
    if edge_order != 1:
        raise UnsupportedError("np.gradient with edge_order=2 is not supported")
    if axis is None:
        axes = list(range(-x.type.rank, 0))
    else:
        many = axis if isinstance(axis, (tuple, list)) else (axis,)
        axes = [one_axis_of(x, i) for i in many]
    steps = [to_expr(v) for v in varargs] or [to_expr(1.0)]
    if len(steps) == 1:
        steps *= len(axes)
    if len(steps) != len(axes) or any(s.type.rank for s in steps):
        raise UnsupportedError(
            "np.gradient is supported for a constant spacing",
            hint="give one number for each axis",
        )
    slopes = [_slope(x, at, step) for at, step in zip(axes, steps, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(x: Expr, axis: int, step: Expr) -> Expr:
    n = x.type.shape[axis]
    if isinstance(n, int) and n < 2:
        raise IllTypedError("np.gradient needs at least two elements along an axis")

    def rise(ahead: tuple[Any, Any], behind: tuple[Any, Any]) -> Expr:
        return subtract.build(take_slice(x, axis, *ahead), take_slice(x, axis, *behind))

    middle = divide.build(rise((2, None), (None, -2)), multiply.build(2.0, step))
    first, last = rise((1, 2), (0, 1)), rise((-1, None), (-2, -1))
    parts = [divide.build(first, step), middle, divide.build(last, step)]
    return A.concatenate.build(*parts, attrs=(axis,))


@folds(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Expr:
    refuse(left=left, right=right, period=period)
    at, places, values = (as_float_array(array_of(v)) for v in (x, xp, fp))
    if places.type.rank != 1 or values.type.rank != 1:
        raise IllTypedError("np.interp takes vectors of places and values")
    if 1 in (places.type.shape[0], values.type.shape[0]):
        raise UnsupportedError("np.interp between fewer than two places")
    return R.interp.build(at, places, values)
