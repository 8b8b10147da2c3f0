"""A generated program: its source, its arguments, and its decisions when it runs."""

from __future__ import annotations

import ast
import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADER = "import math\n\nimport numpy as np\n\n\n"
HELPERS = """\
def smooth(u, k=0.5):
    return math.sin(k * u) + u / (1.0 + u * u)


def hinge(u, limit=0.3):
    if u > limit:
        return (u - limit) ** 2
    return 0.0


def stepped(u, k):
    s = u
    for _ in range(3):
        s = 0.5 * s + k * 0.1
        if s > 1.0:
            break
    return s


def halved(u, depth):
    if depth == 0:
        return u
    return 0.5 * halved(math.sin(u), depth - 1) + 0.1 * u


def powered(u, n):
    return 1.0 if n <= 0 else u * powered(u, n - 1)


def settled(u, k):
    if abs(u) < 0.2:
        return u + 0.1 * k
    return k * 0.3 + math.sin(settled(0.5 * u, k))


def branching(u, n):
    if n < 1:
        return u, 1.0
    a, b = branching(0.7 * u, n - 2)
    c, _ = branching(math.sin(u), n - 1)
    return a * b + 0.5 * c, b * 0.9 + a


def folded(v, u, i):
    if i >= len(v):
        return u
    return math.tanh(0.7 * folded(v, u + v[i], i + 1)) + v[i] * u


def waved(v, n):
    if n <= 0:
        return v
    return 0.5 * np.sin(waved(v * 0.6, n - 1)) + v


def nested(u, n):
    s = u
    for i in range(min(n, 4)):
        s = 0.5 * s + 0.3 * nested(u * 0.7, i)
        if s > 1.0:
            break
    return s


"""

_SERIAL = itertools.count()


@dataclass(frozen=True)
class Program:
    """name: of the function in `source`. points: argument tuples; the first is inside its domain."""

    seed: int
    source: str
    name: str
    points: tuple[tuple[Any, ...], ...]

    def load(self) -> Callable[..., Any]:
        """The function, its source registered with `linecache` as a notebook's cell is."""
        return _loaded(self, HEADER + self.source)

    def fits(self) -> None:
        """Raise ValueError where the arguments do not suit the parameters."""

    def script(self, failures: list[str]) -> str:
        """The program as a file that reproduces its failures by hand."""
        comments = "".join(f"# {line}\n" for f in failures for line in f.splitlines())
        wrt = tuple(differentiable(self))
        return (
            f"{comments}{HEADER}from numpy import array\n\nimport symdiff\n\n\n{self.source}\n\n"
            f"args = {self.points[0]!r}\nprint({self.name}(*args))\n"
            f"d = symdiff.grad({self.name}, wrt={wrt!r})\nprint(d(*args))\nprint(d.source)\n"
        )


def parameters(program: Program) -> list[str]:
    """The names of the parameters."""
    function = next(
        n for n in ast.parse(program.source).body
        if isinstance(n, ast.FunctionDef) and n.name == program.name
    )  # fmt: skip
    return [a.arg for a in function.args.args]


def differentiable(program: Program) -> dict[str, int]:
    """The parameters that are not integers: their names and numbers."""
    names = parameters(program)
    return {
        name: i for i, (name, a) in enumerate(zip(names, program.points[0], strict=True))
        if not isinstance(a, int)
    }  # fmt: skip


def _loaded(program: Program, text: str) -> Callable[..., Any]:
    file = f"<loops {program.seed} {next(_SERIAL)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": f"loops_{program.seed}"}
    exec(compile(text, file, "exec"), scope)
    return scope[program.name]


class _Watched(ast.NodeTransformer):
    """Reports every comparison, and every sign that `abs` and `max` look at."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("_decided", ast.Load()), [node], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("abs", "max", "min"):
            node.func = ast.Name(f"_{node.func.id}", ast.Load())
        return node


def traced(program: Program) -> Callable[..., tuple[Any, list[Any]]]:
    """The function, which returns its decisions, too: where they differ, a branch has flipped."""
    tree = ast.fix_missing_locations(_Watched().visit(ast.parse(HEADER + program.source)))
    decisions: list[Any] = []

    def decided(value: Any) -> Any:
        decisions.append(value.tobytes() if isinstance(value, np.ndarray) else bool(value))
        return value

    def compared(choose: Callable[..., Any]) -> Callable[..., Any]:
        def chosen(*args: Any) -> Any:
            if len(args) == 2:
                decisions.append(bool(args[0] < args[1]))
            return choose(*args)

        return chosen

    def magnitude(value: Any) -> Any:
        decisions.append(bool(value < 0))
        return abs(value)

    scope: dict[str, Any] = {
        "_decided": decided, "_abs": magnitude, "_max": compared(max), "_min": compared(min),
    }  # fmt: skip
    exec(compile(tree, "<traced>", "exec"), scope)

    def run(*args: Any) -> tuple[Any, list[Any]]:
        decisions.clear()
        value = scope[program.name](*(a.copy() if isinstance(a, np.ndarray) else a for a in args))
        return value, list(decisions)

    return run
