"""`raise`, `assert`, `try`, and context managers that are entered and left.

An exception that is certain travels through the evaluator (`ThrownError`), and `try` catches it.
One that a run-time condition decides on stays in the derivative as a demand with its condition;
what follows is evaluated as where it was not raised (`UnreachableError` goes to that branch).
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import RaisedError, SymdiffError, UnsupportedError
from symdiff.ir.expr import Apply, Expr, Loop
from symdiff.ir.tree import expressions
from symdiff.ir.walk import topological
from symdiff.parse.builtins import BUILTINS
from symdiff.parse.expressions import Known
from symdiff.parse.frame import (
    CAUGHT,
    Evaluation,
    Frame,
    Path,
    ThrownError,
    UnreachableError,
    handles,
)
from symdiff.parse.requires import Demand, may_raise
from symdiff.parse.statements import Break, Continue, Managed, Return, block
from symdiff.parse.values import truth
from symdiff.primitives.row import Elementwise

Classes = tuple[type[BaseException], ...]


@dataclass(slots=True)
class Trying:
    """A `try` whose body is being evaluated: on which path, and what its handlers catch."""

    path: Path
    classes: list[Classes]

    def catches(self, exception: BaseException) -> bool:
        return any(isinstance(exception, c) for c in self.classes)


# raise and assert.


@handles(ast.Raise)
def raise_statement(frame: Frame, node: ast.Raise) -> Evaluation:
    if node.exc is None:
        if not frame.context.handling:
            raise ThrownError(RuntimeError("No active exception to reraise"))
        exception = frame.context.handling[-1]
    else:
        exception = yield node.exc
    if node.cause is not None:
        yield node.cause
    if isinstance(exception, type) and issubclass(exception, BaseException):
        exception = exception()
    if not isinstance(exception, BaseException):
        raise TypeError("exceptions must derive from BaseException")
    throw(frame, exception, node)


@handles(ast.Assert)
def assert_statement(frame: Frame, node: ast.Assert) -> Evaluation:
    context = frame.context
    holds = truth((yield node.test))
    if holds is True:
        return None
    saved = context.path
    if isinstance(holds, Expr):
        context.path = (*saved, (holds, False))
    message = () if node.msg is None else ((yield node.msg),)
    if not isinstance(holds, Expr):
        throw(frame, AssertionError(*message), node)
    try:
        throw(frame, AssertionError(*message), node)
    except UnreachableError:  # what follows runs where the condition holds
        # In a loop that is said; elsewhere it goes without saying, since checks stand in order.
        context.path = (*saved, (holds, True)) if context.open_loops else saved
    return None


def throw(frame: Frame, exception: BaseException, node: ast.AST) -> None:
    """Raise the user's exception: now where it is certain, else in the derivative."""
    context, span = frame.context, frame.span(node)
    for trying in reversed(context.trying):
        if trying.catches(exception):
            if trying.path != context.path:
                raise UnsupportedError(
                    f"{type(exception).__name__} is raised under a run-time condition, and caught",
                    hint="write the handler's code in the branch that raises",
                )
            raise ThrownError(exception, span)
    if not context.path and not context.open_loops:
        raise ThrownError(exception, span)
    kind = type(exception)
    if kind.__module__ != "builtins":
        raise UnsupportedError(
            f"{kind.__name__} under a run-time condition is not supported",
            hint="raise one of Python's own exceptions, as ValueError",
        )
    if context.lazy:
        raise UnsupportedError(
            f"raising {kind.__name__} inside a conditional expression is not supported",
            hint="write an if statement",
        )
    if len(exception.args) > 1 or not all(isinstance(a, str) for a in exception.args):
        raise UnsupportedError(
            "the message of an exception must be one string known when compiling",
            hint="leave the run-time values out of the message",
        )
    context.demands.append(Demand(False, (kind.__name__, "".join(exception.args)), context.path))
    raise UnreachableError()


# try.


@handles(ast.Try)
def try_statement(frame: Frame, node: ast.Try) -> Evaluation:
    """The handler of an exception that is certain; no handler where there can be none."""
    exits = len(frame.exits)
    try:
        signal = yield _guarded(frame, node)
    except CAUGHT as error:
        if node.finalbody and not isinstance(error, SymdiffError):
            yield block(frame, node.finalbody)
        raise
    if node.finalbody:
        if len(frame.exits) > exits:
            raise UnsupportedError(
                "'finally' after a return, break or continue that a run-time condition decides on "
                "is not supported",
                hint="leave the function after the try statement",
            )
        last = yield block(frame, node.finalbody)
        if isinstance(last, (Return, Break, Continue)):
            return last
    return signal


