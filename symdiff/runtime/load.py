"""Generated source as a function: debuggable, since its lines are known to `linecache`."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any


def load(source: str, name: str, bindings: Mapping[str, Any]) -> Callable[..., Any]:
    """Execute generated `source` and return its function `name`.

    Tracebacks and debuggers show its lines under a file name made of what it holds.
    """
    import hashlib  # costs milliseconds to import

    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    filename = f"<symdiff {name} {digest}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    namespace: dict[str, Any] = {"__name__": f"symdiff.generated.{name}", **bindings}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]
