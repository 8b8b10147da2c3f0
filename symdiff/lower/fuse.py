"""Loops over the same range become one, and what one writes for another stays in a variable.

    for i: t[i] = exp(x[i])            for i: t_i = exp(x[i]); s += t_i; g[i] = 2.0 * t_i
    for i: s += t[i]             ->
    for i: g[i] = 2.0 * t[i]

Two loops may be one where each round of both touches the same part of what they share: the element
or row that their index names. Statements between them move out of the way where they can.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Each,
    Fail,
    Forever,
    Invoke,
    Let,
    Load,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    blocks_of,
    statements,
    substituted,
    subterms,
    with_terms,
)
from symdiff.lower.access import Access, access_of
from symdiff.lower.affine import Known
from symdiff.lower.arrays import ONE
from symdiff.lower.places import changing, named_by

_FEW = 40  # statements that move before a loop so that another may join it
_MANY = 4000  # statements in one block, beyond which the search for partners would take too long


def fuse(body: list[Statement], known: Known) -> None:
    """Fuse the loops of a block, and those inside of them, in place."""
    body[:] = _fused(body, known)
    for s in body:
        for inner in blocks_of(s):
            fuse(inner, known)


def _fused(body: list[Statement], known: Known) -> list[Statement]:
    loops = [s for s in body if isinstance(s, Each)]
    if len(loops) < 2 or len(body) > _MANY:
        return body
    access = [access_of([s]) for s in body]
    needs = _dependences(body, access)
    return _Scheduler(body, access, needs, known).order()


def _dependences(body: Sequence[Statement], access: Sequence[Access]) -> list[dict[int, bool]]:
    """For each statement those that must come before; False: only a loop's rounds in turn."""
    writer: dict[Local | Buffer, list[int]] = {}
    readers: dict[Local | Buffer, list[int]] = {}
    needs: list[dict[int, bool]] = []
    guard: int | None = None
    fault: int | None = None
    check: int | None = None
    for k, (s, a) in enumerate(zip(body, access, strict=True)):
        found: dict[int, bool] = {}
        for x in a.reads:
            for w in writer.get(x, ()):
                found[w] = True
        for x in a.writes:
            for w in (*writer.get(x, ()), *readers.get(x, ())):
                found[w] = True
        if guard is not None and (a.places or a.fails):
            found[guard] = True  # what it checks may be what makes this safe
        if check is not None and _may_not_end(s):
            found[check] = True
        if a.fails and fault is not None:
            found[fault] = True
        if a.leaves:
            found.update(dict.fromkeys(range(k), True))
        found.pop(k, None)
        needs.append(found)
        for x in a.writes:
            whole = x not in a.reads and isinstance(x, Local)
            writer[x] = [k] if whole else [*writer.get(x, []), k]
            if whole:
                readers[x] = []
        for x in a.reads:
            readers.setdefault(x, []).append(k)
        if isinstance(s, Fail):
            check, guard = k, k if s.guard else guard
        if a.fails:
            fault = k
        if a.leaves:
            guard = k
    return needs


def _may_not_end(s: Statement) -> bool:
    """Whether it is not certain to come to an end, where a check before it would have failed."""
    return any(isinstance(x, (Forever, Invoke)) for x in statements([s]))


