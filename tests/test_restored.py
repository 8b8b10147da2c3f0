"""Arrays that rounds write into: the sweep puts back what they lost, and copies no array."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import symdiff


def cholesky(a):
    n = len(a)
    L = np.zeros_like(a)
    for j in range(n):
        s = a[j, j]
        for k in range(j):
            s -= L[j, k] ** 2
        L[j, j] = math.sqrt(s)
        for i in range(j + 1, n):
            s = a[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            L[i, j] = s / L[j, j]
    total = 0.0
    for i in range(n):
        total += math.log(L[i, i]) + L[n - 1, i]
    return total


def prefix(x):
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        s = 0.0
        for j in range(i):
            s += y[j] * x[i] + math.sin(y[j])
        y[i] = x[i] + math.sin(s)
    return y[len(x) - 1]


def relaxed(b, rounds: int):
    """Gauss-Seidel on a nonlinear equation: each round writes over what the last one left."""
    x = np.zeros(len(b))
    for _ in range(rounds):
        for i in range(1, len(b) - 1):
            for j in range(i):
                x[i] = 0.5 * math.sin(x[j] + x[i + 1]) + b[i] * x[i]
    return np.sum(x * x)


def eliminated(a):
    """The determinant, by elimination with row exchanges."""
    u = a.copy()
    n = len(u)
    order = np.arange(n)
    sign = 1.0
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(u[order[i], k]) > abs(u[order[p], k]):
                p = i
        if p != k:
            kept = order[k]
            order[k] = order[p]
            order[p] = kept
            sign = -sign
        for i in range(k + 1, n):
            factor = u[order[i], k] / u[order[k], k]
            for j in range(k, n):
                u[order[i], j] -= factor * u[order[k], j]
    det = sign
    for k in range(n):
        det *= u[order[k], k]
    return det


def branched(x, limit):
    y = np.ones(len(x))
    i = 0
    while i < len(x):
        s = 0.0
        for j in range(len(x)):
            s += 0.2 * y[j] * y[j] * x[i]
        if s > limit:
            y[i] = math.sin(s)
            if s > 2.0 * limit:
                y[0] = 0.5 * y[0] * x[i]
            else:
                y[1] += s
        elif s > 0.0:
            y[i] *= s
        i += 1
    return np.sum(y)


def rows(a):
    """Whole rows are written, and read by an inner loop."""
    u = a * 1.0
    for i in range(1, len(u)):
        for k in range(i):
            u[i] -= 0.1 * u[k] * u[k, i]
    return np.sum(u * u)


def listed(x):
    """A list that is written into."""
    ys = [1.0, 0.5, 0.25, 2.0]
    for v in x:
        s = 0.0
        for k in range(len(ys)):
            s += ys[k] * ys[k] * v
        for k in range(1, len(ys)):
            ys[k] = math.sin(s + ys[k - 1])
    return sum(ys)


def twice(x):
    """Two arrays in one loop; one is what the other was."""
    a, b = x * 1.0, x * 2.0
    for i in range(1, len(x)):
        t = 0.0
        for j in range(i):
            t += 0.1 * a[j] * b[j + 1]
        a[i] = t * x[i]
        b[i] = a[i] * a[i - 1] + math.cos(t)
    return np.sum(a) + np.sum(b)


_RNG = np.random.default_rng(7)
_SQUARE = _RNG.normal(size=(5, 5))
_VECTOR = _RNG.uniform(0.3, 1.2, size=6)
CASES = [
    (cholesky, (_SQUARE @ _SQUARE.T + 4.0 * np.eye(5),)),
    (prefix, (_VECTOR,)),
    (relaxed, (_VECTOR, 3)),
    (eliminated, (_SQUARE,)),
    (branched, (_VECTOR, 0.3)),
    (branched, (_VECTOR, 0.7)),
    (rows, (_SQUARE,)),
    (listed, (_VECTOR,)),
    (twice, (_VECTOR,)),
]


def _slopes(f, args, h=1e-5):
    x = args[0]
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        near = f(x + e, *args[1:]) - f(x - e, *args[1:])
        far = f(x + 2 * e, *args[1:]) - f(x - 2 * e, *args[1:])
        found[i] = (8 * near - far) / (12 * h)
    return found


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("f, args", CASES, ids=lambda p: getattr(p, "__name__", ""))
def test_gradient(f, args, optimize):
    given = args[0].copy()
    value, gradient = symdiff.value_and_grad(f, options=symdiff.Options(optimize=optimize))(*args)
    assert value == pytest.approx(f(*args), rel=1e-12)
    np.testing.assert_allclose(gradient, _slopes(f, args), rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(args[0], given)


@pytest.mark.parametrize("f, args", CASES, ids=lambda p: getattr(p, "__name__", ""))
def test_second_order(f, args):
    v = np.random.default_rng(1).normal(size=args[0].shape)
    gradient = symdiff.grad(f)
    h = 1e-5
    up, down = (gradient(args[0] + s * h * v, *args[1:]) for s in (1, -1))
    expected = (up - down) / (2 * h)
    mixed = symdiff.hvp(f)(*args, v)
    np.testing.assert_allclose(mixed, expected, rtol=1e-6, atol=1e-6)
    double = symdiff.vjp(gradient)(*args, v)[1]
    np.testing.assert_allclose(double, mixed, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("f, args", CASES, ids=lambda p: getattr(p, "__name__", ""))
def test_no_round_copies_an_array(f, args):
    """The time and the memory of the gradient grow as those of the function do."""
    gradient = symdiff.value_and_grad(f)
    gradient(*args)
    nested = [line for line in gradient.source.splitlines() if line.startswith(" " * 8)]
    arrays = {"cholesky": "L", "eliminated": "u|order", "rows": "u", "listed": "ys", "twice": "a|b"}
    name = arrays.get(f.__name__, "[xy]")
    assert not [line for line in nested if re.search(rf"\b({name})(_?\d)?\.copy\(\)", line)]
