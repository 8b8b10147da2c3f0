"""The heat equation on a grid, steps of a stencil in place: the gradient in start and diffusivity.

The border is held. In loops a step computes what flows into each cell and then adds it; in NumPy
it is one statement on slices. JAX and autograd have no writes in place and are given programs
without: a new grid for each step.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Primal, Problem, Run
from benchmarks.gradients.tools import (
    autograd_value_and_grad,
    casadi,
    jax_compiled,
    numba_by_hand,
    torch_value_and_grad,
)


def in_loops(u, k, seen, steps):
    u = u.copy()
    rows, columns = u.shape
    flow = np.zeros((rows, columns))
    for _ in range(steps):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                flow[i, j] = k * (around - 4.0 * u[i, j])
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                u[i, j] += flow[i, j]
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            total += (u[i, j] - seen[i, j]) ** 2
    return total


def in_numpy(u, k, seen, steps):
    u = u.copy()
    for _ in range(steps):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += k * (around - 4.0 * u[1:-1, 1:-1])
    return np.sum((u - seen) ** 2)


def in_torch(u, k, seen, steps):
    u = u.clone()
    for _ in range(steps):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += k * (around - 4.0 * u[1:-1, 1:-1])
    return ((u - seen) ** 2).sum()


def in_torch_by_steps(u, k, seen, steps):
    """One step is compiled: a graph of all of them takes minutes."""
    step = compiled_step()
    for _ in range(steps):
        u = step(u, k)
    return ((u - seen) ** 2).sum()


@functools.cache
def compiled_step():
    import torch

    def step(u, k):
        u = u.clone()
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u[1:-1, 1:-1] += k * (around - 4.0 * u[1:-1, 1:-1])
        return u

    return torch.compile(step)


def without_writes(u, k, seen, steps):
    for _ in range(steps):
        around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u = u + np.pad(k * (around - 4.0 * u[1:-1, 1:-1]), ((1, 1), (1, 1)), "constant")
    return np.sum((u - seen) ** 2)


def by_hand(u, k, seen, steps):
    rows, columns = u.shape
    path = np.empty((steps + 1, rows, columns))
    path[0] = u
    for t in range(steps):
        u, after = path[t], path[t + 1]
        after[0], after[-1], after[:, 0], after[:, -1] = u[0], u[-1], u[:, 0], u[:, -1]
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                after[i, j] = u[i, j] + k * (around - 4.0 * u[i, j])

    total = d_k = 0.0
    w = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            miss = path[steps, i, j] - seen[i, j]
            total += miss * miss
            w[i, j] = 2.0 * miss
    for t in range(steps - 1, -1, -1):
        u, before = path[t], w.copy()
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                d_k += w[i, j] * (around - 4.0 * u[i, j])
                d_flow = k * w[i, j]
                before[i, j] -= 4.0 * d_flow
                before[i - 1, j] += d_flow
                before[i + 1, j] += d_flow
                before[i, j - 1] += d_flow
                before[i, j + 1] += d_flow
        w = before
    return total, (w, d_k)


def in_c(kernel: Kernel, u: Any, k: float, seen: Any, steps: int) -> Run:
    rows, columns = u.shape
    at = [address(a) for a in (u, seen)]

    def run() -> Any:
        d_u, d_k = np.empty((rows, columns)), np.empty(1)
        value = kernel(rows, columns, steps, k, *at, address(d_u), address(d_k))
        return value, (d_u, d_k[0])

    return run


def in_jax(jax: Any) -> Any:
    """The steps are a `scan`: it is compiled once, where a Python loop would be for each."""

    def value(u, k, seen, steps):
        def step(u, _):
            around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
            return u.at[1:-1, 1:-1].add(k * (around - 4.0 * u[1:-1, 1:-1])), None

        u, _ = jax.lax.scan(step, u, length=steps)
        return jax.numpy.sum((u - seen) ** 2)

    return jax.value_and_grad(value, argnums=(0, 1))


def in_casadi(ca: Any, u: Any, k: float, seen: Any, steps: int) -> Run:
    """A step is a function of its own; `mapaccum` runs all of them."""
    rows, columns = u.shape
    grid, by = ca.MX.sym("u", rows * columns), ca.MX.sym("k")
    after = ca.reshape(grid, rows, columns)
    around = after[:-2, 1:-1] + after[2:, 1:-1] + after[1:-1, :-2] + after[1:-1, 2:]
    after[1:-1, 1:-1] += by * (around - 4.0 * after[1:-1, 1:-1])
    step = ca.Function("step", [grid, by], [ca.vec(after)]).mapaccum(steps)

    start, given = ca.MX.sym("u", rows, columns), ca.MX.sym("k")
    end = step(ca.vec(start), ca.repmat(given, 1, steps))[:, -1]
    value = ca.sumsqr(end - seen.ravel(order="F"))
    gradient = [ca.gradient(value, start), ca.gradient(value, given)]
    run = ca.Function("heat", [start, given], [value, *gradient])
    return lambda: run(u, k)


def plate(size: int, steps: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    u = random.uniform(size=(size, size + 2))
    return u, 0.2, u.mean() + 0.1 * random.normal(size=u.shape), steps


def case(size: int, steps: int, quick: bool = False) -> Case:
    label = f"{size} x {size + 2} cells, {steps} steps"
    return Case(label, lambda: plate(size, steps), size * size * steps, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("u", "k"))

PROBLEM = Problem(
    name="heat",
    title="heat equation in place: where it ends, gradient in start and diffusivity",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("heat", "heat", "llldpppp", in_c, returns="d"),
        jax_compiled(in_jax, static=(3,)),
        torch_value_and_grad(in_torch, (0, 1)),
        dataclasses.replace(torch_value_and_grad(in_torch_by_steps, (0, 1)), tool="torch-compiled"),
        autograd_value_and_grad(without_writes, (0, 1)),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(32, 10, quick=True), case(128, 100), case(256, 200)),
    small=case(5, 3),
)
