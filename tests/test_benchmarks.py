"""The gradients that the benchmarks time are right: against finite differences, and in C by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.gradients.problem import Primal, Problem
from benchmarks.gradients.results import difference, flat
from benchmarks.gradients.suite import NAMES, problem_named

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
