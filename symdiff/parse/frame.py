"""The evaluator's machine: frames, and the trampoline that keeps it off Python's stack.

A handler is a generator function `(frame, node)`. It yields what it needs evaluated - an AST node,
or another generator - and is sent the value: `left = yield node.left`. So a sum of thousands of
terms, or helper calls nested a thousand deep, use no recursion.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from symdiff.errors import IllTypedError, Span, SymdiffError, UnknownNameError, UnsupportedError
from symdiff.ir.expr import Expr, If
from symdiff.ir.function import Cut
from symdiff.parse.requires import may_raise
from symdiff.parse.source import Source

Evaluation = Generator[Any, Any, Any]
Path = tuple[tuple[Expr, bool], ...]

# Syntax that computes its value, which a name or a constant does not.
EVALUATED = frozenset(
    (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Subscript, ast.AugAssign, ast.Attribute)
)


class Unbound:
    """A name that only one side of a run-time branch assigns, or that cannot be joined."""

    def __init__(self, why: str):
        self.why = why


@dataclass(slots=True)
class Context:
    """What one compilation collects, whichever function it is in."""

    names: dict[Expr, str] = field(default_factory=dict)
    lines: dict[Expr, int] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    opened: frozenset[str] = frozenset()  # locals to differentiate with respect to
    markers: dict[str, list[tuple[Expr, Expr]]] = field(default_factory=dict)
    known_locals: dict[str, Any] = field(default_factory=dict)
    nested: Callable[..., Any] | None = None  # derivative operators inside a function
    detached: list[Span] = field(default_factory=list)  # the `with no_grad()` that are open
    branch: int = 0  # how many run-time branches are open
    births: dict[int, tuple[Any, int]] = field(default_factory=dict)  # containers and their branch
    path: Path = ()  # the run-time conditions under which evaluation is now
    evaluated: dict[Expr, dict[Path, None]] = field(
        default_factory=dict
    )  # what may raise, and where
    seen: set[Expr] = field(default_factory=set)
    depth: int = 0  # helper calls that are open
    serial: int = 0

    def fresh(self) -> int:
        self.serial += 1
        return self.serial

    def cut(self, value: Any, what: str, span: Span) -> Any:
        """`value` with no derivative through it, remembered for the error when nothing is left."""
        from symdiff.ir.tree import expressions
        from symdiff.parse.values import detached

        result = detached(value)
        self.cuts.extend(Cut(node, what, span) for node in expressions(result))
        return result

    def note(self, value: Any) -> None:
        """`value` has just been evaluated: remember what in it may raise, and on which path."""
        stack = [(v, self.path) for v in (value if isinstance(value, tuple) else (value,))]
        while stack:
            node, path = stack.pop()
            if not isinstance(node, Expr):
                continue
            if may_raise(node):
                self.evaluated.setdefault(node, {}).setdefault(path)
            if node in self.seen:
                continue
            self.seen.add(node)
            for i, operand in enumerate(node.operands):
                if operand not in self.seen:
                    inner = (*path, (node.pred, i == 1)) if isinstance(node, If) and i else path
                    stack.append((operand, inner))

    def born(self, container: Any) -> Any:
        """Note in which branch a list or dict is made: only there may it be changed."""
        self.births[id(container)] = (container, self.branch)
        return container

    def check_mutable(self, container: Any) -> None:
        known = self.births.get(id(container))
        if known is None:
            raise UnsupportedError(
                "this changes a container that was made outside the function",
                hint="change a copy, list(...) or dict(...), and return it",
            )
        if known[1] != self.branch:
            raise UnsupportedError(
                "this changes a container inside a branch that is taken only at run time",
                hint="build the container in both branches, or use a conditional expression",
            )


@dataclass(slots=True)
class Frame:
    """One function being evaluated: its names, and the source that errors point to."""

    context: Context
    source: Source
    env: dict[str, Any]
    outer: dict[str, Any]  # closure variables, by name
    globals: dict[str, Any]
    parent: Frame | None = None  # the frame of an enclosing function that is being evaluated too
    top: bool = False
    returns: list[tuple[Expr, Any]] = field(default_factory=list)
    level: int = 0  # how many branches were open when this function was called
    forks: int = 0  # how many of those open now are this function's own `if`s
    nonlocals: frozenset[str] = frozenset()

    def span(self, node: ast.AST) -> Span:
        return self.source.span(node)

    def lookup(self, name: str) -> Any:
        """The value of a name, by Python's scopes."""
        frame = self
        while True:
            if name in frame.env:
                value = frame.env[name]
                if isinstance(value, Unbound):
                    raise UnsupportedError(f"{name} {value.why}", hint="assign it on every path")
                return value
            if frame.parent is None:
                break
            frame = frame.parent
        for scope in (frame.outer, frame.globals, vars(builtins)):
            if name in scope:
                return scope[name]
        raise UnknownNameError(f"name {name!r} is not defined")


