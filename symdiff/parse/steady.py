"""What a loop carries has one shape in all rounds; where it may have another, that is demanded.

s = 1.0                         demands n > 0: without a round `s` is a number
for _ in range(n): s = s * x

for _ in range(n): x = x @ A    demands A.shape[1] == len(x), where there is a round
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symdiff.ir.expr import Expr
from symdiff.ir.types import Shape
from symdiff.parse.frame import Context
from symdiff.parse.requires import SHAPES, Demand, equal_sizes

# What a place is called, starts as (None: it has no value yet), becomes; the shape of its variable.
Carries = tuple[str, Expr | None, Expr, Shape]


def demand_shapes(
    context: Context, carries: list[Carries], ran: Any, some_round: Callable[[], Any]
) -> None:
    """Demand that the shapes are those of the variables. ran: whether a round runs, if known."""
    path = context.path
    inside = (*path, (ran, True)) if isinstance(ran, Expr) else path
    for name, first, last, shape in carries:
        if len(last.type.shape) == len(shape):
            for a, b in zip(last.type.shape, shape, strict=True):
                if a != b:
                    context.demands.append(Demand(equal_sizes(a, b), SHAPES, inside))
        if first is None or first.type.rank == len(shape) or ran is True:
            continue
        message = f"{name} is an array, but a number where the loop has no round"
        context.demands.append(Demand(some_round(), ("ValueError", message), path))
