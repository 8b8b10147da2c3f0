"""Loops in branches: what may raise is computed only where the function computes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symdiff

PLAIN = symdiff.Options(optimize=False)


def two_branches(x, y, n: int):
    s = 0.0
    if y != 0.0:
        for _ in range(n):
            s += x / y
    if y < 1.0:
        for i in range(n):
            s += x * x * i
    return s


def either_side(x, v, at: int):
    s = 0.0
    if at < len(v):
        for u in v:
            s += x * u * v[at]
    else:
        for u in v:
            s += x * x * u
    return s


def inside_of_a_loop(x, v, n: int):
    s = x
    for k in range(n):
        if k < len(v):
            for u in v:
                s = math.sin(s * u * v[k])
        if k > 0:
            for u in v:
                s = math.cos(s + u / k)
    return s


def steps(x, v, n: int):
    # What the last step leaves is read only where none has returned before.
    s, y = x, 1.0
    for _ in range(n):
        x += x
        y = s / (1.0 + x * x) - s
        for u in v:
            y *= math.sin(u) + 0.3
            x, s = s, 0.8 * x
        if -1.0 < x < s:
            return 0.1 * x
    return x + y


V = np.array([0.5, -0.3, 0.8])


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (two_branches, (2.0, 0.0, 3)), (two_branches, (2.0, 0.5, 3)), (two_branches, (2.0, 3.0, 3)),
        (either_side, (1.5, V, 1)), (either_side, (1.5, V, 5)),
        (inside_of_a_loop, (0.4, V, 5)), (inside_of_a_loop, (0.4, V, 1)),
        (steps, (1.1, V, 3)), (steps, (-0.4, V, 3)),
    ],
)  # fmt: skip
def test_a_round_runs_only_where_it_did(function, args) -> None:
    wrt = tuple(
        name for name, a in zip(function.__code__.co_varnames, args, strict=False)
        if not isinstance(a, int)
    )  # fmt: skip
    for wanted in (wrt[:1], wrt):
        assert symdiff.value_and_grad(function, wrt=wanted).check(*args)
        gradients = [symdiff.grad(function, wrt=wanted, options=o)(*args)
                     for o in (PLAIN, symdiff.Options())]  # fmt: skip
        for a, b in zip(*gradients, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    v = tuple(np.ones_like(args[i]) if i else 1.0 for i in range(len(wrt)))
    v = tuple(float(d) if not np.ndim(d) else d for d in v)
    found = [symdiff.hvp(function, wrt=wrt, options=o)(*args, v)
             for o in (PLAIN, symdiff.Options())]  # fmt: skip
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def hinge(x, w):
    s = 0.0
    for u in w:
        s = math.sin(s + u * x)
    if s > 0.5:
        return s * s
    return 0.0


def test_what_a_branch_needs_is_recorded_by_the_loop_before_it() -> None:
    derivative = symdiff.value_and_grad(hinge)
    for x in (1.0, 0.3):
        assert derivative.check(x, V)
    assert derivative.source.count("for i in range") == 2  # forwards and backwards


def logarithms(x, w, margin):
    s = 0.0
    for u in w:
        s += x * u
    if margin > 0.0:
        s *= margin
        for u in w:
            s += math.log(margin) * u * x
    return s


def test_a_loop_that_may_raise_stays_in_its_branch() -> None:
    derivative = symdiff.value_and_grad(logarithms, wrt=("x", "w", "margin"))
    for margin in (0.7, -0.7):
        assert derivative.check(0.5, V, margin)
