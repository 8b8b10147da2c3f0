"""Functions that call themselves as often as a run-time value says: they stay functions.

    def power(x, n): return 1.0 if n == 0 else x * power(x, n - 1)

Calls are evaluated inline (`parse.calls`), so a recursion ends where a static value ends it. One
that a run-time condition leads to, with arguments that are static or not as they were before, would
go on for ever: the outermost such call is evaluated as a *definition* instead, on variables, and
calls inside of it that have the same static arguments become `Call`s. What these result in is not
known at first: the branches that need it are left out, and what the others result in is assumed
when the definition is evaluated again, until that is what it results in.

    first     1.0                                     so the result is a float
    second    1.0 if n == 0 else x * power(x, n - 1)  a float: done
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr, Project, Var, call, project, var
from symdiff.ir.function import Function
from symdiff.ir.tree import is_container, leaves, map_tree
from symdiff.ir.types import FLOAT, Dim, Type, promote_dtype, symbols_in
from symdiff.parse.abstract import (
    ApartError,
    Joined,
    Slot,
    names_of,
    settled,
    sizes_at,
    values_for,
    with_sizes,
)
from symdiff.parse.alike import born, equal, identical, same_structure
from symdiff.parse.frame import (
    Called,
    Context,
    DefineError,
    Evaluation,
    Frame,
    RecursionFoundError,
    Step,
    ThrownError,
    UnknownError,
    UnreachableError,
)
from symdiff.parse.state import ABSENT, Name, State
from symdiff.primitives.spell import to_expr

DEEP = 64  # calls under run-time conditions, each with other static numbers, before these vary
MANY = 400  # the same, when they are in several branches
APART = 200  # calls under run-time conditions that have nothing in common

Body = Callable[[Frame], Evaluation]


class _Unknown:
    """Stands for the result of a definition that has not been evaluated yet."""


UNKNOWN: Any = _Unknown()


@dataclass(eq=False, slots=True)
class Recursive:
    """A definition while its program is evaluated.

    arguments: static values and slots. variables: those of the slots. result: a tree of types and
    static values. raw: the values of the result. captured: what it reads from outside, which calls
    pass to it. function: what it is in the end.
    """

    function: Hashable
    name: str
    serial: int
    arguments: dict[str, Any]
    names: list[str]
    result: Any = UNKNOWN
    variables: tuple[Var, ...] = ()
    open: bool = True
    in_loop: bool = False  # whether a loop calls it, which may have no round
    captured: tuple[Expr, ...] = ()
    made: Function | None = None
    saved: _Saved | None = None

    @property
    def lasting(self) -> bool:
        """Whether it is the same wherever it is called: no variables of other functions."""
        if self.captured or not isinstance(self.function, types.FunctionType):
            return False
        static = (x for x in leaves(self.arguments) if not isinstance(x, Slot))
        return not any(hasattr(x, "frame") for x in static)

    @property
    def title(self) -> str:
        """What calls are by, until the definition gets a name that others do not have."""
        return f"{self.name}#{self.serial}"

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of the results."""
        return tuple(t for t in leaves(self.result) if isinstance(t, Type))


def place_of(frame: Frame) -> Hashable:
    """Where the function of a frame is defined."""
    return frame.source.file, frame.node.lineno, frame.node.col_offset


# Finding out.


def called(inner: Frame) -> Any:
    """What a call results in if it is one of a definition, else NotImplemented.

    inner: the frame that its body would be evaluated in.
    """
    context, now = inner.context, inner.call
    assert now is not None
    for known in reversed(context.definitions):
        if known.function == now.function:
            try:
                joined = Joined(known.arguments, now.arguments)
            except ApartError:
                continue
            if known.open and joined.wider:
                raise DefineError(known, joined.tree)
            if known.open and known.saved is not None:
                known.saved.check_unchanged(known.name)
            values = values_for(known.arguments, now.arguments)
            sizes = sizes_at(known.arguments, values)
            if known.open or (known.lasting and not joined.moved and sizes is not None):
                return _result(context, known, values, sizes)
    _check_recursion(inner, now)
    return NotImplemented


