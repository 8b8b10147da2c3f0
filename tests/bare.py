"""Kernels called without the call layer, which takes longer to compile than a small kernel does.

One file of C holds many of them. Kernels that need functions of SciPy's have the call layer set
them, so they are not called like this.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from symdiff.codegen.c.source import Source
from symdiff.ir.interface import Interface, Value
from symdiff.options import CompilerOptions
from symdiff.runtime import toolchain

NUMBERS = {
    "float64": ctypes.c_double, "float32": ctypes.c_float, "int": ctypes.c_int64,
    "bool": ctypes.c_bool,
}  # fmt: skip
KINDS = {"int": np.dtype(np.int64), "bool": np.dtype(bool)}


def bare(
    source: Source, interfaces: Sequence[Interface], options: CompilerOptions
) -> list[Callable[..., list[Any]]]:
    """Functions that call the kernels of a file: of numbers and arrays, to a list of results.

    The sizes of arrays are known, and none is written into.
    """
    assert not source.external
    options = replace(options, flags=(*options.flags, "-fvisibility=default"))
    compiler = toolchain.find_compiler(options)
    flags = toolchain.flags_of(options, _supported(compiler))
    with tempfile.TemporaryDirectory() as folder:
        file = toolchain.build(source.text, source.unit, Path(folder), compiler, flags)
        library = ctypes.CDLL(str(file))
    return [_calling(getattr(library, x.name), x) for x in interfaces]


@functools.cache
def _supported(compiler: toolchain.Compiler) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return tuple(toolchain.supported(compiler, Path(folder)))


def _calling(kernel: Any, interface: Interface) -> Callable[..., list[Any]]:
    assert not interface.sizes and not interface.written

    def run(*values: Any) -> list[Any]:
        given = [_given(x, v) for x, v in zip(interface.arguments, values, strict=True)]
        results = [np.zeros(x.type.shape, _kind(x)) for x in interface.results]
        fault = kernel(*given, *(ctypes.c_void_p(r.ctypes.data) for r in results))
        if fault == 1:
            raise MemoryError
        if fault:
            name, message = interface.faults[fault - 2]
            raise getattr(builtins, name)(message)
        return [r if r.ndim else r.item() for r in results]

    return run


def _given(argument: Value, value: Any) -> Any:
    """What the kernel is passed. `value` outlives the call."""
    if argument.is_scalar:
        return NUMBERS[argument.type.dtype](value)
    assert (value.shape, value.dtype) == (argument.type.shape, _kind(argument))
    assert value.flags.c_contiguous
    return ctypes.c_void_p(value.ctypes.data)


def _kind(value: Value) -> np.dtype[Any]:
    return KINDS.get(value.type.dtype) or np.dtype(value.type.dtype)
