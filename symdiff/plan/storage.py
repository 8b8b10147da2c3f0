"""Where arrays and lists live: which writes happen in place, and what must be read before.

    b = update(a, i, v)     ->   a[i] = v             where nothing reads `a` as it was any more
                            ->   b = a.copy(); b[i] = v   elsewhere

In the IR a write makes a new value. It happens in place where the old value is the function's own
(not an argument) and all that reads the old value can come before; the writes are ordered so.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable, Iterator, Sequence, Set

from symdiff.ir.expr import Apply, Const, Expr, If, Loop, Map, Project, Var
from symdiff.plan.memory import FILLS, VIEWS, is_flavour_change
from symdiff.plan.schedule import Block, Schedule, ancestors, is_free, near, round_of, serves
from symdiff.primitives.arrays import broadcast_like, broadcast_to
from symdiff.primitives.conditions import value_of
from symdiff.primitives.elementary import sized
from symdiff.primitives.indexing import accumulate, index, update
from symdiff.primitives.lists import append, drop, new_list, zeros_list
from symdiff.primitives.shape import axis_size
from symdiff.primitives.sharing import shares_memory

_SPREAD = (broadcast_to, broadcast_like)
WRITES = frozenset((accumulate, update, append, drop))
FRESH = FILLS | {new_list, zeros_list}


def is_write(node: Expr) -> bool:
    """Whether a node is a changed array or list."""
    return type(node) is Apply and node.op in WRITES


def looks_at_size(node: Expr) -> bool:
    """Whether a node looks at where an array is and how large, and not at what is in it."""
    return type(node) is Apply and node.op in (axis_size, shares_memory)


def _leading(values: Iterable[Expr]) -> frozenset[Expr]:
    """The writes that lead to the final content of arguments, and the variables of their loops."""
    found: set[Expr] = set()
    stack = list(values)
    while stack:
        node = stack.pop()
        if node in found or not node.type.rank:
            continue
        found.add(node)
        if isinstance(node, If):
            stack += [node.then, node.orelse]
        elif isinstance(node, Project) and isinstance(node.operands[0], Loop):
            loop, k = node.operands[0], node.index
            stack += [loop.carried[k], loop.initial[k], loop.body[k]]
        elif is_write(node) or (type(node) is Apply and node.op is sized):
            stack.append(node.operands[0])
    return frozenset(found)


def _is_lent(node: Expr) -> bool:
    """Whether NumPy gives the array only to be read: one that is broadcast from an array."""
    return type(node) is Apply and node.op in _SPREAD and bool(node.operands[0].type.rank)


def _blank(plan: Schedule) -> frozenset[Expr]:
    """Arrays of zeros and the like that are made to be written: each writer makes its own.

    One for all of them would have to be copied by each.
    """
    bases: set[Expr] = set()
    for node in plan.sites:
        if is_write(node):
            bases.add(node.operands[0])
        elif isinstance(node, Loop):
            bases.update(node.initial)
    return frozenset(
        x for x in bases
        if type(x) is Apply and x.op in FRESH
        and all(isinstance(o, Const) or x.op is new_list for o in x.operands)
    )  # fmt: skip


class Storage:
    """What is known of the memory of a function's arrays.

    after: for each write in place, what must be computed before it. copied: the other writes.
    kept: carried variables whose memory the loop writes, which it must own. taken: loops that may
    write into what they start from, where nothing reads that after them. given: arguments that the
    function writes into, with what it leaves there; leading: what may happen in their memory.
    """

    def __init__(
        self, plan: Schedule, results: Iterable[Expr], effects: Iterable[tuple[Expr, Expr]] = ()
    ):
        self.plan = plan
        self.given = dict(effects)
        self.leading = _leading(self.given.values()) if self.given else frozenset[Expr]()
        self._ends: set[Expr] = set()
        self._users: dict[Expr, list[Expr]] = {}
        self._slots: dict[Expr, tuple[Loop, int]] = {}
        self._sharing: dict[Expr, list[Expr]] = {}  # what may share the memory of a value
        self._waiting: dict[Expr, list[Expr]] = {}  # the writes that must come after a value
        self.after: dict[Expr, tuple[Expr, ...]] = {}
        self.copied: set[Expr] = set()
        self.kept: set[Expr] = set()
        self.taken: set[tuple[Expr, Expr]] = set()
        self.blank: frozenset[Expr] = frozenset()
        writes = [n for n in plan.sites if is_write(n)]
        if not writes:
            return
        self._ends = set(results)
        self.blank = _blank(plan)
        for node in plan.sites:
            for x in () if looks_at_size(node) else dict.fromkeys(node.operands):
                self._users.setdefault(x, []).append(node)
        loops = [loop for loop, _ in plan.loops if isinstance(loop, Loop)]
        self._slots = {v: (loop, k) for loop in loops for k, v in enumerate(loop.carried)}
        self._find_kept(writes)
        for node in (*plan.sites, *self._slots):
            for x in self._shared(node):
                self._sharing.setdefault(x, []).append(node)
        for write in reversed(writes):  # what a write is made of is settled first
            self._settle(write, write.operands[0])
        for loop in loops:
            for v, start in zip(loop.carried, loop.initial, strict=True):
                if v in self.kept and start not in self.blank and not self.is_given(start):
                    self._settle(loop, start)

    def _shared(self, node: Expr) -> tuple[Expr, ...]:
        """The values whose memory that of `node` may be."""
        match node:
            case If():
                return (node.then, node.orelse)
            case Project() if isinstance(node.operands[0], Loop):
                loop, k = node.operands[0], node.index
                if loop.carried[k] in self.kept:
                    return ()  # the loop's own
                return (loop.initial[k], loop.body[k])
            case Var():
                loop, k = self._slots.get(node, (None, 0))
                return () if loop is None or node in self.kept else (loop.initial[k],)
            case Apply():
                if node in self.copied:
                    return ()
                if node.op in WRITES and node.operands[0] in self.blank:
                    return ()
                if node.op in WRITES or node.op is sized or is_flavour_change(node):
                    return node.operands[:1]
                if node.op is index:
                    view = not any(e[0] in ("array", "mask") for e in node.attrs[0])
                    return node.operands[:1] if view and node.type.rank else ()
                filled = node.op in _SPREAD and not _is_lent(node)
                return node.operands[:1] if node.op in VIEWS and not filled else ()
            case _:
                return ()

    def _find_kept(self, writes: Iterable[Expr]) -> None:
        stack = [w.operands[0] for w in writes]
        seen: set[Expr] = set()
        while stack:
            node = stack.pop()
            if node in seen or not node.type.rank:  # a number has no memory to share
                continue
            seen.add(node)
            if node in self._slots:
                loop, k = self._slots[node]
                self.kept.add(node)
                stack += [loop.initial[k], loop.body[k]]
            elif isinstance(node, Project) and isinstance(node.operands[0], Loop):
                loop = node.operands[0]
                if loop.body[node.index] is not loop.carried[node.index]:
                    stack += [loop.body[node.index], loop.initial[node.index]]
            else:
                stack += self._shared(node)

    def roots(self, node: Expr) -> set[Expr]:
        """Where the memory of a value may have been made."""
        found: set[Expr] = set()
        stack, seen = [node], {node}
        while stack:
            top = stack.pop()
            below = self._shared(top)
            if not below:
                found.add(top)
            for x in below:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return found

    def _chain(self, node: Expr) -> set[Expr]:
        """What a value was made of in place: earlier writes, choices, views."""
        seen, stack = {node}, [node]
        while stack:
            for x in self._shared(stack.pop()):
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return seen

    def aliases(self, roots: Iterable[Expr]) -> list[Expr]:
        """Every value that may share memory with one of `roots`."""
        found = dict.fromkeys(roots)
        stack = list(found)
        while stack:
            for x in self._sharing.get(stack.pop(), ()):
                if x not in found and x not in self.copied:
                    found[x] = None
                    stack.append(x)
        return list(found)

    def is_own(self, node: Expr, block: Block) -> bool:
        """Whether the memory of a value was made by the function, in the same round."""
        if self.is_lent(node):
            return False
        return all(self._made(root, block) for root in self.roots(node))

    def _made(self, root: Expr, block: Block) -> bool:
        if root in self.given:
            return innermost(block) is None
        if isinstance(root, Var):
            return root in self.kept and innermost(block) is self._slots[root][0]
        sites = self.plan.sites.get(root)
        if sites is None or len(sites) != 1 or not isinstance(root, (Apply, Map, Project)):
            return False
        return innermost(sites[0]) is innermost(block)

    def is_lent(self, node: Expr) -> bool:
        """Whether a value looks into an array that is to be read only."""
        return any(_is_lent(x) for x in self._chain(node))

    def is_given(self, node: Expr) -> bool:
        """Whether the memory of a value may be that of an argument that is written into."""
        return not self.given.keys().isdisjoint(self.roots(node))

    def is_steady(self, v: Var) -> bool:
        """Whether each round leaves a carried array in the memory that it was in."""
        loop, k = self._slots[v]
        return self.roots(loop.body[k]) == {v}

    def is_fresh(self, node: Expr) -> bool:
        """Whether what a value is computed by makes new memory: it is no view."""
        return not self._shared(node)

    def is_written(self, node: Expr) -> bool:
        """Whether the memory of a value is written, now or later."""
        if not self.after:
            return False
        mine = self.roots(node)
        for root in mine:
            if root in self.kept or root in self.given:
                return True
            if isinstance(root, Project) and isinstance(root.operands[0], Loop):
                start = root.operands[0].initial[root.index]
                if start not in self.blank:
                    return True  # what an outer loop may go on to write
        return not mine.isdisjoint(self._written)

    @functools.cached_property
    def _written(self) -> set[Expr]:
        """Where the memory was made that writes in place, and rounds of loops, go on in."""
        bases = [w.operands[0] for w in self.after if is_write(w) and w not in self.copied]
        bases += [start for _, start in self.taken]
        bases = [x for x in bases if x not in self.blank]  # those are each writer's own
        bases += [loop.body[k] for v, (loop, k) in self._slots.items() if v in self.kept]
        return set().union(*(self.roots(x) for x in bases))

    def is_last(self, node: Expr, at: Block) -> bool:
        """Whether nothing but its one user, at `at`, ever looks at the memory of a value."""
        if node in self._ends:
            return False
        return all(
            sum(user.operands.count(x) * self._times(user, at) for user in self._users.get(x, ())
                if not self._elsewhere(user, x, at)) <= 1
            for x in self.aliases(self._since(node))
        )  # fmt: skip

    def _times(self, user: Expr, at: Block) -> int:
        """In how many places that can come together with `at` a value is computed."""
        return sum(not _exclusive(s, at) for s in near(self.plan.sites.get(user, (at,)), at))

    def _since(self, node: Expr) -> set[Expr]:
        """Where what is in the memory of a value was written: who read it before has done so."""
        found: set[Expr] = set()
        stack, seen = [node], {node}
        while stack:
            top = stack.pop()
            below = () if is_write(top) and top in self.after else self._shared(top)
            if not below:
                found.add(top)
            for x in below:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return found

    def _elsewhere(self, user: Expr, old: Expr, at: Block) -> bool:
        """Whether `user` looks at `old` only on the other side of a branch around `at`."""
        if isinstance(user, If) and user.operands.count(old) == 1 and old is not user.pred:
            return value_of(user.pred, at.facts) is (old is user.orelse)
        sites = near(self.plan.sites.get(user, ()), at)
        return bool(sites) and all(_exclusive(site, at) for site in sites)

    def is_free(self, write: Expr, at: Block, done: Container[tuple[Expr, Block]]) -> bool:
        """Whether all that has to come before a write has been computed, wherever it is read."""
        return all(
            (node, site) in done or _exclusive(site, at)
            for node in self.after.get(write, ())
            for site in near(self.plan.sites.get(node, ()), at)
        )  # fmt: skip

    def _settle(self, write: Expr, base: Expr) -> None:
        """Decide whether a write to `base` is in place, and after what.

        A loop that starts from `base`, and writes it, may take its memory just as well.
        """
        sites = self.plan.sites[write]
        if base in self.blank:
            self.after[write] = ()
            return
        led = write in self.leading or not self.is_given(base)
        if not led or not _apart(sites) or not all(self.is_own(base, at) for at in sites):
            self._copied(write, base)
            return
        before: dict[Expr, None] = {}
        for at in sites:
            found = self._before(write, base, at)
            if found is None:
                self._copied(write, base)
                return
            before.update(found)
        if isinstance(write, Loop):
            self.taken.add((write, base))
        self.after[write] = (*self.after.get(write, ()), *before)
        for node in before:
            self._waiting.setdefault(node, []).append(write)

    def _before(self, write: Expr, base: Expr, at: Block) -> dict[Expr, None] | None:
        """What must be computed before a write in place at `at`; None: it has to be to a copy."""
        sites = self.plan.sites
        later = self.later([write])
        waits = later | self.later(self._made_around(at, set()))
        chain = self._chain(base)
        before: dict[Expr, None] = {}
        for node in self.aliases(self.roots(base)):
            if node in later:
                continue  # it comes of the write
            if node in self._ends:
                return None
            for user in self._users.get(node, ()):
                if user in chain:
                    continue  # the write is to what this has made
                if sites.get(user) and all(_exclusive(s, at) for s in near(sites[user], at)):
                    continue  # it is on the other side of a branch
                verdict = self._relation(user, node, write, base, later, at)
                if verdict:
                    self._read_sooner(user, write)
                if verdict and not waits.isdisjoint(self._statement(user, at)):
                    verdict = None  # it waits for the `if` or loop that the write is in
                if verdict is None:
                    return None
                if verdict:
                    before[user] = None
        return before

    def _read_sooner(self, user: Expr, write: Expr) -> None:
        """Let a number be read where the array is written, not in a branch that comes later.

        if p: a[i] = 0.0            if p: t = a[i]; a[i] = 0.0
        if p or q: ... a[i]    ->   if p or q: ... t
        """
        plan, at = self.plan, self.plan.sites[write][0]
        if not isinstance(user, Apply) or user.op is not index or user.type.rank:
            return
        if len(plan.sites[write]) > 1:
            return
        late = [s for s in plan.sites[user] if at not in ancestors(s) and serves(at, s)]
        there = all(
            is_free(x) or any(serves(site, at) for site in plan.sites.get(x, ()))
            for x in user.operands
        )
        if not late or not there:
            return
        for site in late:
            site.items.remove(user)
        kept = [site for site in plan.sites[user] if site not in late]
        if at not in kept:
            kept.append(at)
            at.items.insert(at.items.index(write), user)
        plan.sites[user] = kept

    def _copied(self, write: Expr, base: Expr) -> None:
        if not isinstance(write, Loop):
            self.copied.add(write)

    def _relation(
        self, user: Expr, old: Expr, write: Expr, base: Expr, later: set[Expr], at: Block
    ) -> bool | None:
        """Whether `user`, which reads the old value, must come before; None: it cannot."""
        if user is write:
            return False if user.operands.count(old) == 1 and base is old else None
        if isinstance(user, If) and old is not user.pred:
            if user not in later:
                return False  # those who read the choice count
            return False if value_of(user.pred, at.facts) is (user.orelse is old) else None
        if is_write(user) and user.operands[0] is old and user not in self.copied:
            return False if _exclusive(near(self.plan.sites[user], at)[0], at) else None
        if user in later:
            return None
        return not (isinstance(user, Apply) and old in self._shared(user))

    def later(self, nodes: Iterable[Expr]) -> set[Expr]:
        """Everything that is computed from `nodes`, and they themselves."""
        stack = list(nodes)
        found = set(stack)
        while stack:
            for user in self._users.get(stack.pop(), ()):
                if user not in found:
                    found.add(user)
                    stack.append(user)
        return found

    def _statement(self, node: Expr, at: Block) -> Iterator[Expr]:
        """`node`, and what else the statements around it compute that are not around `at`."""
        yield node
        around = set(ancestors(at))
        for site in near(self.plan.sites.get(node, ()), at):
            if not _exclusive(site, at):
                yield from self._made_around(site, around)

    def _made_around(self, at: Block, beyond: Set[Block]) -> Iterator[Expr]:
        """What the `if`s and loops around a block compute: it is there when they are over."""
        for block in ancestors(at):
            if block in beyond:
                return
            if block.group is not None:
                yield from block.group.members
            elif block.region is not None:
                yield block.region


def _apart(sites: Sequence[Block]) -> bool:
    """Whether places are one, or each in another copy of one loop, in whose rounds all goes on."""
    bodies = {round_of(site) for site in sites}
    regions = {None if body is None else body.region for body in bodies}
    return len(bodies) == len(sites) and (
        len(sites) == 1 or (None not in bodies and len(regions) == 1)
    )


def _exclusive(a: Block, b: Block) -> bool:
    """Whether two blocks are on the two sides of a branch."""
    return any(value_of(test, b.facts) is (not side) for test, side in a.path)


def innermost(block: Block | None) -> Expr | None:
    """The loop that a block is in."""
    while block is not None:
        if block.region is not None:
            return block.region
        block = block.parent
    return None
