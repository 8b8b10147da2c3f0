"""What the rounds of a loop demand becomes a demand of the loop.

    for x in v: s += math.log(x)          ->   demands `not failed`, where
                                               for x in v: failed = x <= 0.0; if failed: break

The loop that finds out is another one: it is printed only where the derivative does not compute the
logarithms anyway. The user's own `raise` ends the loop itself, as `break` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from symdiff.ir.expr import Expr, Loop, Var, project, var
from symdiff.ir.function import Require
from symdiff.ir.types import BOOL
from symdiff.ir.walk import free_variables, topological
from symdiff.parse.frame import Context
from symdiff.parse.requires import Demand, Path, may_raise, required
from symdiff.parse.values import truth
from symdiff.primitives.conditions import either
from symdiff.primitives.elementary import aborts
from symdiff.primitives.row import as_expr, choose

Slots = Sequence[tuple[Var, Expr, Expr]]  # what a loop carries: variable, first value, next value


class RoundDemands:
    """own: by the user's `raise` and `assert`. others: by what a round computes."""

    def __init__(self, context: Context, mark: Sequence[int], inside: Path):
        """Take over all that was demanded since `mark`, on paths that begin with `inside`."""
        self.context = context
        new = context.evaluated.items()
        evaluated = {
            node: {path[len(inside) :]: None for path in paths}
            for node, paths in islice(new, mark[0], None)
        }
        demands = [d._replace(path=d.path[len(inside) :]) for d in context.demands[mark[2] :]]
        self.risky = any(
            map(may_raise, evaluated)
        )  # whether a round computes what may raise by itself
        found = required(demands, evaluated)
        context.forget((mark[0], len(context.seen), mark[2], len(context.cuts)))
        self.own = [r for r in found if r.stated]
        self.others = _together([r for r in found if not r.stated])

    def fails(self) -> Expr | None:
        """Whether a round raises what the user states."""
        total: Expr | None = None
        for require in self.own:
            total = require.fails if total is None else choose(total, True, require.fails).expr
        return total  # a `raise` that a round is sure to reach is True

    def stopped(self, slots: Slots) -> Slots:
        """`slots`, but that what may raise is not computed in a round that raises before."""
        fails = self.fails()
        if fails is None or not self.risky:
            return slots
        pred = aborts.build(fails)
        return [(v, start, choose(pred, v, new).expr) for v, start, new in slots]

    def state_own(self, flags: Sequence[Expr]) -> None:
        """What the user raises in the loop is demanded of its `flags`; else evaluation goes on."""
        context = self.context
        for require, flag in zip(self.own, flags, strict=True):
            path = (*context.path, (flag, True))
            context.demands.append(Demand(False, (require.error, require.message), path))
            context.path = (*context.path, (flag, False))

    def state_others(
        self, loop: Loop, slots: Slots, made: Callable[..., Loop], first: Expr | bool | None
    ) -> None:
        """Demand the rest, each of a loop of its own that stops where it does not hold.

        made: a loop as `loop` with other (variables, initial, body, until). first: whether there
        is a round, as far as that may be doubted; None: only the loop knows.
        """
        context = self.context
        binds = frozenset(loop.bound)
        free = free_variables(topological([r.fails for r in self.others]), binds)
        for require in self.others:
            error = require.error, require.message
            if first is not None and not free[require.fails]:  # the same in every round
                path = (*context.path, (first, True)) if isinstance(first, Expr) else context.path
                flag = require.fails
            else:
                failed = var("failed", BOOL, context.fresh())
                longer = [*slots, (failed, as_expr(False), require.fails)]
                until = as_expr(either(truth(loop.until), True, truth(require.fails)))
                path = context.path
                flag = project(made(*zip(*longer, strict=True), until), len(slots), BOOL)
            context.demands.append(Demand(False, error, (*path, (flag, True)), require.by))


def _together(requires: Sequence[Require]) -> list[Require]:
    """`requires` where those that nothing but a condition enforces are one for each error."""
    found: dict[object, Require] = {}
    for require in requires:
        plain = require.by.type.dtype == "bool"
        key = (require.error, require.message, require.always) if plain else require
        first = found.get(key)
        if first is not None:
            fails = choose(first.fails, True, require.fails).expr
            require = replace(first, fails=fails, by=fails)
        found[key] = require
    return list(found.values())
