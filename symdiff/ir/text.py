"""IR as text, and back: what `--stage` prints, and `load(dump(f))` is made of the same nodes.

    f(x: float)
      %0 = power(x, 2) : float
      %1 = sin(%0) : float  # y
      return %1

Constants stand where they are used: `2` and `2.0` are Python's, `float64[](2.0)` is NumPy's. What
a region binds is declared above its first use: `bind d_x.1 : float64[n]`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Map, Project, Var, While
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Record, Tree
from symdiff.ir.types import Dim, SymDim, Type
from symdiff.ir.walk import topological

LISTED = 64  # constant arrays of more elements are written as bytes

_PLAIN_SYMBOL = re.compile(r"[A-Za-z_][\w.]*(\[\d+\])*")
WORDS = frozenset((
    "True", "False", "None", "nan", "inf", "array", "weak", "bind", "leave", "return", "static",
    "if", "then", "else", "map", "for", "while", "call", "complex", "bool", "int", "float",
    "float32", "float64", "complex64", "complex128",
))  # fmt: skip
_PYTHON: Mapping[type, str] = {bool: "bool", int: "int", float: "float64", complex: "complex128"}


class Stand:
    """Stands for a static Python object that text cannot hold."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def dump(function: Function) -> str:
    """`function` as text, one line a node; names of the user's variables as comments.

    Its definitions come first, each like a function of its own.
    """
    return "\n".join(map(_one, (*function.definitions.values(), function)))


def _one(function: Function) -> str:
    labels: dict[Expr, str] = {}
    taken: set[str] = set()

    def introduce(variable: Var) -> str:
        if variable in labels:
            return f"{labels[variable]}: {type_text(variable.type)}"
        # Regions side by side may bind namesakes of different types.
        text = fresh = _leaf(variable)
        count = 1
        while fresh in taken:
            count += 1
            fresh = f"{text}~{count}"
        taken.add(fresh)
        labels[variable] = fresh
        return f"{fresh}: {type_text(variable.type)}"

    params = ", ".join(f"{p.name}: {_param(p, introduce)}" for p in function.params)
    lines = [f"{function.name}({params})"]
    number = 0
    for node in function.nodes():
        for variable in (node, *_binds(node)):
            if isinstance(variable, Var) and variable not in labels:
                lines.append(f"  bind {introduce(variable)}")
        if isinstance(node, Const):
            labels[node] = _constant(node)
        elif not isinstance(node, Var):
            labels[node] = f"%{number}"
            number += 1
            name = function.names.get(node)
            note = f"  # {name}" if name else ""
            lines.append(f"  {labels[node]} = {_body(node, labels)} : {type_text(node.type)}{note}")
    result = _tree(function.result, lambda x: labels[x])
    lines += [f"  leave {labels[v]} {labels[value]}" for v, value in function.effects]
    return "\n".join([*lines, f"  return {result}"])


def load(text: str, ops: Mapping[str, Any]) -> Function:
    """The function that `dump` printed: name, parameters, result and names of values.

    Its expressions are the very nodes that were printed. ops: the operators by name (`ROWS`).
    Classes of records, and static values that are not literals, come back as stand-ins.
    Raises ValueError, with the line, for text that `dump` does not print.

    >>> from symdiff.ir.expr import var
    >>> from symdiff.ir.function import Param
    >>> from symdiff.ir.types import FLOAT
    >>> x = var("x", FLOAT)
    >>> load(dump(Function("f", (Param("x", x),), x)), {}).result is x
    True
    """
    from symdiff.ir.reader import read  # the reader needs what is below

    return read(text, ops)


def _binds(node: Expr) -> tuple[Var, ...]:
    match node:
        case Map():
            return node.indices
        case For():
            return (node.index, *node.carried)
        case While():
            return node.carried
        case _:
            return ()


# Types and sizes.


def type_text(type_: Type) -> str:
    """A type, as `str` shows it, with sizes that are not plain names in quotes."""
    if type_.listed:
        return f"list[{dim_text(type_.shape[0])}] {type_text(type_.item)}"
    if type_.weak and not type_.shape:
        return str(type_)
    dims = ",".join(dim_text(d) for d in type_.shape)
    return f"{'weak ' if type_.weak else ''}{type_.dtype}[{dims}]"


def dim_text(dim: Dim) -> str:
    """A size: `3`, `n*d-1`, `'len(range(n)[::2])'`."""
    if not isinstance(dim, SymDim):
        return str(dim)
    quoted = [(tuple(map(_symbol, factors)), c) for factors, c in dim.terms]
    return str(SymDim(tuple(quoted)))


def _symbol(name: str) -> str:
    return name if _PLAIN_SYMBOL.fullmatch(name) else repr(name)


# Leaves.


def _leaf(node: Expr) -> str:
    if isinstance(node, Const):
        return _constant(node)
    assert isinstance(node, Var)
    plain = node.name.isidentifier() and node.name not in WORDS
    name = node.name if plain else f"`{node.name}`"
    return f"{name}.{node.tag}" if node.tag else name


def _constant(node: Const) -> str:
    value, type_ = node.value, node.type
    if type_.weak and not type_.shape and _PYTHON.get(type(value)) == type_.dtype:
        return value_text(value)
    return f"{type_text(type_)}({value_text(value)})"


