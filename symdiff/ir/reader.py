"""Reads the text of `symdiff.ir.text` back into expressions: a tokenizer and one method a form."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symdiff.ir.expr import (
    Expr,
    Var,
    apply,
    call,
    const,
    for_,
    if_,
    map_,
    project,
    var,
    while_,
)
from symdiff.ir.function import Function, Param
from symdiff.ir.text import Stand
from symdiff.ir.tree import Record, Tree
from symdiff.ir.types import BOOL, DTYPES, FLOAT, INT, Dim, SymDim, Type

_COMPLEX = Type("complex128", (), True)
_WEAK: Mapping[str, Type] = {
    "float": FLOAT, "complex": _COMPLEX, **{d: Type(d, (), True) for d in DTYPES},
}  # fmt: skip
_TYPE_WORDS = frozenset(_WEAK) | {"weak"}
_TOKEN = re.compile(
    r"""\s*(
      '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"             # strings
    | `[^`]*`                                           # variables that look like something else
    | <static\ [^>]*>                                  # Python objects
    | %\d+                                              # nodes
    | (?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d+)       # numbers
    | [^\W\d]\w*                                        # names
    | \#.*                                              # comments
    | [-+*.,:=~()\[\]{}<>]
    )""",
    re.VERBOSE,
)


def read(text: str, ops: Mapping[str, Any]) -> Function:
    """The function that `text` shows. Raises ValueError for what is not such text."""
    lines = [line for line in text.split("\n") if line.strip()]
    readers: list[_Reader] = []
    for number, line in enumerate(lines):
        first = not line.startswith(" ")
        if first:
            readers.append(_Reader(ops))
        try:
            readers[-1].line(line, first=first)
        except (KeyError, IndexError, ValueError, SyntaxError) as error:
            raise ValueError(f"line {number + 1} of the IR: {line.strip()!r}: {error!r}") from error
    *definitions, function = [
        Function(r.name, tuple(r.params), r.result, names=r.names, effects=tuple(r.effects))
        for r in readers
    ]
    return function.replace(definitions={d.name: d for d in definitions})


class _Reader:
    def __init__(self, ops: Mapping[str, Any]):
        self.ops = ops
        self.name = ""
        self.params: list[Param] = []
        self.result: Tree = None
        self.effects: list[tuple[Var, Expr]] = []
        self.names: dict[Expr, str] = {}
        self.known: dict[str, Expr] = {}  # by what stands for it in the text
        self.tokens: list[str] = []
        self.at = 0

    # Tokens.

    def line(self, text: str, first: bool) -> None:
        self.tokens, self.at = [], 0
        end = 0
        stripped = text.rstrip()
        while end < len(stripped):
            found = _TOKEN.match(stripped, end)
            if found is None:
                raise ValueError(f"what is {stripped[end:]!r}?")
            self.tokens.append(found[1])
            end = found.end()
        if first:
            self._header()
        elif self.peek() == "bind":
            self.take()
            self._declare(":")
        elif self.peek() == "leave":
            self.take()
            variable, value = self._operand(), self._operand()
            assert isinstance(variable, Var)
            self.effects.append((variable, value))
        elif self.peek() == "return":
            self.take()
            self.result = self._tree(self._operand)
        else:
            self._statement()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.tokens[self.at]
        if wanted and token != wanted:
            raise ValueError(f"{wanted!r} expected, not {token!r}")
        self.at += 1
        return token

    def accept(self, token: str) -> bool:
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def many(self, item: Callable[[], Any], close: str) -> list[Any]:
        """Items separated by commas, up to `close`; a comma may stand behind the last."""
        items: list[Any] = []
        while not self.accept(close):
            items.append(item())
            if not self.accept(","):
                self.take(close)
                break
        return items

    # Types and sizes.

    def _type(self) -> Type:
        weak = self.accept("weak")
        name = self.take()
        if name == "list":
            self.take("[")
            (rows,) = self.many(self._dim, "]")
            item = self._type()
            return Type(item.dtype, (rows, *item.shape), item.weak, item.listed + 1)
        if not self.accept("["):
            return _WEAK[name]
        shape = tuple(self.many(self._dim, "]"))
        if name not in DTYPES:
            raise ValueError(f"{name} is not a dtype")
        return Type(name, shape, weak)  # type: ignore[arg-type]

    def _dim(self) -> Dim:
        terms: list[tuple[tuple[str, ...], int]] = []
        while True:
            sign = -1 if self.accept("-") else 1
            self.accept("+")
            coefficient, factors = sign, []
            while True:
                token = self.take()
                if token.isdigit():
                    coefficient *= int(token)
                else:
                    factors.append(self._symbol(token))
                if not self.accept("*"):
                    break
            terms.append((tuple(factors), coefficient))
            if self.peek() not in ("+", "-"):
                break
        if len(terms) == 1 and not terms[0][0]:
            return terms[0][1]
        return SymDim(tuple(terms))

    def _symbol(self, token: str) -> str:
        if token[0] in "'\"":
            return ast.literal_eval(token)
        while self.peek() in (".", "["):
            if self.accept("."):
                token += "." + self.take()
            else:
                self.take("[")
                token += f"[{self.take()}]"
                self.take("]")
        return token

    # Leaves.

    def _variable(self) -> str:
        """The text of a variable: its name, its tag behind a dot, and a number for namesakes."""
        token = self.take()
        for mark in (".", "~"):
            if self.accept(mark):
                token += mark + self.take()
        return token

    def _declare(self, colon: str) -> Var:
        text = self._variable()
        self.take(colon)
        found = re.fullmatch(r"(`[^`]*`|\w+)(?:\.(\d+))?(?:~\d+)?", text)
        if found is None:
            raise ValueError(f"{text!r} is not a variable")
        variable = var(found[1].strip("`"), self._type(), int(found[2] or 0))
        self.known[text] = variable
        return variable

    def _operand(self) -> Expr:
        token = self.peek()
        if token.startswith("%"):
            return self.known[self.take()]
        follows = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if token == "complex" and follows == "(":
            return const(self._value(), _COMPLEX)
        if (token in _TYPE_WORDS and follows in ("[", "(")) or token == "weak":
            type_ = self._type()
            self.take("(")
            value = self._value()
            self.take(")")
            return const(value, type_)
        if token in ("True", "False", "nan", "inf", "-") or token[0].isdigit():
            value = self._value()
            return const(value, {bool: BOOL, int: INT, float: FLOAT}[type(value)])
        return self.known[self._variable()]

    def _value(self) -> Any:
        token = self.take()
        if token == "-":
            return -self._value()
        if token in ("True", "False"):
            return token == "True"
        if token in ("nan", "inf"):
            return math.nan if token == "nan" else math.inf
        if token == "complex":
            self.take("(")
            real, imaginary = self.many(self._value, ")")
            return complex(real, imaginary)
        if token == "array":
            return self._array()
        return int(token) if token.isdigit() else float(token)

    def _array(self) -> Any:
        dtype = np.dtype(ast.literal_eval(self.take()))
        if self.accept("("):
            shape = tuple(self.many(self._value, ")"))
            data = bytes.fromhex(ast.literal_eval(self.take()))
            return np.frombuffer(data, dtype).reshape(shape)
        return np.array(self._items(), dtype=dtype)

    def _items(self) -> Any:
        return self.many(self._items, "]") if self.accept("[") else self._value()

    # Lines.

    def _header(self) -> None:
        self.name = self.take()
        self.take("(")
        self.params = self.many(self._param, ")")

    def _param(self) -> Param:
        name = self.take()
        self.take(":")
        follows = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if self.peek() in _TYPE_WORDS and follows != ":":
            self.known[name] = var(name, self._type())
            return Param(name, self.known[name])
        return Param(name, self._tree(lambda: self._declare(":")))

    def _statement(self) -> None:
        label = self.take()
        self.take("=")
        build = self._node()
        self.take(":")
        node = build(self._type())
        self.known[label] = node
        if self.peek().startswith("#"):
            self.names[node] = self.take()[1:].strip()

    def _node(self) -> Callable[[Type], Expr]:
        match self.take():
            case "if":
                pred = self._operand()
                self.take("then")
                then = self._operand()
                self.take("else")
                orelse = self._operand()
                return lambda t: if_(pred, then, orelse, t)
            case "map":
                self.take("[")
                pairs = self.many(self._pair, "]")
                body = self._operand()
                indices, over = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
                return lambda t: map_(indices, over, body, t)
            case "for":
                again = self.accept("recompute")
                index = self._bound()
                carried = self._carried()
                operands = self._operands()
                return lambda t: for_(index, carried, operands, t, again)
            case "while":
                carried = self._carried()
                operands = self._operands()
                return lambda t: while_(carried, operands, t)
            case "call" if self.peek() != "(":
                callee = self.take()
                self.take("(")
                operands = tuple(self.many(self._operand, ")"))
                self.take("giving")
                self.take("(")
                types = tuple(self.many(self._type, ")"))
                return lambda t: call(callee, operands, types)
            case str(token) if token.startswith("%"):
                region = self.known[token]
                self.take("[")
                number = int(self.take())
                self.take("]")
                return lambda t: project(region, number, t)
            case name:
                return self._apply(name)

    def _apply(self, name: str) -> Callable[[Type], Expr]:
        op = self.ops[name]
        self.take("(")
        attrs: list[Any] = []

        def item() -> Expr | None:
            if self.at + 1 < len(self.tokens) and self.tokens[self.at + 1] == "=":
                self.at += 2
                attrs.append(self._attr())
                return None
            return self._operand()

        operands = tuple(x for x in self.many(item, ")") if x is not None)
        return lambda t: apply(op, operands, tuple(attrs), t)

    def _bound(self) -> Var:
        found = self.known[self._variable()]
        assert isinstance(found, Var)
        return found

    def _pair(self) -> tuple[Var, Expr]:
        index = self._bound()
        self.take("in")
        return index, self._operand()

    def _carried(self) -> tuple[Var, ...]:
        self.take("carrying")
        self.take("(")
        carried = tuple(self.many(self._bound, ")"))
        self.take(":")
        return carried

    def _operands(self) -> tuple[Expr, ...]:
        found = [self._operand()]
        while self.accept(","):
            found.append(self._operand())
        return tuple(found)

    def _attr(self) -> Any:
        token = self.peek()
        if token == "<":
            self.take()
            dim = self._dim()
            self.take(">")
            return dim
        if token == "(":
            self.take()
            return tuple(self.many(self._attr, ")"))
        return self._static()

    def _static(self) -> Any:
        token = self.peek()
        if token.startswith("<static"):
            return Stand(self.take())
        if token == "None":
            self.take()
            return None
        return ast.literal_eval(self.take()) if token[0] in "'\"" else self._value()

    # Trees.

    def _tree(self, leaf: Callable[[], Tree]) -> Tree:
        if self.accept("static"):
            return self._static()
        if self.accept("["):
            return self.many(lambda: self._tree(leaf), "]")
        if self.accept("("):
            return tuple(self.many(lambda: self._tree(leaf), ")"))
        if self.accept("{"):
            return dict(self.many(lambda: self._entry(leaf), "}"))
        follows = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if follows == "(" and self.peek() not in _TYPE_WORDS:
            cls = type(self.take(), (), {})
            self.take("(")
            return Record(cls, dict(self.many(lambda: self._field(leaf), ")")))
        return leaf()

    def _entry(self, leaf: Callable[[], Tree]) -> tuple[Any, Tree]:
        key = self._attr()
        self.take(":")
        return key, self._tree(leaf)

    def _field(self, leaf: Callable[[], Tree]) -> tuple[str, Tree]:
        name = self.take()
        self.take("=")
        return name, self._tree(leaf)
