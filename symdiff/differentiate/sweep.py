"""The reverse sweep of a loop: its rounds backwards, with what they need of the way forwards.

    for i in range(n): x = f(x)   ->   for i in range(n): x_tape[i] = x; x = f(x)
                                       for i in reversed(range(n)): d_x = f'(x_tape[i]) * d_x

What is needed is recorded (see `tape`), put back (see `restore`) or computed again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from symdiff.differentiate.ranges import backwards, count, plus, round_number, times
from symdiff.differentiate.restore import Versions, back, extends, resolved, versions_of
from symdiff.differentiate.tape import (
    needed,
    only_where,
    sums_of_rounds,
    to_record,
    weight,
    where_computed,
)
from symdiff.ir.expr import (
    Apply,
    Const,
    Expr,
    For,
    If,
    Loop,
    Project,
    Var,
    for_,
    project,
    var,
    while_,
)
from symdiff.ir.types import INT
from symdiff.ir.walk import inside, substitute, topological
from symdiff.primitives.arithmetic import add, subtract
from symdiff.primitives.indexing import RUN, index, update
from symdiff.primitives.lists import append, tape
from symdiff.primitives.row import as_expr

SLOT = 1_000_003  # keeps the tags of what a sweep binds apart
_PLACE = ((("int", RUN),),)


def rebuilt_loop(
    loop: Loop, carried: Sequence[Var], initial: Sequence[Expr], body: Sequence[Expr]
) -> Loop:
    """The same rounds with other carried values."""
    head, until = loop.operands[: loop.head], loop.until
    operands = (*head, *initial, *body, until)
    if isinstance(loop, For):
        return for_(loop.index, tuple(carried), operands, INT, loop.recompute)
    return while_(tuple(carried), operands, INT)


def counter(loop: Loop) -> Var:
    """What numbers the rounds of a loop in its reverse sweep, where nothing else does."""
    return var("k", INT, loop.carried[0].tag + 11)


@dataclass
class _Plan:
    """What a sweep carries and computes, which values the loop records for it.

    versions: of the arrays that it puts back, by number (see `restore`).
    """

    carried: list[Var]
    body: list[Expr]
    record: list[Expr]
    versions: dict[int, Versions]

    @property
    def cost(self) -> int:
        return sum(weight(n) for n in self.record)

    @property
    def lost(self) -> list[Expr]:
        """What writes into these arrays lose."""
        return [n for each in self.versions.values() for n in each.lost]


class Backwards:
    """The rounds of a loop from the last to the first.

    carried, body: the sweep, in terms of the values of a round; what it needs of them is recorded
    or put back. again: carried values of the loop that it shall put back in any case, after those
    of `carried`; `missing` says whether it cannot.
    """

    def __init__(
        self, loop: Loop, carried: Sequence[Var], body: Sequence[Expr], again: Sequence[int] = ()
    ):
        self.forward = loop
        never = isinstance(loop.until, Const) and not loop.until.value
        self.counted = isinstance(loop, For) and never
        self.again = isinstance(loop, For) and loop.recompute
        counters = _counters(loop)
        varying = [v for v in loop.carried if v not in counters]
        plan = self._plan(carried, body, varying, again)
        self.missing = not all(k in plan.versions for k in again)
        self.carried = plan.carried
        self.restored = list(plan.versions)
        if not self.counted:
            self.rounds = var("rounds", INT, loop.carried[0].tag + 7)
            self.index = counter(loop)
        else:
            assert isinstance(loop, For)
            self.index = loop.index
        if plan.record and not self.again:  # the way forwards is gone in any case
            plan.record += sums_of_rounds(plan.body, loop, plan.record)
        read = where_computed(plan.body, plan.record, loop.bound, plan.carried)
        mapping = self._recorded(plan.record, read, plan.lost)
        if not self.counted and isinstance(loop, For):
            start, _, step = loop.bounds
            mapping[loop.index] = plus(start, times(self.index, step))
        for v, (start, step) in counters.items():
            number = self.index
            if self.counted:
                assert isinstance(loop, For)
                number = round_number(loop.index, loop.bounds[0], loop.bounds[2])
            mapping.setdefault(v, plus(start, times(number, step)))
        self.body = substitute(plan.body, mapping) if mapping else plan.body

    def _plan(
        self, carried: Sequence[Var], body: Sequence[Expr], varying: list[Var], again: Sequence[int]
    ) -> _Plan:
        """The cheapest way found to have all that the sweep needs."""
        loop = self.forward
        need = needed(body, carried, varying)
        if self.again:
            below = set(topological(need))
            record: list[Expr] = [v for v in varying if v in below]
            return _Plan(list(carried), list(body), record, {})
        best = plain = _Plan(list(carried), list(body), to_record(need, varying), {})
        for k, v in enumerate(loop.carried):
            if v not in varying or not v.type.rank:
                continue
            if k not in again and v not in topological(n for n in best.record if n.type.rank):
                continue
            found = versions_of(loop, k, need, _level(body, carried), _run_back)
            if found is None:
                continue
            tried = self._restoring(plain, {**best.versions, k: found}, need, varying)
            if tried is not None and (k in again or tried.cost < best.cost):
                best = tried
        return best

    def _restoring(
        self,
        plain: _Plan,
        versions: dict[int, Versions],
        need: Sequence[Expr],
        varying: Sequence[Var],
    ) -> _Plan | None:
        """`plain`, and these arrays are put back; None where that needs themselves."""
        arrays = [self.forward.carried[k] for k in versions]
        steps = {n: step for each in versions.values() for n, step in each.steps.items()}
        if len(steps) < sum(len(each.steps) for each in versions.values()):
            return None  # two arrays that become one
        plan = _Plan([*plain.carried, *map(back, arrays)], [], [], versions)
        plan.record = to_record(needed(plan.lost, (), varying), varying)
        plan.record += to_record(need, varying, {*steps, *plan.record})
        known = resolved(steps, {n: n for n in plan.record})
        if known is None:
            return None
        plan.body = substitute([*plain.body, *arrays], known)
        return plan

    def _recorded(
        self,
        record: Sequence[Expr],
        read: Mapping[Expr, Expr | bool],
        lost: Container[Expr],
    ) -> dict[Expr, Expr]:
        """Let the loop record these values; how the reverse sweep reads them.

        read: where it does. What the loop itself does not compute is computed only there. lost:
        values that are recorded because of the sweep, whatever else the loop needs them for.
        """
        loop = self.forward
        carried, initial = list(loop.carried), list(loop.initial)
        body = list(loop.body)
        if self.counted:
            assert isinstance(loop, For)
            start, stop, step = loop.bounds
            number, room = round_number(loop.index, start, step), count(start, stop, step)
        else:
            number, room = self.rounds, as_expr(0)
            if self.rounds not in carried:  # a sweep of this loop may have it already
                carried.append(self.rounds)
                initial.append(as_expr(0))
                body.append(add.build(self.rounds, 1))
        below = topological(loop.inside)
        inner = [n for n in below if isinstance(n, Loop)]
        where = where_computed(loop.inside, [*record, *inner], loop.bound)
        tests = {n.pred for n in below if isinstance(n, If)}
        places: list[tuple[Expr, int]] = []
        for value in record:
            slot = len(carried)
            name = f"{getattr(value, 'name', 't')}_{'saved' if self.again else 'tape'}"
            in_place = (
                self.counted and not value.type.rank
            )  # there are no empty arrays to start from
            empty = tape(room if in_place else as_expr(0), value.type, loop.bound[0].tag)
            held = var(name, empty.type, loop.bound[0].tag + SLOT * 7 + slot)
            certain = value in loop.carried
            here = read[value] if value in lost else _condition(value, where, read)
            kept = only_where(value, certain or here, tests)
            if in_place:
                written = update.build(held, kept, number, attrs=_PLACE)
            else:
                written = append.build(held, kept, number, attrs=(False,))
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
        """The reverse sweep, from `initial` and what the loop leaves of what is put back."""
        forward = self.forward
        ends = [project(self.recording, k, forward.carried[k].type) for k in self.restored]
        if self.counted:
            assert isinstance(forward, For)
            bounds, variable = backwards(*forward.bounds), forward.index
        else:
            slot = self.recording.carried.index(self.rounds)
            rounds = project(self.recording, slot, INT)
            bounds = (subtract.build(rounds, 1), as_expr(-1), as_expr(-1))
            variable = self.index
        operands = (*bounds, *initial, *ends, *self.body, as_expr(False))
        return for_(variable, tuple(self.carried), operands, INT, self.again)


def _run_back(loop: Loop, k: int) -> Project | None:
    """What carried value `k` of a loop started from, by a sweep that does nothing else."""
    sweep = Backwards(loop, (), (), [k])
    if sweep.missing:
        return None
    return project(sweep.loop(()), 0, loop.carried[k].type)


def _level(roots: Sequence[Expr], carried: Sequence[Var]) -> list[Expr]:
    """The nodes below `roots` that do not belong to the rounds of a loop among them."""
    deeper = inside(roots, (), carried)
    return [n for n in topological(roots) if n not in deeper]


def _condition(
    value: Expr, where: Mapping[Expr, Expr | bool], read: Mapping[Expr, Expr | bool]
) -> Expr | bool:
    """Where a round computes `value`; what it does not compute, where the sweep reads it."""
    inner = value.operands[0] if isinstance(value, Project) else value
    if isinstance(inner, Loop) and inner not in where:  # an inner loop, recording
        for node in where:
            if isinstance(node, Loop) and extends(inner, node):
                return where[node]
    return where.get(value, read[value])


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
