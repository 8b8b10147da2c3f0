"""What a derivative is where there is none: each line of the table of conventions in the design.

Every case runs for Python floats and for arrays, in forward and in reverse mode.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff

INF, NAN = math.inf, math.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def partials(f: Callable[..., Any], args: tuple[Any, ...], i: int) -> list[Any]:
    """The derivative of f in argument i by both modes; for arrays element by element."""
    one = np.ones_like(args[i]) if isinstance(args[i], np.ndarray) else 1.0
    value = f(*args)
    ct = np.ones_like(value) if isinstance(value, np.ndarray) else 1.0
    forward = symdiff.jvp(f, wrt=i)(*args, one)[1]
    reverse = symdiff.vjp(f, wrt=i)(*args, ct)[1]
    return [forward, reverse]


def holds(f: Callable[..., Any], args: tuple[float, ...], *expected: float | None) -> None:
    """f of Python floats has these partial derivatives at `args` (None: not asked)."""
    for i, want in enumerate(expected):
        if want is None:
            continue
        for got in (*partials(f, args, i), symdiff.grad(f, wrt=i)(*args)):
            np.testing.assert_array_equal(got, want, err_msg=f"argument {i}")


def holds_for_arrays(
    f: Callable[..., Any], args: tuple[float, ...], *expected: float | None
) -> None:
    """The same for arrays, elementwise, and for NumPy's scalars."""
    arrays = tuple(np.full(3, x) for x in args)
    for i, want in enumerate(expected):
        if want is None:
            continue
        for got in partials(f, arrays, i):
            np.testing.assert_array_equal(got, np.full(3, want), err_msg=f"argument {i}")
        for got in partials(f, tuple(np.float64(x) for x in args), i):
            np.testing.assert_array_equal(got, want, err_msg=f"argument {i}, scalar")


def warned(f: Callable[..., Any], *args: Any) -> set[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f(*args)
    return {str(w.message) for w in caught}


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0)),
        lambda x: np.sum(np.where(x > 0, x**0.5, 0)),
        lambda x: np.sum(np.where(x <= 0, 0, np.log(np.where(x > 0, x, 1.0)))),
        lambda x: np.sum(np.where(x < 4, np.arccos(x / 4), 0)),
        lambda x: np.sum(np.where(x > 0, 1 / x, 0)),
        lambda x: np.sum(np.where(x > 0, np.abs(x) ** x, 0)),
        lambda x: np.sqrt(np.sum(np.where(x <= 0, 1.0, np.cbrt(x)))),
    ],
)
def test_masked_derivatives_warn_of_nothing_more(f: Callable[..., Any]) -> None:
    x = np.array([-1.0, 0.0, 0.5, 4.0])
    allowed = warned(f, x)
    for derivative, args in (
        (symdiff.grad(f), (x,)),
        (symdiff.value_and_grad(f), (x,)),
        (symdiff.jvp(f), (x, np.ones(4))),
    ):
        assert warned(derivative, *args) <= allowed, derivative.source


# Guards: what a mask cuts off contributes exactly 0.


def where_log(x: Any) -> Any:
    return np.where(x > 0.0, np.log(x), 0.0)


def where_of_product(x: Any) -> Any:
    return np.where(x > 0.0, x * np.log(x), 3.0 * x)


def where_below_sum(x: Any) -> Any:
    return np.sum(np.where(x > 0.0, np.log(x), 0.0))


def where_below_reshape(x: Any) -> Any:
    y = np.sqrt(x).reshape(1, 3)
    return np.sum(np.where(x.reshape(1, 3) > 0.0, 2.0 * y, 0.0) * 5.0)


def where_of_broadcast(x: Any) -> Any:
    rows = np.broadcast_to(np.log(x), (2, 3))
    return np.sum(np.where(np.broadcast_to(x, (2, 3)) > 0.0, rows, 0.0))


def where_above_matmul(x: Any) -> Any:
    weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return np.sum(weights @ np.where(x > 0.0, 1.0 / np.sqrt(x), 0.0))


def where_nested(x: Any) -> Any:
    inner = np.where(x > 1.0, np.sqrt(x - 1.0), x)
    return np.sum(np.where(x > 0.0, np.log(x) + inner, 0.0))


def where_of_sum_inside(x: Any) -> Any:
    y = np.log(x)
    return np.sum(np.where(x > 0.0, y + y * y, 0.0))


