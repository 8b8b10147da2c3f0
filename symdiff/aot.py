"""Generated modules: written whole or not at all, free of symdiff, able to check themselves.

A module holds, for each derivative, what it is the derivative of, then the derivative as symdiff
printed it: `f`, `f_grad`, `f_hessian`. That chain is what `python module.py --check` follows, each
link compared with finite differences of the one before. The text of the check is that of
`symdiff/verify/selfcheck.py`.
"""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import inspect
import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

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
from symdiff.errors import CheckError, SourceError, StaleError, SymdiffError, UnsupportedError
from symdiff.ir.tree import leaves
from symdiff.options import Options, Request
from symdiff.pipeline import Compiled, compile_function, wrt_names
from symdiff.runtime.load import load
from symdiff.verify.points import Point, find_points
from symdiff.version import VERSION

POINTS = 3
_SEED = 0
_MARK = "# --- The text of generated modules starts here.\n"


class Unit(Protocol):
    """What a module is made of: a `Derivative`, or anything that states the same."""

    @property
    def primal(self) -> Callable[..., Any]: ...
    @property
    def requests(self) -> Sequence[Request]: ...
    @property
    def options(self) -> Options: ...
    def compiled(self) -> Compiled: ...


@dataclass(frozen=True)
class Provenance:
    """Where a module comes from; all of it is written into the module.

    file: the source's name. sources: SHA-256 of each of the user's files, by path relative to the
    source's folder. options: what was asked, in one canonical form. command: what wrote it.
    """

    file: str
    sources: Mapping[str, str]
    options: str = ""
    command: str = ""

    @staticmethod
    def of(unit: Unit, command: str) -> Provenance:
        """Of a derivative that was made by calling symdiff, not by the command line."""
        code = inspect.unwrap(_function(unit.primal)).__code__
        path = Path(code.co_filename)
        try:
            sources = {path.name: file_hash(path)}
        except SourceError:  # a notebook's cell, the interactive interpreter
            sources = {}
        return Provenance(path.name, sources, "", command)


def write_module(
    derivatives: Sequence[Unit],
    path: Path,
    provenance: Provenance | None = None,
    names: Sequence[str | None] = (),
) -> Path:
    """Write `derivatives` and their functions as a module that runs by itself. Atomic.

    names: what to call each derivative, None for the name that symdiff gives it.
    Raises SymdiffError where the file cannot be written or a derivative cannot be compiled.
    """
    path = Path(path)
    provenance = provenance or Provenance.of(derivatives[0], "Derivative.save")
    return write_text(path, module_text(derivatives, path.name, provenance, names))


