"""Arguments and results as flat lists of numbers, through optree; dataclasses are containers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

_SPACE = "symdiff"


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _register(tree: Any) -> None:
    """Tell optree (in our namespace of it) of the dataclasses in `tree`."""
    while True:
        unknown = {
            type(leaf): leaf
            for leaf in optree.tree_leaves(tree, namespace=_SPACE)
            if _is_dataclass(leaf)
        }
        if not unknown:
            return
        for cls in unknown:
            names = tuple(f.name for f in dataclasses.fields(cls) if f.init)

            def parts(value: Any, names: tuple[str, ...] = names) -> Any:
                return tuple(getattr(value, n) for n in names), None, names

            def whole(_: Any, values: Any, cls: Any = cls, names: tuple[str, ...] = names) -> Any:
                return cls(**dict(zip(names, values, strict=True)))

            optree.register_pytree_node(
                cls, parts, whole, path_entry_type=optree.DataclassEntry, namespace=_SPACE
            )


def leaves(tree: Any) -> list[Any]:
    """Everything in `tree` that is not a container; None is left out."""
    _register(tree)
    return list(optree.tree_leaves(tree, namespace=_SPACE))


def rebuild(tree: Any, values: Sequence[Any]) -> Any:
    """A tree like `tree` with other leaves."""
    return optree.tree_structure(tree, namespace=_SPACE).unflatten(values)


def map_leaves(fn: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `fn` applied to every leaf; containers are new ones."""
    return rebuild(tree, [fn(leaf) for leaf in leaves(tree)])


def paths(tree: Any, root: str) -> list[str]:
    """How source code reaches each leaf: `x['w'][0]`, `p.b`."""
    _register(tree)
    accessors, _, _ = optree.tree_flatten_with_accessor(tree, namespace=_SPACE)
    return [accessor.codify(root) for accessor in accessors]


def copied(value: Any) -> Any:
    """A leaf that the function may write to without changing the caller's."""
    return value.copy() if isinstance(value, np.ndarray) else value


def is_number(leaf: Any) -> bool:
    """Whether a leaf of a result is something that has derivatives."""
    if isinstance(leaf, (float, complex)):
        return True
    return getattr(getattr(leaf, "dtype", None), "kind", "") in "fc" and hasattr(leaf, "dtype")


def dtype_of(leaf: Any) -> np.dtype[Any]:
    """The dtype of a number or an array."""
    return np.asarray(leaf).dtype


def reals(leaf: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A number or array as float64, flat; complex ones as (real, imaginary) pairs."""
    array = np.asarray(leaf)
    if array.dtype.kind == "c":
        return np.stack([np.real(array), np.imag(array)], -1).astype(np.float64).ravel()
    return array.astype(np.float64).ravel()
