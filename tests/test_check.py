"""`Derivative.check` and `check_grads`: they pass on what is right and fail on what is wrong."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.verify import finite
from symdiff.verify.check import report_derivative
from symdiff.verify.finite import difference, steps_for
from symdiff.verify.report import Report, Row

Pair = namedtuple("Pair", "w b")
RNG = np.random.default_rng(7)
W, X = RNG.normal(size=3), RNG.normal(size=(5, 3))
Y = np.sign(RNG.normal(size=5))


@dataclass
class Model:
    w: np.ndarray
    b: float


def scalar(x):
    return math.sin(x**2)


def loss(w, b, X, y):
    return np.mean(np.log(1 + np.exp(-y * (X @ w + b))))


def of_record(p, X):
    return np.sum((X @ p.w + p.b) ** 2)


def of_dict(p, X):
    return np.sum((X @ p["w"] + p["b"][0]) ** 2) * p["b"][1]


def several(x):
    return x * 2.0, {"total": np.sum(x**2)}


def with_aux(x):
    return x**3, {"x": x}


def verdicts(report: Report) -> set[str]:
    return {row.verdict for row in report.rows}


DICT = {"w": W, "b": [0.1, 2.0]}
GOOD: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("scalar", symdiff.grad(scalar), (4.0,)),
    ("second order", symdiff.grad(symdiff.grad(scalar)), (1.3,)),
    ("third order", symdiff.grad(symdiff.grad(symdiff.grad(scalar))), (0.7,)),
    ("arrays", symdiff.grad(loss, wrt="*"), (W, 0.1, X, Y)),
    ("value", symdiff.value_and_grad(loss, wrt=("w", "b")), (W, 0.1, X, Y)),
    ("hessian", symdiff.hessian(loss, wrt=("w", "b")), (W, 0.1, X, Y)),
    ("hvp", symdiff.hvp(loss), (W, 0.1, X, Y, np.ones(3))),
    ("jvp", symdiff.jvp(loss, wrt=("w", "b")), (W, 0.1, X, Y, (np.ones(3), 2.0))),
    ("vjp", symdiff.vjp(several), (W, (np.ones(3), {"total": 0.5}))),
    ("jacobian", symdiff.jacobian(several), (W,)),
    ("forward jacobian", symdiff.jacobian(several, mode="forward"), (W,)),
    ("jacobian of a gradient", symdiff.jacobian(symdiff.grad(loss), wrt="b"), (W, 0.1, X, Y)),
    ("jvp of jvp", symdiff.jvp(symdiff.jvp(scalar)), (0.7, 2.0, -1.5)),
    ("dict", symdiff.grad(of_dict), (DICT, X)),
    ("dict hessian", symdiff.hessian(of_dict), (DICT, X)),
    ("dict hvp", symdiff.hvp(of_dict), (DICT, X, DICT)),
    ("named tuple", symdiff.grad(of_record), (Pair(W, 0.1), X)),
    ("dataclass", symdiff.value_and_grad(of_record), (Model(W, 0.1), X)),
    ("aux", symdiff.grad(with_aux, has_aux=True), (3.0,)),
    ("aux and value", symdiff.value_and_grad(with_aux, has_aux=True), (3.0,)),
    ("aux of vjp", symdiff.vjp(with_aux, has_aux=True), (3.0, 2.0)),
    ("many elements", symdiff.grad(lambda x: np.sum(np.sin(x) ** 2)), (RNG.normal(size=(30, 40)),)),
]


@pytest.mark.parametrize(("derivative", "args"), [c[1:] for c in GOOD], ids=[c[0] for c in GOOD])
def test_good_derivatives_pass(derivative, args):
    report = derivative.check(*args)
    assert report.ok
    assert verdicts(report) == {"ok"}
    assert all(row.error < 1e-6 for row in report.rows)


def test_keyword_arguments():
    report = symdiff.grad(loss, wrt="b").check(W, b=0.1, y=Y, X=X)
    assert [row.argument for row in report.rows] == ["b"]


def test_the_hessian_checks_its_gradient_first():
    report = symdiff.hessian(scalar).check(1.3)
    assert [row.of for row in report.rows] == ["df_dx".replace("f", "scalar"), "scalar_hessian"]


def test_float32_is_differenced_in_float64():
    single = (W.astype("f4"), 0.1, X.astype("f4"), Y.astype("f4"))
    derivative = symdiff.grad(loss, wrt=("w", "b"))
    assert derivative(*single)[0].dtype == np.float32
    report = derivative.check(*single)
    assert verdicts(report) == {"ok"}
    assert all(row.error < 1e-4 for row in report.rows)


def test_a_local_variable():
    def f(x):
        y = 2.0 * x
        z = y * x
        return y * z

    report = symdiff.grad(f, wrt="y").check(3.0)  # d(y * y * x)/dy: z follows y
    assert [(r.argument, r.analytic, r.verdict) for r in report.rows] == [("y", 36.0, "ok")]


def test_an_intermediate_array_assigned_more_than_once():
    def f(x):
        y = x * 2.0
        y = y + 1.0
        return np.sum(y**2)

    report = symdiff.grad(f, wrt="y").check(W)
    assert verdicts(report) == {"ok"}
    assert [r.argument for r in report.rows] == ["y[0]", "y[1]", "y[2]"]


def test_parameters_and_locals_together():
    def f(x):
        y = x * x
        z = y + x
        return y * z

    report = symdiff.grad(f, wrt=("x", "y", "z")).check(3.0)
    assert verdicts(report) == {"ok"}
    # x moves y and z, and y moves z: total derivatives, as PyTorch's retain_grad gives them.
    assert [r.numeric for r in report.rows] == pytest.approx([135.0, 21.0, 9.0])


def test_arguments_are_not_written_to():
    before = X.copy()
    symdiff.grad(loss, wrt="X").check(W, 0.1, X, Y)
    assert np.array_equal(X, before)


def test_the_function_prints_nothing_while_it_is_differenced(capsys):
    calls = []

    def noisy(x):
        return x * x

    def wrapper(x):
        calls.append(x)
        print("called")
        return x * x

    derivative = symdiff.grad(noisy)
    derivative(2.0)
    derivative.primal = wrapper  # what is differenced; the compiled gradient stays
    assert derivative.check(2.0).ok
    assert len(calls) > 3
    assert capsys.readouterr().out == ""


def test_nothing_to_compare_is_an_error():
    with pytest.raises(symdiff.CheckError, match="nothing"):
        symdiff.grad(lambda x: np.sum(x**2)).check(np.zeros(0))


# What is wrong fails.


def broken(x):
    return math.tanh(x)


@symdiff.rule(broken)
def _(y, x):
    return 1.0 - y  # not squared


def nan_rule(x):
    return x * x


@symdiff.rule(nan_rule)
def _(y, x):
    return math.nan


def slope_of_abs(x):
    return abs(x)


@symdiff.rule(slope_of_abs)
def _(y, x):
    return 5.0


def second_wrong(x):
    return math.sin(x)


@symdiff.rule(second_wrong)
def _(y, x):
    return broken_cos(x)


def broken_cos(x):
    return math.cos(x)


@symdiff.rule(broken_cos)
def _(y, x):
    return math.sin(x)  # the sign


def test_a_wrong_rule_fails_with_a_table():
    derivative = symdiff.grad(lambda x: 2.0 * broken(x))
    with pytest.raises(symdiff.CheckError) as caught:
        derivative.check(0.5)
    text = str(caught.value)
    assert "argument" in text
    assert "analytic" in text
    assert "FAIL" in text
    assert f"{2.0 * (1.0 - math.tanh(0.5) ** 2):.10g}" in text  # the numeric column


@pytest.mark.parametrize(
    ("derivative", "args"),
    [
        (symdiff.value_and_grad(lambda x: broken(x)), (0.5,)),
        (symdiff.jvp(lambda x: broken(x)), (0.5, 2.0)),
        (symdiff.vjp(lambda x: broken(x)), (0.5, 2.0)),
        (symdiff.jacobian(lambda x: (x, broken(x))), (0.5,)),
        (symdiff.hessian(lambda x: broken(x)), (0.5,)),
        (symdiff.hvp(lambda x: broken(x)), (0.5, 1.0)),
        (symdiff.grad(symdiff.grad(lambda x: broken(x))), (0.5,)),
        (symdiff.grad(lambda x, y: x * broken(y), wrt=("x", "y")), (0.5, 0.5)),
    ],
    ids=["value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp", "nested", "several"],
)
def test_every_kind_notices_a_wrong_rule(derivative, args):
    report = report_derivative(derivative, args, {})
    assert not report.ok
    with pytest.raises(symdiff.CheckError):
        derivative.check(*args)


def test_a_wrong_second_derivative_fails_in_its_own_order():
    report = report_derivative(symdiff.hessian(lambda x: second_wrong(x)), (0.5,), {})
    assert [row.verdict for row in report.rows] == ["ok", "FAIL"]


def test_a_nan_where_the_difference_is_finite_fails():
    report = report_derivative(symdiff.grad(lambda x: nan_rule(x)), (2.0,), {})
    assert [row.verdict for row in report.rows] == ["FAIL"]


def test_one_wrong_element_among_many_is_noticed():
    def f(x):
        return np.sum(x[:499] ** 2) + broken(x[499])

    report = report_derivative(symdiff.grad(f), (np.linspace(0.1, 0.9, 500),), {})
    assert any("direction" in r.argument and r.verdict == "FAIL" for r in report.rows)


def test_a_wrong_value_fails():
    def f(x):
        return x * x

    derivative = symdiff.value_and_grad(f)
    derivative(3.0)
    derivative.primal = lambda x: x * x + 1.0  # the same gradient, another value
    rows = report_derivative(derivative, (3.0,), {}).rows
    assert [(r.argument, r.verdict) for r in rows] == [("value", "FAIL"), ("x", "ok")]


# What cannot be told is shown, and does not fail.


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: math.sqrt(x), 0.0),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0),
    ],
    ids=["singular", "kink"],
)
def test_singular_points_and_kinks_are_unsure(function: Callable[..., Any], x: float):
    report = symdiff.grad(function).check(x)
    assert report.ok
    assert verdicts(report) == {"unsure"}
    assert "unsure" in str(report)


@pytest.mark.parametrize(
    "function", [lambda x: abs(x), lambda x: max(x, 0.0), lambda x: math.hypot(x, 0.0)]
)
def test_a_kink_where_the_convention_is_the_mean_agrees(function):
    assert verdicts(symdiff.grad(function).check(0.0)) == {"ok"}


def test_a_slope_outside_those_of_a_kink_fails():
    report = report_derivative(symdiff.grad(lambda x: slope_of_abs(x)), (0.0,), {})
    assert verdicts(report) == {"FAIL"}


def test_detach_is_a_difference_on_purpose():
    report = symdiff.grad(lambda x: x * symdiff.detach(x)).check(2.0)
    assert verdicts(report) == {"unsure"}
    assert any("detach" in note for note in report.notes)


def test_functions_that_change_quickly():
    report = symdiff.grad(lambda x: math.sin(1000.0 * x) + math.log(x)).check(1e-4)
    assert verdicts(report) == {"ok"}


def test_near_the_end_of_a_domain():
    assert verdicts(symdiff.grad(lambda x: math.log(x)).check(1e-9)) == {"ok"}
    assert verdicts(symdiff.grad(lambda x: math.asin(x)).check(1.0 - 1e-9)) == {"ok"}


# check_grads.


def test_check_grads_passes_and_fails():
    assert symdiff.check_grads(scalar, (1.3,), order=3) is None
    assert symdiff.check_grads(of_dict, (DICT, X), wrt="p") is None
    with pytest.raises(symdiff.CheckError, match="FAIL"):
        symdiff.check_grads(lambda x: second_wrong(x), (0.5,), order=2)
    assert symdiff.check_grads(lambda x: second_wrong(x), (0.5,), order=1) is None


def test_check_grads_of_several_arguments():
    assert symdiff.check_grads(loss, (W, 0.1, X, Y), order=1) is None
    assert symdiff.check_grads(loss, (W, 0.1, X, Y), order=2, wrt=("w", "b")) is None


def test_check_grads_needs_an_order():
    with pytest.raises(symdiff.IllTypedError, match="order"):
        symdiff.check_grads(scalar, (1.3,), order=0)


# The report and the differences themselves.


def test_the_report_is_an_aligned_table():
    rows = [
        Row("f_grad", "x", 1.0, 1.0, 0.0, "ok"),
        Row("f_grad", "w[0, 1]", -2.5, 12345.678, 1.0, "FAIL"),
    ]
    report = Report("f_grad", rows)
    assert not report.ok
    assert str(report).splitlines() == [
        "f_grad",
        "  argument  analytic    numeric  rel. error  verdict",
        "  x                1          1           0  ok",
        "  w[0, 1]       -2.5  12345.678     1.0e+00  FAIL",
        "2 compared: 1 ok, 1 FAIL",
    ]


def test_an_empty_report_is_not_ok():
    assert not Report("f_grad").ok
    assert "nothing" in str(Report("f_grad"))


@pytest.mark.parametrize("scipy", [True, False], ids=["scipy", "ridders"])
def test_differences(scipy):
    if scipy and not finite.has_scipy():
        pytest.skip("SciPy is not installed")

    def line(t: float) -> Any:
        return np.array(
            [math.exp(3 * t), 5.0, 1e-8 * math.tan(t + 0.1), math.sqrt(t) if t > 0 else math.nan]
        )

    found = difference(line, steps_for(0.0), scipy=scipy)
    exact = np.array([3.0, 0.0, 1e-8 / math.cos(0.1) ** 2])
    assert np.allclose(found.value[:3], exact, rtol=1e-8, atol=1e-13)
    assert found.converged.tolist() == [True, True, True, False]
    one_sided = difference(line, steps_for(0.0), side=1, scipy=scipy)
    # Of a constant, what its differences leave depends on the processor.
    assert np.allclose(one_sided.value[:3], exact, rtol=1e-6, atol=[0.0, 1e-8, 0.0])


def test_checks_work_without_scipy(monkeypatch):
    monkeypatch.setattr(finite, "has_scipy", lambda: False)
    assert verdicts(symdiff.grad(loss, wrt="*").check(W, 0.1, X, Y)) == {"ok"}
    assert not report_derivative(symdiff.grad(lambda x: broken(x)), (0.5,), {}).ok


def test_what_is_compiled_is_compared_with_the_function_itself():
    slope = symdiff.grad(scalar)

    def twice(x):
        return slope(x) + slope(x)

    assert symdiff.compiled(twice).check(1.3).ok
