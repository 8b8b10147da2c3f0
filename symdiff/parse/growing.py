"""Lists that grow in a loop whose rounds are counted at run time.

    rows = []                        rows = np.zeros(n); length = 0
    for i in range(n):         ->    for i in range(n):
        rows.append(f(i))                rows[length] = f(i); length += 1

When a round of a loop is seen to append to a list, the list is turned into a `Grown`: an array with
room for all that the loop can append, and how much of it is in use. Where nothing tells how much
that is, as in a `while`, it stays a list, which may be popped from.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record, is_container
from symdiff.ir.types import Type, promote_dtype
from symdiff.parse.bounds import BEYOND, EMPTY, place_of
from symdiff.parse.frame import Context, NeedsPopsError
from symdiff.parse.integers import moved_by
from symdiff.parse.items import PLAIN, Kind, give_away, kind_of
from symdiff.parse.values import Opaque
from symdiff.primitives.arithmetic import add
from symdiff.primitives.arrays import concatenate, filled
from symdiff.primitives.indexing import update
from symdiff.primitives.lists import append, array_of, drop, empty_list, head, list_of
from symdiff.primitives.row import as_expr, conform, zero_of, zeros_like
from symdiff.primitives.shape import as_dim, length_of, size_of
from symdiff.primitives.spell import subscript, template_of, to_expr

_PLAIN = ("append", "extend", "pop", "clear", "copy")


class Grown(Opaque):
    """A list of numbers or arrays of one shape, as long as is known only at run time.

    fields: `buffer`, an array or a list of numbers, and `length`, how many of its rows are items.
    They change as the contents of a dict do (see `parse.state`). kind: what the rows stand for.
    """

    called = "list"

    def __init__(self, context: Context, buffer: Expr, length: Any, kind: Kind = PLAIN):
        self.context = context
        self.name = "items"  # the user's
        self.appended = 0  # how often a round has appended to it
        self.homes: set[int] = set()  # the loops that it has room for
        self.running = 0  # how many loops run over it
        self.misfits: list[Expr] = []  # items of types that it has not been made for
        self.kind = kind
        self.is_copy = False  # a loop binds its name anew, so that changes would be lost
        # In a list of lists: that list, and the place in it.
        self.home: tuple[Grown, Any] | None = None
        self._own: dict[str, Any] = {"buffer": buffer, "length": length}
        self.path = context.path  # the conditions under which it has been made

    @classmethod
    def born(cls, *args: Any) -> Grown:
        """A list of its own."""
        made = cls(*args)
        made.context.grown.append(made)
        made.context.born(made.fields)
        return made

    @property
    def fields(self) -> dict[str, Any]:
        if self.home is None:
            return self._own
        parent, place = self.home
        row = subscript(parent.fields["buffer"], place)
        return {"buffer": row, "length": length_of(row)}

    @property
    def title(self) -> str:
        """What it is called in messages; those of comprehensions have no name."""
        return "this list" if self.name.startswith(".") else self.name

    @property
    def length(self) -> Any:
        return self.fields["length"]

    def array(self) -> Expr:
        """The items as an array."""
        buffer, length = self.fields["buffer"], self.length
        if buffer.type.listed:
            return array_of.build(buffer)
        try:
            if as_dim(length) == buffer.type.shape[0]:
                return buffer
            return subscript(buffer, slice(None, length))
        except UnsupportedError:  # a number that only the loop knows
            number = self.context.numbers.setdefault(length, self.context.fresh())
            return head.build(buffer, length, attrs=(number,))

    def as_indices(self) -> Any:
        """As an index it is an array of its items."""
        return self.array()

    def summed(self) -> Expr:
        """An array of the same sum: what is not in use is 0."""
        buffer = self.fields["buffer"]
        return array_of.build(buffer) if buffer.type.listed else buffer

    def _check_mutable(self) -> None:
        if self.home is not None:
            self.home[0]._check_own()
            return
        self._check_own()
        if self.running:
            raise UnsupportedError(
                f"{self.title} changes while a loop runs over it",
                hint="run over a copy: for e in np.array(rows)",
            )

    def _check_own(self) -> None:
        if self.home is not None:
            self.home[0]._check_own()
            return
        self.context.check_mutable(self.fields)
        if self.is_copy:
            raise UnsupportedError(
                f"{self.title} is another list from round to round, and changes in place",
                hint="build a new list from it: [*row], row + [x], or list(row)",
            )

    def _make_fit(self, item: Expr) -> None:
        """A list of integers that gets a float becomes one of floats."""
        if self.home is not None:
            self.home[0]._make_fit(item)
            return
        buffer = self.fields["buffer"]
        dtype = promote_dtype(Type(buffer.type.dtype), item.type)
        if dtype != buffer.type.dtype:
            self.misfits.append(item)
            self.fields["buffer"] = conform(buffer, buffer.type.with_dtype(dtype))

    def _taken(self, value: Any) -> Expr:
        """A value that becomes an item, as a row."""
        self._check_mutable()
        if self.kind.joined(_kind_of(value)) != self.kind:
            raise IllTypedError(
                "an item of a list that grows in a loop holds floats where others hold integers",
                hint="make them floats from the first: rows = [(0.0, x)]",
            )
        if isinstance(value, Grown):
            value._check_alone()
        else:
            give_away(self.context, value)
        item = _row_of(value)
        self._make_fit(item)
        return item

    def append(self, value: Any) -> None:
        self._check_length()
        item, place = self._taken(value), self.length
        buffer, length = self.fields["buffer"], self.length
        if self.context.memory is not None and item.type.rank:
            self.context.memory.lend(item)
        if not buffer.type.listed and self._is_full():
            self.grow(1)
            buffer = self.fields["buffer"]
        row = buffer.type.shape[1:]
        if len(item.type.shape) != len(row):
            raise IllTypedError(
                "a list that grows in a loop holds items of different shapes",
                hint="append numbers, or arrays of one shape",
            )
        if buffer.type.listed:
            item = conform(item, buffer.type.item)
            self.fields["buffer"] = append.build(
                buffer, item, as_expr(length), attrs=(self.context.pops,)
            )
        else:
            template, operands = template_of(buffer, length)
            item = conform(item, Type(buffer.type.dtype, item.type.shape, item.type.weak))
            self.fields["buffer"] = update.build(buffer, item, *operands, attrs=(template,))
        self.fields["length"] = moved_by(length, 1)
        self.appended += 1
        if isinstance(value, Grown):
            value._move(self, place)

    def is_older(self, serial: int) -> bool:
        """Whether it was there before the loop of this number."""
        return self.context.born_at[id(self.fields)] < serial

    def _is_full(self) -> bool:
        """Whether there may be no room: the loop that it grew in is over, and no other is open."""
        looping = self.context.looping
        return bool(self.homes) and not any(s in self.homes or self.is_older(s) for s in looping)

    def grow(self, count: Any) -> None:
        """Make room for `count` more items; for any number, where that is None."""
        buffer = self.fields["buffer"]
        if count is None:
            if buffer.type.rank > 1:
                raise IllTypedError(_ENDLESS, hint=_ENDLESS_HINT)
            self.fields["buffer"] = list_of.build(self.array(), attrs=(False,))
            return
        sizes = (count, *map(size_of, buffer.type.shape[1:]))
        more = filled(zero_of(Type(buffer.type.dtype, (), True)), sizes, buffer.type.dtype)
        self.fields["buffer"] = concatenate.build(buffer, more, attrs=(-buffer.type.rank,))

    def extend(self, values: list[Any]) -> None:
        for value in values:
            self.append(value)

    def pop(self, at: Any = -1) -> Expr:
        self._check_mutable()
        self._check_length()
        self._check_plain("pop")
        buffer = self.fields["buffer"]
        if buffer.type.listed and not self.context.pops:
            raise NeedsPopsError
        if at != -1:
            raise UnsupportedError(
                "pop from inside of a list that grows in a loop", hint="pop the last item"
            )
        last = place_of(self.context, -1, self.length, EMPTY)
        item = self.kind.of(self.context, subscript(buffer, last))
        if buffer.type.listed:
            self.fields["buffer"] = drop.build(buffer, as_expr(last))
        else:
            self._write(last, as_expr(0.0))  # what is not in use is 0
        self.fields["length"] = moved_by(self.length, -1)
        return item

    def clear(self) -> None:
        self._check_mutable()
        self._check_length()
        self._check_plain("clear")
        old = self.fields["buffer"]
        if old.type.listed:
            raise UnsupportedError(
                "clear of a list of which nothing tells how long it becomes",
                hint="pop the items one by one",
            )
        self.fields["buffer"], self.fields["length"] = zeros_like(old), 0

    def delete(self, key: Any) -> None:
        """`del rows[key]`."""
        if key != -1:
            raise UnsupportedError(
                "del from inside of a list that grows in a loop", hint="delete the last item"
            )
        self.pop()

    def item(self, key: Any) -> Any:
        """`rows[key]`."""
        if isinstance(key, slice):
            self._check_plain("a slice")
            part = subscript(self.array(), key)
            return self.made(part, length_of(part))
        return self.at(self._place(key))

    def at(self, place: Any) -> Any:
        """The item at a place that is certain to be inside."""
        if self.kind.rows is not None:
            return self._row(place)
        return self.kind.of(self.context, self._entry((place,)))

    def _entry(self, places: tuple[Any, ...]) -> Expr:
        """`buffer[places]`; of a list in a list an entry of that, with no row in between."""
        if self.home is None:
            return subscript(self.fields["buffer"], places)
        parent, at = self.home
        return parent._entry((at, *places))

    def _place(self, key: Any) -> Any:
        return place_of(self.context, key, self.length, BEYOND)

    def store(self, key: Any, value: Any) -> None:
        """`rows[key] = value`."""
        if isinstance(key, slice):
            raise UnsupportedError(
                "a slice of a list that grows in a loop is assigned",
                hint="build an array from it: np.array(rows)",
            )
        self._check_plain("assignment to an item")
        item = self._taken(value)
        self._write(self._place(key), item)

    def _write(self, place: Any, item: Expr) -> None:
        if self.home is not None:
            parent, at = self.home
            parent._write((at, *(place if isinstance(place, tuple) else (place,))), item)
            return
        buffer = self.fields["buffer"]
        template, operands = template_of(buffer, place)
        item = conform(item, Type(buffer.type.dtype, item.type.shape, item.type.weak))
        self.fields["buffer"] = update.build(buffer, item, *operands, attrs=(template,))

    def method(self, name: str) -> Any:
        """A bound method of the list."""
        if name not in _PLAIN:
            raise UnsupportedError(
                f"the method {name} of a list that grows in a loop is not supported",
                hint="build an array from it: np.array(rows)",
            )
        return getattr(self, name)

    def copy(self) -> Grown:
        self._check_plain("a copy")
        return self.made(self.fields["buffer"], self.length)

    def _check_plain(self, what: str) -> None:
        """Refuse what would make two lists of the same inner lists, or leave one of them alone."""
        if self.kind.rows is not None:
            raise UnsupportedError(
                f"{what} of a list of lists that grows in a loop",
                hint="assign item by item: rows[i][j] = x",
            )

    def _check_length(self) -> None:
        if self.home is not None:
            raise UnsupportedError(
                "an item of a list of lists that grows in a loop gets longer, or shorter",
                hint="append it when it is complete",
            )

    def _check_alone(self) -> None:
        """Refuse to make it an item of a list, if it may become one of others, too."""
        apart = self.home is None and not self.is_copy and self.path == self.context.path
        if not apart or any(self.is_older(serial) for serial in self.context.looping):
            raise UnsupportedError(
                "this list may be an item of several lists, or several times",
                hint="append a copy: rows.append(list(row))",
            )

    def _move(self, parent: Grown, place: Any) -> None:
        """From now on it is the item of `parent` at this place."""
        self.home = parent, place
        self.context.grown.remove(self)

    def _row(self, place: Any) -> Grown:
        """The item at a place of a list of lists: read, and written, where it is."""
        assert self.kind.rows is not None
        made = Grown(self.context, self.fields["buffer"], 0, self.kind.rows)
        made.name, made.homes = f"an item of {self.title}", {-1}
        made.home, made.misfits = (self, place), self.misfits
        return made

    def is_like(self, other: Grown) -> bool:
        """Whether one variable may stand for either."""
        parents = [None if x.home is None else x.home[0] for x in (self, other)]
        return parents[0] is parents[1] and self.kind == other.kind

    def outlives(self, serial: int) -> bool:
        """Whether it is there after a loop in which it has been bound."""
        if self.home is None:
            return True
        parent = self.home[0]
        return parent.home is None and parent.is_older(serial)

    def carried(self) -> Expr:
        """What a loop carries that binds another list in each round."""
        if self.home is not None:
            return as_expr(self.home[1])
        self.is_copy = True
        return self.array()

    def another(self, items: Expr) -> Grown:
        """What a loop binds in place of this list."""
        if self.home is not None:
            return self.home[0]._row(items)
        made = self.made(items, length_of(items))
        made.name, made.is_copy = self.name, True
        return made

    def made(self, buffer: Expr, length: Any) -> Grown:
        """A new list of items of this kind."""
        made = Grown.born(self.context, buffer, length, self.kind)
        made.homes = {-1}  # there is room for nothing more
        return made


def joined(op: Any, left: Any, right: Any) -> Grown:
    """`left + right`, one of which grows in a loop and the other is a list, too."""
    if op is not operator.add or not all(isinstance(x, (Grown, list)) for x in (left, right)):
        kinds = [x for x in (left, right) if not isinstance(x, (Grown, list))]
        raise UnsupportedError(
            "this operation on a list that grows in a loop is not supported",
            hint="for arithmetic build an array: np.array(rows)" if kinds else "",
        )
    if isinstance(right, list):
        made = left.copy()
        made.extend(right)
        return made
    first = left
    if isinstance(left, list):
        if not left:
            return right.copy()
        first = grown_from(right.context, [], left, len(left), 1, [])
        first.extend(left)
    first.kind.joined(right.kind)
    both = concatenate.build(first.array(), right.array(), attrs=(-first.array().type.rank,))
    return right.made(both, length_of(both))


def array_beside(value: Any, other: Any) -> Any:
    """A list that grows is an array in an operation with one."""
    is_array = isinstance(other, (Expr, np.ndarray)) and to_expr(other).type.rank
    return value.array() if isinstance(value, Grown) and is_array else value


def _kind_of(value: Any) -> Kind:
    return Kind(rows=value.kind) if isinstance(value, Grown) else kind_of(value)


def _row_of(value: Any) -> Expr:
    return value.array() if isinstance(value, Grown) else to_expr(value)


def repeated_list(context: Context, items: list[Any], times: Expr) -> Grown:
    """`[x] * n`."""
    if len(items) != 1 or isinstance(items[0], (Grown, list, dict, Record)):
        raise UnsupportedError(
            "lists of several items, or of lists, are not repeated a number of times that is known "
            "only at run time",
            hint="[[0.0] * m for _ in range(n)]",
        )
    made = grown_from(context, [], items, times, 1, [])
    row = _row_of(items[0])
    sizes = (times, *map(size_of, row.type.shape))
    made.fields["buffer"] = filled(row, sizes, made.fields["buffer"].type.dtype)
    made.fields["length"] = times
    made.homes = {-1}
    return made


_ENDLESS = "a list of arrays grows, and nothing tells how long it becomes"
_ENDLESS_HINT = "append in one `for` over a range or an array, or fill an array"


def grown_from(
    context: Context,
    items: list[Any],
    added: list[Any],
    count: Any,
    times: int,
    others: list[Expr],
) -> Grown:
    """The list `items`, to which each of `count` rounds may append like `added`, `times` often.

    count: None where it is not known. others: what else it will hold.
    """
    if count is None and any(is_container(x) for x in (*items, *added)):
        raise UnsupportedError(
            "a list of tuples grows in a loop, and nothing tells how long it becomes",
            hint="keep one list for each part of the tuples",
        )
    kind = functools.reduce(Kind.joined, map(_kind_of, (*items, *added)))
    if any(isinstance(x, Grown) for x in items):
        raise UnsupportedError(
            "a list that holds a list of unknown length grows in a loop",
            hint="append all of its items in the loop",
        )
    known = [_row_of(x) for x in (*items, *added, *others)]
    dtype = promote_dtype(*[x.type for x in known])
    shapes = [x.type.shape for x in known]
    if any(len(s) != len(shapes[0]) for s in shapes):
        raise IllTypedError(
            "a list that grows in a loop holds items of different shapes",
            hint="append numbers, or arrays of one shape",
        )
    if count is None:
        if shapes[0]:
            raise IllTypedError(_ENDLESS, hint=_ENDLESS_HINT)
        weak = all(x.type.weak for x in known)
        made = Grown.born(context, empty_list(dtype, weak, context.fresh()), 0)
        made.extend(items)
        made.appended = 0
        return made
    room = as_expr(count)
    for _ in range(times - 1):
        room = add.build(room, as_expr(count))
    if items:
        room = add.build(room, len(items))
    blank = zero_of(Type(dtype, (), True))
    buffer = filled(blank, (room, *map(size_of, shapes[0])), dtype)
    made = Grown.born(context, buffer, 0, kind)
    made.extend(items)
    made.appended = 0
    return made
