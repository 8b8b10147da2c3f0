"""The code of a block of rounds that run side by side (`blocks` says when)."""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
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
    subterms,
    terms_of,
    written_by,
)
from symdiff.lower.access import access_of
from symdiff.lower.affine import Known

LANES = 64  # rounds in a block: what they need in the innermost loops fits the first cache
_ZERO = Num(0, "int")


class Lanes:
    """A loop whose rounds become lanes.

    sums: variables that rounds only add to. varying: those that differ from lane to lane.
    private: the buffers that each round has for itself. packed: buffers whose rows are brought in
    order. After `cut`, `segment` says of each statement in which lane loop it is, and `wide` are
    the variables that need a value for each lane, since several lane loops have them.
    """

    def __init__(
        self, loop: Each, sums: set[Local], varying: set[Local], private: Iterable[Buffer]
    ):
        self.loop, self.sums, self.varying = loop, sums, varying
        self.private = list(private)
        self.own = set(self.private)
        self.packed: list[Buffer] = []
        self.segment: dict[int, int] = {}
        self.wide: dict[Local, None] = {}

    def varies(self, term: Term) -> bool:
        """Whether a term differs from lane to lane."""
        return any(
            (isinstance(p, Ref) and p.local in self.varying)
            or (isinstance(p, Load) and p.buffer in self.own)
            for p in subterms(term)
        )

    def is_alike(self, s: Statement) -> bool:
        """Whether a statement does the same in all lanes, so that one does it for all."""
        match s:
            case Let(local=local) | Set(local=local) | Declare(local=local):
                return local not in self.varying
            case Branch(test=test):
                return not self.varies(test)
            case Store():
                return False
            case _:
                return True

    # Lane loops.

    def cut(self) -> None:
        """Find out the lane loops, and what several of them have."""
        number = 0
        stack: list[list[Statement]] = [self.loop.body]
        while stack:
            block = stack.pop()
            number += 1
            for s in block:
                if self.is_alike(s):
                    if not isinstance(s, (Let, Alloc, Declare)):
                        number += 1
                    stack.extend(blocks_of(s))
                else:
                    for inner in statements([s]):
                        self.segment[id(inner)] = number
        seen: dict[Local, set[int]] = {}
        first: dict[Local, bool] = {}
        self._follow(self.loop.body, False, seen, first)
        for local, numbers in seen.items():
            own = local in self.varying and local is not self.loop.index
            if own and local not in self.sums and (len(numbers) > 1 or not first[local]):
                self.wide[local] = None

    def _follow(
        self,
        body: list[Statement],
        masked: bool,
        seen: dict[Local, set[int]],
        first: dict[Local, bool],
    ) -> None:
        """Note where variables are seen, and whether a lane loop gives them a value first."""
        stack = [(s, masked) for s in reversed(body)]
        while stack:
            s, within = stack.pop()
            number = self.segment.get(id(s), 0)
            for term in terms_of(s):
                for p in subterms(term):
                    if isinstance(p, Ref):
                        seen.setdefault(p.local, set()).add(number)
                        first.setdefault(p.local, False)
            for local in written_by(s):
                if isinstance(local, Local):
                    seen.setdefault(local, set()).add(number)
                    first.setdefault(local, isinstance(s, Let) or not within)
            inner = within or (isinstance(s, Branch) and not self.is_alike(s))
            for below in reversed(blocks_of(s)):
                stack.extend((x, inner) for x in reversed(below))

    def code(self, known: Known, room: int) -> Each:
        """The loop over blocks. room: elements that one lane has for itself, at most."""
        return _Writer(self, known, room).blocks()


