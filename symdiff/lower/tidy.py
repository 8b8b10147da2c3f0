"""Statements as a person writes them: nothing unused, formulas where they are read, scopes.

t = 2.0 * x; u = cos(t); r = t * u     ->   const double t = 2.0 * x;
                                            r = t * cos(t);
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
    Forever,
    Grow,
    Invoke,
    Kernel,
    Let,
    Load,
    Local,
    Op,
    Ref,
    Set,
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
from symdiff.lower.affine import Known
from symdiff.lower.alike import settle
from symdiff.lower.blocks import in_blocks
from symdiff.lower.copies import drop_copies
from symdiff.lower.folds import fold_together
from symdiff.lower.fuse import forward, fuse, shrink
from symdiff.lower.guards import drop_repeated
from symdiff.lower.jam import jam
from symdiff.lower.keep import keep_costly
from symdiff.lower.lanes import side_by_side
from symdiff.lower.memory import place
from symdiff.lower.parallel import mark_free
from symdiff.lower.placing import put_in_place
from symdiff.lower.powers import multiply_out
from symdiff.lower.scatter import scatter
from symdiff.lower.straighten import straighten
from symdiff.lower.totals import go_on, sum_up
from symdiff.lower.unroll import unroll

_PLAIN = frozenset(("t", "flat"))  # names that say nothing: their values may stand where read
_LARGEST = 14  # operations in one formula


def tidy(kernel: Kernel, known: Known) -> None:
    """Tidy a kernel in place."""
    _drop_unused(kernel)
    unroll(kernel.body)
    forward(kernel.body)
    _drop_unused(kernel)
    _inline(kernel.body)
    put_in_place(kernel, known)
    side_by_side(kernel.body, known)
    go_on(kernel.body)
    sum_up(kernel.body, known)
    straighten(kernel.body, known)
    drop_repeated(kernel.body, known)
    fuse(kernel.body, known)
    forward(kernel.body)
    _drop_unused(kernel)
    shrink(kernel.body)
    drop_copies(kernel.body)
    _drop_unused(kernel)
    keep_costly(kernel.body, known)
    multiply_out(kernel.body, known)
    in_blocks(kernel.body, known)
    jam(kernel.body, known)
    fold_together(kernel.body, known)
    scatter(kernel.body, known)
    _inline(kernel.body)
    settle(kernel.body)
    _drop_unused(kernel)
    place(kernel, known)
    _drop_unused(kernel)
    while _drop_empty(kernel.body):  # what only they read is of no use either
        _drop_unused(kernel)
    _inline(kernel.body)
    _scope(kernel.body)
    mark_free(kernel.body, known)


# What nobody reads.


def _drop_unused(kernel: Kernel) -> None:
    """Remove variables and memory that are never read, until none is left."""
    order = list(statements(kernel.body))
    uses: dict[Local | Buffer, int] = {}
    writers: dict[Local | Buffer, list[Statement]] = {}
    for s in order:
        for x in _read(s):
            uses[x] = uses.get(x, 0) + 1
        if not isinstance(s, Invoke):  # which may raise, so that it is never dropped
            for x in written_by(s):
                writers.setdefault(x, []).append(s)
    dead: set[int] = set()
    stack: list[Local | Buffer] = [
        x for x in writers if not uses.get(x) and (isinstance(x, Local) or x.kind == "work")
    ]
    seen = set(stack)
    while stack:
        for s in writers[stack.pop()]:
            if id(s) in dead:
                continue
            dead.add(id(s))
            for x in _read(s):
                uses[x] -= 1
                local = isinstance(x, Local) or x.kind == "work"
                if not uses[x] and local and x in writers and x not in seen:
                    seen.add(x)
                    stack.append(x)
    unused = {x for x in (*writers, *_declared(order)) if not uses.get(x)}
    _keep(kernel.body, dead, unused)


def _declared(order: Iterable[Statement]) -> list[Local | Buffer]:
    found: list[Local | Buffer] = []
    for s in order:
        if isinstance(s, Declare):
            found.append(s.local)
        elif isinstance(s, (Alloc, Grow)):
            found.append(s.buffer)
    return found


def _keep(body: list[Statement], dead: set[int], unused: set[Local | Buffer]) -> None:
    stack = [body]
    while stack:
        block = stack.pop()
        kept: list[Statement] = []
        for s in block:
            gone = id(s) in dead
            gone = gone or (isinstance(s, Declare) and s.local in unused)
            gone = gone or (
                isinstance(s, (Alloc, Grow)) and s.buffer in unused and s.buffer.kind == "work"
            )
            if not gone:
                kept.append(s)
                stack.extend(blocks_of(s))
        block[:] = kept


def _read(s: Statement) -> list[Local | Buffer]:
    """The variables and buffers that a statement reads; a changing variable reads itself not."""
    found: list[Local | Buffer] = []
    for term in terms_of(s):
        for part in subterms(term):
            if isinstance(part, Ref):
                found.append(part.local)
            elif isinstance(part, Load):
                found.append(part.buffer)
                found.extend(_strides(part.buffer))
    if isinstance(s, Store):
        found.extend(_strides(s.buffer))
    if isinstance(s, Invoke):
        found.extend((*s.buffers, *s.results))
    if isinstance(s, Set):
        found = [x for x in found if x is not s.local]
    if isinstance(s, (Grow,)) and s.buffer.kind != "work":
        found.append(s.buffer)
    return found


def _strides(buffer: Buffer) -> list[Local | Buffer]:
    """What places in a buffer are counted with."""
    return [p.local for d in buffer.dims[1:] for p in subterms(d) if isinstance(p, Ref)]


# Formulas where they are read.


def _inline(body: list[Statement]) -> None:
    """Put values that are read once where they are read, if nothing between changes them."""
    uses: dict[Local, int] = {}
    for s in statements(body):
        for x in _read(s):
            if isinstance(x, Local):
                uses[x] = uses.get(x, 0) + 1
    _Inliner(uses).block(body, {})


class _Inliner:
    def __init__(self, uses: dict[Local, int]):
        self.uses = uses

    def block(self, body: list[Statement], around: dict[Local, Let]) -> set[Local]:
        """Inline in one block; the answer: what of `around`, which outer blocks have, came in."""
        ready = dict(around)
        gone: set[Local] = set()
        for s in body:
            taken: set[Local] = set()
            with_terms(s, lambda term, at=taken: self._replaced(term, ready, at))
            if isinstance(s, Set) and isinstance(s.value, Ref) and s.value.local in ready:
                taken.add(s.value.local)  # `e = s + x; s = e`
                s.value = ready[s.value.local].value
            for local in taken:
                del ready[local]
            gone |= taken
            effects = _effects(s)
            if effects:
                for local, let in list(ready.items()):
                    if not effects.isdisjoint(_sources(let.value)):
                        del ready[local]
            if isinstance(s, Branch):
                for inner in blocks_of(s):
                    came = self.block(inner, ready)
                    for local in came:
                        del ready[local]
                    gone |= came
            elif isinstance(s, (Each, Forever)):
                for inner in blocks_of(s):
                    self.block(inner, {})
            if (
                isinstance(s, Let) and self.uses.get(s.local) == 1
                and _weight(s.value) < _LARGEST
            ):  # fmt: skip
                ready[s.local] = s
        body[:] = [s for s in body if not (isinstance(s, Let) and s.local in gone)]
        return gone & around.keys()

    def _replaced(self, term: Term, ready: dict[Local, Let], taken: set[Local]) -> Term:
        room = _LARGEST - _weight(term)
        mapping: dict[Local, Term] = {}
        for part in subterms(term):
            if isinstance(part, Ref) and part.local in ready and part.local.name in _PLAIN:
                value = ready[part.local].value
                if _weight(value) <= room:
                    room -= _weight(value)
                    mapping[part.local] = value
        if not mapping:
            return term
        taken.update(mapping)
        return substituted(term, mapping)


def _effects(s: Statement) -> set[Local | Buffer]:
    """What a statement, with all inside of it, changes."""
    found: set[Local | Buffer] = set()
    for x in statements([s]):
        if not isinstance(x, Let):
            found.update(written_by(x))
    return found


def _sources(term: Term) -> set[Local | Buffer]:
    found: set[Local | Buffer] = set()
    for part in subterms(term):
        if isinstance(part, Ref):
            found.add(part.local)
        elif isinstance(part, Load):
            found.add(part.buffer)
    return found


def _weight(term: Term) -> int:
    return sum(1 for part in subterms(term) if isinstance(part, (Op, Load)))


def _drop_empty(body: list[Statement]) -> bool:
    """Remove loops and branches that have nothing in them; whether there were any."""
    kept: list[Statement] = []
    dropped = False
    for s in body:
        for inner in blocks_of(s):
            dropped = _drop_empty(inner) or dropped
        if isinstance(s, Each) and not s.body:
            continue
        if isinstance(s, Branch) and not s.then and not s.orelse:
            continue
        kept.append(s)
    dropped = dropped or len(kept) < len(body)
    body[:] = kept
    return dropped


# Scopes.


def _scope(body: list[Statement]) -> None:
    """Declare each variable where all that reads and writes it can see it."""
    paths: dict[Local, list[tuple[list[Statement], int]]] = {}  # the innermost common block
    stack: list[tuple[list[Statement], list[tuple[list[Statement], int]]]] = [(body, [])]
    defined: set[Local] = set()
    while stack:
        block, way = stack.pop()
        for number, s in enumerate(block):
            here = [*way, (block, number)]
            if isinstance(s, (Let, Set, Declare)):
                defined.add(s.local)
            touched = {x for x in (*_read(s), *written_by(s)) if isinstance(x, Local)}
            if isinstance(s, Declare):
                touched.add(s.local)
            for x in touched:
                known = paths.get(x)
                paths[x] = here if known is None else _shared(known, here)
            stack.extend((inner, here) for inner in blocks_of(s))
    wanted: dict[int, list[Local]] = {}  # by the statement that they are declared before
    for local, way in paths.items():
        block, number = way[-1]
        s = block[number]
        first = isinstance(s, (Let, Set, Declare)) and s.local is local
        if local in defined and not first:
            wanted.setdefault(id(s), []).append(local)
    if wanted:
        _hoist(body, wanted, {local for found in wanted.values() for local in found})


def _shared(
    a: list[tuple[list[Statement], int]], b: list[tuple[list[Statement], int]]
) -> list[tuple[list[Statement], int]]:
    """The common block of two places, and the first of the two statements in it."""
    common: list[tuple[list[Statement], int]] = []
    for (one, i), (two, j) in zip(a, b, strict=False):
        if one is not two:
            break
        common.append((one, min(i, j)))
        if i != j:
            break
    return common


def _hoist(body: list[Statement], wanted: dict[int, list[Local]], moved: set[Local]) -> None:
    """Declare variables before the statements that ask for them; elsewhere they are assigned."""
    stack = [body]
    while stack:
        block = stack.pop()
        result: list[Statement] = []
        for s in block:
            result += [Declare(local, True) for local in wanted.get(id(s), ())]
            if isinstance(s, Declare) and s.local in moved:
                continue
            if isinstance(s, Let) and s.local in moved:
                s = Set(s.local, s.value, s.line)
            result.append(s)
            stack.extend(blocks_of(s))
        block[:] = result
