"""What stands between Python's arguments and a kernel: containers taken apart, keywords in order.

    def f_grad(params, x, *, n=3):
        return kernel(params["w"], params["b"], x, n)

Where a function takes numbers and arrays by position, in the kernel's order, there is nothing.
"""

from __future__ import annotations

import ast

from symdiff.ir.expr import Expr
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import paths

KERNEL = "_kernel"


def adaptor(function: Function) -> str:
    """The source of a function with the parameters of `function` that calls `_kernel`, or ""."""
    params = function.params
    if all(isinstance(p.tree, Expr) and p.kind == "plain" and p.default is None for p in params):
        return ""
    given: list[ast.expr] = []
    for p in params:
        for path, leaf in paths(p.tree):
            if isinstance(leaf, Expr):
                given.append(ast.parse(p.name + path, mode="eval").body)
    call = ast.Call(ast.Name(KERNEL, ast.Load()), given, [])
    return f"def {function.name}({_signature(params)}):\n    return {ast.unparse(call)}\n"


def _signature(params: tuple[Param, ...]) -> str:
    parts: list[str] = []
    keywords = False
    for p in params:
        name = {"star": f"*{p.name}", "starstar": f"**{p.name}"}.get(p.kind, p.name)
        if p.kind == "keyword" and not keywords:
            keywords = True
            if not any(q.kind == "star" for q in params):
                parts.append("*")
        parts.append(name if p.default is None else f"{name}={p.default}")
    return ", ".join(parts)
