"""Reads `x[...]` and their adjoint, accumulation into a place.

An index is a template, one entry for each item in the brackets, with `None` where an operand that
is known only at run time stands:

    ("int", i)  ("slice", start, stop, step)  ("new",)  ("ellipsis",)  ("array",)  ("mask",)

`RUN` marks a part that is the next operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Const, Expr
from symdiff.ir.types import Dim, Type, broadcast_shapes, show_shape, symbol
from symdiff.primitives.row import Attrs, Linear, Term, zero_of, zeros_like
from symdiff.primitives.shape import needed_length, normal_axis, shape_size, slice_size

RUN = "*"
Template = tuple[tuple[Any, ...], ...]


def _consumed(entry: tuple[Any, ...]) -> int:
    """How many axes of the indexed array an entry uses up (a mask: see `_full`)."""
    return 0 if entry[0] in ("new", "ellipsis") else 1


def full_template(template: Template, rank: int, masks: Sequence[int]) -> list[tuple[Any, ...]]:
    """`template` with its ellipsis written out; `masks` are the ranks of its masks, in order."""
    ranks = iter(masks)
    used = sum(next(ranks) if e[0] == "mask" else _consumed(e) for e in template)
    if used > rank:
        raise IllTypedError(f"too many indices: the array has {rank} dimensions, not {used}")
    missing = [("slice", None, None, None)] * (rank - used)
    entries: list[tuple[Any, ...]] = []
    for entry in template:
        # An ellipsis of no axes stays: it separates index arrays all the same.
        entries.extend((missing or [entry]) if entry[0] == "ellipsis" else [entry])
    if not any(e[0] == "ellipsis" for e in template):
        entries.extend(missing)
    return entries


def _index_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    source, *dynamic = types
    # A slice bound known only at run time carries its own name for the size (see `slice_entry`).
    (template,) = attrs
    parts = iter(dynamic)
    advanced: list[tuple[Dim, ...]] = []  # shapes of the index arrays; an integer is one of ()
    places: list[int] = []  # where they stand among the entries
    shape: list[Dim] = []
    before: list[int] = []  # how many axes of the result stand before each of them
    masks = [t.rank for t in dynamic if t.dtype == "bool"]
    arrays = any(e[0] in ("array", "mask") for e in template)
    axis = 0
    for position, entry in enumerate(full_template(template, source.rank, masks)):
        kind = entry[0]
        if kind == "ellipsis":
            continue
        if kind == "new":
            shape.append(1)
            continue
        if kind == "mask":
            mask = next(parts)
            _check_mask(mask, source, axis)
            advanced.append((symbol(entry[1]),))
            places.append(position)
            before.append(len(shape))
            axis += mask.rank
            continue
        dim = source.shape[axis]
        axis += 1
        if kind == "int":
            if entry[1] == RUN:
                next(parts)
            elif isinstance(dim, int) and not -dim <= entry[1] < dim:
                raise IllTypedError(
                    f"index {entry[1]} is out of bounds for an axis of size {dim} "
                    f"in shape {show_shape(source.shape)}"
                )
            if arrays:
                advanced.append(())
                places.append(position)
                before.append(len(shape))
        elif kind == "slice":
            for part in entry[1:4]:
                if part == RUN:
                    next(parts)
            shape.append(entry[4] if len(entry) > 4 else slice_size(dim, *entry[1:4]))
        else:
            advanced.append(next(parts).shape)
            places.append(position)
            before.append(len(shape))
    if arrays:
        # Side by side, index arrays leave their axes where they stand; apart, in front.
        adjacent = places[-1] - places[0] == len(places) - 1
        at = before[0] if adjacent else 0
        shape[at:at] = broadcast_shapes(*advanced)
    if source.listed:
        return source.item
    return source.strong.with_shape(tuple(shape))


def _check_mask(mask: Type, source: Type, axis: int) -> None:
    for i, dim in enumerate(mask.shape):
        have = source.shape[axis + i]
        if isinstance(dim, int) and isinstance(have, int) and dim != have:
            raise IllTypedError(
                f"a mask of shape {show_shape(mask.shape)} does not fit "
                f"an array of shape {show_shape(source.shape)}"
            )


def _index_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    x = node.operands[0]
    return accumulate.build(zeros_like(x), ct, *node.operands[1:], attrs=node.attrs)


index = Linear(
    "index", _index_type, _index_transpose, slots=lambda node: (0,), numpy="index",
    attrs=("template",), raises=True,
)  # fmt: skip


def _accumulate_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return ct if i == 0 else index.build(ct, *node.operands[2:], attrs=node.attrs)


# base with `value` added at a place: `base[...] += value`. Repeated integer indices add up.
accumulate = Linear(
    "accumulate", lambda attrs, types: types[0], _accumulate_transpose, joint=True,
    slots=lambda node: (0, 1), numpy="accumulate", attrs=("template",),
)  # fmt: skip


def _update_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    place = node.operands[2:]
    if i == 1:
        taken = index.build(ct, *place, attrs=node.attrs)
        last = None if _distinct(node) else _is_last(node)
        if last is None:
            return taken
        return Term.rows["where"].build(last, taken, zero_of(ct.type.with_shape(())))
    value = node.operands[1]
    zero = zeros_like(value) if value.type.listed else zero_of(value.type.with_shape(()))
    return update.build(ct, zero, *place, attrs=node.attrs)


def _distinct(node: Apply) -> bool:
    """Whether a write surely names no place twice."""
    if not any(e[0] == "array" for e in node.attrs[0]):
        return True
    arrays = [x for x in node.operands[2:] if x.type.rank]
    if all(isinstance(x, Const) for x in arrays):
        parts = np.broadcast_arrays(*(x.value for x in arrays))  # type: ignore[attr-defined]
        rows = np.stack([p.ravel() for p in parts], axis=1)
        return bool((rows >= 0).all()) and len(np.unique(rows, axis=0)) == len(rows)
    return len(arrays) == 1 and arrays[0].type.rank == 1 and (
        isinstance(arrays[0], Apply) and arrays[0].op.name == "argsort"
    )  # fmt: skip


def _is_last(node: Apply) -> Expr:
    """Where the value of a write is what is there afterwards: of a place named twice, the last.

    The number of each item of the value is written as the value is; it stays where the item does.
    """
    base, _, *place = node.operands
    shape = index.build(base, *place, attrs=node.attrs).type.shape
    numbers = Term.rows["arange"].build(attrs=(shape_size(shape),))
    if len(shape) != 1:
        numbers = Term.rows["reshape"].build(numbers, attrs=(shape,))
    blank = zero_of(Type("int", base.type.shape))
    written = update.build(blank, numbers, *place, attrs=node.attrs)
    left = index.build(written, *place, attrs=node.attrs)
    return Term.rows["equal"].build(left, numbers)


# Marks an array as an object of its own while a function is evaluated (see `parse.memory`).
object_ = Linear(
    "object", lambda attrs, types: types[0], lambda node, ct, i: ct, numpy="{0}",
    attrs=("serial",),
)  # fmt: skip


# base with `value` put into a place: `base[...] = value`.
update = Linear(
    "update", lambda attrs, types: types[0], _update_transpose, joint=True,
    slots=lambda node: (0, 1), numpy="update", attrs=("template",),
)  # fmt: skip


def take(x: Expr, axis: int, i: int) -> Expr:
    """x[..., i, ...] at `axis`."""
    at = normal_axis(axis, x.type.rank) + x.type.rank
    template = tuple([("slice", None, None, None)] * at + [("int", i)])
    return index.build(x, attrs=(template,))


def take_slice(x: Expr, axis: int, start: Any, stop: Any) -> Expr:
    """x[..., start:stop, ...] at `axis`; the bounds are ints or integer expressions."""
    at = normal_axis(axis, x.type.rank) + x.type.rank
    entry, operands = slice_entry(x.type.shape[at], start, stop, None)
    template = tuple([("slice", None, None, None)] * at + [entry])
    return index.build(x, *operands, attrs=(template,))


def slice_entry(dim: Dim, start: Any, stop: Any, step: Any) -> tuple[tuple[Any, ...], list[Expr]]:
    """The template entry of a slice, and the operands that its run-time bounds become."""
    parts = (start, stop, step)
    operands = [p for p in parts if isinstance(p, Expr)]
    if not operands:
        return ("slice", *parts), []
    marked = [RUN if isinstance(p, Expr) else p for p in parts]
    return ("slice", *marked, slice_size(dim, *parts)), operands


def relied_on(node: Apply) -> list[tuple[Dim, int]]:
    """(size, what it must at least be) of the axes that the slices of an `index` node cut."""
    source, *dynamic = [x.type for x in node.operands]
    masks = [t.rank for t in dynamic if t.dtype == "bool"]
    ranks = iter(masks)
    found: list[tuple[Dim, int]] = []
    axis = 0
    for entry in full_template(node.attrs[0], source.rank, masks):
        if entry[0] == "slice" and len(entry) == 4:
            dim, needed = source.shape[axis], needed_length(*entry[1:4])
            if needed and not isinstance(dim, int):
                found.append((dim, needed))
        axis += next(ranks) if entry[0] == "mask" else _consumed(entry)
    return found
