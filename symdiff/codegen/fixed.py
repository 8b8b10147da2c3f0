"""Static parameters of a module's functions: their value is compiled in, so no other is accepted.

f(x, mode) compiled for mode="train"  ->  if mode != "train": raise ValueError(...)
"""

from __future__ import annotations

import ast

from symdiff.codegen.spell import call, name, number
from symdiff.codegen.statements import Statement
from symdiff.ir.function import Function


def fixed_parameters(function: Function) -> list[Statement]:
    """A check for each parameter whose value was known when compiling."""
    checks: list[Statement] = []
    for param in function.params:
        value = param.tree
        if value is not None and not isinstance(value, (bool, int, float, str)):
            continue
        same = isinstance(value, bool) or value is None
        compare: ast.cmpop = ast.IsNot() if same else ast.NotEq()
        test = ast.Compare(name(param.name), [compare], [number(value)])
        message = ast.Constant(f"this was generated for {param.name}={value!r}")
        error = ast.Raise(call("ValueError", message), None)
        checks.append(Statement(ast.If(test, [], []), body=[Statement(error)]))
    return checks
