"""Every target gives the same: the rows of docs/language.md and of the table, compiled as C."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.options import CompilerOptions
from symdiff.primitives.table import ROWS
from tests.language import Row, rows
from tests.language.__main__ import static_names
from tests.rows import SEED, compiled_c, flavours, orders
from tests.test_language_rows import numbers
from tests.test_primitives import SCALAR, SINGULAR, exact, needs, random_points, reference_of

ALL = rows()
# What C refuses by name, each with a part of its message.
NOT_IN_C: dict[str, str] = {}
# Rows that C has no function for.
ROWS_NOT_IN_C = frozenset(("sumprod",))


def of(*kinds: str) -> list[Any]:
    return [pytest.param(row, id=row.name) for row in ALL if row.kind in kinds]


def outcome(row: Row, options: symdiff.Options) -> Any:
    """The numbers of the value and its gradient, or the kind of exception."""
    run = symdiff.value_and_grad(row.function, wrt="*", static=static_names(row), options=options)
    try:
        return numbers(run(*copy.deepcopy(row.args), **copy.deepcopy(row.kwargs)))
    except symdiff.SymdiffError:
        raise
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("row", of("shows", "raises"))
def test_language(row: Row, quick: symdiff.Options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.name in NOT_IN_C:
            with pytest.raises(symdiff.UnsupportedError, match=NOT_IN_C[row.name]) as info:
                outcome(row, quick)
            assert "is not lowered to C" in info.value.message
            assert info.value.span is not None
            return
        try:
            expected = outcome(row, symdiff.Options())
        except symdiff.SymdiffError:  # found out when compiling
            with pytest.raises(symdiff.SymdiffError):
                outcome(row, quick)
            return
        found = outcome(row, quick)
    if isinstance(expected, type):
        assert found is expected
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SCALAR)
def test_primitives(name: str, cc: CompilerOptions) -> None:
    reference, row = reference_of(name), ROWS[name]
    if name in ROWS_NOT_IN_C:
        with pytest.raises(symdiff.UnsupportedError, match="is not lowered to C"):
            compiled_c(row, reference, [(flavours(row)[0], [()])], cc)
        return
    needs(name)
    total = reference.count or len(row.over)
    free = [i for i in range(total) if i not in reference.fixed]
    cases = [(flavour, order) for flavour in flavours(row) for order in (1, 2)]
    runs = compiled_c(row, reference, [(f, orders(free, order)) for f, order in cases], cc)
    known: dict[Any, list[float]] = {}
    for run, (flavour, order) in zip(runs, cases, strict=True):
        columns = random_points(name, row, reference, flavour)
        points = list(zip(*columns, strict=True))
        found = run(*columns) if flavour != "python" else zip(*(run(*p) for p in points))
        relative = reference.tolerance if order == 1 else 1e-9
        if flavour == "float32":
            relative = 2e-4 if order == 1 else 5e-3
        for steps, got in zip(orders(free, order), found, strict=True):
            by = sorted(i for _, i in steps)
            at = (flavour == "float32", *by)  # single numbers have points of their own
            if at not in known:
                known[at] = [exact(reference, free, total, p, by) for p in points]
            want = np.array(known[at]) * SEED**order
            np.testing.assert_allclose(
                got, want, rtol=relative, atol=relative * 1e-2, err_msg=f"{flavour} {steps}"
            )


@pytest.mark.parametrize("name", sorted({name for name, _, _ in SINGULAR}))
def test_singular_points(name: str, cc: CompilerOptions) -> None:
    needs(name)
    if name in ROWS_NOT_IN_C:
        pytest.skip("not in C")
    reference, row = reference_of(name), ROWS[name]
    found = sorted({flavour for n, flavour, _ in SINGULAR if n == name})
    count = len(next(iter(reference.singular)))
    ways = [(f, (mode, i)) for f in found for mode in ("forward", "reverse") for i in range(count)]
    runs = compiled_c(row, reference, [(f, [[step]]) for f, step in ways], cc)
    for point, conventions in reference.singular.items():
        for run, (flavour, (mode, i)) in zip(runs, ways, strict=True):
            expected = conventions["float64" == flavour]
            if expected is None:  # left open by the conventions
                continue
            given = point if flavour == "python" else [np.full(5, x) for x in point]
            if isinstance(expected, type):
                with pytest.raises(expected):
                    run(*given)
                continue
            np.testing.assert_allclose(
                np.ravel(run(*given))[0], expected[i] * SEED, rtol=1e-12,
                err_msg=f"{flavour} at {point}, {mode} {i}",
            )  # fmt: skip
