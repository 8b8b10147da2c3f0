"""Python's builtins on static containers and dynamic values."""

from __future__ import annotations

import builtins
import collections
import contextlib
import copy
import dataclasses
import functools
import math
import operator
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record, map_tree
from symdiff.ir.types import Type
from symdiff.parse.containers import items_of
from symdiff.parse.expressions import DefaultDict, apply_operator, get_attribute, with_fields
from symdiff.parse.growing import Grown
from symdiff.parse.library import (
    ITERATORS,
    LIBRARY,
    Function,
    Lazy,
    best_by,
    known,
    sorted_list,
    total,
    zipped,
)
from symdiff.parse.objects import MISSING, Method, Super, class_member, class_of, user_method
from symdiff.parse.rounds import Rounds, backwards, enumerated, is_dynamic, range_of
from symdiff.parse.rounds import zipped as zipped_rounds
from symdiff.parse.statements import PassThrough
from symdiff.parse.streams import ENDLESS, Stream
from symdiff.parse.values import is_static, static_index, truth
from symdiff.primitives import elementary
from symdiff.primitives.row import choose
from symdiff.primitives.shape import length_of
from symdiff.primitives.spell import spelled, to_expr


def _len(value: Any) -> Any:
    if isinstance(value, Expr):
        if not value.type.rank:
            raise TypeError("object of type 'float' has no len()")
        return length_of(value)
    if isinstance(value, Rounds):
        return value.count
    if isinstance(value, Grown):
        return value.length
    method = user_method(value, "__len__")
    if method is not None:
        return calling(method, value)
    if isinstance(value, Record):
        if not value.is_namedtuple:
            raise TypeError(f"object of type '{value.cls.__name__}' has no len()")
        return len(value.fields)
    if isinstance(value, Stream):
        raise TypeError("object of an iterator's type has no len()")
    return len(value)


def calling(function: Any, *args: Any) -> Lazy:
    """A call of a Python function, by the evaluator."""

    def run(call: Any) -> Any:
        return (yield call(function, list(args)))

    return Lazy(run)


def _range(*bounds: Any) -> Any:
    from symdiff.ir.expr import Const

    plain = [b.value if isinstance(b, Const) else b for b in bounds]
    if any(isinstance(b, Expr) for b in plain):
        start, stop, step = {1: (0, *plain, 1), 2: (*plain, 1)}.get(len(plain), plain)
        return range_of(start, stop, step)
    return range(*plain)


def _zip(*values: Any, strict: bool = False) -> Any:
    if any(map(is_dynamic, values)):
        return zipped_rounds([v.rest() if isinstance(v, Stream) else v for v in values])
    return zipped(*values, strict=strict)


def _enumerate(values: Any, start: Any = 0) -> Any:
    return enumerated(values, start) if is_dynamic(values) else list(
        enumerate(items_of(values), start)
    )  # fmt: skip


def _reversed(values: Any) -> Any:
    if is_dynamic(values):
        return backwards(values)
    if isinstance(values, (Stream, set)):
        raise TypeError("this object is not reversible")
    return values[::-1] if isinstance(values, range) else items_of(values)[::-1]


def _sum(values: Any, start: Any = 0) -> Any:
    if isinstance(values, Expr) and values.type.rank == 1:
        found = _np(np.sum)(values)
        return found if start == 0 else apply_operator(operator.add, found, start)
    return total(values, start)


def _np(function: Any) -> Any:
    handler = spelled(function)
    assert handler is not None
    return handler


