"""The likelihood of a track under a Kalman filter, and its gradient in the model's matrices.

A body moves in the plane and its position is measured: four numbers of state, two measured. A is
how the state moves on, C what of it is seen, Q and R the covariances of what disturbs it and of the
measurements. Small matrices, many steps, each of which hangs on the one before.

The gain is written as in textbooks, P C' inv(S). `solve(S, C @ P).T`, the same for a symmetric P,
would let rounding errors in its symmetry grow by a hundredth a step: nobody agrees after 10,000.
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
    translated,
)

WRT = (0, 1, 2, 3)


def filtered(A, C, Q, R, x, P, y):
    """State and covariance after one more measurement, and what it adds to the likelihood."""
    x = A @ x
    P = A @ P @ A.T + Q
    surprise = y - C @ x
    S = C @ P @ C.T + R
    precision = np.linalg.inv(S)
    gain = P @ C.T @ precision
    unlikely = np.linalg.slogdet(S)[1] + surprise @ precision @ surprise
    return x + gain @ surprise, P - gain @ C @ P, unlikely


def in_numpy(A, C, Q, R, x, P, ys):
    total = 0.0
    for y in ys:
        x, P, unlikely = filtered(A, C, Q, R, x, P, y)
        total += unlikely
    return -0.5 * (total + ys.size * math.log(2.0 * math.pi))


def filtered_in_torch(A, C, Q, R, x, P, y):
    from torch.linalg import inv, slogdet

    x = A @ x
    P = A @ P @ A.T + Q
    surprise = y - C @ x
    S = C @ P @ C.T + R
    precision = inv(S)
    gain = P @ C.T @ precision
    unlikely = slogdet(S)[1] + surprise @ precision @ surprise
    return x + gain @ surprise, P - gain @ C @ P, unlikely


def in_torch(A, C, Q, R, x, P, ys, filtered=filtered_in_torch):
    total = 0.0
    for y in ys:
        x, P, unlikely = filtered(A, C, Q, R, x, P, y)
        total = total + unlikely
    return -0.5 * (total + ys.numel() * math.log(2.0 * math.pi))


def in_torch_by_steps(A, C, Q, R, x, P, ys):
    """One step is compiled: a graph of all of them takes minutes."""
    return in_torch(A, C, Q, R, x, P, ys, compiled_step())


@functools.cache
def compiled_step():
    import torch

    return torch.compile(filtered_in_torch)


def by_hand(A, C, Q, R, x, P, ys):
    steps, n, m = len(ys), len(A), len(C)
    xs, Ps = np.empty((steps + 1, n)), np.empty((steps + 1, n, n))
    x1s, P1s = np.empty((steps, n)), np.empty((steps, n, n))
    es, CPs = np.empty((steps, m)), np.empty((steps, m, n))
    Gs, Ws = np.empty((steps, m, m)), np.empty((steps, m, n))
    xs[0], Ps[0] = x, P
    total = ys.size * math.log(2.0 * math.pi)
    for t in range(steps):
        x1s[t] = A @ xs[t]
        P1s[t] = A @ Ps[t] @ A.T + Q
        es[t] = ys[t] - C @ x1s[t]
        CPs[t] = C @ P1s[t]
        S = CPs[t] @ C.T + R
        Gs[t] = np.linalg.inv(S)
        Ws[t] = (P1s[t] @ C.T @ Gs[t]).T
        xs[t + 1] = x1s[t] + Ws[t].T @ es[t]
        Ps[t + 1] = P1s[t] - Ws[t].T @ CPs[t]
        total += math.log(abs(np.linalg.det(S))) + np.dot(es[t], Gs[t] @ es[t])

    d_A, d_C = np.zeros((n, n)), np.zeros((m, n))
    d_Q, d_R = np.zeros((n, n)), np.zeros((m, m))
    w_x, w_P = np.zeros(n), np.zeros((n, n))
    for t in range(steps - 1, -1, -1):
        G, W, CP = Gs[t], Ws[t], CPs[t]
        g = G @ es[t]
        d_e = W @ w_x - g
        G_W = G @ (np.outer(es[t], w_x) - CP @ w_P.T)
        d_S = -0.5 * (G - np.outer(g, g)) - W @ G_W.T
        d_CP = d_S @ C - W @ w_P
        d_R += d_S
        d_C += d_S.T @ CP + (d_CP + G_W) @ P1s[t] - np.outer(d_e, x1s[t])
        w_P = w_P + C.T @ d_CP + G_W.T @ C
        w_x = w_x - C.T @ d_e
        d_Q += w_P
        d_AP = w_P @ A
        d_A += w_P.T @ A @ Ps[t] + d_AP @ Ps[t] + np.outer(w_x, xs[t])
        w_x, w_P = A.T @ w_x, A.T @ d_AP
    return -0.5 * total, (d_A, d_C, d_Q, d_R)


def in_c(kernel: Kernel, *arrays: np.ndarray) -> Run:
    steps, at = len(arrays[-1]), [address(a) for a in arrays]

    def run() -> Any:
        gradient = [np.empty(arrays[i].shape) for i in WRT]
        return kernel(steps, *at, *map(address, gradient)), gradient

    return run


def in_jax(jax: Any) -> Any:
    """The steps are a `scan`: it is compiled once, where a Python loop would be for each."""
    on = translated(filtered, np=jax.numpy)

    def value(A, C, Q, R, x, P, ys):
        def step(state, y):
            x, P, unlikely = on(A, C, Q, R, *state, y)
            return (x, P), unlikely

        _, each = jax.lax.scan(step, (x, P), ys)
        return -0.5 * (jax.numpy.sum(each) + ys.size * math.log(2.0 * math.pi))

    return jax.value_and_grad(value, argnums=WRT)


def in_casadi(ca: Any, *arguments: Any) -> Run:
    """A step is a function of its own, in scalars; `mapaccum` runs all of them."""
    *model, x, P, ys = arguments
    n, m, steps = len(x), ys.shape[1], len(ys)
    A, C, Q, R = symbols = [ca.SX.sym(name, *a.shape) for name, a in zip("ACQR", model)]
    s, y = ca.SX.sym("state", n + n * n), ca.SX.sym("y", m)
    predicted, covariance = A @ s[:n], A @ ca.reshape(s[n:], n, n) @ A.T + Q
    surprise = y - C @ predicted
    S = C @ covariance @ C.T + R
    precision = ca.inv(S)
    gain = covariance @ C.T @ precision
    unlikely = ca.log(ca.det(S)) + surprise.T @ precision @ surprise
    after = ca.vertcat(predicted + gain @ surprise, ca.vec(covariance - gain @ C @ covariance))
    step = ca.Function("step", [s, *symbols, y], [after, unlikely]).mapaccum(steps)

    given = [ca.MX.sym(name, *a.shape) for name, a in zip("ACQR", model)]
    start = np.concatenate([x, P.ravel(order="F")])
    _, each = step(start, *(ca.repmat(g, 1, steps) for g in given), ys.T)
    value = -0.5 * (ca.sum2(each) + ys.size * math.log(2.0 * math.pi))
    run = ca.Function("kalman", given, [value, *(ca.gradient(value, g) for g in given)])
    return lambda: run(*model)


def track(steps: int) -> tuple[Any, ...]:
    """A body that is pushed about at random, and measurements of where it is."""
    random = np.random.default_rng(0)
    A, C = np.eye(4) + 0.1 * np.eye(4, k=2), np.eye(2, 4)
    Q = np.diag([0.01, 0.01, 0.1, 0.1]) + 0.002
    R = np.array([[0.5, 0.1], [0.1, 0.4]])
    x, ys = np.zeros(4), np.empty((steps, 2))
    for t in range(steps):
        x = A @ x + random.multivariate_normal(np.zeros(4), Q)
        ys[t] = C @ x + random.multivariate_normal(np.zeros(2), R)
    return A, C, 1.3 * Q, 0.8 * R, np.zeros(4), np.eye(4), ys


def case(steps: int, quick: bool = False) -> Case:
    return Case(f"{steps:,} steps", lambda: track(steps), steps, quick)


GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("A", "C", "Q", "R"))

PROBLEM = Problem(
    name="kalman",
    title="Kalman filter: log-likelihood and its gradient in the model's matrices",
    primals=(Primal("NumPy", in_numpy, GRADIENT),),
    peers=(
        hand_c("kalman", "kalman", "lppppppppppp", in_c, returns="d"),
        jax_compiled(in_jax),
        torch_value_and_grad(in_torch, WRT),
        dataclasses.replace(torch_value_and_grad(in_torch_by_steps, WRT), tool="torch-compiled"),
        autograd_value_and_grad(in_numpy, WRT),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(100, quick=True), case(1_000), case(10_000)),
    small=case(6),
)
