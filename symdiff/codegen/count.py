"""How many operations generated code has: the measure of a derivative's cost, on what is printed.

A loop's body counts once: what is counted is the code, not a run of it.
"""

from __future__ import annotations

import ast


def operations(source: str) -> int:
    """Arithmetic operations, comparisons and calls in Python source.

    Each binary operation, augmented assignment, comparison, call and minus sign on something other
    than a number is one. Docstrings, annotations and defaults of parameters are no operations.
    Raises SyntaxError for what is not Python.

    >>> operations("def f(x):\\n    return -2.0 * x + abs(-x)")
    4
    """
    total = 0
    stack: list[ast.AST] = [ast.parse(source)]
    while stack:
        node = stack.pop()
        total += _cost(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            stack.extend(node.body)
        elif isinstance(node, ast.AnnAssign):
            stack.extend([node.target, *([node.value] if node.value else [])])
        else:
            stack.extend(ast.iter_child_nodes(node))
    return total


def _cost(node: ast.AST) -> int:
    match node:
        case ast.BinOp() | ast.AugAssign() | ast.Call() | ast.Compare():
            return 1
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return 0 if isinstance(operand, ast.Constant) else 1
        case _:
            return 0
