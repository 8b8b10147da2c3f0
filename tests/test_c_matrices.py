"""Factorisations of matrices in C: values, both modes, second order, errors, and large ones.

What is expected is what the Python target computes with NumPy, whose formulas `test_arrays.py` holds
against finite differences.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.linalg import LinAlgError

import symdiff

PLAIN = symdiff.Options()
RNG = np.random.default_rng(7)


def general(*shape: int) -> Any:
    return RNG.normal(size=shape)


def definite(*shape: int) -> Any:
    a = general(*shape)
    return a @ a.swapaxes(-1, -2) + 3.0 * np.eye(shape[-1])


def compare(
    function: Callable[..., Any], options: symdiff.Options, *args: Any, **more: Any
) -> None:
    """Value, gradient, and the second derivative in a direction, as Python has them."""
    rtol = more.get("rtol", 1e-10)
    found, want = (made(symdiff.value_and_grad, function, o)(*args) for o in (options, PLAIN))
    assert_same(found, want, rtol)
    if more.get("order", 2) == 2:
        steps = tuple(np.cos(np.arange(x.size)).reshape(x.shape).astype(x.dtype) for x in args)
        found, want = (made(symdiff.hvp, function, o)(*args, steps) for o in (options, PLAIN))
        assert_same(found, want, rtol)


@functools.cache
def made(operator: Any, function: Callable[..., Any], options: symdiff.Options) -> Any:
    return operator(function, wrt="*", options=options)


def assert_same(found: Any, want: Any, rtol: float) -> None:
    if isinstance(want, tuple):
        for a, b in zip(found, want, strict=True):
            assert_same(a, b, rtol)
        return
    assert np.asarray(found).dtype == np.asarray(want).dtype
    scale = np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(found, want, rtol=rtol, atol=rtol * scale)


def everything(a, b, c):
    x = np.linalg.solve(a, b)
    y = np.linalg.solve(a.T, c)
    sign, size = np.linalg.slogdet(a)
    return np.sum(x * x) + np.sum(np.sin(y)) + sign * size + np.sum(np.linalg.inv(a) ** 3)


def factored(a, b, c):
    low = np.linalg.cholesky(a)
    return np.sum(np.linalg.solve(low, b) ** 2) + np.sum(np.linalg.solve(low.T, c) * low[0, 0])


def determinant(a):
    return np.log(np.linalg.det(a) ** 2)


def padded(a, b, c, pad):
    return everything(a, b, c) + factored(a, b, c) + np.sum(pad)


# The sizes are not known when compiling, but for 1. From 16384 numbers on LAPACK is called.
@pytest.mark.parametrize("sizes", [[(1, 2)], [(2, 2), (7, 2), (70, 2), (70, 10_000)]], ids=str)
def test_one_matrix(sizes: list[tuple[int, int]], quick: symdiff.Options) -> None:
    for n, more in sizes:
        a, b, c = definite(n, n), general(n), general(n, 9)
        a[0, -1] += 0.25  # not symmetric, so that a transpose is another
        compare(padded, quick, a, b, c, general(more), rtol=1e-9)


def test_determinants(quick: symdiff.Options) -> None:
    for n in (1, 2, 3, 7):
        compare(determinant, quick, definite(n, n) + 0.1 * np.tri(n))


def batches(a, b, c):
    x, y = np.linalg.solve(a, b), np.linalg.solve(a[0], b)
    z, w = np.linalg.solve(a, c), np.linalg.solve(a, b[0])
    total = np.sum(x * x) + np.sum(np.sin(y)) + np.sum(np.cos(z)) + np.sum(w * w)
    total += np.sum(np.linalg.inv(a) ** 3) + np.sum(np.linalg.slogdet(a)[1])
    return total + np.sum(np.linalg.det(a) ** 2) * 1e-3


def test_batches(quick: symdiff.Options) -> None:
    compare(batches, quick, definite(3, 4, 4), general(3, 4, 2), general(4), rtol=1e-9)


def test_matrices_that_are_broadcast(quick: symdiff.Options) -> None:
    def f(a, b):
        return np.sum(np.linalg.solve(a[:, None], b[None]) ** 2)

    compare(f, quick, definite(2, 3, 3), general(4, 3, 2))


def test_float32(quick: symdiff.Options) -> None:
    a, b, c = (x.astype(np.float32) for x in (definite(6, 6), general(6), general(6, 2)))
    pad = np.zeros(2, np.float32)
    compare(padded, quick, a, b, c, pad, rtol=2e-4)
    compare(determinant, quick, a, rtol=2e-4)


def test_gradient_of_a_determinant_of_singular_matrices(quick: symdiff.Options) -> None:
    """The cofactors: of rank n - 1 they are the outer product of null vectors, below that 0."""
    grad = symdiff.grad(lambda a: np.linalg.det(a), options=quick)
    whole = np.array([[1.0, 2, 0, 3], [0, 1, 4, 1], [2, 0, 1, 1], [3, 3, 5, 5]])  # rows 0 + 1 + 2
    for a in (whole, whole.T, np.diag([2.0, 3, 5, 0]), np.diag([2.0, 3, 0, 0]), np.zeros((4, 4)),
              definite(4, 4), np.diag([1e-200, 1e-200, 1e200, 1e200])):  # fmt: skip
        want = np.empty((4, 4))
        for i in range(4):
            for j in range(4):
                minor = np.delete(np.delete(a, i, 0), j, 1)
                want[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        np.testing.assert_allclose(grad(a), want, rtol=1e-12, atol=1e-12 * np.abs(want).max())


def test_determinants_whose_parts_overflow(quick: symdiff.Options) -> None:
    value = symdiff.value_and_grad(lambda a: np.linalg.det(a), options=quick)
    assert value(np.diag([1e200, 1e200, 1e-200, 1e-200, 3.0]))[0] == pytest.approx(3.0, rel=1e-14)
    assert value(np.zeros((5, 5)))[0] == 0.0
    assert np.isnan(value(np.full((5, 5), np.nan))[0])
    assert value(np.zeros((0, 0)))[0] == 1.0


def test_what_numpy_raises(quick: symdiff.Options) -> None:
    solve = symdiff.grad(lambda a, b: np.sum(np.linalg.solve(a, b)), options=quick)
    inv = symdiff.grad(lambda a: np.sum(np.linalg.inv(a)), options=quick)
    cholesky = symdiff.grad(lambda a: np.sum(np.linalg.cholesky(a)), options=quick)
    singular, b = np.array([[1.0, 2.0], [2.0, 4.0]]), np.ones(2)
    for run, args, message in [
        (solve, (singular, b), "Singular matrix"),
        (inv, (singular,), "Singular matrix"),
        (cholesky, (-np.eye(3),), "Matrix is not positive definite"),
        (cholesky, (np.full((3, 3), np.nan),), "Matrix is not positive definite"),
        (inv, (np.ones((2, 3)),), "must be square"),
        (solve, (np.ones((3, 2)), b), "must be square"),
    ]:
        with pytest.raises(LinAlgError, match=message):
            run(*args)
    with pytest.raises(ValueError, match="size"):
        solve(np.eye(3), b)
    assert np.all(np.isnan(inv(np.full((2, 2), np.nan))))
    assert cholesky(np.diag([4.0, 9.0])).tolist() == [[0.25, 0.0], [0.5, 1.0 / 6.0]]  # goes on


def test_sign_of_a_determinant(quick: symdiff.Options) -> None:
    def f(a):
        sign, size = np.linalg.slogdet(a)
        return sign * np.exp(size)

    value = symdiff.value_and_grad(f, options=quick)
    a = general(5, 5)
    for x in (a, a[::-1].copy(), a[[1, 0, 2, 3, 4]]):
        assert value(x)[0] == pytest.approx(np.linalg.det(x), rel=1e-12)


def test_in_a_loop_that_writes_into_the_matrix(quick: symdiff.Options) -> None:
    """Factors are of the values that a matrix has had, whatever has become of its memory."""

    def f(a, b):
        a = a.copy()
        turned = a.T
        total = 0.0
        for i in range(3):
            x = np.linalg.solve(turned, b)
            a[i, 0] = a[i, 0] + 0.5 * x[i]
            y = np.linalg.solve(a, b)
            total += np.sum(x * y)
            turned = a.T
        return total

    compare(f, quick, definite(4, 4), general(4), rtol=1e-9)
