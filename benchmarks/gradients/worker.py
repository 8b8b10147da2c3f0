"""Measure one case of one problem: a process of its own, started by `python -m` with its settings.

    python -m benchmarks.gradients.worker lse 0 --threads 1 --tools hand,jax

Thread counts are environment variables, which must be set before libraries are imported, so the
parent sets them (`environment_for`). Prints a line of JSON for each event: `preparing`, before a
contestant compiles and runs for the first time, `row`, what is known of it then, and again with
its times. A contestant that does not come to an end can so be found out and left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks.gradients.contestants import Contestant, Row, contestants
from benchmarks.gradients.memory import peak
from benchmarks.gradients.problem import Problem, Run
from benchmarks.gradients.results import difference, flat
from benchmarks.gradients.suite import problem_named
from benchmarks.measure import peer, race

BUDGET = 4.0  # seconds that the turns of one contestant may take
PATIENCE = 2.0  # whose call takes longer is measured once


def environment_for(threads: str) -> dict[str, str]:
    """The environment of a worker; `threads` is "1" or "all".

    A single thread is also held on a single core, in `main`: no library can get around that.
    """
    settings = dict(os.environ)
    settings["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # compile times are those of a first run
    settings["JAX_PLATFORMS"] = "cpu"
    settings["CUDA_VISIBLE_DEVICES"] = ""
    settings["MALLOC_ARENA_MAX"] = "1"  # what is freed at the end of others cannot be trimmed
    if threads == "1":
        for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR"):
            settings[f"{name}_NUM_THREADS"] = "1"
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        settings["NPROC"] = "1"  # the size of XLA's own pool
        settings["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    return settings


def quietest_core() -> int:
    """The core that was idle the most within the last moment."""
    before = _idle()
    time.sleep(0.1)
    after = _idle()
    return max(os.sched_getaffinity(0), key=lambda core: after[core] - before[core])


def _idle() -> dict[int, int]:
    found: dict[int, int] = {}
    with open("/proc/stat") as stat:
        for line in stat:
            if line.startswith("cpu") and line[3].isdigit():
                fields = line.split()
                found[int(fields[0][3:])] = int(fields[4])
    return found


def say(event: str, **fields: Any) -> None:
    """One line to the parent."""
    print(json.dumps({"event": event, **fields}), file=sys.__stdout__, flush=True)


def prepared(contestant: Contestant, arguments: tuple[Any, ...]) -> tuple[Run | None, Row, Any]:
    """What runs a contestant, what is known of it, and the numbers that its first run returned.

    It is None where there is none; the row then says why. Whatever a tool raises is its reason:
    that it cannot do the problem is a result, not the end of the benchmark.
    """
    if contestant.package is not None and peer(contestant.package) is None:
        return None, contestant.row(note="not installed"), None
    try:
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            run = contestant.make(*arguments)
            result = run()
        first = time.perf_counter() - start
    except Exception as error:
        message = (str(error).strip() or "no message").splitlines()[0]
        return None, contestant.row(note=f"{type(error).__name__}: {message}"[:300]), None
    return run, contestant.row(first=first), flat(result)


def measure(problem: Problem, number: int, tools: tuple[str, ...], left: tuple[str, ...]) -> None:
    """Prepare, compare, time in turns, and say all of it."""
    case = problem.cases[number]
    arguments = case.arguments()
    reference: np.ndarray | None = None
    runs: dict[str, Run] = {}
    rows: dict[str, Row] = {}
    for contestant in contestants(problem, tools):
        name = contestant.name
        if name in left:
            continue
        if case.work > contestant.upto:
            say("row", row=contestant.row(note=contestant.reason))
            continue
        say("preparing", name=name)
        run, row, numbers = prepared(contestant, arguments)
        if run is not None:
            reference = numbers if reference is None else reference
            row["difference"] = difference(numbers, reference)
            if row["difference"] <= problem.tolerance:
                runs[name] = run
            else:
                row["note"] = f"WRONG: differs by {row['difference']:.1g} of the largest number"
        rows[name] = row
        say("row", row=row)
    say("preparing", name="")
    times = race(runs, rounds=9, budget=BUDGET, patience=PATIENCE)
    for name, run in runs.items():
        row = rows[name]
        row["seconds"] = times[name]
        row["compile"] = max(0.0, row["first"] - times[name])
        row["memory"] = peak(run, calls=1 if times[name] > PATIENCE else 3)
        say("row", row=row)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("case", type=int)
    parser.add_argument("--threads", choices=("1", "all"), default="1")
    parser.add_argument("--tools", required=True)
    parser.add_argument("--leave", default="", help="contestants to leave out, between bars")
    given = parser.parse_args()
    if given.threads == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {quietest_core()})
    left = tuple(given.leave.split("|"))
    measure(problem_named(given.problem), given.case, tuple(given.tools.split(",")), left)


if __name__ == "__main__":
    main()
