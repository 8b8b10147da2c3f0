"""The text of a module: its functions in order, what they need, the check, and the loading of C.

A module holds, for each derivative, what it is the derivative of, then the derivative as symdiff
printed it: `f`, `f_grad`, `f_hessian`. That chain is what `python module.py --check` follows, each
link compared with finite differences of the one before.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symdiff.aot.checks import check_row, check_text, selfcheck_text
from symdiff.aot.classes import class_imports
from symdiff.aot.kernels import LOADED, Kernels
from symdiff.aot.kernels import reserved as reserved_for_kernels
from symdiff.aot.unit import Provenance, Unit
from symdiff.codegen.forward import forwarding
from symdiff.codegen.literal import (
    WIDTH,
    NotLiteralError,
    array_literal,
    dictionary,
    literal,
    quoted,
    wrapped,
)
from symdiff.codegen.printer import imports_of
from symdiff.codegen.rename import renamed
from symdiff.errors import SymdiffError
from symdiff.options import Options, Request
from symdiff.pipeline import Compiled, compile_function, wrt_names
from symdiff.version import VERSION


@dataclass
class _Module:
    """The functions of a module in order, under names that do not collide."""

    kernels: Kernels
    texts: dict[Hashable, str] = field(default_factory=dict)  # (name, texts): its new name
    blocks: list[str] = field(default_factory=list)
    support: list[str] = field(default_factory=list)  # helper functions that the blocks call
    public: list[str] = field(default_factory=list)
    constants: dict[str, str] = field(default_factory=dict)  # by their text
    definitions: dict[Hashable, str] = field(default_factory=dict)  # by all that they call
    classes: dict[str, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: set(_reserved()))
    checks: dict[str, str] = field(default_factory=dict)  # by the name of the derivative
    check_classes: dict[str, Any] = field(default_factory=dict)

    def name(self, wish: str) -> str:
        """A name like `wish` that is still free."""
        found, number = wish, 1
        while found in self.taken:
            number += 1
            found = f"{wish}_{number}" if number > 2 or wish not in _reserved() else f"{wish}_"
        self.taken.add(found)
        return found

    def add(
        self, compiled: Compiled, wishes: Sequence[str], options: Options, kind: str = "value"
    ) -> str:
        """Add a function, unless it is there already; its name. kind: see `Kernels.add`."""
        key = (compiled.name, compiled.code)
        if key in self.texts:
            return self.texts[key]
        wish = next((w for w in wishes if w not in self.taken), wishes[-1])
        name = self.name(wish)
        self.texts[key] = name
        self.public.append(name)
        if compiled.target == "c":
            self._forwarding(
                compiled, name, self.kernels.add(compiled, name, options.compiler, kind)
            )
            return name
        changes = {compiled.name: name} if name != compiled.name else {}
        constants: list[str] = []
        for label, value in compiled.bindings.items():
            if isinstance(value, np.ndarray):
                text = array_literal(value)
                fresh = self.constants.get(text)
                if fresh is None:
                    fresh = self.name(label if label not in self.taken else f"{name}_{label}")
                    self.constants[text] = fresh
                    constants.append(f"{fresh} = {text}\n")
                if fresh != label:
                    changes[label] = fresh
            else:
                self.classes[label] = value
                self.taken.add(label)
        self.support += [f"{s}\n" for s in compiled.support if f"{s}\n" not in self.support]
        called = self._called(compiled, changes)
        self.blocks += [*constants, *(renamed(text, changes) for text in called)]
        self.blocks.append(renamed(compiled.text, changes))
        return name

    def _forwarding(self, compiled: Compiled, name: str, run: str) -> None:
        """Add the function that calls a kernel."""
        if any(p.name == LOADED for p in compiled.function.params):
            raise SymdiffError(
                f"{compiled.name} has a parameter called {LOADED}, as its module calls the kernels",
                hint="give it another name",
            )
        text, bindings = forwarding(compiled.function, run, Options())
        changes = {compiled.name: name} if name != compiled.name else {}
        for label, value in bindings.items():
            if value is replace:  # dataclasses.replace
                changes[label] = "dataclasses.replace"
            elif inspect.isclass(value):
                changes[label] = value.__name__
                self.classes[value.__name__] = value
                self.taken.add(value.__name__)
            else:
                changes[label] = _constant(value, name)
        self.blocks.append(renamed(text, changes))

    def _called(self, compiled: Compiled, changes: dict[str, str]) -> list[str]:
        """The texts of what `compiled` calls and is not there yet; `changes` gets their names."""
        texts = {**compiled.definitions, compiled.name: compiled.text}
        final = {label: renamed(text, changes) for label, text in texts.items()}
        new: list[str] = []
        for label in compiled.definitions:
            key = (label, frozenset(final[other] for other in _reached(label, texts)))
            if key not in self.definitions:
                self.definitions[key] = self.name(label)
                new.append(f"{texts[label]}\n")
            if self.definitions[key] != label:
                changes[label] = self.definitions[key]
        return new


def _reached(label: str, texts: Mapping[str, str]) -> set[str]:
    """A definition, and all that it calls."""
    found: set[str] = set()
    stack = [label]
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += [other for other in texts if re.search(rf"\b{other}\(", texts[name])]
    return found


def module_texts(
    derivatives: Sequence[Unit],
    file_name: str,
    provenance: Provenance,
    names: Sequence[str | None] = (),
) -> dict[str, str]:
    """The texts of the files of a module with `derivatives`, by name; `file_name` is the last.

    Of Python it is that file alone; of C there are two more, whose names differ in their ending.
    """
    module = _Module(Kernels(file_name.removesuffix(".py")))
    for index, unit in enumerate(derivatives):
        _add_chain(module, unit, names[index] if index < len(names) else None)
    check = check_text(module.checks.values(), module.check_classes)
    blocks = "\n\n".join([*module.support, *module.blocks])
    files: dict[str, str] = {}
    loading = ""
    if module.kernels.names:
        _check_file_name(file_name)
        files, loading = module.kernels.texts(provenance)
    head = [_docstring(file_name, provenance, list(files))]
    lines = imports_of([blocks, check]) + class_imports(module.classes)
    head.append("\n".join(lines) + "\n" if lines else "")
    main_hash = provenance.sources.get(provenance.file, "")
    exported = ", ".join(f'"{n}"' for n in sorted(set(module.public)))
    head.append(
        wrapped(f"__all__ = [{exported}]", "")
        + f'\n\nSYMDIFF_VERSION = "{VERSION}"\nSOURCE_HASH = "{main_hash}"\n'
        + dictionary("SOURCES", provenance.sources)
        + f"OPTIONS = {_long(provenance.options)}\n"
    )
    parts = "\n\n".join(filter(None, [blocks, loading, check]))
    return {**files, file_name: "\n".join(filter(None, head)) + "\n\n" + parts}


def module_text(
    derivatives: Sequence[Unit],
    file_name: str,
    provenance: Provenance,
    names: Sequence[str | None] = (),
) -> str:
    """The text of a module with `derivatives`."""
    return module_texts(derivatives, file_name, provenance, names)[file_name]


def _check_file_name(name: str) -> None:
    if not re.fullmatch(r"[\w .+-]+\.py", name):
        raise SymdiffError(
            f"a module of C cannot be called {name!r}",
            hint="NAME.py, and NAME.c and NAME.h beside it, of letters, digits and underscores",
        )


def _constant(value: Any, name: str) -> str:
    """An object that a function returns, as text."""
    try:
        return literal(value, {})
    except NotLiteralError as error:
        raise SymdiffError(
            f"a module cannot hold what {name} returns: {error}",
            hint="return numbers, strings, and containers of them",
        ) from None


def _add_chain(module: _Module, unit: Unit, wanted: str | None) -> None:
    """The function, then the derivative that each operator makes of what came before."""
    final = unit.compiled()
    known = inspect.signature(unit.primal).parameters
    trees = {p.name: p.tree for p in final.function.params if p.name in known}
    options = replace(unit.options, check_shapes=True)  # who will call a module is unknown
    make = functools.partial(compile_function, unit.primal, trees, options=options)
    base = make([Request("primal")])
    requests = [r for r in unit.requests if r.kind != "primal"]  # `compiled` is the function itself
    wishes = [base.name, f"{base.name}_"] if requests or not wanted else [wanted]
    base_name = module.add(base, wishes, options)
    done: list[Request] = []
    for request in requests:
        if request.kind in ("hessian", "hvp"):  # the derivative of a gradient
            gradient = replace(request, kind="grad", mode="auto", value=False)
            below = make([*done, gradient])
            below_name = _add_link(module, base, base_name, gradient, below, None, options)
        else:
            below, below_name = base, base_name
        done.append(request)
        last = len(done) == len(requests)
        above = make(done)
        wish = wanted if last else None
        base_name = _add_link(module, below, below_name, request, above, wish, options)
        base = above


def _add_link(
    module: _Module,
    base: Compiled,
    base_name: str,
    request: Request,
    above: Compiled,
    wanted: str | None,
    options: Options,
) -> str:
    """Add `above`, the derivative of `base`, and the check of one against the other."""
    wrt = wrt_names(base.function, request)
    wishes = [wanted] if wanted else [above.name, f"{above.name}_wrt_{'_'.join(wrt)}"]
    name = module.add(above, wishes, options, request.kind)
    if name not in module.checks:
        classes = module.check_classes
        module.checks[name] = check_row(classes, name, base, base_name, request, above, wrt)
    return name


# Text.


def _long(text: str) -> str:
    """A string's literal, in parts where it is long."""
    if len(text) < WIDTH - 16:
        return quoted(text)
    parts = text.replace(" --", "\n --").split("\n")
    return "(\n" + "".join(f"    {quoted(part)}\n" for part in parts) + ")"


