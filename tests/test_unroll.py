"""`symdiff.unroll`; and iterators over arrays that change while they are run through."""

from __future__ import annotations

import numpy as np
import pytest

import symdiff


def powers(x, n):
    s = 0.0
    for k in symdiff.unroll(range(n)):
        s += x**k
    return s


def test_it_is_its_iterable_outside():
    assert list(symdiff.unroll(range(3))) == [0, 1, 2]
    assert powers(2.0, 4) == 15.0


def test_a_loop_of_any_length_is_written_out():
    d = symdiff.grad(powers, static="n")
    assert d(1.0, 40) == 780.0
    assert "for k" not in d.source and d.source.count("**") == 37


def test_an_array_of_a_declared_size():
    def f(x):
        y = x * 1.0
        for v in symdiff.unroll(y):
            y[2] = v * y[2]  # the third round sees what the first two have written
        return np.sum(y)

    d = symdiff.grad(f, types={"x": "float64[40]"})
    d.check(np.linspace(0.9, 1.1, 40))
    assert "for " not in d.source


def test_comprehensions_and_builtins():
    def f(x):
        a = sum(k * x for k in symdiff.unroll(range(4)))
        return a * sum([i * j * x for i, j in zip(symdiff.unroll(range(3)), range(3), strict=True)])

    symdiff.grad(f).check(0.7)


def test_the_number_of_rounds_must_be_known():
    with pytest.raises(symdiff.UnsupportedError, match="known only at run time") as caught:
        symdiff.grad(powers)(1.0, 40)
    assert "unroll(range(n))" in str(caught.value) and "static" in str(caught.value)
    with pytest.raises(symdiff.UnsupportedError, match="known only at run time"):
        symdiff.grad(lambda x: sum(v * v for v in symdiff.unroll(x)))(np.ones(3))


@pytest.mark.parametrize("types", [{}, {"x": "float64[3]"}])
def test_a_loop_sees_what_its_rounds_write(types):
    def f(x):
        y = x * 1.0
        for v in y:
            y[2] = v * y[2]
        return np.sum(y)

    symdiff.grad(f, types=types).check(np.array([0.5, 0.7, 0.9]))


@pytest.mark.parametrize("types", [{}, {"x": "float64[3]"}])
def test_so_does_one_over_an_iterator(types):
    def backwards(x):
        y = x * 1.0
        for v in reversed(y):
            y[0] = v * y[1]
        return np.sum(y)

    def counted(x):
        y = x * 1.0
        for i, v in enumerate(y):
            y[2] = v * y[2] + i
        return np.sum(y)

    def pairs(x):
        y = x * 1.0
        for v, w in zip(y, x):  # noqa: B905
            y[2] = v * y[2] * w
        return np.sum(y)

    for f in (backwards, counted, pairs):
        symdiff.grad(f, types=types).check(np.array([0.5, 0.7, 0.9]))


def test_iterators_over_arrays_that_change_meanwhile_are_refused():
    def pairs(x):
        y = x * 1.0
        for _, (v, w) in enumerate(zip(y, x, strict=True)):
            y[2] = v * y[2] * w
        return np.sum(y)

    def later(x):
        y = x * 1.0
        squares = (v * v for v in y)
        y[0] = y[1]
        return sum(squares)

    x = np.array([0.5, 0.7, 0.9])
    symdiff.grad(pairs).check(x)
    for f in (pairs, later):
        with pytest.raises(symdiff.UnsupportedError, match="has changed since"):
            symdiff.grad(f, types={"x": "float64[3]"})(x)


def test_an_iterator_over_what_is_counted_at_run_time_is_used_at_once():
    def twice(x):
        squares = (v * v for v in x)
        return sum(squares) + sum(squares)  # the second is 0

    with pytest.raises(symdiff.UnsupportedError, match="used later"):
        symdiff.grad(twice)(np.ones(3))
