"""Operations on constants, computed when compiling - where that can be done without loss.

2 * 3.0       ->  6.0
1.0 / 0.0     stays: it raises when the function runs, as the user's code does
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, If, const
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import elementary as el

# Rows whose value on Python numbers is what these functions give.
_FOLDED: dict[Any, Callable[..., Any]] = {
    ar.add: operator.add, ar.subtract: operator.sub, ar.multiply: operator.mul,
    ar.divide: operator.truediv, ar.power: operator.pow, ar.negative: operator.neg,
    ar.floor_divide: operator.floordiv, ar.remainder: operator.mod,
    ar.less: operator.lt, ar.less_equal: operator.le, ar.greater: operator.gt,
    ar.greater_equal: operator.ge, ar.equal: operator.eq, ar.not_equal: operator.ne,
    ar.logical_not: operator.not_, ar.not_: operator.not_,
    el.exp: math.exp, el.log: math.log, el.sqrt: math.sqrt, el.sin: math.sin, el.cos: math.cos,
    el.tan: math.tan, el.sinh: math.sinh, el.cosh: math.cosh, el.tanh: math.tanh,
    el.atan: math.atan, el.abs_: abs, el.fabs: math.fabs,
}  # fmt: skip
_ALIKE = frozenset((ar.add, ar.subtract, ar.multiply, ar.negative))


def fold(node: Expr) -> Expr | None:
    """The constant that `node` is, or None: it raises, overflows, or is no plain number."""
    if isinstance(node, If):
        if isinstance(node.pred, Const) and node.pred.type.shape == ():
            return node.then if node.pred.value else node.orelse
        return None
    if not isinstance(node, Apply):
        return None
    if not node.type.weak:
        return _folded_float64(node)
    function = _FOLDED.get(node.op)
    values = [x.value for x in node.operands if isinstance(x, Const) and x.type.weak]
    if function is None or len(values) != len(node.operands):
        return None
    if not all(type(v) in (int, float, bool) for v in values):
        return None
    if function is operator.pow and not _small_power(*values):
        return None
    try:
        value = function(*values)
    except (ArithmeticError, ValueError):
        return None
    expected = {"float64": float, "int": int, "bool": bool}.get(node.type.dtype)
    if type(value) is not expected:
        return None
    if expected is float and not math.isfinite(value):
        return None
    return const(value, node.type)


def _folded_float64(node: Apply) -> Expr | None:
    """A sum or product of NumPy's numbers, which are rounded as Python's are."""
    if node.type.dtype != "float64" or node.type.rank or node.op not in _ALIKE:
        return None
    values = [x.value for x in node.operands if isinstance(x, Const) and not x.type.rank]
    if len(values) != len(node.operands) or not all(isinstance(v, float) for v in values):
        return None
    value = _FOLDED[node.op](*map(float, values))
    return const(value, node.type) if math.isfinite(value) else None


def _small_power(base: Any, exponent: Any) -> bool:
    """Whether the power fits in a line: 10**1000000 does not."""
    return type(base) is not int or abs(exponent) * max(abs(base), 1).bit_length() < 64
