"""Generated source as a function: debuggable, since its lines are known to `linecache`."""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Mapping
from typing import Any


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
