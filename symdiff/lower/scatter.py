"""Loops that add to places that rounds share: the values of a block of rounds, then the sums.

    for i:                          for first in steps of 128:
        t = x[i + 1] - x[i]             for i in the block: part[i - first + 1] = x[i + 1] - x[i]
        d[i + 1] += t        ->         part[0] = part[last - first + 1] = 0.0
        d[i] -= t                       for i in the block, and one more:
                                            d[i] += part[i - first] - part[i - first + 1]

Each of the inner loops can be SIMD: in each, a round has a place of its own. Only where nothing of
the loop reads what is added to, so that sums may be taken in any order. Places a few apart are
summed in one loop, in which zeros stand for the rounds before and after the block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
_REACH = 4  # how far apart places may be that are summed in one loop


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
    if shared is None:
        return None
    families, alone = shared
    split = _Split(loop, access, max((f.reach for f in families), default=0))
    for s in loop.body:
        family = next((f for f in families if s in f.stores), None)
        if isinstance(s, Store) and family is not None:
            split.take_family(family, s)
        elif isinstance(s, Store) and s in alone:
            split.take(s, known)
        else:
            split.main.append(s)
    inner = Each(loop.index, Ref(split.first), Ref(split.last), 1, split.main, line=loop.line)
    if len(split.parts) > _MOST or sums_of(inner, known) is None:
        return None
    size = Num(_BLOCK, "int")
    ends = Op("{0} - {1} < {2}", (loop.stop, Ref(split.first), size), "bool")
    end = Op("{0} ? {1} : {2} + {3}", (ends, loop.stop, Ref(split.first), size), "int")
    body = [Let(split.last, end), *map(Alloc, split.parts), inner, *split.others(families)]
    return Each(split.first, loop.start, loop.stop, _BLOCK, body, line=loop.line)


@dataclass
class _Family:
    """Sums in places that are a constant apart, of the same round: those constants, in order."""

    stores: list[Store] = field(default_factory=list[Store])
    offsets: list[int] = field(default_factory=list[int])
    values: list[Term] = field(default_factory=list[Term])

    @property
    def reach(self) -> int:
        return max(self.offsets) - min(self.offsets)


def _shared(loop: Each, access: Access, known: Known) -> tuple[list[_Family], list[Store]] | None:
    """The sums in places that several rounds have: the families, and those that are alone.

    One place of each round may stay in the loop.
    """
    families: list[_Family] = []
    alone: list[Store] = []
    other = changing(loop, access)
    for buffer, places in access.places.items():
        rank = len(buffer.dims)
        if buffer not in access.writes or is_apart(known, loop.index, places, rank, other):
            continue
        if buffer in access.looked or buffer.growing:
            return None
        stores = [s for s in loop.body if isinstance(s, Store) and s.buffer is buffer]
        found = _families(loop, stores, other, known)
        families += found
        stores = [s for s in stores if all(s not in f.stores for f in found)]
        if is_apart(known, loop.index, [s.index for s in stores], rank, other):
            continue
        stays = next(
            (s.index for s in stores if is_apart(known, loop.index, [s.index], rank, other)), None
        )
        alone += [s for s in stores if s.index != stays]
    return (families, alone) if families or alone else None


def _families(loop: Each, stores: list[Store], other: set[Local], known: Known) -> list[_Family]:
    """The families of more than one place."""
    found: dict[object, _Family] = {}
    for s in stores:
        forms = [known.form(i) for i in s.index]
        if any(f is None or not other.isdisjoint(f) for f in forms):
            continue
        axes = [k for k, f in enumerate(forms) if f is not None and loop.index in f]
        if len(axes) != 1 or forms[axes[0]][loop.index] != 1:  # type: ignore[index]
            continue
        form = dict(forms[axes[0]] or {})
        offset = form.pop(None, 0)
        rest = [form if k == axes[0] else f for k, f in enumerate(forms)]
        family = found.setdefault(tuple(_hashable(f or {}) for f in rest), _Family())
        family.stores.append(s)
        family.offsets.append(offset)
    return [f for f in found.values() if 0 < f.reach <= _REACH]


class _Split:
    """The rounds of a block in one loop, and the sums of each place in another.

    pad: how many zeros stand before and after what a block keeps.
    """

    def __init__(self, loop: Each, access: Access, pad: int):
        self.loop, self.pad = loop, pad
        self.first, self.last = Local("first", "int"), Local("last", "int")
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
        forms = [known.form(i) for i in index]
        places = zip(forms, index, strict=True)
        key = (s.buffer, tuple(i if f is None else _hashable(f) for f, i in places))
        value = self._later(s.value)
        self.groups.setdefault(key, []).append(Store(s.buffer, index, value, True, s.line))

    def take_family(self, family: _Family, s: Store) -> None:
        """The same of a sum that has others beside it: its value is 0 where what is kept is."""
        value = self._later(s.value)
        if not self._is_multiple(value):
            value = self._part(s.value, "part")
        family.values.append(value)

    def _is_multiple(self, term: Term) -> bool:
        match term:
            case Load(buffer):
                return buffer in self.parts
            case Op("-{0}", (inner,)):
                return self._is_multiple(inner)
            case Op("{0} * {1}", (Num(factor), inner)) | Op("{0} * {1}", (inner, Num(factor))):
                return math.isfinite(factor) and self._is_multiple(inner)
            case _:
                return False

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
        part = Buffer(f"{wish}_part", term.dtype, (Num(_BLOCK + 2 * self.pad, "int"),))
        there = Op("{0} - {1}", (Ref(self.loop.index), Ref(self.first)), "int")
        place = (_plus(there, self.pad),)
        self.parts.append(part)
        self.main.append(Store(part, place, term))
        read = Load(part, place)
        if isinstance(term, Ref):
            self.kept[term] = read
        return read

    def others(self, families: list[_Family]) -> list[Statement]:
        """The loops that add."""
        found: list[Statement] = []
        if families:
            found += self._zeros()
        for family in families:
            found.append(self._family(family))
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
            found.append(Each(index, Ref(self.first), Ref(self.last), 1, body))
        return found

    def _family(self, family: _Family) -> Each:
        """The loop that adds in places that are a constant apart."""
        index = Local(self.loop.index.name, "int")
        total: Term | None = None
        for offset, value in zip(family.offsets, family.values, strict=True):
            value = substituted(value, {self.loop.index: _plus(Ref(index), -offset)})
            total = value if total is None else Op("{0} + {1}", (total, value), value.dtype)
        assert total is not None
        near = min(range(len(family.stores)), key=lambda k: abs(family.offsets[k]))
        s, offset = family.stores[near], family.offsets[near]
        start = _plus(Ref(self.first), min(family.offsets))
        stop = _plus(Ref(self.last), max(family.offsets))
        mapping: dict[Local, Term] = {self.loop.index: _plus(Ref(index), -offset)}
        place = tuple(substituted(self._inlined(i), mapping) for i in s.index)
        adding: list[Statement] = [Store(s.buffer, place, total, True, s.line)]
        return Each(index, start, stop, 1, adding)

    def _inlined(self, term: Term) -> Term:
        for _ in range(8):
            term = substituted(term, self.integers)
        return term

    def _zeros(self) -> list[Statement]:
        """What is before and after a block is 0."""
        count = Op("{0} - {1}", (Ref(self.last), Ref(self.first)), "int")
        found: list[Statement] = []
        for part in self.parts:
            zero = Num(0.0 if part.dtype.startswith("float") else 0, part.dtype)
            for k in range(self.pad):
                found.append(Store(part, (Num(k, "int"),), zero))
                found.append(Store(part, (_plus(count, self.pad + k),), zero))
        return found


def _plus(term: Term, n: int) -> Term:
    if not n:
        return term
    sign = "+" if n > 0 else "-"
    return Op(f"{{0}} {sign} {{1}}", (term, Num(abs(n), "int")), "int")


def _hashable(form: Form) -> object:
    return frozenset(form.items())
