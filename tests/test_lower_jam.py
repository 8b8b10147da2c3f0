"""Sums of rows: four rounds at a time, and the rest, for any number of rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat


def network(W, V, x):
    return np.sum(np.tanh(x @ W) @ V)


def in_loops(W, V, x):
    total = np.zeros(V.shape[1])
    for i in range(2, len(W)):
        for j in range(V.shape[1]):
            total[j] += V[i, j] * W[i, 0] - x[1, i]
    return np.sum(total**2)


def itself(W, V, x):
    """The row that is added to is read: the order of rounds matters."""
    total = np.ones(V.shape[1])
    for i in range(len(W)):
        for j in range(V.shape[1]):
            total[j] += V[i, j] * total[0]
    return np.sum(total)


def with_more(W, V, x):
    """What else a round does comes before its row."""
    total, kept, s = np.zeros(V.shape[1]), np.zeros(len(W)), 0.0
    for i in range(len(W)):
        w = W[i, 0] * x[0, i] + s
        s += w
        kept[i] = w * x[1, i]
        for j in range(V.shape[1]):
            total[j] += V[i, j] * w
    return np.sum(total**2) + np.sum(kept) * s


def with_changing(W, V, x):
    """A row is times a number that each round changes."""
    total, s = np.zeros(V.shape[1]), 0.5
    for i in range(len(W)):
        s = s * W[i, 0] + 1.0
        for j in range(V.shape[1]):
            total[j] += V[i, j] * s
    return np.sum(total**2)


@pytest.mark.parametrize("f", [network, in_loops, itself, with_more, with_changing])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 11])
def test_the_same_as_python(f: Any, n: int, quick: symdiff.Options):
    rng = np.random.default_rng(n)
    args = rng.normal(size=(n, n)), rng.normal(size=(n, 3)), rng.normal(size=(2, n))
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    found = symdiff.value_and_grad(f, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-11, atol=1e-13)
