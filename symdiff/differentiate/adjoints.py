"""Adjoints and their guards: how contributions are summed.

An adjoint that a mask or branch cut off is a *guard*, `w if c else 0`. What several branches
contribute stays inside their guards, so that a branch that is not taken costs nothing and raises
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symdiff.ir.expr import Apply, Const, Expr, If, if_
from symdiff.ir.walk import branchwise
from symdiff.primitives.arithmetic import add
from symdiff.primitives.conditions import either
from symdiff.primitives.indexing import accumulate as into
from symdiff.primitives.row import as_expr, conform, is_zero, plus, zeros_like


def guard(pred: Expr, ct: Expr, side: bool) -> Expr:
    """`ct` where `pred` is `side`, else zero."""
    zero = zeros_like(ct)
    return if_(pred, ct, zero, ct.type) if side else if_(pred, zero, ct, ct.type)


def guarded(ct: Expr) -> tuple[Expr, bool, Expr] | None:
    """(pred, side, value) when `ct` is a guard of a branch."""
    if isinstance(ct, If):
        if is_zero(ct.orelse):
            return ct.pred, True, ct.then
        if is_zero(ct.then):
            return ct.pred, False, ct.orelse
    return None


Guards = list[tuple[Expr, bool]]


def unguarded(cts: Mapping[int, Expr]) -> tuple[Guards, dict[int, Expr]]:
    """The guards, outermost first, that all of some adjoints have, and what is behind them."""
    guards: Guards = []
    cts = dict(cts)
    while True:
        found = [guarded(ct) for ct in cts.values()]
        first = found[0]
        if first is None or any(f is None or f[:2] != first[:2] for f in found):
            return guards, cts
        guards.append(first[:2])
        cts = {k: f[2] for k, f in zip(cts, found, strict=True) if f is not None}


def behind(term: Expr, guards: Guards) -> Expr:
    """`term` where all of `guards` let it through, else zero."""
    for pred, side in reversed(guards):
        term = guard(pred, term, side)
    return term


def holds(where: Expr | bool, guards: Guards) -> bool:
    """Whether the condition `where`, made of choices, is certain behind `guards`."""
    sides = dict(guards)
    stack: list[Expr | bool] = [where]
    while stack:
        node = stack.pop()
        if isinstance(node, Const):
            node = bool(node.value)
        if isinstance(node, If):
            side = sides.get(node.pred)
            stack += [] if side is False else [node.then]
            stack += [] if side else [node.orelse]
        elif not (node if isinstance(node, bool) else sides.get(node, False)):
            return False
    return True


def certain(results: Sequence[Expr]) -> set[Expr]:
    """What is computed whichever branches are taken."""
    seen: set[Expr] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend([node.pred] if isinstance(node, If) else node.operands)
    return seen


def accumulate(terms: Sequence[Expr]) -> Expr:
    """The sum of contributions; those behind the same guard are added inside it."""
    if len(terms) == 1 and type(terms[0]) is not If:
        return terms[0]
    total, inside = _sorted(terms)
    for pred in dict.fromkeys(pred for pred, _ in inside):
        sides = [inside.get((pred, side)) for side in (True, False)]
        then, orelse = (None if s is None else accumulate(s) for s in sides)
        if then is not None and orelse is not None and then.type == orelse.type:
            total = added(total, if_(pred, then, orelse, then.type))
            continue
        for value, side in ((then, True), (orelse, False)):
            if value is not None:
                total = added(total, guard(pred, value, side))
    assert total is not None
    return total


def separate(terms: Sequence[Expr]) -> list[Expr]:
    """The sum of contributions to a value that exists only in branches, as few guarded parts.

    What multiplies the adjoint may be computed only where the value is, so `a if p else 0` and
    `b if q else 0` stay apart: `(a if p else 0) + (b if q else 0)` is there even if neither holds.
    Many would become more and more on their way: they are one behind `p or q or ...`.
    """
    total, inside = _sorted(terms)
    parts: list[Expr] = []
    for pred in dict.fromkeys(pred for pred, _ in inside):
        then, orelse = (separate(inside.get((pred, side), [])) for side in (True, False))
        if [guarded(x) for x in (*then, *orelse)] == [None, None]:  # both sides lead here
            return [accumulate(terms)]
        parts += [guard(pred, part, True) for part in then]
        parts += [guard(pred, part, False) for part in orelse]
    if total is None and len(parts) <= _PARTS:
        return parts
    whole = accumulate(terms)
    where = True if total is not None else reach(whole)
    return [whole if isinstance(where, bool) else guard(where, whole, True)]


_PARTS = 8  # as many branches each go on by themselves


def _sorted(terms: Sequence[Expr]) -> tuple[Expr | None, dict[tuple[Expr, bool], list[Expr]]]:
    """The sum of the terms that have no guard, and what the others guard, by their guard."""
    total: Expr | None = None
    inside: dict[tuple[Expr, bool], list[Expr]] = {}
    for term in terms:
        found = guarded(term)
        if found is None:
            total = added(total, term)
        else:
            pred, side, value = found
            inside.setdefault((pred, side), []).append(value)
    return total, inside


def added(total: Expr | None, term: Expr) -> Expr:
    """total + term, where writes into a zero array go on from `total` instead of a new array."""
    if total is None:
        return term
    for first, second in ((total, term), (term, total)):
        if first.type == second.type:
            chain = _onto(second, first)
            if chain is not None:
                return chain
    result = plus(total, term)
    assert result is not None
    return result


def _onto(chain: Expr, base: Expr) -> Expr | None:
    """Writes into zeros as writes onto `base`; None where it is something else."""
    links: list[Apply] = []
    while type(chain) is Apply and chain.op is into:
        links.append(chain)
        chain = chain.operands[0]
    if not links or not is_zero(chain):
        return None
    for link in reversed(links):
        base = into.build(base, *link.operands[1:], attrs=link.attrs)
    return base


def grown(total: Expr, term: Expr) -> Expr:
    """`total + term`; where a branch decides on the term, the branch decides on the addition."""

    def leaf(x: Expr) -> Expr:
        return total if is_zero(x) else added(total, x)

    def branch(x: If, then: Expr, orelse: Expr) -> Expr:
        a, b = (conform(side, total.type) for side in (then, orelse))
        return total if is_zero(x) else if_(x.pred, a, b, total.type)

    return branchwise(term, leaf, branch)


def marked(flag: Expr, term: Expr) -> Expr:
    """`flag`, or true where `term` adds to a total (see `grown`)."""

    def leaf(x: Expr) -> Expr:
        return flag if is_zero(x) else as_expr(True)

    def branch(x: If, then: Expr, orelse: Expr) -> Expr:
        return flag if is_zero(x) else if_(x.pred, then, orelse, flag.type)

    return branchwise(term, leaf, branch)


@dataclass
class Totals:
    """What contributions are added to as they come, and whether any has come.

    sums: the total of each value. read: of those whose slopes may not be there where nothing reads
    them, a flag.
    """

    sums: dict[Expr, Expr] = field(default_factory=dict)
    read: dict[Expr, Expr] = field(default_factory=dict)

    def add(self, x: Expr, term: Expr) -> None:
        """One more contribution to `x`."""
        self.sums[x] = grown(self.sums[x], term)
        if x in self.read:
            self.read[x] = marked(self.read[x], term)


def reach(ct: Expr) -> Expr | bool:
    """Where an adjoint can be other than zero, as its guards tell."""
    done: dict[Expr, Expr | bool] = {}
    stack = [ct]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        chosen = isinstance(node, If)
        sums = isinstance(node, Apply) and node.op is add
        below = (node.then, node.orelse) if isinstance(node, If) else node.operands if sums else ()
        if chosen:  # what is zero is reached nowhere
            done.update((x, False) for x in below if x not in done and is_zero(x))
        pending = [x for x in below if x not in done]
        if pending:
            stack += pending
            continue
        stack.pop()
        if isinstance(node, If):
            done[node] = either(node.pred, done[node.then], done[node.orelse])
        else:
            a, b = (done[x] for x in below) if sums else (True, True)
            done[node] = either(a, True, b)
    return done[ct]
