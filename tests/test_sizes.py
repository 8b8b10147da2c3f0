"""Sizes that are known only at run time: exact, or checked, but never a wrong number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_arrays_edges import arr


def slope(f: Any, *args: Any) -> float:
    """The derivative of `f(x, ...)`, a multiple of sum(x)."""
    gradient = symdiff.grad(f, wrt="x")(*args)
    assert gradient.shape == args[0].shape
    return float(gradient[0])


SIZES = {
    "stop is a size": lambda x, y, k: len(x[: len(y)]),
    "start is a size": lambda x, y, k: len(x[len(y) :]),
    "stop is below zero": lambda x, y, k: len(x[: len(x) - 3]),
    "both": lambda x, y, k: len(x[len(y) - 1 : len(x) - 1]),
    "window": lambda x, y, k: len(x[k : k + 1]),
    "window of another": lambda x, y, k: len(x[len(y) : len(y) + 1]),
    "stop is a parameter": lambda x, y, k: len(x[:k]),
    "of an array that a parameter sizes": lambda x, y, k: len(np.zeros(max(k, 0))[:2]),
    "of zeros": lambda x, y, k: len(np.zeros(k * k)[:2]),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_exact(name: str) -> None:
    size = SIZES[name]

    def f(x: Any, y: Any, k: Any) -> Any:
        return size(x, y, k) * np.sum(x)

    for n in (2, 3, 5, 8):
        for m in (2, 4, 7):
            for k in (-1, 0, 1, 2, 6):
                args = (arr(n), arr(m), k)
                assert slope(f, *args) == size(*args), (n, m, k)


@pytest.mark.parametrize("bounds", [(5, 6), (-5, -4)])
def test_one_element_is_checked(bounds: tuple[int, int]) -> None:
    """x[:, 5:6] is a column, which broadcasts; where there is no column 5, nothing is returned."""
    start, stop = bounds

    def f(x: Any) -> Any:
        return len(x[start:stop]) * np.sum(x)

    assert slope(f, arr(7)) == 1.0
    with pytest.raises(ValueError, match="shorter"):
        symdiff.grad(f)(arr(3))
    df = symdiff.grad(lambda x: np.sum(x[:1] * x[1:2] * x[-1:]))
    df(arr(3))
    assert "raise" not in df.source


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y, k: np.sum(x * y[::2]),
        lambda x, y, k: np.sum(x * y[k : k + 1]),
        lambda x, y, k: np.sum(x * np.ones(k)),
    ],
)
def test_run_time_sizes_of_one_do_not_broadcast(f: Any) -> None:
    """The gradient would have the shape of what is broadcast; it is refused."""
    with pytest.raises(ValueError, match="shapes"):
        symdiff.grad(f, wrt="x")(arr(3), arr(2), 1)
