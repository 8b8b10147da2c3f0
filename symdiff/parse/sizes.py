"""Where the sizes that a function's shapes are made of can be read."""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir.expr import Apply, Expr, Var
from symdiff.ir.function import Measure, Param
from symdiff.ir.tree import expressions
from symdiff.ir.types import dim_symbols


def sizes_of(params: Iterable[Param], order: Iterable[Expr]) -> dict[str, Measure]:
    """Where each size symbol is read: the first parameter that has it as an axis."""
    sizes: dict[str, Measure] = {}
    for param in params:
        for leaf in expressions(param.tree):
            for axis, dim in enumerate(leaf.type.shape):
                symbols = dim_symbols(dim)
                name = str(dim)
                if name in symbols:
                    sizes.setdefault(name, Measure(leaf, axis))
                    if name.startswith("(") and name.endswith(")"):  # as in `2 * (a.shape[0])`
                        sizes.setdefault(name[1:-1], Measure(leaf, axis))
            if leaf.type.dtype == "int" and not leaf.type.rank and isinstance(leaf, Var):
                sizes.setdefault(leaf.name, Measure(leaf))
                sizes.setdefault(f"({leaf.name})", Measure(leaf))
    for node in order:
        if type(node) is Apply and node.attrs and node.op.name == "index":
            masks = [e[1] for e in node.attrs[0] if e[0] == "mask"]
            bools = [x for x in node.operands[1:] if x.type.dtype == "bool"]
            for name, mask in zip(masks, bools, strict=True):
                sizes.setdefault(name, Measure(mask, None))
    return sizes
