"""One element of an operation: arithmetic, functions of `math`, and where Python would raise.

    math.log(x)   ->   fail where x <= 0.0: ValueError;  t = log(x)
    np.log(x)[i]  ->   t = log(x[i])

Python's numbers raise where C's do not (`1.0 / 0.0`, `math.exp(1000.0)`), and its integers have no
largest; both are checked, so that a compiled function never returns what Python would not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, If, var
from symdiff.ir.nest import Num, Op, Ref, Term
from symdiff.ir.types import DType, Type
from symdiff.lower.context import Context, refused
from symdiff.primitives import elementary as el
from symdiff.primitives.arithmetic import (
    add,
    divide,
    left_shift,
    multiply,
    negative,
    power,
    right_shift,
    subtract,
)
from symdiff.primitives.row import Primitive
from symdiff.primitives.term import Term as Notation
from symdiff.primitives.term import as_expr

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne,
}  # fmt: skip
_HOLD_FOR_EQUALS = frozenset(("less_equal", "greater_equal", "equal"))
_WHOLE = frozenset((add, subtract, multiply, negative, left_shift, right_shift))
_FALSE = Num(False, "bool")
_ROUNDED = frozenset((el.floor, el.ceil, el.trunc, el.rint))
_PERIODIC = frozenset((el.sin, el.cos, el.tan))  # Python's raise for infinities
_OVERFLOWING = frozenset((el.exp, el.exp2, el.expm1, el.sinh, el.cosh))


def operate(to: Context, node: Apply, args: Sequence[Term]) -> Term:
    """An element of `node`, of the elements of its operands."""
    op: Primitive = node.op
    type_ = node.type
    if op is el.cast:
        return _cast(to, node.operands[0].type, args[0], type_)
    code = _code(op, type_, args)
    if code is None:
        raise refused(op.name, to.line)
    if op.name in _COMPARISONS:
        kinds: list[DType] = [a.dtype for a in args]
        common = promoted([x.type for x in node.operands], kinds)
        one, other = (to.converted(a, common) for a in args)
        if isinstance(one, Num) and isinstance(other, Num):
            return Num(_COMPARISONS[op.name](one.value, other.value), "bool")
        if common == "int" and to.known.equal(one, other):  # sizes that are one size
            return Num(op.name in _HOLD_FOR_EQUALS, "bool")
        return Op(code, (one, other), "bool")
    if op is el.where:
        sides = [to.converted(a, type_.dtype) for a in args[1:]]
        return Op(code, (to.converted(args[0], "bool"), *sides), type_.dtype)
    if op is power:
        return _power(to, node, args)
    kind = type_.dtype
    if op in _ROUNDED and kind == "int":
        return _rounded(to, code, args[0])
    if (
        kind != "bool" and op is not el.ldexp
    ):  # a float is not made an integer for an integer result
        args = [a if kind == "int" and a.dtype != "bool" else to.converted(a, kind) for a in args]
    if type_.weak:
        _check(to, node, args)
    if kind == "int" and type_.weak and op in _WHOLE:
        return _whole(to, op, code, args)
    made = Op(_filled(code, op, node.attrs), tuple(args), kind)
    if type_.weak and op in _OVERFLOWING:
        bound = to.bind(made)
        _overflow(to, bound, args)
        return bound
    if type_.weak and op.raises and op.fails is None and type_.is_float:
        bound = to.bind(made)
        test = " && ".join(["isnan({0})", *(f"!isnan({{{i + 1}}})" for i in range(len(args)))])
        to.fail(Op(test, (bound, *args), "bool"), "ValueError", "math domain error")
        return bound
    return made


def _filled(code: str, op: Primitive, attrs: Sequence[object]) -> str:
    """A template with the static arguments that it names."""
    for name, value in zip(op.attr_names, attrs, strict=False):
        code = code.replace(f"{{{name}}}", str(value))
    return code


def _code(op: Primitive, type_: Type, args: Sequence[Term]) -> str | None:
    code = op.c
    if code is None or isinstance(code, str):
        return code
    kinds = {a.dtype for a in args}
    if type_.weak and "python" in code:
        return code["python"]
    if kinds <= {"bool"} and "bool" in code:
        return code["bool"]
    if kinds <= {"int", "bool"} and "int" in code:
        return code["int"]
    return code.get("float")


def promoted(types: Sequence[Type], kinds: Sequence[DType]) -> DType:
    """The dtype that numbers are compared in."""
    from symdiff.ir.types import promote_dtype

    if all(k in ("bool", "int") for k in kinds):
        return "bool" if all(k == "bool" for k in kinds) else "int"
    return promote_dtype(*types)


def _cast(to: Context, old: Type, value: Term, new: Type) -> Term:
    if new.dtype == "int" and old.is_float:
        if old.weak or new.weak:
            return _integer(to, value)
        return Op("(int){0}", (value,), "int")
    return to.converted(value, new.dtype)


def _rounded(to: Context, code: str, value: Term) -> Term:
    """`math.floor` and the like: an integer of Python."""
    if value.dtype == "int":
        return value
    return _integer(to, to.bind(Op(code, (to.converted(value, "float64"),), "float64")))


def _integer(to: Context, value: Term) -> Term:
    """A whole number as an integer; nan and what is too large raise."""
    value = to.bind(value)
    to.fail(Op("isnan({0})", (value,), "bool"), "ValueError", "cannot convert float NaN to integer")
    large = Op("fabs({0}) >= 9223372036854775808.0", (value,), "bool")
    to.fail(large, "OverflowError", "float is too large for a 64-bit integer")
    return Op("(int){0}", (value,), "int")


def _whole(to: Context, op: Primitive, code: str, args: Sequence[Term]) -> Term:
    """Arithmetic of Python's integers, which must not wrap around."""
    made = to.op(code, *args)
    if isinstance(made, (Num, Ref)) or is_small(to, made) or to.known.is_held(made):
        return made
    if op in (left_shift, right_shift):
        to.fail(Op("{0} < 0", (args[1],), "bool"), "ValueError", "negative shift count")
        if op is right_shift:
            return made
    if op is negative:
        test = Op("{0} == INT64_MIN", tuple(args), "bool")
    else:
        test = Op(f"{op.name}_overflows({{0}}, {{1}})", tuple(args), "bool")
    to.fail(test, "OverflowError", "an integer has more than 64 bits")
    return made


