"""Boolean masks: where their true elements are, found out in one loop.

y = x[m]   ->   for i: if (m[i]) kept[count++] = i;
                for k < count: y[k] = x[kept[k]]
x[m] = 0.0 ->   for i: if (m[i]) x[i] = 0.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.nest import Branch, Buffer, Local, Op, Ref, Set, Statement, Store, Term
from symdiff.lower.access import access_of
from symdiff.lower.arrays import ONE, ZERO, Array, Index, broadcast_index, view
from symdiff.lower.context import Context
from symdiff.primitives.indexing import RUN, accumulate, index, update


@dataclass(frozen=True, slots=True)
class Sieve:
    """A part of an array as all that a mask is of: its sizes, and where elements are.

    lead: the axis where those of the mask begin.
    """

    mask: Array
    lead: int
    dims: tuple[Term, ...]
    at: Callable[[Index], Index]


def masks_of(node: Expr) -> Iterator[tuple[str, Expr]]:
    """The masks that an operation indexes with, by the name of how many elements they keep."""
    if not (type(node) is Apply and node.op in (index, update, accumulate)):
        return
    parts = iter(node.operands[1 if node.op is index else 2 :])
    for entry in node.attrs[0]:
        if entry[0] == "mask":
            yield entry[1], next(parts)
        else:
            for _ in range(entry[:4].count(RUN) or entry[0] == "array"):
                next(parts)


def kept(to: Context, mask: Array) -> list[Array]:
    """The places of the true elements of a mask, in order: one array of indices for each axis."""
    return to.once(("kept", mask), lambda: _kept(to, mask))


def _kept(to: Context, mask: Array) -> list[Array]:
    count = Local("count", "int")
    to.known.sizes[count] = 0
    names = ["kept"] if mask.rank == 1 else [f"kept_{'nmklpq'[a % 6]}" for a in range(mask.rank)]
    room = to.count(mask.dims)
    to.known.ceilings[count] = room
    buffers = [to.work(name, "int", (room,)) for name in names]
    to.out.append(Set(count, ZERO, to.line))

    def look(index: Index) -> None:
        test = to.element(mask, index)
        found: list[Statement] = [
            Store(b, (Ref(count),), i) for b, i in zip(buffers, index, strict=True)
        ]
        found.append(Set(count, Op("{0} + {1}", (Ref(count), ONE), "int")))
        to.out.append(Branch(test, found))

    to.over(mask.dims, look, free=False)
    return [view(b, (Ref(count),), lambda index: index) for b in buffers]


def fits(to: Context, mask: Array, dims: Sequence[Term]) -> None:
    """Raise where a mask has not the sizes of the axes that it stands for."""
    for have, want in zip(mask.dims, dims, strict=True):
        message = "boolean index did not match the size of the indexed array"
        to.require_equal(have, want, message, "IndexError")


def store_where(
    to: Context,
    sieve: Sieve,
    there: Callable[[Index], tuple[Buffer, Index]],
    dims: Sequence[Term],
    value: Array,
    add: bool,
) -> bool:
    """Store where a mask is true, in a loop over all of it; False where it must be another way.

    dims: the sizes of the part that the mask leaves, which the value is broadcast to. It must not
    vary where the mask was; and a mask that is computed from elements of the same memory must not
    look at those that other rounds have written by then.
    """
    rank, lead, axes = len(dims), sieve.lead, sieve.mask.rank
    after = rank - lead - 1  # the axes behind those of the mask
    if value.rank > after and value.dims[value.rank - after - 1] != ONE:
        return False
    to.common([dims, value.dims])
    source = broadcast_index(value, rank)

    def store(index: Index) -> None:
        item = to.element(value, source((*index[:lead], ZERO, *index[lead + axes :])))
        buffer, at = there(sieve.at(index))
        to.out.append(Store(buffer, at, to.converted(item, buffer.dtype), add, to.line))

    def look(index: Index) -> None:
        test = to.element(sieve.mask, index[lead:])
        with to.inside([]) as inner:
            to.over(sieve.dims[lead + axes :], lambda rest: store((*index, *rest)))
        to.out.append(Branch(test, inner, line=to.line))

    with to.inside([]) as body:
        to.over(sieve.dims[: lead + axes], look, free=False)
    access = access_of(body)
    for buffer in access.writes & sieve.mask.reads:
        assert isinstance(buffer, Buffer)
        if len(set(access.places[buffer])) > 1 or after:
            return False
    to.out += body
    return True
