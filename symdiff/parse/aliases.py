"""Lists and dicts that a loop binds anew, and that something else holds too.

    for ...:
        p[0] = ...      what p holds at the start of a round is a copy in the IR: were it changed,
        p = q           q would not be

So it may not be changed in the rounds, nor may what it is a copy of; nor either of them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.tree import Nullable, Record, children, is_container
from symdiff.parse.carried import Carried
from symdiff.parse.frame import Context, Frame
from symdiff.parse.state import ABSENT, PLAIN, Item, Name, Place, State


def note_aliases(context: Context, carried: Iterable[tuple[Place, Carried, Any]]) -> bool:
    """Find out which of these may be reached in another way; whether that was known.

    (place, what is carried of it, what it holds): at the present moment.
    """
    known = True
    for place, each, value in carried:
        if not each.aliased and _held_elsewhere(context, place, value):
            each.aliased = True
            known = False
    return known


def refuse_changes(context: Context, carried: dict[Place, Carried], after: State) -> None:
    """Where rounds change what one of the aliased is a copy of; else let nothing change it."""
    changed = {place.container for place in carried if isinstance(place, Item)}
    for place, each in carried.items():
        if not each.aliased or each.lost:
            continue
        for tree in (each.entry, place.get(after)):
            if any(id(c) in changed for c in _changeable(context, tree)):
                raise UnsupportedError(
                    f"this loop changes a container that {place} may hold too",
                    hint="make a copy where one of them is assigned: list(...), dict(...)",
                )
            context.freeze(tree)


def _changeable(context: Context, tree: Any, copied: bool = True) -> Iterator[Any]:
    """The lists and dicts in a tree that the function has made; copied: or that it is a copy of."""
    if not is_container(tree):
        return
    owner = tree.fields if isinstance(tree, Record) else tree
    if id(owner) in context.births:
        yield owner
    if id(owner) in context.chosen:
        parts = context.chosen[id(owner)][1] if copied else ()
    else:
        parts = [x for _, _, x in children(tree)]
    for part in parts:
        yield from _changeable(context, part, copied)


def _held_elsewhere(context: Context, place: Place, tree: Any) -> bool:
    """Whether something but `place` leads to a container in `tree`, or does so twice."""
    if tree is ABSENT:
        return False
    own = [id(c) for c in _changeable(context, tree)]
    direct = [id(c) for c in _changeable(context, tree, copied=False)]
    if len(set(direct)) < len(direct):
        return True
    return bool(own) and _lead_to(context, place, set(own))


def _lead_to(context: Context, place: Place, owned: set[int]) -> bool:
    """Whether the names of the functions being evaluated lead there without `place`."""
    stack: list[Any] = list(context.frames)
    seen = set[int]()
    while stack:
        value = stack.pop()
        if isinstance(value, Record):
            value = value.fields
        if id(value) in owned:
            return True
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Frame):
            skipped = place.name if isinstance(place, Name) and place.frame is value else None
            stack += [x for name, x in value.env.items() if name != skipped]
        elif isinstance(value, Nullable):
            stack.append(value.value)
        elif isinstance(value, (dict, list, tuple, set)):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            skip = place.key if isinstance(place, Item) and place.container == id(value) else None
            stack += [x for key, x in items if skip is None or key != skip]
        elif hasattr(value, "frame"):  # a function, with what it closes over
            stack += (value.frame, *value.defaults, *value.kw_defaults)
        elif not isinstance(value, PLAIN):
            return True  # what it holds is not looked into
    return False
