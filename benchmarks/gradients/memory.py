"""How much memory one call needs: the peak of what it has resident beyond what was before.

Measured in the process that runs everyone, after a warm-up: freed memory goes back to the system,
the kernel's high-water mark is reset (Linux: 5 into /proc/self/clear_refs), the call is made, and
the mark is read. Code that a tool has compiled, and what it keeps from call to call, is not in it;
results are.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def peak(run: Callable[[], Any], calls: int) -> int | None:
    """Bytes that a call of `run` needs at most, or None where the system does not tell.

    It is the most of several calls: what a library frees later than it could, on a thread of its
    own, may be there already before one of them, and be used again.
    """
    found = [_peak(run) for _ in range(calls)]
    return max((bytes for bytes in found if bytes is not None), default=None)


def _peak(run: Callable[[], Any]) -> int | None:
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text(_RESET_PEAK)
        before = _resident("VmRSS")
        run()
        return max(0, _resident("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _resident(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    raise OSError(f"{_STATUS} has no {field}")
