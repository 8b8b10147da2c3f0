"""The evaluator's machine: frames, and the trampoline that keeps it off Python's stack.

A handler is a generator function `(frame, node)`. It yields what it needs evaluated - an AST node,
or another generator - and is sent the value: `left = yield node.left`. So a sum of thousands of
terms, or helper calls nested a thousand deep, use no recursion.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import types
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import (
    IllTypedError,
    Span,
    SymdiffError,
    UnknownNameError,
    UnsupportedError,
    raised_by_user,
)
from symdiff.ir.expr import Expr, If, Loop, Var
from symdiff.ir.function import Cut
from symdiff.ir.tree import Maybe, Nullable, Record
from symdiff.parse.alike import assigned
from symdiff.parse.requires import Demand, Path, may_raise, names_place
from symdiff.parse.source import Source

if TYPE_CHECKING:
    from symdiff.parse.growing import Grown
    from symdiff.parse.memory import Memory
    from symdiff.parse.recursion import Recursive

Evaluation = Generator[Any, Any, Any]

# Syntax that computes its value, which a name or a constant does not.
EVALUATED = frozenset(
    (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Subscript, ast.AugAssign, ast.Attribute)
)


class Unbound:
    """A name that only one side of a run-time branch assigns, or that cannot be joined."""

    def __init__(self, why: str):
        self.why = why


class ThrownError(Exception):
    """An exception that the user's code raises while it is evaluated, on its way to a handler."""

    def __init__(self, exception: BaseException, span: Span | None = None):
        super().__init__(exception)
        self.exception, self.span = exception, span


# Names of such things are rarely given to something else.
UNWATCHED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, np.ufunc)


class Cells(dict[str, Any]):
    """The variables that a function closes over, by name, with the cells that hold them."""

    def __init__(self, cells: dict[str, types.CellType]):
        super().__init__({n: c.cell_contents for n, c in cells.items() if _filled(c)})
        self.cells = cells

    def cell(self, name: str) -> Cell:
        return Cell(self.cells[name])


@dataclass(frozen=True, slots=True)
class Cell:
    """A variable that a function closes over, read as a dict of globals is."""

    of: types.CellType

    def get(self, name: str) -> Any:
        return self.of.cell_contents if _filled(self.of) else None


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


class NeedsMemoryError(Exception):
    """The function writes into arrays: it is evaluated again, with array objects."""


class NeedsPopsError(Exception):
    """The function drops items of a list of which nothing tells how long it becomes: it is
    evaluated again, so that what its other lists say of lengths is exact."""


class RecursionFoundError(Exception):
    """The function at `place` calls itself as deep as a run-time value says: evaluate it again,
    knowing that (see `parse.recursion`)."""

    def __init__(self, place: Hashable):
        super().__init__(place)
        self.place = place


class DefineError(Exception):
    """A call, or a definition that is being evaluated, is evaluated again for these arguments."""

    def __init__(self, of: Any, arguments: dict[str, Any]):
        super().__init__(of)
        self.of, self.arguments = of, arguments


class UnreachableError(Exception):
    """What follows never runs: an exception is raised first, which the derivative raises too."""


