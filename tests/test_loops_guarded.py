"""What only some rounds read of what does not change: its derivative is asked for only there."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symdiff

PLAIN = symdiff.Options(optimize=False)


def an_item_that_may_not_be_there(v, x, at: int):
    s = 0.0
    for u in x:
        if at < len(v):
            s += u * v[at] * v[at]
    return s


def a_logarithm(v, x, at: int):
    s = 0.0
    for u in x:
        if v[at] > 0.0:
            s += u * math.log(v[at])
        else:
            s += u
    return s


def logarithms(v, x, at: int):
    s = 0.0
    for u in x:
        if v[at] > 0.0 and u > 0.0:
            s += u * np.sum(np.log(v)) * u
    return s


def a_root_in_nested_loops(v, x, at: int):
    s = 0.0
    for u in x:
        for k in range(at):
            if v[k] * u > 0.0:
                s += math.sqrt(v[at]) * u + v[at] ** 1.5
    return s


ONES, ZEROS, X = np.array([0.7, 1.4, 2.0]), np.zeros(3), np.array([0.3, -0.2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", [symdiff.Options(), PLAIN], ids=["optimised", "plain"])
@pytest.mark.parametrize(("f", "there", "elsewhere"), [
    (an_item_that_may_not_be_there, (ONES, X, 1), (ONES, X, 3)),
    (a_logarithm, (ONES, X, 1), (ZEROS, X, 1)),
    (logarithms, (ONES, X, 1), (ZEROS, X, 1)),
    (a_root_in_nested_loops, (ONES, X, 2), (ZEROS, X, 2)),
])  # fmt: skip
def test_a_branch_that_no_round_takes_asks_for_nothing(f, there, elsewhere, options):
    derivative = symdiff.grad(f, options=options)
    derivative.check(*there)
    np.testing.assert_array_equal(derivative(*elsewhere), ZEROS)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("options", [symdiff.Options(), PLAIN], ids=["optimised", "plain"])
def test_what_the_result_is_not_made_of_has_no_part_in_the_sweep(options):
    def f(x, v):
        s = v @ v if x < 0.0 else x
        for e in v:
            for i in range(5):
                v = v * v  # grows beyond all bounds, and nobody minds
                s = math.sin(s + i)
            s += e
        return s

    v = np.array([3.0, 0.5, 0.7])
    found = symdiff.grad(f, wrt=("x", "v"), options=options)(0.4, v)
    expected = symdiff.jacobian(f, wrt=("x", "v"), mode="forward")(0.4, v)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
        assert np.all(np.isfinite(one))


def a_product_read_in_branches(v, x, at: int):
    w = np.exp(v * v)
    s = 0.0
    for u in x:
        for k in range(at):
            if u > 0.0:
                s += w[k] * u
    return s


def test_what_is_outside_of_the_loop_stays_there():
    """Its adjoint is summed over the rounds, and pulled back once."""
    derivative = symdiff.grad(a_product_read_in_branches)
    derivative.check(ONES, X, 2)
    assert derivative.source.count("np.exp") == 1
    assert derivative.source.index("np.exp") > derivative.source.rindex("for ")
