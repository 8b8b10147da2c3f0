"""A derivative reads no element that the function does not: it may not be there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat

X, A = np.array([1.5, 0.5, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0]])


def number(x, k: int, n: int):
    """x[k] is the same in all rounds."""
    total = 0.0
    for i in range(2):
        for _ in range(n):
            total += x[k] * x[i]
    return total


def fixed(x, k: int, n: int):
    total = 0.0
    for i in range(2):
        for _ in range(n + 0 * k):
            total += x[7] * x[i] * total
    return total


def summed(x, k: int, n: int):
    """The sweep back reads the adjoint of what is added to."""
    z = np.zeros(3)
    for i in range(2):
        for _ in range(n):
            z[i + k] += x[i] * x[i + 1]
    return np.sum(z**2)


def in_branch(x, k: int, n: int):
    total = 0.0
    for i in range(2):
        for j in range(n):
            if x[i] > j:
                total += x[k] ** 2
    return total


def until(x, k: int, n: int):
    total, i = 0.0, 0
    while i < n:
        total += x[k] * total + x[k]
        i += 1
    return total


@pytest.mark.parametrize("f", [summed, in_branch])
def test_an_element_that_no_round_reads(f: Any, quick: symdiff.Options):
    for options in (symdiff.Options(), quick):
        df = symdiff.value_and_grad(f, options=options)
        value, slope = df(X, 9, 0)
        assert value == 0.0
        np.testing.assert_array_equal(slope, np.zeros(3))
        with pytest.raises(IndexError):
            df(X, 9, 1)


@pytest.mark.parametrize("f", [number, fixed, summed, in_branch, until])
def test_forward(f: Any, quick: symdiff.Options):
    for options in (symdiff.Options(), quick):
        df = symdiff.jvp(f, options=options)
        assert df(X, 9, 0, X) == (0.0, 0.0)
        with pytest.raises(IndexError):
            df(X, 9, 1, X)


@pytest.mark.parametrize("f", [number, summed, in_branch, until])
def test_an_element_that_rounds_read(f: Any, quick: symdiff.Options):
    for k in (1, -2):
        for options in (symdiff.Options(), quick):
            df = symdiff.value_and_grad(f, options=options)
            value, slope = df(X, k, 2)
            assert value == pytest.approx(f(X, k, 2))
            steps = 1e-6 * np.eye(3)
            expected = [(f(X + h, k, 2) - f(X - h, k, 2)) / 2e-6 for h in steps]
            np.testing.assert_allclose(slope, expected, rtol=1e-7, atol=1e-7)


def rows(a, k: int, n: int):
    total = 0.0
    for i in range(2):
        for _ in range(n):
            total += np.sum(a[k] * a[i])
    return total


def chosen(a, k: int, n: int):
    places = np.array([0, 5])
    total = 0.0
    for i in range(2):
        for _ in range(n):
            total += np.sum(a[i, places] * a[places, i])
    return total + k


@pytest.mark.parametrize("f", [rows, chosen])
def test_rows_that_no_round_reads(f: Any, quick: symdiff.Options):
    for options in (symdiff.Options(), quick):
        df = symdiff.jvp(f, options=options)
        assert df(A, 7, 0, A) == (f(A, 7, 0), 0.0)
        with pytest.raises(IndexError):
            df(A, 7, 1, A)


def read_before(x, y, k: int, n: int):
    total = 0.0
    for i in range(n):
        x_k = x[i + k]
        for j in range(i):
            total += x_k * y[j]
    return total


def in_range(x, y, k: int, n: int):
    total = k + 0.0
    for i in range(1, len(x)):
        for j in range(n):
            total += x[i - 1] * x[-1] * y[j]
    return total


def surely(x, y, k: int, n: int):
    total = n + 0.0
    for i in range(k + 2):
        for j in range(len(y)):
            total += x[i] * y[j] * total
    return total


@pytest.mark.parametrize("f", [read_before, in_range, surely])
def test_what_is_surely_there_is_read_once(f: Any):
    """Before the inner loop."""
    df = symdiff.value_and_grad(f)
    assert flat(df(X, X, 1, 2))[0] == pytest.approx(f(X, X, 1, 2))
    lines = df.source.splitlines()
    inner = [at for at, line in enumerate(lines) if line.startswith(" " * 8 + "for j")]
    assert inner
    for at in inner:
        for line in lines[at + 1 :]:
            if not line.startswith(" " * 12):
                break
            assert " x[" not in line and "(x[" not in line
