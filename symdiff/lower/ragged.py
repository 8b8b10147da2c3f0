"""Lists of lists that differ in length, as tapes of loops in loops are: all items in one memory.

tape[i] = row      start[i] = items; length[i] = len(row); items behind those that are there
tape[i][j]         items[start[i] + j]

Of lists in lists in lists, `start` and `length` of the rows inside are in such a memory, too. Each
row is written once, as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from symdiff.ir.nest import Alloc, Buffer, Grow, Let, Load, Local, Op, Ref, Set, Store, Term
from symdiff.ir.types import Type, dim_symbols
from symdiff.lower.arrays import ONE, ZERO, Array, Index, moved, view
from symdiff.lower.context import Context


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of all lists of one level are; `used` says how many there are."""

    start: Buffer
    length: Buffer
    used: Local


@dataclass(eq=False, slots=True)
class Ragged(Array):
    """A list whose items are lists. base: which of the rows of its level is the first of its own.

    The sizes that an item of an item has are not among its `dims`: only how many items there are.
    """

    levels: tuple[Rows, ...] = ()
    base: Term = ZERO
    items: Buffer | None = None


def made(to: Context, name: str, type_: Type, count: Term | None) -> Ragged:
    """A new list of lists; count: how many rows there will be, None where that is found out.

    What is read before it is written has no items.
    """
    rest = to.dims(type_.shape[type_.listed :])
    levels: list[Rows] = []
    for level in range(type_.listed - 1):
        used = _counter(to, "rows")
        growing = level > 0 or count is None
        size = Ref(used) if growing else count
        assert size is not None
        start, length = (
            Buffer(f"{name}_{what}", "int", (size,), growing=growing)
            for what in ("start", "length")
        )
        to.out += (Alloc(start), Alloc(length))
        levels.append(Rows(start, length, used))
    used = _counter(to, "items")
    items = Buffer(name, type_.dtype, (Ref(used), *rest), growing=True)
    to.out.append(Alloc(items))
    top = Ref(levels[0].used) if count is None else count
    return _list(levels, items, top)


def renewed(tape: Ragged) -> Ragged:
    """The same memory as another value, after it has been written."""
    return replace(tape)


def emptied(to: Context, tape: Ragged) -> None:
    """Rows that are not written have no items."""
    first = tape.levels[0]
    to.over(tape.dims, lambda index: to.out.append(Store(first.length, index, ZERO)))
    to.over(tape.dims, lambda index: to.out.append(Store(first.start, index, ZERO)))


def _counter(to: Context, name: str) -> Local:
    local = Local(name, "int")
    to.known.sizes[local] = 0
    to.out.append(Set(local, ZERO))
    return local


def _list(levels: Sequence[Rows], items: Buffer, count: Term, base: Term = ZERO) -> Ragged:
    reads = frozenset((items, *(b for rows in levels for b in (rows.start, rows.length))))

    def at(index: Index) -> Term:
        raise AssertionError("a list of lists has no numbers")

    return Ragged(items.dtype, (count,), at, reads, levels=tuple(levels), base=base, items=items)


def row(to: Context, tape: Ragged, k: Term, names: Type | None = None) -> Array:
    """Item `k` of a list of lists; names: its type, whose first size is called what it is."""
    first, items = tape.levels[0], tape.items
    assert items is not None
    place = (to.op("{0} + {1}", tape.base, k),)
    start = to.bind(Load(first.start, place), "start")
    count = to.bind(Load(first.length, place), "length")
    assert isinstance(count, Ref)
    to.known.sizes[count.local] = 0
    if names is not None and names.rank and not isinstance(names.shape[0], int):
        for symbol in dim_symbols(names.shape[0]):
            to.symbols[symbol] = count
    if len(tape.levels) > 1:
        return _list(tape.levels[1:], items, count, start)

    def at(index: Index) -> Index:
        return (to.op("{0} + {1}", start, index[0]), *index[1:])

    return view(items, (count, *items.dims[1:]), at)


def write(to: Context, tape: Ragged, k: Term, value: Array) -> None:
    """Item `k` becomes a copy of `value`, behind all that has been written."""
    first, items = tape.levels[0], tape.items
    assert items is not None
    place = to.op("{0} + {1}", tape.base, k)
    for buffer in (first.start, first.length):
        if buffer.growing:
            to.out.append(Grow(buffer, place))
    inner = tape.levels[1:]
    used = inner[0].used if inner else _local(items.dims[0])
    begin, count = Local("begin", "int"), value.dims[0]
    to.known.sizes[begin] = 0
    to.out.append(Let(begin, Ref(used)))
    to.out.append(Store(first.start, (place,), Ref(begin)))
    to.out.append(Store(first.length, (place,), count))
    to.out.append(Set(used, Op("{0} + {1}", (Ref(used), count), "int")))
    if inner:
        rows = _list(inner, items, count, Ref(begin))
        with to.each(ZERO, count) as j:
            write(to, rows, j, _item(to, value, j))
        return
    to.out.append(Grow(items, Op("{0} - {1}", (Ref(used), ONE), "int")))

    def store(index: Index) -> None:
        there = (to.op("{0} + {1}", Ref(begin), index[0]), *index[1:])
        item = to.converted(to.element(value, index), items.dtype)
        to.out.append(Store(items, there, item, line=to.line))

    for have, want in zip(value.dims[1:], items.dims[1:], strict=True):
        to.require_equal(have, want, "the shapes do not match")
    to.over((count, *items.dims[1:]), store)


def _item(to: Context, value: Array, j: Term) -> Array:
    """An item of a list, of which all may be of one length."""
    if isinstance(value, Ragged):
        return row(to, value, j)
    return moved(value, value.dims[1:], lambda index: (j, *index))


def append(to: Context, tape: Ragged, k: Term, value: Array) -> None:
    """The same behind the last item."""
    first = tape.levels[0]
    if first.start.growing:
        to.out.append(Set(first.used, to.op("{0} + {1}", k, ONE)))
    write(to, tape, k, value)


def _local(term: Term) -> Local:
    assert isinstance(term, Ref)
    return term.local
