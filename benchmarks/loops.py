"""Loops: what the gradient of a loop costs, as a multiple of the loop itself.

    python -m benchmarks.loops            all of it, about five minutes
    python -m benchmarks.loops --quick    up to 10,000 rounds, without the peers

Ten programs, each with n rounds of its innermost loop in all. Time and operations of the gradient
are those of symdiff's generated code over those of the function, both run by Python; operations are
counted while running: arithmetic, comparisons, calls, those of indices too. Memory is what the
gradient has in use at most beyond what the function has (`tracemalloc`), in bytes a round: a ratio
says nothing where the function keeps one number. None of them should grow with n.

Then the same programs, rewritten where that is needed, in JAX (`scan`, `fori_loop`, compiled),
autograd and PyTorch.
"""

from __future__ import annotations

import ast
import gc
import inspect
import math
import statistics
import sys
import textwrap
import time
import tracemalloc
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import symdiff
from benchmarks.measure import environment, once, peer, ratio, show, standalone, table

SECONDS = 2.0  # for the calls of one function at one size


# The programs, as a person writes them.


def total(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i]
    return s


def checkpointed(x):
    s = 0.0
    t = 0.0
    for i in symdiff.checkpoint(range(len(x))):
        s = math.sin(0.5 * s + x[i])
        t += s * s
    return t


def recurrence(x):
    s = 0.0
    t = 0.0
    for i in range(len(x)):
        s = math.sin(0.5 * s + x[i])
        t += s * s
    return t


def matmul(a, b):
    t = 0.0
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            t += s * s
    return t


def scatter(x, where, bins):
    a = np.zeros(bins)
    for i in range(len(x)):
        a[where[i]] += x[i] * x[i]
    s = 0.0
    for i in range(len(x)):
        s += a[where[i]] * x[i]
    return s


def rk4(k, n):
    h = 1.0 / n
    x, v = 1.0, 0.0
    for _ in range(n):
        a1 = -k * x
        x2, v2 = x + 0.5 * h * v, v + 0.5 * h * a1
        a2 = -k * x2
        x3, v3 = x + 0.5 * h * v2, v + 0.5 * h * a2
        a3 = -k * x3
        x4, v4 = x + h * v3, v + h * a3
        a4 = -k * x4
        x += h * (v + 2 * v2 + 2 * v3 + v4) / 6
        v += h * (a1 + 2 * a2 + 2 * a3 + a4) / 6
    return x


def newton(x):
    t = 0.0
    for a in x:
        y = a
        while abs(y * y - a) > 1e-9:
            y = y - (y * y - a) / (2 * y)
        t += y
    return t


def edit(x, y, gap):
    m = len(x)
    n = len(y)
    D = np.zeros((m + 1, n + 1))
    for i in range(1, m + 1):
        D[i, 0] = i * gap
    for j in range(1, n + 1):
        D[0, j] = j * gap
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            change = D[i - 1, j - 1] + (x[i - 1] - y[j - 1]) ** 2
            D[i, j] = min(change, D[i - 1, j] + gap, D[i, j - 1] + gap)
    return D[m, n]


def solved(a, b):
    y = np.zeros(len(b))
    t = 0.0
    for i in range(len(b)):
        s = b[i]
        for j in range(i):
            s -= a[i, j] * y[j]
        y[i] = s / a[i, i]
        t += y[i] * y[i]
    return t


def particles(x, v, steps):
    x = x.copy()
    v = v.copy()
    energy = 0.0
    for _ in range(steps):
        f = np.zeros(len(x))
        for i in range(len(x)):
            for j in range(len(x)):
                if i != j:
                    d = x[i] - x[j]
                    f[i] += d / (1.0 + d * d)
        for i in range(len(x)):
            v[i] += 0.01 * f[i]
            x[i] += 0.01 * v[i]
        energy += np.sum(v * v)
    return energy


# Their arguments, for about n rounds.


def data(n: int) -> Any:
    return np.random.default_rng(0).uniform(0.5, 1.5, n)


def square(n: int) -> Any:
    size = round(n ** (1 / 3))
    return data(size * size).reshape(size, size)


