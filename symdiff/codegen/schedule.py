"""Where each value is computed: in which branch or loop, and in which order.

    y = If(c, f(x), g(x));  z = If(c, h(x), 0)   ->   if c:  y = f(x); z = h(x)
                                                       else:  y = g(x); z = 0

A value goes into the outermost block where it is *certain* to be needed. One that is needed in one
branch stays there; one that both branches of an `if` need goes before it; one that two unrelated
branches need is computed in each, since neither may be taken and computing it could raise. But of
two branches that ask the same, or where the later one asks for more, only the earlier computes it,
and what a branch around it has decided is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from symdiff.ir.expr import Apply, Const, Expr, For, If, Loop, Map, Project, Var, While
from symdiff.ir.walk import bound as variables_bound
from symdiff.ir.walk import topological, users

Path = tuple[tuple[Expr, bool], ...]  # predicates and sides; a loop over rows has but one side


@dataclass(eq=False, slots=True)
class Block:
    """A sequence of statements: the function's body, one side of an `if`, the body of a loop."""

    parent: Block | None = None
    group: Group | None = None
    side: bool = True
    region: Map | Loop | None = None
    items: list[Expr] = field(default_factory=list)  # what is computed here, in order
    # Which branches lead here, and the depths of their `if`s: lower ones come first. What an
    # earlier block computes is there in a later one that the same branches, or more, lead to.
    path: Path = ()
    when: tuple[int, ...] = ()
    known: frozenset[tuple[Expr, bool]] = field(init=False)

    def __post_init__(self) -> None:
        self.known = frozenset(self.path)


@dataclass(eq=False, slots=True)
class Group:
    """One `if` statement: all `If` nodes at a place that share a predicate and a nesting depth."""

    pred: Expr
    home: Block
    depth: int
    members: list[If] = field(default_factory=list)
    then: Block = field(init=False)
    orelse: Block = field(init=False)

    def __post_init__(self) -> None:
        self.then, self.orelse = (
            Block(
                self.home, self, side,
                path=(*self.home.path, (self.pred, side)), when=(*self.home.when, self.depth),
            )
            for side in (True, False)
        )  # fmt: skip


@dataclass(slots=True)
class Schedule:
    """root: the function's body. sites: the blocks that compute a node. uses: operand counts."""

    root: Block
    sites: dict[Expr, list[Block]]
    groups: dict[tuple[Expr, Block], Group]  # the `if` that an If node belongs to, by its site
    loops: dict[tuple[Expr, Block], Block]  # the body of a Map or loop, by its site
    uses: dict[Expr, int]
    after: dict[Expr, tuple[Expr, ...]] = field(default_factory=dict)  # see `codegen.storage`
    # What an If node is where a branch around its site has the same predicate: one of its sides.
    decided: dict[tuple[Expr, Block], Expr] = field(default_factory=dict)
    # What the rounds of a `while` compute after its test; its body is what the test needs.
    rests: dict[tuple[Expr, Block], Block] = field(default_factory=dict)
    reads: dict[tuple[Expr | Group, Block], dict[tuple[Expr, Block], bool]] = field(
        default_factory=dict
    )


def is_free(node: Expr) -> bool:
    """Whether a node needs no statement: constants, variables, sizes."""
    return isinstance(node, (Const, Var, Project)) or (
        isinstance(node, Apply) and not node.operands and node.op.name == "size"
    )


REGIONS = (If, Map, For, While)


