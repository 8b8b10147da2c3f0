"""Constants of the function: numbers, arrays of one number, and tables.

WEIGHTS = np.array([1.0, 4.0, 1.0])   ->   static const double weights[3] = {1.0, 4.0, 1.0};
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Const
from symdiff.ir.nest import Buffer, Load, Num, Term
from symdiff.ir.types import DType
from symdiff.lower.arrays import Array, Index, filled

_LARGEST = 1 << 16  # elements of a table
_NUMBER: dict[DType, Any] = {"bool": bool, "int": int, "float32": float, "float64": float}


def constant(node: Const, wish: str) -> Term | Array:
    """A constant as a number, or as an array that is written nowhere."""
    kind = node.type.dtype
    number = _NUMBER.get(kind)
    if number is None:
        raise UnsupportedError(
            "a complex number is not lowered to C", hint='use target="python", which has all of it'
        )
    if not node.type.rank:
        return Num(number(node.value), kind)
    values: Any = np.asarray(node.value)
    dims = tuple(Num(int(n), "int") for n in values.shape)
    flat = values.ravel()
    if flat.size and flat.tobytes() == flat[:1].tobytes() * flat.size:
        return filled(Num(number(flat[0]), kind), dims)
    if values.size > _LARGEST:
        raise UnsupportedError(
            f"a constant array of {values.size:,} elements is not lowered to C",
            hint="make it a parameter of the function",
        )
    table = Buffer(wish, kind, dims, "table", values=tuple(map(number, flat)))

    def at(index: Index) -> Term:
        if all(isinstance(i, Num) for i in index):
            place = tuple(i.value for i in index if isinstance(i, Num))
            if all(0 <= i < n for i, n in zip(place, values.shape, strict=True)):
                return Num(number(values[place]), kind)
        return Load(table, index)

    made = Array(kind, dims, at)
    if kind == "int" and flat.min() >= 0:
        made.below = Num(int(flat.max()) + 1, "int")
    return made
