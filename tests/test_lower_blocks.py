"""Independent rounds that hold loops, which C runs side by side: the same numbers as Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symdiff

RNG = np.random.default_rng(20)
POINTS = RNG.normal(size=(150, 4))
ROWS = RNG.normal(size=(3, 4))


def nearest_row(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        best = math.inf
        for c in range(w.shape[0]):
            d = 0.0
            for a in range(x.shape[1]):
                d += (x[i, a] - w[c, a]) ** 2
            best = min(best, d)
        total += best
    return total


def softmax_mixture(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        t = np.zeros(w.shape[0])
        for c in range(w.shape[0]):
            s = 0.0
            for a in range(x.shape[1]):
                s += w[c, a] * x[i, a]
            t[c] = s
        top = t[0]
        for c in range(1, w.shape[0]):
            top = max(top, t[c])
        s = 0.0
        for c in range(w.shape[0]):
            s += math.exp(t[c] - top)
        total += top + math.log(s)
    return total


def own_class(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        best = 0
        least = math.inf
        for c in range(w.shape[0]):
            d = 0.0
            for a in range(x.shape[1]):
                d += abs(x[i, a] - w[c, a])
            if d < least:
                least = d
                best = c
        for a in range(x.shape[1]):
            total += math.sin(w[best, a] * x[i, a])
    return total


def branches(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        s = 1.0
        for c in range(w.shape[0]):
            for a in range(x.shape[1]):
                if x[i, a] > 0.0:
                    s += w[c, a] * x[i, a]
                elif x[i, a] < -1.0:
                    s -= w[c, a] ** 2
        total += s * s if s > 0.5 else math.exp(s - 3.0)
    return total


def counted(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        p = 0
        y = x[i, 0]
        for c in range(w.shape[0]):
            for a in range(c + 1):
                y = y * 0.5 + w[c, a] * x[i, p % 4]
                p += 1
        total += math.tanh(y)
    return total


def triangle(x, w):
    total = 0.0
    for i in range(x.shape[0]):
        z = np.zeros(w.shape[0])
        for c in range(w.shape[0]):
            for a in range(c + 1):
                z[c] += w[c, a] * x[i, a]
        for c in range(w.shape[0]):
            total += z[c] ** 3 / (1.0 + z[0] ** 2)
    return total


def states(x, w):
    s = np.zeros(3)
    out = 0.0
    for i in range(x.shape[0]):
        s[0] = x[i, 0]
        s[1] = 0.0
        s[2] = 1.0
        for c in range(w.shape[0]):
            s[1] = s[1] + math.cos(s[0] * w[c, 0])
            s[2] = s[2] * w[c, 1] + s[1]
        out += s[2] * s[1]
    return out


def results_of_rows(x, w):
    y = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        for c in range(w.shape[0]):
            s = 0.0
            for a in range(x.shape[1]):
                s += x[i, a] * w[c, a]
            y[i] += s * s
    return np.sum(np.sqrt(y + 1.0))


PROGRAMS = [
    nearest_row, softmax_mixture, own_class, branches, counted, triangle, states, results_of_rows,
]  # fmt: skip


def agree(a, b):
    one, two = symdiff_leaves(a), symdiff_leaves(b)
    assert len(one) == len(two)
    for x, y in zip(one, two, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)


def symdiff_leaves(value):
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in symdiff_leaves(item)]
    return [np.asarray(value)]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_value_and_gradient(f):
    python = symdiff.value_and_grad(f, wrt=("x", "w"))
    c = symdiff.value_and_grad(f, wrt=("x", "w"), target="c")
    for n in (150, 128, 64, 33, 7, 1):  # blocks that are full, and what is left
        agree(c(POINTS[:n], ROWS), python(POINTS[:n], ROWS))


@pytest.mark.parametrize("f", [nearest_row, softmax_mixture, triangle], ids=lambda f: f.__name__)
def test_gradient_of_a_direction(f):
    options = {"wrt": "w"}
    python = symdiff.jvp(symdiff.grad(f, wrt="w"), **options)
    c = symdiff.jvp(symdiff.grad(f, wrt="w"), target="c", **options)
    direction = np.ones_like(ROWS)
    agree(c(POINTS, ROWS, direction), python(POINTS, ROWS, direction))


def test_rounds_run_side_by_side():
    c = symdiff.value_and_grad(softmax_mixture, wrt="w", target="c")
    c(POINTS, ROWS)
    assert " += 64)" in c.source
    for line in c.source.splitlines():
        assert "x_tape" not in line  # nothing is kept of a round beyond its block


def test_what_a_round_raises_is_raised():
    def logs(x, w):
        total = 0.0
        for i in range(x.shape[0]):
            s = 0.0
            for a in range(x.shape[1]):
                s += x[i, a] * w[0, a]
            total += math.log(s)
        return total

    c = symdiff.value_and_grad(logs, wrt="w", target="c")
    positive = np.abs(POINTS)
    agree(c(positive, np.abs(ROWS)), symdiff.value_and_grad(logs, wrt="w")(positive, np.abs(ROWS)))
    bad = positive.copy()
    bad[97] = -1.0
    with pytest.raises(ValueError, match="math domain error"):
        c(bad, np.abs(ROWS))


def test_numbers_that_are_none_stay_so():
    c = symdiff.value_and_grad(softmax_mixture, wrt="w", target="c")
    points = POINTS.copy()
    points[100, 2] = np.nan
    value, gradient = c(points, ROWS)
    assert math.isnan(value) and np.isnan(gradient).any()


def test_rows_of_any_stride():
    c = symdiff.value_and_grad(triangle, wrt="x", target="c")
    wide = np.zeros((POINTS.shape[1], POINTS.shape[0]))
    wide[:] = POINTS.T
    agree(c(wide.T, ROWS), c(POINTS, ROWS))


def overwritten(x, v, m: int):
    """What the last round leaves is read after the loop: it is no sum."""
    x = x * v[0]
    for _ in range(m):
        for _ in range(m):
            x = -0.7
    return x * 2.0


@pytest.mark.parametrize("m", [0, 2, 40])
def test_what_the_last_round_leaves(m: int, quick: symdiff.Options):
    args = 0.5, np.array([1.0, 2.0]), m
    expected = symdiff.value_and_grad(overwritten, wrt=("x", "v"))(*args)
    value, (d_x, d_v) = symdiff.value_and_grad(overwritten, wrt=("x", "v"), options=quick)(*args)
    assert value == expected[0]
    assert d_x == expected[1][0]
    np.testing.assert_array_equal(d_v, expected[1][1])
