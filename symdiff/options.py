"""How to compile: one frozen value, passed explicitly; no environment variables, no globals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of one compilation.

    optimize: apply the rewrites of `symdiff.optimize` (False keeps the plain chain rule).
    simplify: also try SymPy on the scalar results, kept only where it costs fewer operations.
    simplify_seconds: the time limit of that, in seconds.
    line_width: the widest line that generated code may have.
    nesting: how deep an expression may nest before a part of it gets a name.
    """

    optimize: bool = True
    simplify: bool = False
    simplify_seconds: float = 5.0
    line_width: int = 88
    nesting: int = 6


DEFAULT = Options()
