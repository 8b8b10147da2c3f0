"""Branches inside of branches: the generated code grows with the function, and not faster."""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.ir.expr import for_, project, var
from symdiff.ir.types import INT
from symdiff.ir.walk import depends_on, substitute
from symdiff.primitives.arithmetic import add
from symdiff.primitives.row import as_expr
from tests.fuzz.generate import generate
from tests.fuzz.oracle import judge

POINTS = [(0.7, 0.9), (-0.4, 0.3), (1.3, -0.8), (0.1, 2.0)]
STEP = 1e-5


def nested(depth: int, copies: int = 1, sides: str = "one") -> Callable[[float, float], float]:
    """`copies` towers of `depth` branches one after another; each level computes before and after.

    sides: "one" (no else), "two" (an else that computes something else).
    """
    lines = ["def f(x: float, y: float) -> float:", "    a = x * y"]
    for copy in range(copies):
        for level in range(depth):
            pad = "    " * (level + 1)
            test = f"a * x > {0.1 * level - 0.2 * copy:.1f}" if level % 2 else f"a < {0.9 + copy}"
            lines += [f"{pad}if {test}:", f"{pad}    a = math.sin(a * y) + math.exp(-x * x)"]
        lines.append("    " * (depth + 1) + "a = a * math.sin(x) + y")
        for level in reversed(range(depth)):
            pad = "    " * (level + 1)
            lines.append(f"{pad}    a = a + math.cos(a / {level + 1})")
            if sides == "two":
                lines += [f"{pad}else:", f"{pad}    a = math.sqrt(a * a + {level + 1})"]
    lines.append("    return a * a + x")
    return loaded("\n".join(lines) + "\n", f"<nested {depth} {copies} {sides}>")


