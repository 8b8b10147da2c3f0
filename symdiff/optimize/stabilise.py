"""Formulas that overflow or cancel become functions that do not. Runs before differentiation.

    np.log(1 + np.exp(x))      ->   np.logaddexp(0.0, x)       at x = 1000: 1000, was inf
    math.exp(x) - 1            ->   math.expm1(x)              at x = 1e-20: 1e-20, was 0
    np.log(np.sum(np.exp(x)))  ->   m + np.log(np.sum(np.exp(x - m))),  m = np.max(x)
    m + np.log(np.sum(np.exp(x - m)))    the same, but no derivative flows through m: it cancels

Derivatives follow from the new form, so they are stable too. Condition of all: `real`, and a
result that was infinite, nan or an OverflowError for rounding's sake alone becomes finite.
"""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.function import Function, Require
from symdiff.optimize.entropy import LOGARITHMS, PRODUCTS, x_log_x
from symdiff.optimize.match import Rule, rule
from symdiff.optimize.simplify import Table, rewrite
from symdiff.optimize.structure import Structural
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, divide, multiply, subtract
from symdiff.primitives.arrays import broadcast_to, count, expand_dims, max_, mean, squeeze, sum_
from symdiff.primitives.elementary import (
    detach,
    exp,
    expm1,
    isfinite,
    log,
    log1p,
    logaddexp,
    where,
)
from symdiff.primitives.stable import log1mexp, sigmoid, softplus


def stabilise(function: Function, options: Options) -> Function:
    """`function` in formulas that lose nothing where they need not."""
    if not options.optimize:
        return function
    mapping = rewrite(function.nodes(), _TABLE)
    if all(new is old for old, new in mapping.items()):
        return function
    after = function.rewritten(mapping)
    return after.replace(requires=tuple(_still_required(function, after, mapping)))


def _still_required(before: Function, after: Function, mapping: dict[Expr, Expr]) -> list[Require]:
    """log(1 + exp(x)) could be asked for a positive argument; softplus(x) cannot."""
    kept: list[Require] = []
    for old, new in zip(before.requires, after.requires, strict=True):
        node = mapping.get(old.by, old.by)
        same = isinstance(node, Apply) and node.op is old.by.op  # type: ignore[attr-defined]
        if new.stated or same or (isinstance(node, Apply) and node.op.fails is not None):
            kept.append(new)
    return kept


STABLE: tuple[Rule, ...] = (
    rule("softplus", "real", lambda x: (log(1 + exp(x)), softplus(x)), over=(-700.0, 700.0)),
    rule("softplus_log1p", "real", lambda x: (log1p(exp(x)), softplus(x)), over=(-700.0, 700.0)),
    rule(
        "logaddexp",
        "real",
        lambda x, y: (log(exp(x) + exp(y)), logaddexp(x, y)),
        over=(-700.0, 700.0),
    ),
    rule("logaddexp_zero", "real", lambda x: (logaddexp(x, 0.0), softplus(x))),
    rule("log1mexp", "real", lambda x: (log(-expm1(x)), log1mexp(x)), over=(-700.0, 0.0)),
    rule("log1mexp_log1p", "real", lambda x: (log1p(-exp(x)), log1mexp(x)), over=(-700.0, 0.0)),
    rule("expm1", "real", lambda x: (exp(x) - 1, expm1(x)), over=(-700.0, 700.0)),
    rule("one_minus_exp", "real", lambda x: (1 - exp(x), -expm1(x)), over=(-700.0, 700.0)),
    rule("sigmoid", "real", lambda x: (1 / (1 + exp(-x)), sigmoid(x)), over=(-700.0, 700.0)),
    rule(
        "sigmoid_flipped", "real", lambda x: (1 / (1 + exp(x)), sigmoid(-x)), over=(-700.0, 700.0)
    ),
    rule(
        "sigmoid_ratio", "real", lambda x: (exp(x) / (1 + exp(x)), sigmoid(x)), over=(-700.0, 700.0)
    ),
    rule("one_minus_sigmoid", "real", lambda x: (1 - sigmoid(x), sigmoid(-x)), over=(-30.0, 700.0)),
    rule("log_sigmoid", "real", lambda x: (log(sigmoid(x)), -softplus(-x))),
    rule("minus_minus", "exact", lambda x: (-(-x), x)),  # noqa: B002
    rule("log1p", "real", lambda x: (log(1 + x), log1p(x)), over=(-1.0, 1e300)),
    rule("log1p_minus", "real", lambda x: (log(1 - x), log1p(-x)), over=(-1e300, 1.0)),
)


def _log_of_sum(node: Apply) -> Expr | None:
    """log(sum(exp(x))) -> m + log(sum(exp(x - m))) with m the largest x; likewise a mean."""
    (total,) = node.operands
    if not (isinstance(total, Apply) and total.op in (sum_, mean)):
        return None
    (e,), (axes, keepdims) = total.operands, total.attrs
    if not (isinstance(e, Apply) and e.op is exp) or not axes:
        return None
    (x,) = e.operands
    if not x.type.is_float or _is_shifted(x) or count(total) == 0:  # nothing is no maximum
        return None
    m = _shift(x, axes, keepdims)
    shifted = total.op.build(exp.build(subtract.build(x, m)), attrs=total.attrs)
    if m.type.rank != node.type.rank:
        m = squeeze.build(m, attrs=(axes,))
    return add.build(m, log.build(shifted))


