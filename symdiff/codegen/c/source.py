"""C source: the kernels of a file behind all that they call; embeddable, free of Python.

f, f_grad   ->   includes, vector functions, support functions, definitions, f, f_grad
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from symdiff.codegen.c.external import external_in, pointed, pointers
from symdiff.codegen.c.kernel import Printed, printed
from symdiff.codegen.c.support import support_for
from symdiff.ir.interface import Interface
from symdiff.ir.nest import Kernel

_RESERVE = """\
/* Make room for `bytes` in memory that grows; false where there is none. */
static bool reserve(void **memory, size_t *room, size_t bytes)
{
    if (bytes > *room) {
        const size_t wanted = bytes < 2 * *room ? 2 * *room : bytes;
        void *larger = realloc(*memory, wanted);
        if (larger == NULL)
            return false;
        *memory = larger;
        *room = wanted;
    }
    return true;
}"""


# Whoever compiles the file may not know what is asked for by these marks, and loses speed alone.
_QUIET = """
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif"""


@dataclass(frozen=True)
class Source:
    """A file of C. unit: its name in C; kernels: what is in it, in order.

    external: the functions that it calls through pointers, which are in a structure of the unit.
    """

    text: str
    unit: str
    kernels: tuple[Printed, ...]
    external: tuple[str, ...] = ()


def generate(kernels: Sequence[Kernel], unit: str = "", header: str = "") -> Source:
    """The text of a file of kernels.

    unit: its name, an identifier, where it is not that of the first kernel; header: the name of the
    file with its declarations, which it includes where it has one.
    """
    unit = unit or kernels[0].name
    names = [k.name for k in kernels]
    made = tuple(printed(k, unit, names) for k in kernels)
    functions = "\n\n".join(_functions(made))
    support = [pointed(text, unit) for text in support_for(functions)]
    head = [
        "#include <math.h>",
        "#include <stdbool.h>",
        "#include <stddef.h>",
        "#include <stdint.h>",
    ]
    if "malloc(" in functions or "reserve(" in functions:
        head.append("#include <stdlib.h>")
    if header:
        head = [f'#include "{header}"', "", *head]
        head += [_QUIET] if "#pragma omp" in functions else []
    functions, vectors = _vectorised(functions, "\n".join(support))
    external = external_in("\n".join([*support, functions]), unit)
    parts = [
        "\n".join(head),
        *vectors,
        *([_external(unit, external, declared=bool(header))] if external else []),
        *([_RESERVE] if "reserve(" in functions else []),
        *support,
        functions,
    ]
    return Source("\n\n".join(parts) + "\n", unit, made, external)


def _functions(kernels: Sequence[Printed]) -> list[str]:
    """The texts of kernels, each behind those definitions that no kernel before it has had."""
    texts: list[str] = []
    groups: dict[tuple[Printed, ...], dict[str, str]] = {}
    taken: set[str] = set()
    for kernel in kernels:
        inner = kernel.definitions
        names = groups.get(inner)
        if names is None:
            names = groups[inner] = _free_names([d.name for d in inner], taken)
            taken |= {names.get(d.name, d.name) for d in inner}
            if len(inner) > 1:  # they may call one another
                texts.append(_renamed("\n".join(f"{d.prototype};" for d in inner), names))
            texts += (_renamed(d.text, names) for d in inner)
        texts.append(_renamed(kernel.text, names))
    return texts


def _free_names(names: Sequence[str], taken: set[str]) -> dict[str, str]:
    """Other names for those that definitions of another kernel have."""
    found: dict[str, str] = {}
    for name in names:
        number = 2
        while name in taken and f"{name}_{number}" in taken | {*names}:
            number += 1
        if name in taken:
            found[name] = f"{name}_{number}"
    return found


def _renamed(text: str, names: dict[str, str]) -> str:
    """`text` with other names of definitions, which no variable has."""
    for old, new in names.items():
        text = re.sub(rf"\b{old}(?= *\()", new, text)
    return text


def called(interface: Interface, kernel: Printed, source: Source) -> Interface:
    """`interface` with the names that the kernel's text has, and what the file calls."""
    names = iter(kernel.names)
    arguments = tuple(replace(x, c_name=next(names)) for x in interface.arguments)
    sizes = tuple(replace(s, c_name=next(names)) for s in interface.sizes)
    results = tuple(replace(r, c_name=next(names)) for r in interface.results)
    return replace(
        interface, name=kernel.name, arguments=arguments, sizes=sizes, results=results,
        external=source.external,
    )  # fmt: skip


def _external(unit: str, names: Iterable[str], *, declared: bool) -> str:
    """The pointers to the functions of other libraries. declared: a header says what they are."""
    doc = "Functions of other libraries, which are set before the first call."
    made = f"struct {unit}_external {unit}_external" if declared else pointers(unit, names)
    return f"/* {doc} */\n{made};"


# What glibc computes for vectors on x86-64: from the start, and since version 2.35.
_VECTOR = ("exp", "log", "sin", "cos", "pow")
_VECTOR_NEW = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cosh", "erf", "erfc",
    "exp2", "expm1", "hypot", "log10", "log1p", "log2", "sinh", "tan", "tanh",
)  # fmt: skip
_TWO = frozenset(("pow", "atan2", "hypot"))


def _vectorised(text: str, support: str) -> tuple[str, list[str]]:
    """`text`, and declarations of what the C library computes for vectors, too.

    glibc's headers declare them under -ffast-math alone; clang knows them by `-fveclib`. A sine and
    a cosine of one angle go by names that the compiler does not know: it would make one call of the
    two, which has no vectors.
    """
    if "#pragma omp simd" not in text:
        return text, []
    called = set(re.findall(r"\b([a-z]+[0-9]*)\(", f"{text}\n{support}"))
    both = {"sin", "cos"} <= called
    groups: list[str] = []
    for names, version in ((_VECTOR, ""), (_VECTOR_NEW, " && __GLIBC_PREREQ(2, 35)")):
        lines: list[str] = []
        plain: list[str] = []
        for f in names:
            arguments = "double, double" if f in _TWO else "double"
            if f not in called:
                continue
            if both and f in ("sin", "cos"):
                text = re.sub(rf"\b{f}\(", f"{f}_apart(", text)
                head = f'__attribute__((simd("notinbranch"), const)) double {f}_apart(double)'
                lines.append(f'{head} __asm__("{f}");')
                plain.append(f"#define {f}_apart {f}")
            else:
                lines.append(f'__attribute__((simd("notinbranch"))) double {f}({arguments});')
        if lines:
            otherwise = ["#else", *plain] if plain else []
            groups += [f"#if VECTOR_MATH{version}", *lines, *otherwise, "#endif"]
    if not groups:
        return text, []
    return text, ["\n".join([_VECTOR_MATH, *groups])]


_VECTOR_MATH = """\
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && \\
    !defined(__FAST_MATH__)
#define VECTOR_MATH 1
#else
#define VECTOR_MATH 0
#endif
#ifndef __GLIBC_PREREQ
#define __GLIBC_PREREQ(major, minor) 0
#endif"""
