"""Powers whose exponent counts rounds: products in C, with the values that `pow` has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e-200, 1e200, math.inf, -math.inf, math.nan])


def polynomial(x, t):
    return np.sum(t[:, None] ** np.arange(len(x)) @ x)


def shifted(x, t):
    """Exponents 2, 3, ...; the derivative in t has one less."""
    return np.sum(t[:, None] ** (2 + np.arange(len(x))) @ x)


def in_loops(x, t):
    total = 0.0
    for i in range(len(t)):
        for j in range(1, len(x)):
            total += x[j] * t[i] ** j + t[i] ** float(j - 1)
    return total


def decaying(x, t):
    """Other functions in the loop are worth more than the powers."""
    return np.sum(np.exp(x) * 0.9 ** np.arange(len(x))) * np.sum(t)


@pytest.mark.parametrize("f", [polynomial, shifted, in_loops, decaying])
@pytest.mark.parametrize("n", [2, 7, 40])
def test_the_same_as_python(f: Any, n: int, quick: symdiff.Options):
    rng = np.random.default_rng(n)
    args = rng.normal(size=n), rng.uniform(-1.2, 1.2, size=5)
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    found = symdiff.value_and_grad(f, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [polynomial, shifted])
def test_special_values(f: Any, quick: symdiff.Options):
    x = np.array([0.5, 1.5, -1.0, 2.0])
    python = symdiff.value_and_grad(f, wrt="x")
    compiled = symdiff.value_and_grad(f, wrt="x", options=quick)
    for t in SPECIAL:
        args = x, np.array([t, 1.5])
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(flat(compiled(*args)), flat(python(*args)), rtol=1e-14)


def test_there_is_no_power_in_the_source():
    df = symdiff.value_and_grad(polynomial, wrt="x", target="c")
    df(np.ones(3), np.ones(4))
    assert "pow(" not in df.source
