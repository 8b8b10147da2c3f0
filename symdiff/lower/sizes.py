"""Sizes that are formulas of other sizes, as types name them.

x[::2], x: float64[n]     has the size     len(range(n)[::2])   ->   (n + 1) / 2
"""

from __future__ import annotations

import ast

from symdiff.ir.nest import Num, Op, Ref, Term
from symdiff.lower.arrays import ZERO
from symdiff.lower.context import Context
from symdiff.lower.elementwise import is_small
from symdiff.lower.indexing import sliced

_SUMS: dict[type[ast.operator], str] = {
    ast.Add: "{0} + {1}", ast.Sub: "{0} - {1}", ast.Mult: "{0} * {1}",
}  # fmt: skip
_PARTS: dict[type[ast.operator], str] = {
    ast.FloorDiv: "floor_div_int({0}, {1})", ast.Mod: "floor_mod_int({0}, {1})",
}  # fmt: skip
_PLAIN: dict[type[ast.operator], str] = {ast.FloorDiv: "{0} / {1}", ast.Mod: "{0} % {1}"}
_ENDS = {"min": "{0} < {1} ? {0} : {1}", "max": "{0} > {1} ? {0} : {1}"}


def derived(to: Context, text: str) -> Term | None:
    """The value of a size; None where `text` is no formula, or one of what is not known here."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:  # the name of a count, as `rounds 3`
        return None
    return None if isinstance(node, ast.Name) else _value(to, node)


def _value(to: Context, node: ast.expr) -> Term | None:
    match node:
        case ast.Constant(value=int(number)):
            return Num(number, "int")
        case ast.Name() | ast.Attribute() | ast.Subscript():
            text = ast.unparse(node)
            known = to.measured_symbol(text)
            return to.measured_symbol(f"({text})") if known is None else known
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _sum(to, "{0} - {1}", ZERO, _value(to, operand))
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(to, left), _value(to, right)
            if type(op) in _SUMS:
                return _sum(to, _SUMS[type(op)], a, b)
            if type(op) in _PARTS and isinstance(b, Num) and b.value > 0 and a is not None:
                return _part(to, type(op), a, b)
            return None
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[first, second]):
            a, b = _value(to, first), _value(to, second)
            if a is None or b is None:
                return None
            return to.bind(Op(_ENDS[name], (to.bind(a), to.bind(b)), "int"))
        case ast.Call(
            func=ast.Name(id="len"),
            args=[ast.Call(func=ast.Name(id="range"), args=[first, last, step])],
        ):
            return _rounds(to, *(_value(to, x) for x in (first, last, step)))
        case ast.Call(func=ast.Name(id="len"), args=[ast.Subscript(ranged, ast.Slice() as part)]):
            return _slice(to, ranged, part)
        case _:
            return None


def _part(to: Context, op: type[ast.operator], a: Term, b: Num) -> Term:
    """A quotient or remainder, which is as small as what it is of."""
    if isinstance(a, Num):
        return Num(a.value // b.value if op is ast.FloorDiv else a.value % b.value, "int")
    positive = to.known.at_least(a, 0)
    code = _PLAIN[op] if positive else _PARTS[op]
    made = to.bind(Op(code, (a, b), "int"))
    if positive and isinstance(made, Ref) and is_small(to, a):
        to.known.sizes.setdefault(made.local, 0)
    return made


def _sum(to: Context, code: str, a: Term | None, b: Term | None) -> Term | None:
    """A sum or product that certainly does not wrap around."""
    if a is None or b is None:
        return None
    made = to.op(code, a, b)
    return made if isinstance(made, Num) or is_small(to, made) else None


def _rounds(to: Context, start: Term | None, stop: Term | None, step: Term | None) -> Term | None:
    """`len(range(start, stop, step))`."""
    if not isinstance(step, Num) or _sum(to, "{0} - {1}", stop, start) is None:
        return None
    assert start is not None and stop is not None
    return to.rounds(start, stop, int(step.value))


def _slice(to: Context, ranged: ast.expr, part: ast.Slice) -> Term | None:
    """`len(range(n)[start:stop:step])`."""
    match ranged:
        case ast.Call(func=ast.Name(id="range"), args=[whole]):
            size = _value(to, whole)
        case _:
            return None
    bounds: list[Term | int | None] = []
    for node in (part.lower, part.upper, part.step):
        bound = None if node is None else _value(to, node)
        if node is not None and bound is None:
            return None
        bounds.append(bound.value if isinstance(bound, Num) else bound)
    if size is None or not isinstance(bounds[2], (int, type(None))):
        return None
    _, count, _ = sliced(to, bounds, size)
    return count
