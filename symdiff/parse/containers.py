"""Tuples, lists, dicts, sets, comprehensions; and what a loop may run over when compiling."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.frame import Context, Evaluation, Frame, Step, ThrownError, handles
from symdiff.parse.growing import Grown
from symdiff.parse.nullable import present
from symdiff.parse.objects import user_method
from symdiff.parse.rounds import Rounds, Unrolled, is_dynamic
from symdiff.parse.streams import ENDLESS, Stream, bindings, eagerly, limited
from symdiff.parse.values import from_python, static_index, truth
from symdiff.primitives.row import choose
from symdiff.primitives.spell import kind_name, subscript

MAX_ROUNDS = 1_000_000


def items_of(value: Any) -> list[Any]:
    """The items of something iterated over, which must be known in number when compiling."""
    if isinstance(value, Expr):
        if not value.type.rank:
            raise TypeError(f"'{value.type}' object is not iterable")
        rows = value.type.shape[0]
        if not isinstance(rows, int):
            raise UnsupportedError(
                "iterating over an array whose size is known only at run time is not supported",
                hint="use array operations (np.sum, slices), or declare the size: float64[3]",
            )
        return [subscript(value, i) for i in range(rows)]
    if isinstance(value, Record):
        if not value.is_namedtuple:
            raise TypeError(f"'{value.cls.__name__}' object is not iterable")
        return list(value.fields.values())
    if isinstance(value, Stream):
        return value.rest()
    if isinstance(value, Unrolled):
        return items_of(value.iterable)
    if isinstance(value, ENDLESS):
        return limited(value, MAX_ROUNDS // 10)
    if isinstance(value, np.ndarray):
        return list(value)
    if isinstance(value, Grown) and isinstance(value.length, int):
        return [value.at(k) for k in range(value.length)]
    if isinstance(value, (Rounds, Grown)):
        raise UnsupportedError(
            "how many items there are is known only at run time, and they must be known here",
            hint="use a loop, or a list comprehension over one range or array",
        )
    if not isinstance(value, Iterable) or type(value).__name__ == "Closure":
        raise TypeError(f"'{kind_name(value)}' object is not iterable")
    if isinstance(value, range) and len(value) > MAX_ROUNDS:
        raise UnsupportedError(
            f"a loop of {len(value)} rounds is written out round by round, which is too long",
            hint="use array operations (np.sum, np.cumsum), or fewer rounds",
        )
    return [from_python(v) for v in value]


def live_items(context: Context, value: Any) -> Iterator[Any]:
    """The items of what a `for` statement runs over, which its body may change."""
    if isinstance(value, Unrolled):
        yield from live_items(context, value.iterable)
    elif isinstance(value, Stream):
        while value.more():
            yield value.next()
    elif isinstance(value, list):
        i = 0
        while i < len(value):
            yield from_python(value[i])
            i += 1
    elif isinstance(value, (dict, set)):
        size = len(value)
        for item in list(value):
            if len(value) != size:
                raise ThrownError(RuntimeError("container changed size during iteration"))
            yield from_python(item)
    elif context.memory is not None and isinstance(value, Expr):
        for i in range(len(items_of(value))):
            yield subscript(context.memory.now(value), i)
    else:
        yield from items_of(value)


@handles(ast.Tuple)
def tuple_display(frame: Frame, node: ast.Tuple) -> Evaluation:
    return tuple((yield _elements(frame, node.elts)))


@handles(ast.List)
def list_display(frame: Frame, node: ast.List) -> Evaluation:
    return frame.context.born(list((yield _elements(frame, node.elts))))


@handles(ast.Set)
def set_display(frame: Frame, node: ast.Set) -> Evaluation:
    values = yield _elements(frame, node.elts)
    return frame.context.born({static_index(v, "an item of a set") for v in values})


def _elements(frame: Frame, nodes: list[ast.expr]) -> Evaluation:
    values: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            values.extend(items_of((yield iterable(frame, node.value))))
        else:
            values.append((yield node))
    return values


@handles(ast.Dict)
def dict_display(frame: Frame, node: ast.Dict) -> Evaluation:
    result: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        value = yield item
        if key is None:
            result.update(value)
        else:
            result[static_index((yield key), "a key of a dict")] = value
    return frame.context.born(result)


def iterable(frame: Frame, node: ast.expr) -> Evaluation:
    """The value of `node`, which is iterated over: what `__iter__` of a user's class gives."""
    value = yield node
    return (yield iterated(frame, value, node))


