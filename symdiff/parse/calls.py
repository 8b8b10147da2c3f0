"""Calls: rows of the table, builtins, and helper functions, which are evaluated inline."""

from __future__ import annotations

import ast
import builtins
import copy
import decimal
import enum
import fractions
import functools
import inspect
import math
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, SourceError, SymdiffError, UnsupportedError
from symdiff.ir.expr import Apply, Expr
from symdiff.ir.function import Cut
from symdiff.ir.tree import Record
from symdiff.parse.branches import Raised, result_of
from symdiff.parse.builtins import BUILTINS, CONSUMING, FRESH, ITERATING, STREAMING
from symdiff.parse.comparing import COMPARISONS, compare
from symdiff.parse.containers import collected, items_of, iterable, iterated, listed, quantified
from symdiff.parse.expressions import ContainerMethod
from symdiff.parse.frame import (
    Called,
    Cells,
    Context,
    Evaluation,
    Frame,
    Step,
    UnreachableError,
    handles,
)
from symdiff.parse.growing import Grown
from symdiff.parse.hinted import hinted
from symdiff.parse.items import PLAIN
from symdiff.parse.library import Function, Lazy
from symdiff.parse.memory import returned
from symdiff.parse.nullable import given, present
from symdiff.parse.objects import Method, instantiate, is_user_class, make_super, user_method
from symdiff.parse.recursion import called, evaluated
from symdiff.parse.rounds import is_dynamic
from symdiff.parse.source import FunctionNode, definition_of, python_call
from symdiff.parse.state import UnequalListsError
from symdiff.parse.statements import PassThrough, block
from symdiff.parse.streams import Stream, eagerly, live, stream_of, unchanged
from symdiff.parse.values import from_python, is_static, static_index
from symdiff.parse.writes import memory_of, with_out, writing_call
from symdiff.primitives.elementary import cast
from symdiff.primitives.spell import BoundMethod, call_method, is_pure, kind_name, spelled

MAX_DEPTH = 5_000
MAX_ITEMS = 10_000


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
        raise UnsupportedError(
            f"{self.__name__} is called where only the evaluator can call it",
            hint="call it in the function itself",
        )


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
    first = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if (callee is any or callee is all) and isinstance(first, ast.GeneratorExp):
        return (yield quantified(frame, first, callee is all))
    args: list[Any] = []
    if isinstance(first, ast.GeneratorExp) and _hashable(callee) and callee in CONSUMING:
        args.append((yield collected(frame, first)))
        return (yield call(frame, callee, args, {}, node))
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            args.extend(items_of((yield iterable(frame, arg.value))))
        else:
            args.append((yield arg))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        value = yield keyword.value
        if keyword.arg is None:
            twice = next((k for k in value if k in kwargs), None)
            if twice is not None:
                raise TypeError(f"got multiple values for keyword argument {twice!r}")
            kwargs.update(value)
        else:
            kwargs[keyword.arg] = value
    return (yield call(frame, callee, args, kwargs, node))


# What takes a list that grows in a loop as it is; others take the array of its items.
_OF_LISTS: tuple[Any, ...] = (len, zip, enumerate, reversed, isinstance, type, id)
_COPIES: Any = list


