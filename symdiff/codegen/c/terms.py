"""Formulas of loop nests as C: operators with the parentheses that they need, loads, constants."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence

from symdiff.ir.nest import Buffer, Load, Local, Num, Op, Ref, Term

C_TYPES = {"bool": "bool", "int": "int64_t", "float32": "float", "float64": "double"}

_BINDING = {
    "?": 1, ":": 1, "||": 2, "&&": 3, "|": 4, "^": 5, "&": 6, "==": 7, "!=": 7, "<": 8, ">": 8,
    "<=": 8, ">=": 8, "<<": 9, ">>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11,
}  # fmt: skip
_UNARY, _ATOM = 13, 15
_TOKEN = re.compile(
    r"\{\d\}|\((?:bool|int|float32|float64|double)\)|[A-Za-z_]\w*|\d[\w.+]*(?<![+])|"
    r"\|\||&&|[=!<>]=|<<|>>|[-+*/%<>?:!~|^&(),]"
)


@functools.cache
def _shape(code: str) -> tuple[int, tuple[tuple[int, int, int, bool], ...]]:
    """(how tightly a template binds, for each operand: which, what it must bind like, ...).

    Of each operand: its number, the binding that it needs, and whether it stands right of an
    operator that groups from the left.
    """
    tokens = _TOKEN.findall(code)
    assert "".join(tokens) == code.replace(" ", ""), f"unreadable template {code!r}"
    depth, own = 0, _ATOM
    found: list[tuple[int, int, int, bool]] = []
    for k, token in enumerate(tokens):
        before = tokens[k - 1] if k else ""
        after = tokens[k + 1] if k + 1 < len(tokens) else ""
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
        elif token.startswith("{"):
            binary_left = before in _BINDING and not _is_unary(tokens, k - 1)
            unary = (before in "!~" and before != "") or (
                before.startswith("(") and len(before) > 1
            )
            unary = unary or (before == "-" and _is_unary(tokens, k - 1))
            left = _BINDING[before] if binary_left else 0
            right = _BINDING.get(after, 0)
            need = _UNARY if unary else max(left, right)
            found.append((int(token[1]), need, left, binary_left))
        elif depth == 0:
            if (
                token in "!~"
                or (token.startswith("(") and len(token) > 1)
                or (token == "-" and _is_unary(tokens, k))
            ):
                own = min(own, _UNARY)
            elif token in _BINDING:
                own = min(own, _BINDING[token])
    return own, tuple(found)


def _is_unary(tokens: Sequence[str], k: int) -> bool:
    before = tokens[k - 1] if k else ""
    return tokens[k] == "-" and (not before or before in _BINDING or before in "(,")


class Spelling:
    """Prints terms, by the names of variables and buffers."""

    def __init__(self, names: Mapping[Local | Buffer, str]):
        self.names = names

    def text(self, term: Term) -> str:
        return self._text(term)[0]

    def _text(self, term: Term) -> tuple[str, int]:
        match term:
            case Num(value, dtype):
                made = number(value, dtype)
                return made, _UNARY if made.startswith("-") else _ATOM
            case Ref(local):
                return self.names[local], _ATOM
            case Load(buffer, index):
                return self.place(buffer, index), _ATOM
            case Op(code, args):
                return self._operation(code, args)

    def _operation(self, code: str, args: Sequence[Term]) -> tuple[str, int]:
        own, needs = _shape(code)
        parts = [self._text(a) for a in args]
        order = iter(needs)

        def put(match: re.Match[str]) -> str:
            number_, need, left, right_of = next(order)
            text, binding = parts[number_]
            mixed = need in (2, 4, 5, 6, 9) and binding < _UNARY and binding != need
            tight = binding > need or (binding == need and not right_of and need != 1)
            tight = tight and not (right_of and binding <= left)
            tight = tight and not (need == _UNARY and text[0] in "-+")  # `--x` is another operator
            compared = need in (7, 8) and binding in (7, 8)
            return text if tight and not mixed and not compared else f"({text})"

        made = re.sub(r"\{\d\}", put, code)
        for name, kind in C_TYPES.items():
            made = made.replace(f"({name})", f"({kind})") if f"({name})" in code else made
        return made, own

    def place(self, buffer: Buffer, index: Sequence[Term]) -> str:
        """An element of a buffer: `x[i * n + j]`."""
        name = self.names[buffer]
        if not buffer.dims:
            return f"*{name}" if buffer.kind == "result" else name
        zero = Num(0, "int")
        flat: Term = zero
        for i, dim in zip(index, buffer.dims, strict=True):
            if flat != zero and dim != Num(1, "int"):
                flat = _times(flat, dim)
            flat = i if flat == zero else flat if i == zero else Op("{0} + {1}", (flat, i), "int")
        return f"{name}[{self.text(flat)}]"

    def count(self, dims: Sequence[Term]) -> str:
        """How many elements an array of these sizes has."""
        total: Term = Num(1, "int")
        for d in dims:
            total = d if total == Num(1, "int") else _times(total, d)
        return self.text(total)


def _times(a: Term, b: Term) -> Term:
    if isinstance(a, Num) and isinstance(b, Num):
        return Num(a.value * b.value, "int")
    return a if b == Num(1, "int") else Op("{0} * {1}", (a, b), "int")


def number(value: object, dtype: str) -> str:
    """A constant."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype == "int":
        assert isinstance(value, int)
        if value == -(1 << 63):
            return "INT64_MIN"
        return str(value) if abs(value) < 1 << 31 else f"INT64_C({value})"
    assert isinstance(value, (int, float))
    value = float(value)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value) + ("f" if dtype == "float32" else "")
