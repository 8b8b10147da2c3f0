"""The problems, by name: each is the module of that name in this folder."""

from __future__ import annotations

import importlib

from benchmarks.gradients.problem import Problem

# In the order of the table: those of GradBench first.
NAMES = (
    "gmm", "ba", "lstm", "ht", "kmeans", "lse", "llsq",
    "black_scholes", "rosenbrock", "nbody", "rk4", "mlp", "kalman", "heat",
)  # fmt: skip


def problem_named(name: str) -> Problem:
    """The problem of the module `name`."""
    module = importlib.import_module(f"benchmarks.gradients.{name}")
    return module.PROBLEM
