"""The process that runs SymPy: programs in on stdin, simplified programs out, one line each.

A program is a list of instructions, operands before users: ["var", 0], ["int", "2"], ["mul", 0, 1].
Run as a script by `sympy_simplify`; it imports nothing of symdiff.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Answer every program; null where SymPy's answer has no counterpart."""
    import sympy as sp

    for program in json.load(sys.stdin):
        try:
            answer = _Writer(sp).write(sp.simplify(_read(sp, program)))
        except (ValueError, TypeError, KeyError, NotImplementedError, RecursionError):
            answer = None
        print(json.dumps(answer), flush=True)


def _read(sp: Any, program: list[list[Any]]) -> Any:
    """The SymPy expression of a program."""
    build = {
        "var": lambda i: sp.Symbol(f"v{i}", real=True),
        "int": lambda text: sp.Integer(text),
        "float": lambda text: _float(sp, float(text)),
    }
    operations = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b, "pow": lambda a, b: a**b, "neg": lambda a: -a,
        "exp": sp.exp, "log": sp.log, "sqrt": sp.sqrt, "sin": sp.sin, "cos": sp.cos,
        "tan": sp.tan, "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "atan": sp.atan,
        "abs": sp.Abs,
    }  # fmt: skip
    nodes: list[Any] = []
    for code, *args in program:
        if code in build:
            nodes.append(build[code](args[0]))
        else:
            nodes.append(operations[code](*[nodes[i] for i in args]))
    return nodes[-1]


def _float(sp: Any, value: float) -> Any:
    """Short fractions exactly (0.5 is 1/2), so that SymPy sees them; others in full precision."""
    exact = sp.Rational(value)
    return exact if exact.q <= 1024 and abs(exact.p) < 10**9 else sp.Float(repr(value), 17)


class _Writer:
    """A SymPy expression as a program; equal subexpressions become one instruction."""

    def __init__(self, sp: Any):
        self.sp = sp
        self.program: list[list[Any]] = []
        self.place: dict[Any, int] = {}

    def write(self, expr: Any) -> list[list[Any]]:
        self._at(expr)
        return self.program

    def _emit(self, *instruction: Any) -> int:
        self.program.append(list(instruction))
        return len(self.program) - 1

    def _at(self, expr: Any) -> int:
        found = self.place.get(expr)
        if found is None:
            found = self.place[expr] = self._new(expr)
        return found

    def _new(self, expr: Any) -> int:
        sp = self.sp
        if expr.is_Symbol:
            return self._emit("var", int(expr.name[1:]))
        if expr.is_Integer:
            return self._emit("int", str(expr))
        if expr.is_number and not expr.free_symbols:
            value = complex(expr)
            if value.imag or value.real != value.real or abs(value.real) == float("inf"):
                raise ValueError("not a finite real number")
            return self._emit("float", repr(value.real))
        if expr.is_Add:
            return self._sum(expr)
        if expr.is_Mul:
            return self._product(expr)
        if expr.is_Pow:
            return self._power(expr)
        names = {
            sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan",
            sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.atan: "atan", sp.Abs: "abs",
        }  # fmt: skip
        return self._emit(names[expr.func], *[self._at(a) for a in expr.args])

    def _sum(self, expr: Any) -> int:
        plus = [t for t in expr.args if not t.could_extract_minus_sign()]
        minus = [-t for t in expr.args if t.could_extract_minus_sign()]
        if plus:
            total = self._at(plus[0])
        else:
            total = self._emit("neg", self._at(minus.pop(0)))
        for t in plus[1:]:
            total = self._emit("add", total, self._at(t))
        for t in minus:
            total = self._emit("sub", total, self._at(t))
        return total

    def _product(self, expr: Any) -> int:
        if expr.could_extract_minus_sign() and expr.args[0] == -1:
            return self._emit("neg", self._at(-expr))
        top, bottom = self.sp.fraction(expr)
        if bottom != 1:
            return self._emit("div", self._at(top), self._at(bottom))
        total = self._at(expr.args[0])
        for factor in expr.args[1:]:
            total = self._emit("mul", total, self._at(factor))
        return total

    def _power(self, expr: Any) -> int:
        base, exponent = expr.args
        sp = self.sp
        if base == sp.E:
            return self._emit("exp", self._at(exponent))
        if exponent == sp.Rational(1, 2):
            return self._emit("sqrt", self._at(base))
        if exponent.is_Rational and exponent < 0:
            inverse = self._at(base ** (-exponent))
            return self._emit("div", self._emit("int", "1"), inverse)
        return self._emit("pow", self._at(base), self._at(exponent))


if __name__ == "__main__":
    main()
