"""Rounds that end by `continue`, `break` or `return` on conditions, written out or in a loop."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import symdiff


def continues_or_returns(x, y):
    s = 1.0
    for k in (1, 2, 3):
        s += x * k
        if s < y:
            continue
        if s > 3 * y:
            s -= 1.0
            continue
        s *= x
        return s + k
    return s * x


def continues_or_breaks(x, y):
    s = 1.0
    for k in (1, 2, 3):
        s += x * k
        if s < y:
            s *= 1.1
            continue
        if x > 1.5:
            break
        if s > 2 * y:
            continue
        s *= x
        break
    else:
        s += 10 * x
    return s * x


def returns_from_a_while(x, y):
    s, k = 1.0, 0
    while k < 3:
        k += 1
        s += x * k
        if s < y:
            s *= 1.1
            continue
        return s * k
    return s * x


def breaks_from_a_while(x, y):
    s, k = 1.0, 0
    while k < 4:
        k += 1
        if x < y:
            continue
        break
    else:
        s = x
    return s * x + k


def _power(u, n):
    return 1.0 if n <= 0 else u * _power(u, n - 1) + _power(0.5 * u, n - 2)


def calls_when_it_returns(x, y):
    """Written out, each of its rounds would hold another recursion."""
    k = 0
    while True:
        if k > 2 * y:
            return _power(x, k)
        k += 1


FUNCTIONS = (
    continues_or_returns, continues_or_breaks, returns_from_a_while, breaks_from_a_while,
    calls_when_it_returns,
)  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_way_out(f: Any) -> None:
    derivative, h = symdiff.value_and_grad(f), 1e-6
    for x, y in itertools.product((0.3, 0.9, 1.2, 1.7, -0.4), (0.1, 1.0, 2.0, 5.0)):
        value, slope = derivative(x, y)
        assert value == pytest.approx(f(x, y), rel=1e-12)
        assert slope == pytest.approx((f(x + h, y) - f(x - h, y)) / (2 * h), abs=1e-6)


def rebound_while_running(x, v):
    b = v * x
    for u in b:
        b[1] = 1.1
        b = v * u
    return np.sum(b)


def rebound_inside(x, v):
    b = v * x
    for u in b:
        for _ in range(len(v)):
            b[1] = 1.1
            b = v * u
    return np.sum(b)


@pytest.mark.parametrize("f", [rebound_while_running, rebound_inside])
def test_what_a_loop_runs_over_may_be_what_it_writes(f: Any) -> None:
    """In the first round `b` is what the loop runs over, in later ones it is not."""
    with pytest.raises(symdiff.UnsupportedError, match="may be the same array as") as caught:
        symdiff.grad(f)(1.3, np.array([0.89, 0.506, 0.692]))
    assert "b[1] = 1.1" in str(caught.value)
