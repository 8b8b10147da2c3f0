"""Tables of what was measured: one for each case, and one of everything."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.gradients.contestants import Row
from benchmarks.gradients.tools import TOOLS
from benchmarks.measure import ratio, show, table


def best(rows: Sequence[Row], tool: str) -> float | None:
    """The time of a tool: that of the style that is faster."""
    times = [row["seconds"] for row in rows if row["tool"] == tool and "seconds" in row]
    return min(times, default=None)


def compared(seconds: float | None, base: float | None) -> str:
    """One time as a multiple of another, where there are both."""
    return "-" if seconds is None or base is None else ratio(seconds, base)


def size(count: int | None) -> str:
    """Bytes, in the unit that reads best."""
    if count is None:
        return "-"
    for limit, unit in ((1e6, "kB"), (1e9, "MB")):
        if count < limit:
            return f"{count / limit * 1e3:.3g} {unit}"
    return f"{count / 1e9:.3g} GB"


def print_case(title: str, rows: Sequence[Row]) -> None:
    """The table of one case, with a footnote for each contestant that has no time."""
    ours, by_hand = best(rows, "symdiff-c"), best(rows, "hand")
    header = ["", "time", "of symdiff C", "of C by hand", "compile", "memory", "differs by"]
    lines: list[list[str]] = []
    for row in rows:
        if "seconds" in row:
            lines.append(
                [
                    row["name"],
                    show(row["seconds"]),
                    compared(row["seconds"], ours),
                    compared(row["seconds"], by_hand),
                    show(row["compile"]),
                    size(row["memory"]),
                    f"{row['difference']:.0e}",
                ]
            )
    table(title, header, lines)
    for row in rows:
        if "note" in row:
            print(f"  {row['name']}: {row['note']}")


def print_summary(rows: Sequence[Row], threads: str) -> None:
    """One line for each case, one column for each tool: its time, and its ratio to symdiff's C.

    Where symdiff has no C, the ratio is to the C by hand.
    """
    of_threads = [row for row in rows if row["threads"] == threads]
    tools = [key for key in TOOLS if best(of_threads, key) is not None]
    lines: list[list[str]] = []
    for place in dict.fromkeys((row["problem"], row["case"]) for row in of_threads):
        of_case = [row for row in of_threads if (row["problem"], row["case"]) == place]
        base = best(of_case, "symdiff-c") or best(of_case, "hand")
        cells = [f"{place[0]}, {place[1]}"]
        for tool in tools:
            seconds = best(of_case, tool)
            cells.append("-" if seconds is None else f"{show(seconds)} {compared(seconds, base)}")
        lines.append(cells)
    cores = "one core" if threads == "1" else "all cores"
    table(f"Everything, {cores}: time, and ratio to symdiff C (to C by hand where there is none)",
          ["", *(TOOLS[key][0] for key in tools)], lines)  # fmt: skip
