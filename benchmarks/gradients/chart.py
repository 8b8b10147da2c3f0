"""Draw what was measured: for each problem, the time of each tool as its size grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gradients.contestants import Row
from benchmarks.gradients.report import best
from benchmarks.gradients.tools import TOOLS
from benchmarks.measure import peer

COLUMNS = 3


def draw(rows: Sequence[Row], threads: str, path: Path) -> bool:
    """Write a chart, one panel for each problem; False where matplotlib is not installed."""
    if peer("matplotlib") is None:
        return False
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    of_threads = [row for row in rows if row["threads"] == threads]
    problems = list(dict.fromkeys(row["problem"] for row in of_threads))
    lines = -(-len(problems) // COLUMNS)
    size = (5 * COLUMNS, 3.6 * lines + 0.8)
    figure, axes = pyplot.subplots(lines, COLUMNS, figsize=size, squeeze=False)
    colours = dict(zip(TOOLS, pyplot.get_cmap("tab10").colors, strict=False))
    for axis in axes.flat[len(problems) :]:
        axis.remove()
    for axis, problem in zip(axes.flat, problems, strict=False):
        _panel(axis, problem, [row for row in of_threads if row["problem"] == problem], colours)
    known = {label: line for axis in axes.flat for line, label in zip(*_legend(axis), strict=True)}
    figure.legend(known.values(), known, loc="upper center", ncols=len(known), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.5 / size[1]))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def _legend(axis: object) -> tuple[list[object], list[str]]:
    return axis.get_legend_handles_labels()


def _panel(axis: object, problem: str, rows: Sequence[Row], colours: dict[str, object]) -> None:
    """Times over work, both logarithmic, so that what grows in proportion has one slope."""
    sizes = sorted({row["work"] for row in rows})
    for tool, (label, _) in TOOLS.items():
        times = [(w, best([r for r in rows if r["work"] == w], tool)) for w in sizes]
        points = [(work, seconds) for work, seconds in times if seconds is not None]
        if points:
            axis.plot(*zip(*points, strict=True), "o-", ms=3, label=label, color=colours[tool])
    axis.set(title=problem, xscale="log", yscale="log", xlabel="work", ylabel="seconds")
    axis.grid(alpha=0.3)
