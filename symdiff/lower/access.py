"""What statements touch: the variables and the places in memory that they read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
    Fail,
    Forever,
    Grow,
    Invoke,
    Leave,
    Let,
    Load,
    Local,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    subterms,
    terms_of,
)

Index = tuple[Term, ...]
# The index of what is touched as a whole: no loop's index is in it.
ANYWHERE: Index = (Op("anywhere", (), "int"),) * 32


@dataclass(slots=True)
class Access:
    """reads, writes: variables from outside and buffers. places: of each buffer, the indices.

    looked: buffers that are read, set or made, and not only added to. fails: whether it may raise.
    leaves: whether it has a `Leave` for a loop around it.
    """

    reads: set[Local | Buffer] = field(default_factory=set[Local | Buffer])
    writes: set[Local | Buffer] = field(default_factory=set[Local | Buffer])
    places: dict[Buffer, list[Index]] = field(default_factory=dict[Buffer, list[Index]])
    looked: set[Buffer] = field(default_factory=set[Buffer])
    fails: bool = False
    leaves: bool = False


def access_of(body: Iterable[Statement]) -> Access:
    """What statements touch, with all that is inside of them; what they define is their own."""
    found = Access()
    own: set[Local] = set()
    for s in statements(list(body)):
        for term in terms_of(s):
            _read(found, term)
        match s:
            case Let(local=local) | Declare(local=local):
                own.add(local)
                found.writes.add(local)
            case Set(local=local):
                found.writes.add(local)
            case Store(buffer=buffer, index=index, add=add):
                found.writes.add(buffer)
                found.places.setdefault(buffer, []).append(index)
                if add:
                    found.reads.add(buffer)
                else:
                    found.looked.add(buffer)
            case Alloc(buffer=buffer) | Grow(buffer=buffer):
                found.writes.add(buffer)
                found.reads.add(buffer)
                found.looked.add(buffer)
                found.places.setdefault(buffer, []).append(())
            case Each(index=index):
                own.add(index)
            case Fail():
                found.fails = True
            case Invoke(results=results):
                found.fails = found.fails or s.raises
                found.writes.update(results)
                for buffer in s.buffers:
                    found.reads.add(buffer)
                    found.looked.add(buffer)
                    found.places.setdefault(buffer, []).append(ANYWHERE)
            case _:
                pass
    found.leaves = has_leave(body)
    return found


def _read(found: Access, term: Term) -> None:
    for part in subterms(term):
        if isinstance(part, Ref):
            found.reads.add(part.local)
        elif isinstance(part, Load):
            found.reads.add(part.buffer)
            found.looked.add(part.buffer)
            found.places.setdefault(part.buffer, []).append(part.index)
            for d in part.buffer.dims[1:]:
                found.reads.update(p.local for p in subterms(d) if isinstance(p, Ref))


def has_leave(body: Iterable[Statement]) -> bool:
    """Whether statements leave the loop that they are in."""
    stack = list(body)
    while stack:
        s = stack.pop()
        if isinstance(s, Leave):
            return True
        if isinstance(s, Branch):
            for inner in blocks_of(s):
                stack.extend(inner)
    return False


# How a variable is folded into, and what OpenMP calls that.
_FOLDS = {
    "{0} + {1}": "+", "{0} - {1}": "+", "{0} * {1}": "*", "{0} | {1}": "|",
    "{1} > {0} ? {1} : {0}": "max", "{1} < {0} ? {1} : {0}": "min",
}  # fmt: skip


def accumulated(s: Statement) -> str | None:
    """By which operator a variable is folded into: `total = total + x - y` by +."""
    if not isinstance(s, Set):
        return None
    term, fold = s.value, None
    while isinstance(term, Op) and term.code in _FOLDS and s.local not in _locals(term.args[1]):
        if fold not in (None, _FOLDS[term.code]):
            return None
        term, fold = term.args[0], _FOLDS[term.code]
    return fold if term == Ref(s.local) else None


def _locals(term: Term) -> set[Local]:
    return {p.local for p in subterms(term) if isinstance(p, Ref)}


def is_loop(s: Statement) -> bool:
    return isinstance(s, (Each, Forever))
