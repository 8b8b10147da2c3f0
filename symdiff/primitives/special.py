"""Special functions: gamma, error, exponential integral and Bessel families, information measures.

Formulas: DLMF 5.2, 5.12, 5.15 (gamma, beta, polygamma), 7.2 (error functions), 6.2 (exponential
integrals), 10.6, 10.29 (Bessel functions). NumPy has next to none of these, so that for arrays
they print as SciPy's, which is there when the user's own function calls it; `math` has gamma and
erf, and for the rest a generated module brings its own (see `support`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Expr
from symdiff.ir.types import Type
from symdiff.primitives.arithmetic import remainder
from symdiff.primitives.domain import POSITIVE, REALS, UNIT, Domain
from symdiff.primitives.elementary import SQRT_PI, exp, log, log1p, sign_of, sin
from symdiff.primitives.printed import along_axis, reduction
from symdiff.primitives.row import (
    Attrs,
    Elementwise,
    Infer,
    Partial,
    Primitive,
    Reduction,
    Term,
    choose,
    fit,
    float_result,
    times,
)
from symdiff.primitives.shape import drop_axes
from symdiff.primitives.support import BESSEL_I, POLYGAMMA

ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
PROBABILITY = Domain(0.0, 1.0)


def _result_of(name: str) -> Infer:
    """Type rule of a ufunc of several operands: which dtype SciPy's loops give.

    Where they list float64 first (it depends on the version), a Python number beside float32
    makes float64, unlike in NumPy.
    """

    def infer(attrs: Attrs, types: Sequence[Type]) -> Type:
        result = float_result(attrs, types)
        if result.weak or result.dtype != "float32" or all(not t.weak for t in types):
            return result
        from scipy import special  # the user's function holds one of its functions

        first = getattr(special, name).types[0]
        return result if first.startswith("f") else result.with_dtype("float64")

    return infer


def _always_double(attrs: Attrs, types: Sequence[Type]) -> Type:
    return float_result(attrs, types).with_dtype("float64")


def _scipy(name: str, *partials: Partial, over: Any = None, **row: Any) -> Elementwise:
    """A row of SciPy's; where C has no function for it, SciPy's own is called."""
    places = ", ".join(f"{{{i}}}" for i in range(len(partials)))
    row.setdefault("numpy", f"special.{row.pop('spelling', name)}({places})")
    row.setdefault("c", f"external_{name}({places})")
    return Elementwise(name, partials, over=over or (REALS,) * len(partials), **row)


def _refused(function: str, operand: str) -> Partial:
    """A derivative that has no closed form: asking for it is an error, not a silent zero."""

    def partial(*_: Any) -> Any:
        raise UnsupportedError(
            f"the derivative of {function} in its {operand} has no closed form",
            hint=f"differentiate in the other argument, or pass the {operand} as a constant",
        )

    return partial


# Gamma and its relatives.


def _at_pole(x: Term) -> Any:
    """0, -1, -2, ...: there `math.gamma` raises ValueError."""
    return choose(x <= 0.0, remainder(x, 1.0).equals(0.0), False)


_NO_POLES = REALS.without(0.0, -1.0, -2.0, -3.0)

polygamma = Elementwise(
    "polygamma", (lambda x, y: polygamma(x, attrs=(y.expr.attrs[0] + 1,)),), over=(_NO_POLES,),
    infer=_always_double, attrs=("order",), raises=True, math="_polygamma({order}, {0})",
    c="polygamma({order}, {0})",
    numpy="special.polygamma({order}, {0})", support=(POLYGAMMA,),
)  # fmt: skip
digamma = Elementwise(
    "digamma", (lambda x, y: polygamma(x, attrs=(1,)),), over=(_NO_POLES,), raises=True,
    math="_polygamma(0, {0})", numpy="special.digamma({0})", support=(POLYGAMMA,),
    c={"python": "polygamma(0, {0})", "float": "digamma({0})"},
)
gamma = Elementwise(
    "gamma", (lambda x, y: y * digamma(x),), over=(_NO_POLES,), raises=True, fails=_at_pole,
    math="math.gamma({0})", c="tgamma({0})", numpy="special.gamma({0})",
)
lgamma = Elementwise(
    "lgamma", (lambda x, y: digamma(x),), over=(_NO_POLES,), raises=True, fails=_at_pole,
    math="math.lgamma({0})", c="lgamma({0})", numpy="special.gammaln({0})",
)
beta = _scipy(
    "beta", lambda a, b, y: y * (digamma(a) - digamma(a + b)),
    lambda a, b, y: y * (digamma(b) - digamma(a + b)),
    over=(POSITIVE, POSITIVE), infer=_result_of("beta"), commutes=True,
)
betaln = _scipy(
    "betaln", lambda a, b, y: digamma(a) - digamma(a + b),
    lambda a, b, y: digamma(b) - digamma(a + b),
    over=(POSITIVE, POSITIVE), infer=_result_of("betaln"), commutes=True,
)


def _gamma_density(a: Term, x: Term) -> Term:
    return exp(xlogy(a - 1.0, x) - x - lgamma(a))


gammainc = _scipy(
    "gammainc", _refused("gammainc", "parameter"), lambda a, x, y: _gamma_density(a, x),
    over=(POSITIVE, POSITIVE), infer=_result_of("gammainc"),
)
gammaincc = _scipy(
    "gammaincc", _refused("gammaincc", "parameter"), lambda a, x, y: -_gamma_density(a, x),
    over=(POSITIVE, POSITIVE), infer=_result_of("gammaincc"),
)

# Error functions and the normal distribution.

erfcx = _scipy("erfcx", lambda x, y: 2.0 * x * y - 2.0 / SQRT_PI)
erfi = _scipy("erfi", lambda x, y: 2.0 / SQRT_PI * exp(x * x))
dawsn = _scipy("dawsn", lambda x, y: 1.0 - 2.0 * x * y)
erfinv = _scipy("erfinv", lambda x, y: 0.5 * SQRT_PI * exp(y * y), over=(UNIT,))
erfcinv = _scipy(
    "erfcinv", lambda x, y: -0.5 * SQRT_PI * exp(y * y), over=(Domain(0.0, 2.0),)
)
ndtr = _scipy(
    "ndtr", lambda x, y: 1.0 / ROOT_TWO_PI * exp(-0.5 * x * x),
    c=f"0.5 * erfc({-math.sqrt(0.5)!r} * {{0}})",
)
log_ndtr = _scipy("log_ndtr", lambda x, y: 1.0 / ROOT_TWO_PI * exp(-0.5 * x * x - y))
ndtri = _scipy("ndtri", lambda x, y: ROOT_TWO_PI * exp(0.5 * y * y), over=(PROBABILITY,))

# The logistic function. 1 - expit(x) is expit(-x), which does not cancel for large x.

expit = _scipy("expit", lambda x, y: y * expit(-x), c="1.0 / (1.0 + exp(-{0}))")
log_expit = _scipy("log_expit", lambda x, y: expit(-x), c="-softplus(-{0})")
logit = _scipy("logit", lambda x, y: 1.0 / (x * (1.0 - x)), over=(PROBABILITY,), c="logit({0})")
scipy_softplus = _scipy(
    "scipy_softplus", lambda x, y: expit(x), spelling="softplus", c="softplus({0})"
)

# Products with logarithms: 0 * log(0) = 0.


def _ratio(x: Term, y: Term) -> Term:
    """x / y, 0 where x is 0 whatever y is."""
    return x / choose(x.equals(0.0), 1.0, y)


xlogy = _scipy(
    "xlogy", lambda x, y, r: log(y), lambda x, y, r: _ratio(x, y),
    over=(REALS, POSITIVE), infer=_result_of("xlogy"), c="xlogy({0}, {1})",
)
xlog1py = _scipy(
    "xlog1py", lambda x, y, r: log1p(y), lambda x, y, r: _ratio(x, 1.0 + y),
    over=(REALS, Domain(-1.0, math.inf)), infer=_result_of("xlog1py"), c="xlog1py({0}, {1})",
)
entr = _scipy("entr", lambda x, y: -log(x) - 1.0, over=(POSITIVE,), c="entr({0})")
rel_entr = _scipy(
    "rel_entr", lambda x, y, r: log(x / y) + 1.0, lambda x, y, r: -_ratio(x, y),
    over=(POSITIVE, POSITIVE), c="rel_entr({0}, {1})",
)
kl_div = _scipy(
    "kl_div", lambda x, y, r: log(x / y), lambda x, y, r: 1.0 - _ratio(x, y),
    over=(POSITIVE, POSITIVE), c="kl_div({0}, {1})",
)

# Exponentials and exponential integrals.

exp10 = _scipy("exp10", lambda x, y: y * math.log(10.0), c="pow(10.0, {0})")
exprel = _scipy(  # (exp(x) - 1) / x; its own derivative cancels near 0, so that is a series there
    "exprel", lambda x, y: _exprel_slope(x, y), c="exprel({0})"
)
cosm1 = _scipy("cosm1", lambda x, y: -sin(x), c="cosm1({0})")
expi = _scipy("expi", lambda x, y: exp(x) / x, over=(REALS.without(0.0),))
exp1 = _scipy("exp1", lambda x, y: -exp(-x) / x, over=(POSITIVE,))
expn = _scipy(
    "expn", _refused("expn", "order"), lambda n, x, y: -expn(n - 1, x), over=(None, POSITIVE),
    infer=_result_of("expn"),
)


def _exprel_slope(x: Term, y: Term) -> Term:
    """(exp(x) - exprel(x)) / x, by its series sum k x**(k - 1) / (k + 1)! for small x."""
    series: Any = 0.0
    for k in range(16, 0, -1):
        coefficient = k / math.factorial(k + 1)
        series = coefficient if k == 16 else coefficient + x * series
    near = choose(x > -0.5, x < 0.5, False) if not x.expr.type.rank else x * x < 0.25
    return choose(near, series, (exp(x) - y) / choose(near, 1.0, x))


# Trigonometric functions of degrees.

_DEGREE = math.pi / 180.0
sindg = _scipy("sindg", lambda x, y: _DEGREE * cosdg(x))
cosdg = _scipy("cosdg", lambda x, y: -_DEGREE * sindg(x))
tandg = _scipy("tandg", lambda x, y: _DEGREE * (1.0 + y * y))

# Bessel functions. f_n' = (f_{n-1} - f_{n+1}) / 2 and its like: no division by x, so x = 0 is fine.


def _bessel(name: str, slope: Any, over: Domain = POSITIVE, **row: Any) -> Elementwise:
    """A family f(order, x); `slope(order, x, y)` is the derivative in x."""
    return _scipy(name, _refused(name, "order"), slope, over=(None, over), **row)


jv = _bessel("jv", lambda n, x, y: 0.5 * (jv(n - 1, x) - jv(n + 1, x)))
yv = _bessel("yv", lambda n, x, y: 0.5 * (yv(n - 1, x) - yv(n + 1, x)))
iv = _bessel("iv", lambda n, x, y: 0.5 * (iv(n - 1, x) + iv(n + 1, x)))
kv = _bessel("kv", lambda n, x, y: -0.5 * (kv(n - 1, x) + kv(n + 1, x)))
ive = _bessel("ive", lambda n, x, y: 0.5 * (ive(n - 1, x) + ive(n + 1, x)) - sign_of(x) * y)
kve = _bessel("kve", lambda n, x, y: y - 0.5 * (kve(n - 1, x) + kve(n + 1, x)))
j0 = _scipy("j0", lambda x, y: -j1(x))
j1 = _scipy("j1", lambda x, y: 0.5 * (j0(x) - jv(2, x)))
y0 = _scipy("y0", lambda x, y: -y1(x), over=(POSITIVE,))
y1 = _scipy("y1", lambda x, y: 0.5 * (y0(x) - yv(2, x)), over=(POSITIVE,))
i0 = _scipy("i0", lambda x, y: i1(x))
i1 = _scipy("i1", lambda x, y: 0.5 * (i0(x) + iv(2, x)))
i0e = _scipy("i0e", lambda x, y: i1e(x) - sign_of(x) * y)
i1e = _scipy("i1e", lambda x, y: 0.5 * (i0e(x) + ive(2, x)) - sign_of(x) * y)
k0 = _scipy("k0", lambda x, y: -k1(x), over=(POSITIVE,))
k1 = _scipy("k1", lambda x, y: -0.5 * (k0(x) + kv(2, x)), over=(POSITIVE,))
k0e = _scipy("k0e", lambda x, y: y - k1e(x), over=(POSITIVE,))
k1e = _scipy("k1e", lambda x, y: y - 0.5 * (k0e(x) + kve(2, x)), over=(POSITIVE,))


def _bessel_i_slope(x: Term, y: Term) -> Term:
    assert isinstance(y.expr, Apply)
    (n,) = y.expr.attrs
    above = bessel_i(x, attrs=(n + 1,))
    return 0.5 * (bessel_i(x, attrs=(n - 1,)) + above) if n else above


# NumPy has I_0 alone; its derivatives are of higher orders, which a generated module brings along.
bessel_i = Elementwise(
    "bessel_i", (_bessel_i_slope,), over=(REALS,), attrs=("order",),
    numpy="_bessel_i({order}, {0})", support=(BESSEL_I,), c="bessel_i({order}, {0})",
)
numpy_i0 = Elementwise(
    "numpy_i0", (lambda x, y: bessel_i(x, attrs=(1,)),), over=(REALS,), numpy="np.i0({0})",
    c="bessel_i(0, {0})",
)

# Sums of exponentials.


def _reduced(attrs: Attrs, types: Sequence[Type]) -> Type:
    axes, keepdims = attrs
    return float_result((), types).strong.with_shape(drop_axes(types[0].shape, axes, keepdims))


logsumexp = Reduction(
    "logsumexp", _reduced, lambda x, y, node: exp(x - y),
    numpy=reduction("special.logsumexp"), attrs=("axes", "keepdims"), over=(REALS,),
)


class _Normalised(Primitive):
    """Softmax and its logarithm along one axis; `attrs` is (axis,).

    The Jacobian is stated by what it does to a vector and what its transpose does.
    """

    def _summed(self, node: Apply, value: Expr) -> Expr:
        return Term.rows["sum"].build(value, attrs=(node.attrs, True))


class Softmax(_Normalised):
    def _product(self, node: Apply, vector: Expr) -> Expr:
        weighted = times(node, vector)
        shared = times(node, self._summed(node, weighted))
        return fit(Term.rows["subtract"].build(weighted, shared), node.type)

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        return None if tangents[0] is None else self._product(node, tangents[0])

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        return [fit(self._product(node, ct), node.operands[0].type)]  # the Jacobian is symmetric


class LogSoftmax(_Normalised):
    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        (tangent,) = tangents
        if tangent is None:
            return None
        weights = exp.build(node)
        mean = self._summed(node, times(weights, tangent))
        return fit(Term.rows["subtract"].build(tangent, mean), node.type)

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        shared = times(exp.build(node), self._summed(node, ct))
        return [fit(Term.rows["subtract"].build(ct, shared), node.operands[0].type)]


softmax = Softmax(
    "softmax", float_result, numpy=along_axis("special.softmax"), attrs=("axis",)
)
log_softmax = LogSoftmax(
    "log_softmax", float_result, numpy=along_axis("special.log_softmax"), attrs=("axis",)
)
