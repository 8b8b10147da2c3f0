"""Array programs: value and gradient per call, NumPy output against the array frameworks.

    python -m benchmarks.arrays

The same NumPy functions go to everyone: symdiff turns them into NumPy code, JAX compiles them with
`jit`, autograd traces them, and PyTorch runs them with its own functions of the same names. All use
float64; the gradients are compared before anything is timed. The Gaussian mixture is the one of the
ADBench suite (F. Srajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", 2018): d = 10
dimensions, k = 25 components, n = 1000 points.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symdiff
from benchmarks.measure import environment, peer, race, ratio, show, standalone, table


def logistic(w, b, X, y):
    """Mean logistic loss of labels y in {-1, +1}."""
    z = X @ w + b
    return np.mean(np.log(1 + np.exp(-y * z)))


def softmax(W, b, X, Y):
    """Mean cross-entropy of softmax regression; Y is one-hot."""
    scores = X @ W + b
    top = np.max(scores, axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(scores - top), axis=1)) + top[:, 0]
    return np.mean(total - np.sum(Y * scores, axis=1))


def network(W1, b1, W2, b2, X, y):
    """Squared error of a network with one hidden layer."""
    hidden = np.tanh(X @ W1 + b1)
    return np.mean((hidden @ W2 + b2 - y) ** 2)


def mixture(alphas, means, diagonals, lower, x):
    """Minus the log-likelihood of a Gaussian mixture, with a Wishart prior.

    alphas (k,): unnormalised log weights. means (k, d). diagonals (k, d) and lower (k, d, d):
    logarithm of the diagonal, and the part below it, of a root of each inverse covariance.
    """
    d = means.shape[1]
    roots = np.exp(diagonals)[:, :, None] * np.eye(d) + np.tril(lower, -1)
    centred = x[:, None, :] - means
    scaled = np.einsum("kij,nkj->nki", roots, centred)
    weights = alphas + np.sum(diagonals, axis=1)
    inner = weights - 0.5 * np.sum(scaled**2, axis=2)
    top = np.max(inner, axis=1, keepdims=True)
    likelihood = np.sum(np.log(np.sum(np.exp(inner - top), axis=1)) + top[:, 0])
    normal = x.shape[0] * np.log(np.sum(np.exp(alphas)))
    prior = 0.5 * np.sum(roots**2) - np.sum(diagonals)
    return normal - likelihood + prior


def energy(x, y):
    """A chain of springs in the plane: slices and element-wise functions only."""
    dx, dy = x[1:] - x[:-1], y[1:] - y[:-1]
    stretch = np.sqrt(dx**2 + dy**2) - 1.0
    return np.sum(stretch**2) + 0.1 * np.sum(np.sin(x) * np.cos(y))


def cases() -> Sequence[tuple[str, Callable[..., Any], int, tuple[Any, ...]]]:
    """(label, function, number of parameters to differentiate in, arguments)."""
    random = np.random.default_rng(0)
    normal = random.standard_normal

    def labels(n):
        return np.where(random.random(n) < 0.5, -1.0, 1.0)

    def one_hot(n, k):
        return np.eye(k)[random.integers(0, k, n)]

    k, d, n = 25, 10, 1000
    return (
        ("logistic regression, n=1000, d=20", logistic, 2,
         (normal(20), np.array(0.1), normal((1000, 20)), labels(1000))),
        ("logistic regression, n=100, d=5", logistic, 2,
         (normal(5), np.array(0.1), normal((100, 5)), labels(100))),
        ("softmax regression, n=1000, d=20, 10 classes", softmax, 2,
         (normal((20, 10)), normal(10), normal((1000, 20)), one_hot(1000, 10))),
        ("network, n=1000, 20-32-1", network, 4,
         (normal((20, 32)), normal(32), normal(32), np.array(0.0), normal((1000, 20)),
          normal(1000))),
        ("Gaussian mixture, d=10, k=25, n=1000", mixture, 4,
         (normal(k), normal((k, d)), 0.1 * normal((k, d)), 0.1 * normal((k, d, d)),
          normal((n, d)))),
        ("chain of springs, n=10000", energy, 2, (normal(10_000), normal(10_000))),
    )  # fmt: skip


def with_numpy(function: Callable[..., Any], module: Any) -> Callable[..., Any]:
    """`function` with another library in the place of NumPy."""
    return types.FunctionType(function.__code__, {**function.__globals__, "np": module})


# Each maker returns a function without arguments: one value and its gradient.


def make_jax(function: Callable[..., Any], count: int, at: tuple[Any, ...]) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    run = jax.jit(jax.value_and_grad(with_numpy(function, jnp), argnums=tuple(range(count))))
    arrays = tuple(jnp.asarray(x) for x in at)
    return lambda: jax.block_until_ready(run(*arrays))


def make_torch(function: Callable[..., Any], count: int, at: tuple[Any, ...]) -> Callable[[], Any]:
    import torch

    torch.set_default_dtype(torch.float64)
    names = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sum", "mean", "einsum", "tril", "eye")
    numpy = types.SimpleNamespace(max=torch.amax, **{name: getattr(torch, name) for name in names})
    value = with_numpy(function, numpy)
    tensors = [torch.tensor(x, requires_grad=i < count) for i, x in enumerate(at)]

    def run():
        out = value(*tensors)
        return out, torch.autograd.grad(out, tensors[:count])

    return run


def make_autograd(
    function: Callable[..., Any], count: int, at: tuple[Any, ...]
) -> Callable[[], Any]:
    import autograd
    import autograd.numpy as anp

    value = with_numpy(function, anp)
    run = autograd.value_and_grad(lambda params: value(*params, *at[count:]))
    return lambda: run(at[:count])


MAKERS = {
    "JAX jit": ("jax", make_jax),
    "PyTorch": ("torch", make_torch),
    "autograd": ("autograd", make_autograd),
}


def compare(label: str, function: Callable[..., Any], count: int, at: tuple[Any, ...]) -> None:
    """Time one function's value and gradient with everyone; print the table."""
    try:
        derivative = symdiff.value_and_grad(function, wrt=tuple(range(count)))
        _, expected = derivative(*at)
    except symdiff.SymdiffError as error:
        print(f"\n{label}: symdiff cannot: {error}")
        return
    bare = standalone(derivative)
    runs: dict[str, Callable[[], Any]] = {
        "symdiff, decorator": lambda: derivative(*at),
        "symdiff, function": lambda: bare(*at),
        "the value alone": lambda: function(*at),
    }
    missing: list[str] = []
    wrong: list[str] = []
    for name, (package, make) in MAKERS.items():
        if peer(package) is None:
            missing.append(name)
            continue
        runs[name] = make(function, count, at)
        _, found = runs[name]()
        if not all(
            np.allclose(a, b, rtol=1e-8, atol=1e-10) for a, b in zip(expected, found, strict=True)
        ):
            wrong.append(name)
    times = race(runs, rounds=11, seconds=0.05)
    base = times["symdiff, decorator"]
    rows = [[name, show(times[name]), ratio(times[name], base)] for name in runs]
    rows += [[name, "not installed", ""] for name in missing]
    table(f"{label}: value and gradient", ["", "time", "of symdiff's"], rows)
    if wrong:
        print(f"  GRADIENTS DIFFER from symdiff's: {', '.join(wrong)}")


def main() -> None:
    environment("jax", "torch", "autograd")
    for label, function, count, at in cases():
        compare(label, function, count, at)


if __name__ == "__main__":
    main()
