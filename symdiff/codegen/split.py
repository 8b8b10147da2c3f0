"""Lines that came out too wide: their largest part gets a name of its own.

    d = np.full_like(x, <long>).copy()   ->   t = <long>;  d = np.full_like(x, t).copy()

The emitter estimates widths while it writes; what its estimate misses is mended here.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from symdiff.codegen.names import Names
from symdiff.codegen.statements import Definition, Statement, assign

_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)  # with a value that is evaluated at once
_LAZY = (ast.IfExp, ast.BoolOp, ast.ListComp, ast.Lambda)


def split_wide(definition: Definition, width: int) -> None:
    """Split the wide statements of `definition`, in place."""
    taken = {p.name for p in definition.params} | _names(definition.body)
    definition.body = _split(definition.body, width, Names(taken), 1)


def _names(statements: Sequence[Statement]) -> set[str]:
    found: set[str] = set()
    for s in statements:
        found.update(n.id for n in ast.walk(s.node) if isinstance(n, ast.Name))
        found |= _names(s.body) | _names(s.orelse)
    return found


def _split(
    statements: Sequence[Statement], width: int, names: Names, depth: int
) -> list[Statement]:
    out: list[Statement] = []
    for s in statements:
        if s.body or s.orelse:
            body = _split(s.body, width, names, depth + 1)
            out.append(
                Statement(s.node, s.comment, body, _split(s.orelse, width, names, depth + 1))
            )
            continue
        room = width - 4 * depth
        while isinstance(s.node, _SIMPLE) and _width(s.node) > room:
            part = _largest_part(s.node.value, room - 12)
            if part is None:
                break
            label = names.fresh("t")
            s.node.value = _replaced(s.node.value, part, ast.Name(label, ast.Load()))
            out.append(Statement(assign(label, part)))
        out.append(s)
    return out


def _width(node: ast.Assign | ast.AugAssign | ast.Expr) -> int:
    if isinstance(node, ast.Expr):
        return len(ast.unparse(node.value))
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return len(ast.unparse(target)) + len(ast.unparse(node.value)) + 4


def _largest_part(value: ast.expr, room: int) -> ast.expr | None:
    """The widest operand inside `value`, certain to be evaluated, that fits on a line."""
    best: tuple[int, ast.expr] | None = None
    stack: list[ast.AST] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, _LAZY):
            continue
        if node is not value and isinstance(node, ast.Call | ast.BinOp | ast.Subscript):
            size = len(ast.unparse(node))
            if size <= room and (best is None or size > best[0]):
                best = (size, node)
        stack.extend(ast.iter_child_nodes(node))
    return None if best is None or best[0] < 12 else best[1]


def _replaced(value: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """`value` with `new` for `old`. What it is made of may stand in other statements: it stays."""
    return _Replace(old, new).visit(copy.deepcopy(value, {id(old): old}))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.expr, new: ast.expr):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)
