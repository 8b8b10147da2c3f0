"""The functions of `scipy.special` in terms of the rows.

Imported only where a program holds one of them: symdiff itself does without SciPy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import elementary as el
from symdiff.primitives import special as sp
from symdiff.primitives.row import Primitive, Term
from symdiff.primitives.shape import normal_axes, normal_axis
from symdiff.primitives.spell import Spelling, strong, to_expr

# SciPy's name of each row, where it is not the row's own.
_NAMES: dict[str, Primitive] = {
    "psi": sp.digamma, "gammaln": sp.lgamma, "softplus": sp.scipy_softplus, "jn": sp.jv,
    "kn": sp.kv, "yn": sp.yv, "cbrt": el.cbrt, "exp2": el.exp2, "expm1": el.expm1,
    "log1p": el.log1p,
    "erf": el.erf, "erfc": el.erfc,
}  # fmt: skip
_ROWS: tuple[Primitive, ...] = (
    sp.gamma, sp.digamma, sp.beta, sp.betaln, sp.gammainc, sp.gammaincc, sp.erfcx, sp.erfi,
    sp.dawsn, sp.erfinv, sp.erfcinv, sp.ndtr, sp.log_ndtr, sp.ndtri, sp.expit, sp.log_expit,
    sp.logit, sp.xlogy, sp.xlog1py, sp.entr, sp.rel_entr, sp.kl_div, sp.exp10, sp.exprel,
    sp.cosm1, sp.expi, sp.exp1, sp.expn, sp.sindg, sp.cosdg, sp.tandg, sp.jv, sp.yv, sp.iv, sp.kv,
    sp.ive, sp.kve, sp.j0, sp.j1, sp.y0, sp.y1, sp.i0, sp.i1, sp.i0e, sp.i1e, sp.k0, sp.k1,
    sp.k0e, sp.k1e,
)  # fmt: skip


@functools.cache
def scipy_spellings() -> Mapping[Any, Spelling]:
    """What calling each function of `scipy.special` means."""
    from scipy import special

    named = {**{row.name: row for row in _ROWS}, **_NAMES}
    found: dict[Any, Spelling] = {
        getattr(special, name): _elementwise(name, row)
        for name, row in named.items()
        if hasattr(special, name)  # softplus is new in 1.15
    }
    for name, spelling in _OTHERS.items():
        found[getattr(special, name)] = spelling
    return MappingProxyType(found)


def _elementwise(name: str, row: Primitive) -> Spelling:
    count = len(getattr(row, "partials", ()))

    def call(*operands: Any, **options: Any) -> Expr:
        _refuse(f"scipy.special.{name}", options)
        if len(operands) != count:
            raise TypeError(f"{name}() takes {count} arguments, not {len(operands)}")
        return row.build(*_real(f"scipy.special.{name}", operands))

    return call


def _refuse(name: str, options: Mapping[str, Any]) -> None:
    given = [k for k, v in options.items() if v is not None]
    if given:
        raise UnsupportedError(f"{name} with {', '.join(sorted(given))}= is not supported")


def _real(name: str, operands: Any) -> list[Expr]:
    """Operands as SciPy sees them; what it returns is a NumPy number."""
    exprs = [to_expr(x) for x in operands]
    if any(e.type.is_complex for e in exprs):
        raise UnsupportedError(
            f"{name} of a complex number is not differentiated",
            hint="write the function with real and imaginary parts as separate arguments",
        )
    dynamic = [i for i, e in enumerate(exprs) if not isinstance(e, Const)]
    if all(e.type.weak for e in exprs) and dynamic:
        exprs = [strong(e) if i in dynamic else e for i, e in enumerate(exprs)]
    return exprs


def _static_order(value: Any) -> int:
    if isinstance(value, Const):
        value = value.value
    if isinstance(value, Expr) or not hasattr(value, "__index__"):
        raise UnsupportedError("the order of polygamma must be an integer known when compiling")
    return value.__index__()


def _polygamma(n: Any, x: Any) -> Expr:
    (operand,) = _real("scipy.special.polygamma", [x])
    order = _static_order(n)
    return sp.polygamma.build(strong(operand), attrs=(order,))


def _logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: Any = False, return_sign: Any = False
) -> Expr:
    (x,) = _real("scipy.special.logsumexp", [a])
    if return_sign:
        raise UnsupportedError("logsumexp with return_sign=True is not supported")
    axes = normal_axes(axis, x.type.rank)
    if b is None:
        return sp.logsumexp.build(strong(x), attrs=(axes, bool(keepdims)))
    # With weights: shifted by the largest exponent, which the result does not depend on.
    shift = el.detach.build(Term.rows["max"].build(x, attrs=(axes, True)))
    weighted = ar.multiply.build(to_expr(b), el.exp.build(ar.subtract.build(x, shift)))
    total = el.log.build(Term.rows["sum"].build(weighted, attrs=(axes, True)))
    value = ar.add.build(total, shift)
    return value if keepdims else Term.rows["squeeze"].build(value, attrs=(axes,))


def _normalised(row: Primitive) -> Callable[..., Expr]:
    def call(x: Any, axis: Any = None) -> Expr:
        (value,) = _real(f"scipy.special.{row.name}", [x])
        value = strong(value)
        if axis is None and value.type.rank != 1:
            raise UnsupportedError(
                f"{row.name} over all axes of an array at once is not supported",
                hint="name the axis: axis=-1",
            )
        return row.build(value, attrs=(normal_axis(-1 if axis is None else axis, value.type.rank),))

    return call


_OTHERS: dict[str, Spelling] = {
    "polygamma": _polygamma, "logsumexp": _logsumexp, "softmax": _normalised(sp.softmax),
    "log_softmax": _normalised(sp.log_softmax),
}  # fmt: skip
