"""Rounds that go different ways as rounds that go the same way: what would not run has no effect.

    if x > 0.0: (for j: k = j; if t[j] == x: break)      go = x > 0.0
                                                   ->    for j: k = go ? j : k; go = go && t[j] != x

Only variables may change inside; then it does no harm to compute what is not asked for.
"""

from __future__ import annotations

from collections import Counter

from symdiff.ir.nest import (
    Branch,
    Declare,
    Each,
    Leave,
    Let,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Term,
    blocks_of,
    statements,
    subterms,
    terms_of,
    written_by,
)

_TRUE = Num(True, "bool")


def masked(loop: Each) -> Each | None:
    """`loop` without branches around loops, and without early ends; None where that cannot be."""
    if not any(_is_odd(s) for s in statements(loop.body)):
        return loop
    writer = _Masking(mentions(loop.body))
    body = writer.block(loop.body, None, set())
    if body is None:
        return None
    return Each(loop.index, loop.start, loop.stop, loop.step, body, line=loop.line)


def _is_odd(s: Statement) -> bool:
    if isinstance(s, Leave):
        return True
    return isinstance(s, Branch) and any(
        isinstance(x, Each) for side in blocks_of(s) for x in statements(side)
    )


class _Masking:
    """mentions: how often each variable stands in the loop.

    own: the variables that are of the region that a mask is for: no one else sees them.
    """

    def __init__(self, mentions: Counter[Local]):
        self.mentions = mentions

    def block(
        self, body: list[Statement], mask: Term | None, own: set[Local]
    ) -> list[Statement] | None:
        out: list[Statement] = []
        for s in body:
            made = self.statement(s, mask, own)
            if made is None:
                return None
            out += made
        return out

    def statement(self, s: Statement, mask: Term | None, own: set[Local]) -> list[Statement] | None:
        match s:
            case Let():
                return [s]
            case Declare(local=local):
                zero = {"bool": Num(False, "bool"), "int": Num(0, "int")}
                return [Set(local, zero.get(local.dtype, Num(0.0, local.dtype)))]
            case Set(local, value, line):
                if mask is None or local in own:
                    return [s]
                kept = Op("{0} ? {1} : {2}", (mask, value, Ref(local)), local.dtype)
                return [Set(local, kept, line)]
            case Each():
                return self._each(s, mask, own)
            case Branch(then=then, orelse=orelse) if mask is not None or _is_odd(s):
                return self._branch(s.test, then, orelse, mask, own)
            case _:
                return None if mask is not None else [s]

    def _each(self, s: Each, mask: Term | None, own: set[Local]) -> list[Statement] | None:
        last = s.body[-1] if s.body else None
        if not (isinstance(last, Branch) and any(isinstance(x, Leave) for x in last.then)):
            body = self.block(s.body, mask, own | self._own(s.body))
            if body is None or any(isinstance(x, Leave) for x in statements(body)):
                return None
            return [Each(s.index, s.start, s.stop, s.step, body, line=s.line)]
        if len(last.then) > 1 or last.orelse:
            return None
        go = Local("go", "bool")
        body = self.block(s.body[:-1], Ref(go), self._own(s.body))
        if body is None or any(isinstance(x, Leave) for x in statements(body)):
            return None
        on = Op("{0} && {1}", (Ref(go), Op("!{0}", (last.test,), "bool")), "bool")
        body.append(Set(go, on))
        start = _TRUE if mask is None else mask
        return [Set(go, start), Each(s.index, s.start, s.stop, s.step, body, line=s.line)]

    def _branch(
        self,
        test: Term,
        then: list[Statement],
        orelse: list[Statement],
        mask: Term | None,
        own: set[Local],
    ) -> list[Statement] | None:
        out: list[Statement] = []
        for side, holds in ((then, True), (orelse, False)):
            if not side:
                continue
            here = test if holds else Op("!{0}", (test,), "bool")
            if mask is not None:
                here = Op("{0} && {1}", (mask, here), "bool")
            flag = Local("on", "bool")
            out.append(Let(flag, here))
            body = self.block(side, Ref(flag), self._own(side))
            if body is None:
                return None
            out += body
        return out

    def _own(self, body: list[Statement]) -> set[Local]:
        """The variables that only `body` has, in each of whose runs they are new."""
        inside = mentions(body)
        first: dict[Local, bool] = {}
        for s in statements(body):
            for term in terms_of(s):
                for p in subterms(term):
                    if isinstance(p, Ref):
                        first.setdefault(p.local, False)
            for x in written_by(s):
                if isinstance(x, Local):
                    first.setdefault(x, True)
        return {x for x, n in inside.items() if n == self.mentions[x] and first.get(x)}


def mentions(body: list[Statement]) -> Counter[Local]:
    found: Counter[Local] = Counter()
    for s in statements(body):
        found.update(x for x in written_by(s) if isinstance(x, Local))
        if isinstance(s, Declare):
            found[s.local] += 1
        for term in terms_of(s):
            found.update(p.local for p in subterms(term) if isinstance(p, Ref))
    return found
