"""`symdiff.compiled`, and Jacobians of small vectors, whose numbers each have a sweep of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff


def blend(p: Any, w: Any) -> Any:
    return w * np.array([p[0] * p[1], math.sin(p[2])]) / p[1:3]


def sliced(p: Any, w: Any) -> Any:
    return w * np.sqrt(p[1:4]) * p[:3] + np.array([1.0, 2.0, 3.0])


def alone(p: Any, w: Any) -> Any:
    return np.exp(p[1:2]) * w


def constant_rows(p: Any, w: Any) -> Any:
    return np.array([1.0, p[0], w])


POINT = np.array([0.7, 1.3, 0.4, 2.0])


@pytest.mark.parametrize("f", [blend, sliced, alone, constant_rows])
@pytest.mark.parametrize("weight", [0.5, np.float32(0.5)])
def test_rows_are_the_same_in_both_modes(f: Any, weight: Any, quick: symdiff.Options):
    forward = symdiff.jacobian(f, wrt=("p", "w"), mode="forward")(POINT, weight)
    for options in (symdiff.Options(), quick):
        made = symdiff.jacobian(f, wrt=("p", "w"), mode="reverse", options=options)(POINT, weight)
        for found, expected in zip(made, forward, strict=True):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-15)


def test_a_row_knows_nothing_of_the_others():
    def apart(x: Any) -> Any:
        return np.array([math.sqrt(x[0]), x[1] ** 2])

    rows = symdiff.jacobian(apart, mode="reverse")(np.array([4.0, 3.0]))
    assert rows.tolist() == [[0.25, 0.0], [0.0, 6.0]]
    made = symdiff.jacobian(apart, mode="reverse")
    made(np.ones(2))
    assert "for " not in made.source


def test_numpy_division_by_zero_stays_numpys():
    def f(x: Any, y: Any) -> Any:
        return np.array([x, 2.0 * x]) / y

    with np.errstate(all="ignore"):
        rows = symdiff.jacobian(f, mode="reverse")(1.0, 0.0)
    assert not np.isfinite(rows).any()  # and nothing is raised


slope = symdiff.jacobian(lambda p, w: w * p[:2] ** 2, wrt="p")


def blocks(points: Any, weights: Any, which: Any) -> Any:
    out = np.zeros((len(which), 2, 3))
    for i in range(len(which)):
        out[i] = slope(points[which[i]], weights[i])
    return out


@pytest.mark.parametrize("which", [[0, 2, 1], [-1, 0, 0], []])
def test_a_derivative_in_a_loop_is_computed_in_place(which: list[int], quick: symdiff.Options):
    points = np.arange(9.0).reshape(3, 3)
    at = (points, np.arange(1.0, 1.0 + len(which)), np.array(which, dtype=np.int64))
    expected = np.zeros((len(which), 2, 3))
    for row, (w, k) in enumerate(zip(at[1], which, strict=True)):
        expected[row, 0, 0], expected[row, 1, 1] = 2 * w * points[k, 0], 2 * w * points[k, 1]
    for options in (symdiff.Options(), quick):
        found = symdiff.compiled(blocks, options=options)(*at)
        assert found.tolist() == expected.tolist()


def test_an_index_outside_raises_before_anything_is_returned(quick: symdiff.Options):
    compiled = symdiff.compiled(blocks, options=quick)
    with pytest.raises(IndexError):
        compiled(np.ones((3, 3)), np.ones(2), np.array([0, 3]))


def test_indices_of_indices_are_checked_in_turn(quick: symdiff.Options):
    def behind(x: Any, at: Any, of: Any) -> Any:
        z = np.zeros(len(at))
        for i in range(len(at)):
            z[i] = x[of[at[i]]]
        return z

    compiled = symdiff.compiled(behind, options=quick)
    x, at = np.arange(3.0), np.array([1, 0, -1])
    assert compiled(x, at, np.array([2, 1, 0])).tolist() == [1.0, 2.0, 0.0]
    for of in (np.array([2, 1, 3]), np.array([2])):
        with pytest.raises(IndexError):
            compiled(x, at, of)


def test_types_and_targets_are_given_as_to_the_other_operators():
    made = symdiff.compiled(types={"x": "float64[n,2]"})(lambda x: x[:, 0] * x[:, 1])
    assert made(np.array([[2.0, 3.0]])).tolist() == [6.0]
    assert made.target == "python"


def joined(x: Any, y: Any) -> Any:
    z = np.zeros((len(x), 2, 3))
    for i in range(len(x)):
        for k in range(3):
            z[i, 0, k] = x[i] * (k + 1)
            z[i, 1, k] = y[i] - k
    return np.concatenate((z.ravel(), y, z[:, 1].ravel()))


def in_steps(x: Any, y: Any) -> Any:
    z = np.zeros(3 * len(x) + 2)
    for i in range(len(x)):
        z[3 * i + 1] = x[i]
        z[3 * i] = y[i]
        z[3 * i + 2] = z[3 * i + 1] * y[i]
    return z


def overlapping(x: Any, y: Any) -> Any:
    z = np.zeros(3 * len(x) + 4)
    for i in range(len(x)):
        z[3 * i] = x[i]
        z[3 * i + 3] = y[i]
    return z


def redirected(x: Any, y: Any) -> Any:
    """What a round writes is the index of a later one."""
    at = np.zeros(len(x) + 1, dtype=np.int64)
    z = np.zeros(len(x))
    for i in range(len(x)):
        z[i] = x[at[i]] + y[i]
        at[i + 1] = i
    return z


def twice_removed(x: Any, y: Any) -> Any:
    """An index that is read where another index says: nothing is read beyond the first check."""
    at = np.zeros(len(x), dtype=np.int64)
    z = np.zeros(len(x))
    for i in range(len(x)):
        at[i] = -1 - i
    for i in range(len(x)):
        z[i] = x[at[at[i]]] * y[at[i]]
    return z


@pytest.mark.parametrize("f", [joined, in_steps, overlapping, redirected, twice_removed])
@pytest.mark.parametrize("size", [0, 1, 2, 9])
def test_what_is_compiled_is_what_python_runs(f: Any, size: int, quick: symdiff.Options):
    at = np.linspace(-1.0, 1.0, size), np.linspace(2.0, 3.0, size)
    assert symdiff.compiled(f, options=quick)(*at).tolist() == f(*at).tolist()


def test_rounds_that_write_in_steps_are_simd():
    made = symdiff.compiled(in_steps, target="c")
    made(np.ones(4), np.ones(4))
    assert made.source.count("#pragma omp simd") == made.source.count("for (")
    assert "overflows" not in made.source
