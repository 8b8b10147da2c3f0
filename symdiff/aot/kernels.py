"""What of a module is C: its kernels in NAME.c, declared in NAME.h, and how Python calls them.

    def f_grad(x): ...   ->   NAME.c    int f_grad(double x, double *d_x) { ... }
                              NAME.h    int f_grad(double x, double *d_x);
                              NAME.py   def f_grad(x): return _kernels.f_grad(x)

The two C files are free of Python. The call layer is a text in the module, which compiles all of it
when it is first imported.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from symdiff.aot.unit import Provenance
from symdiff.codegen.c.extension import call_layer
from symdiff.codegen.c.header import header
from symdiff.codegen.c.kernel import TAKEN
from symdiff.codegen.c.source import called, generate
from symdiff.codegen.c.support import SUPPORT
from symdiff.codegen.c.text import comment
from symdiff.codegen.literal import WIDTH, NotLiteralError, dictionary, literal
from symdiff.errors import SymdiffError
from symdiff.ir.interface import Interface
from symdiff.ir.nest import Kernel
from symdiff.options import CompilerOptions
from symdiff.pipeline import Compiled
from symdiff.runtime.toolchain import ALWAYS, OF_CLANG, OPTIONAL, asked_flags
from symdiff.version import VERSION

LOADED = "_kernels"  # what a module calls the extension module of its kernels
_MARK = "# --- The text of generated modules starts here.\n"
_WRITTEN = b", written by symdiff "
_OURS = re.compile(r"^(call|external|recursive)_")  # names that the C of kernels has for itself
_HELD = re.compile(r"(.*)_(array|list|next|object|shape|size|value)")  # variables of the call layer


@dataclass
class Kernels:
    """The kernels of a module, under names that are no others in C.

    stem: the name of the module's file, without its ending.
    """

    stem: str
    names: dict[str, str] = field(default_factory=dict[str, str])  # of functions, in C
    kernels: list[Kernel] = field(default_factory=list[Kernel])
    interfaces: list[Interface] = field(default_factory=list[Interface])
    flags: list[str] = field(default_factory=list[str])  # that are asked for

    @property
    def unit(self) -> str:
        """The name of the C file in C."""
        made = re.sub(r"[^0-9A-Za-z_]", "_", self.stem)
        return f"_{made}" if made[0].isdigit() else made

    @property
    def files(self) -> tuple[str, str]:
        """The names of the two files."""
        return f"{self.stem}.c", f"{self.stem}.h"

    def add(self, compiled: Compiled, name: str, compiler: CompilerOptions, kind: str) -> str:
        """Add the kernel of a function of the module; what calls it there.

        kind: "value", or the operator whose derivative it is.
        Raises SymdiffError where it is to be compiled in another way than those before.
        """
        assert compiled.kernel is not None and compiled.interface is not None
        flags = asked_flags(compiler)
        if self.kernels and flags != self.flags:
            raise SymdiffError(
                f"{name} asks for other flags of the compiler than the functions before it",
                hint="functions of one module are compiled together: write a module for each",
            )
        self.flags = flags
        self.names[name] = self._free(name, kind, compiled.interface)
        self.kernels.append(replace(compiled.kernel, name=self.names[name]))
        self.interfaces.append(compiled.interface)
        return f"{LOADED}.{self.names[name]}"

    def _free(self, name: str, kind: str, interface: Interface) -> str:
        """A name in C that neither its library nor another kernel has, nor a variable of a caller.

        Functions of the library have no underscores in their names, so one is enough.
        """
        made = re.sub(r"[^0-9A-Za-z_]", "_", name)
        made = made if "_" in made.strip("_") else f"{made.strip('_')}_{kind}"
        held = {x.c_name for x in (*interface.arguments, *interface.sizes, *interface.results)}
        local = _HELD.fullmatch(made)
        ours = _OURS.match(made) or (local and local[1] in held)
        if ours or made in TAKEN or made in SUPPORT or made[0] in "_0123456789":
            made = f"{self.unit}_{made}"
        found, number = made, 1
        while found in self.names.values():
            number += 1
            found = f"{made}_{number}"
        return found

    def texts(self, provenance: Provenance) -> tuple[dict[str, str], str]:
        """The texts of the C files, by name, and the part of the module that loads them."""
        c, h = self.files
        source = generate(self.kernels, self.unit, h)
        interfaces = [
            called(interface, kernel, source)
            for interface, kernel in zip(self.interfaces, source.kernels, strict=True)
        ]
        about = (
            f"Derivatives of {provenance.file}, written by symdiff {VERSION}. Not to be edited.\n\n"
            f"   {self.stem}.py is generated with this file, and says by which command."
        )
        files = {
            c: f"{comment(f'{about} It compiles this with{self._command()}')}\n\n{source.text}",
            h: header(interfaces, self.unit, about),
        }
        return files, self._loading(files, call_layer(interfaces, self.unit), interfaces)

    def _command(self) -> str:
        """The flags that this is compiled with, in lines of their own."""
        flags = " ".join([*ALWAYS, *(row[0] for row in OPTIONAL), *self.flags])
        indent = "\n       "
        lines = textwrap.wrap(flags, WIDTH - len(indent), break_on_hyphens=False)
        return "".join(["\n", *(f"{indent}{line}" for line in lines)])

    def _loading(self, files: dict[str, str], layer: str, interfaces: list[Interface]) -> str:
        hashes = {file: hashlib.sha256(text.encode()).hexdigest() for file, text in files.items()}
        included = f'#include "{self.files[0]}"\n\n{layer}'
        # Raw text is what people can read; almost all C can be written so.
        raw = "'''" not in included and not included.endswith(("'", "\\"))
        text = f"r'''\n{included}'''" if raw else repr(included)
        needed = ([flag] for flag in ALWAYS)
        wished = ([*row, ""] for row in (*OPTIONAL, (OF_CLANG,)))
        flags = [*needed, *wished, *([flag] for flag in self.flags)]
        call = f'{LOADED} = _load_kernels(__file__, "{self.unit}", KERNELS, _CALL_LAYER, _FLAGS)'
        bound = [
            f"{LOADED}.{x.name} = {LOADED}.{x.name}({_objects(x)})\n"
            for x in interfaces
            if x.objects
        ]
        return (
            "# How its C is compiled, when this module is first imported, and called.\n\n"
            f"{dictionary('KERNELS', hashes)}"
            f"_FLAGS = [\n{_rows(flags)}]\n"
            f"_CALL_LAYER = {text}\n\n\n{selfbuild_text()}\n\n"
            f"try:\n    {call}\n"
            "except ImportError as error:\n"
            '    if __name__ != "__main__":\n        raise\n'
            "    raise SystemExit(str(error)) from None\n" + "".join(bound)
        )


def _rows(flags: Sequence[Sequence[str]]) -> str:
    """The rows of a list of lists, as many on a line as fit."""
    lines = [""]
    for text in (f"{literal(list(row), {})}," for row in flags):
        if len(lines[-1]) + len(text) > WIDTH - 4:
            lines.append("")
        lines[-1] += f" {text}"
    return "".join(f"   {line}\n" for line in lines)


def refuse_strangers(files: Iterable[Path]) -> None:
    """Raise SymdiffError where a C file would replace one that symdiff has not written."""
    for file in files:
        if file.is_file() and _WRITTEN not in file.read_bytes()[:1000]:
            raise SymdiffError(
                f"{file} is there already, and not of symdiff",
                hint="give the module another name: its C files are called like it",
            )


def _objects(interface: Interface) -> str:
    """The objects that a function is bound to, as text."""
    try:
        return literal(interface.objects, {})
    except NotLiteralError as error:
        raise SymdiffError(
            f"a module cannot hold what {interface.name} returns: {error}",
            hint="return numbers, strings, and containers of them",
        ) from None


@functools.cache
def selfbuild_text() -> str:
    """The functions that such a module carries to compile itself."""
    source = resources.files("symdiff.runtime").joinpath("selfbuild.py").read_text("utf-8")
    return source.split(_MARK, 1)[1].strip() + "\n"


def reserved() -> set[str]:
    """Names that mean something in the part of a module that loads kernels."""
    own = {n.name for n in ast.parse(selfbuild_text()).body if isinstance(n, ast.FunctionDef)}
    return own | {LOADED, "KERNELS", "_CALL_LAYER", "_FLAGS"}
