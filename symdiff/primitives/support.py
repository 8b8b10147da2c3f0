"""Functions that generated code needs and neither `math` nor NumPy has.

A generated module stands alone, so it includes the source of those that it calls. Each is
therefore self-contained: it may use `math` and `np`, nothing else of this module.
"""

from __future__ import annotations

import math

import numpy as np


def _polygamma(n: int, x: float) -> float:
    """The n-th derivative of digamma (DLMF 5.15); ValueError at its poles."""
    if x <= 0.0:
        if x % 1.0 == 0.0:
            raise ValueError("math domain error")
        # Reflection: derivatives of pi * cot(pi * x) are polynomials in the cotangent.
        cot = 1.0 / math.tan(math.pi * math.remainder(x, 1.0))
        poly = [0.0, 1.0]
        for _ in range(n):  # d cot = -(1 + cot**2)
            slope = [k * c for k, c in enumerate(poly)][1:]
            pairs = zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)
            poly = [-(a + b) for a, b in pairs]
        reflected = math.pi ** (n + 1) * sum(c * cot**k for k, c in enumerate(poly))
        return (-1) ** n * _polygamma(n, 1.0 - x) - reflected
    total = 0.0
    while x < n + 15:  # recurrence, up to where the asymptotic series is exact
        total += math.factorial(n) * (1.0 / x) ** (n + 1)
        x += 1.0
    total += math.factorial(n) / 2.0 * (1.0 / x) ** (n + 1)
    total += math.factorial(n - 1) * x**-n if n else -math.log(x)
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
    for k, b in enumerate(bernoulli, 1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        total += b * factor * (1.0 / x) ** (2 * k + n)
    return (-1) ** (n + 1) * total


def _bessel_i(n: int, x: np.ndarray) -> np.ndarray:
    """The modified Bessel function I_n(x), by its power series (DLMF 10.25.2)."""
    term = (0.5 * x) ** n / math.factorial(n)
    total = term
    k = 0
    while np.any(abs(term) > 1e-17 * abs(total)):
        k += 1
        term = term * (0.5 * x) ** 2 / (k * (k + n))
        total = total + term
    return total


def _logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)) without overflow."""
    if x == y:  # also two infinities of one sign
        return x + math.log(2.0)
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


POLYGAMMA, BESSEL_I, LOGADDEXP = _polygamma, _bessel_i, _logaddexp


def _cofactors(a: np.ndarray) -> np.ndarray:
    """The derivative of the determinant, det(a) * inv(a).T, also where `a` is singular."""
    try:
        return np.linalg.det(a)[..., None, None] * np.linalg.inv(a).swapaxes(-1, -2)
    except np.linalg.LinAlgError:
        u, s, vh = np.linalg.svd(a)
        places = np.arange(s.shape[-1])
        others = np.prod(np.where(places == places[:, None], 1.0, s[..., None, :]), axis=-1)
        sign = np.linalg.det(u) * np.linalg.det(vh)
        return (sign[..., None, None] * (u * others[..., None, :]) @ vh).astype(a.dtype)


COFACTORS = _cofactors
