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

from symdiff.ir.nest import (
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
    substituted,
    subterms,
    terms_of,
)
from symdiff.lower.access import access_of


def checked_before(loop: Each) -> list[Statement]:
    """The checks of a loop that do not depend on what it does, taken out of it; none if some do."""
    found = [s for s in loop.body if isinstance(s, Fail) and s.guard]
    access = access_of(loop.body)
    lets = {s.local: s for s in loop.body if isinstance(s, Let)}
    needed: set[Local] = set()
    for check in found:
        reads = _made_of(check.test, lets)
        if reads is None:
            return []
        needed |= reads
    changing = access.writes - lets.keys()
    for s in (*(lets[x] for x in needed), *found):
        for term in terms_of(s):
            for part in subterms(term):
                touched = part.local if isinstance(part, Ref) else None
                touched = part.buffer if isinstance(part, Load) else touched
                if touched in changing:
                    return []
    if not found:
        return []
    loop.body[:] = [s for s in loop.body if s not in found]
    return _checking(loop, [s for s in (*lets.values(), *found) if _is_of(s, needed)])


def _is_of(s: Statement, needed: set[Local]) -> bool:
    return not isinstance(s, Let) or s.local in needed


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
