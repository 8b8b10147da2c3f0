"""Signatures: what of the arguments a compilation depends on - dtype, rank, which sizes are one.

Sizes themselves are symbols, so a function is not compiled again for another number of rows.
Strings, booleans, None and other objects are static: their value is part of the signature.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError
from symdiff.ir.expr import var
from symdiff.ir.tree import Record, Tree, is_record, record_fields
from symdiff.ir.types import BOOL, DTYPES, FLOAT, INT, DType, Type, symbol
from symdiff.runtime.declare import annotated_type

Described = tuple[Hashable, Tree, Any]  # (key, tree of variables, value to pass)


def describe(
    name: str, value: Any, declared: Type | None = None, static: bool = False
) -> Described:
    """An argument as (its part of the signature, variables for the parser, value to call with).

    What is inside a container is called by its path, `p[0].w`: no parameter can be called so.
    """
    if static:
        return ("static", _key(value)), value, value
    if isinstance(value, bool):
        return ("static", value), value, value
    if type(value) is float or (declared == FLOAT and isinstance(value, (int, float))):
        return "f", var(name, FLOAT), float(value)
    if isinstance(value, int):
        return "i", var(name, INT), value
    if isinstance(value, complex):
        return "c", var(name, Type("complex128", (), True)), value
    if isinstance(value, (np.ndarray, np.generic)):
        return _array(name, value, declared)
    if is_record(value):
        fields = record_fields(value)
        parts = {k: describe(f"{name}.{k}", v) for k, v in fields.items()}
        tree = Record(type(value), {k: p[1] for k, p in parts.items()})
        return ("record", type(value), *(p[0] for p in parts.values())), tree, value
    if isinstance(value, (tuple, list)):
        items = [describe(f"{name}[{i}]", v) for i, v in enumerate(value)]
        kind = type(value)
        return (kind.__name__, *(i[0] for i in items)), kind(i[1] for i in items), value
    if isinstance(value, dict):
        named = {k: describe(f"{name}[{k!r}]", v) for k, v in value.items()}
        keys = tuple((k, p[0]) for k, p in named.items())
        return ("dict", *keys), {k: p[1] for k, p in named.items()}, value
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        raise IllTypedError(
            f"{name} is a {type(value).__module__}.{type(value).__name__}",
            hint="convert it with np.asarray(...)",
        )
    return ("static", _key(value)), value, value


class _Same:
    """A key that is equal only for the very same object, which it keeps alive."""

    def __init__(self, value: object):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def _key(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return (type(value), value)


def shaped_key(args: Sequence[Any]) -> Hashable:
    """The same with all sizes: of a call with tangents, whose shapes have been compared then."""
    key = plain_key(args)
    if key is None or not all(type(a) is np.ndarray or type(a) is float for a in args):
        return None
    return key, tuple([a.shape if type(a) is np.ndarray else None for a in args])


def plain_key(args: Sequence[Any]) -> Hashable:
    """The signature of a call with numbers, arrays, and tuples and lists of them, quickly.

    None for any other. It tells apart whatever `describe` does, so what was compiled for one call
    serves the next, unless a declaration makes a float of an integer.
    """
    parts: list[Any] = []
    for value in args:
        kind = type(value)
        if kind is np.ndarray:
            shape = value.shape
            parts.append(value.dtype.char)
            if 0 in shape or 1 in shape:
                parts.append(tuple([n if n < 2 else 2 for n in shape]))
            else:
                parts.append(len(shape))
        elif kind is float or kind is int:
            parts.append(kind)
        elif kind is tuple or kind is list:
            inner = plain_key(value)
            if inner is None:
                return None
            parts += (kind, inner)
        elif kind is bool or kind is str:
            parts += (kind, value)
        else:
            return None
    return tuple(parts)


def _array(name: str, value: np.ndarray | np.generic, declared: Type | None = None) -> Described:
    """Sizes are symbols but for those of 0 and 1, and those that a declaration makes known."""
    dtype = dtype_name(value.dtype, name)
    few = tuple(min(n, 2) for n in value.shape)
    known: tuple[Any, ...] = (None,) * len(few)
    if declared is not None and declared.rank == len(few):
        known = tuple(d if isinstance(d, int) else None for d in declared.shape)
        if any(k is not None and k != n for k, n in zip(known, value.shape, strict=True)):
            raise IllTypedError(f"{name} has shape {value.shape}, but is declared as {declared}")
    shape = tuple(
        n if n < 2 else symbol(f"{name}.shape[{axis}]") if k is None else k
        for axis, (n, k) in enumerate(zip(few, known, strict=True))
    )
    return (dtype, *few), var(name, Type(dtype, shape)), value


def dtype_name(dtype: np.dtype[Any], name: str) -> DType:
    """The IR's name of a NumPy dtype. Raises IllTypedError for dtypes that it does not have."""
    text = dtype.name
    if text.startswith(("int", "uint")):
        return "int"
    if text in DTYPES:
        return text  # type: ignore[return-value]
    hint = "the array is ragged or holds objects" if dtype.kind == "O" else "use float64 or float32"
    raise IllTypedError(f"{name} has dtype {text}, which is not supported", hint=hint)


def default_arguments(
    function: Callable[..., Any], declared: Mapping[str, Type]
) -> dict[str, Tree]:
    """Arguments for compiling before any call: annotations, defaults, and floats elsewhere."""
    arguments: dict[str, Tree] = {}
    for p in inspect.signature(function).parameters.values():
        type_ = declared.get(p.name) or declared_type(p, function)
        if p.kind is p.VAR_POSITIONAL:
            arguments[p.name] = ()
        elif p.kind is p.VAR_KEYWORD:
            arguments[p.name] = {}
        elif type_ is not None:
            arguments[p.name] = var(p.name, type_)
        elif p.default is p.empty or isinstance(p.default, float):
            arguments[p.name] = var(p.name, FLOAT)
        else:
            arguments[p.name] = describe(p.name, p.default)[1]
    return arguments


def declared_type(p: inspect.Parameter, function: Any) -> Type | None:
    """The type that a parameter's annotation declares, if it does."""
    annotation = p.annotation
    if annotation is p.empty:
        return None
    if isinstance(annotation, str):  # from __future__ import annotations
        try:
            scope = getattr(inspect.unwrap(function), "__globals__", {})
            annotation = eval(annotation, dict(scope))
        except Exception:
            pass
    return annotated_type(annotation)


__all__ = ["BOOL", "declared_type", "default_arguments", "describe"]
