"""Which loops may run their rounds in any order, and what they only sum up: these become SIMD.

for i: y[i] = exp(x[i]); s += y[i]   ->   free, sums s
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Branch,
    Each,
    Forever,
    Local,
    Ref,
    Set,
    Statement,
    blocks_of,
    statements,
    subterms,
    terms_of,
)
from symdiff.lower.access import access_of, accumulated
from symdiff.lower.affine import Known
from symdiff.lower.places import changing, is_apart


def mark_free(body: list[Statement], known: Known) -> None:
    """Set `free` and `sums` of every loop."""
    for s in statements(body):
        if isinstance(s, Each):
            sums = sums_of(s, known)
            s.sums, s.free = sums or (), sums is not None


def is_innermost(loop: Each) -> bool:
    """Whether no loop is inside of it."""
    return not any(isinstance(s, (Each, Forever)) for s in statements(loop.body))


def sums_of(
    loop: Each, known: Known, *, checks: bool = True, adding: bool = False
) -> tuple[tuple[str, Local], ...] | None:
    """The variables that rounds only fold into; None where rounds depend on each other.

    checks: or may raise. adding: rounds may add to the same memory.
    """
    access = access_of(loop.body)
    if (access.fails and checks) or access.leaves:
        return None
    sums: dict[Local, str] = {}
    reads: dict[Local, int] = {}
    inner = _defined(loop.body)
    for s in statements(loop.body):
        if isinstance(s, Set) and s.local not in inner:
            fold = accumulated(s)
            if fold is None or s.local.dtype == "bool" or sums.get(s.local, fold) != fold:
                return None
            sums[s.local] = fold
            reads[s.local] = reads.get(s.local, 0) - 1  # itself
        for term in terms_of(s):
            for part in subterms(term):
                if isinstance(part, Ref):
                    reads[part.local] = reads.get(part.local, 0) + 1
    if any(reads.get(local, 0) > 0 for local in sums):
        return None
    other = changing(loop, access)
    for buffer, places in access.places.items():
        if buffer not in access.writes or (adding and buffer not in access.looked):
            continue
        if buffer.dims and not buffer.growing and () in places:
            continue  # made anew in each round
        if buffer.growing or not is_apart(known, loop.index, places, len(buffer.dims), other):
            return None
    return tuple((fold, local) for local, fold in sums.items())


def _defined(body: list[Statement]) -> set[Local]:
    """The variables whose first statement is in `body`: each round has its own."""
    from symdiff.ir.nest import Declare, Let

    found: set[Local] = set()
    seen: set[Local] = set()
    stack = list(body)[::-1]
    while stack:
        s = stack.pop()
        for term in terms_of(s):
            for part in subterms(term):
                if isinstance(part, Ref):
                    seen.add(part.local)
        if isinstance(s, (Let, Set, Declare)) and s.local not in seen:
            found.add(s.local)
        if isinstance(s, Branch) or blocks_of(s):
            for inner in reversed(blocks_of(s)):
                stack.extend(reversed(inner))
    return found
