"""The user's own classes, which modules import."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symdiff.errors import SymdiffError


def class_imports(classes: Mapping[str, Any]) -> list[str]:
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
