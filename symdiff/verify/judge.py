"""From two numbers to a verdict: analytic derivative against finite difference.

Where the two disagree the difference is doubted first: a second, independent estimate with smaller
steps (a function that oscillates fools large ones), then one from either side (a kink, an end of
the domain). Only a difference that all of them confirm makes a derivative fail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from symdiff.verify.finite import Difference, Line, Side, Vector, difference
from symdiff.verify.report import Verdict

_AGREE = 1e-3  # relative, between finite differences of different kinds


@dataclass(frozen=True, slots=True)
class Tolerance:
    """rtol: relative to the larger number. floor: relative to the largest of the same array, for
    entries that cancel. eps: rounding error of the function that is differenced."""

    rtol: float
    floor: float
    eps: float


DOUBLE = Tolerance(1e-6, 1e-11, 2.0**-52)
SINGLE = Tolerance(2e-3, 2e-5, 2.0**-52)  # float32 derivative, function evaluated in float64
COARSE = Tolerance(2e-2, 2e-3, 2.0**-23)  # function evaluated in float32


@dataclass(slots=True)
class Judged:
    """The verdict on one number."""

    numeric: float
    error: float
    verdict: Verdict


@dataclass
class Judge:
    """Verdicts along one line; what is expensive is computed at the first disagreement only.

    line: t -> F(t), of shape (K,). steps: see `finite.steps_for`.
    """

    line: Line
    steps: Sequence[float]
    tolerance: Tolerance
    _known: dict[str, Difference] = field(default_factory=dict[str, Difference])

    @property
    def central(self) -> Difference:
        """The estimate from both sides, of shape (K,)."""
        return self._estimate("central", self.steps, 0, None)

    def _estimate(
        self, name: str, steps: Sequence[float], side: Side, scipy: bool | None
    ) -> Difference:
        if name not in self._known:
            self._known[name] = difference(
                self.line, steps, side=side, eps=self.tolerance.eps, scipy=scipy
            )
        return self._known[name]

    def verdict(self, analytic: Vector, k: int, largest: float) -> Judged:
        """On `analytic[k]`; largest: the largest magnitude in its array."""
        a, d = float(analytic[k]), self.central
        n = float(d.value[k])
        if self._close(a, d, k, largest):
            return Judged(n, relative(a, n), "ok")
        # 0.037 has no common factor with the first step: it samples other points of a wave.
        second = self._estimate("second", [0.037 * s for s in self.steps], 0, False)
        if self._close(a, second, k, largest):
            return Judged(float(second.value[k]), relative(a, float(second.value[k])), "ok")
        verdict = self._doubted(a, d, second, k, largest)
        return Judged(n, relative(a, n), verdict)

    def _doubted(
        self, a: float, d: Difference, second: Difference, k: int, largest: float
    ) -> Verdict:
        left = self._estimate("left", self.steps, -1, None)
        right = self._estimate("right", self.steps, 1, None)
        sides = [s for s in (left, right) if s.converged[k]]
        if not sides:
            return "unsure"
        values = [float(s.value[k]) for s in sides]
        if len(sides) == 1:  # an end of the domain, or a jump
            return "unsure" if self._near(a, values[0], largest) else "FAIL"
        low, high = sorted(values)
        if self._near(low, high, largest):  # smooth
            if not (d.converged[k] or second.converged[k]):
                return "unsure"
            agreed = self._near(float(d.value[k]), float(second.value[k]), largest)
            return "FAIL" if agreed else "unsure"
        # A kink: any slope between the two is a convention.
        slack = _AGREE * max(abs(low), abs(high))
        return "unsure" if low - slack <= a <= high + slack else "FAIL"

    def _near(self, a: float, b: float, largest: float) -> bool:
        slack = _AGREE * max(abs(a), abs(b)) + 10.0 * self.tolerance.floor * largest
        return bool(abs(a - b) <= slack)

    def _close(self, a: float, d: Difference, k: int, largest: float) -> bool:
        n = float(d.value[k])
        if not d.converged[k] or not math.isfinite(a):
            return False
        t = self.tolerance
        allowed = t.rtol * max(abs(a), abs(n)) + t.floor * largest + d.noise[k] + 5.0 * d.error[k]
        return bool(abs(a - n) <= allowed)


def relative(a: float, b: float) -> float:
    """|a - b| relative to the larger; nan where one is not finite."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.nan
    scale = max(abs(a), abs(b))
    return abs(a - b) / scale if scale else 0.0


def largest_of(values: Sequence[Vector]) -> float:
    """The largest finite magnitude."""
    finite = [np.abs(v[np.isfinite(v)]) for v in values]
    return max((float(v.max()) for v in finite if v.size), default=0.0)
