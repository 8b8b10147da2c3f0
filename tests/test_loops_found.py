"""Small programs that `tests.fuzz_loops` found: each was wrong, or did not compile, once."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def row_by_row(x, w, a):
    s = 0
    for i in range(a.shape[1]):
        for _row in a:
            s = w[i] * x
    return s


def replaced(x, v, w, a, n):
    for _i in range(n):
        for _row in a:
            v = np.where(v > 0.1, w, v)
            x = w @ w
    return x * x


def idle(x, v):
    s = x
    for _ in v:
        pass
    else:
        s *= 0.8
    return s


def twice_nested(x, y, w):
    for _i in range(len(w)):
        for _j in range(len(w)):
            y = math.sin(y) * x
    return y


def thrice_nested(x, y, w, n):
    for v in w:
        for _j in range(n):
            k = 0
            while k < n:
                k += 1
                y = math.sin(y * v) * x
    return y


def swapped_inside(x, y, n):
    s, t, k = x * y, 1.0, 0
    while k < n:
        k += 1
        for _i in range(k):
            s, t = t, s
        s = (s if s < y else t) * t
        y *= math.sin(x * s + 1.5) + 0.3
    return t + s + y


def left_from_a_branch(x, y, v, w):
    s = x * y
    if abs(y) < 3.0:
        for i, u in enumerate(v):
            w = np.where(w > u, v, w)
            s *= math.sin(w[i] + 1.0)
            if i > 1:
                return s + 2.0
    return s + x


def sums_of_what_it_runs_over(x, v, a):
    for u in v[1:]:
        for _row in a:
            x -= np.sum(v)
        x += u
    return x


def exchanged_after_a_loop(x, y, n, m):
    t = 0.5
    for _j in range(n):
        k = 0
        while k < m:
            k += 1
            if x > 5:
                break
            t = x * t
            x = x * 0.7
        else:
            y, x = (x, 0.5 * y + t)
    return t * y + x * 0.7


def two_ways_into_a_loop(x, v, w, n):
    s, y = (0.0, x)
    for _e in v[1:]:
        s *= 0.8
        v = w
        if n == 5:
            return x
    for k, _e in enumerate(w):
        y, s = (s, y)
        if not x > y - 0.3:
            return x * v[k]
    return s


def computed_in_two_branches(x, v, a, m):
    t = x
    for row in a:
        if m % 2 == 0:
            if 1.0 < x < t:
                continue
            v = row[::-1]
        v = (v * v)[::-1]
        t = x
    return t


def loops_after_loops(x, y, w, n):
    s, t = 0, 0.0
    for u in w:
        k = 0
        while k < 4 and abs(s) < 0.5:
            k += 1
            x += x
        for _ in w:
            t = 0.9
            if abs(u) < 1.0 and abs(y) < 0.5:
                return 0.3
    k = 0
    while k < n and abs(y) < 2.0:
        k += 1
        j = 0
        while abs(x) > 0.2 and j < 8:
            x *= 0.6
            j += 1
            t -= math.exp(-(y**2))
    return y * 0.7 + t * 0.7 + x * 0.7


def sines_of_rows(x):
    s = 1.0
    for v in x:
        s = math.sin(s + v)  # a Python number of a NumPy one
    return s


def rounds_of_arrays(x, n):
    y = x
    for _ in range(n):
        z = np.tanh(y + 0.5 * x)
        y = z * y
    return np.sum(y)


def breaks_or_returns(x, n):
    t = 0.5 * x
    for _i in range(1):
        if x < 2.0:
            if n == 3:
                break
            t = x * x
            break
        return x * 3.0
    return t


def behind_by_two_rounds(x, y, n):
    for _i in range(n):
        s, x = x, 0.5
        s, x = 0.9 * y, s
        y = math.exp(x)
    y = math.tanh(s)
    return y


def clipped_and_scaled(x, y, w, a):
    kept = w.copy()
    for i in range(len(w)):
        kept[kept > x] = x
        if x > y:
            kept *= np.sum(a[i])
    return np.sum(kept)


def decided_twice(x, y, v, w):
    for a, t in zip(w[1:], w):
        for _ in v[1:]:
            s = x
        if -1.0 < t < 0.3:
            a += -0.7 * a + 0.5
        if -1.0 < y < x:
            y *= math.sin(s + y * 0.5 - a)
    return y


def written_in_branches(x, n):
    y = np.ones(n)
    for i in range(n):
        s = 0.0
        for j in range(n):
            s += 0.2 * y[j] * y[j] * x
        if s > 0.3:
            y[i] = math.sin(s)
            if s > 0.6:
                y[0] = 0.5 * y[0] * x
            else:
                y[1] += s
        elif s > 0.1:
            y[i] *= s
    return np.sum(y)


def loops_in_the_memory_of_an_argument(v, w, n):
    k = 0
    while k < n:
        v[1:] = (v * 1.5)[:-1]
        k += 1
    for _x in w:
        v += w + w * 0.3
    return np.sum(w * v)


def rebinds_and_writes_an_argument(v, w, n):
    k = 0
    while k < n:
        v[0] = v[1] * v[2]
        k += 1
    for x in w:
        v *= w
        v[1] = x * v[0]
    return np.sum(w * v)


def keeps_what_stays_the_same(v, w):
    s, y = 0.0, 0.5
    kept = np.zeros_like(w)
    for a, _b in zip(kept, w, strict=True):
        kept[:] = w * kept
        for _e in v:
            a, y = v[0] - a, a
            s += y
            np.tanh(w, out=kept)
    return s * y


def differences_of_what_was_there(w, n):
    kept = w.copy()
    for _e in w[1:]:
        w[:-1] -= kept[1:]
        for _i in range(n):
            kept[:] = w - 0.7 * kept
        w[:-1] -= w[1:]
    return np.sum(kept)


V, W = np.array([0.4, -0.6, 0.9]), np.array([0.3, 0.7, -0.2])
A = np.array([[0.2, -0.5, 0.1], [0.7, 0.3, -0.4], [0.1, 0.6, 0.8]])

CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (row_by_row, (0.7, V, A)),
    (replaced, (0.7, V, W, A, 2)),
    (idle, (0.7, V)),
    (twice_nested, (0.7, 0.4, V)),
    (thrice_nested, (0.7, 0.4, V, 2)),
    (swapped_inside, (0.7, 0.4, 3)),
    (exchanged_after_a_loop, (0.7, 0.4, 3, 1)),
    (exchanged_after_a_loop, (5.5, 0.4, 2, 2)),
    (sums_of_what_it_runs_over, (0.7, V, A)),
    (breaks_or_returns, (0.7, 3)),
    (breaks_or_returns, (0.7, 4)),
    (breaks_or_returns, (2.7, 3)),
    (two_ways_into_a_loop, (-0.7, V, W, 5)),
    (two_ways_into_a_loop, (-0.7, V, W, 4)),
    (computed_in_two_branches, (1.3, V, A, 2)),
    (left_from_a_branch, (0.7, 0.4, V, W)),
    (left_from_a_branch, (0.7, 0.4, V[:2], W[:2])),
    (loops_after_loops, (0.175, 0.579, W, 2)),
    (sines_of_rows, (V,)),
    (rounds_of_arrays, (V, 4)),
    (behind_by_two_rounds, (0.4, -0.98, 2)),
    (clipped_and_scaled, (1.3, 1.2, V, A)),
    (loops_in_the_memory_of_an_argument, (V, W, 2)),
    (rebinds_and_writes_an_argument, (V, W, 2)),
    (keeps_what_stays_the_same, (V, W)),
    (differences_of_what_was_there, (W, 3)),
    (decided_twice, (-0.832, -0.956, V, np.array([-0.029, 0.379, 0.66]))),
    (written_in_branches, (0.7, 3)),
    (written_in_branches, (1.2, 4)),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_program(f, args):
    """Everything that holds for a generated program holds for these."""
    program = Program(0, HELPERS + inspect.getsource(f), f.__name__, (args,))
    verdict = judge(program)
    assert not verdict.failures
    assert verdict.unreliable == 0


@pytest.mark.parametrize(("f", "args"), [(sines_of_rows, (V,)), (rounds_of_arrays, (V, 4))])
def test_second_derivatives(f, args):
    """Rows of a Hessian, in which each row of the loop over rows starts from the same."""
    gradient = symdiff.grad(f)
    step = 1e-6
    rows = [(gradient(V + step * e, *args[1:]) - gradient(V - step * e, *args[1:])) / (2 * step)
            for e in np.eye(3)]  # fmt: skip
    for found in (symdiff.hessian(f), symdiff.jacobian(gradient, mode="reverse"),
                  symdiff.jacobian(gradient, mode="forward")):  # fmt: skip
        np.testing.assert_allclose(found(*args), rows, atol=1e-8)
