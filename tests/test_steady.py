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


def one_of_two(x, y, c):
    z = x if c > 0 else y
    return (z * z).sum()


def now_this_now_that(x, y, n: int):
    s = 0.0
    for i in range(n):
        if i % 2:
            z = x
        else:
            z = y
        s += z.sum()
    return s


def test_a_branch_may_give_another_size() -> None:
    derivative = symdiff.value_and_grad(one_of_two, wrt=("x", "y"))
    assert symdiff.grad(one_of_two, wrt=("x", "y")).check(X, X[::-1], -1.0)
    assert derivative(X, X[:2], 1.0)[0] == one_of_two(X, X[:2], 1.0)
    with pytest.raises(ValueError, match="shapes do not match"):
        derivative(X, X[:2], -1.0)


def test_a_branch_of_a_round_may_give_another_size() -> None:
    derivative = symdiff.value_and_grad(now_this_now_that, wrt=("x", "y"))
    assert derivative(X, X * 2, 3)[0] == pytest.approx(now_this_now_that(X, X * 2, 3))
    with pytest.raises(ValueError, match="shapes do not match"):
        derivative(X, X[:2], 2)  # the loop ended there, and nothing was said
    assert derivative(X, X[:2], 0)[0] == 0.0


def left_over(x, y, n: int):
    z = x
    for i in range(n):
        z = x if i % 2 else y
    return (z * z).sum()


def test_a_round_may_leave_another_size() -> None:
    """No operation of the round reads it; the gradient was as long as `x`."""
    derivative = symdiff.value_and_grad(left_over, wrt=("x", "y"))
    assert symdiff.grad(left_over, wrt=("x", "y")).check(X, X[::-1], 3)
    with pytest.raises(ValueError, match="shapes do not match"):
        derivative(X, X[:2], 2)
