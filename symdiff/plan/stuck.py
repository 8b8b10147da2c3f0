"""What may raise stays in a loop that may have no round: `1 / t`, where no round asks for it.

    for i in range(n):                      for i in range(n):
        for k in range(m):           ->         for k in range(m):     and not   c = 1 / (x + i)
            s = s * (1 / (x + i))                   c = 1 / (x + i)              for k ...: s *= c
                                                    s *= c

But where the user has computed it before that loop anyway (see `Function.ahead`), it has raised
there, and is computed there. Of a loop that is in no other, nor in a branch, what the function
requires says so.

So does the read of an element that may be outside (see `plan.inside`), where no such element has
been read before, unless the loop surely has a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from symdiff.ir.expr import Apply, Call, Const, Expr, If, Loop, Var
from symdiff.plan.inside import Inside, Place, places_of
from symdiff.primitives.arithmetic import divide, equal

_NOTHING: frozenset[Expr] = frozenset()


class Stuck:
    """Which nodes stay in which loops.

    order: operands first. certain: what the function computes in any case.
    """

    def __init__(
        self, order: Sequence[Expr], certain: Set[Expr], ahead: Mapping[Var, frozenset[Expr]]
    ):
        self._ahead = ahead
        self._inside = Inside(order)
        self._risky = _with_users(order, _raising(order, certain), certain)
        outside = {x for x in order if self._inside.may_be_outside(x)}
        # With the reads that may be outside of an array.
        self._found = _with_users(order, {*self._risky, *outside}, certain)
        self._within: dict[Expr, dict[Expr, None]] = {}  # those that stay in a loop

    def stays(self, node: Expr, loop: Loop) -> bool:
        """Whether `node` may not be computed before `loop`, where that has no round."""
        if node not in self._found:
            return False
        if loop not in self._within:
            self._within[loop] = self._of(loop)
        return node in self._within[loop]

    def _of(self, loop: Loop) -> dict[Expr, None]:
        found = self._risky if self._inside.has_round(loop) else self._found
        known = _NOTHING.union(*(self._ahead.get(v, _NOTHING) for v in loop.bound))
        if not known:
            return found
        risky = _raising(found, known)
        if found is not self._risky:
            read = _places(known)
            risky |= {x for x in found if not read.issuperset(self._inside.may_be_outside(x))}
        return _with_users(found, risky, known)


def _places(nodes: Iterable[Expr]) -> set[Place]:
    return {place for node in nodes for place in places_of(node)}


def _raising(order: Iterable[Expr], known: Set[Expr]) -> set[Expr]:
    """What may raise, or not end; not what is `known` not to."""
    divisors = {x.operands[1] for x in known if isinstance(x, Apply) and x.op is divide}
    return {
        node for node in order
        if node not in known and (
            isinstance(node, Call) or (
                isinstance(node, Apply) and node.op.raises and node.type.weak
                and not _is_harmless(node, divisors)
            )
        )
    }  # fmt: skip


def _with_users(order: Iterable[Expr], risky: Set[Expr], known: Set[Expr]) -> dict[Expr, None]:
    """`risky` and what is made of it.

    But not loops: what the reverse sweep of a loop reads would be recorded in each of its rounds.
    """
    found: dict[Expr, None] = {}
    for node in order:
        if node in known or isinstance(node, Loop):
            continue
        if node in risky or any(x in found for x in _asked(node)):
            found[node] = None
    return found


def _asked(node: Expr) -> Sequence[Expr]:
    """The operands of a node; but not `k / c` in `... if c == 0 else k / c`."""
    if not isinstance(node, If):
        return node.operands
    test, last = node.pred, node.orelse
    guarded = (
        isinstance(test, Apply) and test.op is equal and isinstance(test.operands[1], Const)
        and not test.operands[1].value and isinstance(last, Apply) and last.op is divide
        and last.operands[1] is test.operands[0]
    )  # fmt: skip
    return (test, node.then, *last.operands) if guarded else node.operands


def _is_harmless(node: Apply, divisors: Set[Expr]) -> bool:
    """Division by a constant, or by what is known not to be 0; a constant power."""
    last = node.operands[-1]
    if node.op is divide and last in divisors:
        return True
    return len(node.operands) == 2 and isinstance(last, Const) and not last.type.rank and bool(
        last.value
    )  # fmt: skip
