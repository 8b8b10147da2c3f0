"""Every error that a user can cause, with a span in the user's own source.

A `SymdiffError` prints as a compiler's message does:

    UnsupportedError: model.py:4:9: 'while' on a value known only at run time is not supported
      4 |         while x > 1.0:
        |         ^^^^^^^^^^^^^
    hint: ...
"""

from __future__ import annotations

from dataclasses import dataclass

_WIDEST = 100  # columns of a source line that an error shows


@dataclass(frozen=True, slots=True)
class Span:
    """A range in the user's source; lines count from 1, columns from 0 (as in `ast`)."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str  # the source line that `line` names, without its newline

    @property
    def place(self) -> str:
        """`model.py:4`: what comments and docstrings of generated code name."""
        return f"{self.file.rsplit('/', 1)[-1]}:{self.line}"

    def excerpt(self) -> str:
        """The source line with a caret range below it; of a very long line, the part around it."""
        start, text = self.column, self.text
        stop = self.end_column if self.end_line == self.line else len(text)
        if len(text) > _WIDEST:
            left = max(0, min(start - _WIDEST // 4, len(text) - _WIDEST))
            clipped = text[left : left + _WIDEST]
            before, after = "..." if left else "", "..." if left + _WIDEST < len(text) else ""
            text = before + clipped + after
            start, stop = start - left + len(before), stop - left + len(before)
        width = max(1, min(stop, len(text)) - start)
        gutter = f"  {self.line} | "
        blank = " " * (len(gutter) - 2) + "| "
        indent = "".join("\t" if c == "\t" else " " for c in text[:start])
        return f"{gutter}{text}\n{blank}{indent}{'^' * width}"


class SymdiffError(Exception):
    """Base of all errors of symdiff: a message, where in the source, and what to do instead.

    >>> import symdiff
    >>> try:
    ...     symdiff.grad(lambda x: x)(1)
    ... except symdiff.SymdiffError as error:
    ...     print(error.message)
    f has no floating-point parameter to differentiate
    """

    def __init__(self, message: str, *, span: Span | None = None, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint

    def located(self, span: Span | None) -> SymdiffError:
        """This error with `span` filled in where it has none yet (the innermost place wins)."""
        if self.span is None:
            self.span = span
        return self

    def __str__(self) -> str:
        parts = [self.message]
        if self.span is not None:
            where = f"{self.span.file}:{self.span.line}:{self.span.column + 1}"
            parts = [f"{where}: {self.message}", self.span.excerpt()]
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)


class UnsupportedError(SymdiffError):
    """Python that symdiff does not differentiate."""


class IllTypedError(SymdiffError, TypeError):
    """Shapes or dtypes that do not fit, or an argument that is not differentiable."""


class SourceError(SymdiffError):
    """The source of a function cannot be found or read."""


class UnknownNameError(SymdiffError, NameError):
    """A parameter, local variable or function that does not exist."""


class NotConnectedError(SymdiffError):
    """The result does not depend on `wrt`, because the source cuts the connection."""


class CheckError(SymdiffError, AssertionError):
    """A derivative disagrees with finite differences."""


class StaleError(SymdiffError):
    """A generated module is older than the source it was made from."""


class CompilerError(SymdiffError):
    """There is no C compiler, or it fails, crashes or does not come to an end."""


class RaisedError(SymdiffError):
    """What the function raises for any values of its arguments, known when compiling.

    The exception is of the user's own class too: `except ValueError` catches it.
    """


def raised_by_user(exception: BaseException, span: Span | None) -> SymdiffError:
    """`exception` as an error with a place, which is also of its own class."""
    kind = type(exception)
    try:
        made = type(kind.__name__, (RaisedError, kind), {"__module__": kind.__module__})
        error: SymdiffError = made.__new__(made)
    except TypeError:  # a class that cannot be a base
        error = RaisedError.__new__(RaisedError)
    vars(error).update(vars(exception))
    error.message, error.span, error.hint = str(exception) or kind.__name__, span, None
    error.args = exception.args
    return error
