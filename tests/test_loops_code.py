"""The code of loops and branches, read as a reviewer would: nothing is written or done twice."""

from __future__ import annotations

import ast
import itertools
import math
import random
import re
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.codegen.split import split_wide
from symdiff.codegen.statements import Definition, Statement
from symdiff.ir.expr import Const, Expr, If, Var, var
from symdiff.ir.types import BOOL
from symdiff.optimize.simplify import simplified
from symdiff.primitives.arithmetic import logical_not
from symdiff.primitives.conditions import value_of, with_fact
from symdiff.primitives.row import choose
from tests.fuzz_loops.generate import generate
from tests.fuzz_loops.program import differentiable

W = np.array([0.3, -0.7, 0.2])


def source_of(derivative: Any, *args: Any) -> str:
    """What is generated for these arguments."""
    derivative(*args)
    return derivative.source


# Conditions.


def holds(test: Expr, values: dict[Expr, bool]) -> bool:
    """The truth of a condition where its variables have these values."""
    if isinstance(test, Const):
        return bool(test.value)
    if isinstance(test, If):
        return holds(test.then if holds(test.pred, values) else test.orelse, values)
    if isinstance(test, Var):
        return values[test]
    return not holds(test.operands[0], values)


def conditions(rng: random.Random) -> tuple[list[Expr], list[dict[Expr, bool]]]:
    """Some conditions, and every case that their variables can be in."""
    variables = [var(name, BOOL) for name in "abcd"]
    tests: list[Expr] = list(variables)
    for _ in range(8):
        a, b, c = (rng.choice(tests) for _ in range(3))
        made = (choose(a, b, False), choose(a, True, b), choose(a, False, True), choose(a, b, c))
        tests.append(rng.choice([*(x.expr for x in made), logical_not.build(a)]))
    cases = itertools.product((True, False), repeat=len(variables))
    return tests, [dict(zip(variables, case, strict=True)) for case in cases]


@pytest.mark.parametrize("seed", range(40))
def test_what_follows_from_conditions(seed: int) -> None:
    """Whatever is concluded is true in every case in which the facts are."""
    rng = random.Random(seed)
    tests, cases = conditions(rng)
    given = [(test, rng.random() < 0.5) for test in rng.sample(tests, 3)]
    facts: dict[Expr, bool] = {}
    for test, side in given:
        facts = with_fact(facts, test, side)
    possible = [c for c in cases if all(holds(t, c) is side for t, side in given)]
    for test in tests if possible else []:
        known = value_of(test, facts)
        assert known is None or all(holds(test, c) is known for c in possible)


@pytest.mark.parametrize("seed", range(40))
def test_conditions_are_made_simpler(seed: int) -> None:
    tests, cases = conditions(random.Random(seed))
    simpler = simplified(tests)
    for test in tests:
        assert all(holds(simpler[test], c) == holds(test, c) for c in cases)


def test_what_a_conjunction_tells() -> None:
    a, b = var("a", BOOL), var("b", BOOL)
    both, either = choose(a, b, False).expr, choose(a, True, b).expr
    assert with_fact({}, both, True) == {both: True, a: True, b: True}
    assert with_fact({}, either, False) == {either: False, a: False, b: False}
    assert with_fact({both: False}, a, True)[b] is False
    assert value_of(both, {a: True, b: True}) is True


# Branches.


def implied(x, w, n: int):
    t = x
    if x > 0.0:
        for i in range(n):
            t = math.sin(t * w[i])
        if w[0] > 0.0:
            return t * t
    s = t * x
    if x > 0.0 and w[1] > 0.0:
        s += t * t
    return s


def test_a_loop_is_written_once_where_one_condition_implies_the_other() -> None:
    derivative = symdiff.grad(implied, wrt=("x", "w"))
    for x in (0.4, -0.4):
        assert derivative.check(x, W, 3)
    assert derivative.source.count("for i in range") == 2  # forwards and backwards
    assert "copy()" not in derivative.source


# What a loop records.


def left_before(x, w, n: int):
    for _ in range(n):
        if x > 0.5:
            break
        t = x
        for j in range(n):
            t = math.log(0.6 - t) * w[j]
        x = x + t * t
    return x


def test_an_inner_loop_runs_only_where_the_function_runs_it() -> None:
    """Where the function leaves before it, there is no logarithm, which would raise."""
    derivative = symdiff.grad(left_before)
    assert derivative(0.4, W, 3) == pytest.approx(0.8588666151229052)
    assert derivative(0.7, W, 3) == 1.0
    assert symdiff.grad(derivative)(0.7, W, 3) == 0.0


def left_in_the_middle(x, w, n: int):
    for _ in range(n):
        if x > 0.9:
            break
        t = x
        for j in range(n):
            t = math.sin(t * w[j])
        if t > 0.2:
            break
        x = x + t
    return x


