"""Checks in generated code: where they stand, and the helper functions that code calls."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from symdiff.ir.expr import Apply
from symdiff.ir.function import Function


def placed(body: Sequence[Any], checks: Sequence[tuple[Any, bool]]) -> list[Any]:
    """`body` with each check as early as the names that it reads allow.

    So that a wrong argument is reported as the primal reports it, not by the division after it.
    A check comes with whether it `looks_at_sizes` alone.
    """
    if not checks:
        return list(body)
    changed = [_bound(statement) for statement in body]
    bound = [_bound(statement, in_place=False) for statement in body]
    at: dict[int, list[Any]] = {}
    for check, sizes in checks:
        read = {n.id for n in ast.walk(check.node.test) if isinstance(n, ast.Name)}
        last = max(
            (
                i
                for i, names in enumerate(bound if sizes else changed)
                if not read.isdisjoint(names)
            ),
            default=-1,
        )
        at.setdefault(last, []).append(check)
    result = list(at.get(-1, ()))
    for i, statement in enumerate(body):
        result.append(statement)
        result.extend(at.get(i, ()))
    return result


def _bound(statement: Any, in_place: bool = True) -> set[str]:
    """The names that a statement, or one inside it, gives another value; in_place: in any way."""
    node = statement.node
    names: set[str] = set()
    targets: list[ast.expr] = []
    match node:
        case ast.Assign():
            targets = list(node.targets)
        case ast.AugAssign():
            targets = [node.target]
        case ast.Expr(ast.Call(func, args)):  # rows.append(x), np.add.at(a, i, x)
            targets = [func, *args[:1]]
        case _:
            pass
    while targets:
        target = targets.pop()
        if isinstance(target, ast.Name):
            names.add(target.id)
        elif isinstance(target, (ast.Subscript, ast.Attribute)) and in_place:
            targets.append(target.value)
        elif isinstance(target, ast.Tuple):
            targets.extend(target.elts)
    for inner in (*statement.body, *statement.orelse):
        names |= _bound(inner, in_place)
    return names


def _helpers(function: Function) -> dict[str, Any]:
    """The helper functions of the rows that a function applies, by name."""
    rows = dict.fromkeys(node.op for node in function.nodes() if type(node) is Apply)
    return {helper.__name__: helper for row in rows for helper in row.support}


def support_names(function: Function) -> set[str]:
    """The names of the helper functions that generated code may call: no variable is called so."""
    return set(_helpers(function))


def support_of(function: Function, text: str) -> list[Any]:
    """The helper functions that the generated `text` calls."""
    found = _helpers(function)
    return [found[name] for name in sorted(found) if f"{name}(" in text]
