"""The rows of docs/language.md: each derivative against finite differences, each refusal's place."""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz.oracle import numeric
from tests.language import Row, rows
from tests.language.__main__ import PAGE, example, page, static_names

ALL = rows()
PLAIN = symdiff.Options(optimize=False)


def of(*kinds: str) -> list[Any]:
    return [pytest.param(row, id=row.name) for row in ALL if row.kind in kinds]


def numbers(tree: Any) -> list[float]:
    """Every float of a tree of containers and records, in order."""
    if isinstance(tree, bool) or isinstance(tree, (str, int)) or tree is None:
        return []
    if isinstance(tree, dict):
        return [v for item in tree.values() for v in numbers(item)]
    if isinstance(tree, (tuple, list)):
        return [v for item in tree for v in numbers(item)]
    if hasattr(tree, "__dataclass_fields__"):
        return [v for name in tree.__dataclass_fields__ for v in numbers(getattr(tree, name))]
    return [float(v) for v in np.ravel(np.asarray(tree, dtype=float))]


def filled(tree: Any, values: list[float]) -> Any:
    """`tree` with its floats taken from `values`, which are used up."""
    if isinstance(tree, bool) or isinstance(tree, (str, int)) or tree is None:
        return tree
    if isinstance(tree, float):
        return values.pop(0)
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind != "f":
            return tree
        return np.array([values.pop(0) for _ in range(tree.size)]).reshape(tree.shape)
    if isinstance(tree, dict):
        return {k: filled(v, values) for k, v in tree.items()}
    if hasattr(tree, "_fields"):
        return type(tree)(*(filled(v, values) for v in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(filled(v, values) for v in tree)
    if hasattr(tree, "__dataclass_fields__"):
        made = copy.copy(tree)
        for name in tree.__dataclass_fields__:
            object.__setattr__(made, name, filled(getattr(tree, name), values))
        return made
    return tree


def called(row: Row) -> Any:
    """(function of all floats of the example, those floats)"""
    bound = inspect.signature(row.function).bind(*row.args, **row.kwargs)
    bound.apply_defaults()
    given = (bound.args, bound.kwargs)

    def run(point: np.ndarray) -> np.ndarray:
        args, kwargs = filled(given, [float(v) for v in point])
        return np.asarray([row.function(*args, **kwargs)], dtype=float).ravel()

    return run, np.array(floats(given))


def floats(tree: Any) -> list[float]:
    if isinstance(tree, np.ndarray) and tree.dtype.kind != "f":
        return []
    if isinstance(tree, dict):
        return [v for item in tree.values() for v in floats(item)]
    if isinstance(tree, (tuple, list)):
        return [v for item in tree for v in floats(item)]
    return numbers(tree)


@pytest.mark.parametrize("row", of("shows"))
def test_derivative(row: Row):
    run, point = called(row)
    static = static_names(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, error = numeric(run, [point])
        assert np.all(error < 1e-6), "choose a point where differences are usable"
        both = symdiff.value_and_grad(row.function, wrt="*", static=static)
        value, gradient = both(*row.args, **row.kwargs)
        assert value == pytest.approx(float(run(point)[0]), rel=1e-12, abs=1e-14)
        for found in (
            gradient,
            symdiff.grad(row.function, wrt="*", static=static, options=PLAIN)(
                *row.args, **row.kwargs
            ),
            symdiff.jacobian(row.function, wrt="*", mode="forward", static=static)(
                *row.args, **row.kwargs
            ),
        ):
            np.testing.assert_allclose(numbers(found), expected[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("row", of("refuses"))
def test_refusal(row: Row):
    with pytest.raises(symdiff.SymdiffError) as info:
        symdiff.grad(row.function, wrt="*", static=static_names(row))(*row.args, **row.kwargs)
    span = info.value.span
    assert span is not None, info.value
    source, first = inspect.getsourcelines(row.function)
    module = inspect.getsourcefile(row.function)
    assert span.file == module
    inside = first <= span.line < first + len(source)
    assert inside or span.line < min(r.function.__code__.co_firstlineno for r in ALL
                                     if r.function.__module__ == row.function.__module__)  # fmt: skip


@pytest.mark.parametrize("row", of("raises"))
def test_exception(row: Row):
    assert row.error is not None
    with pytest.raises(row.error) as primal:
        row.function(*row.args, **row.kwargs)
    with pytest.raises(row.error) as derived:
        symdiff.grad(row.function, wrt="*", static=static_names(row))(*row.args, **row.kwargs)
    if row.error is UnboundLocalError:  # what Python says of it differs from version to version
        return
    error = derived.value
    message = error.message if isinstance(error, symdiff.SymdiffError) else str(error)
    assert message in (str(primal.value), f"{row.error.__name__}: {primal.value}")


def test_titles_are_unique():
    titles = [row.title for row in ALL]
    assert len(set(titles)) == len(titles), {t for t in titles if titles.count(t) > 1}
    assert all(example(row) for row in ALL)


def test_the_document_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tests.language --update"
