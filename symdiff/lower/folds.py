"""Rounds that sum up over one range sum up four at a time: what they share is read once for four.

    for a:                                     for a in steps of 4:
        s = 0.0                                    s, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
        for l: s += x[a, l] * w[l]     ->          for l: s += x[a, l] * w[l]; s2 += ...
        d[a] += s                                  d[a] += s; d[a + 1] += s2; ...
                                               for a in the rest: ...

Four sums do not wait for each other, as the rounds of one do. It is what `jam` does, for sums in
variables; what is added to memory may be added in any order.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Each,
    Let,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    substituted,
    subterms,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known
from symdiff.lower.jam import ROUNDS, in_fours
from symdiff.lower.places import changing, is_steady

_MOST = 6  # statements of the inner loop


def fold_together(body: list[Statement], known: Known) -> None:
    """Take such loops four rounds at a time, in place."""
    result: list[Statement] = []
    for s in body:
        made = _folded(s, known) if isinstance(s, Each) else None
        if made is None:
            for inner in blocks_of(s):
                fold_together(inner, known)
        result += [s] if made is None else made
    body[:] = result


def _folded(loop: Each, known: Known) -> list[Statement] | None:
    """The loop over fours, and that over the rest; None where the loop is not of this kind."""
    loops = [k for k, s in enumerate(loop.body) if isinstance(s, Each)]
    if loop.step != 1 or len(loops) != 1 or isinstance(known.plain(loop.stop), Num):
        return None
    inner = loop.body[loops[0]]
    assert isinstance(inner, Each)
    head, tail = loop.body[: loops[0]], loop.body[loops[0] + 1 :]
    if not _is_sum(loop, head, inner, tail):
        return None
    rest, whole = in_fours(loop)
    k = Local(inner.index.name, "int")
    j = Local(loop.index.name, "int")
    parts: tuple[list[Statement], list[Statement], list[Statement]] = ([], [], [])
    for n in range(ROUNDS):
        at = Ref(j) if not n else Op("{0} + {1}", (Ref(j), Num(n, "int")), "int")
        mapping: dict[Local, Term] = {loop.index: at, inner.index: Ref(k)}
        for part, source in zip(parts, (head, inner.body, tail), strict=True):
            part += [_copied(s, mapping) for s in source]
    for old, new in ((loop.index, j), (inner.index, k)):
        if old in known.ranges:
            known.ranges[new] = known.ranges[old]
    sums = Each(k, inner.start, inner.stop, 1, parts[1], line=inner.line)
    main = Each(j, loop.start, Ref(rest), ROUNDS, [*parts[0], sums, *parts[2]], line=loop.line)
    remaining = Each(loop.index, Ref(rest), loop.stop, 1, loop.body, line=loop.line)
    return [Let(rest, whole), main, remaining]


def _is_sum(loop: Each, head: list[Statement], inner: Each, tail: list[Statement]) -> bool:
    """Whether rounds sum up in variables of their own, and add to memory that none reads."""
    if inner.step != 1 or len(inner.body) > _MOST:
        return False
    if not all(isinstance(s, (Let, Set)) for s in (*head, *inner.body)):
        return False
    if not tail or not all(isinstance(s, Let) or (isinstance(s, Store) and s.add) for s in tail):
        return False
    started = {s.local for s in head}  # type: ignore[union-attr]
    if not any(isinstance(s, Set) for s in inner.body):
        return False
    if any(isinstance(s, Set) and s.local not in started for s in inner.body):
        return False
    if any(isinstance(s, Set) and s.local in _read(s.value) for s in head):
        return False
    access = access_of(loop.body)
    if any(isinstance(s, Store) and s.buffer in access.looked for s in tail):
        return False
    other = changing(loop, access) - {inner.index} | {loop.index}
    return is_steady((inner.start, inner.stop), other, set(access.writes))


def _read(term: Term) -> set[Local]:
    return {p.local for p in subterms(term) if isinstance(p, Ref)}


def _copied(s: Statement, mapping: dict[Local, Term]) -> Statement:
    """A statement of one of four rounds, with variables of its own."""
    match s:
        case Let(local, value, line):
            value = substituted(value, mapping)
            fresh = Local(local.name, local.dtype)
            mapping[local] = Ref(fresh)
            return Let(fresh, value, line)
        case Set(local, value, line):
            known = mapping.get(local)
            if not isinstance(known, Ref):
                known = Ref(Local(local.name, local.dtype))
            value = substituted(value, {**mapping, local: known})
            mapping[local] = known
            return Set(known.local, value, line)
        case Store(buffer, index, value, add, line):
            index = tuple(substituted(i, mapping) for i in index)
            return Store(buffer, index, substituted(value, mapping), add, line)
        case _:
            raise AssertionError("only what is simple is copied")
