"""Shapes from round to round: what a loop carries has one, or that is said."""

from __future__ import annotations

import numpy as np
import pytest

import symdiff


def powers(x, a, n: int):
    for _ in range(n):
        x = x @ a
    return x.sum()


def product(x, n: int):
    s = 1.0
    for _ in range(n):
        s = s * x
    return np.sum(s)


def halved(x, c):
    s = 1.0
    while c > 0.5:
        s = s * x
        c = c * 0.5
    return np.sum(s)


X = np.array([0.5, 2.0, 1.5])


def test_sizes_that_agree() -> None:
    derivative = symdiff.value_and_grad(powers)
    square = np.arange(9.0).reshape(3, 3)
    assert symdiff.grad(powers).check(X, square, 2)
    assert derivative(X, np.ones((3, 2)), 0)[0] == powers(X, np.ones((3, 2)), 0)
    assert "broadcast" not in derivative.source


def test_sizes_that_do_not() -> None:
    derivative = symdiff.value_and_grad(powers)
    with pytest.raises(ValueError, match="shapes do not match"):
        derivative(X, np.ones((3, 2)), 1)
    with pytest.raises(symdiff.IllTypedError, match="x changes its shape from round to round"):
        derivative(X, np.ones((3, 1)), 1)  # the sum over three of one was wrong


@pytest.mark.parametrize("f, none, some", [(product, 0, 2), (halved, 0.1, 1.5)])
def test_a_number_where_there_is_no_round(f, none, some) -> None:
    derivative = symdiff.value_and_grad(f)
    assert derivative(X, some)[0] == pytest.approx(f(X, some))
    assert symdiff.grad(f).check(X, some)
    with pytest.raises(ValueError, match="s is an array, but a number where the loop has no round"):
        derivative(X, none)
