"""Compile and call the hand-written C gradients of `hand/`: what a machine can do at best.

They are single-threaded and free of Python, use the vector functions of the C library, and are
called through `ctypes`. What they return is allocated in each call, as everyone's is.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gradients.problem import Peer, Run

FOLDER = Path(__file__).with_suffix("")
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-Wall")
LETTERS: dict[str, Any] = {"l": ctypes.c_long, "d": ctypes.c_double, "p": ctypes.c_void_p}

Kernel = Callable[..., Any]


def hand_c(
    file: str, entry: str, takes: str, bind: Callable[..., Run], returns: str | None = None
) -> Peer:
    """The function `entry` of `hand/<file>.c` as a contestant.

    takes: a letter for each parameter: l for a long, d for a double, p for a pointer, which is
    passed as `address(array)`. returns: such a letter, or nothing. bind: `bind(kernel, *arguments)`
    is what runs it.
    """

    def make(*arguments: Any) -> Run:
        kernel = getattr(compiled(file), entry)
        kernel.argtypes = [LETTERS[letter] for letter in takes]
        kernel.restype = LETTERS[returns] if returns else None
        return bind(kernel, *arguments)

    return Peer("hand", make)


def compiled(file: str) -> ctypes.CDLL:
    """`hand/<file>.c` as a library, compiled anew."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("there is no gcc on this machine")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"{file}.so"
        command = [compiler, *FLAGS, "-shared", "-fPIC", "-o", str(library)]
        subprocess.run([*command, str(FOLDER / f"{file}.c"), "-lmvec", "-lm"], check=True)
        return ctypes.CDLL(str(library))


def address(array: np.ndarray) -> int:
    """Where the numbers of a contiguous array are. The caller keeps the array alive.

    `array.ctypes.data` says the same four times more slowly.
    """
    if array.dtype.char not in "dl":
        raise TypeError(f"the C kernels take float64 and int64, not {array.dtype}")
    return ctypes.addressof(ctypes.c_char.from_buffer(array))
