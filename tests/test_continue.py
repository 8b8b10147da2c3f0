"""`continue` where a run-time condition decides on it, and what else ends such a round."""

from __future__ import annotations

import math

import pytest

import symdiff


def returns_at_once(x, y):
    for k in (1, 2, 3):
        if x < k:
            continue
        return x * k * y
    return 10.0 * x


def returns_or_goes_on(x, y):
    while True:
        if x < max(0.1, y):
            x = 0.3 + y
            continue
        return x / (1.0 + y**2)


def breaks_at_once(x, y):
    s = 0.0
    for k in (1, 2, 3):
        if x < k:
            s += x * y
            continue
        s += x * x
        break
    else:
        s *= 2.0
    return s


def counts_while(x, y):
    s, k = 0.0, 0
    while k < 3:
        k += 1
        if x < k:
            s += x * y
            continue
        if x < k + 0.6:
            s += 100.0 * x * x
            return s
        s += x * x
        break
    else:
        s *= 2.0
    return s


def all_of_them(x, y):
    s = 0.0
    for k in range(3):
        if x < k:
            s += x
            continue
        if y < k:
            return x * s
        s += y
        if x < k + 0.5:
            break
        if y < k + 0.5:
            continue
        s *= x
        break
    else:
        s *= 3.0
    return s


def divides_if_it_can(x, y):
    for _ in range(2):
        if x <= 0.0:
            x = 2.0 * y
            continue
        return 1.0 / x
    return y


POINTS = [(x, y) for x in (-1.0, 0.3, 0.65, 1.35, 1.7, 2.55, 3.5) for y in (0.2, 0.7, 1.2, 2.6)]


@pytest.mark.parametrize("f", [
    returns_at_once, returns_or_goes_on, breaks_at_once, counts_while, all_of_them,
    divides_if_it_can,
])  # fmt: skip
def test_a_round_that_may_be_continued_ends_the_loop_only_where_it_is_not(f):
    derivative = symdiff.value_and_grad(f, wrt="*")
    for point in POINTS:
        value, gradient = derivative(*point)
        assert value == f(*point)
        for i, slope in enumerate(gradient):
            near = [list(point), list(point)]
            near[0][i] += 1e-6
            near[1][i] -= 1e-6
            numeric = (f(*near[0]) - f(*near[1])) / 2e-6
            assert slope == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def test_the_round_after_one_that_was_continued_raises():
    def f(x, y):
        s = 0.0
        for k in range(2):
            if k == 0:
                if x < 1.0:
                    continue
                s += x
            else:
                s += 2.0 * math.log(y)
        return s

    derivative = symdiff.grad(f, wrt="y")
    assert derivative(0.5, 4.0) == 0.5
    with pytest.raises(ValueError, match="math domain error"):
        derivative(0.5, -1.0)


def logarithm_of_the_first_above_zero(x, n: int):
    for _ in range(n):
        if x > 0.0:
            return math.log(x)
        x += 1.0
    return x


def returned_among_others(x, n: int):
    while n > 0:
        n -= 1
        if x <= 0.0:
            x += 1.0
            continue
        z = math.log(x)
        if z > 1.0:
            return math.sqrt(z - 1.0) * x
        x += z * z + 1.0
    return 1.5 * x


def power(u, n):
    return 1.0 if n == 0 else u * power(u, n - 1)


def returns_a_call(x, n: int):
    """Where it is not returned, the call would not end."""
    for _ in range(3):
        if n >= 0:
            return power(x, n)
        n += 2
        x *= 0.9
    return x


@pytest.mark.parametrize(("f", "args"), [
    (logarithm_of_the_first_above_zero, (-2.5, 6)), (logarithm_of_the_first_above_zero, (-2.5, 2)),
    (returned_among_others, (-1.5, 6)), (returned_among_others, (-1.5, 3)),
    (returns_a_call, (0.7, -1)), (returns_a_call, (0.7, -3)),
])  # fmt: skip
def test_what_a_loop_returns_is_computed_only_where_it_is_returned(f, args):
    x, n = args
    value, slope = symdiff.value_and_grad(f)(x, n)
    assert value == f(x, n)
    assert slope == pytest.approx((f(x + 1e-6, n) - f(x - 1e-6, n)) / 2e-6, rel=1e-6)
