"""Gradients of real programs: symdiff, C by hand, and the other tools, side by side.

    python -m benchmarks.gradients                          everything: hours
    python -m benchmarks.gradients --quick                  the small sizes: minutes
    python -m benchmarks.gradients --problem gmm,ba --tools hand,symdiff-c,jax --threads 1

Each case runs in a process of its own for each number of threads; there, everyone compiles and
runs once, the results are compared with those of the C by hand (only who agrees is timed), and
then all take turns. Times are medians of one call that waits for its result; compiling, and what
else the first run costs more than others, is apart; memory is what one call needs at its peak
beyond what was resident before it. Who is over a time limit is measured once, and is left out of
sizes that would take far longer.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.gradients.chart import draw
from benchmarks.gradients.contestants import Row
from benchmarks.gradients.report import print_case, print_summary
from benchmarks.gradients.run import Pace, measured
from benchmarks.gradients.suite import NAMES, problem_named
from benchmarks.gradients.tools import TOOLS
from benchmarks.measure import environment

PACKAGES = sorted({package for _, package in TOOLS.values() if package})


def choice(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    """Names between commas, each of which is known."""
    names = tuple(text.split(",")) if text else known
    for name in names:
        if name not in known:
            raise SystemExit(f"no {what} {name!r}: there are {', '.join(known)}")
    return names


def versions() -> dict[str, str]:
    """What was measured, for the file."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("numpy", *PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.gradients", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--problem", default="", help="some of " + ",".join(NAMES))
    parser.add_argument("--tools", default="", help="some of " + ",".join(TOOLS))
    parser.add_argument("--quick", action="store_true", help="the small sizes alone")
    parser.add_argument("--threads", choices=("1", "all", "both"), default="both")
    parser.add_argument("--out", type=Path, help="folder for measurements and charts")
    given = parser.parse_args()
    settings = ("1", "all") if given.threads == "both" else (given.threads,)
    tools = choice(given.tools, tuple(TOOLS), "tool")
    environment(*PACKAGES)

    rows: list[Row] = []
    for name in choice(given.problem, NAMES, "problem"):
        problem, pace = problem_named(name), Pace()
        for number, case in enumerate(problem.cases):
            if given.quick and not case.quick:
                continue
            for threads in settings:
                found = measured(problem, number, threads, tools, pace)
                cores = "one core" if threads == "1" else "all cores"
                print_case(f"{name}, {case.label}, {cores}: {problem.title}", found)
                rows += found
                if given.out:  # after each case: a long run may be stopped
                    save(given.out, rows)
    for threads in settings:
        print_summary(rows, threads)
        if given.out and not draw(rows, threads, given.out / f"gradients-{threads}.svg"):
            print("matplotlib is not installed: no chart")
    if any("WRONG" in row.get("note", "") for row in rows):
        raise SystemExit("not everyone agrees: see the notes")


def save(folder: Path, rows: list[Row]) -> None:
    """Write all measurements so far."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"versions": versions(), "rows": rows}, indent=1)
    (folder / "gradients.json").write_text(text)


if __name__ == "__main__":
    main()
