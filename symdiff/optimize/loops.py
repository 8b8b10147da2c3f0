"""Loops carry only what is needed, and two loops that can run as one do.

    for i in range(n): s += x[i]**2          for i in range(n):
    for i in range(n): d_x[i] += 2 * x[i]  ->    s += x[i]**2; d_x[i] += 2 * x[i]

Each rewrite states what it relies on; none changes the order in which a loop does what may raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symdiff.ir.expr import (
    Apply,
    Const,
    Expr,
    For,
    If,
    Loop,
    Map,
    Project,
    Var,
    for_,
    project,
    while_,
    with_operands,
)
from symdiff.ir.function import Function
from symdiff.ir.types import INT
from symdiff.ir.walk import bound, depends_on, free_variables, substitute, topological
from symdiff.optimize.simplify import simplified
from symdiff.optimize.trim import trimmed
from symdiff.optimize.where import Places, only_records
from symdiff.options import Options
from symdiff.primitives.indexing import index, update
from symdiff.primitives.lists import append, new_list
from symdiff.primitives.row import as_expr


def tidy_loops(function: Function, options: Options) -> Function:
    """`function` with loops that share rounds made one, and nothing carried in vain."""
    if not options.optimize or not any(isinstance(n, Loop) for n in function.nodes()):
        return function
    for _ in range(8):  # each pass may lay open something for the next
        before = function.results
        function = trimmed(absorbed(function))
        for step in (_unrecorded, _steady, _merged, _forwards, _fused):
            while mapping := step(function):  # some do one loop at a time
                function = _rewritten(function, mapping)
        function = function.rewritten(simplified(function.results))
        if all(a is b for a, b in zip(before, function.results, strict=True)):
            break
    return function


def carry_less(function: Function, options: Options) -> Function:
    """What always runs: one loop where two compute the same, no result that nobody reads."""
    if not any(isinstance(n, Loop) for n in function.nodes()):
        return function
    return trimmed(absorbed(function))


def _rewritten(function: Function, mapping: dict[Expr, Expr]) -> Function:
    """`function` with nodes replaced, also in what others of them are replaced by."""
    done: dict[Expr, Expr] = {}
    stack = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
    while stack:
        node = stack[-1]
        if node not in done:
            new = mapping.get(node)
            parts = node.operands if new is None else (new,)
            pending = [x for x in parts if x not in done]
            if pending:
                stack += pending
                continue
            operands = tuple([done[x] for x in parts])
            done[node] = operands[0] if new is not None else with_operands(node, operands)
        stack.pop()
    for node in function.nodes():  # what is inside of a loop that was replaced keeps its name
        done.setdefault(node, node)
    return function.rewritten(done)


def _loops(function: Function) -> list[Loop]:
    return [n for n in function.nodes() if isinstance(n, Loop)]


def _made(loop: Loop, slots: Sequence[int], operands: Sequence[Expr] | None = None) -> Loop:
    """`loop` with only some of what it carries."""
    n = len(loop.carried)
    head = loop.operands[: loop.head]
    kept = (*head, *(loop.initial[k] for k in slots), *(loop.body[k] for k in slots), loop.until)
    carried = tuple(loop.carried[k] for k in slots)
    assert n >= len(carried)
    if isinstance(loop, For):
        return for_(loop.index, carried, kept, INT, loop.recompute)
    return while_(carried, kept, INT)


# Two loops of the same rounds, one of which carries all that the other does.


def _rounds_of(loop: Loop) -> tuple[object, ...]:
    """What two loops have alike that have the same rounds."""
    index = loop.index if isinstance(loop, For) else None
    return (type(loop), index, loop.operands[: loop.head], loop.until)


def absorbed(function: Function) -> Function:
    """Results of a loop are taken from a larger one that computes them too."""
    while True:  # loops that hold others are alike once those are
        mapping = _larger(function)
        if not mapping:
            return function
        function = _rewritten(function, mapping)


def _larger(function: Function) -> dict[Expr, Expr]:
    order, roots = function.nodes(), [*function.results, *(r.fails for r in function.requires)]
    if function.requires:
        order = topological(roots)
    loops = [n for n in order if isinstance(n, Loop)]
    alike: dict[object, list[Loop]] = {}
    for loop in loops:
        alike.setdefault(_rounds_of(loop), []).append(loop)
    if all(len(group) < 2 for group in alike.values()):
        return {}
    nesting = _Nesting(order, roots)
    slots = {
        loop: {t: k for k, t in enumerate(zip(loop.carried, loop.initial, loop.body, strict=True))}
        for group in alike.values() if len(group) > 1 for loop in group
    }  # fmt: skip
    places: Places | None = None  # not looked for in vain
    into: dict[Expr, Loop] = {}
    gone = 0  # the bits of those that are in `into`
    for small in loops:
        for large in alike[_rounds_of(small)]:
            if large is small or large in into or len(large.carried) < len(small.carried):
                continue
            # What the larger one sees must be there wherever the smaller one stands.
            if not nesting.free[large] <= nesting.free[small]:
                continue
            if not slots[small].keys() <= slots[large].keys():
                continue
            places = places or nesting.places(slots)
            if not places.covers(large, small) and not only_records(large, small):
                continue
            # What reads the smaller one stays apart from it; the others that go come next time.
            if nesting.below[large] & (nesting.bit[small] | gone):
                continue
            into[small] = large
            gone |= nesting.bit[small]
            break
    mapping: dict[Expr, Expr] = {}
    for node in order:
        if isinstance(node, Project) and node.operands[0] in into:
            small = node.operands[0]
            assert isinstance(small, Loop)
            k = node.index
            large = into[small]
            at = slots[large][small.carried[k], small.initial[k], small.body[k]]
            mapping[node] = project(large, at, node.type)
    return mapping


# What stays the same from round to round.


def _unrecorded(function: Function) -> dict[Expr, Expr]:
    """What each round records alike is not read from a list."""
    mapping: dict[Expr, Expr] = {}
    for node in function.nodes():
        if not isinstance(node, Apply) or node.op is not index:
            continue
        kept = node.operands[0]
        if not isinstance(kept, Project) or not isinstance(kept.operands[0], Loop):
            continue
        loop, k = kept.operands[0], kept.index
        start, new = loop.initial[k], loop.body[k]
        written = isinstance(new, Apply) and new.op in (append, update)
        if not (written and isinstance(start, Apply) and start.op is new_list):
            continue
        base, value = new.operands[:2]
        alike = value not in depends_on([value], loop.bound)
        if alike and base is loop.carried[k] and value.type == node.type:
            mapping[node] = value
    return mapping


def _steady(function: Function) -> dict[Expr, Expr]:
    """A carried value that no round changes is what the loop starts from."""
    mapping: dict[Expr, Expr] = {}
    for loop in _loops(function):
        same = [k for k, v in enumerate(loop.carried) if _stays(v, loop.initial[k], loop.body[k])]
        if not same:
            continue
        constant: dict[Expr, Expr] = {loop.carried[k]: loop.initial[k] for k in same}
        kept = [k for k in range(len(loop.carried)) if k not in same]
        new = _made(loop, kept)
        inside = substitute([*new.body, new.until, *new.operands[: new.head]], constant)
        body, until, head = inside[: len(kept)], inside[len(kept)], inside[len(kept) + 1 :]
        operands = (*head, *new.initial, *body, until)
        if isinstance(new, For):
            made: Loop = for_(new.index, new.carried, operands, INT, new.recompute)
        else:
            made = while_(new.carried, operands, INT)
        for node in function.nodes():
            if isinstance(node, Project) and node.operands[0] is loop:
                k = node.index
                mapping[node] = (
                    loop.initial[k] if k in same else project(made, kept.index(k), node.type)
                )
        break  # inner loops are seen in the next pass, in what this one has made
    return mapping


def _stays(v: Var, start: Expr, new: Expr) -> bool:
    """Whether a round leaves `v` as it was, or makes it what it started from."""
    stack = [new]
    while stack:
        node = stack.pop()
        if isinstance(node, If):
            stack += [node.then, node.orelse]
        elif node is not v and node is not start:
            return False
    return True


# What is carried twice.


def _merged(function: Function) -> dict[Expr, Expr]:
    """Of two carried values that start alike and go on alike, one is carried."""
    mapping: dict[Expr, Expr] = {}
    for loop in _loops(function):
        alike = _alike(loop)
        if not alike:
            continue
        for node in function.nodes():
            if isinstance(node, Project) and node.operands[0] is loop and node.index in alike:
                mapping[node] = project(loop, alike[node.index], node.type)
    return mapping


def _alike(loop: Loop) -> dict[int, int]:
    """{number of a carried value: number of an earlier one that is always equal}."""
    found: dict[int, int] = {}
    first: dict[Expr, list[int]] = {}
    for k, start in enumerate(loop.initial):
        v = loop.carried[k]
        for j in first.get(start, ()):
            w = loop.carried[j]
            if v.type is not w.type or not _one_kind(loop.body[k], loop.body[j]):
                continue
            if substitute([loop.body[k]], {v: w})[0] is loop.body[j]:
                found[k] = j
                break
        else:
            first.setdefault(start, []).append(k)
    return found


def _one_kind(one: Expr, other: Expr) -> bool:
    """Whether two values can be the same but for a variable."""
    return type(one) is type(other) and (
        not isinstance(one, Apply) or not isinstance(other, Apply) or one.op is other.op
    )


# Sums do not care in which order.


def _forwards(function: Function) -> dict[Expr, Expr]:
    """A loop backwards whose rounds only add up runs forwards: it may then share its rounds.

    Unless it may share those of a loop that has to run backwards.
    """
    mapping: dict[Expr, Expr] = {}
    loops = [n for n in function.nodes() if isinstance(n, For)]
    ranges = {loop.bounds for loop in loops}
    turning: dict[For, tuple[Expr, ...]] = {}
    for loop in loops:
        bounds = _flipped(loop.bounds) if _only_adds(loop) else None
        if bounds is not None and bounds != loop.bounds:
            turning[loop] = bounds
    if not turning:
        return {}
    nesting = _Nesting(function.nodes(), function.results)
    results = [n for n in function.nodes() if isinstance(n, Project)]
    for loop, bounds in turning.items():
        if bounds not in ranges and not _plainer(bounds):
            continue
        fellows = [x for x in loops if x.bounds == loop.bounds and x not in turning]
        if bounds not in ranges and any(nesting.may_be_one(loop, x) for x in fellows):
            continue
        operands = (*bounds, *loop.operands[3:])
        new = for_(loop.index, loop.carried, operands, INT, loop.recompute)
        for node in results:
            if node.operands[0] is loop:
                mapping[node] = project(new, node.index, node.type)
    return mapping


def _plainer(bounds: tuple[Expr, ...]) -> bool:
    return isinstance(bounds[2], Const) and bounds[2].value > 0


def _flipped(bounds: tuple[Expr, ...]) -> tuple[Expr, ...] | None:
    """(n - 1, -1, -1) as (0, n, 1)."""
    from symdiff.optimize.simplify import simplified

    start, stop, step = bounds
    if not isinstance(step, Const) or step.value != -1:
        return None
    from symdiff.primitives.arithmetic import add

    ends = [add.build(x, as_expr(1)) for x in (stop, start)]
    known = simplified(ends)
    low, high = (_plus_one(x, known[e]) for x, e in zip((stop, start), ends, strict=True))
    return (low, high, as_expr(1))


def _plus_one(x: Expr, fallback: Expr) -> Expr:
    from symdiff.primitives.arithmetic import subtract

    if isinstance(x, Const):
        return as_expr(x.value + 1)
    if isinstance(x, Apply) and x.op is subtract:
        a, b = x.operands
        if isinstance(b, Const):
            return a if b.value == 1 else subtract.build(a, b.value - 1)
    return fallback


def _only_adds(loop: For) -> bool:
    """Whether every carried value is only ever added to, by what does not depend on any."""
    if not isinstance(loop.until, Const) or loop.until.value:
        return False
    varying = depends_on(loop.body, loop.carried)
    return all(_adds(v, new, varying) for v, new in zip(loop.carried, loop.body, strict=True))


def _adds(v: Var, new: Expr, varying: set[Expr]) -> bool:
    """Whether `new` is `v` plus something that is the same whatever `v` is."""
    from symdiff.primitives.arithmetic import add, subtract
    from symdiff.primitives.indexing import accumulate

    stack: list[Expr] = [new]
    while stack:
        node = stack.pop()
        if node is v or (v.type.dtype == "bool" and isinstance(node, Const) and node.value):
            continue  # a flag that is set is set in any order
        if isinstance(node, If):
            if node.pred in varying:
                return False
            stack += [node.then, node.orelse]
            continue
        if isinstance(node, Project) and isinstance(node.operands[0], For):
            inner = node.operands[0]
            k = node.index
            others = [x for i, x in enumerate(inner.carried) if i != k]
            inside = depends_on(inner.inside, [inner.carried[k]])
            rest = [x for i, x in enumerate(inner.body) if i != k]
            apart = not any(x in inside for x in (*rest, inner.until))
            if not apart or any(x in varying for x in inner.bounds):
                return False
            if any(x in varying for i, x in enumerate(inner.initial) if i != k):
                return False
            if not _adds(inner.carried[k], inner.body[k], inside | (varying - set(others))):
                return False
            stack.append(inner.initial[k])
            continue
        if not isinstance(node, Apply):
            return False
        if node.op is accumulate:
            if any(x in varying for x in node.operands[1:]):
                return False
            stack.append(node.operands[0])
        elif node.op is add:
            a, b = node.operands
            if a not in varying or b not in varying:
                stack.append(a if a in varying else b)
            else:
                return False
        elif node.op is subtract and node.operands[1] not in varying:
            stack.append(node.operands[0])
        else:
            return False
    return True


def _fused(function: Function) -> dict[Expr, Expr]:
    """Two loops over one range, neither of which needs the other's results, become one."""
    order = function.nodes()
    alike: dict[tuple[Expr, ...], list[For]] = {}
    for node in order:
        if isinstance(node, For) and _never(node.until):
            alike.setdefault(node.bounds, []).append(node)
    if all(len(loops) < 2 for loops in alike.values()):
        return {}
    nesting = _Nesting(order, function.results)
    shared = [loop for loops in alike.values() if len(loops) > 1 for loop in loops]
    places: Places | None = None
    for loops in alike.values():
        around = [nesting.around(loop) for loop in loops]
        for i, first in enumerate(loops):
            for k in range(i + 1, len(loops)):
                apart = around[i] == around[k] and nesting.independent(first, loops[k])
                if not apart or nesting.would_bind(first, loops[k]):
                    continue
                places = places or nesting.places(shared)
                if places.same(first, loops[k]):
                    mapping = _merge(function, first, loops[k])
                    if mapping:
                        return mapping
    return {}


