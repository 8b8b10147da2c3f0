"""Expression swell: how large do derivatives of five functions get, and how long do they take?

    python -m benchmarks.swell            every contestant; SymPy without cse takes minutes
    python -m benchmarks.swell --quick    leaves that one out for E4 and E5

Written as a formula, a derivative repeats its parts; the fourth function below has a gradient of
589,425 operations in SymPy. Built with parts shared from the start it has fewer than 170. Counted
are the arithmetic operations and function calls in the code that computes all derivatives (the
gradient of E1 to E4, the 2x15 Jacobian of E5, in all parameters), shared values once: for symdiff
and SymPy in their printed code with the same counter, for CasADi as the instructions of its
function. Where a comparison chooses between two values, the comparison counts.
"""

from __future__ import annotations

import gc
import inspect
import statistics
import sys
import time
import types
from collections.abc import Callable
from math import cos, exp, sin, sqrt
from typing import Any

import symdiff
from benchmarks.measure import (
    count_operations,
    environment,
    peer,
    race,
    ratio,
    show,
    standalone,
    table,
)

SIX = tuple(range(6))
SIXTY = tuple(range(60))


def bump(x):
    """E1: one parameter."""
    return sin(x**2) * exp(x)


def rosenbrock(
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t, u, v, w
):  # fmt: skip
    """E2: Rosenbrock's function of 20 parameters."""
    x = (a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t, u, v, w)
    total = 0.0
    for i in range(len(x) - 1):  # over a tuple: its length is known, so the loop unrolls
        total = total + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def arm(q1, q2, v1, v2, t1, t2, m1, m2, l1, l2):
    """E3: the squared acceleration of a two-link arm (see samples/two_link_arm.py)."""
    g = 9.81
    half1, half2 = l1 / 2, l2 / 2
    spin1 = m1 * l1**2 / 12
    spin2 = m2 * l2**2 / 12
    cosine, sine = cos(q2), sin(q2)
    m11 = spin1 + spin2 + m1 * half1**2 + m2 * (l1**2 + half2**2 + 2 * l1 * half2 * cosine)
    m12 = spin2 + m2 * (half2**2 + l1 * half2 * cosine)
    m22 = spin2 + m2 * half2**2
    h = -m2 * l1 * half2 * sine
    weight2 = m2 * half2 * g * cos(q1 + q2)
    weight1 = (m1 * half1 + m2 * l1) * g * cos(q1) + weight2
    rest1 = t1 - h * (2 * v1 * v2 + v2**2) - weight1
    rest2 = t2 + h * v1**2 - weight2
    determinant = m11 * m22 - m12**2
    a1 = (m22 * rest1 - m12 * rest2) / determinant
    a2 = (m11 * rest2 - m12 * rest1) / determinant
    return a1**2 + a2**2


def layers(y, a, b, depth):
    """One function composed with itself, once for each item of `depth`."""
    for _ in depth:
        y = sin(a * y) * exp(-b * y**2) + y**2 / (1 + y**2)
    return y


def composed(x, a, b):
    """E4: six deep."""
    return layers(x, a, b, SIX)


def deep(x, a, b):
    """E4, but sixty deep."""
    return layers(x, a, b, SIXTY)


def camera(r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2, px, py, pz, w):
    """E5: the reprojection error of a point (see samples/bundle_adjustment.py)."""
    angle = sqrt(r1**2 + r2**2 + r3**2)
    c, s = cos(angle), sin(angle)
    nx, ny, nz = r1 / angle, r2 / angle, r3 / angle
    x, y, z = px - c1, py - c2, pz - c3
    along = (nx * x + ny * y + nz * z) * (1 - c)
    sx = x * c + (ny * z - nz * y) * s + nx * along
    sy = y * c + (nz * x - nx * z) * s + ny * along
    sz = z * c + (nx * y - ny * x) * s + nz * along
    u, v = sx / sz, sy / sz
    radius2 = u**2 + v**2
    lens = 1 + k1 * radius2 + k2 * radius2**2
    return w * (f * u * lens + x0 - 0.7), w * (f * v * lens + y0 + 0.3)


# label, function, mark to meet
CASES: tuple[tuple[str, Callable[..., Any], int | None], ...] = (
    ("E1 bump", bump, 9),
    ("E2 rosenbrock", rosenbrock, 172),
    ("E3 arm", arm, 191),
    ("E4 six deep", composed, 163),
    ("E5 camera", camera, 284),
    ("E4 sixty deep", deep, None),
)


