"""Statements and calls that write into arrays: `a[i] = v`, `a += v`, `a.fill(v)`, `out=a`."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.parse.frame import Context, NeedsMemoryError
from symdiff.parse.memory import Memory
from symdiff.primitives.spell import (
    BoundMethod,
    binary,
    kind_name,
    spelled,
    subscript,
    template_of,
    to_expr,
)


def memory_of(context: Context) -> Memory:
    """The array objects; where there are none yet, the function is evaluated again with them."""
    if context.memory is None:
        raise NeedsMemoryError
    return context.memory


def store_item(context: Context, container: Any, key: Any, value: Any) -> None:
    """`container[key] = value` for an array."""
    if isinstance(container, np.ndarray):
        raise UnsupportedError(
            "this writes into an array that comes from outside the function",
            hint="work on a copy: x = x.copy()",
        )
    if not isinstance(container, Expr):
        raise TypeError(f"'{kind_name(container)}' object does not support item assignment")
    if not container.type.rank:
        raise TypeError("'float' object does not support item assignment")
    memory = memory_of(context)
    memory.store(memory.now(container), key, _array(context, value))


def _array(context: Context, value: Any) -> Any:
    """A value to be written; lists of numbers become arrays."""
    if isinstance(value, (list, tuple)):
        handler = spelled(np.array)
        assert handler is not None
        return handler(value)
    return value if context.memory is None else context.memory.now(value)


def change_item(
    context: Context, container: Expr, key: Any, kind: type, op: Any, current: Any, value: Any
) -> None:
    """`container[key] op= value`."""
    memory = memory_of(context)
    container, value = memory.now(container), _array(context, value)
    template, _ = template_of(container, key)
    current = subscript(container, key)
    repeated = any(e[0] == "array" for e in template)
    if kind in (ast.Add, ast.Sub) and container.type.differentiable and not repeated:
        amount = to_expr(value)
        result = binary(op, current, amount)
        if result.type.shape == current.type.shape and not amount.type.is_complex:
            signed = amount if kind is ast.Add else -_Signed(amount)
            memory.add(container, key, signed, current)
            return
    result = binary(op, current, value)
    context.note(result)
    memory.store(container, key, result)


class _Signed:
    """`-x` for an expression."""

    def __init__(self, x: Expr):
        self.x = x

    def __neg__(self) -> Expr:
        from symdiff.primitives.arithmetic import negative

        return negative.build(self.x)


def change(context: Context, op: Any, current: Expr, value: Any) -> None:
    """`current op= value`: the array itself changes, for all who hold it."""
    memory = memory_of(context)
    current = memory.now(current)
    result = binary(op, current, _array(context, value))
    context.note(result)
    memory.fill(current, result)


_CHANGING = ("partition", "resize", "put", "itemset", "setfield", "byteswap", "setflags")


def writing_call(context: Context, callee: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A call that writes into an array, or NotImplemented: `sort`, `np.add.at`, ..."""
    if isinstance(callee, BoundMethod):
        if callee.name == "sort" and isinstance(callee.owner, Expr):
            sort = spelled(np.sort)
            assert sort is not None
            memory_of(context).fill(callee.owner, sort(callee.owner, *args, **kwargs))
            return None
        if callee.name in _CHANGING and isinstance(callee.owner, Expr):
            raise UnsupportedError(
                f"the method {callee.name} changes the array in place, which is not supported",
                hint="use the function that returns a new one, such as np.sort(x)",
            )
        return NotImplemented
    if callee is np.copyto and len(args) == 2 and not kwargs and isinstance(args[0], Expr):
        memory_of(context).fill(args[0], _array(context, args[1]))
        return None
    owner = getattr(callee, "__self__", None)
    at = isinstance(owner, np.ufunc) and getattr(callee, "__name__", "") == "at"
    if at and owner in (np.add, np.subtract) and len(args) == 3 and isinstance(args[0], Expr):
        memory = memory_of(context)
        target, key, value = args
        amount = to_expr(_array(context, value))
        if owner is np.subtract:
            amount = -_Signed(amount)
        memory.add(memory.now(target), key, amount, subscript(target, key))
        return None
    return NotImplemented


def with_out(context: Context, out: Any, result: Any) -> Any:
    """`np.add(a, b, out=c)`: c holds the result, and is it."""
    (out,) = out if isinstance(out, tuple) else (out,)
    if not isinstance(out, Expr):
        raise UnsupportedError(
            "out= is an array from outside the function", hint="leave it out, or use a copy"
        )
    memory = memory_of(context)
    memory.fill(out, result)
    return memory.now(out)
