"""Derivatives of loops are loops.

Forward: the tangents are carried beside the values.

    for i in range(n): x = f(x)      ->   for i in range(n): x, d_x = f(x), f'(x) * d_x

Reverse: the adjoints are carried from the last round to the first. What a round's adjoint needs
of the values at that time is recorded by the loop when it runs forwards (see `tape`).

    for i in range(n): x_tape[i] = x; x = f(x)
    for i in reversed(range(n)): d_x = f'(x_tape[i]) * d_x
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from symdiff.differentiate.adjoints import certain
from symdiff.differentiate.sweep import SLOT, Backwards, counter, rebuilt_loop
from symdiff.ir.expr import (
    Apply,
    Expr,
    If,
    Loop,
    Project,
    Var,
    project,
    var,
)
from symdiff.ir.function import Function, line_of
from symdiff.ir.walk import inside, topological
from symdiff.primitives.row import conform, zeros_like

_TANGENT = 500_000_003  # keeps the tags of what is bound here apart

Pullback = Callable[..., tuple[list[Expr | None], dict[Expr, Expr]]]


# Forward.


def tangent_variables(loop: Loop, active: set[Expr]) -> dict[Expr, Expr]:
    """The variable that carries the tangent of each active carried value."""
    return {v: var(f"d_{v.name}", v.type, v.tag + _TANGENT) for v in loop.carried if v in active}


def tangent_loop(loop: Loop, tangent_of: Mapping[Expr, Expr]) -> tuple[Loop, dict[int, int]]:
    """The loop that carries tangents too, and which result is the tangent of which."""
    carried, initial, body = list(loop.carried), list(loop.initial), list(loop.body)
    numbers: dict[int, int] = {}
    for k, (v, start, new) in enumerate(zip(loop.carried, loop.initial, loop.body, strict=True)):
        d = tangent_of.get(v)
        if not isinstance(d, Var):
            continue
        numbers[k] = len(carried)
        carried.append(d)
        for values, primal in ((initial, start), (body, new)):
            tangent = tangent_of.get(primal)
            values.append(zeros_like(primal) if tangent is None else conform(tangent, v.type))
    return rebuilt_loop(loop, carried, initial, body), numbers


# Reverse.


def pull_loop(
    loop: Loop,
    cotangents: Mapping[int, Expr],
    active: set[Expr],
    totals: Mapping[Expr, Expr],
    pullback: Pullback,
) -> tuple[list[tuple[Expr, Expr]], list[tuple[Expr, Expr]]]:
    """The contributions of a loop to what it starts from, and the new totals of what it reads.

    cotangents: those of its results. totals: the adjoints so far of values from outside; where
    there is none, the total starts from zero.
    """
    wanted = _wanted(loop, cotangents)
    which = [k for k, v in enumerate(loop.carried) if v in active and k in wanted]
    values = [loop.carried[k] for k in which]
    shared = _captured(loop, active)
    seeds = [var(f"d_{v.name}", v.type, v.tag + SLOT) for v in values]
    sums = [
        var(
            f"d_{x.name}" if isinstance(x, Var) else "total",
            zeros_like(x).type,
            values[0].tag + SLOT * (j + 2),
        )
        for j, x in enumerate(shared)
    ]
    running = dict(zip(shared, sums, strict=True))
    adjoints, _ = pullback([loop.body[k] for k in which], seeds, [*values, *shared], running)
    new = [
        zeros_like(v) if d is None else conform(d, v.type)
        for v, d in zip(values, adjoints, strict=False)
    ]
    moved = [j for j, x in enumerate(shared) if running[x] is not sums[j]]
    shared, sums = [shared[j] for j in moved], [sums[j] for j in moved]
    new += [conform(running[x], total.type) for x, total in zip(shared, sums, strict=True)]
    starts = [
        conform(cotangents[k], v.type) if k in cotangents else zeros_like(project(loop, k, v.type))
        for k, v in zip(which, values, strict=True)
    ]
    starts += [
        conform(totals[x], v.type) if x in totals else zeros_like(x)
        for x, v in zip(shared, sums, strict=True)
    ]
    reverse = Backwards(loop, [*seeds, *sums], new).loop(starts)
    results = [project(reverse, i, v.type) for i, v in enumerate([*values, *sums])]
    first: list[tuple[Expr, Expr]] = [
        (loop.initial[k], r) for k, r in zip(which, results, strict=False)
        if loop.initial[k] in active
    ]  # fmt: skip
    return first, list(zip(shared, results[len(values) :], strict=True))


def _wanted(loop: Loop, results: Iterable[int]) -> set[int]:
    """The numbers of the carried values that some of its results are made of.

    The adjoints of others are zero; they would not stay so where a slope is not finite.
    """
    inner = inside(loop.inside, loop.bound)
    made: dict[Expr, tuple[Expr, Expr]] = dict(_made(loop))
    seen: set[Expr] = set()
    stack: list[Expr] = [loop.carried[k] for k in results]
    while stack:
        node = stack.pop()
        if node in seen or (node not in inner and node not in made):
            continue
        seen.add(node)
        if isinstance(node, Project) and isinstance(node.operands[0], Loop):
            nested = node.operands[0]
            made.update(_made(nested))
            stack.append(nested.carried[node.index])
        elif node in made:
            stack += made[node]
        else:
            stack += node.operands[1:] if isinstance(node, If) else node.operands
    return {k for k, v in enumerate(loop.carried) if v in seen}


def _made(loop: Loop) -> Iterable[tuple[Expr, tuple[Expr, Expr]]]:
    """What each carried variable is made of."""
    return zip(loop.carried, zip(loop.initial, loop.body, strict=True), strict=True)


def _captured(loop: Loop, active: set[Expr]) -> list[Expr]:
    """The active values from outside that a round reads.

    Not those that only its branches compute, but what these are computed from: the round's own
    sweep goes on to that, in the branch. `v[i]` may not be there where no branch asks for it.
    """
    inner = inside(loop.inside, loop.bound)
    sure = certain(loop.inside)
    read: dict[Expr, None] = {}
    operands = [x for n in topological(loop.inside) if n in inner for x in n.operands]
    seen = dict.fromkeys([*operands, *loop.body])
    stack = list(reversed(seen))
    while stack:
        x = stack.pop()
        if x in inner or x not in active:
            continue
        if x in sure or not isinstance(x, (Apply, If)):
            read[x] = None
            continue
        stack += [y for y in reversed(x.operands) if y not in seen]
        seen.update(dict.fromkeys(x.operands))
    return list(read)


def lines_of_sweeps(function: Function) -> dict[Expr, int]:
    """The lines of `function`, and those of its loops for the variables of their sweeps."""
    lines = dict(function.lines)
    for loop in function.nodes():
        line = line_of(loop, lines) if isinstance(loop, Loop) else None
        if isinstance(loop, Loop) and line is not None:
            lines.update(dict.fromkeys((*loop.bound, counter(loop)), line))
    return lines


def is_result(node: Expr) -> bool:
    """Whether a node is a result of a loop."""
    return isinstance(node, Project) and isinstance(node.operands[0], Loop)
