"""What a check found, as rows and as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["ok", "FAIL", "unsure"]
_HEAD = ("argument", "analytic", "numeric", "rel. error", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    of: the function that was checked ("f_grad"). argument: where: "x[2]", "w along direction 1".
    analytic: the derivative's number. numeric: by finite differences. error: relative.
    verdict: "unsure" where the finite difference does not converge: a kink, a singularity.
    """

    of: str
    argument: str
    analytic: float
    numeric: float
    error: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The result of checking a derivative; printed, it is a table.

    >>> report = Report("df_dx", [Row("df_dx", "x", 6.0, 6.0, 0.0, "ok")])
    >>> report.ok
    True
    >>> print(report)
    df_dx
      argument  analytic  numeric  rel. error  verdict
      x                6        6           0  ok
    1 compared: 1 ok
    """

    title: str
    rows: list[Row] = field(default_factory=list[Row])
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees, and something was compared."""
        return bool(self.rows) and all(row.verdict != "FAIL" for row in self.rows)

    def __str__(self) -> str:
        lines: list[str] = []
        cells = {id(row): _cells(row) for row in self.rows}
        widths = [max(map(len, column)) for column in zip(_HEAD, *cells.values(), strict=True)]
        shown = None
        for row in self.rows:
            if row.of != shown:
                lines += [row.of, _aligned(_HEAD, widths)]
                shown = row.of
            lines.append(_aligned(cells[id(row)], widths))
        lines = lines or [f"{self.title}: nothing was compared"]
        counts = {v: sum(r.verdict == v for r in self.rows) for v in ("ok", "FAIL", "unsure")}
        told = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
        if told:
            lines.append(f"{len(self.rows)} compared: {told}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _cells(row: Row) -> tuple[str, ...]:
    error = "-" if row.error != row.error else f"{row.error:.1e}" if row.error else "0"
    return row.argument, f"{row.analytic:.10g}", f"{row.numeric:.10g}", error, row.verdict


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """Text to the left, numbers to the right."""
    parts = [
        cell.rjust(width) if 1 <= i <= 3 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  " + "  ".join(parts).rstrip()
