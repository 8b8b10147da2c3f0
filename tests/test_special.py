"""Every function of `math` and the supported ones of `scipy.special`, as users write them."""

from __future__ import annotations

import linecache
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from scipy import special

import symdiff
from symdiff.primitives.spellings.scipy_special import scipy_spellings
from symdiff.primitives.support import BESSEL_I, LOGADDEXP, POLYGAMMA


def written(source: str, **scope: Any) -> Callable[..., Any]:
    """The function f that `source` defines, with its source known to `inspect`."""
    name = f"<test {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"math": math, "np": np, "special": special, **scope}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]


def difference(f: Callable[..., Any], x: float, h: float = 1e-5) -> float:
    """The derivative by central differences of fourth order."""
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


# math.

SMOOTH = {
    "acos": 0.3, "acosh": 1.7, "asin": 0.3, "asinh": 0.3, "atan": 0.3, "atanh": 0.3, "cbrt": 1.7,
    "cos": 0.3, "cosh": 0.3, "degrees": 0.3, "erf": 0.3, "erfc": 0.3, "exp": 0.3, "exp2": 0.3,
    "expm1": 0.3, "fabs": -0.3, "gamma": 2.3, "lgamma": 2.3, "log": 1.7, "log10": 1.7,
    "log1p": 1.7, "log2": 1.7, "radians": 0.3, "sin": 0.3, "sinh": 0.3, "sqrt": 1.7, "tan": 0.3,
    "tanh": 0.3,
}  # fmt: skip
FORMS = {
    "atan2": "math.atan2(x, 1.2)", "copysign": "math.copysign(x, -2.0)",
    "dist": "math.dist((x, 1.0), (0.5, x * x))", "fma": "math.fma(x, x, 2.0)",
    "fmod": "math.fmod(7.0 * x, 1.3)", "frexp": "math.frexp(x)[0] * math.frexp(x)[1]",
    "fsum": "math.fsum([x, x * x, 1.0])", "hypot": "math.hypot(x, 2.0, x * x)",
    "ldexp": "math.ldexp(x, 3)", "modf": "math.modf(x)[0] + math.modf(x)[1] * x",
    "nextafter": "math.nextafter(x, 9.0) * x", "pow": "math.pow(x, 1.7)",
    "prod": "math.prod([x, x, 3.0])", "remainder": "math.remainder(7.0 * x, 1.3)",
    "sumprod": "math.sumprod([x, 2.0], [x * x, x])",
}  # fmt: skip
# Locally constant, or of a run-time number known only as true or false: x times their value.
CONSTANT = {
    "ceil": "math.ceil(x) * x", "floor": "math.floor(x) * x", "trunc": "math.trunc(x) * x",
    "ulp": "math.ulp(x) + x", "isfinite": "x if math.isfinite(x) else 0.0",
    "isinf": "0.0 if math.isinf(x) else x", "isnan": "0.0 if math.isnan(x) else x",
    "isclose": "0.0 if math.isclose(x, 9.0, rel_tol=1e-3) else x * x",
}  # fmt: skip
STATIC = {"comb", "factorial", "gcd", "isqrt", "lcm", "perm"}
NUMBERS = {"e", "inf", "nan", "pi", "tau"}


def test_every_function_of_math_is_known() -> None:
    known = {*SMOOTH, *FORMS, *CONSTANT, *STATIC, *NUMBERS}
    public = {n for n in dir(math) if not n.startswith("_")}
    assert public <= known | {"integer"}, public - known


@pytest.mark.parametrize("name", sorted({*SMOOTH, *FORMS, *CONSTANT}))
def test_functions_of_math(name: str) -> None:
    if not hasattr(math, name):
        pytest.skip(f"math.{name} is newer than this Python")
    text = f"math.{name}(x)" if name in SMOOTH else FORMS.get(name) or CONSTANT[name]
    f = written(f"def f(x):\n    return {text}\n")
    x = SMOOTH.get(name, 0.8)
    value, slope = symdiff.value_and_grad(f)(x)
    assert value == pytest.approx(f(x), rel=1e-15)
    assert slope == pytest.approx(difference(f, x), rel=1e-9)
    assert symdiff.jvp(f)(x, 1.0)[1] == pytest.approx(slope, rel=1e-14)
    assert type(slope) is float


