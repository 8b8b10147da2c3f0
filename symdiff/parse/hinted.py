"""What a loop's header says about how to run it: `symdiff.unroll(...)`."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.parse.containers import iterated
from symdiff.parse.frame import Evaluation, Frame
from symdiff.parse.rounds import Unrolled, is_dynamic


def hinted(
    frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """What a call to a function with `__symdiff_loop__` gives a loop to run over."""
    bound = inspect.signature(callee).bind(*args, **kwargs).arguments
    return _unroll((yield iterated(frame, bound["iterable"], node)))


def _unroll(value: Any) -> Any:
    if is_dynamic(value):
        raise UnsupportedError(
            "unroll: how many rounds there are is known only at run time",
            hint="make the number a static argument (static='n'), declare the array's size "
            "(float64[3]), or leave the loop a loop: without unroll",
        )
    return Unrolled(value)
