"""A fit of an ordinary differential equation: classical Runge-Kutta steps, gradient by parameters.

Prey x and predators y, after Lotka and Volterra: x' = a x - b x y, y' = d x y - c y. The misfit of
a simulation from measurements is differentiated in the four parameters and in the state at the
start. Every step hangs on the one before: what counts is what a step costs.
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
    translated,
)


def in_loops(theta, start, measured, h):
    a, b, c, d = theta
    x, y = start
    total = 0.0
    for t in range(len(measured)):
        total += (x - measured[t, 0]) ** 2 + (y - measured[t, 1]) ** 2
        dx1 = a * x - b * x * y
        dy1 = d * x * y - c * y
        x2, y2 = x + 0.5 * h * dx1, y + 0.5 * h * dy1
        dx2 = a * x2 - b * x2 * y2
        dy2 = d * x2 * y2 - c * y2
        x3, y3 = x + 0.5 * h * dx2, y + 0.5 * h * dy2
        dx3 = a * x3 - b * x3 * y3
        dy3 = d * x3 * y3 - c * y3
        x4, y4 = x + h * dx3, y + h * dy3
        dx4 = a * x4 - b * x4 * y4
        dy4 = d * x4 * y4 - c * y4
        x += h / 6 * (dx1 + 2 * dx2 + 2 * dx3 + dx4)
        y += h / 6 * (dy1 + 2 * dy2 + 2 * dy3 + dy4)
    return total / len(measured)


def growth(theta, state):
    a, b, c, d = theta
    prey, predators = state
    met = prey * predators
    return np.array([a * prey - b * met, d * met - c * predators])


def step(theta, state, h):
    k1 = growth(theta, state)
    k2 = growth(theta, state + 0.5 * h * k1)
    k3 = growth(theta, state + 0.5 * h * k2)
    k4 = growth(theta, state + h * k3)
    return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def in_numpy(theta, start, measured, h):
    state = start
    total = 0.0
    for seen in measured:
        total += np.sum((state - seen) ** 2)
        state = step(theta, state, h)
    return total / len(measured)


def step_in_torch(theta, state, h):
    from torch import stack

    a, b, c, d = theta

    def growth(state):
        prey, predators = state
        met = prey * predators
        return stack([a * prey - b * met, d * met - c * predators])

    k1 = growth(state)
    k2 = growth(state + 0.5 * h * k1)
    k3 = growth(state + 0.5 * h * k2)
    k4 = growth(state + h * k3)
    return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def in_torch(theta, start, measured, h, step=step_in_torch):
    state = start
    total = 0.0
    for seen in measured:
        total = total + ((state - seen) ** 2).sum()
        state = step(theta, state, h)
    return total / len(measured)


def in_torch_by_steps(theta, start, measured, h):
    """One step is compiled: a graph of all of them takes minutes."""
    return in_torch(theta, start, measured, h, compiled_step())


@functools.cache
def compiled_step():
    import torch

    return torch.compile(step_in_torch)


def by_hand(theta, start, measured, h):
    a, b, c, d = theta
    n = len(measured)
    path = np.empty((n + 1, 2))
    path[0] = start
    total = 0.0
    for t in range(n):
        x, y = path[t]
        total += (x - measured[t, 0]) ** 2 + (y - measured[t, 1]) ** 2
        dx1, dy1 = a * x - b * x * y, d * x * y - c * y
        x2, y2 = x + 0.5 * h * dx1, y + 0.5 * h * dy1
        dx2, dy2 = a * x2 - b * x2 * y2, d * x2 * y2 - c * y2
        x3, y3 = x + 0.5 * h * dx2, y + 0.5 * h * dy2
        dx3, dy3 = a * x3 - b * x3 * y3, d * x3 * y3 - c * y3
        x4, y4 = x + h * dx3, y + h * dy3
        dx4, dy4 = a * x4 - b * x4 * y4, d * x4 * y4 - c * y4
        path[t + 1, 0] = x + h / 6 * (dx1 + 2 * dx2 + 2 * dx3 + dx4)
        path[t + 1, 1] = y + h / 6 * (dy1 + 2 * dy2 + 2 * dy3 + dy4)

    d_theta = np.zeros(4)
    wx = wy = 0.0
    for t in range(n - 1, -1, -1):
        x, y = path[t]
        stages = np.empty((4, 2))
        stages[0] = path[t]
        for k in range(1, 4):
            u, v = stages[k - 1]
            reach = h if k == 3 else 0.5 * h
            stages[k, 0] = x + reach * (a * u - b * u * v)
            stages[k, 1] = y + reach * (d * u * v - c * v)
        sx = sy = 0.0
        sum_x, sum_y = wx, wy
        for k in range(3, -1, -1):
            u, v = stages[k]
            share = h / 6 if k in (0, 3) else h / 3
            reach = h if k == 2 else 0.5 * h  # `sx` and `sy` are 0 for k = 3
            dx, dy = share * wx + reach * sx, share * wy + reach * sy
            d_theta[0] += u * dx
            d_theta[1] -= u * v * dx
            d_theta[2] -= v * dy
            d_theta[3] += u * v * dy
            sx = (a - b * v) * dx + d * v * dy
            sy = (d * u - c) * dy - b * u * dx
            sum_x += sx
            sum_y += sy
        wx = sum_x + 2.0 / n * (x - measured[t, 0])
        wy = sum_y + 2.0 / n * (y - measured[t, 1])
    return total / n, (d_theta, np.array([wx, wy]))


def in_c(kernel: Kernel, *arguments: Any) -> Run:
    *arrays, h = arguments
    n, at = len(arrays[2]), [address(a) for a in arrays]

    def run() -> Any:
        d_theta, d_start = np.empty(4), np.empty(2)
        return kernel(n, *at, h, address(d_theta), address(d_start)), (d_theta, d_start)

    return run


def in_jax(jax: Any) -> Any:
    """The steps are a `scan`: it is compiled once, where a Python loop would be for each."""
    jnp = jax.numpy
    advance = translated(step, np=jnp)

    def value(theta, start, measured, h):
        def seen_and_on(state, seen):
            return advance(theta, state, h), jnp.sum((state - seen) ** 2)

        _, misses = jax.lax.scan(seen_and_on, start, measured)
        return jnp.mean(misses)

    return jax.value_and_grad(value, argnums=(0, 1))


def in_casadi(ca: Any, theta: Any, start: Any, measured: Any, h: float) -> Run:
    """A step is a function of its own, in scalars; `mapaccum` runs all of them."""
    p, s, seen = ca.SX.sym("theta", 4), ca.SX.sym("state", 2), ca.SX.sym("seen", 2)

    def slope(at):
        met = at[0] * at[1]
        return ca.vertcat(p[0] * at[0] - p[1] * met, p[3] * met - p[2] * at[1])

    k1 = slope(s)
    k2 = slope(s + 0.5 * h * k1)
    k3 = slope(s + 0.5 * h * k2)
    k4 = slope(s + h * k3)
    after = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    n = len(measured)
    steps = ca.Function("step", [s, p, seen], [after, ca.sumsqr(s - seen)]).mapaccum(n)

    P, S = ca.MX.sym("theta", 4), ca.MX.sym("start", 2)
    _, misses = steps(S, ca.repmat(P, 1, n), measured.T)
    value = ca.sum2(misses) / n
    run = ca.Function("rk4", [P, S], [value, ca.gradient(value, P), ca.gradient(value, S)])
    return lambda: run(theta, start)


def measurements(n: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    h, truth, start = 0.02, np.array([1.1, 0.4, 0.4, 0.1]), np.array([10.0, 5.0])
    measured, state = np.empty((n, 2)), start
    for t in range(n):
        measured[t] = state * np.exp(0.05 * random.normal(size=2))
        state = step(truth, state, h)
    return truth * np.array([1.02, 0.97, 1.03, 0.98]), start + 0.1, measured, h


def case(n: int, quick: bool = False) -> Case:
    return Case(f"{n:,} steps", lambda: measurements(n), n, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("theta", "start"))

PROBLEM = Problem(
    name="rk4",
    title="Runge-Kutta fit of Lotka-Volterra: misfit, gradient in parameters and start",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("rk4", "rk4", "lpppdpp", in_c, returns="d"),
        jax_compiled(in_jax),
        torch_value_and_grad(in_torch, (0, 1)),
        dataclasses.replace(torch_value_and_grad(in_torch_by_steps, (0, 1)), tool="torch-compiled"),
        autograd_value_and_grad(in_numpy, (0, 1)),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(100, quick=True), case(1_000), case(10_000)),
    small=case(8),
)
