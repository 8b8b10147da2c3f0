"""Expressions: names, numbers, operators, comparisons, indexing. One function a construct."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.tree import Record, map_tree
from symdiff.parse.frame import Evaluation, Frame, Unbound, UnknownError, handles
from symdiff.parse.growing import Grown, array_beside, joined, repeated_list
from symdiff.parse.nullable import operands, present, refuse_none
from symdiff.parse.objects import (
    Method,
    Super,
    as_tuple,
    describe,
    has_operators,
    operate,
    record_attribute,
    super_attribute,
    user_method,
)
from symdiff.parse.values import from_python, is_static, join, narrowed, static_index, truth
from symdiff.primitives.arithmetic import OPERATORS
from symdiff.primitives.spell import (
    ATTRIBUTES,
    METHODS,
    BoundMethod,
    binary,
    kind_name,
    subscript,
    to_expr,
)

BINARY: dict[type[ast.operator], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow, ast.MatMult: operator.matmul, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}  # fmt: skip


@handles(ast.Constant)
def constant(frame: Frame, node: ast.Constant) -> Any:
    return node.value


class Known(ast.expr):
    """Syntax for a value that has been evaluated already."""

    def __init__(self, value: Any):
        super().__init__()
        self.known = value


@handles(Known)
def known(frame: Frame, node: Known) -> Any:
    return node.known


@handles(ast.Name)
def name(frame: Frame, node: ast.Name) -> Any:
    return narrowed(from_python(frame.lookup(node.id)), frame.context.path)


@handles(ast.NamedExpr)
def named_expression(frame: Frame, node: ast.NamedExpr) -> Evaluation:
    from symdiff.parse.statements import assign

    value = yield node.value
    home = frame
    while home.comprehension and home.parent is not None:  # it binds in the function around
        home = home.parent
        frame.context.oldest = 0
    return (yield assign(home, node.target, value))


def _dynamic(*values: Any) -> bool:
    return any(isinstance(v, Expr) for v in values)


@handles(ast.BinOp)
def binary_operation(frame: Frame, node: ast.BinOp) -> Evaluation:
    left = yield node.left
    right = yield node.right
    if frame.context.memory is not None:
        left = frame.context.memory.now(left)
    return (yield operation(frame, BINARY[type(node.op)], left, right, node))


def operation(frame: Frame, op: Any, left: Any, right: Any, node: ast.AST) -> Evaluation:
    """`left op right`, by the methods of a user's class where one defines it."""
    left, right = operands(frame.context, op, left, right)
    if isinstance(left, Grown) or isinstance(right, Grown):
        left, right = array_beside(left, right), array_beside(right, left)
    if isinstance(left, Grown) or isinstance(right, Grown):
        return joined(op, left, right)
    if op is operator.mul and isinstance(left, list) and isinstance(right, Expr):
        return repeated_list(frame.context, left, right)
    if has_operators(left) or has_operators(right):
        result = yield operate(frame, op, left, right, node)
        if result is not NotImplemented:
            return result
        left, right = as_tuple(left), as_tuple(right)
    result = apply_operator(op, left, right)
    return frame.context.born(result) if isinstance(result, (list, dict, set)) else result


def apply_operator(op: Any, left: Any, right: Any) -> Any:
    """`left op right`, in Python where both are static."""
    if _dynamic(left, right):
        if isinstance(left, (tuple, list, str, dict)) or isinstance(
            right, (tuple, list, str, dict)
        ):
            if op is operator.mul and isinstance(left, (tuple, list)):
                return left * static_index(right, "the length of a repeated list")
            if not _numeric(left) or not _numeric(right):
                raise IllTypedError(
                    f"unsupported operand types: {_kind(left)} and {_kind(right)}",
                    hint="turn the list into an array with np.array(...)",
                )
        return binary(op, left, right)
    if isinstance(left, Record) or isinstance(right, Record):
        raise TypeError(f"unsupported operand types: {describe(left)} and {describe(right)}")
    if op is operator.mod and isinstance(left, str) and not is_static(right):
        raise UnsupportedError(
            "a run-time value has no text when compiling",
            hint="print or format the result outside the function",
        )
    return op(left, right)


