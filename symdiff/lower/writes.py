"""Writes into arrays and lists, in place where `plan.storage` allows it, else in a copy.

b = update(a, i, v)   ->   a[i] = v          or          b = copy of a; b[i] = v
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Buffer, Grow, Local, Op, Ref, Set, Store, Term
from symdiff.lower import lists, ragged
from symdiff.lower.arrays import ONE, Array, Index, blank, broadcast_index, renewed, stored
from symdiff.lower.context import refused
from symdiff.lower.indexing import Place, item_place, placed
from symdiff.lower.masks import store_where
from symdiff.lower.ragged import Ragged
from symdiff.primitives.indexing import accumulate, update
from symdiff.primitives.lists import append, drop, new_list

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering


def lower_write(to: Lowering, node: Apply) -> None:
    """The statements of one write."""
    base = node.operands[0]
    old = to.array(base)
    storage = to.storage
    in_place = node not in storage.copied and storage.is_free(node, to.at, to.done)
    fresh = base in storage.blank
    if not in_place:
        storage.copied.add(node)
    if isinstance(old, Ragged):
        _write_list(to, node, old, in_place)
        return
    if node.op is drop:
        _drop(to, node, old)
        return
    if in_place and not fresh and old.place is not None and not _read_only(old):
        buffer = _buffer(old)
        if node.op is append:
            _append(to, node, old)
            return
        place = placed(to, old, node.attrs[0], [to.value(x) for x in node.operands[2:]])
        value = to.array(node.operands[1])
        if not _is_there(to, value, place, old):
            if buffer in value.reads:
                value = to.realized(value)
            to.before_write(buffer, (base, *node.operands[1:2]))
            _store(to, node, old.place, place, value)
        target = renewed(old)
    else:
        if node.op is append:
            if node in to.kept:
                raise refused("a list that several branches append to", to.line)
            _append(to, node, lists.copied(to, to.wish_for(node), node.type.dtype, old))
            return
        target = stored(to.kept.get(node) or to.work(to.wish_for(node), node.type.dtype, old.dims))
        if node in to.kept:
            from symdiff.ir.nest import Alloc

            assert target.buffer is not None
            to.out.append(Alloc(target.buffer))
        assert target.buffer is not None and target.place is not None
        unfilled = type(base) is Apply and base.op is new_list
        to.copied_into(target.buffer, blank(target.buffer) if unfilled else old)
        place = placed(to, target, node.attrs[0], [to.value(x) for x in node.operands[2:]])
        _store(to, node, target.place, place, to.array(node.operands[1]))
    for x in node.operands:
        to.read(x)
    to.pending.pop(base, None)
    to.keep(node, target, False)


def _write_list(to: Lowering, node: Apply, old: Ragged, in_place: bool) -> None:
    """An item, itself a list, of a list of lists."""
    if not in_place or node.op not in (append, update):
        raise refused("a list of lists that is written, and read as it was before", to.line)
    value = to.array(node.operands[1])
    if node.op is append:
        ragged.append(to, old, to.bind(to.scalar(node.operands[2])), value)
    else:
        place = item_place(to, old, node.attrs[0], node.operands[2:])
        ragged.write(to, old, place, value)
    for x in node.operands:
        to.read(x)
    to.pending.pop(node.operands[0], None)
    to.keep(node, ragged.renewed(old), False)


def _read_only(array: Array) -> bool:
    return _buffer(array).kind == "argument"


def _buffer(array: Array) -> Buffer:
    assert array.place is not None
    (buffer,) = array.reads
    return buffer


def _is_there(to: Lowering, value: Array, place: Place, old: Array) -> bool:
    """Whether a value is the very part of the array that it is to be written to."""
    if value.place is None or old.place is None or value.rank != len(place.dims):
        return False
    index: Index = tuple(Ref(Local("i", "int")) for _ in place.dims)
    with to.inside([]):  # what is said of this index is of no use
        return value.place(index) == old.place(place.at(index))


def _store(
    to: Lowering,
    node: Apply,
    there: Callable[[Index], tuple[Buffer, Index]],
    place: Place,
    value: Array,
) -> None:
    add = node.op is accumulate
    if place.sieve is not None and store_where(to, place.sieve, there, place.dims, value, add):
        return
    store_into(
        to, lambda index: there(place.at(index)), place.dims, value, add=add,
        free=not place.repeats,
    )  # fmt: skip


def store_into(
    to: Lowering,
    there: Callable[[Index], tuple[Buffer, Index]],
    dims: Sequence[Term],
    value: Array,
    *,
    add: bool = False,
    free: bool = True,
) -> None:
    """Store a value, broadcast, where `there` says."""
    to.common([dims, value.dims])
    source = broadcast_index(value, len(dims))

    def store(index: Index) -> None:
        item = to.element(value, source(index))
        buffer, at = there(index)
        to.out.append(Store(buffer, at, to.converted(item, buffer.dtype), add, to.line))

    to.over(dims, store, free)


def _append(to: Lowering, node: Apply, old: Array) -> None:
    """An item behind those that are there; the list grows."""
    buffer = _buffer(old)
    length = to.bind(to.scalar(node.operands[2]), "length")
    value = to.array(node.operands[1])
    if buffer in value.reads:
        value = to.realized(value)
    if node.attrs[0]:  # else what is there stays as it is
        to.before_write(buffer, node.operands[:2])
    dims = old.dims
    if buffer.growing:
        to.out.append(Grow(buffer, length))
        count = buffer.dims[0]
        assert isinstance(count, Ref)
        dims = (to.bind(to.op("{0} + {1}", length, ONE), "length"), *old.dims[1:])
        to.out.append(Set(count.local, dims[0]))
    else:
        limit = buffer.dims[0]
        if not to.known.below(length, limit):
            to.fail(
                Op("{0} >= {1}", (length, limit), "bool"), "IndexError", "list is full", guard=True
            )
    store_into(to, lambda index: (buffer, (length, *index)), old.dims[1:], value)
    for x in node.operands:
        to.read(x)
    to.keep(node, lists.resized(old, dims[0]), False)


def _drop(to: Lowering, node: Apply, old: Array) -> None:
    """A list without its last item, which stays in memory."""
    length = to.bind(to.scalar(node.operands[1]), "length")
    count = lists.changing(old)
    if count is not None:
        to.out.append(Set(count, length))
    for x in node.operands:
        to.read(x)
    to.pending.pop(node.operands[0], None)
    to.keep(node, lists.resized(old, length), False)
