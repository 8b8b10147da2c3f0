"""Short loops of known length inside of others are written out, so that arrays become numbers.

    for i: (for k in 0 .. 3: t[k] = 0.0); t[1] += x[i]; y[i] = t[0] + t[1]
    ->  for i: t[0] = 0.0; t[1] = 0.0; t[2] = 0.0; t[1] += x[i]; y[i] = t[0] + t[1]

What is stored and read again then stays in variables (`fuse.forward`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from symdiff.ir.nest import (
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
    substituted,
)

_ROUNDS = 16
_WORKED_OUT: dict[str, Callable[[int, int], int]] = {
    "{0} + {1}": operator.add, "{0} - {1}": operator.sub, "{0} * {1}": operator.mul,
}  # fmt: skip
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
    # A value with a name is often inlined; what is stored stays.
    cost = sum(1 if isinstance(s, Let) else 2 for s in loop.body)
    return plain and count <= _ROUNDS and count * cost <= 2 * _STATEMENTS


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
                    found.append(Let(fresh[local], _places(substituted(value, mapping)), line))
                case Declare(local=local):
                    found.append(Declare(fresh[local]))
                case Set(local, value, line):
                    made = _places(substituted(value, mapping))
                    found.append(Set(fresh.get(local, local), made, line))
                case Store(buffer, index, value, add, line):
                    at = tuple(_place(substituted(i, mapping)) for i in index)
                    found.append(Store(buffer, at, _places(substituted(value, mapping)), add, line))
                case _:
                    raise AssertionError("a short loop has plain statements only")
    return found


def _places(term: Term) -> Term:
    """`term` with the indices worked out: `t[3 + 1]` is `t[4]`, so that both are one place."""
    match term:
        case Load(buffer, index):
            return Load(buffer, tuple(_place(_places(i)) for i in index))
        case Op(code, args, dtype):
            return Op(code, tuple(_places(a) for a in args), dtype)
        case _:
            return term


def _place(term: Term) -> Term:
    if not isinstance(term, Op) or term.dtype != "int":
        return term
    args = tuple(_place(a) for a in term.args)
    if term.code in _WORKED_OUT and all(isinstance(a, Num) for a in args):
        x, y = (a.value for a in args if isinstance(a, Num))
        return Num(_WORKED_OUT[term.code](x, y), "int")
    if term.code == "{0} + {1}" and Num(0, "int") in args:
        return args[1] if args[0] == Num(0, "int") else args[0]
    return Op(term.code, args, "int")
