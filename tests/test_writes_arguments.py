"""Functions that write into their arguments: the derivative does so too, exactly so."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import symdiff

PLAIN = symdiff.Options(optimize=False)


def one_place(x):
    x[0] = 2.0 * x[1]
    return np.sum(x**2)


def another_argument(x, y):
    x += y
    return np.sum(x * y)


def out(x):
    np.sin(x, out=x)
    return np.sum(x) * x[0]


def filled(x):
    y = x[0] * 2.0
    x.fill(3.0)
    return x[0] * y


def through_a_view(x):
    row = x[1:]
    row *= 3.0
    row[0] = x[0] * row[1]
    return np.sum(x**2)


def in_a_loop(x):
    for i in range(1, len(x)):
        x[i] = 0.5 * (x[i] + x[i - 1])
    return x[-1] ** 2


def in_a_loop_that_is_recorded(x, n=3):
    k = 0
    while k < n and x[0] < 10.0:
        x[1:] *= x[:-1]
        k += 1
    return np.sum(np.sin(x))


def in_a_branch(x):
    if x[0] > 0.0:
        x[0] = x[1]
    return np.sum(x * x)


def after_a_return(x):
    if x[0] > 0.0:
        return np.sum(x)
    x[1] = x[2] * x[0]
    return np.sum(x * x)


def swapped(x, y):
    t = x.copy()
    x[:] = y
    y[:] = t
    return np.sum(x * t) + np.sum(y * y * y)


def backwards(x):
    x[:] = x[::-1] * 2.0
    return np.sum(x[1:] * x[:-1])


def in_nested_loops(x, A):
    for i in range(len(x)):
        for j in range(len(x)):
            A[i, j] = A[i, j] * x[i] * x[j]
    return np.sum(A)


def by_rows(A):
    for row in A:
        row /= np.sum(row**2)
    return np.sum(A[0] * A[1])


def in_a_helper(x, y):
    def first(a, b):
        a[0] = b[1] * a[1]
        return a[0]

    return first(x, y) + first(y, x)


def and_returned(x, y):
    y[1:] = x[:-1] * y[1:]
    return y[0] * x[0] + np.sum(y)


def masked(x):
    x[x > 1.5] = 0.5 * x[0]
    return np.sum(x**3)


X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.4, 0.5])
A = np.arange(9.0).reshape(3, 3) / 7.0 + 0.2
CASES: list[tuple[Any, tuple[np.ndarray, ...]]] = [
    (one_place, (X,)), (another_argument, (X, Y)), (out, (X,)), (filled, (X,)),
    (through_a_view, (X,)), (in_a_loop, (X,)), (in_a_loop_that_is_recorded, (X / 3,)),
    (in_a_branch, (X,)), (in_a_branch, (-X,)), (after_a_return, (X,)), (after_a_return, (-X,)),
    (swapped, (X, Y)), (backwards, (X,)), (in_nested_loops, (X, A)), (by_rows, (A,)),
    (in_a_helper, (X, Y)), (and_returned, (X, Y)), (masked, (X,)),
]  # fmt: skip
OPERATORS = [
    symdiff.grad, symdiff.value_and_grad, symdiff.jacobian, symdiff.hessian, symdiff.jvp,
    symdiff.vjp, symdiff.hvp,
]  # fmt: skip


def copies(args: Any) -> list[Any]:
    return [a.copy() for a in args]


@pytest.mark.parametrize("options", [symdiff.Options(), PLAIN], ids=["optimised", "plain"])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_writes_what_the_function_writes(f, args, operator, options):
    """Once, and the derivative is that with respect to what was there at entry."""
    names = f.__code__.co_varnames[: len(args)]
    expected, given = copies(args), copies(args)
    value = f(*expected)
    derivative = operator(f, wrt=names, options=options)
    seeds: tuple[Any, ...] = ()
    if operator in (symdiff.jvp, symdiff.hvp):
        seeds = (tuple(np.cos(a) for a in args),)
    elif operator is symdiff.vjp:
        seeds = (1.3,)
    answer = derivative(*given, *seeds)
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    if operator in (symdiff.value_and_grad, symdiff.jvp, symdiff.vjp):
        np.testing.assert_allclose(answer[0], value, rtol=1e-13)
    given = copies(args)
    assert derivative.check(*given, *seeds)
    for a, b in zip(given, args, strict=True):
        np.testing.assert_array_equal(a, b)  # a check calls with copies


def test_operators_of_operators_write_once():
    def f(x):
        x *= 2.0
        return np.sum(x**3)

    x = X.copy()
    second = symdiff.jacobian(symdiff.grad(f))(x)
    np.testing.assert_array_equal(x, 2.0 * X)
    np.testing.assert_allclose(second, np.diag(48.0 * X), rtol=1e-13)


def test_simple_writes_happen_in_the_argument_itself():
    for f, args in ((one_place, (X,)), (in_a_loop, (X,)), (in_a_branch, (X,))):
        derivative = symdiff.grad(f)
        derivative(*copies(args))
        assert "x.copy()" not in derivative.source and "x[:] =" not in derivative.source


def test_what_is_returned_is_no_view_of_an_argument_that_is_written():
    def f(x):
        old = x[1:]
        y = 1.0 * old
        x[:] = 2.0 * x
        return y + old

    x = X.copy()
    value, tangent = symdiff.jvp(f)(x, np.ones(3))
    np.testing.assert_array_equal(value, 3.0 * X[1:])
    np.testing.assert_array_equal(tangent, [3.0, 3.0])
    np.testing.assert_array_equal(x, 2.0 * X)


def test_a_part_of_an_array_is_written_through():
    whole = np.arange(6.0)
    symdiff.grad(one_place)(whole[::2])
    np.testing.assert_array_equal(whole, [4.0, 1.0, 2.0, 3.0, 4.0, 5.0])


def test_arrays_inside_of_containers():
    def f(p):
        p["w"][0] = p["b"][0] * p["w"][1]
        return np.sum(p["w"] ** 2)

    p = {"w": X.copy(), "b": Y.copy()}
    gradient = symdiff.grad(f)(p)
    np.testing.assert_allclose(p["w"], [0.6, 2.0, 3.0])
    np.testing.assert_allclose(gradient["w"], [0.0, 2 * 0.6 * 0.3 + 4.0, 6.0])
    np.testing.assert_allclose(gradient["b"], [2 * 0.6 * 2.0, 0.0, 0.0])


def test_arrays_in_a_dataclass_that_holds_a_list():
    @dataclasses.dataclass
    class Net:
        layers: list[np.ndarray]
        scale: float

    def f(net):
        for layer in net.layers:
            layer *= net.scale
        if net.scale > 1.0:
            net.layers[0][0] = net.layers[1][0]
        return np.sum(net.layers[0] ** 2)

    net = Net([X.copy(), Y.copy()], 2.0)
    gradient = symdiff.grad(f)(net)
    np.testing.assert_allclose(net.layers[0], [0.6, 4.0, 6.0])
    np.testing.assert_allclose(net.layers[1], 2.0 * Y)
    np.testing.assert_allclose(gradient.layers[0], [0.0, 16.0, 24.0])
    np.testing.assert_allclose(gradient.layers[1], [2.4, 0.0, 0.0])


@pytest.mark.parametrize("overlap", [lambda x: x, lambda x: x[::-1]])
def test_arrays_that_overlap_are_an_error(overlap):
    x = X.copy()
    with pytest.raises(ValueError, match="y shares memory with x, which is written into"):
        symdiff.grad(another_argument)(x, overlap(x))
    np.testing.assert_array_equal(x, X)
    with pytest.raises(ValueError, match="d_x shares memory with x"):
        symdiff.hvp(one_place)(x, x)


def test_halves_of_one_array_do_not_overlap():
    whole = np.arange(6.0)
    gradient = symdiff.grad(another_argument)(whole[::2], whole[1::2])
    np.testing.assert_array_equal(gradient, [1.0, 3.0, 5.0])
    np.testing.assert_array_equal(whole[::2], [1.0, 5.0, 9.0])


def test_an_array_that_is_read_only_raises_as_in_numpy():
    x = X.copy()
    x.flags.writeable = False
    for f in (one_place, out, in_a_loop):
        with pytest.raises(ValueError, match="read-only"):
            symdiff.grad(f)(x)
    assert symdiff.grad(after_a_return)(x) is not None  # it does not write for this x


def test_floats_into_an_argument_of_integers_are_refused():
    with pytest.raises(symdiff.SymdiffError, match="float into an array of int"):
        symdiff.grad(another_argument, wrt="y")(np.array([1, 2, 3]), Y)


def test_integers_and_single_precision():
    def f(n, x):
        n += 1
        x *= 2.0
        return np.sum(n * x)

    n, x = np.array([1, 2, 3]), X.astype(np.float32)
    gradient = symdiff.grad(f, wrt="x")(n, x)
    assert n.tolist() == [2, 3, 4] and x.dtype == np.float32 and x.tolist() == [2.0, 4.0, 6.0]
    np.testing.assert_allclose(gradient, [4.0, 6.0, 8.0])


def test_a_module_writes_as_the_function_does(tmp_path):
    """And its own check leaves the points that it calls with as they are."""
    import subprocess
    import sys

    derivative = symdiff.value_and_grad(in_a_loop, types={"x": "float64[n]"})
    path = derivative.save(tmp_path / "made.py")
    scope: dict[str, Any] = {"__name__": "made"}
    exec(path.read_text(), scope)
    x, y = X.copy(), X.copy()
    value, _ = scope[derivative.compiled().name](x)
    assert np.isclose(value, in_a_loop(y))
    np.testing.assert_array_equal(x, y)
    done = subprocess.run([sys.executable, str(path), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def down(x, i, n):
    if i == n:
        return 0.0
    x[i] = x[i] * x[0]
    return x[i] + down(x, i + 1, n)


def test_a_function_that_calls_itself_at_run_time_may_not_write():
    with pytest.raises(symdiff.SymdiffError, match="calls itself at run time"):
        symdiff.grad(down)(X.copy(), 0, 3)


def test_inside_another_function_a_derivative_of_a_writer_is_refused():
    def f(x):
        return np.sum(symdiff.grad(one_place)(x))

    with pytest.raises(symdiff.SymdiffError, match="writes into"):
        symdiff.grad(f)(X.copy())


def in_turns(x, v, w):
    out = w.copy()
    for _ in w:
        if x > 1.5:
            out[:] = v
        else:
            v[:] = x
    return np.sum(out * v)


@pytest.mark.parametrize("x", [1.0, 2.0])
def test_rounds_that_write_in_turns(x):
    """What a round leaves in an adjoint that others write into is an array of its own."""
    derivative = symdiff.grad(in_turns, wrt=("x", "v", "w"))
    assert derivative.check(x, X, Y)


def test_lists_of_the_caller_are_not_changed():
    """Their arrays may be written into, but which objects they hold is the caller's."""

    def f(xs):
        xs[0] = 2.0 * xs[1]
        return xs[0] ** 2

    with pytest.raises(symdiff.SymdiffError, match="made outside the function"):
        symdiff.grad(f)([1.0, 2.0])

    def g(xs, scale):
        xs[1] *= scale
        xs[0] += xs[1]
        return np.sum(xs[0] ** 2)

    xs = [X.copy(), Y.copy()]
    gradient = symdiff.grad(g)(xs, 2.0)
    np.testing.assert_allclose(xs, [X + 2.0 * Y, 2.0 * Y])
    np.testing.assert_allclose(gradient, [2.0 * xs[0], 4.0 * xs[0]])


def test_a_default_that_is_an_array_is_written_as_python_does():
    buffer = np.zeros(3)

    def f(x, out=buffer):
        out[:] = x * 2.0
        return np.sum(out * x)

    derivative = symdiff.grad(f)
    for x in (X, Y):  # the second call takes the short way
        np.testing.assert_allclose(derivative(x), 4.0 * x)
        np.testing.assert_allclose(buffer, 2.0 * x)


def test_a_write_that_may_raise_is_not_caught():
    def f(x):
        try:
            x[5] = 1.0
        except IndexError:
            pass
        return np.sum(x)

    with pytest.raises(symdiff.SymdiffError, match="known only at run time"):
        symdiff.grad(f)(X.copy())
