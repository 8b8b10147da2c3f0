"""The rewrites of scalars and elements: one line each, with the condition under which it holds.

`x - x -> 0` and `x * 0 -> 0` are not among them: they would turn the user's nan into a number.
Regrouping sums and products, with all that follows from it, is `factor`'s work.
"""

from __future__ import annotations

from symdiff.optimize.match import Rule, rule
from symdiff.primitives.arithmetic import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_not,
    not_,
    not_equal,
)
from symdiff.primitives.elementary import (
    abs_,
    asin,
    asinh,
    atan,
    cbrt,
    copysign,
    cos,
    cosh,
    degrees,
    erf,
    exp,
    fabs,
    log,
    maximum,
    minimum,
    radians,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    where,
)
from symdiff.primitives.row import choose

RULES: tuple[Rule, ...] = (
    # Neutral elements.
    rule("times_one", "exact", lambda x: (x * 1, x)),
    rule("over_one", "exact", lambda x: (x / 1, x)),
    rule("power_one", "exact", lambda x: (x**1, x)),
    rule("minus_zero", "exact", lambda x: (x - 0.0, x)),
    rule("plus_zero", "signs", lambda x: (x + 0.0, x)),
    rule("plus_negative_zero", "exact", lambda x: (x + -0.0, x)),
    rule("zero_minus", "signs", lambda x: (0.0 - x, -x)),
    # Negation; through sums and products it travels in `factor`.
    rule("twice_negated", "exact", lambda x: (-(-x), x)),  # noqa: B002
    # Absolute values.
    rule("abs_abs", "exact", lambda x: (abs_(abs_(x)), abs_(x))),
    rule("abs_squared", "exact", lambda x: (abs_(x) ** 2, x**2)),
    rule("copysign_one", "exact", lambda x, y: (abs_(copysign(x, y)), abs_(x))),
    # Powers. x * x has one rounding and so has x ** 2, but where it overflows Python raises.
    rule("square_of_sqrt", "real", lambda x: (sqrt(x) * sqrt(x), x), over=(0.0, 1e300)),
    # Choices.
    rule("same_maximum", "exact", lambda x: (maximum(x, x), x)),
    rule("same_minimum", "exact", lambda x: (minimum(x, x), x)),
    rule("if_same", "exact", lambda p, x: (choose(p, x, x), x)),
    rule("if_not_scalar", "exact", lambda p, x, y: (choose(not_(p), x, y), choose(p, y, x))),
    rule("if_not", "exact", lambda p, x, y: (choose(logical_not(p), x, y), choose(p, y, x))),
    rule(
        "if_if_then", "exact", lambda p, x, y, z: (choose(p, choose(p, x, y), z), choose(p, x, z))
    ),
    rule(
        "if_if_else", "exact", lambda p, x, y, z: (choose(p, x, choose(p, y, z)), choose(p, x, z))
    ),
    rule(
        "guards_joined",
        "signs",
        lambda p, x, y: (choose(p, x, 0.0) + choose(p, 0.0, y), choose(p, x, y)),
    ),
    rule(
        "guards_added",
        "signs",
        lambda p, x, y: (choose(p, x, 0.0) + choose(p, y, 0.0), choose(p, x + y, 0.0)),
    ),
    rule(
        "guards_added_else",
        "signs",
        lambda p, x, y: (choose(p, 0.0, x) + choose(p, 0.0, y), choose(p, 0.0, x + y)),
    ),
    rule("negated_guard", "signs", lambda p, x: (-choose(p, x, 0.0), choose(p, -x, 0.0))),
    rule("negated_guard_else", "signs", lambda p, x: (-choose(p, 0.0, x), choose(p, 0.0, -x))),
    rule("where_same", "exact", lambda p, x: (where(p, x, x), x)),
    rule(
        "where_where_then",
        "exact",
        lambda p, x, y, z: (where(p, where(p, x, y), z), where(p, x, z)),
    ),
    rule(
        "where_where_else",
        "exact",
        lambda p, x, y, z: (where(p, x, where(p, y, z)), where(p, x, z)),
    ),
    rule(
        "masks_joined",
        "signs",
        lambda p, x, y: (where(p, x, 0.0) + where(p, 0.0, y), where(p, x, y)),
    ),
    rule(
        "masks_added",
        "signs",
        lambda p, x, y: (where(p, x, 0.0) + where(p, y, 0.0), where(p, x + y, 0.0)),
    ),
    rule("not_not_not", "exact", lambda p: (not_(not_(not_(p))), not_(p))),
    rule("not_not_equal", "exact", lambda x, y: (logical_not(not_equal(x, y)), equal(x, y))),
    # Comparisons with the sides swapped read alike, so they are shared.
    rule("constant_less", "exact", lambda c, x: (less(c, x), greater(x, c))),
    rule("constant_greater", "exact", lambda c, x: (greater(c, x), less(x, c))),
    rule("constant_less_equal", "exact", lambda c, x: (less_equal(c, x), greater_equal(x, c))),
    rule("constant_greater_equal", "exact", lambda c, x: (greater_equal(c, x), less_equal(x, c))),
    # Stated, not applied: they lose the user's nan, inf or exception.
    rule("times_zero", "finite", lambda x: (x * 0.0, 0.0)),
    rule("same_difference", "finite", lambda x: (x - x, 0.0)),
    rule("same_quotient", "finite", lambda x: (x / x, 1.0)),
    rule("log_of_exp", "finite", lambda x: (log(exp(x)), x), over=(-700.0, 700.0)),
)

# Even and odd functions of one operand: `factor`, where signs travel, takes them from here.
PARITY: tuple[Rule, ...] = (
    rule("negated_squared", "exact", lambda x: ((-x) ** 2, x**2)),
    rule("cos_even", "exact", lambda x: (cos(-x), cos(x))),
    rule("cosh_even", "exact", lambda x: (cosh(-x), cosh(x))),
    rule("abs_even", "exact", lambda x: (abs_(-x), abs_(x))),
    rule("fabs_even", "exact", lambda x: (fabs(-x), fabs(x))),
    rule("sin_odd", "exact", lambda x: (sin(-x), -sin(x))),
    rule("tan_odd", "exact", lambda x: (tan(-x), -tan(x))),
    rule("sinh_odd", "exact", lambda x: (sinh(-x), -sinh(x))),
    rule("tanh_odd", "exact", lambda x: (tanh(-x), -tanh(x))),
    rule("asin_odd", "exact", lambda x: (asin(-x), -asin(x)), over=(-1.0, 1.0)),
    rule("atan_odd", "exact", lambda x: (atan(-x), -atan(x))),
    rule("erf_odd", "exact", lambda x: (erf(-x), -erf(x))),
    rule("cbrt_odd", "exact", lambda x: (cbrt(-x), -cbrt(x))),
    rule("asinh_odd", "exact", lambda x: (asinh(-x), -asinh(x))),
    rule("degrees_odd", "exact", lambda x: (degrees(-x), -degrees(x))),
    rule("radians_odd", "exact", lambda x: (radians(-x), -radians(x))),
)
