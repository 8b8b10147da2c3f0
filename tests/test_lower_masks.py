"""Boolean masks and index arrays as C: reads, writes, sizes that masks decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_loops import same_as_python

X = np.array([0.3, -1.2, 0.7, 0.9, -0.4])
A = np.outer(X, [1.0, -0.5, 2.0]) + 0.1
M = np.array([True, False, True, True, False])


def kept(x):
    return np.sum(x[x > 0] ** 2) / len(x[x > 0])


def cleared(x):
    y = x.copy()
    y[y < 0] = 0.0
    return np.sum(y * y)


def copied(x, y):
    z = x * 1.0
    z[x > y] = y[x > y] * x[x > y]
    return np.sum(z * z)


def rooted(x):
    z = x.copy()
    z[z > 0] = np.sqrt(z[z > 0])
    return np.sum(z * x)


def reversed_mask(x):
    z = x.copy()
    z[x[::-1] > 0] = 1.0
    z[z[::-1] > 0.5] = 0.0  # what is written must not be looked at
    return np.sum(z**2 * x)


def columns(a, m):
    return np.sum(a[1:, m] ** 2) + np.sum(a[..., m][2])


def elements(a):
    b = a.copy()
    b[a > 0.2] = 7.0
    b[a <= 0.2] *= 2.0
    return np.sum(b**3)


def rows(a, m):
    b = a.copy()
    b[m] = [1.0, 2.0, 3.0]
    b[~m] += a[0]
    return np.sum(b**3)


def with_indices(a, m, i):
    b = a.copy()
    b[m, i] = 3.0 * a[m, i]
    return np.sum(b**2) + np.sum(a[m, 1] ** 2)


def in_a_loop(x):
    s = 0.0
    for i in range(3):
        y = x[x > 0.3 * i]
        s += np.sum(y * y) * len(y)
    return s


def several_sizes(x, y):
    return np.sum(x[x > 0] * y[x > 0]) + np.sum(y[y > 0])


def indexed(x, y, i):
    z = x * 1.0
    z[i] = y
    return np.sum(z * z)


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (kept, (X,)), (cleared, (X,)), (copied, (X, X[::-1].copy())), (rooted, (X,)),
    (reversed_mask, (X,)), (columns, (A, M[:3])), (elements, (A,)), (rows, (A, M)),
    (with_indices, (A, M, np.array([0, 2, 1]))), (in_a_loop, (X,)),
    (several_sizes, (X, X[::-1].copy())), (indexed, (X, X[:3] + 5.0, np.array([2, 0, 2]))),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    same_as_python(f, args, quick)


@pytest.mark.parametrize("mask", [np.zeros(5, bool), np.ones(5, bool)])
def test_all_or_nothing(mask: np.ndarray, quick: symdiff.Options):
    same_as_python(rows, (A, mask), quick)


def test_what_raises(quick: symdiff.Options):
    for f, args in (
        (rows, (A, M[:4])), (columns, (A, M)), (with_indices, (A, M, np.array([0, 1]))),
        (indexed, (X, X[:3], np.array([2, 0, 5]))), (with_indices, (A, M, np.array([0, 9, 1]))),
    ):  # fmt: skip
        with pytest.raises((IndexError, ValueError)) as expected:
            symdiff.value_and_grad(f, wrt="*")(*args)
        with pytest.raises(expected.type):
            symdiff.value_and_grad(f, wrt="*", options=quick)(*args)


def test_a_number_is_written_in_one_loop(quick: symdiff.Options):
    derivative = symdiff.grad(cleared, options=quick)
    derivative(X)
    assert derivative.source.count("for (") == 1
    assert "kept" not in derivative.source


# Sizes that masks and formulas decide.


def joined(x):
    return np.sum(np.concatenate([x[x > 0], x[x <= 0]]) ** 2)


def halves(x):
    n = len(x) // 2
    return np.sum(np.zeros((n, 2)) + x[:n, None]) + np.sum(x[: 2 * n].reshape(n, 2) @ np.ones(2))


def ranges(x, n: int):
    y = x.copy()
    y[range(1, n, 2)] = 1.0
    return np.sum(x[range(len(x) - 1)] ** 2) + np.sum(y * x) + np.sum(x[list(range(n))])


def statistics(x, w):
    return np.var(x[x > 0]) + np.median(x[w > 0]) + np.linalg.norm(x[x > 0])


@pytest.mark.parametrize(
    ("f", "args"), [(joined, (X,)), (halves, (X,)), (ranges, (X, 4)), (statistics, (X, -X))]
)
def test_sizes(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    same_as_python(f, args, quick)
