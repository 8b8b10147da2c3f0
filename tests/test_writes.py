"""Writes into arrays: aliases, views, helpers, loops; both modes, orders 1 and 2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_loops import slope


def fill(x):
    a = np.zeros(len(x))
    for i in range(len(x)):
        a[i] = x[i] ** 2
    return np.sum(a * a)


def prefix(x):
    a = np.zeros(len(x) + 1)
    for i in range(len(x)):
        a[i + 1] = a[i] * 0.9 + math.sin(x[i])
    return np.sum(a**2)


def alias(x):
    a = x.copy()
    b = a
    b[0] = a[1] * a[0]
    row = a[1:]
    row[0] = row[1] * b[0]
    return np.sum(a) + b[0] * row[0]


def aug(x):
    a = x * 2
    a += x
    a *= a[0]
    a[1] -= a[0] ** 2
    a[:2] *= 3
    return np.sum(a**2)


def helper(x):
    def scale(v, k):
        for i in range(len(v)):
            v[i] *= k

    a = np.array(x)
    scale(a, x[0])
    return np.sum(a)


def branchy(x):
    a = np.zeros(3)
    if x[0] > 0:
        a[0] = x[1]
    else:
        a[1] = x[2]
    a[2] = a[0] * a[1] + x[0]
    return np.sum(a)


def heat(u, n):
    u = u.copy()
    for _ in range(n):
        v = u.copy()
        for i in range(1, len(u) - 1):
            u[i] = v[i] + 0.1 * (v[i + 1] - 2 * v[i] + v[i - 1])
    return np.sum(u * u)


def stencil(u, n):
    u = u.copy()
    for _ in range(n):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u * u)


def mat(x):
    n = len(x)
    D = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i == 0 or j == 0:
                D[i, j] = x[i] * x[j]
            else:
                D[i, j] = min(D[i - 1, j], D[i, j - 1]) + x[i] * x[j]
    return D[n - 1, n - 1]


def swap(x, n):
    a = x.copy()
    b = np.zeros(len(x))
    for i in range(n):
        for j in range(len(x)):
            b[j] = math.sin(a[j]) + a[0]
        a, b = b, a
    return np.sum(a * x)


def rebind(x, n):
    s = x.copy()
    for i in range(n):
        new = np.empty(len(x))
        for j in range(len(x)):
            new[j] = s[j] * s[0]
        s = new
    return np.sum(s)


def particles(x, v, n):
    x = x.copy()
    v = v.copy()
    E = 0.0
    for t in range(n):
        f = np.zeros(len(x))
        for i in range(len(x)):
            for j in range(len(x)):
                if i != j:
                    d = x[i] - x[j]
                    f[i] += d / (1.0 + d * d)
        for i in range(len(x)):
            v[i] += 0.1 * f[i]
            x[i] += 0.1 * v[i]
        E += np.sum(v * v)
    return E


def whilew(x):
    a = x.copy()
    i = 0
    while i < len(a) and a[i] > 0:
        a[i] = a[i] ** 2
        if a[i] > 10:
            break
        i += 1
    return np.sum(a)


def rowsw(A):
    B = A.copy()
    for row in B:
        row *= row[0]
    for i in range(len(B)):
        B[i] += B[0]
    return np.sum(B**2)


def mask(x):
    a = x.copy()
    a[a > 1.5] = 0.5 * a[0]
    a[a < 0] *= 2
    return np.sum(a**2)


def outp(x):
    a = np.zeros(3)
    np.multiply(x, x[0], out=a)
    np.add(a, 1.0, out=a)
    a.fill(x[1])
    a[0] += np.sum(x)
    np.add.at(a, np.array([0, 0, 1]), x)
    return np.sum(a * a)


def ret(x):
    def make(n):
        a = np.zeros(n)
        for i in range(n):
            a[i] = i * x[0]
        return a

    a = make(3)
    b = make(3)
    a[0] = 5 * x[1]
    return np.sum(a * b) + a[0]


def scal(x, n):
    a = np.zeros(n)
    a[0] = x
    for i in range(1, n):
        a[i] = a[i - 1] * x
        if a[i] > 3:
            a[i] = 3.0 / a[i]
    return a[n - 1] + a.sum()


def conv(a, k):
    out = np.zeros(len(a))
    for t in range(len(a)):
        s = a[t]
        for j in range(t):
            s += out[j] * k[t - j]
        out[t] = s
    return np.sum(out**2)


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (fill, (np.array([1.0, 2.0, 3.0]),)),
    (prefix, (np.array([1.0, 2.0, 3.0]),)),
    (alias, (np.array([1.0, 2.0, 3.0]),)),
    (aug, (np.array([1.0, 2.0, 3.0]),)),
    (helper, (np.array([1.0, 2.0, 3.0]),)),
    (branchy, (np.array([1.0, 2.0, 3.0]),)),
    (
        heat,
        (
            np.array([1.0, 2.0, 0.0, 4.0, 1.0]),
            4,
        ),
    ),
    (
        stencil,
        (
            np.array([1.0, 2.0, 0.0, 4.0, 1.0]),
            4,
        ),
    ),
    (mat, (np.array([1.0, 2.0, 0.5]),)),
    (
        swap,
        (
            np.array([1.0, 2.0, 0.5]),
            3,
        ),
    ),
    (
        rebind,
        (
            np.array([1.0, 2.0, 0.5]),
            3,
        ),
    ),
    (
        particles,
        (
            np.array([1.0, 2.0, 0.5]),
            np.array([0.1, -0.2, 0.3]),
            3,
        ),
    ),
    (whilew, (np.array([1.0, 2.0, 4.0, 3.0]),)),
    (rowsw, (np.arange(6.0).reshape(3, 2) / 3 + 0.2,)),
    (mask, (np.array([1.0, 2.0, -3.0]),)),
    (outp, (np.array([1.0, 2.0, -3.0]),)),
    (ret, (np.array([1.0, 2.0, -3.0]),)),
    (
        scal,
        (
            1.3,
            6,
        ),
    ),
    (
        conv,
        (
            np.array([1.0, 2.0, 3.0, 0.5]),
            np.array([1.0, 0.2, 0.3, 0.1]),
        ),
    ),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_derivatives(f, args):
    x, *rest = args
    before = x.copy() if isinstance(x, np.ndarray) else x
    value, gradient = symdiff.value_and_grad(f)(x, *rest)
    np.testing.assert_array_equal(x, before)  # the caller's arrays stay as they are
    assert np.allclose(value, f(x, *rest), rtol=1e-12)
    numeric = slope(lambda y: f(y, *rest), x, 1e-5).reshape(np.shape(x))
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)
    direction = np.cos(np.arange(np.size(x)) + 1.0).reshape(np.shape(x))
    direction = direction if direction.ndim else float(direction)
    _, tangent = symdiff.jvp(f)(x, *rest, direction)
    np.testing.assert_allclose(tangent, np.sum(numeric * direction), rtol=1e-6, atol=1e-7)
    unoptimised = symdiff.grad(f, options=symdiff.Options(optimize=False))(x, *rest)
    np.testing.assert_allclose(unoptimised, gradient, rtol=1e-11, atol=1e-13)
    product = symdiff.hvp(f)(x, *rest, direction)
    h = 1e-4
    plain = symdiff.grad(f)
    second = (plain(x + h * direction, *rest) - plain(x - h * direction, *rest)) / (2 * h)
    np.testing.assert_allclose(product, second, rtol=1e-4, atol=1e-5)


REFUSED: list[tuple[str, Any]] = []


def refused(match):
    def note(f):
        REFUSED.append((match, f))
        return f

    return note


@refused("chosen from several")
def into_one_of_two(x):
    a = x.copy()
    b = x * 2.0
    c = a if x[0] > 0.0 else b
    c[0] = 1.0
    return np.sum(a) + np.sum(b)


TABLE = np.ones(3)


@refused("outside the function")
def into_a_global(x):
    TABLE[0] = x[0]
    return np.sum(TABLE * x)


@refused("writes into b, which may be the same array as a")
def into_what_an_inner_loop_has_bound(x):
    a, b = x * 2.0, x * 1.0
    for _i in range(len(x)):
        b[1:] += x[0]
        for _k in range(len(x)):
            b = a
    return np.sum(a) + np.sum(b)


@refused("writes into b, which may be the same array as x")
def into_a_view_that_an_inner_loop_has_bound(x):
    b = x * 1.0
    for _i in range(len(x)):
        b[1:] += 1.0
        for _e in b:
            b = x[::1]
    return np.sum(b)


@refused("may be the same array")
def an_alias_made_in_a_loop(x, n):
    a = x.copy()
    b = x.copy()
    for i in range(n):
        b[0] = a[0] * i
        if i == 1:
            a = b
    return np.sum(a) + np.sum(b)


@refused("what the loop runs over")
def what_the_loop_runs_over(x):
    b, s = x * 2.0, 0.0
    for u in b[::2]:
        b[2] = x[0] * u
        s += u
        b = x * u
    return s + np.sum(b)


@refused("what the loop runs over")
def what_an_outer_loop_runs_over(x, n):
    b, s = x * 2.0, 0.0
    for u, v in zip(b, x):
        for i in range(n):
            b[2] = v * s
            b = x * (u + i)
        s += u
    return s + np.sum(b)


@refused("float into an array of int")
def a_float_into_integers(x):
    a = np.zeros(3, dtype=int)
    a[0] = x[0]
    return np.sum(a * x)


def test_other_arrays_than_the_loop_runs_over():
    def f(x):
        b, s = x * 2.0, 0.0
        for u in b.copy():
            b[2] = u * s
            s += u * x[0]
            b = x * s
        for u in b:
            s += u * s
            b = x * s
        b[0] = s
        return s + np.sum(b)

    symdiff.grad(f).check(np.array([0.4, -0.3, 0.6]))


@pytest.mark.parametrize(("match", "f"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_refused(match, f):
    args = (np.array([1.0, 2.0, 3.0]), 2)[: f.__code__.co_argcount]
    with pytest.raises(symdiff.SymdiffError, match=match) as info:
        symdiff.grad(f)(*args)
    assert info.value.span is not None
    assert info.value.hint


def table(x, y):
    D = np.zeros((len(x) + 1, len(y) + 1))
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            cost = D[i - 1, j - 1] + (x[i - 1] - y[j - 1]) ** 2
            D[i, j] = min(cost, D[i - 1, j], D[i, j - 1] + 0.3)
    return D[len(x), len(y)]


def test_arrays_of_zeros_are_made_by_those_who_write_them():
    """And not made once, to be copied by each: neither tables, nor what each round records."""
    x, y = np.array([0.1, 0.9, 0.5]), np.array([0.3, 0.8])
    derivative = symdiff.grad(table)
    np.testing.assert_allclose(derivative(x, y), slope(lambda x: table(x, y), x, 1e-5), atol=1e-8)
    assert ".copy()" not in derivative.source
    assert derivative.source.count("np.zeros((") == 2


def test_numbers_of_an_array_are_compared_by_python():
    """`min` of two numbers costs a tenth of `np.minimum`, and is what the function says."""
    derivative = symdiff.grad(table)
    derivative(np.ones(2), np.ones(2))
    assert "min(min(cost, " in derivative.source and "np.minimum" not in derivative.source


def cumulative(x):
    D = x.copy()
    for i in reversed(range(len(x))):
        if i == len(x) - 1:
            D[i] = x[i]
        else:
            D[i] = min(D[i + 1], x[i]) * x[i]
    return np.sum(D)


def test_a_write_in_each_branch_copies_nothing():
    """What one branch reads is no concern of the other's write; what is recorded is in its branch."""
    x = np.array([0.5, 0.3, 0.8])
    derivative = symdiff.grad(cumulative)
    np.testing.assert_allclose(derivative(x), slope(cumulative, x, 1e-5), atol=1e-8)
    assert derivative.source.count(".copy()") == 1


