"""Names in generated code: the user's where there is one, telling ones elsewhere; no collisions."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping

from symdiff.ir.expr import Apply, Const, Expr, If, Map, Var

MODULES = {"np", "math", "special", "dataclasses", "builtins"}
RESERVED = MODULES | set(keyword.kwlist) | set(dir(builtins))


class Names:
    """Hands out names; each is used once in a function."""

    def __init__(self, taken: Iterable[str]):
        self.taken = set(taken) | RESERVED
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
        name = f"{wish}{joint}{number}"
        self.taken.add(name)
        return name


def telling_name(node: Expr, known: Mapping[Expr, str]) -> str:
    """A short name made of what the value is: `sin_x`, `x2`, `yz`; `t` when nothing short fits."""
    match node:
        case Apply():
            text: list[str] = []
            for x in node.operands:
                part = known.get(x) or _leaf_name(x)
                if not part or len(part.removesuffix("_tape")) > 6:
                    return "t"
                text.append(part)
            if not 0 < len(text) < 3:
                return "t"
            kind = node.op.name
            if kind == "power" and isinstance(node.operands[1], Const):
                exponent = node.operands[1].value
                return f"{text[0]}_{exponent}" if text[0][-1].isdigit() else f"{text[0]}{exponent}"
            if kind == "multiply":
                if isinstance(node.operands[0], Const):
                    return f"{text[1]}_{text[0]}" if len(text[0]) < 3 else "t"
                joint = "" if all(len(t) == 1 for t in text) else "_"
                return joint.join(text)
            if kind in ("add", "subtract", "divide", "negative"):
                return "t"
            if kind == "index":
                return _item_name(node, text)
            if len(text) == 1 and kind not in ("cast", "index", "broadcast_to", "expand_dims"):
                return f"{kind}_{text[0]}"
            return "t"
        case If():
            return "t"
        case Map():
            return "rows"
        case _:
            return "t"


def _item_name(node: Apply, text: list[str]) -> str:
    """`x_i` for `x[i]`, and for what `x_tape[i]` has kept of x."""
    (entries,) = node.attrs
    if len(text) != 2 or [e[0] for e in entries] != ["int"] or text[1].isdigit():
        return "t"
    base = text[0].removesuffix("_tape")
    plain = any(re.fullmatch(r"[tuwq](_?\d+)?", part) for part in (base, text[1]))
    return "t" if plain else f"{base}_{text[1]}"


def _leaf_name(node: Expr) -> str | None:
    if isinstance(node, Var):
        return node.name
    if isinstance(node, Const) and isinstance(node.value, (int, float)):
        text = repr(node.value).removesuffix(".0")
        return text if text.isalnum() else None
    return None
