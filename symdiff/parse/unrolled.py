"""Loops whose rounds are known when compiling, round by round.

for k in (1, 2): s += x**k     ->   s + x**1 + x**2
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.parse.branches import branch, leave
from symdiff.parse.containers import MAX_ROUNDS
from symdiff.parse.frame import Context, Exit, Frame, UnknownError, UnreachableError, run
from symdiff.parse.requires import Path
from symdiff.parse.state import State
from symdiff.parse.statements import Break, Continue, Return, assign, block
from symdiff.parse.values import truth
from symdiff.primitives.conditions import either


class TooManyRoundsError(Exception):
    """More rounds than are written out one by one."""


def while_known(frame: Frame, node: ast.While) -> Any:
    """One item for each round, while the condition is known and holds."""
    rounds = 0
    while True:
        known = truth(run(frame, node.test))
        if not isinstance(known, bool):
            raise TooManyRoundsError(known)
        if not known:
            return
        rounds += 1
        if rounds > MAX_ROUNDS:
            raise UnsupportedError("this 'while' did not end within a million rounds")
        yield None


def unrolled(frame: Frame, node: ast.For | ast.While, items: Any, limit: int = MAX_ROUNDS) -> Any:
    """The loop round by round."""
    outer, frame.exits = frame.exits, []
    context = frame.context
    breaks: list[Exit] = []
    signal: Any = None
    for number, item in enumerate(items):
        if number >= limit:
            raise TooManyRoundsError()
        path = context.path
        if isinstance(node, ast.For):
            run(frame, assign(frame, node.target, item, node))
        try:
            signal = run(frame, block(frame, node.body))
        except UnreachableError as error:
            left = breaks or any(e.kind is not Return for e in frame.exits)
            if left and not isinstance(error, UnknownError):
                raise UnsupportedError(
                    "raise in a loop, after a break or continue that a run-time condition decides "
                    "on, is not supported",
                    hint="raise after the loop",
                ) from None
            frame.exits = [*outer, *(e for e in frame.exits if e.kind is Return)]
            raise
        ends, frame.exits = frame.exits, []
        onwards = [e for e in ends if e.kind is Continue]
        if onwards and isinstance(signal, (Return, Break)):  # only where nothing goes on
            always: Any = True
            ends.append(Exit(always, type(signal), getattr(signal, "value", None), State(context)))
            signal, last = None, onwards.pop()
            last.state.restore()
        if isinstance(node, ast.While):  # nothing but its test ends it when compiling
            endless = isinstance(node.test, ast.Constant)
            if any(e.kind is Break or (e.kind is Return and endless) for e in ends):
                raise TooManyRoundsError(True)
        leave(frame, onwards, None, node)
        left = _others(ends, Continue)
        for e in left:
            (breaks if e.kind is Break else outer).append(
                e if e.kind is Break else _after(breaks, e)
            )
        _go_on(context, path, ends, left)
        if isinstance(signal, (Return, Break)):
            break
    frame.exits = outer
    if isinstance(signal, Return):
        if not breaks:
            return signal
        returns: Any = True  # where nothing has broken out before
        for e in reversed(breaks):
            returns = either(e.pred, False, returns)
        frame.exits.append(Exit(returns, Return, signal.value, State(context)))
        leave(frame, breaks, None, node)
        return None
    if not isinstance(signal, Break) and node.orelse:
        if breaks:
            broke: Any = False
            for e in reversed(breaks):
                broke = either(e.pred, True, broke)
            leave(frame, breaks, None, node)
            return run(frame, branch(frame, broke, [ast.Pass()], node.orelse, node))
        return run(frame, block(frame, node.orelse))
    leave(frame, breaks, None, node)
    return None


def _go_on(context: Context, path: Path, ends: Sequence[Exit], left: Sequence[Exit]) -> None:
    """The next round runs where this one has not left the loop, whether it was continued or not.

    path: where this round ran.
    """
    continued = {(e.pred, False) for e in ends if e.kind is Continue}
    if continued:
        added = context.path[len(path) :]
        before = takewhile(lambda step: step not in continued, added)
        context.path = (*path, *before, *((e.pred, False) for e in left))


def _others(exits: Sequence[Exit], kind: type) -> list[Exit]:
    """The exits of another kind, each on condition that none of `kind` came before it."""
    found: list[Exit] = []
    absorbed: list[Exit] = []
    for e in exits:
        if e.kind is kind:
            absorbed.append(e)
        else:
            found.append(_after(absorbed, e))
    return found


def _after(earlier: Sequence[Exit], e: Exit) -> Exit:
    pred: Any = e.pred
    for before in reversed(earlier):
        pred = either(before.pred, False, pred)
    return Exit(pred, e.kind, e.value, e.state)
