"""What a loop carries from round to round, and what it is before the first.

A name that only rounds assign has no value then. What it is like shows when a round has been
evaluated: until then, what reads it leads nowhere (`UnknownError`).

    for ...:
        if k > 0: s += p[1] * x    ->   carried: p[0], p[1], has_p, from 0.0, 0.0, False
        p = (x, s)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np

from symdiff.ir.expr import Expr, var
from symdiff.ir.tree import Maybe, map_tree
from symdiff.ir.types import Type
from symdiff.parse.alike import leaf_names
from symdiff.parse.frame import Unbound
from symdiff.parse.growing import Grown
from symdiff.parse.nullable import as_nullable
from symdiff.parse.state import ABSENT
from symdiff.parse.values import NUMBERS
from symdiff.primitives.row import zero_of
from symdiff.primitives.spell import to_expr


@dataclass(slots=True)
class Carried:
    """One place that a round changes: its value on entry, its variables, their types.

    perhaps: it holds a `Maybe`; the value is a pair of what it holds and whether it does. aliased:
    something else holds a container of it, too (see `parse.aliases`). number: a serial number, by
    which its variables differ from those of a place of the same name: of another function, or of
    a list before it grew. like: a list that grows, where each round binds another one; the array of
    its items is carried. least: of the length of a list, what no round has less than.
    """

    entry: Any
    types: list[Type | None]
    number: int
    opened: Any = None
    variables: list[Any] = field(default_factory=list)
    shares: frozenset[int] = frozenset()  # array objects that may be held elsewhere too
    running: frozenset[int] = frozenset()  # those that the loop runs over
    lost: str = ""  # why it has no value from round to round
    perhaps: bool = False
    aliased: bool = False
    like: Grown | None = None
    least: int = 0

    def open(self, wish: str) -> None:
        """Put a variable for each value of `entry`, called after `wish`, into `opened`."""
        self.variables = []
        types = iter(self.types)
        names = leaf_names(wish, self.entry)
        if self.perhaps:
            count = len(self.types) - 1
            names = chain(islice(leaf_names(wish, self.entry[0]), count), (f"has_{wish}",))

        def opened(leaf: Any) -> Any:
            label, type_ = next(names), next(types)
            new = None
            if isinstance(leaf, (Expr, np.ndarray, *NUMBERS)):
                tag = self.number + len(self.variables) * 1_000_000
                new = var(label, type_ or to_expr(leaf).type, tag)
            self.variables.append(new)
            return leaf if new is None else new

        self.opened = map_tree(opened, self.entry)

    def content(self, now: Any) -> Any:
        """What a place that holds `now` carries."""
        if now is ABSENT or isinstance(now, Unbound):
            return now
        if self.like is not None:
            return now.carried() if isinstance(now, Grown) and now.is_like(self.like) else now
        if self.perhaps:
            now = (now.value, now.there) if isinstance(now, Maybe) else (now, True)
        return as_nullable(self.entry, now)

    def held(self, content: Any) -> Any:
        """The inverse of `content`."""
        if self.like is not None:
            return self.like.another(content)
        return Maybe(*content) if self.perhaps else content


def not_yet(now: Any) -> Maybe:
    """What a name that holds `now` after a round holds before the first, which assigns it."""
    now = now.value if isinstance(now, Maybe) else now
    if isinstance(now, Unbound):
        return Maybe(0, False)
    return Maybe(map_tree(lambda x: zero_of(x.type) if isinstance(x, Expr) else x, now), False)
