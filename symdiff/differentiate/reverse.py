"""Reverse mode: adjoints are summed once per node, users before operands.

    y = sin(x); z = x * y   ->   d_y = d_z * x;  d_x = d_z * y + d_y * cos(x)

An adjoint that a mask or branch cut off is a *guard*, `w if c else 0`. Products are taken inside
the guard (`w * p if c else 0`), so a branch that is not taken contributes exactly 0, never
0 * inf = nan.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.differentiate.activity import active_nodes, expand_composites
from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Expr, If, Map, if_, map_, var
from symdiff.ir.types import Type
from symdiff.ir.walk import depends_on, topological
from symdiff.primitives.arrays import sum_
from symdiff.primitives.indexing import accumulate as into
from symdiff.primitives.row import fit, is_zero, plus, zero_of


def pullback(
    results: Sequence[Expr], cotangents: Sequence[Expr], wrt: Sequence[Expr]
) -> tuple[list[Expr | None], dict[Expr, Expr]]:
    """The adjoint of each of `wrt` (None: identically zero), and of every node on the way.

    `cotangents` has one value of the same shape for each of `results`. Nodes in `wrt` are inputs:
    the sweep does not go through them.
    """
    results, order = expand_composites(results, wrt)
    active = active_nodes(order, wrt)
    stop = set(wrt)
    branches = any(type(node) is If for node in order)
    always = certain(results) if branches else active
    terms: dict[Expr, list[Expr]] = {}
    for result, ct in zip(results, cotangents, strict=True):
        if result in active:
            terms.setdefault(result, []).append(ct)
    adjoint: dict[Expr, Expr] = {}
    for node in reversed(order):
        contributions = terms.pop(node, None)
        if contributions is None or node not in active:
            continue
        solid = node in always or isinstance(node, Map)
        parts = [accumulate(contributions)] if solid else separate(contributions)
        ct = adjoint[node] = parts[0] if len(parts) == 1 else accumulate(parts)
        if node in stop:
            continue
        for part in parts:
            for operand, term in zip(node.operands, _pull(node, part, active), strict=True):
                if term is not None and operand in active and not is_zero(term):
                    terms.setdefault(operand, []).append(term)
        if isinstance(node, Map):
            for captured, term in _pull_map(node, ct, active):
                terms.setdefault(captured, []).append(term)
    return [adjoint.get(x) for x in wrt], adjoint


def guard(pred: Expr, ct: Expr, side: bool) -> Expr:
    """`ct` where `pred` is `side`, else zero."""
    zero = zero_of(ct.type)
    return if_(pred, ct, zero, ct.type) if side else if_(pred, zero, ct, ct.type)


def guarded(ct: Expr) -> tuple[Expr, bool, Expr] | None:
    """(pred, side, value) when `ct` is a guard of a branch."""
    if isinstance(ct, If):
        if is_zero(ct.orelse):
            return ct.pred, True, ct.then
        if is_zero(ct.then):
            return ct.pred, False, ct.orelse
    return None


def certain(results: Sequence[Expr]) -> set[Expr]:
    """What is computed whichever branches are taken."""
    seen: set[Expr] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend([node.pred] if isinstance(node, If) else node.operands)
    return seen


def accumulate(terms: Sequence[Expr]) -> Expr:
    """The sum of contributions; those behind the same guard are added inside it."""
    if len(terms) == 1 and type(terms[0]) is not If:
        return terms[0]
    total, inside = _sorted(terms)
    for pred in dict.fromkeys(pred for pred, _ in inside):
        sides = [inside.get((pred, side)) for side in (True, False)]
        then, orelse = (None if s is None else accumulate(s) for s in sides)
        if then is not None and orelse is not None and then.type == orelse.type:
            total = _add(total, if_(pred, then, orelse, then.type))
            continue
        for value, side in ((then, True), (orelse, False)):
            if value is not None:
                total = _add(total, guard(pred, value, side))
    assert total is not None
    return total


def separate(terms: Sequence[Expr]) -> list[Expr]:
    """The sum of contributions to a value that exists only in branches, as few guarded parts.

    What multiplies the adjoint may be computed only where the value is, so `a if p else 0` and
    `b if q else 0` stay apart: `(a if p else 0) + (b if q else 0)` is there even if neither holds.
    """
    total, inside = _sorted(terms)
    parts: list[Expr] = []
    for pred in dict.fromkeys(pred for pred, _ in inside):
        then, orelse = (separate(inside.get((pred, side), [])) for side in (True, False))
        if [guarded(x) for x in (*then, *orelse)] == [None, None]:  # both sides lead here
            return [accumulate(terms)]
        parts += [guard(pred, part, True) for part in then]
        parts += [guard(pred, part, False) for part in orelse]
    return parts if total is None else [accumulate(terms)]


def _sorted(terms: Sequence[Expr]) -> tuple[Expr | None, dict[tuple[Expr, bool], list[Expr]]]:
    """The sum of the terms that have no guard, and what the others guard, by their guard."""
    total: Expr | None = None
    inside: dict[tuple[Expr, bool], list[Expr]] = {}
    for term in terms:
        found = guarded(term)
        if found is None:
            total = _add(total, term)
        else:
            pred, side, value = found
            inside.setdefault((pred, side), []).append(value)
    return total, inside


def _add(total: Expr | None, term: Expr) -> Expr:
    """total + term, where writes into a zero array go on from `total` instead of a new array."""
    if total is None:
        return term
    for first, second in ((total, term), (term, total)):
        if type(second) is not Apply or second.op is not into or first.type != second.type:
            continue
        if is_zero(second.operands[0]):
            return into.build(first, *second.operands[1:], attrs=second.attrs)
    result = plus(total, term)
    assert result is not None
    return result


def _pull(node: Expr, ct: Expr, active: set[Expr]) -> list[Expr | None]:
    """The contributions of `node` to its operands, taken inside the guard of `ct` if it has one."""
    found = guarded(ct)
    if found is not None and not isinstance(node, Map):
        pred, side, value = found
        inner = _pull(node, value, active)
        return [None if term is None else guard(pred, term, side) for term in inner]
    match node:
        case Apply():
            wanted = [x in active for x in node.operands]
            return node.op.pullback(node, ct, wanted)
        case If():
            return [
                None,
                guard(node.pred, fit(ct, node.then.type), True),
                guard(node.pred, fit(ct, node.orelse.type), False),
            ]
        case Map():
            return [None] * len(node.operands)  # see `_pull_map`
        case _:
            raise UnsupportedError(f"{type(node).__name__} regions are not differentiated yet")


def _pull_map(node: Map, ct: Expr, active: set[Expr]) -> list[tuple[Expr, Expr]]:
    """Reverse of a `Map`: each row's pullback, summed over rows for what all rows share."""
    inner = depends_on([node.body], node.indices)
    inputs = list(node.indices)
    shared = [
        x for n in topological([node.body]) if n in inner
        for x in n.operands if x not in inner and x in active
    ]  # fmt: skip
    shared = list(dict.fromkeys(shared))
    if node.body not in inner and node.body in active:
        shared = [node.body]
    row = var("d_row", Type(ct.type.dtype, node.body.type.shape), node.indices[0].tag + 10_000)
    adjoints, _ = pullback([node.body], [row], [*inputs, *shared])
    result: list[tuple[Expr, Expr]] = []
    indices, over = (row, *node.indices), (ct, *node.over)
    for x, d in zip([*node.over, *shared], adjoints, strict=True):
        if d is None or x not in active:
            continue
        rows = ct.type.shape[0]
        stacked = map_(indices, over, d, Type(d.type.dtype, (rows, *d.type.shape)))
        if x in shared:
            axis = (-stacked.type.rank,)
            stacked = sum_.build(stacked, attrs=(axis, False))
        result.append((x, fit(stacked, x.type)))
    return result
