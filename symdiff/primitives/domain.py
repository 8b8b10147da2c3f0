"""Where a function of one or two real variables is defined and smooth: what tests sample."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Domain:
    """An open interval for each operand, less isolated points where the derivative is singular."""

    low: float
    high: float
    singular: tuple[float, ...] = ()

    def without(self, *points: float) -> Domain:
        return Domain(self.low, self.high, (*self.singular, *points))


REALS = Domain(-math.inf, math.inf)
POSITIVE = Domain(0.0, math.inf)
UNIT = Domain(-1.0, 1.0)
ABOVE_ONE = Domain(1.0, math.inf)
ABOVE_MINUS_ONE = Domain(-1.0, math.inf)
