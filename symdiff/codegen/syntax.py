"""astor as the printer of statements: one for a whole function, its busiest parts made quick.

astor decides how every node prints and where parentheses go. Its own `to_source` sets up a printer
for each statement and finds what prints a node by putting names together; here both happen once.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():  # it looks for `ast.Num`, and gets on without in Python 3.14
    warnings.simplefilter("ignore", DeprecationWarning)
    from astor.code_gen import SourceGenerator  # type: ignore[import-untyped]
    from astor.op_util import (  # type: ignore[import-untyped]
        Precedence,
        precedence_data,
        symbol_data,
    )

_SYMBOLS: dict[type, str] = {kind: f" {symbol} " for kind, symbol in symbol_data.items()}
_RANK: dict[type, int] = dict(precedence_data)  # type: ignore[arg-type]
_HIGHEST: int = Precedence.highest  # type: ignore[attr-defined]
_COMMA: int = Precedence.Comma  # type: ignore[attr-defined]
_INFINITE = float("inf")
_POWER: tuple[int, int] = (Precedence.Pow + 1, Precedence.PowRHS)  # type: ignore[attr-defined]


class Printer(SourceGenerator):
    """Prints one simple statement or expression after another, each on one line."""

    def __init__(self) -> None:
        super().__init__("    ", False, _plain_string)
        self._append: Callable[[str], None] = self.result.append
        self._visitors: dict[type, Callable[[Any], None]] = {}
        self.write = self._write

    def text(self, node: ast.AST) -> str:
        """`node` as text."""
        self.visit(node)
        made = "".join(self.result)
        self.result.clear()
        return made

    def newline(self, node: Any = None, extra: int = 0) -> None:
        """Statements are put on lines by whoever asks for their text."""

    def visit(self, node: ast.AST, abort: Any = None) -> None:
        kind = type(node)
        visitor = self._visitors.get(kind)
        if visitor is None:
            visitor = self._visitors[kind] = getattr(self, f"visit_{kind.__name__}")
        visitor(node)

    def _write(self, *params: Any) -> None:
        for item in params:
            if type(item) is str:
                self._append(item)
            elif isinstance(item, ast.AST):
                self.visit(item)
            else:  # one of astor's own helpers
                item()

    # What nearly all of a derivative is made of.

    def visit_Name(self, node: ast.Name) -> None:  # noqa: N802
        self._append(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:  # noqa: N802
        value = node.value
        if type(value) is float and 0 < value < _INFINITE:  # never in parentheses
            self._append(repr(value))
        else:
            super().visit_Constant(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        self.visit(node.value)
        self._append(f".{node.attr}")

    def visit_BinOp(self, node: Any) -> None:  # noqa: N802
        kind = type(node.op)
        precedence = _RANK[kind]
        sides = _POWER if kind is ast.Pow else (precedence, precedence + 1)
        node.left._pp, node.right._pp = sides  # where astor looks for a parent's precedence
        bare = precedence >= getattr(node, "_pp", _HIGHEST)
        append = self._append
        if not bare:
            append("(")
        self.visit(node.left)
        append(_SYMBOLS[kind])
        self.visit(node.right)
        if not bare:
            append(")")

    def visit_ListComp(self, node: Any) -> None:  # noqa: N802
        node.elt._pp = _COMMA  # without: `[(x * y) for x in ...]`
        super().visit_ListComp(node)


def _plain_string(text: str, *_: Any, **__: Any) -> str:
    return repr(text)
