"""Compiled extension modules, kept in a folder from one process to the next.

    <folder>/<2 digits of the key>/<name>-<key>.<digest of the file>.so

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


class Cache:
    """The modules in a folder, and those of them that this process has loaded."""

    def __init__(self, folder: Path, capacity: int = _CAPACITY):
        self.folder = folder
        self.capacity = capacity
        self.loaded: dict[str, ModuleType] = {}
        self._added = 0
        self._warned = False

    def module(self, key: str, name: str, make: Callable[[Path], Path]) -> ModuleType:
        """The module called `name` for `key`; `make` compiles it in a folder if there is none."""
        found = self.loaded.get(key) or self._kept(key, name) or self._made(key, name, make)
        return self.loaded.setdefault(key, found)  # another thread may have been faster

    def text(self, key: str, make: Callable[[Path], str]) -> str:
        """A text for `key`; `make` finds it out, in a folder, if it is not known."""
        kept = self.folder / f"{key}.txt"
        with suppress(OSError, UnicodeDecodeError):
            return kept.read_text(encoding="utf-8")

        def save(folder: Path) -> str:
            made = make(folder)
            (folder / kept.name).write_text(made, encoding="utf-8")
            os.replace(folder / kept.name, kept)
            return made

        return self._build(save, make)

    def _kept(self, key: str, name: str) -> ModuleType | None:
        """The module in the folder, if it is there and undamaged."""
        for path in self._shelf(key).glob(f"{name}-{key}.*.so"):
            with suppress(OSError):
                if path.name.split(".")[-2] == _digest(path):
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
            kept = shelf / f"{name}-{key}.{_digest(made)}.so"
            os.replace(made, kept)
            if self._added % _ROUNDS == 0:
                self._clear_out()
            self._added += 1
            return _load(kept, name)

        try:
            return self._build(keep, lambda folder: _load(make(folder), name))
        except ImportError as error:
            raise CompilerError(f"what the C compiler made cannot be loaded: {error}") from error

    def _build(self, keep: Callable[[Path], T], make: Callable[[Path], T]) -> T:
        """What `keep` makes in a folder inside of this one, or `make` where that cannot be."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=_BUILDING, dir=self.folder) as folder:
                return keep(Path(folder))
        except OSError as error:
            self._warn(error)
        try:
            with TemporaryDirectory(prefix="symdiff-") as folder:
                return make(Path(folder))
        except OSError as error:
            raise CompilerError(f"there is no folder to compile in: {error}") from error

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            message = f"compiled code is not kept in {self.folder}: {error.strerror}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def _shelf(self, key: str) -> Path:
        return self.folder / key[:2]

    def _clear_out(self) -> None:
        """Remove what has been used least recently, where entries take more than they may."""
        for left in self.folder.glob(f"{_BUILDING}*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left)
        entries: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("*/*.so"):
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


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _load(path: Path, name: str) -> ModuleType:
    """The extension module in a file, which is not entered in `sys.modules`."""
    from importlib.machinery import ExtensionFileLoader, ModuleSpec
    from importlib.util import module_from_spec

    loader = ExtensionFileLoader(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    loader.exec_module(module)
    return module
