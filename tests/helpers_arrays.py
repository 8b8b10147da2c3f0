"""What every case of an array function is held to: NumPy's value, and derivatives that agree.

value      the same dtype, shape and numbers as NumPy's
first      forward = reverse, and both = central differences
second     the Hessian times a vector = central differences of the gradient
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symdiff

STEP = 1e-6


def scalar_of(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    """A smooth scalar function of f's result, nonlinear so that second derivatives show."""

    def one(x: Any) -> Any:
        y = f(x)
        return np.sum(y * np.sin(y) + np.cos(np.arange(np.size(y))).reshape(np.shape(y)) * y)

    def two(x: Any, y: Any) -> Any:
        z = f(x, y)
        return np.sum(z * np.sin(z) + np.cos(np.arange(np.size(z))).reshape(np.shape(z)) * z)

    def three(x: Any, y: Any, w: Any) -> Any:
        z = f(x, y, w)
        return np.sum(z * np.sin(z) + np.cos(np.arange(np.size(z))).reshape(np.shape(z)) * z)

    return {1: one, 2: two, 3: three}[count]


def random_like(args: tuple[Any, ...], seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(np.shape(a)).astype(np.asarray(a).dtype)[()] for a in args]


def moved(args: tuple[Any, ...], directions: list[Any], by: float) -> list[Any]:
    return [a + by * d for a, d in zip(args, directions, strict=True)]


def difference(f: Callable[..., Any], args: tuple[Any, ...], directions: list[Any]) -> Any:
    """The central difference of f along `directions`."""
    ahead, behind = f(*moved(args, directions, STEP)), f(*moved(args, directions, -STEP))
    return (np.asarray(ahead) - np.asarray(behind)) / (2 * STEP)


def sizes(args: tuple[Any, ...]) -> dict[str, str]:
    """The declarations that make all sizes known when compiling."""
    return {
        name: f"{np.asarray(a).dtype}[{','.join(map(str, np.shape(a)))}]"
        for name, a in zip("xyw", args, strict=False)
        if np.shape(a)
    }


def check(
    f: Callable[..., Any], *args: Any, known: bool = False, second: bool = True, smooth: bool = True
) -> None:
    """Hold `f(x, y, w)` at `args` (float64) to all of the above. known: sizes are declared."""
    every = list(range(len(args)))
    options: dict[str, Any] = {"wrt": every, "types": sizes(args) if known else None}
    expected = f(*args)
    directions = random_like(args, 1)
    value, tangent = symdiff.jvp(f, **options)(*args, tuple(directions))
    same(value, expected)
    same_kind(tangent, expected)
    if smooth:
        close(tangent, difference(f, args, directions), 1e-6)

    weight = random_like((expected,), 2)[0]
    value, grads = symdiff.vjp(f, **options)(*args, weight)
    same(value, expected)
    for grad, arg in zip(grads, args, strict=True):
        same_kind(grad, arg)
    left = np.sum(weight * tangent)
    right = sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)

    if second:
        check_second(f, *args, **options)


def check_second(f: Callable[..., Any], *args: Any, **options: Any) -> None:
    """The Hessian of a scalar function of f, times a vector, against differences of gradients."""
    h = scalar_of(f, len(args))
    directions, others = random_like(args, 3), random_like(args, 4)
    gradient = symdiff.grad(h, **options)
    products = symdiff.hvp(h, **options)(*args, tuple(directions))
    _, reverse = symdiff.vjp(gradient, **options)(*args, tuple(others))
    ahead = gradient(*moved(args, directions, STEP))
    behind = gradient(*moved(args, directions, -STEP))
    for product, a, b in zip(products, ahead, behind, strict=True):
        close(product, (np.asarray(a) - np.asarray(b)) / (2 * STEP), 2e-5)
    # The Hessian is symmetric: reverse over reverse agrees with forward over reverse.
    left = sum(np.sum(p * d) for p, d in zip(products, others, strict=True))
    right = sum(np.sum(p * d) for p, d in zip(reverse, directions, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-8)


def same(value: Any, expected: Any) -> None:
    same_kind(value, expected)
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)


def same_kind(value: Any, expected: Any) -> None:
    assert np.shape(value) == np.shape(expected), (np.shape(value), np.shape(expected))
    assert np.asarray(value).dtype == np.asarray(expected).dtype


def close(value: Any, expected: Any, tolerance: float) -> None:
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance * scale)
