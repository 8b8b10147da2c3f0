"""Arrays that a round keeps as they are, while the next one goes on writing: they become copies.

    a[0] = e * x              in the IR `best` is `a`, a value; in memory it would be the array
    best = a.copy()           that the next round writes into

A loop holds each array that it carries in a slot. Where what a round leaves in one is the memory of
another, too, and rounds write into either, one of the two owns it and the other is a copy.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from symdiff.ir.expr import Apply, Expr, If, Loop, Project, Var, if_, with_operands
from symdiff.ir.function import Function
from symdiff.ir.walk import branchwise, depends_on, topological, transform
from symdiff.plan.memory import FILLS, VIEWS, is_flavour_change
from symdiff.primitives.arrays import broadcast_like, broadcast_to
from symdiff.primitives.elementary import sized
from symdiff.primitives.indexing import accumulate, index, update
from symdiff.primitives.lists import append, drop
from symdiff.primitives.sharing import snapshot

_WRITES = frozenset((accumulate, update, append, drop))
_SPREAD = frozenset((broadcast_to, broadcast_like))


def with_snapshots(function: Function) -> Function:
    """`function`, with copies where its loops need them."""
    roots = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
    memory = _Memory(topological(roots))
    if not memory.written:
        return function
    lines = dict(function.lines)

    def rewrite(node: Expr) -> Expr:
        return _Slots(node, memory, lines).copied() if isinstance(node, Loop) else node

    done: dict[Expr, Expr] = {}
    transform(roots, rewrite, done)
    if all(done[x] is x for x in roots):
        return function
    return function.replace(lines=lines).rewritten(done)


class _Memory:
    """What may share memory in a function.

    starts: what each carried array starts as. written: those whose memory is written, in a round
    or after the loop.
    """

    def __init__(self, nodes: list[Expr]):
        self.starts: dict[Expr, Expr] = {}
        bodies: dict[Expr, Expr] = {}
        for node in nodes:
            if isinstance(node, Loop):
                self.starts.update(zip(node.carried, node.initial, strict=True))
                bodies.update(zip(node.carried, node.body, strict=True))
        self.written: set[Expr] = set()
        stack = [n.operands[0] for n in nodes if type(n) is Apply and n.op in _WRITES]
        seen = set(stack)
        while stack:
            top = stack.pop()
            below = self.shared(top)
            if top in bodies:
                self.written.add(top)
                below = (*below, bodies[top])
            for x in below:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)

    def shared(self, node: Expr, own: Container[Expr] = ()) -> tuple[Expr, ...]:
        """The values whose memory that of `node` may be.

        own: the variables that stand for memory of their own, as those of the loop in question.
        """
        match node:
            case If():
                return (node.then, node.orelse)
            case Project() if isinstance(node.operands[0], Loop):
                loop, k = node.operands[0], node.index
                return (loop.initial[k], loop.body[k], loop.carried[k])
            case Var():
                return (self.starts[node],) if node in self.starts and node not in own else ()
            case Apply():
                if node.op in _WRITES and _is_blank(node.operands[0]):
                    return ()  # each writer makes its own
                if node.op in _WRITES or node.op is sized or is_flavour_change(node):
                    return node.operands[:1]
                if node.op is index:
                    copies = any(e[0] in ("array", "mask") for e in node.attrs[0])
                    return () if copies or not node.type.rank else node.operands[:1]
                return node.operands[:1] if node.op in VIEWS else ()
            case _:
                return ()

    def chain(self, start: Expr, own: Container[Expr]) -> list[Expr]:
        """`start` and all whose memory it may be."""
        found = {start: None}
        stack = [start]
        while stack:
            for x in self.shared(stack.pop(), own):
                if x not in found and x.type.rank:
                    found[x] = None
                    stack.append(x)
        return list(found)

    def roots(self, start: Expr, own: Container[Expr]) -> set[Expr]:
        """Where the memory of a value may have been made."""
        return {x for x in self.chain(start, own) if not self.shared(x, own)}


class _Slots:
    """The arrays that one loop carries, and the memory that each round leaves them in."""

    def __init__(self, loop: Loop, memory: _Memory, lines: dict[Expr, int]):
        self.loop, self.memory, self.lines = loop, memory, lines
        self.number: dict[Expr, int] = {v: k for k, v in enumerate(loop.carried) if v.type.rank}
        self.written = {k for v, k in self.number.items() if v in memory.written}

    def copied(self) -> Expr:
        """The loop, with copies in its body."""
        loop = self.loop
        if not self.written:
            return loop
        self.held = {k: self._roots(loop.body[k]) for k in self.number.values()}
        self.changing = depends_on(loop.inside, loop.bound)
        body = list(loop.body)
        for k in self.number.values():
            body[k] = self._kept(k, body[k])
        first = loop.head + len(body)
        return with_operands(loop, (*loop.operands[:first], *body, loop.until))

    def _roots(self, value: Expr) -> set[Expr]:
        return self.memory.roots(value, self.number)

    def _kept(self, k: int, value: Expr) -> Expr:
        """What a round leaves in slot `k`: a copy, or a choice among copies, where needed."""
        chosen = isinstance(value, If)

        def leaf(x: Expr) -> Expr:
            lent = chosen and k in self.written and self._is_lent(x)
            if not lent and not self._is_held_elsewhere(k, x, chosen):
                return x
            return self._noted(x, snapshot.build(x))

        def branch(x: If, then: Expr, orelse: Expr) -> Expr:
            if then is x.then and orelse is x.orelse:
                return x
            return self._noted(x, if_(x.pred, then, orelse, x.type))

        return branchwise(value, leaf, branch)

    def _noted(self, old: Expr, new: Expr) -> Expr:
        if old in self.lines:
            self.lines.setdefault(new, self.lines[old])
        return new

    def _is_lent(self, value: Expr) -> bool:
        """Whether NumPy gives `value` only to be read: it is broadcast."""
        chain = self.memory.chain(value, self.number)
        return any(type(x) is Apply and x.op in _SPREAD and x.operands[0].type.rank for x in chain)

    def _is_held_elsewhere(self, k: int, value: Expr, chosen: bool) -> bool:
        """Whether another slot owns memory of `value`, and a round writes into it."""
        for root in self._roots(value):
            if self.number.get(root) == k or _is_blank(root):
                continue
            others = [j for j, held in self.held.items() if j != k and root in held]
            if self.written.isdisjoint((k, *others)):
                continue
            if others and self._owner(root, (k, *others)) != k:
                return True
            # What was there before the round is the branch's own only as a copy.
            if chosen and k in self.written and root not in self.changing:
                return True
        return False

    def _owner(self, root: Expr, slots: Iterable[int]) -> int:
        """The slot that goes on in the memory `root`; the others have copies."""
        own = self.number.get(root)
        return own if own is not None and own in slots else min(slots)


def _is_blank(root: Expr) -> bool:
    """Whether an array of zeros or the like is made wherever it is written."""
    return type(root) is Apply and root.op in FILLS