def guarded(x):
    a = x.copy()
    i = 0
    while i < len(a) and a[i] > 0:
        a[i] = a[i] ** 2
        i += 1
    return np.sum(a)


@pytest.mark.parametrize("x", [np.array([0.5, 0.3, 0.8]), np.array([0.5, -0.3, 0.8]), np.ones(0)])
def test_what_the_test_of_a_while_guards_is_read_after_it(x):
    derivative = symdiff.grad(guarded)
    np.testing.assert_allclose(derivative(x), slope(guarded, x, 1e-5).reshape(x.shape), atol=1e-8)


def test_loops_and_writes_say_which_line_they_are():
    derivative = symdiff.grad(table)
    derivative(np.ones(2), np.ones(2))
    first = table.__code__.co_firstlineno
    for loop, line in (("for i in", first + 2), ("for j in", first + 3)):
        lines = [s for s in derivative.source.splitlines() if s.strip().startswith(loop)]
        assert len(lines) == 2 and all(s.endswith(f"# line {line}") for s in lines)
    assert f"# line {first + 5}" in derivative.source


def test_a_loop_over_the_array_that_it_changes():
    def f(x):
        a = x.copy()
        for e in a:
            a *= e
        return np.sum(a)

    x = np.array([1.1, 0.9, 1.2])
    value, gradient = symdiff.value_and_grad(f)(x)
    assert np.isclose(value, f(x))
    np.testing.assert_allclose(gradient, slope(f, x, 1e-5), rtol=1e-6)


