"""Helpers for rows that print themselves with a function: calls and literals as Python syntax."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.ir.expr import Apply

Printer = Callable[[Sequence[ast.expr], Apply, Any], ast.expr]


def literal(value: Any) -> ast.expr:
    """A static argument as syntax; a negative number as `UnaryOp`, as the printer wants it."""
    if isinstance(value, ast.expr):
        return value
    if isinstance(value, tuple):
        return ast.Tuple([literal(v) for v in value], ast.Load())
    if isinstance(value, list):
        return ast.List([literal(v) for v in value], ast.Load())
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def call(function: str, *args: Any, **keywords: Any) -> ast.expr:
    """`function(args, keyword=value)`; keywords that are None or False are left out."""
    return ast.Call(
        ast.parse(function, mode="eval").body,
        [literal(a) for a in args],
        [
            ast.keyword(name, literal(value))
            for name, value in keywords.items()
            if value is not None and value is not False
        ],
    )


def axis_argument(axes: tuple[int, ...], rank: int) -> Any:
    """`axis=` as a person writes it: None for all axes, one number, or a tuple."""
    if len(axes) == rank:
        return None
    shown = tuple(a + rank for a in axes)
    return shown[0] if len(shown) == 1 else shown


def one_axis(axis: int | None, rank: int) -> int | None:
    """`axis=` of a function along one axis; left out where there is only one."""
    return None if axis is None or rank == 1 else axis + rank


def reduction(function: str, *others: str) -> Printer:
    """Prints `function(x, axis=..., keepdims=True)`, with the attributes `others` after them."""

    def show(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
        axes, keepdims, *rest = node.attrs
        extra = {k: v or None for k, v in zip(others, rest, strict=True)}
        axis = axis_argument(axes, node.operands[0].type.rank)
        return call(function, operands[0], axis=axis, **extra, keepdims=keepdims)

    return show


def along_axis(function: str) -> Printer:
    """Prints `function(x, axis=...)` for a row whose one attribute is an axis."""

    def show(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
        axis = one_axis(node.attrs[0], node.operands[0].type.rank)
        return call(function, *operands, axis=axis)

    return show


def with_offset(function: str) -> Printer:
    """Prints `function(x, k)` for a row whose one attribute is a diagonal, 0 left out."""

    def show(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
        offset = node.attrs[0]
        return call(function, *operands, *([offset] if offset else []))

    return show