def _extreme(name: str) -> Callable[..., Any]:
    of_python, of_numpy = {
        "max": (elementary.maximum, elementary.greatest),
        "min": (elementary.minimum, elementary.least),
    }[name]

    def run(*values: Any, key: Any = None, **options: Any) -> Any:
        if len(values) == 1 and isinstance(values[0], (Stream, list, tuple, dict, set)):
            items = items_of(values[0])
            if not items and "default" in options:
                return options["default"]
            values = (items,)
        if key is not None:
            return best_by(name, items_of(values[0]) if len(values) == 1 else list(values), key)
        if len(values) == 1 and isinstance(values[0], Expr):
            return _np(np.max if name == "max" else np.min)(values[0])
        items = items_of(values[0]) if len(values) == 1 else list(values)
        if is_static(items):
            return getattr(builtins, name)(items)
        if not items:
            raise ValueError(f"{name}() iterable argument is empty")
        if any(isinstance(item, (tuple, list, dict, Record)) for item in items):
            return best_by(name, items, None)
        result = to_expr(items[0])
        for item in items[1:]:
            if to_expr(item).type.rank or result.type.rank:
                raise ValueError("the truth value of an array is ambiguous: use np.maximum")
            item = to_expr(item)
            weak = result.type.weak and item.type.weak
            result = (of_python if weak else of_numpy).build(result, item)
        return result

    return run


def _abs(value: Any) -> Any:
    if isinstance(value, Record):
        method = user_method(value, "__abs__")
        if method is None:
            raise TypeError(f"bad operand type for abs(): '{value.cls.__name__}'")
        return calling(method, value)
    return elementary.abs_.build(value) if isinstance(value, Expr) else abs(value)


def _float(value: Any = 0.0) -> Any:
    if isinstance(value, Expr):
        if value.type.rank and value.type.shape != (1,) * value.type.rank:
            raise TypeError("only arrays of one element can be converted to Python scalars")
        target = Type("float64", (), True)
        if value.type == target:
            return value
        if value.type.rank:
            value = _np(np.reshape)(value, ())
        return elementary.cast.build(value, attrs=("float64", True))
    return float(value)


def _int(value: Any = 0) -> Any:
    if isinstance(value, Expr):
        if value.type.dtype == "int" and value.type.weak:
            return value
        return elementary.cast.build(value, attrs=("int", True))
    return int(value)


def _bool(value: Any = False) -> Any:
    for name in ("__bool__", "__len__"):
        method = user_method(value, name)
        if method is not None:
            return calling(method, value)
    return truth(value)


def _round(value: Any, digits: Any = None) -> Any:
    if isinstance(value, Expr):
        if digits is not None:
            raise UnsupportedError(
                "round to digits of a run-time value is not supported", hint="round(x * 100) / 100"
            )
        return elementary.rint.build(value)
    return round(value) if digits is None else round(value, digits)


