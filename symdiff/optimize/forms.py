"""Sums and products as `factor` sees them: flat, with their constants collected.

    (2 * a) * b / (3 * c)     ->   Product(2/3, [a, b], [c])
    a - 2 * (b - c * d)       ->   Sum([a, -2 (...)])

An *atom* is a number that stands for any other value: see `Atoms`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Number = Any  # int or float
Through = tuple[bool, int, int, Number, Number, int, bool]
_ONE: tuple[Number, Number] = (1, 1)


class Product:
    """sign * num / den * product(nums) / product(dens); num and den are positive numbers.

    own, through: the constant written here, and the shared multiples (of other roots) that
    were seen through: (side, what stands for it, itself as an atom, its constant, its sign and
    its own side; as they were then, since its form may change).
    """

    __slots__ = ("den", "dens", "num", "nums", "own", "sign", "through")

    def __init__(self, sign: int, num: Number, den: Number, nums: list[int], dens: list[int]):
        self.sign = sign
        self.num = num
        self.den = den
        self.nums = nums
        self.dens = dens
        self.own: tuple[Number, Number] = _ONE
        self.through: Sequence[Through] = ()

    @property
    def plain(self) -> bool:
        """Whether the constant is 1 (of either sign)."""
        return self.num == 1 and self.den == 1

    def key(self) -> Any:
        """What it is, but for its constant: equal keys are like terms."""
        nums, dens = self.nums, self.dens
        if not dens and len(nums) == 1:
            return nums[0]
        return (tuple(sorted(nums)), tuple(sorted(dens)))

    @property
    def trivial(self) -> bool:
        """Whether it costs nothing: one atom, or a constant."""
        count = len(self.nums)
        return not self.dens and (not count or (count == 1 and self.num == 1 and self.den == 1))

    def cost(self) -> int:
        """Operations to compute it from its atoms."""
        count = len(self.nums) + len(self.dens)
        if not self.nums:
            return max(count, 0)  # the constant is the numerator
        return count - 1 + (not self.plain)


class Sum:
    """The sum of products. `changed`: it is no longer what the function computed, term by term."""

    __slots__ = ("changed", "terms")

    def __init__(self, terms: list[Product], changed: bool = False):
        self.terms = terms
        self.changed = changed


def scale(num: Number, den: Number, by: Number, over: Number) -> tuple[Number, Number] | None:
    """(num / den) * (by / over) in lowest terms, or None where that leaves the normal numbers."""
    try:
        num, den = num * by, den * over
        if num == den:
            return 1, 1
        if den != 1:
            if num == int(num) and den == int(den):
                shared = math.gcd(int(num), int(den))
                if shared > 1:
                    num, den = _divided(num, shared), _divided(den, shared)
            elif num != 1:
                num, den = num / den, 1
    except (OverflowError, ValueError):
        return None
    return (num, den) if _normal(num) and _normal(den) else None


def _divided(value: Number, by: int) -> Number:
    return value // by if isinstance(value, int) else value / by


def _normal(value: Number) -> bool:
    return 1e-290 < value < 1e290
