"""Compare what different tools return: every result as one vector of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def flat(result: Any) -> np.ndarray:
    """The numbers of nested containers of numbers, arrays and tensors, in order, as float64."""
    leaves: list[np.ndarray] = []
    _collect(result, leaves)
    return np.concatenate(leaves) if leaves else np.empty(0)


def _collect(result: Any, leaves: list[np.ndarray]) -> None:
    if isinstance(result, (tuple, list)):
        for item in result:
            _collect(item, leaves)
    elif isinstance(result, Mapping):
        for item in result.values():
            _collect(item, leaves)
    else:
        plain = result.detach() if hasattr(result, "detach") else result
        leaves.append(np.asarray(plain, dtype=np.float64).ravel())


def difference(result: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference between two vectors, of the largest number in the reference.

    Infinite where they have different lengths, or only one has a number that is not finite.
    """
    if result.shape != reference.shape:
        return np.inf
    if not np.array_equal(np.isfinite(result), np.isfinite(reference)):
        return np.inf
    finite = np.isfinite(reference)
    scale = np.max(np.abs(reference), where=finite, initial=np.finfo(float).tiny)
    gap = np.abs(np.subtract(result, reference, where=finite, out=np.zeros_like(reference)))
    return float(np.max(gap, initial=0.0) / scale)
