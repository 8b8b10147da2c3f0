"""What stands between Python's arguments and a kernel: containers taken apart, keywords in order.

    def f_grad(params, spring, *, n=3):
        d_w, d_k, d_rest = __kernel__(params["w"], spring.k, spring.rest, n)
        return {"w": d_w}, _replace(spring, k=d_k, rest=d_rest)

Tuples, lists and dicts of results the kernel's call layer makes itself; here is what they have of
dataclasses and named tuples. Where there are none, and a function takes numbers and arrays by
position, in the kernel's order, there is nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from symdiff.codegen.spell import call, name
from symdiff.ir.expr import Expr
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Record, Tree, children, expressions, has_records, is_container, paths

KERNEL = "__kernel__"


@dataclass(frozen=True)
class Adaptor:
    """Source of a function that calls `__kernel__`, and the objects that it names."""

    source: str
    bindings: Mapping[str, Any] = field(default_factory=dict[str, Any])


def adaptor(function: Function) -> Adaptor | None:
    """The function with the parameters of `function`; None where the kernel itself has them."""
    params, result = function.params, function.result
    plain = all(
        isinstance(p.tree, Expr) and p.kind == "plain" and p.default is None for p in params
    )
    if plain and not has_records(result):
        return None
    lines, bindings = forwarded(function, KERNEL)
    body = "".join(f"    {ast.unparse(line)}\n" for line in lines)
    return Adaptor(f"def {function.name}({_signature(params)}):\n{body}", bindings)


def forwarded(function: Function, run: str) -> tuple[list[ast.stmt], dict[str, Any]]:
    """The statements that call `run` and return what it gives, and the objects that they name."""
    params, result = function.params, function.result
    made = call(run, *_given(params))
    bindings: dict[str, Any] = {}
    lines: list[ast.stmt] = []
    if has_records(result):
        writer = _Results(params, [function.names.get(e) for e in expressions(result)])
        if writer.names:
            targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in writer.names]
            lines.append(ast.Assign([ast.Tuple(targets, ast.Store())], made, lineno=0))
        else:
            lines.append(ast.Expr(made))
        made = writer.tree(result)
        bindings = writer.bindings
    lines.append(ast.Return(made))
    return lines, bindings


def _given(params: tuple[Param, ...]) -> Iterator[ast.expr]:
    """What the kernel gets."""
    for p in params:
        for path, leaf in paths(p.tree):
            if isinstance(leaf, Expr):
                yield ast.parse(p.name + path, mode="eval").body


def _signature(params: tuple[Param, ...]) -> str:
    parts: list[str] = []
    keywords = False
    for p in params:
        text = {"star": f"*{p.name}", "starstar": f"**{p.name}"}.get(p.kind, p.name)
        if p.kind == "keyword" and not keywords:
            keywords = True
            if not any(q.kind == "star" for q in params):
                parts.append("*")
        parts.append(text if p.default is None else f"{text}={p.default}")
    return ", ".join(parts)


class _Results:
    """What a function returns, made of the kernel's results; each has one of `names`."""

    def __init__(self, params: tuple[Param, ...], wishes: list[str | None]):
        self.params = params
        self.bindings: dict[str, Any] = {}
        self._taken = {KERNEL, *(p.name for p in params)}
        self.names = [self._fresh(w or f"result_{k}") for k, w in enumerate(wishes, 1)]
        self._left = iter(self.names)

    def tree(self, tree: Tree) -> ast.expr:
        """A result, container or value."""
        if isinstance(tree, Expr):
            return name(next(self._left))
        if isinstance(tree, Record):
            return self._record(tree)
        if isinstance(tree, dict):
            return ast.Dict([self._static(k) for k in tree], [self.tree(v) for v in tree.values()])
        if isinstance(tree, (tuple, list)):
            items = [self.tree(t) for t in tree]
            made = ast.Tuple if isinstance(tree, tuple) else ast.List
            return made(items, ast.Load())
        return self._static(tree)

    def _record(self, record: Record) -> ast.expr:
        """A record, made from a parameter of the same class where there is one."""
        fields = [ast.keyword(k, self.tree(v)) for k, v in record.fields.items()]
        for param in self.params:
            for path, found in records(param.tree):
                if found.cls is not record.cls:
                    continue
                owner = ast.parse(param.name + path, mode="eval").body
                if record.is_namedtuple:
                    return ast.Call(ast.Attribute(owner, "_replace", ast.Load()), [], fields)
                return ast.Call(name(self._bound("_replace", dataclasses.replace)), [owner], fields)
        return ast.Call(name(self._bound(record.cls.__name__, record.cls)), [], fields)

    def _static(self, value: Any) -> ast.expr:
        """A constant: as text where that is all of it."""
        plain = value is None or type(value) in (bool, int, str, bytes)
        if plain or (type(value) is float and math.isfinite(value)):
            return ast.Constant(value)
        return name(self._bound("_constant", value))

    def _bound(self, wish: str, value: Any) -> str:
        """The name of an object that is no text."""
        known = next((n for n, x in self.bindings.items() if x is value), None)
        if known is not None:
            return known
        made = self._fresh(wish)
        self.bindings[made] = value
        return made

    def _fresh(self, wish: str) -> str:
        wish = wish if wish.isidentifier() else "value"
        made, number = wish, 1
        while made in self._taken:
            number += 1
            made = f"{wish}_{number}"
        self._taken.add(made)
        return made


def records(tree: Tree, prefix: str = "") -> list[tuple[str, Record]]:
    """(source that reaches it, record) for each record in `tree`, outer ones first."""
    found: list[tuple[str, Record]] = []
    if isinstance(tree, Record):
        found.append((prefix, tree))
    if is_container(tree):
        for step, _, child in children(tree):
            found += records(child, prefix + step)
    return found
