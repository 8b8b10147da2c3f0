"""Generated modules: written whole or not at all, free of symdiff, able to check themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from symdiff.aot.files import file_hash, write_text, write_texts
from symdiff.aot.kernels import refuse_strangers
from symdiff.aot.module import module_text, module_texts
from symdiff.aot.stale import check_stale
from symdiff.aot.unit import Provenance, Unit

__all__ = [
    "Provenance", "Unit", "check_stale", "file_hash", "module_text", "module_texts", "write_module",
    "write_text", "write_texts",
]  # fmt: skip


def write_module(
    derivatives: Sequence[Unit],
    path: Path,
    provenance: Provenance | None = None,
    names: Sequence[str | None] = (),
) -> list[Path]:
    """Write `derivatives` and their functions as a module that runs by itself. Atomic.

    Those of C are in two files more beside it, with the endings .c and .h.
    names: what to call each derivative, None for the name that symdiff gives it.
    Returns the files, the module first.
    Raises SymdiffError where a file cannot be written or a derivative cannot be compiled.
    """
    path = Path(path)
    provenance = provenance or Provenance.of(derivatives[0], "Derivative.save")
    texts = module_texts(derivatives, path.name, provenance, names)
    beside = Path(os.path.realpath(path)).parent  # where the module looks for them
    files = {beside / name: text for name, text in texts.items() if name != path.name}
    refuse_strangers(files)
    write_texts({**files, path: texts[path.name]})
    return [path, *files]
