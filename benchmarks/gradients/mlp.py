"""A batch gradient of a neural network: one hidden layer of rectified units, softmax cross entropy.

The weights are a tuple of layers, each a matrix and a bias, and so is the gradient. Nearly all of
the time goes into four matrix products.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Primal, Problem, Run
from benchmarks.gradients.tools import (
    autograd_value_and_grad,
    casadi,
    jax_value_and_grad,
    numba_by_hand,
    torch_compiled_value_and_grad,
    torch_value_and_grad,
)


def in_numpy(params, X, labels):
    a = X
    for W, b in params[:-1]:
        a = np.maximum(a @ W + b, 0.0)
    W, b = params[-1]
    z = a @ W + b
    z = z - np.max(z, axis=1, keepdims=True)
    log_likely = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(log_likely[np.arange(len(labels)), labels])


def in_torch(params, X, labels):
    from torch.nn.functional import cross_entropy

    a = X
    for W, b in params[:-1]:
        a = (a @ W + b).relu()
    W, b = params[-1]
    return cross_entropy(a @ W + b, labels)


def by_hand(params, X, labels):
    (W1, b1), (W2, b2) = params
    batch, classes = len(X), len(b2)
    a = np.maximum(X @ W1 + b1, 0.0)
    z = a @ W2 + b2
    loss = 0.0
    for n in range(batch):
        top = z[n, 0]
        for j in range(1, classes):
            top = max(top, z[n, j])
        own = z[n, labels[n]] - top
        total = 0.0
        for j in range(classes):
            z[n, j] = np.exp(z[n, j] - top)
            total += z[n, j]
        for j in range(classes):
            z[n, j] /= total * batch
        z[n, labels[n]] -= 1.0 / batch
        loss += np.log(total) - own
    d_a = z @ W2.T
    for n in range(batch):
        for i in range(len(b1)):
            if a[n, i] <= 0.0:
                d_a[n, i] = 0.0
    d_first, d_last = (X.T @ d_a, d_a.sum(0)), (a.T @ z, z.sum(0))
    return loss / batch, (d_first, d_last)


def in_c(kernel: Kernel, params: Any, X: Any, labels: Any) -> Run:
    weights = [array for layer in params for array in layer]
    sizes = [*X.shape, *weights[2].shape]
    at = [address(a) for a in (*weights, X, labels)]

    def run() -> Any:
        gradient = [np.empty(w.shape) for w in weights]
        return kernel(*sizes, *at, *map(address, gradient)), gradient

    return run


def in_casadi(ca: Any, params: Any, X: Any, labels: Any) -> Run:
    symbols = [ca.MX.sym("w", *w.shape) for layer in params for w in layer]
    W1, b1, W2, b2 = symbols
    batch, classes = len(X), len(params[1][1])
    chosen = np.eye(classes)[labels]
    a = ca.fmax(X @ W1 + ca.repmat(b1.T, batch, 1), 0.0)
    z = a @ W2 + ca.repmat(b2.T, batch, 1)
    value = ca.sum1(ca.log(ca.sum2(ca.exp(z))) - ca.sum2(z * chosen)) / batch
    run = ca.Function("mlp", symbols, [value, *(ca.gradient(value, s) for s in symbols)])
    given = [w for layer in params for w in layer]
    return lambda: run(*given)


def batch_of(batch: int, inputs: int, hidden: int, classes: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)

    def layer(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        W = random.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        return W, 0.1 * random.normal(size=outputs)

    X, labels = random.uniform(size=(batch, inputs)), random.integers(0, classes, batch)
    return (layer(inputs, hidden), layer(hidden, classes)), X, labels


def case(batch: int, inputs: int, hidden: int, classes: int, quick: bool = False) -> Case:
    sizes = (batch, inputs, hidden, classes)
    label = f"batch of {batch}, {inputs}-{hidden}-{classes}"
    return Case(label, lambda: batch_of(*sizes), batch * inputs * hidden, quick)


PROBLEM = Problem(
    name="mlp",
    title="neural network: loss of a batch and its gradient in all weights",
    primals=(Primal("NumPy", in_numpy, functools.partial(symdiff.value_and_grad, wrt="params")),),
    peers=(
        hand_c("mlp", "mlp", "llllpppppppppp", in_c, returns="d"),
        jax_value_and_grad(in_numpy),
        torch_value_and_grad(in_torch),
        torch_compiled_value_and_grad(in_torch),
        autograd_value_and_grad(in_numpy),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(
        case(32, 64, 32, 10, quick=True),
        case(256, 784, 128, 10),
        case(1_024, 784, 512, 10),
    ),
    small=case(4, 5, 3, 3),
)
