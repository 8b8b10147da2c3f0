"""The source of a function: its AST node with positions in its own file.

Works for `def` and `lambda` (several on a line: by the positions of the code object), in files,
notebooks, the interactive interpreter and `exec` with `linecache`.
"""

from __future__ import annotations

import ast
import functools
import linecache
import types
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from symdiff.errors import SourceError, Span

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True, eq=False)
class Source:
    """A file's text, from which spans are cut, and the functions in it."""

    file: str
    lines: tuple[str, ...]
    text: str = field(repr=False)

    @functools.cached_property
    def tree(self) -> ast.Module:
        """All of the file as syntax. Raises SyntaxError."""
        return ast.parse(self.text)

    @functools.cached_property
    def defs(self) -> list[ast.FunctionDef]:
        """Every `def`. They are statements: what is inside expressions is not looked at."""
        found: list[ast.FunctionDef] = []
        blocks: list[ast.AST] = [self.tree]
        for holder in blocks:  # grows meanwhile
            for part in _BLOCKS:
                for inner in getattr(holder, part, ()):
                    if isinstance(inner, ast.FunctionDef):
                        found.append(inner)
                    if not isinstance(inner, _SIMPLE):
                        blocks.append(inner)
        return found

    @functools.cached_property
    def lambdas(self) -> list[ast.Lambda]:
        """Every `lambda`."""
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.Lambda)]

    def span(self, node: ast.AST) -> Span:
        """Where `node` stands. A block (`if`, `for`, `def`) is shown by its first line."""
        line = getattr(node, "lineno", 1)
        column = getattr(node, "col_offset", 0)
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        # `ast` counts UTF-8 bytes; carets count characters.
        start = len(text.encode()[:column].decode(errors="ignore"))
        end_line = getattr(node, "end_lineno", line) or line
        stop = len(text.encode()[: getattr(node, "end_col_offset", 0)].decode(errors="ignore"))
        if end_line != line:
            stop = len(text.split("#")[0].rstrip())
        return Span(self.file, line, start, line, stop, text)


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)  # nothing inside


@dataclass(frozen=True, slots=True)
class Definition:
    """A function's node in its file, and the function itself."""

    node: FunctionNode
    source: Source
    function: types.FunctionType


def definition_of(function: types.FunctionType) -> Definition:
    """The source of a Python function. Raises SourceError where there is none."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    name = function.__name__
    if not lines:
        raise SourceError(
            f"the source of {name} is not available ({code.co_filename})",
            hint="define it in a file or notebook cell, or register its source with linecache",
        )
    source = _opened(code.co_filename, "".join(lines))
    try:
        functions = source.lambdas if code.co_name == "<lambda>" else source.defs
    except SyntaxError as error:
        raise SourceError(f"the source of {name} does not parse: {error}") from None
    candidates: list[FunctionNode] = [n for n in functions if _matches(n, code)]
    if not candidates:
        raise SourceError(
            f"cannot find {name} at line {code.co_firstlineno} of {code.co_filename}",
            hint="the file has changed since it was imported: import it again",
        )
    node = candidates[0] if len(candidates) == 1 else _closest(candidates, code)
    return Definition(node, source, function)


# Files that are open, so that the helpers of one function do not parse its file again. A short one
# stays open; of a long one the tree would take much memory, so it goes when its functions are done.
_OPEN: WeakValueDictionary[tuple[str, str], Source] = WeakValueDictionary()
_SHORT = 200_000  # characters


def _opened(file: str, text: str) -> Source:
    source = _OPEN.get((file, text))
    if source is None:
        source = _OPEN[file, text] = Source(file, tuple(text.splitlines()), text)
    return source if len(text) > _SHORT else _stays(source)


@functools.lru_cache(maxsize=8)
def _stays(source: Source) -> Source:
    return source


def _matches(node: FunctionNode, code: types.CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        if code.co_name != "<lambda>":
            return False
        first, last = node.lineno, node.end_lineno or node.lineno
        if not first <= code.co_firstlineno <= last:
            return False
    else:
        first = min([d.lineno for d in node.decorator_list] + [node.lineno])
        if node.name != code.co_name or first != code.co_firstlineno:
            return False
    a = node.args
    names = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return tuple(names) == code.co_varnames[: len(names)]


def _closest(candidates: list[FunctionNode], code: types.CodeType) -> FunctionNode:
    """Of several lambdas on a line, the one that the instructions' positions lie in."""
    spots = {
        (line, column) for line, _, column, _ in code.co_positions()
        if line is not None and column is not None
    }  # fmt: skip

    def inside(node: FunctionNode) -> tuple[int, int]:
        body = node.body if isinstance(node, ast.Lambda) else node
        start = (body.lineno, body.col_offset)  # type: ignore[union-attr]
        stop = (body.end_lineno, body.end_col_offset)  # type: ignore[union-attr]
        hits = sum(start <= spot < stop for spot in spots)  # type: ignore[operator]
        # Python 3.12 keeps no position of `return "text"`.
        hits = hits or _gives_the_same(node, code)
        width = (stop[0] - start[0]) * 10_000 + stop[1] - start[1]  # type: ignore[operator]
        return (-hits, width)

    return min(candidates, key=inside)


def _gives_the_same(node: FunctionNode, code: types.CodeType) -> bool:
    """Whether `node` is a lambda that returns a constant, and `code` one that returns the same."""
    if not isinstance(node, ast.Lambda):
        return False
    made = compile(ast.Expression(node), code.co_filename, "eval").co_consts[0]
    return made.co_code == code.co_code and repr(made.co_consts) == repr(code.co_consts)


def python_call(value: Any) -> Any:
    """The `__call__` that the class of `value` defines in Python, or None."""
    for cls in type(value).__mro__:
        found = vars(cls).get("__call__")
        if found is not None:
            return found if isinstance(found, types.FunctionType) else None
    return None