def test_rounds_write_only_what_they_change() -> None:
    """An adjoint that a branch leaves as it is, is not copied, and has one name."""
    derivative = symdiff.grad(left_in_the_middle, wrt=("x", "w"))
    for x in (0.4, 0.8, 1.0):
        assert derivative.check(x, W, 3)
    source = source_of(derivative, 0.4, W, 3)
    assert "copy()" not in source
    assert "d_w_2" not in source
    assert "    d_x += d_t" in source
    assert "    x += t" in source


# What a loop does once, and what it does not copy.


def certain_to_divide(t, y, m: int, n: int):
    h = t / m
    for _ in range(n):
        y += h * y
    return y


def test_what_the_function_is_certain_to_do_is_done_before_a_loop() -> None:
    """As the function does: also where there is no round."""
    derivative = symdiff.grad(certain_to_divide, wrt="y")
    assert derivative(1.0, 2.0, 2, 2) == pytest.approx(2.25)
    with pytest.raises(ZeroDivisionError):
        derivative(1.0, 2.0, 0, 0)
    before, after = derivative.source.split("for i in")
    assert "/ m" in before
    assert "/ m" not in after


def gauss_seidel(a, b, n: int):
    x = np.zeros_like(b)
    for _ in range(n):
        for i in range(len(b)):
            s = b[i]
            for j in range(len(b)):
                if j != i:
                    s -= a[i, j] * x[j]
            x[i] = s / a[i, i]
    return np.sum(x)


def warping(x, y):
    before = np.zeros(len(y) + 1)
    for i in range(len(x)):
        row = np.zeros(len(y) + 1)
        for j in range(len(y)):
            d = (x[i] - y[j]) ** 2
            row[j + 1] = d + min(before[j], before[j + 1], row[j])
        before = row
    return before[len(y)]


def test_an_inner_loop_goes_on_writing() -> None:
    """An adjoint is not copied in each round, nor is a row that the next round replaces."""
    a = np.array([[4.0, 0.3, 0.2], [0.1, 3.0, 0.5], [0.4, 0.2, 5.0]])
    solve = symdiff.grad(gauss_seidel, wrt=("a", "b"))
    assert solve.check(a, np.array([0.3, 0.7, -0.2]), 3)
    assert "d_x.copy()" not in solve.source
    align = symdiff.grad(warping, wrt=("x", "y"))
    assert align.check(np.array([0.3, 0.8, 0.1]), np.array([0.2, 0.9, 0.4, 0.5]))
    assert "copy()" not in align.source


def halving(x, n: int):
    while n != 1:
        if n % 2 == 0:
            n //= 2
            x = x * 0.5
        else:
            n = 3 * n + 1
            x = math.sin(x) + 1
    return x


def test_the_test_of_a_while_is_computed_once() -> None:
    derivative = symdiff.grad(halving)
    assert derivative.check(0.3, 6)
    assert derivative.source.count("n != 1") == 1


def halved(u, depth):
    return u if depth == 0 else 0.5 * halved(math.sin(u), depth - 1) + u


def cascade(x, y, v):
    totals = (halved(x * 0.5, 2), 0.1)
    if not -1.0 < x < 1.0:
        for k in v:
            totals = (totals[1], max(k, 0.3))
    return totals[0] * y


@pytest.mark.parametrize("optimize", [True, False])
def test_a_wide_formula_that_two_branches_need(optimize: bool) -> None:
    """It has a name before both, not one that only the side with the wider line gives it."""
    v = np.array([-1.0, 0.7, 1.1, 0.9])
    options = symdiff.Options(optimize=optimize)
    hvp = symdiff.hvp(cascade, wrt=("x", "y", "v"), options=options)
    for x in (-0.4, -1.4):
        tangent = (1.0, -0.5, np.ones(4))
        step = 1e-6
        after, before = (
            symdiff.grad(cascade, wrt=("x", "y", "v"))(x + s, -1.1 - 0.5 * s, v + s)
            for s in (step, -step)
        )
        for found, a, b in zip(hvp(x, -1.1, v, tangent), after, before, strict=True):
            np.testing.assert_allclose(found, (a - b) / (2.0 * step), atol=1e-6)


def test_splitting_a_line_leaves_what_other_lines_share() -> None:
    shared = ast.parse("np.float64(first + second * third)", mode="eval").body
    lines = [ast.Assign([ast.Name(label, ast.Store())], shared) for label in ("a", "long")]
    made = Definition("f", [], "", "", [Statement(line) for line in lines])
    split_wide(made, 44)
    assert [ast.unparse(ast.fix_missing_locations(s.node)) for s in made.body] == [
        "a = np.float64(first + second * third)",
        "t = first + second * third",
        "long = np.float64(t)",
    ]


def highest(x):
    best = x[0]
    total = 0.0
    for v in x:
        if v > best:
            best = v
        total += best
    return total


def aligned(x, y):
    costs = np.zeros((len(x) + 1, len(y) + 1))
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            least = costs[i - 1, j] * costs[i, j - 1]
            costs[i, j] = least + (x[i - 1] - y[j - 1]) ** 2
    return costs[len(x), len(y)]


