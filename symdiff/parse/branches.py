"""Branches that are taken only at run time: both sides are evaluated, what differs is joined.

A `return`, `break` or `continue` on one side is an `Exit`: it is kept with its condition and with
the state that it leaves, and what follows is evaluated as the other side. Where the exit leads -
the end of the function, of the loop, of the round - the states are joined again (`leave`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.parse.frame import Evaluation, Exit, Frame, Unbound, UnreachableError, handles
from symdiff.parse.state import Name, State, join_states, refers
from symdiff.parse.statements import SIGNALS, Return, bind, block
from symdiff.parse.values import Freeze, join, truth
from symdiff.primitives.arithmetic import not_
from symdiff.primitives.row import choose


@dataclass(slots=True)
class _Side:
    """One side of a run-time branch, after it ran."""

    state: State
    exits: list[Exit]
    signal: Any


@handles(ast.If)
def if_statement(frame: Frame, node: ast.If) -> Evaluation:
    pred = truth((yield node.test))
    if isinstance(pred, bool):
        return (yield block(frame, node.body if pred else node.orelse))
    return (yield branch(frame, pred, node.body, node.orelse, node))


def branch(
    frame: Frame, pred: Expr, body: list[ast.stmt], orelse: list[ast.stmt], node: ast.stmt
) -> Evaluation:
    """Run `body` if `pred`, else `orelse`; evaluates to a signal if both sides leave alike."""
    before = State(frame.context)
    then = yield _side(frame, before, body, (pred, True))
    other = yield _side(frame, before, orelse, (pred, False))
    early = len(frame.exits)
    otherwise = not_.build(pred)
    for side, holds in ((then, pred), (other, otherwise)):
        frame.exits.extend(
            Exit(choose(holds, e.pred, False).expr, e.kind, e.value, e.state) for e in side.exits
        )
    signal = None
    if isinstance(then.signal, Raised) or isinstance(other.signal, Raised):
        signal = _after_raise(frame, pred, then, other)
    elif isinstance(then.signal, SIGNALS) and isinstance(other.signal, SIGNALS):
        # The second is where what follows goes on to, only that nothing does.
        frame.exits.append(_exit(pred, then))
        signal = other.signal
        other.state.restore()
    elif isinstance(then.signal, SIGNALS):
        frame.exits.append(_exit(pred, then))
        other.state.restore()
    elif isinstance(other.signal, SIGNALS):
        frame.exits.append(_exit(otherwise, other))
        then.state.restore()
    else:
        join_states(pred, then.state, other.state, binder(frame, node))
    # What follows runs only where nothing has left.
    frame.context.path += tuple((left.pred, False) for left in frame.exits[early:])
    return signal


class Raised:
    """The signal of a side that raises an exception: it does not count any more."""


def _after_raise(frame: Frame, pred: Expr, then: _Side, other: _Side) -> Any:
    """Go on as the side that does not raise."""
    if isinstance(then.signal, Raised) and isinstance(other.signal, Raised):
        raise UnreachableError()
    raises = isinstance(then.signal, Raised)
    left = other if raises else then
    left.state.restore()
    frame.context.path = (*frame.context.path, (pred, not raises))
    return left.signal


def _exit(pred: Expr, side: _Side) -> Exit:
    value = side.signal.value if isinstance(side.signal, Return) else None
    return Exit(pred, type(side.signal), value, side.state)


def _side(
    frame: Frame, before: State, body: list[ast.stmt], condition: tuple[Expr, bool]
) -> Evaluation:
    context, saved_path, saved_exits = frame.context, frame.context.path, frame.exits
    before.restore()
    frame.exits = []
    context.path = (*saved_path, condition)
    open_now = (context.lazy, context.depth, len(context.frames), len(context.detached))
    try:
        signal = yield block(frame, body)
    except UnreachableError:
        signal = Raised()
        context.lazy, context.depth, frames, detached = open_now
        del context.frames[frames:], context.detached[detached:]
    context.path = saved_path
    side = _Side(State(context), frame.exits, signal)
    frame.exits = saved_exits
    return side


def binder(frame: Frame, at: ast.stmt) -> Callable[[Name, Any], None]:
    """How a join binds a name that differs on the two sides."""

    def named(place: Name, value: Any) -> None:
        if place.frame is frame:
            bind(frame, place.name, value, at)
        else:
            place.set(value)

    return named


def leave(frame: Frame, exits: list[Exit], value: Any, at: ast.stmt | None = None) -> Any:
    """Join the present state with those of `exits`; the value of the one that is taken.

    The present state is that of the way out without an exit, `value` its value.
    """
    results = [value, *(e.value for e in exits)]

    def forgotten(owner: Any) -> bool:
        if at is not None:
            return False
        others = (f.env.values() for f in frame.context.frames if f is not frame)
        return not refers((*results, *chain(*others), *frame.outer.values()), owner)

    for taken in reversed(exits):
        end = State(frame.context)
        if at is None:  # the function ends: its own names are of no use any more
            end.names.pop(frame, None)
            taken.state.names.pop(frame, None)
        join_states(taken.pred, taken.state, end, binder(frame, at or ast.Pass()), forgotten)
        value = _joined_value(taken.pred, taken.value, value, frame.context.freeze)
    return value


def _joined_value(pred: Expr, then: Any, orelse: Any, freeze: Freeze) -> Any:
    value = join(pred, then, orelse, "the result", freeze)
    if isinstance(value, Unbound):
        raise UnsupportedError(
            f"the result {value.why}", hint="return values of the same structure on every path"
        )
    return value


def result_of(frame: Frame, signal: Any) -> Any:
    """The value of a function after its body ran, early returns included."""
    value = signal.value if isinstance(signal, Return) else None
    exits, frame.exits = frame.exits, []
    if isinstance(signal, Raised):  # what did not raise has left earlier
        *exits, last = exits
        last.state.restore()
        value = last.value
    return leave(frame, exits, value)
