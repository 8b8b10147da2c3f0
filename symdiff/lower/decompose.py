"""Rows that a compiled target has no loop for, by the rows that they are made of.

x.std()           ->   sqrt(mean((x - mean(x))**2))
np.cross(a, b)    ->   its expansion
logsumexp(x)      ->   m + log(sum(exp(x - m))), m = max(x)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.function import Function
from symdiff.ir.walk import topological, transform
from symdiff.lower.formulas import FORMULAS
from symdiff.primitives import arrays as A
from symdiff.primitives import reductions as R
from symdiff.primitives import special as S
from symdiff.primitives.elementary import abs_, exp, isfinite, log, maximum, sqrt, where
from symdiff.primitives.linalg import cofactors
from symdiff.primitives.reductions import Shortcut
from symdiff.primitives.row import Composite, Primitive, Term, as_expr
from symdiff.primitives.scalars import length

_WHOLE = frozenset((cofactors,))  # composites that a compiled target has itself


def decomposed(function: Function) -> Function:
    """`function` without the rows that are made of others."""
    roots = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
    if not any(type(n) is Apply and _rule(n.op) for n in topological(roots)):
        return function
    done: dict[Expr, Expr] = {}
    transform(roots, _decompose, done)
    return function.rewritten(done)


def _rule(op: Primitive) -> Any:
    if isinstance(op, Shortcut):
        return lambda node: node.operands[0]
    if op in RULES:
        return RULES[op]
    return _expanded if isinstance(op, Composite) and op not in _WHOLE and op.c is None else None


def _expanded(node: Apply) -> Expr:
    return node.op.expand(node)


def _decompose(node: Expr) -> Expr:
    """A node without such a row, nor in what it is replaced by."""
    rule = _rule(node.op) if isinstance(node, Apply) else None
    if rule is None:
        return node
    made: Expr = as_expr(rule(node))
    if made.type.dtype != node.type.dtype or made.type.weak != node.type.weak:
        made = Term.rows["cast"].build(made, attrs=(node.type.dtype, node.type.weak))
    return transform([made], _decompose)[made]


def _kept(node: Apply, rule: Callable[[Term, tuple[int, ...]], Any]) -> Expr:
    """A reduction by a formula that has the reduced axes as ones."""
    (x,) = node.operands
    axes, keepdims = node.attrs[0], node.attrs[1]
    made = as_expr(rule(Term(x), axes))
    return made if keepdims or not axes else A.squeeze.build(made, attrs=(axes,))


def _sum(x: Any, axes: tuple[int, ...]) -> Term:
    return Term(A.sum_.build(x, attrs=(axes, True)))


def _logsumexp(node: Apply) -> Expr:
    def formula(x: Term, axes: tuple[int, ...]) -> Any:
        top = A.max_.build(x, attrs=(axes, True))
        top = where.build(isfinite.build(top), top, 0.0)
        return log(_sum(exp(x - Term(top)), axes)) + Term(top)

    return _kept(node, formula)


def _softmax(node: Apply) -> Expr:
    (x,), (axes,) = node.operands, node.attrs[:1]
    e = exp(Term(x) - Term(A.max_.build(x, attrs=(axes, True))))
    return (e / _sum(e, axes)).expr


def _log_softmax(node: Apply) -> Expr:
    (x,), (axes,) = node.operands, node.attrs[:1]
    moved = Term(x) - Term(A.max_.build(x, attrs=(axes, True)))
    return (moved - log(_sum(exp(moved), axes))).expr


def _var(node: Apply) -> Expr:
    def formula(x: Term, axes: tuple[int, ...]) -> Any:
        d = x - Term(A.mean.build(x, attrs=(axes, True)))
        return _sum(d * d, axes) / Term(as_expr(R.freedom(node)))

    return _kept(node, formula)


def _std(node: Apply) -> Expr:
    return sqrt(Term(R.var.build(node.operands[0], attrs=node.attrs))).expr


def _norm(node: Apply) -> Expr:
    return _kept(node, lambda x, axes: sqrt(_sum(x * x, axes)))


def _power_norm(node: Apply) -> Expr:
    p = node.attrs[2]
    return _kept(node, lambda x, axes: _sum(abs_(x) ** p, axes) ** (1.0 / p))


def _length(node: Apply) -> Expr:
    """The largest is divided out, so that squares neither overflow nor vanish."""
    xs = [abs_(Term(x)) for x in node.operands]
    top: Term = xs[0]
    for x in xs[1:]:
        top = maximum(top, x)
    from symdiff.primitives.row import choose

    scale = choose(top.equals(0.0), 1.0, top)
    total = sum(((x / scale) * (x / scale) for x in xs[1:]), (xs[0] / scale) * (xs[0] / scale))
    return (scale * sqrt(total)).expr


RULES: dict[Primitive, Callable[[Apply], Any]] = {
    R.var: _var, R.std: _std, R.norm: _norm, R.power_norm: _power_norm,
    S.logsumexp: _logsumexp, S.softmax: _softmax, S.log_softmax: _log_softmax, length: _length,
    **FORMULAS,
}  # fmt: skip
