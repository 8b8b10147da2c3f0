"""No name of the user's collides with what generated code calls: modules, builtins, helpers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special

import symdiff
from tests.test_special import written

NAMES = (
    "np math special numpy scipy _polygamma _bessel_i len range sum d_x d_q x_tape min max print "
    "float int abs zip rows t t2 constant builtins dataclasses list tuple x_parameter _np _math "
    "exp_x total df_dx f ValueError object"
).split()
# What refers to the libraries by other names, so that the parameter may have theirs.
ALIASES = {"M": math, "NP": np, "SP": special, "size": len, "largest": max}
BODIES = {
    "scalar": ("def f({n}):\n    return M.sin({n}**2) + M.log({n} + 3.0)\n", 1.3),
    "branch": (
        "def f({n}):\n    if {n} > 1.0:\n        t = M.log({n})\n        return t * t\n"
        "    return largest({n}, 2.0) + 1.0 / ({n} - 7.0)\n",
        1.3,
    ),
    "array": (
        "def f({n}):\n    return NP.sum(NP.exp({n}[1:]) * {n}[:-1]) / size({n}) + "
        "NP.sum(NP.zeros(3) + 2.0 * {n})\n",
        np.array([0.1, 0.2, 0.3]),
    ),
    "local": (
        "def f(x):\n    {n} = NP.sin(x)\n    {n} = {n} * {n}\n"
        "    return NP.sum({n} * NP.exp(x)) / size(x) + M.pi\n",
        np.array([0.1, 0.2, 0.3]),
    ),
    "helpers": (
        "def f({n}):\n    return SP.polygamma(1, {n}) * SP.gamma({n}) + SP.iv(1, {n}) + NP.i0({n})\n",
        1.3,
    ),
}


def derivatives(body: str, name: str) -> list[Any]:
    """The gradient, that of the module's text alone, and the second derivative."""
    text, at = BODIES[body]
    df = symdiff.grad(written(text.format(n=name), **ALIASES))
    first = df(at)
    module: dict[str, Any] = {"__name__": "generated"}
    exec(df.source, module)
    return [first, module[df.compiled().name](at), symdiff.jacobian(df)(at)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", BODIES)
def test_any_name_will_do(body: str, name: str) -> None:
    for got, want in zip(derivatives(body, name), derivatives(body, "q"), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)


def test_several_at_once() -> None:
    text = (
        "def f(np, _np, np_parameter, len, builtins):\n"
        "    return NP.sum(NP.sin(np) * _np) * np_parameter / size(np) + largest(len, builtins)\n"
    )
    f = written(text, **ALIASES)
    x = np.array([1.0, 2.0])
    for i in range(5):
        symdiff.grad(f, wrt=i).check(x, 2.0 * x, 3.0, 4.0, 5.0)


WEIGHTS, AGAIN = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.0])
LARGE, LARGE_AGAIN = np.arange(40.0), np.arange(40.0)


def test_equal_constants_are_one() -> None:
    def small(x: Any) -> Any:
        return np.sum(WEIGHTS * x) * np.sum(AGAIN * x**2)

    def large(x: Any) -> Any:
        return np.sum(LARGE * x) * np.sum(LARGE_AGAIN * x**2)

    df = symdiff.value_and_grad(small)
    df.check(np.array([0.1, 0.2, 0.3]))
    assert df.source.count("np.array([") == 1
    df = symdiff.value_and_grad(large)
    df(np.ones(40))
    assert len(df.compiled().bindings) == 1