class _Scheduler:
    """Puts the statements of a block in an order in which loops of one range meet."""

    def __init__(
        self,
        body: Sequence[Statement],
        access: Sequence[Access],
        needs: Sequence[dict[int, bool]],
        known: Known,
    ):
        self.body, self.access, self.needs, self.known = body, access, needs, known
        self.done: set[int] = set()
        self.users: list[list[int]] = [[] for _ in body]
        for k, found in enumerate(needs):
            for n in found:
                self.users[n].append(k)
        self.waiting = [len(found) for found in needs]

    def order(self) -> list[Statement]:
        result: list[Statement] = []
        ready = [k for k, n in enumerate(self.waiting) if not n]
        while ready:
            plain = [k for k in ready if not isinstance(self.body[k], Each)]
            if plain:
                k = min(plain)
                result.append(self.body[k])
                ready.remove(k)
                ready += self._finish([k])
                continue
            first = min(ready)
            prelude, group = self._group(first, ready)
            result += _fused([self.body[k] for k in sorted(prelude)], self.known)
            result.append(self._merged(group))
            finished = {*prelude, *group}
            ready = [k for k in ready if k not in finished]
            ready += [k for k in self._finish([*prelude, *group]) if k not in finished]
        return result

    def _finish(self, group: Sequence[int]) -> list[int]:
        self.done.update(group)
        found: list[int] = []
        for k in group:
            for user in self.users[k]:
                self.waiting[user] -= 1
                if not self.waiting[user] and user not in self.done:
                    found.append(user)
        return found

    def _group(self, first: int, ready: Sequence[int]) -> tuple[set[int], list[int]]:
        """Loops that may be one with `first`, and what has to come before them."""
        prelude: set[int] = set()
        head = self.body[first]
        assert isinstance(head, Each)
        group = [first]
        members = {first}
        if self.access[first].leaves or _has_leave(head) or self._is_check(first):
            return prelude, group
        changed = True
        while changed:
            changed = False
            candidates = sorted({
                *(u for k in group for u in self.users[k]),
                *ready,
            })  # fmt: skip
            for k in candidates:
                s = self.body[k]
                if k in members or k in self.done or not isinstance(s, Each) or _has_leave(s):
                    continue
                if k in prelude or not self._alike(head, s) or self._is_check(k):
                    continue
                before = self._before(k, members, prelude)
                if before is None or any(not self._may_join(m, k) for m in group):
                    continue
                prelude |= before
                group.append(k)
                members.add(k)
                changed = True
        return prelude, group

    def _is_check(self, k: int) -> bool:
        """Whether others wait until a loop has found that they may run: it stays alone."""
        return any(
            isinstance(s, Fail) and s.guard for s in map(self.body.__getitem__, self.users[k])
        )

    def _before(self, k: int, members: set[int], prelude: set[int]) -> set[int] | None:
        """What a loop needs besides `members`; None where that needs one of them."""
        found: set[int] = set()
        stack = [n for n in self.needs[k] if n not in members]
        while stack:
            n = stack.pop()
            if n in self.done or n in prelude or n in found:
                continue
            if len(found) > _FEW or any(m in members for m in self.needs[n]):
                return None
            found.add(n)
            stack.extend(self.needs[n])
        return found

    def _alike(self, a: Each, b: Each) -> bool:
        return (
            a.step == b.step and self.known.equal(a.start, b.start)
            and self.known.equal(a.stop, b.stop)
        )  # fmt: skip

    def _may_join(self, a: int, b: int) -> bool:
        """Whether the rounds of two loops may alternate."""
        x, y = self.access[a], self.access[b]
        if x.fails and y.fails:
            return False
        first, second = self.body[a], self.body[b]
        assert isinstance(first, Each) and isinstance(second, Each)
        shared = (x.writes & (y.reads | y.writes)) | (y.writes & (x.reads | x.writes))
        for it in shared:
            if isinstance(it, Local):
                return False
            # Sums in memory may be taken in any order; inner loops stay SIMD.
            sums = not (it in x.looked or it in y.looked)
            if sums and not _is_inner(first) and not _is_inner(second):
                continue
            if not _aligned(self.known, it, first, x, second, y):
                return False
        return True

    def _merged(self, group: Sequence[int]) -> Statement:
        first = self.body[group[0]]
        assert isinstance(first, Each)
        for k in sorted(group[1:]):
            other = self.body[k]
            assert isinstance(other, Each)
            _renamed(other.body, {other.index: Ref(first.index)}, self.known)
            first.body.extend(other.body)
            first.free = first.free and other.free
        return first


def _has_leave(loop: Each) -> bool:
    from symdiff.lower.access import has_leave

    return has_leave(loop.body)


def _is_inner(loop: Each) -> bool:
    return not any(isinstance(s, (Each, Forever)) for s in statements(loop.body))


def _aligned(known: Known, buffer: Buffer, a: Each, x: Access, b: Each, y: Access) -> bool:
    """Whether each round of both touches only what the index names, in one place of the index."""
    if buffer.growing or not buffer.dims:
        return False
    mine, theirs = x.places.get(buffer, ()), y.places.get(buffer, ())
    own, other = changing(a, x), changing(b, y)
    for axis in range(len(buffer.dims)):
        one = named_by(known, a.index, mine, axis, own)
        two = named_by(known, b.index, theirs, axis, other)
        if one is not None and two is not None:
            one[b.index] = one.pop(a.index)
            if one == two:
                return True
    return False


