"""NumPy's elementwise functions that `math` has no like of: sinc, rounding, tests for closeness."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

from symdiff.ir.expr import Apply
from symdiff.ir.types import Type
from symdiff.primitives.arithmetic import nonzero
from symdiff.primitives.domain import REALS
from symdiff.primitives.elementary import abs_, cos, isfinite
from symdiff.primitives.printed import call
from symdiff.primitives.row import (
    Attrs,
    Discrete,
    Elementwise,
    Term,
    arithmetic_result,
    bool_result,
    choose,
    float_result,
)

Types = Sequence[Type]


def _strong_float(attrs: Attrs, types: Types) -> Type:
    return float_result(attrs, types).strong


_TERMS = 12


def _sinc_partial(x: Term, y: Term) -> Term:
    """(cos(pi x) - sinc(x)) / x cancels near 0: there its series, to any order of derivative."""
    square = x * x
    series: Any = 0.0
    for k in range(_TERMS, 0, -1):
        coefficient = (-1.0) ** k * math.pi ** (2 * k) * 2 * k / math.factorial(2 * k + 1)
        series = coefficient if k == _TERMS else coefficient + square * series
    near = abs_(x) < 0.25
    return choose(near, x * series, (cos(math.pi * x) - y) / nonzero(x))


sinc = Elementwise(
    "sinc", (_sinc_partial,), infer=_strong_float, numpy="np.sinc({0})", over=(REALS,),
    c="sinc({0})",
)


def _replaced(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    nan, high, low = node.attrs
    return call("np.nan_to_num", *operands, nan=nan or None, posinf=high, neginf=low)


# attrs: what nan, infinity and -infinity become (None: the largest numbers).
nan_to_num = Elementwise(
    "nan_to_num", (lambda x, y: choose(isfinite(x), 1.0, 0.0),), infer=_strong_float,
    numpy=_replaced, attrs=("nan", "posinf", "neginf"), over=(REALS,),
)  # fmt: skip


def _rounded(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    decimals = node.attrs[0]
    return call("np.round", *operands, *([decimals] if decimals else []))


round_ = Discrete(
    "round", lambda attrs, types: arithmetic_result(attrs, types).strong,
    numpy=_rounded, attrs=("decimals",),
)  # fmt: skip


def _near(name: str, infer: Any) -> Discrete:
    def show(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
        rtol, atol, equal_nan = node.attrs
        return call(
            f"np.{name}", *operands, rtol=None if rtol == 1e-5 else rtol,
            atol=None if atol == 1e-8 else atol, equal_nan=equal_nan,
        )  # fmt: skip

    return Discrete(name, infer, numpy=show, attrs=("rtol", "atol", "equal_nan"))


def _one_bool(attrs: Attrs, types: Types) -> Type:
    return Type("bool", ())


isclose = _near("isclose", lambda attrs, types: bool_result(attrs, types).strong)
allclose = _near("allclose", _one_bool)
array_equal = Discrete("array_equal", _one_bool, numpy="np.array_equal({0}, {1})")
