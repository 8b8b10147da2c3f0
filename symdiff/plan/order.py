"""The order of the statements of a block: each after what it needs, nested blocks and all.

What `storage` would like to come before a write is honoured where that is possible.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Apply, Expr, If, Loop, Map, Project, Var, While
from symdiff.plan.schedule import REGIONS, Block, Group, Schedule, is_free, near, serves
from symdiff.primitives.indexing import update
from symdiff.primitives.lists import append

# What each item of a block needs of the others; False: that should come before, if it can.
Needs = dict[Expr | Group, dict[Expr | Group, bool]]


def emission_order(plan: Schedule, block: Block) -> list[Expr | Group]:
    """The nodes and `if` statements of a block, each after what it needs."""
    if not plan.after and not any(type(node) in REGIONS for node in block.items):
        return list(block.items)  # operands come first already
    items: dict[Expr | Group, None] = {g: None for g in block.groups.values() if not g.members}
    for node in sorted(block.items, key=_rank):
        items.setdefault(plan.groups.get((node, block), node), None)
    needs = {item: _needs(plan, block, item) for item in items}
    result = _sorted(needs)
    if not plan.after or _in_order(needs, result):
        return result
    return _sorted(_without_circles(needs))


def _rank(node: Expr) -> int:
    """What keeps in a list what a round starts from comes first, before that is changed.

    Last comes what keeps what a branch decides: between two branches it would be odd.
    """
    if not isinstance(node, Apply) or node.op not in (append, update) or not node.type.listed:
        return 0
    kept = node.operands[1]
    return -1 if isinstance(kept, Var) else 1 if isinstance(kept, If) else 0


def _sorted(needs: Needs) -> list[Expr | Group]:
    result: list[Expr | Group] = []
    state: dict[Expr | Group, int] = {}
    stack: list[Expr | Group] = list(needs)[::-1]
    while stack:
        item = stack[-1]
        if state.get(item) == 2:
            stack.pop()
            continue
        if state.get(item) == 1:
            state[item] = 2
            result.append(item)
            stack.pop()
            continue
        state[item] = 1
        stack.extend(need for need in reversed(needs[item]) if state.get(need, 0) == 0)
    return result


def _in_order(needs: Needs, result: Sequence[Expr | Group]) -> bool:
    """Whether each item comes after what it cannot do without."""
    position = {item: i for i, item in enumerate(result)}
    return all(
        position[need] < position[item]
        for item in result for need, certain in needs[item].items() if certain
    )  # fmt: skip


def _without_circles(needs: Needs) -> Needs:
    """`needs` without the wishes for an order (see `plan.storage`) that contradict it.

    Two branches may each hold a write that should come after a read in the other; the one that
    comes first then makes a copy.
    """
    kept: Needs = {i: {n: True for n, certain in found.items() if certain}
                   for i, found in needs.items()}  # fmt: skip
    for item, found in needs.items():
        for need in found:
            if need not in kept[item] and not _leads(kept, need, item):
                kept[item][need] = False
    return kept


def _leads(needs: Needs, item: Expr | Group, goal: Expr | Group) -> bool:
    """Whether `item` needs `goal`, perhaps by way of others."""
    seen, stack = {item}, [item]
    while stack:
        for need in needs[stack.pop()]:
            if need is goal:
                return True
            if need not in seen:
                seen.add(need)
                stack.append(need)
    return False


def _needs(plan: Schedule, block: Block, item: Expr | Group) -> dict[Expr | Group, bool]:
    """The items of `block` that `item`, with all that is nested in it, needs."""
    found: dict[Expr | Group, bool] = {}
    for (operand, site), certain in _reads(plan, item, block).items():
        while site is not block and site.parent is not None and site.parent is not block:
            site = site.parent
        need: Expr | Group | None = None
        if site is block:
            need = plan.groups.get((operand, block), operand)
        elif site.parent is block:
            need = site.group or site.region
        if need is not None and need is not item:
            found[need] = certain or found.get(need, False)
    return found


def _reads(plan: Schedule, item: Expr | Group, home: Block) -> dict[tuple[Expr, Block], bool]:
    """(value, where it is computed) of what `item` in `home` reads from outside itself.

    False: it does not read that value, but should come later.
    """
    key = (item, home)
    if key in plan.reads:
        return plan.reads[key]
    found: dict[tuple[Expr, Block], bool] = {}

    def read(operand: Expr, reader: Block) -> None:
        if isinstance(operand, Project):
            operand = operand.operands[0]
        if not is_free(operand):
            for site in plan.sites.get(operand, ()):
                if serves(site, reader):  # else it is computed again here, for another branch
                    found[operand, site] = True

    inner: tuple[Block, ...] = ()
    if isinstance(item, Group):
        inner = (item.then, item.orelse)
        read(item.pred, home)
        for member in item.members:
            read(member.then, item.then)
            read(member.orelse, item.orelse)
    elif (item, home) in plan.decided:
        read(plan.decided[item, home], home)
    else:
        body = plan.loops.get((item, home))
        outside, inside = item.operands, ()
        if isinstance(item, Loop):
            outside, inside = item.outside, item.inside
        elif isinstance(item, Map):
            outside, inside = item.over, (item.body,)
        for operand in outside:
            read(operand, home)
        for earlier in plan.after.get(item, ()):
            for site in near(plan.sites.get(earlier, ()), home):
                found.setdefault((earlier, site), False)
        if body is not None:
            rest = plan.rests.get((item, home))
            inner = (body,) if rest is None else (body, rest)
            for operand in inside:
                if rest is None or (isinstance(item, While) and operand is item.cond):
                    read(operand, body)
                if rest is not None:
                    read(operand, rest)
    for block in inner:
        for below in dict.fromkeys(plan.groups.get((n, block), n) for n in block.items):
            for read_below, certain in _reads(plan, below, block).items():
                found[read_below] = certain or found.get(read_below, False)
    free = {k: certain for k, certain in found.items() if k[1] not in inner}
    if inner:  # what one operand list holds is not worth keeping
        plan.reads[key] = free
    return free
