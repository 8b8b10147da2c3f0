"""Operators: + - * / // % ** and comparisons. The rows that the formulas of all others use."""

from __future__ import annotations

import math
import operator
from types import MappingProxyType
from typing import Any

from symdiff.ir.expr import Const
from symdiff.ir.types import BOOL
from symdiff.primitives.domain import POSITIVE, REALS
from symdiff.primitives.row import (
    Discrete,
    Elementwise,
    Primitive,
    Term,
    arithmetic_result,
    bool_result,
    choose,
    float_result,
)


def _one(*_: Any) -> float:
    return 1.0


def _binary(name: str, symbol: str, partials: Any, **row: Any) -> Elementwise:
    row.setdefault("infer", arithmetic_result)
    row.setdefault("over", (REALS, REALS))
    row.setdefault("c", f"{{0}} {symbol} {{1}}")
    return Elementwise(name, partials, numpy=f"{{0}} {symbol} {{1}}", **row)


# Python numbers raise where the divisor is 0.
_BY_ZERO: dict[str, Any] = {
    "raises": True,
    "fails": lambda x, y: y.equals(0),
    "error": ("ZeroDivisionError", "division by zero"),
}

add = _binary("add", "+", (_one, _one), commutes=True)
subtract = _binary("subtract", "-", (_one, lambda x, y, r: -1.0))
multiply = _binary("multiply", "*", (lambda x, y, r: y, lambda x, y, r: x), commutes=True)
divide = _binary(
    "divide", "/", (lambda x, y, r: 1.0 / y, lambda x, y, r: -r / y),
    infer=float_result, over=(REALS, REALS.without(0.0)), **_BY_ZERO,
)
floor_divide = Discrete(
    "floor_divide", arithmetic_result, numpy="{0} // {1}",
    c={"float": "floor_div({0}, {1})", "int": "floor_div_int({0}, {1})"}, **_BY_ZERO,
)
remainder = _binary(
    "remainder", "%", (_one, lambda x, y, r: -floor_divide(x, y)),
    over=(REALS, REALS.without(0.0)), **_BY_ZERO,
    c={"float": "floor_mod({0}, {1})", "int": "floor_mod_int({0}, {1})"},
)
negative = Elementwise(
    "negative", (lambda x, y: -1.0,), numpy="-{0}", infer=arithmetic_result, over=(REALS,),
    c="-{0}",
)


def nonzero(x: Term) -> Term:
    """x, or 1 where x is 0: a denominator for quotients that are 0 there by convention."""
    return choose(x.equals(0.0), 1.0, x)


def pole(numerator: float, x: Term) -> Term:
    """numerator / x, infinite where x is 0: Python floats would raise there."""
    quotient = numerator / x
    if not x.expr.type.weak:
        return quotient
    return choose(x.equals(0.0), math.copysign(math.inf, numerator), quotient)


def _power_base(x: Term, y: Term, r: Term) -> Any:
    exponent = y.expr
    if isinstance(exponent, Const) and not exponent.type.shape:
        n = exponent.value
        if n == 0:
            return None
        if n == 1:
            return 1.0
        slope = n * x if n == 2 else n * x ** (n - 1)
        if 0 < n < 1 and x.expr.type.weak:
            return choose(x.equals(0.0), math.inf, slope)
        return slope
    # Where y is 0 so is the derivative (polynomial rule), also at x = 0: no 0 * 0**-1.
    return y * x ** choose(y.equals(0), 1.0, y - 1.0)


def _power_exponent(x: Term, y: Term, r: Term) -> Term:
    from symdiff.primitives.elementary import log

    # -inf * r: where Python's 0 ** y raises, so does the derivative.
    pole_ = -math.inf * r if r.expr.type.weak else -math.inf
    at_zero = choose(x.equals(0.0), choose(y > 0.0, 0.0, pole_), math.nan)
    inside = x > 0.0
    if x.expr.type.rank or y.expr.type.rank:  # np.where evaluates both sides: no log of x <= 0
        return choose(inside, r * log(choose(inside, x, 1.0)), at_zero)
    return choose(inside, r * log(x), at_zero)


power = _binary(
    "power", "**", (_power_base, _power_exponent), raises=True, over=(POSITIVE, REALS),
    c={"float": "pow({0}, {1})", "int": "pow_int({0}, {1})"},
)

less = Discrete("less", bool_result, numpy="{0} < {1}", c="{0} < {1}")
less_equal = Discrete("less_equal", bool_result, numpy="{0} <= {1}", c="{0} <= {1}")
greater = Discrete("greater", bool_result, numpy="{0} > {1}", c="{0} > {1}")
greater_equal = Discrete("greater_equal", bool_result, numpy="{0} >= {1}", c="{0} >= {1}")
equal = Discrete("equal", bool_result, numpy="{0} == {1}", c="{0} == {1}")
not_equal = Discrete("not_equal", bool_result, numpy="{0} != {1}", c="{0} != {1}")
invert = Discrete("invert", arithmetic_result, numpy="~{0}", c={"int": "~{0}", "bool": "!{0}"})
bitwise_and = Discrete("bitwise_and", arithmetic_result, numpy="{0} & {1}", c="{0} & {1}")
bitwise_or = Discrete("bitwise_or", arithmetic_result, numpy="{0} | {1}", c="{0} | {1}")
bitwise_xor = Discrete("bitwise_xor", arithmetic_result, numpy="{0} ^ {1}", c="{0} ^ {1}")
left_shift = Discrete(
    "left_shift", arithmetic_result, numpy="{0} << {1}", raises=True,
    c="left_shift_int({0}, {1})",
)
right_shift = Discrete(
    "right_shift", arithmetic_result, numpy="{0} >> {1}", raises=True,
    c="right_shift_int({0}, {1})",
)
# Python's own, of one value.
not_ = Discrete("not_", lambda attrs, types: BOOL, numpy="not {0}", c="!{0}")
logical_not = Discrete(
    "logical_not", bool_result, numpy="np.logical_not({0})", math="not {0}", c="!{0}"
)

# How Python's own operators spell these rows.
OPERATORS: dict[Any, Primitive] = {
    operator.add: add, operator.sub: subtract, operator.mul: multiply,
    operator.truediv: divide, operator.floordiv: floor_divide, operator.mod: remainder,
    operator.pow: power, operator.neg: negative,
    operator.lt: less, operator.le: less_equal, operator.gt: greater,
    operator.ge: greater_equal, operator.eq: equal, operator.ne: not_equal,
    operator.invert: invert, operator.and_: bitwise_and, operator.or_: bitwise_or,
    operator.xor: bitwise_xor, operator.lshift: left_shift, operator.rshift: right_shift,
    operator.not_: not_,
}  # fmt: skip


def install(rows: dict[str, Primitive]) -> None:
    """Give `Term` its operators; called once, by `table.py`."""
    Term.rows = MappingProxyType(rows)
