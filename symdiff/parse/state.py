"""What statements can change, taken down and put back: names, containers, arrays.

A branch that is taken only at run time is evaluated on both sides, each from the same state, and
the two states that come out are joined. A loop is evaluated once from a state in which all that
a round changes is a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Maybe, Nullable, Record
from symdiff.parse.frame import Context, Frame, Unbound
from symdiff.parse.values import NEVER, Freeze, Held, join
from symdiff.primitives.row import choose


@dataclass(frozen=True, slots=True)
class Name:
    """The place of a local variable."""

    frame: Frame
    name: str

    def get(self, state: State) -> Any:
        return state.names[self.frame].get(self.name, ABSENT)

    def set(self, value: Any) -> None:
        self.frame.env[self.name] = value

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Item:
    """The place of an item in a list, or of a value in a dict or a record."""

    container: int
    key: Any
    owner: Any

    def get(self, state: State) -> Any:
        content = state.contents[self.container]
        return content[self.key]

    def set(self, value: Any) -> None:
        self.owner[self.key] = value

    def __hash__(self) -> int:
        return hash((self.container, self.key))

    def __str__(self) -> str:
        return f"item {self.key!r} of a container"


Place = Name | Item


class UnequalListsError(UnsupportedError):
    """A list that only one side of a branch appends to: a loop can let it grow."""

    def __init__(self, owner: list[Any], longer: list[Any]):
        super().__init__(
            "a list has another length on one side of a run-time branch than on the other",
            hint="append on both sides, or keep a value that stands for nothing, as 0.0",
        )
        self.owner, self.longer = owner, list(longer)


class GrowsInsideError(UnequalListsError):
    """A list that a loop appends to, and that is older than a loop around it."""


# What holds no container of the function's.
PLAIN = (Expr, Unbound, str, int, float, complex, range, np.generic, np.ndarray, type, FunctionType,
         ModuleType, BuiltinFunctionType, np.ufunc, type(None))  # fmt: skip


def refers(values: Iterable[Any], owner: Any) -> bool:
    """Whether a container may be reached from `values`."""
    stack, seen = list(values), set[int]()
    while stack:
        value = stack.pop()
        if value is owner:
            return True
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Record):
            value = value.fields
            if value is owner:
                return True
        if isinstance(value, Nullable):
            stack.append(value.value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            stack.extend(value)
        elif hasattr(value, "frame"):  # a function, with what it closes over
            stack += (*value.frame.env.values(), *value.defaults, *value.kw_defaults)
        elif not isinstance(value, PLAIN):
            return True  # what it holds is not looked into
    return False


class _Absent:
    """A name that is not bound."""


ABSENT = _Absent()


class State:
    """What the names and containers of all functions being evaluated hold at one moment."""

    def __init__(self, context: Context):
        self.context = context
        self.names: dict[Frame, dict[str, Any]] = {f: dict(f.env) for f in context.frames}
        self.contents: dict[int, Any] = {
            key: type(owner)(owner) for key, (owner, _) in context.births.items()
        }
        self.arrays = None if context.memory is None else context.memory.save()

    def restore(self) -> None:
        """Make it the present state again; what has been made since stays as it is."""
        for frame, env in self.names.items():
            frame.env = dict(env)
        for key, content in self.contents.items():
            _fill(self.context.births[key][0], content)
        if self.context.memory is not None and self.arrays is not None:
            self.context.memory.load(self.arrays)

    def replace(self, owner: Any, new: Any) -> None:
        """Let every place that holds the container `owner` hold `new`, now and in this state."""

        def moved(value: Any) -> Any:
            if value is owner:
                return new
            if type(value) is tuple and any(moved(x) is not x for x in value):
                return tuple(map(moved, value))
            return value

        for env in self.names.values():
            for name, value in env.items():
                env[name] = moved(value)
        for key, content in self.contents.items():
            if self.context.births[key][0] is owner or isinstance(content, set):
                continue
            for k in list(content) if isinstance(content, dict) else range(len(content)):
                content[k] = moved(content[k])
        fields = new.fields
        self.contents[id(fields)] = dict(fields)
        if self.context.memory is not None:
            self.arrays = self.context.memory.save()
        self.restore()

    def places(self) -> Iterator[Place]:
        """Every place that holds something; what is in a set is known when compiling."""
        for frame, env in self.names.items():
            for name in env:
                yield Name(frame, name)
        for key, content in self.contents.items():
            owner = self.context.births[key][0]
            if isinstance(owner, set):
                continue
            for k in content if isinstance(content, dict) else range(len(content)):
                yield Item(key, k, owner)

    def check_sets(self, after: State) -> None:
        """Refuse a loop whose round, from this state, leaves a set with other members."""
        for key, content in self.contents.items():
            if isinstance(content, set) and after.contents[key] != content:
                raise UnsupportedError(
                    "a set changes from round to round",
                    hint="use a list or an array, or build the set before the loop",
                )


def _fill(owner: Any, content: Any) -> None:
    if isinstance(owner, list):
        owner[:] = content
    elif owner != content or list(owner) != list(content):
        owner.clear()
        owner.update(content)


def join_states(
    pred: Expr,
    then: State,
    orelse: State,
    named: Callable[[Name, Any], None],
    forgotten: Callable[[Any], bool] = lambda owner: False,
) -> None:
    """Make the present state `then if pred else orelse`; `named` binds what differs.

    forgotten: whether nothing refers to a container any more, so that it need not be joined.
    """
    context = then.context
    _join_arrays(pred, then, orelse)
    held = (then.contents, orelse.contents)
    for frame in then.names:
        a, b = then.names[frame], orelse.names.get(frame, {})
        frame.env = dict(a)
        for name in dict.fromkeys((*a, *b)):
            x, y = a.get(name, ABSENT), b.get(name, ABSENT)
            if x is y:
                frame.env[name] = x
                continue
            x, y = (NEVER if v is ABSENT else v for v in (x, y))
            value = join(pred, x, y, name, context.freeze, held)
            place = Name(frame, name)
            place.set(value) if isinstance(value, (Maybe, Unbound)) else named(place, value)
    for key, content in then.contents.items():
        owner = context.births[key][0]
        other = orelse.contents.get(key)
        if other is not None and len(content) != len(other) and forgotten(owner):
            continue
        if other is not None and isinstance(owner, list) and len(content) != len(other):
            raise UnequalListsError(owner, max(content, other, key=len))
        if other is not None:
            content = _joined(pred, content, other, context.freeze, held)
        _fill(owner, content)
    for key, content in orelse.contents.items():
        if key not in then.contents:
            _fill(context.births[key][0], content)


def _join_arrays(pred: Expr, then: State, orelse: State) -> None:
    """Array objects that differ on the two sides are one array after the branch."""
    memory = then.context.memory
    if memory is None or then.arrays is None or orelse.arrays is None:
        return
    a, b = then.arrays[0], orelse.arrays[0]
    joined: dict[int, Expr] = {}
    for number in a.keys() & b.keys():
        if a[number] is not b[number]:
            joined[number] = choose(pred, a[number], b[number]).expr
    for side, nodes in ((then, a), (orelse, b)):
        if not joined:
            break
        side.restore()
        memory.replace({nodes[n]: node for n, node in joined.items()})
        side.names = {f: dict(f.env) for f in side.names}
        side.contents = {
            key: type(owner)(owner) for key, (owner, _) in then.context.births.items()
            if key in side.contents
        }  # fmt: skip
    memory.load(({**a, **b, **joined}, {**then.arrays[1], **orelse.arrays[1]}, {}))


def _joined(pred: Expr, a: Any, b: Any, freeze: Freeze, held: Held) -> Any:
    """The contents of one container on the two sides of a branch, item by item."""
    if isinstance(a, dict):
        if a.keys() != b.keys():
            raise UnsupportedError(
                "a dict has other keys on one side of a run-time branch than on the other",
                hint="give it the same keys on both sides",
            )
        return {k: _item(pred, a[k], b[k], freeze, held) for k in a}
    if isinstance(a, set):
        if a != b:
            raise UnsupportedError(
                "a set has other members on one side of a run-time branch than on the other",
                hint="give it the same members on both sides, or use a list of 0.0 and 1.0",
            )
        return a
    return type(a)(_item(pred, x, y, freeze, held) for x, y in zip(a, b, strict=True))


def _item(pred: Expr, x: Any, y: Any, freeze: Freeze, held: Held) -> Any:
    value = join(pred, x, y, "an item", freeze, held)
    if isinstance(value, Unbound):
        raise UnsupportedError(f"an item of a container {value.why}")
    return value