def test_functions_of_whole_numbers_are_static() -> None:
    f = written(
        "def f(x):\n    return math.comb(5, 2) * x + math.factorial(3) * x + math.gcd(4, 6)\n"
    )
    assert symdiff.grad(f)(1.0) == 16.0
    g = written("def f(x, n):\n    return math.factorial(n) * x\n")
    with pytest.raises(symdiff.SymdiffError, match="factorial"):
        symdiff.grad(g)(1.0, 3)


def test_logarithm_to_a_base() -> None:
    f = written("def f(x, b):\n    return math.log(x, b)\n")
    got = symdiff.grad(f, wrt=("x", "b"))(3.0, 2.0)
    assert got[0] == pytest.approx(1 / (3 * math.log(2)), rel=1e-15)
    assert got[1] == pytest.approx(-math.log(3) / (2 * math.log(2) ** 2), rel=1e-15)


def test_rounding_gives_integers() -> None:
    f = written("def f(x, a):\n    return a[math.floor(x)] * x + a[int(x)] + a[round(x)]\n")
    assert symdiff.grad(f, wrt="x")(1.2, np.array([1.0, 5.0, 7.0])) == 5.0


def test_exact_sum_stays_exact() -> None:
    f = written("def f(x):\n    return math.fsum([1e16, x, -1e16])\n")
    assert symdiff.value_and_grad(f)(1.0) == (1.0, 1.0)


def test_math_refuses_arrays() -> None:
    f = written("def f(x):\n    return math.gamma(x)\n")
    with pytest.raises(symdiff.SymdiffError, match="takes a number"):
        symdiff.grad(f)(np.array([1.0, 2.0]))


# Helpers that a module brings along.


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("x", [1e-3, 0.4, 1.0, 2.7, 14.99, 30.0, 1e5, -0.3, -2.2, -7.9, -100.25])
def test_polygamma_helper(n: int, x: float) -> None:
    assert POLYGAMMA(n, x) == pytest.approx(float(mpmath.psi(n, x)), rel=2e-14)


def test_other_helpers() -> None:
    for n in range(4):
        for x in (0.0, 0.3, -2.0, 10.0, 200.5):
            assert BESSEL_I(n, x) == pytest.approx(float(mpmath.besseli(n, x)), rel=1e-14)
    for x, y in ((1.0, 2.0), (1000.0, -3.0), (math.inf, 0.0), (-math.inf, -math.inf)):
        assert LOGADDEXP(x, y) == pytest.approx(float(np.logaddexp(x, y)), rel=1e-15)


def test_module_with_helpers_stands_alone(tmp_path: Any) -> None:
    f = written("def f(x: float):\n    return math.gamma(x) + math.lgamma(x)\n")
    second = symdiff.grad(symdiff.grad(f))
    want = second(2.5)
    path = tmp_path / "alone.py"
    path.write_text(second.source + f"\nprint({second.compiled().name}(2.5))\n")
    # -I: isolated from the environment; -S: without site-packages, so without NumPy.
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(path)], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) == want
    assert second.source.count("def _polygamma") == 1
    reference = mpmath.diff(lambda x: mpmath.gamma(x) + mpmath.loggamma(x), 2.5, 2)
    assert want == pytest.approx(float(reference), rel=1e-13)


def test_a_helper_is_not_shadowed_by_a_local_variable() -> None:
    f = written(
        "def f(x):\n    _polygamma = math.lgamma(x) * x\n    return _polygamma * _polygamma\n"
    )
    value, slope = symdiff.value_and_grad(f)(2.5)
    assert value == pytest.approx(f(2.5), rel=1e-15)
    assert slope == pytest.approx(difference(f, 2.5), rel=1e-9)


