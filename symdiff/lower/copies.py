"""What is the same as something else goes by its name, and is not copied.

    for j: u[j] = f(j)                     for j: u[j] = f(j)
    for j: v[j] = u[j]             ->      g(u)
    g(v)

What a loop records of an array is often all of it, and stays as it is until it is read back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Each,
    Forever,
    Invoke,
    Let,
    Load,
    Num,
    Op,
    Ref,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    substituted,
    subterms,
    terms_of,
    with_terms,
    written_by,
)

Index = tuple[Term, ...]


def drop_copies(body: list[Statement]) -> None:
    """Read what copies are made of, in place; what nobody reads then is dropped elsewhere."""
    _variables(body)
    for look, axes in ((_copy, 0), (_history, 1)):
        while (found := look(body)) is not None:
            write, copy, source = found
            write.block[:] = [s for s in write.block if s is not write.statement]
            for s in statements(body):
                with_terms(s, lambda t, a=copy, b=source, n=axes: _renamed(t, a, b, n))


# Variables.


def _variables(body: list[Statement]) -> None:
    stack = [body]
    while stack:
        block = stack.pop()
        for k, s in enumerate(block):
            stack.extend(blocks_of(s))
            if not isinstance(s, Let) or not isinstance(s.value, Ref):
                continue
            rest = block[k + 1 :]
            other = s.value.local
            if any(other in written_by(x) for x in statements(rest)):
                continue
            for x in statements(rest):
                with_terms(x, lambda t, a=s.local, b=other: substituted(t, {a: Ref(b)}))


# Arrays.


@dataclass(frozen=True, slots=True)
class _Write:
    """A statement that writes into a buffer, and the loops around it, outermost first."""

    number: int
    around: tuple[Each | Forever, ...]
    index: Index | None
    statement: Statement
    block: list[Statement]


Around = tuple[Each | Forever, ...]


def _written(body: list[Statement]) -> tuple[dict[Buffer, list[_Write]], dict[Buffer, Around]]:
    """What writes into each buffer, and the loops around the place where it is made."""
    writes: dict[Buffer, list[_Write]] = {}
    made: dict[Buffer, Around] = {}
    stack: list[tuple[Statement, tuple[Each | Forever, ...], list[Statement]]] = [
        (s, (), body) for s in reversed(body)
    ]
    number = 0
    while stack:
        s, around, block = stack.pop()
        number += 1
        match s:
            case Store(buffer=buffer, index=index):
                writes.setdefault(buffer, []).append(_Write(number, around, index, s, block))
            case Alloc(buffer=buffer):
                made[buffer] = around
            case Invoke():
                for buffer in s.buffers:
                    writes.setdefault(buffer, []).append(_Write(number, around, None, s, block))
            case _:
                pass
        inner = (*around, s) if isinstance(s, (Each, Forever)) else around
        for below in reversed(blocks_of(s)):
            stack.extend((x, inner, below) for x in reversed(below))
    return writes, made


def _copies(
    body: list[Statement],
) -> Iterator[tuple[_Write, Buffer, list[_Write], Buffer, Around]]:
    """Buffers that one statement writes, and buffers from which it may have what it writes."""
    writes, made = _written(body)
    for buffer, found in writes.items():
        if buffer.kind != "work" or buffer.growing or len(found) != 1 or not buffer.dims:
            continue
        (write,) = found
        load = _loaded(write)
        sources = _sources(write)
        if load is not None and load.buffer not in sources:
            sources.append(load.buffer)
        for source in sources:
            if source is buffer or source.growing or source.kind != "work":
                continue
            if source.dtype == buffer.dtype and buffer in made and made.get(source) == made[buffer]:
                yield write, buffer, writes.get(source, []), source, made[buffer]


def _copy(body: list[Statement]) -> tuple[_Write, Buffer, Buffer] | None:
    """What makes a buffer a copy of another, the two buffers."""
    for write, buffer, others, source, anew in _copies(body):
        alike = source in _sources(write) and len(source.dims) == len(buffer.dims)
        if alike and all(_is_before(w, write, anew) for w in others):
            return write, buffer, source
    return None


# What each round records of an array of which it writes only its own part.


def _history(body: list[Statement]) -> tuple[_Write, Buffer, Buffer] | None:
    """The same where a round of a loop copies all, and only its own part of that is read.

    for c: q[c, :] = ...; kept[c, :, :] = q    with kept[c, c, j] read:    that is q[c, j]
    """
    for write, buffer, others, source, anew in _copies(body):
        load, index = _loaded(write), write.index
        if load is None or index is None or load.buffer is not source:
            continue
        rounds = next((x for x in write.around if isinstance(x, Each) and x not in anew), None)
        if rounds is None or index[0] != Ref(rounds.index) or index[1:] != load.index:
            continue
        if not _is_all(write, rounds):
            continue
        inside = [w for w in others if rounds in w.around]
        if any(w.number > write.number or w.index is None for w in others):
            continue
        for axis in range(len(source.dims)):
            own = all(w.index is not None and w.index[axis] == index[0] for w in inside)
            if own and _read_at(body, buffer, axis):
                return write, buffer, source
    return None


def _is_all(write: _Write, rounds: Each) -> bool:
    """Whether what a round copies is copied for all of its indices, after all else in it."""
    inner = write.around[write.around.index(rounds) + 1 :]
    indices = [Ref(x.index) for x in inner if isinstance(x, Each)]
    return write.index is not None and list(write.index[1:]) == indices


def _read_at(body: list[Statement], buffer: Buffer, axis: int) -> bool:
    """Whether of each record only the part of its own round is read."""
    return all(
        p.index[0] == p.index[1 + axis]
        for s in statements(body)
        for term in terms_of(s)
        for p in subterms(term)
        if isinstance(p, Load) and p.buffer is buffer
    )


def _sources(write: _Write) -> list[Buffer]:
    """The buffers that hold at the same index what is written."""
    s = write.statement
    if not isinstance(s, Store) or s.add:
        return []
    found: list[Buffer] = []
    load = _loaded(write)
    if load is not None and load.index == s.index:
        found.append(load.buffer)
    if isinstance(s.value, (Ref, Num)):
        seen: set[Buffer] = set()  # what has been written since
        for x in _right_before(write):
            if not isinstance(x, Store) or x.buffer in seen:
                continue
            seen.add(x.buffer)
            if x.value == s.value and x.index == s.index and not x.add:
                found.append(x.buffer)
    return found


def _right_before(write: _Write) -> Iterator[Let | Store]:
    """The statements that lead to one, last ones first."""
    place = next(k for k, x in enumerate(write.block) if x is write.statement)
    for x in reversed(write.block[:place]):
        if not isinstance(x, (Let, Store)):
            break
        yield x


def _loaded(write: _Write) -> Load | None:
    """The element that is stored as it is, if it is one."""
    value = write.statement.value if isinstance(write.statement, Store) else None
    if isinstance(value, Ref):
        for x in _right_before(write):
            if isinstance(x, Let) and x.local is value.local:
                value = x.value
                break
            if isinstance(x, Store):
                break
    return value if isinstance(value, Load) else None


def _is_before(one: _Write, copy: _Write, anew: tuple[Each | Forever, ...]) -> bool:
    """Whether what is written is there when it is copied, and stays as it is."""
    if one.number >= copy.number or one.index is None or copy.index is None:
        return False
    shared = [x for x in one.around if x in copy.around and x not in anew]
    if not shared:
        return True
    if any(isinstance(x, Forever) for x in shared):
        return False
    if one.index != copy.index:
        return False
    named = {i.local for i in one.index if isinstance(i, Ref)}
    return all(x.index in named for x in shared if isinstance(x, Each))


def _renamed(term: Term, old: Buffer, new: Buffer, axes: int) -> Term:
    """What is read of `old` read of `new`, which has less axes in front."""
    match term:
        case Load(buffer, index):
            index = tuple(_renamed(i, old, new, axes) for i in index)
            return Load(new, index[axes:]) if buffer is old else Load(buffer, index)
        case Op(code, args, dtype):
            return Op(code, tuple(_renamed(a, old, new, axes) for a in args), dtype)
        case _:
            return term
