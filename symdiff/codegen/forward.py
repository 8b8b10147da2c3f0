'''A function that passes its arguments on to a kernel: what stands for it in a module.

def f_grad(x: np.ndarray, mode: str) -> np.ndarray:
    """Gradient of f (model.py:3) with respect to x (n,)."""
    if mode != "train":
        raise ValueError("this was generated for mode='train'")
    return _kernels.f_grad(x)
'''

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.codegen.adaptor import forwarded
from symdiff.codegen.fixed import fixed_parameters
from symdiff.codegen.printer import print_definition
from symdiff.codegen.python import annotation
from symdiff.codegen.rename import renamed
from symdiff.codegen.statements import Definition, Signature, Statement
from symdiff.ir.function import Function
from symdiff.options import Options


def forwarding(function: Function, run: str, options: Options) -> tuple[str, Mapping[str, Any]]:
    """The `def` of `function` as it is in Python, which calls `run`, and the objects it names.

    run: a name, which may have dots.
    """
    label = run.replace(".", "_")  # as long, and no attribute: the printer breaks its calls
    body, bindings = forwarded(function, label)
    definition = Definition(
        function.name,
        [Signature(p.name, annotation(p.tree), p.default, p.kind) for p in function.params],
        annotation(function.result),
        function.doc,
        [*fixed_parameters(function), *map(Statement, body)],
    )
    return renamed(print_definition(definition, options), {label: run}), bindings
