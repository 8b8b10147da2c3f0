"""Statements: assignment, branches, static loops, return. One function for each construct.

A statement evaluates to a signal: None (go on), or `Return`, `Break`, `Continue`. A branch that is
taken only at run time is evaluated on both sides, and the names that differ are joined. A return
inside such a branch is kept with its condition (`Frame.returns`), and the function's result is
`value1 if condition1 else ... else the last value`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from symdiff.errors import Span, UnsupportedError
from symdiff.ir.expr import Const, Expr, Var, var
from symdiff.ir.tree import Record
from symdiff.parse.containers import items_of
from symdiff.parse.expressions import apply_operator
from symdiff.parse.frame import Evaluation, Frame, Unbound, handles
from symdiff.parse.values import join, static_index, truth
from symdiff.primitives.arithmetic import logical_not
from symdiff.primitives.elementary import with_size
from symdiff.primitives.row import choose


@dataclass(slots=True)
class Return:
    value: Any


class Break:
    pass


class Continue:
    pass


def block(frame: Frame, statements: list[ast.stmt]) -> Evaluation:
    """Run statements up to the first signal."""
    for statement in statements:
        signal = yield statement
        if isinstance(signal, (Return, Break, Continue)):
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

    load = ast.copy_location(_loaded(node.target), node.target)
    current = yield load
    value = yield node.value
    if isinstance(current, Expr) and current.type.rank:
        raise UnsupportedError(
            "an in-place operation on an array is not supported yet",
            hint=f"write {ast.unparse(node.target)} = {ast.unparse(node.target)} "
            f"{_symbol(node.op)} ..., which makes a new array",
        )
    if isinstance(current, list):
        frame.context.check_mutable(current)
        current.extend(items_of(value))
        return None
    result = apply_operator(BINARY[type(node.op)], current, value)
    frame.context.note(result)
    yield assign(frame, node.target, result, node)
    return None


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


def _symbol(op: ast.operator) -> str:
    return ast.unparse(ast.BinOp(ast.Name("a"), op, ast.Name("b"))).strip("ab ")


def assign(frame: Frame, target: ast.expr, value: Any, at: ast.AST | None = None) -> Evaluation:
    """Bind `value` to a target of any form; evaluates to the value bound."""
    match target:
        case ast.Name():
            return bind(frame, target.id, value, at or target)
        case ast.Tuple() | ast.List():
            if isinstance(value, Expr) and value.type.rank and not _starred(target):
                value = with_size(value, 0, len(target.elts))
            yield _unpack(frame, target, items_of(value), at)
        case ast.Starred():
            yield assign(frame, target.value, value, at)
        case ast.Subscript():
            container = yield target.value
            key = yield target.slice
            _store_item(frame, container, key, value)
        case ast.Attribute():
            owner = yield target.value
            if isinstance(owner, Record):
                if owner.is_namedtuple:
                    raise AttributeError("can't set attribute of a named tuple")
                frame.context.check_mutable(owner.fields)
                owner.fields[target.attr] = value
            else:
                raise UnsupportedError(
                    "setting an attribute of an object outside the function is not supported",
                    hint="return the value instead",
                )
        case _:
            raise UnsupportedError("this assignment target is not supported")
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
            raise UnsupportedError(f"{name!r} belongs to a function that has already returned")
        if context.branch - owner.level != owner.forks:
            raise UnsupportedError(
                f"{name!r} of an enclosing function is assigned in a branch taken at run time",
                hint="return the value and assign it in the enclosing function",
            )
        owner.env[name] = value
    else:
        frame.env[name] = value
    return value


def _mark(frame: Frame, name: str, value: Expr) -> Var:
    """A variable that stands for this assignment of a local that `wrt` names."""
    marks = frame.context.markers.setdefault(name, [])
    marker = var(name, value.type, frame.context.fresh())
    marks.append((marker, value))
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
            container[key] = items_of(value)
        else:
            container[static_index(key, "an index into a Python container")] = value
        return
    raise UnsupportedError(
        "writing into an array is not supported yet",
        hint="build the array from its parts (np.stack, np.concatenate, np.where)",
    )


# Branches.


@dataclass(slots=True)
class _Side:
    """One side of a run-time branch, after it ran."""

    env: dict[str, Any]
    returns: list[tuple[Expr, Any]]
    signal: Any


@handles(ast.If)
def if_statement(frame: Frame, node: ast.If) -> Evaluation:
    pred = truth((yield node.test))
    if isinstance(pred, bool):
        return (yield block(frame, node.body if pred else node.orelse))
    then = yield _side(frame, node.body, (pred, True))
    orelse = yield _side(frame, node.orelse, (pred, False))
    early = len(frame.returns)
    for side in (then, orelse):
        if isinstance(side.signal, (Break, Continue)):
            raise UnsupportedError(
                "break or continue under a run-time condition is not supported yet",
                hint="use a conditional expression for the values that change",
            )
    otherwise = logical_not.build(pred)
    for side, holds in ((then, pred), (orelse, otherwise)):
        frame.returns.extend((_both(holds, c), v) for c, v in side.returns)
    if isinstance(then.signal, Return) and isinstance(orelse.signal, Return):
        return Return(_joined_return(pred, then.signal.value, orelse.signal.value))
    if isinstance(then.signal, Return):
        frame.returns.append((pred, then.signal.value))
        frame.env = orelse.env
    elif isinstance(orelse.signal, Return):
        frame.returns.append((otherwise, orelse.signal.value))
        frame.env = then.env
    else:
        _merge(frame, pred, then.env, orelse.env, node)
    # What follows runs only where nothing has been returned.
    frame.context.path += tuple((left, False) for left, _ in frame.returns[early:])
    return None


def _side(frame: Frame, body: list[ast.stmt], condition: tuple[Expr, bool]) -> Evaluation:
    context, saved_path = frame.context, frame.context.path
    saved_env, saved_returns = frame.env, frame.returns
    frame.env, frame.returns = dict(saved_env), []
    context.path = (*saved_path, condition)
    context.branch += 1
    frame.forks += 1
    signal = yield block(frame, body)
    frame.forks -= 1
    context.branch -= 1
    context.path = saved_path
    side = _Side(frame.env, frame.returns, signal)
    frame.env, frame.returns = saved_env, saved_returns
    return side


def _both(a: Expr, b: Expr) -> Expr:
    return choose(a, b, False).expr


def _joined_return(pred: Expr, then: Any, orelse: Any) -> Any:
    value = join(pred, then, orelse, "the result")
    if isinstance(value, Unbound):
        raise UnsupportedError(
            f"the result {value.why}", hint="return values of the same structure on every path"
        )
    return value


def _merge(
    frame: Frame, pred: Expr, then: dict[str, Any], orelse: dict[str, Any], at: ast.If
) -> None:
    for name in dict.fromkeys((*then, *orelse)):
        missing = Unbound("may be unassigned: only one side of a branch assigns it")
        a, b = then.get(name, missing), orelse.get(name, missing)
        if a is b:
            frame.env[name] = a
            continue
        bind(frame, name, join(pred, a, b, name), at)


def result_of(frame: Frame, signal: Any) -> Any:
    """The value of a function after its body ran, early returns included."""
    value = signal.value if isinstance(signal, Return) else None
    for pred, early in reversed(frame.returns):
        value = _joined_return(pred, early, value)
    return value


# Loops, unrolled: the number of rounds is known when compiling.


@handles(ast.For)
def for_statement(frame: Frame, node: ast.For) -> Evaluation:
    iterable = yield node.iter
    if isinstance(iterable, DynamicRange):
        raise UnsupportedError(
            "a loop whose number of rounds is known only at run time is not supported yet",
            hint="make the bound static: symdiff.grad(f, static='n')",
        )
    for item in items_of(iterable):
        yield assign(frame, node.target, item, node)
        signal = yield block(frame, node.body)
        if isinstance(signal, Return):
            return signal
        if isinstance(signal, Break):
            return None
    return (yield block(frame, node.orelse))


class DynamicRange:
    """`range(n)` with an `n` known only at run time."""


@handles(ast.While)
def while_statement(frame: Frame, node: ast.While) -> Evaluation:
    rounds = 0
    while True:
        known = truth((yield node.test))
        if not isinstance(known, bool):
            raise UnsupportedError(
                "'while' on a value known only at run time is not supported yet",
                hint="use a fixed number of rounds: for _ in range(20)",
            )
        if not known:
            return (yield block(frame, node.orelse))
        rounds += 1
        if rounds > 1_000_000:
            raise UnsupportedError("this 'while' did not end within a million rounds")
        signal = yield block(frame, node.body)
        if isinstance(signal, Return):
            return signal
        if isinstance(signal, Break):
            return None


# with, def.


@handles(ast.With)
def with_statement(frame: Frame, node: ast.With) -> Evaluation:
    """`with no_grad():` cuts derivatives; contexts that only set NumPy's warnings pass through."""
    cuts: list[Span] = []
    for item in node.items:
        manager = yield item.context_expr
        if getattr(manager, "__symdiff_cuts__", False):
            cuts.append(frame.span(item.context_expr))
        elif not isinstance(manager, PassThrough):
            raise UnsupportedError(
                f"'with {ast.unparse(item.context_expr)}' is not supported",
                hint="use symdiff.no_grad(), numpy.errstate(...) or contextlib.nullcontext()",
            )
        if item.optional_vars is not None:
            yield assign(frame, item.optional_vars, None, node)
    frame.context.detached.extend(cuts)
    signal = yield block(frame, node.body)
    del frame.context.detached[len(frame.context.detached) - len(cuts) :]
    return signal


class PassThrough:
    """A context manager that does not change the values computed inside."""


@handles(ast.FunctionDef)
def function_definition(frame: Frame, node: ast.FunctionDef) -> Evaluation:
    from symdiff.parse.calls import call, close_over

    value = yield close_over(frame, node)
    for decorator in reversed(node.decorator_list):
        value = yield call(frame, (yield decorator), [value], {}, decorator)
    frame.env[node.name] = value
    return None
