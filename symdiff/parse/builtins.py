"""Python's builtins on static containers and dynamic values."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr, Var
from symdiff.ir.tree import Record
from symdiff.ir.types import Type
from symdiff.parse.containers import items_of
from symdiff.parse.expressions import apply_operator, compare, with_fields
from symdiff.parse.statements import DynamicRange, PassThrough
from symdiff.parse.values import is_static, truth
from symdiff.primitives import elementary
from symdiff.primitives.row import choose
from symdiff.primitives.shape import size_of
from symdiff.primitives.spell import spelled, to_expr


class Lazy:
    """A builtin that calls functions back (map, filter): run by the evaluator."""

    def __init__(self, run: Callable[[Any], Any]):
        self.run = run


def _len(value: Any) -> Any:
    if isinstance(value, Expr):
        if not value.type.rank:
            raise TypeError("object of type 'float' has no len()")
        return size_of(value.type.shape[0])
    return len(value.fields) if isinstance(value, Record) else len(value)


def _range(*bounds: Any) -> Any:
    from symdiff.ir.expr import Const

    plain = [b.value if isinstance(b, Const) else b for b in bounds]
    if any(isinstance(b, Expr) for b in plain):
        return DynamicRange()
    return range(*plain)


def _sum(values: Any, start: Any = 0) -> Any:
    if isinstance(values, Expr) and values.type.rank == 1:
        total = _np(np.sum)(values)
        return total if start == 0 else apply_operator(operator.add, total, start)
    total: Any = start
    for item in items_of(values):
        first = total is start and not isinstance(start, Expr) and start == 0
        total = (
            item if first and isinstance(item, Expr) else apply_operator(operator.add, total, item)
        )
    return total


def _np(function: Any) -> Any:
    handler = spelled(function)
    assert handler is not None
    return handler


def _extreme(name: str) -> Callable[..., Any]:
    row = elementary.maximum if name == "max" else elementary.minimum

    def run(*values: Any, key: Any = None, **options: Any) -> Any:
        if key is not None or options:
            raise UnsupportedError(f"{name} with key= or default= is not supported")
        if len(values) == 1 and isinstance(values[0], Expr):
            return _np(np.max if name == "max" else np.min)(values[0])
        items = items_of(values[0]) if len(values) == 1 else list(values)
        if is_static(items):
            return getattr(builtins, name)(items)
        result = to_expr(items[0])
        for item in items[1:]:
            if to_expr(item).type.rank or result.type.rank:
                raise ValueError("the truth value of an array is ambiguous: use np.maximum")
            result = row.build(result, to_expr(item))
        return result

    return run


def _abs(value: Any) -> Any:
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
    return truth(value)


def _round(value: Any, digits: Any = None) -> Any:
    if isinstance(value, Expr):
        if digits is not None:
            raise UnsupportedError("round to digits of a run-time value is not supported")
        return elementary.rint.build(value)
    return round(value) if digits is None else round(value, digits)


def _pow(base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return pow(base, exponent, modulus)
    return apply_operator(operator.pow, base, exponent)


def _divmod(a: Any, b: Any) -> Any:
    return apply_operator(operator.floordiv, a, b), apply_operator(operator.mod, a, b)


def _isinstance(value: Any, kinds: Any) -> bool:
    many = kinds if isinstance(kinds, tuple) else (kinds,)
    if isinstance(value, Expr):
        if value.type.rank or not value.type.weak:
            natural: Any = np.ndarray if value.type.rank else np.float64
        else:
            natural = {"bool": bool, "int": int, "float64": float}.get(value.type.dtype, complex)
        return issubclass(natural, many)
    if isinstance(value, Record):
        return issubclass(value.cls, many)
    return isinstance(value, many)


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


def _sorted(values: Any, *, key: Any = None, reverse: bool = False) -> Any:
    values = items_of(values)
    if not is_static(values) or key is not None:
        raise UnsupportedError("sorted of run-time values is not supported", hint="use np.sort")
    return sorted(values, reverse=reverse)


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
            known = truth(item if function is None else (yield call(function, [item])))
            if not isinstance(known, bool):
                raise UnsupportedError("filter's condition must be known when compiling")
            if known:
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
    raise UnsupportedError(
        "print is not supported in a differentiated function yet",
        hint="return the value as well (has_aux=True) and print it outside",
    )


def _pass(*args: Any, **kwargs: Any) -> PassThrough:
    return PassThrough()


def _items(kind: Any) -> Callable[..., Any]:
    return lambda *values: kind(items_of(values[0])) if values else kind()


def _dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    pairs = args[0] if args else {}
    pairs = pairs.items() if isinstance(pairs, dict) else [items_of(p) for p in items_of(pairs)]
    return {**dict(pairs), **kwargs}


BUILTINS: dict[Any, Callable[..., Any]] = {
    len: _len, range: _range, sum: _sum, max: _extreme("max"), min: _extreme("min"), abs: _abs,
    float: _float, int: _int, bool: _bool, round: _round, pow: _pow, divmod: _divmod,
    isinstance: _isinstance, all: _fold(True), any: _fold(False), sorted: _sorted, map: _map,
    filter: _filter, functools.reduce: _reduce, print: _print,
    tuple: _items(tuple), list: _items(list), dict: _dict,
    zip: lambda *xs, strict=False: list(zip(*map(items_of, xs), strict=strict)),
    enumerate: lambda xs, start=0: list(enumerate(items_of(xs), start)),
    reversed: lambda xs: items_of(xs)[::-1],
    math.prod: lambda xs, *, start=1: functools.reduce(
        lambda a, b: apply_operator(operator.mul, a, b), items_of(xs), start
    ),
    contextlib.nullcontext: _pass, np.errstate: _pass, dataclasses.replace: with_fields,
}  # fmt: skip


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    BUILTINS[getattr(operator, _name)] = functools.partial(apply_operator, getattr(operator, _name))
BUILTINS[operator.neg] = lambda x: apply_operator(operator.mul, -1, x)
__all__ = ["BUILTINS", "Lazy", "Var", "compare"]
