"""What to derive and how to compile: frozen values, passed explicitly; no globals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from symdiff.errors import IllTypedError

Target = Literal["python", "c", "auto"]


@dataclass(frozen=True, slots=True)
class CompilerOptions:
    """How C is compiled: nothing of it is part of what is derived.

    compiler: the command, with arguments where it has some ("ccache gcc"); "" takes the one that
    the environment's CC names, else the first of cc, gcc and clang that is on the PATH.
    flags: put after those of `symdiff.runtime.toolchain`, so they win.
    fast_math: let the compiler assume that there is no NaN, infinity or signed zero.
    threads: how many the loops of a kernel may use; anything but 1 compiles with OpenMP. The BLAS
    that it calls has its own.
    cache: the folder that keeps what has been compiled; "" is symdiff's own in the user's cache.
    progress: say on the terminal what takes longer than a second to compile.

    >>> from symdiff.options import CompilerOptions
    >>> CompilerOptions(compiler="ccache clang", flags=("-O2",)).threads
    1
    """

    compiler: str = ""
    flags: tuple[str, ...] = ()
    fast_math: bool = False
    threads: int = 1
    cache: str = ""
    progress: bool = True


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
    target: "python"; "c", compiled when the function is first called; or "auto": C where there is a
    compiler and everything has a form in C, else Python. compiler: how C is compiled.

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
    target: Target = "python"
    compiler: CompilerOptions = CompilerOptions()


DEFAULT = Options()


def with_target(options: Options, target: str) -> Options:
    """`options` for another target. Raises IllTypedError for one that there is not."""
    if target not in ("python", "c", "auto"):
        raise IllTypedError(f"target {target!r} is not one of python, c, auto")
    return replace(options, target=target)


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
