"""Arguments as they are written on a command line: `x=float64[n,d]`, `--at x=4.0,y=[1,2]`."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np

from symdiff.errors import IllTypedError
from symdiff.ir.tree import Tree
from symdiff.ir.types import DTYPES, Type
from symdiff.runtime.declare import parse_type
from symdiff.runtime.signature import describe


@dataclass(frozen=True)
class Declared:
    """What `--arg` says of parameters: a type, or a value that is known when compiling."""

    types: Mapping[str, Type] = field(default_factory=dict[str, Type])
    static: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def names(self) -> set[str]:
        return {*self.types, *self.static}

    def only(self, names: Sequence[str]) -> Declared:
        """What it says of `names`."""
        return Declared(
            {k: v for k, v in self.types.items() if k in names},
            {k: v for k, v in self.static.items() if k in names},
        )


def parse_declarations(texts: Sequence[str]) -> Declared:
    """What `--arg x=float64[n,d]`, `n=int`, `k=3` declare. Raises click.BadParameter."""
    types: dict[str, Type] = {}
    static: dict[str, Any] = {}
    for text in texts:
        name, found, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not found or not name.isidentifier() or not value:
            raise click.BadParameter(f"{text!r} is not NAME=TYPE, as in x=float64[n,d]")
        try:
            types[name] = parse_type(value)
        except IllTypedError as error:
            static[name] = _static_value(name, value, error)
    return Declared(types, static)


def _static_value(name: str, text: str, error: IllTypedError) -> Any:
    """A value known when compiling. A shell takes the quotes from 'train': it stays a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    like = difflib.get_close_matches(text, [*DTYPES, "float"], 1, 0.7)
    if not text.isidentifier() or like:
        hint = f"did you mean {like[0]}? " if like else ""
        raise click.BadParameter(
            f"{name}={text}: {error.message}; {hint}{error.hint}, or a value such as 3 or 'train'"
        ) from None
    return text


def parse_point(text: str) -> tuple[list[Any], dict[str, Any]]:
    """`4.0`, `x=4.0,y=[1,2]` as (positional, named) values. Raises click.BadParameter."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        if any(k.arg is None for k in call.keywords):
            raise ValueError
        positional = [ast.literal_eval(a) for a in call.args]
        return positional, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise click.BadParameter(
            f"{text!r} is not a list of values, as in 4.0 or x=4.0,y=[1.0,2.0]", param_hint="--at"
        ) from None


def bind_point(text: str, names: Sequence[str]) -> dict[str, Any]:
    """The values of `--at` by parameter. Raises click.BadParameter."""
    positional, named = parse_point(text)
    if len(positional) > len(names):
        raise click.BadParameter(
            f"{text!r} has {len(positional)} values for {', '.join(names)}", param_hint="--at"
        )
    values = dict(zip(names, positional, strict=False))
    for name, value in named.items():
        if name not in names or name in values:
            what = "given twice" if name in values else f"not one of {', '.join(names)}"
            raise click.BadParameter(f"{name} is {what}", param_hint="--at")
        values[name] = value
    return values


def given_values(function: Any, at: str | None) -> dict[str, Any]:
    """The values in `--at` by parameter of `function`; tangents are not known before compiling."""
    if at is None:
        return {}
    positional, named = parse_point(at)
    names = parameters(getattr(function, "primal", function))
    return {**dict(zip(names, positional, strict=False)), **named}


def trees_of(values: Mapping[str, Any]) -> dict[str, Tree]:
    """What values that were given without a type are taken for: numbers are floats."""
    return {k: describe(k, _as_floats(v))[1] for k, v in values.items()}


def _as_floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return np.array(value, dtype=float)
    if isinstance(value, dict):
        return {k: _as_floats(v) for k, v in value.items()}
    return tuple(map(_as_floats, value)) if isinstance(value, tuple) else value


def fitted(name: str, value: Any, tree: Tree) -> Any:
    """`value` as the compiled function takes it: an array or number of the dtype of `tree`."""
    type_ = getattr(tree, "type", None)
    if not isinstance(type_, Type):
        return _as_floats(value) if isinstance(tree, (tuple, dict)) else value
    try:
        if not type_.rank:
            made = np.dtype("int64" if type_.dtype == "int" else type_.dtype).type(value)
            return made.item() if type_.weak else made
        array = np.asarray(value, dtype="int64" if type_.dtype == "int" else type_.dtype)
    except (TypeError, ValueError):
        array = None
    if array is None or array.ndim != type_.rank:
        raise click.BadParameter(f"{name} must be a {type_}, not {value!r}", param_hint="--at")
    return array


def shown_point(values: Mapping[str, Any]) -> str:
    """`x=4.0, y=[1.0, 2.0]`, shortened where it is long."""
    parts = [
        f"{k}={v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v!r}"
        for k, v in values.items()
    ]
    text = ", ".join(parts)
    return text if len(text) <= 120 else f"{text[:117]}..."


def parameters(function: Any) -> list[str]:
    """The names of a function's parameters."""
    return list(inspect.signature(function).parameters)
