"""What a loop's header says about how to run it: `symdiff.unroll`, `symdiff.checkpoint`."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.parse.containers import iterated
from symdiff.parse.frame import Evaluation, Frame
from symdiff.parse.rounds import Checkpointed, Unrolled, is_dynamic, range_of_known, rounds_of


def hinted(
    frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """What a call to a function with `__symdiff_loop__` gives a loop to run over."""
    bound = inspect.signature(callee).bind(*args, **kwargs).arguments
    value = yield iterated(frame, bound["iterable"], node)
    if callee.__symdiff_loop__ == "unroll":
        return _unroll(value)
    return _checkpoint(value, bound.get("every"))


def _unroll(value: Any) -> Any:
    if is_dynamic(value):
        raise UnsupportedError(
            "unroll: how many rounds there are is known only at run time",
            hint="make the number a static argument (static='n'), declare the array's size "
            "(float64[3]), or leave the loop a loop: without unroll",
        )
    return Unrolled(value)


def _checkpoint(value: Any, every: Any) -> Any:
    """What is run through item by item when compiling has no states to store."""
    if isinstance(every, Expr):
        wrong = bool(every.type.rank) or every.type.dtype not in ("int", "bool")
    else:
        wrong = every is not None and not isinstance(every, int)
    if wrong:
        raise IllTypedError("checkpoint: every is a number of rounds", hint="pass an integer")
    rounds = rounds_of(range_of_known(value) if isinstance(value, range) else value)
    return value if rounds is None else Checkpointed(rounds, value, every)