CASES_WHERE = [
    (where_below_sum, lambda x: 1.0 / x),
    (where_below_reshape, lambda x: 5.0 / math.sqrt(x)),
    (where_of_broadcast, lambda x: 2.0 / x),
    (where_above_matmul, None),
    (where_nested, lambda x: 1.0 / x + 0.5 / math.sqrt(x - 1.0)),
    (where_of_sum_inside, lambda x: (1.0 + 2.0 * math.log(x)) / x),
]


@pytest.mark.parametrize(("f", "slope"), CASES_WHERE, ids=[f.__name__ for f, _ in CASES_WHERE])
def test_where_guards(f: Any, slope: Any) -> None:
    x = np.array([-1.0, 0.0, 4.0])
    got = symdiff.grad(f)(x)
    assert got[0] == 0.0
    assert got[1] == 0.0
    assert math.isfinite(got[2])
    if slope is not None:
        assert got[2] == pytest.approx(slope(4.0), rel=1e-14)
    for k in range(3):  # forward mode, one direction at a time
        tangent = np.eye(3)[k]
        assert symdiff.jvp(f)(x, tangent)[1] == pytest.approx(got[k], rel=1e-14, abs=0.0)


def test_where_of_one_number() -> None:
    holds(where_log, (-1.0,), 0.0)
    holds(where_log, (0.0,), 0.0)
    holds(where_log, (2.0,), 0.5)
    holds_for_arrays(where_log, (-1.0,), 0.0)
    holds_for_arrays(where_log, (0.0,), 0.0)
    holds_for_arrays(where_of_product, (-1.0,), 3.0)
    holds_for_arrays(where_of_product, (1.0,), 1.0)


def test_second_derivatives_stay_guarded() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(symdiff.hessian(where_below_sum)(x), np.diag([0.0, 0.0, -0.25]))


def ternary(x: float, on: float) -> float:
    return math.log(x) if on > 0.0 else 2.0


def ternary_of_itself(x: float) -> float:
    return math.sqrt(x) if x > 0.0 else 0.0


def branch(x: float) -> float:
    if x > 0.0:
        y = x * math.log(x)
    else:
        y = 0.0
    return 3.0 * y


def test_ternary_and_branches() -> None:
    holds(ternary, (-1.0, -1.0), 0.0, 0.0)
    holds(ternary, (4.0, 1.0), 0.25, 0.0)
    holds(ternary_of_itself, (-2.0,), 0.0)
    holds(ternary_of_itself, (0.0,), 0.0)
    holds(branch, (-2.0,), 0.0)
    holds(branch, (1.0,), 3.0)


# abs and sign.


def absolute(x: Any) -> Any:
    return abs(x)


def absolute_np(x: Any) -> Any:
    return np.abs(x)


def absolute_math(x: float) -> float:
    return math.fabs(x)


def signed(x: Any) -> Any:
    return x + np.sign(x)


@pytest.mark.parametrize(("x", "slope"), [(0.0, 0.0), (-0.0, 0.0), (-2.0, -1.0), (3.0, 1.0)])
def test_abs(x: float, slope: float) -> None:
    holds(absolute, (x,), slope)
    holds(absolute_math, (x,), slope)
    holds(absolute_np, (x,), slope)
    holds_for_arrays(absolute, (x,), slope)
    holds_for_arrays(absolute_np, (x,), slope)


def test_sign() -> None:
    for x in (0.0, -1.0, 2.0):
        holds(signed, (x,), 1.0)
        holds_for_arrays(signed, (x,), 1.0)


# Ties.


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def relu_max(x: float) -> float:
    return max(x, 0.0)


def larger(x: Any, y: Any) -> Any:
    return np.maximum(x, y)


def larger_max(x: float, y: float) -> float:
    return max(x, y)


def smaller(x: Any, y: Any) -> Any:
    return np.minimum(x, y)


def smaller_min(x: float, y: float) -> float:
    return min(x, y)


def test_ties_are_shared() -> None:
    for f in (relu, relu_max):
        holds(f, (0.0,), 0.5)
        holds(f, (1.0,), 1.0)
        holds(f, (-1.0,), 0.0)
    holds_for_arrays(relu, (0.0,), 0.5)
    for f in (larger, larger_max, smaller, smaller_min):
        holds(f, (2.0, 2.0), 0.5, 0.5)
    holds(larger, (3.0, 2.0), 1.0, 0.0)
    holds(smaller_min, (3.0, 2.0), 0.0, 1.0)
    for f in (larger, smaller):
        holds_for_arrays(f, (2.0, 2.0), 0.5, 0.5)


