"""Patterns: an expression whose variables stand for anything, found in the table's own notation.

    rule("drop_one", EXACT, lambda x: (1 * x, x))

states that `1 * x` is `x`, bit for bit. Rules are indexed by their outermost operator and the kinds
of its operands, so for nearly every node of a function one dictionary look-up finds that no rule
applies.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from symdiff.ir.expr import Apply, Const, Expr, If, Var, var
from symdiff.ir.types import BOOL, FLOAT
from symdiff.primitives.row import Term, as_expr

# exact: bit for bit on every operand. signs: but for the sign of zero. real: rounding may differ.
# finite: not on nan and inf - stated for the record; such rules are not applied.
Condition = Literal["exact", "signs", "real", "finite"]
Bindings = dict[Expr, Expr]

# Pattern variables whose name begins so match only...
_CONSTANT, _PREDICATE = "c", "p"


@dataclass(frozen=True, slots=True)
class Rule:
    """`left` may be replaced with `right`. `when` sees the bindings by name and may refuse."""

    name: str
    condition: Condition
    left: Expr
    right: Expr
    when: Callable[..., bool] | None = None
    over: tuple[float, float] = (-math.inf, math.inf)  # what tests draw the operands from


def rule(
    name: str,
    condition: Condition,
    sides: Callable[..., tuple[Any, Any]],
    when: Callable[..., bool] | None = None,
    over: tuple[float, float] = (-math.inf, math.inf),
) -> Rule:
    """A rule; the parameters of `sides` are its variables: c... constants, p... predicates."""
    names = inspect.signature(sides).parameters
    left, right = sides(*(Term(placeholder(n)) for n in names))
    return Rule(name, condition, as_expr(left), as_expr(right), when, over)


def placeholder(name: str) -> Var:
    """The pattern variable called `name`."""
    return var(name, BOOL if name.startswith(_PREDICATE) else FLOAT, tag=-1)


def kind(node: Expr) -> Any:
    """What the index distinguishes: the operator, or the sort of node."""
    return node.op if type(node) is Apply else type(node)


def may_match(pattern: Expr, kinds: Sequence[Any]) -> bool:
    """Whether a node whose operands have these kinds can match, as far as that tells."""
    wanted = [kind(x) for x in pattern.operands]
    # A variable matches all kinds, but one for constants.
    free = [
        type(x) is Var and not x.name.startswith(_CONSTANT) for x in pattern.operands
    ]  # fmt: skip
    wanted = [Const if k is Var else k for k in wanted]

    def fits(have: Sequence[Any]) -> bool:
        return all(f or w == h for f, w, h in zip(free, wanted, have, strict=True))

    if len(kinds) != len(wanted):
        return False
    return fits(kinds) or (_commutes(pattern) and fits(kinds[::-1]))


def _commutes(pattern: Expr) -> bool:
    return type(pattern) is Apply and pattern.op.commutes


def matches(pattern: Expr, node: Expr, bound: Bindings) -> Iterator[Bindings]:
    """Every way to match; patterns are small, so this may recurse."""
    if type(pattern) is Var:
        have = bound.get(pattern)
        if have is not None:
            if have is node:
                yield bound
        elif not pattern.name.startswith(_CONSTANT) or is_plain(node):
            yield {**bound, pattern: node}
        return
    if type(pattern) is Const:
        if is_plain(node, scalar=True) and _same(pattern.value, node.value):  # type: ignore[attr-defined]
            yield bound
        return
    if type(pattern) is not type(node) or len(pattern.operands) != len(node.operands):
        return
    if type(pattern) is Apply and (pattern.op is not node.op or pattern.attrs != node.attrs):  # type: ignore[attr-defined]
        return
    orders = [node.operands]
    if _commutes(pattern) and node.operands[0] is not node.operands[1]:
        orders.append(node.operands[::-1])
    for operands in orders:
        yield from _match_all(pattern.operands, operands, bound)


def _match_all(
    patterns: Sequence[Expr], nodes: Sequence[Expr], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for found in matches(patterns[0], nodes[0], bound):
        yield from _match_all(patterns[1:], nodes[1:], found)


def is_plain(node: Expr, scalar: bool = False) -> bool:
    """A Python number; with `scalar`, also a NumPy one."""
    if type(node) is not Const or getattr(node.value, "shape", ()):
        return False
    return (node.type.weak or scalar) and not isinstance(node.value, complex)


def _same(a: Any, b: Any) -> bool:
    """Equal numbers of any type; the sign of zero counts, True is not 1."""
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


def is_if(node: Expr) -> bool:
    return type(node) is If
