"""Arrays whose sizes change from round to round: slices up to the round's index, `np.zeros(k)`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def moving_mean(x, v):
    out = []
    for i in range(len(v)):
        low = max(0, i - 2)
        w = v[low : i + 1]
        out.append(np.mean(w) * x)
    return np.sum(np.array(out) ** 2)


def lengths(x, v):
    s = 0.0
    for k in range(1, len(v)):
        w = v[:k]
        s += np.mean(w) * x + len(w) * x + w.shape[0] * x
    return s


def pairs_of_bounds(x, v):
    s = 0.0
    for k in range(1, len(v)):
        for j in range(k, len(v)):
            w = v[k : j + 1]
            s += np.mean(w) * x + len(w) * x + np.var(w)
    return s


def bounds_that_are_carried(x, v):
    low = 0
    s = 0.0
    for k in range(1, len(v) + 1):
        if v[k - 1] > 0.6:
            s += np.mean(v[low:k]) * x
            low = k
    return s


def of_a_while(x, v):
    s = 0.0
    i = 0
    while i < len(v):
        s += np.sum(v[i : i + 2]) / len(v[i : i + 2]) + np.linalg.norm(v[i:])
        i += 1
    return s * x


def found_before(x, v):
    k = 0
    for i in range(len(v)):
        if v[i] > 0.2:
            k += 1
    return np.mean(v[:k]) * x + np.sum(v[k:]) + len(v[k:]) * x


def written(x, v):
    s = 0.0
    for i in range(1, len(v)):
        h = v[:i].copy()
        h *= x
        h -= h.mean()
        s += np.sum(h**2) / h.size
    return s


def made(x, n):
    s = 0.0
    for k in range(1, n):
        a = np.ones(k) * x
        b = np.zeros(k)
        b[:] = x
        b[0] += x * k
        s += np.sum(a * a) / k + np.mean(b) + np.full(k, x) @ (np.arange(k) * x)
    return s


def made_and_sliced(x, v):
    s = 0.0
    for k in range(1, len(v)):
        a = np.zeros(k) + v[:k]
        s += np.sum(a * np.ones_like(v[:k])) * x
    return s


V = np.array([0.5, 0.9, -0.1, 0.7, 0.3])
CASES: list[Any] = [
    *((f, (0.7, V)) for f in (
        moving_mean, lengths, pairs_of_bounds, bounds_that_are_carried, of_a_while, found_before,
        written, made_and_sliced,
    )),
    (made, (0.7, 5)), (lengths, (0.7, V[:1])), (moving_mean, (0.7, V[:1])),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_program(f: Any, args: tuple[Any, ...]):
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, (args,)))
    assert not verdict.failures


def test_what_nothing_tells_is_refused():
    def f(v):
        s = 0.0
        for i in range(1, len(v)):
            s += np.sum(np.linspace(0.0, v[i], i + 1))
        return s

    with pytest.raises(symdiff.SymdiffError, match="decides is asked for where nothing tells it"):
        symdiff.grad(f)(V)
