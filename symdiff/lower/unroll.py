"""Short loops of known length inside of others are written out, so that arrays become numbers.

    for i: (for k in 0 .. 3: t[k] = 0.0); t[1] += x[i]; y[i] = t[0] + t[1]
    ->  for i: t[0] = 0.0; t[1] = 0.0; t[2] = 0.0; t[1] += x[i]; y[i] = t[0] + t[1]

What is stored and read again then stays in variables (`fuse.forward`).
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Declare,
    Each,
    Let,
    Local,
    Num,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    substituted,
)

_ROUNDS = 16
_STATEMENTS = 48  # of all rounds together


def unroll(body: list[Statement], inside: bool = False) -> None:
    """Unroll the short loops that are inside of loops, in place."""
    result: list[Statement] = []
    for s in body:
        for inner in blocks_of(s):
            unroll(inner, inside or isinstance(s, Each))
        if inside and isinstance(s, Each) and _is_short(s):
            result += _rounds(s)
        else:
            result.append(s)
    body[:] = result


def _is_short(loop: Each) -> bool:
    if not isinstance(loop.start, Num) or not isinstance(loop.stop, Num):
        return False
    count = len(range(loop.start.value, loop.stop.value, loop.step))
    plain = all(isinstance(s, (Let, Set, Store, Declare)) for s in loop.body)
    return plain and count <= _ROUNDS and count * len(loop.body) <= _STATEMENTS


def _rounds(loop: Each) -> list[Statement]:
    """The statements of all rounds; each has variables of its own."""
    assert isinstance(loop.start, Num) and isinstance(loop.stop, Num)
    found: list[Statement] = []
    own = {s.local for s in loop.body if isinstance(s, (Let, Declare))}
    for k in range(loop.start.value, loop.stop.value, loop.step):
        fresh = {local: Local(local.name, local.dtype) for local in own}
        mapping: dict[Local, Term] = {loop.index: Num(k, "int")}
        mapping.update((old, Ref(new)) for old, new in fresh.items())
        for s in loop.body:
            match s:
                case Let(local, value, line):
                    found.append(Let(fresh[local], substituted(value, mapping), line))
                case Declare(local=local):
                    found.append(Declare(fresh[local]))
                case Set(local, value, line):
                    found.append(Set(fresh.get(local, local), substituted(value, mapping), line))
                case Store(buffer, index, value, add, line):
                    at = tuple(substituted(i, mapping) for i in index)
                    found.append(Store(buffer, at, substituted(value, mapping), add, line))
                case _:
                    raise AssertionError("a short loop has plain statements only")
    return found
