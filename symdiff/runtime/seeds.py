"""Tangents and cotangents of a call: one for each variable, of the same structure and shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Expr
from symdiff.ir.function import Param
from symdiff.ir.tree import Record, Tree, record_fields


def spread(name: str, params: Sequence[Param], seeds: Sequence[tuple[Any, bool]]) -> list[Any]:
    """The values of the generated function's last parameters, from the vectors of a call."""
    values: list[Any] = []
    for number, (seed, many) in enumerate(seeds):
        count = sum(p.seed == number for p in params)
        if many and (not isinstance(seed, (tuple, list)) or len(seed) != count):
            raise IllTypedError(f"{name}: the last argument must be a tuple of {count} vectors")
        values.extend(seed if many else [seed])
    return [fitted(name, p.name, p.tree, v) for p, v in zip(params, values, strict=True)]


def fitted(name: str, label: str, tree: Tree, value: Any) -> Any:
    """`value` checked against the variable's structure, as floats and arrays of its dtype."""
    if isinstance(tree, Expr):
        if not tree.type.rank:
            if np.ndim(value) != 0:
                raise IllTypedError(f"{name}: {label} must be a number, not {np.shape(value)}")
            return np.float32(value) if tree.type.dtype == "float32" else float(value)
        array = np.asarray(value, dtype=tree.type.dtype)
        expected = tuple(d if isinstance(d, int) else None for d in tree.type.shape)
        if array.ndim != tree.type.rank or any(
            e is not None and e != n for e, n in zip(expected, array.shape, strict=True)
        ):
            raise IllTypedError(
                f"{name}: {label} has shape {array.shape}, its variable is {tree.type}"
            )
        return array
    if isinstance(tree, Record):
        fields = record_fields(value)
        return tree.cls(**{k: fitted(name, label, tree.fields[k], v) for k, v in fields.items()})
    if isinstance(tree, dict):
        return {k: fitted(name, label, tree[k], value[k]) for k in tree}
    if isinstance(tree, (tuple, list)):
        if not isinstance(value, (tuple, list)) or len(value) != len(tree):
            raise IllTypedError(f"{name}: {label} must have {len(tree)} items, as its variable has")
        return type(tree)(fitted(name, label, t, v) for t, v in zip(tree, value, strict=True))
    return value
