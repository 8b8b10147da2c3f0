"""Independent rounds that hold loops run side by side: a block of them is the innermost loop.

    for i:                                 for first in steps of 64:
        for c:                                 for a: for l: row[a, l] = x[first + l, a]
            s = 0.0                            for c:
            for a: s += q[c, a] * x[i, a]  ->      for l: s[l] = 0.0
            t[c] = exp(s)                          for a: for l: s[l] += q[c, a] * row[a, l]
        for c: d[c] += t[c]                        for l: t[c, l] = exp(s[l])
                                               for c: d[c] += sum of t[c, l] over l

A round is a lane. What each round has for itself, variables and arrays, gets a lane axis; what all
rounds have alike is computed once for the block; what they add to shared memory is summed over the
lanes first. Rows that inner loops read again and again are brought in order for the block. This is
what ISPC does with its programs (Pharr and Mark, "ispc: A SPMD compiler for high-performance CPU
programming", 2012). Where there are few rounds, or a block would need much memory, the loop that
was there runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    subterms,
    terms_of,
)
from symdiff.lower.access import Access, access_of
from symdiff.lower.affine import Known
from symdiff.lower.block_code import Lanes
from symdiff.lower.masking import masked, mentions
from symdiff.lower.parallel import sums_of

FEWEST = 32  # rounds, below which side by side is no gain
_ROOM = 1 << 16  # elements that one round may have for itself
_SIMPLE = (Let, Set, Store, Declare)


def in_blocks(body: list[Statement], known: Known) -> None:
    """Block the loops of a body that allow it, outer ones first, in place."""
    _in_blocks(body, known, mentions(body))


def _in_blocks(body: list[Statement], known: Known, everywhere: Counter[Local]) -> None:
    result: list[Statement] = []
    for s in body:
        made = _blocked(s, known, everywhere) if isinstance(s, Each) else None
        if made is None:
            for inner in blocks_of(s):
                _in_blocks(inner, known, everywhere)
        result += [s] if made is None else made
    body[:] = result


def _leaves_values(loop: Each, sums: set[Local], everywhere: Counter[Local]) -> bool:
    """Whether others read what a round sets, and not only adds to: they want the last round's."""
    own = mentions(loop.body)
    changed = {s.local for s in statements(loop.body) if isinstance(s, Set)}
    return any(own[x] < everywhere[x] for x in changed - sums)


def _blocked(loop: Each, known: Known, everywhere: Counter[Local]) -> list[Statement] | None:
    """The loop over blocks, beside the loop itself; None where it is to stay as it is.

    everywhere: how often each variable stands in the kernel.
    """
    if loop.step != 1 or not any(isinstance(s, Each) for s in statements(loop.body)):
        return None
    span = Op("{0} - {1}", (loop.stop, loop.start), "int")
    count = known.plain(span)
    if isinstance(count, Num) and count.value < FEWEST:
        return None
    straight = masked(loop)
    sums = None if straight is None else sums_of(straight, known, adding=True)
    if straight is None or sums is None:
        return None
    if _leaves_values(loop, {local for _, local in sums}, everywhere):
        return None
    found = _analysed(straight, {local for _, local in sums})
    if found is None or not _pays(straight, found):
        return None
    tests: list[Term] = []
    if not isinstance(count, Num):
        some = loop.stop if loop.start == Num(0, "int") else span
        tests.append(Op("{0} >= {1}", (some, Num(FEWEST, "int")), "bool"))
    room = _room([*(b.dims for b in found.private), *(b.dims[1:] for b in found.packed)])
    if not isinstance(room, Num):
        tests.append(Op("{0} <= {1}", (room, Num(_ROOM, "int")), "bool"))
    elif room.value > _ROOM:
        return None
    if not tests:
        return [found.code(known, _ROOM)]
    enough: Term = tests[0]
    for test in tests[1:]:
        enough = Op("{0} && {1}", (enough, test), "bool")
    return [Branch(enough, [found.code(known, _ROOM)], [loop])]


def _room(sizes: Iterable[tuple[Term, ...]]) -> Term:
    """How many elements arrays of some sizes have together."""
    total: Term = Num(0, "int")
    for dims in sizes:
        count: Term = Num(1, "int")
        for d in dims:
            count = d if count == Num(1, "int") else Op("{0} * {1}", (count, d), "int")
        if isinstance(total, Num) and isinstance(count, Num):
            total = Num(total.value + count.value, "int")
        else:
            total = count if total == Num(0, "int") else Op("{0} + {1}", (total, count), "int")
    return total