Handler = Callable[[Frame, Any], Any]
HANDLERS: dict[type, Handler] = {}


def handles(*kinds: type) -> Callable[[Handler], Handler]:
    """Register the one function that evaluates a kind of AST node."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            HANDLERS[kind] = handler
        return handler

    return register


def run(frame: Frame, node: Any) -> Any:
    """Evaluate an AST node, or a generator, to the end."""
    stack: list[tuple[Evaluation, Frame, ast.AST | None]] = []
    value: Any = None
    pending: Any = node
    where: ast.AST | None = node if isinstance(node, ast.AST) else None
    try:
        while True:
            if pending is not None:
                if isinstance(pending, Step):
                    frame, pending = pending.frame, pending.node
                if isinstance(pending, ast.AST):
                    where = pending
                    handler = HANDLERS.get(type(pending))
                    if handler is None:
                        raise unsupported(pending)
                    made = handler(frame, pending)
                else:
                    made = pending
                pending = None
                if isinstance(made, GeneratorType):
                    stack.append((made, frame, where))
                    value = None
                else:
                    value = made
            if not stack:
                return value
            generator, frame, where = stack[-1]
            try:
                pending = generator.send(value)
                if pending is None:  # a handler may yield None for an absent part
                    value = None
                    pending = _none()
            except StopIteration as stop:
                stack.pop()
                value = stop.value
                if type(where) in EVALUATED:
                    frame.context.note(value)
    except SymdiffError as error:
        raise error.located(frame.span(where) if where is not None else None) from None
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
        if _is_ours(error):
            raise
        message = f"{type(error).__name__}: {error}"
        raise IllTypedError(message).located(
            frame.span(where) if where is not None else None
        ) from error


def _none() -> Evaluation:
    return None
    yield


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, SymdiffError)


@dataclass(slots=True)
class Step:
    """Evaluate `node` in another frame (the body of a helper)."""

    frame: Frame
    node: Any


_PLAIN = {
    "While": "a 'while' loop", "AsyncFunctionDef": "an async function", "Await": "'await'",
    "Yield": "a generator", "YieldFrom": "a generator", "ClassDef": "a class", "Try": "'try'",
    "TryStar": "'try'", "Delete": "'del'", "Import": "an import inside a function",
    "ImportFrom": "an import inside a function", "Global": "'global'", "Match": "'match'",
    "Raise": "'raise'", "Assert": "'assert'", "AsyncFor": "an async loop",
    "AsyncWith": "an async with",
}  # fmt: skip


def unsupported(node: ast.AST) -> UnsupportedError:
    """The error for a kind of syntax that has no handler."""
    kind = type(node).__name__
    what = _PLAIN.get(kind, f"this syntax ({kind})")
    return UnsupportedError(
        f"{what} is not supported in a differentiated function",
        hint="compute it outside and pass the value in, or write it with assignments and branches",
    )
