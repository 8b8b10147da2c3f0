"""k-means (GradBench): what a step of Newton's method needs of the sum of squared distances.

Each of n points counts with its squared distance to the nearest of k centroids. The gradient in the
centroids and the Hessian's diagonal are asked for; as the Hessian is diagonal, its product with
ones is that diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Peer, Primal, Problem, Run
from benchmarks.gradients.tools import casadi, jax_compiled, numba_by_hand, tensors, translated


def in_loops(points, centroids):
    total = 0.0
    for i in range(points.shape[0]):
        nearest = math.inf
        for c in range(centroids.shape[0]):
            squared = 0.0
            for a in range(points.shape[1]):
                squared += (points[i, a] - centroids[c, a]) ** 2
            nearest = min(nearest, squared)
        total += nearest
    return total


def in_numpy(points, centroids):
    lengths = np.sum(points**2, axis=1, keepdims=True)
    squared = lengths - 2.0 * points @ centroids.T + np.sum(centroids**2, axis=1)
    return np.sum(np.min(squared, axis=1))


def second_order(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The gradient and the Hessian's product with a vector, in one."""
    gradient = symdiff.grad(function, wrt="centroids")
    return symdiff.jvp(gradient, wrt="centroids", **options)


def with_ones(derivative: Callable[..., Any], points: np.ndarray, centroids: np.ndarray) -> Any:
    return derivative(points, centroids, np.ones_like(centroids))


def in_jax(jax: Any) -> Callable[..., Any]:
    distances = translated(in_numpy, np=jax.numpy)

    def both(points, centroids):
        gradient = jax.grad(lambda c: distances(points, c))
        return jax.jvp(gradient, (centroids,), (jax.numpy.ones_like(centroids),))

    return both


def in_torch(points, centroids):
    lengths = (points**2).sum(1, keepdim=True)
    squared = lengths - 2.0 * points @ centroids.T + (centroids**2).sum(1)
    return squared.min(1).values.sum()


def torch_eager(*arguments: np.ndarray) -> Run:
    import torch

    points, centroids = tensors(arguments)
    centroids.requires_grad_()

    def run() -> Any:
        value = in_torch(points, centroids)
        (gradient,) = torch.autograd.grad(value, centroids, create_graph=True)
        return gradient, *torch.autograd.grad(gradient.sum(), centroids)

    return run


def torch_compiled(*arguments: np.ndarray) -> Run:
    import torch

    points, centroids = tensors(arguments)

    def both(points: Any, centroids: Any) -> Any:
        gradient = torch.func.grad(lambda c: in_torch(points, c))
        return torch.func.jvp(gradient, (centroids,), (torch.ones_like(centroids),))

    run = torch.compile(both)
    return lambda: run(points, centroids)


def in_autograd(points: np.ndarray, centroids: np.ndarray) -> Run:
    import autograd
    import autograd.numpy as anp

    gradient = autograd.grad(translated(in_numpy, np=anp), argnum=1)
    twice = autograd.grad(lambda p, c: anp.sum(gradient(p, c)), argnum=1)
    return lambda: (gradient(points, centroids), twice(points, centroids))


def by_hand(points, centroids):
    n, d = points.shape
    gradient = np.zeros(centroids.shape)
    hessian = np.zeros(centroids.shape)
    for i in range(n):
        nearest, least = 0, np.inf
        for c in range(len(centroids)):
            squared = 0.0
            for a in range(d):
                squared += (points[i, a] - centroids[c, a]) ** 2
            if squared < least:
                nearest, least = c, squared
        for a in range(d):
            gradient[nearest, a] += 2.0 * (centroids[nearest, a] - points[i, a])
            hessian[nearest, a] += 2.0
    return gradient, hessian


def in_c(kernel: Kernel, points: np.ndarray, centroids: np.ndarray) -> Run:
    n, d = points.shape
    inputs = address(points), address(centroids)

    def run() -> Any:
        result = np.empty_like(centroids), np.empty_like(centroids)
        kernel(n, d, len(centroids), *inputs, *(address(a) for a in result))
        return result

    return run


def in_casadi(ca: Any, points: np.ndarray, centroids: np.ndarray) -> Run:
    """The distance of one point, differentiated twice, and mapped over all points."""
    k, d = centroids.shape
    p, c = ca.SX.sym("p", d), ca.SX.sym("c", d, k)
    squared = [ca.sumsqr(p - c[:, i]) for i in range(k)]
    value = ca.mmin(ca.vertcat(*squared))
    gradient = ca.gradient(value, c)
    product = ca.jtimes(gradient, c, ca.DM.ones(d, k))
    of_point = ca.Function("of_point", [p, c], [ca.densify(gradient), ca.densify(product)])
    all_points = of_point.map("all", "serial", len(points), [1], [0, 1])
    return lambda: tuple(np.array(a).T for a in all_points(points.T, centroids.T))


def cloud(n: int, d: int, k: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    return random.normal(size=(n, d)), random.normal(size=(k, d))


def case(n: int, d: int, k: int, quick: bool = False) -> Case:
    return Case(f"n = {n:,}, d = {d}, k = {k}", lambda: cloud(n, d, k), float(n * d * k), quick)


PROBLEM = Problem(
    name="kmeans",
    title="k-means: gradient and diagonal of the Hessian",
    primals=(
        Primal("loops", in_loops, second_order, with_ones),
        Primal("NumPy", in_numpy, second_order, with_ones),
    ),
    peers=(
        hand_c("kmeans", "kmeans", "lllpppp", in_c),
        jax_compiled(in_jax),
        Peer("torch", torch_eager),
        Peer("torch-compiled", torch_compiled),
        Peer("autograd", in_autograd),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(
        case(1_000, 8, 5, quick=True),
        case(100_000, 10, 10),
        case(494_020, 35, 5),
        case(10_000, 256, 200),
    ),
    small=case(6, 2, 3),
)
