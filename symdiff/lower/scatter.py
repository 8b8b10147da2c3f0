"""Loops that add to places that rounds share: the values of a block of rounds, then the sums.

    for i:                               for first in steps of 128:
        t = x[i + 1] - x[i]                  for i in the block: part[i - first] = x[i + 1] - x[i]
        d[i + 1] += t              ->        for i in the block: d[i + 1] += part[i - first]
        d[i] -= t                            for i in the block: d[i] -= part[i - first]

Each of the inner loops can be SIMD: in each, a round has a place of its own. Only where nothing of
the loop reads what is added to, so that sums may be taken in any order.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Declare,
    Each,
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
    substituted,
    subterms,
)
from symdiff.lower.access import Access, access_of
from symdiff.lower.affine import Form, Known
from symdiff.lower.parallel import sums_of
from symdiff.lower.places import changing, is_apart, is_steady

_BLOCK = 128  # rounds; what they keep fits the first cache
_MOST = 8  # values of a round that are kept


def scatter(body: list[Statement], known: Known) -> None:
    """Take such loops apart, in place."""
    for k, s in enumerate(body):
        for inner in blocks_of(s):
            scatter(inner, known)
        if isinstance(s, Each):
            body[k] = _taken_apart(s, known) or s


def _taken_apart(loop: Each, known: Known) -> Each | None:
    """The loop over blocks; None where the loop is to stay."""
    if loop.step != 1 or not all(isinstance(s, (Let, Set, Store, Declare)) for s in loop.body):
        return None
    access = access_of(loop.body)
    shared = _shared(loop, access, known)
    if not shared:
        return None
    first, last = Local("first", "int"), Local("last", "int")
    split = _Split(loop, access, first)
    for s in loop.body:
        if isinstance(s, Store) and s in shared:
            split.take(s, known)
        else:
            split.main.append(s)
    inner = Each(loop.index, Ref(first), Ref(last), 1, split.main, line=loop.line)
    if len(split.parts) > _MOST or sums_of(inner, known) is None:
        return None
    size = Num(_BLOCK, "int")
    ends = Op("{0} - {1} < {2}", (loop.stop, Ref(first), size), "bool")
    end = Op("{0} ? {1} : {2} + {3}", (ends, loop.stop, Ref(first), size), "int")
    body: list[Statement] = [Let(last, end), *map(Alloc, split.parts), inner, *split.others(last)]
    return Each(first, loop.start, loop.stop, _BLOCK, body, line=loop.line)


def _shared(loop: Each, access: Access, known: Known) -> list[Store]:
    """The sums in places that several rounds have, but for one that each round may keep."""
    found: list[Store] = []
    other = changing(loop, access)
    for buffer, places in access.places.items():
        if buffer not in access.writes or is_apart(
            known, loop.index, places, len(buffer.dims), other
        ):
            continue
        if buffer in access.looked or buffer.growing:
            return []
        stores = [s for s in loop.body if isinstance(s, Store) and s.buffer is buffer]
        stays = next(
            (s.index for s in stores
             if is_apart(known, loop.index, [s.index], len(buffer.dims), other)), None,
        )  # fmt: skip
        found += [s for s in stores if s.index != stays]
    return found


class _Split:
    """The rounds of a block in one loop, and the sums of each place in another."""

    def __init__(self, loop: Each, access: Access, first: Local):
        self.loop, self.first = loop, first
        self.written = {x for x in access.writes if isinstance(x, Buffer)}
        self.inside = changing(loop, access)
        self.fixed = {s.local for s in loop.body if isinstance(s, Let)}
        self.integers: dict[Local, Term] = {
            s.local: s.value for s in loop.body if isinstance(s, Let) and s.local.dtype == "int"
        }
        self.main: list[Statement] = []
        self.parts: list[Buffer] = []
        self.kept: dict[Term, Term] = {}  # what is read back for a value of a round
        self.groups: dict[object, list[Store]] = {}

    def take(self, s: Store, known: Known) -> None:
        """Leave the sum for later; what it needs of its round is kept."""
        index = tuple(self._later(i) for i in s.index)
        value = self._later(s.value)
        forms = [known.form(i) for i in index]
        key = (s.buffer, tuple(_hashable(f) if f is not None else i
                               for f, i in zip(forms, index, strict=True)))  # fmt: skip
        self.groups.setdefault(key, []).append(Store(s.buffer, index, value, True, s.line))

    def _later(self, term: Term) -> Term:
        """`term` as it can be computed when the rounds of the block are over."""
        for _ in range(8):
            term = substituted(term, self.integers)
        if self._is_steady(term):
            return term
        locals_ = {p.local for p in subterms(term) if isinstance(p, Ref)} & self.inside
        if len(locals_) == 1 and locals_ <= self.fixed:
            (local,) = locals_
            made = substituted(term, {local: self._part(Ref(local), local.name)})
            if self._is_steady(made):
                return made
        return self._part(term, "part")

    def _is_steady(self, term: Term) -> bool:
        written: set[object] = set(self.written)
        return is_steady([term], self.inside, written)

    def _part(self, term: Term, wish: str) -> Term:
        if term in self.kept:
            return self.kept[term]
        part = Buffer(f"{wish}_part", term.dtype, (Num(_BLOCK, "int"),))
        place = (Op("{0} - {1}", (Ref(self.loop.index), Ref(self.first)), "int"),)
        self.parts.append(part)
        self.main.append(Store(part, place, term))
        read = Load(part, place)
        if isinstance(term, Ref):
            self.kept[term] = read
        return read

    def others(self, last: Local) -> list[Statement]:
        """The loops that add."""
        found: list[Statement] = []
        for stores in self.groups.values():
            index = Local(self.loop.index.name, "int")
            mapping: dict[Local, Term] = {self.loop.index: Ref(index)}
            body: list[Statement] = [
                Store(
                    s.buffer, tuple(substituted(i, mapping) for i in s.index),
                    substituted(s.value, mapping), True, s.line,
                )
                for s in stores
            ]  # fmt: skip
            found.append(Each(index, Ref(self.first), Ref(last), 1, body))
        return found


def _hashable(form: Form) -> object:
    return frozenset(form.items())
