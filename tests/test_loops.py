"""Loops on run-time values: both modes, orders 1 and 2, against finite differences."""

from __future__ import annotations

import ast
import inspect
import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def with_break(x, n):
    s = 0.0
    for _i in range(n):
        x = x * 1.5 * (1.0 - x)
        if x < 0.01:
            break
        s += x
    return s


def with_continue(x):
    s = 0
    for v in x:
        if v < 0:
            continue
        s += v * v
    return s


def endless(x):
    k = 0
    while True:
        y = x - (x * x - 2) / (2 * x)
        if abs(y - x) < 1e-9:
            return y
        x = y
        k += 1
        if k > 50:
            return 0.0


def fibonacci(a, b, n):
    for _ in range(n):
        a, b = b, a + b
    return a


def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = x - (x * x - a) / (2.0 * x)
    return x


def nested(x, n):
    s = 0.0
    for i in range(n):
        t = x / (i + 1)
        for j in range(i):
            s += t * j
            t = t * s
    return s + t


def logistic(x, r, n):
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


def energy(x):
    e = 0.0
    for i in range(len(x) - 1):
        d = x[i + 1] - x[i]
        e += d * d
    return e


def recurrence(x):
    s = 0.0
    t = 0.0
    for v in x:
        s = math.tanh(s + v)
        t += s * s
    return t


def products(a, b):
    t = 0.0
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            t += s * s
    return t


def runge_kutta(k, n, h):
    y = 1.0
    v = 0.0
    for _ in range(n):
        k1y, k1v = v, -k * y
        k2y, k2v = v + 0.5 * h * k1v, -k * (y + 0.5 * h * k1y)
        y += h * k2y
        v += h * k2v
    return y


def all_ways_out(x, n):
    s = 0.0
    for i in range(n):
        if i % 2 == 0:
            if x > 0.5:
                s += math.sin(x * i)
            else:
                s -= x
        elif s > 10:
            break
        else:
            x = x * 1.1
            continue
        s *= x
    else:
        s += 1
    return s


def early_return(xs):
    acc = 1.0
    for v in xs:
        acc *= v
        if acc > 5:
            return acc * v
    return acc


def rows(a):
    t = 0.0
    for row in a:
        u = np.sin(row)
        t += np.sum(u * u) * row[0]
    return t


def vectors(x, n):
    for _ in range(n):
        x = np.tanh(x) * 1.5
    return np.sum(x)


def halving(x):
    n = 0
    while x > 1.0:
        x = x * 0.5 + 0.1
        n += 1
    return x * n


def iterators(x):
    s = 0.0
    for a, b in zip(x[1:], x[:-1]):  # noqa: B905
        s += a * b * b
    for i, v in enumerate(x):
        s += i * v**3
    for v in reversed(x):
        s = s * 0.9 + v
    return s


def strides(x, n):
    s = 0.0
    for i in range(n, 0, -2):
        s = s * x + i
    for i in range(1, n, 3):
        s = math.sin(s) * x
    return s


def thousand(x):
    for _ in range(1000):
        x = x - 0.01 * (x - 2)
    return x


def twice(x, n):
    s = x
    for _ in range(n):
        s = s * s
    for _ in range(n):
        s = math.sin(s)
    return s


def last_values(x, n):
    for i in range(n):
        y = x * i
    return y * i


def inner_start(x, a, n, m):
    t = 0.0
    for i in range(n):
        z = a  # each round starts from it again
        for _ in range(m):
            z = math.sin(z) * x + i
        t += z * i
    return t