def value_text(value: Any) -> str:
    """A number or array, so that reading it gives the same bits."""
    if hasattr(value, "tobytes") and hasattr(value, "shape"):
        return _array(np.asarray(value))
    if isinstance(value, complex):
        return f"complex({value.real!r}, {value.imag!r})"
    return repr(value)


def _array(array: Any) -> str:
    dtype = array.dtype.str
    if 0 < array.size <= LISTED and array.dtype.kind in "biuf":
        again = np.array(_reread(array.tolist()), dtype=array.dtype)
        if again.shape == array.shape and again.tobytes() == array.tobytes():
            return f"array {dtype!r} {_listed(array.tolist())}"
    # Long, empty, complex, or a nan that is not the usual one: only the bytes say it all.
    return f"array {dtype!r} {array.shape!r} {array.tobytes().hex()!r}"


def _reread(values: Any) -> Any:
    """What the text of nested lists is read as: a nan loses its sign and payload."""
    if isinstance(values, list):
        items: list[Any] = values
        return [_reread(v) for v in items]
    return float(repr(values)) if isinstance(values, float) else values


def _listed(values: Any) -> str:
    if isinstance(values, list):
        return f"[{', '.join(map(_listed, values))}]"
    return repr(values)


# Nodes.


def _body(node: Expr, labels: Mapping[Expr, str]) -> str:
    args = [labels[x] for x in node.operands]
    match node:
        case Apply():
            attrs = [f"{n}={_attr(a)}" for n, a in zip(_names(node), node.attrs, strict=False)]
            return f"{node.op.name}({', '.join(args + attrs)})"
        case If():
            return f"if {args[0]} then {args[1]} else {args[2]}"
        case Map():
            pairs = ", ".join(
                f"{labels[v]} in {a}" for v, a in zip(node.indices, args[:-1], strict=True)
            )
            return f"map [{pairs}] {args[-1]}"
        case For():
            carried = ", ".join(labels[v] for v in node.carried)
            mark = "recompute " if node.recompute else ""
            return f"for {mark}{labels[node.index]} carrying ({carried}): {', '.join(args)}"
        case While():
            carried = ", ".join(labels[v] for v in node.carried)
            return f"while carrying ({carried}): {', '.join(args)}"
        case Call():
            types = ", ".join(map(type_text, node.types))
            return f"call {node.callee}({', '.join(args)}) giving ({types})"
        case Project():
            return f"{args[0]}[{node.index}]"
        case _:
            raise AssertionError(node)


def _names(node: Apply) -> tuple[str, ...]:
    names = getattr(node.op, "attr_names", ())
    return (*names, *(f"attr{i}" for i in range(len(names), len(node.attrs))))


def _attr(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, SymDim):
        return f"<{dim_text(value)}>"
    if isinstance(value, tuple):
        items: Sequence[Any] = value
        inner = ", ".join(map(_attr, items))
        return f"({inner},)" if len(items) == 1 else f"({inner})"
    if value is None or isinstance(value, (str, bool, int, float)):
        return repr(value)
    return _opaque(value)


# Trees of parameters and results.


def _param(param: Param, introduce: Callable[[Var], str]) -> str:
    tree = param.tree
    if isinstance(tree, Var) and _leaf(tree) == param.name:
        introduce(tree)
        return type_text(tree.type)
    return _tree(tree, introduce)


def _tree(tree: Tree, leaf: Callable[[Any], str]) -> str:
    if isinstance(tree, Expr):
        return leaf(tree)
    if isinstance(tree, Record):
        inner = ", ".join(f"{k}={_tree(v, leaf)}" for k, v in tree.fields.items())
        return f"{tree.cls.__name__}({inner})"
    if isinstance(tree, dict):
        named: dict[Any, Tree] = tree
        return "{" + ", ".join(f"{k!r}: {_tree(v, leaf)}" for k, v in named.items()) + "}"
    if isinstance(tree, (tuple, list)):
        items: Sequence[Tree] = tree
        inner = ", ".join(_tree(v, leaf) for v in items)
        if isinstance(tree, list):
            return f"[{inner}]"
        return f"({inner},)" if len(items) == 1 else f"({inner})"
    if tree is None or isinstance(tree, (str, bool, int, float)):
        return f"static {tree!r}"
    return f"static {_opaque(tree)}"


def _opaque(value: Any) -> str:
    """A Python object by its kind and name: its own repr may hold an address or newlines."""
    if isinstance(value, Stand):
        return value.text
    name = getattr(value, "__qualname__", "") or ""
    return (
        f"<static {type(value).__name__} {name}".replace(">", "").replace("\n", " ").rstrip() + ">"
    )


def digest(node: Expr) -> str:
    """A short name for the structure of an expression; equal structure, equal name."""
    labels: dict[Expr, str] = {}
    text: list[str] = []
    for i, n in enumerate(topological([node])):
        for v in _binds(n):
            labels[v] = f"{_leaf(v)}: {v.type}"
        if isinstance(n, (Const, Var)):
            labels[n] = f"{_leaf(n)}: {n.type}"
            text.append(labels[n])
        else:
            labels[n] = f"%{i}"
            text.append(_body(n, labels))
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:8]


__all__ = ["digest", "dump", "load"]
