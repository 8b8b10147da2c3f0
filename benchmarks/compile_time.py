"""Does compiling stay linear? Straight-line functions of 1,000 to 100,000 operations.

    python -m benchmarks.compile_time

The functions are generated, written to a temporary file, and imported from there. Their gradients
are compiled in three shapes: a chain in which each line uses the one before it, a web in which each
line uses two earlier ones, and a single expression that sums many terms.

What is shown is CPU time, the least of a few rounds in which all sizes take turns: a large function
does not fit into the processor's caches, so that what else the machine does shows most there.
"""

from __future__ import annotations

import gc
import importlib.util
import math
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import symdiff
from benchmarks.measure import count_operations, environment, table
from benchmarks.stages import LABELS, stage_times

SIZES = (1_000, 10_000, 100_000)
TERMS = (200, 2_000)
ROUNDS = 3


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
    path = folder / f"{name}_{len(list(folder.iterdir()))}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def compiled(
    function: Callable[..., Any], wrt: Any, at: tuple[float, ...]
) -> tuple[dict[str, float], str]:
    """CPU seconds by stage, from the function to its gradient's value; the gradient's source."""
    derivative = symdiff.grad(function, wrt=wrt)
    gc.collect()
    with stage_times() as spent:
        value = derivative(*at)
    assert all(math.isfinite(v) for v in (value if isinstance(value, tuple) else (value,)))
    return spent, derivative.source


def least(
    make: Callable[[int], str], sizes: Sequence[int], wrt: Any, at: tuple[float, ...]
) -> dict[int, tuple[dict[str, float], int]]:
    """For each size: the least CPU seconds of each stage, and operations of the gradient."""
    found: dict[int, tuple[dict[str, float], int]] = {}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(ROUNDS):
            for size in sizes:
                source = make(size) + f"# {turn}\n"  # another text: nothing is remembered of it
                spent, text = compiled(imported(Path(name), make.__name__, source), wrt, at)
                before, count = found.get(size) or (spent, count_operations(text))
                lower = {k: min(v, before.get(k, v)) for k, v in spent.items()}
                found[size] = lower, count
    return found


def by_stage(title: str, found: dict[int, tuple[dict[str, float], int]]) -> None:
    """Milliseconds per operation, a row for each stage and a column for each size."""
    per = {
        size: {k: v / size * 1e3 for k, v in spent.items()} for size, (spent, _) in found.items()
    }
    sizes = list(per)
    grown = [f"{b:,} / {a:,}" for a, b in pairwise(sizes)]
    rows: list[list[Any]] = []
    for label in LABELS:
        costs = [per[size].get(label, 0.0) for size in sizes]
        if costs[-1] < 1e-4:  # not worth a line
            continue
        ratios = [f"{b / a:.2f}x" if a > 1e-4 else "" for a, b in pairwise(costs)]
        rows.append([label, *(f"{c:.4f}" for c in costs), *ratios])
    counts = [f"{count:,}" for _, count in found.values()]
    rows.append(["operations of the gradient", *counts, *("" for _ in grown)])
    table(title, ["stage", *(f"{size:,}" for size in sizes), *grown], rows)


def main() -> None:
    environment()
    symdiff.grad(math_square)(1.0)  # imports the compiler
    for make in (chain, web):
        found = least(make, SIZES, ("x", "y"), (0.3, 0.7))
        by_stage(f"{make.__name__}: CPU milliseconds per operation, by stage", found)
    found = least(one_sum, TERMS, "x", (0.3,))
    by_stage("one sum, as one expression: CPU milliseconds per term, by stage", found)
    print("\nper operation (of the function, or per term of the sum): constant if linear.")


def math_square(x: float) -> float:
    return x**2


if __name__ == "__main__":
    main()
