"""What the modules that spell NumPy's functions share: registering, options, axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.tree import Record
from symdiff.primitives import elementary as el
from symdiff.primitives.arithmetic import not_equal
from symdiff.primitives.shape import normal_axes, shape_size
from symdiff.primitives.shaping import reshaped
from symdiff.primitives.spell import Spelling, dtype_of, spells, strong, to_expr


def is_dynamic(value: Any) -> bool:
    """Whether an expression stands anywhere in `value`."""
    if isinstance(value, (list, tuple)):
        return any(map(is_dynamic, value))
    if isinstance(value, dict):
        return any(map(is_dynamic, value.values()))
    return isinstance(value, (Expr, Record))


def folds(*objects: Any, method: str | None = None) -> Callable[[Spelling], Spelling]:
    """Register a spelling, as `spells` does; where all is known when compiling NumPy is called.

    So `np.prod((2, 3))` is a size, and `np.argmax(costs)` of a global array an index.
    """

    def register(spelling: Spelling) -> Spelling:
        @functools.wraps(spelling)
        def call(*args: Any, **kwargs: Any) -> Any:
            if is_dynamic(args) or is_dynamic(kwargs):
                return spelling(*args, **kwargs)
            return objects[0](*args, **kwargs)

        for each in objects:
            spells(each)(call)
        if method is not None:
            spells(method=method)(spelling)
        return spelling

    return register


def array_of(value: Any) -> Expr:
    """Any operand as NumPy's functions see it: an array or a NumPy number."""
    return strong(to_expr(value))


def refuse(**options: Any) -> None:
    """An error for an option that is given and not supported."""
    for name, value in options.items():
        if value is not None:
            raise UnsupportedError(f"the option {name}= is not supported here")


def static_int(value: Any, what: str) -> int:
    """An integer that must be known when compiling. Raises UnsupportedError."""
    if isinstance(value, Const) and not value.type.rank:
        value = value.value
    if isinstance(value, Expr):
        raise UnsupportedError(
            f"{what} must be an integer that is known when compiling",
            hint="make the parameter static, or write it as a number",
        )
    if isinstance(value, (float, np.floating)) or not hasattr(value, "__index__"):
        raise IllTypedError(f"{what} must be an integer, not {type(value).__name__}")
    return value.__index__()


def mask_of(value: Any) -> Expr:
    """A condition as booleans: what is not 0 is true."""
    mask = to_expr(value)
    return mask if mask.type.dtype == "bool" else not_equal.build(mask, 0)


def cast_to(x: Expr, dtype: Any) -> Expr:
    """`x.astype(dtype)`."""
    target = dtype_of(dtype)
    return x if x.type.dtype == target else el.cast.build(x, attrs=(target, False))


def as_float_array(x: Expr) -> Expr:
    return x if x.type.differentiable else cast_to(x, np.float64)


def raveled(x: Expr) -> Expr:
    return x if x.type.rank == 1 else reshaped(x, (shape_size(x.type.shape),))


def one_axis_of(x: Expr, axis: Any) -> int:
    """An axis argument that must name one axis."""
    if isinstance(axis, (tuple, list)) or axis is None:
        raise IllTypedError("this function works along one axis")
    return normal_axes(axis, x.type.rank)[0]


def several(arrays: Any, function: str) -> Sequence[Any]:
    """The sequence of arrays that is to be joined; an array is a sequence of its rows."""
    if isinstance(arrays, Record):
        return list(arrays.fields.values())
    if isinstance(arrays, Expr):
        rows = arrays.type.shape[0] if arrays.type.rank else None
        if not isinstance(rows, int):
            raise UnsupportedError(
                f"{function} of one array is supported where its first size is known",
                hint="use reshape, or declare the size: float64[3,n]",
            )
        from symdiff.primitives.spell import subscript

        return [subscript(arrays, i) for i in range(rows)]
    items = list(arrays)
    if not items:
        raise IllTypedError(f"{function} needs at least one array")
    return items
