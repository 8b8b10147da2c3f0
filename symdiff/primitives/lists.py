"""Python lists of numbers: what a loop records for its reverse sweep, what a program appends to.

`Type.listed` tells them from arrays. Reading and writing are `index`, `update` and `accumulate`, as
for arrays; `append` makes a list longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Apply, Expr
from symdiff.ir.types import Dim, DType, Type, dim_symbols, symbol
from symdiff.primitives.indexing import RUN, index
from symdiff.primitives.row import Attrs, Discrete, Linear, as_expr, zero_of


def _new_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    dtype, shape, weak, listed = attrs
    return Type(dtype, shape, weak, listed)


# A list of `count` items, each to be written before it is read.
new_list = Discrete(
    "new_list", _new_type, numpy="new_list", attrs=("dtype", "shape", "weak", "listed")
)


def _like_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    return types[1] if types[1].dtype != "int" else types[1].with_dtype("float64")


# A list of zeros as long as the second operand; the first is 0.
zeros_list = Discrete("zeros_list", _like_type, numpy="zeros_list")


def _added_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return ct


# Two lists of one length, added item by item.
add_lists = Linear(
    "add_lists", lambda attrs, types: types[0], _added_transpose, joint=True, numpy="add_lists"
)


def _appended_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    length = node.operands[2]
    if i:
        return index.build(ct, length, attrs=((("int", RUN),),))
    return drop.build(ct, length) if node.attrs[0] else ct


def _dropped_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return append.build(ct, zero_of(ct.type.item), node.operands[1], attrs=(True,))


# `list.append(value)`: operands (list, value, how long the list is before). attrs: whether items
# are dropped from it, too; its cotangent keeps all items otherwise.
append = Linear(
    "append", lambda attrs, types: types[0], _appended_transpose, joint=True,
    slots=lambda node: (0, 1), numpy="append", attrs=("shrinks",),
)  # fmt: skip
# A list without its last item: operands (list, how long it is then).
drop = Linear(
    "drop", lambda attrs, types: types[0], _dropped_transpose, slots=lambda node: (0,),
    numpy="drop",
)  # fmt: skip


def _array_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    return Type(types[0].dtype, types[0].shape)


def _list_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    return Type(types[0].dtype, types[0].shape, attrs[0], 1)


def _array_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return list_of.build(ct, attrs=(node.operands[0].type.weak,))


# The array of a list of numbers, and back.
array_of = Linear("array_of", _array_type, _array_transpose, numpy="np.array({0})")
list_of = Linear(
    "list_of", _list_type, lambda node, ct, i: array_of.build(ct), numpy="list_of", attrs=("weak",)
)


def _head_type(attrs: Attrs, types: Sequence[Type]) -> Type:
    rest = types[0].shape[1:]
    return types[0].strong.with_shape((symbol(f"count(head {attrs[0]})"), *rest))


def _head_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return padded.build(ct, *node.operands, attrs=node.attrs)


def _padded_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    return head.build(ct, node.operands[2], attrs=node.attrs)


# The first rows of an array, as many as the second operand says; and back, zeros behind them.
# attrs: a number, for the name of their size.
head = Linear(
    "head", _head_type, _head_transpose, slots=lambda node: (0,), numpy="{0}[:{1}]",
    attrs=("number",),
)  # fmt: skip
padded = Linear(
    "padded", lambda attrs, types: types[1].strong, _padded_transpose, slots=lambda node: (0,),
    numpy="np.concatenate(({0}, np.zeros_like({1}[{2}:])))", attrs=("number",),
)  # fmt: skip


def empty_list(dtype: DType, weak: bool, serial: int) -> Expr:
    """A list without items, to which as many are appended as is known only at run time."""
    shape = (symbol(f"count(list {serial})"),)
    return new_list.build(0, attrs=(dtype, shape, weak, 1))


def tape(count: Expr, item: Type, serial: int) -> Expr:
    """A new list of `count` items of a type, for what each round of a loop records."""
    shape = (symbol(f"{_ROUNDS}{serial}"), *item.shape)
    return new_list.build(count, attrs=(item.dtype, shape, item.weak, item.listed + 1))


_ROUNDS = "rounds "


def is_recorded(dim: Dim) -> bool:
    """Whether an axis has an item for each round that has recorded one; nothing else is read."""
    return not isinstance(dim, int) and any(s.startswith(_ROUNDS) for s in dim_symbols(dim))


def zeros_like_list(x: Expr) -> Expr:
    """Zeros as long as the list `x`."""
    return zeros_list.build(as_expr(0.0), x)

