"""Arrays and lists of one of two branches: their memory where it is one, else a copy.

if s > 0.0: y = x[1:]          if (s > 0.0) { size = n - 1; y[...] = x[... + 1]; }
else: y = x               ->   else { size = n; y[...] = x[...]; }
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import If
from symdiff.ir.nest import Alloc, Buffer, Declare, Load, Local, Ref, Set, Statement, Term
from symdiff.ir.types import Dim, dim_symbols
from symdiff.lower.arrays import ZERO, Array, renewed, stored
from symdiff.lower.context import Value, refused
from symdiff.lower.lists import resized
from symdiff.lower.ragged import Ragged

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering

Side = tuple[list[Statement], Value]  # what a branch does, and what it gives


def choose_array(to: Lowering, member: If, sides: list[Side]) -> None:
    """The array that `member` is, with what is to be done for it in either branch."""
    arrays = [v for _, v in sides if isinstance(v, Array)]
    assert len(arrays) == 2
    one, two = arrays
    if one is two or (one.buffer is not None and one.buffer is two.buffer):
        to.keep(member, _same(to, member, sides), False)
        return
    if isinstance(one, Ragged) or isinstance(two, Ragged):
        _lists(to, member, sides)
        return
    dims, new = _common(to, member, sides)
    several = len(to.plan.sites.get(member, ())) > 1
    if new and several:
        raise refused("a branch in a branch that decides the size of an array", to.line)
    if new and any(a.dims[0] == ZERO for a in arrays):  # one or nothing: needs no copy
        for array in arrays:
            if array.buffer is not None and array.dims[0] != ZERO:
                to.keep(member, _part(array.buffer, dims), False)
                return
    wish = to.wish_for(member)
    buffer = to.kept.get(member) or Buffer(wish, member.type.dtype, dims)
    if several:
        to.kept[member] = buffer
    if not new:
        to.out.append(Alloc(buffer))
    for body, value in sides:
        assert isinstance(value, Array)
        with to.inside(body):
            if new:
                to.out.append(Alloc(buffer))
            for have, want in zip(value.dims, dims, strict=True):
                if want not in new:
                    to.require_equal(have, want, "the shapes do not match")
            to.copied_into(buffer, value, value.dims if new else None)
    to.keep(member, stored(buffer), False)


def _same(to: Lowering, member: If, sides: list[Side]) -> Array:
    """Memory that either branch has written; a list may have got another length."""
    one, two = (v for _, v in sides if isinstance(v, Array))
    if one.dims == two.dims:
        return renewed(one)
    counts = [(body, v.dims[0]) for body, v in sides if isinstance(v, Array)]
    return resized(one, _decided(to, "length", member.type.shape[0], counts))


def _part(buffer: Buffer, dims: tuple[Term, ...]) -> Array:
    """What a branch leaves of a list, which is only read."""
    return Array(buffer.dtype, dims, lambda index: Load(buffer, index), frozenset((buffer,)))


def _common(to: Lowering, member: If, sides: list[Side]) -> tuple[tuple[Term, ...], list[Term]]:
    """The sizes of an array that either of two branches gives, and those that they decide."""
    one, two = (v for _, v in sides if isinstance(v, Array))
    dims: list[Term] = []
    new: list[Term] = []
    for axis, (a, b) in enumerate(zip(one.dims, two.dims, strict=True)):
        dim = member.type.shape[axis]
        if a == b or (axis < member.type.listed and to.known.equal(a, b)):
            dims.append(a)
            continue
        known = None if axis < member.type.listed else _known(to, dim)
        if known is None:
            known = _decided(to, "size", dim, [(sides[0][0], a), (sides[1][0], b)])
            new.append(known)
        dims.append(known)
    return tuple(dims), new


def _known(to: Lowering, dim: Dim) -> Term | None:
    try:
        return to.dim(dim)
    except UnsupportedError:
        return None


def _decided(to: Lowering, wish: str, dim: Dim, sides: list[tuple[list[Statement], Term]]) -> Term:
    """A size that each branch gives a value."""
    size = Local(wish, "int")
    to.known.sizes[size] = 0
    to.out.append(Declare(size))
    for body, value in sides:
        body.append(Set(size, value, to.line))
    if not isinstance(dim, int):
        names = dim_symbols(dim)
        if dim.terms == (((*names,), 1),) and len(names) == 1:
            to.symbols[next(iter(names))] = Ref(size)
    return Ref(size)


def _lists(to: Lowering, member: If, sides: list[Side]) -> None:
    """A list of lists, or none."""
    full = [v for _, v in sides if isinstance(v, Ragged) and v.dims[0] != ZERO]
    if len(full) > 1 or not all(isinstance(v, Ragged) for _, v in sides):
        raise refused("one of two lists of lists", to.line)
    (tape,) = full or [v for _, v in sides[:1] if isinstance(v, Ragged)]
    counts = [(body, v.dims[0]) for body, v in sides if isinstance(v, Ragged)]
    bases = [(body, tape.base if v is tape else ZERO) for body, v in sides]
    count = _decided(to, "rows", member.type.shape[0], counts)
    base = ZERO if tape.base == ZERO else _decided(to, "first", 1, bases)
    to.keep(member, replace(tape, dims=(count,), base=base), False)
