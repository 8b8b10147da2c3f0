"""Whether a round leaves what it started from: structures, types, names.

s = 0      before, an int; after the round a float     ->   s is a float (`widened`)
p = (a, b) before, a pair; after the round a pair too  ->   two carried values
"""

from __future__ import annotations

import ast
from collections import Counter
from itertools import chain, islice
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.tree import Nullable, Record, is_container, leaves
from symdiff.ir.types import Type, promote_dtype


def identical(a: Any, b: Any) -> bool:
    """Whether two values are the same object; tuples, whether their items are."""
    if a is b:
        return True
    if isinstance(a, tuple) and type(a) is type(b) and len(a) == len(b):
        return all(map(identical, a, b))
    if isinstance(a, Nullable) and type(a) is type(b):
        return a.there is b.there and identical(a.value, b.value)
    return isinstance(a, Record) and isinstance(b, Record) and a.cls is b.cls and all(
        k in b.fields and identical(v, b.fields[k]) for k, v in a.fields.items()
    )  # fmt: skip


def equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:
        return False


def same_structure(a: Any, b: Any) -> bool:
    if is_container(a) != is_container(b):
        return False
    if not is_container(a):
        return True
    from symdiff.ir.tree import children

    x, y = children(a), children(b)
    return (
        type(a) is type(b)
        and [k for _, k, _ in x] == [k for _, k, _ in y]
        and all(same_structure(p, q) for (_, _, p), (_, _, q) in zip(x, y, strict=True))
    )


def leaf_names(name: str, tree: Any) -> Any:
    """The variables' names for the leaves of a carried value."""
    if not is_container(tree):
        return iter((name,))
    if isinstance(tree, Nullable):
        held = sum(1 for _ in leaves(tree.value))
        return chain(islice(leaf_names(name, tree.value), held), (f"has_{name}",))
    return (f"{name}_{i}" for i in range(1_000_000))


def widened(carried: Type, new: Type, what: str) -> Type:
    """The type that holds both what a round starts from and what it leaves."""
    if carried is new:
        return carried
    shape = carried.shape
    if len(new.shape) != len(shape):
        if shape and new.shape:
            raise IllTypedError(
                f"{what} has {len(shape)} dimensions before a round of the loop and "
                f"{len(new.shape)} after it"
            )
        shape = new.shape or shape
    else:
        for a, b in zip(shape, new.shape, strict=True):
            if a != b and (_differ(a, b) or 1 in (a, b)):
                raise IllTypedError(
                    f"{what} changes its shape from round to round: {carried} and {new}",
                    hint="allocate the array once, in its final size, and fill it",
                )
    return Type(promote_dtype(carried, new), shape, carried.weak and new.weak)


def _differ(a: Any, b: Any) -> bool:
    from symdiff.ir.types import dim_add, dim_mul, is_counted

    if is_counted((a, b)):
        return True
    gap = dim_add(a, dim_mul(-1, b))
    return isinstance(gap, int) and gap != 0


def born(context: Any, tree: Any) -> None:
    """Note the lists and dicts of a tree as the function's own."""
    if isinstance(tree, (list, dict)) and id(tree) not in context.births:
        context.born(tree)
    held = tree.fields if isinstance(tree, Record) else tree
    if isinstance(held, (list, tuple, dict)):
        for child in held.values() if isinstance(held, dict) else held:
            if is_container(child):
                born(context, child)


def assigned(node: ast.stmt) -> list[str]:
    """The names that a loop's statements assign, in order."""
    found: dict[str, None] = {}
    stack: list[ast.AST] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.Name) and isinstance(top.ctx, (ast.Store, ast.Del)):
            found.setdefault(top.id)
        if isinstance(top, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if isinstance(top, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(top.name)
            continue
        stack.extend(reversed(list(ast.iter_child_nodes(top))))
    return list(found)


def loads(node: ast.AST) -> Counter[str]:
    """How often each name is read."""
    return Counter(
        n.id for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Load, ast.Del))
    ) + Counter(
        n.target.id for n in ast.walk(node)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    )  # fmt: skip