def _renamed(body: list[Statement], mapping: dict[Local, Term], known: Known) -> None:
    meanings: dict[Local, Term] = {}
    for s in statements(body):
        with_terms(s, lambda term: substituted(term, mapping))
        if isinstance(s, Let) and s.local in known.meaning:
            meanings[s.local] = s.value
    known.redefine(meanings)


# What is written and then read in one round stays in a variable.


def forward(body: list[Statement]) -> None:
    """Read what has just been stored from a variable, in place.

    t[i] = exp(x[i]); s += t[i]   ->   t_i = exp(x[i]); t[i] = t_i; s += t_i
    """
    _Forwarding().block(body, {})


Held = dict[tuple[Buffer, tuple[Term, ...]], Term]


class _Forwarding:
    def block(self, body: list[Statement], held: Held) -> None:
        result: list[Statement] = []
        for s in body:
            with_terms(s, lambda term: self._read(term, held))
            if isinstance(s, Store):
                self._store(s, held, result)
            elif isinstance(s, Branch):
                for inner in blocks_of(s):
                    self.block(inner, dict(held))
                _forget(held, access_of([s]))
                result.append(s)
            elif isinstance(s, (Each, Forever)):
                changed = access_of([s])
                _forget(held, changed)
                for inner in blocks_of(s):
                    self.block(inner, dict(held))
                result.append(s)
            else:
                result.append(s)
                if isinstance(s, (Set, Invoke)):
                    _forget(held, access_of([s]))
        body[:] = result

    def _store(self, s: Store, held: Held, result: list[Statement]) -> None:
        key = (s.buffer, s.index)
        value = s.value
        if s.buffer.kind not in ("work", "result") or not s.buffer.dims or s.buffer.growing:
            result.append(s)
            return
        if s.add:
            known = held.get(key)
            _forget_buffer(held, s.buffer, s.index)
            if known is None:
                result.append(s)
                return
            value = Op("{0} + {1}", (known, value), s.buffer.dtype)
            if known == Num(0.0, s.buffer.dtype):
                value = s.value
        if not isinstance(value, (Ref, Num)):
            local = Local("t", s.buffer.dtype)
            result.append(Let(local, value, s.line))
            value = Ref(local)
        _forget_buffer(held, s.buffer, s.index)
        held[key] = value
        result.append(Store(s.buffer, s.index, value, line=s.line))

    def _read(self, term: Term, held: Held) -> Term:
        if not held or not any(
            isinstance(p, Load) and (p.buffer, p.index) in held for p in subterms(term)
        ):
            return term
        return _loaded(term, held)


def _loaded(term: Term, held: Held) -> Term:
    match term:
        case Load(buffer, index):
            return held.get((buffer, index), term)
        case Op(code, args, dtype):
            return Op(code, tuple(_loaded(a, held) for a in args), dtype)
        case _:
            return term


def _forget(held: Held, changed: Access) -> None:
    for key in list(held):
        buffer, index = key
        value = held[key]
        moved = isinstance(value, Ref) and value.local in changed.writes
        moved = moved or any(
            isinstance(p, Ref) and p.local in changed.writes for i in index for p in subterms(i)
        )
        if buffer in changed.writes or moved:
            del held[key]


def _forget_buffer(held: Held, buffer: Buffer, index: tuple[Term, ...]) -> None:
    """Another element may be the same: only what is certainly elsewhere is still known."""
    for key in list(held):
        if key[0] is buffer and not _apart(key[1], index):
            del held[key]


def _apart(a: tuple[Term, ...], b: tuple[Term, ...]) -> bool:
    known = Known()
    for x, y in zip(a, b, strict=True):
        one, two = known.form(x), known.form(y)
        if one is None or two is None:
            continue
        difference = {v: one.get(v, 0) - two.get(v, 0) for v in {*one, *two}}
        rest = {v: c for v, c in difference.items() if c}
        if set(rest) == {None}:
            return True
    return False


# Memory for one round of a loop.


