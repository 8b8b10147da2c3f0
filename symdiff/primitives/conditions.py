"""What is certain in a branch: its conditions, and what follows from them.

    a and b        holds: a holds and b holds
    a or b         does not: neither a nor b holds
    a and b, a     the first does not hold, the second does: b does not hold

`a and b` is `If(a, b, False)`, `a or b` is `If(a, True, b)`, `not a` may be `If(a, False, True)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from symdiff.ir.expr import Apply, Const, Expr, If
from symdiff.primitives.arithmetic import logical_not, not_
from symdiff.primitives.elementary import aborts, cast

NEGATIONS = frozenset((not_, logical_not))

Facts = dict[Expr, bool]  # what holds and what does not


def with_fact(facts: Mapping[Expr, bool], test: Expr, side: bool) -> Facts:
    """`facts` and that `test` is `side`, with all that follows."""
    found = dict(facts)
    compounds = [t for t in facts if is_compound(t)]  # they may tell more now
    stack = [(test, side)]
    while stack:
        test, side = stack.pop()
        if test in found:
            continue
        found[test] = side
        if is_compound(test):
            compounds.append(test)
        for compound in compounds:
            stack += _parts(compound, found[compound], found)
    return found


def value_of(test: Expr, facts: Mapping[Expr, bool]) -> bool | None:
    """Whether `test` holds, where `facts` tell."""
    if test in facts:
        return facts[test]
    if isinstance(test, Const):
        return bool(test.value)
    if not is_compound(test):
        return None
    known: dict[Expr, bool | None] = {}  # each part once: compounds share them
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


def _parts(test: Expr, side: bool, facts: Mapping[Expr, bool]) -> list[tuple[Expr, bool]]:
    """What follows for the parts of a compound `test`, which is `side`."""
    if isinstance(test, Apply):
        return [(test.operands[0], side is not (test.op in NEGATIONS))]
    assert isinstance(test, If)
    pred = value_of(test.pred, facts)
    if pred is not None:
        return [(test.then if pred else test.orelse, side)]
    for branch, other, taken in ((test.then, test.orelse, True), (test.orelse, test.then, False)):
        if value_of(branch, facts) is (not side):  # so it was the other one
            return [(test.pred, not taken), (other, side)]
    return []