def _never(until: Expr) -> bool:
    return isinstance(until, Const) and not until.value


class _Nesting:
    """Which regions need which, and in the rounds of which they run.

    below: the regions below each node and itself, a bit for each.
    """

    def __init__(self, order: Sequence[Expr], roots: Iterable[Expr]):
        self.order, self.roots = order, roots
        self.regions = [n for n in order if isinstance(n, (Loop, Map))]
        self.bit: dict[Expr, int] = {region: 1 << i for i, region in enumerate(self.regions)}
        self.below: dict[Expr, int] = {}
        for node in order:
            below = self.bit.get(node, 0)
            for x in node.operands:
                below |= self.below[x]
            self.below[node] = below
        self.free = free_variables(order, bound(order))
        self.binding: dict[Expr, list[Loop | Map]] = {}
        for region in self.regions:
            for v in region.indices if isinstance(region, Map) else region.bound:
                self.binding.setdefault(v, []).append(region)

    def places(self, regions: Iterable[Expr]) -> Places:
        """Under which conditions each of `regions` runs."""
        wanted = 0
        for region in regions:
            wanted |= self.bit[region]
        matter = {node for node, below in self.below.items() if below & wanted}
        return Places(self.order, self.roots, matter, self.free)

    def independent(self, first: Loop, second: Loop) -> bool:
        """Whether neither loop reads what the other leaves."""
        return not (self.below[first] & self.bit[second] or self.below[second] & self.bit[first])

    def would_bind(self, first: Loop, second: Loop) -> bool:
        """Whether one of two loops depends on a variable, of one around, that the other binds."""
        return not (
            self.free[first].isdisjoint(second.bound) and self.free[second].isdisjoint(first.bound)
        )

    def may_be_one(self, first: Loop, second: Loop) -> bool:
        """Whether two loops over one range can run as one."""
        ends = _never(first.until) and _never(second.until)
        return ends and self.independent(first, second) and (
            self.around(first) == self.around(second)
        )  # fmt: skip

    def around(self, loop: Loop) -> int:
        """The bits of the regions that a loop is in, in each of whose rounds it runs anew."""
        found = 0
        for v in self.free[loop]:
            for region in self.binding[v]:
                rounds = (region.body,) if isinstance(region, Map) else region.inside
                if region is not loop and any(self.below[x] & self.bit[loop] for x in rounds):
                    found |= self.bit[region]
        return found


def _merge(function: Function, first: For, second: For) -> dict[Expr, Expr]:
    renamed: dict[Expr, Expr] = {}
    if second.index is not first.index:
        renamed[second.index] = first.index
    body2 = substitute(second.body, renamed) if renamed else list(second.body)
    carried: list[Var] = list(first.carried)
    initial, body = list(first.initial), list(first.body)
    at: list[int] = []
    for v, start, new in zip(second.carried, second.initial, body2, strict=True):
        if v in carried:  # the same value, or one that happens to be called the same
            k = carried.index(v)
            if initial[k] is not start or body[k] is not new:
                return {}
            at.append(k)
            continue
        at.append(len(carried))
        carried.append(v)
        initial.append(start)
        body.append(new)
    operands = (*first.bounds, *initial, *body, first.until)
    again = first.recompute or second.recompute
    both = for_(first.index, tuple(carried), operands, INT, again)
    mapping: dict[Expr, Expr] = {}
    for node in function.nodes():
        if isinstance(node, Project):
            if node.operands[0] is first:
                mapping[node] = project(both, node.index, node.type)
            elif node.operands[0] is second:
                mapping[node] = project(both, at[node.index], node.type)
    return {old: new for old, new in mapping.items() if old is not new}  # one may hold the other
