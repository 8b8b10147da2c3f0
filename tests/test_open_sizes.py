"""Kernels of modules get arrays of any size: 0, 1, 2 and 3, as the python target's functions do."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symdiff.ir.tree import leaves
from symdiff.options import Options, Request
from symdiff.pipeline import Compiled, compile_function, loaded
from symdiff.runtime.declare import parse_type
from symdiff.runtime.signature import default_arguments

Function = Callable[..., Any]


def differences(x):
    e = 0.0
    for i in range(len(x) - 1):
        d = x[i + 1] - x[i]
        e += d * d
    return e


def from_the_second(x):
    total = 0.0
    for i in range(1, len(x)):
        total = total * 0.5 + x[i] * x[i - 1]
    return total


def first_and_last(x):
    return x[0] * x[-1]


def second(x):
    return x[1] * np.sum(x)


def largest(x):
    return np.max(x) ** 2


def mean(x):
    return np.mean(x**3)


def spread(x):
    return np.var(x) + np.std(x, ddof=1)


def normalised(x):
    return np.sum((x / np.sum(x)) ** 2)


def halves(x):
    return np.sum(x[::2]) * np.sum(x[1::2])


def ends(x):
    return np.sum(x[1:] * x[:-1])


def window(x):
    return np.sum(x[1:-1] - 2.0 * x[: len(x) - 2])


def running(x):
    return np.sum(np.cumsum(x) * x)


def products(x):
    return np.prod(x)


def log_sum(x):
    return np.log(np.sum(np.exp(x)))


def written(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[i] * x[len(x) - 1 - i]
    return np.sum(y * y)


def until(x):
    i = 0
    total = 1.0
    while i < len(x) and total < 4.0:
        total += x[i] ** 2
        i += 1
    return total


def listed(x):
    found = []
    for v in x:
        if v > 0.5:
            found.append(v * v)
    return sum(found)


def two(x, y):
    return np.sum(x * y) + np.max(y)


def model(x, A):
    z = A @ x
    return np.sum(z * z)


def rows(A):
    return np.sum(np.max(A, axis=0)) + np.sum(A[0] * A[-1])


def columns(A):
    total = 0.0
    for i in range(A.shape[0]):
        total += A[i, 0] * np.sum(A[i])
    return total


def outer(x, y):
    return np.sum(np.outer(x, y) ** 2) + np.sum(x[:, None] * y)


def sorted_pair(x, y):
    return np.sum(np.where(x > 0.5, x, 0.0)) * np.sum(y[: len(x)])


def stacked(x, y):
    return np.sum(np.concatenate([x, y]) ** 2 * np.concatenate([y, x]))


def reversed_(x):
    return np.sum(x[::-1] * np.arange(len(x)) * x)


VECTOR = {"x": "float64[n]"}
TWO = {"x": "float64[n]", "y": "float64[m]"}
CASES: list[tuple[Function, dict[str, str]]] = [
    *((f, VECTOR) for f in (
        differences, from_the_second, first_and_last, second, largest, mean, spread, normalised,
        halves, ends, window, running, products, log_sum, written, until, listed, reversed_,
    )),
    (two, {"x": "float64[n]", "y": "float64[n]"}), (outer, TWO), (sorted_pair, TWO),
    (stacked, TWO),
    (model, {"x": "float64[n]", "A": "float64[m,n]"}), (rows, {"A": "float64[m,n]"}),
    (columns, {"A": "float64[m,n]"}),
]  # fmt: skip


def compiled(f: Function, types: dict[str, str], request: Request, options: Options) -> Compiled:
    declared = {k: parse_type(v) for k, v in types.items()}
    open_ = dataclasses.replace(options, check_shapes=True)
    return compile_function(f, default_arguments(f, declared), [request], open_)


def outcome(run: Function, point: dict[str, Any]) -> Any:
    try:
        return [np.asarray(x) for x in leaves(run(*point.values()))]
    except (ArithmeticError, ValueError, IndexError) as error:
        return type(error)


def points(types: dict[str, str]) -> list[dict[str, Any]]:
    names = sorted({s for t in types.values() for s in t[8:-1].split(",")})
    random = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for sizes in itertools.product((0, 1, 2, 3, 5), repeat=len(names)):
        size = dict(zip(names, sizes, strict=True))
        shapes = {k: [size[s] for s in t[8:-1].split(",")] for k, t in types.items()}
        found.append({k: random.normal(size=shape) for k, shape in shapes.items()})
    return found


@pytest.mark.parametrize("kind", ["value_and_grad", "jacobian"])
def test_a_size_that_is_a_parameter(kind: str, quick: Options) -> None:
    """x: float64[n] with an integer n has n elements, wherever the integer stands."""

    def scaled(x, n):
        return np.sum(x * x) * n

    def filled(n, x):
        z = np.zeros(n)
        for i in range(n):
            z[i] = x[0] * i
        return np.sum(z * z)

    for f, order in ((scaled, ("x", "n")), (filled, ("n", "x"))):
        types = {name: {"x": "float64[n]", "n": "int"}[name] for name in order}
        request = Request(kind, ("x",))  # type: ignore[arg-type]
        runs = [loaded(compiled(f, types, request, o), quick) for o in (Options(), quick)]
        for size, n in itertools.product((1, 2, 3), (-1, 0, 1, 2, 3, 2**40)):
            point = {"x": np.arange(1.0, size + 1), "n": n}
            expected, found = (outcome(run, {k: point[k] for k in order}) for run in runs)
            if size != n:
                assert expected is found is ValueError, (f, size, n)
                continue
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)


REQUESTS = {
    "primal": Request("primal"),
    "value_and_grad": Request("value_and_grad", ("*",), True),
    "hessian": Request("hessian"),
    "jvp": Request("jvp"),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(("f", "types"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_every_size(f: Function, types: dict[str, str], kind: str, quick: Options) -> None:
    asked = REQUESTS[kind]
    python, c = (compiled(f, types, asked, options) for options in (Options(), quick))
    assert c.target == "c"
    runs = [loaded(made, quick) for made in (python, c)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for point in points(types):
            if kind == "jvp":
                point["tangent"] = np.cos(np.arange(len(next(iter(point.values())))) + 1.0)
                if next(iter(point.values())).ndim > 1:
                    point["tangent"] = np.ones_like(next(iter(point.values())))
            expected, found = (outcome(run, point) for run in runs)
            shapes = {k: v.shape for k, v in point.items()}
            if isinstance(expected, type) or isinstance(found, type):
                assert found is expected, shapes
                continue
            assert len(found) == len(expected)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=str(shapes))
