"""Rewrites of shapes and reductions: functions, since they compute with shapes and axes.

    transpose(transpose(x))       ->  x, or one transpose
    exp(broadcast_to(x, s)) * y   ->  exp(x) * y       where y has the shape s already
    sum(2.0 * x)                  ->  2.0 * sum(x)

Each is listed once in STRUCTURE, with the rows it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from symdiff.ir.expr import Apply, Const, Expr, const
from symdiff.ir.types import FLOAT, INT, Shape, Type, broadcast_shapes, dim_add
from symdiff.optimize.match import Condition
from symdiff.primitives.arithmetic import add, divide, multiply, negative, subtract
from symdiff.primitives.arrays import (
    broadcast_like,
    broadcast_to,
    concatenate,
    expand_dims,
    full,
    matmul,
    mean,
    reshape,
    squeeze,
    stack,
    sum_,
    transpose,
)
from symdiff.primitives.elementary import cast, where
from symdiff.primitives.indexing import accumulate, index, update
from symdiff.primitives.row import Elementwise, Term, as_expr, is_zero
from symdiff.primitives.shape import axis_size, least_size, shape_size, size, size_of
from symdiff.primitives.table import ROWS


@dataclass(frozen=True, slots=True)
class Structural:
    """One rewrite: `apply` returns the new expression, or None where it does not apply."""

    name: str
    condition: Condition
    ops: tuple[Any, ...]
    apply: Callable[[Any], Expr | None]
    below: tuple[Any, ...] = ()  # one of the operands must be one of these; (): any will do

    def concerns(self, op: Any, kinds: Sequence[Any]) -> bool:
        """Whether it may apply to `op` with operands of these kinds (none: not known)."""
        if op not in self.ops:
            return False
        return not kinds or not self.below or any(k in self.below for k in kinds)


_FILLS = (full, broadcast_to, broadcast_like)


def _of(x: Expr, *ops: Any) -> TypeGuard[Apply]:
    return type(x) is Apply and x.op in ops


def _transposed(node: Apply) -> Expr | None:
    (x,), (order,) = node.operands, node.attrs
    rank = len(order)
    if order == tuple(range(-rank, 0)):
        return x
    if _of(x, transpose):
        inner = x.attrs[0]  # type: ignore[attr-defined]
        return transpose.build(x.operands[0], attrs=(tuple(inner[a + rank] for a in order),))
    return _fill_moved(node)


def _reshaped(node: Apply) -> Expr | None:
    (x,) = node.operands
    if x.type == node.type:
        return x
    if _of(x, reshape, expand_dims, squeeze):
        inner = x.operands[0]
        return inner if inner.type == node.type else reshape.build(inner, attrs=(node.type.shape,))
    return _fill_moved(node)


def _fill_moved(node: Apply) -> Expr | None:
    """A rearranged constant array is a constant array."""
    (x,) = node.operands
    if _of(x, full):
        return full.build(x.operands[0], attrs=(node.type.shape, node.type.dtype))
    if _of(x, broadcast_to) and not x.operands[0].type.shape:
        return broadcast_to.build(x.operands[0], attrs=(node.type.shape,))
    return None


def _expanded(node: Apply) -> Expr | None:
    (x,) = node.operands
    if not node.attrs[0]:
        return x
    if _of(x, squeeze) and x.attrs == node.attrs:  # type: ignore[attr-defined]
        return x.operands[0]
    if _of(x, sum_, mean) and x.attrs == (node.attrs[0], False):  # type: ignore[attr-defined]
        return x.op.build(x.operands[0], attrs=(node.attrs[0], True))  # type: ignore[attr-defined]
    return _fill_moved(node)


def _squeezed(node: Apply) -> Expr | None:
    (x,) = node.operands
    if not node.attrs[0]:
        return x
    if _of(x, expand_dims) and x.attrs == node.attrs:  # type: ignore[attr-defined]
        return x.operands[0]
    if _of(x, sum_, mean) and x.attrs == (node.attrs[0], True):  # type: ignore[attr-defined]
        return x.op.build(x.operands[0], attrs=(node.attrs[0], False))  # type: ignore[attr-defined]
    parts = _scalar_parts(x)
    if parts is not None and _of(parts[1], sum_, mean, expand_dims):
        return _rescaled(squeeze.build(parts[1], attrs=node.attrs), parts[0])
    return _fill_moved(node)


def _broadcast(node: Apply) -> Expr | None:
    (x,) = node.operands
    if x.type == node.type:
        return x
    if _of(x, broadcast_to):
        return broadcast_to.build(x.operands[0], attrs=node.attrs)
    if _of(x, full):
        return full.build(x.operands[0], attrs=(node.type.shape, node.type.dtype))
    if isinstance(x, Const) and x.type.weak:
        return full.build(x, attrs=(node.type.shape, node.type.dtype))
    return None


def _measured(node: Apply) -> Expr | None:
    """What is only asked for its shape need not be computed: an operand of the same shape is."""
    x = node.operands[-1]
    if type(x) is not Apply or not isinstance(x.op, Elementwise):
        return None
    alike = next((y for y in x.operands if y.type.shape == x.type.shape), None)
    if alike is None:
        return None
    return node.op.build(*node.operands[:-1], alike, attrs=node.attrs)


def _elementwise(node: Apply) -> Expr | None:
    """Operands need not be broadcast first, where the result has its shape without that."""
    if not isinstance(node.op, Elementwise) or not node.type.shape:
        return None
    operands = node.operands
    for i, x in enumerate(operands):
        if not _of(x, *_FILLS):
            continue
        inner = x.operands[0]
        if inner.type.dtype != x.type.dtype:
            continue
        if not _settled(node, i) or not _fits(inner.type.shape, node.type.shape):
            continue
        new = [inner if y is x else y for y in operands]
        for order in (new, new[::-1]) if node.op.commutes else (new,):
            rebuilt = node.op.build(*order, attrs=node.attrs)
            if rebuilt.type == node.type:
                return rebuilt
    return None


def _settled(node: Apply, i: int) -> bool:
    """Whether another operand surely has the shape of the result: symbols may differ in value."""
    return any(x.type.shape == node.type.shape for j, x in enumerate(node.operands) if j != i)


def _fits(inner: Shape, shape: Shape) -> bool:
    """Whether an operand of shape `inner` broadcasts to `shape`, and not the other way around.

    Two sizes of different names are equal, or the function would have raised; neither is 1.
    """
    return len(inner) <= len(shape) and all(
        a == 1 or a == b or (least_size(a) > 1 and least_size(b) > 1)
        for a, b in zip(inner[::-1], shape[::-1], strict=False)
    )


def _scaled_fill(node: Apply) -> Expr | None:
    """2.0 * broadcast_to(x) -> broadcast_to(2.0 * x): fewer elements; likewise `full`."""
    if not node.type.is_float or not node.type.shape:
        return None
    for x, s in (node.operands, node.operands[::-1]):
        if not _of(x, *_FILLS) or s.type.shape or x.type != node.type:
            continue
        inner = x.operands[0]
        if inner.type.weak and not isinstance(s, Const):
            continue  # Python's numbers raise where an array does not
        new = [inner if y is x else y for y in node.operands]
        value = node.op.build(*new, attrs=node.attrs)
        if _of(x, broadcast_like):
            return broadcast_like.build(value, x.operands[1]) if not value.type.weak else None
        if _of(x, broadcast_to):
            return broadcast_to.build(value, attrs=x.attrs) if not value.type.weak else None  # type: ignore[attr-defined]
        return full.build(value, attrs=x.attrs)  # type: ignore[attr-defined]
    return None


def _broadcast_last(node: Apply) -> Expr | None:
    """f(broadcast_to(x)) -> broadcast_to(f(x)): the function is applied to fewer elements."""
    if not isinstance(node.op, Elementwise) or len(node.operands) != 1 or node.op is cast:
        return None
    (x,) = node.operands
    if not _of(x, broadcast_to):
        return None
    inner = x.operands[0]
    if inner.type.weak:
        return None
    return broadcast_to.build(node.op.build(inner, attrs=node.attrs), attrs=x.attrs)  # type: ignore[attr-defined]


def _scalar_parts(x: Expr) -> tuple[list[tuple[Any, Expr]], Expr] | None:
    """The scalar factors and divisors of an array product, and what is left of it."""
    found: list[tuple[Any, Expr]] = []
    while type(x) is Apply and x.type.is_float:
        if x.op is negative:
            found.append((negative, x))
            x = x.operands[0]
            continue
        if x.op not in (multiply, divide):
            break
        a, b = x.operands
        if not b.type.shape and a.type == x.type:
            found.append((x.op, b))
            x = a
        elif x.op is multiply and not a.type.shape and b.type == x.type:
            found.append((multiply, a))
            x = b
        else:
            break
    return (found, x) if found else None


def _rescaled(value: Expr, parts: list[tuple[Any, Expr]]) -> Expr:
    for op, s in parts:
        value = negative.build(value) if op is negative else op.build(value, s)
    return value


def _sum(node: Apply) -> Expr | None:
    (x,), (axes, keepdims) = node.operands, node.attrs
    if not axes:
        return x if x.type == node.type else None
    parts = _scalar_parts(x) if node.type.is_float else None
    if parts is not None:
        return _rescaled(node.op.build(parts[1], attrs=node.attrs), parts[0])
    if _of(x, sum_) and node.op is sum_:
        inner_axes, inner_keep = x.attrs  # type: ignore[attr-defined]
        if keepdims == inner_keep and keepdims:
            return sum_.build(x.operands[0], attrs=(tuple(sorted({*axes, *inner_axes})), True))
        if not keepdims and not inner_keep:
            source = x.operands[0]
            rank = source.type.rank
            left = [i - rank for i in range(rank) if i - rank not in inner_axes]
            both = {*inner_axes, *(left[a] for a in axes)}
            return sum_.build(source, attrs=(tuple(sorted(both)), False))
    if _of(x, full) and not keepdims and node.type.is_float:
        return _sum_of_fill(node, x.operands[0])
    if (
        _of(x, broadcast_to)
        and not keepdims
        and node.type.is_float
        and not x.operands[0].type.shape
    ):
        return _sum_of_fill(node, x.operands[0])
    return None


def _sum_of_fill(node: Apply, value: Expr) -> Expr | None:
    """The sum of equal elements is a product: n * x."""
    if node.op is sum_:
        shape = node.operands[0].type.shape
        count = size_of(shape_size(tuple(shape[a] for a in node.attrs[0])))
        count = const(count, INT) if isinstance(count, int) else count
        if value.type.dtype == "int":
            value = cast.build(value, attrs=("float64", value.type.weak))
        value = multiply.build(value, count) if not is_zero(value) else value
    elif not isinstance(size_of(shape_size(node.operands[0].type.shape)), int):
        return None  # the mean of no elements is nan
    if value.type == node.type:
        return value
    if node.type.shape:
        return full.build(value, attrs=(node.type.shape, node.type.dtype))
    if value.type.dtype == node.type.dtype:
        return cast.build(value, attrs=(node.type.dtype, False))
    return None


def _cast(node: Apply) -> Expr | None:
    (x,) = node.operands
    if x.type == node.type:
        return x
    if (
        isinstance(x, Const)
        and node.attrs == ("float64", True)
        and isinstance(x.value, (int, bool))
    ):
        value = float(x.value)
        return const(value, FLOAT) if int(value) == x.value else None
    if _of(x, cast) and x.type.dtype == node.type.dtype:
        inner = x.operands[0]
        return inner if inner.type == node.type else cast.build(inner, attrs=node.attrs)
    if _of(x, full):
        value = x.operands[0]
        if isinstance(value, Const) and node.type.is_float and value.type.is_float:
            return full.build(value, attrs=(node.type.shape, node.type.dtype))
    return None


def _matmul(node: Apply) -> Expr | None:
    """(s * A) @ x -> s * (A @ x), where the result is no larger than the operand."""
    if not node.type.is_float:
        return None
    for i, x in enumerate(node.operands):
        parts = _scalar_parts(x)
        if parts is None or x.type.rank < node.type.rank:
            continue
        new = list(node.operands)
        new[i] = parts[1]
        return _rescaled(node.op.build(*new), parts[0])
    return None


def _joined(node: Apply) -> Expr | None:
    return node.operands[0] if node.op is concatenate and len(node.operands) == 1 else None


def _where(node: Apply) -> Expr | None:
    """A mask over two equal fills is the fill; a fill needs no array of its own in `np.where`."""
    mask, x, y = node.operands
    shape = node.type.shape
    for i, side in ((1, x), (2, y)):
        if not _of(side, *_FILLS) or side.operands[0].type.shape:
            continue
        other = y if i == 1 else x
        if broadcast_shapes(mask.type.shape, other.type.shape) != shape:
            continue
        if mask.type.shape != shape and other.type.shape != shape:
            continue
        new = [mask, x, y]
        new[i] = side.operands[0]
        result = where.build(*new)
        if result.type == node.type:
            return result
    return None


def _accumulated(node: Apply) -> Expr | None:
    """Adding zeros to a place changes nothing; adding to zeros just written is writing."""
    base, value, *place = node.operands
    if is_zero(value):
        return base
    if _of(value, broadcast_like):  # it broadcasts into its place anyway
        return accumulate.build(base, value.operands[0], *place, attrs=node.attrs)
    if not _of(base, update) or base.attrs != node.attrs or list(base.operands[2:]) != place:
        return None
    alike = value.type.shape == base.operands[1].type.shape or not base.operands[1].type.rank
    repeated = any(e[0] == "array" for e in node.attrs[0])
    if alike and not repeated and is_zero(base.operands[1]):
        return update.build(base.operands[0], value, *place, attrs=node.attrs)
    return None


def _indexed(node: Apply) -> Expr | None:
    """A read from an array full of one value, at places that surely exist, is that value."""
    x = node.operands[0]
    if not _of(x, full) or len(node.operands) > 1 or not node.type.shape:
        return None
    if any(e[0] not in ("slice", "new", "ellipsis") for e in node.attrs[0]):
        return None
    return full.build(x.operands[0], attrs=(node.type.shape, node.type.dtype))


_ELEMENTWISE = tuple(row for row in ROWS.values() if isinstance(row, Elementwise))


def _shifted_size(node: Apply) -> Expr | None:
    """len(x) - 1 - 1 is len(x) - 2."""
    x, by = node.operands
    if node.op is add and isinstance(x, Const):
        x, by = by, x
    if not (_of(x, size) and isinstance(by, Const) and type(by.value) is int):
        return None
    dim = x.attrs[0]  # type: ignore[attr-defined]
    return as_expr(size_of(dim_add(dim, by.value if node.op is add else -by.value)))


STRUCTURE: tuple[Structural, ...] = (
    Structural("transposes", "exact", (transpose,), _transposed),
    Structural("reshapes", "exact", (reshape,), _reshaped),
    Structural("expanded_squeeze", "exact", (expand_dims,), _expanded),
    Structural("squeezed_expand", "exact", (squeeze,), _squeezed),
    Structural("broadcasts", "exact", (broadcast_to,), _broadcast),
    Structural("measured", "exact", (broadcast_like, axis_size), _measured),
    Structural("implicit_broadcast", "exact", _ELEMENTWISE, _elementwise, _FILLS),
    Structural("scaled_fill", "real", (multiply,), _scaled_fill, _FILLS),
    Structural("broadcast_last", "exact", _ELEMENTWISE, _broadcast_last, _FILLS),
    Structural("reductions", "real", (sum_, mean), _sum),
    Structural("casts", "exact", (cast,), _cast),
    Structural("scaled_matmul", "real", (matmul,), _matmul),
    Structural("joined_one", "exact", (concatenate,), _joined),
    Structural("masked_fill", "exact", (where,), _where, _FILLS),
    Structural("accumulated_zero", "signs", (accumulate,), _accumulated),
    Structural("shifted_size", "exact", (add, subtract), _shifted_size, (size,)),
    Structural("indexed_fill", "exact", (index,), _indexed, _FILLS),
)

__all__ = ["STRUCTURE", "Structural", "Term", "Type", "stack"]