def largest(x: Any) -> Any:
    return np.max(x)


def least(x: Any) -> Any:
    return x.min()


def largest_rows(x: Any) -> Any:
    return np.sum(np.max(x, axis=1) * np.array([1.0, 10.0]))


def test_reduce_ties_are_shared() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0])
    np.testing.assert_array_equal(symdiff.grad(largest)(x), [0.0, 0.5, 0.5, 0.0])
    np.testing.assert_array_equal(symdiff.grad(least)(-x), [0.0, 0.5, 0.5, 0.0])
    assert symdiff.jvp(largest)(x, np.array([0.0, 1.0, 0.0, 0.0]))[1] == 0.5
    rows = np.array([[2.0, 2.0, 2.0], [1.0, 5.0, 5.0]])
    np.testing.assert_allclose(
        symdiff.grad(largest_rows)(rows), [[1 / 3, 1 / 3, 1 / 3], [0.0, 5.0, 5.0]], rtol=1e-15
    )


def clipped(x: Any) -> Any:
    return np.clip(x, -1.0, 1.0)


@pytest.mark.parametrize(
    ("x", "slope"), [(-1.0, 1.0), (1.0, 1.0), (0.0, 1.0), (-1.5, 0.0), (1.5, 0.0)]
)
def test_clip(x: float, slope: float) -> None:
    holds(clipped, (x,), slope)
    holds_for_arrays(clipped, (x,), slope)


# Norms.


def norm(x: Any) -> Any:
    return np.linalg.norm(x)


def root_of_squares(x: Any) -> Any:
    return np.sqrt(np.sum(x**2))


def root_of_products(x: Any) -> Any:
    return np.sqrt(np.sum(x * x))


def root_of_dot(x: Any) -> Any:
    return np.sqrt(x @ x)


@pytest.mark.parametrize("f", [norm, root_of_squares, root_of_products, root_of_dot])
def test_norm_at_zero(f: Any) -> None:
    zero = np.zeros(3)
    np.testing.assert_array_equal(symdiff.grad(f)(zero), zero)
    assert symdiff.jvp(f)(zero, np.ones(3))[1] == 0.0
    x = np.array([3.0, 0.0, 4.0])
    np.testing.assert_allclose(symdiff.grad(f)(x), [0.6, 0.0, 0.8], rtol=1e-15)


def radius(x: float, y: float) -> float:
    return math.sqrt(x**2 + y**2)


def radius_np(x: Any, y: Any) -> Any:
    return np.sqrt(x**2 + y**2)


def radius_of_products(x: float, y: float) -> float:
    return math.sqrt(x * x + y * y)


def radius_hypot(x: float, y: float) -> float:
    return math.hypot(x, y)


def radius_of_three(x: float, y: float) -> float:
    return math.hypot(x, y, 0.0)


def distance(x: float, y: float) -> float:
    return math.dist((x, y), (1.0, 2.0))


def test_radius_at_zero() -> None:
    for f in (radius, radius_of_products, radius_hypot, radius_of_three):
        holds(f, (0.0, 0.0), 0.0, 0.0)
        for got, want in zip(symdiff.grad(f, wrt=("x", "y"))(3.0, 4.0), (0.6, 0.8), strict=True):
            assert got == pytest.approx(want, rel=1e-15)
    holds_for_arrays(radius_np, (0.0, 0.0), 0.0, 0.0)
    holds(distance, (1.0, 2.0), 0.0, 0.0)


# Roots and powers.


def root(x: float) -> float:
    return math.sqrt(x)


def root_np(x: Any) -> Any:
    return np.sqrt(x)


def power_half(x: Any) -> Any:
    return x**0.5


def cube_root(x: float) -> float:
    return math.cbrt(x)


def test_roots_at_zero() -> None:
    for f in (root, root_np, power_half, cube_root):
        holds(f, (0.0,), INF)
    for f in (root_np, power_half):
        holds_for_arrays(f, (0.0,), INF)


def to_zero(x: Any) -> Any:
    return x**0


def to_one(x: Any) -> Any:
    return x**1


def squared(x: Any) -> Any:
    return x**2


def cubed(x: Any) -> Any:
    return x**3


def cubed_float(x: Any) -> Any:
    return x**3.0


