"""The evaluation of one loop that stays a loop.

A round is evaluated from a state in which all that it changes is a variable; what the variables
become is the body. Which places it changes, and of which types they are, shows when it is
evaluated: it is evaluated again until that is settled.

    for i in range(n): s += x[i]     ->   carried: s; initial: 0.0; body: s + x[i]
"""

from __future__ import annotations

import ast
from typing import Any

from symdiff.errors import SymdiffError, UnknownNameError, UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr, Loop, Var, project, var
from symdiff.ir.tree import Maybe, expressions, is_container, leaves, map_tree
from symdiff.ir.types import Type
from symdiff.parse.aliases import note_aliases, refuse_changes
from symdiff.parse.alike import (
    assigned,
    born,
    equal,
    identical,
    leaf_names,
    loads,
    same_structure,
    widened,
)
from symdiff.parse.bounds import least
from symdiff.parse.branches import branch, leave
from symdiff.parse.carried import Carried, not_yet
from symdiff.parse.carrying import CarriedArrays
from symdiff.parse.demanded import RoundDemands
from symdiff.parse.ending import Flags, Slot, bare, only_if
from symdiff.parse.frame import Exit, Frame, Unbound, UnknownError, UnreachableError, run
from symdiff.parse.growing import Grown
from symdiff.parse.growth import Growth
from symdiff.parse.integers import repeated
from symdiff.parse.items import changeable
from symdiff.parse.nullable import with_none
from symdiff.parse.state import (
    ABSENT,
    GrowsInsideError,
    Item,
    Name,
    Place,
    State,
    UnequalListsError,
)
from symdiff.parse.statements import Break, Return, bind, block
from symdiff.parse.steady import Carries, demand_shapes
from symdiff.parse.values import NEVER, NUMBERS, truth
from symdiff.primitives.arithmetic import add
from symdiff.primitives.conditions import either
from symdiff.primitives.row import as_expr, conform, conform_sized, zero_of
from symdiff.primitives.spell import to_expr


