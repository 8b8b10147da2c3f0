"""LLSQ (GradBench): least squares. A polynomial is to have the sign of its argument.

The squares of `sign(t) - sum_j x[j] t**j` are summed over n points t in [-1, 1], and halved; the
gradient is with respect to the m coefficients.
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


def in_loops(x, n: int):
    total = 0.0
    for i in range(n):
        t = -1.0 + 2.0 * i / (n - 1)
        if t > 0.0:
            residual = 1.0
        elif t < 0.0:
            residual = -1.0
        else:
            residual = 0.0
        power = 1.0
        for j in range(len(x)):
            residual -= x[j] * power
            power *= t
        total += residual * residual
    return 0.5 * total


def in_numpy(x, n: int):
    t = np.linspace(-1.0, 1.0, n)
    residual = np.sign(t) - t[:, None] ** np.arange(len(x)) @ x
    return 0.5 * np.sum(residual**2)


def in_torch(x, n):
    import torch

    t = torch.linspace(-1.0, 1.0, n, dtype=x.dtype)
    residual = torch.sign(t) - t[:, None] ** torch.arange(len(x)) @ x
    return 0.5 * (residual**2).sum()


def by_hand(x, n):
    m = len(x)
    d_x = np.zeros(m)
    total = 0.0
    for i in range(n):
        t = -1.0 + 2.0 * i / (n - 1)
        value = x[m - 1]
        for j in range(m - 2, -1, -1):
            value = value * t + x[j]
        residual = value - np.sign(t)
        total += residual * residual
        for j in range(m):
            d_x[j] += residual
            residual *= t
    return 0.5 * total, d_x


def in_c(kernel: Kernel, x: np.ndarray, n: int) -> Run:
    at = address(x)

    def run() -> Any:
        d_x = np.empty(len(x))
        return kernel(len(x), n, at, address(d_x)), d_x

    return run


def in_casadi(ca: Any, x: np.ndarray, n: int) -> Run:
    """The square of one point, differentiated, and mapped over all points."""
    c, t = ca.SX.sym("x", len(x)), ca.SX.sym("t")
    value = c[len(x) - 1]
    for j in reversed(range(len(x) - 1)):
        value = value * t + c[j]
    square = 0.5 * (value - ca.sign(t)) ** 2
    of_point = ca.Function("of_point", [c, t], [square, ca.gradient(square, c)])
    all_points = of_point.map("all", "serial", n, [0], [0, 1])
    points = np.linspace(-1.0, 1.0, n)[None, :]
    return lambda: all_points(x, points)


def coefficients(m: int, n: int) -> tuple[Any, ...]:
    return np.random.default_rng(0).normal(size=m) / m, n


def case(m: int, n: int, quick: bool = False) -> Case:
    return Case(f"m = {m}, n = {n:,}", lambda: coefficients(m, n), float(m) * n, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt="x")

PROBLEM = Problem(
    name="llsq",
    title="least squares: value and gradient",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("llsq", "llsq", "llpp", in_c, returns="d"),
        jax_value_and_grad(in_numpy, static=(1,)),
        torch_value_and_grad(in_torch),
        torch_compiled_value_and_grad(in_torch),
        autograd_value_and_grad(in_numpy),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(16, 1_024, quick=True), case(16, 100_000), case(128, 16_384), case(128, 131_072)),
    small=case(3, 8),
)