def _pow(base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return pow(base, exponent, modulus)
    return apply_operator(operator.pow, base, exponent)


def _divmod(a: Any, b: Any) -> Any:
    return apply_operator(operator.floordiv, a, b), apply_operator(operator.mod, a, b)


def type_of(value: Any) -> type:
    """The class that Python would say `value` has."""
    if isinstance(value, Expr):
        if value.type.rank or not value.type.weak:
            return np.ndarray if value.type.rank else np.dtype(value.type.dtype).type
        return {"bool": bool, "int": int, "float64": float}.get(value.type.dtype, complex)
    if isinstance(value, (Stream, Super, Method)) or type(value).__name__ == "Closure":
        raise UnsupportedError(
            "the class of this value is not known when compiling", hint="test for what it holds"
        )
    return class_of(value)


def _isinstance(value: Any, kinds: Any) -> bool:
    return issubclass(type_of(value), kinds)


def _type(*args: Any) -> Any:
    if len(args) != 1:
        raise UnsupportedError(
            "a class made with type(...) is not supported", hint="use a class statement"
        )
    return type_of(args[0])


def _hasattr(value: Any, name: str) -> bool:
    if isinstance(value, Record):
        return name in value.fields or hasattr(value.cls, name)
    return hasattr(type_of(value) if isinstance(value, Expr) else value, name)


def _getattr(value: Any, name: str, *default: Any) -> Any:
    if default and not _hasattr(value, name):
        return default[0]
    return attribute_of(value, name)


def attribute_of(value: Any, name: str) -> Any:
    """`value.name` for a name that is a string."""
    member = get_attribute(value, name)
    if isinstance(member, Method) and member.call:
        return calling(member.function, member.owner)
    return member


def _callable(value: Any) -> bool:
    if isinstance(value, Record):
        return class_member(value.cls, "__call__") is not MISSING
    return not isinstance(value, Expr) and callable(value)


def _iter(value: Any) -> Any:
    return value if isinstance(value, Stream) else items_of(value)


def _next(value: Any, *default: Any) -> Any:
    if isinstance(value, ENDLESS):
        raise UnsupportedError(
            "next() of an iterator without end is not supported",
            hint="count in a variable, or zip it",
        )
    if not isinstance(value, Stream):
        raise TypeError(f"'{type_of(value).__name__}' object is not an iterator")
    return value.next(*default)


def _identity_of(value: Any) -> Any:
    raise UnsupportedError(
        "id() is not supported: a derivative has objects of its own", hint="compare with 'is'"
    )


def _vars(*values: Any) -> Any:
    if len(values) == 1 and isinstance(values[0], Record) and not values[0].is_namedtuple:
        return dict(values[0].fields)
    if len(values) == 1 and hasattr(values[0], "__dict__"):
        return dict(vars(values[0]))
    raise UnsupportedError("vars() of this is not supported", hint="use its attributes by name")


def _asdict(value: Any) -> Any:
    if isinstance(value, Record):
        return {k: _asdict(v) for k, v in value.fields.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_asdict, value))
    return {k: _asdict(v) for k, v in value.items()} if isinstance(value, dict) else value


def _copy(value: Any) -> Any:
    if isinstance(value, Record):
        return Record(value.cls, dict(value.fields))
    return value.copy() if isinstance(value, (list, dict, set)) else value


def _deepcopy(value: Any) -> Any:
    return map_tree(lambda leaf: leaf.copy() if isinstance(leaf, set) else leaf, value)


def _text(value: Any = "", *more: Any) -> Any:
    if not is_static(value):
        raise UnsupportedError(
            "a run-time value has no text when compiling",
            hint="print or format the result outside the function",
        )
    return str(value, *more)


def _repr(value: Any) -> str:
    _text(value)
    return repr(value)


def _fold(conjunction: bool) -> Callable[[Any], Any]:
    def run(values: Any) -> Any:
        if isinstance(values, Expr):
            return _np(np.all if conjunction else np.any)(values)
        result: Any = conjunction
        for item in reversed(items_of(values)):
            known = truth(item)
            if isinstance(known, bool):
                result = result if known is conjunction else (not conjunction)
            else:
                result = choose(known, *((result, False) if conjunction else (True, result))).expr
        return result

    return run


def _map(function: Any, *iterables: Any) -> Lazy:
    def run(call: Any) -> Any:
        result = []
        for items in zip(*map(items_of, iterables), strict=False):
            result.append((yield call(function, list(items))))
        return result

    return Lazy(run)


def _filter(function: Any, iterable: Any) -> Lazy:
    def run(call: Any) -> Any:
        result = []
        for item in items_of(iterable):
            kept = item if function is None else (yield call(function, [item]))
            if known(kept, "filter's condition"):
                result.append(item)
        return result

    return Lazy(run)


def _reduce(function: Any, iterable: Any, *initial: Any) -> Lazy:
    def run(call: Any) -> Any:
        items = [*initial, *items_of(iterable)]
        if not items:
            raise TypeError("reduce() of empty iterable with no initial value")
        result = items[0]
        for item in items[1:]:
            result = yield call(function, [result, item])
        return result

    return Lazy(run)


def _print(*args: Any, **kwargs: Any) -> None:
    """What the function prints, its derivative does not: it is no part of the value."""


def _pass(value: Any = None, **kwargs: Any) -> PassThrough:
    return PassThrough()


