"""What a derivative shows of itself: source, operations, formula, name, signature, printed form."""

from __future__ import annotations

import gc
import inspect
import linecache
import math
import re
import sys
import traceback

import numpy as np
import pytest

import symdiff
from symdiff.codegen.count import operations
from symdiff.codegen.highlight import highlighted, html

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def wave(x: float) -> float:
    """The wave at x."""
    return math.sin(x**2)


def arm(q1, q2, *, length=2.0):
    return length * math.cos(q1) + math.cos(q1 + q2)


def loss(w, X):
    return np.sum((X @ w) ** 2)


# Source.


def test_the_source_runs_by_itself():
    namespace: dict[str, object] = {}
    source = symdiff.grad(wave).source
    exec(source, namespace)
    assert "symdiff" not in source
    assert namespace["dwave_dx"](4.0) == symdiff.grad(wave)(4.0)  # type: ignore[operator]


def test_the_source_is_the_hand_derived_formula():
    source = symdiff.grad(wave).source
    body = source.splitlines()[-1].strip()
    assert body.startswith("return ")
    assert operations(source) == 4
    assert symdiff.grad(wave)(4.0) == pytest.approx(8.0 * math.cos(16.0), rel=1e-15)


def test_the_source_is_deterministic():
    assert symdiff.grad(arm, wrt="*").source == symdiff.grad(arm, wrt="*").source


def test_source_follows_the_last_call():
    derivative = symdiff.grad(loss)
    derivative(np.ones(2), np.ones((3, 2)))
    assert "import numpy as np" in derivative.source
    assert "@" in derivative.source


def test_generated_lines_show_in_tracebacks():
    derivative = symdiff.grad(lambda x: math.log(x))
    with pytest.raises(ValueError, match="math domain error") as caught:
        derivative(-1.0)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].filename.startswith("<symdiff")
    assert frames[-1].line
    assert linecache.getline(frames[-1].filename, 1)


# Operations.


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f(x):\n    return x", 0),
        ("def f(x):\n    return -2.0 * x", 1),
        ("def f(x):\n    return -x", 1),
        ("def f(x):\n    return math.sin(x) + float(x)", 3),
        ("def f(x):\n    x += 1.0\n    return x", 1),
        ("def f(x):\n    return x if x > 0.0 else 0.0", 1),
        ("def f(x):\n    return np.array([1.0, 2.0])", 1),
        ("def f(x):\n    for i in range(9):\n        x = x * x\n    return x", 2),
        ('def f(x):\n    """a + b, g(c)"""\n    return x', 0),
        ("def f(x: float = -1.0 * 2.0) -> dict[str, float]:\n    return x", 0),
        ("def f(X, w):\n    return X.T @ w[1:]", 1),
    ],
)
def test_operations_are_counted_on_the_code(source, count):
    assert operations(source) == count


def test_operations_of_a_derivative():
    derivative = symdiff.grad(wave)
    assert derivative.operations == operations(derivative.source)
    assert 3 <= derivative.operations <= 5
    assert symdiff.grad(wave, target="c").operations == derivative.operations


# Formulas.


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (wave, r"2 x \cos{\left(x^{2} \right)}"),
        (lambda x: x**3 / 6.0, r"\frac{x^{2}}{2}"),
        (lambda x: math.exp(-x), r"- e^{- x}"),
        (lambda x: 0.25 * x**2 * math.pi, r"\frac{\pi x}{2}"),
        (
            lambda x: x**2 if x > 1.0 else -x,
            r"\begin{cases} 2 x & \text{for}\: x > 1 \\-1 & \text{otherwise} \end{cases}",
        ),
    ],
)
def test_latex(function, formula):
    assert symdiff.grad(function).latex() == formula


def test_latex_of_several_derivatives_is_a_column():
    found = symdiff.grad(lambda x, y: x * y**2, wrt=("x", "y")).latex()
    assert found == r"\left[\begin{matrix}y^{2}\\2 x y\end{matrix}\right]"


def test_latex_of_a_hessian_is_a_matrix():
    found = symdiff.hessian(lambda x, y: x * y**2, wrt=("x", "y")).latex()
    assert found == r"\left[\begin{matrix}0 & 2 y\\2 y & 2 x\end{matrix}\right]"


