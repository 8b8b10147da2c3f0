"""Masked divisions of the derivative divide by 1 where they are masked, and so warn of nothing.

    np.where(m, 0.5 / y, 0.0)  ->  np.where(m, 0.5 / np.where(m, y, 1.0), 0.0)

The primal computes np.sqrt(x) for every x, and warns where it does; 0.5 / np.sqrt(x) is ours.
Runs last, so that no other rewrite meets the masks. What the value of the function is made of
stays as the user wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.expr import Apply, Const, Expr, with_operands
from symdiff.ir.function import Function
from symdiff.ir.tree import Tree, expressions
from symdiff.ir.types import broadcast_shapes
from symdiff.ir.walk import topological
from symdiff.primitives.arithmetic import add, divide, multiply, negative, power
from symdiff.primitives.elementary import abs_, cosh, exp, log, sqrt, where
from symdiff.primitives.row import Elementwise, is_zero

# A mask, and whether what is masked counts where it is true; None: it counts everywhere.
_Mask = tuple[Expr, bool] | None


def quiet(function: Function, value: Tree = ()) -> Function:
    """`function`, whose result includes the function's own `value`."""
    order = function.nodes()
    if not any(type(node) is Apply and node.op is where and node.type.rank for node in order):
        return function
    masks = _masks(order, function.results, set(topological(expressions(value))))

    done: dict[Expr, Expr] = {}
    for node in order:
        new, mask = node, masks.get(node)
        if any(done[x] is not x for x in node.operands):
            new = with_operands(node, tuple([done[x] for x in node.operands]))
        if mask is not None and isinstance(new, Apply):
            new = _safe(new, done[mask[0]], mask[1])
        done[node] = new
    return function.rewritten(done) if any(k is not v for k, v in done.items()) else function


def _masks(order: list[Expr], results: Iterable[Expr], kept: set[Expr]) -> dict[Expr, _Mask]:
    """Under which mask all that uses a node uses it, element by element."""
    masks: dict[Expr, _Mask] = dict.fromkeys([*results, *kept])
    for node in reversed(order):
        own = masks.get(node)
        elementwise = isinstance(node, Apply) and isinstance(node.op, Elementwise)
        for i, operand in enumerate(node.operands):
            mask = own if elementwise else None
            if isinstance(node, Apply) and node.op is where and i and is_zero(node.operands[3 - i]):
                mask = (node.operands[0], i == 1)
            if masks.setdefault(operand, mask) != mask:
                masks[operand] = None
    return masks


def _safe(node: Apply, mask: Expr, side: bool) -> Expr:
    """`node` with an operand that harms nothing where it is masked."""
    if node.op is divide and not _never_zero(node.operands[1]):
        at = 1
    elif node.op is log or (node.op is power and _is_singular(node.operands[1])):
        at = 0
    else:
        return node
    x = node.operands[at]
    fits = x.type.rank and broadcast_shapes(mask.type.shape, x.type.shape) == x.type.shape
    if not fits or (isinstance(x, Apply) and x.op is where):  # the user has masked it already
        return node
    operands = list(node.operands)
    operands[at] = where.build(mask, x, 1.0) if side else where.build(mask, 1.0, x)
    return node.op.build(*operands, attrs=node.attrs)


def _is_singular(exponent: Expr) -> bool:
    value = getattr(exponent, "value", None)
    return not isinstance(value, (int, float)) or value < 0 or value != int(value)


def _never_zero(x: Expr) -> bool:
    """Whether it is seen at once that no element of `x` is 0."""
    if isinstance(x, Const):
        return not getattr(x.value, "shape", ()) and bool(x.value)
    if not isinstance(x, Apply):
        return False
    if x.op in (exp, cosh):
        return True
    if x.op in (multiply, negative, sqrt):
        return all(map(_never_zero, x.operands))
    if x.op is power:
        return _never_zero(x.operands[0])
    return x.op is add and any(
        _is_positive(a) and _not_negative(b) for a, b in (x.operands, x.operands[::-1])
    )


def _is_positive(x: Expr) -> bool:
    if isinstance(x, Const):
        return not getattr(x.value, "shape", ()) and x.value > 0
    return isinstance(x, Apply) and x.op in (exp, cosh)


def _not_negative(x: Expr) -> bool:
    if _is_positive(x):
        return True
    if not isinstance(x, Apply):
        return False
    if x.op is power:
        exponent = getattr(x.operands[1], "value", None)
        return isinstance(exponent, int) and exponent % 2 == 0
    return x.op in (abs_, sqrt) or (x.op is multiply and x.operands[0] is x.operands[1])