def test_what_is_recorded_has_the_name_of_what_it_is() -> None:
    x = np.array([0.3, 0.9, -0.4, 1.2])
    climbing = source_of(symdiff.grad(highest), x)
    assert "is_greater_tape[i] = is_greater\n" in climbing
    assert "if is_greater_tape[i]:\n" in climbing
    filling = source_of(symdiff.grad(aligned), x, x[:3])
    assert "costs_prev_j_tape[j_prev] = costs_prev_j\n" in filling
    assert "costs_prev_j_tapes.append(costs_prev_j_tape)\n" in filling
    assert "costs_prev_j_tape = costs_prev_j_tapes[i_prev]\n" in filling


def decayed(x, v, w):
    for a, b in zip(v[1:], w, strict=False):
        x = a * x + b
    return x


def decayed_in_a_loop(x, v, w):
    for u in v:
        for a, b in zip(v[1:], w, strict=False):
            x = a * x + b * u
    return x


@pytest.mark.parametrize("f", [decayed, decayed_in_a_loop])
def test_a_range_that_the_line_has_no_room_for_has_its_bounds_named(f) -> None:
    v, w = np.array([0.3, 0.8, -0.5]), np.array([0.2, 0.9, 0.4])
    derivative = symdiff.grad(f)
    derivative.check(1.3, v, w)
    assert max(map(len, derivative.source.splitlines())) <= 88


def variance(x):
    mean = 0.0
    squares = 0.0
    count = 0
    for v in x:
        count += 1
        delta = v - mean
        mean += delta / count
        squares += delta * (v - mean)
    return squares / (count - 1)


def scaled_up(x, y):
    for v in x:
        y = y * v
    return y


def test_products_with_numbers_of_arrays_need_no_cast() -> None:
    derivative = symdiff.grad(variance)
    assert derivative.check(np.array([0.3, 0.9, -0.4, 1.2]))
    assert "np.float64(" not in derivative.source
    single = symdiff.grad(scaled_up, wrt=("x", "y"))
    d_x, _ = single(np.array([2.0, 3.0], np.float32), np.float64(0.1))
    np.testing.assert_allclose(d_x, [0.3, 0.2], rtol=1e-6)


def damped(x: float, n: int, m: int):
    s = 0.0
    for i in range(n):
        c = 1 / (x * x + i)
        for k in range(m):
            s = s * c + math.sin(x * k)
    return s


def rotated(x: float, n: int, m: int):
    s = 0.0
    for i in range(n):
        if x > 0.1 * i:
            c = math.sqrt(x - 0.1 * i)
            for k in range(m):
                s = s * c + math.sin(x * k)
    return s


def asked_in_either_loop(x: float, n: int, m: int):
    s = 0.0
    for i in range(n):
        if i > 1:
            s += 1 / x
        for k in range(m):
            s += k * (1 / x)
    return s


@pytest.mark.parametrize("f", [damped, rotated])
@pytest.mark.parametrize("mode", [symdiff.grad, symdiff.jvp, symdiff.hvp])
def test_what_raises_before_a_loop_is_not_computed_in_its_rounds(f, mode) -> None:
    derivative = symdiff.grad(f)
    assert derivative.check(0.8, 4, 3)
    made = mode(f)
    made(*((0.8, 4, 3) if mode is symdiff.grad else (0.8, 4, 3, 1.0)))
    lines = made.source.splitlines()
    depth = 8 if f is damped else 12
    found = [x for x in lines if re.search(r"math\.sqrt\(|1 / ", x)]
    assert found and all(len(x) - len(x.lstrip()) <= depth for x in found)


def test_what_only_rounds_compute_raises_only_where_there_are_some() -> None:
    made = symdiff.jvp(asked_in_either_loop)
    assert made(0.0, 2, 0, 1.0) == (0.0, 0.0)
    with pytest.raises(ZeroDivisionError):
        made(0.0, 2, 1, 1.0)
    with pytest.raises(ZeroDivisionError):
        made(0.0, 3, 0, 1.0)
    assert made(2.0, 3, 3, 1.0)[1] == pytest.approx(-0.25 * (1 + 9))


def test_a_loop_in_two_places_records_in_place() -> None:
    """The recorded lists of a loop that is computed in two branches grow, and are not copied."""
    program = generate(1930)
    f = program.load()
    grad = symdiff.grad(f, wrt=tuple(differentiable(program)))
    grad(*program.points[0])
    loops = [n for n in ast.walk(ast.parse(grad.source)) if isinstance(n, ast.For | ast.While)]
    recorded = [ast.unparse(s) for loop in loops for s in ast.walk(loop) if isinstance(s, ast.stmt)]
    assert any("_tape.append(" in s for s in recorded)
    assert not [s for s in recorded if "_tape.copy()" in s]


def test_what_both_sides_of_a_choice_tell() -> None:
    """`p and q or p and r` tells p."""
    p, q, r = (var(name, BOOL, 0) for name in "pqr")
    either = choose(choose(p, q, False), True, choose(p, r, False)).expr
    assert with_fact({}, either, True).get(p) is True
    assert p not in with_fact({}, either, False)
    both = choose(either, r, False).expr
    assert value_of(p, with_fact({}, both, True)) is True
