"""Files that are written whole or not at all, several of them too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from symdiff.errors import SourceError, SymdiffError


def write_text(path: Path, text: str) -> Path:
    """Write a text file with LF endings; at no time does another process see half of it."""
    write_texts({path: text})
    return path


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write several: all, or none where one of them cannot be written. Raises SymdiffError."""
    done: list[tuple[Path, bytes | None]] = []
    made: list[tuple[Path, Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            target, data = Path(os.path.realpath(path)), text.encode()
            if target.exists() and not target.is_file() and not target.is_dir():
                target.write_bytes(data)  # a device or a pipe: there is nothing to replace
                continue
            temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            made.append((path, temporary, target))
            temporary.write_bytes(data)
            if target.exists():
                temporary.chmod(target.stat().st_mode)
        for path, temporary, target in made:  # noqa: B007  (for the message)
            before = target.read_bytes() if len(made) > 1 and target.is_file() else None
            temporary.replace(target)
            done.append((target, before))
    except BaseException as error:
        for target, before in done:
            with suppress(OSError):
                target.unlink() if before is None else target.write_bytes(before)
        if isinstance(error, OSError):
            raise SymdiffError(f"cannot write {path}: {error.strerror or error}") from None
        raise
    finally:
        for _, temporary, _ in made:
            temporary.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a text file, whatever its line endings. Raises SourceError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
