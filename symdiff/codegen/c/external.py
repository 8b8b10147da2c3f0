"""Functions of other libraries that kernels call: by pointers, which somebody sets before.

    special.erfcx(x)   ->   f_grad_external.erfcx(x)

In a row's template, and in `support`, their names start with `external_`. The module that Python
loads takes them from SciPy, which exports C functions for Cython. A program without Python sets
them itself: the header says how they are declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from symdiff.codegen.c.text import filled

SPECIAL, BLAS, LAPACK = (
    "scipy.special.cython_special", "scipy.linalg.cython_blas", "scipy.linalg.cython_lapack",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class External:
    """A function: what it returns, the types of its parameters, and the module that has it.

    optional: kernels do without it where its pointer is NULL.
    """

    name: str
    result: str
    parameters: tuple[str, ...]
    module: str
    optional: bool = False

    @property
    def exported(self) -> str:
        """What SciPy calls it."""
        return _OTHER_NAMES.get(self.name, self.name)

    @property
    def about(self) -> str:
        """What a header says of it."""
        if self.module == SPECIAL:
            return f"what scipy.special.{self.name} computes"
        library = "BLAS" if self.module == BLAS else "LAPACK"
        return f"of {library}, its Fortran interface; NULL where there is none"

    @property
    def declared(self) -> str:
        """The declaration of its pointer, without a semicolon."""
        return filled(f"{self.result} (*{self.name})(", self.parameters, ")")

    @property
    def signature(self) -> str:
        """What Cython calls its type; functions for Python's use, too, have a flag behind."""
        parts = [_cython(p, self.module) for p in self.parameters]
        flag = ["int __pyx_skip_dispatch"] if self.module == SPECIAL else []
        return f"{self.result} ({', '.join([*parts, *flag])})"


def _cython(parameter: str, module: str) -> str:
    """A parameter as Cython spells it: its modules for Fortran have types of their own."""
    for kind, letter in (("double", "d"), ("float", "s")):
        if parameter == f"{kind} *":
            path = "_".join(f"{len(part)}{part}" for part in module.split("."))
            return f"__pyx_t_{path}_{letter} *"
    return parameter


_ONE = """
cosdg dawsn digamma erfcinv erfcx erfi erfinv exp1 expi i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e log_ndtr
ndtri sindg tandg y0 y1
"""
_TWO = "beta betaln expn gammainc gammaincc iv ive jv kv kve yv"
_OTHER_NAMES = {"digamma": "psi"}  # what SciPy's module for Cython calls them


def _special() -> list[External]:
    return [
        External(name, "double", ("double",) * count, SPECIAL)
        for names, count in ((_ONE, 1), (_TWO, 2))
        for name in names.split()
    ]


# Fortran's take pointers alone: c is a character, i an integer, r a number.
_FORTRAN = {
    "getrf": (LAPACK, "i i r i i i"), "potrf": (LAPACK, "c i r i i"),
    "gemm": (BLAS, "c c i i i r r i r i r r i"), "trsm": (BLAS, "c c c c i i r r i r i"),
}  # fmt: skip


def _fortran() -> list[External]:
    found: list[External] = []
    for letter, real in (("d", "double *"), ("s", "float *")):
        kinds = {"c": "char *", "i": "int *", "r": real}
        for name, (module, parameters) in _FORTRAN.items():
            types = tuple(kinds[p] for p in parameters.split())
            found.append(External(letter + name, "void", types, module, optional=True))
    return found


EXTERNAL: dict[str, External] = {e.name: e for e in (*_special(), *_fortran())}

_USED = re.compile(r"\bexternal_(\w+)")


def external_in(text: str, kernel: str) -> tuple[str, ...]:
    """The names of the functions that `text` calls through pointers, in alphabetical order."""
    return tuple(sorted(set(re.findall(rf"\b{kernel}_external\.(\w+)", text))))


def pointed(text: str, kernel: str) -> str:
    """`text` with calls through the pointers of a kernel.

    >>> pointed("external_erfcx(x)", "f_grad")
    'f_grad_external.erfcx(x)'
    """
    return _USED.sub(rf"{kernel}_external.\1", text)


def pointers(kernel: str, names: Iterable[str]) -> str:
    """The structure that holds the pointers of a kernel, without a semicolon."""
    lines = "".join(f"    {indented(EXTERNAL[name].declared)};\n" for name in names)
    return f"struct {kernel}_external {{\n{lines}}} {kernel}_external"


def indented(text: str) -> str:
    """The text of a declaration that is one step further in."""
    return text.replace("\n", "\n    ")
