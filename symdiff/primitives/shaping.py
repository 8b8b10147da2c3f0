"""Rearranging: flips, rolls, tiles, diagonals, triangles, even spacing. All of it linear."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Const, Expr
from symdiff.ir.types import (
    Dim,
    Shape,
    Type,
    broadcast_shapes,
    dim_add,
    dim_mul,
    promote_dtype,
    symbol,
)
from symdiff.primitives.arithmetic import add, multiply, negative, subtract
from symdiff.primitives.arrays import (
    arange,
    concatenate,
    expand_dims,
    full,
    reshape,
    sum_,
    transpose,
)
from symdiff.primitives.indexing import accumulate, index
from symdiff.primitives.printed import call, one_axis, with_offset
from symdiff.primitives.row import Attrs, Linear, as_expr, zero_of

Types = Sequence[Type]
_ALL = ("slice", None, None, None)


# Helpers that need no row of their own.


def flip(x: Expr, axes: Sequence[int]) -> Expr:
    """x[::-1] along `axes`."""
    if not axes:
        return x
    rank = x.type.rank
    backwards = {a % rank for a in axes}
    entries = [("slice", None, None, -1) if i in backwards else _ALL for i in range(rank)]
    while entries[-1] == _ALL:
        entries.pop()
    return index.build(x, attrs=(tuple(entries),))


def move_axis(x: Expr, source: int, target: int) -> Expr:
    """`np.moveaxis` for one axis; both counted from the end."""
    rank = x.type.rank
    order = [i for i in range(-rank, 0) if i != source]
    order.insert(target + rank, source)
    return permuted(x, tuple(order))


def permuted(x: Expr, order: tuple[int, ...]) -> Expr:
    """`np.transpose` with axes counted from the end; nothing where they stay as they are."""
    identity = tuple(range(-x.type.rank, 0))
    return x if order == identity else transpose.build(x, attrs=(order,))


def reshaped(x: Expr, shape: Shape) -> Expr:
    """`np.reshape`; nothing where the shape stays as it is."""
    return x if x.type.shape == shape else reshape.build(x, attrs=(shape,))


def ones_like_slice(x: Expr, axis: int) -> Expr:
    """Ones with the shape of `x`, but of size one along `axis`."""
    shape = tuple(1 if i - x.type.rank == axis else d for i, d in enumerate(x.type.shape))
    return full.build(1.0, attrs=(shape, x.type.dtype))


def join(parts: Sequence[Expr], axis: int) -> Expr:
    return concatenate.build(*parts, attrs=(axis,))


def at_axis(values: Expr, axis: int, rank: int) -> Expr:
    """A vector laid along `axis` of an array of `rank` dimensions, to broadcast against it."""
    ones = tuple(range(axis + 1, 0))
    return expand_dims.build(values, attrs=(ones,)) if ones and rank else values


# Rolling and repeating.


def _roll_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    x, shift = operands
    return call("np.roll", x, shift, axis=one_axis(node.attrs[0], node.operands[0].type.rank))


def negated(x: Expr) -> Expr:
    """-x, computed now where x is a constant."""
    return as_expr(-x.value) if isinstance(x, Const) else negative.build(x)


# Operands are (x, shift); attrs are (axis or None for the flattened array,).
roll = Linear(
    "roll", lambda attrs, types: types[0].strong,
    lambda node, ct, i: roll.build(ct, negated(node.operands[1]), attrs=node.attrs),
    slots=lambda node: (0,), numpy=_roll_shown, attrs=("axis",),
)  # fmt: skip


def _tiled(attrs: Attrs, types: Types) -> Type:
    (reps,) = attrs
    shape = (1,) * (len(reps) - types[0].rank) + types[0].shape
    return types[0].strong.with_shape(
        tuple(dim_mul(r, d) for r, d in zip(reps, shape, strict=True))
    )


def _untiled(node: Apply, ct: Expr, i: int) -> Expr:
    (reps,) = node.attrs
    x = node.operands[0].type
    shape = (1,) * (len(reps) - x.rank) + x.shape
    split = tuple(part for pair in zip(reps, shape, strict=True) for part in pair)
    axes = tuple(range(-len(split), 0, 2))
    return reshaped(sum_.build(reshaped(ct, split), attrs=(axes, False)), x.shape)


def _tile_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    (reps,) = node.attrs
    return call(
        "np.tile", operands[0], target.dim(reps[0]) if len(reps) == 1 else target.shape(reps)
    )


# attrs: (repetitions of each axis,), at least as many as the operand has dimensions.
tile = Linear("tile", _tiled, _untiled, numpy=_tile_shown, attrs=("reps",))


def _repeated(attrs: Attrs, types: Types) -> Type:
    repeats, axis = attrs
    shape = list(types[0].shape)
    shape[axis] = dim_mul(shape[axis], repeats)
    return types[0].strong.with_shape(tuple(shape))


def _unrepeated(node: Apply, ct: Expr, i: int) -> Expr:
    repeats, axis = node.attrs
    x = node.operands[0].type
    at = axis + x.rank + 1
    split = (*x.shape[:at], repeats, *x.shape[at:])
    return sum_.build(reshaped(ct, split), attrs=((at - len(split),), False))


def _repeat_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    repeats, axis = node.attrs
    shown = one_axis(axis, node.operands[0].type.rank)
    return call("np.repeat", operands[0], target.dim(repeats), axis=shown)


# attrs: (how often each element, along which axis).
repeat = Linear("repeat", _repeated, _unrepeated, numpy=_repeat_shown, attrs=("repeats", "axis"))


# Diagonals and triangles, of the last two axes. attrs: (offset,).


def diagonal_size(rows: Dim, columns: Dim, offset: int) -> Dim:
    """How many elements the diagonal `offset` of a matrix has."""
    rows, columns = dim_add(rows, min(offset, 0)), dim_add(columns, -max(offset, 0))
    if isinstance(rows, int) and isinstance(columns, int):
        return max(0, min(rows, columns))
    if rows == columns:
        return rows
    difference = dim_add(rows, dim_mul(-1, columns))
    if isinstance(difference, int):
        return rows if difference < 0 else columns
    return symbol(f"max(0, min({rows}, {columns}))")


def _diagonal_type(attrs: Attrs, types: Types) -> Type:
    (x,) = types
    if x.rank < 2:
        raise IllTypedError("a diagonal needs an array of at least two dimensions")
    *lead, rows, columns = x.shape
    return x.strong.with_shape((*lead, diagonal_size(rows, columns, attrs[0])))


def _diagonal_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    (offset,) = node.attrs
    x = node.operands[0].type
    if x.rank == 2 and x.shape[0] == x.shape[1] and abs(offset) <= _least(x.shape[0]):
        return diag.build(ct, attrs=(offset,))
    steps = arange.build(attrs=(ct.type.shape[-1],))
    places = [
        steps if not start else add.build(steps, start)
        for start in (max(-offset, 0), max(offset, 0))
    ]
    template = ((("ellipsis",),) if x.rank > 2 else ()) + (("array",), ("array",))
    return accumulate.build(zero_of(x), ct, *places, attrs=(template,))


def _least(dim: Dim) -> int:
    """A size that `dim` surely has; a symbol is taken to reach every diagonal that is asked for."""
    return dim if isinstance(dim, int) else 1 << 62


def _diagonal_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    (offset,) = node.attrs
    if node.operands[0].type.rank == 2:
        return call("np.diagonal", *operands, *([offset] if offset else []))
    return call("np.diagonal", operands[0], offset, -2, -1)


diagonal = Linear(
    "diagonal", _diagonal_type, _diagonal_transpose, numpy=_diagonal_shown, attrs=("offset",)
)


def _diag_type(attrs: Attrs, types: Types) -> Type:
    n = dim_add(types[0].shape[0], abs(attrs[0]))
    return types[0].strong.with_shape((n, n))


# A square matrix with a vector on one of its diagonals.
diag = Linear(
    "diag", _diag_type, lambda node, ct, i: diagonal.build(ct, attrs=node.attrs),
    numpy=with_offset("np.diag"), attrs=("offset",),
)  # fmt: skip


def _same(attrs: Attrs, types: Types) -> Type:
    return types[0].strong


tril = Linear(
    "tril", _same, lambda node, ct, i: tril.build(ct, attrs=node.attrs),
    numpy=with_offset("np.tril"), attrs=("offset",),
)  # fmt: skip
triu = Linear(
    "triu", _same, lambda node, ct, i: triu.build(ct, attrs=node.attrs),
    numpy=with_offset("np.triu"), attrs=("offset",),
)  # fmt: skip


# Evenly spaced numbers: linear in start and stop together. attrs: (num, endpoint).


def _linspace_type(attrs: Attrs, types: Types) -> Type:
    dtype = promote_dtype(*types)
    shape = broadcast_shapes(*(t.shape for t in types))
    return Type(dtype if dtype not in ("bool", "int") else "float64", (attrs[0], *shape))


def _linspace_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    weight = linspace.build(0.0, 1.0, attrs=node.attrs)
    if i == 0:
        weight = subtract.build(1.0, weight)
    rank = ct.type.rank
    product = multiply.build(ct, at_axis(weight, -rank, rank))
    return sum_.build(product, attrs=((-rank,), False))


def _linspace_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    num, endpoint = node.attrs
    shown = call("np.linspace", *operands, target.dim(num))
    if not endpoint:
        assert isinstance(shown, ast.Call)
        shown.keywords.append(ast.keyword("endpoint", ast.Constant(False)))
    return shown


linspace = Linear(
    "linspace", _linspace_type, _linspace_transpose, joint=True, numpy=_linspace_shown,
    attrs=("num", "endpoint"),
)  # fmt: skip
