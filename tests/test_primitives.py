"""The generated test of the table: every row, both modes, orders 1 and 2, against mpmath."""

from __future__ import annotations

import math
import sys
import zlib
from typing import Any

import mpmath
import numpy as np
import pytest

from symdiff.primitives.row import Discrete, Elementwise, Primitive
from symdiff.primitives.table import ROWS
from tests.mp_reference import DISCRETE, REFERENCES, Reference
from tests.rows import SEED, Flavour, compiled, flavours, orders, sample, variables

# Rows that are about arrays, and the tests that hold them to NumPy and to differences.
ARRAY_ROWS = {
    "tests/test_arrays.py": {
        "full", "broadcast_to", "reshape", "expand_dims", "squeeze", "transpose", "matmul",
        "outer", "concatenate", "stack", "index", "accumulate", "roll", "tile", "repeat",
        "diagonal", "diag", "tril", "triu", "linspace", "cumsum", "einsum", "tensordot",
        "convolve", "sum", "mean", "max", "min", "prod", "var", "std", "norm",
        "power_norm", "det", "logabsdet", "others", "cumprod_tangent", "cumprod_adjoint",
        "cumprod", "sort", "take_along_axis", "median", "trace", "kron", "cross", "inv", "solve",
        "cholesky", "cofactors", "interp", "eye", "arange", "size", "axis_size", "any", "all",
        "count_nonzero", "argmax", "argmin", "argsort", "searchsorted", "detsign", "round",
        "isclose", "allclose",
        "array_equal",
    },
    "tests/test_loops.py": {
        "new_list", "zeros_list", "add_lists", "append", "array_of", "list_of", "head", "padded",
    },
    "tests/test_stacks.py": {"drop"},
    "tests/test_writes.py": {"update", "object", "broadcast_like"},
    "tests/test_writes_arguments.py": {"shares_memory"},
    "tests/test_snapshots.py": {"snapshot"},
    "tests/test_sizes_in_loops.py": {"shaped"},
    "tests/test_special.py": {"logsumexp", "softmax", "log_softmax", "math_isclose"},
    "tests/test_conventions.py": {"where", "cast", "custom"},
    "tests/test_language.py": {"sized"},  # the identity, with a shape that the program shows
}  # fmt: skip
SCALAR = sorted(
    name
    for name, row in ROWS.items()
    if isinstance(row, Elementwise) and not any(name in names for names in ARRAY_ROWS.values())
)
CASES = [(name, flavour) for name in SCALAR for flavour in flavours(ROWS[name])]


def needs(name: str) -> None:
    if name == "fma" and not hasattr(math, "fma"):
        pytest.skip("math.fma is new in Python 3.13")
    if name == "sumprod" and not hasattr(math, "sumprod"):
        pytest.skip("math.sumprod is new in Python 3.12")


def reference_of(name: str) -> Reference:
    assert name in REFERENCES, (
        f"the row {name!r} has no reference: add one to tests/mp_reference.py"
    )
    return REFERENCES[name]


def random_points(name: str, row: Primitive, reference: Reference, flavour: Flavour) -> list[Any]:
    """For each free operand its random values; at the precision that the row will see."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    operands = variables(row, reference, flavour)
    columns: list[Any] = []
    for i in range(len(operands)):
        domain = row.over[i % len(row.over)]
        override = reference.over[i % len(reference.over)] if reference.over else None
        if i in reference.fixed:
            continue
        values = sample(domain, override, rng)
        columns.append(
            np.float32(values).astype(float).tolist() if flavour == "float32" else values
        )
    return columns


def exact(reference: Reference, free: list[int], total: int, point: Any, by: list[int]) -> float:
    """The derivative of the reference at `point`, once in each operand of `by`."""
    order = [by.count(i) for i in free]

    def value(*xs: Any) -> Any:
        given = dict(zip(free, xs, strict=True))
        return reference.value(*[given.get(i, reference.fixed.get(i)) for i in range(total)])

    with mpmath.workdps(40):
        return float(mpmath.diff(value, tuple(map(mpmath.mpf, point)), tuple(order)))


def primal_dtype(row: Primitive, reference: Reference, flavour: Flavour, columns: Any) -> str:
    """The dtype that the compiler takes the row's value to have, which must be its true one."""
    value = row.build(*variables(row, reference, flavour), attrs=reference.attrs)
    if flavour != "python":
        assert compiled(row, reference, flavour, [])(*columns).dtype == value.type.dtype
    return value.type.dtype


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "flavour"), CASES, ids=[f"{n}-{f}" for n, f in CASES])
def test_derivatives(name: str, flavour: Flavour, order: int) -> None:
    reference, row = reference_of(name), ROWS[name]
    needs(name)
    columns = random_points(name, row, reference, flavour)
    total = len(variables(row, reference, flavour))
    free = [i for i in range(total) if i not in reference.fixed]
    points = list(zip(*columns, strict=True))
    known: dict[tuple[int, ...], list[float]] = {}
    # Second derivatives lose digits to cancellation: (1 - (x/r)**2) / r for hypot.
    relative = reference.tolerance if order == 1 else 1e-9
    kind = primal_dtype(row, reference, flavour, columns)
    if flavour == "float32":
        relative = 2e-4 if order == 1 else 5e-3
    for steps in orders(free, order):
        by = sorted(i for _, i in steps)
        if tuple(by) not in known:
            known[tuple(by)] = [exact(reference, free, total, p, by) for p in points]
        want = np.array(known[tuple(by)]) * SEED**order
        run = compiled(row, reference, flavour, steps)
        if flavour == "python":
            got = [run(*p) for p in points]
            assert all(type(g) is float for g in got), steps
        else:
            got = run(*columns)
            if kind == flavour:  # SciPy's polygamma is float64 whatever it is given
                assert got.dtype == flavour, steps
            assert got.shape == want.shape, steps
        np.testing.assert_allclose(
            got, want, rtol=relative, atol=relative * 1e-2, err_msg=str(steps)
        )


