"""Powers whose exponent counts the rounds of a loop are products, one factor a round.

    for j: s += x[j] * pow(t, (double)j)     ->     power = 1.0
                                                    for j: s += x[j] * power; power *= t

Of n factors the product is off by n/2 roundings, which is what one rounding of t changes.
"""

from __future__ import annotations

import re

from symdiff.ir.nest import (
    Each,
    Forever,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Term,
    blocks_of,
    statements,
    subterms,
    terms_of,
    with_terms,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Form, Known
from symdiff.lower.places import changing, is_steady

_POWER = "pow({0}, {1})"
_CALL = re.compile(r"\b(?!sqrt\b|fabs\b|pow\b)[a-z]\w*\(")


def multiply_out(body: list[Statement], known: Known) -> None:
    """Make such powers products, in place."""
    result: list[Statement] = []
    for s in body:
        for inner in blocks_of(s):
            multiply_out(inner, known)
        if isinstance(s, Each) and s.step == 1:
            result += _before(s, known)
        result.append(s)
    body[:] = result


def _before(loop: Each, known: Known) -> list[Statement]:
    """What comes before the loop, which is changed."""
    found = [p for s in statements(loop.body) for t in terms_of(s) for p in subterms(t)]
    if not any(isinstance(p, Op) and p.code == _POWER for p in found):
        return []
    if any(isinstance(p, Op) and _CALL.search(p.code) for p in found):
        return []  # which are better computed for several rounds at once
    if any(isinstance(s, (Each, Forever)) for s in loop.body):
        return []
    access = access_of(loop.body)
    other = changing(loop, access)
    written: set[object] = set(access.writes)
    meaning: dict[Local, Term] = {s.local: s.value for s in loop.body if isinstance(s, Let)}
    products: dict[tuple[Term, int], Local] = {}
    before: list[Statement] = []

    def product(base: Term, exponent: Term) -> Term | None:
        if not is_steady([base], other | {loop.index}, written):
            return None
        form = _whole(exponent, known, meaning)
        if form is None or form.get(loop.index) != 1 or not form.keys() <= {None, loop.index}:
            return None
        shift = Num(form.get(None, 0), "int")
        first = Op("{0} + {1}", (loop.start, shift), "int")
        if not known.at_least(first, 0):
            return None
        key = (base, shift.value)
        if key not in products:
            products[key] = Local("power", base.dtype)
            before.append(Set(products[key], _first(base, known.plain(first))))
        return Ref(products[key])

    def changed(term: Term) -> Term:
        match term:
            case Op(code, args, dtype):
                args = tuple(changed(a) for a in args)
                made = product(*args) if code == _POWER else None
                return Op(code, args, dtype) if made is None else made
            case Load(buffer, index):
                return Load(buffer, tuple(changed(i) for i in index))
            case _:
                return term

    for s in statements(loop.body):
        with_terms(s, changed)
    for (base, _), local in products.items():
        loop.body.append(Set(local, Op("{0} * {1}", (Ref(local), base), local.dtype)))
    return before


def _first(base: Term, exponent: Term) -> Term:
    if isinstance(exponent, Num) and exponent.value in (0, 1):
        return Num(1.0, base.dtype) if exponent.value == 0 else base
    return Op(_POWER, (base, Op(f"({base.dtype}){{0}}", (exponent,), base.dtype)), base.dtype)


def _whole(term: Term, known: Known, meaning: dict[Local, Term]) -> Form | None:
    """A floating-point number that is an integer, as a form."""
    match term:
        case Ref(local) if local in meaning:
            return _whole(meaning[local], known, meaning)
        case Op(code, (inner,)) if code == f"({term.dtype}){{0}}" and inner.dtype == "int":
            return known.form(inner)
        case Op(code, (one, Num(value))) if code in ("{0} + {1}", "{0} - {1}"):
            form = _whole(one, known, meaning)
            if form is None or value != int(value) or abs(value) > 1 << 20:
                return None
            shift = int(value) if code == "{0} + {1}" else -int(value)
            return {**form, None: form.get(None, 0) + shift}
        case _:
            return None
