"""Derivatives of loops are loops.

Forward: the tangents are carried beside the values.

    for i in range(n): x = f(x)      ->   for i in range(n): x, d_x = f(x), f'(x) * d_x

Reverse: the adjoints are carried from the last round to the first. What a round's adjoint needs
of the values at that time is recorded by the loop when it runs forwards (see `tape`).

    for i in range(n): x_tape[i] = x; x = f(x)
    for i in reversed(range(n)): d_x = f'(x_tape[i]) * d_x
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from symdiff.differentiate.tape import needed, only_where, to_record, where_computed
from symdiff.ir.expr import (
    Apply,
    Const,
    Expr,
    For,
    Loop,
    Project,
    Var,
    for_,
    project,
    var,
    while_,
)
from symdiff.ir.function import Function, line_of
from symdiff.ir.types import INT
from symdiff.ir.walk import inside, substitute, topological
from symdiff.primitives.arithmetic import add, floor_divide, multiply, subtract
from symdiff.primitives.indexing import RUN, index, update
from symdiff.primitives.lists import append, tape
from symdiff.primitives.row import as_expr, conform, zeros_like

_TANGENT, _SLOT = 500_000_003, 1_000_003  # keep the tags of what is bound here apart
_PLACE = ((("int", RUN),),)

Pullback = Callable[..., tuple[list[Expr | None], dict[Expr, Expr]]]


def rebuilt_loop(
    loop: Loop, carried: Sequence[Var], initial: Sequence[Expr], body: Sequence[Expr]
) -> Loop:
    """The same rounds with other carried values."""
    head, until = loop.operands[: loop.head], loop.until
    operands = (*head, *initial, *body, until)
    if isinstance(loop, For):
        return for_(loop.index, tuple(carried), operands, INT, loop.recompute)
    return while_(tuple(carried), operands, INT)


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
    which = [k for k, v in enumerate(loop.carried) if v in active]
    values = [loop.carried[k] for k in which]
    shared = _captured(loop, active)
    seeds = [var(f"d_{v.name}", v.type, v.tag + _SLOT) for v in values]
    sums = [
        var(
            f"d_{x.name}" if isinstance(x, Var) else "total",
            zeros_like(x).type,
            values[0].tag + _SLOT * (j + 2),
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
    reverse = _Backwards(loop, [*seeds, *sums], new).loop(starts)
    results = [project(reverse, i, v.type) for i, v in enumerate([*values, *sums])]
    first: list[tuple[Expr, Expr]] = [
        (loop.initial[k], r) for k, r in zip(which, results, strict=False)
        if loop.initial[k] in active
    ]  # fmt: skip
    return first, list(zip(shared, results[len(values) :], strict=True))


def _captured(loop: Loop, active: set[Expr]) -> list[Expr]:
    """The active values from outside that a round reads."""
    inner = inside(loop.inside, loop.bound)
    read: dict[Expr, None] = {}
    for node in topological(loop.inside):
        if node in inner:
            read.update((x, None) for x in node.operands if x not in inner and x in active)
    read.update((x, None) for x in loop.body if x not in inner and x in active)
    return list(read)


class _Backwards:
    """The rounds of a loop from the last to the first, with what they need of the way forwards."""

    def __init__(self, loop: Loop, carried: Sequence[Var], body: Sequence[Expr]):
        self.forward = loop
        self.carried = carried
        never = isinstance(loop.until, Const) and not loop.until.value
        self.counted = isinstance(loop, For) and never
        counters = _counters(loop)
        varying = [v for v in loop.carried if v not in counters]
        need = needed(body, carried, varying)
        self.again = isinstance(loop, For) and loop.recompute
        if self.again:
            below = set(topological(need))
            record: list[Expr] = [v for v in varying if v in below]
        else:
            record = to_record(need, varying)
        if not self.counted:
            self.rounds = var("rounds", INT, loop.carried[0].tag + 7)
            self.index = _counter(loop)
        else:
            assert isinstance(loop, For)
            self.index = loop.index
        read = where_computed(body, loop.bound, carried) if record else {}
        mapping = self._recorded(record, read)
        if not self.counted and isinstance(loop, For):
            start, _, step = loop.bounds
            mapping[loop.index] = _plus(start, _times(self.index, step))
        for v, (start, step) in counters.items():
            number = self.index
            if self.counted:
                assert isinstance(loop, For)
                number = _round_number(loop.index, loop.bounds[0], loop.bounds[2])
            mapping.setdefault(v, _plus(start, _times(number, step)))
        self.body = substitute(body, mapping) if mapping else list(body)

    def _recorded(
        self, record: Sequence[Expr], read: Mapping[Expr, Expr | bool]
    ) -> dict[Expr, Expr]:
        """Let the loop record these values; how the reverse sweep reads them.

        read: where it does. What the loop itself does not compute is computed only there.
        """
        loop = self.forward
        carried, initial = list(loop.carried), list(loop.initial)
        body = list(loop.body)
        if self.counted:
            assert isinstance(loop, For)
            start, stop, step = loop.bounds
            number, room = _round_number(loop.index, start, step), _count(start, stop, step)
        else:
            number, room = self.rounds, as_expr(0)
            if self.rounds not in carried:  # a sweep of this loop may have it already
                carried.append(self.rounds)
                initial.append(as_expr(0))
                body.append(add.build(self.rounds, 1))
        where = where_computed(loop.inside, loop.bound) if record else {}
        places: list[tuple[Expr, int]] = []
        for value in record:
            slot = len(carried)
            name = f"{getattr(value, 'name', 't')}_{'saved' if self.again else 'tape'}"
            in_place = (
                self.counted and not value.type.rank
            )  # there are no empty arrays to start from
            empty = tape(room if in_place else as_expr(0), value.type, loop.bound[0].tag)
            held = var(name, empty.type, loop.bound[0].tag + _SLOT * 7 + slot)
            certain = value in loop.carried
            kept = only_where(value, certain or _condition(value, where, read))
            if in_place:
                written = update.build(held, kept, number, attrs=_PLACE)
            else:
                written = append.build(held, kept, number)
            carried.append(held)
            initial.append(empty)
            body.append(written)
            places.append((value, slot))
        self.recording = rebuilt_loop(loop, carried, initial, body)
        at = number if self.counted else self.index
        return {
            value: index.build(project(self.recording, slot, carried[slot].type), at, attrs=_PLACE)
            for value, slot in places
        }

    def loop(self, initial: Sequence[Expr]) -> Expr:
        """The reverse sweep."""
        forward = self.forward
        if self.counted:
            assert isinstance(forward, For)
            bounds, variable = _reversed(*forward.bounds), forward.index
        else:
            slot = self.recording.carried.index(self.rounds)
            rounds = project(self.recording, slot, INT)
            bounds = (subtract.build(rounds, 1), as_expr(-1), as_expr(-1))
            variable = self.index
        operands = (*bounds, *initial, *self.body, as_expr(False))
        return for_(variable, tuple(self.carried), operands, INT, self.again)


def _condition(
    value: Expr, where: Mapping[Expr, Expr | bool], read: Mapping[Expr, Expr | bool]
) -> Expr | bool:
    """Where a round computes `value`; what it does not compute, where the sweep reads it."""
    inner = value.operands[0] if isinstance(value, Project) else value
    if isinstance(inner, Loop) and inner not in where:  # an inner loop, recording
        for node in where:
            if isinstance(node, Loop) and _extends(inner, node):
                return where[node]
    return where.get(value, read[value])


def _extends(longer: Loop, loop: Loop) -> bool:
    """Whether the one is the other, with more that it carries."""
    k = len(loop.carried)
    return (
        type(longer) is type(loop) and longer.bound[: len(loop.bound)] == loop.bound
        and longer.operands[: longer.head] == loop.operands[: loop.head]
        and longer.initial[:k] == loop.initial and longer.body[:k] == loop.body
    )  # fmt: skip


def _counter(loop: Loop) -> Var:
    """What numbers the rounds of a loop in its reverse sweep, where nothing else does."""
    return var("k", INT, loop.carried[0].tag + 11)


def lines_of_sweeps(function: Function) -> dict[Expr, int]:
    """The lines of `function`, and those of its loops for the variables of their sweeps."""
    lines = dict(function.lines)
    for loop in function.nodes():
        line = line_of(loop, lines) if isinstance(loop, Loop) else None
        if isinstance(loop, Loop) and line is not None:
            lines.update(dict.fromkeys((*loop.bound, _counter(loop)), line))
    return lines


def _counters(loop: Loop) -> dict[Expr, tuple[Expr, Expr]]:
    """What it carries that goes up by the same step in every round: (start, step)."""
    found: dict[Expr, tuple[Expr, Expr]] = {}
    for v, start, new in zip(loop.carried, loop.initial, loop.body, strict=True):
        if v.type.dtype != "int" or v.type.rank or not isinstance(new, Apply):
            continue
        if new.op is add and v in new.operands:
            step = new.operands[1] if new.operands[0] is v else new.operands[0]
            if isinstance(step, Const):
                found[v] = (start, step)
    return found


def _is(x: Expr, value: int) -> bool:
    return isinstance(x, Const) and x.value == value


def _plus(a: Expr, b: Expr) -> Expr:
    return b if _is(a, 0) else a if _is(b, 0) else add.build(a, b)


def _minus(a: Expr, b: Expr) -> Expr:
    if isinstance(b, Const):
        return _shifted(a, -b.value)
    if isinstance(a, Apply) and a.op is add and a.operands[0] is b:
        return a.operands[1]
    return subtract.build(a, b)


def _shifted(x: Expr, by: int) -> Expr:
    """x + by, where x may be a constant or such a sum itself."""
    if isinstance(x, Const):
        return as_expr(x.value + by)
    if isinstance(x, Apply) and x.op in (add, subtract) and isinstance(x.operands[1], Const):
        known = x.operands[1].value
        return _shifted(x.operands[0], by + (known if x.op is add else -known))
    if by == 0:
        return x
    return add.build(x, by) if by > 0 else subtract.build(x, -by)


def _times(a: Expr, b: Expr) -> Expr:
    return a if _is(b, 1) else multiply.build(a, b)


def _count(start: Expr, stop: Expr, step: Expr) -> Expr:
    """How many rounds; where there are none, it may be negative."""
    if _is(step, 1):
        return _minus(stop, start)
    if _is(step, -1):
        return _minus(start, stop)
    if all(isinstance(x, Const) for x in (start, stop, step)):
        return as_expr(len(range(start.value, stop.value, step.value)))  # type: ignore[attr-defined]
    return subtract.build(0, floor_divide.build(_minus(start, stop), step))


def _round_number(i: Expr, start: Expr, step: Expr) -> Expr:
    if _is(step, -1):
        return _minus(start, i)
    offset = _minus(i, start)
    return offset if _is(step, 1) else floor_divide.build(offset, step)


def _reversed(start: Expr, stop: Expr, step: Expr) -> tuple[Expr, Expr, Expr]:
    """The bounds of the same range backwards."""
    assert isinstance(step, Const)
    if all(isinstance(x, Const) for x in (start, stop)):
        known = range(start.value, stop.value, step.value)[::-1]  # type: ignore[attr-defined]
        return as_expr(known.start), as_expr(known.stop), as_expr(known.step)
    back = as_expr(-step.value)
    if step.value in (1, -1):
        return _shifted(stop, -step.value), _shifted(start, -step.value), back
    last = _plus(start, _times(_minus(_count(start, stop, step), as_expr(1)), step))
    return last, _minus(start, step), back


def is_result(node: Expr) -> bool:
    """Whether a node is a result of a loop."""
    return isinstance(node, Project) and isinstance(node.operands[0], Loop)