def is_small(to: Context, term: Term) -> bool:
    """Whether an integer is a sum of a few sizes, loop indices, arguments and small constants."""
    known, found = to.known, to.known.form(term)
    if found is None or abs(found.get(None, 0)) >= 1 << 40:
        return False
    form = {v: c for v, c in found.items() if v is not None}
    bounded = known.sizes.keys() | known.ranges.keys() | known.small
    if sum(map(abs, form.values())) > 7 or not form.keys() <= bounded:
        return False
    known.relied.update(v for v in form if v in known.small)
    for v in form:  # a loop runs as far as its bounds say
        if v in known.ranges:
            return all(is_small(to, x) for x in known.ranges[v])
    return True


def _power(to: Context, node: Apply, args: Sequence[Term]) -> Term:
    """Whole powers by multiplication; Python's raise where they overflow, or divide by zero."""
    kind, weak = node.type.dtype, node.type.weak
    exponent = node.operands[1]
    x = to.bind(to.converted(args[0], kind))
    if isinstance(exponent, Const) and not exponent.type.rank:
        n = exponent.value
        if n in (0.5, -0.5) and kind != "int" and not weak:
            root = Op("sqrt({0})", (x,), kind)
            return root if n > 0 else Op("{0} / {1}", (Num(1.0, kind), to.bind(root)), kind)
        if kind != "int" and n == int(n) and 2 <= abs(n) <= 4:
            square = to.bind(Op("{0} * {1}", (x, x), kind))
            made: Term = square
            if abs(n) == 3:
                made = Op("{0} * {1}", (square, x), kind)
            elif abs(n) == 4:
                made = Op("{0} * {1}", (square, square), kind)
            if n < 0:
                if weak:
                    _by_zero(to, x, "0.0 cannot be raised to a negative power")
                made = Op("{0} / {1}", (Num(1.0, kind), to.bind(made)), kind)
            if weak:
                made = to.bind(made)
                _overflow(to, made, [x], "(34, 'Numerical result out of range')")
            return made
    y = to.bind(to.converted(args[1], kind))
    if kind == "int":
        to.fail(Op("{0} < 0", (y,), "bool"), "ValueError",
                "Integers to negative integer powers are not allowed.")  # fmt: skip
        if weak:
            to.fail(Op("pow_overflows({0}, {1})", (x, y), "bool"), "OverflowError",
                    "an integer has more than 64 bits")  # fmt: skip
        return Op("pow_int({0}, {1})", (x, y), kind)
    if weak:
        if not (isinstance(y, Num) and y.value >= 0):
            zero = Op("{0} == 0.0 && {1} < 0.0", (x, y), "bool")
            to.fail(zero, "ZeroDivisionError", "0.0 cannot be raised to a negative power")
        if not (isinstance(y, Num) and y.value == int(y.value)):
            broken = Op("{0} < 0.0 && {1} != floor({1}) && !isinf({0})", (x, y), "bool")
            to.fail(
                broken, "ValueError", "a negative number raised to a fractional power is complex"
            )
    made = Op("pow({0}, {1})", (x, y), kind)
    if weak:
        made = to.bind(made)
        _overflow(to, made, [x, y], "(34, 'Numerical result out of range')")
    return made


