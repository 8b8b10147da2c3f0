"""Calls: rows of the table, builtins, and helper functions, which are evaluated inline."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import types
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, SourceError, SymdiffError, UnsupportedError
from symdiff.ir.expr import Apply
from symdiff.ir.function import Cut
from symdiff.ir.tree import Record
from symdiff.parse.builtins import BUILTINS, Lazy
from symdiff.parse.containers import items_of
from symdiff.parse.expressions import ContainerMethod, Method
from symdiff.parse.frame import Evaluation, Frame, Step, handles
from symdiff.parse.source import FunctionNode, definition_of, python_call
from symdiff.parse.statements import PassThrough, block, result_of
from symdiff.parse.values import from_python, is_static
from symdiff.primitives.elementary import cast
from symdiff.primitives.spell import BoundMethod, call_method, is_pure, spelled

MAX_DEPTH = 5_000


class Closure:
    """A function defined, with `def` or `lambda`, inside a function that is being evaluated."""

    def __init__(
        self, node: FunctionNode, frame: Frame, defaults: list[Any], kw_defaults: list[Any]
    ):
        self.node = node
        self.frame = frame
        self.defaults = defaults
        self.kw_defaults = kw_defaults
        self.__name__ = getattr(node, "name", "<lambda>")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`functools.partial` asks for a callable; the evaluator inlines the body instead."""
        raise UnsupportedError(f"{self.__name__} is called where only the evaluator can call it")


def close_over(frame: Frame, node: FunctionNode) -> Evaluation:
    """A `Closure` of a nested function, its defaults evaluated now."""
    defaults = []
    for default in node.args.defaults:
        defaults.append((yield default))
    kw_defaults = []
    for default in node.args.kw_defaults:
        kw_defaults.append(None if default is None else (yield default))
    return Closure(node, frame, defaults, kw_defaults)


@handles(ast.Call)
def call_expression(frame: Frame, node: ast.Call) -> Evaluation:
    callee = yield node.func
    args: list[Any] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            args.extend(items_of((yield arg.value)))
        else:
            args.append((yield arg))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        value = yield keyword.value
        if keyword.arg is None:
            kwargs.update(value)
        else:
            kwargs[keyword.arg] = value
    return (yield call(frame, callee, args, kwargs, node))


