r"""The latex target: a scalar function as a formula, through SymPy.

    df_dx(x): 2.0 * x * cos(x**2)     =>     2 x \cos{\left(x^{2} \right)}

What would be too long as one formula becomes several: values that are used more than once get
names of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr, If, Operator, Var
from symdiff.ir.function import Function
from symdiff.ir.tree import Record, Tree, expressions
from symdiff.ir.walk import users
from symdiff.primitives import arithmetic, custom, elementary, shape

LONG = 120  # more operations than this, written out as a tree, are split into named values


def latex(function: Function) -> str:
    r"""The results of `function` as LaTeX, without dollar signs.

    function: one whose values are all scalars. A tuple is a column, a tuple of tuples a matrix.
    Raises UnsupportedError where a value is an array or a loop, or SymPy is not installed.

    >>> from symdiff import grad
    >>> grad(lambda x: x**2).latex()
    '2 x'
    """
    try:
        import sympy
    except ImportError:
        raise UnsupportedError(
            "LaTeX needs SymPy, which is not installed", hint="pip install sympy"
        ) from None
    order = function.nodes()
    _check(function, order)
    named = _shared(function, order) if _length(expressions(function.result), order) > LONG else {}
    rows = _rows(sympy)
    formulas: dict[Expr, Any] = {}
    equations: list[str] = []
    for node in order:
        formula = _formula(node, formulas, rows, sympy)
        if node in named:
            symbol = sympy.Symbol(named[node])
            equations.append(f"{sympy.latex(symbol)} &= {sympy.latex(formula)}")
            formula = symbol
        formulas[node] = formula
    result = sympy.latex(_arranged(function.result, formulas, sympy))
    if not equations:
        return result
    body = " \\\\\n".join([*equations, f"& {result}"])
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _check(function: Function, order: Iterable[Expr]) -> None:
    for node in order:
        what = ""
        if node.type.rank:
            what = "arrays"
        elif not isinstance(node, (Const, Var, Apply, If)):
            what = "loops"
        if what:
            raise UnsupportedError(
                f"LaTeX is for functions of scalars; {function.name} computes with {what}",
                span=function.span,
                hint="look at .source instead",
            )


def _length(results: Iterable[Expr], order: Iterable[Expr]) -> int:
    """Operations when shared values are written out every time."""
    size: dict[Expr, int] = {}
    for node in order:
        size[node] = sum(size[x] for x in node.operands) + bool(node.operands)
    return sum(size[x] for x in results)


def _shared(function: Function, order: list[Expr]) -> dict[Expr, str]:
    """Names for the values that are used more than once: the user's, or t_1, t_2, ..."""
    taken = {v.name for v in function.variables}
    uses = users(order)
    named: dict[Expr, str] = {}
    for node in order:
        # A negated or scaled name is as short as another name.
        if uses.get(node, 0) < 2 or not any(x.operands for x in node.operands):
            continue
        wish = function.names.get(node, "")
        if not wish or wish in taken:
            wish = next(t for i in range(1, len(order) + 2) if (t := f"t_{i}") not in taken)
        taken.add(wish)
        named[node] = wish
    return named


Rows = Mapping[Operator, Callable[..., Any]]


