"""Jacobians and Hessians, entry by entry: which mode, and the symmetry of second derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.differentiate.forward import pushforward
from symdiff.differentiate.numbers import numbers_of
from symdiff.differentiate.reverse import pullback
from symdiff.ir.expr import Expr, Var, const, map_, var
from symdiff.ir.types import FLOAT, Shape, Type
from symdiff.ir.walk import topological
from symdiff.primitives.arrays import eye, reshape, stack, transpose
from symdiff.primitives.row import fit, zero_of
from symdiff.primitives.shape import shape_size


def jacobian_entries(
    out: Expr, wrt: Sequence[Expr], mode: str, names: dict[Expr, str], outputs: Sequence[Expr]
) -> dict[Expr, Expr | None]:
    """d out / d x for each x, of shape out.shape + x.shape.

    Mode "auto" counts: forward costs one sweep for each scalar input, reverse one for each scalar
    output; where sizes are known only at run time, arrays count more than scalars.
    """
    if mode == "auto":
        mode = "forward" if _cost(wrt) <= _cost(outputs) else "reverse"
    if not out.type.rank:
        if mode == "reverse":
            adjoints, every = pullback([out], [const(1.0, FLOAT)], wrt)
            _record(names, every)
            return dict(zip(wrt, adjoints, strict=True))
        return {x: _columns(out, x, names) for x in wrt}
    if mode == "forward":
        return {x: _columns(out, x, names) for x in wrt}
    numbers = numbers_of(out)
    if numbers:
        return _rows_of_numbers(numbers, wrt, names)
    return {x: _rows(out, x, names) for x in wrt}


def _rows_of_numbers(
    numbers: Sequence[Expr], wrt: Sequence[Expr], names: dict[Expr, str]
) -> dict[Expr, Expr | None]:
    """A sweep for each number: what it does not depend on is not multiplied by zero."""
    rows: dict[Expr, list[Expr]] = {x: [] for x in wrt}
    for number in numbers:
        adjoints, every = pullback([number], [const(1.0, FLOAT)], wrt)
        _record(names, every)
        for x, adjoint in zip(wrt, adjoints, strict=True):
            rows[x].append(zero_of(x.type) if adjoint is None else fit(adjoint, x.type))
    return {x: stack.build(*found, attrs=(-1 - x.type.rank,)) for x, found in rows.items()}


def _cost(nodes: Sequence[Expr]) -> tuple[int, int]:
    """(arrays of unknown size, scalars): what one sweep for each entry of `nodes` costs."""
    sizes = [shape_size(x.type.shape) for x in nodes]
    return (
        sum(not isinstance(s, int) for s in sizes),
        sum(s for s in sizes if isinstance(s, int)),
    )


def _record(names: dict[Expr, str], every: dict[Expr, Expr]) -> None:
    for node, derivative in every.items():
        name = names.get(node) or getattr(node, "name", None)
        if name and derivative.operands:
            names.setdefault(derivative, f"d_{name}")


def _basis(type_: Type) -> Expr:
    """The unit arrays of a shape, stacked: (size, *shape)."""
    size = shape_size(type_.shape)
    rows = eye.build(attrs=(size, size, type_.dtype, 0))
    return rows if type_.rank == 1 else reshape.build(rows, attrs=((size, *type_.shape),))


def _columns(out: Expr, x: Expr, names: dict[Expr, str]) -> Expr | None:
    """d out / d x by forward sweeps, one for each element of x."""
    if not x.type.rank:
        (tangent,), every = pushforward([out], {x: const(1.0, Type(x.type.dtype, (), True))})
        _record(names, every)
        return zero_of(out.type) if tangent is None else fit(tangent, out.type)
    seed = var(f"d_{getattr(x, 'name', 'x')}", x.type, _tag(out))
    (tangent,), every = pushforward([out], {x: seed})
    if tangent is None:
        return zero_of(Type(x.type.dtype, (*out.type.shape, *x.type.shape)))
    _record(names, {n: t for n, t in every.items() if n is not x})
    size = shape_size(x.type.shape)
    body = fit(tangent, out.type)
    rows = map_((seed,), (_basis(x.type),), body, Type(body.type.dtype, (size, *out.type.shape)))
    if out.type.rank:  # the new axis goes last
        order = (*range(-out.type.rank, 0), -out.type.rank - 1)
        rows = transpose.build(rows, attrs=(order,))
    return _split_last(rows, out.type.shape, x.type.shape)


def _rows(out: Expr, x: Expr, names: dict[Expr, str]) -> Expr | None:
    """d out / d x by reverse sweeps, one for each element of out."""
    seed = var("d_out", Type(out.type.dtype, out.type.shape), _tag(out))
    (adjoint,), every = pullback([out], [seed], [x])
    if adjoint is None:
        return zero_of(Type(x.type.dtype, (*out.type.shape, *x.type.shape)))
    _record(names, every)
    size = shape_size(out.type.shape)
    body = fit(adjoint, x.type)
    rows = map_((seed,), (_basis(out.type),), body, Type(body.type.dtype, (size, *x.type.shape)))
    if out.type.rank == 1:
        return rows
    return reshape.build(rows, attrs=((*out.type.shape, *x.type.shape),))


def _split_last(rows: Expr, lead: Shape, shape: Shape) -> Expr:
    if len(shape) <= 1:
        return rows
    return reshape.build(rows, attrs=((*lead, *shape),))


def _tag(out: Expr) -> int:
    """A tag that no variable below `out` has: what a new region binds must be its own."""
    return 1 + max((n.tag for n in topological([out]) if isinstance(n, Var)), default=0)


def hessian_entries(
    grads: Sequence[Expr | None], wrt: Sequence[Expr], mode: str, names: dict[Expr, str]
) -> list[dict[Expr, Any]]:
    """Second derivatives, one row for each of `wrt`; scalar entries below the diagonal are copies.

    Auto is forward over reverse for arrays, and reverse over reverse for scalars: there one sweep
    gives a whole row of the upper triangle.
    """
    rows: list[dict[Expr, Any]] = [{} for _ in wrt]
    for i, (x, grad) in enumerate(zip(wrt, grads, strict=True)):
        if grad is None:
            rows[i] = {y: zero_of(_entry_type(x, y)) for y in wrt}
            continue
        grad = fit(grad, x.type)
        if x.type.rank == 0:
            rest = list(wrt[i:])
            found = jacobian_entries(
                grad, rest, "forward" if mode == "forward" else "reverse", names, [grad]
            )
            for j, y in enumerate(wrt[i:], start=i):
                entry = found.get(y)
                rows[i][y] = zero_of(_entry_type(x, y)) if entry is None else entry
                if j > i and y.type.rank == 0:
                    rows[j][x] = rows[i][y]
        for y in wrt:
            if y not in rows[i]:
                rows[i][y] = jacobian_entries(
                    grad, [y], "reverse" if mode == "reverse" else "forward", names, [grad]
                )[y]
                if rows[i][y] is None:
                    rows[i][y] = zero_of(_entry_type(x, y))
    return rows


def _entry_type(x: Expr, y: Expr) -> Type:
    return Type(x.type.dtype, (*x.type.shape, *y.type.shape), x.type.weak and y.type.weak)
