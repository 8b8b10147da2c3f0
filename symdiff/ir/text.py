"""IR as text, and back: what `--stage` prints, and `parse(print(ir))` is the same IR.

    f(x: float)
      %0 = power(x, 2) : float
      %1 = sin(%0) : float
      return %1
"""

from __future__ import annotations


from collections.abc import Mapping
from typing import Any

from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Map, Project, Var, While
from symdiff.ir.function import Function
from symdiff.ir.tree import Tree, map_tree
from symdiff.ir.types import Dim, SymDim
from symdiff.ir.walk import topological


def dump(function: Function) -> str:
    """`function` as text, one line a node; names of the user's variables as comments."""
    labels: dict[Expr, str] = {}
    lines: list[str] = []
    params = ", ".join(f"{p.name}: {_tree(p.tree, {})}" for p in function.params)
    lines.append(f"{function.name}({params})")
    for node in function.nodes():
        if isinstance(node, (Const, Var)):
            labels[node] = _leaf(node)
            continue
        label = f"%{len(lines) - 1}"
        labels[node] = label
        name = function.names.get(node)
        note = f"  # {name}" if name else ""
        lines.append(f"  {label} = {_body(node, labels)} : {node.type}{note}")
    lines.append(f"  return {_tree(function.result, labels)}")
    return "\n".join(lines)


def _leaf(node: Expr) -> str:
    if isinstance(node, Const):
        value = node.value
        if hasattr(value, "tolist"):
            return f"{node.type}({value.tolist()!r})"
        return repr(value) if node.type.weak else f"{node.type}({value!r})"
    assert isinstance(node, Var)
    return f"{node.name}.{node.tag}" if node.tag else node.name


def _body(node: Expr, labels: Mapping[Expr, str]) -> str:
    args = [labels[x] for x in node.operands]
    match node:
        case Apply():
            attrs = [f"{n}={_attr(a)}" for n, a in zip(_names(node), node.attrs, strict=False)]
            return f"{node.op.name}({', '.join(args + attrs)})"
        case If():
            return f"if {args[0]} then {args[1]} else {args[2]}"
        case Map():
            pairs = ", ".join(
                f"{_leaf(v)} in {a}" for v, a in zip(node.indices, args[:-1], strict=True)
            )
            return f"map [{pairs}] {args[-1]}"
        case For():
            carried = ", ".join(map(_leaf, node.carried))
            return f"for {_leaf(node.index)} carrying ({carried}): {', '.join(args)}"
        case While():
            return f"while carrying ({', '.join(map(_leaf, node.carried))}): {', '.join(args)}"
        case Call():
            return f"call {node.callee}({', '.join(args)})"
        case Project():
            return f"{args[0]}#{node.index}"
        case _:
            raise AssertionError(node)


def _names(node: Apply) -> tuple[str, ...]:
    names = getattr(node.op, "attr_names", ())
    return (*names, *(f"attr{i}" for i in range(len(names), len(node.attrs))))


def _attr(value: Any) -> str:
    if isinstance(value, SymDim):
        return f"<{value}>"
    if isinstance(value, tuple):
        inner = ", ".join(map(_attr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def _tree(tree: Tree, labels: Mapping[Expr, str]) -> str:
    shown = map_tree(
        lambda x: _Raw(labels.get(x) or str(x.type)) if isinstance(x, Expr) else x, tree
    )
    return repr(shown)


class _Raw:
    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def digest(node: Expr) -> str:
    """A short name for the structure of an expression; equal structure, equal name."""
    import hashlib  # costs milliseconds to import, and few programs come here

    labels: dict[Expr, str] = {}
    text: list[str] = []
    for i, n in enumerate(topological([node])):
        labels[n] = f"%{i}"
        text.append(_leaf(n) if isinstance(n, (Const, Var)) else _body(n, labels))
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:8]


__all__ = ["Dim", "digest", "dump"]
