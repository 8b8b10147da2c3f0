"""NumPy's reductions, running sums, sorting and averages in terms of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives import reductions as R
from symdiff.primitives.arithmetic import (
    add,
    divide,
    logical_not,
    multiply,
    subtract,
)
from symdiff.primitives.row import as_expr
from symdiff.primitives.shape import normal_axes, normal_axis
from symdiff.primitives.shaping import at_axis
from symdiff.primitives.spell import strong, to_expr
from symdiff.primitives.spellings.common import (
    array_of,
    as_float_array,
    cast_to,
    folds,
    mask_of,
    one_axis_of,
    raveled,
    refuse,
)


def _reduce(row: Any, x: Expr, axis: Any, keepdims: Any, *others: Any) -> Expr:
    axes = normal_axes(axis, x.type.rank)
    return row.build(x, attrs=(axes, bool(keepdims), *others))


def _accumulating(row: Any, neutral: float, combine: Any, *objects: Any, method: str) -> None:
    """sum and prod: `where=` puts the neutral element, `initial=` is one more operand."""

    @folds(*objects, method=method)
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = None, where: Any = None,
    ) -> Expr:  # fmt: skip
        refuse(out=out)
        if row is R.prod and isinstance(a, (tuple, list)) and axis in (None, 0, -1):
            sizes = [to_expr(v) for v in a]
            if all(not s.type.rank and s.type.dtype == "int" for s in sizes) and sizes:
                total = sizes[0]  # `np.prod(x.shape)` stays a size
                for s in sizes[1:]:
                    total = multiply.build(total, s)
                return total
        x = array_of(a)
        if dtype is not None:
            x = cast_to(x, dtype)
        if where is not None and where is not True:
            x = el.where.build(mask_of(where), x, _same_kind(neutral, x))
        result = _reduce(row, x, axis, keepdims)
        return result if initial is None else combine.build(result, to_expr(initial))


def _same_kind(value: float, x: Expr) -> Expr:
    return as_expr(value if x.type.differentiable else int(value))


_accumulating(A.sum_, 0.0, add, np.sum, method="sum")
_accumulating(R.prod, 1.0, multiply, np.prod, method="prod")


@folds(np.mean, method="mean")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    *, where: Any = None,
) -> Expr:  # fmt: skip
    refuse(out=out)
    x = array_of(a)
    if dtype is not None:
        x = cast_to(x, dtype)
    if where is None or where is True:
        return _reduce(A.mean, x, axis, keepdims)
    mask = A.broadcast_to.build(strong(mask_of(where)), attrs=(x.type.shape,))
    total = _reduce(A.sum_, el.where.build(mask, x, _same_kind(0.0, x)), axis, keepdims)
    count = _reduce(A.sum_, mask, axis, keepdims)
    return _fitted(divide.build(total, count), as_float_array(x))


def _fitted(value: Expr, like: Expr) -> Expr:
    """`value` in the float dtype of `like`: integer counts must not widen float32."""
    if value.type.dtype == like.type.dtype:
        return value
    return el.cast.build(value, attrs=(like.type.dtype, False))


def _spread(row: Any, *objects: Any, method: str) -> None:
    @folds(*objects, method=method)
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: Any = False, *, correction: Any = None, where: Any = None, mean: Any = None,
    ) -> Expr:  # fmt: skip
        refuse(out=out, where=where, mean=mean)
        x = array_of(a)
        if dtype is not None:
            x = cast_to(x, dtype)
        given = ddof if correction is None else correction
        if isinstance(given, Expr) and not isinstance(given, Const):
            raise UnsupportedError("ddof= must be known when compiling")
        if isinstance(given, Const):
            given = given.value
        freedom = int(given) if int(given) == given else float(given)
        return _reduce(row, x, axis, keepdims, freedom)


_spread(R.var, np.var, method="var")
_spread(R.std, np.std, method="std")


def _extreme(row: Any, combine: Any, *objects: Any, method: str) -> None:
    @folds(*objects, method=method)
    def call(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = None, where: Any = None,
    ) -> Expr:  # fmt: skip
        refuse(out=out, where=where)
        x = array_of(a)
        _not_empty(x, axis, row.name, initial)
        result = _reduce(row, x, axis, keepdims)
        return result if initial is None else combine.build(result, to_expr(initial))


def _not_empty(x: Expr, axis: Any, what: str, initial: Any = None) -> None:
    axes = normal_axes(axis, x.type.rank)
    if initial is None and any(x.type.shape[i] == 0 for i in axes):
        raise IllTypedError(f"{what} of an empty array has no value")


_extreme(A.max_, el.maximum, np.max, np.amax, method="max")
_extreme(A.min_, el.minimum, np.min, np.amin, method="min")


@folds(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Expr:
    refuse(out=out)
    x = array_of(a)
    _not_empty(x, axis, "ptp")
    return subtract.build(_reduce(A.max_, x, axis, keepdims), _reduce(A.min_, x, axis, keepdims))


def _truth(row: Any, *objects: Any, method: str) -> None:
    @folds(*objects, method=method)
    def call(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
    ) -> Expr:
        refuse(out=out, where=where)
        return _reduce(row, array_of(a), axis, keepdims)


_truth(R.any_, np.any, method="any")
_truth(R.all_, np.all, method="all")


@folds(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Expr:
    return _reduce(R.count_nonzero, array_of(a), axis, keepdims)


def _place(row: Any, *objects: Any, method: str) -> None:
    @folds(*objects, method=method)
    def call(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Expr:
        refuse(out=out)
        x = array_of(a)
        if axis is not None:
            one_axis_of(x, axis)
        _not_empty(x, axis, row.name)
        return _reduce(row, x, axis, keepdims)


_place(R.argmax, np.argmax, method="argmax")
_place(R.argmin, np.argmin, method="argmin")


# Missing values count as neutral elements.


def _without_nan(x: Expr, neutral: float) -> Expr:
    return el.where.build(el.isnan.build(x), neutral, x) if x.type.differentiable else x


@folds(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Expr:
    refuse(dtype=dtype, out=out)
    return _reduce(A.sum_, _without_nan(array_of(a), 0.0), axis, keepdims)


@folds(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Expr:
    refuse(dtype=dtype, out=out)
    return _reduce(R.prod, _without_nan(array_of(a), 1.0), axis, keepdims)


@folds(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Expr:
    refuse(dtype=dtype, out=out)
    x = as_float_array(array_of(a))
    total = _reduce(A.sum_, _without_nan(x, 0.0), axis, keepdims)
    valid = logical_not.build(el.isnan.build(x))
    return _fitted(divide.build(total, _reduce(A.sum_, valid, axis, keepdims)), x)


# Running sums.


def _running(row: Any, *objects: Any, method: str) -> None:
    @folds(*objects, method=method)
    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Expr:
        refuse(out=out)
        x = array_of(a)
        if dtype is not None:
            x = cast_to(x, dtype)
        if axis is None:
            x, axis = raveled(x), 0
        return row.build(x, attrs=(one_axis_of(x, axis),))


_running(R.cumsum, np.cumsum, method="cumsum")
_running(R.cumprod, np.cumprod, method="cumprod")


# Averages.


@folds(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = False
) -> Any:
    x = array_of(a)
    if weights is None:
        if returned:
            raise UnsupportedError("np.average with returned=True needs weights here")
        return _reduce(A.mean, x, axis, keepdims)
    w = array_of(weights)
    if w.type.rank != x.type.rank:
        if axis is None or w.type.rank != 1 or isinstance(axis, (tuple, list)):
            raise IllTypedError("axis must be given where the shapes of a and weights differ")
        w = at_axis(w, one_axis_of(x, axis), x.type.rank)
        w = A.broadcast_to.build(w, attrs=(x.type.shape,))
    total = _reduce(A.sum_, w, axis, keepdims)
    value = divide.build(_reduce(A.sum_, multiply.build(x, w), axis, keepdims), total)
    return (value, total) if returned else value


@folds(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False, keepdims: Any = False
) -> Expr:
    refuse(out=out)
    if keepdims:
        raise UnsupportedError("np.median with keepdims= is not supported", hint="index with None")
    x = as_float_array(array_of(a))
    if axis is None:
        x, axis = raveled(x), 0
    at = one_axis_of(x, axis)
    _not_empty(x, at, "median")
    return R.median.build(x, attrs=(at,))


# Sorting and searching.


@folds(np.sort)
def sort(a: Any, axis: Any = -1, **options: Any) -> Expr:
    refuse(order=options.get("order"))
    x = array_of(a)
    if axis is None:
        x, axis = raveled(x), -1
    return R.sort.build(x, attrs=(one_axis_of(x, axis),))


@folds(np.argsort, method="argsort")
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Expr:
    refuse(order=order)
    x = array_of(a)
    if axis is None:
        x, axis = raveled(x), -1
    return R.argsort.build(x, attrs=(one_axis_of(x, axis),))


@folds(np.searchsorted, method="searchsorted")
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Expr:
    refuse(sorter=sorter)
    return R.searchsorted.build(array_of(a), array_of(v), attrs=(side,))


@folds(np.take, method="take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Expr:
    from symdiff.primitives.spell import subscript

    refuse(out=out)
    if mode != "raise":
        raise UnsupportedError(f"np.take with mode={mode!r} is not supported")
    x = array_of(a)
    if axis is None:
        x, axis = raveled(x), 0
    at = normal_axis(axis, x.type.rank) + x.type.rank
    places = to_expr(indices)
    if places.type.dtype == "bool":
        raise IllTypedError("np.take needs integer indices", hint="use x[mask]")
    return subscript(x, (*(slice(None),) * at, places))


@folds(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Expr:
    x, places = array_of(arr), array_of(indices)
    if axis is None:
        x, axis = raveled(x), 0
    return R.take_along_axis.build(x, places, attrs=(one_axis_of(x, axis),))
