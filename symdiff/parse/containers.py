"""Tuples, lists, dicts, sets, comprehensions; and what a loop may run over when compiling."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.frame import Evaluation, Frame, Step, handles
from symdiff.parse.values import from_python, static_index, truth

MAX_ROUNDS = 1_000_000


def items_of(value: Any) -> list[Any]:
    """The items of something iterated over, which must be known in number when compiling."""
    if isinstance(value, Expr):
        if not value.type.rank:
            raise TypeError(f"'{value.type}' object is not iterable")
        rows = value.type.shape[0]
        if not isinstance(rows, int):
            raise UnsupportedError(
                "iterating over an array whose size is known only at run time is not supported",
                hint="use array operations (np.sum, slices), or declare the size: float64[3]",
            )
        from symdiff.primitives.spell import subscript

        return [subscript(value, i) for i in range(rows)]
    if isinstance(value, Record):
        return list(value.fields.values())
    if isinstance(value, np.ndarray):
        return list(value)
    if not isinstance(value, Iterable):
        raise TypeError(f"'{type(value).__name__}' object is not iterable")
    if isinstance(value, range) and len(value) > MAX_ROUNDS:
        raise UnsupportedError(
            f"a loop of {len(value)} rounds is written out round by round, which is too long",
            hint="use array operations (np.sum, np.cumsum), or fewer rounds",
        )
    return [from_python(v) for v in value]


@handles(ast.Tuple)
def tuple_display(frame: Frame, node: ast.Tuple) -> Evaluation:
    return tuple((yield _elements(frame, node.elts)))


@handles(ast.List)
def list_display(frame: Frame, node: ast.List) -> Evaluation:
    return frame.context.born(list((yield _elements(frame, node.elts))))


@handles(ast.Set)
def set_display(frame: Frame, node: ast.Set) -> Evaluation:
    values = yield _elements(frame, node.elts)
    return {static_index(v, "an item of a set") for v in values}


def _elements(frame: Frame, nodes: list[ast.expr]) -> Evaluation:
    values: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            values.extend(items_of((yield node.value)))
        else:
            values.append((yield node))
    return values


@handles(ast.Dict)
def dict_display(frame: Frame, node: ast.Dict) -> Evaluation:
    result: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        value = yield item
        if key is None:
            result.update(value)
        else:
            result[static_index((yield key), "a key of a dict")] = value
    return frame.context.born(result)


@handles(ast.ListComp, ast.GeneratorExp, ast.SetComp)
def comprehension(frame: Frame, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Evaluation:
    inner = _scope(frame)
    values: list[Any] = []
    yield _generate(frame, inner, list(node.generators), _Collect(node.elt, values))
    if isinstance(node, ast.SetComp):
        return {static_index(v, "an item of a set") for v in values}
    return frame.context.born(values)


@handles(ast.DictComp)
def dict_comprehension(frame: Frame, node: ast.DictComp) -> Evaluation:
    inner = _scope(frame)
    keys: list[Any] = []
    values: list[Any] = []
    yield _generate(
        frame, inner, list(node.generators), _Collect(node.key, keys, node.value, values)
    )
    return frame.context.born(
        {static_index(k, "a key"): v for k, v in zip(keys, values, strict=True)}
    )


class _Collect:
    """What a comprehension gathers at its innermost level."""

    def __init__(
        self, elt: ast.expr, into: list[Any], elt2: ast.expr | None = None, into2: Any = None
    ):
        self.pairs = [(elt, into)] + ([(elt2, into2)] if elt2 is not None else [])


def _scope(frame: Frame) -> Frame:
    """A comprehension's own scope: it sees the function's names, and keeps its variable."""
    return Frame(frame.context, frame.source, {}, frame.outer, frame.globals, parent=frame)


def _generate(
    frame: Frame, inner: Frame, generators: list[ast.comprehension], collect: _Collect
) -> Evaluation:
    from symdiff.parse.statements import assign

    if not generators:
        for elt, into in collect.pairs:
            into.append((yield Step(inner, elt)))
        return None
    first, *rest = generators
    iterable = yield Step(inner, first.iter)
    for item in items_of(iterable):
        yield assign(inner, first.target, item)
        keep = True
        for condition in first.ifs:
            known = truth((yield Step(inner, condition)))
            if not isinstance(known, bool):
                raise UnsupportedError(
                    "a comprehension's condition must be known when compiling",
                    hint="use a conditional expression: sum(x if x > 0 else 0 for x in xs)",
                )
            keep = keep and known
        if keep:
            yield _generate(frame, inner, rest, collect)
    return None