def _shift(x: Expr, axes: tuple[int, ...], keepdims: bool) -> Expr:
    """The largest x along `axes`, which broadcasts; 0 where it is infinite: inf - inf is nan.

    No derivative flows through it: the shift cancels.
    """
    whole = len(axes) == x.type.rank
    m = max_.build(detach.build(x), attrs=(axes, keepdims or not whole))
    return where.build(isfinite.build(m), m, 0.0)


def _is_shifted(x: Expr) -> bool:
    """Whether the user has subtracted the maximum already."""
    if not (isinstance(x, Apply) and x.op is subtract):
        return False
    m = x.operands[1]
    while isinstance(m, Apply) and m.op in (expand_dims, broadcast_to, detach, where):
        m = m.operands[1 if m.op is where else 0]
    return isinstance(m, Apply) and m.op is max_


def _shifted_back(node: Apply) -> Expr | None:
    """m + log(sum(exp(x - m))) does not depend on m: no derivative needs to flow through it.

    Likewise z - log(sum(exp(z))) with z = x - m.
    """
    swapped = (node.operands[::-1],) if node.op is add else ()
    for a, b in (node.operands, *swapped):
        logarithm = b.operands[0] if isinstance(b, Apply) and b.op is expand_dims else b
        total = logarithm.operands[0] if _is(logarithm, log) else None
        if not (isinstance(total, Apply) and total.op is sum_ and _is(total.operands[0], exp)):
            continue
        z = total.operands[0].operands[0]
        fixed = _with_fixed_shift(z, total.attrs[0])
        if fixed is None:
            continue
        m = z.operands[1]
        lse: Expr = log.build(sum_.build(exp.build(fixed), attrs=total.attrs))
        if b is not logarithm:
            lse = expand_dims.build(lse, attrs=b.attrs)  # type: ignore[attr-defined]
        if node.op is subtract and a is z:
            return subtract.build(fixed, lse)
        if node.op is add and _core(a) is _core(m) and a.type.shape in (b.type.shape, m.type.shape):
            same = a.type.shape == b.type.shape or total.attrs[1]
            return add.build(detach.build(a), lse) if same else None
    return None


def _with_fixed_shift(z: Expr, axes: tuple[int, ...]) -> Expr | None:
    """x - detach(m) for z = x - m, where m does not vary along `axes`."""
    if not (isinstance(z, Apply) and z.op is subtract):
        return None
    x, m = z.operands
    shape = (1,) * (x.type.rank - m.type.rank) + m.type.shape
    if z.type != x.type or any(shape[axis] != 1 for axis in axes) or _is(_core(m), detach):
        return None
    return subtract.build(x, detach.build(m))


def _is(x: Expr, op: Any) -> bool:
    return isinstance(x, Apply) and x.op is op


def _core(x: Expr) -> Expr:
    """`x` without the axes of size one that were added or dropped."""
    while isinstance(x, Apply) and x.op in (expand_dims, squeeze):
        x = x.operands[0]
    return x


def _softmax(node: Apply) -> Expr | None:
    """exp(x) / sum(exp(x)) -> e / sum(e) with e = exp(x - m)."""
    e, total = node.operands
    if not (isinstance(e, Apply) and e.op is exp):
        return None
    expanded = isinstance(total, Apply) and total.op is expand_dims
    inner = total.operands[0] if expanded else total
    if not (isinstance(inner, Apply) and inner.op is sum_ and inner.operands[0] is e):
        return None
    axes, keepdims = inner.attrs
    (x,) = e.operands
    whole = len(axes) == x.type.rank
    if expanded and total.attrs[0] != axes:  # type: ignore[attr-defined]
        return None
    if not (expanded or keepdims or whole) or not axes:
        return None
    if _is_shifted(x):  # by what cancels, so that no derivative flows through it
        fixed = _with_fixed_shift(x, axes)
        if fixed is None:
            return None
    else:
        fixed = subtract.build(x, _shift(x, axes, keepdims))
    shifted = exp.build(fixed)
    return divide.build(shifted, sum_.build(shifted, attrs=(axes, keepdims or not whole)))


def _log_softmax(node: Apply) -> Expr | None:
    """log(exp(z) / sum(exp(z))) -> z - log(sum(exp(z)))."""
    (ratio,) = node.operands
    if not (isinstance(ratio, Apply) and ratio.op is divide):
        return None
    e, total = ratio.operands
    if not (isinstance(e, Apply) and e.op is exp and isinstance(total, Apply)):
        return None
    if total.op is not sum_ or total.operands[0] is not e:
        return None
    return subtract.build(e.operands[0], log.build(total))


STABLE_STRUCTURE: tuple[Structural, ...] = (
    Structural("log_of_sum", "real", (log,), _log_of_sum, (sum_, mean)),
    Structural("log_softmax", "real", (log,), _log_softmax, (divide,)),
    Structural("shifted_back", "real", (add, subtract), _shifted_back, (log, expand_dims)),
    Structural("softmax", "real", (divide,), _softmax, (exp,)),
    Structural("xlogx", "real", (multiply,), x_log_x, (*LOGARITHMS, log1p, *PRODUCTS)),
)

_TABLE = Table(STABLE, STABLE_STRUCTURE)
