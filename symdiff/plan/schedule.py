"""Where each value is computed: in which branch or loop, and in which order.

    y = If(c, f(x), g(x));  z = If(c, h(x), 0)   ->   if c:  y = f(x); z = h(x)
                                                       else:  y = g(x); z = 0

A value goes into the outermost block where it is *certain* to be needed. One that is needed in one
branch stays there; one that both branches of an `if` need goes before it. So does a number that two
unrelated branches need; but where computing it could raise, or is costly, each of them computes it,
since neither may be taken. Of two branches that ask the same, or where the later one asks for more,
only the earlier computes it, and what the branches around it have decided is not asked again (see
`facts`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Loop, Map, Project, Var, While
from symdiff.ir.function import Path
from symdiff.ir.walk import bound as variables_bound
from symdiff.ir.walk import free_variables, topological, users
from symdiff.plan.stuck import Stuck
from symdiff.primitives.arithmetic import divide
from symdiff.primitives.conditions import Facts, implied, is_compound, value_of, with_fact
from symdiff.primitives.elementary import cast
from symdiff.primitives.indexing import index
from symdiff.primitives.row import Discrete, Elementwise, Linear

Step = tuple[Expr, bool]  # a predicate and a side; a loop has but one side
Turn = tuple[int, int]  # of the statements of a block, those with lower ones come first


@dataclass(eq=False, slots=True)
class Block:
    """A sequence of statements: the function's body, one side of an `if`, the body of a loop."""

    parent: Block | None = None
    group: Group | None = None
    side: bool = True
    region: Map | Loop | None = None
    items: list[Expr] = field(default_factory=list)  # what is computed here, in order
    # Which branches lead here, and when their statements' turn is. What an earlier block computes
    # is there in a later one that the same branches, or more, lead to.
    path: Path = ()
    when: tuple[Turn, ...] = ()
    facts: Facts = field(default_factory=Facts)  # what holds here
    groups: dict[tuple[Expr, Turn], Group] = field(default_factory=dict)  # its `if` statements
    served: dict[Block, bool] = field(default_factory=dict)  # what has been asked, see `serves`


def _inside(home: Block, step: Step, turn: Turn, **fields: Any) -> Block:
    """A block of a statement of `home`."""
    path, when = (*home.path, step), (*home.when, turn)
    return Block(home, path=path, when=when, facts=with_fact(home.facts, *step), **fields)


@dataclass(eq=False, slots=True)
class Group:
    """One `if` statement: all `If` nodes at a place that share a predicate and a nesting depth.

    Without any, it computes what a later `if` needs that asks the same.
    """

    pred: Expr
    home: Block
    turn: Turn
    members: list[If] = field(default_factory=list)
    then: Block = field(init=False)
    orelse: Block = field(init=False)

    def __post_init__(self) -> None:
        self.then, self.orelse = (
            _inside(self.home, (self.pred, side), self.turn, group=self, side=side)
            for side in (True, False)
        )
        self.home.groups[self.pred, self.turn] = self


@dataclass(slots=True)
class Schedule:
    """root: the function's body. sites: the blocks that compute a node. uses: operand counts."""

    root: Block
    sites: dict[Expr, list[Block]]
    groups: dict[tuple[Expr, Block], Group]  # the `if` that an If node belongs to, by its site
    loops: dict[tuple[Expr, Block], Block]  # the body of a Map or loop, by its site
    uses: dict[Expr, int]
    after: dict[Expr, tuple[Expr, ...]] = field(default_factory=dict)  # see `plan.storage`
    # What an If node is where a branch around its site has the same predicate: one of its sides.
    decided: dict[tuple[Expr, Block], Expr] = field(default_factory=dict)
    # What the rounds of a `while` compute after its test; its body is what the test needs.
    rests: dict[tuple[Expr, Block], Block] = field(default_factory=dict)
    reads: dict[tuple[Expr | Group, Block], dict[tuple[Expr, Block], bool]] = field(
        default_factory=dict
    )