def loaded(source: str, file: str) -> Callable[..., Any]:
    """The function `f` of a source text."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"math": math}
    exec(compile(source, file, "exec"), scope)
    return scope["f"]


def differences(f: Callable[..., Any], point: tuple[float, ...]) -> np.ndarray:
    """Central differences of `f` in each argument."""
    columns: list[np.ndarray] = []
    for i, value in enumerate(point):
        ends = (f(*point[:i], value + s * STEP, *point[i + 1 :]) for s in (1, -1))
        upper, lower = (np.asarray(end, float) for end in ends)
        columns.append((upper - lower) / (2 * STEP))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("sides", ["one", "two"])
@pytest.mark.parametrize(("depth", "copies"), [(4, 1), (5, 1), (6, 1), (4, 3), (3, 5)])
def test_derivatives_of_nested_branches(depth: int, copies: int, sides: str) -> None:
    f = nested(depth, copies, sides)
    both = symdiff.value_and_grad(f, wrt=("x", "y"))
    forward = symdiff.jacobian(f, wrt=("x", "y"), mode="forward")
    hessian = symdiff.hessian(f, wrt=("x", "y"))
    for point in POINTS:
        value, grad = both(*point)
        assert value == f(*point)
        assert grad == pytest.approx(differences(f, point), rel=1e-6, abs=1e-7)
        assert forward(*point) == pytest.approx(grad, rel=1e-12)
        expected = differences(lambda *a: both(*a)[1], point)
        assert np.array(hessian(*point)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("sides", ["one", "two"])
@pytest.mark.parametrize("operator", [symdiff.value_and_grad, symdiff.hessian])
def test_code_grows_with_the_depth(operator: Callable[..., Any], sides: str) -> None:
    """Each further level adds as many lines as the one before it, and so does each tower."""
    for sizes in ([(n, 1) for n in (3, 4, 5, 6)], [(3, n) for n in (2, 3, 4, 5)]):
        lines: list[int] = []
        for depth, copies in sizes:
            derivative = operator(nested(depth, copies, sides), wrt=("x", "y"))
            derivative(*POINTS[0])
            lines.append(len(derivative.source.splitlines()))
        steps = [b - a for a, b in zip(lines, lines[1:], strict=False)]
        assert max(steps) <= 1.25 * min(steps), lines


def steps(count: int) -> Callable[[float, float], float]:
    """Branches one after another, each on a condition of its own, that change two names."""
    lines = ["def f(x: float, y: float) -> float:", "    s = 1.0"]
    for k in range(count):
        lines += [
            f"    x, s = s, 0.5 * x + {k}.5 * y",
            f"    if y > 0.{k}:", "        x, y, s = s * y, x, 2.0 * y",
            f"    elif s < 0.{k + 3}:", "        x = math.sin(0.5 * s + x) + y",
        ]  # fmt: skip
    lines.append("    return s * x + y * s")
    return loaded("\n".join(lines) + "\n", f"<steps {count}>")


@pytest.mark.parametrize("operator", [symdiff.value_and_grad, symdiff.hvp])
def test_code_grows_with_the_number_of_branches(operator: Callable[..., Any]) -> None:
    """What several branches need is computed once: it was in each, and so was all below it."""
    lines: list[int] = []
    for count in (2, 3, 4, 5, 6):
        derivative = operator(steps(count), wrt=("x", "y"))
        derivative(*POINTS[0], *([(1.0, 1.0)] if operator is symdiff.hvp else []))
        lines.append(len(derivative.source.splitlines()))
    more = [b - a for a, b in zip(lines, lines[1:], strict=False)]
    assert max(more) <= 1.5 * min(more), lines


@pytest.mark.parametrize("point", POINTS)
def test_derivatives_of_branches_one_after_another(point: tuple[float, float]) -> None:
    f = steps(4)
    both = symdiff.value_and_grad(f, wrt=("x", "y"))
    value, grad = both(*point)
    assert value == f(*point)
    assert grad == pytest.approx(differences(f, point), rel=1e-6, abs=1e-7)
    hessian = symdiff.hessian(f, wrt=("x", "y"))(*point)
    expected = differences(lambda *a: both(*a)[1], point)
    assert np.array(hessian) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_what_two_branches_need_may_raise_where_neither_is_taken() -> None:
    def f(x: float, y: float, k: int) -> float:
        s = 0.0
        if x > 0.5:
            s = s + (1 << k) * x * x
        if y > 0.5:
            s = s * y + (1 << k) * y
        return s

    def g(x: float, y: float, k: int) -> float:
        return f(x, y, k) if k >= 0 else x

    grad = symdiff.grad(g, wrt=("x", "y"))
    assert grad(0.7, 0.8, 3) == pytest.approx((8 * 1.4 * 0.8, 8 * 0.49 + 8))
    assert grad(0.7, 0.8, -1) == (1.0, 0.0)


def shared(x, y):
    s = math.exp(x) if x < 2.0 else x
    r = 0.0
    if x > y:
        r = r + s * y
    if y > 0.5:
        r = r + s * s
        if x > y:
            r = r * math.sin(s)
    return r


def test_a_branch_inside_an_equal_one_is_decided() -> None:
    """`x > y` is asked for once where it holds, and what it computed is not computed again."""
    derivative = symdiff.jacobian(shared, wrt="*")
    for point in [(0.7, 0.3), (0.3, 0.7), (0.9, 0.7), (2.5, 0.7), (0.1, 0.2)]:
        expected = differences(shared, point)
        assert derivative(*point) == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert derivative.source.count("math.exp") <= 2, derivative.source


def halves(x, y):
    r = math.sqrt(x) if x > 0.0 else 1.0
    if y > 2.0:
        return r if x > 0.0 else y
    if y > 1.0:
        return r * r + (math.log(r) if x > 0.0 else 0.0)
    return y * r


@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("y", [-3.0, 1.5, 3.0])
def test_nothing_raises_for_a_branch_that_is_not_taken(x: float, y: float) -> None:
    grad = symdiff.grad(halves, wrt="*")(x, y)
    hessian = np.array(symdiff.hessian(halves, wrt="*")(x, y))
    assert np.all(np.isfinite(grad))
    assert np.all(np.isfinite(hessian))
    if x != 0.0:
        assert grad == pytest.approx(differences(halves, (x, y)), rel=1e-6, abs=1e-7)


def used_in_one_of_two(x, y):
    r = max(x, 0.0)
    if y > 0.0:
        q = y / r
        s = math.log(r)
        if y > 1.0:
            return q + s
        return y
    return x


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("y", [0.5, 2.0])
def test_what_only_an_inner_branch_uses_raises_in_the_outer(y: float, optimize: bool) -> None:
    """`y / r` is needed for `y > 1.0` only, but divides for `y > 0.0`."""
    grad = symdiff.grad(used_in_one_of_two, wrt="*", options=symdiff.Options(optimize=optimize))
    assert grad(-1.0, -1.0) == (1.0, 0.0)
    expected = differences(used_in_one_of_two, (3.0, y))
    assert grad(3.0, y) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ZeroDivisionError):
        used_in_one_of_two(-1.0, y)
    with pytest.raises(ZeroDivisionError):
        grad(-1.0, y)


def unused_power(p, x):
    math.pow(p, p)
    return p * x


def test_a_condition_and_a_choice_share_a_comparison() -> None:
    """The check of `pow` asks for `p < 0` and may have it as its result: two different things."""
    grad = symdiff.grad(unused_power, wrt="*")
    assert grad(2.0, 3.0) == (3.0, 2.0)
    assert grad(-2.0, 3.0) == (3.0, -2.0)
    for p in (0.5, 0.0):
        assert grad(p, 3.0) == (3.0, p)
    with pytest.raises(ValueError, match="math domain error"):
        grad(-0.5, 3.0)


def wide_results(x, y, z):
    a, b, c = math.sin(x * y) * z, math.cos(y * z) * x, math.exp(-x * z) * y
    return {"first": (a * b + c) / (1.0 + a * a), "second": [b * c - a, (a + b) / (2.0 + c * c)]}


def added_at(x, y):
    rows = x[np.array([0, 1, 1])]
    return np.sum(np.sin(rows * y) * np.exp(-rows) * np.cos(y + rows) / (1.0 + rows**2))


@pytest.mark.parametrize(
    ("function", "args"),
    [(wide_results, (0.3, 0.8, 1.2)), (added_at, (np.array([0.5, -0.4]), 0.9))],
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_lines_fit(function: Callable[..., Any], args: tuple[Any, ...], mode: Any) -> None:
    for width in (60, 88):
        options = symdiff.Options(line_width=width)
        derivative = symdiff.jacobian(function, wrt="*", mode=mode, options=options)
        derivative(*args)
        body = derivative.source.split('"""')[-1]
        assert max(map(len, body.splitlines())) <= width, derivative.source