def _guarded(frame: Frame, node: ast.Try) -> Evaluation:
    """The body with its handlers and its `else`."""
    context = frame.context
    classes: list[Classes] = []
    for handler in node.handlers:
        kind = BaseException if handler.type is None else (yield handler.type)
        many = kind if isinstance(kind, tuple) else (kind,)
        if not all(isinstance(c, type) and issubclass(c, BaseException) for c in many):
            raise TypeError(
                "catching classes that do not inherit from BaseException is not allowed"
            )
        classes.append(many)
    marks = _Marks(frame)
    context.trying.append(Trying(context.path, classes))
    try:
        signal = yield block(frame, node.body)
    except CAUGHT as error:
        marks.restore()
        exception = _exception_of(error)
        chosen = next((i for i, c in enumerate(classes) if isinstance(exception, c)), None)
        if exception is None or chosen is None:
            raise
        if isinstance(exception, (TypeError, AttributeError, NameError)) and not isinstance(
            error, (ThrownError, RaisedError)
        ):
            raise UnsupportedError(
                f"{type(exception).__name__}, raised by Python itself, is not caught: {exception}",
                hint="test for it with isinstance or hasattr",
            ) from None
        marks.check(classes)
        return (yield _handle(frame, node.handlers[chosen], exception))
    marks.restore(keep_path=True)
    marks.check(classes)
    if signal is None:
        signal = yield block(frame, node.orelse)
    return signal


def _exception_of(error: Exception) -> BaseException | None:
    """The exception that Python would raise where evaluation raised `error`."""
    if isinstance(error, ThrownError):
        return error.exception
    if isinstance(error, RaisedError):
        return error.__cause__
    return None if isinstance(error, SymdiffError) else error


def _handle(frame: Frame, handler: ast.ExceptHandler, exception: BaseException) -> Evaluation:
    frame.context.handling.append(exception)
    if handler.name is not None:
        frame.env[handler.name] = exception
    try:
        return (yield block(frame, handler.body))
    finally:
        frame.context.handling.pop()
        if handler.name is not None:
            frame.env.pop(handler.name, None)


class _Marks:
    """What to put back when an exception is caught, and what was evaluated since."""

    def __init__(self, frame: Frame):
        context = frame.context
        self.context = context
        self.path, self.lazy, self.depth = context.path, context.lazy, context.depth
        self.lengths = len(context.frames), len(context.detached), len(context.trying)
        self.outer, self.seen = context.evaluated, context.seen
        values = [v for f in context.frames for v in f.env.values()]
        self.known = topological([e for v in values for e in expressions(v)])
        context.evaluated, context.seen = {}, dict.fromkeys(self.known)

    def restore(self, keep_path: bool = False) -> None:
        context = self.context
        self.new = {**context.seen, **context.evaluated}
        for node in self.known:
            if node not in context.evaluated:
                self.new.pop(node, None)
        for node, paths in context.evaluated.items():
            self.outer.setdefault(node, {}).update(paths)
        context.evaluated, context.seen = self.outer, self.seen | context.seen
        del context.trying[self.lengths[2] :]
        if not keep_path:
            context.path, context.lazy, context.depth = self.path, self.lazy, self.depth
            del context.frames[self.lengths[0] :], context.detached[self.lengths[1] :]

    def check(self, classes: Sequence[Classes]) -> None:
        """Refuse a body in which a run-time value may raise what a handler catches."""
        for node in self.new:
            for possible in _exceptions(node):
                if any(issubclass(possible, c) or issubclass(k, possible)
                       for c in classes for k in c):  # fmt: skip
                    raise UnsupportedError(
                        f"whether this raises {possible.__name__} is known only at run time",
                        hint="write an if statement instead of try",
                    )


def _exceptions(node: Expr) -> list[type[BaseException]]:
    """What computing `node` may raise for some values of its operands."""
    if not isinstance(node, Apply):
        return [Exception] if isinstance(node, Loop) else []
    scalar = not node.type.rank and not any(x.type.rank for x in node.operands)
    if scalar and not node.type.weak:
        return []
    if scalar:
        found: list[type[BaseException]] = []
        if may_raise(node):
            found.append({"ValueError": ValueError, "ZeroDivisionError": ZeroDivisionError}.get(
                node.op.error[0], Exception))  # fmt: skip
        if getattr(node.op, "raises", False) or node.op.name in ("power", "cast"):
            found += [OverflowError, ValueError]
        return found
    shapes = {x.type.shape for x in node.operands if x.type.rank}
    if isinstance(node.op, Elementwise) and len(shapes) == 1:
        return []
    return [ValueError, IndexError, np.linalg.LinAlgError]


@handles(ast.TryStar)
def try_star(frame: Frame, node: Any) -> None:
    raise UnsupportedError(
        "'except*' is not supported in a differentiated function", hint="use 'except'"
    )


def suppress(*classes: type[BaseException]) -> Managed:
    """`with contextlib.suppress(E): body` is `try: body` with a handler that does nothing."""

    def run(frame: Frame, target: Any, body: list[ast.stmt], node: ast.AST) -> Evaluation:
        handler = ast.ExceptHandler(Known(classes), None, [ast.Pass()])
        made = ast.Try(body, [handler], [], [])
        for new in (handler.type, handler.body[0], handler, made):
            assert isinstance(new, ast.AST)
            ast.copy_location(new, node)
        return (yield made)

    return Managed(run)


BUILTINS[contextlib.suppress] = suppress
