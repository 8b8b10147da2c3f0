"""Hand-written kernels as functions of Python: their interface from a few words.

compiled(cc, "for (int64_t i = 0; i < n; i++) out[i] = 2.0 * x[i];",
         {"x": "float64[n]"}, {"out": "float64[n]"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symdiff.codegen.c.extension import extension
from symdiff.codegen.c.text import prototype
from symdiff.ir.interface import Interface, Size, Value
from symdiff.ir.types import Type, dim_symbols, symbol
from symdiff.options import CompilerOptions
from symdiff.runtime.compiler import load_extension
from symdiff.runtime.declare import parse_type

# Generated C is compiled with these; clang would also say which loops it does not vectorize.
STRICT = (
    "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-unknown-warning-option", "-Wno-pass-failed",
)  # fmt: skip
# gcc takes it that any loop may have no rounds, so that what it fills may not be filled.
DOUBTFUL = ("-Wno-maybe-uninitialized", "-Wno-stringop-overflow")
Types = Mapping[str, str | Type]


def listed(text: str, depth: int, weak: bool = True) -> Type:
    """The type of lists: `listed("float64[m,n]", 2)` is a list of lists of floats."""
    type_ = parse_type(text)
    return Type(type_.dtype, type_.shape, weak, depth)


def interface(arguments: Types, results: Types, tree: Any = 0, **more: Any) -> Interface:
    """Sizes are read where they stand first, and are called in C as they are here."""
    taken, made = (
        tuple(Value(k, parse_type(t) if isinstance(t, str) else t) for k, t in types.items())
        for types in (arguments, results)
    )
    sizes: dict[str, Size] = {}
    for i, value in enumerate(taken):
        for axis, dim in enumerate(value.type.shape):
            for name in dim_symbols(dim):
                if dim == symbol(name):
                    sizes.setdefault(name, Size(name, name, i, axis))
    name = more.pop("name", "kernel")
    sized = more.pop("sizes", tuple(sizes.values()))
    return Interface(name, "A kernel under test.", taken, sized, made, tree, **more)


def source_of(face: Interface, body: str, before: str = "") -> str:
    names = [x.c_name for x in (*face.arguments, *face.sizes, *face.results)]
    unused = "".join(f"    (void){name};\n" for name in names)
    kernel = f"{prototype(face)}\n{{\n{unused}    {body}\n    return 0;\n}}\n"
    headers = "#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
    return extension(face, f"{headers}{before}\n{kernel}")


def compiled(
    cc: CompilerOptions, body: str, arguments: Types, results: Types, tree: Any = 0, **more: Any
) -> Callable[..., Any]:
    """The function that calls a kernel whose statements are `body`."""
    before = more.pop("before", "")
    face = interface(arguments, results, tree, **more)
    module = load_extension(source_of(face, body, before), face.name, cc)
    run = getattr(module, face.name)
    return run(face.objects) if face.objects else run
