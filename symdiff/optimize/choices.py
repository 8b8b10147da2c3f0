"""Choices whose outcome, in part, is known: by what they ask themselves, and where they stand.

y if p else z, inside of `if p and q`     ->   y
p and q, or p                             ->   p
True if p else False                      ->   p
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Const, Expr, If, if_
from symdiff.optimize.structure import Structural
from symdiff.primitives.arithmetic import equal, logical_not, not_, not_equal
from symdiff.primitives.conditions import NEGATIONS, Facts, implied, is_compound, value_of
from symdiff.primitives.row import as_expr, conform


def _informed(node: If) -> Expr | None:
    """The sides of a choice, with what its condition tells."""
    if not any(type(x) is If or is_compound(x) or x is node.pred for x in node.operands[1:]):
        return None
    then, orelse = (
        _in_branch(x, implied(node.pred, side))
        for x, side in ((node.then, True), (node.orelse, False))
    )
    if then is node.then and orelse is node.orelse:
        return None
    return if_(node.pred, then, orelse, node.type)


def _in_branch(value: Expr, facts: Facts) -> Expr:
    """`value` where `facts` hold."""
    known = facts.get(value, value_of(value, facts) if is_compound(value) else None)
    if known is not None:
        return conform(as_expr(known), value.type)
    while type(value) is If:
        side = value_of(value.pred, facts)
        if side is None:
            break
        value = value.then if side else value.orelse
    return value


def _condition(node: If) -> Expr | None:
    """A choice of truth values: one of its parts where that says the same."""
    if not is_compound(node):
        return None
    for value, other, side in ((node.then, node.orelse, True), (node.orelse, node.then, False)):
        if isinstance(value, Const):
            tells = value_of(other, implied(node.pred, side))
            if tells is bool(value.value) and other.type == node.type:
                return other  # p and q, or p
    if isinstance(node.then, Const) and isinstance(node.orelse, Const):
        if node.then.value and not node.orelse.value and node.pred.type == node.type:
            return node.pred
        if node.orelse.value and not node.then.value and node.type.weak:
            return logical_not.build(node.pred)
    return None


def _turned(node: If) -> Expr | None:
    """A choice that asks whether something does not hold asks whether it does."""
    pred = node.pred
    if type(pred) is If and isinstance(pred.then, Const) and isinstance(pred.orelse, Const):
        if pred.orelse.value and not pred.then.value:
            return if_(pred.pred, node.orelse, node.then, node.type)
        if pred.then.value and not pred.orelse.value:
            return if_(pred.pred, node.then, node.orelse, node.type)
    return None


def _different(node: Apply) -> Expr | None:
    """`x != y` of scalars is `not x == y`, so that the two are one condition; arrays go back."""
    if node.op is not_equal:
        test = None if node.type.rank else equal.build(*node.operands)
        return test and (not_ if node.type.weak else logical_not).build(test)
    test = node.operands[0]
    if node.type.rank and isinstance(test, Apply) and test.op is equal:
        return not_equal.build(*test.operands)
    return None


def _twice(node: Apply) -> Expr | None:
    """What is negated twice, and is a truth value."""
    test = node.operands[0]
    if isinstance(test, Apply) and test.op in NEGATIONS and test.operands[0].type == node.type:
        return test.operands[0]
    return None


CHOICES: tuple[Structural, ...] = (
    Structural("informed_choice", "exact", (If,), _informed),
    Structural("condition", "exact", (If,), _condition),
    Structural("turned_choice", "exact", (If,), _turned),
    Structural("not_not", "exact", tuple(NEGATIONS), _twice),
    Structural("different", "exact", (not_equal, logical_not), _different),
)
