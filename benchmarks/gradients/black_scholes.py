"""Black-Scholes: the value of a portfolio of European call options, and its Greeks.

Each option has a price of its share S, a strike K, a volatility sigma, a rate r and a time T. The
gradient of the sum of their values has every option's delta (by S), vega (by sigma), rho (by r) and
minus theta (by T).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from scipy.special import erf

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Peer, Primal, Problem, Run
from benchmarks.gradients.tools import (
    casadi,
    jax_compiled,
    numba_by_hand,
    torch_compiled_value_and_grad,
    torch_value_and_grad,
    translated,
)

WRT = (0, 2, 3, 4)


def in_loops(S, K, sigma, r, T):
    total = 0.0
    for i in range(len(S)):
        spread = sigma[i] * math.sqrt(T[i])
        d1 = (math.log(S[i] / K[i]) + (r[i] + 0.5 * sigma[i] ** 2) * T[i]) / spread
        d2 = d1 - spread
        owned = 0.5 * (1.0 + math.erf(d1 / math.sqrt(2.0)))
        owed = 0.5 * (1.0 + math.erf(d2 / math.sqrt(2.0)))
        total += S[i] * owned - K[i] * math.exp(-r[i] * T[i]) * owed
    return total


def normal_cdf(x):
    return 0.5 * (1.0 + erf(x / math.sqrt(2.0)))


def in_numpy(S, K, sigma, r, T):
    spread = sigma * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * sigma**2) * T) / spread
    d2 = d1 - spread
    return np.sum(S * normal_cdf(d1) - K * np.exp(-r * T) * normal_cdf(d2))


def in_torch(S, K, sigma, r, T):
    def cdf(x):
        return 0.5 * (1.0 + (x / math.sqrt(2.0)).erf())

    spread = sigma * T.sqrt()
    d1 = ((S / K).log() + (r + 0.5 * sigma**2) * T) / spread
    d2 = d1 - spread
    return (S * cdf(d1) - K * (-r * T).exp() * cdf(d2)).sum()


def by_hand(S, K, sigma, r, T):
    n = len(S)
    d_S, d_sigma, d_r, d_T = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    total = 0.0
    for i in range(n):
        root = math.sqrt(T[i])
        spread = sigma[i] * root
        d1 = (math.log(S[i] / K[i]) + (r[i] + 0.5 * sigma[i] ** 2) * T[i]) / spread
        owned = 0.5 + 0.5 * math.erf(d1 * math.sqrt(0.5))
        likely = 0.5 + 0.5 * math.erf((d1 - spread) * math.sqrt(0.5))
        owed = K[i] * math.exp(-r[i] * T[i]) * likely
        density = S[i] * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
        total += S[i] * owned - owed
        d_S[i] = owned
        d_sigma[i] = density * root
        d_r[i] = T[i] * owed
        d_T[i] = 0.5 * density * sigma[i] / root + r[i] * owed
    return total, (d_S, d_sigma, d_r, d_T)


def in_c(kernel: Kernel, *options: np.ndarray) -> Run:
    n = len(options[0])
    at = [address(a) for a in options]

    def run() -> Any:
        greeks = tuple(np.empty(n) for _ in WRT)
        return kernel(n, *at, *map(address, greeks)), greeks

    return run


def in_jax(jax: Any) -> Any:
    value = translated(in_numpy, np=jax.numpy, erf=jax.scipy.special.erf)
    return jax.value_and_grad(value, argnums=WRT)


def in_autograd(*options: np.ndarray) -> Run:
    import autograd
    from autograd.scipy.special import erf as differentiable_erf

    value = translated(in_numpy, np=autograd.numpy, erf=differentiable_erf)
    run = autograd.value_and_grad(value, argnum=WRT)
    return lambda: run(*options)


def in_casadi(ca: Any, *options: np.ndarray) -> Run:
    S, K, sigma, r, T = symbols = [ca.MX.sym(name, len(options[0])) for name in "SKvrT"]

    def cdf(x):
        return 0.5 * (1.0 + ca.erf(x / math.sqrt(2.0)))

    spread = sigma * ca.sqrt(T)
    d1 = (ca.log(S / K) + (r + 0.5 * sigma**2) * T) / spread
    value = ca.sum1(S * cdf(d1) - K * ca.exp(-r * T) * cdf(d1 - spread))
    greeks = [ca.gradient(value, symbols[i]) for i in WRT]
    run = ca.Function("black_scholes", symbols, [value, *greeks])
    return lambda: run(*options)


def portfolio(n: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    S, K = random.uniform(80.0, 120.0, (2, n))
    sigma, r = random.uniform(0.1, 0.5, n), random.uniform(0.0, 0.08, n)
    return S, K, sigma, r, random.uniform(0.1, 2.0, n)


def case(n: int, quick: bool = False) -> Case:
    return Case(f"n = {n:,}", lambda: portfolio(n), n, quick)


GREEKS = functools.partial(symdiff.value_and_grad, wrt=("S", "sigma", "r", "T"))

PROBLEM = Problem(
    name="black_scholes",
    title="Black-Scholes: value and Greeks of n call options",
    primals=(Primal("loops", in_loops, GREEKS), Primal("NumPy", in_numpy, GREEKS)),
    peers=(
        hand_c("black_scholes", "black_scholes", "lppppppppp", in_c, returns="d"),
        jax_compiled(in_jax),
        torch_value_and_grad(in_torch, WRT),
        torch_compiled_value_and_grad(in_torch, WRT),
        Peer("autograd", in_autograd),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(1_000, quick=True), case(10_000), case(100_000), case(1_000_000)),
    small=case(5),
)