def _docstring(file_name: str, provenance: Provenance, files: Sequence[str]) -> str:
    command = provenance.command.replace('"' * 3, "'" * 3)  # a docstring must not end early
    if len(command) > WIDTH - 4:  # on lines of its own each option, as a shell takes it
        command = command.replace(" --", " \\\n        --")
    raw = "r" if "\\" in command else ""
    digest = provenance.sources.get(provenance.file, "")
    known = f" (SHA-256 {digest[:16]}...)" if digest else ""
    return (
        f'{raw}"""Derivatives of {provenance.file}, written by symdiff {VERSION}. '
        "Not to be edited.\n"
        f"\nGenerated from {provenance.file}{known} by\n\n    {command}\n\n"
        f"{_about_files(files)}"
        "It runs without symdiff. Check every derivative against finite differences with\n\n"
        f'    python {file_name} --check\n"""\n'
    )


def _about_files(files: Sequence[str]) -> str:
    """What a module says of its C, if it has some."""
    if not files:
        return ""
    c, h = files
    text = (
        f"Its functions are C, in {c}, which is free of Python; {h} is for other programs. "
        "They are compiled when this module is first imported, by the compiler that "
        "CC names, or cc, gcc or clang, and kept in the user's cache."
    )
    return textwrap.fill(text, WIDTH) + "\n\n"


@functools.cache
def _reserved() -> frozenset[str]:
    """Names that mean something in a generated module."""
    own = {n.name for n in ast.parse(selfcheck_text()).body if isinstance(n, ast.FunctionDef)}
    modules = {"dataclasses", "math", "np", "special", "sys"}
    constants = {"OPTIONS", "SOURCES", "SOURCE_HASH", "SYMDIFF_VERSION"}
    return frozenset(
        own | modules | constants | {"_checks"} | reserved_for_kernels() | set(dir(builtins))
    )
