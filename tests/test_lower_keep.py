"""What loops of C compute at some cost is computed once, where it is the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat


def softmax(x, y):
    total = 0.0
    for i in range(len(x)):
        total += math.exp(x[i])
    return math.log(total) * y[0]


def changed_between(x, y):
    """The same formula, of values that a loop between has written."""
    a, total = x.copy(), 0.0
    for i in range(len(a)):
        total += np.exp(a[i])
    for i in range(len(a)):
        a[i] = a[i] * y[i]
    for i in range(len(a)):
        total += np.exp(a[i]) * total
    return total


def other_rounds(x, y):
    total = 0.0
    for i in range(len(x)):
        total += np.sin(x[i]) * y[i]
    for i in range(1, len(x)):
        total *= np.sin(x[i])
    return total


def of_a_scale(x, y):
    """The number that stands in the formula is another one in the second loop."""
    scale, total = y[0], 0.0
    for i in range(len(x)):
        total += np.exp(x[i] * scale)
    scale = total
    for i in range(len(x)):
        total += np.exp(-x[i] * x[i] * scale)
    return total


def checked(x, y):
    total = 0.0
    for i in range(len(x)):
        total += math.log(x[i]) * y[i]
    for i in range(len(x)):
        total += math.log(x[i]) * math.exp(y[i])
    return total


@pytest.mark.parametrize("f", [softmax, changed_between, other_rounds, of_a_scale, checked])
@pytest.mark.parametrize("n", [2, 3, 20])
def test_the_same_as_python(f: Any, n: int, quick: symdiff.Options):
    rng = np.random.default_rng(n)
    args = rng.uniform(0.2, 1.0, size=n), rng.uniform(-1.0, 1.0, size=n)
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    found = symdiff.value_and_grad(f, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-11)


def test_it_is_computed_once():
    df = symdiff.value_and_grad(softmax, target="c")
    df(np.ones(3), np.ones(3))
    assert df.source.count("= exp(") == 1


def test_what_raises_raises(quick: symdiff.Options):
    df = symdiff.value_and_grad(checked, wrt="*", options=quick)
    with pytest.raises(ValueError, match="math domain error"):
        df(np.array([1.0, -1.0]), np.ones(2))
    with pytest.raises(OverflowError):
        df(np.ones(2), np.array([1.0, 1000.0]))
    with pytest.raises(OverflowError):
        symdiff.value_and_grad(softmax, options=quick)(np.array([1.0, 1000.0]), np.ones(2))