def call(
    frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """Call anything callable."""
    context = frame.context
    builtin = BUILTINS.get(callee) if _hashable(callee) else None
    if builtin is not None:
        result = builtin(*args, **kwargs)
        if isinstance(result, Lazy):
            return (yield result.run(lambda f, a: call(frame, f, a, {}, node)))
        if isinstance(result, (list, dict)) and id(result) not in context.births:
            context.born(result)
        return _noting_cast(frame, result, node)
    if callee is functools.partial:
        return functools.partial(*args, **kwargs)
    if getattr(callee, "__symdiff_detach__", False):
        return context.cut(args[0], callee.__name__, frame.span(node))
    if getattr(callee, "__symdiff_cuts__", False):
        return callee
    if getattr(callee, "__symdiff_pass__", False):
        return PassThrough()
    if hasattr(callee, "__symdiff_operator__"):
        return callee(*args, **kwargs)
    if hasattr(callee, "__symdiff_derivative__"):
        return (yield _nested(frame, callee.__symdiff_derivative__, args, kwargs, node))
    if isinstance(callee, BoundMethod):
        return _noting_cast(frame, call_method(callee, args, kwargs), node)
    if isinstance(callee, Method):
        return (yield call(frame, callee.function, [callee.owner, *args], kwargs, node))
    if isinstance(callee, ContainerMethod):
        if callee.name in ("append", "extend", "insert", "pop", "update", "setdefault", "clear",
                           "remove", "reverse", "sort", "popitem"):  # fmt: skip
            context.check_mutable(callee.owner)
        result = callee.function(*args, **kwargs)
        return context.born(result) if callee.name == "copy" else result
    handler = spelled(callee)
    if handler is not None:
        check_arguments(callee, args, kwargs)
        return handler(*args, **kwargs)
    if isinstance(callee, functools.partial):
        merged = {**{k: from_python(v) for k, v in callee.keywords.items()}, **kwargs}
        given = [from_python(a) for a in callee.args]
        return (yield call(frame, callee.func, [*given, *args], merged, node))
    if isinstance(callee, types.MethodType):
        owner = from_python(callee.__self__)
        return (yield call(frame, callee.__func__, [owner, *args], kwargs, node))
    if isinstance(callee, Closure):
        return (yield inline(frame, callee, args, kwargs))
    rule = getattr(callee, "__symdiff_rule__", None)
    if rule is not None:
        return (yield _custom(frame, callee, rule, args, kwargs))
    if isinstance(callee, types.FunctionType):
        return (yield inline(frame, callee, args, kwargs))
    if isinstance(callee, type) and (
        dataclasses.is_dataclass(callee) or hasattr(callee, "_fields")
    ):
        record = _construct(callee, args, kwargs)
        context.born(record.fields)
        return record
    if is_pure(callee) and is_static(args) and is_static(kwargs):
        return callee(*args, **kwargs)
    method = python_call(callee)
    if method is not None:
        return (yield call(frame, method, [callee, *args], kwargs, node))
    name = getattr(callee, "__name__", type(callee).__name__)
    module = getattr(callee, "__module__", None) or ""
    where = f"{module}.{name}" if module not in ("builtins", "__main__", "") else name
    if not callable(callee):
        raise IllTypedError(f"{type(callee).__name__} object is not callable")
    raise UnsupportedError(
        f"{where} is not in the table of primitives",
        hint="write it with functions that `symdiff primitives` lists, or give it a derivative "
        "with @symdiff.rule",
    )


def _noting_cast(frame: Frame, result: Any, node: ast.AST) -> Any:
    """Remember a cast to integers or booleans as a place that cuts the derivative."""
    if isinstance(result, Apply) and result.op is cast and not result.type.differentiable:
        what = f"the cast to {result.type.dtype}"
        frame.context.cuts.append(Cut(result, what, frame.span(node)))
    return result


def check_arguments(callee: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Raises TypeError where the number of arguments is not what `math` or a ufunc takes."""
    if isinstance(callee, np.ufunc):
        if len(args) != callee.nin:
            raise TypeError(f"{callee.__name__}() takes {callee.nin} arguments, not {len(args)}")
    elif isinstance(callee, types.BuiltinFunctionType):
        signature = _signature(callee)
        if signature is not None:
            signature.bind(*args, **kwargs)


@functools.cache
def _signature(callee: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(callee)
    except ValueError:  # a builtin that does not tell
        return None


def _hashable(value: Any) -> bool:
    return isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType))


def _construct(cls: type, args: list[Any], kwargs: dict[str, Any]) -> Record:
    names = (
        list(cls._fields)
        if hasattr(cls, "_fields")
        else [  # type: ignore[attr-defined]
            f.name for f in dataclasses.fields(cls) if f.init
        ]
    )
    if len(args) > len(names):
        raise TypeError(f"{cls.__name__}() takes {len(names)} arguments but {len(args)} were given")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in names:
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {key!r}")
        given[key] = value
    if "__post_init__" in vars(cls):
        raise UnsupportedError(f"{cls.__name__}.__post_init__ is not supported")
    defaults = getattr(cls, "_field_defaults", None)
    if defaults is None:
        defaults = {
            f.name: f.default if f.default is not dataclasses.MISSING else f.default_factory()  # type: ignore[misc]
            for f in dataclasses.fields(cls)
            if f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        }
    missing = [n for n in names if n not in given and n not in defaults]
    if missing:
        raise TypeError(f"{cls.__name__}() missing arguments: {', '.join(missing)}")
    return Record(cls, {n: given.get(n, defaults.get(n)) for n in names})


# Helper functions.


def inline(frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any]) -> Evaluation:
    """Evaluate the body of a Python function on these arguments."""
    if isinstance(callee, Closure):
        node, source, home = callee.node, callee.frame.source, callee.frame
        outer, scope = home.outer, home.globals
        defaults, kw_defaults = callee.defaults, callee.kw_defaults
        parent: Frame | None = home
    else:
        function = getattr(callee, "__wrapped__", callee)
        if not isinstance(function, types.FunctionType):
            raise SourceError(f"{callee!r} has no Python source")
        definition = definition_of(function)
        node, source, parent = definition.node, definition.source, None
        outer, scope = closure_variables(function), function.__globals__
        defaults = [from_python(d) for d in function.__defaults__ or ()]
        given = function.__kwdefaults__ or {}
        kw_defaults = [from_python(given.get(a.arg)) for a in node.args.kwonlyargs]
    env = bind_arguments(
        node, args, kwargs, defaults, kw_defaults, getattr(callee, "__name__", "?")
    )
    context = frame.context
    inner = Frame(context, source, env, outer, scope, parent=parent, level=context.branch)
    saved = context.path
    frame.context.depth += 1
    if frame.context.depth > MAX_DEPTH:
        raise UnsupportedError(
            f"{getattr(callee, '__name__', 'a function')} calls itself without an end that is "
            "known when compiling",
            hint="recursion must stop on a static value",
        )
    result = yield Step(inner, body_of(inner, node))
    frame.context.depth -= 1
    context.path = saved
    return result


def body_of(frame: Frame, node: FunctionNode) -> Evaluation:
    """The value of a function's body in its frame."""
    if isinstance(node, ast.Lambda):
        return (yield Step(frame, node.body))
    signal = yield Step(frame, block(frame, node.body))
    try:
        return result_of(frame, signal)
    except SymdiffError as error:
        raise error.located(frame.span(node)) from None


def closure_variables(function: types.FunctionType) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    cells = function.__closure__ or ()
    result: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            result[name] = cell.cell_contents
        except ValueError:
            continue
    return result


def bind_arguments(
    node: FunctionNode,
    args: list[Any],
    kwargs: dict[str, Any],
    defaults: list[Any],
    kw_defaults: list[Any],
    name: str,
) -> dict[str, Any]:
    """Parameters to values, by Python's rules. Raises TypeError as a call would."""
    a = node.args
    positional = [p.arg for p in (*a.posonlyargs, *a.args)]
    keyword_only = [p.arg for p in a.kwonlyargs]
    env: dict[str, Any] = dict(zip(positional, args, strict=False))
    extra = args[len(positional) :]
    if a.vararg is not None:
        env[a.vararg.arg] = tuple(extra)
    elif extra:
        raise TypeError(f"{name}() takes {len(positional)} arguments but {len(args)} were given")
    others: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in env and key in positional:
            raise TypeError(f"{name}() got multiple values for argument {key!r}")
        if key in positional or key in keyword_only:
            env[key] = value
        elif a.kwarg is not None:
            others[key] = value
        else:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    if a.kwarg is not None:
        env[a.kwarg.arg] = others
    for p, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
        env.setdefault(p, default)
    for p, default, written in zip(keyword_only, kw_defaults, a.kw_defaults, strict=True):
        if written is not None:
            env.setdefault(p, default)
    missing = [p for p in (*positional, *keyword_only) if p not in env]
    if missing:
        raise TypeError(f"{name}() missing arguments: {', '.join(missing)}")
    return env


# Derivatives inside a function, and functions with a rule of their own.


def _nested(
    frame: Frame, spec: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """`symdiff.grad(g)(x)` in the body: differentiate g here, then put the arguments in."""
    nested = frame.context.nested
    assert nested is not None, "the pipeline sets how nested derivatives are made"
    return (yield nested(frame, spec, args, kwargs, node))


def _custom(
    frame: Frame, callee: Any, rule: Any, args: list[Any], kwargs: dict[str, Any]
) -> Evaluation:
    """A call to a function that `@symdiff.rule` gave its own partial derivatives."""
    from symdiff.parse.custom import custom_call

    return (yield custom_call(frame, callee, rule, args, kwargs))
