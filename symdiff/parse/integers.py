"""Integers that are known when compiling, or only at run time: sums and products of both.

plus(2, 3)   ->   5          plus(0, n)   ->   n          moved_by(n + 1, -1)   ->   n
"""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Apply, Const, Expr
from symdiff.primitives.arithmetic import add, less_equal, multiply, subtract
from symdiff.primitives.row import as_expr, choose


def is_same(a: Any, b: Any) -> bool:
    """Whether two integers are certain to be equal."""
    if isinstance(a, Expr) or isinstance(b, Expr):
        return a is b
    return a == b


def plus(a: Any, b: Any) -> Any:
    """`a + b`."""
    if is_same(a, 0):
        return b
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a + b
    return a if is_same(b, 0) else add.build(as_expr(a), as_expr(b))


def minus(a: Any, b: Any) -> Any:
    """`a - b`."""
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a - b
    return a if is_same(b, 0) else subtract.build(as_expr(a), as_expr(b))


def times(a: Any, b: Any) -> Any:
    """`a * b`."""
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return a * b
    return b if is_same(a, 1) else multiply.build(as_expr(a), as_expr(b))


def moved_by(length: Any, count: int) -> Any:
    """`length + count`; `n`, not `n + 1 - 1`."""
    if not isinstance(length, Expr):
        return length + count
    base, shift = offset(length)
    count += shift
    if not count:
        return base
    return add.build(base, count) if count > 0 else subtract.build(base, -count)


def offset(node: Expr) -> tuple[Expr, int]:
    """An integer as another and what is added to it: (n, 2) of `n + 3 - 1`."""
    shift = 0
    while isinstance(node, Apply) and node.type.dtype == "int" and not node.type.rank:
        last = node.operands[-1] if node.op in (add, subtract) else None
        if not isinstance(last, Const):
            break
        shift += last.value if node.op is add else -last.value
        node = node.operands[0]
    return node, shift


def smaller(a: Any, b: Any) -> Any:
    """`min(a, b)`."""
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return min(a, b)
    return choose(less_equal.build(a, b), a, b).expr


def repeated(start: Any, count: Any, step: int) -> Expr:
    """`start + step * count`, as a sum."""
    total = as_expr(count)
    for _ in range(step - 1):
        total = add.build(total, as_expr(count))
    return total if start == 0 else add.build(total, as_expr(start))