def _analysed(loop: Each, sums: set[Local]) -> Lanes | None:
    """What differs from lane to lane; None where lanes would go different ways."""
    access = access_of(loop.body)
    private = [b for b, places in access.places.items() if b.dims and () in places]
    if any(b.growing or b.kind != "work" for b in private):
        return None
    varying = _varying(loop, sums, set(private))
    found = Lanes(loop, sums, varying, private)
    for s in statements(loop.body):
        match s:
            case Each(start=start, stop=stop):
                if found.varies(start) or found.varies(stop):
                    return None
            case Branch(test=test):
                if found.varies(test) and not _is_flat(s):
                    return None
            case Let() | Set() | Store() | Declare() | Alloc():
                pass
            case _:
                return None
    found.packed = _packed(loop, access, found)
    found.cut()
    return found


def _is_flat(branch: Branch) -> bool:
    return all(
        isinstance(s, (*_SIMPLE, Branch)) for side in blocks_of(branch) for s in statements(side)
    )


def _varying(loop: Each, sums: set[Local], private: set[Buffer]) -> set[Local]:
    """The variables that differ from lane to lane."""
    varying = {loop.index, *sums}

    def varies(term: Term) -> bool:
        return any(
            (isinstance(p, Ref) and p.local in varying)
            or (isinstance(p, Load) and p.buffer in private)
            for p in subterms(term)
        )

    changed = True
    while changed:
        changed = False
        stack: list[tuple[list[Statement], bool]] = [(loop.body, False)]
        while stack:
            block, masked = stack.pop()
            for s in block:
                new = isinstance(s, (Let, Set)) and s.local not in varying
                if isinstance(s, (Let, Set)) and new and (masked or varies(s.value)):
                    varying.add(s.local)
                    changed = True
                inner = masked or (isinstance(s, Branch) and varies(s.test))
                stack.extend((below, inner) for below in blocks_of(s))
    return varying


def _packed(loop: Each, access: Access, found: Lanes) -> list[Buffer]:
    """Buffers of which each round reads a row, in inner loops, more than once."""
    packed: list[Buffer] = []
    for buffer, places in access.places.items():
        if buffer in access.writes or len(buffer.dims) < 2:
            continue
        if all(_is_row(place, loop, found) for place in places) and _is_read_again(loop, buffer):
            packed.append(buffer)
    return packed


def _is_row(place: tuple[Term, ...], loop: Each, found: Lanes) -> bool:
    return bool(place) and place[0] == Ref(loop.index) and not any(map(found.varies, place[1:]))


def _is_read_again(loop: Each, buffer: Buffer) -> bool:
    """Whether a loop around a place does not count in its index, or there are two places."""
    places: set[tuple[Term, ...]] = set()
    stack: list[tuple[list[Statement], tuple[Local, ...]]] = [(loop.body, ())]
    while stack:
        block, around = stack.pop()
        for s in block:
            for term in terms_of(s):
                for p in subterms(term):
                    if isinstance(p, Load) and p.buffer is buffer:
                        named = {q.local for i in p.index for q in subterms(i)
                                 if isinstance(q, Ref)}  # fmt: skip
                        if not named.issuperset(around):
                            return True
                        places.add(p.index)
            inner = (*around, s.index) if isinstance(s, Each) else around
            stack.extend((below, inner) for below in blocks_of(s))
    return len(places) > 1


@dataclass(slots=True)
class _Costs:
    """Of the innermost places: far is a step in memory from lane to lane, near is none."""

    near: int = 0
    far: int = 0
    seen: set[Load] = field(default_factory=set["Load"])


def _pays(loop: Each, found: Lanes) -> bool:
    """Whether what is computed in the innermost loops is mostly read side by side."""
    costs = _Costs()
    stack: list[tuple[list[Statement], int]] = [(loop.body, 0)]
    deepest = 0
    places: list[tuple[int, bool]] = []
    while stack:
        block, depth = stack.pop()
        for s in block:
            deepest = max(deepest, depth)
            touched = [
                (p.buffer, p.index) for t in terms_of(s) for p in subterms(t) if isinstance(p, Load)
            ]
            if isinstance(s, Store):
                touched.append((s.buffer, s.index))
            for buffer, index in touched:
                if any(map(found.varies, index)) and buffer not in found.packed:
                    last = index[-1]
                    own = buffer in found.private
                    near = own or (len(index) == 1 and last == Ref(loop.index))
                    places.append((depth, near))
                elif buffer in found.private or buffer in found.packed:
                    places.append((depth, True))
            inner = depth + 1 if isinstance(s, Each) else depth
            stack.extend((below, inner) for below in blocks_of(s))
    for depth, near in places:
        if depth == deepest:
            if near:
                costs.near += 1
            else:
                costs.far += 1
    return not costs.far
