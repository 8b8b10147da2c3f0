"""C compares no value with itself: compilers warn, and a person would ask for nan by name."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import symdiff

NAN = math.nan
WITH_ITSELF = re.compile(r"(?<![\w.\])] )(?<!\w)(\w+(?:\[\w+\])?) (?:==|!=|<=?|>=?) \1(?![\w\[(.])")


def numbers(x, y):
    if x == x and not x > x:
        x = 2.0 * x
    if y != y:
        y = 3.0
    if (x < y) == (x < y):
        x = x * y
    return x * y if x * y >= x * y else 5.0 * x


def integers(x: float, y: float, m: int):
    k = m
    for i in range(m):
        if i != i or k < k:
            x = x + 100.0
        elif i <= k == k:
            x = x * y
        k = k + 1
        m = k
        if m > k:
            y = 2.0 * y
    return x * y


def elements(x, y):
    s = 0.0
    for i in range(len(x)):
        if x[i] == x[i] and not y[i] < y[i]:
            s += x[i] ** 2 * y[i]
    return s + np.sum(np.where(x != x, 0.0, x) * np.where(y >= y, y, 2.0)) + np.sum(np.sign(x - y))


@pytest.mark.parametrize(
    "f, args",
    [
        *((numbers, args) for args in [(1.5, 2.0), (NAN, 2.0), (1.5, NAN), (NAN, NAN)]),
        *((integers, (1.5, NAN, m)) for m in (0, 3)),
        (integers, (1.5, 2.0, 3)),
        (elements, (np.array([1.0, NAN, 3.0]), np.array([2.0, 0.5, NAN]))),
    ],
)
def test_comparison_with_itself(f: Any, args: Any, quick: symdiff.Options):
    expected = symdiff.value_and_grad(f)(*args)
    df = symdiff.value_and_grad(f, options=quick)
    value, slope = df(*args)
    np.testing.assert_allclose(value, expected[0], rtol=1e-14)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-14)
    assert not WITH_ITSELF.findall(df.source)


def test_nan_is_asked_for_by_name():
    df = symdiff.value_and_grad(numbers, target="c")
    df(1.5, 2.0)
    assert "!isnan(x)" in df.source
    assert " > x" not in df.source


def not_taken(x, m: int):
    """Memory that only a branch that is never taken uses is none."""
    total, k = 0.0, m
    for _ in range(m):
        w = np.sin(x)
        if k < k:
            for j in range(len(x)):
                w = np.cos(w * x) * w[j]
            total += np.sum(w)
        k += 1
        total += x[0] ** 2
    return total


def test_what_a_branch_never_taken_needs_is_not_there(quick: symdiff.Options):
    df = symdiff.value_and_grad(not_taken, options=quick)
    value, slope = df(np.array([1.5, 2.0]), 2)
    assert value == 4.5
    np.testing.assert_array_equal(slope, [6.0, 0.0])


def never(x: float, v: np.ndarray, n: int):
    s = 0.0
    if n != n:
        for u in v:
            for k in range(n):
                if k != n // 2:
                    return x
            s += u
    for i in range(n):
        if -1.0 < s < x:
            if s > 0.5:
                break
            s = s + x * v[i]
    return s * x


def test_what_only_a_branch_never_taken_gives_a_value():
    args = 0.7, np.array([0.2, 0.5, -0.3]), 3
    expected = symdiff.value_and_grad(never, wrt=("x", "v"))(*args)
    found = symdiff.value_and_grad(never, wrt=("x", "v"), target="c")(*args)
    assert found[0] == pytest.approx(expected[0])
    np.testing.assert_allclose(found[1][1], expected[1][1])
    assert found[1][0] == pytest.approx(expected[1][0])