class _Writer:
    def __init__(self, lanes: Lanes, known: Known, room: int):
        self.lanes, self.known = lanes, known
        self.loop = lanes.loop
        self.first, self.count = Local("first", "int"), Local("lanes", "int")
        self.names: dict[Local, Local] = {}
        self.buffers: dict[Buffer, Buffer] = {}
        for b in (*lanes.private, *lanes.packed):
            dims = b.dims if b in lanes.own else b.dims[1:]
            self.buffers[b] = Buffer(b.name, b.dtype, (*dims, _lanes()), most=room * LANES)
        self.arrays = {local: Buffer(local.name, local.dtype, (_lanes(),)) for local in lanes.wide}
        self.written: set[Local | Buffer] = set(access_of(self.loop.body).writes)

    def blocks(self) -> Each:
        loop = self.loop
        far = Op("{0} - {1} < {2}", (loop.stop, Ref(self.first), _lanes()), "bool")
        rest = Op("{0} - {1}", (loop.stop, Ref(self.first)), "int")
        count = Op("{0} ? {1} : {2}", (far, rest, _lanes()), "int")
        body: list[Statement] = [Let(self.count, count)]
        body += [Alloc(b) for b in self.arrays.values()]
        for b in self.lanes.packed:
            body += self._packing(b)
        body += self.block(loop.body)
        return Each(self.first, loop.start, loop.stop, LANES, body, line=loop.line)

    def _packing(self, buffer: Buffer) -> list[Statement]:
        """The rows of a block, in order."""
        new = self.buffers[buffer]
        lane = self._lane()
        row: tuple[Term, ...] = tuple(Ref(Local("i", "int")) for _ in buffer.dims[1:])
        value = Load(buffer, (Op("{0} + {1}", (Ref(self.first), Ref(lane)), "int"), *row))
        made: Statement = self._over(lane, [Store(new, (*row, Ref(lane)), value)])
        for index, d in reversed(list(zip(row, buffer.dims[1:], strict=True))):
            assert isinstance(index, Ref)
            self.known.ranges[index.local] = _ZERO, Op("{0} - {1}", (d, Num(1, "int")), "int")
            made = Each(index.local, _ZERO, d, 1, [made])
        return [Alloc(new), made]

    def _lane(self) -> Local:
        lane = Local("l", "int")
        self.known.ranges[lane] = _ZERO, Num(LANES - 1, "int")
        return lane

    def _over(self, lane: Local, body: list[Statement]) -> Each:
        return Each(lane, _ZERO, Ref(self.count), 1, body)

    # Statements.

    def block(self, body: list[Statement]) -> list[Statement]:
        """What a block does for all lanes."""
        out: list[Statement] = []
        segment: list[Statement] = []
        for s in body:
            if not self.lanes.is_alike(s):
                segment.append(s)
                continue
            if not isinstance(s, (Let, Alloc, Declare)):
                out += self.lane_loop(segment)
                segment = []
            match s:
                case Alloc(buffer=buffer):
                    out.append(Alloc(self.buffers[buffer]))
                case Each():
                    out += self._each(s)
                case Branch(test, then, orelse, line):
                    out.append(Branch(self.term(test), self.block(then), self.block(orelse), line))
                case _:
                    out.append(self.copied(s, None))
        return out + self.lane_loop(segment)

    def _each(self, s: Each) -> list[Statement]:
        index = self._name(s.index)
        if s.index in self.known.ranges:
            self.known.ranges[index] = self.known.ranges[s.index]
        body = self.block(s.body)
        made = Each(index, self.term(s.start), self.term(s.stop), s.step, body, line=s.line)
        before = self._before(made)
        return [*before, made]

    def _before(self, loop: Each) -> list[Statement]:
        """The sums over lanes that each round of a loop would take again."""
        written = set(access_of(loop.body).writes) | {loop.index}
        taken: list[Statement] = []
        kept: list[Statement] = []
        for k, s in enumerate(loop.body):
            start = loop.body[k - 1] if k else None
            if (
                isinstance(s, Each) and len(s.body) == 1 and isinstance(s.body[0], Set)
                and isinstance(start, Set) and start.local is s.body[0].local
                and not any(_names(t) & (written - {start.local, s.index})
                            for t in terms_of(s.body[0]))
            ):  # fmt: skip
                kept.pop()
                taken += [start, s]
            else:
                kept.append(s)
        loop.body[:] = kept
        return taken

    def lane_loop(self, segment: list[Statement]) -> list[Statement]:
        """One loop over the lanes; what they add to shared memory is summed over them."""
        if not segment:
            return []
        lane = self._lane()
        totals: dict[Term, Local] = {}
        after: list[Statement] = []
        body: list[Statement] = []
        plain = not any(isinstance(s, Branch) for s in segment)
        sums: list[Statement] = []
        for s in segment:
            if isinstance(s, Declare) and s.local in self.arrays:
                continue
            if plain and self._is_shared_sum(s):
                assert isinstance(s, Store)
                alike, value = self._factors(s.value)
                term = self.term(value, lane)
                total = totals.get(term)
                if total is None:
                    total = totals[term] = Local("total", s.buffer.dtype)
                    zero = Num(0.0 if total.dtype.startswith("float") else 0, total.dtype)
                    sums.append(Set(total, zero))
                    body.append(
                        Set(total, Op("{0} + {1}", (Ref(total), term), total.dtype), s.line)
                    )
                amount: Term = Ref(total)
                for code, factor in alike:
                    factor = () if factor is None else (self.term(factor),)
                    amount = Op(code, (*factor, amount), total.dtype)
                index = tuple(map(self.term, s.index))
                after.append(Store(s.buffer, index, amount, True, s.line))
            else:
                body.append(self.copied(s, lane))
        return [*self._apart(lane, sums, body), *after]

    def _apart(self, lane: Local, sums: list[Statement], body: list[Statement]) -> list[Statement]:
        """The lane loop; sums of what others have left are loops of their own."""
        made = {x.local for s in body for x in statements([s]) if isinstance(x, (Let, Set))}
        alone: list[Statement] = []
        kept: list[Statement] = []
        starts: list[Statement] = []
        totals = {s.local: s for s in sums if isinstance(s, Set)}
        for s in body:
            start = totals.get(s.local) if isinstance(s, Set) else None
            if start is not None and isinstance(s, Set) and _is_load_only(s.value, made):
                own = self._lane()
                alone += [start, self._over(own, [_relaned(s, lane, own)])]
            else:
                kept.append(s)
                if start is not None:
                    starts.append(start)
        buffers = {x.buffer for s in kept for x in statements([s]) if isinstance(x, Store)}
        if any(_buffers(t) & buffers for s in alone for x in statements([s]) for t in terms_of(x)):
            return [*sums, self._over(lane, body)]
        return [*alone, *starts, *([self._over(lane, kept)] if kept else [])]

    def _is_shared_sum(self, s: Statement) -> bool:
        return (
            isinstance(s, Store) and s.add and s.buffer not in self.lanes.own
            and not any(map(self.lanes.varies, s.index))
        )  # fmt: skip

    def _factors(self, term: Term) -> tuple[list[tuple[str, Term | None]], Term]:
        """What all lanes multiply by, outermost last, and what differs."""
        found: list[tuple[str, Term | None]] = []
        while isinstance(term, Op):
            if term.code == "-{0}":
                found.append((term.code, None))
                term = term.args[0]
            elif term.code == "{0} * {1}" and self.lanes.varies(term):
                a, b = term.args
                if not self.lanes.varies(a):
                    found.append((term.code, a))
                    term = b
                elif not self.lanes.varies(b):
                    found.append((term.code, b))
                    term = a
                else:
                    break
            else:
                break
        return found[::-1], term

    def copied(self, s: Statement, lane: Local | None) -> Statement:
        """A statement, in a lane loop or for all lanes."""
        match s:
            case Let(local, value, line):
                value = self.term(value, lane)
                if local in self.arrays and lane is not None:
                    return Store(self.arrays[local], (Ref(lane),), value, line=line)
                new = self._name(local)
                if local in self.known.meaning:
                    self.known.redefine({new: value})
                return Let(new, value, line)
            case Set(local, value, line):
                if local in self.arrays and lane is not None:
                    amount = _added(s)
                    value = self.term(value if amount is None else amount, lane)
                    add = amount is not None
                    return Store(self.arrays[local], (Ref(lane),), value, add, line)
                value = self.term(value, lane)
                return Set(self._name(local), value, line)
            case Declare(local=local):
                return Declare(self._name(local), s.hoisted)
            case Store(buffer, index, value, add, line):
                index = tuple(self.term(i, lane) for i in index)
                if buffer in self.lanes.own:
                    assert lane is not None
                    index, buffer = (*index, Ref(lane)), self.buffers[buffer]
                return Store(buffer, index, self.term(value, lane), add, line)
            case Branch(test, then, orelse, line):
                return Branch(
                    self.term(test, lane),
                    [self.copied(x, lane) for x in then],
                    [self.copied(x, lane) for x in orelse],
                    line,
                )
            case _:
                raise AssertionError("only what is simple is in a lane loop")

    def _name(self, local: Local) -> Local:
        """The variable of the block that stands for one of a round."""
        known = local in self.written or local in self.names or self._is_index(local)
        if local in self.lanes.sums or not known:
            return local
        return self.names.setdefault(local, Local(local.name, local.dtype))

    def _is_index(self, local: Local) -> bool:
        return any(isinstance(s, Each) and s.index is local for s in statements(self.loop.body))

    def term(self, term: Term, lane: Local | None = None) -> Term:
        """A term, of one lane or of all."""
        match term:
            case Ref(local):
                if lane is not None:
                    if local is self.loop.index:
                        return Op("{0} + {1}", (Ref(self.first), Ref(lane)), "int")
                    if local in self.arrays:
                        return Load(self.arrays[local], (Ref(lane),))
                return Ref(self._name(local))
            case Load(buffer, index):
                if buffer in self.buffers:
                    assert lane is not None
                    index = index if buffer in self.lanes.own else index[1:]
                    inner = tuple(self.term(i, lane) for i in index)
                    return Load(self.buffers[buffer], (*inner, Ref(lane)))
                return Load(buffer, tuple(self.term(i, lane) for i in index))
            case Op(code, args, dtype):
                return Op(code, tuple(self.term(a, lane) for a in args), dtype)
            case Num():
                return term