def call(
    frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """Call anything callable."""
    context = frame.context
    callee = present(context, callee, "'NoneType' object is not callable")
    builtin = BUILTINS.get(callee) if _hashable(callee) else None
    if builtin is not None or _is_of_numpy(callee):
        args, kwargs = given(context, callee, args, kwargs)
    if any(isinstance(a, Grown) for a in args) and callee not in _OF_LISTS and (
        builtin is not None or spelled(callee) is not None
    ):  # fmt: skip
        if callee is _COPIES and len(args) == 1 and not kwargs:
            return args[0].copy()
        if builtin is not None and any(isinstance(a, Grown) and a.kind != PLAIN for a in args):
            raise UnsupportedError(
                f"{callee.__name__} of a list of tuples, or lists, that grows in a loop",
                hint="write a loop over its items",
            )
        whole = len(args) == 1 and callee in (sum, np.sum, math.fsum) and not kwargs
        args = [(a.summed() if whole else a.array()) if isinstance(a, Grown) else a for a in args]
    if builtin is not None:
        if callee in ITERATING:
            for i, value in enumerate(args):
                args[i] = yield iterated(frame, value, node)
        if callee is list and len(args) == 1 and is_dynamic(args[0]):
            return (yield listed(frame, args[0], node))
        earlier = [check for a in args if isinstance(a, Stream) for check in a.checks]
        if callee in STREAMING and callee is not iter:
            args = [a.lent() if isinstance(a, Stream) and callee is not zip else a for a in args]
        result = builtin(*args, **kwargs)
        if isinstance(result, Lazy):
            run = result.run(lambda f, a: call(frame, f, a, {}, node))
            result = yield (eagerly(context, run) if callee in STREAMING else run)
        if callee in STREAMING and isinstance(result, list):
            items = live(context, callee, args, kwargs)
            earlier.append(unchanged(context, *args))
            return Stream(context, result if items is None else items, *earlier)
        if callee in FRESH:
            note_made(context, result, deep=callee is copy.deepcopy)
        return _noting_cast(frame, result, node)
    if isinstance(callee, Function):
        return callee.function(*args, **kwargs)
    if _hashable(callee) and callee in COMPARISONS:
        left, right = args
        return (yield compare(frame, callee, left, right, node))
    if callee is super:
        return make_super(frame, args)
    if callee is functools.partial:
        return functools.partial(*args, **kwargs)
    if getattr(callee, "__symdiff_detach__", False):
        return context.cut(args[0], callee.__name__, frame.span(node))
    if getattr(callee, "__symdiff_cuts__", False):
        return callee
    if getattr(callee, "__symdiff_loop__", False):
        return (yield hinted(frame, callee, args, kwargs, node))
    if getattr(callee, "__symdiff_pass__", False):
        return PassThrough()
    if hasattr(callee, "__symdiff_operator__"):
        return callee(*args, **kwargs)
    if hasattr(callee, "__symdiff_derivative__"):
        return (yield _nested(frame, callee.__symdiff_derivative__, args, kwargs, node))
    if context.memory is not None:
        args = [context.memory.now(x) for x in args]
    changed = writing_call(context, callee, args, kwargs)
    if changed is not NotImplemented:
        return changed
    if isinstance(callee, BoundMethod):
        if callee.name == "fill" and isinstance(callee.owner, Expr):
            memory_of(context).fill(callee.owner, *args, **kwargs)
            return None
        result = _noting_cast(frame, call_method(callee, args, kwargs), node)
        return returned(context.memory, callee.name, result)
    if isinstance(callee, Method):
        return (yield call(frame, callee.function, [callee.owner, *args], kwargs, node))
    if isinstance(callee, ContainerMethod):
        return (yield container_method(frame, callee, args, kwargs, node))
    handler = spelled(callee)
    if handler is not None:
        check_arguments(callee, args, kwargs)
        out = kwargs.pop("out", None)
        result = handler(*args, **kwargs)
        if out is not None:
            return with_out(context, out, result)
        return returned(context.memory, callee.__name__, result)
    if isinstance(callee, functools.partial):
        merged = {**{k: from_python(v) for k, v in callee.keywords.items()}, **kwargs}
        first = [from_python(a) for a in callee.args]
        return (yield call(frame, callee.func, [*first, *args], merged, node))
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
    if isinstance(callee, Record):
        method = user_method(callee, "__call__")
        if method is None:
            raise TypeError(f"'{callee.cls.__name__}' object is not callable")
        return (yield call(frame, method, [callee, *args], kwargs, node))
    if hasattr(callee, "_fields") or is_user_class(callee):
        return (yield instantiate(frame, callee, args, kwargs, node))
    if _makes_values(callee) and is_static(args) and is_static(kwargs):
        return callee(*args, **kwargs)
    if isinstance(callee, CACHED):
        return (yield call(frame, callee.__wrapped__, args, kwargs, node))
    if is_pure(callee) and is_static(args) and is_static(kwargs):
        return callee(*args, **kwargs)
    method = python_call(callee)
    if method is not None:
        return (yield call(frame, method, [callee, *args], kwargs, node))
    name = getattr(callee, "__name__", type(callee).__name__)
    module = getattr(callee, "__module__", None) or ""
    plain = module in ("builtins", "__main__", "") or getattr(builtins, name, None) is callee
    where = name if plain else f"{module}.{name}"
    if not callable(callee):
        raise IllTypedError(f"{kind_name(callee)} object is not callable")
    raise UnsupportedError(
        f"{where} is not in the table of primitives",
        hint="write it with functions that `symdiff primitives` lists, or give it a derivative "
        "with @symdiff.rule",
    )


def _is_of_numpy(callee: Any) -> bool:
    return isinstance(callee, BoundMethod) or spelled(callee) is not None


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


def note_made(context: Context, value: Any, deep: bool) -> None:
    """A container that has just been made is the function's own; deep: with all that is in it."""
    own = value.fields if isinstance(value, Record) else value
    if isinstance(own, (list, dict, set)):
        context.born(own)
    if deep and isinstance(own, (list, dict, tuple)):
        for part in own.values() if isinstance(own, dict) else own:
            note_made(context, part, deep)


CACHED: Any = type(functools.cache(len))
# What the standard library computes with, and never changes.
VALUE_CLASSES = (enum.Enum, fractions.Fraction, decimal.Decimal, range, bytes)


def _makes_values(callee: Any) -> bool:
    if isinstance(getattr(callee, "__self__", None), property):  # @value.setter
        return True
    return isinstance(callee, type) and issubclass(callee, (BaseException, *VALUE_CLASSES))


def container_method(
    frame: Frame, method: ContainerMethod, args: list[Any], kwargs: dict[str, Any], node: ast.AST
) -> Evaluation:
    """A method of a list, dict or set: Python does it, on containers the function has made."""
    owner, name = method.owner, method.name
    if isinstance(owner, Record):
        return method.function(*args, **kwargs)
    if name in CHANGING:
        frame.context.check_mutable(owner)
    if isinstance(owner, list) and name in ("index", "count", "remove"):
        if not is_static(owner) or not is_static(args):
            raise UnsupportedError(
                f"list.{name} compares values that are known only at run time",
                hint="keep track of the position yourself",
            )
    elif isinstance(owner, list) and name == "sort":
        owner[:] = yield call(frame, sorted, [owner], kwargs, node)
        return None
    elif name in ("extend", "update", "union", "intersection", "difference", "issubset",
                  "issuperset", "isdisjoint", "symmetric_difference"):  # fmt: skip
        for i, value in enumerate(args):
            if not isinstance(value, (dict, Mapping)):
                args[i] = items_of((yield iterated(frame, value, node)))
    elif isinstance(owner, (dict, set)) and not isinstance(owner, list) and args:
        args[0] = static_index(args[0], "a key of a container")
    elif isinstance(owner, list) and name in ("insert", "pop") and args:
        args[0] = static_index(args[0], "an index into a Python container")
    if isinstance(owner, list) and frame.context.looping:
        _note_length(frame.context, owner, name)
    result = method.function(*args, **kwargs)
    made = isinstance(result, (list, dict, set)) and name not in ("get", "pop", "setdefault")
    return frame.context.born(result) if made else from_python(result)


def _note_length(context: Context, owner: list[Any], name: str) -> None:
    """A round changes a list: one that it drops more of than there was before it has grown."""
    longest = context.longest.setdefault(id(owner), [])
    if len(owner) > len(longest):
        longest[:] = owner
    older = any(context.born_at[id(owner)] < serial for serial in context.looping)
    if name == "pop" and not owner and longest and older:
        raise UnequalListsError(owner, longest)


CHANGING = frozenset((
    "append", "extend", "insert", "pop", "update", "setdefault", "clear", "remove", "reverse",
    "sort", "popitem", "add", "discard", "difference_update", "intersection_update",
    "symmetric_difference_update",
))  # fmt: skip


# Helper functions.


def inline(frame: Frame, callee: Any, args: list[Any], kwargs: dict[str, Any]) -> Evaluation:
    """Evaluate the body of a Python function on these arguments."""
    if isinstance(callee, Closure):
        node, source, home = callee.node, callee.frame.source, callee.frame
        outer, scope = home.outer, home.globals
        defaults, kw_defaults = callee.defaults, callee.kw_defaults
        parent: Frame | None = home
    else:
        function = callee
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
    inner = Frame(context, source, env, outer, scope, parent=parent, level=context.lazy)
    inner.node = node
    context.calls += 1
    home = (node, id(parent)) if isinstance(callee, Closure) else callee
    inner.call = Called(home, dict(env), context.open_loops, context.calls)
    if not is_generator(node):
        known = called(inner)
        if known is not NotImplemented:
            return known
    context.frames.append(inner)
    inner.entry = context.path
    saved = context.path
    frame.context.depth += 1
    if frame.context.depth > MAX_DEPTH:
        raise UnsupportedError(
            f"{getattr(callee, '__name__', 'a function')} calls itself without an end that is "
            "known when compiling",
            hint="recursion must stop on a static value",
        )
    if is_generator(node):
        inner.yielded = []
        yield eagerly(context, Step(inner, body_of(inner, node)))
        result = stream_of(context, inner.yielded, *env.values())
    else:
        result = yield evaluated(inner, lambda made: body_of(made, node))
    context.frames.pop()
    frame.context.depth -= 1
    context.path = saved
    return result


def body_of(frame: Frame, node: FunctionNode) -> Evaluation:
    """The value of a function's body in its frame."""
    if isinstance(node, ast.Lambda):
        return (yield Step(frame, node.body))
    try:
        signal = yield Step(frame, block(frame, node.body))
    except UnreachableError:
        if not frame.exits:
            raise
        context = frame.context
        del context.frames[context.frames.index(frame) + 1 :]
        signal = Raised()
    try:
        return result_of(frame, signal)
    except SymdiffError as error:
        raise error.located(frame.span(node)) from None


def closure_variables(function: types.FunctionType) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    return Cells(dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)))


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


