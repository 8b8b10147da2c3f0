"""The functions of `math` in terms of the rows: they take Python numbers and return them."""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.tree import Record
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import elementary as el
from symdiff.primitives import scalars as sc
from symdiff.primitives import special as sp
from symdiff.primitives.arrays import matmul, sum_
from symdiff.primitives.row import Primitive
from symdiff.primitives.spell import (
    Spelling,
    as_float,
    binary,
    spells,
    strong,
    subscript,
    to_expr,
    weak,
)
from symdiff.primitives.spellings.common import is_dynamic

_ROWS: tuple[Primitive, ...] = (
    el.sin, el.cos, el.tan, el.asin, el.acos, el.atan, el.sinh, el.cosh, el.tanh, el.asinh,
    el.acosh, el.atanh, el.exp, el.exp2, el.expm1, el.log2, el.log10, el.log1p, el.sqrt, el.cbrt,
    el.fabs, el.erf, el.erfc, el.degrees, el.radians, el.atan2, el.fmod, el.copysign, el.isnan,
    el.isinf, el.isfinite, el.ldexp, el.nextafter, sp.gamma, sp.lgamma, sc.fma, sc.ulp,
)  # fmt: skip
_ROUNDING: tuple[Primitive, ...] = (el.floor, el.ceil, el.trunc)


def _spells(function: Callable[..., Any]) -> Callable[[Spelling], Spelling]:
    """Register a spelling of `function`; of numbers known when compiling it is their value.

    Not where it raises: the call may stand in a branch that is never taken.
    """

    def register(spelling: Spelling) -> Spelling:
        @functools.wraps(spelling)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not is_dynamic(args) and not is_dynamic(kwargs):
                with contextlib.suppress(ValueError, ArithmeticError):
                    return function(*args, **kwargs)
            return spelling(*args, **kwargs)

        return spells(function)(call)

    return register


def _spelling(row: Primitive) -> Spelling:
    def call(*operands: Any) -> Expr:
        return row.build(*[weak(to_expr(x)) for x in operands])

    return call


def _rounding(row: Primitive) -> Spelling:
    def call(x: Any) -> Expr:
        e = weak(to_expr(x))
        return row.build(e) if e.type.is_float else e

    return call


for _row in _ROWS:
    if hasattr(math, _row.name):  # fma is new in 3.13
        _spells(getattr(math, _row.name))(_spelling(_row))
for _row in _ROUNDING:
    _spells(getattr(math, _row.name))(_rounding(_row))
_spells(math.remainder)(_spelling(el.ieee_remainder))


@_spells(math.log)
def log(x: Any, base: Any = None) -> Expr:
    value = el.log.build(weak(to_expr(x)))
    if base is None:
        return value
    return ar.divide.build(value, el.log.build(weak(to_expr(base))))


@_spells(math.pow)
def pow_(x: Any, y: Any) -> Expr:
    base, exponent = as_float(x), as_float(y)
    if isinstance(exponent, Const) and exponent.value >= 0 and exponent.value % 1 == 0:
        return ar.power.build(base, exponent)  # nothing that math.pow would refuse
    return sc.math_pow.build(base, exponent)


def _numbers(values: Any, function: str) -> list[Expr]:
    """The items of a sequence of numbers."""
    if isinstance(values, Record):
        values = list(values.fields.values())
    if isinstance(values, dict):
        values = list(values)
    if isinstance(values, Expr):
        size = values.type.shape[0] if values.type.rank == 1 else None
        if not isinstance(size, int):
            raise UnsupportedError(
                f"{function} of an array is supported where its size is known",
                hint=f"use the NumPy function, or declare the size: float64[3] ({function})",
            )
        values = [subscript(values, i) for i in range(size)]
    return [as_float(x) for x in values]


@_spells(math.fsum)
def fsum(values: Any) -> Any:
    if isinstance(values, Expr) and values.type.rank == 1 and values.type.shape[0] != 1:
        return weak(sum_.build(values, attrs=((-1,), False)))  # NumPy's pairwise sum
    items = _numbers(values, "math.fsum")
    return sc.fsum.build(*items) if items else 0.0


@_spells(math.hypot)
def hypot(*xs: Any) -> Any:
    parts = [weak(to_expr(x)) for x in xs]
    if not parts:
        return 0.0
    if len(parts) == 1:
        return el.fabs.build(parts[0])
    return el.hypot.build(*parts) if len(parts) == 2 else sc.length.build(*parts)


@_spells(math.dist)
def dist(p: Any, q: Any) -> Any:
    a, b = _numbers(p, "math.dist"), _numbers(q, "math.dist")
    if len(a) != len(b):
        raise IllTypedError("both points must have the same number of dimensions")
    return hypot(*(binary(operator.sub, x, y) for x, y in zip(a, b, strict=True)))


if sys.version_info >= (3, 12):

    @_spells(math.sumprod)
    def sumprod(p: Any, q: Any) -> Any:
        if isinstance(p, Expr) and isinstance(q, Expr) and p.type.rank == q.type.rank == 1:
            return weak(matmul.build(p, q))
        a, b = _numbers(p, "math.sumprod"), _numbers(q, "math.sumprod")
        if len(a) != len(b):
            raise ValueError("Inputs are not the same length")
        return sc.sumprod.build(*a, *b) if a else 0


@_spells(math.modf)
def modf(x: Any) -> Any:
    e = as_float(x)
    return sc.fraction.build(e), sc.whole.build(e)


@_spells(math.frexp)
def frexp(x: Any) -> Any:
    e = as_float(x)
    return sc.mantissa.build(e), sc.exponent.build(e)


@_spells(math.isclose)
def isclose(a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Expr:
    if isinstance(rel_tol, Expr) or isinstance(abs_tol, Expr):
        raise UnsupportedError("math.isclose needs tolerances that are known when compiling")
    operands = [weak(to_expr(x)) for x in (a, b)]
    return sc.math_isclose.build(*operands, attrs=(float(rel_tol), float(abs_tol)))


# NumPy's functions of the same kind.


def _double(x: Any) -> Expr:
    e = strong(to_expr(x))
    return e if e.type.dtype == "float64" else el.cast.build(e, attrs=("float64", False))


@spells(np.float_power)
def float_power(x: Any, y: Any) -> Expr:
    return ar.power.build(_double(x), _double(y))


@spells(np.divmod)
def divmod_(x: Any, y: Any) -> Any:
    a, b = strong(to_expr(x)), to_expr(y)
    return ar.floor_divide.build(a, b), ar.remainder.build(a, b)


def _floating(x: Any) -> Expr:
    e = strong(to_expr(x))
    return e if e.type.differentiable else el.cast.build(e, attrs=("float64", False))


@spells(np.modf)
def numpy_modf(x: Any) -> Any:
    e = _floating(x)
    return sc.fraction.build(e), sc.whole.build(e)


@spells(np.frexp)
def numpy_frexp(x: Any) -> Any:
    e = _floating(x)
    return sc.mantissa.build(e), sc.exponent.build(e)


@spells(np.spacing)
def spacing(x: Any) -> Expr:
    return sc.spacing.build(_floating(x))


@spells(np.i0)
def i0(x: Any) -> Expr:
    return sp.numpy_i0.build(_floating(x))


@spells(np.real, np.conjugate, method="conj")
def real(x: Any) -> Expr:
    """The real part or conjugate of a real number: itself. Complex ones are refused."""
    e = strong(to_expr(x))
    if e.type.is_complex:
        raise UnsupportedError(
            "complex numbers are not differentiated",
            hint="write the function with real and imaginary parts as separate arguments",
        )
    return e

