"""What does one call cost? A scalar gradient, through the decorator and by itself; and the import.

    python -m benchmarks.calls

Every contestant computes the same gradients of scalar functions, one call at a time, with float64
numbers. "function" is the generated code as it is printed, "decorator" what `@symdiff.grad` returns
(it looks at the types of its arguments, then calls that function). JAX is compiled with `jit`;
PyTorch gets tensors made beforehand, so that only the forward and the backward pass count.

The marks: the decorator costs at most 1 us more than the function, the function is at least 10
times faster than each of the others on a scalar gradient, and `import symdiff` costs at most 60 ms
beyond NumPy.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from math import cos, sin
from typing import Any

import symdiff
from benchmarks.measure import environment, peer, race, ratio, show, standalone, table
from benchmarks.swell import arm, bump, names_of, point, through

PEERS = {"JAX jit": "jax", "PyTorch": "torch", "autograd": "autograd", "CasADi": "casadi"}


def sine(x):
    """The teaching example."""
    return sin(x**2)


def wave(x, t, k):
    """Three parameters."""
    return sin(k * x - t) ** 2 + 0.5 * cos(2 * k * x)


# label, function, whether the mark of 10 times holds for it (a gradient in one variable)
CASES: tuple[tuple[str, Callable[..., Any], bool], ...] = (
    ("sin(x**2)", sine, True),
    ("sin(x**2)*exp(x)", bump, True),
    ("sin(k*x - t)**2 + 0.5*cos(2*k*x), 3 parameters", wave, False),
    ("two-link arm, 10 parameters", arm, False),
)


# Each maker returns a function without arguments that computes the gradient once.


def make_jax(function: Callable[..., Any], at: list[float]) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    gradient = jax.jit(jax.grad(through(function, jnp), argnums=tuple(range(len(at)))))
    return lambda: gradient(*at)[0].block_until_ready()


def make_torch(function: Callable[..., Any], at: list[float]) -> Callable[[], Any]:
    import torch

    value = through(function, torch)
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    return lambda: torch.autograd.grad(value(*tensors), tensors)


def make_autograd(function: Callable[..., Any], at: list[float]) -> Callable[[], Any]:
    import autograd
    import autograd.numpy as anp

    gradient = autograd.grad(through(function, anp), argnum=tuple(range(len(at))))
    return lambda: gradient(*at)


def make_casadi(function: Callable[..., Any], at: list[float]) -> Callable[[], Any]:
    import casadi

    names = [casadi.SX.sym(name) for name in names_of(function)]
    value = through(function, casadi)(*names)
    run = casadi.Function("gradient", names, [casadi.gradient(value, casadi.vertcat(*names))])
    return lambda: run(*at)


MAKERS = {
    "JAX jit": make_jax,
    "PyTorch": make_torch,
    "autograd": make_autograd,
    "CasADi": make_casadi,
}


def calls(label: str, function: Callable[..., Any], marked: bool) -> None:
    """Time one function's gradient with everyone; print the table."""
    at = point(function)
    derivative = symdiff.grad(function, wrt="*")
    derivative(*at)  # compiles
    bare = standalone(derivative)
    if len(at) == 1:  # no unpacking: a call as one writes it
        (x,) = at
        runs = {"function": lambda: bare(x), "decorator": lambda: derivative(x)}
    else:
        runs = {"function": lambda: bare(*at), "decorator": lambda: derivative(*at)}
    for name, package in PEERS.items():
        if peer(package) is not None:
            runs[name] = MAKERS[name](function, at)
    times = race(runs)
    rows = [[name, show(times[name]), ratio(times[name], times["function"])] for name in times]
    rows += [[name, "not installed", ""] for name in PEERS if name not in times]
    table(f"Gradient of {label}: one call", ["", "time", "of the function's"], rows)
    overhead = (times["decorator"] - times["function"]) * 1e6
    print(f"  the decorator adds {overhead:.2f} us (mark 1 us: {verdict(overhead <= 1.0)})", end="")
    others = [times[name] for name in PEERS if name in times]
    if others:
        least = min(others) / times["function"]
        print(f"; the fastest other takes {least:.1f} times as long", end="")
        if marked:
            print(f" (mark 10: {verdict(least >= 10.0)})", end="")
    print()


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


# The import.


def fresh(cache: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter, whose byte code is kept in the folder `cache`."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = cache
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env)


def import_times(cache: str) -> dict[str, tuple[float, float]]:
    """{module: (own, cumulative) seconds} of `import numpy, symdiff` in a fresh interpreter."""
    lines = fresh(
        cache, "-X", "importtime", "-c", "import numpy; import symdiff"
    ).stderr.splitlines()
    found: dict[str, tuple[float, float]] = {}
    for line in lines:
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            found[parts[2].strip()] = (int(parts[0]) * 1e-6, int(parts[1]) * 1e-6)
    return found


def first_call(cache: str) -> float:
    """Seconds of the first compilation in a fresh interpreter; it imports the compiler."""
    code = (
        "import time, symdiff\n"
        "from benchmarks.calls import sine\n"
        "start = time.perf_counter()\n"
        "symdiff.grad(sine)(1.0)\n"
        "print(time.perf_counter() - start)\n"
    )
    return float(fresh(cache, "-c", code).stdout)


def imports(runs: int = 10) -> None:
    """Print what `import symdiff` costs beyond NumPy, and the modules that cost most."""
    with tempfile.TemporaryDirectory() as cache:
        import_times(cache)  # these two write the byte code
        first_call(cache)
        samples = [import_times(cache) for _ in range(runs)]
        first = statistics.median(first_call(cache) for _ in range(runs))
    median = statistics.median(s["symdiff"][1] for s in samples)
    table(
        f"import symdiff, in fresh interpreters (medians of {runs})",
        ["", "time"],
        [
            ["numpy", show(statistics.median(s["numpy"][1] for s in samples))],
            ["symdiff, beyond numpy", show(median)],
            ["first compilation (imports the compiler)", show(first)],
        ],
    )
    print(f"  mark 60 ms: {verdict(median <= 0.060)}")
    own = {name: statistics.median(s[name][0] for s in samples if name in s) for name in samples[0]}
    order = list(samples[0])
    after = order[order.index("numpy") + 1 :]
    slow = sorted(after, key=lambda name: -own[name])[:6]
    print("  slowest by themselves: " + ", ".join(f"{n} {show(own[n])}" for n in slow))


def main() -> None:
    environment("jax", "torch", "autograd", "casadi")
    for label, function, marked in CASES:
        calls(label, function, marked)
    imports()


if __name__ == "__main__":
    main()
