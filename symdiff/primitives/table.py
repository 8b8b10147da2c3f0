"""The whole table: every row by name, and every Python object that spells one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from symdiff.primitives import (
    arithmetic,
    arrays,
    contraction,
    custom,
    elementary,
    indexing,
    linalg,
    lists,
    pointwise,
    reductions,
    scalars,
    shape,
    shaping,
    sharing,
    special,
    stable,
)
from symdiff.primitives.row import Primitive

_MODULES = (
    arithmetic, elementary, shape, arrays, indexing, lists, custom,
    shaping, reductions, linalg, contraction, pointwise, scalars, special,
    stable, sharing,
)  # fmt: skip


def _collect() -> Mapping[str, Primitive]:
    rows: dict[str, Primitive] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if isinstance(value, Primitive):
                assert rows.get(value.name, value) is value, f"two rows called {value.name}"
                rows[value.name] = value
    arithmetic.install(rows)
    return MappingProxyType(rows)


ROWS: Mapping[str, Primitive] = _collect()
