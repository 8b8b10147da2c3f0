"""Functions that `@symdiff.rule` gave a derivative of their own.

The call becomes one node, `custom(value, *args, *partials)`: it is `value`, and its partial
derivative in each argument is the matching partial, an ordinary expression that may be
differentiated again.
"""

from __future__ import annotations

from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Expr
from symdiff.parse.frame import Evaluation, Frame
from symdiff.primitives.custom import custom
from symdiff.primitives.spell import to_expr


def custom_call(
    frame: Frame, callee: Any, rule: Any, args: list[Any], kwargs: dict[str, Any]
) -> Evaluation:
    """The node of a call to `callee`, whose partial derivatives `rule(result, *args)` returns."""
    from symdiff.parse.calls import inline

    if kwargs:
        raise IllTypedError(
            f"{callee.__name__} has a derivative rule and takes positional arguments only"
        )
    value = to_expr((yield inline(frame, callee, args, {})))
    required = {node: dict(paths) for node, paths in frame.context.evaluated.items()}
    stated = len(frame.context.demands)
    partials = yield inline(frame, rule, [value, *args], {})
    del frame.context.demands[stated:]
    frame.context.evaluated = required  # what only the rule computes, the primal does not demand
    many = list(partials) if isinstance(partials, (tuple, list)) else [partials]
    if len(many) != len(args):
        raise IllTypedError(
            f"the rule of {callee.__name__} returns {len(many)} partial derivatives "
            f"for {len(args)} arguments",
            hint="return one for each argument, 0.0 for those that do not matter",
        )
    operands = [to_expr(a) for a in args]
    slopes: list[Expr] = [to_expr(p) for p in many]
    return custom.build(value, *operands, *slopes, attrs=(len(operands),))
