"""What all rounds of a loop add to one element is summed in a variable, and added once.

    for j: v[i] += x[j] * y[j]     ->     total = 0.0
                                          for j: total += x[j] * y[j]
                                          if 0 < n: v[i] += total

A sum in memory makes each round wait for the one before; one in a variable can be SIMD.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Branch,
    Declare,
    Each,
    Invoke,
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
    terms_of,
    with_terms,
    written_by,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known
from symdiff.lower.places import changing, is_steady


def go_on(body: list[Statement]) -> None:
    """Inner loops go on with the variable of the outer one: `b = a; loop over b; a = b`."""
    seen: dict[Local, int] = {}
    for s in statements(body):
        for x in _variables(s):
            seen[x] = seen.get(x, 0) + 1
    stack = [body]
    while stack:
        block = stack.pop()
        for k, s in enumerate(block):
            stack.extend(blocks_of(s))
            if not (isinstance(s, Set) and isinstance(s.value, Ref) and s.value != Ref(s.local)):
                continue
            own, outer = s.local, s.value.local
            end = next(
                (m for m in range(k + 1, len(block)) if _gives(block[m], outer, own)), None
            )  # fmt: skip
            if end is None or own.dtype != outer.dtype:
                continue
            between = [x for t in statements(block[k + 1 : end]) for x in _variables(t)]
            if outer in between or between.count(own) + 2 != seen[own]:
                continue
            if any(
                isinstance(t, Invoke) and own in t.results for t in statements(block[k + 1 : end])
            ):
                continue
            for t in statements(block[k + 1 : end]):
                if isinstance(t, Set) and t.local is own:
                    t.local = outer
                with_terms(t, lambda term, a=own, b=outer: substituted(term, {a: Ref(b)}))
            block[k] = block[end] = Set(outer, Ref(outer))
        block[:] = [s for s in block if not (isinstance(s, Set) and s.value == Ref(s.local))]


def _gives(s: Statement, to: Local, what: Local) -> bool:
    return isinstance(s, Set) and s.local is to and s.value == Ref(what)


def _variables(s: Statement) -> list[Local]:
    """The variables that a statement itself names, as often as it does."""
    found = [x for x in written_by(s) if isinstance(x, Local)]
    if isinstance(s, Declare):
        found.append(s.local)
    parts = (p for term in terms_of(s) for p in subterms(term))
    return [*found, *(p.local for p in parts if isinstance(p, Ref))]


def sum_up(body: list[Statement], known: Known) -> None:
    """Sum in variables what loops add to one element, in place, inner loops first."""
    result: list[Statement] = []
    for s in body:
        for inner in blocks_of(s):
            sum_up(inner, known)
        if isinstance(s, Each):
            result += _summed(s, known)
        else:
            result.append(s)
    body[:] = result


def _summed(loop: Each, known: Known) -> list[Statement]:
    """The loop, what comes before it and what after."""
    access = access_of(loop.body)
    other = changing(loop, access) | {loop.index}
    totals: dict[tuple[object, tuple[Term, ...]], tuple[Local, Store]] = {}
    stack = [loop.body]
    while stack:
        block = stack.pop()
        for k, s in enumerate(block):
            stack.extend(blocks_of(s))
            if not isinstance(s, Store) or not s.add or s.buffer in access.looked:
                continue
            if s.buffer.growing or not is_steady(s.index, other, set(access.writes)):
                continue
            kind = s.buffer.dtype
            key = (s.buffer, s.index)
            local, _ = totals.setdefault(key, (Local("total", kind), s))
            block[k] = Set(local, Op("{0} + {1}", (Ref(local), s.value), kind), s.line)
    before: list[Statement] = []
    after: list[Statement] = []
    for local, store in totals.values():
        zero = 0.0 if local.dtype.startswith("float") else 0
        before.append(Set(local, Num(zero, local.dtype)))
        after.append(Store(store.buffer, store.index, Ref(local), add=True, line=store.line))
    if after:
        low, high = (loop.start, loop.stop) if loop.step > 0 else (loop.stop, loop.start)
        if not known.at_least(Op("{0} - {1}", (high, low), "int"), 1):
            some = Op("{0} < {1}", (low, high), "bool")
            after = [Branch(some, after)]  # without rounds there may be no such element
    return [*before, loop, *after]
