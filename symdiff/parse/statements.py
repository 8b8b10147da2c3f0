"""Statements: assignment, return, with, def. One function for each construct.

A statement evaluates to a signal: None (go on), or `Return`, `Break`, `Continue`. Branches and
loops are in modules of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from symdiff.errors import Span, UnsupportedError
from symdiff.ir.expr import Const, Expr, Var, var
from symdiff.parse.containers import items_of, iterated
from symdiff.parse.frame import Evaluation, Frame, handles
from symdiff.parse.growing import Grown
from symdiff.parse.nullable import operands, present, refuse_none
from symdiff.parse.objects import (
    augmented,
    has_operators,
    in_place,
    managed,
    set_attribute,
    set_item,
)
from symdiff.parse.values import static_index
from symdiff.parse.writes import change, change_item, store_item
from symdiff.primitives.elementary import with_size


@dataclass(slots=True)
class Return:
    value: Any


class Break:
    pass


class Continue:
    pass


_NO_ITEMS = "'NoneType' object does not support item assignment"
SIGNALS = (Return, Break, Continue)


def block(frame: Frame, statements: list[ast.stmt]) -> Evaluation:
    """Run statements up to the first signal."""
    for statement in statements:
        signal = yield statement
        if isinstance(signal, SIGNALS):
            return signal
    return None


@handles(ast.Expr)
def expression_statement(frame: Frame, node: ast.Expr) -> Evaluation:
    if not isinstance(node.value, ast.Constant):
        yield node.value
    return None


@handles(ast.Pass)
def pass_statement(frame: Frame, node: ast.Pass) -> None:
    return None


@handles(ast.Return)
def return_statement(frame: Frame, node: ast.Return) -> Evaluation:
    value = None if node.value is None else (yield node.value)
    if frame.context.detached:
        value = frame.context.cut(value, "with no_grad()", frame.context.detached[-1])
    return Return(value)


@handles(ast.Break)
def break_statement(frame: Frame, node: ast.Break) -> Break:
    return Break()


@handles(ast.Continue)
def continue_statement(frame: Frame, node: ast.Continue) -> Continue:
    return Continue()


@handles(ast.Nonlocal)
def nonlocal_statement(frame: Frame, node: ast.Nonlocal) -> None:
    frame.nonlocals = frame.nonlocals | set(node.names)


# Assignment.


@handles(ast.Assign)
def assignment(frame: Frame, node: ast.Assign) -> Evaluation:
    value = yield node.value
    for target in node.targets:
        yield assign(frame, target, value, node)
    return None


@handles(ast.AnnAssign)
def annotated_assignment(frame: Frame, node: ast.AnnAssign) -> Evaluation:
    if node.value is not None:
        yield assign(frame, node.target, (yield node.value), node)
    return None


@handles(ast.AugAssign)
def augmented_assignment(frame: Frame, node: ast.AugAssign) -> Evaluation:
    from symdiff.parse.expressions import BINARY

    target = yield _evaluated_once(node.target)
    load = ast.copy_location(_loaded(target), node.target)
    current = yield load
    value = yield node.value
    op = BINARY[type(node.op)]
    current, value = operands(frame.context, op, current, value)
    if frame.context.memory is not None:
        frame.context.memory.line = node.lineno
    if isinstance(target, ast.Subscript):
        container = yield target.value
        if isinstance(container, Expr) and container.type.rank:
            key = yield target.slice
            change_item(frame.context, container, key, type(node.op), op, current, value)
            return None
    if isinstance(current, Expr) and current.type.rank:
        change(frame.context, op, current, value)
        return None
    if isinstance(current, Grown) and isinstance(node.op, ast.Add):
        current.extend(items_of((yield iterated(frame, value, node))))
        return None
    if isinstance(current, (list, dict, set)):
        result = yield in_place(frame, op, current, value, node)
    else:
        result = yield augmented(frame, op, current, value, node)
    frame.context.note(result)
    yield assign(frame, target, result, node)
    return None


def _evaluated_once(target: ast.expr) -> Evaluation:
    """`items[f()] += x` calls f once, though the item is read and written."""
    from symdiff.parse.expressions import Known

    match target:
        case ast.Subscript():
            value = target.value if _plain(target.value) else Known((yield target.value))
            key = Known((yield target.slice))
            parts = ast.Subscript(value, ast.copy_location(key, target.slice), target.ctx)
        case ast.Attribute() if not _plain(target.value):
            parts = ast.Attribute(Known((yield target.value)), target.attr, target.ctx)
        case _:
            return target
    ast.copy_location(parts.value, target.value)
    return ast.copy_location(parts, target)


def _plain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _loaded(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name():
            return ast.Name(target.id, ast.Load())
        case ast.Subscript():
            return ast.Subscript(target.value, target.slice, ast.Load())
        case ast.Attribute():
            return ast.Attribute(target.value, target.attr, ast.Load())
        case _:
            return target


def assign(frame: Frame, target: ast.expr, value: Any, at: ast.AST | None = None) -> Evaluation:
    """Bind `value` to a target of any form; evaluates to the value bound."""
    match target:
        case ast.Name():
            return bind(frame, target.id, value, at or target)
        case ast.Tuple() | ast.List():
            if isinstance(value, Expr) and value.type.rank and not _starred(target):
                value = with_size(value, 0, len(target.elts))
            items = items_of((yield iterated(frame, value, target)))
            yield _unpack(frame, target, items, at)
        case ast.Starred():
            yield assign(frame, target.value, value, at)
        case ast.Subscript():
            container = present(frame.context, (yield target.value), _NO_ITEMS)
            key = yield target.slice
            refuse_none(key, "an index")
            if isinstance(container, Expr):
                value = present(frame.context, value, "must be real number, not NoneType")
            if frame.context.memory is not None:
                frame.context.memory.line = getattr(at, "lineno", 0)
            if has_operators(container):
                yield set_item(frame, container, key, value, target)
            else:
                _store_item(frame, container, key, value)
        case ast.Attribute():
            message = f"'NoneType' object has no attribute {target.attr!r}"
            owner = present(frame.context, (yield target.value), message, "AttributeError")
            if frame.context.detached:
                value = frame.context.cut(value, "with no_grad()", frame.context.detached[-1])
            yield set_attribute(frame, owner, target.attr, value, target)
        case _:
            raise UnsupportedError(
                "this assignment target is not supported", hint="assign to a name, and from there"
            )
    return value


def bind(frame: Frame, name: str, value: Any, at: ast.AST) -> Any:
    """Give a value its name, for the function and for the generated code."""
    context = frame.context
    if context.detached:
        value = context.cut(value, "with no_grad()", context.detached[-1])
    if isinstance(value, Expr):
        if frame.top and name in context.opened and value.type.is_float:
            value = _mark(frame, name, value)
        elif not isinstance(value, Const):
            context.names.setdefault(value, name)
            context.lines.setdefault(value, getattr(at, "lineno", 0))
    if frame.top:
        context.known_locals[name] = value
    if name in frame.nonlocals:
        owner = frame.parent
        while owner is not None and name not in owner.env:
            owner = owner.parent
        if owner is None:
            raise UnsupportedError(
                f"{name!r} belongs to a function that has already returned",
                hint="return the value, or keep it in a list",
            )
        if context.lazy > owner.level:
            raise UnsupportedError(
                f"{name!r} of an enclosing function is assigned in an expression that runs only "
                "under a condition",
                hint="write an if statement",
            )
        owner.env[name] = value
        context.oldest = 0
    else:
        frame.env[name] = value
    return value


def _mark(frame: Frame, name: str, value: Expr) -> Var:
    """A variable that stands for this assignment of a local that `wrt` names."""
    marks = frame.context.markers.setdefault(name, [])
    marker = var(name, value.type, frame.context.fresh())
    marks.append((marker, value))
    frame.context.marked.append(marker)
    return marker


def _starred(target: ast.Tuple | ast.List) -> bool:
    return any(isinstance(t, ast.Starred) for t in target.elts)


def _unpack(frame: Frame, target: ast.Tuple | ast.List, items: list[Any], at: Any) -> Evaluation:
    targets = target.elts
    stars = [i for i, t in enumerate(targets) if isinstance(t, ast.Starred)]
    if not stars:
        if len(items) != len(targets):
            few = "too many" if len(items) > len(targets) else "not enough"
            raise ValueError(f"{few} values to unpack (expected {len(targets)}, got {len(items)})")
        for t, item in zip(targets, items, strict=True):
            yield assign(frame, t, item, at)
        return None
    at_star, tail = stars[0], len(targets) - stars[0] - 1
    if len(items) < len(targets) - 1:
        raise ValueError(f"not enough values to unpack (expected at least {len(targets) - 1})")
    stop = len(items) - tail
    rest = frame.context.born(list(items[at_star:stop]))
    parts = [*items[:at_star], rest, *items[stop:]]
    for t, item in zip(targets, parts, strict=True):
        yield assign(frame, t, item, at)
    return None


def _store_item(frame: Frame, container: Any, key: Any, value: Any) -> None:
    if isinstance(container, (list, dict)):
        frame.context.check_mutable(container)
        if isinstance(key, slice):
            what = "a slice bound"
            parts = [static_index(p, what) for p in (key.start, key.stop, key.step)]
            container[slice(*parts)] = items_of(value)
        else:
            container[static_index(key, "an index into a Python container")] = value
        return
    if isinstance(container, Grown):
        container.store(key, value)
        return
    store_item(frame.context, container, key, value)


# with, def.


@handles(ast.With)
def with_statement(frame: Frame, node: ast.With) -> Evaluation:
    """`with no_grad():` cuts derivatives; contexts that only set NumPy's warnings pass through."""
    cuts: list[Span] = []
    for i, item in enumerate(node.items):
        manager = yield managed(frame, (yield item.context_expr))
        if isinstance(manager, Managed):
            if cuts:
                raise UnsupportedError(
                    "no_grad() together with another context manager",
                    hint="nest two with statements",
                )
            inner = ast.With(node.items[i + 1 :], node.body) if node.items[i + 1 :] else None
            body = [ast.copy_location(inner, node)] if inner is not None else node.body
            return (yield manager.run(frame, item.optional_vars, body, node))
        if getattr(manager, "__symdiff_cuts__", False):
            cuts.append(frame.span(item.context_expr))
        elif not isinstance(manager, PassThrough):
            raise UnsupportedError(
                f"'with {ast.unparse(item.context_expr)}' is not supported",
                hint="use symdiff.no_grad(), numpy.errstate(...) or contextlib.nullcontext()",
            )
        if item.optional_vars is not None:
            entered = manager.entered if isinstance(manager, PassThrough) else None
            yield assign(frame, item.optional_vars, entered, node)
    frame.context.detached.extend(cuts)
    signal = yield block(frame, node.body)
    del frame.context.detached[len(frame.context.detached) - len(cuts) :]
    return signal


class Managed:
    """A context manager that does something: `run(frame, target, body, node)` evaluates it."""

    def __init__(self, run: Callable[..., Evaluation]):
        self.run = run


class PassThrough:
    """A context manager that does not change the values computed inside."""

    def __init__(self, entered: Any = None):
        self.entered = entered  # what `as` binds


@handles(ast.FunctionDef)
def function_definition(frame: Frame, node: ast.FunctionDef) -> Evaluation:
    from symdiff.parse.calls import call, close_over

    value = yield close_over(frame, node)
    for decorator in reversed(node.decorator_list):
        value = yield call(frame, (yield decorator), [value], {}, decorator)
    frame.env[node.name] = value
    return None
