"""Shapes as the rows need them: normal forms for axes, sizes of slices, sizes as values."""

from __future__ import annotations

import functools
import hashlib
import math
from typing import Any

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr, Var
from symdiff.ir.types import INT, Dim, Shape, SymDim, dim_add, dim_mul, is_counted, symbol
from symdiff.ir.walk import topological
from symdiff.primitives.arithmetic import (
    add,
    floor_divide,
    multiply,
    negative,
    remainder,
    subtract,
)
from symdiff.primitives.elementary import maximum, minimum
from symdiff.primitives.row import Discrete, as_expr

# A size as an integer value: `len(x)`. Its one attribute is the Dim.
size = Discrete("size", lambda attrs, types: INT, numpy="size", attrs=("dim",))

# The size that an array really has along an axis, whatever its type says; attrs are (axis,).
axis_size = Discrete("axis_size", lambda attrs, types: INT, numpy="axis_size", attrs=("axis",))


def size_of(dim: Dim) -> Any:
    """The size `dim` as a value: a Python int where it is known, else an expression."""
    return dim if isinstance(dim, int) else size.build(attrs=(dim,))


def length_of(x: Expr, axis: int = 0) -> Any:
    """The size of `x` along `axis`, as `size_of`; of what a mask keeps, asked of `x` itself."""
    dim = x.type.shape[axis]
    return axis_size.build(x, attrs=(axis,)) if is_counted((dim,)) else size_of(dim)


def element_count(x: Expr) -> Any:
    """How many elements `x` has."""
    if not is_counted(x.type.shape):
        return size_of(shape_size(x.type.shape))
    lengths = [as_expr(length_of(x, axis)) for axis in range(x.type.rank)]
    return functools.reduce(multiply.build, lengths)


def shape_size(shape: Shape) -> Dim:
    """The number of elements."""
    return dim_mul(*shape)


def normal_axis(axis: Any, rank: int) -> int:
    """`axis` counted from the end (-1 is the last), which leading axes do not change."""
    if isinstance(axis, Expr) or not hasattr(axis, "__index__"):
        raise UnsupportedError(
            "an axis must be an integer that is known when compiling",
            hint="make the parameter static, or write the axis as a number",
        )
    index = axis.__index__()
    if not -rank <= index < rank:
        raise IllTypedError(f"axis {index} is out of bounds for an array of {rank} dimensions")
    return index - rank if index >= 0 else index


def normal_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that a reduction's `axis` argument means, sorted, counted from the end."""
    if axis is None:
        return tuple(range(-rank, 0))
    many = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(sorted(normal_axis(a, rank) for a in many))
    if len(set(axes)) != len(axes):
        raise IllTypedError("duplicate value in 'axis'")
    return axes


