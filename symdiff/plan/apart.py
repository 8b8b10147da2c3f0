"""Each loop gets variables of its own.

Derivation shares them: the reverse of a loop has its index, a second sweep the variables of the
first. For code each value has one place, so what two loops bind alike is told apart.
"""

from __future__ import annotations

from symdiff.ir.expr import Expr, For, Loop, Var, for_, var, while_
from symdiff.ir.function import Function
from symdiff.ir.walk import substitute, topological, transform


def apart(function: Function) -> Function:
    """`function` where no two loops bind the same variable."""
    names, lines, ahead = dict(function.names), dict(function.lines), dict(function.ahead)
    serial = 0
    while True:
        paths = dict(function.paths)
        roots = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
        order = topological(roots)
        owner: dict[Var, Loop] = {}
        for node in order:
            if not isinstance(node, Loop):
                continue
            clash = [v for v in node.bound if v in owner]
            if clash:  # one at a time: it may be inside of another that has to change too
                serial = serial or 1 + max(n.tag for n in order if isinstance(n, Var))
                fresh: dict[Expr, Expr] = {}
                for v in clash:
                    serial += 1
                    fresh[v] = var(v.name, v.type, serial)
                    if v in lines:
                        lines[fresh[v]] = lines[v]
                    if v in paths:
                        paths[fresh[v]] = paths[v]
                done: dict[Expr, Expr] = {node: _renamed(node, fresh, names, lines, ahead)}
                transform(order, lambda n: n, done)
                moved = {**done}
                names.update((moved[k], n) for k, n in list(names.items()) if k in moved)
                lines.update((moved[k], n) for k, n in list(lines.items()) if k in moved)
                for k in (
                    *names,
                    *lines,
                    *(n for nodes in ahead.values() for n in nodes),
                ):  # what is inside of the changed loop keeps its name
                    done.setdefault(k, k)
                function = function.replace(
                    names=names, lines=lines, ahead=ahead, paths=paths
                ).rewritten(done)
                break
            owner.update((v, node) for v in node.bound)
        else:
            return function


def _renamed(
    loop: Loop,
    fresh: dict[Expr, Expr],
    names: dict[Expr, str],
    lines: dict[Expr, int],
    ahead: dict[Var, frozenset[Expr]],
) -> Loop:
    inside = list(loop.inside)
    order = topological(inside)
    new = substitute([*inside, *order], fresh)
    for old, made in zip(order, new[len(inside) :], strict=True):
        if made is not old:
            if old in names:
                names.setdefault(made, names[old])
            if old in lines:
                lines.setdefault(made, lines[old])
    renamed = dict(zip(order, new[len(inside) :], strict=True))
    for v, nodes in list(ahead.items()):
        ahead[v] = nodes.union(renamed[n] for n in nodes if n in renamed)
    for v, made in fresh.items():
        if isinstance(v, Var) and isinstance(made, Var) and v in ahead:
            ahead[made] = ahead[v]
    carried = tuple(fresh.get(v, v) for v in loop.carried)
    body = new[: len(inside)]
    if isinstance(loop, For):
        index = fresh.get(loop.index, loop.index)
        return for_(index, carried, (*loop.outside, *body), loop.type, loop.recompute)  # type: ignore[arg-type]
    return while_(carried, (body[0], *loop.initial, *body[1:]), loop.type)  # type: ignore[arg-type]