def _by_zero(to: Context, x: Term, message: str) -> None:
    to.fail(Op("{0} == 0.0", (x,), "bool"), "ZeroDivisionError", message)


def _overflow(
    to: Context, made: Term, args: Sequence[Term], message: str = "math range error"
) -> None:
    """Python raises where a finite operand has an infinite result."""
    test = " && ".join(["isinf({0})", *(f"!isinf({{{i + 1}}})" for i in range(len(args)))])
    to.fail(Op(test, (made, *args), "bool"), "OverflowError", message)


def _check(to: Context, node: Apply, args: Sequence[Term]) -> None:
    """Where Python's own function raises for these operands."""
    op: Primitive = node.op
    if op in _PERIODIC:
        to.fail(Op("isinf({0})", (args[0],), "bool"), "ValueError", "math domain error")
    if op.fails is None:
        return
    if op is divide and isinstance(args[1], Num) and args[1].value != 0:
        return
    error, message = op.error
    to.fail(predicate(to, op.fails, [x.type for x in node.operands], args), error, message)


def predicate(to: Context, rule: object, types: Sequence[Type], args: Sequence[Term]) -> Term:
    """A condition that a row states in terms of other rows, of these operands."""
    variables = [var(f"operand {i}", t, -1 - i) for i, t in enumerate(types)]
    formula: Expr = as_expr(rule(*map(Notation, variables)))  # type: ignore[operator]
    return evaluated(to, formula, dict(zip(variables, args, strict=True)))


def evaluated(to: Context, formula: Expr, known: dict[Expr, Term]) -> Term:
    """A formula of scalars; choices become conditional expressions, so both sides are computed."""
    if formula in known:
        return known[formula]
    match formula:
        case Const():
            made = to.value(formula)
        case If():
            parts = [evaluated(to, x, known) for x in formula.operands]
            kind = formula.type.dtype
            sides = [to.converted(p, kind) for p in parts[1:]]
            made = Op("{0} ? {1} : {2}", (parts[0], *sides), kind)
            if kind == "bool" and sides[1] == _FALSE:
                made = Op("{0} && {1}", (parts[0], sides[0]), kind)
        case Apply():
            args = [evaluated(to, x, known) for x in formula.operands]
            plain = formula.type.weak and formula.op.raises
            made = operate(to, _quiet(formula) if plain else formula, args)
        case _:
            raise refused("a condition of this kind", to.line)
    assert isinstance(made, (Num, Ref, Op))
    known[formula] = made
    return made


def _quiet(node: Apply) -> Apply:
    """The same operation of NumPy's numbers, which raises nothing."""
    from symdiff.ir.expr import apply

    return apply(node.op, node.operands, node.attrs, node.type.strong)
