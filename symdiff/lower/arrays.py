"""Array values while a function is lowered: how to compute an element, and which memory it is.

    z = x + y[:, None]     ->   Array(dims (n, d), at: (i, j) -> x[i, j] + y[i])

Nothing is computed for an `Array` until somebody asks for its elements, so chains of operations,
slices and transposes become one loop without temporaries. `reads` says whose memory the elements
come from: before that is written over, what is still needed gets memory of its own (`Lowering`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from symdiff.ir.nest import Buffer, Load, Num, Term
from symdiff.ir.types import DType

Index = tuple[Term, ...]
ZERO, ONE = Num(0, "int"), Num(1, "int")


@dataclass(eq=False, slots=True)
class Array:
    """dims: its sizes. at: the element at an index. reads: the buffers that elements come from.

    place: where an element is, for what is a view of a buffer. buffer: where the array is that
    buffer, in order. cheap: an element costs no more than a load. depth: how many operations are
    between an element and memory. below: of indices, what each is below, none being negative.
    origin: an array of the same elements in another shape, and where each of its elements is here:
    who stores all of them asks for no element by division.
    """

    dtype: DType
    dims: tuple[Term, ...]
    at: Callable[[Index], Term]
    reads: frozenset[Buffer] = frozenset()
    place: Callable[[Index], tuple[Buffer, Index]] | None = None
    buffer: Buffer | None = None
    cheap: bool = True
    depth: int = 0
    below: Term | None = None
    origin: tuple[Array, Callable[[Index], Index]] | None = None

    @property
    def rank(self) -> int:
        return len(self.dims)


def stored(
    buffer: Buffer, dims: tuple[Term, ...] | None = None, below: Term | None = None
) -> Array:
    """The array that a buffer holds; dims: where it is less than all of it."""
    made = view(buffer, buffer.dims if dims is None else dims, lambda index: index, buffer)
    made.below = below
    return made


def view(
    buffer: Buffer,
    dims: Sequence[Term],
    place: Callable[[Index], Index],
    whole: Buffer | None = None,
) -> Array:
    """What is seen of a buffer through a map of indices."""

    def there(index: Index) -> tuple[Buffer, Index]:
        return buffer, place(index)

    def at(index: Index) -> Term:
        return Load(buffer, place(index))

    return Array(buffer.dtype, tuple(dims), at, frozenset((buffer,)), there, whole)


def moved(array: Array, dims: Sequence[Term], place: Callable[[Index], Index]) -> Array:
    """`array` looked at through a map of indices: a transpose, a slice, a row."""
    inner = array.place

    def there(index: Index) -> tuple[Buffer, Index]:
        assert inner is not None
        return inner(place(index))

    return Array(
        array.dtype, tuple(dims), lambda index: array.at(place(index)), array.reads,
        None if inner is None else there,
        None, array.cheap, array.depth, array.below,
    )  # fmt: skip


def renewed(array: Array) -> Array:
    """The same memory as another value, after it has been written."""
    return replace(array, below=None)


def filled(value: Term, dims: Sequence[Term]) -> Array:
    """An array whose elements are all the same."""
    return Array(value.dtype, tuple(dims), lambda index: value)


def blank(buffer: Buffer) -> Array:
    """Zeros, as many as a buffer holds."""
    zero = Num(0.0 if buffer.dtype.startswith("float") else 0, buffer.dtype)
    return filled(zero, buffer.dims)


def broadcast_index(array: Array, rank: int) -> Callable[[Index], Index]:
    """The index of `array` for one of `rank` dimensions that it is broadcast to."""
    lead = rank - array.rank
    ones = [dim == ONE for dim in array.dims]

    def place(index: Index) -> Index:
        own = index[lead:]
        return tuple(ZERO if one else i for one, i in zip(ones, own, strict=True))

    return place
