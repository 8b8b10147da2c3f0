"""Loops as C: bounds, tapes of rounds, lists; each must give what Python gives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_calls import flat, seeds


def same_as_python(f: Any, args: tuple[Any, ...], options: symdiff.Options) -> None:
    """Value, gradient and directional derivative, of C and of Python."""
    for operator, more in ((symdiff.value_and_grad, ()), (symdiff.jvp, (seeds(args),))):
        expected = operator(f, wrt="*")(*copy.deepcopy(args), *more)
        found = operator(f, wrt="*", options=options)(*copy.deepcopy(args), *more)
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-11, atol=1e-14)


def least_of_two(x, n: int):
    s = x
    for _ in range(min(n, 4)):
        s = s * x
    return s


def between(x, n: int):
    s = x
    for i in range(max(n, 2), n + 3 if n > 3 else 6, 2):
        s += x * i
    return s


@pytest.mark.parametrize("f", [least_of_two, between])
@pytest.mark.parametrize("n", [0, 2, 5])
def test_bounds_that_are_choices(f: Any, n: int, quick: symdiff.Options):
    same_as_python(f, (1.3, n), quick)


def total_before_a_loop_writes(x, y, v, w, n: int):
    before = v * 2
    t = x * y
    k = 0
    while k < n:
        k += 1
        v[:] = np.where(v > t, before, w)
    if k % 2 == 0:
        for _ in w:
            if 1.1 > np.sum(before):
                return abs(-0.7)
    return x * 1.0 + t + np.sum(before) * 0.7 + y * 0.7


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_what_is_read_of_an_argument_before_a_loop_writes_into_it(n: int, quick: symdiff.Options):
    v, w = np.array([0.659, 0.237, -0.593]), np.array([1.126, -0.67, 0.119])
    same_as_python(total_before_a_loop_writes, (-0.852, -1.19, v, w, n), quick)
