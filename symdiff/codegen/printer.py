"""From statements to text, through astor; no line is wider than asked, none breaks inside a call."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from symdiff.codegen.python import Definition, Signature, Statement
from symdiff.codegen.rename import renamed
from symdiff.options import Options

_INDENT = "    "


def expression_text(node: ast.AST) -> str:
    """One statement or expression on one line."""
    import astor  # not before it is needed: importing symdiff must stay quick

    text = astor.to_source(node, pretty_source="".join, pretty_string=_plain_string)
    return _bare_element(text.strip("\n"))


def _bare_element(text: str) -> str:
    """A comprehension without the parentheses that astor puts around its element."""
    at = text.find("[(")
    while at >= 0:
        close = at + 1 + _matching(text[at + 1 :])
        if text[close + 1 :].startswith(" for "):
            text = f"{text[: at + 1]}{text[at + 2 : close]}{text[close + 1 :]}"
        at = text.find("[(", at + 1)
    return text


def _plain_string(text: str, *_: Any, **__: Any) -> str:
    return repr(text)


def print_definition(definition: Definition, options: Options) -> str:
    """A `def` with its docstring and body."""
    lines = _header(definition, options.line_width)
    if definition.doc:
        lines += _docstring(definition.doc, options.line_width)
    lines += _statements(definition.body, 1, options.line_width)
    return renamed("\n".join(lines) + "\n", definition.renames)


def _header(definition: Definition, width: int) -> list[str]:
    params = _parameters(definition.params)
    returns = f" -> {definition.returns}" if definition.returns else ""
    line = f"def {definition.name}({', '.join(params)}){returns}:"
    if len(line) <= width:
        return [line]
    inner = _filled_lines(f"({', '.join(params)})", _INDENT, width)
    return [f"def {definition.name}(", *inner, f"){returns}:"]


def _parameters(params: Sequence[Signature]) -> list[str]:
    shown: list[str] = []
    keyword_only = False
    optional = False
    for p in params:
        text = p.name
        if p.kind == "star":
            text, keyword_only = f"*{p.name}", True
        elif p.kind == "starstar":
            text = f"**{p.name}"
        else:
            if p.kind == "keyword" and not keyword_only:
                shown.append("*")
                keyword_only = True
            if p.annotation:
                text += f": {p.annotation}"
            if p.default is not None and (p.kind == "keyword" or True):
                text += f" = {p.default}" if p.annotation else f"={p.default}"
                optional = True
            elif optional and not keyword_only:
                # A required parameter behind optional ones (a seed): the defaults are dropped.
                shown = [re.sub(r" ?= ?[^=]*$", "", s) for s in shown]
                optional = False
        shown.append(text)
    return shown


def _docstring(doc: str, width: int) -> list[str]:
    paragraphs = doc.split("\n")
    first = f'{_INDENT}"""{paragraphs[0]}'
    if len(paragraphs) == 1 and len(first) + 3 <= width:
        return [first + '"""']
    lines = textwrap.wrap('"""' + paragraphs[0], width - 4, break_long_words=False)
    for paragraph in paragraphs[1:]:
        lines += textwrap.wrap(paragraph, width - 4, break_long_words=False) or [""]
    return [(_INDENT + line).rstrip() for line in lines] + [_INDENT + '"""']


def _statements(body: Sequence[Statement], depth: int, width: int) -> list[str]:
    lines: list[str] = []
    indent = _INDENT * depth
    shown = ""
    for statement in body:
        node = statement.node
        comment = statement.comment if statement.comment != shown else ""
        shown = statement.comment or shown
        if isinstance(node, (ast.If, ast.For)):
            lines += _compound(statement, depth, width, comment)
            shown = ""
            continue
        text = expression_text(node)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            if len(node.value.elts) == 1:  # `return (x,)`: a trailing comma alone is easy to miss
                text = f"return ({expression_text(node.value.elts[0])},)"
        lines += _simple(text, indent, width, comment)
    return lines


