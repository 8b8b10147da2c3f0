"""What a loop records: the values that its reverse sweep needs and cannot work out again.

    for i in range(n): x = r * x * (1 - x)       needs x:             record x
    for i in range(n): x = math.sin(x) * a[i]    needs x, a[i]:       record x; a[i] is there anyway
    for i in range(n): s += a[i] * a[i]          needs a[i]:          record nothing

Needed values are computed again from recorded ones where that takes no inner loop. Which to record
is a minimum cut between what a round starts from and what its reverse needs (Griewank & Walther,
"Evaluating Derivatives", section 4; the weights: a number counts as one, an array as a hundred).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise

from symdiff.ir.expr import Const, Expr, For, If, Loop, Project, Var, if_
from symdiff.ir.walk import bound, depends_on, free_variables, inside, topological
from symdiff.primitives.conditions import implied, value_of
from symdiff.primitives.lists import new_list
from symdiff.primitives.row import as_expr, choose, conform, zeros_like

_ARRAY = 100  # how many numbers an array counts as


def needed(adjoints: Sequence[Expr], seeds: Iterable[Expr], carried: Iterable[Var]) -> list[Expr]:
    """The values of the round that `adjoints` read and that depend on what it carries.

    seeds: the variables of the reverse sweep. What an inner loop binds cannot be recorded out
    here: there the values that it is computed from count instead.
    """
    order = topological(adjoints)
    sweep = depends_on(adjoints, seeds)
    varying = depends_on(adjoints, carried)
    bound = inside(adjoints, (), [*seeds, *carried])
    found: dict[Expr, None] = {}
    stack = [x for x in adjoints if x not in sweep]
    stack += [x for n in order if n in sweep for x in n.operands if x not in sweep]
    seen: set[Expr] = set()
    while stack:
        node = stack.pop()
        if node in seen or node not in varying:
            continue
        seen.add(node)
        if node in bound:
            stack.extend(node.operands)
        else:
            found[node] = None
    return [n for n in order if n in found]


def sums_of_rounds(adjoints: Sequence[Expr], loop: Loop, recorded: Container[Expr]) -> list[Expr]:
    """Numbers that inner loops find, which the sweep reads though no round changes what they need.

    To find them again would take these loops again; to record one takes one number for each round.
    Worth it where the loop records anyway: else the way forwards may not be gone at all.
    """
    if not isinstance(loop, For):
        return []
    below = topological([loop, *loop.inside])
    found = [
        n for n in topological(adjoints)
        if isinstance(n, Project) and isinstance(n.operands[0], Loop) and not n.type.rank
    ]  # fmt: skip
    if not found:
        return []
    free = free_variables(below, bound(below))
    own, none = free[loop] | {loop.index}, frozenset[Expr]()
    return [n for n in found if n not in recorded and loop.index in free.get(n, none) <= own]


def to_record(
    need: Sequence[Expr], carried: Iterable[Var], given: Container[Expr] = ()
) -> list[Expr]:
    """The cheapest values from which all of `need` can be computed. given: those that are there."""
    varying = depends_on(need, carried)
    origins = set(carried)
    below: dict[Expr, list[Expr]] = {}
    starts: list[Expr] = []
    sinks = [n for n in need if n not in given]
    stack = list(sinks)
    while stack:
        node = stack.pop()
        if node in below:
            continue
        below[node] = []
        if node in origins or isinstance(node, (Project, Loop)):
            starts.append(node)
        else:
            below[node] = [x for x in node.operands if x in varying and x not in given]
            stack.extend(below[node])
    cut = _minimum_cut(below, starts, sinks, {n: weight(n) for n in below})
    return [n for n in topological(need) if n in cut]


def weight(node: Expr) -> int:
    """What recording a value costs."""
    return _ARRAY ** min(node.type.rank, 3)


def _minimum_cut(
    below: Mapping[Expr, Sequence[Expr]],
    starts: Sequence[Expr],
    sinks: Sequence[Expr],
    costs: Mapping[Expr, int],
) -> set[Expr]:
    """The nodes of least total cost, nearest to `sinks`, on every path to them from `starts`.

    Each node is an edge from its entry to its exit (Ford & Fulkerson 1956; shortest augmenting
    paths, Edmonds & Karp 1972).
    """
    # A place is (node, is it the exit). Flow goes from starts up to the sinks.
    above: dict[Expr, list[Expr]] = {n: [] for n in below}
    for node, operands in below.items():
        for x in operands:
            above[x].append(node)
    flow: dict[tuple[Expr, Expr | None], int] = {}  # (node, None): through it; (a, b): a to b
    goal = set(sinks)

    def steps(place: tuple[Expr, bool]) -> Iterable[tuple[tuple[Expr, bool], int | None]]:
        """(place, what more can flow there; None: without limit)."""
        node, out = place
        if out:
            for user in above[node]:
                yield (user, False), None
            if flow.get((node, None), 0):
                yield (node, False), flow[node, None]
        else:
            room = costs[node] - flow.get((node, None), 0)
            if room:
                yield (node, True), room
            for x in below[node]:
                if flow.get((x, node), 0):
                    yield (x, True), flow[x, node]

    def reach() -> tuple[dict[tuple[Expr, bool], tuple[Expr, bool] | None], Expr | None]:
        came: dict[tuple[Expr, bool], tuple[Expr, bool] | None] = {(n, False): None for n in starts}
        queue = deque(came)
        while queue:
            place = queue.popleft()
            if place[1] and place[0] in goal:
                return came, place[0]
            for step, _ in steps(place):
                if step not in came:
                    came[step] = place
                    queue.append(step)
        return came, None

    while True:
        came, end = reach()
        if end is None:
            break
        path: list[tuple[Expr, bool]] = [(end, True)]
        while (before := came[path[-1]]) is not None:
            path.append(before)
        path.reverse()
        room = min(
            (r for a, b in pairwise(path)
             for s, r in steps(a) if s == b and r is not None), default=0,
        )  # fmt: skip
        for (a, a_out), (b, b_out) in pairwise(path):
            if a is b:
                flow[a, None] = flow.get((a, None), 0) + (room if b_out else -room)
            elif a_out and not b_out:
                flow[a, b] = flow.get((a, b), 0) + room
            else:
                flow[b, a] = flow.get((b, a), 0) - room
    # Nearest to the sinks: what can still reach one, seen backwards.
    reaches: set[tuple[Expr, bool]] = {(n, True) for n in goal}
    queue = deque(reaches)
    while queue:
        node, out = queue.popleft()
        sources: list[tuple[Expr, bool]] = []
        if out:
            if costs[node] - flow.get((node, None), 0):
                sources.append((node, False))
            sources += [(u, False) for u in above[node] if flow.get((node, u), 0)]
        else:
            sources += [(x, True) for x in below[node]]
            if flow.get((node, None), 0):
                sources.append((node, True))
        for place in sources:
            if place not in reaches:
                reaches.add(place)
                queue.append(place)
    return {n for n in below if (n, True) in reaches and (n, False) not in reaches}


def where_computed(
    roots: Sequence[Expr], values: Iterable[Expr], bound: Iterable[Var], seeds: Sequence[Var] = ()
) -> dict[Expr, Expr | bool]:
    """Where a round, which has `bound`, computes each of `values` on its way to `roots`.

    Conditions that depend on `seeds`, or on what inner loops bind, count as not known: what only
    they decide on may be computed.
    """
    above = set(values)  # they, and all on the way to them
    if not above:
        return {}
    order = topological(roots)
    unknown = inside(roots, (), [*bound, *seeds]) | depends_on(roots, seeds)
    for node in order:
        if not above.isdisjoint(node.operands):
            above.add(node)
    reach: dict[Expr, Expr | bool] = {x: True for x in roots if x in above}
    for node in reversed(order):
        here = reach.get(node, False)
        if here is False:
            continue
        for i, x in enumerate(node.operands):
            if x not in above:
                continue
            there = here
            if isinstance(node, If) and i and node.pred not in unknown:
                there = _both(here, node.pred, i == 1)
            reach[x] = _or(reach.get(x, False), there)
    return reach


def _both(a: Expr | bool, pred: Expr, side: bool) -> Expr | bool:
    inner = choose(pred, side, not side).expr if not side else pred
    return inner if a is True else choose(a, inner, False).expr


def _or(a: Expr | bool, b: Expr | bool) -> Expr | bool:
    if a is True or b is True:
        return True
    if a is False or a is b:
        return b
    if b is False:
        return a

    for one, other in ((a, b), (b, a)):  # decisions on the same condition are one decision
        if isinstance(one, If):
            on = [_side(other, one.pred, side) for side in (True, False)]
            if on[0] is not None and on[1] is not None:
                then = _or(_known(one.then), on[0])
                orelse = _or(_known(one.orelse), on[1])
                return then if then is orelse else choose(one.pred, then, orelse).expr
    if _told(b, True, a):  # b implies a
        return a
    if _told(a, True, b):
        return b
    if _told(a, False, b) or _told(b, False, a):  # one of them always holds
        return True
    return choose(a, True, b).expr


def _told(test: Expr, side: bool, of: Expr) -> bool | None:
    return value_of(of, implied(test, side))


def _side(x: Expr, pred: Expr, side: bool) -> Expr | bool | None:
    """What condition `x` comes to on one side of `pred`; None: it has nothing to do with it."""
    if isinstance(x, If) and x.pred is pred:
        return _known(x.then if side else x.orelse)
    return _told(pred, side, x)


def _known(x: Expr) -> Expr | bool:
    return bool(x.value) if isinstance(x, Const) else x


def only_where(value: Expr, where: Expr | bool, tests: Container[Expr] = ()) -> Expr:
    """`value`, or zeros where it is not computed.

    In the very branches that compute it: a branch of its own would come later, and keep alive what
    they may already write over. tests: the conditions that they decide on.
    """
    if isinstance(where, Const):
        where = bool(where.value)
    if not isinstance(where, Expr):
        return value if where else _nothing(value)
    if isinstance(where, If) and where not in tests:
        then, orelse = (only_where(value, side, tests) for side in (where.then, where.orelse))
        return if_(where.pred, then, orelse, value.type)
    return if_(where, value, _nothing(value), value.type)


def _nothing(value: Expr) -> Expr:
    """What stands for a value that is not there, and is not read."""
    type_ = value.type
    if type_.dtype == "bool" and not type_.rank:
        return conform(as_expr(False), type_)
    if not type_.listed:
        return zeros_like(value)
    return new_list.build(0, attrs=(type_.dtype, type_.shape, type_.weak, type_.listed))