# scipy.special.

UNIT_INTERVAL = {"logit", "ndtri", "erfinv"}
TWO = ["xlogy", "xlog1py", "rel_entr", "kl_div", "beta", "betaln"]
ORDERED = ["jv", "yv", "iv", "kv", "ive", "kve", "jn", "kn", "yn", "expn", "gammainc", "gammaincc"]
OTHERS = {"polygamma", "logsumexp", "softmax", "log_softmax"}
NAMES = sorted(
    name for name, value in vars(special).items()
    if callable(value) and not name.startswith("_") and value in scipy_spellings()
)  # fmt: skip


def form(name: str) -> str:
    if name in TWO:
        return f"special.{name}(x, 0.6 + x)"
    if name in ORDERED:
        return f"special.{name}(2, x)"
    return f"special.{name}(x)"


@pytest.mark.parametrize("name", [n for n in NAMES if n not in OTHERS])
def test_functions_of_scipy(name: str) -> None:
    f = written(f"def f(x):\n    return {form(name)}\n")
    for x in (0.3, 0.7):
        value, slope = symdiff.value_and_grad(f)(x)
        assert value == pytest.approx(f(x), rel=1e-14)
        assert slope == pytest.approx(difference(f, x, 1e-4), rel=1e-8)
    x = np.array([0.3, 0.7])
    value, slopes = symdiff.vjp(f)(x, np.ones(2))
    np.testing.assert_allclose(value, f(x), rtol=1e-14)
    np.testing.assert_allclose(slopes, [symdiff.grad(f)(0.3), symdiff.grad(f)(0.7)], rtol=1e-14)
    single = symdiff.vjp(f)(np.float32(x), np.ones(2, np.float32))[1]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, slopes, rtol=1e-3)


SYMPY = {
    "erf": sympy.erf, "erfc": sympy.erfc, "erfi": sympy.erfi, "erfinv": sympy.erfinv,
    "gamma": sympy.gamma, "gammaln": sympy.loggamma,
    "digamma": sympy.digamma, "expi": sympy.Ei, "j0": lambda x: sympy.besselj(0, x),
    "j1": lambda x: sympy.besselj(1, x), "y0": lambda x: sympy.bessely(0, x),
    "y1": lambda x: sympy.bessely(1, x), "i0": lambda x: sympy.besseli(0, x),
    "i1": lambda x: sympy.besseli(1, x), "k0": lambda x: sympy.besselk(0, x),
    "k1": lambda x: sympy.besselk(1, x), "jv": lambda x: sympy.besselj(2, x),
    "yv": lambda x: sympy.bessely(2, x), "iv": lambda x: sympy.besseli(2, x),
    "kv": lambda x: sympy.besselk(2, x), "expn": lambda x: sympy.expint(2, x),
    "gammainc": lambda x: sympy.lowergamma(2, x) / sympy.gamma(2),
    "gammaincc": lambda x: sympy.uppergamma(2, x) / sympy.gamma(2),
    "exp1": lambda x: sympy.expint(1, x), "log1p": lambda x: sympy.log(1 + x),
    "beta": lambda x: sympy.beta(x, x + sympy.Rational(3, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SYMPY))
def test_rules_agree_with_sympy(name: str) -> None:
    """SymPy's own tables (`fdiff`) are another source of the same calculus."""
    x = sympy.Symbol("x", positive=True)
    formula = sympy.diff(SYMPY[name](x), x)
    f = written(f"def f(x):\n    return {form(name)}\n")
    for at in (0.3, 0.7):
        want = float(sympy.N(formula.subs(x, sympy.Float(at, 30)), 20))
        assert symdiff.grad(f)(at) == pytest.approx(want, rel=1e-11)


def test_polygamma_of_arrays() -> None:
    f = written("def f(x):\n    return np.sum(special.polygamma(1, x) + special.digamma(x))\n")
    x = np.array([0.5, 2.5])
    want = [float(mpmath.psi(2, v) + mpmath.psi(1, v)) for v in x]
    np.testing.assert_allclose(symdiff.grad(f)(x), want, rtol=1e-13)


NORMALISED = {
    "softmax": lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True)),
    "logsumexp": lambda x: np.log(np.sum(np.exp(x), axis=-1, keepdims=True)),
}


