"""What the primal demands of its arguments: `math.log(x)` raises unless x > 0.

The derivative of log is 1 / x, which would not raise at x = -1. So each such operation leaves a
`Require`; code generation prints it as a check where the operation itself is no longer computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Apply, Const, Expr, If
from symdiff.ir.function import Require
from symdiff.ir.walk import topological
from symdiff.primitives.row import Term, as_expr, choose

Path = tuple[tuple[Expr, bool], ...]


def requirements(results: Sequence[Expr]) -> tuple[Require, ...]:
    """The requirements of every operation that may raise, under the branches that lead to it."""
    order = topological(results)
    if not any(isinstance(n, Apply) and n.op.fails and n.type.weak for n in order):
        return ()
    paths: dict[Expr, set[Path]] = {r: {()} for r in results}
    found: list[Require] = []
    for node in reversed(order):
        here = paths.get(node, {()})
        if () in here or len(here) > 8:
            here = {()} if () in here else here
        if isinstance(node, Apply) and node.op.fails and node.type.weak:
            fails = as_expr(node.op.fails(*map(Term, node.operands)))
            if not isinstance(fails, Const) and len(here) <= 8:
                found.append(_require(node, fails, here))
        for i, operand in enumerate(node.operands):
            step = here
            if isinstance(node, If) and i > 0:
                step = {(*path, (node.pred, i == 1)) for path in here}
            paths.setdefault(operand, set()).update(step)
    return tuple(reversed(found))


def _require(node: Apply, fails: Expr, paths: set[Path]) -> Require:
    for path in sorted(paths, key=len)[:1] if () in paths else paths:
        for pred, side in reversed(path):
            fails = choose(pred, fails, False).expr if side else choose(pred, False, fails).expr
    return Require(fails, node, "ValueError", "math domain error")
