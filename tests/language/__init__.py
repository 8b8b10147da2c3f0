"""Every construct of Python, as a small function that is differentiated, or refused.

A module here is a section of docs/language.md, its docstring the heading and introduction. A row is
one function: its docstring is the construct's name, its body the example.

    @shows(0.7, -0.4)             # differentiated at these arguments, compared with differences
    def chained(x, y):
        \"\"\"Assignment to several names\"\"\"
        a = b = x * y
        return a * b

    @refuses(1.0)                 # an error with a place; the document shows its message
    @raises(ValueError, -1.0)     # the function raises at these arguments: so does its derivative

What stands before the first row, but imports, is shown as what the examples use.
`python -m tests.language --update` writes the document; `tests/test_language_rows.py` runs it all.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

Kind = Literal["shows", "refuses", "raises"]

# The sections, in the order of the document: one module of this package each.
SECTIONS = (
    "assignments", "names", "conditions", "loops", "writes", "iteration", "functions", "classes", "containers",
    "functions_of_python", "standard_library", "matching", "exceptions", "strings", "combined",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One construct: the function that shows it, and the arguments of the example."""

    kind: Kind
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    error: type[BaseException] | None = None

    @property
    def title(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "").splitlines()[0]

    @property
    def name(self) -> str:
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"


def _register(kind: Kind, args: Any, kwargs: Any, error: Any = None) -> Any:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        rows: list[Row] = function.__globals__.setdefault("ROWS", [])
        rows.append(Row(kind, function, args, kwargs, error))
        return function

    return register


def shows(*args: Any, **kwargs: Any) -> Any:
    """A row that is differentiated with respect to every float among these arguments."""
    return _register("shows", args, kwargs)


def refuses(*args: Any, **kwargs: Any) -> Any:
    """A row that is refused when it is differentiated at these arguments."""
    return _register("refuses", args, kwargs)


def raises(error: type[BaseException], *args: Any, **kwargs: Any) -> Any:
    """A row that raises `error` at these arguments; so must its derivative."""
    return _register("raises", args, kwargs, error)


def sections() -> list[ModuleType]:
    return [importlib.import_module(f"tests.language.{name}") for name in SECTIONS]


def rows() -> list[Row]:
    return [row for section in sections() for row in vars(section)["ROWS"]]
