"""C source as a module of functions: compiled once, then taken from a cache."""

from __future__ import annotations

import functools
import platform
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from symdiff.options import CompilerOptions
from symdiff.runtime.cache import Cache
from symdiff.runtime.toolchain import Progress, build, find_compiler, flags_of, supported
from symdiff.version import VERSION


def load_extension(
    source: str, name: str, options: CompilerOptions, progress: Progress | None = None
) -> ModuleType:
    """The extension module called `name` that C `source` makes.

    Equal ones are one module in a process. progress: told what takes longer than a second.
    Raises CompilerError where there is no compiler, or it fails.
    """
    compiler = find_compiler(options)
    cache = _cache_in(_folder(options))
    machine = (compiler.identity, *_machine())
    optional = cache.text(_key("flags", *machine), lambda f: " ".join(supported(compiler, f)))
    flags = flags_of(options, optional.split())
    key = _key("module", VERSION, source, *flags, "", *machine, *_interpreter())
    return cache.module(key, name, lambda f: build(source, name, f, compiler, flags, progress))


@functools.cache
def _cache_in(folder: Path) -> Cache:
    return Cache(folder)


def _folder(options: CompilerOptions) -> Path:
    if options.cache:
        return Path(options.cache).expanduser().absolute() / "c"
    from platformdirs import user_cache_path

    return user_cache_path("symdiff", appauthor=False) / "c"


def _key(*parts: str) -> str:
    import hashlib

    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@functools.cache
def _machine() -> tuple[str, str]:
    """What code for `-march=native` depends on: where nothing tells, it is this machine's alone."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("flags", "Features")):
                return platform.machine(), line.strip()
    return platform.machine(), platform.node()


@functools.cache
def _interpreter() -> tuple[str, str]:
    """What a binary module is bound to: Python's ABI, and NumPy."""
    from importlib.machinery import EXTENSION_SUFFIXES

    import numpy as np

    return EXTENSION_SUFFIXES[0], np.__version__
