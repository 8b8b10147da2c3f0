"""Text of C: string literals, comments, and prototypes of kernels."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.c.helpers import ELEMENTS
from symdiff.ir.interface import Interface, Value

_WIDEST = 80
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "?": "\\?"}  # ?: no trigraphs


def literal(text: str) -> str:
    r"""A string literal of C, in UTF-8.

    >>> print(literal('is it "μ"?'))
    "is it \"\316\274\"\?"
    """
    out: list[str] = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif " " <= char <= "~":
            out.append(char)
        else:
            out += (f"\\{byte:03o}" for byte in char.encode(errors="backslashreplace"))
    return f'"{"".join(out)}"'


def comment(text: str) -> str:
    """A comment of C.

    >>> print(comment("x */ y"))
    /* x * / y */
    """
    return f"/* {text.replace('*/', '* /')} */"


def parameters(interface: Interface) -> list[str]:
    """The parameters of a kernel: its arguments, its sizes, and where its results go."""
    found = [_argument(value, value.name in interface.written) for value in interface.arguments]
    found += [f"int64_t {size.c_name}" for size in interface.sizes]
    found += [f"{ELEMENTS[r.type.dtype].type} *{r.c_name}" for r in interface.results]
    return found


def _argument(value: Value, written: bool) -> str:
    kind = ELEMENTS[value.type.dtype].type
    if value.is_scalar:
        return f"{kind} {value.c_name}"
    return f"{kind} *{value.c_name}" if written else f"const {kind} *{value.c_name}"


def prototype(interface: Interface) -> str:
    """How a kernel is declared, without a semicolon."""
    return filled(f"int {interface.name}(", parameters(interface) or ["void"], ")")


def filled(opening: str, items: Sequence[str], closing: str, joint: str = ",") -> str:
    """`opening item, item, ... closing` in lines that are not too long.

    >>> print(filled("f(", ["alpha" * 10, "beta" * 10], ")"))
    f(alphaalphaalphaalphaalphaalphaalphaalphaalphaalpha,
        betabetabetabetabetabetabetabetabetabeta)
    """
    lines = [opening if items else opening + closing]
    for i, item in enumerate(items):
        text = item + (closing if i == len(items) - 1 else joint)
        blank = " " if i else ""
        if i and len(lines[-1]) + len(blank + text) > _WIDEST:
            lines.append(f"    {text}")
        else:
            lines[-1] += blank + text
    return "\n".join(lines)
