"""From statements to text, through astor; no line is wider than asked, no call is broken."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Sequence

from symdiff.codegen.rename import renamed
from symdiff.codegen.statements import Definition, Signature, Statement
from symdiff.options import Options

_INDENT = "    "


def expression_text(node: ast.AST) -> str:
    """One simple statement or expression on one line."""
    return _texts()(node)


def _texts() -> Callable[[ast.AST], str]:
    """What turns nodes into text: a printer is set up once for many of them."""
    from symdiff.codegen.syntax import Printer  # not before it is needed: it imports astor

    return Printer().text


def print_definition(definition: Definition, options: Options) -> str:
    """A `def` with its docstring and body."""
    lines = _header(definition, options.line_width)
    if definition.doc:
        lines += _docstring(definition.doc, options.line_width)
    lines += _Body(options.line_width).statements(definition.body, 1)
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
            if p.default is not None:
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


class _Body:
    """The lines of statements."""

    def __init__(self, width: int):
        self.width = width
        self.text = _texts()

    def statements(self, body: Sequence[Statement], depth: int) -> list[str]:
        lines: list[str] = []
        indent = _INDENT * depth
        shown = ""
        for statement in body:
            node = statement.node
            comment = statement.comment if statement.comment != shown else ""
            shown = statement.comment or shown
            if isinstance(node, (ast.If, ast.For, ast.While)):
                lines += self._compound(statement, depth, comment)
                shown = ""
                continue
            text = self.text(node)
            value = node.value if isinstance(node, ast.Return) else None
            if isinstance(value, ast.Tuple) and len(value.elts) == 1:
                # `return (x,)`: a trailing comma alone is easy to miss.
                text = f"return ({self.text(value.elts[0])},)"
            lines += _simple(text, indent, self.width, comment)
        return lines

    def _compound(self, statement: Statement, depth: int, comment: str) -> list[str]:
        node = statement.node
        indent = _INDENT * depth
        if isinstance(node, ast.For):
            head = f"{indent}for {self._bare(node.target)} in {self.text(node.iter)}:"
        elif isinstance(node, ast.While):
            head = f"{indent}while {self._bare(node.test)}:"
        else:
            assert isinstance(node, ast.If)
            head = f"{indent}if {self._bare(node.test)}:"
        lines = [_noted(head, self.width, comment)]
        lines += self.statements(statement.body, depth + 1)
        orelse = statement.orelse  # of an `if` alone
        while orelse:
            if len(orelse) == 1 and isinstance(orelse[0].node, ast.If):
                inner = orelse[0]
                lines.append(f"{indent}elif {self._bare(inner.node.test)}:")  # type: ignore[union-attr]
                lines += self.statements(inner.body, depth + 1)
                orelse = inner.orelse
                continue
            lines.append(f"{indent}else:")
            lines += self.statements(orelse, depth + 1)
            break
        return lines

    def _bare(self, node: ast.expr) -> str:
        """An expression without parentheses around the whole."""
        text = self.text(node)
        if text.startswith("(") and _matching(text) == len(text) - 1:
            return text[1:-1]
        return text


def _simple(text: str, indent: str, width: int, comment: str) -> list[str]:
    line = indent + text
    if len(line) > width:
        return _wrapped_tuple(line, indent, width)
    return [_noted(line, width, comment)]


def _noted(line: str, width: int, comment: str) -> str:
    """`line` with a comment, where there is room for it."""
    fits = comment and len(line) + len(comment) + 4 <= width
    return f"{line}  # {comment}" if fits else line


def _wrapped_tuple(line: str, indent: str, width: int) -> list[str]:
    """A long tuple, list or dict: as many items on a line as fit; nested ones likewise."""
    found = re.match(r"^(\s*(?:return |[\w\[\], ]+ = ))(.*)$", line)
    if not found:
        return [line]
    call = re.match(r"\w+\(", found[2])  # of a definition, whose arguments have names
    if call and _is_display(found[2][call.end() - 1 :]):
        head, rest = found[1] + call[0], found[2][call.end() - 1 :]
        return [head, *_filled_lines(rest, indent + _INDENT, width), f"{indent})"]
    head, rest = found[1], found[2]
    if not _is_display(rest):
        if len(_split_items(rest)) == 1:
            return [line]
        rest = f"({rest})"
    return [head + rest[0], *_filled_lines(rest, indent + _INDENT, width), indent + rest[-1]]


def _is_display(text: str) -> bool:
    return text[0] in "([{" and _matching(text) == len(text) - 1


def _filled_lines(display: str, indent: str, width: int) -> list[str]:
    """The items of a tuple, list or dict on lines of their own; of a comprehension its parts."""
    at = _clause(display)
    if at > 0:
        return [indent + display[1:at], indent + display[at + 1 : -1]]
    lines: list[str] = []
    current = ""
    for item in _split_items(display[1:-1]):
        if current and len(indent) + len(current) + len(item) + 2 > width:
            lines.append(indent + current.rstrip())
            current = ""
        key, value = _keyed(item)
        if len(indent) + len(item) + 1 > width and _is_display(value):
            if current:
                lines.append(indent + current.rstrip())
                current = ""
            lines += [indent + key + value[0], *_filled_lines(value, indent + _INDENT, width)]
            lines.append(f"{indent}{value[-1]},")
            continue
        current += f"{item}, "
    return [*lines, indent + current.rstrip()] if current else lines


def _clause(display: str) -> int:
    """Where the `for` of a comprehension starts; -1 in a list of items."""
    depth = 0
    for i, c in enumerate(display):
        depth += (c in "([{") - (c in ")]}")
        if depth == 1 and display.startswith(" for ", i):
            return i
    return -1


def _keyed(item: str) -> tuple[str, str]:
    """The key of an item of a dict, with its colon, and the value; no key for other items."""
    found = re.match(r"(?:'[^'\\]*'|[\w.]+): ", item)
    return (found[0], item[found.end() :]) if found else ("", item)


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


# How generated code refers to a module, and the line that imports it. Where a variable has that
# name, the module is called `_np`, or `__np` where that is taken too.
_IMPORTS = {
    "builtins": "import builtins", "dataclasses": "import dataclasses", "math": "import math",
    "np": "import numpy", "special": "from scipy import special",
}  # fmt: skip


def imports_of(texts: Sequence[str]) -> list[str]:
    """The import lines that generated functions need, in order."""
    joined = "\n".join(texts)
    return [
        line if line.endswith(f" {called}") else f"{line} as {called}"
        for root, line in _IMPORTS.items() for called in _called(joined, root)
    ]  # fmt: skip


def _called(text: str, root: str) -> list[str]:
    # Most roots are nowhere in the text; that is quick to find out without a pattern.
    if f"{root}." not in text:
        return []
    return sorted(set(re.findall(rf"(?<![\w.])(_*{root})\.", text)), key=len)


def indented_less(text: str) -> str:
    """A function whose branches nest so deep that lines get too wide, with indents half as deep."""
    return re.sub(r"^ +", lambda found: " " * (len(found[0]) // 2), text, flags=re.MULTILINE)