def _rows(sympy: Any) -> Rows:
    """What each row of the table is in SymPy."""
    a, e = arithmetic, elementary
    integer = sympy.Integer
    rows: dict[Operator, Callable[..., Any]] = {
        a.add: lambda x, y: x + y, a.subtract: lambda x, y: x - y,
        a.multiply: lambda x, y: x * y, a.divide: lambda x, y: x / y,
        a.power: lambda x, y: x**y, a.negative: lambda x: -x,
        a.floor_divide: lambda x, y: sympy.floor(x / y), a.remainder: sympy.Mod,
        a.less: sympy.Lt, a.less_equal: sympy.Le, a.greater: sympy.Gt,
        a.greater_equal: sympy.Ge, a.equal: sympy.Eq, a.not_equal: sympy.Ne,
        a.logical_not: sympy.Not, a.not_: sympy.Not, a.bitwise_and: sympy.And,
        a.bitwise_or: sympy.Or,
        e.sin: sympy.sin, e.cos: sympy.cos, e.tan: sympy.tan,
        e.asin: sympy.asin, e.acos: sympy.acos, e.atan: sympy.atan,
        e.sinh: sympy.sinh, e.cosh: sympy.cosh, e.tanh: sympy.tanh,
        e.asinh: sympy.asinh, e.acosh: sympy.acosh, e.atanh: sympy.atanh,
        e.exp: sympy.exp, e.exp2: lambda x: integer(2) ** x, e.expm1: lambda x: sympy.exp(x) - 1,
        e.log: sympy.log, e.log2: lambda x: sympy.log(x) / sympy.log(2),
        e.log10: lambda x: sympy.log(x) / sympy.log(10), e.log1p: lambda x: sympy.log(1 + x),
        e.sqrt: sympy.sqrt, e.cbrt: lambda x: sympy.cbrt(x),
        e.abs_: sympy.Abs, e.fabs: sympy.Abs, e.sign: sympy.sign,
        e.erf: sympy.erf, e.erfc: sympy.erfc,
        e.degrees: lambda x: 180 * x / sympy.pi, e.radians: lambda x: sympy.pi * x / 180,
        e.hypot: lambda x, y: sympy.sqrt(x**2 + y**2), e.atan2: sympy.atan2,
        e.logaddexp: lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
        e.maximum: sympy.Max, e.minimum: sympy.Min,
        e.greatest: sympy.Max, e.least: sympy.Min, e.fmax: sympy.Max, e.fmin: sympy.Min,
        e.clip: lambda x, low, high: sympy.Min(sympy.Max(x, low), high),
        e.floor: sympy.floor, e.ceil: sympy.ceiling,
        e.where: lambda c, x, y: sympy.Piecewise((x, c), (y, True)),
        e.detach: lambda x: x, e.cast: lambda x: x,
        custom.custom: lambda value, *_: value,
    }  # fmt: skip
    return rows


def _formula(node: Expr, formulas: Mapping[Expr, Any], rows: Rows, sympy: Any) -> Any:
    operands = [formulas[x] for x in node.operands]
    match node:
        case Const(value):
            return number(value, sympy)
        case Var(name):
            return sympy.Symbol(name)
        case If():
            pred, then, orelse = operands
            # An `elif` is one more line, not a brace within a brace.
            rest = orelse.args if isinstance(orelse, sympy.Piecewise) else [(orelse, True)]
            return sympy.Piecewise((then, pred), *rest)
        case Apply(op) if op in rows:
            return rows[op](*operands)
        case Apply(op) if op is shape.size:
            return sympy.Symbol(str(node.attrs[0]))
        case Apply(op):
            return sympy.Function(op.name)(*operands)
        case _:
            raise AssertionError(node)


def number(value: Any, sympy: Any) -> Any:
    """A constant as a reader would write it: 2 for 2.0, a fraction for 0.25, pi for 3.14159..."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, (bool, int)):
        return sympy.sympify(value)
    if isinstance(value, complex):
        return number(value.real, sympy) + sympy.I * number(value.imag, sympy)
    if math.isnan(value):
        return sympy.nan
    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    for known, symbol in ((math.e, sympy.E), (math.log(2), sympy.log(2)), (math.pi, sympy.pi)):
        # 1.5707963267948966 is pi/2: a multiple that rounds to the very same number.
        ratio = Fraction(value / known).limit_denominator(12)
        if 0 < abs(ratio.numerator) <= 24 and float(ratio) * known == value:
            return sympy.Rational(ratio.numerator, ratio.denominator) * symbol
    fraction = Fraction(value).limit_denominator(64)
    if float(fraction) == value:
        return sympy.Rational(fraction.numerator, fraction.denominator)
    return sympy.Float(value, 15)


def _arranged(tree: Tree, formulas: Mapping[Expr, Any], sympy: Any) -> Any:
    """A result: one formula, a column, a matrix, or a tuple of those."""
    if isinstance(tree, Expr):
        return formulas[tree]
    if isinstance(tree, Record):
        tree = tuple(tree.fields.values())
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if not isinstance(tree, (tuple, list)):
        return sympy.Symbol(str(tree))
    parts = [part for part in tree if expressions(part)]
    if all(isinstance(part, Expr) for part in parts):
        return sympy.Matrix([formulas[part] for part in parts])
    rows = [tuple(part) if isinstance(part, (tuple, list)) else None for part in parts]
    if len({len(row) if row else 0 for row in rows}) == 1 and all(
        row and all(isinstance(x, Expr) for x in row) for row in rows
    ):
        return sympy.Matrix([[formulas[x] for x in row or ()] for row in rows])
    return sympy.Tuple(*(_arranged(part, formulas, sympy) for part in parts))
