"""Tangents and cotangents of a call: one for each variable, of the same structure and shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, SymdiffError
from symdiff.ir.expr import Expr
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Record, Tree, record_fields
from symdiff.ir.types import Dim, dim_symbols


def measured(function: Function, arguments: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of a call's arguments, by the symbols that stand for them."""
    values: dict[Expr, Any] = {}
    for param in function.params:
        if param.name in arguments:
            _pair(param.tree, arguments[param.name], values)
    return {
        symbol: np.shape(values[m.of])[m.axis]
        for symbol, m in function.sizes.items() if m.axis is not None and m.of in values
    }  # fmt: skip


def _pair(tree: Tree, value: Any, into: dict[Expr, Any]) -> None:
    if isinstance(tree, Expr):
        into[tree] = value
    elif isinstance(tree, Record):
        fields = record_fields(value)
        for key, child in tree.fields.items():
            _pair(child, fields[key], into)
    elif isinstance(tree, dict):
        for key, child in tree.items():
            _pair(child, value[key], into)
    elif isinstance(tree, (tuple, list)):
        for child, item in zip(tree, value, strict=True):
            _pair(child, item, into)


def _size(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    """The number that a size stands for in this call, or None where it is not an argument's."""
    if isinstance(dim, int):
        return dim
    if any(symbol not in sizes for symbol in dim_symbols(dim)):
        return None
    return sum(c * math.prod(sizes[f] for f in factors) for factors, c in dim.terms)


def spread(
    name: str,
    params: Sequence[Param],
    seeds: Sequence[tuple[Any, bool]],
    sizes: Mapping[str, int],
) -> list[Any]:
    """The values of the generated function's last parameters, from the vectors of a call."""
    values: list[Any] = []
    for number, (seed, many) in enumerate(seeds):
        count = sum(p.seed == number for p in params)
        if many and (not isinstance(seed, (tuple, list)) or len(seed) != count):
            raise IllTypedError(f"{name}: the last argument must be a tuple of {count} vectors")
        values.extend(seed if many else [seed])
    try:
        return [fitted(name, p.name, p.tree, v, sizes) for p, v in zip(params, values, strict=True)]
    except SymdiffError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise IllTypedError(
            f"{name}: the last argument has not the structure of its variable ({error})"
        ) from error


def fitted(name: str, label: str, tree: Tree, value: Any, sizes: Mapping[str, int]) -> Any:
    """`value` checked against the variable's structure, as floats and arrays of its dtype."""
    if isinstance(tree, Expr):
        if not tree.type.rank:
            if np.ndim(value) != 0:
                raise IllTypedError(f"{name}: {label} must be a number, not {np.shape(value)}")
            return np.float32(value) if tree.type.dtype == "float32" else float(value)
        array = np.asarray(value, dtype=tree.type.dtype)
        expected = tuple(_size(d, sizes) for d in tree.type.shape)
        if array.ndim != tree.type.rank or any(
            e is not None and e != n for e, n in zip(expected, array.shape, strict=True)
        ):
            raise IllTypedError(
                f"{name}: {label} has shape {array.shape}, its variable is {tree.type}"
                f" of shape {tuple('?' if e is None else e for e in expected)}"
            )
        return array
    if isinstance(tree, Record):
        fields = record_fields(value)
        return tree.cls(
            **{k: fitted(name, label, tree.fields[k], v, sizes) for k, v in fields.items()}
        )
    if isinstance(tree, dict):
        return {k: fitted(name, label, tree[k], value[k], sizes) for k in tree}
    if isinstance(tree, (tuple, list)):
        if not isinstance(value, (tuple, list)) or len(value) != len(tree):
            raise IllTypedError(f"{name}: {label} must have {len(tree)} items, as its variable has")
        return type(tree)(
            fitted(name, label, t, v, sizes) for t, v in zip(tree, value, strict=True)
        )
    return value
