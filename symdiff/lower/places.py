"""Where the rounds of a loop write: each in a place of its own, if an index names the round.

for j: u[i + 1, j + 2] += t[j]      the second index differs from round to round
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symdiff.ir.nest import Each, Load, Local, Ref, Term, statements, subterms
from symdiff.lower.access import Access, Index
from symdiff.lower.affine import Form, Known


def changing(loop: Each, access: Access) -> set[Local]:
    """The variables that are not the same in all of a round: those set in it, inner indices."""
    found = {x for x in access.writes if isinstance(x, Local)}
    return found | {s.index for s in statements(loop.body) if isinstance(s, Each)}


def named_by(
    known: Known, index: Local, places: Iterable[Index], axis: int, other: set[Local]
) -> Form | None:
    """The one form in `index` that all places have on an axis; None where they have not.

    other: variables that a form may not have.
    """
    common: Form | None = None
    for place in places:
        if len(place) <= axis:
            return None
        form = known.form(place[axis])
        if form is None or not form.get(index) or not other.isdisjoint(form):
            return None
        if common is not None and form != common:
            return None
        common = form
    return common


def is_apart(
    known: Known, index: Local, places: Sequence[Index], rank: int, other: set[Local]
) -> bool:
    """Whether rounds touch different elements: an axis names the round in all places."""
    return any(
        named_by(known, index, places, axis, other) or _in_steps(known, index, places, axis, other)
        for axis in range(rank)
    )


def _in_steps(
    known: Known, index: Local, places: Sequence[Index], axis: int, other: set[Local]
) -> bool:
    """Whether each round has some places in a row to itself: 3 * i, 3 * i + 1, 3 * i + 2."""
    first: Form | None = None
    offsets: list[int] = []
    for place in places:
        form = known.form(place[axis]) if len(place) > axis else None
        if form is None or not other.isdisjoint(form):
            return False
        offsets.append(form.get(None, 0))
        rest: Form = {v: c for v, c in form.items() if v is not None}
        if first is not None and rest != first:
            return False
        first = rest
    return first is not None and max(offsets) - min(offsets) < abs(first.get(index, 0))


def is_steady(terms: Iterable[Term], other: set[Local], written: set[object]) -> bool:
    """Whether terms read no variable of `other`, and no buffer of `written`."""
    for term in terms:
        for part in subterms(term):
            if isinstance(part, Ref) and part.local in other:
                return False
            if isinstance(part, Load) and part.buffer in written:
                return False
    return True
