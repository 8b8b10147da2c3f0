"""Loops: `for` and `while`.

A loop of a few rounds that are known when compiling is evaluated round by round. Any other is
evaluated once, from a state in which all that a round changes is a variable; what the variables
become is the body of a `For` or `While`. Which places a round changes, and of which types they are,
shows when it is evaluated: it is evaluated again until that is settled.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, SymdiffError, UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr, Var, for_, project, var, while_
from symdiff.ir.tree import Record, is_container, leaves, map_tree
from symdiff.ir.types import INT, Type, promote_dtype
from symdiff.parse.branches import branch, leave
from symdiff.parse.carrying import CarriedArrays
from symdiff.parse.containers import MAX_ROUNDS, items_of, iterated, live_items
from symdiff.parse.frame import Evaluation, Exit, Frame, Unbound, UnreachableError, handles, run
from symdiff.parse.growing import Grown, grown_from
from symdiff.parse.rounds import Rounds, rounds_of
from symdiff.parse.state import ABSENT, Item, Name, Place, State, UnequalListsError
from symdiff.parse.statements import Break, Continue, Return, assign, bind, block
from symdiff.parse.values import NUMBERS, Freeze, Maybe, join, truth
from symdiff.primitives.arithmetic import add, greater, less, logical_not
from symdiff.primitives.row import as_expr, choose, conform, zero_of
from symdiff.primitives.spell import to_expr

UNROLLED = 16  # a loop of more rounds stays a loop


@handles(ast.For)
def for_statement(frame: Frame, node: ast.For) -> Evaluation:
    iterable = yield iterated(frame, (yield node.iter), node.iter)
    rounds = rounds_of(iterable) if isinstance(iterable, (Rounds, Grown)) else None
    if rounds is None and isinstance(iterable, Expr):
        rounds = rounds_of(iterable)
        if rounds is not None and not isinstance(iterable.type.shape[0], int):
            return _Counted(frame, node, rounds).run()
        known = iterable.type.shape[0] if rounds is not None else None
        if rounds is not None and isinstance(known, int) and known > UNROLLED:
            return _attempt(frame, _Counted(frame, node, rounds), lambda: items_of(iterable))
    elif rounds is not None:
        return _Counted(frame, node, rounds).run()
    elif isinstance(iterable, range) and len(iterable) > UNROLLED:
        start, stop, step = iterable.start, iterable.stop, iterable.step
        counted = Rounds(len(iterable), lambda k: k, (start, stop, step))
        return _attempt(frame, _Counted(frame, node, counted), lambda: items_of(iterable))
    return _unrolled(frame, node, live_items(iterable))


@handles(ast.While)
def while_statement(frame: Frame, node: ast.While) -> Evaluation:
    if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test)):
        leaving = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
        inner = ast.While(ast.Constant(True), [leaving, *node.body], node.orelse)
        node = ast.fix_missing_locations(ast.copy_location(inner, node))
        for new in (inner.test, leaving, leaving.body[0], leaving.test):
            ast.copy_location(new, node)
    known = truth(run(frame, node.test))
    if not isinstance(known, bool):
        return _Conditional(frame, node).run()
    if not known:
        return (yield block(frame, node.orelse))
    before, exits, mark = State(frame.context), list(frame.exits), frame.context.mark()
    try:
        return _unrolled(frame, node, _while_known(frame, node), limit=UNROLLED)
    except TooManyRoundsError as cause:
        before.restore()
        frame.context.forget(mark)
        frame.exits = exits
        return _attempt(frame, _Conditional(frame, node), lambda: _while_known(frame, node), cause)


class TooManyRoundsError(Exception):
    """More rounds than are written out one by one."""


def _attempt(
    frame: Frame, loop: _Loop, items: Callable[[], Any], cause: TooManyRoundsError | None = None
) -> Any:
    """As a loop; round by round where its body needs what only that knows (`layers[i]`)."""
    before, exits, path = State(frame.context), list(frame.exits), frame.context.path
    mark, context = frame.context.mark(), frame.context
    open_ = list(context.frames), context.depth, context.lazy
    try:
        return loop.run()
    except SymdiffError as error:
        if cause is not None and cause.args:
            raise
        before.restore()
        context.forget(mark)
        frame.exits, context.path = exits, path
        context.frames[:], context.depth, context.lazy = open_
        try:
            return _unrolled(frame, loop.node, items())
        except SymdiffError:
            raise error from None


def _while_known(frame: Frame, node: ast.While) -> Any:
    """One item for each round, while the condition is known and holds."""
    rounds = 0
    while True:
        known = truth(run(frame, node.test))
        if not isinstance(known, bool):
            raise TooManyRoundsError(known)
        if not known:
            return
        rounds += 1
        if rounds > MAX_ROUNDS:
            raise UnsupportedError("this 'while' did not end within a million rounds")
        yield None


def _unrolled(frame: Frame, node: ast.For | ast.While, items: Any, limit: int = MAX_ROUNDS) -> Any:
    """The loop round by round."""
    outer, frame.exits = frame.exits, []
    breaks: list[Exit] = []
    signal: Any = None
    for number, item in enumerate(items):
        if number >= limit:
            raise TooManyRoundsError()
        if isinstance(node, ast.For):
            run(frame, assign(frame, node.target, item, node))
        try:
            signal = run(frame, block(frame, node.body))
        except UnreachableError:
            if breaks or any(e.kind is not Return for e in frame.exits):
                raise UnsupportedError(
                    "raise in a loop, after a break or continue that a run-time condition decides "
                    "on, is not supported",
                    hint="raise after the loop",
                ) from None
            frame.exits = [*outer, *frame.exits]
            raise
        ends, frame.exits = frame.exits, []
        if isinstance(node, ast.While) and any(e.kind is Break for e in ends):
            raise TooManyRoundsError(True)
        leave(frame, [e for e in ends if e.kind is Continue], None, node)
        for e in _others(ends, Continue):
            (breaks if e.kind is Break else outer).append(
                e if e.kind is Break else _after(breaks, e)
            )
        if isinstance(signal, (Return, Break)):
            break
    frame.exits = outer
    if isinstance(signal, Return):
        if not breaks:
            return signal
        for e in breaks:
            outer_pred = logical_not.build(e.pred)
            frame.exits.append(Exit(outer_pred, Return, signal.value, State(frame.context)))
        leave(frame, breaks, None, node)
        return None
    if not isinstance(signal, Break) and node.orelse:
        if breaks:
            broke: Any = False
            for e in reversed(breaks):
                broke = either(e.pred, True, broke)
            leave(frame, breaks, None, node)
            return run(frame, branch(frame, broke, [ast.Pass()], node.orelse, node))
        return run(frame, block(frame, node.orelse))
    leave(frame, breaks, None, node)
    return None


def _others(exits: Sequence[Exit], kind: type) -> list[Exit]:
    """The exits of another kind, each on condition that none of `kind` came before it."""
    found: list[Exit] = []
    absorbed: list[Exit] = []
    for e in exits:
        if e.kind is kind:
            absorbed.append(e)
        else:
            found.append(_after(absorbed, e))
    return found


def _after(earlier: Sequence[Exit], e: Exit) -> Exit:
    pred: Any = e.pred
    for before in reversed(earlier):
        pred = either(before.pred, False, pred)
    return Exit(pred, e.kind, e.value, e.state)


def either(pred: Expr | bool, then: Expr | bool, orelse: Expr | bool) -> Expr | bool:
    """`then if pred else orelse`, of conditions."""
    if isinstance(pred, bool):
        return then if pred else orelse
    if isinstance(then, bool) and isinstance(orelse, bool):
        if then == orelse:
            return then
        return pred if then else logical_not.build(pred)
    return choose(pred, then, orelse).expr


@dataclass(slots=True)
class _Carried:
    """One place that a round changes: its value on entry, its variables, their types."""

    entry: Any
    types: list[Type | None]
    opened: Any = None
    variables: list[Any] = field(default_factory=list)
    shares: frozenset[int] = frozenset()  # array objects that may be held elsewhere too
    lost: str = ""  # why it has no value from round to round


class _Loop:
    """The evaluation of one loop."""

    def __init__(self, frame: Frame, node: ast.For | ast.While):
        self.frame = frame
        self.node = node
        self.context = frame.context
        self.carried: dict[Place, _Carried] = {}
        self.serial = self.context.fresh()
        self.arrays = CarriedArrays(self.context, self.serial)
        self.first: dict[Place, set[int]] = {}  # objects that each place holds before the loop
        self.grown: list[tuple[Grown, Any]] = []  # lists that grow, and what they were before
        self.times: dict[int, int] = {}  # how often a round appends, at most
        self.content: dict[int, list[Any]] = {}
        self.added: dict[int, list[Any]] = {}
        self.outside: dict[Place | None, set[int]] = {}  # objects in what only the loop binds
        self.context.loops += 1

    # What differs between the two kinds of loop.

    def start_round(self) -> None:
        raise NotImplementedError

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Expr:
        raise NotImplementedError

    def certain(self) -> Expr | bool:
        """Whether there is a first round."""
        raise NotImplementedError

    def run(self) -> Any:
        """Evaluate the loop; what comes out is in the frame, and a signal."""
        frame, context = self.frame, self.context
        entry = State(context)
        outer_exits, path = frame.exits, context.path
        for name in _assigned(self.node):
            known = name in frame.env and name not in frame.nonlocals
            if known and not self.arrays.holds_arrays(frame.env[name]):
                self._carry(Name(frame, name), frame.env[name])
        mark = context.mark()
        if context.memory is not None:
            self.first = {p: self.arrays.objects(p.get(entry)) for p in entry.places()}
        while True:
            entry.restore()
            context.forget(mark)
            self.arrays.open(entry)
            self._open()
            frame.exits = []
            # Whether this round runs is known only at run time.
            context.path = path
            context.open_loops += 1
            for new, _ in self.grown:
                new.appended = 0
            open_ = list(context.frames), context.depth, context.lazy
            try:
                self.start_round()
                signal = run(frame, block(frame, self.node.body))
                exits, frame.exits = frame.exits, []
                self.final = signal
                flags = _Flags(exits, signal, context.freeze)
                leave(frame, [_bare(e) for e in exits], None, self.node)
            except UnequalListsError as error:
                if id(error.owner) not in entry.contents:
                    raise
                context.frames[:], context.depth, context.lazy = open_
                self._let_grow(entry, error.owner, error.longer)
                continue
            finally:
                context.open_loops -= 1
            after = State(context)
            if self._settled(entry, after):
                break
        frame.exits, context.path = outer_exits, path
        return self._finish(entry, after, flags)

    def _carry(self, place: Place, value: Any) -> None:
        self.carried[place] = _Carried(value, [None] * len(list(leaves(value))))

    def _open(self) -> None:
        """Replace what the loop carries by variables."""
        for place, carried in self.carried.items():
            if carried.lost:
                place.set(Unbound(carried.lost))
                continue
            carried.variables = []
            types = iter(carried.types)
            names = _leaf_names(str(place), carried.entry)

            def opened(leaf: Any, names: Any = names, types: Any = types, c: Any = carried) -> Any:
                wish, type_ = next(names), next(types)
                if not isinstance(leaf, (Expr, np.ndarray, *NUMBERS)):
                    c.variables.append(None)
                    return leaf
                initial = to_expr(leaf)
                new = var(wish, type_ or initial.type, self.serial + len(c.variables) * 1_000_000)
                c.variables.append(new)
                self.arrays.opened(new, c.shares)
                return new

            carried.opened = map_tree(opened, carried.entry)
            if is_container(carried.opened):
                _born(self.context, carried.opened)
            place.set(carried.opened)

    def _settled(self, entry: State, after: State) -> bool:
        """Whether the round changed no more than what is carried, in the types assumed."""
        if self._grows(entry, after):
            return False
        same = self.arrays.settled()
        moves = self.arrays.moves()
        known = set(self.carried)
        for place in entry.places():
            if place in known:
                continue
            if isinstance(place, Name) and place.frame not in after.names:
                continue
            expected = self.arrays.expected(place.get(entry), moves)
            if not _identical(expected, place.get(after)):
                self._carry(place, place.get(entry))
                same = False
        if self.context.memory is not None:
            same = self._shares_settled(entry, after) and same
        for place, carried in self.carried.items():
            if place not in known:
                continue  # it has no variable yet
            if not carried.lost and not self._fits(carried, place.get(after), str(place)):
                same = False
        return same

    def _grows(self, entry: State, after: State) -> bool:
        """Turn a list that a round has made longer into one that may grow at run time."""
        for key, content in entry.contents.items():
            now = after.contents.get(key)
            owner = self.context.births[key][0]
            if now is None or len(now) == len(content) or isinstance(owner, set):
                continue
            self._let_grow(entry, owner, now)
            return True
        for new, owner in self.grown:
            if new.appended > self.times[id(owner)]:
                self.times[id(owner)] = new.appended
                self._let_grow(entry, new, self.added[id(owner)])
                return True
        return False

    def _let_grow(self, entry: State, owner: Any, now: Sequence[Any]) -> None:
        """Let `owner`, which holds `now` after a round, be a list that grows."""
        first = next((o for g, o in self.grown if g is owner), owner)
        content = self.content.setdefault(id(first), list(entry.contents.get(id(owner), ())))
        count = self.room()
        longer = isinstance(first, list) and len(now) > len(content)
        if not longer or count is None or not all(map(_identical, content, now)):
            raise UnsupportedError(
                "a round of this loop changes the length of a "
                f"{type(first).__name__}, and how many rounds there are is not known",
                hint="append in a `for` over a range or an array, or use an array",
            )
        added = list(now[len(content) :])
        self.added[id(first)] = list(now)
        times = self.times.setdefault(id(first), len(added))
        entry.restore()
        # An item may depend on what only the round knows: its type is what counts here.
        new = grown_from(self.context, content, added, count, times)
        entry.replace(owner, new)
        self.grown = [(g, o) for g, o in self.grown if o is not first] + [(new, first)]

    def room(self) -> Any:
        """How many rounds there are at most, if that is known before the loop."""
        return None

    def _shares_settled(self, entry: State, after: State) -> bool:
        """Find out which arrays a carried place may have in common with another."""
        arrays, same = self.arrays, True
        bound = {
            p: (self.first.setdefault(p, set()), arrays.objects(p.get(after)))
            for p, c in self.carried.items() if not c.lost and p.get(after) is not ABSENT
        }  # fmt: skip
        steady = {n for p in entry.places() if p not in self.carried for n in self.first.get(p, ())}
        for place, (first, last) in bound.items():
            others = [pair for p, pair in bound.items() if p != place]
            shares = self.carried[place].shares | arrays.shared(first, last, steady, others)
            if shares != self.carried[place].shares:
                self.carried[place].shares = shares
                same = False
        return same

    def _fits(self, carried: _Carried, now: Any, what: str) -> bool:
        """Whether a carried place has kept its structure and types; else they are widened."""
        if isinstance(now, Unbound):
            carried.lost = now.why
            return False
        if now is ABSENT:
            carried.lost = "is deleted in a loop"
            return False
        if not _same_structure(carried.opened, now):
            if is_container(carried.entry) or is_container(now):
                raise UnsupportedError(
                    f"{what} changes its structure from round to round",
                    hint="keep lists and tuples of one length, or use an array",
                )
            carried.lost = "is different things in different rounds"
            return False
        same = True
        for i, (v, new) in enumerate(zip(carried.variables, leaves(now), strict=True)):
            if v is None:
                old = list(leaves(carried.entry))[i]
                if old is not new and not _equal(old, new):
                    carried.lost = "is different things in different rounds"
                    return False
                continue
            type_ = _widened(v.type, to_expr(new).type, what)
            if type_ is not v.type:
                carried.types[i] = type_
                same = False
        return same

    def _finish(self, entry: State, after: State, flags: _Flags) -> Any:
        frame, context, node = self.frame, self.context, self.node
        slots: list[tuple[Var, Expr, Expr]] = []
        final: list[tuple[Place, Any, bool]] = []  # (place, its tree of slots' numbers, is it new)

        def slot(name: str, initial: Expr | None, result: Expr, of: Var | None = None) -> Expr:
            v = of or var(name, result.type, context.fresh())
            start = zero_of(v.type) if initial is None else conform(initial, v.type)
            slots.append((v, start, conform(result, v.type)))
            return _Slot(len(slots) - 1, v.type)  # type: ignore[return-value]

        for place, carried in self.carried.items():
            if carried.lost:
                final.append((place, Unbound(carried.lost), False))
                continue
            parts = iter(zip(carried.variables, leaves(carried.entry), strict=True))

            def of(now: Any, parts: Any = parts, place: Any = place) -> Any:
                v, start = next(parts)
                return now if v is None else slot(str(place), to_expr(start), to_expr(now), v)

            final.append((place, map_tree(of, place.get(after)), False))
        written = [
            (n, slot(v.name, self.arrays.entry[n], context.memory.nodes[n], v))
            for n, v in self.arrays.variables.items() if context.memory is not None
        ]  # fmt: skip
        ran = self.certain()
        for name, value in self._new_names(entry, after):
            if isinstance(value, Unbound):
                final.append((Name(frame, name), value, False))
                continue
            names = _leaf_names(name, value)
            self.outside[Name(frame, name)] = self._objects(value)

            def fresh(now: Any, names: Any = names) -> Any:
                wish = next(names)
                if isinstance(now, Expr):
                    return slot(wish, None, now)
                return now

            try:
                final.append((Name(frame, name), map_tree(fresh, value), True))
            except SymdiffError:
                final.append((Name(frame, name), Unbound("is set only inside a loop"), False))
        returned = broke = value = None
        if flags.returned is not False:
            self.outside[None] = self._objects(flags.value)
            returned = slot("returned", as_expr(False), as_expr(flags.returned))
            value = map_tree(
                lambda x: slot("result", None, to_expr(x))
                if isinstance(x, (Expr, *NUMBERS)) else x,
                flags.value,
            )  # fmt: skip
        if node.orelse and flags.broke is not False:
            broke = slot("broke", as_expr(False), as_expr(flags.broke))
        self.stops = either(flags.broke, True, flags.returned)
        until = as_expr(self.stops)
        variables = tuple(s[0] for s in slots)
        loop = self.made(variables, tuple(s[1] for s in slots), tuple(s[2] for s in slots), until)
        context.lines.setdefault(loop, node.lineno)

        def close(x: Any) -> Any:
            return project(loop, x.number, x.type) if isinstance(x, _Slot) else x

        entry.restore()
        if context.memory is not None:
            moves = {self.arrays.entry[n]: close(x) for n, x in written}
            context.memory.replace(moves)
        for place, tree, is_new in final:
            tree = self._length(place, after) or map_tree(close, tree)
            self._note_arrays(tree, place)
            if is_container(tree):
                _born(context, tree)
            if is_new and ran is not True and not isinstance(tree, Unbound):
                tree = Maybe(tree, ran)
            if isinstance(place, Name) and place.frame is frame and not isinstance(tree, Maybe):
                bind(frame, place.name, tree, node)
            else:
                place.set(tree)
        if returned is not None:
            answer = map_tree(close, value)
            self._note_arrays(answer, None)
            if self.endless() and flags.broke is False:
                return Return(answer)
            exit_ = Exit(close(returned), Return, answer, State(context))
            frame.exits.append(exit_)
            context.path = (*context.path, (exit_.pred, False))
        if node.orelse:
            if broke is None:
                return run(frame, block(frame, node.orelse))
            return run(frame, branch(frame, close(broke), [ast.Pass()], node.orelse, node))
        return None

    def _length(self, place: Place, after: State) -> Any:
        """How long a list is after the loop, if every round appends the same number of items."""
        if not isinstance(place, Item) or place.key != "length" or not self.steady_rounds():
            return None
        new = next((g for g, _ in self.grown if g.fields is place.owner), None)
        v = None if new is None else self.carried[place].opened
        if new is None or not isinstance(v, Var):
            return None
        total, step = place.get(after), 0
        while isinstance(total, Apply) and total.op is add and isinstance(total.operands[1], Const):
            total, step = total.operands[0], step + total.operands[1].value
        if total is not v:
            return None
        return new.length if step == 0 else _plus(self.carried[place].entry, self.room(), step)

    def steady_rounds(self) -> bool:
        """Whether there are as many rounds as the loop was set out to make."""
        return False

    def _note_arrays(self, tree: Any, place: Place | None) -> None:
        """Arrays that come out of the loop are objects, perhaps not of their own."""
        memory = self.context.memory
        if memory is None:
            return
        carried = self.carried.get(place) if place is not None else None
        if carried is not None:
            shares = carried.shares
        else:
            shares = frozenset(n for n in self.outside.get(place, ()) if n in memory.nodes)
        for leaf in leaves(tree):
            if isinstance(leaf, Expr) and leaf.type.rank and not memory.roots(leaf):
                memory.register(leaf, shares)

    def endless(self) -> bool:
        """Whether only `break` or `return` ends it."""
        return False

    def _objects(self, value: Any) -> set[int]:
        memory = self.context.memory
        if memory is None:
            return set()
        found: set[int] = set()
        for x in leaves(value):
            if isinstance(x, Expr) and x.type.rank:
                found |= memory.roots(x)
        return found

    def _new_names(self, entry: State, after: State) -> list[tuple[str, Any]]:
        """What the loop binds that was not bound before, and that is read outside of it."""
        frame = self.frame
        had = entry.names[frame]
        found = [(n, v) for n, v in after.names[frame].items() if n not in had]
        if not found:
            return []
        outside = _loads(frame.node)
        outside.subtract(_loads(self.node))
        return [(n, v) for n, v in found if outside[n] > 0]


class _Slot:
    """A leaf of the state after a loop: result number `number`."""

    def __init__(self, number: int, type_: Type):
        self.number, self.type = number, type_


class _Flags:
    """How a round ends: whether by `break`, whether by `return`, and the value returned."""

    def __init__(self, exits: Sequence[Exit], signal: Any, freeze: Freeze):
        self.broke: Expr | bool = isinstance(signal, Break)
        self.returned: Expr | bool = isinstance(signal, Return)
        self.value = signal.value if isinstance(signal, Return) else None
        known = isinstance(signal, Return)
        for e in reversed(exits):
            self.broke = either(e.pred, e.kind is Break, self.broke)
            self.returned = either(e.pred, e.kind is Return, self.returned)
            if e.kind is Return:
                value = e.value
                if known:
                    value = join(e.pred, value, self.value, "the result", freeze)
                if isinstance(value, Unbound):
                    raise UnsupportedError(f"the result {value.why}")
                self.value, known = value, True


class _Counted(_Loop):
    """`for` over a range, or over what has a length."""

    node: ast.For

    def __init__(self, frame: Frame, node: ast.For, rounds: Rounds):
        super().__init__(frame, node)
        self.rounds = rounds
        target = node.target
        plain = isinstance(target, ast.Name) and rounds.bounds is not None
        wish = target.id if plain else "i"  # type: ignore[union-attr]
        self.index = var(wish if wish != "_" else "i", INT, self.serial)

    def start_round(self) -> None:
        ran = self.certain()
        if isinstance(ran, Expr):
            self.context.path = (*self.context.path, (ran, True))
        plain = self.rounds.bounds is not None
        item = self.index if plain else self.rounds.item(self.index)
        item = self.arrays.present(item)
        run(self.frame, assign(self.frame, self.node.target, item, self.node))

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Expr:
        bounds = self.rounds.bounds or (0, self.rounds.count, 1)
        operands = (*map(as_expr, bounds), *initial, *body, until)
        return for_(self.index, variables, operands, INT)

    def room(self) -> Any:
        return self.rounds.count

    def steady_rounds(self) -> bool:
        return self.stops is False

    def certain(self) -> Expr | bool:
        if self.rounds.bounds is None:
            count = self.rounds.count
            return count > 0 if isinstance(count, int) else greater.build(count, 0)
        start, stop, step = self.rounds.bounds
        if isinstance(start, int) and isinstance(stop, int):
            return start < stop if step > 0 else start > stop
        return (less if step > 0 else greater).build(start, stop)


class _Conditional(_Loop):
    """`while`."""

    node: ast.While

    def start_round(self) -> None:
        context = self.context
        self.cond = truth(run(self.frame, self.node.test))
        if isinstance(self.cond, Expr):
            context.path = (*context.path, (self.cond, True))

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Expr:
        return while_(variables, (as_expr(self.cond), *initial, *body, until), INT)

    def certain(self) -> Expr | bool:
        return self.cond is True

    def endless(self) -> bool:
        return self.cond is True


def _plus(start: Any, count: Any, step: int) -> Expr:
    total = as_expr(count)
    for _ in range(step - 1):
        total = add.build(total, as_expr(count))
    return total if start == 0 else add.build(total, as_expr(start))


def _bare(e: Exit) -> Exit:
    return Exit(e.pred, e.kind, None, e.state)


def _born(context: Any, tree: Any) -> None:
    """Note the lists and dicts of a tree as the function's own."""
    if isinstance(tree, (list, dict)) and id(tree) not in context.births:
        context.born(tree)
    for child in tree.values() if isinstance(tree, dict) else getattr(tree, "fields", None) or (
        tree if isinstance(tree, (list, tuple)) else ()
    ):  # fmt: skip
        if is_container(child):
            _born(context, child)


