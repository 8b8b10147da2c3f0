"""Arrays: filling, reshaping, reducing, multiplying. Linear rows state their transpose."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Expr
from symdiff.ir.types import Dim, DType, Shape, Type, dim_add, is_counted, promote_dtype, show_shape
from symdiff.primitives.elementary import cast, log
from symdiff.primitives.row import (
    Attrs,
    Discrete,
    Linear,
    Reduction,
    Term,
    arithmetic_result,
    as_expr,
    fit,
    float_result,
    indicator,
    zero_of,
)
from symdiff.primitives.shape import (
    as_shape,
    drop_axes,
    is_steady,
    least_size,
    length_of,
    shape_size,
    size,
    size_of,
)

Types = Sequence[Type]


# Filling and broadcasting. `full` has attrs (shape, dtype); its operand is the value.

full = Linear(
    "full", lambda attrs, types: Type(attrs[1], attrs[0]),
    lambda node, ct, i: fit(ct, node.operands[i].type),
    numpy="full", attrs=("shape", "dtype"),
)  # fmt: skip
broadcast_to = Linear(
    "broadcast_to", lambda attrs, types: types[0].strong.with_shape(attrs[0]),
    lambda node, ct, i: fit(ct, node.operands[i].type),
    numpy="broadcast_to", attrs=("shape",),
)  # fmt: skip

# The same, where the shape is known only as that of another array: `np.full_like`.
broadcast_like = Linear(
    "broadcast_like", lambda attrs, types: types[0].strong.with_shape(types[1].shape),
    lambda node, ct, i: fit(ct, node.operands[i].type), slots=lambda node: (0,),
    numpy="broadcast_like",
)  # fmt: skip

# What tells the shape of an array whose sizes are values that rounds compute: its operands.
shaped = Discrete(
    "shaped", lambda attrs, types: Type(attrs[1], attrs[0]), numpy="shaped",
    attrs=("shape", "dtype"),
)  # fmt: skip


def filled(value: Expr, sizes: Any, dtype: DType) -> Expr:
    """An array of a shape as NumPy takes it, an integer or several, full of `value`."""
    shape = as_shape(sizes)
    each = sizes if isinstance(sizes, (tuple, list)) else (sizes,)
    if all(not isinstance(n, Expr) or is_steady(n) for n in each):
        return full.build(value, attrs=(shape, dtype))
    if value.type.dtype != dtype:
        value = cast.build(value, attrs=(dtype, False))
    return broadcast_like.build(value, shaped.build(*map(as_expr, each), attrs=(shape, dtype)))


def _eye_type(attrs: Attrs, types: Types) -> Type:
    return Type(attrs[2], (attrs[0], attrs[1]))


eye = Discrete("eye", _eye_type, numpy="eye", attrs=("rows", "columns", "dtype", "offset"))
arange = Discrete("arange", lambda attrs, types: Type("int", attrs), numpy="arange", attrs=("n",))


# Reshaping.


def _reshaped(node: Apply, ct: Expr, i: int) -> Expr:
    return reshape.build(ct, attrs=(node.operands[0].type.shape,))


reshape = Linear(
    "reshape", lambda attrs, types: types[0].strong.with_shape(attrs[0]), _reshaped,
    numpy="reshape", attrs=("shape",),
)  # fmt: skip


def _expanded(attrs: Attrs, types: Types) -> Type:
    shape = list(types[0].shape)
    rank = len(shape) + len(attrs[0])
    for axis in sorted(a + rank for a in attrs[0]):
        shape.insert(axis, 1)
    return types[0].strong.with_shape(tuple(shape))


expand_dims = Linear(
    "expand_dims", _expanded, lambda node, ct, i: squeeze.build(ct, attrs=node.attrs),
    numpy="expand_dims", attrs=("axes",),
)  # fmt: skip
squeeze = Linear(
    "squeeze",
    lambda attrs, types: types[0].strong.with_shape(drop_axes(types[0].shape, attrs[0], False)),
    lambda node, ct, i: expand_dims.build(ct, attrs=node.attrs),
    numpy="squeeze", attrs=("axes",),
)  # fmt: skip


def _inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    rank = len(permutation)
    inverse = [0] * rank
    for new, old in enumerate(permutation):
        inverse[old + rank] = new - rank
    return tuple(inverse)


transpose = Linear(
    "transpose",
    lambda attrs, types: types[0].with_shape(tuple(types[0].shape[a] for a in attrs[0])),
    lambda node, ct, i: transpose.build(ct, attrs=(_inverse(node.attrs[0]),)),
    numpy="transpose", attrs=("permutation",),
)  # fmt: skip


# Reductions: attrs are (axes, keepdims, ...).


def reduced(rule: Any, bool_to: Any = "int") -> Any:
    """The type rule of a reduction: NumPy sums and multiplies booleans as integers."""

    def infer(attrs: Attrs, types: Types) -> Type:
        base = rule(attrs, types).strong
        if base.dtype == "bool":
            base = base.with_dtype(bool_to)
        return base.with_shape(drop_axes(types[0].shape, attrs[0], attrs[1]))

    return infer


def count(node: Apply) -> Any:
    """How many elements each result of a reduction is made of."""
    (x,) = node.operands
    sizes = tuple(x.type.shape[a] for a in node.attrs[0])
    if not is_counted(sizes):
        return size_of(shape_size(sizes))
    lengths = [Term(as_expr(length_of(x, a % x.type.rank))) for a in node.attrs[0]]
    return functools.reduce(operator.mul, lengths).expr


sum_ = Reduction(
    "sum", reduced(arithmetic_result), lambda x, y, node: 1.0,
    numpy="sum", attrs=("axes", "keepdims"),
)  # fmt: skip
mean = Reduction(
    "mean", reduced(float_result), lambda x, y, node: _one_over(count(node)),
    numpy="mean", attrs=("axes", "keepdims"),
)  # fmt: skip


def _one_over(n: Any) -> Any:
    """1 / n. The mean of no elements at all is nan in NumPy, not an error as in Python."""
    if n == 0:
        return math.nan
    known = isinstance(n, Apply) and n.op is size and least_size(n.attrs[0])
    if isinstance(n, Expr) and not known:
        n = Term.rows["cast"].build(n, attrs=("float64", False))
    return 1.0 / Term(as_expr(n))


def _extreme(x: Term, y: Term, node: Apply) -> Term:
    """Ties share the subgradient equally."""
    hit = indicator(x.equals(y), x)
    return hit / Term(sum_.build(hit, attrs=(node.attrs[0], True)))


max_ = Reduction(
    "max", reduced(arithmetic_result, "bool"), _extreme, numpy="max", attrs=("axes", "keepdims")
)
min_ = Reduction(
    "min", reduced(arithmetic_result, "bool"), _extreme, numpy="min", attrs=("axes", "keepdims")
)


# Products. matmul follows NumPy: operands of one dimension are vectors, leading axes broadcast.


def _matmul_type(attrs: Attrs, types: Types) -> Type:
    a, b = types
    if not a.rank or not b.rank:
        raise IllTypedError("matmul takes arrays of at least one dimension", hint="use * instead")
    inner_a, inner_b = a.shape[-1], b.shape[-2 if b.rank > 1 else -1]
    if isinstance(inner_a, int) and isinstance(inner_b, int) and inner_a != inner_b:
        raise IllTypedError(
            f"matmul of shapes {show_shape(a.shape)} and {show_shape(b.shape)}: "
            f"{inner_a} is not {inner_b}"
        )
    from symdiff.ir.types import broadcast_shapes

    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows: Shape = a.shape[-2:-1] if a.rank > 1 else ()
    columns: Shape = b.shape[-1:] if b.rank > 1 else ()
    return Type(promote_dtype(a, b), lead + rows + columns)


def swap_last(x: Expr) -> Expr:
    """The matrix transpose of the last two axes."""
    rank = x.type.rank
    order = (*range(-rank, -2), -1, -2)
    return transpose.build(x, attrs=(order,))


def outer_product(a: Expr, b: Expr) -> Expr:
    return Term.rows["outer"].build(a, b)


def _matmul_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    a, b = node.operands
    if a.type.rank == 1 and b.type.rank == 1:
        return Term.rows["multiply"].build(ct, b if i == 0 else a)
    if i == 0:
        if b.type.rank == 1:  # (..., n, k) @ (k,) -> (..., n)
            if a.type.rank == 2:
                return outer_product(ct, b)
            return Term.rows["multiply"].build(expand_dims.build(ct, attrs=((-1,),)), b)
        if a.type.rank == 1:  # (k,) @ (..., k, m) -> (..., m)
            return matmul.build(b, ct) if b.type.rank == 2 else squeeze.build(
                matmul.build(b, expand_dims.build(ct, attrs=((-1,),))), attrs=((-1,),)
            )
        return matmul.build(ct, swap_last(b))
    if a.type.rank == 1:
        if b.type.rank == 2:
            return outer_product(a, ct)
        column = expand_dims.build(a, attrs=((-1,),))
        return Term.rows["multiply"].build(column, expand_dims.build(ct, attrs=((-2,),)))
    if b.type.rank == 1:
        if a.type.rank == 2:
            return matmul.build(swap_last(a), ct)
        return squeeze.build(
            matmul.build(swap_last(a), expand_dims.build(ct, attrs=((-1,),))), attrs=((-1,),)
        )
    return matmul.build(swap_last(a), ct)


matmul = Linear("matmul", _matmul_type, _matmul_transpose, numpy="{0} @ {1}")


def _outer_type(attrs: Attrs, types: Types) -> Type:
    a, b = types
    return Type(promote_dtype(a, b), (shape_size(a.shape), shape_size(b.shape)))


def _outer_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    a, b = node.operands
    return matmul.build(ct, b) if i == 0 else matmul.build(swap_last(ct), a)


# The outer product of two vectors (the spelling flattens other operands first).
outer = Linear("outer", _outer_type, _outer_transpose, numpy="np.outer({0}, {1})")


# Joining.


def _joined(attrs: Attrs, types: Types) -> Type:
    (axis,) = attrs
    first = types[0].shape
    for t in types:
        if t.rank != len(first):
            raise IllTypedError("all the arrays to concatenate must have the same dimensions")
    total: Dim = dim_add(*(t.shape[axis] for t in types))
    at = axis + len(first)
    merged = _merged([(*t.shape[:at], 1, *t.shape[at + 1 :]) for t in types], "concatenate")
    return Type(promote_dtype(*(t.strong for t in types)), (*merged[:at], total, *merged[at + 1 :]))


def _merged(shapes: Sequence[Shape], what: str) -> Shape:
    """The one shape that all of `shapes` are; a known size wins over a symbol."""
    merged = list(shapes[0])
    for shape in shapes[1:]:
        for i, dim in enumerate(shape):
            if isinstance(dim, int) and isinstance(merged[i], int) and dim != merged[i]:
                raise IllTypedError(
                    f"shapes {show_shape(shapes[0])} and {show_shape(shape)} do not fit: {what} "
                    "needs equal sizes"
                )
            merged[i] = dim if isinstance(dim, int) else merged[i]
    return tuple(merged)


def _joined_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    from symdiff.primitives.indexing import take_slice

    (axis,) = node.attrs
    start = dim_add(*(x.type.shape[axis] for x in node.operands[:i]))
    stop = dim_add(start, node.operands[i].type.shape[axis])
    return take_slice(ct, axis, size_of(start), size_of(stop))


concatenate = Linear(
    "concatenate", _joined, _joined_transpose, joint=True, numpy="concatenate", attrs=("axis",)
)


def _stacked(attrs: Attrs, types: Types) -> Type:
    (axis,) = attrs
    shape = types[0].shape
    for t in types:
        if t.rank != len(shape):
            raise IllTypedError("all the arrays to stack must have the same shape (this is ragged)")
    at = axis + len(shape) + 1
    shape = _merged([t.shape for t in types], "stack")
    # A Python number is an array of its own here, so float32 beside it becomes float64.
    return Type(promote_dtype(*(t.strong for t in types)), (*shape[:at], len(types), *shape[at:]))


def _stacked_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    from symdiff.primitives.indexing import take

    return take(ct, node.attrs[0], i)


stack = Linear("stack", _stacked, _stacked_transpose, joint=True, numpy="stack", attrs=("axis",))

__all__ = ["Type", "log", "zero_of"]
