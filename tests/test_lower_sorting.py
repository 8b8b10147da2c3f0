"""Sorting, searching, comparing and rounding of arrays as C: what NumPy gives, nan and all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_loops import same_as_python

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=41)
WITH_NAN = np.where(np.arange(41) % 9 == 3, np.nan, X)
TIES = np.round(X)
A = RANDOM.normal(size=(4, 5))
Q = RANDOM.normal(size=6)
PLACES = np.arange(5.0)
INFINITE = np.array([0.0, np.inf, 3.0])


def ordered(x):
    return np.sum(np.sort(x) * np.arange(len(x)))


def middle(x):
    return np.median(x) ** 2


def along_axes(a):
    first, last = np.sort(a, axis=0)[0], np.sort(a, axis=1)[:, -1]
    medians = np.sum(np.median(a, axis=0) ** 2)
    return np.sum(first**2) + np.sum(last**3) + np.sum(np.sort(a, axis=None)[:3]) + medians


def by_order(x):
    i = np.argsort(x)
    return np.sum(x[i][:2] * x[i[::-1]][:2])


def changed_order(x):
    i = np.argsort(x)
    i[0] = -1
    return np.sum(x[i] * np.arange(len(x)))


def of_integers(i, x):
    return np.sum(np.sort(i) * x) + np.sum(x[np.argsort(i)] * i)


def in_place(x):
    x.sort()
    return x[0] * x[-1]


def searched(x, q):
    return np.sum(x[np.searchsorted(np.sort(x), q) - 1] * q)


def searched_right(q):
    return np.sum(np.searchsorted(PLACES, q, side="right") * q)


def chosen(a):
    i = np.argmax(a, axis=1)
    return np.sum(np.take_along_axis(a, i[:, None], 1) ** 2) + np.sum(a[np.arange(len(a)), i])


def interpolated(x, q):
    return np.sum(np.interp(q, PLACES, x) ** 2)


def interpolated_infinities(q):
    return np.sum(np.interp(q, np.array([0.0, 1.0, 2.0]), INFINITE))


def interpolated_number(x, q):
    return np.interp(q, PLACES, x) * q


def rounded(x):
    return np.sum(np.round(x, 2) * x) + np.round(x[1]) * x[0] + np.sum(np.round(100 * x, -1) * x)


def near(x, y):
    return x[0] if np.allclose(x, y) else np.sum(np.where(np.isclose(x, y), x, 2 * y))


def alike(x, y):
    return np.sum(x) if np.array_equal(x, y) else np.sum(y) * 3


def near_numbers(a, b):
    return a if math.isclose(a, b) else b * 2


def finite(x):
    return np.sum(np.nan_to_num(x) * 2) + np.sum(np.nan_to_num(x, nan=1.0, posinf=3.0, neginf=-2.0))


def exact(a, b, c):
    return math.fsum([a, b, c, -a]) * 2


def shifted(x, k: int):
    return x * (k << 3) + x * (k >> 1) + x * (1 << k)


def clipped(x, k: int):
    return x * np.sum(np.clip(k * np.arange(5), 1, 1 << 53))


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    *((f, (x,)) for f in (ordered, middle, by_order) for x in (X, WITH_NAN, TIES, X[:10], X[:2])),
    (along_axes, (A,)), (changed_order, (X,)), (of_integers, (np.array([3, 1, 2, 1]), X[:4])),
    (in_place, (X,)), (searched, (X, Q)), (searched_right, (np.array([-1.0, 0.0, 2.5, np.nan]),)),
    (chosen, (A,)), (interpolated, (X[:5], 3 * Q)), (interpolated, (X[:5], PLACES)),
    (interpolated_infinities, (np.array([-1, 0.0, 0.5, 1, 1.5, 2, 3, np.nan]),)),
    *((interpolated_number, (X[:5], q)) for q in (2.5, 4.0, 9.0, math.nan)),
    (rounded, (X,)), (near, (X, X)), (near, (X, X + np.where(X > 0, 1.0, 0.0))), (alike, (X, X)),
    (alike, (X, Q)), (near_numbers, (0.5, 0.5 + 1e-12)), (near_numbers, (0.5, 0.6)),
    (finite, (np.array([np.inf, 1.0, -np.inf, np.nan]),)), (exact, (1e16, 1.0, 1e-16)),
    (exact, (0.1, 0.2, 0.3)), (shifted, (0.5, 3)), (clipped, (0.5, 1 << 54)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    with np.errstate(invalid="ignore"):
        same_as_python(f, args, quick)


@pytest.mark.parametrize("count", [15, 16, 17, 33, 1000])
def test_any_length(count: int, quick: symdiff.Options):
    x = np.random.default_rng(count).integers(0, 30, count).astype(float)
    order = symdiff.value_and_grad(lambda x: np.sum(x[np.argsort(x)] * W), options=quick)
    W = np.arange(count) ** 1.5
    expected = np.argsort(x, kind="stable")
    value, gradient = order(x)
    assert math.isclose(value, x[expected] @ W, rel_tol=1e-12)
    np.testing.assert_array_equal(gradient[expected], W)


@pytest.mark.parametrize(
    ("f", "args", "error"),
    [
        (exact, (1e308, 1e308, 1.0), OverflowError), (exact, (math.inf, 1.0, 1.0), ValueError),
        (shifted, (0.5, -3), ValueError), (shifted, (0.5, 63), OverflowError),
    ],
)  # fmt: skip
def test_what_raises(f: Any, args: tuple[Any, ...], error: Any, quick: symdiff.Options):
    with pytest.raises(error):
        symdiff.value_and_grad(f, options=quick)(*args)
