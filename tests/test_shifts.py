"""Sums of exponentials that the user has shifted by the maximum, and axes of size one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff


def added_axis(a: Any) -> Any:
    m = a.max(axis=1)
    return np.sum(np.sin(m + np.log(np.exp(a - m[:, None]).sum(axis=1))))


def kept_axis(a: Any) -> Any:
    m = np.max(a, axis=0, keepdims=True)
    return np.sum(np.sin(np.log(np.sum(np.exp(a - m), axis=0, keepdims=True)) + m))


def dropped_axis(a: Any) -> Any:
    m = np.max(a, axis=-1, keepdims=True)
    return np.sum(np.sin(np.squeeze(m, -1) + np.log(np.sum(np.exp(a - m), axis=-1))))


def whole(a: Any) -> Any:
    m = np.max(a)
    return np.sin(m + np.log(np.sum(np.exp(a - m))))


def log_softmax(a: Any) -> Any:
    z = a - np.max(a, axis=1, keepdims=True)
    return np.sum(a * (z - np.log(np.sum(np.exp(z), axis=1))[:, None]))


def softmax(a: Any) -> Any:
    e = np.exp(a - np.max(a, axis=1, keepdims=True))
    return np.sum(a * (e / e.sum(axis=1, keepdims=True)))


SHIFTED = [added_axis, kept_axis, dropped_axis, whole, log_softmax, softmax]


@pytest.mark.parametrize("f", SHIFTED)
def test_no_derivative_flows_through_a_shift(f: Any) -> None:
    a = np.array([[1.0, 2.0, 2.0], [700.0, -3.0, 5.0]])
    df = symdiff.value_and_grad(f)
    value, _ = df(a)
    np.testing.assert_allclose(value, f(a), rtol=1e-15)
    assert "==" not in df.source  # where the maximum is
    df.check(a + np.array([0.0, 0.1, 0.2]))
    symdiff.hessian(f).check(np.array([[1.0, 2.0, 2.5]]))


def test_what_depends_on_the_shift_keeps_it() -> None:
    def crossed(a: Any) -> Any:  # added along the other axis
        m = a.max(axis=1)
        return np.sum(np.sin(m[:, None] + np.log(np.exp(a - m[:, None]).sum(axis=1))))

    def doubled(a: Any) -> Any:
        m = a.max(axis=1)
        return np.sum(2.0 * m + np.log(np.exp(a - m[:, None]).sum(axis=1)))

    a = np.array([[1.0, 2.0], [4.0, -3.0]])
    for f in (crossed, doubled):
        symdiff.grad(f).check(a)


def test_nothing_is_broadcast_that_broadcasts_anyway() -> None:
    def mixture(alphas: Any, means: Any, x: Any) -> Any:
        d = x[:, None, :] - means[None, :, :]
        a = alphas - 0.5 * (d * d).sum(axis=2)
        m = a.max(axis=1)
        return np.sum(m + np.log(np.exp(a - m[:, None]).sum(axis=1)))

    rng = np.random.default_rng(0)
    args = rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=(5, 2))
    df = symdiff.value_and_grad(mixture, wrt="*")
    df.check(*args)
    assert "broadcast_to" not in df.source
    assert "squeeze" not in df.source
    assert "zeros_like" not in df.source


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.sin(x[:, None] * x[None])),
        lambda x: np.sum(np.sin(x[None, ..., None])),
        lambda x: np.sum(np.sin(x[..., None, :] + x[:, None])),
        lambda x: np.sum(x[None] ** 2) + np.sum(x[...] * x[:]),
    ],
)
def test_new_axes(f: Any) -> None:
    df = symdiff.value_and_grad(f)
    x = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(df(x)[0], f(x))
    df.check(x)
    with pytest.raises(symdiff.IllTypedError):
        symdiff.grad(lambda x: np.sum(x[:, :, None]))(x)