def write_text(path: Path, text: str) -> Path:
    """Write a text file with LF endings; at no time does another process see half of it."""
    target = Path(os.path.realpath(path))
    data = text.encode()
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a device or a pipe: there is nothing to replace
            return path
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(data)
            if target.exists():
                temporary.chmod(target.stat().st_mode)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SymdiffError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def file_hash(path: Path) -> str:
    """SHA-256 of a text file, whatever its line endings. Raises SourceError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def check_stale(path: Path, folder: Path, options: str) -> None:
    """Raise StaleError unless the module at `path` is what its sources in `folder` give today.

    Compares the recorded hashes, options and version of symdiff; neither file is imported.
    """
    hint = "run the same command without --check-stale"
    try:
        tree = ast.parse(path.read_bytes())
    except FileNotFoundError:
        raise StaleError(f"{path} does not exist", hint=hint) from None
    except OSError as error:
        raise SymdiffError(f"cannot read {path}: {error.strerror or error}") from None
    except (SyntaxError, ValueError) as error:
        raise StaleError(f"{path} is not a module: {error}", hint=hint) from None
    recorded: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                recorded[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # not one of the constants that are looked for
                continue
    sources = recorded.get("SOURCES")
    if not isinstance(sources, dict) or "SYMDIFF_VERSION" not in recorded:
        raise StaleError(f"{path} was not written by symdiff build", hint=hint)
    if recorded["SYMDIFF_VERSION"] != VERSION:
        raise StaleError(
            f"{path} was written by symdiff {recorded['SYMDIFF_VERSION']}, this is {VERSION}",
            hint=hint,
        )
    if recorded.get("OPTIONS") != options:
        raise StaleError(
            f"{path} was written with other options: {recorded.get('OPTIONS')!r}", hint=hint
        )
    for name, digest in sources.items():
        if not (folder / name).exists():
            raise StaleError(f"{path}: its source {name} is gone", hint=hint)
        if file_hash(folder / name) != digest:
            raise StaleError(f"{path} is older than {name}", hint=hint)


# The functions of a module.


@dataclass
class _Module:
    """The functions of a module in order, under names that do not collide."""

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

    def add(self, compiled: Compiled, wishes: Sequence[str]) -> str:
        """Add a function, unless it is there already; its name."""
        if compiled.target == "c":
            raise UnsupportedError("modules are written of Python", hint="use the python target")
        key = (compiled.name, compiled.code)
        if key in self.texts:
            return self.texts[key]
        wish = next((w for w in wishes if w not in self.taken), wishes[-1])
        name = self.name(wish)
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
        self.texts[key] = name
        self.public.append(name)
        called = self._called(compiled, changes)
        self.blocks += [*constants, *(renamed(text, changes) for text in called)]
        self.blocks.append(renamed(compiled.text, changes))
        return name

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


def module_text(
    derivatives: Sequence[Unit],
    file_name: str,
    provenance: Provenance,
    names: Sequence[str | None] = (),
) -> str:
    """The text of a module with `derivatives`."""
    module = _Module()
    for index, unit in enumerate(derivatives):
        _add_chain(module, unit, names[index] if index < len(names) else None)
    check = _check_text(module)
    blocks = "\n\n".join([*module.support, *module.blocks])
    head = [_docstring(file_name, provenance)]
    lines = imports_of([blocks, check]) + _class_imports(module.classes)
    head.append("\n".join(lines) + "\n" if lines else "")
    main_hash = provenance.sources.get(provenance.file, "")
    exported = ", ".join(f'"{n}"' for n in sorted(set(module.public)))
    head.append(
        wrapped(f"__all__ = [{exported}]", "")
        + f'\n\nSYMDIFF_VERSION = "{VERSION}"\nSOURCE_HASH = "{main_hash}"\n'
        + dictionary("SOURCES", provenance.sources)
        + f"OPTIONS = {_long(provenance.options)}\n"
    )
    return "\n".join(filter(None, head)) + "\n\n" + "\n\n".join(filter(None, [blocks, check]))


def _add_chain(module: _Module, unit: Unit, wanted: str | None) -> None:
    """The function, then the derivative that each operator makes of what came before."""
    final = unit.compiled()
    known = inspect.signature(unit.primal).parameters
    trees = {p.name: p.tree for p in final.function.params if p.name in known}
    options = replace(unit.options, check_shapes=True)  # who will call a module is unknown
    make = functools.partial(compile_function, unit.primal, trees, options=options)
    base = make([Request("primal")])
    base_name = module.add(base, [base.name, f"{base.name}_"])
    done: list[Request] = []
    for request in unit.requests:
        if request.kind in ("hessian", "hvp"):  # the derivative of a gradient
            gradient = replace(request, kind="grad", mode="auto", value=False)
            below = make([*done, gradient])
            below_name = _add_link(module, base, base_name, gradient, below, None)
        else:
            below, below_name = base, base_name
        done.append(request)
        last = len(done) == len(unit.requests)
        above = make(done)
        base_name = _add_link(module, below, below_name, request, above, wanted if last else None)
        base = above


def _add_link(
    module: _Module,
    base: Compiled,
    base_name: str,
    request: Request,
    above: Compiled,
    wanted: str | None,
) -> str:
    """Add `above`, the derivative of `base`, and the check of one against the other."""
    wrt = wrt_names(base.function, request)
    wishes = [wanted] if wanted else [above.name, f"{above.name}_wrt_{'_'.join(wrt)}"]
    name = module.add(above, wishes)
    if name not in module.checks:
        module.checks[name] = _check_row(module, name, base, base_name, request, above, wrt)
    return name


def _check_row(
    module: _Module,
    name: str,
    base: Compiled,
    base_name: str,
    request: Request,
    above: Compiled,
    wrt: Sequence[str],
) -> str:
    """One row of the module's checks: see `symdiff/verify/selfcheck.py`."""
    params = {p.name: p.tree for p in above.function.params}
    seeds = [p for p in params if p not in {q.name for q in base.function.params}]
    flags = "aux" if request.has_aux else ""
    kind = request.kind
    derivative = name
    if kind in ("jvp", "vjp") or kind == "value_and_grad" or (kind == "jacobian" and request.value):
        flags = f"{flags} value".strip()
    if kind == "hessian" and request.value:
        derivative = f"(lambda **point: {name}(**point)[1])"  # the value is not of the gradient
    if kind == "value_and_grad":
        kind = "grad"
    points: list[str] = []
    why = _uncheckable(base, params, wrt)
    if not why:
        try:
            points = [literal(p, module.check_classes) for p in _points(base, above, seeds)]
        except CheckError:
            why = "no random point lies in its domain"
        except NotLiteralError as error:
            why = str(error)
    head = (
        f"({quoted(name)}, {quoted(kind)}, {base_name}, {derivative}, {_names(wrt)}, "
        f"{_names(seeds)}, {quoted(why or flags)}, ["
    )
    if not points:
        return wrapped(f"{head}]),", " " * 8)
    lines = [wrapped(f"{point},", " " * 12) for point in points]
    return "\n".join([wrapped(head, " " * 8), *lines, " " * 8 + "]),"])