def counted(x, n):
    s = 0.1
    for _ in range(n):
        kept = x[x > s * 0.1]
        s += np.mean(kept * kept) * np.sum(kept * s)
    return s


def masked_by_a_number(x, v):
    out = v * x
    out[out > 0.5] = x
    out *= x
    return np.sum(out)


def masked_again_and_again(x, v, n):
    out = np.zeros_like(v)
    for i in range(n):
        out[out > x] = v[i] * x
        out += x * v
    return np.sum(out) * x


V = np.array([1.0, 0.2, 0.7])
COUNTED: list[tuple[Any, tuple[Any, ...]]] = [
    (counted, (V, 3)), (masked_by_a_number, (1.3, V)), (masked_again_and_again, (0.4, V, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), COUNTED, ids=lambda v: getattr(v, "__name__", ""))
def test_a_mask_decides_how_many_in_each_round(f, args):
    """What a size that only a mask tells is needed for is measured where the mask is."""
    test_derivatives(f, args)


def test_what_numpy_lends_is_copied_before_a_loop_writes_it():
    """Both sweeps of a cotangent of one element, spread over a place that broadcasts it."""

    def f(v, w):
        t = v.copy()
        for _ in w:
            t[:-1] -= t[1:]
        t = np.tanh(t)
        t[1:] = (w + v)[:1]
        return np.sum(t * t)

    v, w = np.array([1.0, 0.2]), np.array([0.3, 0.4])
    both = ("v", "w")
    pulled = symdiff.vjp(symdiff.grad(f, wrt=both), wrt=both)(v, w, (v, w))[1]
    product = symdiff.hvp(f, wrt=both)(v, w, (v, w))
    np.testing.assert_allclose(np.ravel(pulled), np.ravel(product), rtol=1e-12)


def test_a_view_that_a_loop_goes_on_from_is_left_alone():
    """An argument's part is copied before the rounds write."""

    def f(x, n):
        u = np.sin(x)[1:]
        t = u
        for _ in range(n):
            t = t * x[0]
            t[0] += u[1]
        return np.sum(t) * u[0]

    test_derivatives(f, (np.array([1.0, 0.2, 3.0]), 2))


def test_how_many_a_mask_keeps_is_asked_of_what_it_keeps():
    def f(x, n):
        s = 0.1
        for _ in range(n):
            y = x[x > s * 0.1]
            s += np.sum(y**2) / len(y) + y.size
        return s

    test_derivatives(f, (V, 3))


def checked_after_a_write(x):
    a = x.copy()
    a[0] = -1.0 * a[0]
    math.log(a[0])
    return np.sum(a)


def checked_after_a_loop(x):
    s = 1.0
    for i in range(len(x)):
        s -= x[i]
    math.log(s)
    return 2.0 * x[0]


@pytest.mark.parametrize("f", [checked_after_a_write, checked_after_a_loop])
def test_a_check_comes_after_what_changes_the_value_in_place(f):
    """The derivative raises where the function does, whatever the array held before."""
    with pytest.raises(ValueError, match="domain"):
        symdiff.grad(f)(np.array([1.0, 2.0]))
    test_derivatives(f, (np.array([-1.0, -2.0]),))


def over_what_was_computed(v, w):
    r = w.copy()
    s = 0.0
    for e in np.sin(r):
        s += e * e
        r[1:] = v[:-1]
    return s + np.sum(r)


def over_both(v, w):
    r = w.copy()
    s = 0.0
    for i, (e, u) in enumerate(zip(r * 2.0, r, strict=True)):
        s += e * e * u
        r[i] = v[i] * e
        r[1:] *= 1.5
    return s + np.sum(r)


@pytest.mark.parametrize("f", [over_what_was_computed, over_both])
def test_a_loop_over_what_was_computed_from_an_array_sees_no_write(f):
    test_derivatives(f, (np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0])))


