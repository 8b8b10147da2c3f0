"""The header of a kernel: what a C or C++ program that has no Python includes to call it.

/* Gradient of f.

   x: float64
   w: float64[n]
   n: the size of axis 0 of w
   out: where float64[n] goes

   Returns 0, or 1 where memory has run out. */
int f(double x, const double *w, int64_t n, double *out);
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.codegen.c.external import EXTERNAL, pointers
from symdiff.codegen.c.text import comment, prototype
from symdiff.ir.interface import Interface, Size
from symdiff.ir.types import SymDim, Type


def header(interfaces: Sequence[Interface], unit: str = "", about: str = "") -> str:
    """The text of `<name>.h`: the prototypes, and what each parameter of them is.

    unit: the name of the file in C, where it is not that of the first kernel; about: a comment in
    front of all.
    """
    unit = unit or interfaces[0].name
    guard = f"{unit.upper()}_H"
    external = tuple(sorted({name for x in interfaces for name in x.external}))
    declared = "\n\n".join(f"{comment(_described(x))}\n{prototype(x)};" for x in interfaces)
    opening = f"{comment(about)}\n\n" if about else ""
    return (
        f"{opening}"
        f"#ifndef {guard}\n#define {guard}\n\n#include <stdbool.h>\n#include <stdint.h>\n\n"
        '#ifdef __cplusplus\nextern "C" {\n#endif\n\n'
        f"{_external(external, unit)}{declared}\n\n"
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n"
    )


def _external(names: Sequence[str], unit: str) -> str:
    """The pointers that a program sets."""
    if not names:
        return ""
    found = [EXTERNAL[name] for name in names]
    lines = [f"What {unit} calls of other libraries: set these before the first call."]
    lines += (f"   {e.name}: {e.about}" for e in found)
    declared = pointers(unit, names)
    return f"{comment(chr(10).join(lines))}\nextern {declared};\n\n"


def _described(interface: Interface) -> str:
    """The doc, a line for each parameter, and what is returned."""
    names = {size.symbol: size.c_name for size in interface.sizes}
    lines = [*interface.doc.strip().splitlines(), ""]
    for x in interface.arguments:
        called = "" if x.name == x.c_name else f"{x.name}, "
        written = ", written into" if x.name in interface.written else ""
        lines.append(f"{x.c_name}: {called}{_shown(x.type, names)}{written}")
    lines += (f"{size.c_name}: {_source(size, interface)}" for size in interface.sizes)
    lines += (f"{r.c_name}: where {_shown(r.type, names)} goes" for r in interface.results)
    codes = ["1 where memory has run out"]
    codes += (f"{k} for {name}: {text}" for k, (name, text) in enumerate(interface.faults, 2))
    if any(not x.is_scalar for x in (*interface.arguments, *interface.results)):
        lines.append("Arrays are contiguous and row-major: the last axis varies fastest.")
    lines += (
        ["", f"Returns 0, or {codes[0]}."] if len(codes) == 1 else ["", "Returns 0, or", *codes]
    )
    return "\n".join(f"   {line}" if line else "" for line in lines).strip()


def _source(size: Size, interface: Interface) -> str:
    """Where a size is from."""
    if size.function:
        return size.symbol
    of = interface.arguments[size.argument].c_name
    return of if size.axis < 0 else f"the size of axis {size.axis} of {of}"


def _shown(type_: Type, names: Mapping[str, str]) -> str:
    """A type as people write it, with C's names of the sizes."""
    sizes = [str(dim) if isinstance(dim, int) else _size(dim, names) for dim in type_.shape]
    kind = {"int": "int64"}.get(type_.dtype, type_.dtype)
    return f"{kind}[{', '.join(sizes)}]" if sizes else kind


def _size(dim: SymDim, names: Mapping[str, str]) -> str:
    terms = (
        (tuple(names.get(symbol, symbol) for symbol in factors), coefficient)
        for factors, coefficient in dim.terms
    )
    return str(SymDim(tuple(terms)))