SINGULAR = [
    (name, flavour, point)
    for name, reference in sorted(REFERENCES.items())
    if name in ROWS
    for flavour in flavours(ROWS[name])
    if flavour != "float32"
    for point in reference.singular
]


@pytest.mark.parametrize(
    ("name", "flavour", "point"), SINGULAR, ids=[f"{n}-{f}-{p}" for n, f, p in SINGULAR]
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_singular_points(name: str, flavour: Flavour, point: tuple[float, ...], mode: Any) -> None:
    needs(name)
    reference = REFERENCES[name]
    expected = reference.singular[point]["float64" == flavour]
    if expected is None:
        pytest.skip("left open by the conventions")
    for i in range(len(point)):
        run = compiled(ROWS[name], reference, flavour, [(mode, i)])
        if isinstance(expected, type):
            with pytest.raises(expected):
                run(*point)
            continue
        if flavour == "python":
            got = run(*point)
        else:
            got = run(*[np.full(5, x) for x in point])[0]
        np.testing.assert_allclose(got, expected[i] * SEED, rtol=1e-12, err_msg=f"in operand {i}")


def test_rows_with_singular_points_have_conventions() -> None:
    for name in SCALAR:
        if any(domain is not None and domain.singular for domain in ROWS[name].over):
            assert reference_of(name).singular or name in ("mantissa", "copysign"), name


@pytest.mark.parametrize("name", sorted(DISCRETE))
def test_values_of_discrete_rows(name: str) -> None:
    from symdiff.differentiate.reverse import pullback
    from symdiff.ir.expr import const, var
    from symdiff.ir.function import Function, Param
    from symdiff.ir.types import FLOAT, INT, Type
    from symdiff.options import DEFAULT
    from symdiff.pipeline import emitted
    from symdiff.runtime.load import load

    row = ROWS[name]
    assert isinstance(row, Discrete)
    value, points = DISCRETE[name]
    for flavour in flavours(row):
        if flavour == "float32":
            continue
        whole = isinstance(points[0][0], int)
        kind = (
            (INT if whole else FLOAT)
            if flavour == "python"
            else Type("int" if whole else "float64", (1,))
        )
        operands = [var(f"x{i}", kind) for i in range(len(points[0]))]
        result = row.build(*operands)
        if not whole:
            seed = const(1.0, FLOAT)
            assert pullback([result], [seed], operands)[0] == [None] * len(operands)
        made = emitted(
            Function("value", tuple(Param(v.name, v) for v in operands), result), DEFAULT
        )
        run = load(made.module, made.name, made.bindings)
        for point in points:
            given = point if flavour == "python" else [np.array([x]) for x in point]
            got = run(*given)
            assert np.array_equal(np.ravel(got), [value(*point)]), (flavour, point)
            if flavour == "python" and result.type.weak:
                natural = {"bool": bool, "int": int, "float64": float}[result.type.dtype]
                assert type(got) is natural, (point, got)


def test_every_row_is_tested_somewhere() -> None:
    covered = set(SCALAR) | set(DISCRETE) | {"fsum", "sumprod", "length"}
    for names in ARRAY_ROWS.values():
        assert names <= set(ROWS), names - set(ROWS)
        covered |= names
    assert covered == set(ROWS), covered ^ set(ROWS)


def test_no_reference_without_a_row() -> None:
    assert set(REFERENCES) | set(DISCRETE) <= set(ROWS)
    assert sys.version_info >= (3, 11)