def start_that_may_raise(x, data):
    noise = math.exp(x)
    s = noise + 1.0
    t = 0.0
    for k in range(1, len(data)):
        t += s * data[k]
        s = s * noise / (s + noise)
    return t


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (with_break, (0.7, 5)), (with_break, (0.7, 0)), (with_break, (0.02, 9)),
    (with_continue, (np.array([1.0, -2.0, 3.0]),)), (endless, (1.3,)),
    (fibonacci, (1.0, 2.0, 6)), (newton, (2.0,)), (nested, (0.3, 4)), (logistic, (0.3, 3.2, 7)),
    (energy, (np.array([1.0, 3.0, 2.0, 5.0]),)), (recurrence, (np.array([0.1, 0.3, -0.2, 0.5]),)),
    (products, (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2) / 3)),
    (runge_kutta, (2.0, 10, 0.05)), (all_ways_out, (0.7, 6)), (all_ways_out, (0.3, 5)),
    (all_ways_out, (4.0, 9)), (early_return, (np.array([1.5, 2.0, 3.0, 4.0]),)),
    (early_return, (np.array([1.5, 2.0]),)), (rows, (np.arange(6.0).reshape(2, 3) / 5,)),
    (vectors, (np.array([0.1, 0.4]), 5)), (halving, (7.3,)), (halving, (0.5,)),
    (iterators, (np.array([1.0, 2.0, 0.5]),)), (strides, (0.6, 7)), (thousand, (0.5,)),
    (inner_start, (0.7, 0.3, 4, 3)), (start_that_may_raise, (0.3, np.array([1.0, 2.0, 0.5, 3.0]))),
    (twice, (0.6, 3)), (last_values, (1.5, 4)),
]  # fmt: skip


def slope(f, x, h):
    """The derivative of `f` at `x` by central differences of order four, entry by entry."""

    def at(place, step):
        moved = np.array(x, dtype=float)
        moved[place] += step
        return f(moved if moved.ndim else float(moved))

    found = [
        (at(p, -2 * h) - 8 * at(p, -h) + 8 * at(p, h) - at(p, 2 * h)) / (12 * h)
        for p in np.ndindex(np.shape(x))
    ]
    return np.array(found)


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_derivatives(f, args):
    x, *rest = args
    value, gradient = symdiff.value_and_grad(f)(x, *rest)
    assert np.allclose(value, f(x, *rest), rtol=1e-12)
    numeric = slope(lambda y: f(y, *rest), x, 1e-5).reshape(np.shape(x))
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)
    direction = np.cos(np.arange(np.size(x)) + 1.0).reshape(np.shape(x))
    direction = direction if direction.ndim else float(direction)
    _, tangent = symdiff.jvp(f)(x, *rest, direction)
    np.testing.assert_allclose(tangent, np.sum(numeric * direction), rtol=1e-6, atol=1e-7)
    unoptimised = symdiff.grad(f, options=symdiff.Options(optimize=False))(x, *rest)
    np.testing.assert_allclose(unoptimised, gradient, rtol=1e-11, atol=1e-13)
    # Second order, forward over reverse: along `direction`.
    product = symdiff.hvp(f)(x, *rest, direction)
    h = 1e-4
    plain = symdiff.grad(f)
    second = (plain(x + h * direction, *rest) - plain(x - h * direction, *rest)) / (2 * h)
    np.testing.assert_allclose(product, second, rtol=1e-4, atol=1e-5)
    if np.ndim(x) == 0:  # reverse over reverse
        again = symdiff.grad(symdiff.grad(f))(x, *rest)
        np.testing.assert_allclose(again * direction, product, rtol=1e-9, atol=1e-12)


def test_what_a_reverse_sweep_reads_is_recorded_once():
    """And not in each of its rounds, even where what it starts from may raise."""
    derivative = symdiff.grad(start_that_may_raise)
    derivative(0.3, np.ones(3))
    loops = [n for n in ast.walk(ast.parse(derivative.source)) if isinstance(n, ast.For)]
    assert len(loops) == 2
    assert not any(
        isinstance(n, ast.For) for loop in loops for n in ast.walk(loop) if n is not loop
    )


def test_a_name_that_a_loop_without_rounds_never_sets():
    with pytest.raises(UnboundLocalError, match="'y'"):
        symdiff.grad(last_values)(1.5, 0)


def growing(x, n):
    rows = []
    for i in range(n):
        rows.append(x * i)
    return sum(rows)


def growing_from_its_last(x):
    rows = [0.0]
    for v in x:
        rows.append(rows[-1] * 0.5 + v)
    return np.sum(np.array(rows) ** 2)


def growing_sometimes(x):
    rows = []
    for v in x:
        if v > 0:
            rows.append(v * v)
    return sum(rows)


def filtered(x):
    return sum([v * v for v in x if v > 0])


def generated(x):
    return sum(v * v * i for i, v in enumerate(x))


def array_of_a_comprehension(x, n):
    return np.array([x * i for i in range(n)]).sum()


def read_again(x, n):
    rows = [x]
    for i in range(n):
        rows.append(rows[i] * 1.1)
    total = 0.0
    for i in range(len(rows)):
        total += rows[i] * i
    for v in rows:
        total += v * v
    return total * len(rows)