def iterated(frame: Frame, value: Any, node: ast.AST) -> Evaluation:
    """What iterating over `value` runs through: `__iter__` of a user's class is called."""
    from symdiff.parse.calls import call

    value = present(frame.context, value, "'NoneType' object is not iterable")

    method = user_method(value, "__iter__")
    if method is not None:
        return (yield call(frame, method, [value], {}, node))
    getter = user_method(value, "__getitem__")
    length = user_method(value, "__len__")
    if getter is None or length is None:
        return value
    items: list[Any] = []
    for i in range(static_index((yield call(frame, length, [value], {}, node)), "a length")):
        items.append((yield call(frame, getter, [value, i], {}, node)))
    return items


@handles(ast.ListComp, ast.SetComp)
def comprehension(frame: Frame, node: ast.ListComp | ast.SetComp) -> Evaluation:
    values = yield collected(frame, node)
    if not isinstance(values, list):
        return values
    if isinstance(node, ast.SetComp):
        values = {static_index(v, "an item of a set") for v in values}
    return frame.context.born(values)


def collected(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Evaluation:
    values: list[Any] = []
    first = yield iterable(frame, node.generators[0].iter)
    if is_dynamic(first):
        return (yield _looped(frame, node, first))
    yield _generate(frame, _scope(frame), list(node.generators), _Collect(node.elt, values), first)
    return values


def listed(frame: Frame, value: Any, node: ast.AST) -> Evaluation:
    """`list(x)` of an array whose length is known only at run time: `[item for item in x]`."""
    name = ast.Name(_ITEM, ast.Load())
    copy = ast.ListComp(name, [ast.comprehension(ast.Name(_ITEM, ast.Store()), name, [], 0)])
    for new in ast.walk(copy):
        ast.copy_location(new, node)
    return (yield _looped(frame, copy, value))


def _looped(frame: Frame, node: Any, first: Any) -> Evaluation:
    """A comprehension over what is counted at run time is a loop that appends.

    [f(v) for v in x if v > 0]   ->   for v in x:
                                          if v > 0: rows.append(f(v))
    """
    if isinstance(node, ast.SetComp):
        raise UnsupportedError(
            "a set of what is known only at run time", hint="use a list, or an array"
        )
    inner = _scope(frame)
    rows = inner.env[_ROWS] = frame.context.born([])
    inner.env[_FIRST] = first
    inner.node = node
    store = ast.Call(
        ast.Attribute(ast.Name(_ROWS, ast.Load()), "append", ast.Load()), [node.elt], []
    )
    body: ast.stmt = ast.Expr(store)
    for i, generator in reversed(list(enumerate(node.generators))):
        for condition in reversed(generator.ifs):
            body = ast.If(condition, [body], [])
        source = generator.iter if i else ast.Name(_FIRST, ast.Load())
        body = ast.For(generator.target, source, [body], [])
    for new in ast.walk(body):
        if not hasattr(new, "lineno"):
            ast.copy_location(new, node)
    frame.context.frames.append(inner)
    yield Step(inner, body)
    frame.context.frames.pop()
    made = inner.env[_ROWS]
    return rows if made is rows else made


def _searched(frame: Frame, node: ast.GeneratorExp, first: Any, conjunction: bool) -> Evaluation:
    """`any` and `all` over what is counted at run time are a loop that ends early.

    any(v > 1.0 for v in x)   ->   for v in x:
                                       if v > 1.0: found = True; break
    """
    inner = _scope(frame)
    inner.env[_FOUND], inner.env[_FIRST] = conjunction, first
    inner.node = node  # type: ignore[assignment]
    test: ast.expr = ast.UnaryOp(ast.Not(), node.elt) if conjunction else node.elt
    set_: ast.stmt = ast.Assign([ast.Name(_FOUND, ast.Store())], ast.Constant(not conjunction))
    body: list[ast.stmt] = [ast.If(test, [set_, ast.Break()], [])]
    found: ast.expr = ast.Name(_FOUND, ast.Load())
    if conjunction:
        found = ast.UnaryOp(ast.Not(), found)
    for i, generator in reversed(list(enumerate(node.generators))):
        for condition in reversed(generator.ifs):
            body = [ast.If(condition, body, [])]
        source = generator.iter if i else ast.Name(_FIRST, ast.Load())
        body = [ast.For(generator.target, source, body, [])]
        if i:  # the loops around it end, too
            body.append(ast.If(found, [ast.Break()], []))
    for new in ast.walk(body[0]):
        if not hasattr(new, "lineno"):
            ast.copy_location(new, node)
    frame.context.frames.append(inner)
    yield Step(inner, body[0])
    frame.context.frames.pop()
    return inner.env[_FOUND]


_ROWS, _FIRST, _FOUND, _ITEM = (
    ".rows",
    ".first",
    ".found",
    ".item",
)  # no name of the user's looks like these


@handles(ast.GeneratorExp)
def generator_expression(frame: Frame, node: ast.GeneratorExp) -> Evaluation:
    """Its items are computed at once; `Stream` checks that this makes no difference."""
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    values = yield eagerly(frame.context, collected(frame, node))
    if not isinstance(values, list):
        raise UnsupportedError(
            "an iterator over what is counted only at run time, used later",
            hint="make a list of it at once: [...]",
        )
    return Stream(frame.context, values, bindings(frame, read))


def quantified(frame: Frame, node: ast.GeneratorExp, conjunction: bool) -> Evaluation:
    """`all(... for ...)` and `any`: what follows the item that decides is not evaluated."""
    first = yield iterable(frame, node.generators[0].iter)
    if is_dynamic(first):
        return (yield _searched(frame, node, first, conjunction))
    context, saved = frame.context, frame.context.path
    pending: list[Expr] = []

    def visit(value: Any) -> bool:
        test = truth(value)
        if isinstance(test, bool):
            return test is conjunction
        pending.append(test)
        context.path = (*context.path, (test, conjunction))
        context.lazy += 1
        return True

    values: list[Any] = []
    collect = _Collect(node.elt, values, until=visit)
    yield _generate(frame, _scope(frame), list(node.generators), collect, first)
    context.path = saved
    context.lazy -= len(pending)
    result: Any = conjunction is not collect.stopped
    for test in reversed(pending):
        result = choose(test, *((result, False) if conjunction else (True, result))).expr
    return result


@handles(ast.DictComp)
def dict_comprehension(frame: Frame, node: ast.DictComp) -> Evaluation:
    inner = _scope(frame)
    keys: list[Any] = []
    values: list[Any] = []
    yield _generate(
        frame, inner, list(node.generators), _Collect(node.key, keys, node.value, values)
    )
    return frame.context.born(
        {static_index(k, "a key"): v for k, v in zip(keys, values, strict=True)}
    )


class _Collect:
    """What a comprehension gathers at its innermost level; `until` says whether to go on."""

    def __init__(
        self,
        elt: ast.expr,
        into: list[Any],
        elt2: ast.expr | None = None,
        into2: Any = None,
        until: Callable[[Any], bool] | None = None,
    ):
        self.pairs = [(elt, into)] + ([(elt2, into2)] if elt2 is not None else [])
        self.until = until
        self.stopped = False


def _scope(frame: Frame) -> Frame:
    """A comprehension's own scope: it sees the function's names, and keeps its variable."""
    inner = Frame(frame.context, frame.source, {}, frame.outer, frame.globals, parent=frame)
    inner.level, inner.comprehension = frame.level, True
    return inner


def _generate(
    frame: Frame,
    inner: Frame,
    generators: list[ast.comprehension],
    collect: _Collect,
    source: Any = None,
) -> Evaluation:
    from symdiff.parse.statements import assign

    if not generators:
        for elt, into in collect.pairs:
            into.append((yield Step(inner, elt)))
        if collect.until is not None and not collect.until(collect.pairs[0][1][-1]):
            collect.stopped = True
        return None
    first, *rest = generators
    home = frame if inner.env == {} else inner
    over = (yield Step(home, iterable(home, first.iter))) if source is None else source
    for item in items_of(over):
        yield assign(inner, first.target, item)
        keep = True
        for condition in first.ifs:
            known = truth((yield Step(inner, condition)))
            if not isinstance(known, bool):
                raise UnsupportedError(
                    "a comprehension's condition must be known when compiling",
                    hint="use a conditional expression: sum(x if x > 0 else 0 for x in xs)",
                )
            if not known:
                keep = False
                break
        if keep:
            yield _generate(frame, inner, rest, collect)
        if collect.stopped:
            break
    return None
