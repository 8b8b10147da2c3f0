"""GMM (GradBench): the log-posterior of a Gaussian mixture model with a Wishart prior.

n points of d dimensions, k components: a component has a logarithmic weight, a mean, and the
inverse of a Cholesky factor of its covariance, `icf`: the logarithms of the diagonal, then what is
below the diagonal, column by column. The derivative is with respect to all three.
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


def constant(n, d, k, gamma, m):
    """What does not depend on the parameters: of the normal densities, and of the prior."""
    degrees = d + m + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        log_gamma += math.lgamma(0.5 * (degrees - j))
    prior = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0)) - log_gamma
    return -0.5 * n * d * math.log(2.0 * math.pi) - k * prior


def log_sum_exp(x):
    largest = x[0]
    for i in range(1, len(x)):
        largest = max(largest, x[i])
    total = 0.0
    for i in range(len(x)):
        total += math.exp(x[i] - largest)
    return largest + math.log(total)


def in_loops(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    k = len(alphas)
    Q = np.zeros((k, d, d))
    offset = np.zeros(k)
    value = constant(n, d, k, gamma, m) - n * log_sum_exp(alphas)
    for c in range(k):
        p = d
        for a in range(d):
            Q[c, a, a] = math.exp(icf[c, a])
            offset[c] += icf[c, a]
            for b in range(a + 1, d):
                Q[c, b, a] = icf[c, p]
                p += 1
        for b in range(d):
            for a in range(b + 1):
                value += 0.5 * gamma**2 * Q[c, b, a] ** 2
        value -= m * offset[c]
    for i in range(n):
        terms = np.empty(k)
        for c in range(k):
            squares = 0.0
            for b in range(d):
                y = 0.0
                for a in range(b + 1):
                    y += Q[c, b, a] * (x[i, a] - means[c, a])
                squares += y * y
            terms[c] = alphas[c] + offset[c] - 0.5 * squares
        value += log_sum_exp(terms)
    return value


def in_numpy(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    k = len(alphas)
    column, row = np.triu_indices(d, 1)
    Q = np.zeros((k, d, d))
    Q[:, row, column] = icf[:, d:]
    Q[:, np.arange(d), np.arange(d)] = np.exp(icf[:, :d])
    log_determinants = np.sum(icf[:, :d], axis=1)
    y = np.einsum("cba,nca->ncb", Q, x[:, None, :] - means)
    terms = alphas + log_determinants - 0.5 * np.sum(y**2, axis=2)
    largest = np.max(terms, axis=1, keepdims=True)
    likelihood = np.sum(largest[:, 0] + np.log(np.sum(np.exp(terms - largest), axis=1)))
    top = np.max(alphas)
    mixture = top + np.log(np.sum(np.exp(alphas - top)))
    prior = 0.5 * gamma**2 * np.sum(Q**2) - m * np.sum(log_determinants)
    return constant(n, d, k, gamma, m) + likelihood - n * mixture + prior


def lower_places(d: int) -> np.ndarray:
    """Where each entry of a triangle is in a row of zero, then what is below the diagonal."""
    column, row = np.triu_indices(d, 1)
    places = np.zeros((d, d), dtype=np.int64)
    places[row, column] = 1 + np.arange(len(row))
    return places


def in_jax(alphas, means, icf, x, gamma, m):
    import jax.numpy as jnp
    from jax.nn import logsumexp

    n, d = x.shape
    k = len(alphas)
    column, row = np.triu_indices(d, 1)
    diagonal = jnp.exp(icf[:, :d])
    lower = jnp.zeros((k, d, d)).at[:, row, column].set(icf[:, d:])
    log_determinants = jnp.sum(icf[:, :d], axis=1)
    centred = x[:, None, :] - means
    y = diagonal * centred + jnp.einsum("cba,nca->ncb", lower, centred)
    terms = alphas + log_determinants - 0.5 * jnp.sum(y**2, axis=2)
    prior = 0.5 * gamma**2 * (jnp.sum(diagonal**2) + jnp.sum(icf[:, d:] ** 2))
    return (
        constant(n, d, k, gamma, m)
        + jnp.sum(logsumexp(terms, axis=1))
        - n * logsumexp(alphas)
        + prior
        - m * jnp.sum(log_determinants)
    )


def in_torch(alphas, means, icf, x, gamma, m):
    import torch

    n, d = x.shape
    k = len(alphas)
    column, row = np.triu_indices(d, 1)
    diagonal = torch.exp(icf[:, :d])
    lower = torch.zeros((k, d, d), dtype=icf.dtype)
    lower[:, row, column] = icf[:, d:]
    log_determinants = icf[:, :d].sum(1)
    centred = x[:, None, :] - means
    y = diagonal * centred + torch.einsum("cba,nca->ncb", lower, centred)
    terms = alphas + log_determinants - 0.5 * (y**2).sum(2)
    prior = 0.5 * gamma**2 * ((diagonal**2).sum() + (icf[:, d:] ** 2).sum())
    return (
        constant(n, d, k, gamma, m)
        + torch.logsumexp(terms, 1).sum()
        - n * torch.logsumexp(alphas, 0)
        + prior
        - m * log_determinants.sum()
    )


def in_autograd(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    k = len(alphas)
    diagonal = np.exp(icf[:, :d])
    padded = np.concatenate((np.zeros((k, 1)), icf[:, d:]), axis=1)
    lower = padded[:, lower_places(d)]
    log_determinants = np.sum(icf[:, :d], axis=1)
    centred = x[:, None, :] - means
    y = diagonal * centred + np.einsum("cba,nca->ncb", lower, centred)
    terms = alphas + log_determinants - 0.5 * np.sum(y**2, axis=2)
    largest = np.max(terms, axis=1, keepdims=True)
    likelihood = np.sum(largest[:, 0] + np.log(np.sum(np.exp(terms - largest), axis=1)))
    mixture = np.log(np.sum(np.exp(alphas)))
    prior = 0.5 * gamma**2 * (np.sum(diagonal**2) + np.sum(icf[:, d:] ** 2))
    prior = prior - m * np.sum(log_determinants)
    return constant(n, d, k, gamma, m) + likelihood - n * mixture + prior


def by_hand(alphas, means, icf, x, gamma, m):
    n, d = x.shape
    k = len(alphas)
    Q = np.zeros((k, d, d))
    offset = alphas.copy()
    mixture = np.log(np.sum(np.exp(alphas)))
    degrees = d + m + 1
    normalizer = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0))
    normalizer -= 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        normalizer -= math.lgamma(0.5 * (degrees - j))
    value = -n * (0.5 * d * math.log(2.0 * math.pi) + mixture) - k * normalizer
    d_alphas = -n * np.exp(alphas - mixture)
    d_means = np.zeros((k, d))
    d_icf = np.zeros(icf.shape)
    for c in range(k):
        p = d
        for a in range(d):
            Q[c, a, a] = math.exp(icf[c, a])
            offset[c] += icf[c, a]
            value += 0.5 * gamma**2 * Q[c, a, a] ** 2 - m * icf[c, a]
            d_icf[c, a] = gamma**2 * Q[c, a, a] ** 2 - m
            for b in range(a + 1, d):
                Q[c, b, a] = icf[c, p]
                value += 0.5 * gamma**2 * icf[c, p] ** 2
                d_icf[c, p] = gamma**2 * icf[c, p]
                p += 1
    d_Q = np.zeros((k, d, d))
    y = np.empty((k, d))
    w = np.empty(k)
    for i in range(n):
        largest = -math.inf
        for c in range(k):
            squares = 0.0
            for b in range(d):
                total = 0.0
                for a in range(b + 1):
                    total += Q[c, b, a] * (x[i, a] - means[c, a])
                y[c, b] = total
                squares += total * total
            w[c] = offset[c] - 0.5 * squares
            largest = max(largest, w[c])
        total = 0.0
        for c in range(k):
            w[c] = math.exp(w[c] - largest)
            total += w[c]
        value += largest + math.log(total)
        for c in range(k):
            weight = w[c] / total
            d_alphas[c] += weight
            for b in range(d):
                wy = weight * y[c, b]
                d_icf[c, b] += weight
                for a in range(b + 1):
                    d_Q[c, b, a] -= wy * (x[i, a] - means[c, a])
                    d_means[c, a] += wy * Q[c, b, a]
    for c in range(k):
        p = d
        for a in range(d):
            d_icf[c, a] += d_Q[c, a, a] * Q[c, a, a]
            for b in range(a + 1, d):
                d_icf[c, p] += d_Q[c, b, a]
                p += 1
    return value, (d_alphas, d_means, d_icf)


def in_c(kernel: Kernel, alphas, means, icf, x, gamma, m) -> Run:
    n, d = x.shape
    inputs = [address(a) for a in (alphas, means, icf, x)]

    def run() -> Any:
        gradient = np.empty_like(alphas), np.empty_like(means), np.empty_like(icf)
        outputs = [address(a) for a in gradient]
        return kernel(n, d, len(alphas), *inputs, gamma, m, *outputs), gradient

    return run


def in_casadi(ca: Any, alphas, means, icf, x, gamma, m) -> Run:
    """The likelihood of one point, differentiated, and mapped over all points."""
    n, d = x.shape
    k = len(alphas)
    shapes = {"alphas": (k, 1), "means": (d, k), "icf": icf.T.shape}
    parameters = [ca.SX.sym(name, *shape) for name, shape in shapes.items()]
    point = ca.SX.sym("x", d)
    column, row = np.triu_indices(d, 1)
    terms = []
    for c in range(k):
        Q = ca.SX.zeros(d, d)
        for p, (b, a) in enumerate(zip(row, column, strict=True)):
            Q[int(b), int(a)] = parameters[2][d + p, c]
        logs = parameters[2][:d, c]
        centred = point - parameters[1][:, c]
        y = ca.exp(logs) * centred + Q @ centred
        terms.append(parameters[0][c] + ca.sum1(logs) - 0.5 * ca.sumsqr(y))
    likelihood = ca.logsumexp(ca.vertcat(*terms))
    gradients = [ca.gradient(likelihood, p) for p in parameters]
    of_point = ca.Function("of_point", [point, *parameters], [likelihood, *gradients])
    all_points = of_point.map("all", "serial", n, [1, 2, 3], [0, 1, 2, 3])

    logs, lower = parameters[2][:d, :], parameters[2][d:, :]
    prior = 0.5 * gamma**2 * (ca.sumsqr(ca.exp(logs)) + ca.sumsqr(lower))
    prior = prior - m * ca.sum1(ca.sum2(logs))
    rest = constant(n, d, k, gamma, m) - n * ca.logsumexp(parameters[0]) + prior
    gradients = [ca.densify(ca.gradient(rest, p)) for p in parameters]
    once = ca.Function("once", parameters, [rest, *gradients])
    given = (ca.DM(alphas), ca.DM(means.T), ca.DM(icf.T))
    points = ca.DM(x.T)

    def run() -> Any:
        parts = zip(all_points(points, *given), once(*given), strict=True)
        return [np.array(a + b).T for a, b in parts]

    return run


def mixture(n: int, d: int, k: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    icf = random.normal(size=(k, d + d * (d - 1) // 2))
    x = random.normal(size=(n, d))
    return random.normal(size=k), random.uniform(size=(k, d)), icf, x, 1.0, 0


def case(n: int, d: int, k: int, quick: bool = False) -> Case:
    label = f"n = {n:,}, d = {d}, k = {k}"
    return Case(label, lambda: mixture(n, d, k), n * k * d * (d + 10.0), quick)


QUICK = ((1_000, 2, 5), (1_000, 10, 25))
SIZES = sorted(
    ((n, d, k) for n in (1_000, 10_000) for d in (2, 10, 20, 32, 64) for k in (5, 25, 50, 100)),
    key=lambda size: case(*size).work,
)
PARAMETERS = (0, 1, 2)
GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("alphas", "means", "icf"))

PROBLEM = Problem(
    name="gmm",
    title="Gaussian mixture: value and gradient",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("gmm", "gmm", "lllppppdlppp", in_c, returns="d"),
        jax_value_and_grad(in_jax, PARAMETERS, static=(4, 5)),
        torch_value_and_grad(in_torch, PARAMETERS),
        torch_compiled_value_and_grad(in_torch, PARAMETERS),
        autograd_value_and_grad(in_autograd, PARAMETERS),
        numba_by_hand(by_hand),
        casadi(in_casadi, upto=1e8, reason="a graph of more than 10^5 operations per point"),
    ),
    cases=tuple(case(*size, quick=size in QUICK) for size in SIZES),
    small=case(5, 3, 2),
)