def inverse_square(x: Any) -> Any:
    return x**-2


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (to_zero, 0.0, 0.0), (to_zero, -2.0, 0.0), (to_one, 0.0, 1.0), (squared, 0.0, 0.0),
        (squared, -3.0, -6.0), (cubed, 0.0, 0.0), (cubed, -2.0, 12.0), (cubed_float, -2.0, 12.0),
        (inverse_square, -2.0, 0.25),
    ],
)  # fmt: skip
def test_whole_powers(f: Any, x: float, slope: float) -> None:
    holds(f, (x,), slope)
    holds_for_arrays(f, (x,), slope)


def to_the(x: Any, y: Any) -> Any:
    return x**y


def to_the_math(x: float, y: float) -> float:
    return math.pow(x, y)


def test_power_in_its_exponent() -> None:
    for check, f in ((holds, to_the), (holds_for_arrays, to_the), (holds, to_the_math)):
        check(f, (0.0, 2.0), 0.0, 0.0)
        check(f, (0.0, 1.0), 1.0, 0.0)
        check(f, (0.0, 0.0), 0.0, -INF)
        check(f, (-2.0, 2.0), -4.0, NAN)
        check(f, (-2.0, 0.0), 0.0, NAN)


def run_time_exponent(x: Any, n: int) -> Any:
    return x**n


def test_power_by_an_integer_argument() -> None:
    derivative = symdiff.grad(run_time_exponent)
    assert derivative(0.0, 0) == 0.0
    assert derivative(0.0, 1) == 1.0
    assert derivative(0.0, 2) == 0.0
    assert derivative(-2.0, 3) == 12.0


# Logarithms, exponentials, angles.


def x_log_x_np(x: Any) -> Any:
    return x * np.log(x)


def x_log_x(x: float) -> float:
    return x * math.log(x)


def test_x_log_x_at_zero() -> None:
    value, slope = symdiff.value_and_grad(x_log_x_np)(np.float64(0.0))
    assert value == 0.0
    assert slope == -INF
    zeros = np.zeros(3)
    value, slope = symdiff.vjp(x_log_x_np)(zeros, np.ones(3))
    np.testing.assert_array_equal(value, zeros)
    np.testing.assert_array_equal(slope, np.full(3, -INF))
    np.testing.assert_array_equal(symdiff.jvp(x_log_x_np)(zeros, np.ones(3))[1], np.full(3, -INF))
    # With math.log the user's own function raises at 0, and so does its derivative.
    for derivative in (symdiff.grad(x_log_x), lambda x: symdiff.jvp(x_log_x)(x, 1.0)[1]):
        assert derivative(1.0) == 1.0
        with pytest.raises(ValueError, match="math domain error"):
            derivative(0.0)


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (x_log_x_np, 0.0, -INF),
        (lambda x: -np.log(x) * x, 0.0, INF),
        (lambda x: 2.0 * x * np.log(x), 0.0, -INF),
        (lambda x: x / 2.0 * np.log2(x), 0.0, -INF),
        (lambda x: 3.0 * np.log10(x) * x, 0.0, -INF),
        (lambda x: (1.0 - x) * np.log(1.0 - x), 1.0, INF),
        (lambda x: -x * np.log(x) - (1.0 - x) * np.log1p(-x), 1.0, -INF),
    ],
)
def test_products_with_a_logarithm_of_a_factor(f: Any, at: float, slope: float) -> None:
    holds(f, (at,), slope)
    holds_for_arrays(f, (at,), slope)
    for x in (at, np.float64(at)):
        assert symdiff.value_and_grad(f)(x)[0] == 0.0
    step = 1e-6
    difference = (f(0.3 + step) - f(0.3 - step)) / (2 * step)
    np.testing.assert_allclose(symdiff.grad(f)(0.3), difference, rtol=1e-7)


def log_one_plus_exp(x: float) -> float:
    return math.log(1 + math.exp(x))


def log_one_plus_exp_np(x: Any) -> Any:
    return np.log(1.0 + np.exp(x))


def log1p_exp(x: Any) -> Any:
    return np.log1p(np.exp(x))


def log_of_sum_of_exps(x: Any) -> Any:
    return np.log(np.sum(np.exp(x)))


