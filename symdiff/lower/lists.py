"""Lists whose length is found out while running: memory that grows, and a variable for the length.

rows.append(v)   ->   reserve rows for length + 1; rows[length] = v; length = length + 1

The length of a buffer is a variable that changes. That of a value never does: it is another
variable, or what has been appended to plus one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Alloc, Buffer, Grow, Let, Local, Num, Op, Ref, Set, Store, Term
from symdiff.ir.types import DType, dim_symbols
from symdiff.lower.arrays import ONE, ZERO, Array, Index, filled, renewed, stored
from symdiff.lower.context import Context, Value, refused
from symdiff.lower.ragged import Ragged, made
from symdiff.primitives import lists as rows
from symdiff.primitives.row import Primitive


def empty(to: Context, name: str, dtype: DType, item: Sequence[Term]) -> Buffer:
    """A list without items; item: the sizes of what will be in it."""
    length = Local("length", "int")
    to.known.sizes[length] = 0
    to.out.append(Set(length, ZERO))
    buffer = Buffer(name, dtype, (Ref(length), *item), growing=True)
    to.out.append(Alloc(buffer))
    return buffer


def copied(to: Context, name: str, dtype: DType, old: Array) -> Array:
    """A list of the same items, which may go on growing."""
    buffer = empty(to, name, dtype, old.dims[1:])
    length = buffer.dims[0]
    assert isinstance(length, Ref)
    to.out.append(Grow(buffer, Op("{0} - {1}", (old.dims[0], ONE), "int")))
    to.out.append(Set(length.local, old.dims[0]))

    def store(index: Index) -> None:
        value = to.converted(to.element(old, index), dtype)
        to.out.append(Store(buffer, index, value, line=to.line))

    to.over(old.dims, store)
    return at_present(to, stored(buffer))


def at_present(to: Context, old: Array) -> Array:
    """A list, of which rounds or branches have changed the length, as it is now."""
    if isinstance(old, Ragged):
        length = old.levels[0].used if old.levels[0].start.growing else None
    else:
        length = changing(old)
    if length is None:
        return renewed(old)
    count = Local("length", "int")
    to.known.sizes[count] = 0
    to.out.append(Let(count, Ref(length)))
    return resized(old, Ref(count))


def resized(old: Array, length: Term) -> Array:
    """A list after it has got another length."""
    return replace(old, dims=(length, *old.dims[1:]), below=None)


def changing(array: Array) -> Local | None:
    """The variable for the length of a list in memory that grows."""
    if array.buffer is None or not array.buffer.growing:
        return None
    length = array.buffer.dims[0]
    assert isinstance(length, Ref)
    return length.local


def is_growing(array: Array) -> bool:
    """Whether an array is a list in memory that grows."""
    return array.buffer is not None and array.buffer.growing


# The rows.


def _new_list(to: Context, node: Apply) -> Value:
    shape = node.type.shape
    names = [] if isinstance(shape[0], int) else list(dim_symbols(shape[0]))
    count = to.at_least_zero(to.scalar(node.operands[0]), "count")
    if len(names) == 1 and count != ZERO:
        to.symbols[names[0]] = count
    if to.is_ragged(node.type):
        return made(to, to.wish_for(node), node.type, count)
    return stored(to.work(to.wish_for(node), node.type.dtype, (count, *to.dims(shape[1:]))))


def _zeros_list(to: Context, node: Apply) -> Value:
    like = to.array(node.operands[1])
    if isinstance(like, Ragged):
        raise refused("the adjoint of a list of lists", to.line)
    zeros = filled(Num(0.0, node.type.dtype), like.dims)
    if is_growing(like):
        return copied(to, to.wish_for(node), node.type.dtype, zeros)
    return zeros


def _add_lists(to: Context, node: Apply) -> Value:
    """Of the adjoints of a list before and after it has grown, as much as there was before."""
    a, b = (to.array(x) for x in node.operands)
    (n, *rest), (m, *more) = a.dims, b.dims
    if not to.known.equal(n, m):
        n = to.at_least_zero(Op("{0} < {1} ? {0} : {1}", (to.bind(n), to.bind(m)), "int"), "length")
    dims = (n, *to.common([rest, more]))
    kind = node.type.dtype

    def at(index: Index) -> Term:
        return Op("{0} + {1}", (to.element(a, index), to.element(b, index)), kind)

    return Array(kind, dims, at, a.reads | b.reads, cheap=False, depth=1 + max(a.depth, b.depth))


RULES: dict[Primitive, Callable[[Context, Apply], Value]] = {
    rows.new_list: _new_list, rows.zeros_list: _zeros_list, rows.add_lists: _add_lists,
}  # fmt: skip
