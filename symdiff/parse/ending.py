"""How a round of a loop ends, and what the loop leaves.

if p: break                    broke: p          returned: q, not p
if q: return x            ->   value: x
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr, Var
from symdiff.ir.types import Type
from symdiff.parse.frame import Exit, Unbound
from symdiff.parse.statements import Break, Return
from symdiff.parse.values import Freeze, join
from symdiff.primitives.conditions import either
from symdiff.primitives.row import choose
from symdiff.primitives.spell import to_expr


class Slot:
    """A leaf of the state after a loop: result number `number`."""

    def __init__(self, number: int, type_: Type):
        self.number, self.type = number, type_


class Flags:
    """How a round ends: whether by `break`, whether by `return`, and the value returned."""

    def __init__(self, exits: Sequence[Exit], signal: Any, freeze: Freeze):
        self.broke: Expr | bool = isinstance(signal, Break)
        self.returned: Expr | bool = isinstance(signal, Return)
        self.value = signal.value if isinstance(signal, Return) else None
        known = isinstance(signal, Return)
        for e in reversed(exits):
            self.broke = either(e.pred, e.kind is Break, self.broke)
            self.returned = either(e.pred, e.kind is Return, self.returned)
            if e.kind is Return:
                value = e.value
                if known:
                    value = join(e.pred, value, self.value, "the result", freeze)
                if isinstance(value, Unbound):
                    raise UnsupportedError(f"the result {value.why}")
                self.value, known = value, True


def only_if(returned: Expr | bool, value: Any, before: Var) -> Expr:
    """What a round returns, computed only where it does."""
    value = to_expr(value)
    return choose(returned, value, before).expr if isinstance(returned, Expr) else value


def bare(e: Exit) -> Exit:
    return Exit(e.pred, e.kind, None, e.state)