def _check_recursion(inner: Frame, now: Called) -> None:
    """Raises where a call repeats one that is being evaluated."""
    context = inner.context
    if not context.path and not context.open_loops:
        return
    around = [
        f for f in context.frames
        if f.call is not None and f.call.function == now.function
        and (len(context.path) > len(f.entry) or context.open_loops > f.call.loops)
    ]  # fmt: skip
    alike: list[tuple[Frame, Joined]] = []
    for frame in around:
        assert frame.call is not None
        try:
            alike.append((frame, Joined(frame.call.arguments, now.arguments)))
        except ApartError:
            continue
    if len(around) > APART and not alike:
        raise UnsupportedError(
            "a function calls itself with other functions or texts each time, and how often is "
            "known only at run time",
            hint="pass numbers and arrays",
        )
    if not alike:
        return
    many = len(alike) > DEEP or any(
        context.calls - f.call.before > MANY for f, _ in alike if f.call is not None
    )
    if many or any(not joined.moved for _, joined in alike):
        if place_of(inner) not in context.recursive:
            raise RecursionFoundError(place_of(inner))
        outermost, joined = alike[0]
        tree = joined.tree
        for frame, _ in alike[1:]:
            assert frame.call is not None
            tree = Joined(tree, frame.call.arguments).tree
        raise DefineError(outermost, tree)


# Calls of definitions.


def _result(
    context: Context, of: Recursive, values: list[Expr], sizes: dict[str, Dim] | None
) -> Any:
    """The result of a call: its numbers are `Project`s."""
    if of.result is UNKNOWN:
        of.in_loop = of.in_loop or context.open_loops > 0
        raise UnknownError()
    try:
        wanted = tuple(with_sizes(t, sizes or {}) for t in of.types)
    except KeyError:
        raise UnsupportedError(
            f"{of.name} returns an array of a size that its arguments do not have",
            hint="make the array outside of the recursion, or return its parts",
        ) from None
    node = call(of.title, (*values, *of.captured), wanted)
    results = (project(node, k, t) for k, t in enumerate(wanted))

    def value(leaf: Any) -> Any:
        if not isinstance(leaf, Type):
            return leaf
        made: Project = next(results)
        return context.memory.copy_of(made) if context.memory and made.type.rank else made

    result = map_tree(value, of.result)
    if is_container(result):
        born(context, result)
    return result


# Evaluation as a definition.


def evaluated(inner: Frame, body: Body) -> Evaluation:
    """The value of a function's body; as a definition, where it calls itself so."""
    context = inner.context
    if place_of(inner) not in context.recursive:
        return (yield Step(inner, body(inner)))
    saved = _Saved(context)
    try:
        return (yield Step(inner, body(inner)))
    except DefineError as found:
        if found.of is not inner:
            raise
        arguments = found.arguments
    saved.restore()
    assert inner.call is not None
    name = getattr(inner.node, "name", "recursive")
    definition = Recursive(inner.call.function, name, context.fresh(), {}, [])
    context.definitions.append(definition)
    try:
        yield _define(definition, arguments, inner, body)
    finally:
        saved.restore()
    values = values_for(definition.arguments, inner.call.arguments)
    sizes = sizes_at(definition.arguments, values)
    assert sizes is not None, "the definition was made for this call"
    return _result(context, definition, values, sizes)


class _Saved:
    """What a context is in the middle of, to come back to."""

    def __init__(self, context: Context):
        self.context = context
        self.state = State(context)
        self.mark = context.mark()
        self.notes = context.evaluated, context.seen, context.demands
        self.lists: list[tuple[list[Any], list[Any]]] = [
            (kept, list(kept)) for kept in (
                context.frames, context.detached, context.trying, context.handling,
            )
        ]  # fmt: skip
        self.numbers = context.path, context.lazy, context.depth, context.open_loops
        self.definitions = len(context.definitions)

    def restore(self) -> None:
        """Come back, as if nothing had been evaluated since."""
        context = self.context
        context.evaluated, context.seen, context.demands = self.notes
        context.forget(self.mark)
        for kept, content in self.lists:
            kept[:] = content
        context.path, context.lazy, context.depth, context.open_loops = self.numbers
        self.state.restore()

    def check_unchanged(self, name: str) -> None:
        """Refuse what a definition has changed outside of itself."""
        after = State(self.context)
        for place in self.state.places():
            if isinstance(place, Name) and place.frame not in after.names:
                continue
            was = place.get(self.state)
            now = place.get(after) if _still_there(place, after) else ABSENT
            if not identical(was, now):
                raise UnsupportedError(
                    f"{name}, which calls itself at run time, changes {place} outside of it",
                    hint="return the new value",
                )


def _still_there(place: Any, after: State) -> bool:
    try:
        place.get(after)
    except (KeyError, IndexError):
        return False
    return True