def _numeric(value: Any) -> bool:
    """Whether `value` may be an operand beside an array."""
    if isinstance(value, (list, tuple)):
        return False
    return not isinstance(value, (str, dict))


def _kind(value: Any) -> str:
    return str(value.type) if isinstance(value, Expr) else kind_name(value)


_UNARY: dict[type[ast.unaryop], str] = {
    ast.UAdd: "__pos__", ast.USub: "__neg__", ast.Invert: "__invert__",
}  # fmt: skip
_SIGN: dict[type[ast.unaryop], str] = {ast.UAdd: "+", ast.USub: "-", ast.Invert: "~"}


@handles(ast.UnaryOp)
def unary_operation(frame: Frame, node: ast.UnaryOp) -> Evaluation:
    value = yield node.operand
    if not isinstance(node.op, ast.Not):
        message = f"bad operand type for unary {_SIGN[type(node.op)]}: 'NoneType'"
        value = present(frame.context, value, message)
    if isinstance(value, Record) and type(node.op) in _UNARY:
        method = user_method(value, _UNARY[type(node.op)])
        if method is None:
            raise TypeError(f"bad operand type for unary {_UNARY[type(node.op)]}")
        from symdiff.parse.calls import call

        return (yield call(frame, method, [value], {}, node))
    operand: Any = value
    match node.op:
        case ast.Not():
            known = truth(operand)
            if isinstance(known, bool):
                return not known
            return OPERATORS[operator.not_].build(known)
        case ast.UAdd():
            return operand if isinstance(operand, Expr) else +operand
        case ast.USub():
            return OPERATORS[operator.neg].build(operand) if _dynamic(operand) else -operand
        case _:
            return OPERATORS[operator.invert].build(operand) if _dynamic(operand) else ~operand


@handles(ast.BoolOp)
def boolean_operation(frame: Frame, node: ast.BoolOp) -> Evaluation:
    """`a and b` is `b if a else a`: what stands behind a run-time operand is evaluated lazily."""
    conjunction = isinstance(node.op, ast.And)
    pending: list[tuple[Expr, Any]] = []
    result: Any = None
    context, saved = frame.context, frame.context.path
    for operand in node.values:
        if pending:
            _refuse_walrus(operand)
        before = context.open_now()
        try:
            value = yield operand
        except UnknownError:  # those before it tell
            if not pending:
                raise
            context.back_to(before)
            _, result = pending.pop()
            context.lazy -= 1
            break
        known = truth(value)
        result = value
        if isinstance(known, bool):
            if known is not conjunction:
                break
        elif operand is not node.values[-1]:
            pending.append((known, value))
            context.path = (*context.path, (known, conjunction))
            context.lazy += 1
    context.path = saved
    context.lazy -= len(pending)
    for pred, value in reversed(pending):
        other = pred if isinstance(result, Expr) and result.type.dtype == "bool" else value
        if isinstance(result, bool):
            if value is pred:  # `test and False` is False, `test and True` is test
                result = pred if result is conjunction else result
                continue
            other = pred
        sides = (result, other) if conjunction else (other, result)
        result = join(pred, *sides, "this expression", context.freeze)
    return result


