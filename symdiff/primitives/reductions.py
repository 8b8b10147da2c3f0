"""Reductions beyond sum and max, running sums and products, sorting.

Products are exact where factors are zero: their derivative multiplies the other factors, it never
divides by one.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Expr
from symdiff.ir.types import Type, broadcast_shapes
from symdiff.primitives.arithmetic import divide, floor_divide, multiply, nonzero
from symdiff.primitives.arrays import arange, count, expand_dims, eye, mean, reduced, sum_
from symdiff.primitives.elementary import abs_, clip, maximum, sign, where
from symdiff.primitives.indexing import RUN, index, take_slice
from symdiff.primitives.printed import along_axis, call, one_axis, reduction
from symdiff.primitives.row import (
    Attrs,
    Composite,
    Discrete,
    Linear,
    Primitive,
    Reduction,
    Term,
    arithmetic_result,
    as_expr,
    choose,
    float_result,
    plus,
    scaled,
    times,
)
from symdiff.primitives.shape import drop_axes, least_size, shape_size, size_of
from symdiff.primitives.shaping import (
    at_axis,
    flip,
    join,
    move_axis,
    ones_like_slice,
    permuted,
    reshaped,
    triu,
)

Types = Sequence[Type]


class Shortcut(Composite):
    """A value computed fast, which is differentiated through an exact but larger formula.

    Operands are (value, *ingredients): the row is `value`, and `exact(*ingredients, attrs)` is
    what it means. Printed as its value alone.
    """

    def __init__(self, name: str, exact: Any, **row: Any):
        super().__init__(
            name,
            lambda attrs, types: types[0],
            lambda value, *rest: exact(*rest),
            numpy="{0}",
            **row,
        )


def _off_diagonal(x: Expr) -> Expr:
    """x along a new axis before the last, 1 where the two meet: (..., n) to (..., n, n)."""
    n = x.type.shape[-1]
    same = eye.build(attrs=(n, n, "bool", 0))
    return where.build(same, 1.0, expand_dims.build(x, attrs=((-2,),)))


def _vector(node: Expr, axis: int) -> Expr:
    return node if axis == -1 else move_axis(node, axis, -1)


# Products.


def _others_exactly(x: Term, attrs: Attrs) -> Expr:
    (axis,) = attrs
    others = prod.build(_off_diagonal(_vector(x.expr, axis)), attrs=((-1,), False))
    return others if axis == -1 else move_axis(others, -1, axis)


# For each element the product of the others along an axis. attrs: (axis,).
others = Shortcut("others", _others_exactly, attrs=("axis",))


def product_of_others(x: Expr, axis: int) -> Expr:
    """The product of all before, times the product of all behind: no division, so exact at 0."""
    n = x.type.shape[axis]
    one = ones_like_slice(x, axis)
    if n == 1:
        return one

    def before(values: Expr) -> Expr:
        running = cumprod.build(values, attrs=(axis,))
        return take_slice(join([one, running], axis), axis, None, -1)

    behind = flip(before(flip(x, (axis,))), (axis,))
    return others.build(multiply.build(before(x), behind), x, attrs=(axis,))


def _prod_partial(x: Term, y: Term, node: Apply) -> Any:
    value, axes, rank = x.expr, node.attrs[0], x.expr.type.rank
    if not axes:
        return 1.0
    if len(axes) == 1:
        return product_of_others(value, axes[0])
    # Several axes: put them last, flatten them, and undo both.
    kept = [i for i in range(-rank, 0) if i not in axes]
    order = (*kept, *axes)
    moved = permuted(value, order)
    size = shape_size(tuple(value.type.shape[i] for i in axes))
    flat = reshaped(moved, (*(value.type.shape[i] for i in kept), size))
    back = reshaped(product_of_others(flat, -1), moved.type.shape)
    inverse = [0] * rank
    for new, old in enumerate(order):
        inverse[old + rank] = new - rank
    return permuted(back, tuple(inverse))


prod = Reduction(
    "prod", reduced(arithmetic_result), _prod_partial,
    numpy=reduction("np.prod"), attrs=("axes", "keepdims"),
)  # fmt: skip


# Spread. attrs: (axes, keepdims, ddof).


def _deviation(x: Term, node: Apply) -> Term:
    return x - Term(mean.build(x, attrs=(node.attrs[0], True)))


def freedom(node: Apply) -> Any:
    """n - ddof, never below 0, as NumPy has it."""
    n, ddof = count(node), node.attrs[2]
    if not isinstance(n, Expr):
        return max(n - ddof, 0)
    if not ddof:
        return n
    left = Term(n) - ddof
    (dim,) = n.attrs  # type: ignore[attr-defined]
    return left if ddof <= least_size(dim) else maximum(left, 0)


def _var_partial(x: Term, y: Term, node: Apply) -> Term:
    # The array stands left of `/`: no degree of freedom gives nan as in NumPy, not an error.
    return 2.0 * _deviation(x, node) / freedom(node)


def _std_partial(x: Term, y: Term, node: Apply) -> Term:
    # The convention of the norm: 0 where all values are equal.
    return _deviation(x, node) / (freedom(node) * nonzero(y))


class Spread(Reduction):
    """A reduction that is nan for no elements at all, where a sum over them would be 0."""

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        tangent = super().pushforward(node, tangents)
        return plus(tangent, node) if tangent is not None and count(node) == 0 else tangent


var = Spread(
    "var", reduced(float_result), _var_partial,
    numpy=reduction("np.var", "ddof"), attrs=("axes", "keepdims", "ddof"),
)  # fmt: skip
std = Spread(
    "std", reduced(float_result), _std_partial,
    numpy=reduction("np.std", "ddof"), attrs=("axes", "keepdims", "ddof"),
)  # fmt: skip

# The Euclidean norm of a vector, the Frobenius norm of a matrix; derivative 0 at 0.
norm = Reduction(
    "norm", reduced(float_result), lambda x, y, node: x / nonzero(y),
    numpy=reduction("np.linalg.norm"), attrs=("axes", "keepdims"),
)  # fmt: skip


def _power_norm_partial(x: Term, y: Term, node: Apply) -> Term:
    """sign(x) (|x| / y)^(p - 1), 0 where y is 0."""
    return sign(x) * (abs_(x) / nonzero(y)) ** (node.attrs[2] - 1.0)


# The p-norm of vectors. attrs: (axes, keepdims, p).
power_norm = Reduction(
    "power_norm", reduced(float_result), _power_norm_partial,
    numpy=reduction("np.linalg.norm", "ord"), attrs=("axes", "keepdims", "ord"),
)  # fmt: skip


# Truth, counts, and places.


def _bool_reduced(attrs: Attrs, types: Types) -> Type:
    return Type("bool", drop_axes(types[0].shape, attrs[0], attrs[1]))


def _int_reduced(attrs: Attrs, types: Types) -> Type:
    return Type("int", drop_axes(types[0].shape, attrs[0], attrs[1]))


any_ = Discrete("any", _bool_reduced, numpy=reduction("np.any"), attrs=("axes", "keepdims"))
all_ = Discrete("all", _bool_reduced, numpy=reduction("np.all"), attrs=("axes", "keepdims"))
count_nonzero = Discrete(
    "count_nonzero", _int_reduced, numpy=reduction("np.count_nonzero"), attrs=("axes", "keepdims")
)


def _place(name: str) -> Discrete:
    """argmax and the like: attrs (axes, keepdims), either one axis or all of them."""
    return Discrete(
        name, _int_reduced, numpy=reduction(f"np.{name}"), attrs=("axes", "keepdims"), raises=True
    )


argmax, argmin = _place("argmax"), _place("argmin")


# Running sums and products. attrs: (axis,).


def _running(attrs: Attrs, types: Types) -> Type:
    x = types[0].strong
    return x.with_dtype("int") if x.dtype == "bool" else x


def backward_cumsum(x: Expr, axis: int) -> Expr:
    """The sum of each element and all behind it."""
    return flip(cumsum.build(flip(x, (axis,)), attrs=(axis,)), (axis,))


cumsum = Linear(
    "cumsum", _running, lambda node, ct, i: backward_cumsum(ct, node.attrs[0]),
    numpy=along_axis("np.cumsum"), attrs=("axis",),
)  # fmt: skip


class Cumprod(Primitive):
    """y[j] = x[0] * ... * x[j]. Its derivative distinguishes the first zero z of x, exactly:

    before z   dy[j] = y[j] * sum over i <= j of dx[i] / x[i]
    from z on  dy[j] = dx[z] * (y[j] with x[z] taken to be 1)

    Both are valid only to first order, so they are `Shortcut`s for the full Jacobian of products.
    """

    def _parts(self, node: Apply) -> tuple[Expr, Expr, Expr, Expr]:
        """Where the first zero is, where x is 0, y with the first zero taken to be 1, x or 1."""
        (x,), (axis,) = node.operands, node.attrs
        zero = Term(x).equals(0.0)
        seen = Term(cumsum.build(zero, attrs=(axis,)))
        first = Term.rows["bitwise_and"].build(zero, seen.equals(1))
        without = cumprod.build(where.build(first, 1.0, x), attrs=(axis,))
        return first, zero.expr, without, where.build(zero, 1.0, x)

    def pushforward(self, node: Apply, tangents: Sequence[Expr | None]) -> Expr | None:
        (tangent,) = tangents
        if tangent is None:
            return None
        (axis,) = node.attrs
        first, zero, without, safe = self._parts(node)
        until = times(node, cumsum.build(divide.build(tangent, safe), attrs=(axis,)))
        change = cumsum.build(where.build(first, tangent, 0.0), attrs=(axis,))
        seen = Term(cumsum.build(zero, attrs=(axis,))) > 0
        value = where.build(seen, times(without, change), until)
        return cumprod_tangent.build(value, node.operands[0], tangent, attrs=node.attrs)

    def pullback(self, node: Apply, ct: Expr, wanted: Sequence[bool]) -> list[Expr | None]:
        (axis,) = node.attrs
        first, zero, without, safe = self._parts(node)
        at_zero = backward_cumsum(scaled(ct, without), axis)
        else_ = divide.build(backward_cumsum(scaled(ct, node), axis), safe)
        value = where.build(first, at_zero, where.build(zero, 0.0, else_))
        return [cumprod_adjoint.build(value, node.operands[0], ct, attrs=node.attrs)]


cumprod = Cumprod("cumprod", _running, numpy=along_axis("np.cumprod"), attrs=("axis",))


def _cumprod_jacobian(x: Expr) -> Expr:
    """d y[j] / d x[i] at [..., i, j]: the product of all up to j but x[i]."""
    return triu.build(cumprod.build(_off_diagonal(x), attrs=(-1,)), attrs=(0,))


def _tangent_exactly(x: Term, tangent: Term, attrs: Attrs) -> Expr:
    (axis,) = attrs
    column = expand_dims.build(_vector(tangent.expr, axis), attrs=((-1,),))
    product = multiply.build(column, _cumprod_jacobian(_vector(x.expr, axis)))
    total = sum_.build(product, attrs=((-2,), False))
    return total if axis == -1 else move_axis(total, -1, axis)


def _adjoint_exactly(x: Term, ct: Term, attrs: Attrs) -> Expr:
    (axis,) = attrs
    row = expand_dims.build(_vector(ct.expr, axis), attrs=((-2,),))
    product = multiply.build(_cumprod_jacobian(_vector(x.expr, axis)), row)
    total = sum_.build(product, attrs=((-1,), False))
    return total if axis == -1 else move_axis(total, -1, axis)


cumprod_tangent = Shortcut("cumprod_tangent", _tangent_exactly, attrs=("axis",))
cumprod_adjoint = Shortcut("cumprod_adjoint", _adjoint_exactly, attrs=("axis",))


# Sorting: a gather along the sorting order. attrs: (axis,).


def _argsort_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    rank = node.operands[0].type.rank
    axis = one_axis(node.attrs[0], rank)
    # Equal values keep their order, so that the derivative is the same on every machine.
    return call("np.argsort", *operands, axis=axis if axis != rank - 1 else None, kind="stable")


def _sort_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    rank = node.operands[0].type.rank
    axis = one_axis(node.attrs[0], rank)
    return call("np.sort", *operands, axis=axis if axis != rank - 1 else None)


argsort = Discrete(
    "argsort", lambda attrs, types: types[0].strong.with_dtype("int"),
    numpy=_argsort_shown, attrs=("axis",),
)  # fmt: skip
sort = Composite(
    "sort", lambda attrs, types: types[0].strong,
    lambda x, attrs: take_along_axis.build(x, argsort.build(x, attrs=attrs), attrs=attrs),
    numpy=_sort_shown, attrs=("axis",),
)  # fmt: skip


def _along_type(attrs: Attrs, types: Types) -> Type:
    x, places = types
    if x.rank != places.rank:
        raise IllTypedError("take_along_axis needs indices with as many dimensions as the array")
    at = attrs[0] + x.rank
    lead = broadcast_shapes(x.shape[:at], places.shape[:at])
    rest = broadcast_shapes(x.shape[at + 1 :], places.shape[at + 1 :])
    return x.strong.with_shape((*lead, places.shape[at], *rest))


def _along_axis(x: Term, places: Term, attrs: Attrs) -> Expr:
    """As an index with one array for each axis."""
    (axis,) = attrs
    rank = x.expr.type.rank
    arrays = [
        places.expr if i == axis
        else at_axis(arange.build(attrs=(x.expr.type.shape[i],)), i, rank)
        for i in range(-rank, 0)
    ]  # fmt: skip
    return index.build(x, *arrays, attrs=((("array",),) * rank,))


def _along_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    return call("np.take_along_axis", *operands, node.attrs[0] + node.operands[0].type.rank)


take_along_axis = Composite(
    "take_along_axis", _along_type, _along_axis, numpy=_along_shown, attrs=("axis",), raises=True
)


def _entry(x: Expr, axis: int, place: Any) -> Expr:
    lead = (("slice", None, None, None),) * (axis + x.type.rank)
    if isinstance(place, Expr):
        return index.build(x, place, attrs=((*lead, ("int", RUN)),))
    return index.build(x, attrs=((*lead, ("int", place)),))


def _middle(x: Term, attrs: Attrs) -> Any:
    """The mean of the two elements in the middle, which may be the same one."""
    (axis,) = attrs
    ordered = sort.build(x, attrs=attrs)
    n = x.expr.type.shape[axis]
    if isinstance(n, int):
        low, high = _entry(ordered, axis, (n - 1) // 2), _entry(ordered, axis, n // 2)
    else:
        size = Term(as_expr(size_of(n)))
        low = _entry(ordered, axis, floor_divide.build(size - 1, 2))
        high = _entry(ordered, axis, floor_divide.build(size, 2))
    return low if low is high else 0.5 * (Term(low) + Term(high))


def _median_type(attrs: Attrs, types: Types) -> Type:
    x = float_result(attrs, types).strong
    return x.with_shape(drop_axes(x.shape, attrs, False))


median = Composite("median", _median_type, _middle, numpy=along_axis("np.median"), attrs=("axis",))
searchsorted = Discrete(
    "searchsorted", lambda attrs, types: Type("int", types[1].shape),
    numpy="np.searchsorted({0}, {1}, side={side})", attrs=("side",),
)  # fmt: skip


# Piecewise linear interpolation. At a place of its table the slope is that to its right.


def _interpolated(x: Term, places: Term, values: Term, attrs: Attrs) -> Any:
    def read(table: Term, where_: Any) -> Term:
        e = as_expr(where_)
        entry = ("array",) if e.type.rank else ("int", RUN)
        return Term(index.build(table, e, attrs=((entry,),)))

    def end(table: Term, i: int) -> Term:
        return Term(index.build(table, attrs=((("int", i),),)))

    last = Term(as_expr(size_of(places.expr.type.shape[0]))) - 2
    before = Term(searchsorted.build(places, x, attrs=("right",))) - 1
    at = clip(before, 0, last)
    start, low, high = read(places, at), read(values, at), read(values, at + 1)
    inside = low + (high - low) * ((x - start) / (read(places, at + 1) - start))
    above = choose(x > end(places, -1), end(values, -1), inside)
    return choose(x < end(places, 0), end(values, 0), above)


def _interp_type(attrs: Attrs, types: Types) -> Type:
    return Type("float64", types[0].shape)  # whatever it is given, `np.interp` computes in float64


interp = Composite("interp", _interp_type, _interpolated, numpy="np.interp({0}, {1}, {2})")
