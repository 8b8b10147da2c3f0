"""Compiling takes time in proportion to the program, whatever its loops and branches are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.program import Program


def branches(depth: int) -> str:
    """A round with branches inside of branches, each of which changes three names."""
    lines = ["def f(x, y, z, n: int):", "    for i in range(n):"]
    for k in range(depth):
        pad = "    " * (k + 2)
        lines += [f"{pad}if x * {k + 1}.0 + i > y:", f"{pad}    x, y, z = x * y, y + z, z * x"]
    lines.append("    return x * y * z")
    return "\n".join(lines) + "\n"


def loops(count: int) -> str:
    """Loops over one range, one after another, inside of a loop."""
    lines = ["def f(x, y, z, n: int):", "    for i in range(n):"]
    for k in range(count):
        lines += [
            "        for j in range(n):",
            f"            z = z + x * y * {k + 1}.0 + i * j * y",
        ]
    lines.append("    return x * y * z")
    return "\n".join(lines) + "\n"


def seconds(derive: Callable[..., Any], source: str) -> float:
    function = Program(0, source, "f", ()).load()
    start = time.process_time()
    derivative = derive(function)
    if derive is twice:
        derivative(0.3, 0.2, 0.1, 2, (1.0, 1.0, 1.0))
    else:
        derivative(0.3, 0.2, 0.1, 2)
    return time.process_time() - start


def once(function: Callable[..., Any]) -> Any:
    return symdiff.grad(function, wrt=("x", "y", "z"))


def twice(function: Callable[..., Any]) -> Any:
    return symdiff.vjp(once(function), wrt=("x", "y", "z"))


@pytest.mark.parametrize("derive", [once, twice])
@pytest.mark.parametrize(("build", "size"), [(branches, 6), (loops, 6)])
def test_time_is_about_linear(
    derive: Callable[..., Any], build: Callable[[int], str], size: int
) -> None:
    seconds(derive, build(2))
    small, large = (seconds(derive, build(n)) for n in (size, 3 * size))
    assert large / max(small, 0.02) < 12
