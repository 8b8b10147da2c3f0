"""What is outside of a function: a change is noticed; what is the caller's is not changed."""

import copy

import numpy as np
import pytest

import symdiff

GAIN = 2.0
SHARED = [1.0, 2.0]


def scaled(x):
    return GAIN * x * x


def test_a_global_that_changes(monkeypatch):
    derivatives = [symdiff.grad(scaled), symdiff.jvp(scaled), symdiff.hessian(scaled)]
    first = [derivatives[0](3.0), derivatives[1](3.0, 1.0), derivatives[2](3.0)]
    assert first == [12.0, (18.0, 12.0), 4.0]
    monkeypatch.setitem(globals(), "GAIN", 5.0)
    assert derivatives[0](3.0) == 30.0
    assert derivatives[1](3.0, 1.0) == (45.0, 30.0)
    assert derivatives[2](3.0) == 10.0
    assert derivatives[0](np.float64(3.0)) == 30.0


def test_a_closed_over_variable_that_changes():
    k = 1.0

    def f(x):
        return k * x * x

    derivative = symdiff.grad(f)
    assert derivative(1.0) == 2.0
    k = 4.0
    assert derivative(1.0) == 8.0


def test_what_is_the_callers_stays():
    def f(items, table):
        mine = copy.deepcopy(items)
        mine.append(table["a"])
        return sum(mine) * mine[0]

    items, table = [2.0, 3.0], {"a": 4.0}
    assert symdiff.grad(f)(items, table) == [9.0 + 2.0, 2.0]
    assert (items, table) == ([2.0, 3.0], {"a": 4.0})
    with pytest.raises(symdiff.UnsupportedError, match="made outside"):
        symdiff.grad(lambda x: (max([SHARED, []], key=len).append(x), x)[1])(1.0)
    assert SHARED == [1.0, 2.0]


def test_exceptions_are_of_the_users_class_and_have_a_place():
    class ModeError(ValueError):
        pass

    def f(x, mode):
        if mode != "a":
            raise ModeError(f"unknown mode {mode}")
        return x * x

    with pytest.raises(ModeError, match="unknown mode b") as info:
        symdiff.grad(f)(1.0, "b")
    assert isinstance(info.value, symdiff.SymdiffError)
    assert info.value.span is not None and "raise ModeError" in info.value.span.text
    assert symdiff.grad(f)(1.0, "a") == 2.0


def test_a_raise_is_not_dropped_with_the_branch_that_it_guards():
    def f(x, y):
        if y < 0.0:
            raise ValueError("y is negative")
        return x * x

    derivative = symdiff.grad(f)
    assert derivative(3.0, 1.0) == 6.0
    with pytest.raises(ValueError, match="y is negative"):
        derivative(3.0, -1.0)
    with pytest.raises(ValueError, match="y is negative"):
        symdiff.jvp(f)(3.0, -1.0, 1.0)
    assert "raise ValueError('y is negative')" in derivative.source