def _simple(text: str, indent: str, width: int, comment: str) -> list[str]:
    line = indent + text
    if len(line) > width:
        return _wrapped_tuple(line, indent, width)
    if comment and len(line) + len(comment) + 4 <= width:
        line += f"  # {comment}"
    return [line]


def _wrapped_tuple(line: str, indent: str, width: int) -> list[str]:
    """A long tuple, list or dict: as many items on a line as fit; nested ones likewise."""
    found = re.match(r"^(\s*(?:return |[\w\[\], ]+ = ))(.*)$", line)
    if not found:
        return [line]
    head, rest = found[1], found[2]
    if not _is_display(rest):
        if len(_split_items(rest)) == 1:
            return [line]
        rest = f"({rest})"
    return [head + rest[0], *_filled_lines(rest, indent + _INDENT, width), indent + rest[-1]]


def _is_display(text: str) -> bool:
    return text[0] in "([{" and _matching(text) == len(text) - 1


def _filled_lines(display: str, indent: str, width: int) -> list[str]:
    """The items of a tuple, list or dict on lines of their own."""
    lines: list[str] = []
    current = ""
    for item in _split_items(display[1:-1]):
        if current and len(indent) + len(current) + len(item) + 2 > width:
            lines.append(indent + current.rstrip())
            current = ""
        if len(indent) + len(item) + 1 > width and _is_display(item):
            lines += [indent + item[0], *_filled_lines(item, indent + _INDENT, width)]
            lines.append(f"{indent}{item[-1]},")
            continue
        current += f"{item}, "
    return [*lines, indent + current.rstrip()] if current else lines


def _matching(text: str) -> int:
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return i
    return -1


def _split_items(text: str) -> list[str]:
    """The top-level items of a comma-separated list."""
    parts: list[str] = []
    depth = start = 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    tail = text[start:].strip()
    return parts + ([tail] if tail else [])


def _compound(statement: Statement, depth: int, width: int, comment: str) -> list[str]:
    node = statement.node
    indent = _INDENT * depth
    note = f"  # {comment}" if comment else ""
    if isinstance(node, ast.For):
        head = f"for {_bare(node.target)} in {expression_text(node.iter)}:"
        return [indent + head + note, *_statements(statement.body, depth + 1, width)]
    assert isinstance(node, ast.If)
    lines = [f"{indent}if {_bare(node.test)}:{note}"]
    lines += _statements(statement.body, depth + 1, width)
    orelse = statement.orelse
    while orelse:
        if len(orelse) == 1 and isinstance(orelse[0].node, ast.If):
            inner = orelse[0]
            lines.append(f"{indent}elif {_bare(inner.node.test)}:")  # type: ignore[union-attr]
            lines += _statements(inner.body, depth + 1, width)
            orelse = inner.orelse
            continue
        lines.append(f"{indent}else:")
        lines += _statements(orelse, depth + 1, width)
        break
    return lines


def _bare(node: ast.expr) -> str:
    """An expression without parentheses around the whole."""
    text = expression_text(node)
    if text.startswith("(") and _matching(text) == len(text) - 1:
        return text[1:-1]
    return text


def imports_of(texts: Sequence[str]) -> list[str]:
    """The import lines that generated functions need, in order."""
    joined = "\n".join(texts)
    lines: list[str] = []
    for root, line in (
        ("builtins", "import builtins"),
        ("dataclasses", "import dataclasses"),
        ("_dataclasses", "import dataclasses as _dataclasses"),
        ("math", "import math"),
        ("_math", "import math as _math"),
        ("np", "import numpy as np"),
        ("_np", "import numpy as _np"),
        ("special", "from scipy import special"),
        ("_special", "from scipy import special as _special"),
    ):
        if re.search(rf"(?<![\w.]){root}\.", joined):
            lines.append(line)
    return lines
