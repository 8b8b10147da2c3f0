"""Does compiling stay linear? Straight-line functions of 1,000 to 100,000 operations.

    python -m benchmarks.compile_time

The functions are generated, written to a temporary file, and imported from there. Their gradients
are compiled in three shapes: a chain in which each line uses the one before it, a web in which each
line uses two earlier ones, and a single expression that sums many terms.
"""

from __future__ import annotations

import importlib.util
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import symdiff
from benchmarks.measure import count_operations, environment, show, table

SIZES = (1_000, 10_000, 100_000)


def chain(operations: int) -> str:
    """Source of a function of x and y: each line takes four operations on the line before."""
    lines = ["import math", "", "", "def chain(x, y):", "    v0 = x"]
    count = operations // 4
    for i in range(count):
        step = f"math.sin(v{i}) + y * v{i}" if i % 2 else f"0.5 * v{i} - math.cos(y * v{i})"
        lines.append(f"    v{i + 1} = {step} * 0.25")
    return "\n".join([*lines, f"    return v{count}", ""])


def web(operations: int) -> str:
    """Source of a function whose lines each combine two earlier values, picked at random."""
    pick = random.Random(0)
    lines = ["import math", "", "", "def web(x, y):", "    v0 = x", "    v1 = y"]
    count = operations // 3
    for i in range(2, count + 2):
        a, b = pick.randrange(max(0, i - 50), i), pick.randrange(max(0, i - 50), i)
        step = (f"math.tanh(v{a} + v{b}) * 0.9", f"math.sin(v{a}) - v{b} * 0.3")[i % 2]
        lines.append(f"    v{i} = {step}")
    return "\n".join([*lines, f"    return v{count + 1}", ""])


def one_sum(terms: int) -> str:
    """Source of a function that is one expression, a sum of `terms` terms."""
    body = " + ".join(f"{1 + i / 7:.3f} * math.sin({i + 1} * x)" for i in range(terms))
    return f"import math\n\n\ndef one_sum(x):\n    return {body}\n"


def imported(folder: Path, name: str, source: str) -> Callable[..., Any]:
    """The function `name` of a module with `source`, in a file of its own."""
    path = folder / f"{name}_{len(source)}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def compile_seconds(
    function: Callable[..., Any], wrt: Any, at: tuple[float, ...], times: int
) -> Any:
    """(median seconds to compile, operations of the derivative, its value at `at`)."""
    taken: list[float] = []
    for _ in range(times):
        derivative = symdiff.grad(function, wrt=wrt)
        start = time.perf_counter()
        value = derivative(*at)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), count_operations(derivative.source), value


def main() -> None:
    environment()
    symdiff.grad(math_square)(1.0)  # imports the compiler
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: list[list[Any]] = []
        for make in (chain, web):
            before = None
            for size in SIZES:
                function = imported(folder, make.__name__, make(size))
                times = 3 if size < 100_000 else 1
                seconds, count, value = compile_seconds(function, ("x", "y"), (0.3, 0.7), times)
                assert all(math.isfinite(v) for v in value)
                growth = "" if before is None else f"{seconds / before:.1f}x for 10x"
                rows.append([f"{make.__name__}, {size:,} operations", f"{count:,}", show(seconds),
                             f"{seconds / size * 1e6:.0f} us", growth])  # fmt: skip
                before = seconds
        for terms in (200, 2_000):
            function = imported(folder, "one_sum", one_sum(terms))
            seconds, count, _ = compile_seconds(function, "x", (0.3,), 3)
            rows.append([f"one sum of {terms:,} terms", f"{count:,}", show(seconds),
                         f"{seconds / terms * 1e6:.0f} us", ""])  # fmt: skip
    table(
        "Compiling a gradient: from the imported function to its first value",
        ["function", "derivative's operations", "compile", "per operation", "growth"],
        rows,
    )
    print("\nper operation (of the function, or per term of the sum): constant if linear.")


def math_square(x: float) -> float:
    return x**2


if __name__ == "__main__":
    main()
