"""Bodies under gravity: how far some time steps take them from a target.

The steps are symplectic: velocities change by the forces, then positions by the new velocities.
The gradient is in the positions at the start and in the masses. Forces are softened, so a body's
distance to itself, zero, does no harm. In loops each pair of bodies is visited once, and what
pulls the one pulls the other.
"""

from __future__ import annotations

import dataclasses
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
    jax_compiled,
    numba_by_hand,
    torch_value_and_grad,
)

SOFTENING = 0.01


def in_loops(x, m, v, target, steps, h):
    x = x.copy()
    v = v.copy()
    n = len(m)
    for _ in range(steps):
        for i in range(n):
            for j in range(i):
                dx = x[i, 0] - x[j, 0]
                dy = x[i, 1] - x[j, 1]
                dz = x[i, 2] - x[j, 2]
                r2 = dx * dx + dy * dy + dz * dz + SOFTENING
                pull = h / (r2 * math.sqrt(r2))
                v[i, 0] -= m[j] * pull * dx
                v[i, 1] -= m[j] * pull * dy
                v[i, 2] -= m[j] * pull * dz
                v[j, 0] += m[i] * pull * dx
                v[j, 1] += m[i] * pull * dy
                v[j, 2] += m[i] * pull * dz
        for i in range(n):
            for k in range(3):
                x[i, k] += h * v[i, k]
    total = 0.0
    for i in range(n):
        for k in range(3):
            total += (x[i, k] - target[i, k]) ** 2
    return total


def in_numpy(x, m, v, target, steps, h):
    for _ in range(steps):
        d = x[:, None, :] - x[None, :, :]
        r2 = np.sum(d**2, axis=2) + SOFTENING
        pull = m / (r2 * np.sqrt(r2))
        v = v - h * np.sum(pull[:, :, None] * d, axis=1)
        x = x + h * v
    return np.sum((x - target) ** 2)


def step_in_torch(x, m, v, h):
    d = x[:, None, :] - x[None, :, :]
    r2 = (d**2).sum(2) + SOFTENING
    pull = m / (r2 * r2.sqrt())
    v = v - h * (pull[:, :, None] * d).sum(1)
    return x + h * v, v


def in_torch(x, m, v, target, steps, h, step=step_in_torch):
    for _ in range(steps):
        x, v = step(x, m, v, h)
    return ((x - target) ** 2).sum()


def in_torch_by_steps(x, m, v, target, steps, h):
    """One step is compiled: a graph of all of them takes minutes."""
    return in_torch(x, m, v, target, steps, h, compiled_step())


@functools.cache
def compiled_step():
    import torch

    return torch.compile(step_in_torch)


def by_hand(x, m, v, target, steps, h):
    n = len(m)
    path = np.empty((steps + 1, n, 3))
    path[0] = x
    v = v.copy()
    for t in range(steps):
        x = path[t]
        for i in range(n):
            for j in range(i):
                dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
                r2 = dx * dx + dy * dy + dz * dz + SOFTENING
                pull = h / (r2 * math.sqrt(r2))
                v[i, 0] -= m[j] * pull * dx
                v[i, 1] -= m[j] * pull * dy
                v[i, 2] -= m[j] * pull * dz
                v[j, 0] += m[i] * pull * dx
                v[j, 1] += m[i] * pull * dy
                v[j, 2] += m[i] * pull * dz
        for i in range(n):
            for k in range(3):
                path[t + 1, i, k] = x[i, k] + h * v[i, k]

    total = 0.0
    d_x, d_v, d_m = np.empty((n, 3)), np.zeros((n, 3)), np.zeros(n)
    for i in range(n):
        for k in range(3):
            miss = path[steps, i, k] - target[i, k]
            total += miss * miss
            d_x[i, k] = 2.0 * miss
    for t in range(steps - 1, -1, -1):
        x = path[t]
        for i in range(n):
            for k in range(3):
                d_v[i, k] += h * d_x[i, k]
        for i in range(n):
            for j in range(i):
                dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
                r2 = dx * dx + dy * dy + dz * dz + SOFTENING
                pull = h / (r2 * math.sqrt(r2))
                qx = m[i] * d_v[j, 0] - m[j] * d_v[i, 0]
                qy = m[i] * d_v[j, 1] - m[j] * d_v[i, 1]
                qz = m[i] * d_v[j, 2] - m[j] * d_v[i, 2]
                along = 3.0 * (qx * dx + qy * dy + qz * dz) / r2
                gx, gy, gz = (
                    pull * (qx - along * dx),
                    pull * (qy - along * dy),
                    pull * (qz - along * dz),
                )
                d_x[i, 0] += gx
                d_x[i, 1] += gy
                d_x[i, 2] += gz
                d_x[j, 0] -= gx
                d_x[j, 1] -= gy
                d_x[j, 2] -= gz
                d_m[j] -= pull * (d_v[i, 0] * dx + d_v[i, 1] * dy + d_v[i, 2] * dz)
                d_m[i] += pull * (d_v[j, 0] * dx + d_v[j, 1] * dy + d_v[j, 2] * dz)
    return total, (d_x, d_m)


