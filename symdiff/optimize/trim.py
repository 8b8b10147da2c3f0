"""Loops without the carried values that no result depends on.

    for i in range(n): s, t = s + x[i], t * s          for i in range(n): s = s + x[i]
    return s                                       ->  return s

The same loop may stand in the rounds of two others, of which one reads more of it: the reverse of
a loop shares what it binds with the loop. So what is read is found place by place.
"""

from __future__ import annotations

from collections.abc import Iterator

from symdiff.ir.expr import Expr, For, Loop, Project, Var, for_, project, while_, with_operands
from symdiff.ir.function import Function
from symdiff.ir.types import INT
from symdiff.ir.walk import bound, free_variables, topological

Place = tuple[Loop, ...]  # the loops in whose rounds a value is computed, outermost first
Key = tuple[Place, Expr]


def trimmed(function: Function) -> Function:
    """`function`, its loops carrying no more than what is read of them."""
    roots = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
    trim = _Trim(function.nodes(), roots)
    if not trim.shorter:
        return function
    made = trim.rebuilt()
    mapping: dict[Expr, Expr] = {}
    for (_, old), new in made.items():
        mapping.setdefault(old, new)
    mapping.update((old, made[(), old]) for old in roots)
    result = function.rewritten(mapping)
    names, lines = dict(result.names), dict(result.lines)
    for (_, old), new in made.items():
        if old in function.names:
            names.setdefault(new, function.names[old])
        if old in function.lines:
            lines.setdefault(new, function.lines[old])
    return result.replace(names=names, lines=lines)


class _Trim:
    def __init__(self, order: list[Expr], roots: list[Expr]):
        order = topological([*order, *roots])
        self.free = free_variables(order, bound(order))
        self.roots = roots
        self.wanted: dict[Key, set[int]] = {}
        self._find()

    def place(self, at: Place, node: Expr) -> Place:
        """Where `node`, read at `at`, is computed: outside of the loops that it does not see."""
        free = self.free[node]
        while at and free.isdisjoint(at[-1].bound):
            at = at[:-1]
        return at

    def _find(self) -> None:
        """What of each loop is read, at each place."""
        seen: set[Key] = set()
        stack: list[Key] = [((), x) for x in self.roots]

        def want(at: Place, loop: Loop, k: int) -> None:
            known = self.wanted.get((at, loop))
            if known is None:
                known = self.wanted[at, loop] = set()
                inner = (*at, loop)
                stack.append((inner, loop.until))
                if isinstance(loop, For):
                    stack.extend((at, x) for x in loop.bounds)
                else:
                    stack.append((inner, loop.operands[0]))
            if k not in known:
                known.add(k)
                stack.append((at, loop.initial[k]))
                stack.append(((*at, loop), loop.body[k]))

        while stack:
            at, node = stack.pop()
            at = self.place(at, node)
            if (at, node) in seen:
                continue
            seen.add((at, node))
            if isinstance(node, Project) and isinstance(node.operands[0], Loop):
                loop = node.operands[0]
                want(self.place(at, loop), loop, node.index)
            elif isinstance(node, Var):
                if at and node in at[-1].carried:
                    want(at[:-1], at[-1], at[-1].carried.index(node))
            else:
                stack.extend((at, x) for x in node.operands)
        self.shorter = any(len(k) < len(loop.carried) for (_, loop), k in self._counts())

    def _counts(self) -> Iterator[tuple[tuple[Place, Loop], set[int]]]:
        for (at, loop), kept in self.wanted.items():
            assert isinstance(loop, Loop)
            yield (at, loop), kept

    def _parts(self, at: Place, node: Expr) -> list[Key]:
        """What a value at a place is made of."""
        if isinstance(node, Project) and isinstance(node.operands[0], Loop):
            return [(self.place(at, node.operands[0]), node.operands[0])]
        if not isinstance(node, Loop):
            return [(self.place(at, x), x) for x in node.operands]
        kept, inner = sorted(self.wanted[at, node]), (*at, node)
        head = [(self.place(at if isinstance(node, For) else inner, x), x)
                for x in node.operands[: node.head]]  # fmt: skip
        starts = [(self.place(at, node.initial[k]), node.initial[k]) for k in kept]
        ends = [(self.place(inner, x), x) for x in (*(node.body[k] for k in kept), node.until)]
        return [*head, *starts, *ends]

    def rebuilt(self) -> dict[Key, Expr]:
        """Every value that is needed, at its place, as made of shorter loops."""
        made: dict[Key, Expr] = {}
        stack: list[Key] = [((), x) for x in reversed(self.roots)]
        while stack:
            key = stack[-1]
            if key in made:
                stack.pop()
                continue
            at, node = key
            parts = self._parts(at, node)
            pending = [p for p in parts if p not in made]
            if pending:
                stack.extend(reversed(pending))
                continue
            stack.pop()
            operands = tuple(made[p] for p in parts)
            if isinstance(node, Project) and isinstance(node.operands[0], Loop):
                kept = sorted(self.wanted[parts[0][0], parts[0][1]])
                made[key] = project(operands[0], kept.index(node.index), node.type)
            elif isinstance(node, Loop):
                made[key] = _shortened(node, sorted(self.wanted[key]), operands)
            else:
                made[key] = with_operands(node, operands) if operands else node
        return made


def _shortened(loop: Loop, kept: list[int], operands: tuple[Expr, ...]) -> Loop:
    carried = tuple(loop.carried[k] for k in kept)
    if isinstance(loop, For):
        return for_(loop.index, carried, operands, INT, loop.recompute)
    return while_(carried, operands, INT)
