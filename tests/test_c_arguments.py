"""What compiled derivatives are called with: any layout, both precisions, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_c_runtime import LAYOUTS


def loss(x, w):
    total = 0.0
    for i in range(len(x)):
        total += np.exp(x[i]) * w[i]
    return total + np.sum(x * w)


@pytest.fixture(scope="module")
def both(quick: symdiff.Options) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The derivative in Python, and in C."""
    python = symdiff.value_and_grad(loss, wrt="*")
    return python, symdiff.value_and_grad(loss, wrt="*", options=quick)


@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"swapped"}))
@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_layouts(both: Any, layout: str, size: int) -> None:
    python, c = both
    x, w = LAYOUTS[layout](np.linspace(-1.0, 1.0, size)), np.arange(float(size))
    kept = x.copy()
    (value, gradient), (expected, wanted) = c(x, w), python(x, w)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12)
    np.testing.assert_array_equal(x, kept)


def test_single_precision(both: Any) -> None:
    python, c = both
    x, w = np.linspace(-1.0, 1.0, 7, dtype=np.float32), np.arange(7, dtype=np.float32)
    (value, gradient), (expected, wanted) = c(x, w), python(x, w)
    assert value == pytest.approx(expected, rel=1e-5)
    assert [g.dtype for g in gradient] == [g.dtype for g in wanted] == [np.float32] * 2
    np.testing.assert_allclose(gradient, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "x, w",
    [
        (np.ones(3), np.ones(2)), (np.ones((3, 2)), np.ones((3, 3))), (np.ones(3), np.ones((2, 3))),
        (np.ones(3, complex), np.ones(3)), (np.ones(3, object), np.ones(3)),
        (np.array(["a"]), np.ones(1)), (None, np.ones(3)), ("ab", np.ones(2)),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused(both: Any, x: Any, w: Any) -> None:
    """By an exception of the same kind as in Python; nothing is computed."""
    caught: list[type[BaseException]] = []
    for run in both:
        with pytest.raises((symdiff.SymdiffError, TypeError, ValueError, IndexError)) as info:
            run(x, w)
        caught.append(type(info.value))
    assert caught[0] is caught[1]


def smoothed(x, n):
    for _ in range(n):
        x = np.sqrt(x[1:-1] * x[1:-1] + 1.0).sum() * x
    return np.sum(x)


def test_sizes_are_checked_before_memory_is_asked_for(quick: symdiff.Options) -> None:
    """What is missing is named: it is not that a negative number of bytes cannot be had."""
    options = dataclasses.replace(quick, check_shapes=True)
    c = symdiff.grad(smoothed, options=options)
    x = np.linspace(0.5, 1.5, 6)
    np.testing.assert_allclose(c(x, 4), symdiff.grad(smoothed)(x, 4), rtol=1e-12)
    lines = c.source.splitlines()
    allocates = next(k for k, line in enumerate(lines) if "malloc(" in line)
    checks = [k for k, line in enumerate(lines) if line.startswith("    if (x_n")]
    assert checks and all(k < allocates for k in checks)


def distances(x, centres, w):
    total = 0.0
    for i in range(len(w)):
        for k in range(len(centres)):
            difference = x[i] - centres[k]
            total += w[i] * np.sum(difference * difference * x[i])
    return total + np.sum(w * np.sum(x * x, axis=1)) + np.sum(x @ centres.T)


def test_each_size_is_compared(quick: symdiff.Options) -> None:
    """Those that have been compared are equal from then on, also where others are compared."""
    types = {"x": "float64[n,d]", "centres": "float64[m,e]", "w": "float64[l]"}
    fits = {"x": (7, 3), "centres": (5, 3), "w": (7,)}
    rng = np.random.default_rng(4)
    for options in (symdiff.Options(target="python"), quick):
        f = symdiff.grad(distances, wrt="*", types=types, options=options)
        arguments = {name: rng.normal(size=shape) for name, shape in fits.items()}
        expected = symdiff.grad(distances, wrt="*", mode="forward")(**arguments)
        for found, wanted in zip(f(**arguments), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)
        for name, shape in fits.items():
            for axis in range(len(shape)):
                other = tuple(n + 2 * (k == axis) for k, n in enumerate(shape))
                if (name, axis) == ("centres", 0):
                    continue
                with pytest.raises(ValueError, match="shape|size|match|broadcast|argument"):
                    f(**{**arguments, name: np.ones(other)})
