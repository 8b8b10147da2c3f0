"""The row behind `@symdiff.rule`: a value, its arguments, and the partial in each of them."""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Apply, Expr
from symdiff.primitives.row import Elementwise


class Custom(Elementwise):
    """Operands are (value, *args, *partials); attrs are (number of args,)."""

    def partial(self, node: Apply, index: int) -> Expr | None:
        count = node.attrs[0]
        return node.operands[index + count] if 1 <= index <= count else None


def _type(attrs: Any, types: Any) -> Any:
    return types[0]


custom = Custom("custom", (), infer=_type, numpy="{0}", attrs=("count",))
