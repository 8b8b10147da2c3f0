"""Arrays that the rounds of a loop write into are put back in its reverse sweep, write by write.

    for i in range(n):                          for i in range(n):
        for j in range(i): s += y[j]       ->       y_tape[i] = y[i]; y[i] = ...
        y[i] = f(s)                             for i in reversed(range(n)):
                                                    ...; y[i] = y_tape[i]; ...

What a write loses is one place of the array: recording that takes the time and the memory of the
write itself, where recording the array takes those of all of it. (Overwritten values on a stack:
Hascoet & Pascual, "The Tapenade Automatic Differentiation Tool", section 4.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from symdiff.ir.expr import Apply, Const, Expr, If, Loop, Project, Var, if_, project, var
from symdiff.ir.walk import substitute
from symdiff.primitives.elementary import aborts
from symdiff.primitives.indexing import accumulate, index, update
from symdiff.primitives.row import conform

_BACK = 250_000_007  # keeps the tags of what is put back apart

# What a carried value of a loop started from, by a sweep that does nothing else.
RunBack = Callable[[Loop, int], Project | None]


def back(v: Var) -> Var:
    """The variable that carries `v` through the sweep, from the last round to the first."""
    return var(v.name, v.type, v.tag + _BACK)


def extends(longer: Loop, loop: Loop) -> bool:
    """Whether the one is the other, with more that it carries."""
    k = len(loop.carried)
    return longer is loop or (
        type(longer) is type(loop) and longer.bound[: len(loop.bound)] == loop.bound
        and longer.operands[: longer.head] == loop.operands[: loop.head]
        and longer.initial[:k] == loop.initial and longer.body[:k] == loop.body
    )  # fmt: skip


@dataclass
class Versions:
    """The values that an array has during a round.

    steps: how each follows, in the sweep, from the one that came after it: an expression of that
    later version. The last one is what the sweep carries. What was written into the array is
    there too: it is read from it. lost: what the round has to record.
    """

    steps: dict[Expr, Expr]
    lost: list[Expr]


def versions_of(
    loop: Loop, k: int, needs: Sequence[Expr], sweep: Sequence[Expr], run_back: RunBack
) -> Versions | None:
    """Those of carried value `k`; None where a round does more than write places of it.

    needs: what the sweep reads of the round. sweep: the nodes of the sweep.
    """
    walk = _Walk(needs, sweep, run_back)
    last, first = loop.body[k], loop.carried[k]
    found = walk.down(last, first)
    if found is None:
        return None
    walk.add(first, found)
    if last is first or not walk.valid:
        return None
    return Versions({last: back(first), **walk.steps}, walk.lost)


class _Walk:
    """From what a round makes of an array back to what it was."""

    def __init__(self, needs: Sequence[Expr], sweep: Sequence[Expr], run_back: RunBack):
        self.needs, self.sweep, self.run_back = needs, sweep, run_back
        self.steps: dict[Expr, Expr] = {}
        self.lost: list[Expr] = []
        self.valid = True
        self.sides = 0  # how many branches the walk is in

    def add(self, version: Expr, step: Expr) -> None:
        self.valid = self.valid and version not in self.steps
        self.steps[version] = step

    def down(self, node: Expr, first: Expr) -> Expr | None:
        """`first`, an earlier version than `node`, in terms of versions in between.

        None where it is not known how to get there.
        """
        now = node
        while node is not first:
            base = _base(node, first)
            if base is None:
                return None
            if now is not node:
                self.add(node, now)
            earlier = self._before(node, base)
            if earlier is None:
                return None
            node, now = base, earlier
        return now

    def _before(self, node: Expr, base: Expr) -> Expr | None:
        """`base`, in terms of the version `node` that has been made of it."""
        if isinstance(node, Apply):
            place = node.operands[2:]
            old = index.build(base, *place, attrs=node.attrs)
            self.lost += [old, *place]
            self._written(node, place)
            return update.build(node, old, *place, attrs=node.attrs)
        if isinstance(node, If):
            sides: list[Expr] = []
            taken = [node.orelse] if _aborts(node) else [node.then, node.orelse]
            for side in taken:
                if side is base:
                    sides.append(node)
                    continue
                self.add(side, node)
                self.sides += 1
                found = self.down(side, base)
                self.sides -= 1
                if found is None:
                    return None
                sides.append(found)
            if len(sides) == 1:
                return sides[0]
            self.lost.append(node.pred)
            return if_(node.pred, sides[0], sides[1], node.type)
        assert isinstance(node, Project)
        inner = node.operands[0]
        assert isinstance(inner, Loop)
        return self._before_loop(inner, node)

    def _written(self, node: Apply, place: Sequence[Expr]) -> None:
        """What was written can be read where it was, in a branch only if the write was made."""
        value = node.operands[1]
        plain = all(entry[0] in ("int", "slice") for entry in node.attrs[0])
        if node.op is not update or self.sides or not plain or isinstance(value, Const):
            return
        read = index.build(node, *place, attrs=node.attrs)
        if value not in self.steps and read.type.strong == value.type.strong:
            self.steps[value] = conform(read, value.type)

    def _before_loop(self, inner: Loop, node: Project) -> Expr | None:
        """What an inner loop started from: its sweep puts that back too, or a loop of its own."""
        k = node.index
        made = _swept(self.sweep, inner, k) or self.run_back(inner, k)
        if made is None:
            return None
        sweep = made.operands[0]
        assert isinstance(sweep, Loop)
        ends = [n for n in self.needs if _is_result(n, inner, k)]
        for end in dict.fromkeys([*ends, sweep.initial[made.index]]):  # type: ignore[attr-defined]
            if end is not node:
                self.add(end, node)
        return made


def _swept(nodes: Iterable[Expr], inner: Loop, k: int) -> Project | None:
    """The result of a sweep of `inner` that is what its carried value `k` started from."""
    for n in nodes:
        if isinstance(n, Loop) and back(inner.carried[k]) in n.carried:
            at = n.carried.index(back(inner.carried[k]))
            if _is_result(n.initial[at], inner, k):
                return project(n, at, inner.carried[k].type)
    return None


def _is_result(node: Expr, inner: Loop, k: int) -> bool:
    if not isinstance(node, Project) or node.index != k:
        return False
    loop = node.operands[0]
    return isinstance(loop, Loop) and extends(loop, inner)


def _aborts(node: If) -> bool:
    return isinstance(node.pred, Apply) and node.pred.op is aborts


def _base(node: Expr, first: Expr) -> Expr | None:
    """The version that `node` was made of; None if it was not made by writes."""
    if isinstance(node, Apply) and node.op in (update, accumulate):
        return node.operands[0]
    if isinstance(node, Project) and isinstance(node.operands[0], Loop):
        return node.operands[0].initial[node.index]
    if isinstance(node, If):
        if _aborts(node):
            return node.orelse
        then = set(_spine(node.then, first))
        return next((x for x in _spine(node.orelse, first) if x in then), None)
    return None


def _spine(node: Expr | None, first: Expr) -> Iterable[Expr]:
    """The versions from `node` back to `first`."""
    while node is not None:
        yield node
        if node is first:
            return
        node = _base(node, first)


def resolved(
    versions: Mapping[Expr, Expr], recorded: Mapping[Expr, Expr]
) -> dict[Expr, Expr] | None:
    """What stands for each version in the sweep, given how it reads what is recorded.

    None where versions depend on one another.
    """
    done = dict(recorded)
    left = list(versions)
    while left:
        later: list[Expr] = []
        for version in left:
            step = versions[version]
            if _reads(step, done, versions):
                later.append(version)
            else:
                done[version] = substitute([step], done)[0]
        if len(later) == len(left):
            return None
        left = later
    return done


def _reads(step: Expr, done: Mapping[Expr, Expr], versions: Mapping[Expr, Expr]) -> bool:
    """Whether an expression reads a version that is not known yet."""
    seen: set[Expr] = set()
    stack = [step]
    while stack:
        node = stack.pop()
        if node in seen or node in done:
            continue
        if node in versions:
            return True
        seen.add(node)
        stack.extend(node.operands)
    return False
