"""Compiled extension modules, kept in a folder from one process to the next.

    <folder>/<2 digits of the key>/<name>-<key>.<digest of the content>.so

An entry is put in its place whole, by a rename, so processes that make the same one at once do not
disturb each other. Its name tells what is in it: what is damaged is not loaded but made again. A
folder that cannot be used costs a warning, and the time to compile.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TypeVar

from symdiff.errors import CompilerError

T = TypeVar("T")

_CAPACITY = 512 * 2**20  # bytes that entries may take together
_ROUNDS = 32  # additions between two looks at how much they take
_ABANDONED = 3600.0  # seconds after which a folder to build in is nobody's any more
_BUILDING = "building-"
_DIGITS = 32
_ENTRY = f"??/*-{'?' * _DIGITS}.{'?' * _DIGITS}.so"


class Cache:
    """The modules in a folder, and those of them that this process has loaded."""

    def __init__(self, folder: Path, capacity: int = _CAPACITY):
        self.folder = folder
        self.capacity = capacity
        self._texts: dict[str, str] = {}
        self._modules: dict[str, ModuleType] = {}
        self._added = 0
        self._warned = False

    def module(self, key: str, name: str, make: Callable[[Path], Path]) -> ModuleType:
        """The module called `name` for `key`; `make` compiles it in a folder if there is none."""
        found = self._modules.get(key) or self._kept(key, name) or self._made(key, name, make)
        return self._modules.setdefault(key, found)  # another thread may have been faster

    def text(self, key: str, make: Callable[[Path], str]) -> str:
        """A text for `key`; `make` finds it out, in a folder, if it is not known."""
        if key not in self._texts:
            known = self._read(key)
            self._texts[key] = self._found_out(key, make) if known is None else known
        return self._texts[key]

    def _read(self, key: str) -> str | None:
        with suppress(OSError):
            content, _, digest = self._note(key).read_bytes().rpartition(b"\n")
            if digest == _digest(content).encode():
                return content.decode()
        return None

    def _found_out(self, key: str, make: Callable[[Path], str]) -> str:
        def keep(folder: Path) -> str:
            made = make(folder)
            content = made.encode()
            path = folder / "note"
            path.write_bytes(content + b"\n" + _digest(content).encode())
            os.replace(path, self._note(key))
            return made

        return self._build(keep, make)

    def _kept(self, key: str, name: str) -> ModuleType | None:
        """The module in the folder, if it is there and undamaged."""
        for path in self._shelf(key).glob(f"{name}-{key}.*.so"):
            with suppress(OSError, ImportError):
                if path.name.split(".")[-2] == _digest(path.read_bytes()):
                    with suppress(OSError):
                        os.utime(path)  # it has been used
                    return _load(path, name)
            with suppress(OSError):
                path.unlink()
        return None

    def _made(self, key: str, name: str, make: Callable[[Path], Path]) -> ModuleType:
        def keep(folder: Path) -> ModuleType:
            made = make(folder)
            shelf = self._shelf(key)
            shelf.mkdir(exist_ok=True)
            kept = shelf / f"{name}-{key}.{_digest(made.read_bytes())}.so"
            os.replace(made, kept)
            if self._added % _ROUNDS == 0:
                self._clear_out()
            self._added += 1
            return _load(kept, name)

        return self._build(keep, lambda folder: _load(make(folder), name))

    def _build(self, keep: Callable[[Path], T], make: Callable[[Path], T]) -> T:
        """What `keep` makes in a folder inside of this one, or `make` where that cannot be."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _temporary(_BUILDING, self.folder) as folder:
                return keep(Path(folder))
        except (OSError, ImportError) as error:  # read-only, full, or nothing may be run from it
            if not self._warned:
                self._warned = True
                message = f"compiled code is not kept in {self.folder}: {error}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        try:
            with _temporary("symdiff-", None) as folder:
                return make(Path(folder))
        except (OSError, ImportError) as error:
            raise CompilerError(f"what is compiled cannot be loaded: {error}") from error

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.txt"

    def _shelf(self, key: str) -> Path:
        return self.folder / key[:2]

    def _clear_out(self) -> None:
        """Remove what has been used least recently, where entries take more than they may."""
        for left in self.folder.glob(f"{_BUILDING}*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left)
        entries: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(_ENTRY):
            with suppress(OSError):
                state = path.stat()
                entries.append((state.st_mtime, state.st_size, path))
        excess = sum(size for _, size, _ in entries) - self.capacity
        for _, size, path in sorted(entries):
            if excess <= 0:
                break
            with suppress(OSError):
                path.unlink()
            excess -= size


def _temporary(prefix: str, inside: Path | None) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix=prefix, dir=inside, ignore_cleanup_errors=True)


def _digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _load(path: Path, name: str) -> ModuleType:
    """The extension module in a file, which is not entered in `sys.modules`.

    Raises CompilerError where SciPy has not what it calls.
    """
    from importlib.machinery import ExtensionFileLoader, ModuleSpec
    from importlib.util import module_from_spec

    loader = ExtensionFileLoader(name, str(path))
    try:
        module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
        loader.exec_module(module)
    except ImportError as error:
        if error.name != "scipy":  # the file is damaged
            raise
        hint = 'install SciPy 1.15 or later, or use target="python"'
        raise CompilerError(error.msg, hint=hint) from error
    return module
