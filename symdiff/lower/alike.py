"""Values that are compared with themselves.

x == x   ->   !isnan(x)        i < i   ->   false        b ? y : y   is left

A person tests for nan by name; of integers compilers warn that the answer is always the same.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Branch,
    Declare,
    Fail,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Statement,
    Term,
    blocks_of,
    statements,
    subterms,
    terms_of,
    with_terms,
    written_by,
)

_HOLDS = {  # of a number that is not nan
    "{0} == {1}": True, "{0} <= {1}": True, "{0} >= {1}": True,
    "{0} != {1}": False, "{0} < {1}": False, "{0} > {1}": False,
}  # fmt: skip
_NEVER = ("{0} < {1}", "{0} > {1}")  # not of nan either
_TRUE, _FALSE = Num(True, "bool"), Num(False, "bool")


def settle(body: list[Statement]) -> None:
    """Work such comparisons out, in place, and take the branches that they decide."""
    before = _given(body)
    _settle(body)
    gone = before - _given(body)
    # Where nothing runs, a variable may be read that only what has gone gave a value.
    body[:0] = [Declare(x, True) for x in _read(body) if x in gone]


def _given(body: list[Statement]) -> set[Local]:
    """The variables that statements declare, or give a value."""
    found = {s.local for s in statements(body) if isinstance(s, Declare)}
    return found | {x for s in statements(body) for x in written_by(s) if isinstance(x, Local)}


def _read(body: list[Statement]) -> list[Local]:
    """The variables that statements read, each once."""
    terms = (t for s in statements(body) for t in terms_of(s))
    return list(dict.fromkeys(p.local for t in terms for p in subterms(t) if isinstance(p, Ref)))


def _settle(body: list[Statement]) -> None:
    kept: list[Statement] = []
    for s in body:
        with_terms(s, _settled)
        for inner in blocks_of(s):
            _settle(inner)
        if isinstance(s, Branch) and s.test in (_TRUE, _FALSE):
            kept += s.then if s.test == _TRUE else s.orelse
        elif not (isinstance(s, Fail) and s.test == _FALSE):
            kept.append(s)
    body[:] = kept


def _settled(term: Term) -> Term:
    match term:
        case Op(code, args, dtype):
            new = tuple(_settled(a) for a in args)
            made = _answer(code, new)
            if made is not None and made.dtype == dtype:
                return made
            return term if new == args else Op(code, new, dtype)
        case Load(buffer, index):
            return Load(buffer, tuple(_settled(i) for i in index))
        case _:
            return term


def _answer(code: str, args: tuple[Term, ...]) -> Term | None:
    """What an operation comes to, where that is less than it says."""
    if code in _HOLDS and args[0] == args[1]:
        if args[0].dtype not in ("float32", "float64") or code in _NEVER:
            return Num(_HOLDS[code], "bool")
        nan = Op("isnan({0})", args[:1], "bool")
        return Op("!{0}", (nan,), "bool") if _HOLDS[code] else nan
    if not args or args[0] not in (_TRUE, _FALSE):
        return None
    first = args[0] == _TRUE
    match code:
        case "!{0}":
            return _FALSE if first else _TRUE
        case "{0} && {1}":
            return args[1] if first else _FALSE
        case "{0} || {1}":
            return _TRUE if first else args[1]
        case "{0} ? {1} : {2}":
            return args[1] if first else args[2]
        case _:
            return None
