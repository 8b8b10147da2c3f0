"""Dataclasses and named tuples as arguments and results of compiled functions."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import symdiff

X = np.array([0.5, 1.5, -0.7])


@dataclass
class Spring:
    k: float
    rest: float = 1.0
    marks: list = field(default_factory=list)


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    b: float
    label: str = "none"


class Point(NamedTuple):
    x: float
    y: float = 2.0


@dataclass
class Pair:
    first: Any
    second: Any


def energy(spring, x):
    return 0.5 * spring.k * (x - spring.rest) ** 2


def of_a_point(p):
    return p.x * p.y**2


def of_layers(layers, x):
    for layer in layers:
        x = np.tanh(layer.w * x) + layer.b
    return np.sum(x)


def makes_a_record(x, y):
    return x * y, Pair(x * y, Point(math.sin(x), y))


def with_constants(x):
    more = {"n": math.inf, "p": Point(1.0, x), "t": (True, -2)}
    return x * x, Pair([x, None, "text", 3], more)


def named_as_the_adaptor_does(_kernel, _replace, result_1, d__kernel):
    made = Spring(result_1, d__kernel)
    return _kernel * _replace * result_1 * d__kernel, Pair(_kernel * _replace, made)


def same(a: Any, b: Any) -> None:
    """Equal structure, classes and values."""
    assert type(a) is type(b) or (np.isscalar(a) and np.isscalar(b))
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        a, b = ([getattr(r, f.name) for f in dataclasses.fields(r)] for r in (a, b))
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, (float, np.ndarray)):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    else:
        assert a == b


LAYERS = [Layer(X, 0.3, "in"), Layer(X * 0.5, -0.1, "out")]


@pytest.mark.parametrize(
    ("f", "args"),
    [(energy, (Spring(0.7, marks=[1.0, 2.0]), 3.0)), (of_a_point, (Point(0.7),)),
     (of_layers, (LAYERS, X))],
    ids=lambda x: getattr(x, "__name__", ""),
)  # fmt: skip
def test_gradients_are_records(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    expected = symdiff.value_and_grad(f, wrt="*")(*args)
    same(symdiff.value_and_grad(f, wrt="*", options=quick)(*args), expected)


@pytest.mark.parametrize(
    ("f", "args"),
    [(makes_a_record, (0.7, 1.3)), (with_constants, (0.7,)),
     (named_as_the_adaptor_does, (0.5, 0.6, 0.7, 0.8))],
    ids=lambda x: getattr(x, "__name__", ""),
)  # fmt: skip
def test_records_that_the_function_makes(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    (value, made), slopes = symdiff.value_and_grad(f, wrt="*", has_aux=True, options=quick)(*args)
    same((value, made), f(*args))
    same(slopes, symdiff.grad(f, wrt="*", has_aux=True)(*args)[0])


def test_tangents_of_records(quick: symdiff.Options):
    expected = symdiff.jvp(makes_a_record, wrt="*")(0.7, 1.3, (1.0, 2.0))
    same(symdiff.jvp(makes_a_record, wrt="*", options=quick)(0.7, 1.3, (1.0, 2.0)), expected)


def test_what_is_given_stays_as_it_is(quick: symdiff.Options):
    spring = Spring(0.7, marks=[1.0])
    found = symdiff.grad(energy, options=quick)(spring, 2.0)
    assert spring == Spring(0.7, 1.0, [1.0])
    assert type(found) is Spring and found.k == 0.5