def test_softplus_family_is_stable() -> None:
    # math.exp(1000.0) raises in the user's function; the stable form need not.
    assert symdiff.grad(log_one_plus_exp)(1000.0) == 1.0
    assert symdiff.jvp(log_one_plus_exp)(1000.0, 1.0)[1] == 1.0
    for f in (log_one_plus_exp_np, log1p_exp):
        for x, slope in ((1000.0, 1.0), (0.0, 0.5), (-1000.0, 0.0)):
            holds_for_arrays_near(f, x, slope)
    assert symdiff.value_and_grad(log_one_plus_exp)(1000.0) == (1000.0, 1.0)
    big = np.array([1000.0, 1000.0])
    np.testing.assert_allclose(symdiff.grad(log_of_sum_of_exps)(big), [0.5, 0.5], rtol=1e-12)


def holds_for_arrays_near(f: Any, x: float, slope: float) -> None:
    arrays = np.full(3, x)
    forward = symdiff.jvp(f)(arrays, np.ones(3))[1]
    reverse = symdiff.vjp(f)(arrays, np.ones(3))[1]
    np.testing.assert_allclose(forward, np.full(3, slope), rtol=1e-14)
    np.testing.assert_allclose(reverse, np.full(3, slope), rtol=1e-14)


def angle(y: float, x: float) -> float:
    return math.atan2(y, x)


def angle_np(y: Any, x: Any) -> Any:
    return np.arctan2(y, x)


def test_atan2_at_the_origin() -> None:
    holds(angle, (0.0, 0.0), 0.0, 0.0)
    holds(angle, (0.0, 2.0), 0.5, 0.0)
    holds_for_arrays(angle_np, (0.0, 0.0), 0.0, 0.0)


# Evaluation is the user's: what raises in the function raises in its derivative.


def plus_log(x: float, y: float) -> float:
    return y + math.log(x)


def plus_asin(x: float, y: float) -> float:
    return y + math.asin(x)


def plus_acos(x: float, y: float) -> float:
    return y + math.acos(x)


def plus_sqrt(x: float, y: float) -> float:
    return y + math.sqrt(x)


def plus_acosh(x: float, y: float) -> float:
    return y + math.acosh(x)


def plus_atanh(x: float, y: float) -> float:
    return y + math.atanh(x)


def plus_log1p(x: float, y: float) -> float:
    return y + math.log1p(x)


def plus_log2(x: float, y: float) -> float:
    return y + math.log2(x)


def plus_gamma(x: float, y: float) -> float:
    return y + math.gamma(x)


def plus_lgamma(x: float, y: float) -> float:
    return y + math.lgamma(x)


def plus_pow(x: float, y: float) -> float:
    return y + math.pow(x, 0.5)


def plus_fmod(x: float, y: float) -> float:
    return y + math.fmod(3.0, x)


def plus_inverse(x: float, y: float) -> float:
    return y + 1.0 / x


def plus_modulo(x: float, y: float) -> float:
    return y + 5.0 % x


RAISING = [
    (plus_log, -1.0, ValueError), (plus_log, 0.0, ValueError), (plus_asin, 2.0, ValueError),
    (plus_acos, -2.0, ValueError), (plus_sqrt, -1.0, ValueError), (plus_acosh, 0.5, ValueError),
    (plus_atanh, 2.0, ValueError), (plus_atanh, 1.0, ValueError), (plus_log1p, -2.0, ValueError),
    (plus_log2, 0.0, ValueError), (plus_gamma, -1.0, ValueError), (plus_lgamma, -1.0, ValueError),
    (plus_pow, -1.0, ValueError), (plus_fmod, 0.0, ValueError),
    (plus_inverse, 0.0, ZeroDivisionError), (plus_modulo, 0.0, ZeroDivisionError),
]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "x", "error"), RAISING, ids=[f"{f.__name__}({x})" for f, x, _ in RAISING]
)
@pytest.mark.parametrize("wrt", ["x", "y"])
def test_what_raises_still_raises(f: Any, x: float, error: Any, wrt: str) -> None:
    with pytest.raises(error):
        f(x, 1.0)
    for derivative in (
        lambda: symdiff.grad(f, wrt=wrt)(x, 1.0),
        lambda: symdiff.value_and_grad(f, wrt=wrt)(x, 1.0),
        lambda: symdiff.jvp(f, wrt=wrt)(x, 1.0, 1.0),
        lambda: symdiff.grad(symdiff.grad(f, wrt=wrt), wrt=wrt)(x, 1.0),
    ):
        with pytest.raises(error):
            derivative()