def schedule(
    results: Sequence[Expr], first: Sequence[Expr] = (), live: Sequence[Expr] | None = None
) -> Schedule:
    """Place everything that `results` need. `first` are nodes to compute early, in their order.

    live: what `results` need, operands first, where the caller knows.
    """
    order = live = topological(results) if live is None else live
    if first:
        alive = set(live)
        order = topological([*(x for x in first if x in alive), *results])
    count = users(order)
    for result in results:
        count[result] = count.get(result, 0) + 1
    if not any(type(node) in REGIONS for node in order):  # one block, in order
        root = Block(items=list(order))
        return Schedule(root, {node: [root] for node in reversed(order)}, {}, {}, count)
    depth = _if_depths(order)
    bound = _bound_variables(order)
    stuck = _stuck(order) if bound else frozenset[Expr]()
    root = Block()
    sites: dict[Expr, list[Block]] = {}
    groups: dict[tuple[Expr, Block], Group] = {}
    loops: dict[tuple[Expr, Block], Block] = {}
    rests: dict[tuple[Expr, Block], Block] = {}
    decided: dict[tuple[Expr, Block], Expr] = {}
    shared: dict[tuple[Block, Expr, int], Group] = {}
    needed: dict[Expr, dict[Block, None]] = {}  # dicts for sets: their order is the same each time
    for result in results:
        needed.setdefault(result, {})[root] = None
    for node in reversed(order):
        if node not in needed:
            continue
        depends = bound.get(node, frozenset[Expr]())
        wanted = dict.fromkeys(_lift(node, b, depends, node in stuck) for b in needed[node])
        places = _cover(wanted) if len(wanted) > 1 else list(wanted)
        sites[node] = places
        for block in places:
            known = _known(node.pred, block) if isinstance(node, If) else None
            if isinstance(node, If) and known is not None:
                side = decided[node, block] = node.then if known else node.orelse
                needed.setdefault(side, {})[block] = None
            elif isinstance(node, If):
                key = (block, node.pred, depth[node])
                group = shared.get(key)
                if group is None:
                    group = shared[key] = Group(node.pred, block, depth[node])
                group.members.append(node)
                groups[node, block] = group
                needed.setdefault(node.pred, {})[block] = None
                needed.setdefault(node.then, {})[group.then] = None
                needed.setdefault(node.orelse, {})[group.orelse] = None
            elif isinstance(node, Loop):
                body = _body(node, block)
                loops[node, block] = body
                for operand in node.outside:
                    needed.setdefault(operand, {})[block] = None
                inside = body
                if isinstance(node, While):
                    needed.setdefault(node.cond, {})[body] = None
                    inside = rests[node, block] = _rest(node, body)
                for operand in node.inside[isinstance(node, While) :]:
                    needed.setdefault(operand, {})[inside] = None
            elif isinstance(node, Map):
                body = _body(node, block)
                loops[node, block] = body
                for over in node.over:
                    needed.setdefault(over, {})[block] = None
                needed.setdefault(node.body, {})[body] = None
            else:
                for operand in node.operands:
                    needed.setdefault(operand, {})[block] = None
    for node in order:
        for block in sites.get(node, ()):
            block.items.append(node)
    for group in shared.values():
        group.members.reverse()
    return Schedule(root, sites, groups, loops, count, decided=decided, rests=rests)


def _body(node: Map | Loop, block: Block) -> Block:
    return Block(block, region=node, path=(*block.path, (node, True)), when=(*block.when, 0))


def _rest(node: While, body: Block) -> Block:
    """What a round does after its test: that of `while i < n and x[i] > 0` guards it."""
    return Block(
        body, region=node, path=(*body.path, (node.cond, True)), when=(*body.when, _LAST)
    )  # fmt: skip


_LAST = 1 << 40  # behind every `if` of the test


def _if_depths(order: Iterable[Expr]) -> dict[Expr, int]:
    """The longest chain of `If`s below each node: equal depths cannot depend on each other."""
    depth: dict[Expr, int] = {}
    for node in order:
        below = max((depth[x] for x in node.operands), default=0)
        depth[node] = below + 1 if isinstance(node, If) else below
    return depth


def _bound_variables(order: Sequence[Expr]) -> dict[Expr, frozenset[Expr]]:
    """The loop variables that each node depends on."""
    inner = variables_bound(order)
    if not inner:
        return {}
    found: dict[Expr, frozenset[Expr]] = {}
    for node in order:
        if node in inner:
            found[node] = frozenset((node,))
        elif node.operands:
            found[node] = frozenset().union(*(found[x] for x in node.operands))
            if isinstance(node, Map):
                found[node] -= frozenset(node.indices)
            elif isinstance(node, Loop):
                outside = frozenset().union(*(found[x] for x in node.outside))
                found[node] = outside | (found[node] - frozenset(node.bound))
        else:
            found[node] = frozenset()
    return found


def _stuck(order: Iterable[Expr]) -> set[Expr]:
    """What may raise, and so stays in a loop that may have no round, with what is made of it.

    But not loops: what the reverse sweep of a loop reads would be recorded in each of its rounds.
    """
    found: set[Expr] = set()
    for node in order:
        if isinstance(node, Apply):
            raises = node.op.raises and node.type.weak and not _harmless(node)
            if raises or any(x in found for x in node.operands):
                found.add(node)
        elif not isinstance(node, Loop) and any(x in found for x in node.operands):
            found.add(node)
    return found


