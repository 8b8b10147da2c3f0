"""Loops: `for` and `while`.

A loop of a few rounds that are known when compiling is evaluated round by round. Any other is
evaluated once, from a state in which all that a round changes is a variable; what the variables
become is the body of a `For` or `While`. Which places a round changes, and of which types they are,
shows when it is evaluated: it is evaluated again until that is settled.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from symdiff.errors import SymdiffError
from symdiff.ir.expr import Expr, Loop, for_, var, while_
from symdiff.ir.types import INT
from symdiff.ir.walk import substitute
from symdiff.parse.blocks import in_blocks
from symdiff.parse.containers import iterated, live_items
from symdiff.parse.frame import Evaluation, Frame, handles, run
from symdiff.parse.growing import Grown
from symdiff.parse.looping import LoopEvaluation
from symdiff.parse.rounds import Checkpointed, Rounds, is_dynamic, range_of_known, rounds_of
from symdiff.parse.state import State, UnequalListsError
from symdiff.parse.statements import assign, block
from symdiff.parse.unrolled import TooManyRoundsError, unrolled, while_known
from symdiff.parse.values import truth
from symdiff.primitives.arithmetic import greater, less
from symdiff.primitives.row import as_expr

UNROLLED = 32  # a loop of more rounds stays a loop


@handles(ast.For)
def for_statement(frame: Frame, node: ast.For) -> Evaluation:
    iterable = yield iterated(frame, (yield node.iter), node.iter)

    def items() -> Any:
        return live_items(frame.context, iterable)

    if isinstance(iterable, Checkpointed):
        loop = _Counted(frame, node, iterable.rounds, in_blocks=True, every=iterable.every)
        iterable = iterable.iterable
        return loop.run() if is_dynamic(iterable) else _attempt(frame, loop, items)
    rounds = rounds_of(iterable) if isinstance(iterable, (Rounds, Grown)) else None
    if rounds is None and isinstance(iterable, Expr):
        rounds = rounds_of(iterable)
        if rounds is not None and not isinstance(iterable.type.shape[0], int):
            return _Counted(frame, node, rounds).run()
        known = iterable.type.shape[0] if rounds is not None else None
        if rounds is not None and isinstance(known, int) and known > UNROLLED:
            return _attempt(frame, _Counted(frame, node, rounds), items)
    elif rounds is not None:
        return _Counted(frame, node, rounds).run()
    elif isinstance(iterable, range) and len(iterable) > UNROLLED:
        return _attempt(frame, _Counted(frame, node, range_of_known(iterable)), items)
    counted = range_of_known(iterable) if isinstance(iterable, range) else rounds
    if counted is None:
        return unrolled(frame, node, items())
    start = _Start(frame)
    try:
        return unrolled(frame, node, items())
    except UnequalListsError:  # a loop lets it grow
        start.again()
        return _Counted(frame, node, counted).run()


@handles(ast.While)
def while_statement(frame: Frame, node: ast.While) -> Evaluation:
    if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test)):
        leaving = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
        inner = ast.While(ast.Constant(True), [leaving, *node.body], node.orelse)
        node = ast.fix_missing_locations(ast.copy_location(inner, node))
        for new in (inner.test, leaving, leaving.body[0], leaving.test):
            ast.copy_location(new, node)
    known = truth(run(frame, node.test))
    if not isinstance(known, bool):
        return _Conditional(frame, node).run()
    if not known:
        return (yield block(frame, node.orelse))
    start = _Start(frame)
    try:
        return unrolled(frame, node, while_known(frame, node), limit=UNROLLED)
    except TooManyRoundsError as cause:
        start.again()
        return _attempt(frame, _Conditional(frame, node), lambda: while_known(frame, node), cause)
    except UnequalListsError:
        start.again()
        return _Conditional(frame, node).run()


class _Start:
    """What a loop starts from, to evaluate it again in another way."""

    def __init__(self, frame: Frame):
        context = self.context = frame.context
        self.frame = frame
        self.before, self.exits, self.path = State(context), list(frame.exits), context.path
        self.mark = context.mark()
        self.open = list(context.frames), context.depth, context.lazy

    def again(self) -> None:
        """Go back to it."""
        context = self.context
        self.before.restore()
        context.forget(self.mark)
        self.frame.exits, context.path = self.exits, self.path
        context.frames[:], context.depth, context.lazy = self.open


def _attempt(
    frame: Frame,
    loop: LoopEvaluation,
    items: Callable[[], Any],
    cause: TooManyRoundsError | None = None,
) -> Any:
    """As a loop; round by round where its body needs what only that knows (`layers[i]`)."""
    start = _Start(frame)
    try:
        return loop.run()
    except SymdiffError as error:
        if cause is not None and cause.args:
            raise
        start.again()
        try:
            return unrolled(frame, loop.node, items())
        except SymdiffError:
            raise error from None


class _Counted(LoopEvaluation):
    """`for` over a range, or over what has a length."""

    node: ast.For

    def __init__(
        self,
        frame: Frame,
        node: ast.For,
        rounds: Rounds,
        in_blocks: bool = False,
        every: Any = None,
    ):
        super().__init__(frame, node)
        self.in_blocks, self.every = in_blocks, every
        self.rounds = rounds
        target = node.target
        plain = isinstance(target, ast.Name) and rounds.bounds is not None
        wish = target.id if plain else "i"  # type: ignore[union-attr]
        # Its number is not that of the carried variables: one of them may be called the same.
        self.index = var(wish if wish != "_" else "i", INT, self.context.fresh())
        self.context.lines[self.index] = node.lineno

    def running(self, more: int) -> None:
        for grown in self.rounds.over:
            grown.running += more

    def start_round(self) -> None:
        ran = self.certain()
        if isinstance(ran, Expr):
            self.context.path = (*self.context.path, (ran, True))
        plain = self.rounds.bounds is not None
        item = self.index if plain else self.rounds.item(self.index)
        item = self.arrays.present(item)
        self.runs_over = self.arrays.read_by(item)
        run(self.frame, assign(self.frame, self.node.target, item, self.node))

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Loop:
        bounds = self.rounds.bounds or (0, self.rounds.count, 1)
        operands = (*map(as_expr, bounds), *initial, *body, until)
        loop = for_(self.index, variables, operands, INT)
        if not self.in_blocks or not variables:
            return loop
        self.context.lines.setdefault(loop, self.node.lineno)
        return in_blocks(self.context, loop, self.every)

    def room(self) -> Any:
        return self.rounds.count

    def steady_rounds(self) -> bool:
        return self.stops is False

    def certain(self) -> Expr | bool:
        if self.rounds.bounds is None:
            count = self.rounds.count
            return count > 0 if isinstance(count, int) else greater.build(count, 0)
        start, stop, step = self.rounds.bounds
        if isinstance(start, int) and isinstance(stop, int):
            return start < stop if step > 0 else start > stop
        if isinstance(start, int):  # as one would write it: n > 0
            return (greater if step > 0 else less).build(stop, start)
        return (less if step > 0 else greater).build(start, stop)


class _Conditional(LoopEvaluation):
    """`while`."""

    node: ast.While

    def start_round(self) -> None:
        context = self.context
        self.cond = truth(run(self.frame, self.node.test))
        if isinstance(self.cond, Expr):
            context.path = (*context.path, (self.cond, True))

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Loop:
        return while_(variables, (as_expr(self.cond), *initial, *body, until), INT)

    def certain(self) -> Expr | bool:
        return self.cond is True

    def some_round(self, starts: dict[Expr, Expr]) -> Any:
        return substitute([self.cond], starts)[0] if isinstance(self.cond, Expr) else self.cond

    def endless(self) -> bool:
        return self.cond is True

    def first_round(self, certain: Expr | bool) -> Expr | bool | None:
        return True if certain is True else None
