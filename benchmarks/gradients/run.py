"""Run workers, one for each case and number of threads, and collect what they measured."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gradients.contestants import Row, contestants
from benchmarks.gradients.problem import Case, Problem
from benchmarks.gradients.worker import environment_for
from benchmarks.measure import show

ROOT = Path(__file__).parents[2]
COMPILING = 150.0  # seconds that a contestant may take to compile and run for the first time
TIMING = 900.0  # seconds that the turns of all of them may take
FORESEEN = 20.0  # whose call would take longer, going by a smaller case, is not run


@dataclass
class Pace:
    """What contestants took for the last case of a problem, to foresee the next."""

    seconds: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    stuck: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, threads: str, work: float, row: Row) -> None:
        """Keep what a row says of the time that `work` takes."""
        if "seconds" in row:
            self.seconds[threads, row["name"]] = (work, row["seconds"])

    def why_not(self, threads: str, work: float, name: str) -> str | None:
        """The reason to leave a contestant out, if there is one."""
        key = (threads, name)
        if work >= self.stuck.get(key, float("inf")):
            return f"took more than {COMPILING:.0f} s to compile a smaller case"
        if key in self.seconds:
            before, seconds = self.seconds[key]
            foreseen = seconds * work / before
            if foreseen > FORESEEN:
                return f"about {show(foreseen)} foreseen"
        return None


def measured(
    problem: Problem, number: int, threads: str, tools: tuple[str, ...], pace: Pace
) -> list[Row]:
    """The rows of one case, in the order of the contestants."""
    case = problem.cases[number]
    rows: dict[str, Row] = {}
    left: list[str] = []
    for contestant in contestants(problem, tools):
        why = pace.why_not(threads, case.work, contestant.name)
        if why is not None:
            left.append(contestant.name)
            rows[contestant.name] = contestant.row(note=why)
    while True:
        stopped = _work(problem, number, threads, tools, left, rows)
        if stopped is None:
            break
        name, why = stopped
        if name not in rows:  # it is not one of them that is at fault
            raise RuntimeError(f"{problem.name}, {case.label}: the worker {why}")
        pace.stuck[threads, name] = case.work
        left.append(name)
        rows[name] |= {"note": why}
    order = [c.name for c in contestants(problem, tools)]
    found = [rows[name] for name in order if name in rows]
    for row in found:
        pace.note(threads, case.work, row)
        row |= _place(problem, case, threads)
    return found


def _place(problem: Problem, case: Case, threads: str) -> dict[str, Any]:
    return {"problem": problem.name, "case": case.label, "work": case.work, "threads": threads}


def _work(
    problem: Problem,
    number: int,
    threads: str,
    tools: tuple[str, ...],
    left: list[str],
    rows: dict[str, Row],
) -> tuple[str, str] | None:
    """Run one worker and fill in `rows`; or who stopped it, and how, where it had to be."""
    command = [sys.executable, "-m", "benchmarks.gradients.worker", problem.name, str(number)]
    command += ["--threads", threads, "--tools", ",".join(tools), "--leave", "|".join(left)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env=environment_for(threads), start_new_session=True,
    )  # fmt: skip
    names = {c.name: c for c in contestants(problem, tools)}
    preparing = "(none)"  # until the first event; then a name, or "" once all take turns
    errors: list[str] = []
    try:
        for event in _events(process, errors, lambda: TIMING if preparing == "" else COMPILING):
            if event["event"] == "preparing":
                preparing = event["name"]
                if preparing:
                    rows[preparing] = names[preparing].row()
            else:
                rows[event["row"]["name"]] = event["row"]
    except TimeoutError:
        return preparing, f"more than {COMPILING:.0f} s to compile and run once"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # and the compilers that it has started
            process.wait()
    if process.returncode:
        return preparing, "ended: " + (errors[-1] if errors else f"code {process.returncode}")
    return None


def _events(
    process: subprocess.Popen[str], errors: list[str], patience: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """The lines that a worker prints; TimeoutError if the next one does not come in time."""
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def listen_to_errors() -> None:
        assert process.stderr is not None
        errors.extend(line.rstrip() for line in process.stderr)

    threading.Thread(target=listen, daemon=True).start()
    other = threading.Thread(target=listen_to_errors, daemon=True)
    other.start()
    while True:
        try:
            line = lines.get(timeout=patience())
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            other.join()
            process.wait()
            return
        yield json.loads(line)
