"""Indices: integers, slices, new axes, index arrays and masks, as maps from one index to another.

x[1:, None, k]     (i, j) of the result is x[i + 1, k]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symdiff.ir.expr import Expr
from symdiff.ir.nest import Num, Op, Term
from symdiff.ir.types import dim_symbols, symbol
from symdiff.lower.arrays import ONE, ZERO, Array, Index, broadcast_index
from symdiff.lower.context import Context, Value, refused
from symdiff.lower.masks import Sieve, fits, kept
from symdiff.primitives.indexing import RUN, full_template

_UNLIKE = "shape mismatch: indexing arrays could not be broadcast together"


@dataclass(frozen=True, slots=True)
class Place:
    """A part of an array: its sizes, and where its elements are.

    repeats: an element may be named twice. sieve: the same by going through all that a mask is of.
    """

    dims: tuple[Term, ...]
    at: Callable[[Index], Index]
    repeats: bool = False
    sieve: Sieve | None = None


@dataclass(frozen=True, slots=True)
class _Axis:
    """What an entry says of one axis: a fixed place, a slice, or a place from an index array."""

    kind: str  # "int" | "slice" | "array"
    start: Term = ZERO
    step: int = 1
    array: Array | None = None
    axis: int = -1  # of the result, for a slice


def placed(to: Context, source: Array, template: Any, dynamic: Sequence[Value]) -> Place:
    """The part of `source` that an index names."""
    parts = iter(dynamic)
    masks = [v for v in dynamic if isinstance(v, Array) and v.dtype == "bool"]
    entries = full_template(template, source.rank, [m.rank for m in masks])
    axes: list[_Axis] = []
    dims: list[Term] = []
    new: list[int] = []  # the axes of the result that are of size one
    arrays: list[Array] = []
    places: list[int] = []
    before: list[int] = []
    has_arrays = any(e[0] in ("array", "mask") for e in entries)
    at = 0
    for position, entry in enumerate(entries):
        kind = entry[0]
        if kind == "ellipsis":
            continue
        if kind == "new":
            new.append(len(dims))
            dims.append(ONE)
            continue
        if kind == "mask":
            mask = next(parts)
            assert isinstance(mask, Array)
            fits(to, mask, source.dims[at : at + mask.rank])
            found = kept(to, mask)
            _named(to, symbol(entry[1]), found[0].dims[0])
            arrays += found
            places.append(position)
            before.append(len(dims))
            axes += (_Axis("array", array=a) for a in found)
            at += mask.rank
            continue
        size = source.dims[at]
        if kind == "int":
            where = next(parts) if entry[1] == RUN else Num(entry[1], "int")
            assert not isinstance(where, Array)
            axes.append(_Axis("int", _inside(to, where, size)))
            if has_arrays:
                places.append(position)
                before.append(len(dims))
        elif kind == "slice":
            bounds = [next(parts) if p == RUN else p for p in entry[1:4]]
            start, count, step = sliced(to, bounds, size)
            if len(entry) > 4:
                _named(to, entry[4], count)
            axes.append(_Axis("slice", start, step, axis=len(dims)))
            dims.append(count)
        else:
            value = next(parts)
            array = (
                value if isinstance(value, Array) else Array(value.dtype, (), lambda i, v=value: v)
            )
            array = _checked(to, array, size)
            arrays.append(array)
            places.append(position)
            before.append(len(dims))
            axes.append(_Axis("array", array=array))
        at += 1
    if not arrays:
        return Place(tuple(dims), _plain(to, axes))
    adjacent = places[-1] - places[0] == len(places) - 1
    lead = before[0] if adjacent else 0
    shared = to.common([a.dims for a in arrays], _UNLIKE, "IndexError")
    result = (*dims[:lead], *shared, *dims[lead:])
    place = _gathered(to, axes, lead, shared)
    if len(places) > 1 or not masks:
        return Place(result, place, repeats=True)
    (mask,) = masks
    return Place(result, place, sieve=_sieve(to, mask, axes, dims, lead))


def _sieve(
    to: Context, mask: Array, axes: Sequence[_Axis], dims: Sequence[Term], lead: int
) -> Sieve:
    """All that a mask is of, as slices."""
    through: list[_Axis] = []
    number = lead
    for a in axes:
        if a.kind == "array":
            through.append(_Axis("slice", axis=number))
            number += 1
        elif a.kind == "slice" and a.axis >= lead:
            through.append(replace(a, axis=a.axis + mask.rank))
        else:
            through.append(a)
    return Sieve(mask, lead, (*dims[:lead], *mask.dims, *dims[lead:]), _plain(to, through))


def item_place(to: Context, source: Array, template: Any, dynamic: Sequence[Expr]) -> Term:
    """The number of the one item of a list that an index names."""
    entry, *others = template
    if entry[0] != "int" or others:
        raise refused("a slice of a list of lists", to.line)
    where = to.scalar(dynamic[0]) if entry[1] == RUN else Num(entry[1], "int")
    return _inside(to, where, source.dims[0])


def _plain(to: Context, axes: Sequence[_Axis]) -> Callable[[Index], Index]:
    def place(index: Index) -> Index:
        return tuple(_on(to, a, index[a.axis]) if a.kind == "slice" else a.start for a in axes)

    return place


def _gathered(
    to: Context, axes: Sequence[_Axis], lead: int, shared: Sequence[Term]
) -> Callable[[Index], Index]:
    def place(index: Index) -> Index:
        own = index[lead : lead + len(shared)]
        rest = index[:lead] + index[lead + len(shared) :]
        found: list[Term] = []
        for a in axes:
            if a.kind == "slice":
                found.append(_on(to, a, rest[a.axis]))
            elif a.array is None:
                found.append(a.start)
            else:
                found.append(to.element(a.array, broadcast_index(a.array, len(shared))(own)))
        return tuple(found)

    return place


def _on(to: Context, axis: _Axis, i: Term) -> Term:
    step = i if axis.step == 1 else to.op("{0} * {1}", i, Num(axis.step, "int"))
    return to.op("{0} + {1}", axis.start, step) if axis.start != ZERO else step


def _inside(to: Context, where: Term, size: Term) -> Term:
    """An index counted from the front, checked against the size where that is not certain."""
    where = to.converted(where, "int")
    if isinstance(where, Num) and where.value < 0:
        where = to.op("{0} + {1}", size, where)
        if not to.known.at_least(where, 0):
            _outside(to, Op("{0} < 0", (where,), "bool"))
        return where
    below = to.known.below(where, size)
    if to.known.at_least(where, 0):
        if not below:
            to.fail(
                Op("{0} >= {1}", (where, size), "bool"),
                "IndexError",
                "index out of range",
                guard=True,
            )
        return where
    where = to.bind(where)
    return to.once(("inside", where, size), lambda: _from_front(to, where, size))


def _from_front(to: Context, where: Term, size: Term) -> Term:
    wrapped = to.bind(Op("{0} < 0 ? {0} + {1} : {0}", (where, size), "int"))
    _outside(to, Op("{0} < 0 || {0} >= {1}", (wrapped, size), "bool"))
    return wrapped


def _outside(to: Context, test: Term) -> None:
    to.fail(test, "IndexError", "index out of range", guard=True)


def _checked(to: Context, array: Array, size: Term) -> Array:
    """An array of indices, each counted from the front and inside."""
    if array.below is not None and to.known.below(array.below, to.op("{0} + {1}", size, ONE)):
        return array

    def at(index: Index) -> Term:
        return _inside(to, to.element(array, index), size)

    return Array("int", array.dims, at, array.reads, None, None, False, array.depth)


def sliced(to: Context, bounds: Sequence[Any], size: Term) -> tuple[Term, Term, int]:
    """Where a slice starts, how many items it has, and its step: worked out once here."""
    return to.once(("slice", *bounds, size), lambda: _sliced(to, bounds, size))


def _sliced(to: Context, bounds: Sequence[Any], size: Term) -> tuple[Term, Term, int]:
    start, stop, step = bounds
    stride = 1
    if isinstance(step, Num):
        stride = int(step.value)
    elif step is not None and not isinstance(step, int):
        raise refused("a slice whose step is computed", to.line)
    elif step is not None:
        stride = step
    if stride > 0:
        low = _bound(to, start, size, ZERO, ZERO, size)
        high = _bound(to, stop, size, size, ZERO, size)
        span = to.op("{0} - {1}", high, low)
    else:
        last = to.op("{0} - {1}", size, ONE)
        low = _bound(to, start, size, last, Num(-1, "int"), last)
        high = _bound(to, stop, size, Num(-1, "int"), Num(-1, "int"), last)
        span = to.op("{0} - {1}", low, high)
    width = abs(stride)
    if width > 1:
        span = to.op("{0} + {1}", span, Num(width - 1, "int"))
        if isinstance(span, Num):
            span = Num(span.value // width, "int")
        else:
            if not to.known.at_least(span, 0):
                span = Op("{0} > 0 ? {0} : 0", (to.bind(span),), "int")
            span = Op("{0} / {1}", (span, Num(width, "int")), "int")
        count = to.bind(span, "count")
    elif to.known.at_least(span, 0):
        count = span
    else:
        span = to.bind(span, "count")
        count = to.bind(Op("{0} > 0 ? {0} : 0", (span,), "int"), "count")
    if isinstance(count, Num) and count.value < 0:
        count = ZERO
    count = to.bind(count, "count")
    if hasattr(count, "local"):
        to.known.sizes.setdefault(count.local, 0)  # type: ignore[union-attr]
    return low, count, stride


def _bound(to: Context, given: Any, size: Term, default: Term, least: Term, most: Term) -> Term:
    """A bound of a slice, as Python takes it: from the end if negative, never outside."""
    if given is None:
        return default
    where: Term = Num(given, "int") if isinstance(given, int) else given
    if isinstance(where, Num):
        if where.value < 0:
            where = to.op("{0} + {1}", size, where)
    elif not to.known.at_least(where, 0):
        where = to.bind(where)
        where = to.bind(Op("{0} < 0 ? {0} + {1} : {0}", (where, size), "int"))
    if not _at_least(to, where, least):
        where = to.bind(where)
        where = to.bind(Op("{0} < {1} ? {1} : {0}", (where, least), "int"))
    if not to.known.below(where, to.op("{0} + {1}", most, ONE)):
        where = to.bind(where)
        where = to.bind(Op("{0} > {1} ? {1} : {0}", (where, most), "int"))
    return where


def _at_least(to: Context, where: Term, least: Term) -> bool:
    return isinstance(least, Num) and to.known.at_least(where, int(least.value))


def _named(to: Context, dim: Any, count: Term) -> None:
    """A size that shapes go on to name."""
    if not isinstance(dim, int):
        names = dim_symbols(dim)
        if len(dim.terms) == 1 and len(names) == 1 and dim.terms[0] == ((*names,), 1):
            to.symbols[next(iter(names))] = count