def _refuse_walrus(node: ast.expr) -> None:
    """What a run-time condition may skip must not assign."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.NamedExpr):
            raise UnsupportedError(
                "':=' where a run-time condition decides whether it runs is not supported",
                hint="assign before the expression",
            )


@handles(ast.IfExp)
def conditional_expression(frame: Frame, node: ast.IfExp) -> Evaluation:
    pred = truth((yield node.test))
    if isinstance(pred, bool):
        return (yield node.body if pred else node.orelse)
    context, saved = frame.context, frame.context.path
    context.lazy += 1
    sides: list[Any] = []
    for side, holds in ((node.body, True), (node.orelse, False)):
        _refuse_walrus(side)
        context.path = (*saved, (pred, holds))
        before = context.open_now()
        try:
            sides.append((yield side))
        except UnknownError:  # the other side tells
            context.back_to(before)
    context.path = saved
    context.lazy -= 1
    if not sides:
        raise UnknownError()
    then, orelse = sides[0], sides[-1]
    result = join(pred, then, orelse, "this expression", context.freeze)
    if isinstance(result, Unbound):
        raise UnsupportedError(
            f"the conditional expression {result.why}", hint="give both sides the same structure"
        )
    return result


@handles(ast.Attribute)
def attribute(frame: Frame, node: ast.Attribute) -> Evaluation:
    message = f"'NoneType' object has no attribute {node.attr!r}"
    value = present(frame.context, (yield node.value), message, "AttributeError")
    member = narrowed(get_attribute(value, node.attr), frame.context.path)
    if isinstance(member, Method) and member.call:
        from symdiff.parse.calls import call

        return (yield call(frame, member.function, [member.owner], {}, node))
    return member


# The classes of Python's own numbers, which have no `shape`.
PYTHON: dict[str, type] = {"bool": bool, "int": int, "float64": float}


def get_attribute(value: Any, attr: str) -> Any:
    """`value.attr` for an array, a record, or any static object."""
    if isinstance(value, Grown):
        from symdiff.parse.library import Function

        return Function(value.method(attr))
    if isinstance(value, Expr):
        natural = PYTHON.get(value.type.dtype) if value.type.weak else None
        if natural is not None and not hasattr(natural, attr):
            raise AttributeError(f"'{natural.__name__}' object has no attribute {attr!r}")
        if attr in ATTRIBUTES:
            return ATTRIBUTES[attr](value)
        if attr in METHODS:
            return BoundMethod(value, attr)
        raise UnsupportedError(
            f"arrays have no attribute {attr!r} that symdiff knows",
            hint="see `symdiff primitives` for what is supported",
        )
    if isinstance(value, Record):
        if value.is_namedtuple and attr == "_replace":
            return ContainerMethod(value, attr, functools.partial(with_fields, value))
        return record_attribute(value, attr)
    if isinstance(value, Super):
        return super_attribute(value, attr)
    if isinstance(value, (list, dict, set)):
        return ContainerMethod(value, attr, getattr(value, attr))
    if isinstance(value, np.ndarray) and attr in METHODS and attr not in ATTRIBUTES:
        return BoundMethod(value, attr)
    return from_python(getattr(value, attr))


def with_fields(record: Record, **changes: Any) -> Record:
    """`dataclasses.replace(record, ...)`, `record._replace(...)`."""
    for name in changes:
        if name not in record.fields:
            raise TypeError(f"{record.cls.__name__} got an unexpected field name {name!r}")
    return Record(record.cls, {**record.fields, **changes})


class ContainerMethod:
    """A method of a list or dict that the program builds."""

    def __init__(self, owner: Any, name: str, function: Any):
        self.owner, self.name, self.function = owner, name, function


@handles(ast.Subscript)
def subscription(frame: Frame, node: ast.Subscript) -> Evaluation:
    value = present(frame.context, (yield node.value), "'NoneType' object is not subscriptable")
    key = yield node.slice
    refuse_none(key, "an index")
    item = yield _item(frame, node, value, key)
    return narrowed(item, frame.context.path)


def _item(frame: Frame, node: ast.Subscript, value: Any, key: Any) -> Evaluation:
    if isinstance(value, Expr):
        return subscript(value, key)
    if isinstance(value, Grown):
        memory = frame.context.memory

        def lent(leaf: Any) -> Any:
            if memory is None or not isinstance(leaf, Expr) or not leaf.type.rank:
                return leaf
            leaf = memory.copy_of(leaf)
            memory.lend(leaf)
            return leaf

        return value.item(key) if memory is None else map_tree(lent, value.item(key))
    if isinstance(value, np.ndarray):
        return value[key] if is_static(key) else subscript(to_expr(value), key)
    if isinstance(value, Record) or user_method(value, "__getitem__"):
        method = user_method(value, "__getitem__")
        if method is not None:
            from symdiff.parse.calls import call

            return (yield call(frame, method, [value, key], {}, node))
        if not value.is_namedtuple:
            raise TypeError(f"'{value.cls.__name__}' object is not subscriptable")
        return as_tuple(value)[_static_key(key)]
    if isinstance(value, (tuple, list, dict, str)) or hasattr(value, "__getitem__"):
        if isinstance(value, DefaultDict) and value.factory and _static_key(key) not in value:
            return (yield _missing(frame, value, _static_key(key), node))
        if isinstance(value, (tuple, list)) and _counts(key) and _scalars(value):
            return subscript(strong_array(value), key)
        item = from_python(value[_static_key(key)])
        return frame.context.born(item) if isinstance(item, list) and _is_slice(key) else item
    raise IllTypedError(f"{kind_name(value)} objects cannot be indexed")


class DefaultDict(dict[Any, Any]):
    """A `collections.defaultdict` that the function makes."""

    factory: Any = None


def _missing(frame: Frame, table: DefaultDict, key: Any, node: ast.AST) -> Evaluation:
    """A key that a defaultdict does not have yet: it has it now."""
    from symdiff.parse.calls import call

    frame.context.check_mutable(table)
    table[key] = yield call(frame, table.factory, [], {}, node)
    return table[key]


def _counts(key: Any) -> bool:
    """Whether a key is an integer that is known only at run time."""
    run_time = isinstance(key, Expr) and not isinstance(key, Const)
    return run_time and key.type.dtype == "int" and not key.type.rank


def _scalars(items: Sequence[Any]) -> bool:
    """Whether all items are numbers, so that a run-time index can choose among them."""
    numbers = (Expr, int, float, np.generic)
    return bool(items) and all(
        isinstance(x, numbers) and not (isinstance(x, Expr) and x.type.rank) for x in items
    )


def strong_array(items: Sequence[Any]) -> Expr:
    """Numbers as an array."""
    from symdiff.primitives.spell import spelled

    handler = spelled(np.array)
    assert handler is not None
    return handler(list(items))


def _is_slice(key: Any) -> bool:
    return isinstance(key, slice)


def _static_key(key: Any) -> Any:
    if isinstance(key, slice):
        return slice(*(static_index(p, "a slice bound") for p in (key.start, key.stop, key.step)))
    return static_index(key, "an index into a Python container")


@handles(ast.Slice)
def slice_expression(frame: Frame, node: ast.Slice) -> Evaluation:
    parts = []
    for part in (node.lower, node.upper, node.step):
        parts.append(None if part is None else (yield part))
        refuse_none(parts[-1], "a bound of a slice")
    return slice(*parts)


@handles(ast.JoinedStr)
def formatted_string(frame: Frame, node: ast.JoinedStr) -> Evaluation:
    text = ""
    for part in node.values:
        value = yield part
        text += value if isinstance(value, str) else str(value)
    return text


@handles(ast.FormattedValue)
def formatted_value(frame: Frame, node: ast.FormattedValue) -> Evaluation:
    value = yield node.value
    if not is_static(value):
        raise UnsupportedError(
            "an f-string of a run-time value is not supported here",
            hint="a run-time value has no text when compiling: format the result",
        )
    spec = "" if node.format_spec is None else (yield node.format_spec)
    convert = {-1: lambda v: v, 115: str, 114: repr, 97: ascii}[node.conversion]
    return format(convert(value), spec)


@handles(ast.Lambda)
def lambda_expression(frame: Frame, node: ast.Lambda) -> Evaluation:
    from symdiff.parse.calls import close_over

    return (yield close_over(frame, node))


def as_const(value: Any) -> Any:
    """A compile-time constant's value, where an expression is one."""
    return value.value if isinstance(value, Const) else value