GROWING: list[tuple[Any, tuple[Any, ...]]] = [
    (growing, (1.5, 4)), (growing_from_its_last, (np.array([1.0, 2.0, 3.0]),)),
    (growing_sometimes, (np.array([1.0, -2.0, 3.0]),)), (filtered, (np.array([1.0, -2.0, 3.0]),)),
    (generated, (np.array([1.0, -2.0, 3.0]),)), (array_of_a_comprehension, (1.5, 4)),
    (read_again, (1.5, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), GROWING, ids=lambda value: getattr(value, "__name__", ""))
def test_lists_that_grow(f, args):
    test_derivatives(f, args)


def test_arrays_in_a_list_that_nothing_counts():
    def f(x):
        rows = []
        while x > 1.0:
            rows.append(np.array([x, 1.0]))
            x = x * 0.5
        return np.sum(np.array(rows))

    with pytest.raises(symdiff.SymdiffError, match="nothing tells how long it becomes"):
        symdiff.grad(f)(9.0)


def until_small(x, tol):
    ts = []
    while x > tol:
        ts.append(x)
        x = x * 0.7
    return np.sum(np.array(ts) ** 2)


def triangle(x, n, m):
    xs = []
    for i in range(n):
        for j in range(m + i):
            xs.append(x * i + j * x * x)
    s = 0.0
    for k in range(len(xs)):
        s += xs[k] * k
    return s


def fibonacci(x, n):
    fib = [x, 1.0]
    while len(fib) < n:
        fib.append(fib[-1] + fib[-2] * x)
    return fib[-1]


def pairs_kept(x, v):
    keep = []
    for e in v:
        for f in v:
            if e < f:
                keep.append(e * f * x)
    return sum(keep) ** 2 + len(keep) * x


def read_while_it_grows(x, n):
    stack, total, k = [x], 0.0, 0
    while k < n:
        k += 1
        stack.append(math.sin(stack[k - 1]) * x)
        total += stack[-1]
    for v in stack:
        total += v * v
    return total


def largest_until(x, v):
    history = []
    for e in v:
        x = x * e
        history.append(x * x)
        if x < 0.1:
            break
    return max(history) + np.sum(np.sqrt(np.array(history)))


UNCOUNTED: list[tuple[Any, tuple[Any, ...]]] = [
    (until_small, (1.5, 0.1)), (until_small, (1.5, 2.0)), (triangle, (0.5, 3, 2)),
    (triangle, (0.5, 0, 2)), (fibonacci, (0.5, 6)), (fibonacci, (0.5, 1)),
    (pairs_kept, (0.5, np.array([1.0, 2.0, 3.0, 5.0, 6.0]))), (read_while_it_grows, (0.5, 4)),
    (read_while_it_grows, (0.5, 0)), (largest_until, (0.5, np.array([1.1, 1.3, 0.1, 3.0]))),
    (largest_until, (0.5, np.array([1.1, 1.3, 1.1, 3.0]))),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), UNCOUNTED, ids=lambda value: getattr(value, "__name__", ""))
def test_lists_that_nothing_counts(f, args):
    """Lists that grow in a `while`, and in a loop inside of a loop."""
    verdict = judge(Program(0, HELPERS + inspect.getsource(f), f.__name__, (args,)))
    assert not verdict.failures
    assert verdict.unreliable == 0


def test_any_and_all_over_arrays_end_early():
    def f(x):
        s = np.sum(x * x)
        a = any(v > 1.0 for v in x if v != 0.7)
        b = all(u * v < 3.0 for u in x for v in x if v > 0)
        c = any(1.0 / v < 0.0 or 1.0 / u > 3.0 for u in x for v in x)  # not of a later 0.0
        return (s if a else 2 * s) * (x[0] if b else x[1]) + (1.0 if c else x[2])

    for x in ([0.5, 1.5, -0.7], [0.2, 5.0, 0.1], [3.0, 1.0, 2.0], [-3.0, 1.0, 0.0]):
        symdiff.grad(f).check(np.array(x))


def test_sort_in_place():
    def f(x):
        y = x.copy()
        z = y[1:]
        z.sort()
        return y[0] * y[1] + 3 * y[2] ** 2

    symdiff.grad(f).check(np.array([0.5, 1.5, -0.7]))
