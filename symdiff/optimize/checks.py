"""What rounds demand is checked in a loop that runs anyway, where there is one.

    for x in v: s = s * f(x)                          for x in v:
    for x in v: failed = x <= 0.0; if failed: break   ->    failed = x <= 0.0; s = s * f(x)
    if failed: raise ValueError(...)                        if failed: break
                                                      if failed: raise ValueError(...)

That this loop ends early then does not matter: the exception is raised before its results are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Const, Expr, For, If, Loop, Project, Var, for_, project, while_
from symdiff.ir.function import Function
from symdiff.ir.walk import bound, free_variables, topological, transform
from symdiff.optimize.loops import absorbed, carry_less
from symdiff.options import Options
from symdiff.plan.demands import pending


def join_checks(function: Function, options: Options) -> Function:
    """`function` without the demands that its loops enforce, the others in its loops if possible.

    It is found out as long as the loops that look for them have the variables of the others. What
    the rounds of a demand compute is first made the same as in the loops that record it, too:
    then it is seen that these enforce the demand, or can look for it.
    """
    if not any(_loop(r.fails) for r in function.requires):
        return function
    return carry_less(_with_joined_checks(absorbed(function)), options)


def _with_joined_checks(function: Function) -> Function:
    of_rounds = {r: _loop(r.fails) for r in function.requires}
    if not any(of_rounds.values()):
        return function
    needed = pending(function)
    kept = [r for r in function.requires if of_rounds[r] is None or r in needed]
    function = function.replace(requires=tuple(kept))
    for number in range(len(kept)):
        flag = _loop(function.requires[number].fails)
        if flag is not None:
            function = _joined(function, flag)
    return function


def _loop(fails: Expr) -> Project | None:
    """The flag that a loop sets, on which a requirement depends."""
    while isinstance(fails, If):  # the path that leads to it
        fails = fails.then if isinstance(fails.orelse, Const) else fails.orelse
    return fails if isinstance(fails, Project) and isinstance(fails.operands[0], Loop) else None


def _joined(function: Function, flag: Project) -> Function:
    looks = flag.operands[0]
    assert isinstance(looks, Loop)
    fails = looks.body[flag.index]
    wanted = _slots_of(looks, [fails])
    nodes = function.nodes()
    free = free_variables(nodes, bound(nodes))
    for loop in nodes:
        if not isinstance(loop, Loop) or loop is looks or not _same_rounds(loop, looks, fails):
            continue
        if free[loop]:
            continue  # it runs in another, where the demand is not
        slots = dict(zip(loop.carried, zip(loop.initial, loop.body, strict=True), strict=True))
        if all(slots.get(v) == pair for v, pair in wanted.items()):
            return _moved(function, loop, flag)
    return function


def _slots_of(loop: Loop, needed: Sequence[Expr]) -> dict[Var, tuple[Expr, Expr]]:
    """What a loop must carry to compute `needed` in each round: first and next values."""
    slots = dict(zip(loop.carried, zip(loop.initial, loop.body, strict=True), strict=True))
    found: dict[Var, tuple[Expr, Expr]] = {}
    stack = list(needed)
    while stack:
        for node in topological([stack.pop()]):
            if isinstance(node, Var) and node in slots and node not in found:
                found[node] = slots[node]
                stack.append(slots[node][1])
    return found


def _same_rounds(loop: Loop, looks: Loop, fails: Expr) -> bool:
    """Whether `looks` makes the rounds of `loop`, up to the one that fails."""
    if type(loop) is not type(looks) or loop.operands[: loop.head] != looks.operands[: looks.head]:
        return False
    if isinstance(loop, For) and isinstance(looks, For) and loop.index is not looks.index:
        return False
    if isinstance(loop.until, Const) and not loop.until.value:
        return looks.until is fails
    end = looks.until
    return isinstance(end, If) and end.pred is loop.until and end.orelse is fails


def _moved(function: Function, loop: Loop, flag: Project) -> Function:
    """`flag` as a result of `loop`."""
    looks = flag.operands[0]
    assert isinstance(looks, Loop)
    k = flag.index
    carried = (*loop.carried, looks.carried[k])
    head = loop.operands[: loop.head]
    operands = (*head, *loop.initial, looks.initial[k], *loop.body, looks.body[k], looks.until)
    made: Loop
    if isinstance(loop, For):
        made = for_(loop.index, carried, operands, loop.type)
    else:
        made = while_(carried, operands, loop.type)
    new: dict[Expr, Expr] = {flag: project(made, len(loop.carried), flag.type)}
    roots = [*function.results, *(r.fails for r in function.requires)]
    order = topological(roots)
    for node in order:
        if isinstance(node, Project) and node.operands[0] is loop:
            new[node] = project(made, node.index, node.type)
    if loop in function.lines:
        function = function.replace(lines={**function.lines, made: function.lines[loop]})
    transform(roots, lambda n: n, new)
    return function.rewritten({**dict(zip(order, order, strict=True)), made: made, **new})
