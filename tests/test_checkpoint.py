"""`symdiff.checkpoint`: the same derivatives as of the plain loop, with fewer states stored."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff import checkpoint


def recurrence(x, n: int, wrap: Any = checkpoint):
    s = 0.0
    for _ in wrap(range(n)):
        x = 3.7 * x * (1.0 - x)
        s += math.sin(x)
    return s


def plain(x, n: int):
    s = 0.0
    for _ in range(n):
        x = 3.7 * x * (1.0 - x)
        s += math.sin(x)
    return s


ROUNDS = (-3, 0, 1, 2, 3, 4, 5, 8, 9, 10, 15, 16, 17, 24, 25, 26, 50)


def test_it_is_its_iterable_outside():
    assert list(checkpoint(range(3))) == [0, 1, 2]
    assert recurrence(0.3, 5) == plain(0.3, 5)


@pytest.mark.parametrize("n", ROUNDS)
def test_numbers_of_rounds(n: int):
    for operator in (symdiff.grad, symdiff.hessian):
        assert operator(recurrence)(0.3, n) == pytest.approx(operator(plain)(0.3, n), rel=1e-12)
    assert symdiff.value_and_grad(recurrence)(0.3, n)[0] == plain(0.3, n)


@pytest.mark.parametrize("every", [-1, 0, 1, 2, 3, 7, 100])
def test_block_length(every: int):
    def known(x, n: int):
        for _ in checkpoint(range(n), every=3):
            x = math.sin(x) + 0.1
        return x

    def given(x, n: int, k: int):
        for _ in checkpoint(range(n), every=k):
            x = math.sin(x) + 0.1
        return x

    def usual(x, n: int):
        for _ in range(n):
            x = math.sin(x) + 0.1
        return x

    expected = symdiff.grad(usual)(0.4, 10)
    assert symdiff.grad(known)(0.4, 10) == pytest.approx(expected, rel=1e-14)
    assert symdiff.grad(given)(0.4, 10, every) == pytest.approx(expected, rel=1e-14)
    assert symdiff.grad(given, static="k")(0.4, 10, every) == pytest.approx(expected, rel=1e-14)


def same(f: Callable[..., Any], g: Callable[..., Any], *args: Any, second: bool = True) -> None:
    """f and g have the same value and derivatives by their first argument."""
    assert f(*args) == pytest.approx(g(*args), rel=1e-14)
    operators = [symdiff.grad, lambda h: symdiff.jacobian(h, mode="forward")]
    if second:
        operators += [symdiff.hessian, lambda h: symdiff.jacobian(symdiff.grad(h), mode="reverse")]
    for operator in operators:
        np.testing.assert_allclose(operator(f)(*args), operator(g)(*args), rtol=1e-10, atol=1e-12)


def test_break_continue_return_else():
    def loop(x, n: int, wrap):
        s = 0.0
        for i in wrap(range(n)):
            if i % 3 == 1:
                continue
            x = 1.1 * x + 0.1 * math.sin(x)
            s += x * x
            if s > 30.0:
                break
            if x > 4.5:
                return 2.0 * x + s
        else:
            s = s * s
        return s + x

    def with_blocks(x, n: int):
        return loop(x, n, checkpoint)

    def usual(x, n: int):
        return loop(x, n, lambda r: r)

    for x in (0.1, 0.5, 1.0, 2.0, 3.0, 4.4):
        for n in (0, 1, 2, 7, 16, 23):
            same(with_blocks, usual, x, n)


@pytest.mark.parametrize("start, stop, step", [(0, 20, 3), (5, 17, 1), (20, 0, -1), (19, -4, -4),
                                               (3, 3, 1), (7, 2, 2)])  # fmt: skip
def test_ranges_with_bounds_and_steps(start: int, stop: int, step: int):
    def with_blocks(x, a: int, b: int):
        for i in checkpoint(range(a, b, step)):
            x = math.sin(x) * (1.0 + 0.01 * i)
        return x

    def usual(x, a: int, b: int):
        for i in range(a, b, step):
            x = math.sin(x) * (1.0 + 0.01 * i)
        return x

    same(with_blocks, usual, 0.7, start, stop)


def test_known_ranges():
    def with_blocks(x):
        for i in checkpoint(range(20)):
            x = math.sin(x) * (1.0 + 0.01 * i)
        return x

    def usual(x):
        for i in range(20):
            x = math.sin(x) * (1.0 + 0.01 * i)
        return x

    same(with_blocks, usual, 0.7)
    assert symdiff.grad(with_blocks).source.count("for ") == 4 + 1  # and the docstring's


def test_arrays_rows_zip_enumerate():
    def with_blocks(x):
        s, t = 1.0, 0.0
        for v in checkpoint(x):
            s = math.sin(s + v)
        for i, (v, w) in checkpoint(enumerate(zip(x, x[::-1], strict=True))):
            t = math.cos(t * v + w) + 0.1 * i
        for v in checkpoint(reversed(x)):
            s = math.sin(s * v)
        return s * t

    def usual(x):
        s, t = 1.0, 0.0
        for v in x:
            s = math.sin(s + v)
        for i, (v, w) in enumerate(zip(x, x[::-1], strict=True)):
            t = math.cos(t * v + w) + 0.1 * i
        for v in reversed(x):
            s = math.sin(s * v)
        return s * t

    same(with_blocks, usual, np.linspace(0.1, 1.0, 11))


def test_arrays_that_are_carried_and_written():
    def with_blocks(x, n: int):
        y = x.copy()
        for i in checkpoint(range(n)):
            y[i % 3] = math.sin(y[(i + 1) % 3]) * y[i % 3]
            y += 0.01 * y * y
        return np.sum(y * y)

    def usual(x, n: int):
        y = x.copy()
        for i in range(n):
            y[i % 3] = math.sin(y[(i + 1) % 3]) * y[i % 3]
            y += 0.01 * y * y
        return np.sum(y * y)

    for n in (0, 1, 5, 10):
        x = np.array([0.5, 1.2, 2.0])
        same(with_blocks, usual, x, n)
        np.testing.assert_array_equal(x, [0.5, 1.2, 2.0])


def test_arrays_that_rounds_bind_anew():
    def with_blocks(x, n: int):
        y = x
        for _ in checkpoint(range(n)):
            z = np.tanh(y + 0.5 * x)
            y = z * y
        return np.sum(y)

    def usual(x, n: int):
        y = x
        for _ in range(n):
            z = np.tanh(y + 0.5 * x)
            y = z * y
        return np.sum(y)

    for n in (0, 1, 7):
        same(with_blocks, usual, np.array([0.5, 1.2]), n)


def test_lists_that_grow():
    def with_blocks(x, n: int):
        seen = []
        for _ in checkpoint(range(n)):
            x = math.sin(x) + 0.2
            seen.append(x * x)
        return sum(seen) + x

    def usual(x, n: int):
        seen = []
        for _ in range(n):
            x = math.sin(x) + 0.2
            seen.append(x * x)
        return sum(seen) + x

    for n in (0, 1, 10):
        same(with_blocks, usual, 0.4, n)


def test_one_in_another_and_in_helpers():
    def inner(y, m, wrap):
        for j in wrap(range(m)):
            y = math.sin(y) + 0.1 * j
        return y

    def with_blocks(x, n: int, m: int):
        for _ in checkpoint(range(n)):
            x = inner(x, m, checkpoint) * 0.9
        return x

    def usual(x, n: int, m: int):
        for _ in range(n):
            x = inner(x, m, lambda r: r) * 0.9
        return x

    for n, m in ((0, 3), (3, 0), (1, 1), (5, 7)):
        same(with_blocks, usual, 0.6, n, m)


def test_inner_loops_and_branches_in_a_round():
    def loop(x, n: int, wrap):
        s = 0.0
        for i in wrap(range(n)):
            k = 0
            while k < 3 and s < 5.0:
                s += math.sin(x) if x > 0.3 else x * x
                k += 1
            x = 0.9 * x + 0.05 * s
            if i % 2 == 0:
                x = x * x
        return s * x

    def with_blocks(x, n: int):
        return loop(x, n, checkpoint)

    def usual(x, n: int):
        return loop(x, n, lambda r: r)

    for x in (0.2, 0.8):
        same(with_blocks, usual, x, 9)


def test_exceptions():
    def f(x, n: int):
        for _ in checkpoint(range(n)):
            if x > 100.0:
                raise ValueError("too big")
            x = 1.1 * x * x
        return math.log(x)

    d = symdiff.grad(f)
    d.check(0.9, 5)
    with pytest.raises(ValueError, match="too big"):
        d(20.0, 5)


def test_what_it_does_not_take():
    for f, message in (
        (lambda x, n: sum(x * i for i, _ in zip(checkpoint(range(n)), range(n), strict=True)),
         "more than what is checkpointed"),
        (lambda x, n: sum(x * i for i in checkpoint(range(n), every=0.5)), "a number of rounds"),
    ):  # fmt: skip
        with pytest.raises(symdiff.SymdiffError, match=message) as caught:
            symdiff.grad(f)(0.5, 4)
        assert caught.value.span is not None and caught.value.hint


def peak(function: Callable[..., Any], *args: Any) -> int:
    function(*args)
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_few_states_are_stored():
    n = 40_000
    assert peak(symdiff.grad(plain), 0.3, n) > 8 * n
    assert peak(symdiff.grad(recurrence, static="wrap"), 0.3, n) < 8 * n / 10


def test_few_arrays_are_stored():
    def loop(x, n: int, wrap):
        for _ in wrap(range(n)):
            x = np.sin(x) + 0.1
        return np.sum(x)

    x, n = np.linspace(0.0, 1.0, 1000), 400
    few = peak(symdiff.grad(lambda x, n: loop(x, n, checkpoint)), x, n)
    many = peak(symdiff.grad(lambda x, n: loop(x, n, lambda r: r)), x, n)
    assert many > n * x.nbytes > 5 * few
