"""Arrays that a round keeps as they are while the next ones write on: `best = a.copy()`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def last(x, v):
    kept, a, s = np.ones(3), np.zeros(3), 0.0
    for e in v:
        a[0] = e * x
        s += a[0] * kept[0]
        kept = a.copy()
    return np.sum(kept * kept) + s


def smallest(x, v):
    best, a = np.ones(3), np.zeros(3)
    for e in v:
        a[0] = e * x
        if a[0] < best[0]:
            best = a.copy()
    return np.sum(best * best)


def one_of_two(x, v):
    low, high, a, s = np.ones(3), np.ones(3), np.zeros(3), 0.0
    for e in v:
        a[0] = e * x
        if e < 0.5:
            low = a.copy()
        else:
            high = a.copy()
        s += low[0] * high[0]
    return np.sum(low * low) + s + high[0]


def of_an_inner_loop(x, v):
    best, a, s = np.ones(3), np.zeros(3), 0.0
    for e in v:
        for f in v:
            a[0] = e * x * f
            a[1] += e
            if e * f < 0.5:
                best = a.copy()
        s += best[0] * e
    return np.sum(best * best) + s


def in_a_while(x, v):
    old, new = v.copy(), v.copy()
    while np.sum(old) < 50.0:
        for i in range(1, len(v)):
            new[i] = old[i - 1] * x + old[i]
        if new[0] > 0.0:
            old = new.copy()
        else:
            old = 2.0 * new
    return np.sum(old)


def back_to_the_start(x, v):
    a, best = np.zeros(3), np.ones(3)
    a[1] = x
    for e in v:
        if e > 0:
            best[0] += e * x
        else:
            best = a.copy()
    return np.sum(best * best) + a[0]


def two_copies_of_one(x, v):
    best, prev, s = np.ones(3), np.ones(3), 0.0
    for e in v:
        best[0] += e * x
        s += best[0] * prev[0]
        c = np.zeros(3)
        c[0] = e * s * x
        best = c.copy()
        prev = c.copy()
    return np.sum(best * best) + s + prev[0]


def two_copies_in_a_branch(x, v):
    best, prev, s = v.copy(), v.copy(), 0.0
    for e in v:
        prev[0] += e * x
        best[0] -= x * x
        s += best[0] * prev[0]
        c = v * s
        if s > 0.3:
            best = c.copy()
        else:
            prev = c.copy()
            best = c.copy()
    return np.sum(best * best) + s + prev[0]


def written_as_a_whole(x, v):
    y, z = v.copy(), v.copy()
    for _e in v:
        for i in range(len(v)):
            y[i] = x * z[i] + y[i - 1]
        z[:] = y
    return np.sum(y * z)


def what_an_inner_loop_goes_on_in(x, v):
    b, k = np.zeros(3), 0
    while x > 0.2 and k < 3:
        k += 1
        np.tanh(b, out=b)
        for _e in v:
            b[1:] += x
    return np.sum(b)


def what_the_next_round_goes_on_in(x, v):
    b = x * np.ones(4)
    for _e in v:
        b[:-1] -= v[1:]
        np.tanh(b, out=b)
    return np.sum(b)


V = np.array([0.4, 0.9, -0.6, 0.7])


@pytest.mark.parametrize(
    "f",
    [last, smallest, one_of_two, of_an_inner_loop, in_a_while, back_to_the_start,
     two_copies_of_one, two_copies_in_a_branch, written_as_a_whole,
     what_an_inner_loop_goes_on_in, what_the_next_round_goes_on_in],
)  # fmt: skip
def test_program(f: Any):
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, ((0.7, V),)))
    assert not verdict.failures


def test_copies_only_where_they_are_kept():
    derivative = symdiff.value_and_grad(smallest)
    derivative(0.7, V)
    source = derivative.source
    assert source.count(".copy()") == 1
    assert "            best = a.copy()" in source  # in the branch
