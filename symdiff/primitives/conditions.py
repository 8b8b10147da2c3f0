"""What is certain in a branch: its conditions, and what follows from them.

    a and b        holds: a holds and b holds
    a or b         does not: neither a nor b holds
    a and b, a     the first does not hold, the second does: b does not hold

`a and b` is `If(a, b, False)`, `a or b` is `If(a, True, b)`, `not a` may be `If(a, False, True)`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from symdiff.ir.expr import Apply, Const, Expr, If
from symdiff.primitives.arithmetic import logical_not, not_
from symdiff.primitives.elementary import aborts, cast
from symdiff.primitives.row import choose

NEGATIONS = frozenset((not_, logical_not))


class Facts(dict[Expr, bool]):
    """What holds and what does not.

    wholes: the compounds that a condition is a part of, of those `seen` in what is known so far.
    told: what compounds have been asked about.
    """

    __slots__ = ("seen", "told", "wholes")

    def __init__(self, known: Mapping[Expr, bool] | None = None):
        super().__init__(known or {})
        self.wholes: dict[Expr, tuple[Expr, ...]] = {}
        self.seen: set[Expr] = set()
        self.told: dict[Expr, bool | None] = {}
        if isinstance(known, Facts):  # copied, not found again
            self.wholes.update(known.wholes)
            self.seen.update(known.seen)
        else:
            for test in known or ():
                _watch(test, self)

    def around(self, test: Expr) -> tuple[Expr, ...]:
        """The compounds that a condition is a part of."""
        return self.wholes.get(test, ())


def with_fact(facts: Mapping[Expr, bool], test: Expr, side: bool) -> Facts:
    """`facts` and that `test` is `side`, with all that follows.

    What becomes known is told to the compounds that it is a part of, once.
    """
    found = Facts(facts)
    stack = [(test, side)]
    while stack:
        test, side = stack.pop()
        if test in found:
            continue
        found[test] = side
        inside = _watch(test, found)
        for compound in (*inside, test, *found.around(test)):
            if compound in found:
                stack += parts(compound, found) or _either_way(compound, found[compound])
            else:
                value = _from_parts(compound, found)
                if value is not None:
                    stack.append((compound, value))
    return found


@functools.lru_cache(maxsize=1024)
def _either_way(test: Expr, side: bool) -> list[tuple[Expr, bool]]:
    """What holds whichever part of a choice makes it `side`: `p and q or p and r` tells p."""
    if not isinstance(test, If) or len(_watch(test, Facts())) > _PARTS:
        return []
    cases: list[Facts] = []
    for part, taken in ((test.then, True), (test.orelse, False)):
        known = {} if isinstance(part, Const) else implied(part, side)
        if not isinstance(part, Const) or bool(part.value) is side:
            cases.append(with_fact(known, test.pred, taken))
    first, *others = cases
    return [(x, is_so) for x, is_so in first.items() if all(c.get(x) is is_so for c in others)]


_PARTS = 16  # what larger conditions tell is not looked for


@functools.lru_cache(maxsize=1024)
def implied(test: Expr, side: bool) -> Facts:
    """That `test` is `side`, with all that follows; many ask for the same. Not to be changed."""
    alone = Facts()
    alone[test] = side
    follows = parts(test, alone) or _either_way(test, side)
    return with_fact({}, test, side) if follows else alone


def _watch(test: Expr, facts: Facts) -> list[Expr]:
    """Note what the compounds in `test` are made of; those that are new."""
    new: list[Expr] = []
    stack = [test]
    while stack:
        node = stack.pop()
        if node in facts.seen or not is_compound(node):
            continue
        facts.seen.add(node)
        new.append(node)
        for x in node.operands:
            facts.wholes[x] = (*facts.wholes.get(x, ()), node)
            stack.append(x)
    return new


def value_of(test: Expr, facts: Mapping[Expr, bool]) -> bool | None:
    """Whether `test` holds, where `facts` tell."""
    if test in facts:
        return facts[test]
    if isinstance(test, Const):
        return bool(test.value)
    if not is_compound(test):
        return None
    # Each part once: compounds share them.
    known: dict[Expr, bool | None] = facts.told if isinstance(facts, Facts) else {}
    if test in known:
        return known[test]
    stack = [test]
    while stack:
        node = stack[-1]
        if node in facts:
            known[node] = facts[node]
        elif isinstance(node, Const):
            known[node] = bool(node.value)
        elif not is_compound(node):
            known[node] = None
        else:
            part = node.operands[0]
            if isinstance(node, If) and part in known:
                pred = known[part]
                part = part if pred is None else node.then if pred else node.orelse
            if part not in known:
                stack.append(part)
                continue
            value = known[part]
            negates = isinstance(node, Apply) and node.op in NEGATIONS
            known[node] = None if value is None else value is not negates
        stack.pop()
    return known[test]


def either(pred: Expr | bool, then: Expr | bool, orelse: Expr | bool) -> Expr | bool:
    """`then if pred else orelse`, of conditions."""
    if isinstance(pred, bool):
        return then if pred else orelse
    if then is orelse:
        return then
    if isinstance(then, bool) and isinstance(orelse, bool):
        if then == orelse:
            return then
        return pred if then else not_.build(pred)
    return choose(pred, then, orelse).expr


def is_compound(test: Expr) -> bool:
    """Whether a condition is made of others."""
    if test.type.dtype != "bool" or test.type.rank:
        return False
    if isinstance(test, Apply):  # Python's and NumPy's True are two types
        return test.op in NEGATIONS or (
            test.op is aborts
            or (test.op is cast and test.operands[0].type.dtype == "bool")
        )
    return isinstance(test, If)


def _known(test: Expr, facts: Mapping[Expr, bool]) -> bool | None:
    return bool(test.value) if isinstance(test, Const) else facts.get(test)


def _from_parts(test: Expr, facts: Mapping[Expr, bool]) -> bool | None:
    """What a compound is if its parts are as `facts` say."""
    value = _known(test.operands[0], facts)
    if value is None:
        return None
    if isinstance(test, If):
        return _known(test.then if value else test.orelse, facts)
    assert isinstance(test, Apply)
    return value is not (test.op in NEGATIONS)


def parts(test: Expr, facts: Mapping[Expr, bool]) -> list[tuple[Expr, bool]]:
    """What follows for the parts of `test`, which is among `facts`, where it is a compound."""
    if not is_compound(test):
        return []
    side = facts[test]
    if isinstance(test, Apply):
        return [(test.operands[0], side is not (test.op in NEGATIONS))]
    assert isinstance(test, If)
    pred = _known(test.pred, facts)
    if pred is not None:
        return [(test.then if pred else test.orelse, side)]
    for branch, other, taken in ((test.then, test.orelse, True), (test.orelse, test.then, False)):
        if _known(branch, facts) is (not side):  # so it was the other one
            return [(test.pred, not taken), (other, side)]
    return []
