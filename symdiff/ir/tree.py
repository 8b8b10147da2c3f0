"""Python containers of expressions: how arguments and results are built from values.

A `Tree` is an `Expr`, a tuple, a list, a dict, a `Record` (dataclass or named tuple), or any other
Python object, which is then static: known when compiling. While a program is evaluated it may be a
`Nullable` or `Maybe`, too, which no function of the IR returns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from symdiff.ir.expr import Expr

Tree = Any


@dataclasses.dataclass(frozen=True)
class Record:
    """An instance of the user's dataclass or named tuple, field by field."""

    cls: type
    fields: dict[str, Tree]

    @property
    def is_namedtuple(self) -> bool:
        return issubclass(self.cls, tuple)

    def replace(self, name: str, value: Tree) -> Record:
        return Record(self.cls, {**self.fields, name: value})


@dataclasses.dataclass(frozen=True)
class Nullable:
    """`value` where the condition `there` holds, else None."""

    value: Tree
    there: Any


MISSING: Any = object()


class Maybe(Nullable):
    """What a branch or a loop leaves in a name, if it ran: reading the name demands that."""

    @property
    def unknown(self) -> bool:
        """Whether nothing has been assigned as yet, so that nothing is known of the value."""
        return self.value is MISSING


def is_record(value: object) -> bool:
    """Whether `value` is an instance of a dataclass or of a named tuple."""
    if isinstance(value, tuple):
        return hasattr(value, "_fields")
    if isinstance(value, (Record, Nullable)):  # already taken apart
        return False
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def record_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance or a named tuple, in order."""
    if isinstance(value, tuple):
        return dict(zip(value._fields, value, strict=True))  # type: ignore[attr-defined]
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def is_container(tree: Tree) -> bool:
    return isinstance(tree, (tuple, list, dict, Record, Nullable))


def children(tree: Tree) -> list[tuple[str, Any, Tree]]:
    """(how to reach it in source, its key, the subtree) of each child of a container."""
    if isinstance(tree, Record):
        return [(f".{k}", k, v) for k, v in tree.fields.items()]
    if isinstance(tree, Nullable):
        return [("", "value", tree.value), ("", "there", tree.there)]
    if isinstance(tree, dict):
        return [(f"[{k!r}]", k, v) for k, v in tree.items()]
    return [(f"[{i}]", i, v) for i, v in enumerate(tree)]


def rebuild(tree: Tree, values: list[Tree]) -> Tree:
    """A container like `tree` with other children."""
    if isinstance(tree, Record):
        return Record(tree.cls, dict(zip(tree.fields, values, strict=True)))
    if isinstance(tree, Nullable):
        return type(tree)(*values)
    if isinstance(tree, dict):
        return dict(zip(tree, values, strict=True))
    return tuple(values) if isinstance(tree, tuple) else list(values)


def map_tree(fn: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """`tree` with `fn` applied to everything that is not a container."""
    if not is_container(tree):
        return fn(tree)
    return rebuild(tree, [map_tree(fn, child) for _, _, child in children(tree)])


def leaves(tree: Tree) -> Iterator[Tree]:
    """Everything in `tree` that is not a container, in order."""
    if not is_container(tree):
        yield tree
        return
    for _, _, child in children(tree):
        yield from leaves(child)


def expressions(tree: Tree) -> list[Expr]:
    """The expressions in `tree`, in order."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Expr)]


def has_records(tree: Tree) -> bool:
    """Whether there is a dataclass or named tuple in `tree`."""
    if isinstance(tree, Record):
        return True
    return is_container(tree) and any(has_records(child) for _, _, child in children(tree))


def paths(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Tree]]:
    """(source that reaches it, leaf) for each leaf: `[0].w`, ..."""
    if not is_container(tree):
        yield prefix, tree
        return
    for step, _, child in children(tree):
        yield from paths(child, prefix + step)