def is_free(node: Expr) -> bool:
    """Whether a node needs no statement: constants, variables, results of loops, sizes."""
    if isinstance(node, Project):
        return not isinstance(node.operands[0], Call)
    return isinstance(node, (Const, Var)) or (
        isinstance(node, Apply) and not node.operands and node.op.name == "size"
    )


REGIONS = (If, Map, For, While)


def schedule(
    results: Sequence[Expr],
    first: Sequence[Expr] = (),
    live: Sequence[Expr] | None = None,
    certain: Iterable[Expr] = (),
    ahead: Mapping[Var, frozenset[Expr]] | None = None,
    paths: Mapping[Expr, Path] | None = None,
) -> Schedule:
    """Place everything that `results` need. `first` are nodes to compute early, in their order.

    live: what `results` need, operands first, where the caller knows. certain: what the function
    computes in any case, so that it may raise before a loop. ahead, paths: see `Function`.
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
    turns = _Turns(order)
    inner = variables_bound(order)
    bound = free_variables(order, inner) if inner else {}
    stuck = Stuck(order if bound else (), set(certain), ahead or {})
    needs = _needs(order, paths or {})
    root = Block()
    sites: dict[Expr, list[Block]] = {}
    groups: dict[tuple[Expr, Block], Group] = {}
    loops: dict[tuple[Expr, Block], Block] = {}
    rests: dict[tuple[Expr, Block], Block] = {}
    decided: dict[tuple[Expr, Block], Expr] = {}
    statements: dict[Group, None] = {}
    needed: dict[Expr, dict[Block, None]] = {}  # dicts for sets: their order is the same each time
    for result in results:
        needed.setdefault(result, {})[root] = None
    for node in reversed(order):
        if node not in needed:
            continue
        depends = bound.get(node, frozenset[Expr]())
        wanted = dict.fromkeys(_lift(node, b, depends, stuck) for b in needed[node])
        places = _cover(wanted) if len(wanted) > 1 else list(wanted)
        if len(places) > 1 and node in needs:
            places = _once(places, depends, needs[node])
            count[node] += 1  # where its only user is computed several times, too
        if len(places) > 1 and isinstance(node, (Map, Loop)):
            places = _ahead(node, places, turns)
        sites[node] = places
        if isinstance(node, If) and all(value_of(node.pred, b.facts) is not None for b in places):
            count[node.pred] -= 1  # it is not asked again
        for block in places:
            known = value_of(node.pred, block.facts) if isinstance(node, If) else None
            if isinstance(node, If) and known is not None:
                side = decided[node, block] = node.then if known else node.orelse
                needed.setdefault(side, {})[block] = None
            elif isinstance(node, If):
                group = groups[node, block] = _group(block, node.pred, turns.of(node))
                group.members.append(node)
                statements[group] = None
                needed.setdefault(node.pred, {})[block] = None
                needed.setdefault(node.then, {})[group.then] = None
                needed.setdefault(node.orelse, {})[group.orelse] = None
            elif isinstance(node, Loop):
                body = _inside(block, (node, True), turns.of(node), region=node)
                loops[node, block] = body
                for operand in node.outside:
                    needed.setdefault(operand, {})[block] = None
                inside = body
                if isinstance(node, While):
                    needed.setdefault(node.cond, {})[body] = None
                    # What a round does after its test: that guards it.
                    inside = rests[node, block] = _inside(
                        body, (node.cond, True), _LAST, region=node
                    )
                for operand in node.inside[isinstance(node, While) :]:
                    needed.setdefault(operand, {})[inside] = None
            elif isinstance(node, Map):
                body = _inside(block, (node, True), turns.of(node), region=node)
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
    for group in statements:
        group.members.reverse()
        count[group.pred] -= len(group.members) - 1  # they ask once
    return Schedule(root, sites, groups, loops, count, decided=decided, rests=rests)


_LAST = (1 << 40, 0)  # behind every statement of the test


class _Turns:
    """When the statement of an `If`, or of a loop, comes among those of its block.

    By the longest chain of `If`s below it: an `If` has a longer one than what it depends on. Of
    those with equal ones what asks for less comes first: `if a`, then `if a and b`.
    """

    def __init__(self, order: Iterable[Expr]):
        self._depth: dict[Expr, int] = {}
        self._place: dict[Expr, int] = {}
        for node in order:
            below = max((self._depth[x] for x in node.operands), default=0)
            self._depth[node] = below + 1 if isinstance(node, If) else below
            self._place[node] = len(self._place)

    def of(self, node: Expr) -> Turn:
        return self._depth[node], self._place[node.pred if isinstance(node, If) else node]

    def around(self, node: Expr, pred: Expr) -> Turn:
        """The first turn of an `if pred` that computes `node`."""
        return 1 + max(self._depth[node], self._depth[pred]), self._place[pred]


def _group(home: Block, pred: Expr, turn: Turn) -> Group:
    return home.groups.get((pred, turn)) or Group(pred, home, turn)


def _needs(order: Sequence[Expr], paths: Mapping[Expr, Path]) -> dict[Expr, Path]:
    """What must hold where a value may be computed although nobody needs it, of those that may be.

    A number costs little, and the primal has computed all that is on its path. What could raise or
    is costly is not computed elsewhere.
    """
    paths = _with_operands(order, paths)
    found: dict[Expr, Path] = {}
    divisors: dict[Expr, Path] = {}
    for node in order:
        path = paths.get(node)
        if (_is_cheap(node) or isinstance(node, Project)) and all(
            x in found for x in node.operands
        ):
            found[node] = _of_operands(node, found)
            if path is not None and len(path) < len(found[node]):
                found[node] = path
        elif path is not None:
            found[node] = path
        elif isinstance(node, Loop):
            primal = next((paths[v] for v in node.bound if v in paths), None)
            if primal is not None and not _raises(node, found):  # it has the rounds of the primal's
                found[node] = primal
        elif type(node) is Apply and node.op is divide and all(x in found for x in node.operands):
            known = divisors.get(node.operands[1])  # it has been divided by that
            if known is not None and not node.type.rank:
                found[node] = _joined((known, found[node.operands[0]]))
        if type(node) is Apply and node.op is divide and node in found:
            divisors.setdefault(node.operands[1], found[node])
    return found


def _raises(loop: Loop, known: Container[Expr]) -> bool:
    """Whether a round may raise; it reads only what the primal does."""
    return any(
        type(node) is Apply and node.op.raises and node.type.weak
        and node.op is not index and node not in known
        for node in topological(loop.inside)
    )  # fmt: skip


def _with_operands(order: Sequence[Expr], paths: Mapping[Expr, Path]) -> dict[Expr, Path]:
    """`paths` with those of what the values are made of, which may have been rewritten."""
    if not paths:
        return {}
    known = dict(paths)
    for node in reversed(order):
        path = known.get(node)
        if path is None:
            continue
        below = node.outside if isinstance(node, Loop) else node.operands
        for x in below[:1] if isinstance(node, (If, Map)) else below:
            known.setdefault(x, path)
    return known


def _of_operands(node: Expr, found: Mapping[Expr, Path]) -> Path:
    if not isinstance(node, If):
        return _joined(found[x] for x in node.operands)
    sides = (_besides(found[x], (node.pred, x is node.then)) for x in (node.then, node.orelse))
    return _joined((found[node.pred], *sides))


def _joined(paths: Iterable[Path]) -> Path:
    """All steps of some paths, each once."""
    return tuple(dict.fromkeys(step for path in paths for step in path))


def _besides(needs: Path, step: Step) -> Path:
    """What is needed besides where `step` holds."""
    if not needs:
        return needs
    facts = implied(*step)
    return tuple(s for s in needs if value_of(s[0], facts) is not s[1])


def _is_cheap(node: Expr) -> bool:
    """Whether a node is a number that costs little and cannot raise."""
    if node.type.rank or node.type.listed:
        return False
    if isinstance(node, Apply):
        cheap = isinstance(node.op, (Elementwise, Discrete)) and not node.op.raises
        return cheap and (node.op is not cast or node.type.dtype != "int")  # int(nan) raises
    return isinstance(node, (Const, Var, If))


def _once(places: Sequence[Block], depends: frozenset[Expr], needs: Path) -> list[Block]:
    """The innermost block around `places`, one in each loop whose variables the value depends on.

    To compute a value in several branches doubles what it is made of, and that is made of, in turn.
    Where what it needs does not hold there, the outermost blocks where it does.
    """
    common: dict[Block | None, list[Block]] = {}  # by the loop; what is around all, innermost first
    inside: dict[Block | None, list[list[Block]]] = {}
    for place in places:
        around: list[Block] = []
        home: Block | None = None
        for block in ancestors(place):
            around.append(block)
            if block.region is not None and not depends.isdisjoint(_binds(block.region)):
                home = block
                break
        known = common.get(home)
        common[home] = around if known is None else [b for b in known if b in around]
        inside.setdefault(home, []).append(around)
    result: dict[Block, None] = {}
    for home, blocks in common.items():
        if _holds(needs, blocks[0]):
            result[blocks[0]] = None
            continue
        for around in inside[home]:
            fit = [b for b in around if _holds(needs, b)]
            result[fit[-1] if fit else around[0]] = None
    return list(result) if len(result) < 2 or not needs else _cover(result)


def _holds(steps: Iterable[Step], block: Block) -> bool:
    return all(value_of(pred, block.facts) is side for pred, side in steps)


def _binds(region: Map | Loop) -> Iterable[Expr]:
    return region.indices if isinstance(region, Map) else region.bound


def _lift(node: Expr, block: Block, depends: frozenset[Expr], stuck: Stuck) -> Block:
    """Out of every loop whose variables the node does not depend on.

    A loop, or what is made element by element, leaves even the branches inside such a loop: it is
    not made again in every round.
    """
    at: Block | None = block
    costly = isinstance(node, Loop) or _is_safe_array(node)
    while at is not None and (at.region is not None or costly):
        region = at.region
        if region is not None:
            if not depends.isdisjoint(_binds(region)):
                break
            if isinstance(region, Loop) and stuck.stays(node, region):
                break
            assert at.parent is not None
            block = at.parent
        at = at.parent
    return block


def _is_safe_array(node: Expr) -> bool:
    """Whether a node makes an array, and cannot raise: there are no two shapes to fit."""
    return (
        type(node) is Apply and bool(node.type.rank) and not node.op.raises
        and isinstance(node.op, (Elementwise, Linear))
        and sum(bool(x.type.rank) for x in node.operands) <= 1
    )  # fmt: skip


def ancestors(block: Block | None) -> Iterator[Block]:
    """A block and all that it is in, innermost first."""
    while block is not None:
        yield block
        block = block.parent


def round_of(block: Block | None) -> Block | None:
    """The body of the loop that a block is in; a loop may be in several places."""
    while block is not None and block.region is None:
        block = block.parent
    while block is not None and block.parent is not None and block.parent.region is block.region:
        block = block.parent  # what comes after the test of a `while` is in its body
    return block


def near(sites: Sequence[Block], at: Block) -> Sequence[Block]:
    """Of several places where a value is computed, those in the same round as `at`.

    All of them where there is none in it, or `at` is not in any.
    """
    if len(sites) < 2 or (here := round_of(at)) is None:
        return sites
    return [site for site in sites if here in ancestors(site)] or sites


def _cover(wanted: dict[Block, None]) -> list[Block]:
    """The outermost, earliest blocks where what all of `wanted` need is sure to be needed."""
    while True:
        kept: dict[Path, Block] = {}
        ending: dict[Step | None, list[Block]] = {}  # by the branch that comes last
        compound: dict[Step, None] = {}
        for block in sorted(wanted, key=lambda b: b.when):
            facts = block.facts
            steps: list[Step | None] = [None, *facts.items()]
            steps += [s for s in compound if s[0] not in facts and value_of(s[0], facts) is s[1]]
            earlier = (first for step in steps for first in ending.get(step, ()))
            if not any(serves(first, block) for first in earlier):
                kept[block.path] = block
                last = block.path[-1] if block.path else None
                ending.setdefault(last, []).append(block)
                if last is not None and is_compound(last[0]):
                    compound[last] = None
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
        certain = certain or _together(wanted)
        if not certain:
            return list(kept.values())


def _together(wanted: dict[Block, None]) -> bool:
    """Replace two blocks of which always one is taken, `p` and `not (p and q)`, by that around."""
    compound = [b for b in wanted if any(is_compound(test) for test, _ in b.path)]
    for other in compound:
        around = set(ancestors(other))
        for block in wanted:
            if block.group is None or block is other or block.group.home not in around:
                continue
            home = block.group.home
            facts = (block.group.orelse if block.side else block.group.then).facts
            steps = other.path[len(home.path) :]
            if steps and all(value_of(test, facts) is side for test, side in steps):
                del wanted[block], wanted[other]
                wanted[home] = None
                return True
    return False


def _ahead(node: Map | Loop, places: Sequence[Block], turns: _Turns) -> list[Block]:
    """`places`, where a branch that needs `node` computes it before others that then know it.

    if p and q: ...loop...          if p: loop
    if p: ...loop...           ->   if p and q: ...
                                    if p: ...
    Two copies of a loop copy what it writes, too.
    """
    kept = dict.fromkeys(places)
    for place in places:
        group = place.group
        if group is None or place not in kept:
            continue
        turn = turns.around(node, group.pred)
        level = len(group.home.path)
        others = [
            other for other in kept
            if other is not place and group.home in ancestors(other)
            and turn < other.when[level] and other.facts.get(group.pred) is place.side
        ]  # fmt: skip
        if others:
            early = _group(group.home, group.pred, turn)
            for other in (place, *others):
                del kept[other]
            kept[early.then if place.side else early.orelse] = None
    return list(kept)


def serves(first: Block, block: Block) -> bool:
    """Whether what `first` computes is there in `block`."""
    if first not in block.served:
        block.served[first] = _serves(first, block)
    return block.served[first]


def _serves(first: Block, block: Block) -> bool:
    a, b = first, block
    while len(b.path) > len(a.path) and b.parent is not None:
        b = b.parent
    if a is b:
        return True
    if not first.path or any(value_of(t, block.facts) is not side for t, side in first.path):
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
    around: dict[Block, set[Block]] = {}  # a block, and all that it is in
    for (region, home), body in plan.loops.items():
        read: set[Expr] = set()
        stack = [body]
        if (region, home) in plan.rests:
            stack.append(plan.rests[region, home])
        while stack:
            block = stack.pop()
            for group in block.groups.values():
                read.add(group.pred)
                stack += [group.then, group.orelse]
            for node in block.items:
                if isinstance(node, Loop):
                    read.update(node.outside)
                elif (node, block) not in plan.loops:
                    read.update(node.operands)
        if isinstance(region, Loop):
            read.update(region.inside)
        for x in read:
            if x in found or is_free(x):
                continue
            for site in plan.sites.get(x, ()):
                if site not in around:
                    around[site] = set(ancestors(site))
                if body not in around[site]:
                    found.add(x)
                    break
    return frozenset(found)
