"""How the structural rows lower: filling, shaping, indexing, joining, lists.

Most only say where an element comes from; reductions and products have modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Buffer, Num, Op, Store, Term
from symdiff.ir.types import dim_symbols
from symdiff.lower import ragged
from symdiff.lower.arrays import ONE, ZERO, Array, Index, broadcast_index, filled, moved, stored
from symdiff.lower.context import Context, Value, refused
from symdiff.lower.elementwise import operate
from symdiff.lower.indexing import item_place, placed
from symdiff.lower.lists import RULES as LISTS
from symdiff.lower.matrices import MATRICES
from symdiff.lower.products import PRODUCTS
from symdiff.lower.reductions import REDUCTIONS
from symdiff.lower.sorting import RULES as SORTING
from symdiff.lower.whole import RULES as WHOLE
from symdiff.primitives import arrays as A
from symdiff.primitives import lists, shaping
from symdiff.primitives.indexing import index as index_row
from symdiff.primitives.indexing import object_
from symdiff.primitives.row import Primitive
from symdiff.primitives.shape import axis_size
from symdiff.primitives.sharing import shares_memory, snapshot

Rule = Callable[[Context, Apply], Value]


def lower_array(to: Context, node: Apply) -> Value:
    """What an operation on arrays is."""
    rule = RULES.get(node.op)
    if rule is not None:
        return rule(to, node)
    if node.op.c is not None:
        return _elementwise(to, node)
    raise refused(node.op.name, to.line)


def _elementwise(to: Context, node: Apply) -> Array:
    """Each element from those of the operands at the same place."""
    operands = [to.array(x) for x in node.operands]
    dims = to.common([x.dims for x in operands])
    rank = len(dims)
    sources: list[tuple[Array, Callable[[Index], Index]]] = []
    for x in operands:
        spread = x.rank < rank or any(
            d == ONE and e != ONE for d, e in zip(x.dims, dims[rank - x.rank :], strict=True)
        )
        if spread and not x.cheap and x.rank:
            x = to.realized(x)  # else each element would be computed many times
        sources.append((x, broadcast_index(x, rank)))

    def at(index: Index) -> Term:
        args = [to.element(x, place(index)) for x, place in sources]
        return operate(to, node, args)

    reads = frozenset[Buffer]().union(*(x.reads for x, _ in sources))
    depth = 1 + max((x.depth for x, _ in sources), default=0)
    if node.op.c == "{0}":
        cheap = all(x.cheap for x, _ in sources)
        return Array(node.type.dtype, dims, at, reads, cheap=cheap, depth=depth)
    return Array(node.type.dtype, dims, at, reads, cheap=False, depth=depth)


# Filling.


def _full(to: Context, node: Apply) -> Value:
    value = to.converted(to.scalar(node.operands[0]), node.type.dtype)
    return filled(value, to.dims(node.type.shape))


def _broadcast(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    dims = to.dims(node.type.shape) if node.op is A.broadcast_to else (
        to.array(node.operands[1]).dims
    )  # fmt: skip
    place = broadcast_index(old, len(dims))
    for have, want in zip(old.dims[::-1], dims[::-1], strict=False):
        if have != ONE:
            to.require_equal(have, want, "operands could not be broadcast together")
    if not old.cheap and old.rank:
        old = to.realized(old)
    return Array(
        node.type.dtype, dims, lambda i: to.converted(to.element(old, place(i)), node.type.dtype),
        old.reads, None, None, old.cheap, old.depth,
    )  # fmt: skip


def _shaped(to: Context, node: Apply) -> Value:
    dims = tuple(to.scalar(x) for x in node.operands)
    for dim, size in zip(node.type.shape, dims, strict=True):
        names = () if isinstance(dim, int) else dim_symbols(dim)
        if not isinstance(dim, int) and dim.terms == (((*names,), 1),):
            to.symbols[next(iter(names))] = size
    for size in dims:
        negative = Op("{0} < 0", (size,), "bool")
        if not to.known.at_least(size, 0):
            to.fail(negative, "ValueError", "negative dimensions are not allowed", guard=True)
    return filled(Num(0, node.type.dtype), dims)


def _eye(to: Context, node: Apply) -> Value:
    kind, offset = node.type.dtype, node.attrs[3]

    def at(index: Index) -> Term:
        i, j = index
        moved_ = to.op("{0} + {1}", i, Num(offset, "int"))
        return to.converted(Op("{0} == {1}", (moved_, j), "bool"), kind)

    return Array(kind, to.dims(node.type.shape), at)


def _arange(to: Context, node: Apply) -> Value:
    return Array("int", to.dims(node.type.shape), lambda index: index[0])


def _linspace(to: Context, node: Apply) -> Value:
    start, stop = (to.array(x) for x in node.operands)
    if start.rank or stop.rank:
        raise refused("np.linspace of arrays", to.line)
    kind = node.type.dtype
    first, last = (to.converted(x.at(()), kind) for x in (start, stop))
    (count,) = to.dims(node.type.shape)
    steps = to.op("{0} - {1}", count, ONE) if node.attrs[1] else count
    width = to.bind(Op("({1} - {0}) / (double)({2} > 0 ? {2} : 1)", (first, last, steps), kind))

    def at(index: Index) -> Term:
        value = Op("{0} + (double){1} * {2}", (first, index[0], width), kind)
        if not node.attrs[1]:
            return value
        end = Op("{0} == {1} - 1 && {1} > 1", (index[0], count), "bool")
        return Op("{0} ? {1} : {2}", (end, last, to.bind(value)), kind)

    return Array(kind, (count,), at, cheap=False)


# Shaping.


def _transpose(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    order = [a + old.rank for a in node.attrs[0]]

    def place(index: Index) -> Index:
        own: list[Term] = [ZERO] * len(order)
        for new, axis in enumerate(order):
            own[axis] = index[new]
        return tuple(own)

    return moved(old, [old.dims[a] for a in order], place)


def _expand(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    rank = node.type.rank
    new = {a + rank for a in node.attrs[0]}
    rest = iter(old.dims)
    dims = [ONE if i in new else next(rest) for i in range(rank)]
    return moved(old, dims, lambda index: tuple(x for i, x in enumerate(index) if i not in new))


def _squeeze(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    gone = {a + old.rank for a in node.attrs[0]}
    dims = [d for i, d in enumerate(old.dims) if i not in gone]

    def place(index: Index) -> Index:
        rest = iter(index)
        return tuple(ZERO if i in gone else next(rest) for i in range(old.rank))

    return moved(old, dims, place)


def _reshape(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    dims = to.dims(node.type.shape)
    to.require_equal(to.count(old.dims), to.count(dims), "cannot reshape an array to that size")
    return reshaped(to, old, dims)


def reshaped(to: Context, old: Array, dims: Sequence[Term]) -> Array:
    """The same elements in the same order, in other sizes."""
    if list(old.dims) == list(dims):
        return old
    keep_old = [d for d in old.dims if d != ONE]
    keep_new = [d for d in dims if d != ONE]
    if keep_old == keep_new:  # only axes of size one come and go

        def insert(index: Index) -> Index:
            rest = iter([i for i, d in zip(index, dims, strict=True) if d != ONE])
            return tuple(ZERO if d == ONE else next(rest) for d in old.dims)

        return moved(old, dims, insert)

    def place(index: Index) -> Index:
        flat: Term = ZERO
        for i, d in zip(index, dims, strict=True):
            flat = to.op("{0} + {1}", to.op("{0} * {1}", flat, d), i)
        if old.rank == 1:
            return (flat,)
        flat = to.bind(flat, "flat")
        own: list[Term] = []
        for axis in range(old.rank):
            below = to.count(old.dims[axis + 1 :])
            part = flat if below == ONE else Op("{0} / {1}", (flat, below), "int")
            if axis and old.dims[axis] != ONE:
                part = Op("{0} % {1}", (part, old.dims[axis]), "int")
            own.append(ZERO if old.dims[axis] == ONE else part)
        return tuple(own)

    made = moved(old, dims, place)
    return replace(made, origin=(old, lambda i: (_flat(to, old, i),))) if len(dims) == 1 else made


def _flat(to: Context, array: Array, index: Index) -> Term:
    """The number of an element, counted along the rows."""
    flat: Term = ZERO
    for i, d in zip(index, array.dims, strict=True):
        flat = to.op("{0} + {1}", to.op("{0} * {1}", flat, d), i)
    return flat


def _index(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    if isinstance(old, ragged.Ragged):
        return ragged.row(to, old, item_place(to, old, node.attrs[0], node.operands[1:]), node.type)
    place = placed(to, old, node.attrs[0], [to.value(x) for x in node.operands[1:]])
    if not place.dims and not node.type.rank:
        return to.bind(to.element(old, place.at(())), to.wish_for(node))
    if not place.repeats:
        return moved(old, place.dims, place.at)
    made = moved(old, place.dims, place.at)
    reads = made.reads.union(
        *(v.reads for x in node.operands[1:] if isinstance(v := to.value(x), Array))
    )
    return Array(made.dtype, made.dims, made.at, reads, None, None, False, made.depth + 1)


def _diagonal(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    (offset,) = node.attrs
    down, right = Num(max(-offset, 0), "int"), Num(max(offset, 0), "int")

    def place(index: Index) -> Index:
        i = index[-1]
        return (*index[:-1], to.op("{0} + {1}", i, down), to.op("{0} + {1}", i, right))

    rows = to.op("{0} - {1}", old.dims[-2], down)
    columns = to.op("{0} - {1}", old.dims[-1], right)
    count = rows
    if not to.known.equal(rows, columns):
        count = to.bind(
            Op("{0} < {1} ? {0} : {1}", (to.bind(rows), to.bind(columns)), "int"), "count"
        )
    return moved(old, (*old.dims[:-2], count), place)


def _diag(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    (offset,) = node.attrs
    kind = node.type.dtype
    zero = Num(0.0 if kind.startswith("float") else 0, kind)

    def at(index: Index) -> Term:
        i, j = index
        on = Op("{0} == {1}", (to.op("{0} + {1}", i, Num(offset, "int")), j), "bool")
        at_ = i if offset >= 0 else j
        return Op("{0} ? {1} : {2}", (on, old.at((at_,)), zero), kind)

    old = to.realized(old) if not old.cheap else old
    return Array(kind, to.dims(node.type.shape), at, old.reads, depth=old.depth + 1)


def _triangle(lower: bool) -> Rule:
    def rule(to: Context, node: Apply) -> Value:
        old = to.array(node.operands[0])
        (offset,) = node.attrs
        kind = node.type.dtype
        zero = Num(0.0 if kind.startswith("float") else 0, kind)
        code = "{0} <= {1}" if lower else "{0} >= {1}"

        def at(index: Index) -> Term:
            i, j = index[-2:]
            inside = Op(code, (j, to.op("{0} + {1}", i, Num(offset, "int"))), "bool")
            return Op("{0} ? {1} : {2}", (inside, to.element(old, index), zero), kind)

        return Array(kind, old.dims, at, old.reads, cheap=old.cheap, depth=old.depth + 1)

    return rule


def _roll(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    shift = to.value(node.operands[1])
    if isinstance(shift, Array):
        raise refused("np.roll by an array", to.line)
    (axis,) = node.attrs
    flat = reshaped(to, old, (to.count(old.dims),)) if axis is None else old
    at_ = 0 if axis is None else axis + old.rank
    size = flat.dims[at_]

    def place(index: Index) -> Index:
        there = Op("floor_mod_int({0} - {1}, {2})", (index[at_], shift, size), "int")
        return (*index[:at_], to.bind(there), *index[at_ + 1 :])

    made = moved(flat, flat.dims, place)
    made = Array(made.dtype, made.dims, made.at, made.reads, None, None, made.cheap, made.depth)
    return made if axis is not None else reshaped(to, made, old.dims)


def _tile(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    dims = to.dims(node.type.shape)
    lead = len(dims) - old.rank

    def place(index: Index) -> Index:
        return tuple(
            ZERO if d == ONE else i if to.known.equal(d, new) else Op("{0} % {1}", (i, d), "int")
            for i, d, new in zip(index[lead:], old.dims, dims[lead:], strict=True)
        )

    made = moved(old if old.cheap else to.realized(old), dims, place)
    return Array(made.dtype, made.dims, made.at, made.reads, None, None, True, made.depth)


def _repeat(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    repeats, axis = node.attrs
    at_, each = axis + old.rank, to.dim(repeats)

    def place(index: Index) -> Index:
        return (*index[:at_], Op("{0} / {1}", (index[at_], each), "int"), *index[at_ + 1 :])

    made = moved(old if old.cheap else to.realized(old), to.dims(node.type.shape), place)
    return Array(made.dtype, made.dims, made.at, made.reads, None, None, True, made.depth)


# Joining: each part is stored where it goes.


def _concatenate(to: Context, node: Apply) -> Value:
    parts = [to.array(x) for x in node.operands]
    rank = node.type.rank
    axis = node.attrs[0] + rank
    total: Term = ZERO
    for part in parts:
        total = to.op("{0} + {1}", total, part.dims[axis])
        for i in range(rank):
            if i != axis:
                to.require_equal(part.dims[i], parts[0].dims[i], "sizes do not fit")
    dims = (*parts[0].dims[:axis], total, *parts[0].dims[axis + 1 :])
    buffer = to.work(to.wish_for(node), node.type.dtype, dims)
    start: Term = ZERO
    for part in parts:
        here = start
        _stored(
            to, buffer, part,
            lambda i, s=here: (*i[:axis], to.op("{0} + {1}", s, i[axis]), *i[axis + 1 :]),
        )  # fmt: skip
        start = to.op("{0} + {1}", start, part.dims[axis])
    return stored(buffer)


def _stack(to: Context, node: Apply) -> Value:
    parts = [to.array(x) for x in node.operands]
    axis = node.attrs[0] + node.type.rank
    own = to.common([p.dims for p in parts])
    dims = (*own[:axis], Num(len(parts), "int"), *own[axis:])
    buffer = to.work(to.wish_for(node), node.type.dtype, dims)
    for k, part in enumerate(parts):
        for have, want in zip(part.dims, own, strict=True):
            to.require_equal(have, want, "all the arrays to stack must have the same shape")
        number = Num(k, "int")
        _stored(to, buffer, part, lambda i, n=number: (*i[:axis], n, *i[axis:]))
    return stored(buffer)


def _stored(to: Context, buffer: Buffer, part: Array, place: Callable[[Index], Index]) -> None:
    source, goes = part.origin or (part, _same_index)

    def store(index: Index) -> None:
        value = to.converted(to.element(source, index), buffer.dtype)
        to.out.append(Store(buffer, place(goes(index)), value, line=to.line))

    to.over(source.dims, store)


def _same_index(index: Index) -> Index:
    return index


# What is there already, and copies of it.


def _same(to: Context, node: Apply) -> Value:
    return to.value(node.operands[0])


def _snapshot(to: Context, node: Apply) -> Value:
    old = to.array(node.operands[0])
    buffer = to.work(to.wish_for(node), old.dtype, old.dims)
    to.copied_into(buffer, old)
    return stored(buffer)


def _axis_size(to: Context, node: Apply) -> Value:
    return to.array(node.operands[0]).dims[node.attrs[0]]


def _apart(to: Context, node: Apply) -> Value:
    """Overlapping arguments are refused where the function is called."""
    return Num(False, "bool")


RULES: dict[Primitive, Rule] = {
    A.full: _full, A.broadcast_to: _broadcast, A.broadcast_like: _broadcast, A.shaped: _shaped,
    A.eye: _eye, A.arange: _arange, A.transpose: _transpose, A.expand_dims: _expand,
    A.squeeze: _squeeze, A.reshape: _reshape, A.concatenate: _concatenate, A.stack: _stack,
    index_row: _index, object_: _same, snapshot: _snapshot, axis_size: _axis_size,
    shares_memory: _apart, shaping.roll: _roll, shaping.tile: _tile, shaping.repeat: _repeat,
    shaping.diagonal: _diagonal, shaping.diag: _diag, shaping.tril: _triangle(True),
    shaping.triu: _triangle(False), shaping.linspace: _linspace,
    lists.array_of: _same, lists.list_of: _same, **REDUCTIONS, **PRODUCTS,
    **SORTING, **LISTS, **WHOLE, **MATRICES,
}  # fmt: skip
