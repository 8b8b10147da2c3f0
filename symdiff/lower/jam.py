"""Rounds that add to the same row add four at a time: the row is read and written once for four.

    for j: for k: t[k] += a[j] * w[j, k]     ->     for j in steps of 4:
                                                        for k: t[k] += a[j] * w[j, k] + ...
                                                    for j in the rest: for k: ...

Products of matrices, and sums of rows weighted by whatever, are made of such loops.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Buffer,
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
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known
from symdiff.lower.places import changing, is_steady

ROUNDS = 4
_MOST = 12  # statements of the inner loop


def jam(body: list[Statement], known: Known) -> None:
    """Jam such loops, in place."""
    result: list[Statement] = []
    for s in body:
        made = _jammed(s, known) if isinstance(s, Each) else None
        if made is None:
            for inner in blocks_of(s):
                jam(inner, known)
        result += [s] if made is None else made
    body[:] = result


def in_fours(loop: Each) -> tuple[Local, Term]:
    """A variable for where the fours of rounds end, and its value."""
    zero = loop.start == Num(0, "int")
    span = loop.stop if zero else Op("{0} - {1}", (loop.stop, loop.start), "int")
    whole = Op("{0} / {1} * {1}", (span, Num(ROUNDS, "int")), "int")
    end = whole if zero else Op("{0} + {1}", (loop.start, whole), "int")
    return Local("tail", "int"), end


def _jammed(loop: Each, known: Known) -> list[Statement] | None:
    """The loop over fours, and that over the rest; None where the loop is not of this kind."""
    inner = loop.body[-1] if loop.body else None
    if loop.step != 1 or not isinstance(inner, Each) or inner.step != 1:
        return None
    if isinstance(loop.start, Num) and isinstance(loop.stop, Num):
        return None  # known to be short
    if not _is_before(loop.body[:-1], inner) or not _is_sum(loop, inner):
        return None
    tail, whole = in_fours(loop)
    j, k = Local(loop.index.name, "int"), Local(inner.index.name, "int")
    body: list[Statement] = []
    rounds: list[Statement] = []
    sums: list[list[Term]] = []
    stores = [s for s in inner.body if isinstance(s, Store)]
    for n in range(ROUNDS):
        at = Ref(j) if not n else Op("{0} + {1}", (Ref(j), Num(n, "int")), "int")
        mapping: dict[Local, Term] = {loop.index: at, inner.index: Ref(k)}
        for s in loop.body[:-1]:
            _copy(s, mapping, body)
        for s in inner.body:
            if isinstance(s, Let):
                _copy(s, mapping, rounds)
        sums.append([substituted(s.value, mapping) for s in stores])
    for store, values in zip(stores, zip(*sums, strict=True), strict=True):
        total = values[0]
        for value in values[1:]:
            total = Op("{0} + {1}", (total, value), store.buffer.dtype)
        index = tuple(substituted(i, {inner.index: Ref(k)}) for i in store.index)
        rounds.append(Store(store.buffer, index, total, True, store.line))
    for old, new in ((loop.index, j), (inner.index, k)):
        if old in known.ranges:
            known.ranges[new] = known.ranges[old]
    body.append(Each(k, inner.start, inner.stop, 1, rounds, line=inner.line))
    main = Each(j, loop.start, Ref(tail), ROUNDS, body, line=loop.line)
    rest = Each(loop.index, Ref(tail), loop.stop, 1, loop.body, line=loop.line)
    return [Let(tail, whole), main, rest]


def _is_before(head: list[Statement], inner: Each) -> bool:
    """Whether what is before the inner loop may be done for four rounds before that."""
    if not all(isinstance(s, (Let, Set, Store)) for s in head):
        return False
    first, second = access_of(head), access_of(inner.body)
    changed = {s.local for s in head if isinstance(s, Set)}
    made = {x for x in first.writes if isinstance(x, Buffer)}
    touched = {x for x in first.reads | first.writes if isinstance(x, Buffer)}
    return not (changed & second.reads or made & second.reads or touched & second.writes)


def _is_sum(loop: Each, inner: Each) -> bool:
    """Whether rounds only add, each to the same places."""
    stores = [s for s in inner.body if isinstance(s, Store)]
    if not stores or len(inner.body) > _MOST:
        return False
    if not all(isinstance(s, (Let, Store)) for s in inner.body):
        return False
    access = access_of(loop.body)
    outer = changing(loop, access) - {inner.index} | {loop.index}
    if any(not s.add or s.buffer in access.looked or s.buffer.growing for s in stores):
        return False
    if len({s.buffer for s in stores}) < len(stores):
        return False
    steady = (inner.start, inner.stop, *(i for s in stores for i in s.index))
    return is_steady(steady, outer, set(access.writes))


def _copy(s: Statement, mapping: dict[Local, Term], into: list[Statement]) -> None:
    """One round's own variables."""
    if isinstance(s, Let):
        fresh = Local(s.local.name, s.local.dtype)
        into.append(Let(fresh, substituted(s.value, mapping), s.line))
        mapping[s.local] = Ref(fresh)
    elif isinstance(s, Set):
        into.append(Set(s.local, substituted(s.value, mapping), s.line))
    elif isinstance(s, Store):
        index = tuple(substituted(i, mapping) for i in s.index)
        into.append(Store(s.buffer, index, substituted(s.value, mapping), s.add, s.line))
