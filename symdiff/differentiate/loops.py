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

from symdiff.differentiate.adjoints import Totals, certain
from symdiff.differentiate.sweep import SLOT, Backwards, counter, rebuilt_loop
from symdiff.ir.expr import (
    Apply,
    Expr,
    If,
    Loop,
    Project,
    Var,
    if_,
    project,
    var,
)
from symdiff.ir.function import Function, line_of
from symdiff.ir.types import BOOL
from symdiff.ir.walk import inside, topological
from symdiff.primitives.arithmetic import add, multiply, negative, subtract
from symdiff.primitives.elementary import cos, sin, tanh
from symdiff.primitives.indexing import index
from symdiff.primitives.row import Linear, as_expr, conform_sized, zeros_like

_TANGENT = 500_000_003  # keeps the tags of what is bound here apart

Pairs = list[tuple[Expr, Expr]]
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
            values.append(zeros_like(primal) if tangent is None else conform_sized(tangent, v.type))
    return rebuilt_loop(loop, carried, initial, body), numbers


# Reverse.


def pull_loop(
    loop: Loop,
    cotangents: Mapping[int, Expr],
    active: set[Expr],
    before: Totals,
    pullback: Pullback,
) -> tuple[Pairs, Pairs, Pairs]:
    """The contributions of a loop to what it starts from, and the new totals of what it reads.

    cotangents: those of its results. before: the adjoints so far of values from outside; where
    there is none, the total starts from zero. Last come the new flags of those that have one.
    """
    wanted = _wanted(loop, cotangents)
    which = [k for k, v in enumerate(loop.carried) if v in active and k in wanted]
    values = [loop.carried[k] for k in which]
    shared = _captured(loop, active)
    seeds = [var(f"d_{v.name}", v.type, v.tag + SLOT) for v in values]
    tags = {x: values[0].tag + SLOT * (j + 2) for j, x in enumerate(shared)}
    sums = {x: var(_adjoint_name(x), zeros_like(x).type, tags[x]) for x in shared}
    sure = certain(loop.inside)
    asked = [x for x in shared if x in before.read or (x not in sure and _risky(x, active))]
    flags = {x: var("is_read", BOOL, tags[x]) for x in asked}
    running = Totals({**sums}, {**flags})
    adjoints, _ = pullback([loop.body[k] for k in which], seeds, [*values, *shared], running)
    new = [
        zeros_like(v) if d is None else conform_sized(d, v.type)
        for v, d in zip(values, adjoints, strict=False)
    ]
    shared = [x for x in shared if running.sums[x] is not sums[x]]
    asked = [x for x in asked if x in shared and running.read[x] is not flags[x]]
    new += [conform_sized(running.sums[x], sums[x].type) for x in shared]
    new += [running.read[x] for x in asked]
    starts = [
        conform_sized(cotangents[k], v.type)
        if k in cotangents
        else zeros_like(project(loop, k, v.type))
        for k, v in zip(which, values, strict=True)
    ]
    totals = [
        conform_sized(before.sums[x], sums[x].type) if x in before.sums else zeros_like(x)
        for x in shared
    ]
    starts += [*totals, *(before.read.get(x, as_expr(False)) for x in asked)]
    carried = [*seeds, *(sums[x] for x in shared), *(flags[x] for x in asked)]
    reverse = Backwards(loop, carried, new).loop(starts)
    results = [project(reverse, i, v.type) for i, v in enumerate(carried)]
    first: Pairs = [
        (loop.initial[k], r) for k, r in zip(which, results, strict=False)
        if loop.initial[k] in active
    ]  # fmt: skip
    read = dict(zip(asked, results[len(values) + len(shared) :], strict=True))
    moved: Pairs = []
    for x, start, total in zip(shared, totals, results[len(values) :], strict=False):
        if x in read and x not in before.read:  # no round may have read it
            total = if_(read[x], total, start, total.type)
        moved.append((x, total))
    return first, moved, [(x, flag) for x, flag in read.items() if x in before.read]


def _adjoint_name(x: Expr) -> str:
    """`d_` and the user's name, of an argument or of what a loop leaves; else `total`."""
    if isinstance(x, Project) and isinstance(x.operands[0], Loop):
        x = x.operands[0].carried[x.index]
    return f"d_{x.name}" if isinstance(x, Var) else "total"


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
    """The active values from outside that a round reads."""
    inner = inside(loop.inside, loop.bound)
    read: dict[Expr, None] = {}
    for node in topological(loop.inside):
        if node in inner:
            read.update((x, None) for x in node.operands if x not in inner and x in active)
    read.update((x, None) for x in loop.body if x not in inner and x in active)
    return list(read)


# Their slopes are finite wherever their operands are.
_TAME = frozenset((add, subtract, multiply, negative, sin, cos, tanh))


def _risky(x: Expr, active: set[Expr]) -> bool:
    """Whether the slopes of what `x` is computed by may be infinite, or may not be there.

    An adjoint of zero does no harm elsewhere. `v[i]` may not be there where no round asks for it.
    """
    seen: set[Expr] = set()
    stack = [x]
    while stack:
        node = stack.pop()
        if node in seen or node not in active or not isinstance(node, (Apply, If)):
            continue
        seen.add(node)
        if isinstance(node, Apply):
            linear = isinstance(node.op, Linear) and (
                node.op is not index or len(node.operands) == 1
            )
            if not linear and node.op not in _TAME:
                return True
        stack.extend(node.operands)
    return False


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
