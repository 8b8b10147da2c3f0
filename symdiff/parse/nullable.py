"""What may be None when the function runs: `best = None`, and a number where a branch found one.

    if best is None or v < best: best = v     ->   if not has_best or v < best: ...

Such a value is a `Nullable`, which names hold and calls pass on as Python does None. What computes
with it demands that it is there; where the branches that lead to the place tell, nothing is asked.
A loop carries the value and whether there is one: what is None before a loop, or after a round,
becomes a `Nullable` in all of its rounds (`with_none`).
"""

from __future__ import annotations

import copy
import operator
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Nullable, children, is_container, map_tree, rebuild
from symdiff.parse.frame import Context, ThrownError, UnreachableError
from symdiff.parse.requires import Demand
from symdiff.parse.values import NUMERIC, narrowed
from symdiff.primitives.arithmetic import not_
from symdiff.primitives.row import zero_of
from symdiff.primitives.spell import kind_name, to_expr


def present(context: Context, value: Any, message: str, error: str = "TypeError") -> Any:
    """`value`, which is computed with: the function raises `error` where it is None."""
    if not isinstance(value, Nullable):
        return value
    value = narrowed(value, context.path)
    if value is None:
        demand = Demand(False, (error, message), context.path)
        if not context.path:
            raise ThrownError(
                AttributeError(message) if error != "TypeError" else TypeError(message)
            )
        context.demands.append(demand)
        raise UnreachableError()
    if isinstance(value, Nullable):
        demand = Demand(value.there, (error, message), context.path)
        if demand not in context.demands:
            context.demands.append(demand)
        value = value.value
    return value


def operands(context: Context, op: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """The two operands of an operator, none of which may be None."""
    if not isinstance(left, Nullable) and not isinstance(right, Nullable):
        return left, right
    sign = SIGNS[op]
    names = [_class_name(x) for x in (left, right)]
    if op in (operator.lt, operator.le, operator.gt, operator.ge):
        text = "'{}' not supported between instances of '{}' and '{}'"
    else:
        text = "unsupported operand type(s) for {}: '{}' and '{}'"
    message = text.format(sign, *names)
    return present(context, left, message), present(context, right, message)


SIGNS: dict[Any, str] = {
    operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.floordiv: "//", operator.mod: "%", operator.pow: "** or pow()",
    operator.matmul: "@", operator.and_: "&", operator.or_: "|", operator.xor: "^",
    operator.lshift: "<<", operator.rshift: ">>",
}  # fmt: skip


def _class_name(value: Any) -> str:
    """What Python calls the class of an operand; that of one that may be None: `NoneType`."""
    if isinstance(value, Nullable):
        return "NoneType"
    if isinstance(value, Expr):
        python = {"bool": "bool", "int": "int"}.get(value.type.dtype, "float")
        return "numpy.ndarray" if value.type.rank else python
    return kind_name(value)


def is_none(value: Nullable) -> Expr:
    return not_.build(value.there)


def refuse_none(value: Any, what: str) -> None:
    """Refuse what may be None where that makes another program."""
    if isinstance(value, Nullable):
        raise UnsupportedError(
            f"{what} that is None or not, as a run-time condition says, is not supported",
            hint="write an if statement: if value is None: ...",
        )


# What takes None as any other value.
_OF_ANYTHING: tuple[Any, ...] = (print, bool, list, tuple, dict, set, zip, copy.copy, copy.deepcopy)


def given(
    context: Context, callee: Any, args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a function of Python's or NumPy's, which computes with them."""
    every = [*args, *kwargs.values()]
    if not any(isinstance(x, Nullable) for x in every) or callee in _OF_ANYTHING:
        return args, kwargs
    if callee in (isinstance, type, callable):
        refuse_none(args[0], f"an argument of {callee.__name__}")
    message = "must be real number, not NoneType"
    return (
        [present(context, x, message) for x in args],
        {k: present(context, x, message) for k, x in kwargs.items()},
    )


def without_none(context: Context, tree: Any) -> Any:
    """The result of a function that is differentiated, which must not be None."""
    if isinstance(tree, Nullable):
        return without_none(
            context, present(context, tree, "the function returns None, which has no derivative")
        )
    if not is_container(tree):
        return tree
    parts = [(x, without_none(context, x)) for _, _, x in children(tree)]
    return rebuild(tree, [y for _, y in parts]) if any(x is not y for x, y in parts) else tree


# Loops.


def with_none(entry: Any, now: Any) -> Any:
    """`entry`, what a place holds before a loop, with all that is None there or in `now` nullable.

    None, and 2.0 after a round     ->  Nullable(0.0, False)
    (1.0, 0), None after a round    ->  Nullable((1.0, 0), True)
    """
    if isinstance(entry, Nullable):
        inside = now.value if isinstance(now, Nullable) else now
        if inside is None:
            return entry
        value = with_none(entry.value, inside)
        return entry if value is entry.value else Nullable(value, entry.there)
    if isinstance(now, Nullable) or (now is None) != (entry is None):
        inside = now.value if isinstance(now, Nullable) else now
        if entry is not None:
            if not _may_vary(entry):
                return entry
            return Nullable(entry if inside is None else with_none(entry, inside), True)
        return Nullable(_nothing(inside), False) if _may_vary(inside) else entry
    if not is_container(entry) or not _same_level(entry, now):
        return entry
    pairs = zip(children(entry), children(now), strict=True)
    parts = [(x, with_none(x, y)) for (_, _, x), (_, _, y) in pairs]
    return rebuild(entry, [y for _, y in parts]) if any(x is not y for x, y in parts) else entry


def as_nullable(like: Any, now: Any) -> Any:
    """`now` in the structure of `like`: a `Nullable` where that has one."""
    if isinstance(like, Nullable):
        if now is None:
            return Nullable(_nothing(like.value), False)
        value, there = (now.value, now.there) if isinstance(now, Nullable) else (now, True)
        return Nullable(as_nullable(like.value, value), there)
    if not is_container(like) or not _same_level(like, now):
        return now
    pairs = zip(children(like), children(now), strict=True)
    parts = [(y, as_nullable(x, y)) for (_, _, x), (_, _, y) in pairs]
    return rebuild(now, [y for _, y in parts]) if any(x is not y for x, y in parts) else now


def _may_vary(value: Any) -> bool:
    return isinstance(value, NUMERIC) or is_container(value)


def _same_level(a: Any, b: Any) -> bool:
    return type(a) is type(b) and [k for _, k, _ in children(a)] == [k for _, k, _ in children(b)]


def _nothing(tree: Any) -> Any:
    """Zeros in the place of the numbers of a tree, as what is not there."""

    def zero(leaf: Any) -> Any:
        return zero_of(to_expr(leaf).type) if isinstance(leaf, NUMERIC) else leaf

    return map_tree(zero, tree)