def _added(s: Set) -> Term | None:
    """What is added to a variable; None where it gets another value."""
    if not isinstance(s.value, Op) or s.value.code not in ("{0} + {1}", "{0} - {1}"):
        return None
    own, amount = s.value.args
    if own != Ref(s.local) or s.local in _names(amount):
        return None
    return amount if s.value.code == "{0} + {1}" else Op("-{0}", (amount,), amount.dtype)


def _lanes() -> Num:
    return Num(LANES, "int")


def _names(term: Term) -> set[Local | Buffer]:
    found: set[Local | Buffer] = set()
    for p in subterms(term):
        if isinstance(p, Ref):
            found.add(p.local)
        elif isinstance(p, Load):
            found.add(p.buffer)
    return found


def _buffers(term: Term) -> set[Buffer]:
    return {x for x in _names(term) if isinstance(x, Buffer)}


def _is_load_only(term: Term, made: set[Local]) -> bool:
    """Whether a sum needs only what is in memory, besides its own variable."""
    assert isinstance(term, Op)
    return not any(isinstance(p, Ref) and p.local in made for p in subterms(term.args[1]))


def _relaned(s: Set, old: Local, new: Local) -> Set:
    from symdiff.ir.nest import substituted

    return Set(s.local, substituted(s.value, {old: Ref(new)}), s.line)
