"""What the items of a list that grows are in Python: in the IR they are the rows of one array.

points.append((i, x))    an item is a tuple, of an integer and a float
rows.append([x, y])      an item is a list; what it is then in Python changes with it, so that
                         neither may change any more
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.frame import Context
from symdiff.primitives.elementary import cast
from symdiff.primitives.spell import subscript, to_expr


@dataclass(frozen=True)
class Kind:
    """Of what an item is made: `cls` of `parts`, or a number or an array where there are none.

    names: of the fields of a record. dtype: of an integer or a truth value among floats. rows: the
    kind of the items of a list that is as long as is known only at run time.
    """

    cls: type = float
    parts: tuple[Kind, ...] = ()
    names: tuple[str, ...] = ()
    dtype: str = ""
    rows: Kind | None = None

    def joined(self, other: Kind) -> Kind:
        """What is true of items of both kinds."""
        if self.rows is not None and other.rows is not None:
            return Kind(rows=self.rows.joined(other.rows))
        if (self.cls, len(self.parts), self.names) != (
            other.cls,
            len(other.parts),
            other.names,
        ) or (self.rows is not other.rows):
            raise IllTypedError(
                "a list that grows in a loop holds items of different kinds",
                hint="append only numbers, or only tuples of one length",
            )
        parts = tuple(a.joined(b) for a, b in zip(self.parts, other.parts, strict=True))
        return Kind(self.cls, parts, self.names, self.dtype if self.dtype == other.dtype else "")

    def of(self, context: Context, row: Expr) -> Any:
        """The item that a row of the array stands for."""
        if self.cls is float:
            plain = not self.dtype or row.type.rank or row.type.dtype == self.dtype
            return row if plain else cast.build(row, attrs=(self.dtype, True))
        parts = [part.of(context, subscript(row, k)) for k, part in enumerate(self.parts)]
        if self.names:
            made = Record(self.cls, dict(zip(self.names, parts, strict=True)))
        else:
            made = parts if self.cls is list else tuple(parts)
        for part in changeable(made):
            context.given[id(context.born(part))] = part
        return made


PLAIN = Kind()


def kind_of(value: Any) -> Kind:
    """Of what `value` is made; numbers and arrays are all alike."""
    if isinstance(value, Record):
        return Kind(value.cls, tuple(map(_part, value.fields.values())), tuple(value.fields))
    if isinstance(value, (list, tuple)):
        if not value:
            raise IllTypedError(
                "an empty list or tuple is an item of a list that grows in a loop",
                hint="append numbers, or tuples of one length",
            )
        return Kind(list if isinstance(value, list) else tuple, tuple(map(_part, value)))
    return PLAIN


def _part(value: Any) -> Kind:
    kind = kind_of(value)
    if kind is not PLAIN:
        return kind
    type_ = to_expr(value).type
    return Kind(dtype="" if type_.is_float or type_.rank else type_.dtype)


def give_away(context: Context, value: Any) -> None:
    """`value` becomes an item of a list that grows."""
    for part in changeable(value):
        context.give(part)


def changeable(value: Any) -> Iterator[Any]:
    """The lists and dicts in a value, and the fields of records."""
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, Record):
            part = part.fields
        if isinstance(part, (list, dict)):
            yield part
        if isinstance(part, (list, tuple, dict)):
            stack.extend(part.values() if isinstance(part, dict) else part)