def into_places(x, i):
    a = x.copy()
    a[i] = x[: len(i)] * x[0]
    return np.sum(a**2)


def added_at_places(x, i):
    a = x * 1.0
    a[i] += x[: len(i)] * x[1]  # of a place that comes twice, the last counts
    return np.sum(a**3)


def into_pairs_of_places(x, i):
    A = np.outer(x, x)
    A[i, i] = x[: len(i)] * x[2]
    A[i[:, None], i] *= x[0] * x[1]
    A[0][i] = x[: len(i)]
    return np.sum(A**2)


def into_rows_and_columns(x, i):
    A = np.outer(x, x)
    A[i] = x * 2.0
    A[:, i] *= x[0]
    return np.sum(A**2)


def into_known_places(x, i):
    a = x.copy()
    a[[0, 2]] = x[1] * x[2]
    a[[1, 1]] = x[:2] ** 2
    return np.sum(a**2)


def into_places_that_rounds_change(x, i):
    a = x.copy()
    for k in range(len(x)):
        a[(i + k) % len(x)] = a[i] * x[k]
    return np.sum(a**2)


def into_places_of_an_argument(x, i):
    x[i] = x[i[::-1]] * x[0]
    return np.sum(x * x)


def into_sorted_places(x, i):
    a = np.zeros(len(x))
    a[np.argsort(x)] = x**2
    return np.sum(a * x)


