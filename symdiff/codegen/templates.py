"""Templates such as "np.sin({0})" or "{0} @ {1}", taken apart once and then filled in quickly."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symdiff.codegen.spell import dotted, is_dotted, literal

# Makes the syntax of a template from operands and attributes.
Builder = Callable[[Sequence[ast.expr], Mapping[str, Any]], Any]

_PLACE = re.compile(r"\{(\w+)\}")
_MARK = "_place_"
_OPERATORS: dict[str, Any] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod,
    "**": ast.Pow, "@": ast.MatMult, "&": ast.BitAnd, "|": ast.BitOr, "^": ast.BitXor,
    "<<": ast.LShift, ">>": ast.RShift,
}  # fmt: skip
_BINARY = re.compile(r"^\{0\} (\S+) \{1\}$")
_CALL = re.compile(r"^([\w.]+)\(\{0\}\)$")


@functools.cache
def width_of(text: str) -> int:
    """Characters of a template besides its operands; operators may get parentheses."""
    bare = _PLACE.sub("", text)
    return len(bare) + (0 if text[0].isalpha() else 2)


@functools.cache
def builder(text: str) -> Builder:
    """What fills in `text`: {0}, {1} are operands, {name} are attributes.

    A keyword argument whose value is None or False is left out.
    """
    found = _BINARY.match(text)
    if found and found[1] in _OPERATORS:
        operator = _OPERATORS[found[1]]()
        return lambda operands, attrs: ast.BinOp(operands[0], operator, operands[1])
    found = _CALL.match(text)
    if found:
        function = dotted(found[1])
        return lambda operands, attrs: ast.Call(function, [operands[0]], [])
    return _builder(ast.parse(_PLACE.sub(rf"{_MARK}\1", text), mode="eval").body)


def _builder(node: Any) -> Builder:
    if isinstance(node, ast.Name) and node.id.startswith(_MARK):
        key = node.id.removeprefix(_MARK)
        if key.isdigit():
            place = int(key)
            return lambda operands, attrs: operands[place]
        return lambda operands, attrs: literal(attrs[key])
    if isinstance(node, list):
        parts = [_builder(x) for x in node]
        return lambda operands, attrs: [part(operands, attrs) for part in parts]
    if not isinstance(node, ast.AST) or (is_dotted(node) and _MARK not in ast.unparse(node)):
        return lambda operands, attrs: node
    kind = type(node)
    fields = [(name, _builder(value)) for name, value in ast.iter_fields(node)]

    def build(operands: Sequence[ast.expr], attrs: Mapping[str, Any]) -> Any:
        made = {name: part(operands, attrs) for name, part in fields}
        if kind is ast.Call:
            made["keywords"] = [k for k in made["keywords"] if not _is_default(k.value)]
        return kind(**made)

    return build


def _is_default(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)
