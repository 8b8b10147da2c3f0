"""A loop in blocks of rounds, of which the reverse sweep stores the starts only.

    for i in range(n): ...   ->   for block in range(blocks):
                                      for i in range(first, last): ...

The outer loop is marked `recompute`: what it carries is recorded once for each block, and the
rounds of a block are run again, and recorded, when the sweep comes to it. With blocks of sqrt(n)
rounds that is 2 * sqrt(n) states in place of n, for one more run (Griewank & Walther, "Evaluating
Derivatives", section 12.1).
"""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Const, Expr, For, for_, project, var
from symdiff.ir.types import BOOL, INT
from symdiff.parse.frame import Context
from symdiff.primitives.arithmetic import add, floor_divide, multiply, negative, subtract
from symdiff.primitives.elementary import cast, greatest, least, sqrt
from symdiff.primitives.row import as_expr


def in_blocks(context: Context, loop: For, every: Any) -> For:
    """The same rounds in blocks of `every`; None: of about the square root of their number."""
    start, stop, step = loop.bounds
    assert isinstance(step, Const)
    count = _count(start, stop, step.value)
    if every is None:
        root = sqrt.build(greatest.build(count, as_expr(1)))
        size: Expr = cast.build(root, attrs=("int", True))
    else:
        size = as_expr(max(every, 1)) if isinstance(every, int) else greatest.build(every, 1)
    blocks = negative.build(floor_divide.build(negative.build(count), size))
    stride = multiply.build(size, step) if step.value != 1 else size
    block = var("block", INT, context.fresh())
    first: Expr = multiply.build(block, stride)
    if not (isinstance(start, Const) and start.value == 0):
        first = add.build(start, first)
    nearer = least if step.value > 0 else greatest
    last = nearer.build(add.build(first, stride), stop)

    starts = tuple(var(v.name, v.type, context.fresh()) for v in loop.carried)
    carried, body = list(loop.carried), list(loop.body)
    initial: list[Expr] = list(starts)
    stops = not (isinstance(loop.until, Const) and not loop.until.value)
    if stops:
        carried.append(var("stopped", BOOL, context.fresh()))
        initial.append(as_expr(False))
        body.append(loop.until)
    operands = (first, last, step, *initial, *body, loop.until)
    rounds = for_(loop.index, tuple(carried), operands, INT)
    ends = [project(rounds, k, v.type) for k, v in enumerate(carried)]
    until = ends.pop() if stops else loop.until
    for value, name in ((size, "size"), (first, "first"), (last, "last"), (blocks, "blocks")):
        if not isinstance(value, Const):
            context.names.setdefault(value, name)
    bounds = (as_expr(0), blocks, as_expr(1))
    return for_(block, starts, (*bounds, *loop.initial, *ends, until), INT, recompute=True)


def _count(start: Expr, stop: Expr, step: int) -> Expr:
    """How many rounds; where there are none, it may be negative."""
    if isinstance(start, Const) and isinstance(stop, Const):
        return as_expr(len(range(start.value, stop.value, step)))
    if step == 1:
        zero = isinstance(start, Const) and start.value == 0
        return stop if zero else subtract.build(stop, start)
    return negative.build(floor_divide.build(subtract.build(start, stop), step))