class UnknownError(UnreachableError):
    """What follows needs what is not known yet: the result of a recursive call, or the value that
    an earlier round has left in a name."""


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
    lazy: int = 0  # how many conditional expressions are open
    reads: dict[tuple[int, str], tuple[Any, str, Any]] = field(default_factory=dict)
    births: dict[int, tuple[Any, int]] = field(default_factory=dict)  # the containers it made
    lent: set[int] = field(default_factory=set)  # those that are the caller's
    born_at: dict[int, int] = field(default_factory=dict)  # their serial numbers
    frozen: dict[int, Any] = field(default_factory=dict)  # those that have copies by now
    given: dict[int, Any] = field(default_factory=dict)  # items of lists that grow in loops
    # The loops, by serial number, whose rounds have changed a container that is older.
    altered: dict[int, set[int]] = field(default_factory=dict)
    chosen: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # those, and what they copy
    path: Path = ()  # the run-time conditions under which evaluation is now
    evaluated: dict[Expr, dict[Path, None]] = field(
        default_factory=dict
    )  # what may raise, and where
    # Everything else too; the path only where it is no round's, and nothing catches what it raises.
    seen: dict[Expr, Path | None] = field(default_factory=dict)
    longest: dict[int, list[Any]] = field(
        default_factory=dict
    )  # lists, as long as rounds made them
    pops: bool = False  # whether items are dropped from such lists
    loops: int = 0  # how many loops stay loops
    marked: list[Expr] = field(default_factory=list)  # variables that stand for opened locals
    demands: list[Demand] = field(default_factory=list)
    memory: Memory | None = None  # the array objects, in a function that writes into arrays
    frames: list[Frame] = field(default_factory=list)  # the functions that are being evaluated
    depth: int = 0  # helper calls that are open
    serial: int = 0
    trying: list[Any] = field(default_factory=list)  # the `try` whose bodies are being evaluated
    handling: list[BaseException] = field(default_factory=list)  # what the open handlers caught
    open_loops: int = 0  # how many loops that stay loops are being evaluated
    unknown: tuple[Frame, str] | None = None  # the last name that was not defined
    doubted: set[tuple[Frame, str]] = field(default_factory=set)  # names that were read in doubt
    grown: list[Grown] = field(default_factory=list)  # the lists that grow in loops
    numbers: dict[Expr, int] = field(default_factory=dict)  # of lengths that have a name
    least: dict[Expr, int] = field(default_factory=dict)  # what lengths in loops are at least
    looping: dict[int, Any] = field(default_factory=dict)  # they, by serial number
    ahead: dict[Var, frozenset[Expr]] = field(default_factory=dict)  # see `Function.ahead`
    oldest: float = math.inf  # the serial number of the oldest thing that has been changed
    recursive: frozenset[Hashable] = frozenset()  # where functions are that call themselves
    calls: int = 0  # of the user's functions, so far
    definitions: list[Recursive] = field(default_factory=list)  # what stays a function

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
            if may_raise(node) or names_place(node):
                self.evaluated.setdefault(node, {}).setdefault(path)
            if node in self.seen:
                continue
            self.seen[node] = None if self.looping or self.trying else path
            # What rounds compute has been noted round by round.
            below = node.outside if isinstance(node, Loop) else node.operands
            for i, operand in enumerate(below):
                if operand not in self.seen:
                    inner = (*path, (node.pred, i == 1)) if isinstance(node, If) and i else path
                    stack.append((operand, inner))

    def note_ahead(self, bound: Iterable[Var]) -> None:
        """A loop has been evaluated that binds these: what may raise has been computed before it.

        Of a loop that stands for itself what the function requires says so, but of reads.
        """
        path, alone = self.path, not self.looping and not self.path
        found = frozenset(
            node for node, paths in self.evaluated.items()
            if ((node.type.weak and not alone) or names_place(node))
            and any(p == path[: len(p)] for p in paths)
        )  # fmt: skip
        if found:
            self.ahead.update(dict.fromkeys(bound, found))

    def open_now(self) -> tuple[int, ...]:
        """What is being evaluated, for `back_to`."""
        return self.lazy, self.depth, len(self.frames), len(self.detached)

    def back_to(self, before: tuple[int, ...]) -> None:
        """Close what has been opened since: an exception has ended it."""
        self.lazy, self.depth, frames, detached = before
        del self.frames[frames:], self.detached[detached:]

    def mark(self) -> tuple[int, ...]:
        """How much has been noted so far, for `forget`."""
        return tuple(map(len, self._noted()))

    def forget(self, mark: tuple[int, ...]) -> None:
        """Drop what was noted after `mark`: the evaluation was only tried."""
        for notes, length in zip(self._noted(), mark, strict=True):
            while len(notes) > length:
                notes.popitem() if isinstance(notes, dict) else notes.pop()

    def _noted(self) -> tuple[Any, ...]:
        return (self.evaluated, self.seen, self.demands, self.cuts)

    def born(self, container: Any) -> Any:
        """Note that the function has made a list or dict: only such ones may it change."""
        self.births[id(container)] = (container, self.lazy)
        self.born_at[id(container)] = self.fresh()
        return container

    def freeze(self, value: Any, *of: Any) -> None:
        """A branch has made copies of what is in `value`: changing it now would not change them.

        of: what `value` is a copy of, itself.
        """
        if of:
            key = value.fields if isinstance(value, Record) else value
            self.chosen[id(key)] = (key, of)
        stack = [value]
        while stack:
            part = stack.pop()
            if isinstance(part, Record):
                part = part.fields
            if isinstance(part, Nullable):
                part = (part.value,)
            if isinstance(part, (list, dict)):
                self.frozen[id(part)] = part
            if isinstance(part, (list, tuple, dict)):
                stack.extend(part.values() if isinstance(part, dict) else part)

    def note_read(self, scope: Mapping[str, Any], name: str, value: Any) -> None:
        """A variable from outside has become part of the program: a change of it is noticed."""
        if not isinstance(value, UNWATCHED):
            place = scope.cell(name) if isinstance(scope, Cells) else scope
            self.reads.setdefault((id(scope), name), (place, name, value))

    def give(self, container: Any) -> None:
        """It becomes an item of a list that grows, which holds a copy: nothing may change it."""
        if not self.altered.get(id(container), set()).isdisjoint(self.looping):
            raise UnsupportedError(
                "a list or object that rounds change is appended to a list",
                hint="append a copy: rows.append(list(row))",
            )
        self.given[id(container)] = container

    def check_mutable(self, container: Any) -> None:
        if id(container) in self.frozen:
            raise UnsupportedError(
                "this changes a container that a run-time branch or a loop has chosen from several",
                hint="change it before the branch, or build a new one: [*items, x]",
            )
        if id(container) not in self.births or id(container) in self.lent:
            raise UnsupportedError(
                "this changes a container that was made outside the function",
                hint="change a copy, list(...) or dict(...), and return it",
            )
        if id(container) in self.given:
            raise UnsupportedError(
                "this changes a list or object that is an item of a list that grows in a loop",
                hint="append a copy: rows.append(list(row)); assign whole items: rows[i] = [x, y]",
            )
        born_at = self.born_at[id(container)]
        self.oldest = min(self.oldest, born_at)
        rounds = {serial for serial in self.looping if born_at <= serial}
        self.altered.setdefault(id(container), set()).update(rounds)
        if self.births[id(container)][1] < self.lazy:
            raise UnsupportedError(
                "this changes a container inside an expression that runs only under a condition",
                hint="write an if statement",
            )


