"""The functions of `math` that NumPy has no like of: exact sums, parts of a float, fma.

They take Python numbers, any count of them where `math` takes a sequence.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr
from symdiff.ir.types import BOOL, FLOAT, INT
from symdiff.primitives.arithmetic import nonzero, power, remainder
from symdiff.primitives.domain import POSITIVE, REALS
from symdiff.primitives.elementary import ldexp
from symdiff.primitives.printed import call
from symdiff.primitives.row import Discrete, Elementwise, Term, as_expr, choose


class Variadic(Elementwise):
    """Any number of operands; `rule(operands, result, index)` is the partial in one of them."""

    def __init__(self, name: str, rule: Callable[..., Any], show: Callable[..., Any], **row: Any):
        def shown(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
            return show(list(operands))

        super().__init__(name, (), numpy=shown, infer=_float, **row)
        self.rule = rule

    def partial(self, node: Apply, index: int) -> Expr | None:
        return as_expr(self.rule([Term(x) for x in node.operands], Term(node), index))


def _float(attrs: Any, types: Any) -> Any:
    return FLOAT


def _sequence(items: list[ast.expr]) -> ast.expr:
    return ast.List(items, ast.Load())


def _halves(xs: list[Any]) -> tuple[list[Any], list[Any]]:
    return xs[: len(xs) // 2], xs[len(xs) // 2 :]


# The exactly rounded sum.
fsum = Variadic(
    "fsum", lambda xs, y, i: 1.0, lambda xs: call("math.fsum", _sequence(xs)), over=(REALS,),
)
# Operands are (*p, *q).
sumprod = Variadic(
    "sumprod", lambda xs, y, i: xs[(i + len(xs) // 2) % len(xs)],
    lambda xs: call("math.sumprod", *map(_sequence, _halves(xs))), over=(REALS,),
)  # fmt: skip
# The length of a vector of three or more components; 0 at 0, like hypot.
length = Variadic(
    "length", lambda xs, y, i: xs[i] / nonzero(y), lambda xs: call("math.hypot", *xs),
    over=(REALS,),
)
fma = Elementwise(
    "fma", (lambda x, y, z, r: y, lambda x, y, z, r: x, lambda x, y, z, r: 1.0), infer=_float,
    over=(REALS, REALS, REALS), numpy="math.fma({0}, {1}, {2})", math="math.fma({0}, {1}, {2})",
    c="fma({0}, {1}, {2})",
)  # fmt: skip


def _pow_fails(x: Term, y: Term) -> Any:
    """A negative base needs a whole exponent, and 0 one that is not negative."""
    if isinstance(y.expr, Const):
        n = y.expr.value
        if n % 1.0 == 0.0:
            return x.equals(0.0) if n < 0.0 else False
        return x < 0.0 if n > 0.0 else x <= 0.0
    broken = choose(remainder(y, 1.0).equals(0.0), False, True)
    return choose(x < 0.0, broken, choose(x.equals(0.0), y < 0.0, False))


# math.pow: `**` but for a negative base, where it raises and `**` becomes complex.
math_pow = Elementwise(
    "math_pow", power.partials, infer=_float, over=(POSITIVE, REALS), raises=True,
    fails=_pow_fails, numpy="math.pow({0}, {1})", math="math.pow({0}, {1})", c="pow({0}, {1})",
)

# The parts of a float.
fraction = Elementwise(
    "fraction", (lambda x, y: 1.0,), over=(REALS,), math="math.modf({0})[0]",
    numpy="np.modf({0})[0]", c="fraction({0})",
)
whole = Discrete(
    "whole", lambda attrs, types: types[0], numpy="np.trunc({0})", math="math.modf({0})[1]",
    c="trunc({0})",
)
mantissa = Elementwise(
    "mantissa", (lambda x, y: ldexp(1.0, -exponent(x)),), over=(REALS.without(0.0),),
    math="math.frexp({0})[0]", numpy="np.frexp({0})[0]", c="mantissa({0})",
)


def _int_result(attrs: Any, types: Any) -> Any:
    return INT if types[0].weak else types[0].with_dtype("int")


exponent = Discrete(
    "exponent", _int_result, math="math.frexp({0})[1]", numpy="np.frexp({0})[1]",
    c="exponent({0})",
)
ulp = Discrete("ulp", _float, math="math.ulp({0})", numpy="math.ulp({0})", c="ulp({0})")
spacing = Discrete("spacing", lambda attrs, types: types[0], numpy="np.spacing({0})")


def _close(operands: Sequence[ast.expr], node: Apply, target: Any) -> ast.expr:
    relative, absolute = node.attrs
    return call(
        "math.isclose", *operands, rel_tol=None if relative == 1e-9 else relative,
        abs_tol=absolute or None,
    )  # fmt: skip


math_isclose = Discrete(
    "math_isclose", lambda attrs, types: BOOL, numpy=_close, attrs=("rel_tol", "abs_tol")
)

