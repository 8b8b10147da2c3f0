"""Neighbouring `if` statements on one condition become one.

if x > 0: a = f(x)             if x > 0:
else:     a = g(x)     ->          a = f(x)
if x > 0: d = a                    d = a
else:     d = 1                else: ...
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from symdiff.codegen.statements import Statement


def merged(statements: Sequence[Statement]) -> list[Statement]:
    """`statements`, where an `if` takes in the next one if its condition cannot have changed."""
    result: list[Statement] = []
    for statement in statements:
        last = result[-1] if result else None
        if last is not None and _same_condition(last, statement):
            body = [*last.body, *statement.body]
            orelse = [*last.orelse, *statement.orelse]
            statement = Statement(last.node, last.comment, body, orelse)
            result.pop()
        result.append(statement)
    return [
        Statement(s.node, s.comment, merged(s.body), merged(s.orelse)) if s.body else s
        for s in result
    ]


def _same_condition(first: Statement, second: Statement) -> bool:
    if not isinstance(first.node, ast.If) or not isinstance(second.node, ast.If):
        return False
    if any(isinstance(s.node, ast.Raise) for s in first.body):
        return False
    if ast.dump(first.node.test) != ast.dump(second.node.test):
        return False
    read = {n.id for n in ast.walk(first.node.test) if isinstance(n, ast.Name)}
    return read.isdisjoint(_assigned([*first.body, *first.orelse]))


def _assigned(statements: Sequence[Statement]) -> set[str]:
    """The names that statements bind."""
    names: set[str] = set()
    for statement in statements:
        stored = (
            n.id
            for n in ast.walk(statement.node)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        )
        names.update(stored, _assigned(statement.body), _assigned(statement.orelse))
    return names
