"""Comparisons: of numbers and arrays, of containers item by item, of objects by their methods."""

from __future__ import annotations

import ast
import dataclasses
import operator
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Nullable, Record
from symdiff.parse.frame import Evaluation, Frame, handles
from symdiff.parse.growing import Grown, array_beside
from symdiff.parse.nullable import is_none, operands, refuse_none
from symdiff.parse.objects import as_tuple, class_of, has_operators, operate
from symdiff.parse.values import is_static, truth
from symdiff.primitives.conditions import either
from symdiff.primitives.row import choose
from symdiff.primitives.spell import binary

COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
COMPARISONS = frozenset(COMPARE.values())
ORDERED = (operator.lt, operator.le, operator.gt, operator.ge)


@handles(ast.Compare)
def comparison(frame: Frame, node: ast.Compare) -> Evaluation:
    """`a < b < c` is `a < b and b < c`, with b evaluated once."""
    left = yield node.left
    parts: list[Any] = []
    context, saved = frame.context, frame.context.path
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = yield comparator
        parts.append((yield compared(frame, op, left, right, node)))
        if isinstance(parts[-1], (bool, np.bool_)) and not parts[-1]:
            break
        left = right
        if isinstance(parts[-1], Expr) and not parts[-1].type.rank:
            context.path = (*context.path, (parts[-1], True))
    context.path = saved
    result = bool(parts[-1]) if isinstance(parts[-1], np.bool_) else parts[-1]
    for part in reversed(parts[:-1]):
        if isinstance(part, Expr):
            if part.type.rank:
                raise IllTypedError(
                    "a chained comparison of arrays has no truth value",
                    hint="write (a < b) & (b < c)",
                )
            result = part if result is True else choose(part, result, False).expr
        elif not part:
            result = part
    return result


