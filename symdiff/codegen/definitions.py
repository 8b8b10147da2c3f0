"""Definitions are functions of their own, printed before the one that calls them.

    y = Project(Call power(x, n), 0)   ->   def power(x, n): ...
                                            y = power(x, n)

A function that only calls a definition with its own parameters is that definition.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from symdiff.codegen.checks import support_names
from symdiff.codegen.names import RESERVED
from symdiff.codegen.spell import name
from symdiff.codegen.statements import Statement
from symdiff.ir.expr import Call, Expr, Project, call
from symdiff.ir.function import Function
from symdiff.ir.tree import Tree
from symdiff.ir.walk import transform
from symdiff.plan.definitions import needed
from symdiff.plan.demands import pending

if TYPE_CHECKING:
    from symdiff.codegen.emit import Emitter

_ROOM = 24  # for what a call stands in


def prepared(function: Function) -> Function:
    """`function` with definitions as they are printed: called as nothing else is, all needed."""
    if not function.definitions:
        return function
    function = needed(function)
    merged = _merged(function)
    function = merged or function
    parts = (*function.definitions.values(), function)
    taken = set(RESERVED).union(
        (p.name for part in parts for p in part.params), *map(support_names, parts)
    )
    taken.add(function.name)
    names = dict[str, str]() if merged is None else {function.name: function.name}
    for wish in function.definitions:
        fresh, number = wish, 1
        while fresh in taken and wish not in names:
            number += 1
            fresh = f"{wish}_{number}"
        taken.add(names.setdefault(wish, fresh))
    if all(old == new for old, new in names.items()):
        return function
    return _renamed(function, lambda callee: names[callee])


def printed(function: Function) -> list[Function]:
    """The definitions of a prepared function; its results as a `return` has them."""
    return [
        d.replace(result=_returned(d), definitions=function.definitions)
        for label, d in function.definitions.items() if label != function.name
    ]  # fmt: skip


def _returned(definition: Function) -> Tree:
    results = definition.results
    return results[0] if len(results) == 1 else tuple(results)


def _merged(function: Function) -> Function | None:
    """A function that only passes its parameters on, as what it calls; it is a definition too."""
    params, results = function.params, function.results
    first = results[0] if results else None
    tree = function.result
    flat = isinstance(tree, Expr) or (type(tree) is tuple and len(tree) == len(results) > 1)
    if not flat or not isinstance(first, Project) or pending(function):
        return None
    made = first.operands[0]
    if not isinstance(made, Call) or made.operands != tuple(p.tree for p in params):
        return None
    if [(x.operands[0], x.index) for x in results if isinstance(x, Project)] != [
        (made, k) for k in range(len(made.types))
    ] or any(p.kind.startswith("star") for p in params):
        return None
    assert isinstance(made.callee, str)
    definition = function.definitions[made.callee]
    others = {n: d for n, d in function.definitions.items() if n != made.callee}
    if function.name in others:
        return None
    same = definition.replace(
        name=function.name,
        params=tuple(
            replace(p, tree=own.tree) for p, own in zip(params, definition.params, strict=True)
        ),
        result=_returned(definition),
        doc=function.doc,
        definitions={made.callee: definition, **others},
    )
    return _renamed(same, lambda callee: function.name if callee == made.callee else callee)


def _renamed(function: Function, new: Callable[[str], str]) -> Function:
    def rewrite(node: Expr) -> Expr:
        if isinstance(node, Call):
            assert isinstance(node.callee, str)
            return call(new(node.callee), node.operands, node.types)
        return node

    def rewritten(part: Function) -> Function:
        roots = [*part.results, *(x for r in part.requires for x in (r.fails, r.by))]
        return part.rewritten(transform(roots, rewrite))

    definitions = {
        new(label): rewritten(d).replace(name=new(label))
        for label, d in function.definitions.items()
    }
    return rewritten(function).replace(definitions=definitions)


# Calls.


def emit_call(to: Emitter, node: Call, out: list[Statement]) -> None:
    """A call: part of the formula that reads its one result, or a statement."""
    from symdiff.codegen.emit import Text  # which emits calls

    operands = [to.operand(x) for x in node.operands]
    limit = to.options.line_width - 4 * to.depth - _ROOM
    while sum(t.width + 2 for t in operands) > limit:
        at = [i for i, x in enumerate(node.operands)
              if x in to.text and not isinstance(operands[i].node, ast.Name)]  # fmt: skip
        if not at:
            break
        widest = max(at, key=lambda i: operands[i].width)
        operands[widest] = to.named(node.operands[widest], out)
    for x in node.operands:
        to.consumed(x)
    assert isinstance(node.callee, str)
    made = ast.Call(name(node.callee), [t.node for t in operands], [])
    results = {p.index: p for p in to.looping.projects.get(node, ())}
    if len(node.types) == 1:
        width = len(node.callee) + 2 + sum(t.width + 2 for t in operands)
        depth = 1 + max((t.depth for t in operands), default=0)
        to.place(results[0], Text(made, width, depth), out)
        return
    labels = [to.name_of(results[k]) if k in results else "_" for k in range(len(node.types))]
    for k, result in results.items():
        to.looping.before_write(labels[k], out)
        to.label[result] = labels[k]
    target = ast.Tuple([name(label) for label in labels], ast.Store())
    out.append(Statement(ast.Assign([target], made)))
