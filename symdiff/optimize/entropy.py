"""Products with a logarithm of one of their factors, which are 0 where that factor is 0.

    2.0 * x * np.log(x)        ->   2.0 * xlogx(x)          at x = 0: 0, was nan; derivative -inf
    -p * np.log2(p)            ->   -(1 / log(2) * xlogx(p))
    (1 - p) * np.log1p(-p)     ->   xlogx1p(-p)

Only for NumPy's logarithm: Python's own 0.0 * math.log(0.0) raises, and goes on to do so.
"""

from __future__ import annotations

from collections.abc import Iterator

from symdiff.ir.expr import Apply, Const, Expr
from symdiff.primitives.arithmetic import add, divide, multiply, negative, subtract
from symdiff.primitives.elementary import LN2, LN10, cast, log, log1p, log2, log10
from symdiff.primitives.row import Term, as_expr, times
from symdiff.primitives.stable import xlogx, xlogx1p

LOGARITHMS = {log: 1.0, log2: 1.0 / LN2, log10: 1.0 / LN10}
# What may stand around the two factors, and how many of them are looked through.
PRODUCTS = (multiply, divide, negative)
_DEPTH = 6


def x_log_x(node: Apply) -> Expr | None:
    """A product in which a factor meets its logarithm, through `xlogx`."""
    if node.type.weak:
        return None
    for a, b in (node.operands, node.operands[::-1]):
        for logarithm in _factors(a):
            made = _meeting(logarithm)
            if made is None:
                continue
            value, wanted = made
            for factor in _factors(b):
                if any(_plainly(factor) is w for w in wanted):
                    rest = times(_without(a, logarithm), _without(b, factor))
                    return times(rest, value)
    return None


def _meeting(x: Expr) -> tuple[Expr, list[Expr]] | None:
    """For a logarithm: its product with what it is the logarithm of, and that, as it may look."""
    if not isinstance(x, Apply) or x.type.weak:
        return None
    if x.op in LOGARITHMS:
        (q,) = x.operands
        return times(as_expr(LOGARITHMS[x.op]), xlogx.build(q)), [_plainly(q)]
    if x.op is not log1p:
        return None
    v = _plainly(x.operands[0])
    wanted = [add.build(1.0, v), add.build(v, 1.0), add.build(1, v), add.build(v, 1)]
    if isinstance(v, Apply) and v.op is negative:
        wanted += [subtract.build(1.0, v.operands[0]), subtract.build(1, v.operands[0])]
    return xlogx1p.build(x.operands[0]), wanted


def _plainly(x: Expr) -> Expr:
    """`x` without a change between Python's and NumPy's numbers, which `np.log` makes."""
    if isinstance(x, Apply) and x.op is cast and not x.type.rank:
        (inner,) = x.operands
        return inner if inner.type.dtype == x.type.dtype else x
    return x


def _factors(x: Expr) -> Iterator[Expr]:
    """The factors of a product, in order; what is divided by is none."""
    stack = [(x, 0)]
    while stack:
        node, depth = stack.pop()
        yield node
        if depth < _DEPTH and isinstance(node, Apply) and node.op in PRODUCTS:
            inner = node.operands[:1] if node.op is divide else node.operands[::-1]
            stack.extend((operand, depth + 1) for operand in inner)


def _without(x: Expr, factor: Expr) -> Expr:
    """The product `x` but for one `factor`; 1.0 where nothing is left."""
    if x is factor:
        return as_expr(1.0)
    assert isinstance(x, Apply)
    if x.op is negative:
        rest = _without(x.operands[0], factor)
        return (-Term(rest)).expr if not isinstance(rest, Const) else as_expr(-rest.value)
    if x.op is divide:
        return (Term(_without(x.operands[0], factor)) / Term(x.operands[1])).expr
    a, b = x.operands
    if any(f is factor for f in _factors(a)):
        return times(_without(a, factor), b)
    return times(a, _without(b, factor))