def compared(frame: Frame, op: ast.cmpop, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """One comparison; evaluates to a bool or a boolean expression."""
    match op:
        case ast.Is():
            return is_same(left, right)
        case ast.IsNot():
            return negated(is_same(left, right))
        case ast.In():
            return (yield contains(frame, right, left, node))
        case ast.NotIn():
            return negated((yield contains(frame, right, left, node)))
        case _:
            return (yield compare(frame, COMPARE[type(op)], left, right, node))


def negated(value: Any) -> Any:
    if isinstance(value, Expr):
        return choose(value, False, True).expr
    return not value


def is_same(left: Any, right: Any) -> Any:
    """`left is right`, of what has an identity that is known when compiling."""
    if left is right and not isinstance(left, Expr):
        return True
    for a, b in ((left, right), (right, left)):
        if isinstance(a, Nullable):
            if b is None:
                return is_none(a)
            refuse_none(a, "an operand of 'is'")
        if isinstance(a, Expr):
            if isinstance(b, bool) and a.type.dtype == "bool" and a.type.weak:
                return a if b else negated(a)
            if isinstance(b, (Expr, int, float, complex, np.generic, np.ndarray)):
                if isinstance(b, bool):  # another type is another object
                    return False
                raise UnsupportedError(
                    "'is' between run-time values is not supported", hint="compare with =="
                )
            return False
    if isinstance(left, Record) and isinstance(right, Record):
        if left.fields is right.fields:
            return True
        if left.cls is right.cls:
            raise UnsupportedError(
                "whether these two are the same object is not known", hint="compare with =="
            )
    return left is right


def contains(frame: Frame, container: Any, value: Any, node: ast.AST) -> Evaluation:
    """`value in container`."""
    from symdiff.parse.calls import call
    from symdiff.parse.containers import items_of
    from symdiff.parse.objects import user_method

    method = user_method(container, "__contains__")
    if method is not None:
        return (yield call(frame, method, [container, value], {}, node))
    if isinstance(container, (dict, set, frozenset)):
        if not isinstance(value, Expr) and is_static(value):
            return value in container
        if not all(isinstance(k, (int, float, bool, np.number)) for k in container):
            raise UnsupportedError(
                "'in' needs values that are known when compiling",
                hint="compare with each item, or use np.any(x == items)",
            )
        container = list(container)
    if isinstance(container, Grown):
        raise UnsupportedError(
            "'in' of a list that grows in a loop is not supported",
            hint="compare with each item in a loop",
        )
    if isinstance(container, Expr) or (isinstance(value, Expr) and value.type.rank):
        raise UnsupportedError("'in' of arrays is not supported", hint="use np.any(x == items)")
    if is_static(container) and is_static(value):
        return value in container
    result: Any = False
    for item in reversed(items_of(container)):
        same = yield compare(frame, operator.eq, item, value, node)
        if isinstance(same, Expr) and same.type.rank:
            raise IllTypedError("the truth value of an array is ambiguous")
        result = choose(same, True, result).expr if isinstance(same, Expr) else same or result
    return result


def compare(frame: Frame, op: Any, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """`left op right`, for one of the six operators."""
    left, right = array_beside(left, right), array_beside(right, left)
    if isinstance(left, Grown) or isinstance(right, Grown):
        raise UnsupportedError(
            "a list that grows in a loop is compared", hint="compare its length, or its items"
        )
    if op in ORDERED:
        left, right = operands(frame.context, op, left, right)
    elif isinstance(left, Nullable) or isinstance(right, Nullable):
        same = yield _equal_nullable(frame, left, right, node)
        return same if op is operator.eq else negated(same)
    if has_operators(left) or has_operators(right):
        result = yield operate(frame, op, left, right, node)
        if result is not NotImplemented:
            return result
        if op is operator.ne:  # by default the contrary of ==
            result = yield operate(frame, operator.eq, left, right, node)
            if result is not NotImplemented:
                from symdiff.parse.values import truth

                return negated(truth(result))
        left, right = _comparable(op, left, right)
    if isinstance(left, (tuple, list, dict)) and isinstance(right, (tuple, list, dict)):
        if not (is_static(left) and is_static(right)):
            return (yield _containers(frame, op, left, right, node))
    elif isinstance(left, Expr) or isinstance(right, Expr):
        other = right if isinstance(left, Expr) else left
        if isinstance(other, (Expr, int, float, complex, np.generic, np.ndarray)):
            return binary(op, left, right)
        array = (left if isinstance(left, Expr) else right).type.rank
        if array and isinstance(other, (list, tuple)):
            return binary(op, left, right)
        if array or op in ORDERED:
            raise TypeError(f"'{_sign(op)}' not supported between {_kind(left)} and {_kind(right)}")
        return op is operator.ne
    elif isinstance(left, Record) or isinstance(right, Record):
        if op in ORDERED:
            raise TypeError(f"'{_sign(op)}' not supported between {_kind(left)} and {_kind(right)}")
        same = is_same(left, right)
        return same if op is operator.eq else negated(same)
    return op(left, right)


def _equal_nullable(frame: Frame, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """`left == right`, of what may be None: None equals nothing but None."""
    if not isinstance(left, Nullable):
        left, right = right, left
    if right is None:
        return is_none(left)
    same = truth((yield compare(frame, operator.eq, left.value, right, node)))
    return either(left.there, same, isinstance(right, Nullable) and is_none(right))


def _comparable(op: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """Named tuples, and dataclasses that @dataclass compares, as tuples."""
    if isinstance(left, Record) and isinstance(right, Record) and left.cls is right.cls:
        parameters = getattr(left.cls, "__dataclass_params__", None)
        if parameters is not None and (parameters.order if op in ORDERED else parameters.eq):
            shown = [f.name for f in dataclasses.fields(left.cls) if f.compare]
            return tuple(left.fields[n] for n in shown), tuple(right.fields[n] for n in shown)
    return as_tuple(left), as_tuple(right)


def _containers(frame: Frame, op: Any, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """Item by item, as Python compares tuples, lists and dicts."""
    if op in ORDERED:
        if type(left) is not type(right) or isinstance(left, dict):
            raise TypeError(f"'{_sign(op)}' not supported between {_kind(left)} and {_kind(right)}")
        return (yield _ordered(frame, op, list(left), list(right), node))
    same: Any = type(left) is type(right) and len(left) == len(right)
    if same and isinstance(left, dict):
        same = left.keys() == right.keys()
        pairs = [(left[k], right[k]) for k in left] if same else []
    else:
        pairs = list(zip(left, right, strict=True)) if same else []
    for a, b in reversed(pairs):
        equal = (a is b and not isinstance(a, Expr)) or (
            yield compare(frame, operator.eq, a, b, node)
        )  # fmt: skip
        if isinstance(equal, Expr):
            if equal.type.rank:
                raise IllTypedError("the truth value of an array is ambiguous")
            same = choose(equal, same, False).expr
        else:
            same = same if equal else False
    return same if op is operator.eq else negated(same)


def _ordered(frame: Frame, op: Any, left: list[Any], right: list[Any], node: ast.AST) -> Evaluation:
    """The first items that differ decide; then the lengths."""
    result: Any = op(len(left), len(right))
    for a, b in reversed(list(zip(left, right, strict=False))):
        equal = yield compare(frame, operator.eq, a, b, node)
        if equal is True:
            continue
        decided = yield compare(frame, op, a, b, node)
        result = choose(equal, result, decided).expr if isinstance(equal, Expr) else decided
    return result


def _sign(op: Any) -> str:
    return {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}[op.__name__]


def _kind(value: Any) -> str:
    if isinstance(value, Expr):
        return f"'{value.type}'"
    return f"'{class_of(value).__name__}'"
