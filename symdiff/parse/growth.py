"""Which lists a loop lets grow, and how much room they need.

A round that is evaluated tells: a list that is longer after it becomes a `Grown` before it, and the
round is evaluated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.parse.frame import Frame
from symdiff.parse.growing import Grown, grown_from
from symdiff.parse.integers import repeated
from symdiff.parse.state import GrowsInsideError, State


class Growth:
    """The lists that grow in one loop, which has a serial number.

    lists: each with what it was before. room: how many rounds there are at most, or None.
    """

    def __init__(self, frame: Frame, serial: int, room: Callable[[], Any]):
        self.frame, self.context, self.serial, self.room = frame, frame.context, serial, room
        self.lists: list[tuple[Grown, Any]] = []
        self.before: dict[int, int] = {}  # how often each list had been appended to
        self.times: dict[int, int] = {}  # how often a round appends, at most
        self.content: dict[int, list[Any]] = {}
        self.added: dict[int, list[Any]] = {}
        self.others: dict[int, list[Expr]] = {}  # items of types that a list was not made for

    def found(self, entry: State, after: State) -> bool:
        """Turn a list that a round has made longer into one that may grow at run time."""
        for key, content in entry.contents.items():
            now = after.contents.get(key)
            owner = self.context.births[key][0]
            if now is None or len(now) == len(content) or isinstance(owner, set):
                continue
            self.let(entry, owner, now)
            return True
        if self._grows_on(entry):
            return True
        for new, owner in self.lists:
            if new.misfits:
                self.others.setdefault(id(owner), []).extend(new.misfits)
                listed = new.fields["buffer"].type.listed
                self.let(entry, new, self.added[id(owner)], inside=bool(listed))
                return True
            if new.appended > self.times[id(owner)] and not new.fields["buffer"].type.listed:
                self.times[id(owner)] = new.appended
                self.let(entry, new, self.added[id(owner)])
                return True
        return False

    def start(self) -> None:
        """A round begins."""
        for new, _ in self.lists:
            new.appended = 0
        self.before = {id(g): g.appended for g in self.context.grown}

    def _grows_on(self, entry: State) -> bool:
        """Make room in a list that has grown in an earlier loop."""
        for grown in self.context.grown:
            added = grown.appended - self.before.get(id(grown), grown.appended)
            listed = grown.fields["buffer"].type.listed
            content = entry.contents.get(id(grown.fields))
            if content is None or added <= 0 or listed or self.serial in grown.homes:
                continue
            if any(grown.is_older(serial) for serial in self.context.looping):
                raise UnsupportedError(
                    "a list that has grown in one loop is appended to in loops one in the other",
                    hint="append to a list of its own, and put them together: np.concatenate",
                )
            entry.restore()
            room = self.room()
            grown.grow(None if room is None else repeated(0, room, added))
            grown.homes.add(self.serial)
            content.update(grown.fields)
            return True
        return False

    def let(self, entry: State, owner: Any, now: Sequence[Any], inside: bool = False) -> None:
        """Let `owner`, which holds `now` after a round, be a list that grows.

        inside: in a loop inside of this one, so that how often is not known.
        """
        first = next((o for g, o in self.lists if g is owner), owner)
        content = self.content.setdefault(id(first), list(entry.contents.get(id(owner), ())))
        if not isinstance(first, list):
            raise UnsupportedError(
                f"a round of this loop changes the length of a {type(first).__name__}",
                hint="append to a list, or use an array",
            )
        if self._is_from_outside(first):
            raise GrowsInsideError(first, list(now))
        added = list(now[len(content) :])
        self.added[id(first)] = list(now)
        times = self.times.setdefault(id(first), len(added))
        entry.restore()
        # An item may depend on what only the round knows: its type is what counts here.
        others = self.others.get(id(first), [])
        room = None if inside else self.room()
        new = grown_from(self.context, content, added, room, times, others)
        names = (name for name, value in self.frame.env.items() if value is owner)
        new.name = next(names, "items")
        new.homes.add(self.serial)
        entry.replace(owner, new)
        self.lists = [(g, o) for g, o in self.lists if o is not first] + [(new, first)]

    def _is_from_outside(self, owner: Any) -> bool:
        """Whether a list is older than a loop around this one, which then makes it grow, too."""
        born = self.context.born_at.get(id(owner), 0)
        return any(born < serial for serial in self.context.looping if serial != self.serial)