def _null(enter_result: Any = None) -> PassThrough:
    return PassThrough(enter_result)


def _items(kind: Any) -> Callable[..., Any]:
    return lambda *values: kind(items_of(values[0])) if values else kind()


def _set(kind: Any) -> Callable[..., Any]:
    return lambda *values: kind(
        static_index(v, "an item of a set") for v in (items_of(values[0]) if values else ())
    )


def _dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    given = args[0] if args else {}
    if isinstance(given, dict):
        return {**given, **kwargs}
    found: dict[Any, Any] = {}
    for pair in items_of(given):
        key, value = items_of(pair)
        found[static_index(key, "a key of a dict")] = value
    return {**found, **kwargs}


def _default_dict(factory: Any = None, *args: Any, **kwargs: Any) -> DefaultDict:
    made = DefaultDict(_dict(*args, **kwargs))
    made.factory = factory
    return made


def _fromkeys(keys: Any, value: Any = None) -> dict[Any, Any]:
    return {static_index(k, "a key of a dict"): value for k in items_of(keys)}


def _functions(*these: Any) -> frozenset[Any]:
    """A set of functions; type checkers compare the types of a set's items, one with another."""
    return frozenset(these)


BUILTINS: dict[Any, Callable[..., Any]] = {
    len: _len, range: _range, sum: _sum, max: _extreme("max"), min: _extreme("min"), abs: _abs,
    float: _float, int: _int, bool: _bool, round: _round, pow: _pow, divmod: _divmod,
    isinstance: _isinstance, all: _fold(True), any: _fold(False), sorted: sorted_list, map: _map,
    filter: _filter, functools.reduce: _reduce, print: _print,
    type: _type, getattr: _getattr, hasattr: _hasattr, callable: _callable, iter: _iter,
    next: _next, id: _identity_of, vars: _vars, str: _text, repr: _repr, set: _set(set),
    frozenset: _set(frozenset), dict.fromkeys: _fromkeys, dataclasses.asdict: _asdict,
    issubclass: issubclass, slice: slice, property: property, staticmethod: staticmethod,
    classmethod: classmethod, functools.cached_property: functools.cached_property,
    collections.defaultdict: _default_dict, collections.namedtuple: collections.namedtuple,
    dataclasses.field: dataclasses.field, copy.copy: _copy, copy.deepcopy: _deepcopy,
    functools.wraps: lambda wrapped, *given, **options: Function(lambda made: made),
    tuple: _items(tuple), list: _items(list), dict: _dict,
    zip: _zip,
    enumerate: _enumerate,
    reversed: _reversed,
    contextlib.nullcontext: _null, np.errstate: _pass, dataclasses.replace: with_fields, **LIBRARY,
}  # fmt: skip


BUILTINS[operator.neg] = lambda x: apply_operator(operator.mul, -1, x)
BUILTINS[operator.abs] = _abs
# What gives an iterator, which is used up once.
STREAMING = _functions(zip, map, filter, enumerate, reversed, iter, *ITERATORS)
# What iterates over its arguments, which may be objects with `__iter__`.
ITERATING = _functions(
    sum, max, min, all, any, sorted, tuple, list, set, frozenset, map, filter, zip, enumerate,
    reversed, iter, functools.reduce, math.prod, *ITERATORS,
)  # fmt: skip
# What uses up the iterator that it is given at once.
CONSUMING = _functions(
    sum, max, min, sorted, tuple, list, set, frozenset, dict, math.prod, math.fsum,
    statistics.mean, statistics.fmean,
)  # fmt: skip
# What makes a new container each time.
FRESH = _functions(
    list, dict, set, sorted, dict.fromkeys, collections.defaultdict, vars, copy.copy, copy.deepcopy,
    dataclasses.asdict, dataclasses.replace, operator.add, operator.mul, operator.or_, divmod,
)  # fmt: skip
