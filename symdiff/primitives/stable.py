"""Functions that `stabilise` puts in place of formulas that overflow or cancel.

No source spells them. Each prints as a line of plain `math` or NumPy; some lines use the operand
twice (`repeats`), so code generation names it first.
"""

from __future__ import annotations

import math
from typing import Any

from symdiff.primitives.domain import ABOVE_MINUS_ONE, POSITIVE, REALS, Domain
from symdiff.primitives.elementary import exp, expm1, log, log1p
from symdiff.primitives.row import Elementwise, Term, choose

_LN2 = repr(math.log(2.0))


def _stable(
    name: str, partial: Any, over: Domain, *, repeats: bool = True, **row: Any
) -> Elementwise:
    new = Elementwise(name, (partial,), over=(over,), **row)
    new.repeats = repeats  # type: ignore[attr-defined]
    return new


# log(1 + exp(x)). Its derivative is the sigmoid, in a form that overflows nowhere.
softplus = _stable(
    "softplus", lambda x, y: exp(x - y), REALS,
    numpy="np.logaddexp(0.0, {0})",
    math="max({0}, 0.0) + math.log1p(math.exp(-abs({0})))", c="softplus({0})",
)  # fmt: skip

# 1 / (1 + exp(-x)), to full relative precision also where it is tiny.
sigmoid = _stable(
    "sigmoid", lambda x, y: y * (1.0 - y), REALS,
    numpy="np.exp(-np.logaddexp(0.0, -{0}))",
    math="(1.0 / (1.0 + math.exp(-{0})) if {0} > -700.0 else math.exp({0}))",
    c="1.0 / (1.0 + exp(-{0}))",
)  # fmt: skip

# log(1 - exp(x)) for x < 0 (Maechler 2012, "Accurately computing log(1 - exp(-|a|))").
log1mexp = _stable(
    "log1mexp", lambda x, y: exp(x) / expm1(x), Domain(-math.inf, 0.0),
    numpy=f"np.where({{0}} > -{_LN2}, np.log(-np.expm1({{0}})), "
    f"np.log1p(-np.exp(np.minimum({{0}}, -{_LN2}))))",
    math=f"(math.log(-math.expm1({{0}})) if {{0}} > -{_LN2} else math.log1p(-math.exp({{0}})))",
    raises=True, fails=lambda x: x >= 0.0, c="log1mexp({0})",
)  # fmt: skip


def _log_and_one(x: Term, y: Term) -> Term:
    slope = log(x) + 1.0
    if x.expr.type.weak:  # math.log(0.0) would raise
        return choose(x.equals(0.0), -math.inf, slope)
    return slope


# x * log(x), 0 at 0 by continuity; its derivative there is -inf.
xlogx = _stable(
    "xlogx", _log_and_one, POSITIVE,
    numpy="{0} * np.log(np.where({0} == 0.0, 1.0, {0}))",
    math="({0} * math.log({0}) if {0} != 0.0 else 0.0)", c="xlogy({0}, {0})",
    raises=True, fails=lambda x: x < 0.0,
)  # fmt: skip

# (1 + x) * log(1 + x), 0 at -1 by continuity; its derivative there is -inf.
xlogx1p = _stable(
    "xlogx1p", lambda x, y: log1p(x) + 1.0, ABOVE_MINUS_ONE,
    numpy="(1.0 + {0}) * np.log1p(np.where({0} == -1.0, 0.0, {0}))",
    math="((1.0 + {0}) * math.log1p({0}) if {0} != -1.0 else 0.0)", c="xlog1py(1.0 + {0}, {0})",
    raises=True, fails=lambda x: x < -1.0,
)  # fmt: skip
