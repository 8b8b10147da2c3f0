"""Which definitions of a function are called by what is generated of it."""

from __future__ import annotations

from symdiff.ir.expr import Call
from symdiff.ir.function import Function
from symdiff.ir.walk import topological
from symdiff.plan.demands import pending


def needed(function: Function) -> Function:
    """`function` with no other definitions than what it calls, and what these call."""
    if not function.definitions:
        return function
    found: dict[str, None] = {}
    stack = [function]
    while stack:
        part = stack.pop()
        for node in topological([*part.results, *(r.fails for r in pending(part))]):
            if isinstance(node, Call) and node.callee not in found:
                assert isinstance(node.callee, str)
                found[node.callee] = None
                stack.append(function.definitions[node.callee])
    kept = {name: d for name, d in function.definitions.items() if name in found}
    return function.replace(definitions=kept)
