"""Calls compiled kernels in every way, in a process under a tool: `worker.py CALLS FROM LOG`.

CALLS is a pickle of (file, name, objects, arguments, open); those from number FROM on are made. LOG tells
how far it has come, and what it has found by itself: a tool ends the process at what it finds.
It imports NumPy alone, as all is slow under valgrind.
"""

from __future__ import annotations

import copy
import ctypes
import importlib.machinery
import importlib.util
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

SECONDS = 20  # for the calls of one kernel; a loop may have no end for other arguments
SCARCE = 40  # the largest number of allocations after which there is no more memory


def loaded(path: str, name: str) -> Any:
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(
        importlib.machinery.ModuleSpec(name, loader, origin=path)
    )
    loader.exec_module(module)
    return module


def unaligned(x: np.ndarray) -> np.ndarray:
    made = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    made[...] = x
    return made


def others(x: Any, open: bool) -> Iterator[Any]:
    """What else may be passed in the place of an argument: right, wrong, or out of range.

    open: arrays may have an axis of size 0 or 1.
    """
    yield None
    if isinstance(x, np.ndarray):
        yield x[::-1].copy()[::-1] if x.ndim else x.copy()
        yield unaligned(x)
        yield x.astype(x.dtype.newbyteorder())
        yield np.asfortranarray(x)
        if x.shape and (open or x.shape[0] > 2):
            yield x[1:]
        if x.shape and open:
            yield x[:1]
            yield x[:0]
        yield np.zeros((*x.shape, 2), x.dtype)
        yield x.astype(complex)
        if x.dtype.kind == "i":
            yield x + 1
            yield x - 1
            yield np.full_like(x, 2**62)
            yield np.full_like(x, -(2**62))
        if x.dtype.kind == "f":
            for number in (0.0, np.nan, np.inf, -1e300):
                yield np.full_like(x, number)
    elif isinstance(x, (bool, np.bool_)):
        yield not x
    elif isinstance(x, (int, np.integer)):
        yield from (0, -1, int(x) + 1, int(x) + 7, 2**70)
    elif isinstance(x, (float, np.floating)):
        yield from (0.0, -float(x), float("nan"), float("inf"), 1e300, "1.0")
    elif isinstance(x, list):
        yield []
        yield x[1:]
        yield [*x, *x[:1]]
        yield [*x, None]


def variants(arguments: tuple[Any, ...], open: bool) -> Iterator[tuple[Any, ...]]:
    yield arguments
    yield arguments[:-1]
    for k, x in enumerate(arguments):
        for other in others(x, open):
            yield (*arguments[:k], other, *arguments[k + 1 :])


def outcome(run: Any, arguments: tuple[Any, ...]) -> BaseException | None:
    given = copy.deepcopy(arguments)
    try:
        run(*given)
    except Exception as error:
        return error
    return None


def examined(
    path: str, name: str, objects: Any, arguments: tuple[Any, ...], open: bool
) -> Iterator[str]:
    """Call a kernel, and say what is wrong with its memory."""
    module, library = loaded(path, name), ctypes.CDLL(path)
    run = getattr(module, name)
    run = run if objects is None else run(objects)
    left, live = (ctypes.c_long.in_dll(library, f"scarce_{x}") for x in ("left", "live"))
    until = time.monotonic() + SECONDS / 2
    for given in variants(arguments, open):
        outcome(run, given)
        if live.value:
            yield f"{live.value} pieces of memory are not freed"
            live.value = 0
        if time.monotonic() > until:
            break
    fails = outcome(run, arguments)
    for count in range(SCARCE):
        left.value = count
        error = outcome(run, arguments)
        if live.value:
            yield f"{live.value} pieces are not freed where memory ends after {count}"
            live.value = 0
        if not isinstance(error, MemoryError):
            if type(error) is not type(fails):
                yield f"raises {error!r} where memory ends after {count}, else {fails!r}"
            break
    left.value = -1


def main(calls: str, first: str, log: str) -> None:
    with open(calls, "rb") as file:
        listed = pickle.load(file)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    with open(log, "a", encoding="utf-8") as out:
        for k in range(int(first), len(listed)):
            print(f"{k} begins", file=out, flush=True)
            signal.alarm(SECONDS)
            for found in examined(*listed[k]):
                print(f"{k} {found}", file=out, flush=True)
            signal.alarm(0)
        print(f"{len(listed)} ends", file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
