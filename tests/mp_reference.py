"""What each row of the table means, in mpmath: the reference that its derivatives are held to.

A row that is not here fails its test, so a new row brings its own reference. `singular` gives the
partial derivatives at the points where the derivative has a kink, a pole or no meaning - the
conventions of docs/design.md - for Python numbers and for arrays; an exception class stands for
what Python numbers raise, None for what is left open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
from mpmath import mp

INF, NAN = math.inf, math.nan
Partials = tuple[Any, ...] | type[Exception]


@dataclass(frozen=True)
class Reference:
    """value: the row in mpmath. over: operands' ranges, where the row's own are too wide.

    attrs: its static arguments. fixed: operands that are not differentiated, with their value.
    singular: {operands: partials for Python numbers and arrays, or (Python's, arrays')}.
    count: operands of a row that takes any number of them.
    """

    value: Callable[..., Any]
    over: Sequence[tuple[float, float]] | None = None
    attrs: tuple[Any, ...] = ()
    fixed: Mapping[int, Any] = field(default_factory=dict)
    singular: Mapping[tuple[float, ...], Any] = field(default_factory=dict)
    count: int | None = None
    tolerance: float = 1e-12


def both(partials: Partials) -> tuple[Partials, Partials]:
    return partials, partials


def _remainder(x: Any, y: Any) -> Any:
    return x - y * mpmath.floor(x / y)


def _fmod(x: Any, y: Any) -> Any:
    n = x / y
    return x - y * (mpmath.floor(n) if n > 0 else mpmath.ceil(n))


def _ieee(x: Any, y: Any) -> Any:
    return x - y * mpmath.nint(x / y)


def _frexp(x: Any) -> Any:
    return mpmath.frexp(x)[0]


def _psi(order: int) -> Callable[[Any], Any]:
    return lambda x: mpmath.psi(order, x)


def _erfcx(x: Any) -> Any:
    return mpmath.exp(x * x) * mpmath.erfc(x)


def _dawson(x: Any) -> Any:
    return mpmath.sqrt(mp.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


def _ndtri(p: Any) -> Any:
    return mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1)


def _expit(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _i(order: int, scaled: bool = False) -> Callable[[Any], Any]:
    def value(x: Any) -> Any:
        return mpmath.besseli(order, x) * (mpmath.exp(-abs(x)) if scaled else 1)

    return value


def _k(order: int, scaled: bool = False) -> Callable[[Any], Any]:
    def value(x: Any) -> Any:
        return mpmath.besselk(order, x) * (mpmath.exp(x) if scaled else 1)

    return value


def _radians(x: Any) -> Any:
    return x * mp.pi / 180


def _norm(*xs: Any) -> Any:
    return mpmath.sqrt(sum(x * x for x in xs))


REFERENCES: dict[str, Reference] = {
    # Operators.
    "add": Reference(lambda x, y: x + y),
    "subtract": Reference(lambda x, y: x - y),
    "multiply": Reference(lambda x, y: x * y),
    "divide": Reference(
        lambda x, y: x / y, singular={(1.0, 0.0): (ZeroDivisionError, (INF, -INF))}
    ),
    "remainder": Reference(_remainder, singular={(1.0, 0.0): (ZeroDivisionError, None)}),
    "negative": Reference(lambda x: -x),
    "power": Reference(
        mpmath.power,
        over=[(0.1, 3.0), (-2.0, 2.0)],
        singular={
            (0.0, 2.5): both((0.0, 0.0)),
            (0.0, 0.0): both((0.0, -INF)),
            (0.0, 1.0): both((1.0, 0.0)),
            (-2.0, 3.0): both((12.0, NAN)),
            (-2.0, 0.0): both((0.0, NAN)),
            (0.0, -1.0): (ZeroDivisionError, (-INF, -INF)),
        },
    ),
    "math_pow": Reference(
        mpmath.power,
        over=[(0.1, 3.0), (-2.0, 2.0)],
        singular={
            (0.0, 2.5): both((0.0, 0.0)),
            (-2.0, 3.0): both((12.0, NAN)),
            (-2.0, 0.5): (ValueError, None),
            (0.0, -1.0): (ValueError, None),
        },
    ),
    # Circular, hyperbolic, exponential.
    "sin": Reference(mpmath.sin),
    "cos": Reference(mpmath.cos),
    "tan": Reference(mpmath.tan, over=[(-1.4, 1.4)]),
    "asin": Reference(mpmath.asin, singular={(1.0,): both((INF,)), (-1.0,): both((INF,))}),
    "acos": Reference(mpmath.acos, singular={(1.0,): both((-INF,)), (-1.0,): both((-INF,))}),
    "atan": Reference(mpmath.atan),
    "sinh": Reference(mpmath.sinh),
    "cosh": Reference(mpmath.cosh),
    "tanh": Reference(mpmath.tanh),
    "asinh": Reference(mpmath.asinh),
    "acosh": Reference(mpmath.acosh, singular={(1.0,): both((INF,)), (0.5,): (ValueError, None)}),
    "atanh": Reference(mpmath.atanh, singular={(1.0,): (ValueError, (INF,))}),
    "exp": Reference(mpmath.exp),
    "exp2": Reference(lambda x: mpmath.power(2, x)),
    "expm1": Reference(mpmath.expm1),
    "log": Reference(mpmath.log, singular={(0.0,): (ValueError, (INF,))}),
    "log2": Reference(
        lambda x: mpmath.log(x) / mpmath.log(2), singular={(0.0,): (ValueError, (INF,))}
    ),
    "log10": Reference(mpmath.log10, singular={(0.0,): (ValueError, (INF,))}),
    "log1p": Reference(mpmath.log1p, singular={(-1.0,): (ValueError, (INF,))}),
    "sqrt": Reference(mpmath.sqrt, singular={(0.0,): both((INF,)), (-1.0,): (ValueError, None)}),
    "cbrt": Reference(
        lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), singular={(0.0,): both((INF,))}
    ),
    "abs": Reference(abs, singular={(0.0,): both((0.0,))}),
    "fabs": Reference(abs, singular={(0.0,): both((0.0,))}),
    "erf": Reference(mpmath.erf),
    "erfc": Reference(mpmath.erfc),
    "degrees": Reference(lambda x: x * 180 / mp.pi),
    "radians": Reference(_radians),
    "hypot": Reference(mpmath.hypot, singular={(0.0, 0.0): both((0.0, 0.0))}),
    "atan2": Reference(mpmath.atan2, singular={(0.0, 0.0): both((0.0, 0.0))}),
    "fmod": Reference(_fmod, singular={(1.0, 0.0): (ValueError, None)}),
    "ieee_remainder": Reference(_ieee, singular={(1.0, 0.0): (ValueError, None)}),
    "copysign": Reference(
        lambda x, y: abs(x) * mpmath.sign(y),
        singular={(0.0, 1.0): both((0.0, 0.0)), (2.0, -0.0): both((-1.0, 0.0))},
    ),
    "logaddexp": Reference(
        lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)),
        singular={(1000.0, 1000.0): both((0.5, 0.5)), (1000.0, 0.0): both((1.0, 0.0))},
    ),
    "logaddexp2": Reference(
        lambda x, y: mpmath.log(mpmath.power(2, x) + mpmath.power(2, y)) / mpmath.log(2)
    ),
    "nextafter": Reference(lambda x, y: x + 0 * y),  # one float further: locally a shift
    "ldexp": Reference(lambda x, n: x * mpmath.power(2, n), fixed={1: 3}),
    "maximum": Reference(max, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "minimum": Reference(min, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "greatest": Reference(max, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "least": Reference(min, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "fmax": Reference(max, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "fmin": Reference(min, singular={(1.0, 1.0): both((0.5, 0.5))}),
    "clip": Reference(
        lambda x, low, high: min(max(x, low), high),
        over=[(-3.0, 3.0), (-1.0, 0.0), (1.0, 2.0)],
        singular={
            (-1.0, -1.0, 1.0): both((1.0, 0.0, 0.0)),
            (1.0, -1.0, 1.0): both((1.0, 0.0, 0.0)),
        },
    ),
    "sinc": Reference(mpmath.sincpi, singular={(0.0,): both((0.0,))}),
    "nan_to_num": Reference(
        lambda x: x, attrs=(0.0, None, None), singular={(NAN,): both((0.0,)), (INF,): both((0.0,))}
    ),
    # Parts of a float, sums of many.
    "fma": Reference(lambda x, y, z: x * y + z),
    "fraction": Reference(lambda x: x - mpmath.sign(x) * mpmath.floor(abs(x))),
    "mantissa": Reference(_frexp, singular={(0.0,): both((1.0,))}),
    "fsum": Reference(lambda *xs: sum(xs), count=3),
    "sumprod": Reference(lambda a, b, c, d: a * c + b * d, count=4),
    "length": Reference(_norm, count=3, singular={(0.0, 0.0, 0.0): both((0.0, 0.0, 0.0))}),
    # Gamma.
    "polygamma": Reference(
        _psi(1), attrs=(1,), over=[(-2.9, 4.0)], singular={(-1.0,): (ValueError, None)},
        tolerance=1e-11,
    ),
    "digamma": Reference(_psi(0), over=[(-2.9, 4.0)], singular={(0.0,): (ValueError, None)}),
    "gamma": Reference(mpmath.gamma, over=[(-2.9, 4.0)], singular={(-1.0,): (ValueError, None)}),
    "lgamma": Reference(
        lambda x: mpmath.log(abs(mpmath.gamma(x))), over=[(-2.9, 4.0)],
        singular={(-1.0,): (ValueError, None), (0.0,): (ValueError, None)},
    ),
    "beta": Reference(mpmath.beta),
    "betaln": Reference(lambda a, b: mpmath.log(mpmath.beta(a, b))),
    "gammainc": Reference(
        lambda a, x: mpmath.gammainc(a, 0, x, regularized=True), fixed={0: 1.5}
    ),
    "gammaincc": Reference(lambda a, x: mpmath.gammainc(a, x, regularized=True), fixed={0: 1.5}),
    # Error functions, the normal and the logistic distribution.
    "erfcx": Reference(_erfcx, over=[(-2.0, 3.0)]),
    "erfi": Reference(mpmath.erfi, over=[(-2.0, 2.0)]),
    "dawsn": Reference(_dawson, over=[(-2.0, 2.0)]),
    "erfinv": Reference(mpmath.erfinv, over=[(-0.9, 0.9)]),
    "erfcinv": Reference(lambda x: mpmath.erfinv(1 - x), over=[(0.1, 1.9)]),
    "ndtr": Reference(mpmath.ncdf),
    "log_ndtr": Reference(lambda x: mpmath.log(mpmath.ncdf(x))),
    "ndtri": Reference(_ndtri, over=[(0.1, 0.9)]),
    "expit": Reference(_expit, singular={(800.0,): both((0.0,)), (-800.0,): both((0.0,))}),
    "sigmoid": Reference(_expit, singular={(800.0,): both((0.0,)), (-800.0,): both((0.0,))}),
    "log_expit": Reference(lambda x: -mpmath.log1p(mpmath.exp(-x))),
    "logit": Reference(lambda x: mpmath.log(x / (1 - x)), over=[(0.1, 0.9)]),
    "softplus": Reference(
        lambda x: mpmath.log1p(mpmath.exp(x)),
        singular={(1000.0,): both((1.0,)), (-1000.0,): both((0.0,))},
    ),
    "scipy_softplus": Reference(
        lambda x: mpmath.log1p(mpmath.exp(x)), singular={(1000.0,): both((1.0,))}
    ),
    "log1mexp": Reference(lambda x: mpmath.log1p(-mpmath.exp(x)), over=[(-4.0, -0.05)]),
    # Products with logarithms.
    "xlogx": Reference(lambda x: x * mpmath.log(x), singular={(0.0,): both((-INF,))}),
    "xlogx1p": Reference(lambda x: (1 + x) * mpmath.log1p(x), over=[(-0.9, 4.0)]),
    "xlogy": Reference(lambda x, y: x * mpmath.log(y), singular={(0.0, 0.0): both((-INF, 0.0))}),
    "xlog1py": Reference(
        lambda x, y: x * mpmath.log1p(y), singular={(0.0, -1.0): both((-INF, 0.0))}
    ),
    "entr": Reference(lambda x: -x * mpmath.log(x), singular={(0.0,): both((INF,))}),
    "rel_entr": Reference(lambda x, y: x * mpmath.log(x / y)),
    "kl_div": Reference(lambda x, y: x * mpmath.log(x / y) - x + y),
    # Exponential integrals.
    "exp10": Reference(lambda x: mpmath.power(10, x)),
    "exprel": Reference(lambda x: mpmath.expm1(x) / x, singular={(0.0,): both((0.5,))}),
    "cosm1": Reference(lambda x: mpmath.cos(x) - 1),
    "expi": Reference(mpmath.ei, singular={(0.0,): (None, (INF,))}),
    "exp1": Reference(mpmath.e1),
    "expn": Reference(mpmath.expint, fixed={0: 3}),
    "sindg": Reference(lambda x: mpmath.sin(_radians(x)), tolerance=1e-11),
    "cosdg": Reference(lambda x: mpmath.cos(_radians(x)), tolerance=1e-11),
    "tandg": Reference(lambda x: mpmath.tan(_radians(x))),
    # Bessel functions.
    "jv": Reference(mpmath.besselj, fixed={0: 2}),
    "yv": Reference(mpmath.bessely, fixed={0: 2}),
    "iv": Reference(mpmath.besseli, fixed={0: 2}),
    "kv": Reference(mpmath.besselk, fixed={0: 2}),
    "ive": Reference(lambda n, x: mpmath.besseli(n, x) * mpmath.exp(-abs(x)), fixed={0: 2}),
    "kve": Reference(lambda n, x: mpmath.besselk(n, x) * mpmath.exp(x), fixed={0: 2}),
    "j0": Reference(lambda x: mpmath.besselj(0, x)),
    "j1": Reference(lambda x: mpmath.besselj(1, x), singular={(0.0,): both((0.5,))}),
    "y0": Reference(lambda x: mpmath.bessely(0, x)),
    "y1": Reference(lambda x: mpmath.bessely(1, x)),
    "i0": Reference(_i(0)),
    "i1": Reference(_i(1), singular={(0.0,): both((0.5,))}),
    "i0e": Reference(_i(0, True)),
    "i1e": Reference(_i(1, True), singular={(0.0,): both((0.5,))}),
    "k0": Reference(_k(0)),
    "k1": Reference(_k(1)),
    "k0e": Reference(_k(0, True)),
    "k1e": Reference(_k(1, True)),
    "bessel_i": Reference(_i(1), attrs=(1,), singular={(0.0,): both((0.5,))}),
    "numpy_i0": Reference(_i(0)),
}  # fmt: skip


# Rows that are locally constant: value at some operands; their derivative is 0.
DISCRETE: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "floor_divide": (lambda x, y: x // y, [(7.5, 2.0), (-7.5, 2.0)]),
    "less": (lambda x, y: x < y, [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
    "less_equal": (lambda x, y: x <= y, [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
    "greater": (lambda x, y: x > y, [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
    "greater_equal": (lambda x, y: x >= y, [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
    "equal": (lambda x, y: x == y, [(1.0, 2.0), (2.0, 2.0)]),
    "not_equal": (lambda x, y: x != y, [(1.0, 2.0), (2.0, 2.0)]),
    "invert": (lambda x: ~x, [(5,), (0,)]),
    "bitwise_and": (lambda x, y: x & y, [(6, 3)]),
    "bitwise_or": (lambda x, y: x | y, [(6, 3)]),
    "bitwise_xor": (lambda x, y: x ^ y, [(6, 3)]),
    "left_shift": (lambda x, y: x << y, [(6, 3)]),
    "right_shift": (lambda x, y: x >> y, [(60, 3)]),
    "not_": (lambda x: not x, [(0.0,), (2.0,)]),
    "logical_not": (lambda x: not x, [(0.0,), (2.0,)]),
    "sign": (lambda x: math.copysign(1.0, x) if x else 0.0, [(-2.5,), (0.0,), (3.0,)]),
    "floor": (math.floor, [(2.5,), (-2.5,)]),
    "ceil": (math.ceil, [(2.5,), (-2.5,)]),
    "trunc": (math.trunc, [(2.5,), (-2.5,)]),
    "rint": (round, [(2.5,), (-1.5,), (0.3,)]),
    "heaviside": (lambda x, h: float(x > 0) if x else h, [(-1.0, 0.5), (0.0, 0.5), (2.0, 0.5)]),
    "isnan": (math.isnan, [(NAN,), (1.0,)]),
    "isinf": (math.isinf, [(INF,), (1.0,)]),
    "isfinite": (math.isfinite, [(INF,), (1.0,)]),
    "signbit": (lambda x: math.copysign(1.0, x) < 0, [(-0.0,), (0.0,), (-3.0,)]),
    "detach": (lambda x: x, [(2.5,)]),
    "aborts": (lambda x: x, [(0.0,), (1.0,)]),
    "whole": (lambda x: math.modf(x)[1], [(2.5,), (-2.5,)]),
    "exponent": (lambda x: math.frexp(x)[1], [(2.5,), (0.1,)]),
    "ulp": (math.ulp, [(1.0,), (1e10,)]),
    "spacing": (math.ulp, [(1.0,), (1e10,)]),
}
