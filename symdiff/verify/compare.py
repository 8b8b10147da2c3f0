"""Rows of a report: an analytic derivative, element by element or along directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.verify import trees
from symdiff.verify.finite import Line, Vector, steps_for
from symdiff.verify.judge import Judge, Judged, Tolerance, largest_of, relative
from symdiff.verify.report import Row
from symdiff.verify.subject import Subject

MANY = 64  # more elements than this are checked along directions instead of one by one
_DIRECTIONS = 3
_COORDINATES = 8
_SHOWN = 16  # a result of more elements is shown by its worst one
_RANK = {"FAIL": 2, "unsure": 1, "ok": 0}


@dataclass(frozen=True, slots=True)
class _Probe:
    """One line through the arguments, and the analytic derivative along it, by output."""

    label: str
    direction: list[Vector]
    steps: tuple[float, ...]
    analytic: list[Vector]
    group: tuple[int, ...]  # probes of one array are judged against its largest entry


class Comparison:
    """Rows that compare a derivative of `subject` with its finite differences."""

    def __init__(self, name: str, subject: Subject, tolerance: Tolerance):
        self.name = name
        self.subject = subject
        self.tolerance = tolerance
        outputs = subject.outputs(subject.base)
        self.sizes = [trees.reals(x).size for x in outputs]

    def linear(
        self, blocks: Sequence[Sequence[Any]], outputs: Sequence[str], weights: Vector | None = None
    ) -> list[Row]:
        """blocks[o][w]: d output o / d leaf w, of shape output.shape + leaf.shape.

        weights: the derivative is that of the weighted sum of all outputs, one block.
        """
        sizes = self.sizes if weights is None else [1]
        matrices: list[list[Vector]] = []
        problems: list[Row] = []
        if len(blocks) != len(sizes):
            return [self._structure("result", f"{len(blocks)} parts for {len(sizes)} outputs")]
        for size, block, shown in zip(sizes, blocks, outputs, strict=True):
            if len(block) != len(self.subject.leaves):
                return [self._structure(shown or "result", "another structure than wrt")]
            row: list[Vector] = []
            for leaf, entry, path in zip(
                self.subject.leaves, block, self.subject.paths, strict=True
            ):
                matrix = _matrix(entry, size, np.size(leaf))
                if matrix is None:
                    problems.append(self._structure(path, f"shape {np.shape(entry)}"))
                else:
                    row.append(matrix)
            matrices.append(row)
        if problems:
            return problems
        rows: list[Row] = []
        probes = [p for w in range(len(self.subject.leaves)) for p in self._probes(w, matrices)]
        for probe in probes:
            rows += self._probe_rows(probe, outputs, probes, weights, 1)
        return rows

    def directional(
        self, tangents: Sequence[Any], direction: list[Vector], outputs: Sequence[str]
    ) -> list[Row]:
        """tangents[o]: the derivative of output o along `direction`."""
        if [trees.reals(t).size for t in tangents] != self.sizes:
            return [self._structure("result", "another structure than the function's result")]
        analytic = [trees.reals(t) for t in tangents]
        if len(direction) != len(self.subject.leaves):
            return [self._structure("tangent", "another structure than wrt")]
        direction = [
            np.broadcast_to(d, (np.size(x),))
            for d, x in zip(direction, self.subject.leaves, strict=True)
        ]
        longest = max((float(np.abs(d).max()) for d in direction if d.size), default=0.0) or 1.0
        reach = max([1.0, *(largest_of([trees.reals(x)]) for x in self.subject.leaves)])
        steps = tuple(s / longest for s in steps_for(reach))
        probe = _Probe("", direction, steps, analytic, ())
        return self._probe_rows(probe, outputs, [probe], None, _SHOWN)

    # Probes.

    def _probes(self, w: int, matrices: Sequence[Sequence[Vector]]) -> list[_Probe]:
        leaf, path = self.subject.leaves[w], self.subject.paths[w]
        shape, size = np.shape(leaf), int(np.size(leaf))
        start = trees.reals(leaf)
        columns = [row[w] for row in matrices]
        probes: list[_Probe] = []
        rng = np.random.default_rng([w, size])
        places = list(range(size))
        if size > MANY:
            reach = max(1.0, largest_of([start]))
            for number in range(1, _DIRECTIONS + 1):
                v = rng.normal(size=size) / np.sqrt(size)
                # An element times zero is nothing, unless it is not finite: that must show.
                along = [np.where(np.isfinite(c).all(), c @ v, c @ np.ones(size)) for c in columns]
                label = f"{path} along direction {number}"
                probes.append(_Probe(label, self._only(w, v), steps_for(reach), along, (w, 1)))
            places = sorted(rng.choice(size, _COORDINATES, replace=False).tolist())
        for i in places:
            unit = np.zeros(size)
            unit[i] = 1.0
            where = "" if not shape else str(list(map(int, np.unravel_index(i, shape))))
            entries = [c[:, i] for c in columns]
            steps = steps_for(float(start[i]))
            probes.append(_Probe(f"{path}{where}", self._only(w, unit), steps, entries, (w, 0)))
        return probes

    def _only(self, w: int, direction: Vector) -> list[Vector]:
        return [
            direction if i == w else np.zeros(np.size(x)) for i, x in enumerate(self.subject.leaves)
        ]

    # Rows.

    def _probe_rows(
        self, probe: _Probe, outputs: Sequence[str], probes: Sequence[_Probe],
        weights: Vector | None, shown: int,
    ) -> list[Row]:  # fmt: skip
        line: Line = self.subject.along(probe.direction)
        if weights is not None:
            line = _weighted(line, weights)
        judge = Judge(line, probe.steps, self.tolerance)
        every = np.concatenate(probe.analytic) if probe.analytic else np.zeros(0)
        rows: list[Row] = []
        at = 0
        for o, (values, output) in enumerate(zip(probe.analytic, outputs, strict=True)):
            largest = largest_of([p.analytic[o] for p in probes if p.group == probe.group])
            judged = [judge.verdict(every, at + k, largest) for k in range(len(values))]
            at += len(values)
            order = range(len(values))
            if len(values) > shown:
                order = sorted(order, key=lambda k: _badness(judged[k]), reverse=True)[:1]
            for k in order:
                j = judged[k]
                label = self._label(probe.label, output, o, k)
                rows.append(Row(self.name, label, float(values[k]), j.numeric, j.error, j.verdict))
        return rows

    def _label(self, argument: str, output: str, o: int, k: int) -> str:
        if not output:
            return argument
        leaf = self.subject.outputs(self.subject.base)[o]
        shape = np.shape(leaf)
        part = ""
        if np.iscomplexobj(leaf):
            k, part = k // 2, (".real", ".imag")[k % 2]
        where = str(list(map(int, np.unravel_index(k, shape)))) if shape else ""
        place = f"{output}{where}{part}"
        return f"{place} / {argument}" if argument else place

    def _structure(self, label: str, what: str) -> Row:
        """A result that cannot be compared at all fails."""
        return Row(self.name, f"{label}: {what}", np.nan, np.nan, np.nan, "FAIL")


def _weighted(line: Line, weights: Vector) -> Line:
    def total(t: float) -> Vector:
        return np.array([line(t) @ weights])

    return total


def _badness(judged: Judged) -> tuple[int, float]:
    return _RANK[judged.verdict], judged.error if judged.error == judged.error else np.inf


def _matrix(entry: Any, outputs: int, inputs: int) -> Vector | None:
    """One block as (outputs, inputs); complex ones as two rows for each output."""
    array = np.asarray(entry)
    if array.dtype.kind == "c" and outputs * inputs == 2 * array.size:
        flat = array.reshape(outputs // 2, inputs)
        return (
            np.stack([np.real(flat), np.imag(flat)], 1).reshape(outputs, inputs).astype(np.float64)
        )
    if array.size != outputs * inputs:
        return None
    return array.astype(np.float64).reshape(outputs, inputs)


def constant_rows(name: str, label: str, mine: Any, theirs: Any, tolerance: Tolerance) -> list[Row]:
    """The value that a derivative returns beside it, against the function's own; worst element."""
    pairs = [
        (trees.reals(a), trees.reals(b))
        for a, b in zip(trees.leaves(mine), trees.leaves(theirs), strict=True)
        if trees.is_number(b)
    ]
    rows: list[Row] = []
    for a, b in pairs:
        if a.size != b.size:
            return [Row(name, f"{label}: another shape", np.nan, np.nan, np.nan, "FAIL")]
        if not a.size:
            continue
        slack = tolerance.rtol * np.maximum(np.abs(a), np.abs(b)) + tolerance.floor * largest_of(
            [b]
        )
        with np.errstate(invalid="ignore"):
            same = (np.abs(a - b) <= slack) | (a == b) | (np.isnan(a) & np.isnan(b))
        # Where the function itself overflows, a stable form of it may know better.
        verdicts = np.where(same, 0, np.where(np.isfinite(b), 2, 1))
        errors = [relative(float(x), float(y)) for x, y in zip(a, b, strict=True)]
        k = int(max(range(a.size), key=lambda i: (verdicts[i], np.nan_to_num(errors[i]))))
        verdict = ("ok", "unsure", "FAIL")[int(verdicts[k])]
        rows.append(Row(name, label, float(a[k]), float(b[k]), errors[k], verdict))
    return rows
