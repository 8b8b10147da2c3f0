"""Loops of C whose rounds write into places of their own, or only add: fused, and SIMD."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat

RNG = np.random.default_rng(5)


def stencil(u, k, steps):
    u = u.copy()
    for _ in range(steps):
        u[1:-1, 1:-1] += k * (u[:-2, 1:-1] + u[2:, 1:-1] - u[1:-1, :-2] + 3.0 * u[1:-1, 2:])
    return np.sum(u**2)


def shifted(x, y):
    z = np.zeros(len(x) + 3)
    for i in range(len(x)):
        z[i + 2] = x[i] * y[i]
        z[i + 2] += z[i + 2] * x[i]
    return np.sum(z**2)


def backwards(x, y):
    z = np.zeros(len(x))
    for i in range(len(x) - 1, -1, -1):
        z[i] = x[i] * y[i]
    return np.sum(z * x)


def running(x, y):
    """Each round reads what the one before wrote: the order matters."""
    z = x.copy()
    for i in range(1, len(x)):
        z[i] += z[i - 1] * y[i]
    return np.sum(z**2)


def by_both(x, y):
    """The index of one loop and a number of the round: places may be the same."""
    z = np.zeros(3 * len(x))
    for i in range(len(x)):
        for j in range(i):
            z[i + j] += x[i] * y[j]
    return np.sum(z**2)


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (stencil, (RNG.normal(size=(7, 9)), 0.1, 3)),
    *((f, (RNG.normal(size=11), RNG.normal(size=11))) for f in (shifted, backwards, by_both)),
    (running, (RNG.normal(size=11), RNG.normal(size=11))),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    found = symdiff.value_and_grad(f, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12, atol=1e-14)


def innermost(source: str) -> list[str]:
    """The lines before the loops that have none inside."""
    lines = [line.rstrip() for line in source.splitlines()]
    found: list[str] = []
    for k, line in enumerate(lines):
        if line.strip().startswith("for ("):
            end = lines.index(line[: len(line) - len(line.lstrip())] + "}", k)
            if not any("for (" in x for x in lines[k + 1 : end]):
                found.append(lines[k - 1].strip())
    return found


def test_writes_at_an_offset_are_simd():
    df = symdiff.value_and_grad(stencil, wrt="*", target="c")
    df(RNG.normal(size=(7, 9)), 0.1, 3)
    loops = innermost(df.source)
    assert len(loops) >= 6 and all(x.startswith("#pragma omp simd") for x in loops)


def differences(x, y):
    total = 0.0
    for i in range(len(x) - 2):
        d = x[i + 2] - 2.0 * x[i + 1] + x[i]
        total += y[i] * d * d
    return total


def counted(x, y):
    """The places come from numbers: which rounds share one is not known."""
    z = np.zeros(4)
    for i in range(len(x)):
        z[int(3.0 * abs(math.sin(y[i])))] += x[i] * x[i]
    return np.sum(z**2)


def outer_sums(x, y):
    rows, columns = np.zeros(len(x)), np.zeros(len(y))
    for i in range(len(x)):
        for j in range(i):
            d = math.exp(x[i] - x[j])
            rows[i] += d * y[j]
            rows[j] -= d * y[i]
            columns[j] += d
    return np.sum(rows**2) + np.sum(columns**2)


def few_rounds(x, y):
    """Without rounds there is no such element: nothing may be added to it."""
    z = np.zeros(2)
    for i in range(len(x)):
        for j in range(i - len(x) + 1):
            z[i - len(x) + 1] += x[i] * y[j]
    return np.sum(z**2)


@pytest.mark.parametrize("f", [differences, counted, outer_sums])
@pytest.mark.parametrize("n", [2, 3, 9, 300])
def test_sums_in_memory(f: Any, n: int, quick: symdiff.Options):
    """More rounds than a block has, and fewer."""
    args = RNG.normal(size=n), RNG.normal(size=n)
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    found = symdiff.value_and_grad(f, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [2, 9])
def test_nothing_is_added_where_there_is_no_round(n: int, quick: symdiff.Options):
    args = RNG.normal(size=n), RNG.normal(size=n)
    seeds = RNG.normal(size=n), RNG.normal(size=n)
    expected = symdiff.jvp(few_rounds, wrt="*")(*args, seeds)
    found = symdiff.jvp(few_rounds, wrt="*", options=quick)(*args, seeds)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12)
    for options in (symdiff.Options(), quick):
        found = symdiff.value_and_grad(few_rounds, wrt="*", options=options)(*args)
        np.testing.assert_allclose(flat(found), flat(expected)[0] * np.eye(1 + 2 * n)[0])


@pytest.mark.parametrize("f", [differences, outer_sums])
def test_sums_in_memory_are_simd(f: Any):
    df = symdiff.value_and_grad(f, wrt="*", target="c")
    df(RNG.normal(size=9), RNG.normal(size=9))
    assert all(x.startswith("#pragma omp simd") for x in innermost(df.source))


def plate(u, k):
    u, flow = u.copy(), np.zeros(u.shape)
    for _ in range(2):
        for i in range(1, u.shape[0] - 1):
            for j in range(2, u.shape[1] - 1):
                flow[i, j] = k * (u[i - 1, j] + u[i, j - 2] * u[i, j + 1] - 4.0 * u[i, j])
        for i in range(1, u.shape[0] - 1):
            for j in range(2, u.shape[1] - 1):
                u[i, j] += flow[i, j]
    total = 0.0
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            total += u[i, j] ** 2
    return total


@pytest.mark.parametrize("columns", [4, 5, 130, 131, 132, 300])
def test_a_stencil_in_loops(columns: int, quick: symdiff.Options):
    args = RNG.normal(size=(4, columns)), 0.1
    expected = symdiff.value_and_grad(plate, wrt="*")(*args)
    found = symdiff.value_and_grad(plate, wrt="*", options=quick)(*args)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-11, atol=1e-13)


def test_a_stencil_in_loops_is_simd():
    df = symdiff.value_and_grad(plate, wrt="*", target="c")
    df(RNG.normal(size=(4, 6)), 0.1)
    assert all(x.startswith("#pragma omp simd") for x in innermost(df.source))
    assert not re.search(r"d_k_\d = d_k_\d;", df.source)  # nested loops have one sum


def not_finite(x, y):
    """What one round adds must not spread to the places of others."""
    total = 0.0
    for i in range(len(x) - 2):
        total += y[i] * (2.0 * x[i] - x[i + 2])
    return total


def test_what_is_not_finite_stays_in_its_place(quick: symdiff.Options):
    x, y = np.ones(200), np.ones(200)
    y[[0, 127, 128, 140]] = math.inf, math.nan, -math.inf, math.inf
    with np.errstate(all="ignore"):
        expected = symdiff.grad(not_finite)(x, y)
        found = symdiff.grad(not_finite, options=quick)(x, y)
    np.testing.assert_array_equal(found, expected)