@pytest.mark.parametrize("f", [f for f, _, _ in RAISING[2:]])
def test_what_does_not_raise_still_does_not(f: Any) -> None:
    x = 1.5 if f is plus_acosh else 0.7
    assert symdiff.grad(f, wrt="y")(x, 1.0) == 1.0
    h = 1e-6
    slope = (f(x + h, 1.0) - f(x - h, 1.0)) / (2 * h)
    assert symdiff.grad(f, wrt="x")(x, 1.0) == pytest.approx(slope, rel=1e-8)


def guarded_log(x: float, y: float) -> float:
    if x > 0.0:
        return y * math.log(x)
    return y


def guarded_twice(x: float, y: float) -> float:
    a = math.log(x) if x > 0.0 else 0.0
    b = math.sqrt(y) if y > 0.0 else 0.0
    return a * b


def guarded_inverse(x: float, y: float) -> float:
    return y / x if x != 0.0 else 0.0


def test_a_branch_that_is_not_taken_does_not_raise() -> None:
    assert symdiff.grad(guarded_log, wrt=("x", "y"))(-1.0, 2.0) == (0.0, 1.0)
    assert symdiff.grad(guarded_log, wrt=("x", "y"))(1.0, 2.0) == (2.0, 0.0)
    assert symdiff.grad(guarded_twice, wrt=("x", "y"))(-1.0, -1.0) == (0.0, 0.0)
    assert symdiff.grad(guarded_twice, wrt="x")(2.0, 4.0) == 1.0
    assert symdiff.grad(guarded_inverse, wrt=("x", "y"))(0.0, 2.0) == (0.0, 0.0)
    assert symdiff.grad(guarded_inverse, wrt=("x", "y"))(2.0, 2.0) == (-0.5, 0.5)


def test_checks_stand_before_what_they_protect() -> None:
    source = symdiff.grad(plus_log, wrt="x")
    with pytest.raises(ValueError, match="math domain error"):
        source(0.0, 1.0)  # not ZeroDivisionError, which 1.0 / x would raise


def test_arrays_do_not_raise() -> None:
    assert np.isnan(symdiff.value_and_grad(x_log_x_np)(np.float64(-1.0))[0])
    np.testing.assert_array_equal(partials(inverse_np, (np.zeros(2),), 0)[0], [-INF, -INF])


def inverse_np(x: Any) -> Any:
    return 1.0 / x


# Casts carry derivatives between precisions and cut them at integers.


def through_single(x: Any) -> Any:
    return np.sum(x.astype(np.float32) * 2.0)


def through_integer(x: Any) -> Any:
    return np.sum(x * x.astype(int))


def test_casts() -> None:
    x = np.array([1.5, 2.5])
    got = symdiff.grad(through_single)(x)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, [2.0, 2.0])
    np.testing.assert_array_equal(symdiff.grad(through_integer)(x), [1.0, 2.0])


def softplus_of_own(x: float) -> float:
    return math.log1p(math.exp(x))


@symdiff.rule(softplus_of_own)
def _softplus_rule(y: float, x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def with_rule(x: float) -> float:
    return 2.0 * softplus_of_own(x)


def test_custom_rule() -> None:
    holds(with_rule, (0.0,), 1.0)
    assert symdiff.grad(symdiff.grad(with_rule))(0.0) == 0.5


# Evaluation is the user's: also of what only one branch goes on to use.


def test_a_value_computed_before_a_branch_raises_whichever_way_it_goes():
    def f(x, c):
        y = math.log(x)
        return y if c > 0.0 else 0.0

    assert symdiff.grad(f)(2.0, 1.0) == 0.5
    assert symdiff.grad(f)(2.0, -1.0) == 0.0
    for c in (1.0, -1.0):
        with pytest.raises(ValueError, match="math domain error"):
            symdiff.grad(f)(-1.0, c)


def test_what_an_early_return_skips_does_not_raise():
    def f(x):
        if x > 0.0:
            return x * x
        return math.sqrt(-x) * x

    assert symdiff.grad(f)(3.0) == 6.0
    assert symdiff.grad(f)(-4.0) == pytest.approx(3.0)


def test_a_nested_derivative_demands_what_its_function_does():
    def f(x):
        return symdiff.grad(lambda y: math.log(y) * y)(x)

    assert symdiff.grad(f)(2.0) == 0.5
    with pytest.raises(ValueError, match="math domain error"):
        symdiff.grad(f)(-2.0)