def names_of(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def point(function: Callable[..., Any]) -> list[float]:
    """Arguments at which every function is smooth."""
    return [0.3 + 0.07 * i for i in range(len(names_of(function)))]


def through(function: Callable[..., Any], module: Any) -> Callable[..., Any]:
    """`function` with the sin, cos, exp and sqrt of another library."""
    scope = dict(function.__globals__)
    for name in ("sin", "cos", "exp", "sqrt"):
        scope[name] = getattr(module, name)
    scope["layers"] = types.FunctionType(layers.__code__, scope)
    return types.FunctionType(function.__code__, scope)


# Each builder returns (callable of floats, how to count its operations).
Built = tuple[Callable[..., Any], Callable[[], int]]


def build_symdiff(function: Callable[..., Any]) -> Built:
    operator = symdiff.jacobian if function is camera else symdiff.grad
    derivative = operator(function, wrt="*")
    derivative(*point(function))  # compiles
    return derivative, lambda: count_operations(derivative.source)


def build_sympy(function: Callable[..., Any], cse: bool) -> Built:
    sympy = peer("sympy")
    sympy.core.cache.clear_cache()
    names = sympy.symbols(names_of(function))
    value = through(function, sympy)(*names)
    values = value if isinstance(value, tuple) else (value,)
    entries = [v.diff(x) for v in values for x in names]
    run = sympy.lambdify(names, entries, "math", cse=cse)
    return run, lambda: count_operations(inspect.getsource(run))


def build_casadi(function: Callable[..., Any], cse: bool) -> Built:
    casadi = peer("casadi")
    names = [casadi.SX.sym(name) for name in names_of(function)]
    value = through(function, casadi)(*names)
    value = casadi.vertcat(*value) if isinstance(value, tuple) else value
    entries = casadi.jacobian(value, casadi.vertcat(*names))
    run = casadi.Function("derivative", names, [casadi.cse(entries) if cse else entries])
    free = (casadi.OP_INPUT, casadi.OP_OUTPUT, casadi.OP_CONST)
    ids = [run.instruction_id(i) for i in range(run.n_instructions())]
    return run, lambda: sum(i not in free for i in ids)


BUILDERS: tuple[tuple[str, str | None, Callable[..., Built], int], ...] = (
    # name, package, builder, times to build (SymPy takes seconds: once)
    ("symdiff", None, build_symdiff, 9),
    ("SymPy diff", "sympy", lambda f: build_sympy(f, False), 1),
    ("SymPy diff+cse", "sympy", lambda f: build_sympy(f, True), 1),
    ("CasADi", "casadi", lambda f: build_casadi(f, False), 9),
    ("CasADi+cse", "casadi", lambda f: build_casadi(f, True), 9),
)


def why_not(
    name: str, package: str | None, function: Callable[..., Any], quick: bool
) -> str | None:
    """Why a contestant is left out, if it is."""
    if package is not None and peer(package) is None:
        return "not installed"
    if package == "sympy" and function is deep:
        return "would not finish"
    if name == "SymPy diff" and quick and function in (composed, camera):
        return "skipped: --quick"
    return None


def compare(label: str, function: Callable[..., Any], mark: int | None, quick: bool) -> None:
    """Build and evaluate one function's derivative with everyone; print the table."""
    at = point(function)
    counts: dict[str, int] = {}
    builds: dict[str, float] = {}
    runs: dict[str, Callable[[], Any]] = {}
    skipped: list[tuple[str, str]] = []
    for name, package, builder, times in BUILDERS:
        why = why_not(name, package, function, quick)
        if why is not None:
            skipped.append((name, why))
            continue
        taken: list[float] = []
        for _ in range(times):
            gc.collect()  # what the last build made
            start = time.perf_counter()
            run, count = builder(function)
            taken.append(time.perf_counter() - start)
        builds[name] = statistics.median(taken)
        counts[name] = count()
        if isinstance(run, symdiff.Derivative):
            run = standalone(run)
        runs[name] = lambda run=run: run(*at)
    times = race(runs)
    rows = [
        [name, counts[name], show(builds[name]), ratio(builds[name], builds["symdiff"]),
         show(times[name]), ratio(times[name], times["symdiff"])]
        for name in runs
    ]  # fmt: skip
    rows += [[name, why, "", "", "", ""] for name, why in skipped]
    title = f"{label}, {len(at)} parameter{'s' if len(at) > 1 else ''}"
    if mark is not None:
        verdict = "met" if counts["symdiff"] <= mark else "MISSED"
        title += f": {counts['symdiff']} operations, mark {mark}: {verdict}"
    table(title, ["", "operations", "build", "", "evaluate", ""], rows)


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    environment("sympy", "casadi")
    build_symdiff(bump)  # the first compilation imports the compiler; benchmarks.calls times that
    for label, function, mark in CASES:
        compare(label, function, mark, quick)
    print("\nbuild: from the Python function to a callable; evaluate: one call with floats;")
    print("symdiff's is the printed function by itself. Ratios: to symdiff, measured in this run.")


if __name__ == "__main__":
    main()
