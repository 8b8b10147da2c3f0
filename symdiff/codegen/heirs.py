"""What goes by the name of a carried value, and who reads it: until then the name is not free.

for ...: v[i] = x                      a new value, of the same name
         s += v.sum()                  reads it
         v = g * v                     only now may the name be that of something else
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symdiff.ir.expr import Apply, Expr, If, Loop, Map, Project, Var
from symdiff.plan.memory import is_flavour_change
from symdiff.plan.schedule import Group, Schedule
from symdiff.plan.storage import Storage, is_write
from symdiff.primitives.elementary import sized


class Heirs:
    """Which values go on under the name of another one."""

    def __init__(self, plan: Schedule, storage: Storage):
        self._next: dict[Expr, list[Expr]] = {}
        for node in plan.sites:
            for x in _ancestors(node, storage):
                self._next.setdefault(seen(x), []).append(node)

    def of(self, results: Iterable[tuple[Var, Expr]]) -> dict[Expr, Var]:
        """Those of carried variables, which are among them, until they have their new values."""
        new = dict(results)
        found: dict[Expr, Var] = {v: v for v in new}
        stack: list[Expr] = list(new)
        while stack:
            node = stack.pop()
            v = found[node]
            for heir in self._next.get(node, ()):
                if heir in found or heir is new[v]:
                    continue
                sides = heir.operands[1:] if isinstance(heir, If) else ()
                if all(found.get(seen(x)) is v for x in sides):
                    found[heir] = v
                    stack.append(heir)
        return found


def _ancestors(node: Expr, storage: Storage) -> tuple[Expr, ...]:
    """What `node` may have its name from: a loop, a choice of arrays, or a write in place."""
    if isinstance(node, Project) and isinstance(node.operands[0], Loop):
        return (node.operands[0].initial[node.index],)
    if isinstance(node, If) and node.type.rank:
        return node.operands[1:]
    return node.operands[:1] if is_write(node) and node not in storage.copied else ()


def seen(node: Expr) -> Expr:
    """The value whose name stands for `node`."""
    while _transparent(node):
        node = node.operands[0]
    return node


def unsized(node: Expr) -> Expr:
    """The value itself, where a node says no more than of which size it is."""
    while isinstance(node, Apply) and node.op is sized:
        node = node.operands[0]
    return node


def _transparent(node: Expr) -> bool:
    """Whether a value is written out where it is used, so that its operand is read there."""
    return isinstance(node, Apply) and (is_flavour_change(node) or node.op is sized)


def readers_of(
    plan: Schedule, heirs: Mapping[Expr, Var], items: Iterable[Expr | Group]
) -> dict[Expr, list[int]]:
    """The positions of the items, with all that is nested in them, that read each carried value."""
    found: dict[Expr, list[int]] = {}
    for i, item in enumerate(items):
        for operand in _read_by(plan, item):
            v = heirs.get(seen(operand))
            if v is not None:
                found.setdefault(v, []).append(i)
    return found


def _read_by(plan: Schedule, item: Expr | Group) -> Iterable[Expr]:
    """Everything that an item and what is nested in it reads."""
    stack: list[Expr | Group] = [item]
    visited: set[int] = set()
    while stack:
        top = stack.pop()
        if id(top) in visited:
            continue
        visited.add(id(top))
        if isinstance(top, Group):
            yield top.pred
            for member in top.members:
                yield member.then
                yield member.orelse
            for side in (top.then, top.orelse):
                stack.extend(plan.groups.get((n, side), n) for n in side.items)
            continue
        yield from top.operands
        if isinstance(top, (Loop, Map)):
            for (node, _), inner in (*plan.loops.items(), *plan.rests.items()):
                if node is top:
                    stack.extend(plan.groups.get((n, inner), n) for n in inner.items)