def in_c(kernel: Kernel, *arguments: Any) -> Run:
    *arrays, steps, h = arguments
    n, at = len(arrays[0]), [address(a) for a in arrays]

    def run() -> Any:
        d_x, d_m = np.empty((n, 3)), np.empty(n)
        return kernel(n, steps, h, *at, address(d_x), address(d_m)), (d_x, d_m)

    return run


def in_jax(jax: Any) -> Any:
    """The steps are a `scan`: it is compiled once, where a Python loop would be for each."""
    jnp = jax.numpy

    def value(x, m, v, target, steps, h):
        def step(state, _):
            x, v = state
            d = x[:, None, :] - x[None, :, :]
            r2 = jnp.sum(d**2, axis=2) + SOFTENING
            pull = m / (r2 * jnp.sqrt(r2))
            v = v - h * jnp.sum(pull[:, :, None] * d, axis=1)
            return (x + h * v, v), None

        (x, _), _ = jax.lax.scan(step, (x, v), length=steps)
        return jnp.sum((x - target) ** 2)

    return jax.value_and_grad(value, argnums=(0, 1))


def in_casadi(ca: Any, x: Any, m: Any, v: Any, target: Any, steps: int, h: float) -> Run:
    """A step is a function of its own, in scalars, that the steps call."""
    n = len(m)
    X, M, V = ca.SX.sym("x", n, 3), ca.SX.sym("m", n), ca.SX.sym("v", n, 3)
    faster = ca.SX(V)
    for i in range(n):
        for j in range(i):
            d = X[i, :] - X[j, :]
            r2 = ca.sumsqr(d) + SOFTENING
            pull = h / (r2 * ca.sqrt(r2))
            faster[i, :] -= M[j] * pull * d
            faster[j, :] += M[i] * pull * d
    step = ca.Function("step", [X, M, V], [X + h * faster, faster])

    start, masses = ca.MX.sym("x", n, 3), ca.MX.sym("m", n)
    position, velocity = start, ca.MX(v)
    for _ in range(steps):
        position, velocity = step(position, masses, velocity)
    value = ca.sumsqr(position - target)
    gradient = [ca.gradient(value, start), ca.gradient(value, masses)]
    run = ca.Function("nbody", [start, masses], [value, *gradient])
    return lambda: run(x, m)


def cloud(n: int, steps: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    x, v = random.normal(size=(n, 3)), 0.1 * random.normal(size=(n, 3))
    m = random.uniform(0.5, 1.5, n) / n
    return x, m, v, x + 0.1 * random.normal(size=(n, 3)), steps, 0.01


def case(n: int, steps: int, quick: bool = False) -> Case:
    label = f"{n} bodies, {steps} steps" if steps > 1 else f"{n} bodies, a step"
    return Case(label, lambda: cloud(n, steps), steps * n * n, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("x", "m"))

PROBLEM = Problem(
    name="nbody",
    title="N-body: where time steps end, gradient in positions and masses",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("nbody", "nbody", "lldpppppp", in_c, returns="d"),
        jax_compiled(in_jax, static=(4,)),
        torch_value_and_grad(in_torch, (0, 1)),
        dataclasses.replace(torch_value_and_grad(in_torch_by_steps, (0, 1)), tool="torch-compiled"),
        autograd_value_and_grad(in_numpy, (0, 1)),
        numba_by_hand(by_hand),
        casadi(in_casadi, upto=100_000, reason="half a million pairs to write out"),
    ),
    cases=(
        case(5, 1, quick=True),
        case(5, 100, quick=True),
        case(100, 10),
        case(1_000, 1),
    ),
    small=case(4, 3),
)
