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


# What a round reads of the last one, whatever it is.


def a_pair(x, v):
    s = 0.0
    for k, e in enumerate(v):
        if k > 0:
            s += p[1] * x  # noqa: F821
        if e > -0.5:
            p = (k, x * e)
    return s


def a_list_that_is_written(x, v):
    s = 0.0
    for k, e in enumerate(v):
        if k > 0:
            p[0] = p[0] * e  # noqa: F821
            s += p[0]  # noqa: F821
        else:
            p = [x, e]
    return s


def a_dict_of_tuples(x, n):
    s, k = 0.0, 0
    while True:
        k += 1
        if k > n:
            break
        s += p["ab"][1][0] * x if k > 1 else x  # noqa: F821
        p = {"ab": (k, [x * k, s])}
    return s


def an_array(x, n):
    s = x
    for i in range(n):
        if i > 0 and p[0] > 0.0:  # noqa: F821
            s += p.sum() + p[0] * len(p)  # noqa: F821
        p = np.array([x, s]) * i
    return s


def one_after_the_other(x, n):
    s = x
    for i in range(n):
        if i > 1:
            s += p[1] + q[0]  # noqa: F821
        elif i > 0:
            q = (p[1], p[0])  # noqa: F821
            p = (q[0] * 2.0, q[1])
        else:
            p = (x, x * x)
    return s


def through_loops_and_helpers(x, n):
    def both():
        return p[0] * p[1]

    s = x
    for i in range(n):
        for j in range(n):
            if i > 0 and j == 0:
                s += 0.1 * both()
            elif i > 0:
                p = (p[1], x * j)  # noqa: F821
        if i == 0:
            p = (s, x)
    return s


def an_argument_that_it_is(x, v):
    a = v * x
    s = 0.0
    for i in range(len(v)):
        if i > 0:
            s += np.sum(p[0])  # noqa: F821
        p = (a, x)
        a[i] += x
    return s


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
    (a_pair, (0.7, V)),
    (a_pair, (0.7, V[2:])),
    (a_list_that_is_written, (0.7, V)),
    (a_dict_of_tuples, (0.7, 3)),
    (an_array, (0.7, 4)),
    (one_after_the_other, (0.7, 4)),
    (one_after_the_other, (0.7, 1)),
    (through_loops_and_helpers, (0.7, 4)),
    (an_argument_that_it_is, (0.7, V)),
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


# The array that a branch gives a name is the same array.


def seen_through_a_name(x, n):
    a = np.ones(3) * x
    if n > 1:
        p = (a, n)
    a[0] = x * x
    return p[0][0] * x if n > 1 else x


def written_through_a_name(x, n):
    a = np.ones(3) * x
    if n > 1:
        p = a
        p[1] = x * x
    a[0] *= x
    if n > 1:
        p[2] = a[0]
    return np.sum(a) * x


@pytest.mark.parametrize("f", [seen_through_a_name, written_through_a_name])
@pytest.mark.parametrize("n", [0, 3])
def test_an_array_that_may_have_another_name(f, n):
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, ((0.7, n),)))
    assert not verdict.failures


def kept_from_the_first_round(x, n):
    a = np.ones(3) * x
    s = 0.0
    for i in range(n):
        if i == 0:
            p = a
        a[i] += x
        s += p[i]
    return s


def test_an_array_that_may_be_that_of_an_earlier_round():
    with pytest.raises(symdiff.SymdiffError, match="may be the same array"):
        symdiff.grad(kept_from_the_first_round)(0.7, 3)
