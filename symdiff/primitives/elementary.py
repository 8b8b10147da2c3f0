"""Elementary functions: one row each, partial derivatives in operand `x` and result `y`.

Formulas: DLMF 4.20 (circular), 4.35 (hyperbolic), 4.2 (exp, log), 5.2 (gamma), 7.2 (erf).
They are written in the form that loses least to rounding: (1 - x)(1 + x), not 1 - x^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symdiff.ir.expr import Apply, Const
from symdiff.ir.types import INT
from symdiff.primitives.arithmetic import nonzero, pole
from symdiff.primitives.domain import ABOVE_MINUS_ONE, ABOVE_ONE, POSITIVE, REALS, UNIT, Domain
from symdiff.primitives.printed import call
from symdiff.primitives.row import (
    Discrete,
    Elementwise,
    Term,
    arithmetic_result,
    bool_result,
    choose,
    conform,
    float_result,
    indicator,
)
from symdiff.primitives.support import LOGADDEXP

LN2, LN10, SQRT_PI = math.log(2.0), math.log(10.0), math.sqrt(math.pi)


def _unary(name: str, partial: Any, over: Domain = REALS, **row: Any) -> Elementwise:
    row.setdefault("numpy", f"np.{name}({{0}})")
    row.setdefault("math", f"math.{name}({{0}})")
    row.setdefault("c", f"{name}({{0}})")
    return Elementwise(name, (partial,), over=(over,), **row)


sin = _unary("sin", lambda x, y: cos(x))
cos = _unary("cos", lambda x, y: -sin(x))
tan = _unary("tan", lambda x, y: 1.0 + y * y)
asin = _unary(
    "asin", lambda x, y: pole(1.0, sqrt((1.0 - x) * (1.0 + x))), UNIT,
    numpy="np.arcsin({0})", raises=True, fails=lambda x: abs_(x) > 1.0,
)
acos = _unary(
    "acos", lambda x, y: pole(-1.0, sqrt((1.0 - x) * (1.0 + x))), UNIT,
    numpy="np.arccos({0})", raises=True, fails=lambda x: abs_(x) > 1.0,
)
atan = _unary("atan", lambda x, y: 1.0 / (1.0 + x * x), numpy="np.arctan({0})")
sinh = _unary("sinh", lambda x, y: cosh(x), raises=True)
cosh = _unary("cosh", lambda x, y: sinh(x), raises=True)
tanh = _unary("tanh", lambda x, y: 1.0 - y * y)
asinh = _unary("asinh", lambda x, y: 1.0 / hypot(1.0, x), numpy="np.arcsinh({0})")
acosh = _unary(
    "acosh", lambda x, y: pole(1.0, sqrt(x - 1.0) * sqrt(x + 1.0)), ABOVE_ONE,
    numpy="np.arccosh({0})", raises=True, fails=lambda x: x < 1.0,
)
atanh = _unary(
    "atanh", lambda x, y: 1.0 / ((1.0 - x) * (1.0 + x)), UNIT,
    numpy="np.arctanh({0})", raises=True, fails=lambda x: abs_(x) >= 1.0,
)
exp = _unary("exp", lambda x, y: y, raises=True)
exp2 = _unary("exp2", lambda x, y: y * LN2, raises=True)
expm1 = _unary("expm1", lambda x, y: exp(x), raises=True)
log = _unary("log", lambda x, y: 1.0 / x, POSITIVE, raises=True, fails=lambda x: x <= 0.0)
log2 = _unary(
    "log2", lambda x, y: 1.0 / (x * LN2), POSITIVE, raises=True, fails=lambda x: x <= 0.0
)
log10 = _unary(
    "log10", lambda x, y: 1.0 / (x * LN10), POSITIVE, raises=True, fails=lambda x: x <= 0.0
)
log1p = _unary(
    "log1p", lambda x, y: 1.0 / (1.0 + x), ABOVE_MINUS_ONE, raises=True,
    fails=lambda x: x <= -1.0,
)


def _sqrt_partial(x: Term, y: Term) -> Term:
    # The root of a sum of squares is a norm: its derivative at 0 is 0, not 0 * inf.
    return 0.5 / nonzero(y) if is_sum_of_squares(x) else pole(0.5, y)


def _below_zero(x: Term) -> Any:
    return False if is_sum_of_squares(x) else x < 0.0


def is_sum_of_squares(x: Term) -> bool:
    """Whether x is written as a sum of squares, so that it is zero only where each term is."""
    rows = Term.rows
    sums = (rows["add"], rows["sum"], rows["mean"])
    products = (rows["multiply"], rows["matmul"])
    stack = [x.expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, Apply):
            return False
        if node.op in sums:
            stack.extend(node.operands)
            continue
        square = node.op is rows["power"] and getattr(node.operands[1], "value", None) == 2
        own = node.op in products and node.operands[0] is node.operands[1]
        if not square and not (own and (node.op is rows["multiply"] or not node.type.rank)):
            return False
    return True


sqrt = _unary("sqrt", _sqrt_partial, POSITIVE, raises=True, fails=_below_zero)
cbrt = _unary("cbrt", lambda x, y: pole(1.0, 3.0 * y * y), REALS.without(0.0))


def sign_of(x: Term) -> Term:
    """-1, 0 or 1; nan stays nan."""
    if x.expr.type.weak:
        return choose(x > 0.0, 1.0, choose(x < 0.0, -1.0, 0.0 * x))
    return sign(x)


sign = Discrete("sign", float_result, numpy="np.sign({0})", c="sign({0})")
abs_ = _unary(
    "abs", lambda x, y: sign_of(x), REALS.without(0.0), infer=arithmetic_result,
    numpy="abs({0})", math="abs({0})", c={"float": "fabs({0})", "int": "abs_int({0})"},
)
fabs = _unary("fabs", lambda x, y: sign_of(x), REALS.without(0.0))
erf = _unary("erf", lambda x, y: 2.0 / SQRT_PI * exp(-(x * x)), numpy="special.erf({0})")
erfc = _unary("erfc", lambda x, y: -2.0 / SQRT_PI * exp(-(x * x)), numpy="special.erfc({0})")
degrees = _unary("degrees", lambda x, y: 180.0 / math.pi, c=f"{{0}} * {180.0 / math.pi!r}")
radians = _unary("radians", lambda x, y: math.pi / 180.0, c=f"{{0}} * {math.pi / 180.0!r}")


def _shifted(x: Term, y: Term) -> Term:
    return nonzero(x * x + y * y)


def _binary(name: str, partials: Any, **row: Any) -> Elementwise:
    row.setdefault("numpy", f"np.{name}({{0}}, {{1}})")
    row.setdefault("math", f"math.{name}({{0}}, {{1}})")
    row.setdefault("c", f"{name}({{0}}, {{1}})")
    row.setdefault("over", (REALS, REALS))
    return Elementwise(name, partials, **row)


hypot = _binary("hypot", (lambda x, y, r: x / nonzero(r), lambda x, y, r: y / nonzero(r)))
atan2 = _binary(
    "atan2", (lambda y, x, r: x / _shifted(x, y), lambda y, x, r: -y / _shifted(x, y)),
    numpy="np.arctan2({0}, {1})",
)


def _multiples(x: Term, y: Term, r: Term) -> Term:
    """-n, where r = x - n * y: from the remainder itself, since x / y may round to n + 1."""
    return -rint((x - r) / y)


fmod = _binary(
    "fmod", (lambda x, y, r: 1.0, _multiples), raises=True, over=(REALS, REALS.without(0.0)),
    fails=lambda x, y: y.equals(0.0),
)
ieee_remainder = _binary(
    "ieee_remainder", (lambda x, y, r: 1.0, _multiples), c="remainder({0}, {1})",
    math="math.remainder({0}, {1})",
    numpy="math.remainder({0}, {1})", raises=True,
    over=(REALS, REALS.without(0.0)), fails=lambda x, y: y.equals(0.0),
)
copysign = _binary(
    "copysign", (lambda x, y, r: sign_of(x) * copysign(1.0, y), None),
    over=(REALS.without(0.0), REALS.without(0.0)),
)
logaddexp = _binary(
    "logaddexp", (lambda x, y, r: exp(x - r), lambda x, y, r: exp(y - r)), commutes=True,
    math="_logaddexp({0}, {1})", support=(LOGADDEXP,),
)
logaddexp2 = _binary(
    "logaddexp2", (lambda x, y, r: exp2(x - r), lambda x, y, r: exp2(y - r)), commutes=True,
    math=None,
)
nextafter = _binary("nextafter", (lambda x, y, r: 1.0, None))
ldexp = _binary("ldexp", (lambda x, n, r: ldexp(1.0, n), None), c="scaled({0}, {1})")


def _tie(x: Term, y: Term) -> Term:
    """1 where x > y, 1/2 where they are equal, 0 where x < y."""
    return choose(x > y, 1.0, choose(x.equals(y), 0.5, 0.0))


# The second of two operands where it wins, as Python chooses.
_WINNER = {"max": "{1} > {0} ? {1} : {0}", "min": "{1} < {0} ? {1} : {0}"}


def _extremum(name: str, python: str, numpy: str, first: Any, second: Any) -> Elementwise:
    winner = _WINNER[python]
    numbers = f"{numpy}({{0}}, {{1}})" if numpy.startswith("f") else f"nan_{python}({{0}}, {{1}})"
    return Elementwise(
        name, (first, second), infer=arithmetic_result, commutes=False, over=(REALS, REALS),
        c={"float": numbers, "int": winner, "python": winner},
        math=f"{python}({{0}}, {{1}})", numpy=f"np.{numpy}({{0}}, {{1}})",
    )  # fmt: skip


maximum = _extremum(
    "maximum", "max", "maximum", lambda x, y, r: _tie(x, y), lambda x, y, r: _tie(y, x)
)
minimum = _extremum(
    "minimum", "min", "minimum", lambda x, y, r: _tie(y, x), lambda x, y, r: _tie(x, y)
)


def _of_numbers(python: str, numpy: str) -> Callable[..., Any]:
    """Python's own function for numbers, even NumPy's: no ufunc is called, and nan stays first."""

    def shown(operands: Any, node: Any, to: Any) -> Any:
        return call(f"np.{numpy}" if node.type.rank else python, *operands)

    return shown


# Python's `max` and `min`, where NumPy's numbers are among the operands.
greatest = Elementwise(
    "greatest", (lambda x, y, r: _tie(x, y), lambda x, y, r: _tie(y, x)), infer=arithmetic_result,
    over=(REALS, REALS), math="max({0}, {1})", numpy=_of_numbers("max", "maximum"),
    c=_WINNER["max"],
)
least = Elementwise(
    "least", (lambda x, y, r: _tie(y, x), lambda x, y, r: _tie(x, y)), infer=arithmetic_result,
    over=(REALS, REALS), math="min({0}, {1})", numpy=_of_numbers("min", "minimum"),
    c=_WINNER["min"],
)
fmax = _extremum("fmax", "max", "fmax", lambda x, y, r: _tie(x, y), lambda x, y, r: _tie(y, x))
fmin = _extremum("fmin", "min", "fmin", lambda x, y, r: _tie(y, x), lambda x, y, r: _tie(x, y))

def _in_order(low: Term, high: Term) -> Any:
    """Whether low <= high: True where that is known. Elsewhere `np.clip` gives high."""
    a, b = low.expr, high.expr
    if isinstance(a, Const) and isinstance(b, Const) and not a.type.rank and not b.type.rank:
        return bool(a.value <= b.value)
    for bound, infinite in ((a, -math.inf), (b, math.inf)):
        if isinstance(bound, Const) and not bound.type.rank and bound.value == infinite:
            return True
    return low <= high


def _clip_low(x: Term, low: Term, high: Term, r: Term) -> Term:
    inside = _in_order(low, high)
    return choose(x < low, 1.0 if inside is True else choose(inside, 1.0, 0.0), 0.0)


def _clip_high(x: Term, low: Term, high: Term, r: Term) -> Term:
    inside = _in_order(low, high)
    return choose(x > high, 1.0, 0.0 if inside is True else choose(inside, 0.0, 1.0))


def _clip_inside(x: Term, low: Term, high: Term, r: Term) -> Term:
    above, below = indicator(x >= low, x), indicator(x <= high, x)
    return above * below if r.expr.type.rank else choose(x >= low, below, 0.0)


clip = Elementwise(
    "clip",
    (
        _clip_inside,
        _clip_low,
        _clip_high,
    ),
    infer=arithmetic_result,
    numpy="np.clip({0}, {1}, {2})",
    c={"float": "nan_min(nan_max({0}, {1}), {2})", "int": "clip_int({0}, {1}, {2})"},
    over=(REALS, REALS, REALS),
)


def _rounded(name: str, numpy: str, python: str) -> Discrete:
    return Discrete(
        name, _whole_result, numpy=numpy, math=python, raises=True, c=f"{name}({{0}})"
    )


def _whole_result(attrs: Any, types: Any) -> Any:
    """Python's rounding gives integers, NumPy's floats."""
    return INT if types[0].weak else float_result(attrs, types)


floor = _rounded("floor", "np.floor({0})", "math.floor({0})")
ceil = _rounded("ceil", "np.ceil({0})", "math.ceil({0})")
trunc = _rounded("trunc", "np.trunc({0})", "math.trunc({0})")
rint = _rounded("rint", "np.rint({0})", "round({0})")
heaviside = Discrete(
    "heaviside", float_result, numpy="np.heaviside({0}, {1})", c="heaviside({0}, {1})"
)
isnan = Discrete(
    "isnan", bool_result, numpy="np.isnan({0})", math="math.isnan({0})", c="isnan({0})"
)
isinf = Discrete(
    "isinf", bool_result, numpy="np.isinf({0})", math="math.isinf({0})", c="isinf({0})"
)
isfinite = Discrete(
    "isfinite", bool_result, numpy="np.isfinite({0})", math="math.isfinite({0})", c="isfinite({0})"
)
signbit = Discrete("signbit", bool_result, numpy="np.signbit({0})", c="signbit({0}) != 0")


def _where_result(attrs: Any, types: Any) -> Any:
    from symdiff.ir.types import Type, broadcast_shapes, promote_dtype

    return Type(promote_dtype(*types[1:]), broadcast_shapes(*(t.shape for t in types)))


class Where(Elementwise):
    """`np.where`: the mask *guards* the adjoint: a masked-out inf or nan contributes exactly 0."""

    def pushforward(self, node: Any, tangents: Any) -> Any:
        from symdiff.primitives.row import fit, zero_of

        _, x, y = tangents
        if x is None and y is None:
            return None
        sides = [zero_of(node.type.with_shape(())) if t is None else t for t in (x, y)]
        return fit(self.build(node.operands[0], *sides), node.type)

    def pullback(self, node: Any, ct: Any, wanted: Any) -> Any:
        from symdiff.primitives.row import fit, zero_of

        mask, x, y = node.operands
        zero = zero_of(ct.type.with_shape(()))
        then = fit(self.build(mask, ct, zero), x.type) if wanted[1] else None
        orelse = fit(self.build(mask, zero, ct), y.type) if wanted[2] else None
        return [None, then, orelse]


def _where_shown(operands: Any, node: Any, target: Any) -> Any:
    """Of two Python numbers NumPy would make float64: beside float32 one of them says so."""
    mask, x, y = operands
    if node.type.dtype == "float32" and not any(v.type.rank for v in node.operands[1:]):
        x = call("np.float32", x)
    return call("np.where", mask, x, y)


where = Where(
    "where", (None, None, None), infer=_where_result, numpy=_where_shown, c="{0} ? {1} : {2}",
    over=(REALS, REALS, REALS),
)


class Cast(Elementwise):
    """A change of dtype, or between Python and NumPy number; attrs are (dtype, weak)."""

    def partial(self, node: Any, index: int) -> Any:
        from symdiff.primitives.row import as_expr

        return as_expr(1.0) if node.type.differentiable else None


def _cast_result(attrs: Any, types: Any) -> Any:
    from symdiff.ir.types import Type

    return Type(attrs[0], types[0].shape, attrs[1] and not types[0].shape)


cast = Cast(
    "cast", (None,), infer=_cast_result, numpy="cast", attrs=("dtype", "weak"), c="{0}"
)


def _identity(attrs: Any, types: Any) -> Any:
    return types[0]


class Sized(Elementwise):
    """The operand itself, of sizes that the program relies on: `a, b, c = x` takes three.

    attrs are (shape,); a requirement checks the sizes when called.
    """

    def partial(self, node: Any, index: int) -> Any:
        from symdiff.primitives.row import as_expr

        return as_expr(1.0)


sized = Sized(
    "sized", (None,), infer=lambda attrs, types: types[0].with_shape(attrs[0]), numpy="{0}",
    attrs=("shape",), c="{0}",
)  # fmt: skip


def with_size(x: Any, axis: int, size: int) -> Any:
    """`x` with `size` along `axis`, where its type does not say."""
    shape = list(x.type.shape)
    if isinstance(shape[axis], int):
        return x
    shape[axis] = size
    return sized.build(x, attrs=(tuple(shape),))


# The identity, through which no derivative flows.
detach = Discrete("detach", _identity, numpy="{0}", c="{0}")

# A condition under which the primal raises, so that nothing comes of what else then would be done:
# the reverse of `old if aborts(p) else new` is that of `new`, without a guard.
aborts = Discrete("aborts", _identity, numpy="{0}", c="{0}")

__all__ = ["conform"]
