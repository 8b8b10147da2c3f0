"""Reverse mode: adjoints are summed once per node, users before operands.

    y = sin(x); z = x * y   ->   d_y = d_z * x;  d_x = d_z * y + d_y * cos(x)

An adjoint that a mask or branch cut off is a *guard*, `w if c else 0`. Products are taken inside
the guard (`w * p if c else 0`), so a branch that is not taken contributes exactly 0, never
0 * inf = nan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symdiff.differentiate.activity import active_nodes, expand_composites
from symdiff.differentiate.adjoints import (
    Totals,
    accumulate,
    behind,
    certain,
    guard,
    guarded,
    holds,
    reach,
    separate,
    unguarded,
)
from symdiff.differentiate.loops import pull_loop
from symdiff.differentiate.tape import where_computed
from symdiff.errors import UnsupportedError
from symdiff.ir.expr import (
    Apply,
    Call,
    Derived,
    Expr,
    If,
    Loop,
    Map,
    Project,
    call,
    if_,
    map_,
    project,
    var,
)
from symdiff.ir.types import Type
from symdiff.ir.walk import bound, depends_on, topological
from symdiff.primitives.arithmetic import not_equal
from symdiff.primitives.arrays import sum_
from symdiff.primitives.conditions import either
from symdiff.primitives.elementary import aborts
from symdiff.primitives.row import conform, fit, is_zero, scaled


def pullback(
    results: Sequence[Expr],
    cotangents: Sequence[Expr],
    wrt: Sequence[Expr],
    running: Totals | None = None,
) -> tuple[list[Expr | None], dict[Expr, Expr]]:
    """The adjoint of each of `wrt` (None: identically zero), and of every node on the way.

    `cotangents` has one value of the same shape for each of `results`. Nodes in `wrt` are inputs:
    the sweep does not go through them. running: totals that contributions are added to as they
    come; it holds the new totals afterwards.
    """
    running = Totals() if running is None else running
    results, order = expand_composites(results, wrt)
    active = active_nodes(order, wrt)
    stop = set(wrt)
    branches = any(type(node) is If for node in order)
    always = certain(results) if branches else active
    terms: dict[Expr, list[Expr]] = {}
    adjoint: dict[Expr, Expr] = {}
    results_of: dict[Expr, dict[int, Expr]] = {}  # the adjoints of what loops and calls result in
    where: dict[Expr, Expr | bool] = {}  # the condition under which a call is made, if any
    outside: set[Expr] = set()  # what is computed outside of rounds
    calls = [node for node in order if type(node) is Call]
    if calls:
        outside = _outside(results)
        where = where_computed(results, calls, (), [*bound(order)]) if branches else {}

    def contribute(pairs: Iterable[tuple[Expr, Expr | None]]) -> None:
        for operand, term in pairs:
            if term is None or operand not in active or is_zero(term):
                continue
            if operand in running.sums:
                running.add(operand, term)
            else:
                terms.setdefault(operand, []).append(term)

    contribute(zip(results, cotangents, strict=True))
    for node in reversed(order):
        if node in results_of:
            if isinstance(node, Loop):
                contribute(_pull_loop(node, results_of[node], active, terms, running))
            elif isinstance(node, Call):
                made = where.get(node, True) if node in outside else None
                contribute(_pull_call(node, results_of[node], active, made))
            continue
        contributions = terms.pop(node, None)
        if contributions is None or node not in active:
            continue
        solid = node in always or isinstance(node, Map)
        parts = [accumulate(contributions)] if solid else separate(contributions)
        ct = adjoint[node] = parts[0] if len(parts) == 1 else accumulate(parts)
        if node in stop:
            continue
        if isinstance(node, Project):
            results_of.setdefault(node.operands[0], {})[node.index] = ct
            continue
        for part in parts:
            contribute(zip(node.operands, _pull(node, part, active), strict=True))
        if isinstance(node, Map):
            contribute(_pull_map(node, ct, active))
    adjoint.update(running.sums)
    return [adjoint.get(x) for x in wrt], adjoint


def _pull_loop(
    loop: Loop,
    cts: dict[int, Expr],
    active: set[Expr],
    terms: dict[Expr, list[Expr]],
    running: Totals,
) -> list[tuple[Expr, Expr]]:
    """The contributions of a loop; where a branch leads to it, the branch leads to its reverse."""
    guards, cts = unguarded(cts)
    where: Expr | bool = False
    for ct in cts.values():
        where = either(where, True, reach(ct))
    if isinstance(where, Expr):
        guards.append((where, True))
    totals = dict(running.sums)
    for x, parts in terms.items():  # the loop goes on from what there is already
        whole = separate(parts) if x.type.rank else []
        if len(whole) == 1 and guarded(whole[0]) is None:
            totals.setdefault(x, whole[0])
    before = Totals(totals, running.read)
    first_terms, moved, read = pull_loop(loop, cts, active, before, pullback)
    for x, flag in read:
        for pred, side in reversed(guards):
            a, b = (flag, running.read[x]) if side else (running.read[x], flag)
            flag = if_(pred, a, b, flag.type)
        running.read[x] = flag
    pairs: list[tuple[Expr, Expr]] = []
    for x, term in (*first_terms, *moved):
        new = term
        going_on = x in totals and (x, term) in moved
        for pred, side in reversed(guards):
            if going_on:
                a, b = (new, totals[x]) if side else (totals[x], new)
                new = if_(pred, conform(a, new.type), conform(b, new.type), new.type)
            else:
                new = guard(pred, new, side)
        if not going_on:
            pairs.append((x, new))
        elif x in running.sums:
            running.sums[x] = new
        else:
            terms[x] = [new]
    return pairs


def _pull_call(
    called: Call, cts: dict[int, Expr], active: set[Expr], where: Expr | bool | None
) -> list[tuple[Expr, Expr]]:
    """The contributions of a call: the results of a call of its derivative.

    where: the condition under which the call is made. Its derivative is called nowhere else: it is
    the branches that end a recursion. None: only rounds make it, of which there may be none; then
    there is no cotangent.
    """
    guards, cts = unguarded(cts)
    if where is None:
        where = False
        for ct in cts.values():
            where = True if ct.type.rank else either(where, True, not_equal.build(ct, 0.0))
    if not holds(where, guards):
        assert isinstance(where, Expr)
        guards.append((where, True))
    moving = [x in active for x in called.operands]
    inputs = [x for x, moves in zip(called.operands, moving, strict=True) if moves]
    seeds = [conform(cts[k], type_) for k, type_ in enumerate(called.types) if k in cts]
    slopes = _few_numbers(inputs, seeds)
    rows = len(seeds) if slopes else 1
    made = call(
        Derived(
            called.callee,
            "jac" if slopes else "vjp",
            tuple(moving),
            tuple(k in cts for k in range(len(called.types))),
        ),
        called.operands if slopes else (*called.operands, *seeds),
        (*called.types, *(x.type for x in inputs * rows)),
    )
    pairs: list[tuple[Expr, Expr]] = []
    for at, x in enumerate(inputs * rows, start=len(called.types)):
        term: Expr = project(made, at, x.type)
        if slopes:
            ct = seeds[(at - len(called.types)) // len(inputs)]
            term = conform(fit(scaled(ct, term), x.type), x.type)
        pairs.append((x, behind(term, guards)))
    return pairs


def _outside(results: Sequence[Expr]) -> set[Expr]:
    """What is computed for `results` outside of the rounds of loops."""
    seen: set[Expr] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(node.outside if isinstance(node, Loop) else node.operands)
    return seen


def _few_numbers(inputs: Sequence[Expr], seeds: Sequence[Expr]) -> bool:
    """Whether a call returns its derivatives, for the cotangents to be multiplied by.

    These often depend on what calls result in, so they are known too late to be passed on, unless
    that is computed twice: once for the derivative, in each call of a chain.
    """
    few = len(seeds) == 1 or len(seeds) * len(inputs) <= _FEW
    return few and not any(x.type.rank for x in (*inputs, *seeds))


_FEW = 8


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
        case If(pred=Apply(op=op)) if op is aborts:
            return [None, None, fit(ct, node.orelse.type)]
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