@dataclass(slots=True)
class Exit:
    """A `return`, `break` or `continue` that a run-time condition decides on.

    kind: the signal that left; value: what it returns. state: what held there (`parse.state`).
    """

    pred: Expr
    kind: type
    value: Any
    state: Any


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """A call of one of the user's functions.

    function: what is called, as the same is equal. arguments: as they were bound. loops: how many
    loops were open; before: how many calls there had been.
    """

    function: Hashable
    arguments: dict[str, Any]
    loops: int = 0
    before: int = 0


@dataclass(slots=True, eq=False)
class Frame:
    """One function being evaluated: its names, and the source that errors point to."""

    context: Context
    source: Source
    env: dict[str, Any]
    outer: dict[str, Any]  # closure variables, by name
    globals: dict[str, Any]
    parent: Frame | None = None  # the frame of an enclosing function that is being evaluated too
    top: bool = False
    level: int = 0  # how many conditional expressions were open when it was called
    exits: list[Exit] = field(default_factory=list)
    node: Any = None  # the function's definition
    nonlocals: frozenset[str] = frozenset()
    comprehension: bool = False  # the scope of a comprehension's variables
    entry: Path = ()  # the run-time conditions under which it was called
    yielded: list[Any] | None = None  # what a generator has given so far
    call: Called | None = None  # the call whose body this is

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
                if isinstance(value, Maybe):
                    if value.unknown:
                        raise UnknownError()
                    return frame._demanded(name, value.value, value.there)
                return value
            if frame.parent is None:
                break
            frame = frame.parent
        for scope in (frame.outer, frame.globals, vars(builtins)):
            if name in scope:
                value = scope[name]
                if scope is not vars(builtins):
                    frame.context.note_read(scope, name, value)
                return value
        self.context.unknown = (frame, name)
        body = getattr(frame.node, "body", None) or []
        local = isinstance(body, list) and any(name in assigned(statement) for statement in body)
        if local and self.context.path and not self.context.looping:
            frame._demanded(name, None, False)  # it is not there where this branch is taken
            raise UnreachableError()
        raise UnknownNameError(f"name {name!r} is not defined")

    def _demanded(self, name: str, value: Any, ran: Any) -> Any:
        """What a branch or loop assigned, if it ran: the function raises where it did not."""
        error = ("UnboundLocalError", f"local variable '{name}' referenced before assignment")
        demand = Demand(ran, error, self.context.path)
        if demand not in self.context.demands:
            self.context.demands.append(demand)
        self.context.doubted.add((self, name))
        return value


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
    """Evaluate an AST node, or a generator, to the end.

    An exception is thrown into the generators that wait, innermost first, as Python unwinds its
    stack: `try` catches it there. What nobody catches gets the place where it arose.
    """
    stack: list[tuple[Evaluation, Frame, ast.AST | None]] = []
    value: Any = None
    pending: Any = node
    where: ast.AST | None = node if isinstance(node, ast.AST) else None
    thrown: Exception | None = None
    arose: Span | None = None
    while True:
        try:
            if thrown is not None:
                generator, frame, where = stack[-1]
                pending = generator.throw(thrown)
                thrown = None
            elif pending is not None:
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
            if pending is None:
                generator, frame, where = stack[-1]
                pending = generator.send(value)
            if pending is None:  # a handler may yield None for an absent part
                value = None
                pending = _none()
        except StopIteration as stop:
            stack.pop()
            value, thrown = stop.value, None
            if type(where) in EVALUATED:
                frame.context.note(value)
                if frame.context.memory is not None:
                    value = frame.context.memory.made(value)
        except CAUGHT as error:
            if error is thrown:  # it went through the generator on top
                stack.pop()
            else:
                arose = frame.span(where) if where is not None else None
                if stack and inspect.getgeneratorstate(stack[-1][0]) == inspect.GEN_CLOSED:
                    stack.pop()
            if isinstance(error, SymdiffError):
                error.located(arose)
            thrown, pending = error, None
            if not stack:
                raise _reported(error, arose) from _cause(error)


# How evaluation goes on elsewhere; nobody sees these.
_OWN = (UnreachableError, NeedsMemoryError, NeedsPopsError, RecursionFoundError, DefineError)
CAUGHT = (
    SymdiffError, ThrownError, *_OWN, TypeError, ValueError, IndexError, KeyError, AttributeError,
    ArithmeticError,
)  # fmt: skip


def _reported(error: Exception, span: Span | None) -> Exception:
    """What the user sees of an exception that evaluating their code raised."""
    if isinstance(error, (SymdiffError, *_OWN)):
        return error
    if isinstance(error, ThrownError):
        return raised_by_user(error.exception, error.span or span)
    return IllTypedError(f"{type(error).__name__}: {error}").located(span)


def _cause(error: Exception) -> BaseException | None:
    if isinstance(error, (SymdiffError, *_OWN)):
        return None
    return error.exception if isinstance(error, ThrownError) else error


def _none() -> Evaluation:
    return None
    yield


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
