"""Rebuilding a function's nodes bottom-up, sharing what does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from symdiff.ir.expr import Expr, with_operands


def rebuilt(order: Iterable[Expr], rewrite: Callable[[Expr], Expr]) -> dict[Expr, Expr]:
    """The map from each node of a topological `order` to `rewrite` of it on rewritten operands."""
    done: dict[Expr, Expr] = {}
    for node in order:
        new = node
        for x in node.operands:
            if done[x] is not x:
                new = with_operands(node, tuple([done[y] for y in node.operands]))
                break
        done[node] = rewrite(new)
    return done
