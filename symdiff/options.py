"""What to derive and how to compile: frozen values, passed explicitly; no globals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of one compilation.

    optimize: apply the rewrites of `symdiff.optimize` (False keeps the plain chain rule).
    simplify: also try SymPy on the scalar results, kept only where it costs fewer operations.
    simplify_seconds: the time limit of that, in seconds.
    line_width: the widest line that generated code may have.
    check_shapes: check the declared sizes of arguments when called (for generated modules, whose
    callers are unknown; a decorated function looks at its arguments anyway).
    nesting: how deep an expression may nest before a part of it gets a name.

    >>> import symdiff
    >>> plain = symdiff.Options(optimize=False)
    >>> print(symdiff.grad(lambda x: x * x, options=plain).source.splitlines()[-1])
        return x + x
    """

    optimize: bool = True
    simplify: bool = False
    simplify_seconds: float = 5.0
    line_width: int = 88
    nesting: int = 6
    check_shapes: bool = False


DEFAULT = Options()


Kind = Literal["primal", "grad", "value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp"]
Mode = Literal["auto", "forward", "reverse"]
ALL = "*"


@dataclass(frozen=True, slots=True)
class Request:
    """One derivative operator, with what it was asked.

    wrt: names of parameters or of a local variable, or positions; "*" is every float parameter;
    None is the first one. many: whether the answer is a tuple, one item for each of `wrt`.
    """

    kind: Kind
    wrt: tuple[str | int, ...] | None = None
    many: bool = False
    mode: Mode = "auto"
    has_aux: bool = False
    value: bool = False  # jacobian, hessian: also return the value
