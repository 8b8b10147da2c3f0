"""Functions that call themselves, as C: the numbers of Python, and its exceptions."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_recursion import CASES, checked, power

A = np.array([0.3, -0.2, 0.7, 0.9, 0.4])


def seeds(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A tangent for each argument that is a float or an array of them."""
    floats = [a for a in args if np.asarray(a).dtype.kind == "f"]
    return tuple(np.ones_like(a) if np.ndim(a) else 1.0 for a in floats)


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    for operator, more in ((symdiff.value_and_grad, ()), (symdiff.jvp, (seeds(args),))):
        expected = operator(f, wrt="*")(*args, *more)
        found = operator(f, wrt="*", options=quick)(*args, *more)
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12, atol=1e-14)


def flat(tree: Any) -> np.ndarray:
    """The numbers of a result, in order."""
    if isinstance(tree, (tuple, list)):
        return np.concatenate([flat(t) for t in tree])
    return np.ravel(np.asarray(tree, float))


@pytest.mark.parametrize("f", [power, *(f for f, _ in CASES[2:12])])
def test_second_order(f: Any, quick: symdiff.Options):
    args = next(args for g, args in CASES if g is f)
    expected = symdiff.hessian(f)(*args)
    np.testing.assert_allclose(
        symdiff.hessian(f, options=quick)(*args), expected, rtol=1e-10, atol=1e-12
    )


def test_a_function_of_its_own(quick: symdiff.Options):
    derivative = symdiff.grad(power, options=quick)
    assert derivative(1.5, 3) == 3 * 1.5**2
    assert derivative.source.count("static int recursive_power_jac(") == 1
    assert "recursive_power_jac(x, n - 1, left - 1, &t, &t2);" in derivative.source


def test_what_raises(quick: symdiff.Options):
    derivative = symdiff.grad(checked, options=quick)
    assert math.isclose(derivative(2.0, 1), 0.5)
    for args, message in (((2.0, -1), "n is negative"), ((0.05, 2), "math domain error")):
        with pytest.raises(ValueError, match=message):
            derivative(*args)


def chain(x, n):
    return x if n == 0 else math.sin(1.1 * chain(x, n - 1))


def rows(a, n: int):
    def go(b, i):
        c = np.sin(b) * a
        return np.sum(c) if i == 0 else go(c * 1.1, i - 1) + c[i % len(a)]

    return go(a, n)


@pytest.mark.parametrize(("f", "x"), [(power, 1.0), (chain, 0.5), (rows, A)])
def test_deep_calls(f: Any, x: Any, quick: symdiff.Options):
    """Calls as deep as Python allows are fine, and those that would not end do not crash."""
    derivative = symdiff.value_and_grad(f, options=quick)
    expected = symdiff.value_and_grad(f)(x, 400)
    np.testing.assert_allclose(flat(derivative(x, 400)), flat(expected), rtol=1e-9)
    assert np.all(np.isfinite(flat(derivative(x, 3000))))
    for n in (10_001, 10**9, -1):
        with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
            derivative(x, n)


def test_deep_calls_in_a_thread(quick: symdiff.Options):
    derivative = symdiff.grad(rows, options=quick)
    derivative(A, 1)
    raised: list[type[BaseException]] = []

    def run() -> None:
        try:
            derivative(A, -1)
        except RecursionError as error:
            raised.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert raised == [RecursionError]


def main(x, n):
    """A name that C has a use for."""
    return x if n == 0 else main(x * 0.5, n - 1) * x


def read(x, n: int):
    return main(x, n) + exit(x, n)


def exit(x, n):
    return x * x if n == 0 else exit(x + 0.1, n - 1)


def test_names_of_c(quick: symdiff.Options):
    value, slope = symdiff.value_and_grad(read, options=quick)(0.7, 3)
    expected, known = symdiff.value_and_grad(read)(0.7, 3)
    assert math.isclose(value, expected) and math.isclose(slope, known)


def halving(a):
    """Slices whose sizes are formulas of the size of the argument."""
    return a[0] if len(a) < 2 else halving(a[::2]) * 0.5 + a[0] * halving(a[1::2])


def thirds(a):
    if len(a) < 3:
        return np.sin(a)
    k = len(a) // 3
    return np.concatenate([thirds(a[k:]), thirds(a[:k])]) * a


def of_thirds(a):
    return np.sum(thirds(a) * np.arange(len(a)))


@pytest.mark.parametrize("f", [halving, of_thirds])
@pytest.mark.parametrize("n", [2, 3, 5, 8, 13])
def test_sizes_that_shrink(f: Any, n: int, quick: symdiff.Options):
    a = np.linspace(0.2, 1.4, n)
    found = symdiff.value_and_grad(f, options=quick)(a)
    np.testing.assert_allclose(flat(found), flat(symdiff.value_and_grad(f)(a)), rtol=1e-12)


def test_another_result_size_than_declared(quick: symdiff.Options):
    def grows(a, n):
        return a if n == 0 else grows(np.concatenate([a, a[:1]]), n - 1)

    with pytest.raises(symdiff.SymdiffError):
        symdiff.grad(lambda a, n: np.sum(grows(a, n)), options=quick)(A, 2)
