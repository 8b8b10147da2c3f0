"""Forward mode: tangents follow the program's order.

y = sin(x)  ->  y = sin(x);  d_y = cos(x) * d_x
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.differentiate.activity import active_nodes, expand_composites
from symdiff.differentiate.loops import tangent_loop, tangent_variables
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
    Var,
    call,
    if_,
    map_,
    project,
    var,
)
from symdiff.primitives.row import conform_sized, zeros_like


def pushforward(
    results: Sequence[Expr], tangents: Mapping[Expr, Expr]
) -> tuple[list[Expr | None], dict[Expr, Expr]]:
    """The tangent of each result (None: identically zero), and of every active node.

    `tangents` maps the inputs that vary to their tangents, of the same types.
    """
    results, order = expand_composites(results, tangents)
    active = active_nodes(order, tangents)
    tangent_of: dict[Expr, Expr] = dict(tangents)
    bound: dict[Var, Var] = {}
    for node in order:  # what regions bind gets a tangent variable of its own
        if isinstance(node, Map):
            for v, x in zip(node.indices, node.over, strict=True):
                if x in active:
                    bound[v] = var(f"d_{v.name}", v.type, v.tag)
                    tangent_of[v] = bound[v]
        elif isinstance(node, Loop):
            tangent_of.update(tangent_variables(node, active))
    loops: dict[Expr, tuple[Loop, dict[int, int]]] = {}
    for node in order:
        if node not in active or node in tangent_of:
            continue
        match node:
            case Apply():
                tangent = node.op.pushforward(node, [tangent_of.get(x) for x in node.operands])
            case If():
                sides = [tangent_of.get(x) for x in (node.then, node.orelse)]
                if all(side is None for side in sides):
                    continue
                zero = zeros_like(node)
                then, orelse = (zero if s is None else conform_sized(s, node.type) for s in sides)
                tangent = if_(node.pred, then, orelse, node.type)
            case Map():
                body = tangent_of.get(node.body)
                if body is None:
                    continue
                pairs = [(v, x) for v, x in zip(node.indices, node.over, strict=True)]
                pairs += [(bound[v], tangent_of[x]) for v, x in pairs if x in tangent_of]
                indices, over = zip(*pairs, strict=True)
                tangent = map_(indices, over, body, node.type)
            case Project() if isinstance(node.operands[0], Loop):
                loop = node.operands[0]
                if loop not in loops:
                    loops[loop] = tangent_loop(loop, tangent_of)
                made, numbers = loops[loop]
                tangent = project(made, numbers[node.index], node.type)
            case Project() if isinstance(node.operands[0], Call):
                tangent = _call_tangent(node, node.operands[0], tangent_of)
            case _:
                raise UnsupportedError(f"{type(node).__name__} regions are not differentiated yet")
        if tangent is not None:
            tangent_of[node] = tangent
    return [tangent_of.get(r) for r in results], tangent_of


def _call_tangent(node: Project, called: Call, tangent_of: Mapping[Expr, Expr]) -> Expr | None:
    """The tangent of a result of a call: a result of the call of its derivative."""
    tangents = [tangent_of.get(x) for x in called.operands]
    given = [
        conform_sized(d, x.type)
        for d, x in zip(tangents, called.operands, strict=True)
        if d is not None
    ]
    if not given:
        return None
    moving = [k for k, type_ in enumerate(called.types) if type_.differentiable]
    made = call(
        Derived(called.callee, "jvp", tuple(d is not None for d in tangents)),
        (*called.operands, *given),
        (*called.types, *(called.types[k] for k in moving)),
    )
    return project(made, len(called.types) + moving.index(node.index), node.type)
