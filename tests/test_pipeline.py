"""The IR verifier accepts the result of every pass, for every operator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from symdiff.differentiate.operators import differentiate
from symdiff.ir.expr import var
from symdiff.ir.function import Function
from symdiff.ir.types import FLOAT, Type, symbol
from symdiff.ir.verify import verify
from symdiff.options import DEFAULT, Request
from symdiff.parse.entry import parse
from symdiff.parse.nested import nested_derivative
from symdiff.pipeline import BEFORE, ERASE, PASSES

VECTOR = Type("float64", (symbol("n"),))
MATRIX = Type("float64", (symbol("m"), symbol("n")))


def chain(x: float) -> float:
    return math.sin(x**2) * math.exp(x)


def branches(x: float, y: float) -> float:
    if x > 0.0:
        a = math.log(x) * y
        if y < 1.0:
            return a * a
    elif x < -1.0:
        return x / y
    else:
        a = math.sqrt(y)
    return a + x


def softplus_loss(x: Any, A: Any, y: float) -> Any:
    z = A @ x + y
    return np.mean(np.log(1.0 + np.exp(-z)))


def masked(x: Any, y: float) -> Any:
    return np.sum(np.where(x > y, np.log(x), 0.0)) + x[0] * np.max(x)


def unpacked(x: Any) -> Any:
    a, b, c = x
    return np.hypot(a, b) / c


PROGRAMS: list[tuple[Any, dict[str, Type]]] = [
    (chain, {"x": FLOAT}),
    (branches, {"x": FLOAT, "y": FLOAT}),
    (softplus_loss, {"x": VECTOR, "A": MATRIX, "y": FLOAT}),
    (masked, {"x": VECTOR, "y": FLOAT}),
    (unpacked, {"x": VECTOR}),
]
REQUESTS: list[list[Request]] = [
    [Request("primal")],
    [Request("grad", ("*",), True)],
    [Request("value_and_grad")],
    [Request("jvp", ("*",), True)],
    [Request("vjp", ("*",), True)],
    [Request("jacobian", mode="forward")],
    [Request("hessian")],
    [Request("hvp")],
    [Request("grad"), Request("jvp")],
]


@pytest.mark.parametrize("requests", REQUESTS, ids=lambda rs: "-".join(r.kind for r in rs))
@pytest.mark.parametrize(("program", "types"), PROGRAMS, ids=lambda p: getattr(p, "__name__", ""))
def test_every_pass_leaves_sound_ir(
    program: Any, types: dict[str, Type], requests: list[Request]
) -> None:
    arguments = {name: var(name, type_) for name, type_ in types.items()}
    function = parse(program, arguments, nested=nested_derivative(differentiate))
    passes = [("parse", lambda f, _: f), *BEFORE]
    passes += [(r.kind, lambda f, _, r=r: differentiate(f, r)) for r in requests]
    ran = 0
    for _, run in (*passes, *ERASE, *PASSES):
        function = run(function, DEFAULT)
        assert isinstance(function, Function)
        verify(function)
        ran += 1
    assert ran == len(passes) + len(ERASE) + len(PASSES)
    assert function.results
