"""Rounds that repeat the same work run side by side: what they share is computed once.

    for row in 0 .. n:                       for block in 0 .. n by 32:
        for i in 0 .. m:                         for i in 0 .. m:
            x = f(x)                                 x = f(x)
            d = g(x) * d              ->             slope = g(x)
            y[row, i] = d                            for lane in 0 .. 32 or less:
                                                         d[lane] = slope * d[lane]
                                                         y[block + lane, i] = d[lane]

So all columns of a Jacobian go through the loops of the function together, a vector of tangents
beside each number. The rounds must not depend on each other; what each had for itself gets an axis
of lanes, the last one. Blocks bound the memory that takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
    Fail,
    Forever,
    Grow,
    Invoke,
    Leave,
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
    terms_of,
    with_terms,
    written_by,
)
from symdiff.lower.access import access_of, has_leave
from symdiff.lower.affine import Known
from symdiff.lower.carried import change_in_place
from symdiff.lower.places import changing, is_apart

_LANES = 32
_SHARE = 8  # side by side if at least one operation in so many, in inner loops, is shared

Place = Local | Buffer


def side_by_side(body: list[Statement], known: Known) -> None:
    """Run the rounds of loops side by side where that saves work, in place."""
    uses = Counter(x for s in statements(body) for x in _touched(s))
    _inside(body, known, uses)


def _inside(body: list[Statement], known: Known, uses: Counter[Place]) -> None:
    result: list[Statement] = []
    for s in body:
        made = _Lanes(s, known, uses).blocks() if isinstance(s, Each) else None
        if made is None:
            for inner in blocks_of(s):
                _inside(inner, known, uses)
        result += [s] if made is None else made
    body[:] = result


class _KeptError(Exception):
    """The rounds stay as they are."""


class _Lanes:
    """One loop whose rounds may run side by side."""

    def __init__(self, loop: Each, known: Known, uses: Counter[Place]):
        self.loop, self.known, self.uses = loop, known, uses
        self.varying: set[Place] = {loop.index}
        self.wider: dict[Buffer, Buffer] = {}  # those that get an axis
        self.runs: list[tuple[Each, Local]] = []  # with the lane

    def blocks(self) -> list[Statement] | None:
        """The loop over blocks; None where the rounds depend on each other, or share little."""
        loop = self.loop
        nested = any(isinstance(s, (Each, Forever)) for s in statements(loop.body))
        if not (loop.rows and nested) or loop.step != 1 or loop.start != Num(0, "int"):
            return None
        try:
            self._find_varying()
            self._check()
        except _KeptError:
            return None
        shared, own = self._work(loop.body, False)
        if not shared or shared * _SHARE < own:
            return None
        return self._made()

    # What differs from round to round.

    def _find_varying(self) -> None:
        before = -1
        while before != len(self.varying):
            before = len(self.varying)
            self._mark(self.loop.body, False)

    def _mark(self, body: Iterable[Statement], under: bool) -> None:
        for s in body:
            varies = under or self._reads_varying(s)
            match s:
                case Let(local=target) | Set(local=target) | Store(buffer=target):
                    if varies:
                        self.varying.add(target)
                case Branch(then=then, orelse=orelse):
                    self._mark(then, varies)
                    self._mark(orelse, varies)
                case Each(index=index, body=inner):
                    if varies:
                        self.varying.add(index)
                    self._mark(inner, varies)
                case Forever(body=inner):
                    self._mark(inner, varies)
                case Alloc() | Leave():
                    if varies:
                        raise _KeptError
                case Invoke() | Grow():
                    raise _KeptError
                case Fail() | Declare():
                    pass

    def _reads_varying(self, s: Statement) -> bool:
        return any(_is_of(term, self.varying) for term in terms_of(s))

    def _check(self) -> None:
        """Whether each round has all that it writes to itself. Raises _KeptError."""
        inner = Counter(x for s in statements(self.loop.body) for x in _touched(s))
        access = access_of(self.loop.body)
        if access.leaves:
            raise _KeptError
        other = changing(self.loop, access)
        own = {s.buffer for s in statements(self.loop.body) if isinstance(s, Alloc)}
        for x in access.writes:
            alone = self.uses[x] == inner[x]
            if isinstance(x, Local):
                if not alone:
                    raise _KeptError
            elif x in own and alone and x.kind == "work" and not x.growing:
                if x in self.varying:
                    self.wider[x] = Buffer(x.name, x.dtype, (*x.dims, Num(_LANES, "int")))
            elif x.growing or not is_apart(
                self.known, self.loop.index, access.places.get(x, []), len(x.dims), other
            ):
                raise _KeptError

    def _work(self, body: Iterable[Statement], deep: bool) -> tuple[int, int]:
        """How many operations of inner loops are the same in all rounds, and how many are not."""
        shared = own = 0
        for s in body:
            if deep:
                parts = [p for t in terms_of(s) for p in subterms(t) if isinstance(p, Op)]
                cost = sum(1 for p in parts if p.dtype.startswith("float"))
                if self._varies(s):
                    own += cost
                else:
                    shared += cost
            for block in blocks_of(s):
                more = self._work(block, deep or isinstance(s, (Each, Forever)))
                shared, own = shared + more[0], own + more[1]
        return shared, own

    def _varies(self, s: Statement) -> bool:
        """Whether a statement is another in each round, or something inside of it is."""
        return any(
            self._reads_varying(x)
            or not self.varying.isdisjoint(written_by(x))
            or (isinstance(x, Declare) and x.local in self.varying)
            for x in statements([s])
        )

    # Side by side.

    def _made(self) -> list[Statement]:
        loop = self.loop
        change_in_place(loop.body, self.uses)
        block, width = Local("block", "int"), Local("lanes", "int")
        self.known.ranges[block] = loop.start, Op("{0} - {1}", (loop.stop, Num(1, "int")), "int")
        self.block, self.width = block, width
        body = self._spread(loop.body)
        promoted = self._promoted()
        for run, lane in self.runs:
            for s in statements(run.body):
                with_terms(s, lambda term, at=lane: self._moved(term, at, promoted))
            run.body[:] = self._stored(run.body, lane, promoted)
        rest = Op("{0} - {1}", (loop.stop, Ref(block)), "int")
        least = Op("{0} < {1} ? {0} : {1}", (rest, Num(_LANES, "int")), "int")
        head = [Let(width, least, loop.line), *(Alloc(b) for b in promoted.values())]
        return [Each(block, loop.start, loop.stop, _LANES, [*head, *body], line=loop.line)]

    def _spread(self, body: Iterable[Statement]) -> list[Statement]:
        """What is shared, once, and runs over the lanes of what is not."""
        result: list[Statement] = []
        run: list[Statement] = []

        def finish() -> None:
            if run:
                result.append(self._run(list(run)))
                run.clear()

        for s in body:
            if isinstance(s, Alloc):
                result.append(Alloc(self.wider.get(s.buffer, s.buffer)))
            elif not self._varies(s):
                if has_leave([s]) or not access_of([s]).writes.isdisjoint(_seen(run)):
                    finish()
                result.append(s)
            elif self._is_whole(s):
                run.append(s)
            else:
                finish()
                for inner in blocks_of(s):
                    inner[:] = self._spread(inner)
                result.append(s)
        finish()
        return result

    def _is_whole(self, s: Statement) -> bool:
        """Whether a statement, with all in it, is for each lane to do by itself."""
        if not blocks_of(s) or self._reads_varying(s):
            return True
        return isinstance(s, Branch) and all(
            not blocks_of(x)
            and not isinstance(x, (Leave, Alloc))
            and self.varying.issuperset(written_by(x))
            for inner in blocks_of(s)
            for x in inner
        )

    def _run(self, body: list[Statement]) -> Each:
        lane, row = Local("lane", "int"), Local("row", "int")
        first, last = Num(0, "int"), Num(_LANES - 1, "int")
        self.known.ranges[lane] = first, last
        place = Op("{0} + {1}", (Ref(self.block), Ref(lane)), "int")
        self.known.meaning[row] = place
        if any(_is_of(t, {self.loop.index}) for s in statements(body) for t in terms_of(s)):
            for s in statements(body):
                with_terms(s, lambda term: _replaced(term, self.loop.index, Ref(row)))
            body.insert(0, Let(row, place, self.loop.line))
        made = Each(lane, first, Ref(self.width), 1, body, line=self.loop.line)
        self.runs.append((made, lane))
        return made

    # What several runs know of a lane is in memory.

    def _promoted(self) -> dict[Local, Buffer]:
        seen: dict[Local, int] = {}
        found: dict[Local, Buffer] = {}
        for number, (run, _) in enumerate(self.runs):
            given: set[Local] = set()
            for s in statements(run.body):
                read = {p.local for t in terms_of(s) for p in subterms(t) if isinstance(p, Ref)}
                for x in (*read, *(x for x in _touched(s) if isinstance(x, Local))):
                    if x not in self.varying or x is self.loop.index:
                        continue
                    carried = x in read and x not in given
                    if carried or seen.setdefault(x, number) != number:
                        found.setdefault(x, Buffer(x.name, x.dtype, (Num(_LANES, "int"),)))
                given.update(x for x in _touched(s) if isinstance(x, Local))
        return found

    def _moved(self, term: Term, lane: Local, promoted: dict[Local, Buffer]) -> Term:
        match term:
            case Ref(local):
                return Load(promoted[local], (Ref(lane),)) if local in promoted else term
            case Load(buffer, index):
                at = tuple(self._moved(i, lane, promoted) for i in index)
                wider = self.wider.get(buffer)
                return Load(buffer, at) if wider is None else Load(wider, (*at, Ref(lane)))
            case Op(code, args, dtype):
                return Op(code, tuple(self._moved(a, lane, promoted) for a in args), dtype)
            case Num():
                return term

    def _stored(
        self, body: list[Statement], lane: Local, promoted: dict[Local, Buffer]
    ) -> list[Statement]:
        result: list[Statement] = []
        for s in body:
            for inner in blocks_of(s):
                inner[:] = self._stored(inner, lane, promoted)
            match s:
                case Let(local=local) | Set(local=local) if local in promoted:
                    result.append(Store(promoted[local], (Ref(lane),), s.value, line=s.line))
                case Declare(local=local) if local in promoted:
                    pass
                case Store(buffer=buffer) if buffer in self.wider:
                    at = (*s.index, Ref(lane))
                    result.append(Store(self.wider[buffer], at, s.value, s.add, s.line))
                case _:
                    result.append(s)
        return result


def _touched(s: Statement) -> Iterator[Place]:
    """What a statement itself reads, writes or declares, each as often as it stands there."""
    for term in terms_of(s):
        for part in subterms(term):
            if isinstance(part, Ref):
                yield part.local
            elif isinstance(part, Load):
                yield part.buffer
    yield from written_by(s)
    match s:
        case Declare(local=local):
            yield local
        case Alloc(buffer=buffer) | Grow(buffer=buffer):
            yield buffer
        case Invoke():
            yield from s.buffers
        case _:
            pass


def _seen(run: Iterable[Statement]) -> set[Place]:
    access = access_of(run)
    return access.reads | access.writes


def _is_of(term: Term, what: set[Place]) -> bool:
    """Whether a term reads one of these."""
    return any(
        (isinstance(p, Ref) and p.local in what) or (isinstance(p, Load) and p.buffer in what)
        for p in subterms(term)
    )


def _replaced(term: Term, local: Local, by: Term) -> Term:
    return substituted(term, {local: by})
