"""Checks of indices that a loop reads from memory come before it, in a loop of their own.

    for i:                                   for i:
        k = at[i]                                k = at[i]
        if k >= n: fail                          bad |= k >= n
        y[i] = x[k]                   ->     if bad: fail
                                             for i:
                                                 k = at[i]
                                                 y[i] = x[k]

The loop that is left never leaves memory, so its rounds may run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from symdiff.ir.nest import (
    Declare,
    Each,
    Fail,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Term,
    blocks_of,
    statements,
    substituted,
    subterms,
    terms_of,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known


def checked_before(loop: Each) -> list[Statement]:
    """The checks of a loop that do not depend on what it does, taken out of it; none if some do."""
    found = [s for s in loop.body if isinstance(s, Fail) and s.guard]
    access = access_of(loop.body)
    lets = {s.local: s for s in loop.body if isinstance(s, Let)}
    needed: set[Local] = set()
    places: list[Term] = []  # checks that are not of what memory holds
    for check in found:
        reads = _made_of(check.test, lets)
        if reads is None:
            return []
        needed |= reads
        if not any(_loads(t) for t in (check.test, *(lets[x].value for x in reads))):
            places.append(check.test)
    checks: list[Statement] = [
        s for s in loop.body if s in found or (isinstance(s, Let) and s.local in needed)
    ]
    terms = [t for s in checks for t in terms_of(s)]
    changing = access.writes - lets.keys()
    loads = [load for t in terms for load in _loads(t)]
    for part in (p for t in terms for p in subterms(t)):
        if isinstance(part, Ref) and part.local in changing:
            return []
    # All are looked at before any is raised: what is read must be there in any case.
    if not found or (loads and places) or any(x.buffer in changing for x in loads):
        return []
    for i in (i for load in loads for i in load.index):
        behind = _made_of(i, lets)
        if behind is None or _loads(i) or any(_loads(lets[x].value) for x in behind):
            return []
    loop.body[:] = [s for s in loop.body if s not in found]
    indices = {p.local for t in terms for p in subterms(t) if _is_ref(p)}
    if loop.index not in indices and not loads:
        return _once(loop, checks)
    return _checking(loop, checks)


def _loads(term: Term) -> list[Load]:
    return [p for p in subterms(term) if isinstance(p, Load)]


def _is_ref(term: Term) -> TypeGuard[Ref]:
    return isinstance(term, Ref)


def _once(loop: Each, body: list[Statement]) -> list[Statement]:
    """Checks that are the same in all rounds, for where there is a round."""
    low, high = (loop.start, loop.stop) if loop.step > 0 else (loop.stop, loop.start)
    some = Op("{0} < {1}", (low, high), "bool")
    mapping: dict[Local, Term] = {}
    made: list[Statement] = []
    for s in body:
        if isinstance(s, Let):
            fresh = Local(s.local.name, s.local.dtype)
            made.append(Let(fresh, substituted(s.value, mapping), s.line))
            mapping[s.local] = Ref(fresh)
        elif isinstance(s, Fail):
            test = Op("{0} && {1}", (some, substituted(s.test, mapping)), "bool")
            made.append(Fail(test, s.fault, True))
    return made


def _made_of(term: Term, lets: dict[Local, Let]) -> set[Local] | None:
    """The values of a round that a term is made of; None where that is much."""
    found: set[Local] = set()
    stack = [term]
    while stack:
        for part in subterms(stack.pop()):
            if isinstance(part, Ref) and part.local in lets and part.local not in found:
                found.add(part.local)
                stack.append(lets[part.local].value)
    return found if len(found) <= _MUCH else None


_MUCH = 8


def _checking(loop: Each, body: list[Statement]) -> list[Statement]:
    """The loop of the checks, and what is raised after it. Its variables are its own."""
    index = Local(loop.index.name, "int")
    mapping: dict[Local, Term] = {loop.index: Ref(index)}
    flags: dict[int, Local] = {}
    made: list[Statement] = []
    for s in body:
        if isinstance(s, Let):
            fresh = Local(s.local.name, s.local.dtype)
            made.append(Let(fresh, substituted(s.value, mapping), s.line))
            mapping[s.local] = Ref(fresh)
        elif isinstance(s, Fail):
            flag = flags.setdefault(s.fault, Local("bad", "int"))
            test = substituted(s.test, mapping)
            made.append(Set(flag, Op("{0} | {1}", (Ref(flag), test), "int")))
    start, stop = (substituted(x, mapping) for x in (loop.start, loop.stop))
    return [
        *(Set(flag, Num(0, "int")) for flag in flags.values()),
        Each(index, start, stop, loop.step, made, line=loop.line),
        *(Fail(Op("{0} != 0", (Ref(x),), "bool"), k, True) for k, x in flags.items()),
    ]


# Checks that have been made.


def drop_repeated(body: list[Statement], known: Known) -> None:
    """Remove the checks of integers that another before them has made, in place."""
    changing = {s.local for s in statements(body) if isinstance(s, (Set, Declare))}
    stack: list[tuple[list[Statement], frozenset[object]]] = [(body, frozenset())]
    while stack:
        block, made = stack.pop()
        kept: list[Statement] = []
        for s in block:
            if isinstance(s, Fail) and s.guard:
                parts = _parts(s.test, changing, known)
                if parts and any(frozenset(some) in made for some in _subsets(parts)):
                    continue
                if parts:
                    made |= {frozenset(parts)}
            kept.append(s)
            stack.extend((inner, made) for inner in blocks_of(s))
        block[:] = kept


def _parts(test: Term, changing: set[Local], known: Known) -> list[object]:
    """What a check compares, each comparison as a linear form; none where that is not known."""
    found: list[object] = []
    stack = [test]
    while stack:
        term = stack.pop()
        if isinstance(term, Op) and term.code == "{0} && {1}":
            stack += term.args
            continue
        if not isinstance(term, Op) or term.code not in ("{0} >= {1}", "{0} < {1}"):
            return []
        form = known.form(Op("{0} - {1}", term.args, "int"))
        if form is None or not changing.isdisjoint(form):
            return []
        found.append((term.code, frozenset(form.items())))
    return found


def _subsets(parts: list[object]) -> Iterator[list[object]]:
    """All of several conditions, and each alone: whichever of them has been checked."""
    yield parts
    for part in parts:
        yield [part]
