"""What all rounds of a loop add to one element is summed in a variable, and added once.

    for j: v[i] += x[j] * y[j]     ->     total = 0.0
                                          for j: total += x[j] * y[j]
                                          if 0 < n: v[i] += total

A sum in memory makes each round wait for the one before; one in a variable can be SIMD.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Branch,
    Each,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known
from symdiff.lower.places import changing, is_steady


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
