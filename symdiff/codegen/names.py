"""Names in generated code: the user's where there is one, telling ones elsewhere; no collisions."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence

from symdiff.ir.expr import Apply, Const, Expr, If, Map, Var
from symdiff.primitives.indexing import RUN

MODULES = {"np", "math", "special", "dataclasses", "builtins"}
RESERVED = MODULES | set(keyword.kwlist) | set(dir(builtins))


class Names:
    """Hands out names; each is used once in a function."""

    def __init__(self, taken: Iterable[str]):
        self.given = set(taken)
        self.taken = self.given | RESERVED
        self.numbered: dict[str, tuple[str, str]] = {}  # the wish, and what is before the number
        self._next: dict[str, int] = {}

    def fresh(self, wish: str) -> str:
        """`wish`, or `wish_2`, `wish_3`, ..."""
        wish = re.sub(r"\W+", "_", wish).strip("_") if not wish.isidentifier() else wish
        if not wish or wish[0].isdigit():
            wish = f"v{wish}"
        if wish not in self.taken:
            self.taken.add(wish)
            return wish
        number = self._next.get(wish, 2)
        joint = "_" if wish[-1].isdigit() or len(wish) > 1 else ""
        while f"{wish}{joint}{number}" in self.taken:
            number += 1
        self._next[wish] = number + 1
        self.numbered[f"{wish}{joint}{number}"] = wish, joint
        name = f"{wish}{joint}{number}"
        self.taken.add(name)
        return name


# What a condition is called, by the comparison that it is.
_CONDITIONS = {
    "less": "is_less", "less_equal": "is_at_most", "greater": "is_greater",
    "greater_equal": "is_at_least", "equal": "is_equal", "not_equal": "is_different",
}  # fmt: skip


def telling_name(node: Expr, known: Mapping[Expr, str]) -> str:
    """A short name made of what the value is: `sin_x`, `x2`, `yz`; `t` when nothing short fits."""
    match node:
        case Apply():
            kind = node.op.name
            if node.type.dtype == "bool" and not node.type.rank and kind in _CONDITIONS:
                return _CONDITIONS[kind]
            text = [known.get(x) or _leaf_name(x) or "" for x in node.operands]
            if kind == "index":
                return _item_name(node, text)
            if kind == "cast" and node.operands[0] not in known:
                return telling_name(node.operands[0], known)
            if not all(0 < len(part) <= 6 for part in text) or not 0 < len(text) < 3:
                return "t"
            if kind == "power" and isinstance(node.operands[1], Const):
                exponent = node.operands[1].value
                return f"{text[0]}_{exponent}" if text[0][-1].isdigit() else f"{text[0]}{exponent}"
            if kind == "multiply":
                if isinstance(node.operands[0], Const):
                    return f"{text[1]}_{text[0]}" if len(text[0]) < 3 else "t"
                joint = "" if all(len(t) == 1 for t in text) else "_"
                return joint.join(text)
            if kind in ("add", "subtract"):
                side = _neighbour(node)
                return f"{text[0]}_{side}" if side else "t"
            if len(text) == 1 and kind not in _PLAIN:
                return f"{kind}_{text[0]}"
            return "t"
        case If() if node.type.dtype == "bool" and not node.type.rank:
            return "holds"
        case Map():
            return "rows"
        case _:
            return "t"


_PLAIN = {"divide", "negative", "cast", "broadcast_to", "expand_dims"}  # these tell nothing


def tape_name(recorded: Expr, known: Mapping[Expr, str]) -> str:
    """The list in which a loop keeps a value of each round: `x_tape`; `tape` where nothing fits.

    What only a branch computes is recorded there, and nothing in others.
    """
    while isinstance(recorded, If) and recorded not in known:
        sides = [x for x in (recorded.then, recorded.orelse) if not _is_nothing(x)]
        if len(sides) != 1:
            break
        recorded = sides[0]
    kept = known.get(recorded) or telling_name(recorded, known)
    return "tape" if kept == "t" else f"{kept}_tape"


def _is_nothing(node: Expr) -> bool:
    """Zero, False, an array of zeros, an empty list: what stands for a value that is not there."""
    if isinstance(node, Apply) and node.op.name in ("broadcast_to", "broadcast_like", "full"):
        return isinstance(node.operands[0], Const)
    return isinstance(node, Const) or (
        isinstance(node, Apply) and node.op.name in ("new_list", "zeros_list")
    )


def _neighbour(index: Expr) -> str:
    """`prev` for `i - 1`, `next` for `i + 1`, where i is the number of a round."""
    if not isinstance(index, Apply) or index.op.name not in ("add", "subtract"):
        return ""
    variable, step = index.operands
    if not (isinstance(variable, Var) and variable.tag and variable.type.dtype == "int"):
        return ""
    if not isinstance(step, Const) or step.value != 1 or index.type.rank:
        return ""
    return "next" if index.op.name == "add" else "prev"


def _item_name(node: Apply, text: Sequence[str]) -> str:
    """`x_i` for `x[i]`, `x_prev` for `x[i - 1]`, and for what `x_tape[i]` has kept of x."""
    (entries,) = node.attrs
    if any(entry[0] != "int" for entry in entries):
        return "t"
    base, *places = text
    runs = zip(node.operands[1:], places, strict=True)
    at: list[str] = []
    for _, place in entries:
        if place == RUN:
            x, label = next(runs)
            at.append(_neighbour(x) or label)
        else:
            at.append("last" if place == -1 else f"{place}")
    taped = re.fullmatch(r"(?:(\w+)_)?tape(s?)(_\d+)?", base)
    if taped:
        if taped[2]:
            return f"{taped[1]}_tape" if taped[1] else "tape"
        base = taped[1] or "t"
        if at != places or not _is_telling(at[0]):
            return base
    elif len(base.removeprefix("d_")) > 6:
        return "t"
    name = "_".join((base, *at))
    return name if name.isidentifier() and all(map(_is_telling, (base, *at))) else "t"


def _is_telling(text: str) -> bool:
    """Whether a name is more than `t4`."""
    return bool(text) and not re.fullmatch(r"[tuwq](_?\d+)?", text)


def _leaf_name(node: Expr) -> str | None:
    if isinstance(node, Var):
        return node.name
    if isinstance(node, Const) and isinstance(node.value, (int, float)):
        text = repr(node.value).removesuffix(".0")
        return text if text.isalnum() else None
    return None
