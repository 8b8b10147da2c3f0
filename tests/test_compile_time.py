"""Compiling takes time in proportion to the program, whatever its loops and branches are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

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
@pytest.mark.parametrize("build", [branches, loops])
def test_twice_the_program_takes_about_twice_the_time(
    derive: Callable[..., Any], build: Callable[[int], str]
) -> None:
    """With room for a square, and for noise: it was the cube, and 2 to the power of the size."""
    seconds(derive, build(2))
    small, large = (min(seconds(derive, build(n)) for _ in range(2)) for n in (6, 12))
    assert large / max(small, 0.02) < 8
