"""Sums across memory add rows: along any axes, of views and of what is only computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat

FUNCTIONS: list[Any] = [
    lambda x: np.sum(np.sum(x, axis=0) ** 2),
    lambda x: np.sum(np.sum(x * x, axis=(0, 1)) ** 3),
    lambda x: np.sum(np.exp(np.sum(x, axis=1, keepdims=True)) * x),
    lambda x: np.sum(np.mean(x, axis=0) * np.mean(x, axis=(0, 2), keepdims=True)),
    lambda x: np.sum(np.sum(x.transpose(2, 0, 1), axis=0) ** 2),
    lambda x: np.sum(np.sum(x[:, ::2, 1:], axis=1) ** 2),
    lambda x: np.sum(np.mean(np.sin(x), axis=(0, 1)) ** 2) + np.sum(np.sum(x, axis=2)),
    lambda x: np.sum((x - np.mean(x, axis=0)) ** 2 * np.sum(x > 0.0, axis=0)),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_the_same_as_python(f: Any, quick: symdiff.Options):
    x = np.random.default_rng(3).normal(size=(4, 5, 6))
    expected = symdiff.value_and_grad(f)(x)
    found = symdiff.value_and_grad(f, options=quick)(x)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12)


def test_the_inner_loop_runs_along_memory():
    def f(x):
        return np.sum(np.sum(x, axis=0) ** 2)

    df = symdiff.compiled(f, target="c")
    df(np.ones((3, 4)))
    assert "+= x[i * x_m + j]" in df.source
