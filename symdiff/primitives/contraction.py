"""Sums of products over named or paired axes: einsum, tensordot, convolve."""

from __future__ import annotations

import ast
import string
from collections.abc import Sequence
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.expr import Apply, Expr
from symdiff.ir.types import (
    Dim,
    Type,
    broadcast_shapes,
    dim_add,
    dim_mul,
    promote_dtype,
    show_shape,
)
from symdiff.primitives.arithmetic import multiply
from symdiff.primitives.arrays import expand_dims, eye
from symdiff.primitives.printed import call
from symdiff.primitives.row import Attrs, Linear
from symdiff.primitives.shaping import flip, permuted

Types = Sequence[Type]

# einsum. attrs: (one string of letters for each operand, letters of the result, optimize).


def _einsum_type(attrs: Attrs, types: Types) -> Type:
    subscripts, out = attrs[:2]
    sizes: dict[str, Dim] = {}
    for letters, t in zip(subscripts, types, strict=True):
        if len(letters) != t.rank:
            raise IllTypedError(
                f"einsum: subscripts {letters!r} for an array of shape {show_shape(t.shape)}"
            )
        own: dict[str, Dim] = {}
        for letter, dim in zip(letters, t.shape, strict=True):
            before = own.setdefault(letter, dim)
            if isinstance(before, int) and isinstance(dim, int) and before != dim:
                raise IllTypedError(
                    f"einsum: {letter!r} is repeated for the different sizes {before} and {dim}"
                )
            (sizes[letter],) = broadcast_shapes((sizes.get(letter, 1),), (dim,))
    return Type(promote_dtype(*types), tuple(sizes[c] for c in out))


def _einsum_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    """Swap the roles of the result and operand i."""
    subscripts, out, optimize = node.attrs
    parts = [(out, ct)] + [
        (s, x) for j, (s, x) in enumerate(zip(subscripts, node.operands, strict=True)) if j != i
    ]
    shape = node.operands[i].type.shape
    free = iter(c for c in string.ascii_letters if not any(c in s for s in (*subscripts, out)))
    wanted = ""
    for letter, dim in zip(subscripts[i], shape, strict=True):
        if letter in wanted:  # a diagonal was read, so only a diagonal is written
            fresh = next(free)
            parts.append((letter + fresh, eye.build(attrs=(dim, dim, ct.type.dtype, 0))))
            letter = fresh
        wanted += letter
    factors = [x for s, x in parts if not s]
    parts = [(s, x) for s, x in parts if s]
    known = set("".join(s for s, _ in parts))
    present = "".join(c for c in wanted if c in known)
    value: Expr | None = None
    if len(parts) == 1 and parts[0][0] == present:
        value = parts[0][1]
    elif parts:
        names = tuple(s for s, _ in parts)
        value = einsum.build(*(x for _, x in parts), attrs=(names, present, optimize))
    for factor in factors:
        value = factor if value is None else multiply.build(factor, value)
    assert value is not None
    missing = tuple(k - len(wanted) for k, c in enumerate(wanted) if c not in known)
    return expand_dims.build(value, attrs=(missing,)) if missing and present else value


def _einsum_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    subscripts, out, optimize = node.attrs
    return call("np.einsum", f"{','.join(subscripts)}->{out}", *operands, optimize=optimize)


einsum = Linear(
    "einsum", _einsum_type, _einsum_transpose, numpy=_einsum_shown,
    attrs=("subscripts", "out", "optimize"),
)  # fmt: skip


# tensordot. attrs: (axes of the first operand, axes of the second), paired, counted from the end.


def _free(x: Type, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(i for i in range(-x.rank, 0) if i not in axes)


def _tensordot_type(attrs: Attrs, types: Types) -> Type:
    a, b = types
    for i, j in zip(*attrs, strict=True):
        left, right = a.shape[i], b.shape[j]
        if isinstance(left, int) and isinstance(right, int) and left != right:
            raise IllTypedError(
                f"tensordot of shapes {show_shape(a.shape)} and {show_shape(b.shape)}: "
                f"{left} is not {right}"
            )
    kept = [a.shape[i] for i in _free(a, attrs[0])] + [b.shape[j] for j in _free(b, attrs[1])]
    return Type(promote_dtype(a, b), tuple(kept))


def _tensordot_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    other = node.operands[1 - i]
    mine, theirs = node.attrs[i], node.attrs[1 - i]
    free, kept = _free(node.operands[i].type, mine), _free(other.type, theirs)
    if not ct.type.rank:
        product: Expr = multiply.build(ct, other)
    else:
        # The result's axes are those of the first operand, then those of the second.
        start = -len(kept) if i == 0 else -ct.type.rank
        columns = tuple(range(start, start + len(kept)))
        product = tensordot.build(ct, other, attrs=(columns, kept))
    # Now the axes are: free ones of this operand, then contracted ones in the other's order.
    contracted = [mine[theirs.index(j)] for j in sorted(theirs)]
    have = [*free, *contracted]
    rank = len(have)
    return permuted(product, tuple(have.index(k) - rank for k in range(-rank, 0)))


def _tensordot_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    left, right = node.attrs
    a, b = (x.type.rank for x in node.operands)
    count = len(left)
    if left == tuple(range(-count, 0)) and right == tuple(range(-b, count - b)):
        return call("np.tensordot", *operands, axes=count or ast.Constant(0))
    shown = (tuple(i + a for i in left), tuple(j + b for j in right))
    return call("np.tensordot", *operands, axes=shown)


tensordot = Linear(
    "tensordot", _tensordot_type, _tensordot_transpose, numpy=_tensordot_shown,
    attrs=("left", "right"),
)  # fmt: skip


# Convolution of two vectors. attrs: (mode,), "full", or "valid" with the longer operand first.


def _convolve_type(attrs: Attrs, types: Types) -> Type:
    a, b = types
    if a.rank != 1 or b.rank != 1:
        raise IllTypedError("np.convolve takes two vectors")
    n, m = a.shape[0], b.shape[0]
    if n == 0 or m == 0:
        raise IllTypedError("np.convolve of an empty vector")
    total = dim_add(n, m, -1) if attrs[0] == "full" else dim_add(n, dim_mul(-1, m), 1)
    return Type(promote_dtype(a, b), (total,))


def _convolve_transpose(node: Apply, ct: Expr, i: int) -> Expr:
    a, b = node.operands
    if node.attrs[0] == "full":
        return convolve.build(ct, flip(b if i == 0 else a, (-1,)), attrs=("valid",))
    if i == 0:
        return convolve.build(ct, flip(b, (-1,)), attrs=("full",))
    return flip(convolve.build(a, flip(ct, (-1,)), attrs=("valid",)), (-1,))


def _convolve_shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    mode = node.attrs[0]
    return call("np.convolve", *operands, *([mode] if mode != "full" else []))


convolve = Linear(
    "convolve", _convolve_type, _convolve_transpose, numpy=_convolve_shown, attrs=("mode",),
    raises=True,
)  # fmt: skip
