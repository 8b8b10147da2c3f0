"""Everyone who computes a problem's derivative, symdiff's targets among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gradients.problem import Primal, Problem, Run
from benchmarks.gradients.tools import TOOLS

Row = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """One row of the table: a tool, and for symdiff the style of the function that it is given."""

    tool: str
    style: str
    make: Callable[..., Run]
    upto: float = math.inf
    reason: str = ""

    @property
    def name(self) -> str:
        """How the table calls it."""
        label, _ = TOOLS[self.tool]
        return f"{label}, {self.style}" if self.style else label

    @property
    def package(self) -> str | None:
        """What must be installed."""
        return TOOLS[self.tool][1]

    def row(self, **known: Any) -> Row:
        """A row of the table, with what is known."""
        return {"tool": self.tool, "style": self.style, "name": self.name, **known}


# `target` is what the operators of symdiff are passed; none is the Python that they print.
TARGETS: dict[str, dict[str, str]] = {"symdiff-c": {"target": "c"}, "symdiff-python": {}}


def contestants(problem: Problem, tools: tuple[str, ...] = tuple(TOOLS)) -> list[Contestant]:
    """All of a problem's that use one of `tools`, in the order of `TOOLS`."""
    found = [
        Contestant(tool, primal.style, _symdiff(primal, options))
        for tool, options in TARGETS.items()
        for primal in problem.primals
    ]
    found += [Contestant(p.tool, "", p.make, p.upto, p.reason) for p in problem.peers]
    order = list(TOOLS)
    return sorted((c for c in found if c.tool in tools), key=lambda c: order.index(c.tool))


def _symdiff(primal: Primal, options: dict[str, str]) -> Callable[..., Run]:
    def make(*arguments: Any) -> Run:
        derivative = primal.derive(primal.function, **options)
        return lambda: primal.run(derivative, *arguments)

    return make
