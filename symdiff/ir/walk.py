"""Iterative, memoised walks: a chain of 100,000 operations must not hit the recursion limit."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from symdiff.ir.expr import Expr, For, If, Loop, Map, Var, for_, map_, var, while_, with_operands


def topological(roots: Iterable[Expr], ends: Container[Expr] = ()) -> list[Expr]:
    """All nodes that `roots` are made of, each once, operands before their users.

    ends: nodes that are not looked into.
    """
    order: dict[Expr, None] = {}
    for root in roots:
        if root in order:
            continue
        # What is being looked through, and the operands of it that are still to come.
        stack: list[tuple[Expr, Iterator[Expr]]] = []
        node, operands = root, iter(() if root in ends else root.operands)
        while True:
            for x in operands:
                if x not in order:
                    below = x.operands
                    if below and x not in ends:
                        stack.append((node, operands))
                        node, operands = x, iter(below)
                        break
                    order[x] = None
            else:
                order[node] = None
                if not stack:
                    break
                node, operands = stack.pop()
    return list(order)


def transform(
    roots: Iterable[Expr],
    rewrite: Callable[[Expr], Expr],
    replaced: dict[Expr, Expr] | None = None,
) -> dict[Expr, Expr]:
    """Rebuild bottom-up: `rewrite` sees each node once, with its operands rewritten already.

    Returns the map from old node to new. Nodes already in `replaced` are taken from there.
    """
    done = {} if replaced is None else replaced
    roots = list(roots)
    stack = roots[::-1]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        operands = node.operands
        pending = [x for x in operands if x not in done]
        if pending:
            stack.extend(reversed(pending))
            continue
        stack.pop()
        new = with_operands(node, tuple([done[x] for x in operands])) if operands else node
        done[node] = rewrite(new)
    return done


def substitute(roots: Iterable[Expr], mapping: Mapping[Expr, Expr]) -> list[Expr]:
    """`roots` with every node of `mapping` replaced by what it maps to.

    A variable that a region binds is not replaced inside of that region; nor does a region bind
    what it gets from `mapping`: its own variables are renamed then.

        sum of x[j] * i over j, with j for i    ->    sum of x[j'] * j over j'
    """
    roots = list(roots)
    while (clash := _captured(roots, mapping)) is not None:
        region, variables = clash
        moved: dict[Expr, Expr] = {old: old for old in mapping}  # what is below goes with them
        moved[region] = _rebound(region, variables, [*roots, *mapping.values()])
        transform(roots, lambda node: node, moved)
        roots = [moved[root] for root in roots]
    done = dict(mapping)
    order = topological(roots)
    if not bound(order).isdisjoint(mapping):
        hit = depends_on(roots, mapping)
        done.update((node, node) for node in order if node not in hit)
    done = transform(roots, lambda node: node, done)
    return [done[root] for root in roots]


def _captured(
    roots: Sequence[Expr], mapping: Mapping[Expr, Expr]
) -> tuple[Loop | Map, set[Var]] | None:
    """An innermost region that would bind variables of what `mapping` puts into it, and these."""
    order = topological(roots, mapping.keys())
    names = bound(order)
    if not names:
        return None
    values = topological(mapping.values())
    names &= set(values)
    if not names:
        return None
    free = free_variables(values, names)
    brought = {old: free[new] for old, new in mapping.items() if free[new] and old is not new}
    if not brought:
        return None
    held = free_variables(order, mapping.keys())
    for node in order:
        if isinstance(node, (Loop, Map)) and node not in mapping:
            rounds = node.inside if isinstance(node, Loop) else (node.body,)
            own = node.bound if isinstance(node, Loop) else node.indices
            put = {old for x in rounds for old in held[x] if old in brought}
            put = {old for old in put if not brought[old].isdisjoint(own)}
            put = {old for old in put if old not in depends_on([old], own)}
            clash = {v for v in own if any(v in brought[old] for old in put)}
            if clash:
                return node, clash
    return None


def _rebound(region: Loop | Map, variables: AbstractSet[Var], beside: Iterable[Expr]) -> Loop | Map:
    """`region` with variables that are new, also to `beside`, for some of those that it binds."""
    serial = 1 + max(n.tag for n in topological(beside) if isinstance(n, Var))
    fresh: dict[Expr, Var] = {}
    for v in region.bound if isinstance(region, Loop) else region.indices:
        fresh[v] = var(v.name, v.type, serial + len(fresh)) if v in variables else v
    changed = {v: new for v, new in fresh.items() if new is not v}
    if isinstance(region, Map):
        (body,) = substitute([region.body], changed)
        return map_(tuple(fresh[v] for v in region.indices), region.over, body, region.type)
    carried = tuple(fresh[v] for v in region.carried)
    inner = substitute(region.inside, changed)
    if isinstance(region, For):
        operands = (*region.outside, *inner)
        return for_(fresh[region.index], carried, operands, region.type, region.recompute)
    return while_(carried, (inner[0], *region.initial, *inner[1:]), region.type)


def depends_on(roots: Iterable[Expr], sources: Iterable[Expr]) -> set[Expr]:
    """The nodes below `roots` that are, or are computed from, one of `sources`.

    What a region binds is its own: a loop over `i` does not depend on another `i`.
    """
    order = topological(roots)
    hit = set(sources)
    shadowed = not bound(order).isdisjoint(hit)
    for node in order:
        if node in hit:
            continue
        for x in node.operands:
            if x in hit:
                hit.add(node)
                break
    if not shadowed:
        return hit
    free = free_variables(order, set(sources))
    return {node for node in hit if free.get(node, True)}


def free_variables(
    order: Iterable[Expr], variables: AbstractSet[Expr]
) -> dict[Expr, frozenset[Expr]]:
    """Which of `variables` each node depends on, those aside that a region below it binds."""
    free: dict[Expr, frozenset[Expr]] = {}
    none: frozenset[Expr] = frozenset()
    for node in order:
        if node in variables:
            free[node] = frozenset((node,))
            continue
        if isinstance(node, Loop):
            found = none.union(*(free[x] for x in node.inside)).difference(node.bound)
            found |= none.union(*(free[x] for x in node.outside))
        elif isinstance(node, Map):
            found = free[node.body].difference(node.indices)
            found |= none.union(*(free[x] for x in node.over))
        else:
            found = none
            for x in node.operands:
                if free[x]:
                    found = found | free[x] if found else free[x]
        free[node] = found
    return free


def inside(
    roots: Iterable[Expr], variables: Iterable[Expr], level: Iterable[Expr] = ()
) -> set[Expr]:
    """The nodes below `roots` that depend on `variables`, or on what regions on the way bind.

    What is left over has a value outside of the region that binds `variables`. A region around
    that one may bind the same variables as one that is computed before: the way there decides.
    level: what else is computed with `roots`, that is, regions on the way to it count.
    """
    roots = list(roots)
    order = topological(roots)
    start, near = frozenset(variables), frozenset(level)
    free = free_variables(order, {*start, *near, *bound(order)})
    seen = {(root, start & free[root]) for root in roots}
    stack = list(seen)
    while stack:
        node, taken = stack.pop()
        if not taken and near.isdisjoint(free[node]):
            continue  # computed outside, with all that it is made of
        steps = [(x, taken) for x in node.operands]
        if isinstance(node, Loop):
            steps = [(x, taken) for x in node.outside]
            steps += [(x, taken.union(node.bound)) for x in node.inside]
        elif isinstance(node, Map):
            steps = [(x, taken) for x in node.over]
            steps.append((node.body, taken.union(node.indices)))
        for x, reach in steps:
            step = (x, reach & free[x])
            if step not in seen:
                seen.add(step)
                stack.append(step)
    return {node for node, taken in seen if taken}


def users(order: Iterable[Expr]) -> dict[Expr, int]:
    """How often each node of a topological `order` is an operand of another."""
    count: dict[Expr, int] = {}
    for node in order:
        for operand in node.operands:
            count[operand] = count.get(operand, 0) + 1
    return count


def bound(order: Iterable[Expr]) -> set[Var]:
    """The variables that regions among `order` bind."""
    found: set[Var] = set()
    for node in order:
        if isinstance(node, Map):
            found.update(node.indices)
        elif isinstance(node, Loop):
            found.update(node.bound)
    return found


def branchwise(
    term: Expr, leaf: Callable[[Expr], Expr], branch: Callable[[If, Expr, Expr], Expr]
) -> Expr:
    """What becomes of `term` when its branches do; each is looked at once."""
    done: dict[Expr, Expr] = {}
    stack = [term]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
        elif not isinstance(node, If):
            done[stack.pop()] = leaf(node)
        elif pending := [x for x in (node.then, node.orelse) if x not in done]:
            stack += pending
        else:
            done[stack.pop()] = branch(node, done[node.then], done[node.orelse])
    return done[term]
