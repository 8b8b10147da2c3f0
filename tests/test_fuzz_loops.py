"""Generated programs with loops: some here, thousands with `python -m tests.fuzz_loops`."""

from __future__ import annotations

import pytest

from tests.fuzz_loops.generate import generate
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program

# What the long run has found, beyond the first ones.
FOUND = (755, 1091, 1307, 1439, 1525, 1557, 2135, 3825, 3930, 4173)


@pytest.mark.parametrize("seed", (*range(300), *FOUND))
def test_program(seed):
    """value, both modes, both second orders, optimised and not, and finite differences agree.

    Odd seeds write into arrays, some of them into arguments.
    """
    program = generate(seed)
    verdict = judge(program, second_order=seed in FOUND or seed % 5 < 1 + seed % 2)
    assert not verdict.failures, program.script(verdict.failures)


def test_the_programs_are_the_same_everywhere():
    """The seed decides the program."""
    assert generate(3).source == generate(3).source


def test_the_oracle_notices_a_wrong_derivative():
    """A function that is not what its source says does not pass."""
    right = Program(0, HELPERS + "def f(x, n):\n    for _ in range(n):\n        x = x * x\n"
                    "    return x\n", "f", ((1.1, 3),))  # fmt: skip
    assert not judge(right).failures

    class Wrong(Program):
        def load(self):
            return Program(
                1, self.source.replace("x * x", "x * x * 1.001"), "f", self.points
            ).load()

    wrong = Wrong(1, right.source, "f", right.points)
    assert any(f.startswith("value") for f in judge(wrong).failures)
