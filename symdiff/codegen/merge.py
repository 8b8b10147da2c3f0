"""Neighbouring `if` statements on one condition become one.

if x > 0: a = f(x)             if x > 0:
else:     a = g(x)     ->          a = f(x)
if x > 0: d = a                    d = a
else:     d = 1                else: ...
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from symdiff.codegen.statements import Statement, plain


def merged(statements: Sequence[Statement]) -> list[Statement]:
    """`statements`, where an `if` takes in the next one if its condition cannot have changed."""
    result: list[Statement] = []
    for statement in statements:
        sides = _sides(result[-1], statement) if result else None
        if sides is not None:
            last = result.pop()
            statement = Statement(
                last.node, last.comment, [*last.body, *sides[0]], [*last.orelse, *sides[1]]
            )
        result.append(statement)
    return [
        Statement(s.node, s.comment, merged(s.body), merged(s.orelse)) if s.body else s
        for s in result
    ]


def _sides(first: Statement, second: Statement) -> tuple[list[Statement], list[Statement]] | None:
    """What the second `if` does where the condition of the first one holds, and where it does not.

    None: the two cannot be one.
    """
    if not isinstance(first.node, ast.If) or not isinstance(second.node, ast.If):
        return None
    if any(isinstance(s.node, ast.Raise) for s in first.body):
        return None
    (test, negated), (other, turned) = map(plain, (first.node.test, second.node.test))
    if ast.dump(test) != ast.dump(other):
        return None
    read = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    if not read.isdisjoint(_assigned([*first.body, *first.orelse])):
        return None
    return (second.body, second.orelse) if negated == turned else (second.orelse, second.body)


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
