"""Numerical derivatives along a line, with an error estimate: what a derivative is checked against.

    t -> F(t), an array of K numbers     =>     dF/dt at 0, and how far off it may be, for each of K

SciPy's adaptive stencils (`scipy.differentiate.derivative`) where SciPy is installed, else Ridders'
extrapolation of central differences (C. J. F. Ridders, Advances in Engineering Software 4, 1982).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Line = Callable[[float], Vector]
Side = Literal[-1, 0, 1]

_SHRINK = 1.6  # between Ridders' steps: small enough to keep rounding errors down
_COLUMNS = 12
_WANTED = 1e-9  # relative error at which no other step is tried
_CONVERGED = 1e-3  # relative error above which an estimate says nothing


@dataclass(frozen=True, slots=True)
class Difference:
    """value: the derivatives, of shape (K,). error: an estimate of how far off each may be (inf
    where none was found). noise: what rounding alone may add, in the same unit."""

    value: Vector
    error: Vector
    noise: Vector

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Where the estimate is good for a verdict, of shape (K,)."""
        scale = np.maximum(np.abs(self.value), self.noise)
        return np.isfinite(self.value) & (self.error <= np.maximum(_CONVERGED * scale, self.noise))


def difference(
    line: Line,
    steps: Sequence[float],
    *,
    side: Side = 0,
    eps: float = 2.0**-52,
    scipy: bool | None = None,
) -> Difference:
    """dF/dt at t = 0 of `line`, from values on both sides of 0, or on one.

    line: t -> F(t), of shape (K,); nan where F is not defined. steps: largest |t| to try, in the
    unit of t, one after another until the estimate is good (see `steps_for`). side: 1 and -1 use
    values to the right or left only. eps: relative rounding error of F. scipy: whether to use
    SciPy; None is wherever it is installed.
    Raises what `line` raises.

    >>> import numpy as np
    >>> d = difference(lambda t: np.array([np.sin(t), 3.0]), steps_for(0.0))
    >>> bool(abs(d.value[0] - 1.0) < 1e-9), float(d.value[1])
    (True, 0.0)
    """
    known: dict[float, Vector] = {}

    def remembered(t: float) -> Vector:
        if t not in known:
            known[t] = line(t)
        return known[t]

    estimate = _scipy if (has_scipy() if scipy is None else scipy) else _ridders
    best: Difference | None = None
    for step in steps:
        with np.errstate(all="ignore"):
            found = _with_noise(estimate(remembered, step, side), remembered, step, eps)
        best = found if best is None else _better(best, found)
        goal = np.maximum(_WANTED * np.abs(best.value), best.noise)
        if bool(np.all(best.error <= goal)):
            break
    assert best is not None, "difference() needs at least one step"
    return best


def steps_for(x: float, scale: float = 1.0) -> tuple[float, ...]:
    """Steps to try for an argument at `x`, which has about the size `scale`.

    The first suits a smooth function of arguments around one; smaller ones are for functions that
    change quickly, or are not defined further out (the logarithm of a small number).
    """
    size = max(abs(x), scale)
    small = (0.1 * abs(x), 1e-3 * abs(x)) if 0.0 < abs(x) < 1e-4 * size else ()
    return (*(s * size for s in (0.1, 4e-3, 1e-4, 2e-6, 4e-8, 8e-10)), *small)


def has_scipy() -> bool:
    """Whether `scipy.differentiate` can be imported (SciPy 1.15 and newer)."""
    try:
        return importlib.util.find_spec("scipy.differentiate") is not None
    except ModuleNotFoundError:
        return False


def _with_noise(found: tuple[Vector, Vector], line: Line, step: float, eps: float) -> Difference:
    value, error = found
    size = np.fmax(np.abs(line(0.0)), np.fmax(np.abs(line(step)), np.abs(line(-step))))
    noise = 100.0 * eps * np.where(np.isfinite(size), size, 0.0) / step
    lost = ~np.isfinite(value) | ~np.isfinite(error)
    return Difference(np.where(lost, np.nan, value), np.where(lost, np.inf, error), noise)


def _better(a: Difference, b: Difference) -> Difference:
    # Noise counts too: a smaller step may agree with itself by chance only.
    keep = a.error + a.noise <= b.error + b.noise
    keep &= np.isfinite(a.value)
    pick = [np.where(keep, x, y) for x, y in ((a.value, b.value), (a.error, b.error))]
    return Difference(pick[0], pick[1], np.where(keep, a.noise, b.noise))


def _scipy(line: Line, step: float, side: Side) -> tuple[Vector, Vector]:
    from scipy.differentiate import derivative

    # SciPy's absolute tolerance is one number, so every output is brought to about one.
    size = np.fmax(np.abs(line(0.0)), np.abs(line(step if side >= 0 else -step)))
    size = np.where(np.isfinite(size) & (size > 0.0), size, 1.0)

    def values(t: Any) -> Any:
        # The outputs share their abscissae at first and go their own ways once some converge.
        table = np.empty(t.shape)
        for place in np.ndindex(t.shape):
            table[place] = line(float(t[place]))[place[0]] / size[place[0]]
        return table

    result = derivative(
        values, np.zeros(size.shape), initial_step=step, step_direction=side, preserve_shape=True,
        tolerances={"rtol": 0.1 * _WANTED, "atol": 4e-15 / step},
    )  # fmt: skip
    return np.asarray(result.df) * size, np.asarray(result.error) * size


def _ridders(line: Line, step: float, side: Side) -> tuple[Vector, Vector]:
    """Richardson extrapolation of difference quotients; each output keeps its best estimate."""
    middle = line(0.0)

    def quotient(h: float) -> Vector:
        if side:
            return (line(side * h) - middle) / (side * h)
        return (line(h) - line(-h)) / (2.0 * h)

    power = 1 if side else 2  # of the step, from one term of the error to the next
    value = np.full(middle.shape, np.nan)
    error = np.full(middle.shape, np.inf)
    above = [quotient(step)]
    for row in range(1, _COLUMNS):
        step /= _SHRINK
        current = [quotient(step)]
        factor = 1.0
        for column in range(row):
            factor *= _SHRINK**power
            current.append((current[column] * factor - above[column]) / (factor - 1.0))
            change = np.fmax(np.abs(current[-1] - current[-2]), np.abs(current[-1] - above[column]))
            change = np.where(np.isfinite(current[-1]), change, np.inf)
            closer = change < error
            value = np.where(closer, current[-1], value)
            error = np.where(closer, change, error)
        above = current
    return value, error
