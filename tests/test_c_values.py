"""Functions of `scipy.special` in C: their values, from tiny to huge arguments, against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import symdiff
from symdiff.primitives.table import ROWS
from tests.mp_reference import REFERENCES
from tests.test_special import written

POINTS = (
    -750.25, -100.3, -20.2, -5.25, -2.5, -1.2, -1 + 1e-9, -0.5, -0.1, -1e-8, -1e-17, -1e-300,
    1e-300, 1e-17, 1e-8, 0.1, 0.5, 0.9999999, 1.0000001, 1.4616321449683623, 1.75, 2.0000001,
    3.7, 10.7, 30.5, 100.3, 170.2, 700.0,
)  # fmt: skip
# The row, and how it is written where that is not special.row(x).
ONE = dict.fromkeys(
    "cosdg cosm1 dawsn digamma entr erfcinv erfcx erfi erfinv exp1 exp10 expi expit exprel gamma i0 "
    "i0e i1 i1e j0 j1 k0 k0e k1 k1e log_expit log_ndtr logit ndtr ndtri sindg tandg y0 y1".split(),
    "",
) | {"lgamma": "special.gammaln(x)", "numpy_i0": "np.i0(x)"}  # fmt: skip
TWO = "kl_div rel_entr xlog1py xlogy".split()


@pytest.mark.parametrize(
    ("rows", "count"), [(ONE, 1), (dict.fromkeys(TWO, ""), 2)], ids=["one", "two"]
)
def test_values(rows: dict[str, str], count: int, quick: symdiff.Options) -> None:
    given = "x, y"[: 3 * count - 2]
    calls = [text or f"special.{name}({given})" for name, text in rows.items()]
    function = written(f"def f({given}):\n    return ({', '.join(calls)})")
    points = POINTS if count == 1 else (*POINTS, 1e10)  # SciPy's Bessel functions lose digits there
    x = np.array([a for a in points for b in (points if count == 2 else (0.0,))])
    y = np.array([b for a in points for b in (points if count == 2 else (0.0,))])
    found = symdiff.compiled(function, options=quick)(*(x, y)[:count])
    for name, values in zip(rows, found, strict=True):
        for *at, value in zip(*(x, y)[:count], values, strict=True):
            over = zip(at, ROWS[name].over, strict=True)
            if all(o.low < a < o.high for a, o in over):
                check(name, at, float(value))


def check(name: str, at: list[float], value: float) -> None:
    """Right but for rounding, and for values too small for all digits."""
    with mpmath.workdps(50):
        want: Any = REFERENCES[name].value(*map(mpmath.mpf, at))
        want = float(mpmath.re(want))
    least = 1e-14 if name in ("j0", "j1", "y0", "y1") else 1e-300  # a root is as far as its phase
    if np.isfinite(want) and want != 0.0:  # else 50 digits are too few
        np.testing.assert_allclose(value, want, rtol=1e-13, atol=least, err_msg=f"{name}{at}")
