"""Memory: arguments that are written into must be arrays of their own, and so must copies."""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.expr import Expr, Var
from symdiff.ir.function import Require
from symdiff.ir.types import BOOL
from symdiff.primitives.row import Discrete, Linear

# Whether two arrays have an element in common. Nothing of their content is looked at.
shares_memory = Discrete(
    "shares_memory", lambda attrs, types: BOOL, numpy="np.shares_memory({0}, {1})"
)

# An array of its own, with what another holds now: only code tells them apart.
snapshot = Linear(
    "snapshot", lambda attrs, types: types[0], lambda node, ct, i: ct, numpy="snapshot"
)


def kept_apart(written: Iterable[Var], others: Iterable[Expr]) -> tuple[Require, ...]:
    """That none of `others` is, or overlaps, an array of `written`.

    A write would change both; the derivative is that of a function of separate arrays.
    """
    found: dict[frozenset[Expr], Require] = {}
    others = [x for x in others if isinstance(x, Var) and x.type.rank and not x.type.listed]
    for v in written:
        for other in others:
            if other is v or other.type.dtype != v.type.dtype:
                continue
            fails = shares_memory.build(v, other)
            message = f"{other.name} shares memory with {v.name}, which is written into"
            made = Require(fails, fails, "ValueError", message, stated=True)
            found.setdefault(frozenset((v, other)), made)
    return tuple(found.values())