# Generators.


@functools.lru_cache(maxsize=1024)
def is_generator(node: FunctionNode) -> bool:
    """Whether a function has `yield` in its own body."""
    stack: list[ast.AST] = list(ast.iter_child_nodes(node))
    while stack:
        inner = stack.pop()
        if isinstance(inner, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(inner, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(inner))
    return False


@handles(ast.Yield)
def yield_expression(frame: Frame, node: ast.Yield) -> Evaluation:
    """A generator gives one more item: all are computed when it is called (see `Stream`)."""
    value = None if node.value is None else (yield node.value)
    _yielding(frame).append(value)
    return None


@handles(ast.YieldFrom)
def yield_from(frame: Frame, node: ast.YieldFrom) -> Evaluation:
    _yielding(frame).extend(items_of((yield iterable(frame, node.value))))
    return None


def _yielding(frame: Frame) -> list[Any]:
    if frame.yielded is None:
        raise UnsupportedError(
            "a generator as the function to differentiate is not supported",
            hint="return a tuple or a list",
        )
    if frame.context.path != frame.entry or frame.context.open_loops:
        raise UnsupportedError(
            "'yield' under a run-time condition is not supported",
            hint="yield on every path, or return a list",
        )
    if len(frame.yielded) > MAX_ITEMS:
        raise UnsupportedError(
            "a generator without end is not supported", hint="give it a number of rounds"
        )
    return frame.yielded


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
