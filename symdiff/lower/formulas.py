"""What NumPy's functions compute, as formulas of other rows, for targets that do not call NumPy.

np.isclose(x, y)   ->   (abs(x - y) <= atol + rtol * abs(y)) & isfinite(y) | (x == y)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.ir.expr import Apply, Expr, const
from symdiff.ir.types import INT
from symdiff.primitives import elementary as el
from symdiff.primitives import pointwise as P
from symdiff.primitives import reductions as R
from symdiff.primitives import scalars as S
from symdiff.primitives.elementary import abs_, isnan, rint, where
from symdiff.primitives.indexing import RUN, index
from symdiff.primitives.row import Primitive, Term, as_expr, choose
from symdiff.primitives.shape import size_of


def _either(*tests: Any) -> Term:
    return functools.reduce(lambda a, b: Term(Term.rows["bitwise_or"].build(a, b)), tests)


def _both(*tests: Any) -> Term:
    return functools.reduce(lambda a, b: Term(Term.rows["bitwise_and"].build(a, b)), tests)


def _isclose(node: Apply) -> Term:
    x, y = map(Term, node.operands)
    rtol, atol, equal_nan = node.attrs
    near = abs_(x - y) <= atol + rtol * abs_(y)
    close = _either(_both(near, el.isfinite.build(y)), x.equals(y))
    return _either(close, _both(isnan.build(x), isnan.build(y))) if equal_nan else close


def _allclose(node: Apply) -> Any:
    close = P.isclose.build(*node.operands, attrs=node.attrs)
    rank = close.type.rank
    return R.all_.build(close, attrs=(tuple(range(-rank, 0)), False)) if rank else close


def _is_close(node: Apply) -> Term:
    """`math.isclose`."""
    a, b = map(Term, node.operands)
    relative, absolute = node.attrs
    apart = abs_(b - a)
    near = choose(apart <= relative * abs_(b), True, apart <= relative * abs_(a))
    near = choose(apart <= absolute, True, near)
    finite = choose(abs_(a).equals(math.inf), False, choose(abs_(b).equals(math.inf), False, near))
    return choose(a.equals(b), True, finite)


def _round(node: Apply) -> Any:
    x, (decimals,) = Term(node.operands[0]), node.attrs
    whole = not node.type.is_float
    if decimals >= 0 and whole:
        return x
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return Term(rint.build(x * scale)) / scale
    return Term(rint.build(x / scale)) * scale if decimals else rint.build(x)


def _nan_to_num(node: Apply) -> Any:
    x = Term(node.operands[0])
    nan, high, low = node.attrs
    most = float(np.finfo(node.type.dtype).max)
    result: Any = where.build(x.equals(math.inf), most if high is None else high, x)
    result = where.build(x.equals(-math.inf), -most if low is None else low, result)
    return where.build(isnan.build(x), nan or 0.0, result)


def _median(node: Apply) -> Term:
    """nan where there is one: it is sorted to the end."""
    (x,), (axis,) = node.operands, node.attrs
    lead = (("slice", None, None, None),) * (axis + x.type.rank)
    last = index.build(R.sort.build(x, attrs=node.attrs), attrs=((*lead, ("int", -1)),))
    return Term(where.build(isnan.build(last), math.nan, node.op.expand(node)))


def _interp(node: Apply) -> Term:
    """As NumPy computes it, which is careful with values that are not finite."""
    x, places, values = map(Term, node.operands)
    count = Term(as_expr(size_of(places.expr.type.shape[0])))

    def read(table: Term, at: Term) -> Term:
        e: Expr = at.expr
        entry = ("array",) if e.type.rank else ("int", RUN)
        return Term(index.build(table, e, attrs=((entry,),)))

    def one(table: Term, at: int) -> Term:
        return Term(index.build(table, attrs=((("int", at),),)))

    def pick(test: Any, then: Any, orelse: Any) -> Term:
        return Term(where.build(test, then, orelse)) if x.expr.type.rank else choose(
            test, then, orelse
        )  # fmt: skip

    before = Term(R.searchsorted.build(places, x, attrs=("right",))) - 1
    at = Term(el.clip.build(before, const(0, INT), count - 2))
    low, high = read(values, at), read(values, at + 1)
    start, end = read(places, at), read(places, at + 1)
    slope = (high - low) / (end - start)
    inside, other = slope * (x - start) + low, slope * (x - end) + high
    other = pick(_both(isnan.build(other), low.equals(high)), low, other)
    inside = pick(isnan.build(inside), other, inside)
    inside = pick(x.equals(start), low, inside)
    inside = pick(x >= one(places, -1), one(values, -1), inside)
    inside = pick(x < one(places, 0), one(values, 0), inside)
    return pick(isnan.build(x), x, inside)


FORMULAS: dict[Primitive, Callable[[Apply], Any]] = {
    P.isclose: _isclose, P.allclose: _allclose, S.math_isclose: _is_close, P.round_: _round,
    P.nan_to_num: _nan_to_num, R.median: _median, R.interp: _interp,
}  # fmt: skip
