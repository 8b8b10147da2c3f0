"""Names that a branch or a round may leave unassigned: read where they are, refused where not."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def inner_loop_only(x, n, m):
    for i in range(n):
        for j in range(m):
            t = x * j + i
    return t * x


def last_of_a_while(x, n, m):
    for _i in range(n):
        k = 0
        while k < m:
            k += 1
            last = math.sin(x * k)
    return last + x


def since_the_last_round(x, v):
    s = 0.0
    for k, e in enumerate(v):
        if k > 0:
            s += (e - prev) * x * prev  # noqa: F821
        prev = e * x
    return s


def first_flag(x, v):
    first, s = True, 0.0
    for e in v:
        if first:
            prev = e
            first = False
        s += (e - prev) * x
        prev = e * x
    return s


def found_where(x, v):
    found = False
    for i, e in enumerate(v):
        if e > x:
            found = True
            where = i
            break
    return x * where if found else x


def only_some_rounds(x, v):
    total = 0.0
    for e in v:
        if e > 0.5:
            big = e * x
        elif e < 0.0:
            total += x
    return big * total


def pair_in_a_branch(x, y):
    if x > 0.5:
        p = (x * y, y)
    z = y
    if x > 0.4:
        z = p[0] * p[1]
    return z


def never_where_it_is_read(x, n):
    for _i in range(1):
        if n % 2 == 1:
            z = x * x
            return z
        if x > 2.0:
            x = x * z  # noqa: F821
    return x * 3.0


V = np.array([0.4, 0.9, -0.6, 0.7])

CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (inner_loop_only, (0.7, 2, 3)),
    (inner_loop_only, (0.7, 2, 0)),
    (inner_loop_only, (0.7, 0, 2)),
    (last_of_a_while, (0.7, 2, 3)),
    (last_of_a_while, (0.7, 2, 0)),
    (since_the_last_round, (0.7, V)),
    (first_flag, (0.7, V)),
    (found_where, (0.7, V)),
    (found_where, (1.7, V)),
    (only_some_rounds, (0.7, V)),
    (only_some_rounds, (0.7, V[2:3])),
    (never_where_it_is_read, (0.7, 3)),
    (never_where_it_is_read, (0.7, 2)),
    (never_where_it_is_read, (2.7, 2)),
    (pair_in_a_branch, (0.7, 0.3)),
    (pair_in_a_branch, (0.3, 0.3)),
    (pair_in_a_branch, (0.45, 0.3)),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_program(f, args):
    """As the function: a value where there is one, UnboundLocalError where there is none."""
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, (args,)))
    assert not verdict.failures
    assert verdict.unreliable == 0


def test_nothing_is_asked_where_it_is_certain():
    def f(x):
        if x > 0.5:
            y = x * x
        return y * 2.0 if x > 0.5 else x

    derivative = symdiff.grad(f)
    assert derivative(0.7) == pytest.approx(2.8)
    assert derivative(0.3) == 1.0
    assert "raise" not in derivative.source
