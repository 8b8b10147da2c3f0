"""Activity: only what lies between `wrt` and the result is differentiated.

def f(x, k):
    n = floor(x)      # inactive: locally constant
    a = k * 2         # inactive: does not depend on x
    return a * x + n  # active
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symdiff.ir.expr import Apply, Call, Expr, If, Loop, Map, Project
from symdiff.ir.walk import topological, transform
from symdiff.primitives.row import Composite


def active_nodes(order: Iterable[Expr], wrt: Iterable[Expr]) -> set[Expr]:
    """The nodes of a topological `order` whose value varies, differentiably, with `wrt`."""
    active = set(wrt)
    order = order if isinstance(order, list) else list(order)
    while _sweep(order, active):  # what a round leaves active is active in the next
        pass
    return active


def _sweep(order: Iterable[Expr], active: set[Expr]) -> bool:
    """Add the active nodes of one pass; whether a loop makes another one necessary."""
    again = False
    for node in order:
        if node in active:
            continue
        if type(node) is Apply:
            if node.type.differentiable and node.op.differentiable:
                for x in node.operands:
                    if x in active:
                        active.add(node)
                        break
            continue
        match node:
            case If():
                varies = node.then in active or node.orelse in active
            case Map():
                active.update(
                    v for v, x in zip(node.indices, node.over, strict=True) if x in active
                )
                varies = node.body in active
            case Loop():
                varies = False
                for v, start, new in zip(node.carried, node.initial, node.body, strict=True):
                    moves = start in active or new in active
                    if moves and v not in active and v.type.differentiable:
                        active.add(v)
                        again = True
            case Project() if isinstance(node.operands[0], Loop):
                varies = node.operands[0].carried[node.index] in active
            case Project() if isinstance(node.operands[0], Call):
                varies = any(x in active for x in node.operands[0].operands)
            case _:
                varies = any(x in active for x in node.operands)
        if varies and node.type.differentiable:
            active.add(node)
    return again


def expand_composites(
    results: Sequence[Expr], wrt: Iterable[Expr]
) -> tuple[list[Expr], list[Expr]]:
    """`results` with the active composite rows written out in terms of rows that have a rule.

    Also everything that these are made of, in topological order.
    A row whose expansion holds a composite again is expanded until none is left.
    """
    results = list(results)
    while True:
        order = topological(results)
        composites = [n for n in order if type(n) is Apply and isinstance(n.op, Composite)]
        targets = active_nodes(order, wrt).intersection(composites) if composites else ()
        if not targets:
            return results, order
        done: dict[Expr, Expr] = {}
        for node in order:  # operands first, so each target sees its rewritten operands
            new = transform([node], lambda n: n, done)[node]
            if node in targets and isinstance(new, Apply):
                done[node] = new.op.expand(new)
        results = [done[r] for r in results]
