"""Generated source as a function: debuggable, since its lines are known to `linecache`."""

from __future__ import annotations

import linecache
import sys
import weakref
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.ir.interface import Interface
    from symdiff.options import CompilerOptions

KERNEL = "__kernel__"  # what `codegen.adaptor` calls the compiled function


class _Lines(list[str]):
    """The lines of a source, for as long as functions made of it live."""

    users = 0


def load(source: str, name: str, bindings: Mapping[str, Any]) -> Callable[..., Any]:
    """Execute generated `source` and return its function `name`.

    Tracebacks and debuggers show its lines under a file name made of what it holds.
    """
    import hashlib  # costs milliseconds to import

    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    filename = f"<symdiff {name} {digest}>"
    namespace: dict[str, Any] = {"__name__": f"symdiff.generated.{name}", **bindings}
    exec(compile(source, filename, "exec"), namespace)
    function = namespace[name]
    _register(filename, source, function)
    return function


def _register(filename: str, source: str, function: Callable[..., Any]) -> None:
    entry: Any = linecache.cache.get(filename)
    known = entry[2] if entry is not None else None
    lines = known if isinstance(known, _Lines) else _Lines(source.splitlines(keepends=True))
    lines.users += 1
    linecache.cache[filename] = (len(source), None, lines, filename)
    weakref.finalize(function, _forget, filename, lines).atexit = False


def _forget(filename: str, lines: _Lines) -> None:
    lines.users -= 1
    if not lines.users:
        linecache.cache.pop(filename, None)


def load_kernel(
    source: str,
    interface: Interface,
    adaptor: str,
    options: CompilerOptions,
    bindings: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[..., Any]:
    """Compile the C `source` of a module and return its function.

    adaptor: source of the function that calls it with what it is made for; "" for none; bindings:
    what that refers to by name.
    Raises CompilerError where there is no compiler, or it fails.
    """
    from symdiff.runtime.compiler import load_extension

    progress = _say if options.progress else None
    module = load_extension(source, interface.name, options, progress)
    run = getattr(module, interface.name)
    run = run(interface.objects) if interface.objects else run
    return load(adaptor, interface.name, {**bindings, KERNEL: run}) if adaptor else run


def _say(what: str) -> None:
    """Tell a person what they wait for; what only keeps a log is not told."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(what, file=sys.stderr)
