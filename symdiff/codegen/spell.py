"""From values to Python syntax: names, calls, constants, sizes."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.types import Dim, Shape, SymDim


def name(text: str) -> ast.expr:
    return ast.Name(text, ast.Load())


def number(value: Any) -> ast.expr:
    """A constant; negative ones as `UnaryOp`, so that a power of them prints with parentheses."""
    if type(value) is float and 0 < value < math.inf:  # nearly all are
        return ast.Constant(value)
    if isinstance(value, (np.floating, np.integer, np.bool_)):
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return ast.parse("math.nan", mode="eval").body
        if math.isinf(value):
            body = ast.parse("math.inf", mode="eval").body
            return body if value > 0 else ast.UnaryOp(ast.USub(), body)
    signed = isinstance(value, (int, float)) and not isinstance(value, bool)
    if signed and math.copysign(1.0, value) < 0 and (value or isinstance(value, float)):
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def call(function: str, *args: ast.expr, **keywords: ast.expr) -> ast.Call:
    """`function(args, keyword=value)`."""
    return ast.Call(dotted(function), list(args), [ast.keyword(k, v) for k, v in keywords.items()])


@functools.cache
def dotted(text: str) -> ast.expr:
    """`np.linalg.solve` as syntax. It is shared: names print alike wherever they stand."""
    made = ast.parse(text, mode="eval").body
    assert is_dotted(made), text
    return made


def is_dotted(node: ast.AST) -> bool:
    """Whether `node` is a name, or an attribute of one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def literal(value: Any) -> ast.expr:
    """A static value (axis, flag, tuple of axes) as syntax; one axis is printed as an int."""
    if isinstance(value, ast.expr):
        return value
    if isinstance(value, tuple):
        return ast.Tuple([literal(v) for v in value], ast.Load())
    if isinstance(value, list):
        return ast.List([literal(v) for v in value], ast.Load())
    return number(value)


class Sizes:
    """How the sizes of a function are written: `len(x)`, `x.shape[1]`, `x.size`."""

    def __init__(self, measures: Mapping[str, ast.expr], totals: Sequence[tuple[Dim, str]]):
        self._measures = measures
        self._totals = totals

    def dim(self, dim: Dim) -> ast.expr:
        """A size as syntax."""
        if not isinstance(dim, SymDim):
            return number(dim)
        for total, variable in self._totals:
            if total == dim:
                return ast.Attribute(name(variable), "size", ast.Load())
        result: ast.expr | None = None
        for factors, coefficient in dim.terms:
            term: ast.expr | None = None
            for factor in factors:
                f = self._symbol(factor)
                term = f if term is None else ast.BinOp(term, ast.Mult(), f)
            magnitude = abs(coefficient)
            if term is None:
                term = number(magnitude)
            elif magnitude != 1:
                term = ast.BinOp(number(magnitude), ast.Mult(), term)
            if result is None:
                result = ast.UnaryOp(ast.USub(), term) if coefficient < 0 else term
            else:
                result = ast.BinOp(result, ast.Sub() if coefficient < 0 else ast.Add(), term)
        return result or number(0)

    def _symbol(self, text: str) -> ast.expr:
        if text in self._measures:
            return self._measures[text]
        if text.startswith("count("):
            raise UnsupportedError(
                "a size that a mask or a loop decides is asked for where nothing tells it",
                hint="count with np.sum(mask), use np.where(mask, x, 0.0), or take a slice of an "
                "array that is as large as any of them",
            )
        return _Substitute(self._measures).visit(ast.parse(text, mode="eval").body)

    def shape(self, shape: Shape) -> ast.expr:
        """A shape as a tuple."""
        return ast.Tuple([self.dim(d) for d in shape], ast.Load())


class _Substitute(ast.NodeTransformer):
    """Puts measures for the sizes in a derived size such as `len(range(n)[::2])`."""

    def __init__(self, measures: Mapping[str, ast.expr]):
        self._measures = measures

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._measures.get(node.id, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        found = self._measures.get(ast.unparse(node))
        return found if found is not None else self.generic_visit(node)  # type: ignore[return-value]