class LoopEvaluation:
    """The evaluation of one loop."""

    def __init__(self, frame: Frame, node: ast.For | ast.While):
        self.frame = frame
        self.node = node
        self.context = frame.context
        self.carried: dict[Place, Carried] = {}
        self.awaited: set[str] = set()  # names of which only a round that assigns them can tell
        self.serial = self.context.fresh()
        self.arrays = CarriedArrays(self.context, self.serial)
        self.first: dict[Place, set[int]] = {}  # objects that each place holds before the loop
        self.growth = Growth(frame, self.serial, self.room)
        self.runs_over: set[int] = set()  # objects that rounds read their items from
        self.outside: dict[Place | None, set[int]] = {}  # objects in what only the loop binds
        self.context.loops += 1

    # What differs between the two kinds of loop.

    def running(self, more: int) -> None:
        """A round is about to be evaluated, or (-1) has been."""

    def start_round(self) -> None:
        raise NotImplementedError

    def made(self, variables: Any, initial: Any, body: Any, until: Expr) -> Loop:
        raise NotImplementedError

    def certain(self) -> Expr | bool:
        """Whether there is a first round."""
        raise NotImplementedError

    def some_round(self, starts: dict[Expr, Expr]) -> Any:
        """Whether there is a first round, which begins with the variables as they start."""
        return self.certain()

    def first_round(self, certain: Expr | bool) -> Expr | bool | None:
        """Whether there is a first round, if that is known before the loop."""
        return certain

    def run(self) -> Any:
        """Evaluate the loop; what comes out is in the frame, and a signal."""
        frame, context = self.frame, self.context
        entry = State(context)
        outer_exits, path = frame.exits, context.path
        for name in assigned(self.node):
            known = frame.env.get(name, NEVER) is not NEVER and name not in frame.nonlocals
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
            context.looping[self.serial] = self
            self.growth.start()
            self.running(1)
            open_ = list(context.frames), context.depth, context.lazy
            try:
                self.start_round()
                inside = context.path
                try:
                    signal = run(frame, block(frame, self.node.body))
                except UnreachableError:
                    context.frames[:], context.depth, context.lazy = open_
                    signal = self._raised(entry)
                exits, frame.exits = frame.exits, []
                self.final = signal
                flags = Flags(exits, signal, context.freeze)
                leave(frame, [bare(e) for e in exits], None, self.node)
            except UnknownNameError:
                early = context.unknown
                tell = [x for x in context.looping.values() if early and x.may_tell(*early)]
                if early is None or not tell or tell[0] is not self:  # the outermost comes first
                    raise
                context.frames[:], context.depth, context.lazy = open_
                self.awaited.add(early[1])
                continue
            except UnknownError:
                if not self.awaited:
                    raise
                context.frames[:], context.depth, context.lazy = open_
                self._give_up()
                continue
            except UnequalListsError as error:
                if id(error.owner) not in entry.contents:
                    raise
                context.frames[:], context.depth, context.lazy = open_
                inside_loop = isinstance(error, GrowsInsideError)
                self.growth.let(entry, error.owner, error.longer, inside_loop)
                continue
            finally:
                self.running(-1)
                context.open_loops -= 1
                del context.looping[self.serial]
            after = State(context)
            if self._settled(entry, after):
                break
        context.path = inside  # what a round leaves, and no operation of it has read
        for place in after.places():
            context.note(tuple(expressions(place.get(after))))
        context.note(tuple(self.arrays.content()))
        self.demands = RoundDemands(context, mark, inside)
        frame.exits, context.path = outer_exits, path
        for grown, _ in self.growth.lists:
            grown.path = path
        return self._finish(entry, after, flags)

    def _raised(self, entry: State) -> Any:
        """The signal of a round that ends in a `raise`: what did not raise has left before."""
        if not self.frame.exits:
            entry.restore()
            return Break()
        last = self.frame.exits.pop()
        last.state.restore()
        return Return(last.value) if last.kind is Return else last.kind()

    def may_tell(self, frame: Frame, name: str) -> bool:
        """Whether a round assigns `name`, so that it may have a value in the next."""
        known = Name(frame, name) in self.carried or name in self.awaited
        return frame is self.frame and name in assigned(self.node) and not known

    def _carry(self, place: Place, value: Any) -> None:
        perhaps = isinstance(value, Maybe)
        content = (value.value, value.there) if perhaps else value
        like = value if isinstance(value, Grown) else None
        if like is not None:
            content = like.carried()
            if isinstance(place, Name):
                like.name = place.name
        types: list[Type | None] = [None] * len(list(leaves(content)))
        self.carried[place] = Carried(content, types, self.context.fresh(), perhaps=perhaps)
        self.carried[place].like = like
        if self._is_length(place):
            self.carried[place].least = least(self.context, content)

    def _open(self) -> None:
        """Replace what the loop carries by variables."""
        note_aliases(self.context, [(p, c, c.entry) for p, c in self.carried.items()])
        self.frame.env.update(dict.fromkeys(self.awaited, NEVER))
        for place, carried in self.carried.items():
            if carried.lost:
                place.set(Unbound(carried.lost))
                continue
            carried.open(self._wish(place))
            for v in carried.variables:
                if v is not None:
                    self.arrays.opened(v, carried.shares | carried.running)
            if self._is_length(place):
                self.context.least[carried.variables[0]] = carried.least
            if is_container(carried.opened):
                born(self.context, carried.opened)
                for part in changeable(carried.opened):
                    self.context.born_at[id(part)] = self.serial  # an earlier round has made it
                if carried.aliased:
                    self.context.freeze(carried.opened)
            place.set(carried.held(carried.opened))

    def _wish(self, place: Place) -> str:
        """What the variable of a place should be called."""
        grown = self._grown(place)
        if isinstance(place, Item) and grown is not None:
            name = grown.name.lstrip(".")
            return name if place.key == "buffer" else f"len_{name}"
        return str(place)

    def _grown(self, place: Place) -> Grown | None:
        """The list that has grown and of which this is the array or the length."""
        if not isinstance(place, Item):
            return None
        return next((g for g in self.context.grown if g.fields is place.owner), None)

    def _is_length(self, place: Place) -> bool:
        return isinstance(place, Item) and place.key == "length" and bool(self._grown(place))

    def _settled(self, entry: State, after: State) -> bool:
        """Whether the round changed no more than what is carried, in the types assumed."""
        if self.growth.found(entry, after):
            return False
        entry.check_sets(after)
        same = self.arrays.settled()
        moves = self.arrays.moves()
        known = set(self.carried)
        for place in entry.places():
            if place in known:
                continue
            if isinstance(place, Name) and place.frame not in after.names:
                continue
            expected = self.arrays.expected(place.get(entry), moves)
            now = place.get(after)
            if not identical(expected, now):
                self._carry(place, not_yet(now) if expected is NEVER else place.get(entry))
                same = False
        for name, value in self._doubtful_names(entry, after):
            self._carry(Name(self.frame, name), value)
            same = False
        if self.context.memory is not None:
            same = self._shares_settled(entry, after) and same
        for place, carried in self.carried.items():
            if place not in known:
                continue  # it has no variable yet
            now = carried.content(place.get(after))
            if not carried.lost and not self._fits(carried, now, str(place)):
                same = False
            if carried.least and not self._keeps_length(carried, now):
                same = False
        now = [(p, c, p.get(after)) for p, c in self.carried.items() if p in known and not c.lost]
        same = note_aliases(self.context, now) and same
        if same and self.awaited:
            self._give_up()
            return False
        return same

    def _keeps_length(self, carried: Carried, now: Any) -> bool:
        """Whether a list is as long after the round as it was assumed to be before it."""
        if isinstance(now, (int, Expr)) and least(self.context, now) >= carried.least:
            return True
        carried.least = 0
        return False

    def _give_up(self) -> None:
        """No round tells what these names hold: none assigns them before it reads them."""
        for name in self.awaited:
            self._carry(Name(self.frame, name), Maybe(0, False))
        self.awaited.clear()

    def _doubtful_names(self, entry: State, after: State) -> list[tuple[str, Any]]:
        """What a round may leave unassigned, or reads without knowing: an earlier one may have."""
        frame = self.frame
        found: list[tuple[str, Any]] = []
        for name, value in after.names[frame].items():
            if name in entry.names[frame] or Name(frame, name) in self.carried or value is NEVER:
                continue
            doubtful = isinstance(value, Maybe) or (frame, name) in self.context.doubted
            if doubtful or name in self.awaited:
                self.awaited.discard(name)
                found.append((name, not_yet(value)))
        return found

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
            running = self.arrays.among(self.runs_over, first | last)
            if (shares, running) != (self.carried[place].shares, self.carried[place].running):
                self.carried[place].shares, self.carried[place].running = shares, running
                same = False
        return same

    def _fits(self, carried: Carried, now: Any, what: str) -> bool:
        """Whether a carried place has kept its structure and types; else they are widened."""
        if isinstance(now, Unbound):
            carried.lost = now.why
            return False
        if now is ABSENT:
            carried.lost = "is deleted in a loop"
            return False
        entry = with_none(carried.entry, now)
        if entry is not carried.entry:
            carried.entry, carried.types = entry, [None] * len(list(leaves(entry)))
            return False
        if not same_structure(carried.opened, now):
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
                if old is not new and not equal(old, new):
                    carried.lost = "is different things in different rounds"
                    return False
                continue
            type_ = widened(v.type, to_expr(new).type, what)
            if type_ is not v.type:
                carried.types[i] = type_
                same = False
        return same

    def _finish(self, entry: State, after: State, flags: Flags) -> Any:
        frame, context, node = self.frame, self.context, self.node
        refuse_changes(context, self.carried, after)
        slots: list[tuple[Var, Expr, Expr]] = []
        carries: list[Carries] = []
        final: list[tuple[Place, Any, bool]] = []  # (place, its tree of slots' numbers, is it new)
        lists: dict[Place, Grown] = {}  # that only rounds bind

        def slot(name: str, initial: Expr | None, result: Expr, of: Var | None = None) -> Expr:
            v = of or var(name, result.type, context.fresh())
            start = zero_of(v.type) if initial is None else conform(initial, v.type)
            slots.append((v, start, conform_sized(result, v.type)))
            carries.append((name, initial, result, v.type.shape))
            return Slot(len(slots) - 1, v.type)  # type: ignore[return-value]

        for place, carried in self.carried.items():
            if carried.lost:
                final.append((place, Unbound(carried.lost), False))
                continue
            parts = iter(zip(carried.variables, leaves(carried.entry), strict=True))

            def of(now: Any, parts: Any = parts, place: Any = place) -> Any:
                v, start = next(parts)
                return now if v is None else slot(str(place), to_expr(start), to_expr(now), v)

            now = carried.content(place.get(after))
            final.append((place, map_tree(of, now), False))
        written = [
            (n, slot(v.name, self.arrays.entry[n], context.memory.nodes[n], v))
            for n, v in self.arrays.variables.items() if context.memory is not None
        ]  # fmt: skip
        ran = self.certain()
        for name, value in self._new_names(entry, after):
            if isinstance(value, Unbound):
                final.append((Name(frame, name), value, False))
                continue
            names = leaf_names(name, value)
            self.outside[Name(frame, name)] = self._objects(value)

            def fresh(now: Any, names: Any = names) -> Any:
                wish = next(names)
                if isinstance(now, Expr):
                    return slot(wish, None, now)
                return now

            try:
                if isinstance(value, Grown) and not value.outlives(self.serial):
                    raise UnsupportedError("an item of a list that is gone")
                if isinstance(value, Grown):
                    lists[Name(frame, name)], value.name = value, name
                    value = value.carried()
                final.append((Name(frame, name), map_tree(fresh, value), True))
            except SymdiffError:
                final.append((Name(frame, name), Unbound("is set only inside a loop"), False))
        returned = broke = value = None
        if flags.returned is not False:
            self.outside[None] = self._objects(flags.value)
            returned = slot("returned", as_expr(False), as_expr(flags.returned))

            def result(x: Any) -> Any:
                if not isinstance(x, (Expr, *NUMBERS)):
                    return x
                v = var("result", to_expr(x).type, context.fresh())
                return slot("result", None, only_if(flags.returned, x, v), v)

            value = map_tree(result, flags.value)
        if node.orelse and flags.broke is not False:
            broke = slot("broke", as_expr(False), as_expr(flags.broke))
        self.stops = either(flags.broke, True, flags.returned)
        demands = self.demands
        slots[:] = demands.stopped(slots)
        raised = [slot("failed", as_expr(False), r.fails) for r in demands.own]
        until = as_expr(either(self.stops, True, truth(demands.fails())))
        variables, initial, body = zip(*slots, strict=True) if slots else ((), (), ())
        loop = self.made(variables, initial, body, until)
        context.lines.setdefault(loop, node.lineno)
        context.note_ahead(loop.bound)

        def close(x: Any) -> Any:
            return project(loop, x.number, x.type) if isinstance(x, Slot) else x

        entry.restore()
        if context.memory is not None:
            moves = {self.arrays.entry[n]: close(x) for n, x in written}
            context.memory.replace(moves)
        for place, tree, is_new in final:
            tree = self._length(place, after) or map_tree(close, tree)
            if place in lists:
                tree = lists[place].another(tree)
            elif place in self.carried and not isinstance(tree, Unbound):
                tree = self.carried[place].held(tree)
            self._note_arrays(tree, place)
            if is_container(tree):
                born(context, tree)
                if place in self.carried and self.carried[place].aliased:
                    context.freeze(tree)
            if is_new and ran is not True and not isinstance(tree, Unbound):
                tree = Maybe(tree, ran)
            if isinstance(place, Name) and place.frame is frame and not isinstance(tree, Maybe):
                bind(frame, place.name, tree, node)
            else:
                place.set(tree)
        starts: dict[Expr, Expr] = dict(zip(variables, initial, strict=True))
        demand_shapes(context, carries, ran, lambda: self.some_round(starts))
        demands.state_others(loop, slots, self.made, self.first_round(ran))
        demands.state_own([close(flag) for flag in raised])
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
        new = next((g for g, _ in self.growth.lists if g.fields is place.owner), None)
        v = None if new is None else self.carried[place].opened
        if new is None or not isinstance(v, Var):
            return None
        total, step = place.get(after), 0
        while isinstance(total, Apply) and total.op is add and isinstance(total.operands[1], Const):
            total, step = total.operands[0], step + total.operands[1].value
        if total is not v:
            return None
        return new.length if step == 0 else repeated(self.carried[place].entry, self.room(), step)

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
        found = [
            (n, v) for n, v in after.names[frame].items()
            if n not in had and Name(frame, n) not in self.carried
        ]  # fmt: skip
        if not found:
            return []
        outside = loads(frame.node)
        outside.subtract(loads(self.node))
        return [(n, v) for n, v in found if outside[n] > 0]