def drop_axes(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """`shape` after reducing `axes`."""
    gone = {a + len(shape) for a in axes}
    if keepdims:
        return tuple(1 if i in gone else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in gone)


def expression_text(node: Expr) -> str:
    """An integer expression as Python source: the name of a size that depends on it."""
    match node:
        case Const(value):
            return str(int(value))
        case Var() if node.tag:
            raise UnsupportedError(
                "a size that changes from round to round is not supported here",
                hint="take a slice of an array that is made before the loop",
            )
        case Var(name):
            return name
        case Apply() if node.op is size:
            return str(node.attrs[0])
        case Apply() if node.op in (add, subtract, multiply):
            sign = {add: "+", subtract: "-", multiply: "*"}[node.op]
            left, right = map(expression_text, node.operands)
            return f"({left}) {sign} ({right})"
        case Apply() if node.op in (floor_divide, remainder):
            left, right = map(expression_text, node.operands)
            return f"({left}) {'//' if node.op is floor_divide else '%'} ({right})"
        case Apply() if node.op is negative:
            return f"-({expression_text(node.operands[0])})"
        case Apply() if node.op in (maximum, minimum):
            left, right = map(expression_text, node.operands)
            return f"{'max' if node.op is maximum else 'min'}({left}, {right})"
        case _:
            raise UnsupportedError(
                "a size that depends on a computed integer is not supported here",
                hint="pass the size as an integer parameter",
            )


def is_steady(value: Expr) -> bool:
    """Whether an integer is made of sizes and parameters alone, so that its formula names a size.

    What loops bind and compute changes from round to round, under one name.
    """
    stack = [value]
    while stack:
        match stack.pop():
            case Const():
                pass
            case Var(tag=tag):
                if tag:
                    return False
            case Apply() as node if node.op in _FORMULAS:
                if node.op is size and is_counted(node.attrs):
                    return False
                stack += node.operands
            case _:
                return False
    return True


_FORMULAS = frozenset(
    (size, axis_size, add, subtract, multiply, negative, floor_divide, remainder, maximum, minimum)
)


def counted_size(kind: str, *parts: Any) -> Dim:
    """The name of a size that only an array of it tells; equal parts give one size."""
    digests: dict[Expr, str] = {}
    for node in topological([p for p in parts if isinstance(p, Expr)]):
        own = (node.name, node.tag) if isinstance(node, Var) else getattr(node, "attrs", ())
        own = node.value if isinstance(node, Const) else own
        op = node.op.name if isinstance(node, Apply) else getattr(node, "index", "")
        below = [digests[x] for x in node.operands]
        text = f"{type(node).__name__} {op} {own} {' '.join(below)}"
        digests[node] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    texts = [digests[p] if isinstance(p, Expr) else str(p) for p in parts]
    whole = hashlib.sha1(" ".join(texts).encode(), usedforsecurity=False).hexdigest()
    return symbol(f"count({kind} {whole[:16]})")


def as_dim(value: Any) -> Dim:
    """A size from a Python int or an integer expression."""
    if isinstance(value, SymDim):
        return value
    if not isinstance(value, Expr):
        if not hasattr(value, "__index__"):
            raise IllTypedError(f"a size must be an integer, not {type(value).__name__}")
        return value.__index__()
    match value:
        case Const(number) if isinstance(number, int):
            return number
        case Apply() if value.op is size:
            return value.attrs[0]
        case Apply() if value.op is axis_size:
            return value.operands[0].type.shape[value.attrs[0]]
        case Apply() if value.op is add:
            return dim_add(*map(as_dim, value.operands))
        case Apply() if value.op is subtract:
            left, right = map(as_dim, value.operands)
            return dim_add(left, dim_mul(-1, right))
        case Apply() if value.op is multiply:
            return dim_mul(*map(as_dim, value.operands))
        case Apply() if value.op is negative:
            return dim_mul(-1, as_dim(value.operands[0]))
        case _ if value.type.dtype == "int" and not is_steady(value):
            return counted_size("size", value)
        case Var(name) if value.type.dtype == "int":
            return symbol(f"({name})")  # in parentheses: unlike an axis, it may be 0 or 1
        case _ if value.type.dtype == "int":
            return symbol(expression_text(value))
        case _:
            raise IllTypedError("a size must be an integer", hint="use int(...) on it")


def as_shape(value: Any) -> Shape:
    """A shape from an int or a sequence of sizes."""
    if isinstance(value, (tuple, list)):
        return tuple(as_dim(v) for v in value)
    return (as_dim(value),)


def slice_size(dim: Dim, start: Any, stop: Any, step: Any) -> Dim:
    """How many elements `[start:stop:step]` takes of an axis of size `dim`.

    Exact whatever the sizes are, but for `needed_length`: what the axis must at least be.
    """
    parts = (start, stop, step)
    if not all(is_steady(p) for p in parts if isinstance(p, Expr)):
        return counted_size("slice", dim, *parts)
    static = all(part is None or isinstance(part, int) for part in parts)
    if static and isinstance(dim, int):
        return len(range(dim)[start:stop:step])
    if static and start is None and stop is None and step == -1:
        return dim
    if static and step in (None, 1):
        return _static_size(dim, start, stop)
    if step is None:
        inside = _inside(dim, start, stop)
        if inside is not None:
            return inside
    texts = ["" if p is None else expression_text(as_expr(p)) for p in parts]
    suffix = f":{texts[2]}" if texts[2] else ""
    return symbol(f"len(range({dim})[{texts[0]}:{texts[1]}{suffix}])")


def _takes_one(start: int | None, stop: int | None) -> bool:
    """Whether `[start:stop]` takes one element of any array that is long enough.

    A column `x[:, :1]` must be known to be one wide, since it broadcasts.
    """
    first = start or 0
    if stop is None:
        return first == -1
    return stop == first + 1 and (first < 0) == (stop < 0)


def needed_length(start: Any, stop: Any, step: Any) -> int:
    """How long an axis of unknown size must be for `slice_size` to be right."""
    static = all(part is None or isinstance(part, int) for part in (start, stop, step))
    if not static or step not in (None, 1) or (start is None and stop is None):
        return 0
    first = start or 0
    if _takes_one(start, stop):
        return -first if first < 0 else first + 1
    if first >= 0 and (stop is None or stop < 0):
        less = first - (stop or 0)
        return less if less <= 2 else 0
    return 0


def _static_size(dim: Dim, start: int | None, stop: int | None) -> Dim:
    first = start or 0
    if _takes_one(start, stop):
        return 1
    if first >= 0 and (stop is None or stop < 0):
        less = first - (stop or 0)
        # A symbol is a size of two or more (see `least_size`).
        return dim_add(dim, -less) if less <= 2 else symbol(f"max({dim} - {less}, 0)")
    least = least_size(dim)
    if first < 0 and -first <= least and (stop is None or stop < 0):
        return max(0, (stop or 0) - first)
    if first >= 0 and stop is not None and 0 <= stop <= least:
        return max(0, stop - first)
    if start is None:
        return symbol(f"min({stop}, {dim})")
    return symbol(f"len(range({dim})[{first}:{'' if stop is None else stop}])")


def _inside(dim: Dim, start: Any, stop: Any) -> Dim | None:
    """The size of a slice whose bounds are made of sizes; None where they may be negative.

    x[:n - 1] of n elements has n - 1, x[:m] has min(m, n).
    """
    lower = as_dim(start) if start is not None else 0
    upper = as_dim(stop) if stop is not None else dim
    if _least(lower) is None or _least(upper) is None:
        return None
    taken = dim_add(upper, dim_mul(-1, lower))
    ends = _least(dim_add(dim, dim_mul(-1, upper))) is not None
    if ends and _least(taken) is not None:
        return taken
    if start is None:
        return symbol(f"min({upper}, {dim})")
    if stop is None:
        return symbol(f"max({taken}, 0)")
    return None


def _least(dim: Dim) -> int | None:
    """What a bound is at least, where that is known and not negative."""
    if isinstance(dim, int):
        return dim if dim >= 0 else None
    least = 0
    for factors, coefficient in dim.terms:
        sure = ("len(", "min(", "max(", "count(")
        if factors and coefficient < 0:
            return None
        if any("(" in name and not name.startswith(sure) for name in factors):
            return None
        least += coefficient * math.prod(0 if "(" in name else 2 for name in factors)
    return least if least >= 0 else None


def least_size(dim: Dim) -> int:
    """What `dim` is at least: sizes 0 and 1 are part of a signature, so a symbol is 2 or more."""
    if isinstance(dim, int):
        return dim
    least = 0
    for factors, coefficient in dim.terms:
        if factors and (coefficient < 0 or any("(" in name for name in factors)):
            return 0
        least += coefficient * 2 ** len(factors)
    return max(0, least)


def known(dim: Dim) -> bool:
    return not isinstance(dim, SymDim)


def product(values: Any) -> int:
    return math.prod(values)
