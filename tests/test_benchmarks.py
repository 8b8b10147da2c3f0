"""The gradients that the benchmarks time are right: against finite differences, and in C by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from benchmarks.gradients import ba
from benchmarks.gradients.contestants import Contestant
from benchmarks.gradients.problem import Primal, Problem
from benchmarks.gradients.results import difference, flat
from benchmarks.gradients.run import FORESEEN, Pace, measured
from benchmarks.gradients.suite import NAMES, problem_named
from benchmarks.gradients.worker import prepared
from benchmarks.measure import race

PROBLEMS = [problem_named(name) for name in NAMES]
PRIMALS = [
    pytest.param(problem, primal, id=f"{problem.name}-{primal.style}")
    for problem in PROBLEMS
    for primal in problem.primals
]


@pytest.mark.parametrize(("problem", "primal"), PRIMALS)
def test_primals_agree_with_finite_differences(problem: Problem, primal: Primal) -> None:
    derivative: Any = primal.derive(primal.function)
    primal.run(_checked(derivative), *problem.small.arguments())


def _checked(derivative: Any) -> Callable[..., Any]:
    """The derivative, compared in each call: a report that disagrees is raised."""

    def checked(*arguments: Any) -> Any:
        assert derivative.check(*arguments).ok
        return derivative(*arguments)

    return checked


@pytest.mark.parametrize(("problem", "primal"), PRIMALS)
def test_primals_agree_with_the_gradient_by_hand(problem: Problem, primal: Primal) -> None:
    arguments = problem.small.arguments()
    (by_hand,) = [peer for peer in problem.peers if peer.tool == "hand"]
    expected = flat(by_hand.make(*arguments)())
    derived = flat(primal.run(primal.derive(primal.function), *arguments))
    assert difference(derived, expected) <= problem.tolerance


def test_the_compressed_rows_are_the_jacobian() -> None:
    """Along a random direction, all residuals change as the sparse matrix says."""
    cameras, points, weights, observations, features = ba.scene(3, 4, 7)
    scene = cameras, points, weights, observations, features
    values = ba.COMPILED(ba.in_numpy)(*scene)
    starts, columns = ba.structure(observations, len(cameras), len(points))
    matrix = csr_array((values, columns, starts))

    def residuals(parameters: np.ndarray) -> np.ndarray:
        c, p, w = np.split(parameters, [cameras.size, cameras.size + points.size])
        every, where = c.reshape(cameras.shape), p.reshape(points.shape)
        pairs = [
            ba.project_in_numpy(every[camera], where[point], w[i], features[i])
            for i, (camera, point) in enumerate(observations)
        ]
        return np.concatenate((*pairs, 1.0 - w**2))

    at = np.concatenate((cameras.ravel(), points.ravel(), weights))
    direction = np.random.default_rng(1).normal(size=at.size)
    change = (residuals(at + 1e-6 * direction) - residuals(at - 1e-6 * direction)) / 2e-6
    assert np.allclose(matrix @ direction, change, rtol=1e-5, atol=1e-3)


def test_results_are_compared_number_by_number() -> None:
    reference = flat((2.0, (np.ones((2, 2)), [np.array([-4.0])])))
    assert difference(reference, reference) == 0.0
    assert difference(reference + np.eye(6)[5], reference) == 0.25
    assert difference(reference[:5], reference) == np.inf
    assert difference(np.where(reference == 2.0, np.nan, reference), reference) == np.inf


def test_who_would_take_too_long_is_foreseen() -> None:
    pace = Pace()
    pace.note("1", 10.0, {"name": "slow", "seconds": FORESEEN / 5})
    assert pace.why_not("1", 20.0, "slow") is None
    assert "foreseen" in str(pace.why_not("1", 1000.0, "slow"))
    assert pace.why_not("all", 1000.0, "slow") is None
    assert pace.why_not("1", 1000.0, "unknown") is None


def test_what_a_tool_raises_is_its_reason() -> None:
    def refuse(*arguments: Any) -> Any:
        raise NotImplementedError("no loops\nat all")

    run, row, _ = prepared(Contestant("hand", "", refuse), (1.0,))
    assert run is None
    assert row["note"] == "NotImplementedError: no loops"


def test_a_case_is_measured_in_a_process_of_its_own() -> None:
    rows = measured(problem_named("lse"), 0, "1", ("hand", "symdiff-python"), Pace())
    assert [row["name"] for row in rows] == [
        "C by hand", "symdiff Python, loops", "symdiff Python, NumPy",
    ]  # fmt: skip
    for row in rows:
        assert row["seconds"] > 0.0
        assert row["difference"] < 1e-12


def test_a_slow_call_is_measured_once() -> None:
    calls = {"slow": 0, "quick": 0}

    def count(name: str) -> None:
        calls[name] += 1

    race(
        {"slow": lambda: count("slow"), "quick": lambda: count("quick")},
        rounds=3, seconds=1e-5, patience=0.0,
    )  # fmt: skip
    assert calls == {"slow": 1, "quick": 1}