def _identical(a: Any, b: Any) -> bool:
    """Whether two values are the same object; tuples, whether their items are."""
    if a is b:
        return True
    if isinstance(a, tuple) and type(a) is type(b) and len(a) == len(b):
        return all(map(_identical, a, b))
    return isinstance(a, Record) and isinstance(b, Record) and a.cls is b.cls and all(
        k in b.fields and _identical(v, b.fields[k]) for k, v in a.fields.items()
    )  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:
        return False


def _same_structure(a: Any, b: Any) -> bool:
    if is_container(a) != is_container(b):
        return False
    if not is_container(a):
        return True
    from symdiff.ir.tree import children

    x, y = children(a), children(b)
    return (
        type(a) is type(b)
        and [k for _, k, _ in x] == [k for _, k, _ in y]
        and all(_same_structure(p, q) for (_, _, p), (_, _, q) in zip(x, y, strict=True))
    )


def _leaf_names(name: str, tree: Any) -> Any:
    """The variables' names for the leaves of a carried value."""
    if not is_container(tree):
        return iter((name,))
    return (f"{name}_{i}" for i in range(1_000_000))


def _widened(carried: Type, new: Type, what: str) -> Type:
    """The type that holds both what a round starts from and what it leaves."""
    if carried is new:
        return carried
    shape = carried.shape
    if len(new.shape) != len(shape):
        if shape and new.shape:
            raise IllTypedError(
                f"{what} has {len(shape)} dimensions before a round of the loop and "
                f"{len(new.shape)} after it"
            )
        shape = new.shape or shape
    else:
        for a, b in zip(shape, new.shape, strict=True):
            if a != b and _differ(a, b):
                raise IllTypedError(
                    f"{what} changes its shape from round to round: {carried} and {new}",
                    hint="allocate the array once, in its final size, and fill it",
                )
    return Type(promote_dtype(carried, new), shape, carried.weak and new.weak)


def _differ(a: Any, b: Any) -> bool:
    from symdiff.ir.types import dim_add, dim_mul

    gap = dim_add(a, dim_mul(-1, b))
    return isinstance(gap, int) and gap != 0


def _assigned(node: ast.stmt) -> list[str]:
    """The names that a loop's statements assign, in order."""
    found: dict[str, None] = {}
    stack: list[ast.AST] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.Name) and isinstance(top.ctx, (ast.Store, ast.Del)):
            found.setdefault(top.id)
        if isinstance(top, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if isinstance(top, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(top.name)
            continue
        stack.extend(reversed(list(ast.iter_child_nodes(top))))
    return list(found)


def _loads(node: ast.AST) -> Counter[str]:
    """How often each name is read."""
    return Counter(
        n.id for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Load, ast.Del))
    ) + Counter(
        n.target.id for n in ast.walk(node)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    )  # fmt: skip
