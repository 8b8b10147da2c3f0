"""What is computed only to be copied to a result in another order is computed there.

for k: for i: rows[k, i] = x[i] * k          for k: for i: result[i, k] = x[i] * k
for i: for k: result[i, k] = rows[k, i]  ->
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Each,
    Kernel,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    with_terms,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known


def put_in_place(kernel: Kernel, known: Known) -> None:
    """Let arrays be where they are copied to, in place."""
    for number, s in enumerate(kernel.body):
        found = _copy(s, known)
        if found is None:
            continue
        target, source, order = found
        access = [access_of([x]) for x in kernel.body]
        used = sum(target in a.places for a in access)
        after = any(source in a.writes for a in access[number + 1 :])
        whole = any(() in a.places.get(source, ()) and source not in a.writes for a in access)
        if used == 1 and not after and not whole:
            kernel.body.remove(s)
            _renamed(kernel.body, source, target, order)
            return put_in_place(kernel, known)
    return None


def _copy(s: Statement, known: Known) -> tuple[Buffer, Buffer, list[int]] | None:
    """(to where, what, the axis of that for each axis of the former) of a copy of all of it."""
    loops: list[Each] = []
    while isinstance(s, Each) and len(s.body) == 1 and s.step == 1 and s.start == Num(0, "int"):
        loops.append(s)
        s = s.body[0]
    if not isinstance(s, Store) or s.add or s.buffer.kind != "result":
        return None
    if not isinstance(s.value, Load) or s.value.buffer.kind != "work" or len(loops) < 2:
        return None
    target, source = s.buffer, s.value.buffer
    bounds: dict[Local, Term] = {loop.index: loop.stop for loop in loops}
    names = [i.local for i in s.index if isinstance(i, Ref)]
    places = [i.local for i in s.value.index if isinstance(i, Ref)]
    if {*names} != {*places} or {*names} != bounds.keys() or source.growing:
        return None
    if not len(names) == len(places) == len(target.dims) == len(source.dims) == len(loops):
        return None
    sizes = (*zip(names, target.dims, strict=True), *zip(places, source.dims, strict=True))
    if source.dtype != target.dtype or not all(known.equal(bounds[x], d) for x, d in sizes):
        return None
    return target, source, [places.index(x) for x in names]


def _renamed(body: list[Statement], source: Buffer, target: Buffer, order: list[int]) -> None:
    """Read and write `target` where it was `source`, whose axes `order` puts in another order."""
    for block in _blocks(body):
        block[:] = [x for x in block if not (isinstance(x, Alloc) and x.buffer is source)]
    for s in statements(body):
        with_terms(s, lambda term: _moved(term, source, target, order))
        if isinstance(s, Store) and s.buffer is source:
            s.buffer, s.index = target, tuple(s.index[axis] for axis in order)


def _blocks(body: list[Statement]) -> list[list[Statement]]:
    found = [body]
    for block in found:
        found.extend(inner for s in block for inner in blocks_of(s))
    return found


def _moved(term: Term, source: Buffer, target: Buffer, order: list[int]) -> Term:
    match term:
        case Load(buffer, index):
            index = tuple(_moved(i, source, target, order) for i in index)
            if buffer is source:
                return Load(target, tuple(index[axis] for axis in order))
            return Load(buffer, index)
        case Op(code, args, dtype):
            return Op(code, tuple(_moved(a, source, target, order) for a in args), dtype)
        case _:
            return term
