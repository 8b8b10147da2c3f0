"""The largest and the smallest that loops find: derivatives at ties, from where they were found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.options import Options

PLAIN = Options(optimize=False)  # every round is differentiated as it stands


def largest(x):
    m = x[0]
    for i in range(1, len(x)):
        m = max(m, x[i])
    return m * m


def by_numpy(x):
    m = x[0]
    for v in x:
        m = np.maximum(v, m)
    return np.sin(m)


def smallest_square(x):
    m = 4.0
    for i in range(len(x) - 1, -1, -1):
        m = min(m, x[i] * x[i])
    return m


def by_branch(x):
    m = math.inf
    for i in range(len(x)):
        if x[i] < m:
            m = x[i]
    return m**2


def from_an_argument(x):
    m = x[1]
    for i in range(0, len(x), 2):
        if m < x[i]:
            m = x[i]
    return m**2


def of_rows(x):
    total = 0.0
    for i in range(len(x) - 1):
        m = x[i]
        for j in range(len(x)):
            m = max(m, x[i] * x[j])
        total += m * x[i]
    return total


def read_meanwhile(x):
    """What the rounds have so far counts, too."""
    m = total = x[0]
    for i in range(1, len(x)):
        m = max(m, x[i])
        total += m
    return m * total


def of_what_changes(x):
    m = s = x[0]
    for i in range(1, len(x)):
        s = s + x[i]
        m = max(m, s)
    return m


def left_early(x):
    m = x[0]
    for i in range(1, len(x)):
        m = max(m, x[i])
        if x[i] > 1.5:
            break
    return m * m


FUNCTIONS = [
    largest, by_numpy, smallest_square, by_branch, from_an_argument, of_rows, read_meanwhile,
    of_what_changes, left_early,
]  # fmt: skip
POINTS = [
    [1.0, 2.0, 0.5], [2.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 0.0, 2.0, -3.0], [1.0, 1.0],
    [-1.0, -1.0, -2.0, 1.0], [0.0, -0.0, 0.0], [math.inf, 1.0, math.inf],
]  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_same_as_round_by_round(f: Any, quick: symdiff.Options):
    python, compiled = symdiff.value_and_grad(f), symdiff.value_and_grad(f, options=quick)
    plain = symdiff.value_and_grad(f, options=PLAIN)
    for point in POINTS:
        x = np.array(point)
        with np.errstate(all="ignore"):
            value, slope = plain(x)
            for value_too, slope_too in (python(x), compiled(x)):
                np.testing.assert_array_equal(value_too, value)
                known = ~np.isnan(slope)  # 0 times infinity: rounds that lose have no share
                np.testing.assert_allclose(
                    slope_too[known], slope[known], rtol=1e-14, err_msg=str(point)
                )


@pytest.mark.parametrize("f", [largest, smallest_square, by_branch])
def test_what_is_not_a_number_never_wins(f: Any, quick: symdiff.Options):
    """Comparisons with it are false, so the value and its derivative are those without it."""
    rest, x = np.array([-1.5, 1.0, -1.5]), np.array([-1.5, math.nan, 1.0, math.nan, -1.5])
    expected = symdiff.grad(f)(rest)
    for options in (Options(), quick):
        slope = symdiff.grad(f, options=options)(x)
        np.testing.assert_array_equal(slope, [expected[0], 0.0, expected[1], 0.0, expected[2]])


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_forward_and_second_order(f: Any):
    x, v = np.array([1.0, 2.0, -1.0, 2.0, 0.3]), np.array([0.3, 1.0, 2.0, -1.0, 0.5])
    for operator, more in ((symdiff.jvp, (v,)), (symdiff.hvp, (v,)), (symdiff.hessian, ())):
        expected, found = operator(f, options=PLAIN)(x, *more), operator(f)(x, *more)
        for a, b in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("f", [largest, by_numpy, smallest_square, by_branch])
def test_nothing_is_recorded(f: Any):
    df = symdiff.grad(f)
    df(np.array([1.0, 2.0, 0.5]))
    assert "tape" not in df.source
