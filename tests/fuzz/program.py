"""A generated program: its source, its arguments, and how to run it."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEADER = "import functools\nimport math\n\nimport numpy as np\n\nimport symdiff\n\n"


@dataclass(frozen=True)
class Program:
    """name: of the function in `source`. points: argument tuples; the first is inside its domain.

    result: "scalar" (grad applies) or "tree" (arrays, tuples, dicts: jacobian applies).
    jax: whether JAX gives the same derivative for the same source (it has no guarded branches).
    """

    seed: int
    source: str
    name: str
    points: tuple[tuple[Any, ...], ...]
    result: str
    arrays: bool
    jax: bool

    def load(self, namespace: dict[str, Any] | None = None) -> Callable[..., Any]:
        """The function, its source registered with `linecache` as a notebook's cell is."""
        file = f"<fuzz {self.seed}>"
        text = HEADER + self.source
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        scope: dict[str, Any] = {"__name__": f"fuzz_{self.seed}"}
        exec(compile(text, file, "exec"), scope)
        if namespace:
            scope.update(namespace)
        return scope[self.name]

    def script(self, failures: list[str]) -> str:
        """The program as a file that reproduces its failures by hand."""
        comments = "".join(f"# {line}\n" for f in failures for line in f.splitlines())
        return (
            f"{comments}from numpy import array\n{HEADER}{self.source}\n\n"
            f"args = {self.points[0]!r}\nprint({self.name}(*args))\n"
            f"d = symdiff.jacobian({self.name}, wrt='*')\nprint(d(*args))\nprint(d.source)\n"
        )