def test_a_long_formula_is_split_into_named_values():
    def deep(x, a):
        for _ in range(6):
            x = math.sin(a * x) + x**2 / (1.0 + x**2)
        return x

    found = symdiff.grad(deep).latex()
    assert found.startswith(r"\begin{aligned}")
    assert found.rstrip().endswith(r"\end{aligned}")
    assert max(map(len, found.splitlines())) < 250


def test_latex_is_for_scalars():
    derivative = symdiff.grad(loss)
    derivative(np.ones(2), np.ones((3, 2)))
    with pytest.raises(symdiff.UnsupportedError, match="arrays"):
        derivative.latex()


# How it prints.


def test_printing_shows_the_source(capsys):
    derivative = symdiff.grad(wave)
    assert repr(derivative) == derivative.source
    print(derivative)
    assert capsys.readouterr().out == derivative.source + "\n"


def test_printing_on_a_terminal_is_coloured(monkeypatch):
    derivative = symdiff.grad(wave)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    shown = repr(derivative)
    assert "\x1b[" in shown
    assert ANSI.sub("", shown).rstrip() == derivative.source.rstrip()


def test_a_notebook_shows_html():
    shown = symdiff.grad(wave)._repr_html_()
    assert shown.startswith("<")
    assert "dwave_dx" in shown
    assert "<script" not in shown


def test_what_cannot_be_compiled_prints_its_error():
    def words(x):
        return x.upper()

    shown = repr(symdiff.grad(words))
    assert shown.startswith("<symdiff grad of")
    assert "upper" in shown


def test_highlighting_keeps_every_character():
    source = 'def f(x):\n    """a < b & "c"."""\n' + "    return x" + " + 1.0" * 40 + "\n"
    assert ANSI.sub("", highlighted(source)).rstrip() == source.rstrip()
    assert "&lt;" in html(source)


def test_without_rich_and_pygments(monkeypatch):
    for name in ("rich.console", "rich.syntax", "pygments", "pygments.lexers"):
        monkeypatch.setitem(sys.modules, name, None)
    assert highlighted("x < 1") == "x < 1"
    assert html("x < 1") == "<pre>x &lt; 1</pre>"


# What it keeps of the function.


def test_name_signature_and_doc_are_kept():
    derivative = symdiff.grad(wave)
    assert derivative.__name__ == "wave"
    assert derivative.__doc__ == "The wave at x."
    assert derivative.__module__ == wave.__module__
    assert derivative.__wrapped__ is wave
    assert inspect.signature(derivative) == inspect.signature(wave)
    assert inspect.signature(symdiff.grad(arm)) == inspect.signature(arm)


def test_defaults_and_keywords_work():
    derivative = symdiff.grad(arm, wrt=("q1", "q2"))
    assert derivative(0.1, q2=0.2) == derivative(0.1, 0.2, length=2.0)
    assert derivative(0.1, 0.2, length=3.0) != derivative(0.1, 0.2)


def test_decorators_with_and_without_arguments():
    @symdiff.grad
    def square(x):
        """Squared."""
        return x * x

    @symdiff.grad(wrt="y")
    def product(x, y):
        return x * y

    assert (square(3.0), product(3.0, 4.0)) == (6.0, 3.0)
    assert (square.__name__, square.__doc__, product.__name__) == ("square", "Squared.", "product")