def shrink(body: list[Statement]) -> None:
    """Give what only one round at a time looks at memory for one round, in place.

    for i: (for j: e[i, j] = ...); (for j: g[i, j] = e[i, j] / s)   ->   e has one row
    """
    uses: dict[Buffer, list[tuple[tuple[Each, ...], tuple[Term, ...]]]] = {}
    stack: list[tuple[list[Statement], tuple[Each, ...]]] = [(body, ())]
    while stack:
        block, around = stack.pop()
        for s in block:
            single = access_of([s]) if not blocks_of(s) else _own_access(s)
            for buffer, places in single.places.items():
                uses.setdefault(buffer, []).extend((around, index) for index in places)
            inner = (*around, s) if isinstance(s, Each) else around
            stack.extend((below, inner) for below in blocks_of(s))
    written_first = _written_first(body)
    for buffer, found in uses.items():
        if buffer.kind != "work" or buffer.growing or buffer not in written_first:
            continue
        axis = 0
        within: list[Each] = []
        while axis < len(buffer.dims):
            loop = _one_loop(found, axis)
            if loop is None or buffer.dims[axis] == ONE:
                axis += 1
                continue
            _drop_axis(body, buffer, axis)
            found = [(a, (*i[:axis], *i[axis + 1 :])) for a, i in found if i]
            within.append(loop)
        if not buffer.dims:
            _as_variable(body, buffer)
        elif within:
            _made_in(body, buffer, _innermost(within))


def _written_first(body: list[Statement]) -> set[Buffer]:
    """The buffers with which the first that is done is to write into them."""
    seen: set[Buffer] = set()
    found: set[Buffer] = set()
    for s in statements(body):
        single = access_of([s]) if not blocks_of(s) else _own_access(s)
        for buffer, places in single.places.items():
            if buffer in seen or () in places:  # where it is made
                continue
            seen.add(buffer)
            if isinstance(s, Store) and s.buffer is buffer and not s.add and len(places) == 1:
                found.add(buffer)
    return found


def _own_access(s: Statement) -> Access:
    """What a statement that holds others reads itself."""
    from symdiff.ir.nest import terms_of

    found = Access()
    for term in terms_of(s):
        for part in subterms(term):
            if isinstance(part, Load):
                found.places.setdefault(part.buffer, []).append(part.index)
    return found


def _one_loop(found: list[tuple[tuple[Each, ...], tuple[Term, ...]]], axis: int) -> Each | None:
    """The loop that is around all places, each of which names its round on this axis."""
    common: tuple[Each, ...] | None = None
    for around, index in found:
        if not index:
            continue  # where it is made
        common = around if common is None else tuple(x for x in common if x in around)
    for loop in common or ():
        if all(not i or i[axis] == Ref(loop.index) for _, i in found):
            return loop
    return None


def _innermost(loops: list[Each]) -> Each:
    """Of loops around one place, the one that is inside of all others."""
    return next(x for x in loops if all(y is x or y not in statements(x.body) for y in loops))


def _made_in(body: list[Statement], buffer: Buffer, loop: Each) -> None:
    """Each round of a loop makes a buffer anew."""
    stack = [body]
    while stack:
        block = stack.pop()
        block[:] = [s for s in block if not (isinstance(s, Alloc) and s.buffer is buffer)]
        for s in block:
            stack.extend(blocks_of(s))
    loop.body.insert(0, Alloc(buffer))


def _as_variable(body: list[Statement], buffer: Buffer) -> None:
    """Memory for one number is a variable."""
    local = Local(buffer.name, buffer.dtype)

    def changed(term: Term) -> Term:
        match term:
            case Load(other, index):
                if other is buffer:
                    return Ref(local)
                return Load(other, tuple(changed(i) for i in index))
            case Op(code, args, dtype):
                return Op(code, tuple(changed(a) for a in args), dtype)
            case _:
                return term

    stack = [body]
    while stack:
        block = stack.pop()
        result: list[Statement] = []
        for s in block:
            with_terms(s, changed)
            stack.extend(blocks_of(s))
            if isinstance(s, Store) and s.buffer is buffer:
                value = Op("{0} + {1}", (Ref(local), s.value), s.value.dtype) if s.add else s.value
                result.append(Set(local, value, s.line))
            elif not (isinstance(s, Alloc) and s.buffer is buffer):
                result.append(s)
        block[:] = result


def _drop_axis(body: list[Statement], buffer: Buffer, axis: int) -> None:
    def changed(term: Term) -> Term:
        match term:
            case Load(other, index):
                index = tuple(changed(i) for i in index)
                if other is buffer:
                    index = (*index[:axis], *index[axis + 1 :])
                return Load(other, index)
            case Op(code, args, dtype):
                return Op(code, tuple(changed(a) for a in args), dtype)
            case _:
                return term

    for s in statements(body):
        with_terms(s, changed)
        if isinstance(s, Store) and s.buffer is buffer:
            s.index = (*s.index[:axis], *s.index[axis + 1 :])
    buffer.dims = (*buffer.dims[:axis], *buffer.dims[axis + 1 :])
