"""Rosenbrock's function: the valley that optimizers are tried on, in n dimensions.

Cheap in arithmetic: the small size shows what a call costs, the large one what memory does.
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


def in_loops(x):
    total = 0.0
    for i in range(len(x) - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total


def in_numpy(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def in_torch(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def by_hand(x):
    d_x = np.zeros(len(x))
    total = 0.0
    for i in range(len(x) - 1):
        above = x[i + 1] - x[i] * x[i]
        rest = 1.0 - x[i]
        total += 100.0 * above * above + rest * rest
        d_x[i] -= 400.0 * above * x[i] + 2.0 * rest
        d_x[i + 1] += 200.0 * above
    return total, d_x


def in_c(kernel: Kernel, x: np.ndarray) -> Run:
    n, at = len(x), address(x)

    def run() -> Any:
        d_x = np.empty(n)
        return kernel(n, at, address(d_x)), d_x

    return run


def in_casadi(ca: Any, x: np.ndarray) -> Run:
    v = ca.MX.sym("x", len(x))
    value = ca.sum1(100.0 * (v[1:] - v[:-1] ** 2) ** 2 + (1.0 - v[:-1]) ** 2)
    run = ca.Function("rosenbrock", [v], [value, ca.gradient(value, v)])
    return lambda: run(x)


def start(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).uniform(-2.0, 2.0, n),)


def case(n: int, quick: bool = False) -> Case:
    return Case(f"n = {n:,}", lambda: start(n), n, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt="x")

PROBLEM = Problem(
    name="rosenbrock",
    title="Rosenbrock's function: value and gradient",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("rosenbrock", "rosenbrock", "lpp", in_c, returns="d"),
        jax_value_and_grad(in_numpy),
        torch_value_and_grad(in_torch),
        torch_compiled_value_and_grad(in_torch),
        autograd_value_and_grad(in_numpy),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(10, quick=True), case(1_000, quick=True), case(1_000_000)),
    small=case(7),
)