TABLE = np.array([0.5, -1.25, 2.0])


def constants_in_a_chain(x):
    below = x * x if x > 2.0 * TABLE[1] < 3.0 else x
    return below * x if TABLE[0] < 0.5 < x else below


@pytest.mark.parametrize(("x", "expected"), [(1.0, 2.0), (-3.0, 1.0)])
def test_part_of_a_chain_is_known(x: float, expected: float) -> None:
    """NumPy's `True` and `False` are as good as Python's."""
    assert symdiff.grad(constants_in_a_chain)(x) == expected


# Branches whose adjoints share arrays that are written in place: what a write came before, and in
# which block the formulas that read the old array are named.
@pytest.mark.parametrize("seed", [461, 539, 797, 839, 1007, 1625])
def test_programs_that_once_failed(seed: int) -> None:
    assert judge(generate(seed, 4)).failures == []


# Rows that a loop of their own fills: their second derivative has loops of one range that are made
# one, though a loop inside binds what the other counts with.


def row_by_row(x, n):
    a = np.zeros((n, n))
    for i in range(n):
        r = np.zeros(n)
        for j in range(n):
            r[j] = x + i - j
        a[i] = r
    return a


def one_product(x, n: int):
    a = row_by_row(x, n)
    return a[0, 1] * a[1, 2] * a[2, 2]


def products_of_rows(x, n: int):
    a = row_by_row(x, n)
    c = np.zeros(n)
    for i in range(n):
        s = 0.0
        for k in range(n):
            s += a[i, k] * a[k, i]
        c[i] = s
    return c[0] * c[1]


def sum_of_cubes(x, n: int):
    a = row_by_row(x, n)
    s = 0.0
    for k in range(n):
        s += a[0, k] * a[0, k] * a[0, k]
    return s


@pytest.mark.parametrize("f", [one_product, products_of_rows, sum_of_cubes])
def test_no_region_binds_what_is_put_into_it(f) -> None:
    x, n, h = 0.7, 4, 1e-5
    grad = symdiff.grad(f)
    numeric = (grad(x + h, n) - grad(x - h, n)) / (2.0 * h)
    _, forward = symdiff.jvp(grad)(x, n, 1.0)
    assert symdiff.grad(grad)(x, n) == pytest.approx(numeric, rel=1e-7)
    assert forward == pytest.approx(numeric, rel=1e-7)


def test_substitution_renames_what_a_loop_binds() -> None:
    """`sum of i + j over j`, with j for i, is not `sum of j + j over j`."""
    i, j, k, s = (var(name, INT, 0) for name in "ijks")
    operands = (0, 3, 1, 0, add.build(s, add.build(i, j)), False)
    total = project(for_(j, (s,), tuple(map(as_expr, operands)), INT), 0, INT)
    (changed,) = substitute([total], {i: j})
    assert changed in depends_on([changed], [j])
    assert total not in depends_on([total], [j])
    (same,) = substitute([total], {i: k})
    assert same.operands[0].index is j


def test_what_is_replaced_as_a_whole_is_not_renamed() -> None:
    """A loop below a value that is replaced goes with it, whatever it binds."""
    i, j, s = (var(name, INT, 0) for name in "ijs")
    operands = (0, 3, 1, 0, add.build(s, add.build(i, j)), False)
    total = project(for_(j, (s,), tuple(map(as_expr, operands)), INT), 0, INT)
    assert substitute([add.build(total, i)], {total: i, i: j}) == [add.build(i, j)]
