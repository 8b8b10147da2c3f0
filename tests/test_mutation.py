"""What a function may change while it is differentiated, and what it may not."""

from __future__ import annotations

import pytest

import symdiff

OUTSIDE = [1.0]


def test_its_own_lists():
    def f(x):
        xs = [x]
        ys = [*xs, 2.0]
        ys.append(x * x)
        zs = ys[1:]
        zs[0] = x
        return sum(ys) * zs[0]

    assert symdiff.grad(f)(3.0) == 35.0  # (x + 2 + x**2) * x


def test_a_global_list_is_not_changed_when_compiling():
    def f(x):
        OUTSIDE.append(x)
        return OUTSIDE[-1] * x

    with pytest.raises(symdiff.UnsupportedError, match="made outside the function"):
        symdiff.grad(f)(1.0)
    assert OUTSIDE == [1.0]


def test_an_argument_list_is_not_changed():
    def f(x, xs):
        xs.append(x)
        return xs[0] * x

    with pytest.raises(symdiff.UnsupportedError, match="made outside the function"):
        symdiff.grad(f)(1.0, [2.0])


def test_a_list_in_a_branch():
    def f(x):
        xs = [x]
        if x > 0.0:
            xs.append(x)
        return sum(xs)

    with pytest.raises(symdiff.UnsupportedError, match="another length on one side"):
        symdiff.grad(f)(1.0)


def test_nonlocal_through_a_branch_of_its_owner():
    def f(x):
        a = 1.0

        def double():
            nonlocal a
            a = x * 2.0

        if x > 0.0:
            double()
        return a * x

    assert symdiff.grad(f)(2.0) == 8.0
    assert symdiff.grad(f)(-2.0) == 1.0


def test_nonlocal_in_a_branch_of_the_inner_function():
    def f(x):
        a = 1.0

        def double():
            nonlocal a
            if x > 0.0:
                a = x * 2.0

        double()
        return a * x

    assert symdiff.grad(f)(2.0) == 8.0
    assert symdiff.grad(f)(-2.0) == 1.0


def test_walrus_where_it_may_not_run():
    def f(x):
        y = x
        z = (y := x * x) if x > 0.0 else x
        return y * z

    with pytest.raises(symdiff.UnsupportedError, match=":="):
        symdiff.grad(f)(2.0)