def _define(of: Recursive, arguments: dict[str, Any], inner: Frame, body: Body) -> Evaluation:
    """Evaluate a definition until its result is what was assumed of it."""
    from symdiff.parse.definitions import finish  # which needs what is here

    context = inner.context
    saved = of.saved = _Saved(context)
    first = len(context.definitions)
    _take(of, arguments, context)
    while True:
        saved.restore()
        del context.definitions[first:]
        context.evaluated, context.seen, context.demands = {}, {}, []
        context.path, context.lazy, context.open_loops = (), 0, 0
        frame = _opened(of, inner)
        context.frames[-1] = frame
        try:
            value = yield Step(frame, body(frame))
        except DefineError as found:
            if found.of is not of:
                raise
            saved.restore()
            _take(of, found.arguments, context)
            continue
        except (UnknownError, UnreachableError, ThrownError) as error:
            if isinstance(error, ThrownError) and not saved.numbers[0]:
                raise
            if not isinstance(error, UnknownError) or not of.in_loop or of.result is not UNKNOWN:
                raise _endless(of) from None
            of.result = FLOAT  # its loops may have no round: what else it does will tell
            continue
        result = _joined_result(of, value)
        saved.check_unchanged(of.name)
        if _same_result(result, of.result):
            break
        of.result = result
    finish(context, of, value, saved.state)
    of.open, of.saved = False, None


def _take(of: Recursive, arguments: dict[str, Any], context: Context) -> None:
    """Let a definition be for these arguments."""
    taken = _outer_sizes(context)
    of.names = _fresh_names(names_of(arguments), taken)
    of.arguments, of.result = settled(arguments, of.names, taken), UNKNOWN


def _endless(of: Recursive) -> UnsupportedError:
    return UnsupportedError(
        f"{of.name} calls itself without an end: no way through it leads to a result",
        hint="a recursion needs a case that does not call the function again",
    )


def _opened(of: Recursive, inner: Frame) -> Frame:
    """A frame for the body of a definition, its arguments variables."""
    context, names = inner.context, iter(of.names)
    variables: list[Var] = []

    def opened(leaf: Any) -> Any:
        if not isinstance(leaf, Slot):
            return leaf
        name = next(names)
        new = var(name, leaf.type, context.fresh())
        variables.append(new)
        if context.memory is not None and new.type.rank:
            context.memory.foreign[context.memory.register(new)] = name
        return new

    env = {name: map_tree(opened, tree) for name, tree in of.arguments.items()}
    of.variables = tuple(variables)
    frame = Frame(context, inner.source, env, inner.outer, inner.globals, parent=inner.parent)
    frame.node = inner.node
    frame.call = Called(of.function, dict(env), 0, context.calls)
    return frame


def _outer_sizes(context: Context) -> set[str]:
    """The symbols of the sizes of all that is held outside."""
    found: set[str] = set()
    state = State(context)
    for place in state.places():
        for leaf in leaves(place.get(state)):
            if isinstance(leaf, Expr):
                found |= symbols_in(leaf.type.shape)
    return found


def _fresh_names(wishes: list[str], taken: set[str]) -> list[str]:
    """Names for the parameters: sizes that depend on them are called so, `(n)`, and no others."""
    taken = {word for s in taken for word in (re.findall(r"\w+", s) if "(" in s else (s,))}
    names: list[str] = []
    for wish in wishes:
        fresh, number = wish, 1
        while fresh in taken:
            number += 1
            fresh = f"{wish}_{number}"
        taken.add(fresh)
        names.append(fresh)
    return names


# Results.


def _joined_result(of: Recursive, value: Any) -> Any:
    """A tree of types and static values for what was assumed and what has come out."""
    if of.result is not UNKNOWN and not same_structure(of.result, value):
        raise UnsupportedError(
            f"{of.name} returns other things at its end than where it calls itself",
            hint="return values of the same structure on every path",
        )
    assumed = iter(list(leaves(of.result)))

    def joined(leaf: Any) -> Any:
        before = next(assumed) if of.result is not UNKNOWN else UNKNOWN
        if leaf is None or isinstance(leaf, str):
            if before is UNKNOWN or equal(before, leaf):
                return leaf
            raise UnsupportedError(
                f"{of.name} returns {leaf!r} on some paths, and a number on others"
            )
        type_ = to_expr(leaf).type
        if before is UNKNOWN:
            return type_
        if not isinstance(before, Type) or len(before.shape) != len(type_.shape):
            raise UnsupportedError(
                f"{of.name} returns {before} on some paths, and {type_} on others",
                hint="return values of the same kind and shape on every path",
            )
        return Type(promote_dtype(before, type_), before.shape, before.weak and type_.weak)

    return map_tree(joined, value)


def _same_result(a: Any, b: Any) -> bool:
    if b is UNKNOWN or not same_structure(a, b):
        return False
    pairs = zip(leaves(a), leaves(b), strict=True)
    return all(x is y or (not isinstance(x, Type) and x == y) for x, y in pairs)
