"""What one loop has computed at some cost, and a later loop over the same rounds computes again.

    for i: s += exp(x[i] - m)              for i: t[i] = exp(x[i] - m); s += t[i]
    ...                             ->     ...
    for i: d[i] = exp(x[i] - m) / s        for i: d[i] = t[i] / s

Derivatives ask for the functions that the value is made of. Their checks are not made twice.
"""

from __future__ import annotations

import re

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Each,
    Fail,
    Forever,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    substituted,
    subterms,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known

# What takes longer than to read and write a number.
_COSTLY = re.compile(
    r"\b(exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan|sinh|cosh|tanh|pow|asin|acos|atan|atan2|"
    r"asinh|acosh|atanh|cbrt|hypot|erf|erfc|lgamma|tgamma)\("
)
_ROUND = Ref(Local("round", "int"))  # stands for the index of either loop
_NEVER = Num(False, "bool")
_LARGEST = 40  # parts of a formula that is looked for
_MOST = 60  # loops of a block


def keep_costly(body: list[Statement], known: Known) -> None:
    """Keep what later loops would compute again, in place."""
    for s in body:
        for inner in blocks_of(s):
            keep_costly(inner, known)
    loops = [k for k, s in enumerate(body) if isinstance(s, Each) and _is_flat(s)][:_MOST]
    made: dict[int, _Made] = {k: _Made(body[k]) for k in loops}  # type: ignore[arg-type]
    before: dict[int, list[Statement]] = {}
    for n, late in enumerate(loops):
        for early in loops[:n]:
            if made[early].costly and made[late].costly:
                _share(body, early, late, made, before, known)
    if before:
        kept = [x for k, s in enumerate(body) for x in (*before.get(k, ()), s)]
        body[:] = [s for s in kept if not (isinstance(s, Fail) and s.test == _NEVER)]


def _is_flat(loop: Each) -> bool:
    inner = (Each, Forever, Branch, Fail)
    return loop.step == 1 and not any(isinstance(s, inner) for s in loop.body)


class _Made:
    """What a loop computes, in terms of what is there before it."""

    def __init__(self, loop: Each):
        self.loop = loop
        self.costly: dict[Term, Let] = {}
        self.kept: dict[Term, Buffer] = {}
        self.tests: dict[Term, Local] = {}  # what must not hold, and the flag that says so
        meaning: dict[Local, Term] = {loop.index: _ROUND}
        for s in loop.body:
            match s:
                case Let(local, value):
                    whole = substituted(value, meaning)
                    parts = list(subterms(whole))
                    if len(parts) > _LARGEST:
                        continue
                    meaning[local] = whole
                    if isinstance(value, Op) and _COSTLY.search(value.code):
                        self.costly.setdefault(whole, s)
                case Set(local, Op("{0} | {1}", (Ref(own), test))) if own is local:
                    self.tests.setdefault(substituted(test, meaning), local)
                case _:
                    pass


def _share(
    body: list[Statement],
    early: int,
    late: int,
    made: dict[int, _Made],
    before: dict[int, list[Statement]],
    known: Known,
) -> None:
    a, b = made[early], made[late]
    if not (known.equal(a.loop.start, b.loop.start) and known.equal(a.loop.stop, b.loop.stop)):
        return
    if not (known.at_least(a.loop.start, 0) and known.at_least(a.loop.stop, 0)):
        return
    changed = access_of(body[early : late + 1]).writes - {a.loop.index, b.loop.index}
    shared = [t for t in b.costly if t in a.costly and not _reads(t, changed)]
    for term in shared:
        buffer = a.kept.get(term)
        let = a.costly[term]
        if buffer is None:
            buffer = Buffer(let.local.name, let.local.dtype, (a.loop.stop,))
            a.kept[term] = buffer
            before.setdefault(early, []).append(Alloc(buffer))
            here = Store(buffer, (Ref(a.loop.index),), Ref(let.local), line=let.line)
            a.loop.body.insert(a.loop.body.index(let) + 1, here)
        again = b.costly.pop(term)
        again.value = Load(buffer, (Ref(b.loop.index),))
    if shared:
        _drop_checks(body, early, late, a, b, changed)


def _reads(term: Term, changed: set[Local | Buffer]) -> bool:
    for part in subterms(term):
        if isinstance(part, Ref) and part.local in changed:
            return True
        if isinstance(part, Load) and part.buffer in changed:
            return True
    return False


def _drop_checks(
    body: list[Statement], early: int, late: int, a: _Made, b: _Made, changed: set[Local | Buffer]
) -> None:
    """What has been checked between the loops is not checked again."""
    checked = {
        p.local
        for s in body[early + 1 : late]
        if isinstance(s, Fail)
        for p in subterms(s.test)
        if isinstance(p, Ref)
    }
    started = {s.local for x in body for s in statements([x]) if isinstance(s, Set)
               and s.value == Num(0, "int")}  # fmt: skip
    later = {flag for flag in a.tests.values() if flag not in started}  # raised after all rounds
    checked |= later
    for test, flag in b.tests.items():
        if a.tests.get(test) in checked and not _reads(test, changed):
            b.loop.body[:] = [
                s for s in b.loop.body if not (isinstance(s, Set) and s.local is flag)
            ]
            if not any(isinstance(s, Set) and s.local is flag for s in statements(b.loop.body)):
                _drop_flag(body, flag)


def _drop_flag(body: list[Statement], flag: Local) -> None:
    """A flag that nothing raises."""
    own = Ref(flag)
    raised = [s for x in body for s in statements([x]) if isinstance(s, Set) and s.local is flag]
    if any(s.value != Num(0, "int") for s in raised):
        return
    for k, s in enumerate(body):
        if isinstance(s, Fail) and own in subterms(s.test):
            body[k] = Fail(_NEVER, s.fault)
