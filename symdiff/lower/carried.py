"""A number that a branch gives the next round is changed where it is, or left alone.

if p: s2 = s                             if !p: s = s + x
else: s2 = s + x                 ->
s = s2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from symdiff.ir.nest import (
    Branch,
    Buffer,
    Declare,
    Local,
    Ref,
    Set,
    Statement,
    blocks_of,
    statements,
    subterms,
    terms_of,
)


def change_in_place(body: list[Statement], uses: Mapping[Local | Buffer, int]) -> None:
    """Let branches change what rounds carry, in place.

    uses: how often a variable stands in the kernel.
    """
    for s in body:
        for inner in blocks_of(s):
            change_in_place(inner, uses)
    for last in list(body):
        if isinstance(last, Set) and isinstance(last.value, Ref):
            _merge(body, last, last.value.local, uses)


def _merge(
    body: list[Statement], last: Set, given: Local, uses: Mapping[Local | Buffer, int]
) -> None:
    """Drop `last`, which gives a variable what a branch has given another, if it may be dropped."""
    at = body.index(last)
    first = next((k for k in range(at) if _sets(body[k], given)), None)
    if first is None or given.dtype != last.local.dtype or given is last.local:
        return
    branch = body[first]
    here = Counter(x for s in (branch, last) for x in _mentioned(s))[given]
    declared = [s for s in body if isinstance(s, Declare) and s.local is given]
    if not isinstance(branch, Branch) or here + len(declared) != uses.get(given, 0):
        return
    between = [x for s in body[first + 1 : at] for x in _mentioned(s)]
    if last.local in between or not _is_last_word(branch, given, last.local):
        return
    for block in (branch.then, branch.orelse):
        _renamed(block, given, last.local)
    body[:] = [s for s in body if s is not last and s not in declared]


def _sets(s: Statement, local: Local) -> bool:
    return any(isinstance(x, Set) and x.local is local for x in statements([s]))


def _mentioned(s: Statement) -> Iterable[Local]:
    """The variables that a statement, with all in it, names, each as often as it does."""
    for x in statements([s]):
        if isinstance(x, Declare) or hasattr(x, "local"):
            yield x.local  # type: ignore[union-attr]
        for term in terms_of(x):
            yield from (p.local for p in subterms(term) if isinstance(p, Ref))


def _is_last_word(branch: Branch, given: Local, target: Local) -> bool:
    """Whether nothing looks at `target` once `given` has its value, on either side."""
    for side in (branch.then, branch.orelse):
        at = next((k for k, s in enumerate(side) if _sets(s, given)), None)
        if at is None:
            return False
        s = side[at]
        if isinstance(s, Branch):
            if not _is_last_word(s, given, target):
                return False
        elif not isinstance(s, Set):
            return False
        if target in [x for after in side[at + 1 :] for x in _mentioned(after)]:
            return False
        if any(isinstance(x, Set) and x.local is target for x in statements(side)):
            return False
    return True


def _renamed(block: list[Statement], given: Local, target: Local) -> None:
    for s in block:
        for inner in blocks_of(s):
            _renamed(inner, given, target)
        if isinstance(s, Set) and s.local is given:
            s.local = target
    block[:] = [s for s in block if not (isinstance(s, Set) and s.value == Ref(s.local))]
