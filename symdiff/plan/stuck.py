"""What may raise stays in a loop that may have no round: `1 / t`, where no round asks for it.

    for i in range(n):                      for i in range(n):
        for k in range(m):           ->         for k in range(m):     and not   c = 1 / (x + i)
            s = s * (1 / (x + i))                   c = 1 / (x + i)              for k ...: s *= c
                                                    s *= c

But where the user has computed it before that loop anyway (see `Function.ahead`), it has raised
there, and is computed there. Of a loop that is in no other, nor in a branch, what the function
requires says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from symdiff.ir.expr import Apply, Call, Const, Expr, If, Loop, Var
from symdiff.primitives.arithmetic import divide, equal

_NOTHING: frozenset[Expr] = frozenset()


class Stuck:
    """Which nodes stay in which loops.

    order: operands first. certain: what the function computes in any case.
    """

    def __init__(
        self, order: Iterable[Expr], certain: Set[Expr], ahead: Mapping[Var, frozenset[Expr]]
    ):
        self._ahead = ahead
        self._found = _raising(order, certain)
        self._within: dict[Expr, dict[Expr, None]] = {}  # those that stay in a loop

    def stays(self, node: Expr, loop: Loop) -> bool:
        """Whether `node` may not be computed before `loop`, where that has no round."""
        if node not in self._found or not self._ahead:
            return node in self._found
        if loop not in self._within:
            known = _NOTHING.union(*(self._ahead.get(v, _NOTHING) for v in loop.bound))
            self._within[loop] = _raising(self._found, known) if known else self._found
        return node in self._within[loop]


def _raising(order: Iterable[Expr], known: Set[Expr]) -> dict[Expr, None]:
    """What may raise, or not end, and what is made of it; not what is `known` not to.

    But not loops: what the reverse sweep of a loop reads would be recorded in each of its rounds.
    """
    divisors = {x.operands[1] for x in known if isinstance(x, Apply) and x.op is divide}
    found: dict[Expr, None] = {}
    for node in order:
        if node in known or isinstance(node, Loop):
            continue
        risky = isinstance(node, Call) or (
            isinstance(node, Apply) and node.op.raises and node.type.weak
            and not _is_harmless(node, divisors)
        )  # fmt: skip
        if risky or any(x in found for x in _asked(node)):
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
