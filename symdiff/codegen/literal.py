"""Values written down as code: arguments and constants of generated modules."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from symdiff.ir.tree import is_record, record_fields

WIDTH = 88


class NotLiteralError(Exception):
    """An argument that cannot be written down."""


def literal(value: Any, classes: dict[str, Any]) -> str:
    """`value` as an expression; the classes that it needs are added to `classes`."""
    if isinstance(value, np.ndarray):
        dtype = (
            "" if value.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{value.dtype}"
        )
        return f"np.array({literal(value.tolist(), classes)}{dtype})"
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({value.item()!r})"
    if is_record(value):
        cls = type(value)
        classes[cls.__name__] = cls
        inner = [f"{k}={literal(v, classes)}" for k, v in record_fields(value).items()]
        return f"{cls.__name__}({', '.join(inner)})"
    if isinstance(value, dict):
        inner = [f"{literal(k, classes)}: {literal(v, classes)}" for k, v in value.items()]
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, (tuple, list)):
        inner = [literal(v, classes) for v in value]
        if isinstance(value, list):
            return f"[{', '.join(inner)}]"
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value!r}")'
    if value is None or isinstance(value, (bool, int, float, complex)):
        return repr(value)
    raise NotLiteralError(f"takes a {type(value).__name__}")


def quoted(text: str) -> str:
    """A string's literal, in double quotes as the rest of the module, where that is as short."""
    shown = repr(text)
    return (
        f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown and "\\" not in shown else shown
    )


def array_literal(value: np.ndarray[Any, Any]) -> str:
    """A constant array, its numbers exact, on as many lines as they need."""
    special = {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}
    items = [special.get(repr(x), repr(x)) for x in value.ravel().tolist()]
    dtype = "" if value.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{value.dtype}"
    shape = f".reshape{value.shape}" if value.ndim > 1 else ""
    body = textwrap.fill(
        ", ".join(items), WIDTH, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f"np.array([\n{body},\n]{dtype}){shape}"


def wrapped(text: str, indent: str) -> str:
    """Code broken at its spaces, between brackets; spaces inside strings stay together."""
    kept: list[str] = []
    quote = ""
    for before, c in zip(" " + text, text, strict=False):
        if c in "\"'" and before != "\\" and (not quote or quote == c):
            quote = "" if quote else c
        kept.append("\0" if quote and c == " " else c)
    lines = textwrap.fill(
        "".join(kept), WIDTH, initial_indent=indent, subsequent_indent=indent + "    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return lines.replace("\0", " ")


def dictionary(name: str, items: Mapping[str, str]) -> str:
    lines = [f"    {quoted(k)}: {quoted(v)},\n" for k, v in sorted(items.items())]
    return f"{name} = {{\n{''.join(lines)}}}\n" if lines else f"{name} = {{}}\n"
