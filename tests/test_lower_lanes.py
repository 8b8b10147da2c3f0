"""Jacobians in C of functions with loops: all columns go through the loops side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff


def chain(x: Any, w: Any) -> Any:
    """Numbers and an array that rounds carry, and a branch on them."""
    m = len(w)
    y = np.zeros(len(x) + len(w))
    s = 0.3
    for i in range(len(x)):
        s = math.sin(s * x[i]) + 0.5
        y[i] = s * s
        if s > 0.7:
            s = s - x[i] * y[i]
    for k in range(m):
        y[len(x) + k] = s * math.exp(-k) + y[k % len(x)]
    return y


def nested(x: Any, w: Any) -> Any:
    """Arrays of a round, loops in loops, and an array that is written more than once."""
    m = len(w)
    y = np.zeros((len(w), 2))
    for i in range(m):
        row = np.zeros(3)
        for j in range(len(x)):
            a = math.cos(x[j] + i)
            for k in range(3):
                row[k] += a * x[j] ** k
        y[i, 0] = row[0] * row[1]
        y[i, 1] += row[2] / (1.0 + row[0] ** 2)
        if i > 0:
            y[i] += y[i - 1]
    return y


def until(x: Any, w: Any) -> Any:
    """Rounds that end when a number is small."""
    s, t = x[0], 1.0
    for _ in range(len(w) + 50):
        s = s / 2.0 + 0.1 * x[-1]
        t = t * math.cos(s)
        if s < 0.15:
            break
    return np.array([s, t, s * t])


def in_arrays(x: Any, w: Any) -> Any:
    """Operations of whole arrays in each round."""
    a = np.outer(x, x)
    y = x.copy()
    for i in range(len(w)):
        y = np.tanh(a @ y) + np.abs(y) * x
        y[i % len(x)] += np.max(y)
    return y


def kinks(x: Any, w: Any) -> Any:
    """Branches that hang on what a column is, where the function has kinks."""
    y = np.zeros(len(w))
    for i in range(len(w)):
        y[i] = abs(x[0] - 1.0) + max(x[-1], 0.5 * i)
        for j in range(len(x)):
            y[i] += math.exp(-x[j]) * np.where(x[j] > 1.0, x[j], 0.0)
    return y


def skipped(x: Any, w: Any) -> Any:
    """What rounds carry is changed in some of them, and by each other."""
    a, b, c, y = 1.0, x[0], 0.0, np.zeros(len(w))
    for i in range(len(w)):
        for j in range(len(x)):
            if (i + j) % 3 == 1:
                a, b = b * x[j], a + x[j]
            elif j == 2:
                c += a * b
            if w[i] != 0.0:
                b = b + math.sin(c) * x[j]
                c = b - 0.5 * a
        y[i] = a + b * c
    return y


@pytest.mark.parametrize("f", [chain, nested, until, in_arrays, kinks, skipped])
@pytest.mark.parametrize("columns", [1, 2, 31, 32, 33, 70])
def test_jacobians_are_those_of_python(f: Any, columns: int, quick: symdiff.Options):
    at = np.linspace(0.4, 1.3, columns), np.ones(3)
    expected = symdiff.jacobian(f, mode="forward")(*at)
    found = symdiff.jacobian(f, mode="forward", options=quick)(*at)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("f", [chain, nested])
def test_rows_by_reverse_sweeps_are_the_same(f: Any, quick: symdiff.Options):
    at = np.linspace(0.4, 1.3, 5), np.ones(3)
    expected = symdiff.jacobian(f, mode="forward")(*at)
    found = symdiff.jacobian(f, mode="reverse", options=quick)(*at)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_columns_of_a_matrix(quick: symdiff.Options):
    def powers(x: Any, w: Any) -> Any:
        y = w.copy()
        for _ in range(3):
            y = np.tanh(x @ y)
        return np.outer(y, w)

    at = np.linspace(-1.0, 1.0, 20).reshape(4, 5)[:, :4], np.linspace(0.5, 1.0, 4)
    expected = symdiff.jacobian(powers, mode="forward")(*at)
    found = symdiff.jacobian(powers, mode="forward", options=quick)(*at)
    assert found.shape == expected.shape == (4, 4, 4, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


def test_second_derivatives(quick: symdiff.Options):
    def energy(x: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            s = math.sin(s * x[i]) + x[i] ** 2
        return s

    at = np.linspace(0.4, 1.3, 6)
    expected = symdiff.hessian(energy)(at)
    np.testing.assert_allclose(symdiff.hessian(energy, options=quick)(at), expected, rtol=1e-11)


def test_no_columns_and_what_raises(quick: symdiff.Options):
    def logs(x: Any, w: Any) -> Any:
        y = np.zeros(2)
        for i in range(len(w)):
            y[i] = math.log(w[i])
            for j in range(len(x)):
                y[i] = y[i] * math.exp(x[j])
        return y

    made = symdiff.jacobian(logs, mode="forward", options=quick)
    assert made(np.ones(0), np.ones(2)).shape == (2, 0)
    for weights, error in ((np.zeros(2), ValueError), (np.ones(3), IndexError)):
        with pytest.raises(error):
            made(np.ones(40), weights)


def test_the_functions_own_work_is_done_once_for_all_columns():
    made = symdiff.jacobian(chain, mode="forward", target="c")
    made(np.ones(4), np.ones(2))
    assert made.source.count("sin_apart(") <= 1 + made.source.count("define sin_apart")
    assert "lane" in made.source
