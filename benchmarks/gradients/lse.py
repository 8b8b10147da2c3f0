"""Log-sum-exp: the logarithm of the sum of the exponentials of n numbers; its gradient is softmax.

The largest number is subtracted first, as everyone does, so that nothing overflows.
"""

from __future__ import annotations

import functools
import math
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
    largest = x[0]
    for i in range(1, len(x)):
        largest = max(largest, x[i])
    total = 0.0
    for i in range(len(x)):
        total += math.exp(x[i] - largest)
    return largest + math.log(total)


def in_numpy(x):
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def in_torch(x):
    largest = x.max()
    return largest + (x - largest).exp().sum().log()


def by_hand(x):
    largest = x[0]
    for i in range(1, len(x)):
        largest = max(largest, x[i])
    d_x = np.empty(len(x))
    total = 0.0
    for i in range(len(x)):
        d_x[i] = math.exp(x[i] - largest)
        total += d_x[i]
    scale = 1.0 / total
    for i in range(len(x)):
        d_x[i] *= scale
    return largest + math.log(total), d_x


def in_c(kernel: Kernel, x: np.ndarray) -> Run:
    n, at = len(x), address(x)

    def run() -> Any:
        d_x = np.empty(n)
        return kernel(n, at, address(d_x)), d_x

    return run


def in_casadi(ca: Any, x: np.ndarray) -> Run:
    v = ca.MX.sym("x", len(x))
    largest = ca.mmax(v)
    value = largest + ca.log(ca.sum1(ca.exp(v - largest)))
    run = ca.Function("lse", [v], [value, ca.gradient(value, v)])
    return lambda: run(x)


def numbers(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).normal(size=n),)


def case(n: int, quick: bool = False) -> Case:
    return Case(f"n = {n:,}", lambda: numbers(n), n, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt="x")

PROBLEM = Problem(
    name="lse",
    title="log-sum-exp: value and gradient",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("lse", "lse", "lpp", in_c, returns="d"),
        jax_value_and_grad(in_numpy),
        torch_value_and_grad(in_torch),
        torch_compiled_value_and_grad(in_torch),
        autograd_value_and_grad(in_numpy),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(1_000, quick=True), case(10_000), case(100_000), case(1_000_000)),
    small=case(7),
)