@pytest.mark.parametrize("name", sorted(NORMALISED))
def test_sums_of_exponentials(name: str) -> None:
    keep = ", keepdims=True" if name == "logsumexp" else ""
    f = written(f"def f(x, w):\n    return np.sum(w * special.{name}(x, axis=-1{keep}) ** 2)\n")
    g = written("def f(x, w):\n    return np.sum(w * own(x) ** 2)\n", own=NORMALISED[name])
    rng = np.random.default_rng(3)
    x, w, v = rng.standard_normal((3, 2, 4))
    assert symdiff.value_and_grad(f)(x, w)[0] == pytest.approx(g(x, w), rel=1e-13)
    np.testing.assert_allclose(symdiff.grad(f)(x, w), symdiff.grad(g)(x, w), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(
        symdiff.hvp(f)(x, w, v), symdiff.hvp(g)(x, w, v), rtol=1e-10, atol=1e-13
    )
    assert symdiff.jvp(f)(x, w, v)[1] == pytest.approx(np.sum(v * symdiff.grad(f)(x, w)), rel=1e-11)
    assert symdiff.grad(f)(np.float32(x), np.float32(w)).dtype == np.float32


def test_logsumexp_of_large_numbers_with_weights() -> None:
    f = written("def f(x, b):\n    return special.logsumexp(x, b=b)\n")
    x, b = np.array([1000.0, 1001.0]), np.array([1.0, 2.0])
    value, (d_x, d_b) = symdiff.value_and_grad(f, wrt=("x", "b"))(x, b)
    assert value == pytest.approx(float(special.logsumexp(x, b=b)), rel=1e-15)
    share = b * np.exp(x - 1001.0) / np.sum(b * np.exp(x - 1001.0))
    np.testing.assert_allclose(d_x, share, rtol=1e-12)
    np.testing.assert_allclose(d_b, share / b, rtol=1e-12)


def test_closeness_of_numbers() -> None:
    f = written("def f(x):\n    return x if math.isclose(x, 1.0, abs_tol=0.5) else 2.0 * x\n")
    assert symdiff.grad(f)(1.2) == 1.0
    assert symdiff.grad(f)(2.0) == 2.0


# What is refused, clearly.


@pytest.mark.parametrize("name", ["jv", "kv", "expn", "gammainc"])
def test_derivatives_in_the_order_are_refused(name: str) -> None:
    f = written(f"def f(v, x):\n    return special.{name}(v, x)\n")
    with pytest.raises(symdiff.SymdiffError, match="no closed form"):
        symdiff.grad(f, wrt="v")(1.5, 2.0)
    assert math.isfinite(symdiff.grad(f, wrt="x")(1.5 if name != "expn" else 1.0, 2.0))


@pytest.mark.parametrize("text", ["np.sin(1j * x)", "special.gamma(1j * x)", "np.real(1j * x)"])
def test_complex_numbers_are_refused(text: str) -> None:
    f = written(f"def f(x):\n    return abs({text})\n")
    with pytest.raises(symdiff.SymdiffError, match="complex"):
        symdiff.grad(f)(1.0)


def test_unknown_functions_are_refused() -> None:
    f = written("def f(x):\n    return special.struve(1, x)\n")
    with pytest.raises(symdiff.SymdiffError, match="not in the table"):
        symdiff.grad(f)(1.0)


def test_importing_symdiff_does_not_import_scipy() -> None:
    code = "import sys, symdiff; print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