def _harmless(node: Apply) -> bool:
    """Division by a constant, a constant power: they cannot raise for want of a loop's test."""
    last = node.operands[-1]
    return len(node.operands) == 2 and isinstance(last, Const) and not last.type.rank and bool(
        last.value
    )  # fmt: skip


def _lift(node: Expr, block: Block, depends: frozenset[Expr], stuck: bool) -> Block:
    """Out of every loop whose variables the node does not depend on.

    A loop leaves even the branches inside such a loop: it is not run again in every round.
    """
    at: Block | None = block
    while at is not None and (at.region is not None or isinstance(node, Loop)):
        region = at.region
        if region is not None:
            binds = region.indices if isinstance(region, Map) else region.bound
            if not depends.isdisjoint(binds) or (stuck and isinstance(region, Loop)):
                break
            assert at.parent is not None
            block = at.parent
        at = at.parent
    return block


def ancestors(block: Block | None) -> Iterator[Block]:
    """A block and all that it is in, innermost first."""
    while block is not None:
        yield block
        block = block.parent


def _known(pred: Expr, block: Block) -> bool | None:
    """Which side of `pred` is taken in `block`, if a branch that leads there tells."""
    return next((side for test, side in block.path if test is pred), None)


def _cover(wanted: dict[Block, None]) -> list[Block]:
    """The outermost, earliest blocks where what all of `wanted` need is sure to be needed."""
    while True:
        kept: dict[Path, Block] = {}
        ending: dict[object, list[Block]] = {}  # by the branch that comes last
        for block in sorted(wanted, key=lambda b: (len(b.path), b.when)):
            earlier = (first for step in (None, *block.path) for first in ending.get(step, ()))
            if not any(serves(first, block) for first in earlier):
                kept[block.path] = block
                ending.setdefault(block.path[-1] if block.path else None, []).append(block)
        wanted = dict.fromkeys(kept.values())
        certain = False
        for path, block in kept.items():
            if block.group is None or not block.side or block not in wanted:
                continue
            other = kept.get((*path[:-1], (block.group.pred, False)))
            if other is not None:  # either side needs it: certain
                del wanted[block], wanted[other]
                first = min(block, other, key=lambda b: b.when)
                assert first.group is not None
                wanted[first.group.home] = None
                certain = True
        if not certain:
            return list(kept.values())


def serves(first: Block, block: Block) -> bool:
    """Whether what `first` computes is there in `block`."""
    a, b = first, block
    while len(b.path) > len(a.path) and b.parent is not None:
        b = b.parent
    if a is b:
        return True
    if not first.path or not first.known <= block.known:
        return False
    while len(a.path) > len(b.path) and a.parent is not None:
        a = a.parent
    while a.parent is not b.parent and a.parent is not None and b.parent is not None:
        a, b = a.parent, b.parent
    level = len(a.path) - 1  # here their ways part
    in_loop = any(isinstance(test, (Map, Loop)) for test, _ in first.path[level:])
    return a.when[level] < b.when[level] and not in_loop


def crossing(plan: Schedule) -> frozenset[Expr]:
    """What a loop reads from outside: it gets a name there, or every round would compute it."""
    found: set[Expr] = set()
    for (region, home), body in plan.loops.items():
        stack = [body]
        if (region, home) in plan.rests:
            stack.append(plan.rests[region, home])
        while stack:
            block = stack.pop()
            for node in block.items:
                group = plan.groups.get((node, block))
                if group is not None:
                    stack += [group.then, group.orelse]
                inner = plan.loops.get((node, block))
                operands = node.outside if isinstance(node, Loop) else node.operands
                if inner is None or isinstance(node, Loop):
                    found.update(x for x in operands if _is_outside(plan, x, body))
        if isinstance(region, Loop):
            found.update(x for x in region.inside if _is_outside(plan, x, body))
    return frozenset(found)


def _is_outside(plan: Schedule, node: Expr, body: Block) -> bool:
    sites = plan.sites.get(node, ())
    return not is_free(node) and any(len(s.path) < len(body.path) for s in sites)
