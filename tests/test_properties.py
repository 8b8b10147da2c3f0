"""Properties of generated programs: 200 here, thousands with `python -m tests.fuzz`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import symdiff
from tests.fuzz.generate import generate
from tests.fuzz.oracle import judge

SEEDS = range(200)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def verdicts():
    return {}


@pytest.mark.parametrize("seed", SEEDS)
def test_program(seed, verdicts):
    """forward = reverse = finite differences, optimised = unoptimised, and the rest of the oracle."""
    program = generate(seed)
    verdicts[seed] = verdict = judge(program)
    assert not verdict.failures, program.script(verdict.failures)
    assert verdict.compared > 0


def test_finite_differences_were_usable(verdicts):
    """A comparison that judges nothing would pass as well: few entries may be too near a kink."""
    compared = sum(v.compared for v in verdicts.values())
    unreliable = sum(v.unreliable for v in verdicts.values())
    assert compared > 10 * len(verdicts)
    assert unreliable <= 0.02 * compared


def test_the_oracle_notices_a_wrong_derivative():
    """A rule that is wrong by one part in ten thousand does not pass for a derivative."""
    program = generate(0)
    wrong = type(program)(
        0, "def clean(u):\n    return u * u\n\n\n@symdiff.rule(clean)\ndef _(y, u):\n"
        "    return 2.0002 * u\n\n\ndef f(x):\n    return clean(x) + x\n",
        "f", ((1.5,), (2.5,)), "scalar", False, False,
    )  # fmt: skip
    failures = judge(wrong, second_order=False).failures
    assert [f.split(":")[0] for f in failures] == ["finite differences"]


def test_the_programs_are_the_same_everywhere():
    """The seed decides the program and its derivative's text, whatever the hash seed."""
    script = (
        "import hashlib, sys\nfrom tests.fuzz.generate import generate\nimport symdiff\n"
        "h = hashlib.sha256()\n"
        "for seed in range(24):\n"
        "    p = generate(seed)\n"
        "    d = symdiff.jacobian(p.load(), wrt='*')\n"
        "    d(*p.points[0])\n"
        "    h.update((p.source + d.source).encode())\n"
        "print(h.hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(digests) == 1
    assert symdiff.__version__