def test_save_writes_a_module(tmp_path):
    path = symdiff.grad(wave).save(tmp_path / "wave_grad.py")
    namespace: dict[str, object] = {"__name__": "wave_grad"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    found = [v for k, v in namespace.items() if "wave" in k and callable(v)]
    assert any(f(4.0) == symdiff.grad(wave)(4.0) for f in found)  # type: ignore[operator]


def test_jacobian_and_hessian_return_the_value_too():
    def f(x):
        return np.cumsum(x**2)

    def g(x, y):
        return x**2 * y, "aux"

    x = np.array([1.0, 2.0])
    jacobian = symdiff.jacobian(f, value=True)
    value, rows = jacobian(x)
    np.testing.assert_array_equal(value, [1.0, 5.0])
    np.testing.assert_array_equal(rows, [[2.0, 0.0], [2.0, 4.0]])
    assert "def f_value_and_jacobian(" in jacobian.source
    assert "Value of f" in jacobian.source
    jacobian.check(x)
    hessian = symdiff.hessian(g, wrt="*", value=True, has_aux=True)
    assert hessian(1.0, 2.0) == ((2.0, "aux"), ((4.0, 2.0), (2.0, 0.0)))
    hessian.check(1.0, 2.0)
    symdiff.jacobian(g, value=True, has_aux=True).check(1.0, 2.0)
    with pytest.raises(symdiff.IllTypedError, match="value=True"):
        symdiff.grad(f, value=True)


def test_repeated_operators_are_counted_in_the_name():
    def loss(x, y):
        return x**4 * y

    third = symdiff.grad(symdiff.grad(symdiff.grad(loss)))
    assert third.compiled().name == "loss_grad3"
    assert (
        symdiff.jacobian(symdiff.grad(symdiff.grad(loss))).compiled().name == "loss_grad2_jacobian"
    )


def test_what_is_registered_of_a_derivative_goes_with_it():
    def shown():
        return [name for name in linecache.cache if name.startswith("<symdiff dwavelet")]

    def wavelet(x):
        return math.sin(x) * math.exp(-x * x)

    first, second = symdiff.grad(wavelet), symdiff.grad(wavelet)
    first(1.0), second(1.0)
    (name,) = shown()
    assert linecache.getlines(name) == first.source.splitlines(keepends=True)
    del first
    gc.collect()
    assert shown() == [name]  # the other one has the same source
    del second
    gc.collect()
    assert not shown()


@pytest.mark.parametrize("options", [symdiff.Options(), symdiff.Options(optimize=False)])
def test_results_that_are_one_value_have_cotangents_of_their_own(options):
    def twice(x, y):
        t = (x + y) ** 2
        return t, {"again": t, "other": [x, x]}

    seeds = (1.0, {"again": 10.0, "other": [100.0, 1000.0]})
    _, (d_x, d_y) = symdiff.vjp(twice, wrt=("x", "y"), options=options)(1.0, 2.0, seeds)
    assert (d_x, d_y) == (1166.0, 66.0)

    def f(x, y):
        return math.tanh(x + y)

    gradient = symdiff.grad(f, wrt=("x", "y"), options=options)
    _, reverse = symdiff.vjp(gradient, wrt=("x", "y"), options=options)(0.3, 0.4, (1.0, 2.0))
    forward = symdiff.hvp(f, wrt=("x", "y"), options=options)(0.3, 0.4, (1.0, 2.0))
    assert reverse == pytest.approx(forward, rel=1e-14)


@pytest.mark.parametrize("options", [symdiff.Options(), symdiff.Options(optimize=False)])
def test_cotangents_of_integers_are_not_looked_at(options):
    """Not even where the integer is an argument that is returned."""

    def f(x, n: int):
        return {"a": x * n, "n": n, "three": 3, "v": n * np.ones(2) * x}

    seeds = {"a": 1.0, "n": 7, "three": 8, "v": np.array([10.0, 100.0])}
    value, d_x = symdiff.vjp(f, options=options)(2.0, 5, seeds)
    assert (value["a"], value["n"], value["three"], d_x) == (10.0, 5, 3, 555.0)


def scaled_power(x, n, parts, options):
    total = 0.0
    for _ in range(n):
        total += x**n
    for part in parts:
        total += part * x
    return total if options else -total


def test_each_call_gets_the_version_for_its_arguments():
    """Calls with what has been seen before skip looking at every argument; none may be mistaken."""
    df = symdiff.grad(scaled_power, wrt="x")
    calls = [
        (2.0, 3, (1.0, 2.0), True), (2.0, 3, (1.0, 2.0), False), (2.0, 3, [1.0, 2.0], True),
        (2.0, 2, (1.0,), True), (2.0, 2, (1.0, 2.0), "yes"), (2.0, 2, (1.0, 2.0), ""),
        (2.0, True, (1, 2.0), True), (np.float64(2.0), 2, (1.0,), True),
    ]  # fmt: skip
    for _ in range(2):
        for x, n, parts, yes in calls:
            expected = n * n * x ** (n - 1) + sum(parts)
            assert df(x, n, parts, yes) == (expected if yes else -expected)


def test_an_integer_for_a_declared_float_is_a_float_in_every_call():
    def half(x: float, y: float) -> float:
        return x * x / 2 if y > 1 else x

    df = symdiff.grad(half)
    for _ in range(3):
        assert df(3, 2) == 3.0 and type(df(3, 2)) is float
        assert df(3.0, 2.0) == 3.0 and df(3.0, 0) == 1.0
