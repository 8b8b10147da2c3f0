"""What the function leaves in the arrays that it was given and writes into: `x[:] = value`.

    x2 = x.copy(); x2[0] = a; ...; x[:] = x2; return x2 * y

Last of all, where `storage` has not let the writes happen in the argument itself. What is returned
and looks into the argument is computed before.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from symdiff.codegen.loops import contents_in
from symdiff.codegen.spell import name
from symdiff.codegen.statements import Statement, assign, branch, updated
from symdiff.ir.expr import Expr, If, Var
from symdiff.ir.tree import expressions

if TYPE_CHECKING:
    from symdiff.codegen.emit import Emitter


def write_back(to: Emitter, out: list[Statement]) -> None:
    """The statements that bring arguments to their final content."""
    left = [(v, value) for v, value in to.function.effects if to.memory(value) != {v}]
    if not left:
        return
    written = {v for v, _ in left}
    looking = {label for node, label in to.label.items()
               if node.type.rank and not written.isdisjoint(to.memory(node))}  # fmt: skip
    values = {value: v for v, value in left}
    for node in dict.fromkeys([*expressions(to.function.result), *values]):
        plain = node in to.blank or (len(left) == 1 and node in values)
        if (
            node in to.text
            and not plain
            and not looking.isdisjoint(contents_in(to.text[node].node))
        ):
            to.assign(node, to.text.pop(node).node, out)
        touched = written - {values.get(node)}
        if node.type.rank and node not in to.text and touched & to.memory(node):
            _copy(to, node, out)
    for v, value in left:
        _write(to, v, value, out)


def _copy(to: Emitter, node: Expr, out: list[Statement]) -> None:
    """Keep what `node` is now under a name of its own."""
    wish = to.function.names.get(node) or getattr(node, "name", "") or to.plain
    label = to.names.fresh(wish)
    made = ast.Call(ast.Attribute(to.operand(node).node, "copy", ast.Load()), [], [])
    out.append(Statement(assign(label, made)))
    to.label[node] = label
    to.apart.add(node)


def _write(to: Emitter, v: Var, value: Expr, out: list[Statement]) -> None:
    label = to.label[v]
    made = to.operand(value).node
    if isinstance(value, If) and v in (value.then, value.orelse):  # one side leaves it as it was
        test = to.operand(value.pred).node
        if isinstance(made, ast.IfExp):
            made = made.orelse if value.then is v else made.body
        inner = [Statement(_filled(label, made), to.comment(value))]
        sides = ([], inner) if value.then is v else (inner, [])
        out.append(branch(test, *sides, ""))
        return
    out.append(Statement(_filled(label, made), to.comment(value)))


def _filled(label: str, made: ast.expr) -> ast.stmt:
    """`label[:] = made`, or `label += rest`, which for an array is the same."""
    short = updated(label, made)
    if isinstance(short, ast.AugAssign):
        return short
    return ast.Assign([ast.Subscript(name(label), ast.Slice(), ast.Store())], made)
