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
from tests.mp_reference import Reference
from tests.rows import SEED, Flavour, compiled_c, orders, variables
from tests.test_language_rows import numbers
from tests.test_primitives import CASES, SINGULAR, exact, needs, random_points, reference_of

ALL = rows()
# What C refuses by name, each with a part of its message.
NOT_IN_C = {
    "combined.stack_of_work": "appended to",
    "combined.return_from_two_loops": "loop in a loop",
}
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


@pytest.mark.parametrize(("name", "flavour"), CASES, ids=[f"{n}-{f}" for n, f in CASES])
def test_primitives(name: str, flavour: Flavour, cc: CompilerOptions) -> None:
    reference, row = reference_of(name), ROWS[name]
    if name in ROWS_NOT_IN_C:
        with pytest.raises(symdiff.UnsupportedError, match="is not lowered to C"):
            compiled_c(row, reference, flavour, [()], cc)
        return
    needs(name)
    columns = random_points(name, row, reference, flavour)
    total = len(variables(row, reference, flavour))
    free = [i for i in range(total) if i not in reference.fixed]
    points = list(zip(*columns, strict=True))
    for order in (1, 2):
        ways = orders(free, order)
        run = compiled_c(row, reference, flavour, ways, cc)
        found = [run(*p) for p in points] if flavour == "python" else run(*columns)
        compare(name, flavour, reference, ways, points, found, order)


def compare(
    name: str,
    flavour: Flavour,
    reference: Reference,
    ways: Any,
    points: Any,
    found: Any,
    order: int,
) -> None:
    """The derivatives at all points against those of mpmath."""
    total = len(variables(ROWS[name], reference, flavour))
    free = [i for i in range(total) if i not in reference.fixed]
    relative = reference.tolerance if order == 1 else 1e-9
    if flavour == "float32":
        relative = 2e-4 if order == 1 else 5e-3
    known: dict[tuple[int, ...], Any] = {}
    for k, steps in enumerate(ways):
        by = tuple(sorted(i for _, i in steps))
        if by not in known:
            known[by] = [exact(reference, free, total, p, list(by)) for p in points]
        want = np.array(known[by]) * SEED**order
        if flavour == "python":
            got = [f if len(ways) == 1 else f[k] for f in found]
        else:
            got = found if len(ways) == 1 else found[k]
        np.testing.assert_allclose(
            got, want, rtol=relative, atol=relative * 1e-2, err_msg=str(steps)
        )


@pytest.mark.parametrize(
    ("name", "flavour", "point"), SINGULAR, ids=[f"{n}-{f}-{p}" for n, f, p in SINGULAR]
)
def test_singular_points(
    name: str, flavour: Flavour, point: tuple[float, ...], cc: CompilerOptions
) -> None:
    needs(name)
    reference = reference_of(name)
    expected = reference.singular[point]["float64" == flavour]
    if expected is None or name in ROWS_NOT_IN_C:
        pytest.skip("left open by the conventions, or not in C")
    for mode in ("forward", "reverse"):
        for i in range(len(point)):
            run = compiled_c(ROWS[name], reference, flavour, [[(mode, i)]], cc)
            if isinstance(expected, type):
                with pytest.raises(expected):
                    run(*point)
                continue
            got = run(*point) if flavour == "python" else run(*[np.full(5, x) for x in point])[0]
            np.testing.assert_allclose(got, expected[i] * SEED, rtol=1e-12, err_msg=f"{mode} {i}")
