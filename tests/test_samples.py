"""Every sample runs and prints its numbers; the notebook's numbers come out in all three ways."""

from __future__ import annotations

import ast
import importlib.util
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import symdiff

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"


def sample(name: str) -> ModuleType:
    """A sample as a module."""
    spec = importlib.util.spec_from_file_location(name, SAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(name: str, *options: str) -> str:
    """What `python samples/NAME.py` prints."""
    return run(str(SAMPLES / f"{name}.py"), *options)


def run(*arguments: str, isolated: bool = False) -> str:
    """Standard output of Python with `arguments`. `isolated`: without packages of any kind."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *(["-I", "-S"] if isolated else []), *arguments],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def cli(*arguments: str) -> str:
    return run("-m", "symdiff", *arguments)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


# chain_rule


def test_chain_rule_prints_the_derivative_and_its_values():
    text = printed("chain_rule")
    found = lines(text)
    assert "f'(4) = -7.661275842587077" in found
    assert "f'(2) = -2.6145744834544478" in found
    assert "square'(3) = 6.0" in found
    assert "nested'(1) = 2.506761534986894" in found
    assert "f''(2) = 10.801552683200" in found
    assert "by hand at 2: 10.801552683200" in found


def test_generated_derivative_is_the_one_derived_by_hand():
    """One expression, and that 2*x*cos(x**2): its factors in whatever order."""
    f = sample("chain_rule").f
    (definition,) = [
        node for node in ast.parse(symdiff.grad(f).source).body if isinstance(node, ast.FunctionDef)
    ]
    docstring, returned = definition.body
    assert isinstance(docstring, ast.Expr) and isinstance(returned, ast.Return)
    assert returned.value is not None
    assert sorted(factors(returned.value)) in (
        ["2", "math.cos(x ** 2)", "x"],
        ["2.0", "math.cos(x ** 2)", "x"],
    )


def factors(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), *factors(node.right)]
    return [ast.unparse(node)]


# autograd_notebook: the whole script, then each number in each way


def test_notebook_prints_its_numbers():
    found = lines(printed("autograd_notebook", "--three-ways"))
    for expected in (
        "dy/dx at 3 = 6.0",
        "dz/dx at 4 = -7.661275842587077",
        "dz/dx at 2 = -2.6145744834544478",
        "by hand, 2*x*cos(x**2): at 4 = -7.661275842587077",
        "by hand, 2*x*cos(x**2): at 2 = -2.6145744834544478",
        "du/dx at 1 = 2.506761534987",
        "loss = 6.7012",
        "by hand: dL/dw = 6.6918, dL/db = 0.99877",
        "symdiff: dL/dw = 6.6918, dL/db = 0.99877",
        "dy/dx = [0.6667, 1.3333, 2.0000]",
        "dL/dz = 0.99877",
        "dL/dprediction = 813.41",
        "after 1 backward passes: 4.0",
        "after 2 backward passes: 8.0",
        "after 3 backward passes: 12.0",
        "cleared, then one more: 4.0",
        "x * detach(x**2): value 27.0, dy/dx = 9.0",
        "no_grad for x**2, in x * x**2 + x: dy/dx = 10.0",
        "nothing requires a gradient:",
        "epoch    0: loss 2.7860",
        "epoch 1999: loss 0.2420",
        "w = 1.2448, b = -8.4710, right: 6 of 6",
    ):
        assert expected in found, expected
    assert found.count("all three the same: True") == 6
    assert "all three the same: False" not in found
    assert any("the result of all_off is not connected to x" in line for line in found)


NOTEBOOK = [
    # function, options, point, arguments, what comes out
    ("square", [], "3", (3.0,), 6.0),
    ("sine_of_square", [], "4", (4.0,), -7.661275842587077),
    ("sine_of_square", [], "2", (2.0,), -2.6145744834544478),
    ("exp_sin_square", [], "1", (1.0,), 2 * math.cos(1.0) * math.exp(math.sin(1.0))),
    (
        "neuron_loss", ["--wrt", "w,b"], "w=1,b=0,x=6.7,y=0", (1.0, 0.0, 6.7, 0.0),
        (6.7 / (1 + math.exp(-6.7)), 1 / (1 + math.exp(-6.7))),
    ),
    (
        "mean_square", ["--arg", "x=float64[n]"], "x=[1,2,3]", (np.array([1.0, 2.0, 3.0]),),
        [2 / 3, 4 / 3, 2.0],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "point", "arguments", "expected"), NOTEBOOK)
def test_notebook_by_decorator(name, options, point, arguments, expected):
    wrt = ("w", "b") if name == "neuron_loss" else None
    found = symdiff.grad(getattr(sample("autograd_notebook"), name), wrt=wrt)(*arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "options", "point", "arguments", "expected"), NOTEBOOK)
def test_notebook_by_command_line(name, options, point, arguments, expected):
    text = cli("diff", f"{SAMPLES}/autograd_notebook.py:{name}", *options, "--at", point, "-q")
    value = text.strip().splitlines()[-1].rpartition(": ")[2]
    np.testing.assert_allclose(ast.literal_eval(value), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "options", "point", "arguments", "expected"), NOTEBOOK)
def test_notebook_by_module(tmp_path, name, options, point, arguments, expected):
    path = tmp_path / "built.py"
    cli("build", f"{SAMPLES}/autograd_notebook.py:{name}", *options, "-o", str(path), "-q")
    module = runpy.run_path(str(path))
    (derivative,) = set(module["__all__"]) - {name}
    np.testing.assert_allclose(module[derivative](*arguments), expected, rtol=1e-12)
    scalar = name != "mean_square"  # needs NumPy; the others need nothing at all
    assert "all right" in run(str(path), "--check", isolated=scalar)


def test_notebook_saved_by_the_decorator(tmp_path):
    notebook = sample("autograd_notebook")
    path = notebook.training_loss.save(tmp_path / "saved.py")
    module = runpy.run_path(str(path))
    found = notebook.train(module["training_loss_value_and_grad"], epochs=20)
    assert found == notebook.train(notebook.training_loss, epochs=20)


def test_notebook_error_says_what_cut_the_connection():
    with pytest.raises(symdiff.NotConnectedError, match="no_grad") as caught:
        symdiff.grad(sample("autograd_notebook").all_off)(3.0)
    assert "with symdiff.no_grad():" in str(caught.value)


def test_command_line_evaluates_the_chain_rule():
    assert "-7.661275842587077" in cli("diff", f"{SAMPLES}/chain_rule.py:f", "--at", "4")


# logistic_regression


def test_iris_is_complete():
    module = sample("logistic_regression")
    X, species, names = module.load_iris()
    assert X.shape == (150, 4)
    assert names == ["setosa", "versicolor", "virginica"]
    assert np.bincount(species).tolist() == [50, 50, 50]
    rows = (SAMPLES / "iris.csv").read_text().splitlines()
    assert rows[35] == "4.9,3.1,1.5,0.2,setosa"  # Fisher's values; a common copy has 0.1 here
    raw = np.array([[float(v) for v in row.split(",")[:4]] for row in rows[1:]])
    np.testing.assert_allclose(raw.mean(axis=0), [5.843333, 3.057333, 3.758, 1.199333], atol=1e-6)


def test_logistic_regression_fits_iris():
    pytest.importorskip("scipy")
    found = lines(printed("logistic_regression"))
    assert "150 flowers: setosa, versicolor, virginica" in found
    assert found.count("same minimum: True") == 2
    assert "right: 146 of 150 (97.33%)" in found
    exact = [line for line in found if line.startswith("symdiff")]
    numeric = [line for line in found if line.startswith("finite differences")]
    for with_gradient, without, parameters in zip(exact, numeric, (5, 15), strict=True):
        assert evaluations(without) > 0.5 * (parameters + 1) * evaluations(with_gradient)
    assert "loss 0.117408" in exact[0]
    assert "loss 0.131924" in exact[1]


def evaluations(line: str) -> int:
    return int(line.split(" evaluations")[0].rpartition(" ")[2])


def test_iris_gradients_agree_with_finite_differences():
    module = sample("logistic_regression")
    X, species, _ = module.load_iris()
    theta = np.random.default_rng(0).standard_normal(15)
    y = np.where(species == 2, 1.0, -1.0)
    symdiff.grad(module.binary_loss).check(theta[:5], X, y)
    symdiff.grad(module.softmax_loss).check(theta, X, np.eye(3)[species])


# two_link_arm


def test_two_link_arm():
    found = lines(printed("two_link_arm"))
    assert "accelerations: -15.505841 39.066654 rad/s^2" in found
    values = {
        line.split()[4]: float(line.split()[6]) for line in found if line.startswith("d effort")
    }
    assert values == pytest.approx(
        {
            "q1": 982.488939, "q2": -1039.016758, "dq1": -204.419306, "dq2": -20.708063,
            "tau1": -305.058577, "tau2": 1387.587459, "m1": 27.568434, "m2": -818.822957,
            "l1": -1791.567619, "l2": -4875.806657,
        },
        abs=1.1e-6,
    )  # fmt: skip
    assert "largest relative difference below 1e-6: True" in found
    assert "gradient and Jacobian agree: True" in found
    assert "torques that hold it still: 12.691336 0.804131 N m (effort below 1e-20: True)" in found


def test_two_link_arm_jacobian_is_symmetric_in_the_torques():
    """The inverse of the mass matrix is symmetric."""
    module = sample("two_link_arm")
    (_, b), (c, _) = symdiff.jacobian(module.accelerations, wrt=("tau1", "tau2"))(*module.POSTURE)
    assert b == pytest.approx(c)


# bundle_adjustment


def test_bundle_adjustment():
    found = lines(printed("bundle_adjustment"))
    assert "the camera sees the point at (130.7878, 157.2405) pixels" in found
    assert "Jacobian 2x15:" in found
    rows = {line.split()[0]: [float(v) for v in line.split()[1:]] for line in found[2:17]}
    assert rows["r1"] == pytest.approx([112.781396, -804.817425], abs=1.1e-6)
    assert rows["k2"] == pytest.approx([-0.854345, -0.373682], abs=1.1e-6)
    assert rows["x0"] == [1.0, 0.0]
    assert rows["y0"] == [0.0, 1.0]
    assert rows["w"] == pytest.approx([-289.212249, -92.759499], abs=1.1e-6)
    assert "agrees with finite differences to 1e-6: True" in found
    assert "pose recovered to 1e-9: True" in found


# rk4_oscillator


def test_rk4_oscillator_fits_what_was_measured():
    pytest.importorskip("scipy")
    found = lines(printed("rk4_oscillator"))
    assert "misfit at the start: 0.052377" in found
    assert sum(line.endswith("as finite differences: True") for line in found) == 4
    assert "fitted: misfit 0.000364; the noise alone has 0.000400" in found
    fitted = {
        line.split()[0]: float(line.split()[1]) for line in found if line.endswith(("0)", "3)"))
    }
    assert fitted == pytest.approx(
        {"stiffness": 3.9944, "damping": 0.2990, "position": 1.0, "velocity": -0.0175}, abs=2e-4
    )


# newton_implicit


def test_newton_agrees_with_the_implicit_function_theorem():
    found = lines(printed("newton_implicit"))
    assert found.count("as by the implicit function theorem: True") == 3
    assert "Halley   E = 0.780228  dE/de = 2.249562  dE/dM = 3.197938" in found
    assert "dr/dM   = 2.175326" in found
    assert "d2r/dM2 = -8.103912" in found


def test_second_derivative_through_newton_is_the_one_on_paper():
    """With r = 1 - e*cos(E): dr/dM = e*sin(E)/r, d2r/dM2 = e*(cos(E) - e)/r**3."""
    module = sample("newton_implicit")
    e, M = 0.967, 0.1
    E = module.eccentric_anomaly(e, M)
    r = 1 - e * math.cos(E)
    first = symdiff.grad(module.radius, wrt="M")
    assert first(e, M) == pytest.approx(e * math.sin(E) / r, rel=1e-9)
    second = e * (math.cos(E) - e) / r**3
    assert symdiff.grad(first, wrt="M")(e, M) == pytest.approx(second, rel=1e-8)


# edit_distance


def test_edit_distance_and_its_alignment():
    found = lines(printed("edit_distance"))
    assert "edit distance of kitten and sitting: 3.0000" in found
    assert "temperature 0.001: distance 3.0000, letters left out: 1.0000" in found
    assert "k 1.000 0.000 0.000 0.000 0.000 0.000 0.000" in found
    assert "temperature 0.3: distance 2.9296, letters left out: 1.3164" in found
    assert "agrees with finite differences: True" in found


def test_edit_distance_gradients_agree_with_finite_differences():
    module = sample("edit_distance")
    replace = np.random.default_rng(0).uniform(0.0, 2.0, (4, 5))
    symdiff.grad(module.distance, wrt=("replace", "gap")).check(replace, 0.8, 0.5)


# kalman_filter


def test_kalman_filter_finds_the_published_estimates():
    pytest.importorskip("scipy")
    found = lines(printed("kalman_filter"))
    assert "most likely: noise 15099, drift 1469, log-likelihood -632.5456" in found
    assert "standard errors of their logarithms: 0.208 and 0.871" in found
    assert len(sample("kalman_filter").NILE) == 100


# neural_net


def test_neural_net_learns_the_irises():
    found = lines(printed("neural_net"))
    epochs = [float(line.split()[-1]) for line in found if line.startswith("epoch")]
    assert epochs == sorted(epochs, reverse=True) and epochs[-1] < 0.1
    assert "the backward pass agrees with finite differences" in found
    (right,) = [int(line.split()[1]) for line in found if line.startswith("right:")]
    assert right >= 144


def test_accumulated_gradients_are_those_of_the_batch():
    module = sample("neural_net")
    X, y = module.load_iris()
    weights, biases = module.initial((4, 5, 3), np.random.default_rng(1))

    def batch_loss(weights, biases):
        return sum(module.loss(weights, biases, X[i], int(y[i])) for i in (3, 70, 140))

    whole, _ = symdiff.grad(batch_loss, wrt=("weights", "biases"))(weights, biases)
    parts = [module.value_and_grad(weights, biases, X[i], int(y[i]))[1][0] for i in (3, 70, 140)]
    for layer, expected in enumerate(whole):
        np.testing.assert_allclose(sum(part[layer] for part in parts), expected, rtol=1e-12)


@pytest.mark.parametrize("name", [path.stem for path in sorted(SAMPLES.glob("*.py"))])
def test_every_sample_says_what_it_is(name):
    text = (SAMPLES / f"{name}.py").read_text()
    module = ast.parse(text)
    assert ast.get_docstring(module)
    assert 'if __name__ == "__main__":' in text
