"""Iterators: what `iter`, `map`, `zip`, generator expressions and generators give.

Python computes their items when they are asked for; here they are computed at once, which makes no
difference as long as nothing that they read changes in between, and they change nothing themselves.
Both are checked. An iterator is used up: what has been taken does not come again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.frame import Context, Evaluation, Frame
from symdiff.parse.values import Opaque, from_python
from symdiff.primitives.spell import subscript

ENDLESS = (itertools.count, itertools.cycle, itertools.repeat)


LENT = "used by another iterator"


class Stream(Opaque):
    """An iterator over items that are computed already; `place` says how many have been taken.

    checks: whether what the items were made from is as it was then.
    """

    called = "iterator"

    def __init__(self, context: Context, items: Sequence[Any], *checks: Callable[[], bool]):
        self.items = items
        self.checks = checks
        self.place: dict[str, Any] = context.born({"taken": 0})
        self.context = context

    def unchanged(self) -> bool:
        """Whether the items are what they would be if they were computed now."""
        return isinstance(self.items, Live) or all(check() for check in self.checks)

    def _taken(self) -> int:
        taken = self.place["taken"]
        if taken is LENT:
            raise UnsupportedError(
                "an iterator is used beside another one that was made from it",
                hint="make a list of it first: list(...)",
            )
        if not isinstance(taken, int):
            raise UnsupportedError(
                "how far an iterator has got depends on a run-time condition",
                hint="use a list, and indices",
            )
        if taken < len(self.items) and not self.unchanged():
            raise UnsupportedError(
                "what an iterator reads has changed since it was made",
                hint="make a list of it at once: list(...)",
            )
        return taken

    def rest(self) -> list[Any]:
        """All that is left, which is then used up."""
        taken = self._taken()
        left = [self.items[i] for i in range(taken, len(self.items))]
        if left:
            self.context.check_mutable(self.place)
            self.place["taken"] = len(self.items)
        return left

    def more(self) -> bool:
        """Whether there is another item."""
        return self._taken() < len(self.items)

    def lent(self) -> tuple[Any, ...]:
        """All that is left, for another iterator; this one may not be used any more."""
        items = tuple(self.rest())
        self.place["taken"] = LENT
        return items

    def next(self, *default: Any) -> Any:
        """One item. Raises StopIteration, as `ThrownError`, if there is none and no default."""
        taken = self._taken()
        if taken < len(self.items):
            self.context.check_mutable(self.place)
            self.place["taken"] = taken + 1
            return self.items[taken]
        if default:
            return default[0]
        from symdiff.parse.frame import ThrownError

        raise ThrownError(StopIteration())


class Live(Sequence[Any]):
    """What `iter`, `enumerate`, `zip` and `reversed` give: the items that stand there when asked.

    columns: lists, tuples, ranges, and arrays of known length.
    """

    def __init__(
        self,
        context: Context,
        columns: Sequence[Any],
        make: Callable[[int, tuple[Any, ...]], Any],
        backwards: bool = False,
    ):
        self.context, self.columns, self.make = context, columns, make
        self.backwards = backwards

    def __len__(self) -> int:
        return min(known_rows(c) if isinstance(c, Expr) else len(c) for c in self.columns)

    def __getitem__(self, i: Any) -> Any:
        place = len(self) - 1 - i if self.backwards else i
        return self.make(i, tuple(self._item(c, place) for c in self.columns))

    def _item(self, column: Any, i: int) -> Any:
        if not isinstance(column, Expr):
            return from_python(column[i])
        memory = self.context.memory
        return subscript(column if memory is None else memory.now(column), i)


def known_rows(array: Expr) -> int:
    """How many rows an array has whose first size is known."""
    rows = array.type.shape[0]
    assert isinstance(rows, int)
    return rows


def live(
    context: Context, function: Any, args: Sequence[Any], options: dict[str, Any]
) -> Live | None:
    """How a `for` over lists and arrays sees what its body does to them."""
    changing = [isinstance(a, (list, Expr)) for a in args]
    if function is enumerate and changing[0]:
        start = args[1] if len(args) > 1 else options.get("start", 0)
        return Live(context, args[:1], lambda i, row: (start + i, row[0]))
    if function is iter and any(changing):
        return Live(context, args, lambda i, row: row[0])
    if function is reversed and isinstance(args[0], Expr):
        return Live(context, args, lambda i, row: row[0], backwards=True)
    fixed = all(isinstance(a, (list, tuple, range, Expr)) for a in args)
    if function is zip and any(changing) and fixed and not options.get("strict"):
        return Live(context, args, lambda i, row: row)
    return None


def stream_of(context: Context, items: list[Any], *sources: Any) -> Stream:
    """An iterator over `items`, which were made from `sources`."""
    return Stream(context, items, unchanged(context, *sources))


def unchanged(context: Context, *sources: Any) -> Callable[[], bool]:
    """Tells whether the containers and arrays in `sources` still hold what they hold now.

    Rows of an array that are arrays are views, and see its changes by themselves.
    """
    kept: dict[int, tuple[Any, list[Any]]] = {}
    arrays: list[Expr] = []
    memory = context.memory
    stack = list(sources)
    while stack:
        part = stack.pop()
        if memory is not None and isinstance(part, Expr) and part.type.rank == 1:
            arrays.append(memory.now(part))
        if isinstance(part, Record):
            part = part.fields
        if isinstance(part, (list, dict, set, tuple)) and id(part) not in kept:
            kept[id(part)] = part, _content(part)
            stack.extend(_content(part))

    def check() -> bool:
        if memory is not None and any(memory.now(x) is not x for x in arrays):
            return False
        return all(_same(_content(s), content) for s, content in kept.values())

    return check


def _content(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [*container, *container.values()]
    return list(container)


def _same(now: Any, then: list[Any]) -> bool:
    return len(now) == len(then) and all(a is b for a, b in zip(now, then, strict=True))


def bindings(frame: Frame | None, names: set[str]) -> Callable[[], bool]:
    """Tells whether these names still mean what they mean now, seen from `frame`."""
    places: list[tuple[Frame, str, Any]] = []
    while frame is not None:
        places += [(frame, n, frame.env[n]) for n in names if n in frame.env]
        frame = frame.parent
    if not places:
        return lambda: True
    lists = unchanged(places[0][0].context, *(value for _, _, value in places))
    return lambda: lists() and all(f.env.get(n) is value for f, n, value in places)


def eagerly(context: Context, evaluation: Any) -> Evaluation:
    """Run what Python would run later. Refuses what changes something that was there before."""
    start, saved = context.fresh(), context.oldest
    context.oldest = start
    value = yield evaluation
    changed, context.oldest = context.oldest < start, min(saved, context.oldest)
    if changed:
        raise UnsupportedError(
            "an iterator that changes something when it is used is not supported",
            hint="use a list comprehension or a loop",
        )
    return value


def limited(value: Iterator[Any], limit: int) -> list[Any]:
    """The items of a Python iterator, at most `limit`."""
    items = list(itertools.islice(value, limit + 1))
    if len(items) > limit:
        raise UnsupportedError(
            "an iterator without end is used up", hint="zip it with something that ends"
        )
    return items
