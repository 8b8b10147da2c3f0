"""Local rewrites, bottom-up over the DAG, each node to a fixed point.

    1.0 * x + -(2 * y)   ->   x - 2 * y

The rewrites are data: `rules` for elements, `structure` for shapes, and constants are computed.
A rewrite never changes the type of a value, so `1 * n` stays where it makes n a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, If, Var, with_operands
from symdiff.ir.function import Function
from symdiff.ir.walk import topological
from symdiff.optimize.choices import CHOICES
from symdiff.optimize.constants import fold
from symdiff.optimize.match import Bindings, Rule, kind, matches, may_match
from symdiff.optimize.rebuild import rebuilt
from symdiff.optimize.rules import RULES
from symdiff.optimize.structure import STRUCTURE, Structural
from symdiff.options import Options

_DEEP = 16  # how far one rewrite may set off another


def simplify(function: Function, options: Options) -> Function:
    """`function` with every rule applied wherever it matches."""
    if not options.optimize:
        return function
    return function.rewritten(rewrite(function.nodes(), _TABLE))


def simplified(results: Sequence[Expr]) -> dict[Expr, Expr]:
    """The map from each node below `results` to its simpler form."""
    return rewrite(topological(results), _TABLE)


def rewrite(order: Iterable[Expr], table: Table) -> dict[Expr, Expr]:
    """The map from each node of a topological `order` to what the rules of `table` make of it."""
    return rebuilt(order, _Rewriting(table).node)


class Table:
    """Rules, indexed by the kind of node and operands that they apply to."""

    def __init__(self, rules: Sequence[Rule], structure: Sequence[Structural]):
        self.rules = tuple(r for r in rules if r.condition != "finite")
        self.structure = tuple(structure)
        self.applicable = cache(self._applicable)

    def _applicable(
        self, key: tuple[Any, ...]
    ) -> tuple[tuple[Rule, ...], tuple[Structural, ...], bool] | None:
        """The rules for nodes of one kind with operands of given kinds; None: there are none."""
        top, *kinds = key
        constant = bool(kinds) and (
            all(k is Const for k in kinds) or (top is If and kinds[0] is Const)
        )
        rules = tuple([r for r in self.rules if kind(r.left) is top and may_match(r.left, kinds)])
        structure = tuple([entry for entry in self.structure if entry.concerns(top, kinds)])
        return (rules, structure, constant) if rules or structure or constant else None


_TABLE = Table(RULES, (*STRUCTURE, *CHOICES))


class _Rewriting:
    """One run; `depth` is how far rewrites have set off others."""

    def __init__(self, table: Table) -> None:
        self.applicable = table.applicable
        self.depth = 0

    def node(self, node: Expr) -> Expr:
        """The simplest form of a node whose operands are simple already."""
        while True:
            new = self._once(node)
            if new is None or new is node:
                return node
            node = new

    def _once(self, node: Expr) -> Expr | None:
        cls = type(node)
        if cls is Apply:
            key: Any = (node.op, *[x.op if type(x) is Apply else type(x) for x in node.operands])  # type: ignore[attr-defined]
        elif cls is If:
            key = (If, *[kind(x) for x in node.operands])
        else:
            return None
        if len(key) > 5:  # concatenate and the like: one entry for all lengths
            key = key[:1]
        found = self.applicable(key)
        if found is None:
            return None
        rules, structure, constant = found
        if constant:
            value = fold(node)
            if value is not None:
                return value
        for rule in rules:
            for bound in matches(rule.left, node, {}):
                if rule.when is not None and not rule.when(**_named(bound)):
                    continue
                new = self._build(rule.right, bound)
                if new is not None and new.type == node.type:
                    return new
        for entry in structure:
            new = entry.apply(node)
            if new is not None and new.type == node.type:
                return self._settle(new, node)
        return None

    def _build(self, pattern: Expr, bound: Bindings) -> Expr | None:
        """The right side of a rule; its own nodes are simplified in turn."""
        if isinstance(pattern, Var):
            return bound[pattern]
        if isinstance(pattern, Const):
            return pattern
        operands: list[Expr] = []
        constant = True
        for x in pattern.operands:
            value = self._build(x, bound)
            if value is None:
                return None
            operands.append(value)
            constant = constant and isinstance(value, Const)
        if isinstance(pattern, If):
            from symdiff.primitives.row import choose

            return choose(*operands).expr
        assert isinstance(pattern, Apply)
        new = pattern.op.build(*operands, attrs=pattern.attrs)
        if constant:
            return fold(new)
        return self._inner(new)

    def _inner(self, new: Expr) -> Expr:
        if self.depth >= _DEEP:
            return new
        self.depth += 1
        try:
            return self.node(new)
        finally:
            self.depth -= 1

    def _settle(self, new: Expr, old: Expr) -> Expr:
        """What a structural rewrite built, simplified below the operands of the old node."""
        if self.depth >= _DEEP or isinstance(new, (Const, Var)) or new in old.operands:
            return new
        self.depth += 1
        try:
            done: dict[Expr, Expr] = {x: x for x in old.operands}
            for x in old.operands:
                done.update((y, y) for y in x.operands)
            for x in new.operands:
                if (
                    x not in done
                    and isinstance(x, (Apply, If))
                    and all(y in done or not y.operands for y in x.operands)
                ):
                    done[x] = self.node(x)
            return with_operands(new, tuple([done.get(x, x) for x in new.operands]))
        finally:
            self.depth -= 1


def _named(bound: Bindings) -> dict[str, Expr]:
    return {v.name: value for v, value in bound.items() if isinstance(v, Var)}
