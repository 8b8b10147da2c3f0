"""Whether a generated module is what its sources give today."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from symdiff.aot.files import file_hash
from symdiff.errors import StaleError, SymdiffError
from symdiff.version import VERSION


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
    for name, digest in recorded.get("KERNELS", {}).items():
        file = path.with_name(name)
        if not file.exists() or file_hash(file) != digest:
            raise StaleError(f"{file} is not what {path.name} was written with", hint=hint)
