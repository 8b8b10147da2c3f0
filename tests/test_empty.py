"""Reductions of no elements: NumPy's value, a gradient of no elements, and nan where JAX has nan."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import symdiff

UNDEFINED = {
    "mean": lambda x: np.mean(x),
    "average": lambda x: np.average(x),
    "mean of squares": lambda x: np.mean(x**2),
    "kept": lambda x: np.sum(np.mean(x, keepdims=True)),
    "var": lambda x: np.var(x),
    "std": lambda x: np.std(x, ddof=1),
    "log of sum": lambda x: np.log(np.sum(np.exp(x))),
}
DEFINED = {
    "sum": lambda x: np.sum(x),
    "prod": lambda x: np.prod(x),
    "norm": lambda x: np.linalg.norm(x),
    "dot": lambda x: x @ x,
    "cumsum": lambda x: np.sum(np.cumsum(x)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [*UNDEFINED, *DEFINED])
def test_reductions_of_nothing(name: str) -> None:
    f, x = {**UNDEFINED, **DEFINED}[name], np.zeros(0)
    value, gradient = symdiff.value_and_grad(f)(x)
    np.testing.assert_array_equal(value, f(x))
    assert gradient.shape == (0,)
    value, tangent = symdiff.jvp(f)(x, x)
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(tangent, np.nan if name in UNDEFINED else 0.0)


@pytest.mark.parametrize("f", [lambda x: np.max(x), lambda x: np.min(x), lambda x: np.ptp(x)])
def test_extremes_of_nothing_are_refused(f: Any) -> None:
    with pytest.raises(symdiff.SymdiffError, match="empty"):
        symdiff.grad(f)(np.zeros(0))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_empty_only_when_called() -> None:
    def f(x: Any) -> Any:
        return np.mean(x[3:]) + np.sum(x)

    value, gradient = symdiff.value_and_grad(f)(np.ones(3))
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, np.ones(3))
    np.testing.assert_array_equal(symdiff.grad(f)(np.ones(5)), [1.0, 1.0, 1.0, 1.5, 1.5])


def test_no_degree_of_freedom() -> None:
    """NumPy divides by max(n - ddof, 0): by 0 where there are two values, not by -1."""

    def f(x: Any) -> Any:
        return np.var(x, ddof=3)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value, gradient = symdiff.value_and_grad(f)(np.array([0.0, 1.0]))
    assert value == np.inf
    np.testing.assert_array_equal(gradient, [-np.inf, np.inf])
