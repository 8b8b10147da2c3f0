"""Constant arrays as C: tables, arrays of one number, and what is too large for either."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_loops import same_as_python

WEIGHTS = np.array([1.0, 4.0, 1.0])
SINGLE = np.array([0.5, 0.25, 0.125], dtype=np.float32)
ORDER = np.array([2, 0, -2])
WANTED = np.array([True, False, True])
TABLE = np.arange(12.0).reshape(3, 4)
ONES = np.ones((3, 2))
SPECIAL = np.array([np.inf, np.nan, -0.0])
NOTHING = np.zeros((0, 3))
LARGE = np.arange(70_000.0)
X = np.array([0.5, 0.7, 0.2])


def simpson(x):
    return np.sum(WEIGHTS * x**2) + np.sum(SINGLE * x)


def chosen(x, i: int):
    return WEIGHTS[i] * x


def gathered(x):
    return np.sum(x[ORDER] * TABLE[1, :3]) + np.sum(x[WANTED])


def written(x):
    y = np.array([1.0, 2.0, 3.0])
    y[1] = x
    return np.sum(y * WEIGHTS)


def carried(x):
    y = WEIGHTS
    for _ in range(3):
        y = y * x
    return np.sum(y)


def product(x):
    return np.sum(TABLE @ (x * np.array([1.0, 2.0, 3.0, 4.0])[0])) + np.sum(TABLE[:, 0] @ TABLE * x)


def guarded(x):
    return np.sum(ONES * x) + np.sum(np.where(np.isfinite(SPECIAL), x, 0.0)) + np.sum(NOTHING)


def polynomial(x):
    total = 0.0
    for i in range(3):
        for j in range(4):
            total += TABLE[i, j] * x ** (i + 1)
    return total


def scaled(x):
    return np.sum(LARGE * x)


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (simpson, (X,)), (chosen, (0.5, 1)), (chosen, (0.5, -1)), (gathered, (X,)), (written, (0.3,)),
    (carried, (0.4,)), (product, (np.ones(4),)), (guarded, (0.5,)), (polynomial, (0.5,)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    same_as_python(f, args, quick)


def test_a_constant_array_is_a_table(quick: symdiff.Options):
    derivative = symdiff.grad(simpson, options=quick)
    derivative(X)
    assert "static const double table[3] = {1.0, 4.0, 1.0};" in derivative.source


def test_a_result_is_an_array_of_its_own(quick: symdiff.Options):
    run = symdiff.value_and_grad(lambda x: np.sum(x * WEIGHTS), options=quick)
    first = run(X)[1]
    first[:] = 0.0
    np.testing.assert_array_equal(run(X)[1], WEIGHTS)


def test_what_is_outside(quick: symdiff.Options):
    with pytest.raises(IndexError):
        symdiff.grad(chosen, options=quick)(0.5, 3)


def test_a_large_array(quick: symdiff.Options):
    with pytest.raises(symdiff.UnsupportedError, match="70,000 elements") as info:
        symdiff.grad(scaled, options=quick)(0.5)
    assert info.value.hint == "make it a parameter of the function"
    assert info.value.span is not None
