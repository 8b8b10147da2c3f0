"""Like terms and common factors of one flat sum.

    a*x + b*x + 3*c - 3*d    ->   x * (a + b) + 3 * (c - d)

Greedy: the factor that saves most operations goes first. Factors are kept in a heap, terms in an
index by factor, so that a sum of n terms costs O(n log n).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

from symdiff.optimize.forms import Product, Sum, scale

_DEEP = 12  # how deep factored sums may nest


def factored(atoms: Any, terms: list[Product], level: int = 0) -> Sum:
    """The sum of `terms`. `atoms` names values: `atoms.atom(x)` is x's number."""
    terms, merged = _like_terms(terms)
    if len(terms) < 2 or level >= _DEEP or not _any_shared(terms):
        return Sum(terms, merged)
    where: dict[Any, list[int]] = {}
    live: list[Product | None] = list(terms)
    place = list(range(len(terms)))  # where each stands in the sum
    for i, term in enumerate(terms):
        for f in _factors(term):
            where.setdefault(f, []).append(i)
    heap: list[tuple[int, int, int, Any]] = []
    for serial, (f, holders) in enumerate(where.items()):
        if len(holders) > 1:
            heap.append((-_savings(f, [terms[i] for i in holders]), f[0] == "c", serial, f))
    if not heap:
        return Sum(terms, merged)
    heapify(heap)
    changed = merged
    while heap:
        rank, late, serial, f = heappop(heap)
        holders = [i for i in where[f] if live[i] is not None]
        found = [t for i in holders if (t := live[i]) is not None]
        savings = _savings(f, found)
        if savings <= 0:
            continue
        if savings < -rank:  # others took some of its terms: it queues again
            heappush(heap, (-savings, late, serial, f))
            continue
        inner = factored(atoms, [_without(t, f) for t in found], level + 1)
        for i in holders:
            live[i] = None
        new = _product_of(atoms, f, inner)
        for g in _factors(new):
            if g != f and g in where:
                where[g].append(len(live))
        live.append(new)
        place.append(place[holders[0]])
        changed = True
    if changed:
        kept = [i for i, t in enumerate(live) if t is not None]
        kept.sort(key=place.__getitem__)
        return Sum([live[i] for i in kept], True)  # type: ignore[misc]
    return Sum(terms, merged)


def _any_shared(terms: list[Product]) -> bool:
    """Whether some factor may be in two terms: for most sums this is all there is to do."""
    seen: set[Any] = set()
    count = 0
    for term in terms:
        nums, dens = term.nums, term.dens
        count += len(nums) + len(dens)
        seen.update(nums)
        if dens:
            seen.update([~a for a in dens])
        if nums and not (term.num == 1 and term.den == 1):
            count += 1
            seen.add((term.num, term.den))
    return len(seen) < count


def _like_terms(terms: list[Product]) -> tuple[list[Product], bool]:
    """x + 2*x -> 3*x. What would cancel stays: x - x is nan where x is inf."""
    if len(terms) < 2:
        return terms, False
    first: dict[Any, int] = {}
    result: list[Product] = []
    for term in terms:
        key = term.key()
        at = first.get(key)
        if at is None:
            first[key] = len(result)
            result.append(term)
            continue
        other = result[at]
        total = term.sign * (term.num / term.den if term.den != 1 else term.num) + other.sign * (
            other.num / other.den if other.den != 1 else other.num
        )
        coefficient = scale(1, 1, abs(total), 1) if total else None
        if coefficient is None:
            result.append(term)
            continue
        result[at] = Product(1 if total > 0 else -1, *coefficient, other.nums, other.dens)
    return result, len(result) < len(terms)


def _factors(term: Product) -> list[Any]:
    """What can be taken out of a term: ("n", atom), ("d", atom), ("c", num, den)."""
    nums = term.nums
    found: list[Any] = [("n", a) for a in (nums if len(nums) < 2 else dict.fromkeys(nums))]
    if term.dens:
        found += [("d", a) for a in dict.fromkeys(term.dens)]
    if not term.plain and term.nums:
        found.append(("c", term.num, term.den))
    return found


def _savings(f: Any, terms: list[Product]) -> int:
    """Operations saved by taking `f` out of `terms`; a term that is `f` alone saves none."""
    return sum([not t.trivial for t in terms]) - 1


def _without(term: Product, f: Any) -> Product:
    if f[0] == "c":
        return Product(term.sign, 1, 1, term.nums, term.dens)
    nums, dens = list(term.nums), list(term.dens)
    (nums if f[0] == "n" else dens).remove(f[1])
    return Product(term.sign, term.num, term.den, nums, dens)


def _product_of(atoms: Any, f: Any, inner: Sum) -> Product:
    """f * inner."""
    if len(inner.terms) == 1:
        (t,) = inner.terms
        result = Product(t.sign, t.num, t.den, list(t.nums), list(t.dens))
    else:
        inner.changed = True
        result = Product(1, 1, 1, [atoms.atom(inner)], [])
    if f[0] == "n":
        result.nums.insert(0, f[1])
    elif f[0] == "d":
        result.dens.append(f[1])
    else:
        scaled = scale(result.num, result.den, f[1], f[2])
        if scaled is None:
            atom = atoms.atom(result)
            result = Product(1, f[1], f[2], [atom], [])
        else:
            result.num, result.den = scaled
    return result
