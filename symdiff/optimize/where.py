"""Under which conditions regions run: of a choice, only one side is computed.

    y = If(p, a, If(q, b, 0))       a: where p holds; b: where p does not and q does

Two loops are one only if that computes nothing where it was not computed: it may raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from symdiff.ir.expr import Apply, Call, Const, Expr, If, Loop, While
from symdiff.ir.walk import topological
from symdiff.primitives.arithmetic import divide
from symdiff.primitives.conditions import parts
from symdiff.primitives.indexing import update
from symdiff.primitives.lists import append, new_list
from symdiff.primitives.row import Elementwise

# A condition and which side of it, or a loop in each of whose rounds; where that is asked, or runs.
Step = tuple[Expr, bool, "Where"]
Where = frozenset[Step] | None  # wherever one of these leads; None: in any case
_NOWHERE: Where = frozenset()
_WAYS = 8  # what more conditions would tell is not looked for
_ENOUGH = 200


class Places:
    """Where each of the nodes that matter is computed.

    free: the variables that each depends on. A loop leaves those in whose rounds it does not
    change, and the branches of these rounds.
    """

    def __init__(
        self,
        order: Sequence[Expr],
        roots: Iterable[Expr],
        matter: AbstractSet[Expr],
        free: Mapping[Expr, AbstractSet[Expr]],
    ):
        self._known: dict[Where, Where] = {}  # equal ones are the same object
        self._tests: dict[tuple[Expr, bool], list[tuple[Expr, bool]]] = {}
        self._loops: dict[Where, frozenset[Loop]] = {None: frozenset()}  # in whose rounds it is
        self.of: dict[Expr, Where] = dict.fromkeys(roots)
        for node in reversed(order):
            here = self.of.get(node, _NOWHERE)
            if here is _NOWHERE or node not in matter:
                continue
            if isinstance(node, If):
                self._add(node.pred, here)
                for x, side in ((node.then, True), (node.orelse, False)):
                    if x in matter:
                        self._add(x, self._asked(here, node.pred, side))
            elif isinstance(node, Loop):
                here = self.of[node] = self._lifted(here, free[node])
                for x in node.outside:
                    self._add(x, here)
                rounds = self._only(frozenset(((node, True, here),)))
                for x in node.inside:
                    self._add(x, rounds)
            else:
                for x in node.operands:
                    self._add(x, here)

    def same(self, one: Expr, other: Expr) -> bool:
        """Whether the two are computed in the same cases."""
        return self.of[one] is self.of[other] or (
            self.covers(one, other) and self.covers(other, one)
        )

    def covers(self, large: Expr, small: Expr) -> bool:
        """Whether the one is computed wherever the other is, as far as it is found out."""
        everywhere = self.of[large]
        ways = self._ways(large)
        tell = {(pred, either) for way in ways for pred, _ in way for either in (True, False)}
        start = (self.of[small], frozenset[tuple[Expr, bool]]())
        stack, seen = [start], {start}
        while stack:
            where, facts = stack.pop()
            if where is everywhere or any(way <= facts for way in ways):
                continue
            if where is None or len(seen) > _ENOUGH:
                return False
            for step in where:
                pred, side, around = step
                if step in (everywhere or ()) or (pred, not side) in facts:
                    continue
                more = (around, facts | (tell & {(pred, side)}))
                if more not in seen:
                    seen.add(more)
                    stack.append(more)
        return True

    def _ways(self, node: Expr) -> list[frozenset[tuple[Expr, bool]]]:
        """Some of the ways to `node`: all that holds on each."""
        found: list[frozenset[tuple[Expr, bool]]] = []
        stack = [(self.of[node], frozenset[tuple[Expr, bool]]())]
        while stack and len(found) < _WAYS:
            where, facts = stack.pop()
            if where is None:
                found.append(facts)
                continue
            for pred, side, around in where:
                if (pred, not side) not in facts:
                    stack.append((around, facts | {(pred, side)}))
        return found

    def _only(self, where: Where) -> Where:
        known = self._known.setdefault(where, where)
        if where is not None and known is where:
            loops = {pred for pred, _, _ in where if isinstance(pred, Loop)}
            self._loops[where] = frozenset(loops).union(*(self._loops[s[2]] for s in where))
        return known

    def _asked(self, where: Where, pred: Expr, side: bool) -> Where:
        """Where `pred` is asked in `where` and is `side`: `p and q` asks for p, then for q."""
        for test, holds in self._tests_of(pred, side):
            where = self._only(frozenset(((test, holds, where),)))
        return where

    def _tests_of(self, pred: Expr, side: bool) -> list[tuple[Expr, bool]]:
        """What `pred` being `side` comes to, each test once."""
        found = self._tests.get((pred, side))
        if found is None:
            found = self._tests[pred, side] = []
            stack, seen = [(pred, side)], {(pred, side)}
            while stack:
                test, holds = stack.pop()
                known = parts(test, {test: holds})
                stack += [x for x in reversed(known) if x not in seen]
                seen.update(known)
                if not known:
                    found.append((test, holds))
        return found

    def _add(self, node: Expr, where: Where) -> None:
        """`node` is computed there too."""
        self.of[node] = self._either(self.of.get(node, where), where)

    def _either(self, a: Where, b: Where) -> Where:
        if a is None or b is None or a is b:
            return a if a is b else None
        return self._merged(set(a), list(b))

    def _merged(self, steps: set[Step], new: list[Step]) -> Where:
        """Wherever one of `steps` leads, or one of `new`; both are used up."""
        while new:
            pred, side, around = new.pop()
            if (pred, not side, around) not in steps:
                steps.add((pred, side, around))
                continue
            steps.remove((pred, not side, around))  # either side: wherever it is asked
            if around is None:
                return None
            new += around
        return self._only(frozenset(steps))

    def _lifted(self, where: Where, free: AbstractSet[Expr]) -> Where:
        """Where a loop runs that depends on the variables `free` and is needed in `where`."""
        leaves = {x for x in self._loops[where] if free.isdisjoint(x.bound)}
        done: dict[Where, Where] = {None: None}
        stack = [where]
        while stack:
            now = stack[-1]
            if now in done or now is None:
                stack.pop()
                continue
            if leaves.isdisjoint(self._loops[now]):
                done[now] = now
                continue
            leaving = [s for s in now if not isinstance(s[0], Loop) or s[0] in leaves]
            pending = [s[2] for s in leaving if s[2] not in done]
            if pending:
                stack += pending
                continue
            stack.pop()
            steps: list[Step] = []
            anywhere = False
            for step in leaving:
                around = done[step[2]]
                if around is step[2] and not isinstance(step[0], Loop):
                    steps.append(step)
                elif around is None:
                    anywhere = True
                else:
                    steps += around
            done[now] = None if anywhere else self._merged(set(now.difference(leaving)), steps)
        return done[where]


def only_records(large: Loop, small: Loop) -> bool:
    """Whether what the one computes beyond the other cannot raise: it records what is there."""
    known = set(topological(small.operands))
    nodes = topological([large])
    tapes = {
        v for loop in nodes if isinstance(loop, Loop)
        for v, start in zip(loop.carried, loop.initial, strict=True)
        if isinstance(start, Apply) and start.op is new_list
    }  # fmt: skip
    whiles = [n for n in known if isinstance(n, While)]
    for node in nodes:
        if node in known or node is large:
            continue
        if isinstance(node, While):
            if not any(_slots(x) <= _slots(node) for x in whiles):
                return False  # it may not end
        elif not _is_tame(node, tapes):
            return False
    return True


def _slots(loop: While) -> set[tuple[Expr, ...]]:
    """What it carries, and when it ends."""
    carried = zip(loop.carried, loop.initial, loop.body, strict=True)
    return {(loop.cond, loop.until), *carried}


def _is_tame(node: Expr, tapes: AbstractSet[Expr]) -> bool:
    """Whether computing a node cannot raise."""
    if not isinstance(node, Apply):
        return not isinstance(node, Call)
    if node.op is update:
        return node.operands[0] in tapes
    if node.op in (append, new_list) or not node.operands:  # a size, a range
        return True
    if node.op is divide and isinstance(last := node.operands[1], Const) and not last.type.rank:
        return bool(last.value)
    shapes = {x.type.shape for x in node.operands if x.type.rank}
    return isinstance(node.op, Elementwise) and not node.op.raises and len(shapes) < 2
