"""What the benchmarks share: timing side by side, counting operations, and plain tables."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Run = Callable[[], Any]


def peer(name: str) -> Any:
    """The module `name`, or None where it is not installed: its rows then say so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def once(run: Run) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def race(
    runs: Mapping[str, Run],
    rounds: int = 15,
    seconds: float = 0.02,
    budget: float = math.inf,
    patience: float = math.inf,
) -> dict[str, float]:
    """Median seconds per call of each of `runs`, measured in turns within one process.

    Taking turns spreads a busy moment of the machine over everyone. Each turn repeats a call for
    about `seconds`; the garbage collector rests meanwhile, as in `timeit`. Who would spend more
    than `budget` seconds has fewer turns, but three; whose call takes more than `patience` seconds
    is measured once.
    """
    counts: dict[str, int] = {}
    turns: dict[str, int] = {}
    found: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in runs.items():
        first = once(run)  # warms up: caches, compilation
        if first > patience:
            found[name].append(first)
            turns[name] = 0
            continue
        counts[name] = max(1, round(seconds / max(once(run), 1e-9)))
        each = _per_call(run, counts[name])
        counts[name] = max(1, round(seconds / max(each, 1e-9)))
        turns[name] = round(min(rounds, max(3, budget / max(seconds, each))))
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name, run in runs.items():
                if turn < turns[name]:
                    found[name].append(_per_call(run, counts[name]))
    finally:
        gc.enable()
    return {name: statistics.median(times) for name, times in found.items()}


def _per_call(run: Run, count: int) -> float:
    turns = range(count)
    start = time.perf_counter()
    for _ in turns:
        run()
    return (time.perf_counter() - start) / count


def standalone(derivative: Any) -> Callable[..., Any]:
    """The function that a derivative's printed source defines, without symdiff around it."""
    scope: dict[str, Any] = {}
    exec(derivative.source, scope)
    return [value for value in scope.values() if inspect.isfunction(value)][-1]


def count_operations(source: str) -> int:
    """Arithmetic operations and function calls in Python source; a sign of a number is none."""
    total = 0
    for definition in ast.walk(ast.parse(source)):
        if isinstance(definition, ast.FunctionDef):
            for statement in definition.body:
                total += sum(_is_operation(node) for node in ast.walk(statement))
    return total


def _is_operation(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Compare):
        return True
    return isinstance(node, (ast.BinOp, ast.Call, ast.AugAssign))


def show(seconds: float | None) -> str:
    """A time in the unit that reads best."""
    if seconds is None:
        return "-"
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}" if seconds * factor < 100 else (
                f"{seconds * factor:.0f} {unit}"
            )  # fmt: skip
    return f"{seconds:.2f} s"


def ratio(value: float, base: float) -> str:
    """`value` as a multiple of `base`."""
    return f"{value / base:.2f}x" if value / base < 100 else f"{value / base:.0f}x"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under a header: the first column to the left, the others to the right."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    print(f"\n{title}")
    for i, row in enumerate(cells):
        line = "  ".join(
            c.ljust(w) if j == 0 else c.rjust(w)
            for j, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + line.rstrip())
        if i == 0:
            print("  " + "  ".join("-" * w for w in widths))


def environment(*peers: str) -> None:
    """Say what was measured on, and with which versions."""
    from importlib.metadata import PackageNotFoundError, version

    print(f"Python {platform.python_version()} on {platform.machine()}", end="")
    for name in ("numpy", *peers):
        try:
            print(f", {name} {version(name)}", end="")
        except PackageNotFoundError:
            print(f", {name} not installed", end="")
    print()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > 0.5 * cores:
        print(
            f"The machine is busy (load {load:.1f} on {cores} cores): times are not to be trusted."
        )
