"""From a Python function and what is known of its arguments to an IR function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symdiff.errors import SymdiffError, UnsupportedError
from symdiff.ir.expr import Expr, If, Loop, Var
from symdiff.ir.function import Function, Param, Path, moved_ahead, moved_paths
from symdiff.ir.tree import Tree, expressions, leaves, map_tree
from symdiff.ir.walk import substitute, topological
from symdiff.parse import (
    branches,
    calls,
    comparing,
    containers,
    loops,
    matching,
    raising,
    scoping,
    statements,
)
from symdiff.parse import expressions as _expressions
from symdiff.parse.alike import born
from symdiff.parse.calls import body_of, closure_variables
from symdiff.parse.custom import custom_call
from symdiff.parse.definitions import definitions_of, named
from symdiff.parse.frame import (
    Called,
    Context,
    Frame,
    NeedsMemoryError,
    NeedsPopsError,
    RecursionFoundError,
    UnreachableError,
    run,
)
from symdiff.parse.growing import Grown
from symdiff.parse.memory import Memory, without_marks
from symdiff.parse.nullable import without_none
from symdiff.parse.objects import refuse_results
from symdiff.parse.recursion import evaluated
from symdiff.parse.requires import requirements
from symdiff.parse.sizes import sizes_of
from symdiff.parse.source import definition_of, python_call
from symdiff.parse.values import from_python
from symdiff.primitives.sharing import kept_apart
from symdiff.primitives.spell import kind_name, to_expr


def parse(
    function: Callable[..., Any],
    arguments: Mapping[str, Tree],
    *,
    opened: Iterable[str] = (),
    nested: Callable[..., Any] | None = None,
) -> Function:
    """The IR of `function` for these arguments.

    function: a Python function, method, or `functools.partial` of one.
    arguments: each parameter's tree, of `Var`s where it is dynamic.
    opened: local variables that `wrt` names. nested: how derivatives inside it are made.
    Raises SymdiffError, with a span, for what is not supported.
    """
    writes, pops, recursive = False, False, frozenset[Hashable]()
    while True:
        context = Context(opened=frozenset(opened), nested=nested, recursive=recursive, pops=pops)
        if writes:
            context.memory = Memory(context)
        try:
            return _evaluated(function, arguments, context)
        except NeedsMemoryError:
            writes = True
        except NeedsPopsError:
            pops = True
        except RecursionFoundError as found:
            recursive |= {found.place}


def _evaluated(
    function: Callable[..., Any], arguments: Mapping[str, Tree], context: Context
) -> Function:
    """The IR of a function, evaluated in a context of its own."""
    plain, bound = unwrap(function)
    definition = definition_of(plain)
    frame = Frame(
        context, definition.source, {}, closure_variables(plain), plain.__globals__, top=True
    )
    frame.env.update({k: from_python(v) for k, v in bound.items()})
    frame.env.update(map_tree_values(arguments))
    frame.node = definition.node
    frame.call = Called(plain, dict(frame.env))
    context.frames.append(frame)
    if context.memory is not None:
        for name, tree in arguments.items():
            born(context, frame.env[name])  # what they hold is followed, too
            for leaf in expressions(tree):
                if leaf.type.rank:
                    assert isinstance(leaf, Var)
                    context.memory.arguments[context.memory.register(leaf)] = leaf
        context.lent.update(context.births)
    try:
        rule = getattr(plain, "__symdiff_rule__", None)
        if rule is None:
            value = run(frame, evaluated(frame, lambda made: body_of(made, definition.node)))
        else:  # its own derivative, as where it is called
            value = run(frame, custom_call(frame, plain, rule, list(frame.env.values()), {}))
    except UnreachableError:
        raise UnsupportedError(
            f"{plain.__name__} raises an exception for every argument",
            span=definition.source.span(definition.node),
        ) from None
    except RecursionError:
        raise UnsupportedError(
            f"{plain.__name__} is nested too deeply for Python's own parser",
            span=definition.source.span(definition.node),
        ) from None
    span = definition.source.span(definition.node)
    try:
        refuse_results(value)
    except UnsupportedError as error:
        raise error.located(definition.source.span(definition.node)) from None
    context.path = ()
    result = map_tree(_leaf, without_none(context, value))
    context.note(tuple(expressions(result)))
    effects: Effects = ()
    if context.memory is not None:
        result, effects = _without_marks(context, result, context.memory.effects())
    left = [value for _, value in effects]
    order = topological([*expressions(result), *left])
    _check_result(result, order, plain.__name__, span)
    params = tuple(
        Param(p.name, arguments[p.name], _default(p), _kind(p))
        for p in inspect.signature(function).parameters.values()
        if p.name in arguments
    )
    locals_, closing = _markers(context)
    requires = requirements(context, frozenset(_variables(params)))
    requires += kept_apart(dict(effects), _variables(params))
    if closing:
        found = expressions(result)
        closed = dict(zip(found, substitute(found, closing), strict=True))
        result = map_tree(lambda x: closed[x] if isinstance(x, Expr) else x, result)
        left = substitute(left, closing)
        order = topological([*expressions(result), *left])
        flat = substitute([x for r in requires for x in (r.fails, r.by)], closing)
        requires = tuple(
            replace(r, fails=fails, by=by)
            for r, fails, by in zip(requires, flat[::2], flat[1::2], strict=True)
        )
    made = Function(
        name=_name(plain),
        params=params,
        result=result,
        names=dict(context.names),
        lines=dict(context.lines),
        sizes=sizes_of(params, order),
        requires=requires,
        effects=tuple((v, value) for (v, _), value in zip(effects, left, strict=True)),
        cuts=tuple(context.cuts),
        locals={**dict.fromkeys(context.known_locals), **locals_},
        span=span,
        reads=tuple(context.reads.values()),
        ahead={v: frozenset(nodes) for v, nodes in context.ahead.items()},
        paths=_paths(context, order),
    )
    roots = [*made.results, *(x for r in requires for x in (r.fails, r.by))]
    definitions = definitions_of(context, roots)
    return named(made, definitions) if definitions else made


def _paths(context: Context, order: Sequence[Expr]) -> dict[Expr, Path]:
    """`Function.paths`: only branches make a difference."""
    if not any(type(node) is If for node in order):
        return {}
    found: dict[Expr, Path] = {}
    for node in order:
        path = context.seen.get(node)
        if path is not None and node.operands:
            found[node] = path
            if isinstance(node, Loop):
                found.update(dict.fromkeys(node.bound, path))
    return found


Effects = tuple[tuple[Var, Expr], ...]


def _without_marks(context: Context, result: Tree, effects: Effects) -> tuple[Tree, Effects]:
    """The results, and all that was noted of the evaluation, without the marks of array objects."""
    marks = context.markers.values()
    roots = [
        *expressions(result), *(value for _, value in effects),
        *context.names, *context.evaluated,
        *(p for paths in context.evaluated.values() for path in paths for p, _ in path),
        *(x for demand in context.demands for x in demand.expressions),
        *(cut.node for cut in context.cuts), *(v for found in marks for _, v in found),
    ]  # fmt: skip
    new = without_marks(roots)

    def bare(path: Any) -> Any:
        return tuple((new[p], side) for p, side in path)

    context.names = {new[n]: name for n, name in reversed(context.names.items())}
    context.lines = {new[n]: line for n, line in reversed(context.lines.items()) if n in new}
    context.ahead = moved_ahead(context.ahead, new)
    context.seen = {**moved_paths(context.seen, new)}
    context.evaluated = {
        new[n]: {bare(path): None for path in paths} for n, paths in context.evaluated.items()
    }
    context.demands = [demand.moved(new.__getitem__) for demand in context.demands]
    context.cuts = [replace(cut, node=new[cut.node]) for cut in context.cuts]
    for name, found in context.markers.items():
        context.markers[name] = [(marker, new[v]) for marker, v in found]
    bared = map_tree(lambda x: new[x] if isinstance(x, Expr) else x, result)
    return bared, tuple((v, new[value]) for v, value in effects)


def _variables(params: Iterable[Param]) -> list[Expr]:
    return [leaf for p in params for leaf in expressions(p.tree)]


def unwrap(function: Any) -> tuple[types.FunctionType, dict[str, Any]]:
    """The Python function behind a method or partial, and the arguments bound already."""
    import functools

    bound: dict[str, Any] = {}
    while True:
        if isinstance(function, functools.partial):
            signature = inspect.signature(function.func)
            bound = {
                **signature.bind_partial(*function.args, **function.keywords).arguments,
                **bound,
            }
            function = function.func
        elif isinstance(function, types.MethodType):
            owner = next(iter(inspect.signature(function.__func__).parameters))
            bound[owner] = function.__self__
            function = function.__func__
        elif isinstance(function, types.FunctionType):
            return function, bound
        elif python_call(function) is not None:
            function = types.MethodType(python_call(function), function)
        else:
            name = getattr(function, "__name__", repr(function))
            raise UnsupportedError(
                f"{name} is not a Python function: there is no source to differentiate",
                hint="wrap it: lambda x: " + name + "(x)",
            )


def _name(function: types.FunctionType) -> str:
    name = function.__name__
    return name if name.isidentifier() else "f"


def map_tree_values(arguments: Mapping[str, Tree]) -> dict[str, Any]:
    """Arguments as the body sees them: its own copies of lists and dicts."""
    return {name: map_tree(lambda leaf: leaf, tree) for name, tree in arguments.items()}


def _leaf(value: Any) -> Any:
    """A leaf of the result: numbers become constants; None stays."""
    if isinstance(value, Expr) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Grown):
        raise UnsupportedError(
            "the result holds a list that has grown in a loop", hint="return np.array(rows)"
        )
    try:
        return to_expr(value)
    except SymdiffError:
        return value


def _check_result(result: Tree, order: list[Expr], name: str, span: Any) -> None:
    if any(node.type.is_complex for node in order):
        raise UnsupportedError(
            f"{name} computes with complex numbers, which are not supported",
            span=span,
            hint="write it with real and imaginary parts",
        )
    for leaf in leaves(result):
        if not isinstance(leaf, Expr) and leaf is not None and not isinstance(leaf, str):
            raise UnsupportedError(
                f"{name} returns a {kind_name(leaf)}, which is no number, array or container",
                span=span,
            )


def _default(p: inspect.Parameter) -> str | None:
    if p.default is p.empty:
        return None
    if p.default is None or isinstance(p.default, (bool, int, float, str)):
        return repr(p.default)
    return None


def _kind(p: inspect.Parameter) -> str:
    kinds = {p.KEYWORD_ONLY: "keyword", p.VAR_POSITIONAL: "star", p.VAR_KEYWORD: "starstar"}
    return kinds.get(p.kind, "plain")


def _markers(context: Context) -> tuple[dict[str, Tree], dict[Expr, Expr]]:
    """The last assignment of each opened local, and the markers of earlier ones to close."""
    last: dict[str, Tree] = {}
    closing: dict[Expr, Expr] = {}
    for name, marks in context.markers.items():
        for marker, value in marks[:-1]:
            closing[marker] = substitute([value], closing)[0]
        marker, value = marks[-1]
        last[name] = (marker, substitute([value], closing)[0])
    return last, closing


# The modules whose handlers the evaluator finds in its table.
CONSTRUCTS = (
    branches, calls, comparing, containers, _expressions, loops, matching, raising,
    scoping, statements,
)  # fmt: skip