def by_masks(x, i):
    a = x.copy()
    m = x > 1.5
    a[m] = x[m] ** 2 * x[0]
    a[~m] += 3.0 * x[~m]
    return np.sum(a**2)


PLACES: list[Any] = [
    into_places, added_at_places, into_pairs_of_places, into_rows_and_columns, into_known_places,
    into_places_that_rounds_change, into_places_of_an_argument, into_sorted_places, by_masks,
]  # fmt: skip


@pytest.mark.parametrize("f", PLACES)
@pytest.mark.parametrize("places", [[0, 2, 0], [3, 1, -1], [0, 1, 2]])
def test_index_arrays(f, places):
    """Of places that come twice, or once from each end, the last value stays, as in NumPy."""
    x, i = np.array([1.0, 2.0, 1.7, 0.5]), np.array(places)
    for options in (symdiff.Options(), symdiff.Options(optimize=False)):
        for operator in (symdiff.value_and_grad, symdiff.jvp, symdiff.hvp, symdiff.hessian):
            derivative = operator(f, wrt="x", options=options)
            seed = (np.cos(x),) if operator in (symdiff.jvp, symdiff.hvp) else ()
            assert derivative.check(x, i, *seed)
            if operator is symdiff.value_and_grad:
                assert np.isclose(derivative(x.copy(), i)[0], f(x.copy(), i))


def test_places_that_surely_differ_need_no_look_at_which_comes_last():
    derivative = symdiff.grad(into_sorted_places, wrt="x")
    derivative(np.array([1.0, 2.0, 1.7, 0.5]), np.array([0]))
    assert "np.where" not in derivative.source and "np.arange" not in derivative.source


def test_places_that_do_not_exist():
    with pytest.raises(IndexError):
        symdiff.grad(into_places, wrt="x")(np.ones(3), np.array([0, 3]))