def triangle(n: int) -> Any:
    """A lower triangle of about n entries, with a strong diagonal, and a right hand side."""
    size = math.isqrt(2 * n)
    a = np.tril(data(size * size).reshape(size, size)) / size
    return a + np.eye(size), data(size)


def places(n: int) -> Any:
    return np.random.default_rng(1).integers(0, 100, n)


@dataclass(frozen=True)
class Program:
    name: str
    function: Callable[..., Any]
    arguments: Callable[[int], tuple[Any, ...]]
    wrt: tuple[str, ...]
    most: int = 1_000_000


PROGRAMS = [
    Program("sum over x[i]", total, lambda n: (data(n),), ("x",)),
    Program("recurrence", recurrence, lambda n: (data(n),), ("x",)),
    Program("recurrence, checkpoint", checkpointed, lambda n: (data(n),), ("x",)),
    Program("triple loop", matmul, lambda n: (square(n), square(n)), ("a", "b")),
    Program("scatter, gather", scatter, lambda n: (data(n), places(n), 100), ("x",)),
    Program("Runge-Kutta 4", rk4, lambda n: (2.0, n), ("k",), 100_000),
    Program("Newton, while", newton, lambda n: (data(n // 4),), ("x",)),
    Program(
        "edit distance", edit,
        lambda n: (data(math.isqrt(n)), data(2 * math.isqrt(n))[::2].copy(), 0.2), ("x", "gap"),
    ),
    Program("triangular solve", solved, triangle, ("a", "b")),
    Program(
        "particles", particles, lambda n: (data(10), data(10) - 1.0, n // 100), ("x", "v"), 100_000
    ),
]  # fmt: skip


# Measuring.


def seconds(runs: Sequence[Callable[[], Any]]) -> list[float]:
    """Median seconds of each, in turns."""
    found = [[once(run)] for run in runs]
    turns = min(15, int(SECONDS / max(sum(times[0] for times in found), 1e-9)))
    gc.collect()
    gc.disable()
    try:
        for _ in range(turns):
            for times, run in zip(found, runs, strict=True):
                times.append(once(run))
    finally:
        gc.enable()
    return [statistics.median(times) for times in found]


def peak(run: Callable[[], Any]) -> int:
    """Bytes in use at most, besides the arguments."""
    gc.collect()
    tracemalloc.start()
    run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


class _Counter(ast.NodeTransformer):
    """Adds to `_count[0]`, before each statement, the operations that it has."""

    def visit(self, node: ast.AST) -> Any:
        node = self.generic_visit(node)
        if isinstance(node, ast.While):
            node.body.insert(0, _counting(node.test))
            return node
        if isinstance(node, ast.If):
            return [_counting(node.test), node]
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            return [_counting(node), node]
        return node


def _counting(node: ast.AST) -> ast.stmt:
    total = 0
    for x in ast.walk(node):
        if isinstance(x, ast.UnaryOp):
            total += not isinstance(x.operand, ast.Constant)
        total += isinstance(x, (ast.BinOp, ast.Call, ast.AugAssign, ast.Compare))
    return ast.parse(f"_count[0] += {total}").body[0]


def executed(source: str, arguments: Sequence[Any]) -> int:
    """How many operations the last function of `source` executes."""
    tree = ast.parse(textwrap.dedent(source))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            _Counter().generic_visit(node)
    count = [0]
    scope: dict[str, Any] = {"_count": count, "np": np, "math": math, "symdiff": symdiff}
    exec(compile(ast.fix_missing_locations(tree), "<counted>", "exec"), scope)
    [f for f in scope.values() if inspect.isfunction(f)][-1](*arguments)
    return count[0]


def growth(sizes: Sequence[int]) -> None:
    """Ratios of time, memory and operations at each size."""
    header = ["gradient over function", "operations"]
    header += [f"time, {n:.0e}" for n in sizes] + [f"bytes, {n:.0e}" for n in sizes if n < 10**6]
    rows: list[list[str]] = []
    for program in PROGRAMS:
        f = program.function
        gradient = symdiff.grad(f, wrt=program.wrt)
        small = program.arguments(1000)
        gradient(*small)
        source = gradient.source
        run = standalone(gradient)
        operations = executed(source, small) / executed(inspect.getsource(f), small)
        times: list[str] = []
        memory: list[str] = []
        for n in sizes:
            arguments = program.arguments(n)
            calls = [lambda a=arguments: f(*a), lambda a=arguments: run(*a)]
            if n > program.most:
                times.append("-")
                if n < 10**6:
                    memory.append("-")
                continue
            primal, derived = seconds(calls)
            times.append(ratio(derived, primal))
            if n < 10**5 or (n < 10**6 and derived < 1.0):  # `tracemalloc` is slow
                memory.append(f"{(peak(calls[1]) - peak(calls[0])) / n:.0f}")
            elif n < 10**6:
                memory.append("-")
        rows.append([program.name, f"{operations:.2f}x", *times, *memory])
        print(".", end="", flush=True)
    table("The gradient's cost, as a multiple of the function's", header, rows)


# What is recorded, and how long compiling takes.


def logistic_map(x, r, n):
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


def many_rounds(x):
    for i in range(10_000):
        x = x - 0.001 * (x - 2.0) * (i % 3)
    return x


def logistic_map_in_blocks(x, r, n):
    for _ in symdiff.checkpoint(range(n)):
        x = r * x * (1.0 - x)
    return x


def recorded() -> None:
    """How many numbers a million rounds of a recurrence keep."""
    n = 1_000_000
    rows: list[list[str]] = []
    both = {"recurrence": logistic_map, "recurrence, checkpoint": logistic_map_in_blocks}
    for name, f in both.items():
        run = standalone_of(f, (0.3, 3.9, 10))
        [taken] = seconds([lambda run=run: run(0.3, 3.9, n)])
        most = peak(lambda run=run: run(0.3, 3.9, n))
        # A number in a list takes a pointer and an object.
        rows.append([name, f"{most / 32:,.0f}", f"{most:,}", show(taken)])
    table(f"x = r * x * (1 - x), {n:,} rounds: what the gradient keeps",
          ["", "numbers, at most", "bytes at the peak", "time"], rows)  # fmt: skip


def compile_time() -> None:
    """A loop is compiled once, however many rounds it has."""
    symdiff.grad(logistic_map)(0.3, 3.9, 10)  # the compiler itself is imported
    times: list[float] = []
    for _ in range(7):
        again = types.FunctionType(many_rounds.__code__, globals(), "many_rounds")
        start = time.perf_counter()
        symdiff.grad(again)(0.5)
        times.append(time.perf_counter() - start)
    run = standalone_of(many_rounds, (0.5,))
    compiling = statistics.median(times) - statistics.median(once(lambda: run(0.5)) for _ in times)
    print(f"compiling the gradient of a loop of 10,000 rounds: {show(compiling)} (limit: 100 ms)")


def standalone_of(f: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    gradient = symdiff.grad(f)
    gradient(*arguments)
    return standalone(gradient)


# The others.


def in_jax(jax: Any) -> dict[str, Callable[..., Any]]:
    """The programs with JAX's own loops, compiled; `sizes` that decide on rounds are static."""
    jax.config.update("jax_enable_x64", True)
    jnp, lax = jax.numpy, jax.lax

    def j_total(x):
        return lax.scan(lambda s, v: (s + v * v, None), 0.0, x)[0]

    def j_recurrence(x):
        def step(carry, v):
            s, t = carry
            s = jnp.sin(0.5 * s + v)
            return (s, t + s * s), None

        return lax.scan(step, (0.0, 0.0), x)[0][1]

    def j_matmul(a, b):
        def cell(i, j):
            return lax.fori_loop(0, a.shape[1], lambda k, s: s + a[i, k] * b[k, j], 0.0)

        def row(i, t):
            return lax.fori_loop(0, b.shape[1], lambda j, t: t + cell(i, j) ** 2, t)

        return lax.fori_loop(0, a.shape[0], row, 0.0)

    def j_scatter(x, where, bins):
        def put(a, pair):
            v, k = pair
            return a.at[k].add(v * v), None

        a, _ = lax.scan(put, jnp.zeros(bins), (x, where))
        return lax.scan(lambda s, p: (s + a[p[1]] * p[0], None), 0.0, (x, where))[0]

    def j_rk4(k, n):
        h = 1.0 / n

        def step(_, state):
            x, v = state
            a1 = -k * x
            x2, v2 = x + 0.5 * h * v, v + 0.5 * h * a1
            a2 = -k * x2
            x3, v3 = x + 0.5 * h * v2, v + 0.5 * h * a2
            a3 = -k * x3
            x4, v4 = x + h * v3, v + h * a3
            x5 = x + h * (v + 2 * v2 + 2 * v3 + v4) / 6
            return x5, v + h * (a1 + 2 * a2 + 2 * a3 - k * x4) / 6

        return lax.fori_loop(0, n, step, (1.0, 0.0))[0]

    def j_edit(x, y, gap):
        m, n = len(x), len(y)
        D = jnp.zeros((m + 1, n + 1))
        D = D.at[1:, 0].set(gap * jnp.arange(1, m + 1)).at[0, 1:].set(gap * jnp.arange(1, n + 1))

        def fill(i, j, D):
            change = D[i - 1, j - 1] + (x[i - 1] - y[j - 1]) ** 2
            least = jnp.minimum(jnp.minimum(change, D[i - 1, j] + gap), D[i, j - 1] + gap)
            return D.at[i, j].set(least)

        def row(i, D):
            return lax.fori_loop(1, n + 1, lambda j, D: fill(i, j, D), D)

        return lax.fori_loop(1, m + 1, row, D)[m, n]

    def j_particles(x, v, steps):
        n = len(x)

        def force(i, f, x):
            def pair(j, f):
                d = x[i] - x[j]
                return f.at[i].add(jnp.where(i != j, d / (1.0 + d * d), 0.0))

            return lax.fori_loop(0, n, pair, f)

        def step(_, state):
            x, v, energy = state
            f = lax.fori_loop(0, n, lambda i, f: force(i, f, x), jnp.zeros(n))
            v = v + 0.01 * f
            return x + 0.01 * v, v, energy + jnp.sum(v * v)

        return lax.fori_loop(0, steps, step, (x, v, 0.0))[2]

    def j_solved(a, b):
        def row(i, y):
            def less(j, s):
                return s - jnp.where(j < i, a[i, j] * y[j], 0.0)  # with i rounds: no reverse mode

            return y.at[i].set(lax.fori_loop(0, len(b), less, b[i]) / a[i, i])

        y = lax.fori_loop(0, len(b), row, jnp.zeros(len(b)))
        return jnp.sum(y * y)

    def made(f, argnums=(0,), static=()):
        return jax.jit(jax.grad(f, argnums=argnums), static_argnums=static)

    return {
        "sum over x[i]": made(j_total),
        "recurrence": made(j_recurrence),
        "triple loop": made(j_matmul, (0, 1)),
        "scatter, gather": made(j_scatter, static=(2,)),
        "Runge-Kutta 4": made(j_rk4, static=(1,)),
        "edit distance": made(j_edit, (0, 2)),
        "triangular solve": made(j_solved, (0, 1)),
        "particles": made(j_particles, (0, 1), (2,)),
    }  # `while_loop` has no reverse mode: no Newton


def in_autograd(autograd: Any) -> dict[str, Callable[..., Any]]:
    """The programs that write into no array."""
    anp = peer("autograd.numpy")

    def a_recurrence(x):
        s = t = 0.0
        for i in range(len(x)):
            s = anp.sin(0.5 * s + x[i])
            t += s * s
        return t

    return {
        "sum over x[i]": autograd.grad(total),
        "recurrence": autograd.grad(a_recurrence),
        "triple loop": autograd.grad(matmul, (0, 1)),
        "Runge-Kutta 4": autograd.grad(rk4),
        "Newton, while": autograd.grad(newton),
    }


def in_torch(torch: Any) -> dict[str, Callable[..., Any]]:
    """The programs with tensors; what is written and read again is cloned where PyTorch asks."""
    torch.set_num_threads(1)

    def t_recurrence(x):
        s = t = 0.0
        for i in range(len(x)):
            s = torch.sin(0.5 * s + x[i])
            t = t + s * s
        return t

    def t_scatter(x, where, bins):
        a = torch.zeros(bins, dtype=torch.float64)
        for i in range(len(x)):
            a[where[i]] += x[i] * x[i]
        s = 0.0
        for i in range(len(x)):
            s = s + a[where[i]] * x[i]
        return s

    def made(f, which=(0,)):
        def gradient(*arguments):
            given = list(arguments)
            for k in which:
                given[k] = torch.tensor(given[k], dtype=torch.float64, requires_grad=True)
            rest = [k for k, a in enumerate(given) if isinstance(a, np.ndarray)]
            for k in rest:
                given[k] = torch.from_numpy(given[k])
            f(*given).backward()
            return [given[k].grad for k in which]

        return gradient

    return {
        "sum over x[i]": made(total),
        "recurrence": made(t_recurrence),
        "triple loop": made(matmul, (0, 1)),
        "scatter, gather": made(t_scatter),
        "Runge-Kutta 4": made(rk4),
        "Newton, while": made(newton),
        "triangular solve": made(solved, (0, 1)),
    }


def side_by_side(n: int) -> None:
    """The gradient with symdiff and with the peers, in time per call."""
    makers = {"jax": in_jax, "autograd": in_autograd, "torch": in_torch}
    found: dict[str, dict[str, Callable[..., Any]]] = {}
    for name, make in makers.items():
        module = peer(name)
        if module is None:
            print(f"{name} is not installed: skipped")
        else:
            found[name] = make(module)
    if not found:
        return
    header = [f"gradient, {n:,} rounds", "function", "symdiff", *found, "compiling: symdiff", "jax"]
    rows: list[list[str]] = []
    for program in PROGRAMS:
        arguments = program.arguments(n)
        start = time.perf_counter()
        mine = standalone_of_program(program, arguments)
        compiling = time.perf_counter() - start
        expected = mine(*arguments)
        primal, own = seconds(
            [lambda a=arguments: program.function(*a), lambda a=arguments: mine(*a)]
        )
        row = [program.name, show(primal), show(own)]
        first = {
            "symdiff": max(compiling - own, 0.0)
        }  # what its first call takes beyond a later one
        for name, functions in found.items():
            theirs = functions.get(program.name)
            if theirs is None:
                row.append("-")
                continue
            start = time.perf_counter()
            try:
                values = ready(theirs(*arguments))
            except RuntimeError:  # PyTorch, of a value that `+=` has written over
                row.append("refused")
                continue
            if not agree(values, expected):
                row.append("WRONG")
                continue
            first[name] = time.perf_counter() - start
            later = seconds([lambda g=theirs, a=arguments: ready(g(*a))])[0]
            first[name] = max(first[name] - later, 0.0)
            row.append(show(later))
        row += [show(first[name]) if name in first else "-" for name in ("symdiff", "jax")]
        rows.append(row)
    table("Side by side; -: no reverse mode for it, or no writes into arrays", header, rows)


def standalone_of_program(program: Program, arguments: tuple[Any, ...]) -> Callable[..., Any]:
    gradient = symdiff.grad(program.function, wrt=program.wrt)
    gradient(*arguments)
    return standalone(gradient)


def ready(values: Any) -> Any:
    """JAX computes while Python goes on: wait."""
    for value in values if isinstance(values, (list, tuple)) else [values]:
        if hasattr(value, "block_until_ready"):
            value.block_until_ready()
    return values


def agree(theirs: Any, mine: Any) -> bool:
    a = theirs if isinstance(theirs, (list, tuple)) else [theirs]
    b = mine if isinstance(mine, tuple) else [mine]
    return len(a) == len(b) and all(
        np.allclose(np.asarray(x), np.asarray(y), rtol=1e-6, atol=1e-9)
        for x, y in zip(a, b, strict=True)
    )


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    environment("jax", "autograd", "torch")
    recorded()
    compile_time()
    growth((1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000))
    if not quick:
        side_by_side(1_000)


if __name__ == "__main__":
    main()
