"""Names that are None on one path and a number on another: `best = None`, then a search."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def smallest(x, v):
    best = None
    for e in v:
        u = (e - x) ** 2
        if best is None or u < best:
            best = u
    return best * x


def smallest2(x, v):
    best = None
    for e in v:
        u = (e - x) ** 2
        if best is None:
            best = u
        elif u < best:
            best = u
    return best * x if best is not None else x


def arg(x, v):
    best = None
    where = None
    for i, e in enumerate(v):
        u = (e - x) ** 2
        if best is None or u < best:
            best, where = u, i
    if where is None:
        return x
    return best * x + where * x


def pair(x, v):
    best = None
    for i, e in enumerate(v):
        u = (e - x) ** 2
        if best is None or u < best[0]:
            best = (u, i)
    return best[0] * x + best[1]


def branch(x, y):
    a = None
    if x > 0.5:
        a = x * y
    b = 1.0 if a is None else a * 2.0
    return b * x


def branch2(x, y):
    a = x * x
    if y > 0.3:
        a = None
    return (a or 3.0) * x + (0.0 if not a else y)


def helper(x, v):
    def find(t):
        for e in v:
            if e > t:
                return e * x
        return None

    a = find(0.5)
    b = find(5.0)
    if a is None:
        a = 1.0
    return a if b is None else b


def implicit(x, v):
    def find(t):
        for e in v:
            if e > t:
                return e * x

    a = find(x)
    return x if a is None else a


def unguarded(x, v):
    best = None
    for e in v:
        if e > x:
            best = e * x
    return best + x


def returned(x, v):
    for e in v:
        if e > x:
            return e * x * x


def prev(x, v):
    last = None
    s = 0.0
    for e in v:
        if last is not None:
            s += (e - last) * x * last
        last = e * x
    return s


def whiled(x, n):
    old = None
    k = 0
    while old is None or abs(x - old) > 1e-3:
        old = x
        x = 0.5 * (x + 2.0 / x)
        k += 1
        if k > n:
            break
    return x + old


def gonenone(x, v):
    a = x
    s = 0.0
    for e in v:
        if a is None:
            a = e * x
        else:
            s += a * e
            a = None
    return s if a is None else s * a


def attr(x, v):
    class Best:
        def __init__(self):
            self.value = None

        def see(self, u):
            if self.value is None or u > self.value:
                self.value = u

    b = Best()
    for e in v:
        b.see(e * x)
    return b.value * x


def indict(x, v):
    d = {"best": None, "n": 0}
    for e in v:
        if d["best"] is None or e * x > d["best"]:
            d["best"] = e * x
        d["n"] += 1
    return d["best"] * d["n"]


def array(x, v):
    best = None
    for e in v:
        u = v * e * x
        if best is None or np.sum(u) < np.sum(best):
            best = u
    return best[0] * np.sum(best)


def array_writes(x, v):
    best = None
    a = np.zeros(3)
    for e in v:
        a[0] = e * x
        a[1] += a[0] * e
        if best is None or a[0] < best[0]:
            best = a.copy()
    best[2] = x
    return np.sum(best * best)


def nested_loops(x, v):
    best = None
    for e in v:
        for f in v:
            if e < f:
                d = (e - f) ** 2 * x
                if best is None or d < best:
                    best = d
    return best if best is not None else 0.0 * x


def equals(x, v):
    a = None
    for e in v:
        if a == e * x or a != x:
            a = e * x
    return a * a


def deflt(x, n):
    def step(u, prev=None):
        if prev is None:
            return u * u
        return u * prev

    p = None
    for _ in range(n):
        p = step(x, p)
    return p if p is not None else x


def matched(x, v):
    a = None
    for e in v:
        if e > x:
            a = e
    match a:
        case None:
            return x * x
        case _:
            return a * x


def tuples(x, v):
    lo, hi = None, None
    for e in v:
        lo = e * x if lo is None else min(lo, e * x)
        hi = e * x if hi is None else max(hi, e * x)
    return hi - lo * lo


def cont(x, v):
    p = None
    s = x
    for e in v:
        if e < 0.0:
            p = None
            continue
        if p is None:
            p = e
            continue
        s += p * e * x
        p = e * s
    return s


V = np.array([0.4, 0.9, -0.6, 0.7])
NONE = np.zeros(0)

OVER: list[Any] = [
    smallest, smallest2, arg, pair, helper, implicit, unguarded, returned, prev, gonenone, attr,
    indict, array, array_writes, nested_loops, equals, matched, tuples, cont,
]  # fmt: skip
CASES: list[tuple[Any, tuple[Any, ...]]] = [
    *((f, (0.7, V)) for f in OVER),
    *((f, (0.7, V[:1])) for f in (smallest, nested_loops, prev, gonenone)),
    *((f, (x, V)) for x in (0.3, 0.85) for f in (unguarded, implicit, returned, matched)),
    *((f, (0.7, NONE)) for f in (smallest2, arg, prev)),
    (implicit, (1.3, V)), (matched, (1.3, V)),
    (branch, (0.7, 0.3)), (branch, (0.3, 0.3)), (branch2, (0.7, 0.1)), (branch2, (0.7, 0.4)),
    (whiled, (0.7, 30)), (whiled, (0.7, 1)), (deflt, (0.7, 3)), (deflt, (0.7, 1)), (deflt, (0.7, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_program(f: Any, args: tuple[Any, ...]):
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, (args,)))
    assert not verdict.failures


@pytest.mark.parametrize("f", [unguarded, returned])
def test_where_it_is_none(f: Any):
    """The function raises TypeError, or returns what has no derivative."""
    with pytest.raises(TypeError, match="None"):
        symdiff.grad(f)(1.3, V)


def test_nothing_returned_on_one_side():
    def f(x):
        if x > 0.0:
            return x * x
        return None

    assert symdiff.grad(f)(3.0) == 6.0
    with pytest.raises(TypeError, match="the function returns None"):
        symdiff.grad(f)(-1.0)


def test_the_code_reads_as_one_would_write_it():
    derivative = symdiff.value_and_grad(smallest)
    derivative(0.7, V)
    assert "not has_best or u < best" in derivative.source


def test_other_classes_of_values_are_refused():
    def f(x):
        g = None
        if x > 0.5:
            g = np.sin
        return x if g is None else g(x)

    with pytest.raises(symdiff.SymdiffError, match="different things"):
        symdiff.grad(f)(0.7)
