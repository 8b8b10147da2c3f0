"""Operator notation for the formulas of rows, and Python numbers as expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.ir.expr import Expr, const
from symdiff.ir.types import BOOL, FLOAT, INT, Type


def as_expr(value: Any) -> Expr:
    """`value` as an expression: Python numbers become weak constants."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, Term):
        return value.expr
    if isinstance(value, bool):
        return const(value, BOOL)
    if isinstance(value, int):
        return const(value, INT)
    if isinstance(value, float):
        return const(value, FLOAT)
    if isinstance(value, complex):
        return const(value, Type("complex128", (), True))
    raise TypeError(f"not an expression: {value!r}")


class Term:
    """Operator notation for the rows: `0.5 / y` instead of `divide(0.5, y)`.

    It exists only while a row's formula is evaluated; expressions themselves are inert.
    """

    __slots__ = ("expr",)
    rows: Mapping[str, Any] = {}  # filled by `arithmetic.py`, then never changed

    def __init__(self, expr: Expr):
        self.expr = expr

    def _apply(self, name: str, *args: Any) -> Term:
        return Term(Term.rows[name].build(*args))

    def __add__(self, other: Any) -> Term:
        return self._apply("add", self, other)

    def __radd__(self, other: Any) -> Term:
        return self._apply("add", other, self)

    def __sub__(self, other: Any) -> Term:
        return self._apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Term:
        return self._apply("subtract", other, self)

    def __mul__(self, other: Any) -> Term:
        return self._apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Term:
        return self._apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Term:
        return self._apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return self._apply("divide", other, self)

    def __pow__(self, other: Any) -> Term:
        return self._apply("power", self, other)

    def __neg__(self) -> Term:
        return self._apply("negative", self)

    def __gt__(self, other: Any) -> Term:
        return self._apply("greater", self, other)

    def __lt__(self, other: Any) -> Term:
        return self._apply("less", self, other)

    def __ge__(self, other: Any) -> Term:
        return self._apply("greater_equal", self, other)

    def __le__(self, other: Any) -> Term:
        return self._apply("less_equal", self, other)

    def differs(self, other: Any) -> Term:
        return self._apply("not_equal", self, other)

    def equals(self, other: Any) -> Term:
        return self._apply("equal", self, other)
