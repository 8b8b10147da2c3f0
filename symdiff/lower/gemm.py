"""Large products of matrices are calls, which BLAS may take over.

c = a @ b.T   ->   matrix_product(m, n, k, a, k, 1, b, 1, k, c)

A product whose sizes are known and small is a nest, which becomes one with what is around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.ir.nest import Buffer, Invoke, Local, Num, Op, Ref, Term, subterms
from symdiff.ir.types import DType
from symdiff.lower.arrays import ONE, ZERO, Array, Index
from symdiff.lower.context import Context

_SMALL = 32768  # products of numbers below which no library is called, as in the function itself
Operand = tuple[str, Array]  # a letter for each axis
Placed = tuple[Buffer, Term, tuple[Term, Term]]  # the memory, where it starts, two strides


def product_called(
    to: Context,
    kind: DType,
    operands: Sequence[Operand],
    out: str,
    sizes: dict[str, Term],
    wish: str,
) -> Buffer | None:
    """The memory that calls fill with an einsum; None for what is better as a nest."""
    summed = [c for c in sizes if c not in out]
    if to.beside:  # the nests of all rows share their loops
        return None
    if kind not in ("float32", "float64") or len(operands) != 2 or len(out) < 2 or len(summed) != 1:
        return None
    batch, row, column, inner = out[:-2], out[-2], out[-1], summed[0]
    operands = operands if row in operands[0][0] else operands[::-1]
    shape = [sizes[c] for c in (row, column, inner)]
    values = [d.value for d in shape if isinstance(d, Num)]
    if 1 in values or (len(values) == 3 and math.prod(values) < _SMALL):
        return None
    for (letters, x), own, other in zip(operands, (row, column), (column, row), strict=True):
        if not {own, inner} <= set(letters) or other in letters or x.dtype != kind:
            return None
        if len(set(letters)) < len(letters) or any(
            x.dims[letters.index(c)] == ONE for c in (own, inner)
        ):
            return None
    ready = [(letters, _in_memory(to, letters, x, inner)) for letters, x in operands]
    buffer = to.work(wish, kind, [sizes[c] for c in out])
    name = "matrix_product" if kind == "float64" else "matrix_product_float"

    def multiply(index: Index) -> None:
        at = dict(zip(batch, index, strict=True))
        a = _placed(to, *ready[0], at, (row, inner))
        b = _placed(to, *ready[1], at, (inner, column))
        assert a is not None and b is not None
        given = (*shape, a[0], *a[2], b[0], *b[2])
        place = (*index, ZERO, ZERO)
        starts = {3: a[1], 6: b[1], 9: _flat(to, buffer, place)}
        starts = {k: start for k, start in starts.items() if start != ZERO}
        to.out.append(Invoke(name, given, (buffer,), to.line, raises=False, starts=starts))

    to.over([sizes[c] for c in batch], multiply)
    return buffer


def _in_memory(to: Context, letters: str, x: Array, inner: str) -> Array:
    """An operand whose rows and columns are a fixed way apart in memory."""
    others = [c for c in letters if c != inner]
    at: dict[str, Term] = {c: Ref(Local(c, "int")) for c in others[:-1]}
    pair = (others[-1], inner)
    return x if _placed(to, letters, x, at, pair) is not None else to.realized(x)


def _placed(
    to: Context, letters: str, x: Array, at: dict[str, Term], pair: tuple[str, str]
) -> Placed | None:
    """Where a matrix of an operand is: the strides are those of the letters of `pair`."""
    if x.place is None:
        return None
    index: dict[str, Term] = {**at, **{c: Ref(Local(c, "int")) for c in pair}}
    own = tuple(ZERO if d == ONE else index[c] for c, d in zip(letters, x.dims, strict=True))
    buffer, there = x.place(own)
    strides: dict[str, Term] = {}
    start: list[Term] = []
    for axis, i in enumerate(there):
        letter, rest = next(
            ((c, rest) for c in pair if (rest := _beyond(i, index[c])) is not None), (None, i)
        )
        if letter is not None:
            strides[letter] = to.count(buffer.dims[axis + 1 :])
        if any(part == index[c] for c in pair for part in subterms(rest)):
            return None
        start.append(rest)
    if buffer.growing or set(strides) != set(pair):
        return None
    return buffer, _flat(to, buffer, start), (strides[pair[0]], strides[pair[1]])


def _beyond(index: Term, letter: Term) -> Term | None:
    """What is added to a letter in an index; None where it is not such a sum."""
    if index == letter:
        return ZERO
    if isinstance(index, Op) and index.code == "{0} + {1}" and letter in index.args:
        return index.args[1 - index.args.index(letter)]
    return None


def _flat(to: Context, buffer: Buffer, index: Sequence[Term]) -> Term:
    """The number of an element of a buffer."""
    total: Term = ZERO
    for axis, i in enumerate(index):
        total = to.op("{0} + {1}", total, to.op("{0} * {1}", i, to.count(buffer.dims[axis + 1 :])))
    return total
