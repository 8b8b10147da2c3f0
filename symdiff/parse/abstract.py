"""What the calls of a function have in common: its arguments as static values and slots.

power(x, 8), power(x, 7)     ->   (slot, slot)          numbers that differ vary at run time
area(f, a, b), area(f, a, m) ->   (f, slot, slot)       what else is static stays static
area(f, a, b), area(g, a, b) ->   apart
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.tree import children, is_container, leaves, map_tree, rebuild
from symdiff.ir.types import (
    Dim,
    Shape,
    SymDim,
    Type,
    dim_add,
    dim_mul,
    dim_symbols,
    promote_dtype,
    symbol,
)
from symdiff.parse.alike import equal
from symdiff.parse.values import Opaque
from symdiff.primitives.elementary import cast
from symdiff.primitives.row import conform
from symdiff.primitives.shape import least_size
from symdiff.primitives.spell import to_expr

NUMBERS = (Expr, int, float, complex, np.generic, np.ndarray)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value that is known at run time.

    lifted: of static numbers that differ. loose: the axes whose sizes differ from call to call.
    """

    type: Type
    lifted: bool = False
    loose: frozenset[int] = frozenset()


class ApartError(Exception):
    """Two calls have no more in common than what they call."""


class Joined:
    """What two calls have in common.

    tree: of static values and slots. moved: whether the second has other static values than the
    first, or other types; if not, evaluating it takes the same course. wider: whether the tree is
    for more values than the first was.
    """

    def __init__(self, first: Any, second: Any):
        self.moved = self.wider = False
        self.tree = self._join(first, second)

    def _join(self, a: Any, b: Any) -> Any:
        if is_container(a) or is_container(b):
            if not is_container(a) or not is_container(b) or not _same_level(a, b):
                raise ApartError
            pairs = zip(children(a), children(b), strict=True)
            return rebuild(a, [self._join(x, y) for (_, _, x), (_, _, y) in pairs])
        if _is_number(a, b) and _is_number(b, a):
            return self._numbers(a, b)
        if isinstance(a, Opaque) or isinstance(b, Opaque):
            raise UnsupportedError(
                "a list that grows, or an iterator, goes through a recursion whose depth is known "
                "only at run time",
                hint="pass an array and an index",
            )
        if a is b or _identity(a) == _identity(b) or equal(a, b):
            return a
        raise ApartError

    def _numbers(self, a: Any, b: Any) -> Any:
        known = [_static(x) for x in (a, b)]
        if None not in known and type(known[0]) is type(known[1]) and np.array_equal(*known):
            return a
        first = a if isinstance(a, Slot) else Slot(to_expr(a).type, None not in known)
        second = to_expr(b).type
        slot = _wider(first, second)
        if known[0] is not None or (known[1] is not None and not slot.lifted):
            self.moved = True
        if not _same_number(slot.type, first.type) or not _same_number(slot.type, second):
            self.moved = True
        sizes = zip(first.type.shape, second.shape, strict=True)
        if any(m != n and (isinstance(m, int) or isinstance(n, int)) for m, n in sizes):
            self.moved = True
        self.wider = self.wider or slot != a
        return slot


def _wider(slot: Slot, type_: Type) -> Slot:
    """A slot for all that `slot` holds, and for values of `type_`."""
    mine = slot.type
    if len(mine.shape) != len(type_.shape) or mine.listed != type_.listed:
        raise UnsupportedError(
            f"an argument of a recursion changes its shape from call to call: {mine} and {type_}",
            hint="keep the number of axes the same",
        )
    sizes = list(zip(mine.shape, type_.shape, strict=True))
    loose = slot.loose.union(i for i, (m, n) in enumerate(sizes) if m != n)
    shape = tuple(ANY if i in loose - slot.loose else m for i, (m, _) in enumerate(sizes))
    joined = Type(promote_dtype(mine, type_), shape, mine.weak and type_.weak, mine.listed)
    return Slot(joined, slot.lifted, loose)


ANY = SymDim(((("(any)",), 1),))  # a size that has no name yet


def _is_number(value: Any, other: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):  # a choice that is made when compiling
        return isinstance(other, (Expr, Slot))
    return isinstance(value, (*NUMBERS, Slot))


