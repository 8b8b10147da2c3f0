"""Pairs of factors that several products have in common are multiplied once.

    a*b*c, a*b*d   ->   t = a*b;  t*c, t*d

The most frequent pair goes first, then pairs of what is left, to a fixed point. A pair is
(x, y, kind): x * y, x / y, or x * y where both are denominators.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from symdiff.ir.expr import Expr
from symdiff.ir.types import broadcast_shapes
from symdiff.optimize.forms import Product, Sum

_TIMES, _OVER, _UNDER = 0, 1, 2
_LONG = 10  # longer products are searched for neighbouring factors only
_ROUNDS = 8


def share_pairs(atoms: Any) -> set[int]:
    """Rewrite the products of `atoms.forms` to share pairs; the ids of those that changed."""
    touched: set[int] = set()
    known: dict[Any, int] = {}
    active = [p for p in _products(atoms) if len(p.nums) + len(p.dens) + (not p.plain) > 1]
    arrays = any(isinstance(x, Expr) and x.type.shape for x in atoms.atoms)
    for _ in range(_ROUNDS):
        holders: dict[Any, list[Product]] = {}
        for p in active:
            for pair in _pairs(atoms, p):
                holders.setdefault(pair, []).append(p)
        shared = [
            (pair, found) for pair, found in holders.items()
            if len(found) > 1 and (not arrays or _cheap(atoms, pair))
        ]  # fmt: skip
        shared.sort(key=lambda item: -len(item[1]))
        changed: dict[int, Product] = {}
        for pair, found in shared:
            found = [p for p in found if id(p) not in changed or _has(atoms, p, pair)]
            if len(found) < 2:
                continue
            new = known.get(pair)
            if new is None:
                new = known[pair] = atoms.atom(_product(atoms, pair))
            for p in found:
                _replace(atoms, p, pair, new)
                changed[id(p)] = p
        touched.update(changed)
        # A pair that is new has a factor that is new.
        active = [p for p in changed.values() if len(p.nums) + len(p.dens) + (not p.plain) > 1]
        if not active:
            break
    return touched


def _products(atoms: Any) -> list[Product]:
    """Every product in the forms, those inside factored sums included."""
    found: list[Product] = []
    seen: set[int] = set()
    stack: list[Any] = list(reversed(atoms.forms.values()))
    while stack:
        form = stack.pop()
        if isinstance(form, Sum):
            if id(form) in seen:
                continue
            seen.add(id(form))
            stack.extend(reversed(form.terms))
            continue
        found.append(form)
        for atom in form.nums:
            what = atoms.atoms[atom]
            if isinstance(what, (Sum, Product)):
                stack.append(what)
    return found


def _pairs(atoms: Any, p: Product) -> Any:
    nums, dens = p.nums, p.dens
    count = len(nums)
    if count > 1:
        nums = sorted(nums)
    if nums and not p.plain:
        nums = [*nums, atoms.atom((p.num, p.den))]
        count += 1
    if not dens and count == 2:
        return ((nums[0], nums[1], _TIMES),)
    result: list[Any] = []
    if count + len(dens) > _LONG:
        dens = sorted(dens)
        result += [(a, b, _TIMES) for a, b in pairwise(nums)]
        result += [(a, b, _UNDER) for a, b in pairwise(dens)]
    else:
        for i, a in enumerate(nums):
            for b in nums[i + 1 :]:
                result.append((a, b, _TIMES))
            for b in dens:
                result.append((a, b, _OVER))
        if len(dens) > 1:
            dens = sorted(dens)
            for i, a in enumerate(dens):
                for b in dens[i + 1 :]:
                    result.append((a, b, _UNDER))
    return dict.fromkeys(result)


def _cheap(atoms: Any, pair: Any) -> bool:
    """Whether the pair is no larger than the larger of the two: no outer products in advance."""
    shapes = [_shape(atoms, a) for a in pair[:2]]
    if not any(shapes):
        return True
    return None not in shapes and broadcast_shapes(*shapes) in shapes


def _shape(atoms: Any, atom: int) -> Any:
    what = atoms.atoms[atom]
    if isinstance(what, Expr):
        return what.type.shape
    if isinstance(what, tuple):
        return ()
    terms = what.terms if isinstance(what, Sum) else [what]
    shapes = [_shape(atoms, a) for t in terms for a in (*t.nums, *t.dens)]
    return broadcast_shapes(*shapes)


def _has(atoms: Any, p: Product, pair: Any) -> bool:
    a, b, kind = pair
    if kind == _OVER:
        return _holds(atoms, p, a) and b in p.dens
    if kind == _UNDER:
        return a in p.dens and b in p.dens and (a != b or p.dens.count(a) > 1)
    return _holds(atoms, p, a) and _holds(atoms, p, b) and (a != b or p.nums.count(a) > 1)


def _holds(atoms: Any, p: Product, atom: int) -> bool:
    what = atoms.atoms[atom]
    if type(what) is tuple:
        return bool(p.nums) and (p.num, p.den) == what
    return atom in p.nums


def _product(atoms: Any, pair: Any) -> Product:
    a, b, kind = pair
    new = Product(1, 1, 1, [], [])
    for atom in (a, b) if kind != _OVER else (a,):
        what = atoms.atoms[atom]
        if type(what) is tuple:
            new.num, new.den = what
        else:
            new.nums.append(atom)
    if kind == _OVER:
        new.dens.append(b)
    return new


def _replace(atoms: Any, p: Product, pair: Any, new: int) -> None:
    a, b, kind = pair
    for atom, side in ((a, kind == _UNDER), (b, kind != _TIMES)):
        if type(atoms.atoms[atom]) is tuple:
            p.num, p.den = 1, 1
        else:
            (p.dens if side else p.nums).remove(atom)
    (p.dens if kind == _UNDER else p.nums).append(new)
