"""NumPy's functions that make arrays, test them, or treat each element, in terms of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.types import Dim, dim_add, dim_mul, is_counted, symbol
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives import pointwise as P
from symdiff.primitives import shaping as S
from symdiff.primitives.arithmetic import (
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    divide,
    multiply,
    power,
    subtract,
)
from symdiff.primitives.row import as_expr
from symdiff.primitives.shape import (
    as_dim,
    element_count,
    expression_text,
    length_of,
    normal_axis,
    size_of,
)
from symdiff.primitives.spell import dtype_of, spells, to_expr
from symdiff.primitives.spellings.common import (
    array_of,
    as_float_array,
    cast_to,
    folds,
    mask_of,
    refuse,
    static_int,
)

# Evenly spaced.


def _static(value: Any) -> Any:
    return value.value if isinstance(value, Const) and not value.type.rank else value


@spells(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **options: Any) -> Expr:
    refuse(like=options.get("like"))
    start, stop, step = map(_static, (start, stop, step))
    if stop is None:
        start, stop = 0, start
    values = (start, stop, step)
    if not any(isinstance(v, Expr) for v in values):
        result = _static_arange(start, stop, step)
    elif all(_is_whole(v) for v in values):
        if isinstance(step, Expr) or step == 0:
            raise UnsupportedError("np.arange with a step that is not known when compiling")
        result = _spaced(start, step, _count(start, stop, step), stop)
    else:
        raise UnsupportedError(
            "the size of np.arange of floats is not known when compiling",
            hint="use start + step * np.arange(n), or np.linspace",
        )
    return result if dtype is None else cast_to(result, dtype)


def _is_whole(value: Any) -> bool:
    return (
        value.type.dtype == "int"
        if isinstance(value, Expr)
        else isinstance(value, (int, np.integer))
    )


def _count(start: Any, stop: Any, step: int) -> Dim:
    distance = dim_add(as_dim(stop), dim_mul(-1, as_dim(start)))
    if step == 1:
        return distance
    if isinstance(distance, int):
        return len(range(0, distance, step))
    texts = [expression_text(as_expr(v)) for v in (start, stop)]
    return symbol(f"len(range({texts[0]}, {texts[1]}, {step}))")


def _spaced(start: Any, step: Any, count: Dim, stop: Any = None) -> Expr:
    operands: list[Expr] = []
    if is_counted((count,)):  # what a round computes is an operand; the step is 1
        first = isinstance(start, int) and start == 0
        operands = [as_expr(stop) if first else subtract.build(stop, start)]
    values: Expr = A.arange.build(*operands, attrs=(count,))
    if step != 1:
        values = multiply.build(step, values)
    return values if isinstance(start, (int, float)) and start == 0 else add.build(start, values)


def _static_arange(start: Any, stop: Any, step: Any) -> Expr:
    if all(isinstance(v, (int, np.integer)) for v in (start, stop, step)):
        return _spaced(int(start), int(step), len(range(start, stop, step)))
    values = np.arange(start, stop, step)
    # NumPy's own step is that between its first two elements, as it rounds them.
    return _spaced(float(start), (float(start) + float(step)) - float(start), len(values))


@spells(np.linspace)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, retstep: Any = False,
    dtype: Any = None, axis: Any = 0, **options: Any,
) -> Any:  # fmt: skip
    refuse(**options)
    first, last = to_expr(start), to_expr(stop)  # Python numbers adopt float32
    count = as_dim(num)
    ends = bool(endpoint)
    result = S.linspace.build(first, last, attrs=(count, ends))
    if dtype is not None and dtype_of(dtype) == "int":
        raise UnsupportedError("np.linspace with an integer dtype is not supported")
    result = result if dtype is None else cast_to(result, dtype)
    at = normal_axis(axis, result.type.rank)
    if at != -result.type.rank:
        result = S.move_axis(result, -result.type.rank, at)
    if not retstep:
        return result
    parts = size_of(dim_add(count, -1 if ends else 0))
    return result, divide.build(subtract.build(last, first), parts)


@folds(np.logspace)
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0, **options: Any
) -> Expr:
    refuse(**options)
    return power.build(to_expr(base), linspace(start, stop, num, endpoint))


@spells(np.tri)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **options: Any) -> Expr:
    refuse(**options)
    rows = as_dim(N)
    columns = rows if M is None else as_dim(M)
    ones = A.full.build(1.0, attrs=((rows, columns), dtype_of(dtype)))
    return S.tril.build(ones, attrs=(static_int(k, "k"),))


# Elementwise functions with options.


@folds(np.sinc)
def sinc(x: Any) -> Expr:
    return P.sinc.build(as_float_array(array_of(x)))


@folds(np.nan_to_num)
def nan_to_num(
    x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Expr:
    if copy is not True:
        raise UnsupportedError("np.nan_to_num with copy=False writes into its argument")
    e = array_of(x)
    if any(isinstance(v, Expr) for v in (nan, posinf, neginf)):
        raise UnsupportedError("np.nan_to_num needs replacements that are known when compiling")
    return P.nan_to_num.build(e, attrs=(nan, posinf, neginf)) if e.type.differentiable else e


@folds(np.round, np.around, method="round")
def round_(a: Any, decimals: Any = 0, out: Any = None) -> Expr:
    refuse(out=out)
    x = array_of(a)
    if x.type.dtype == "int" and decimals == 0:
        return x
    return P.round_.build(x, attrs=(static_int(decimals, "decimals"),))


@folds(np.positive)
def positive(x: Any) -> Expr:
    return array_of(x)


def _logical(row: Any, *objects: Any) -> None:
    @folds(*objects)
    def call(x1: Any, x2: Any, **options: Any) -> Expr:
        refuse(**options)
        return row.build(mask_of(array_of(x1)), mask_of(array_of(x2)))


_logical(bitwise_and, np.logical_and)
_logical(bitwise_or, np.logical_or)
_logical(bitwise_xor, np.logical_xor)


@folds(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Expr:
    if len(condlist) != len(choicelist) or not condlist:
        raise IllTypedError("list of cases must be same length as list of conditions")
    value = to_expr(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        value = el.where.build(mask_of(condition), to_expr(choice), value)
    return value


# Tests.


def _near(row: Any, *objects: Any) -> None:
    @folds(*objects)
    def call(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> Expr:
        if isinstance(rtol, Expr) or isinstance(atol, Expr):
            raise UnsupportedError("tolerances must be known when compiling")
        return row.build(
            array_of(a), array_of(b), attrs=(float(rtol), float(atol), bool(equal_nan))
        )


_near(P.isclose, np.isclose)
_near(P.allclose, np.allclose)


@folds(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: Any = False) -> Any:
    if equal_nan:
        raise UnsupportedError("np.array_equal with equal_nan= is not supported")
    x, y = array_of(a1), array_of(a2)
    if x.type.rank != y.type.rank or any(
        isinstance(n, int) and isinstance(m, int) and n != m
        for n, m in zip(x.type.shape, y.type.shape, strict=True)
    ):
        return False
    return P.array_equal.build(x, y)


@spells(np.ndim)
def ndim(a: Any) -> int:
    return to_expr(a).type.rank


@spells(np.shape)
def shape(a: Any) -> Any:
    x = to_expr(a)
    return tuple(length_of(x, axis) for axis in range(x.type.rank))


@spells(np.size)
def size(a: Any, axis: Any = None) -> Any:
    x = to_expr(a)
    return element_count(x) if axis is None else length_of(x, axis % max(x.type.rank, 1))


# Casts spelled as types, and methods that are refused with what to write instead.


def _type_call(*objects: Any) -> None:
    @folds(*objects)
    def call(x: Any = 0) -> Expr:
        return cast_to(array_of(x), objects[0])


_type_call(np.int64)
_type_call(np.bool_)


def _refused(method: str, why: str, hint: str) -> None:
    @spells(method=method)
    def call(*args: Any, **kwargs: Any) -> Expr:
        raise UnsupportedError(f"the method .{method}() {why}", hint=hint)


_refused("sort", "sorts the array in place, which is not supported", "use np.sort(x)")
_refused("fill", "writes into the array, which is not supported", "use np.full_like(x, value)")
_refused("tolist", "of an array is not supported", "use the array, or index its elements")
_refused("resize", "writes into the array, which is not supported", "use .reshape(...)")
_refused("partition", "writes into the array, which is not supported", "use np.sort(x)")
_refused("nonzero", "gives an array whose size depends on values", "use a boolean mask: x[mask]")