def _static(value: Any) -> Any:
    if isinstance(value, Const):
        return value.value
    return None if isinstance(value, (Expr, Slot)) else value


def _same_level(a: Any, b: Any) -> bool:
    keys = [[k for _, k, _ in children(x)] for x in (a, b)]
    return type(a) is type(b) and keys[0] == keys[1] and (
        getattr(a, "cls", None) is getattr(b, "cls", None)
    )  # fmt: skip


def _identity(value: Any) -> Any:
    """What makes two functions that were defined inside of another the same."""
    home = getattr(value, "frame", None)
    return (value.node, id(home)) if home is not None else id(value)


def _same_number(a: Type, b: Type) -> bool:
    return a.dtype == b.dtype and a.weak == b.weak


def slots_of(tree: Any) -> list[Slot]:
    """The slots of a tree, in order."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Slot)]


def names_of(tree: dict[str, Any]) -> list[str]:
    """A name for each slot of the arguments `tree`: the parameter's, numbered in containers."""
    names: list[str] = []
    for name, value in tree.items():
        count = len(slots_of(value))
        names += [f"{name}_{i}" for i in range(count)] if is_container(value) else [name] * count
    return names


def settled(tree: Any, names: list[str], taken: set[str]) -> Any:
    """`tree`, its sizes named after the parameters: `x.shape[0]`; equal ones are equal.

    taken: what other sizes are called.
    """
    known: dict[Dim, Dim] = {}
    order = iter(names)

    def renamed(leaf: Any) -> Any:
        if not isinstance(leaf, Slot):
            return leaf
        name = next(order)
        shape: list[Dim] = []
        for axis, dim in enumerate(leaf.type.shape):
            if isinstance(dim, int):
                shape.append(dim)
                continue
            place = f"{name}.shape[{axis}]"
            while not taken.isdisjoint((place, f"({place})")):
                place = f"_{place}"
            if axis in leaf.loose or least_size(dim) < 2:  # in parentheses: it may be 0 or 1
                place = f"({place})"
            fresh = symbol(place)
            shape.append(fresh if axis in leaf.loose else known.setdefault(dim, fresh))
        return Slot(
            Type(leaf.type.dtype, tuple(shape), leaf.type.weak, leaf.type.listed),
            leaf.lifted, leaf.loose,
        )  # fmt: skip

    return map_tree(renamed, tree)


def values_for(tree: Any, given: Any) -> list[Expr]:
    """The values that a call gives to the slots of `tree`, in the slots' dtypes."""
    pairs = zip(leaves(tree), leaves(given), strict=True)
    return [as_type(to_expr(x), slot.type) for slot, x in pairs if isinstance(slot, Slot)]


def as_type(value: Expr, type_: Type) -> Expr:
    """`value` in the dtype of `type_`, whatever its sizes."""
    if value.type.dtype == type_.dtype and value.type.weak == type_.weak:
        return value
    if isinstance(value, Const) and not value.type.rank:
        return conform(value, type_)
    return cast.build(value, attrs=(type_.dtype, type_.weak))


def sizes_at(tree: Any, values: list[Expr]) -> dict[str, Dim] | None:
    """What the sizes in the slots of `tree` are for these values; None: they contradict it."""
    sizes: dict[str, Dim] = {}
    for slot, value in zip(slots_of(tree), values, strict=True):
        for dim, actual in zip(slot.type.shape, value.type.shape, strict=True):
            if isinstance(dim, int):
                if dim != actual:
                    return None
                continue
            (name,) = dim_symbols(dim)
            if sizes.setdefault(name, actual) != actual:
                return None
            if not name.startswith("(") and least_size(actual) < 2:
                return None
    return sizes


def with_sizes(type_: Type, sizes: dict[str, Dim]) -> Type:
    """`type_`, its symbols replaced. Raises KeyError for one that is not among `sizes`."""
    shape: Shape = tuple(_with_sizes(dim, sizes) for dim in type_.shape)
    return Type(type_.dtype, shape, type_.weak, type_.listed)


def _with_sizes(dim: Dim, sizes: dict[str, Dim]) -> Dim:
    if isinstance(dim, int):
        return dim
    return dim_add(*(dim_mul(c, *(sizes[s] for s in factors)) for factors, c in dim.terms))