def _uncheckable(base: Compiled, params: Mapping[str, Any], wrt: Sequence[str]) -> str:
    """Why finite differences say nothing about a derivative, or an empty text."""
    hidden = [n for n in wrt if n not in params]
    if hidden:
        return f"with respect to the local variable {hidden[0]}"
    cuts = [c for c in base.function.cuts if "detach" in c.what or "grad" in c.what]
    if cuts:
        place = f" at {cuts[0].span.place}" if cuts[0].span else ""
        return f"{cuts[0].what}{place} cuts it"
    if any(p.kind.startswith("star") and any(leaves(p.tree)) for p in base.function.params):
        return "takes a varying number of arguments"
    return ""


def _points(base: Compiled, above: Compiled, seeds: Sequence[str]) -> list[Point]:
    """Points inside the domain of `base`, by trying; the derivative's own value plays no part."""
    run = load(base.module, base.name, base.bindings)
    trees = {p.name: p.tree for p in above.function.params if not p.kind.startswith("star")}
    defaults = {
        p.name: ast.literal_eval(p.default)
        for p in above.function.params
        if p.default is not None and p.name in trees and type(p.tree).__name__ == "Var"
    }
    integers = {k: v for k, v in defaults.items() if isinstance(v, int)}

    def inside(point: Point) -> Any:
        return run(**{k: v for k, v in point.items() if k not in seeds})

    return find_points(inside, trees, POINTS, _SEED, integers)


# Text.


def _names(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def _long(text: str) -> str:
    """A string's literal, in parts where it is long."""
    if len(text) < WIDTH - 16:
        return quoted(text)
    parts = text.replace(" --", "\n --").split("\n")
    return "(\n" + "".join(f"    {quoted(part)}\n" for part in parts) + ")"


def _docstring(file_name: str, provenance: Provenance) -> str:
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
        "It runs without symdiff. Check every derivative against finite differences with\n\n"
        f'    python {file_name} --check\n"""\n'
    )


def _class_imports(classes: Mapping[str, Any]) -> list[str]:
    """Import lines for the user's own classes that arguments and results are made of."""
    return sorted(f"from {_module_of(cls)} import {name}" for name, cls in classes.items())


def _module_of(cls: Any) -> str:
    """Where a generated module can import `cls` from. Raises SymdiffError where it cannot."""
    if "<" in cls.__qualname__ or "." in cls.__qualname__:
        raise SymdiffError(
            f"a generated module cannot import {cls.__qualname__}, which its functions use",
            hint="define it at the top level of its file",
        )
    if cls.__module__ == "__main__":
        return Path(inspect.getfile(cls)).stem
    return cls.__module__


def _check_text(module: _Module) -> str:
    """The self-check: its text, the rows of this module, and what runs it."""
    lines = [f"    {line}\n" for line in _class_imports(module.check_classes)]
    rows = "\n".join(module.checks.values())
    return (
        "# The check of the derivatives above: `--check` on the command line.\n\n\n"
        f"{selfcheck_text()}\n\n"
        "def _checks():\n"
        '    """(name, kind, base, derivative, wrt, seeds, flags, points) of each derivative."""\n'
        f"{''.join(lines)}    return [\n{rows}\n    ]\n\n\n"
        'if __name__ == "__main__":\n    import sys\n\n    sys.exit(_main(sys.argv[1:], _checks))\n'
    )


@functools.cache
def selfcheck_text() -> str:
    """The functions that every module carries to check itself."""
    source = resources.files("symdiff.verify").joinpath("selfcheck.py").read_text("utf-8")
    return source.split(_MARK, 1)[1].strip() + "\n"


@functools.cache
def _reserved() -> frozenset[str]:
    """Names that mean something in a generated module."""
    own = {n.name for n in ast.parse(selfcheck_text()).body if isinstance(n, ast.FunctionDef)}
    modules = {"dataclasses", "math", "np", "special", "sys"}
    constants = {"OPTIONS", "SOURCES", "SOURCE_HASH", "SYMDIFF_VERSION"}
    return frozenset(own | modules | constants | {"_checks"} | set(dir(builtins)))


def _function(primal: Any) -> Any:
    """What carries the code of a function, method or `functools.partial`."""
    while isinstance(primal, functools.partial):
        primal = primal.func
    return getattr(primal, "__func__", primal)
