"""Lists: those that go on growing after their loop, those that a way out forgets, the best item."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.fuzz_loops.oracle import judge
from tests.fuzz_loops.program import HELPERS, Program


def in_a_second_loop(x, v):
    p = []
    for u in v:
        p.append(u * x)
    for u in v:
        p.append(u * u)
    return sum(p) * p[-1]


def after_the_loop(x, v):
    p = [u * x for u in v]
    p.append(x)
    p.extend([x, x * x])
    return sum(p) * p[-1] * len(p)


def sums_of_lists(x, v):
    p = [u * x for u in v]
    p += [x]
    q = p + [x * x]
    return sum(q) * q[0]


def in_a_loop_that_is_written_out(x, v):
    p = [u * x for u in v]
    for k in range(2):
        p.append(p[-1] * x)
    return sum(p)


def in_a_while_then_a_for(x, v):
    p = [x]
    while len(p) < 4:
        p.append(p[-1] * x)
    for u in v:
        p.append(u)
    p.append(x)
    return sum(p) * p[-2]


def popped_in_a_while(x, v):
    p = [u * x for u in v]
    s = 0.0
    while len(p) > 1:
        s += p.pop() * x
        if s > 1.0 and len(p) > 2:
            p.pop()
    return s + p[0]


def rows_of_one_round(x, v):
    s = 0.0
    for a in v:
        row = [a * x]
        for b in v:
            row.append(b * row[-1])
        row.append(x)
        s += sum(row)
    return s


def list_of_an_array(x, v):
    p = list(v)
    p[0] = p[1] * x
    p.append(x)
    return sum(p) * len(p)


def items_in_place(x, v):
    p = list(v * x)
    for i in range(1, len(p)):
        p[i] += p[i - 1]
    return p[-1] * p[0]


def list_of_a_slice(x, v):
    p = list(v[1:])
    return sum(u * x for u in p) + max(p)


def forgotten_in_a_helper(x, y):
    def h(u):
        t = [u]
        if u > 0.5:
            return u * u
        t.append(2.0)
        t.append(u)
        return sum(t)

    return h(x) * h(y)


def forgotten_dict(x, y):
    d = {}
    if x > 0.5:
        return x * y
    d["a"] = x
    return d["a"] * y


def forgotten_at_the_end(a, b, c):
    roots = []
    disc = b * b - 4 * a * c
    if disc > 0:
        for sgn in (1, -1):
            roots.append((-b + sgn * np.sqrt(disc)) / (2 * a))
    elif disc == 0:
        roots.append(-b / (2 * a))
        roots.append(-b / (2 * a))
    else:
        return 0.0 * a
    return max(roots) - min(roots)


def best_by_key(x, y):
    pts = [(x, y), (x + 1.0, y), (x, y + 1.0)]
    f = lambda p: (p[0] - 1) ** 2 + (p[1] + 2) ** 2
    best = min(pts, key=f)
    worst = max(pts, key=f)
    return best[0] * worst[1] + best[1]


def best_of_tuples(x, y):
    return min((x * 2, 1), (y * 3, 2), (0.5, 3))[0] * max([(x, 5.0), (y, x)])[1]


def sorted_numbers(x, y):
    a, b, c = sorted((x, y, 0.4))
    return a * b + c if operator.lt(a, b) else c


def best_of_items(x, y):
    d = {"a": x, "b": y * 2, "c": 0.1}
    return max(d.values()) * min(d.items(), key=lambda kv: kv[1])[1]


def best_in_a_loop(x, y):
    s = 0.0
    for e in np.array([0.1, 0.5, 0.9]):
        s += min((x, y, x * y), key=lambda u: (u - e) ** 2) * e
    return s


V = np.array([0.5, 0.9, -0.1, 0.7, 0.3])
CASES: list[Any] = [
    *((f, (0.7, V)) for f in (
        in_a_second_loop, after_the_loop, sums_of_lists, in_a_loop_that_is_written_out,
        in_a_while_then_a_for, popped_in_a_while, rows_of_one_round, list_of_an_array,
        items_in_place, list_of_a_slice,
    )),
    *((f, args) for args in ((0.7, 0.2), (0.25, 0.3)) for f in (
        forgotten_in_a_helper, forgotten_dict,
    )),
    (forgotten_at_the_end, (1.0, 3.0, 1.0)), (forgotten_at_the_end, (1.0, 1.0, 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_program(f: Any, args: tuple[Any, ...]):
    source = "import operator\n" + HELPERS + inspect.getsource(f)
    verdict = judge(Program(0, source, f.__name__, (args,)))
    assert not verdict.failures


@pytest.mark.parametrize("at", [(0.7, 0.2), (0.22, 0.3)])
@pytest.mark.parametrize(
    "f", [best_by_key, best_of_tuples, sorted_numbers, best_of_items, best_in_a_loop]
)
def test_order(f: Any, at: tuple[float, float]):
    value, (d_x, d_y) = symdiff.value_and_grad(f, wrt="*")(*at)
    _, forward = symdiff.jvp(f, wrt="*")(*at, (1.0, 2.0))
    h = 1e-6
    numeric = [
        (f(at[0] + h * a, at[1] + h * b) - f(at[0] - h * a, at[1] - h * b)) / (2.0 * h)
        for a, b in ((1.0, 0.0), (0.0, 1.0))
    ]
    assert value == pytest.approx(f(*at))
    assert [d_x, d_y] == pytest.approx(numeric, rel=1e-6, abs=1e-8)
    assert forward == pytest.approx(d_x + 2.0 * d_y)


def test_a_list_that_others_hold_is_not_forgotten():
    def f(x):
        kept = [x]

        def helper(u):
            if u > 0.5:
                return u * u
            kept.append(u)
            return u

        return helper(x) + sum(kept)

    with pytest.raises(symdiff.SymdiffError, match="another length"):
        symdiff.grad(f)(0.7)


def test_lists_among_which_the_best_is_chosen():
    def f(x):
        return min([[x, 1.0], [2.0, x]], key=lambda p: p[0])[1]

    with pytest.raises(symdiff.SymdiffError, match="chosen by run-time values"):
        symdiff.grad(f)(0.7)


# Containers that one side of a branch changes and the other replaces.


def changed_or_replaced(x, y, n: int):
    p = [x, y]
    if n > 2:
        p[0] = x * 7.0
    else:
        p = [x, y * y]
    return p[0] * p[1]


def changed_and_held_elsewhere(x, y, n: int):
    p = [[x, y], {"a": x}]
    t = (p, y)
    if n > 2:
        p[0][1] = x * y
        p[1]["a"] = y
        t = (p, x)
    else:
        p[0][0] = y
        p = [[y, x], {"a": y * y}]
    return p[0][0] * p[0][1] + p[1]["a"] * t[0][0][1] + t[0][1]["a"] * t[1]


def in_some_rounds(x, y, n: int):
    s, p = 0.0, [x, y]
    for i in range(n):
        if i > 1:
            p[0] = p[0] + x * y
            s += p[0]
        else:
            p = [x * i, p[0]]
    return s + p[1]


def returned_before_it_changes(x, y, n: int):
    p = [x, y]
    if n > 3:
        return p
    p[0] = y * x
    if n > 1:
        return [p[1], p[0]]
    p[1] = x * x
    return p


@pytest.mark.parametrize("n", [0, 2, 3, 5])
@pytest.mark.parametrize(
    "function",
    [changed_or_replaced, changed_and_held_elsewhere, in_some_rounds, returned_before_it_changes],
)
def test_what_a_list_holds_on_either_side(function, n) -> None:
    x, y, h = 0.6, 1.3, 1e-5
    value, tangent = symdiff.jvp(function, wrt=("x", "y"))(x, y, n, (1.0, -0.4))
    np.testing.assert_allclose(value, function(x, y, n))
    ahead, back = (np.asarray(function(x + s, y - 0.4 * s, n)) for s in (h, -h))
    np.testing.assert_allclose(tangent, (ahead - back) / (2 * h), rtol=1e-6)


# A loop that gives a list another name.


def swapped(x, y, n: int):
    s, p, q = 0.0, [x, y], [y, x]
    for _ in range(n):
        s += p[0] * q[1]
        p, q = q, p
        q[0] = q[0] * y
    return s


def handed_on(x, y, n: int):
    s, p, q = 0.0, [y, x], [x, y]
    for i in range(n):
        p = q
        q = [y * i, x]
        p[0] += x
        s += p[0] * q[1]
    return s + q[0]


def the_best(x, y, n: int):
    s, best, now = 0.0, [x, y], [x, y]
    for _ in range(n):
        now = [now[0] * 1.1, now[1] * y]
        if now[0] > best[0]:
            best = now
        s += best[1]
    return s + best[0]


@pytest.mark.parametrize("n", [0, 1, 4])
@pytest.mark.parametrize("function", [swapped, handed_on, the_best])
def test_lists_that_change_their_names(function, n) -> None:
    derivative = symdiff.value_and_grad(function, wrt=("x", "y"))
    assert derivative(0.6, 1.3, n)[0] == pytest.approx(function(0.6, 1.3, n))
    assert derivative.check(0.6, 1.3, n)


def changed_under_the_other_name(x, y, n: int):
    s, q, p = 0.0, [x, y], [x, x]
    for i in range(n):
        if i > 0:
            p[0] = p[0] + x
            s += p[0]
        else:
            p = q
    return s + q[0]


def read_under_the_other_name(x, y, n: int):
    s, q, p = 0.0, [x, y], [x, x]
    for _ in range(n):
        q[0] = q[0] * y
        s += p[0]
        p = q
    return s


def an_item_of_a_list(x, y, n: int):
    s, rows = 0.0, [[x, y], [y, x]]
    now = rows[0]
    for _ in range(n):
        now[0] += x
        s += now[1]
        now = rows[1]
    return s + rows[0][0] + rows[1][0] * x


def changed_after_the_loop(x, y, n: int):
    q, p = [x, y], [x, x]
    for _ in range(n):
        p = q
    q[0] = y
    return p[0]


@pytest.mark.parametrize(
    "function",
    [changed_under_the_other_name, read_under_the_other_name, an_item_of_a_list,
     changed_after_the_loop],
)  # fmt: skip
def test_a_list_that_two_names_may_hold_is_not_changed(function) -> None:
    with pytest.raises(symdiff.UnsupportedError, match="chosen from several|may hold too"):
        symdiff.grad(function)(0.6, 1.3, 3)


def folded(x):
    items = []
    for e in x:
        items.append(e)
        if len(items) >= 2:
            b = items.pop()
            a = items.pop()
            items.append(a * b + 1.0)
    return items[-1]


def test_a_list_that_a_round_takes_more_from_than_it_appends() -> None:
    x = np.array([0.3, -0.7, 1.2, 0.5])
    value, _ = symdiff.value_and_grad(folded)(x)
    assert value == pytest.approx(folded(x))
    assert symdiff.grad(folded).check(x)


def two_of_one_name(x: float, n: int):
    s = 0.0

    def add(k):
        nonlocal s
        s += k

    def run():
        s = 1.0
        for i in range(n):
            add(x * i)
            s = s * x
        return s

    r = run()
    return s + r


def test_names_of_two_functions_that_one_loop_changes() -> None:
    value, _ = symdiff.value_and_grad(two_of_one_name)(1.3, 4)
    assert value == pytest.approx(two_of_one_name(1.3, 4))
    assert symdiff.grad(two_of_one_name).check(1.3, 4)


def taken(x, k: int):
    items = []
    for e in x:
        items.append(e)
    for _ in range(k):
        items.pop()
    return items[-1]


def positive(x, k: int):
    items = []
    for e in x:
        if e > 0:
            items.append(e)
    return items[k]


@pytest.mark.parametrize("f, good, bad", [(taken, (0, 2), (3, 4)), (positive, (0, -1), (2, -3))])
def test_an_index_outside_raises_as_in_python(f, good, bad) -> None:
    """The array that holds the list is larger than it: there was a 0 to be found."""
    x = np.array([1.0, -2.0, 3.0]) if f is positive else np.array([1.0, 2.0, 3.0])
    derivative = symdiff.value_and_grad(f)
    for k in good:
        assert derivative(x, k)[0] == f(x, k)
    for k in bad:
        with pytest.raises(IndexError) as expected:
            f(x, k)
        with pytest.raises(IndexError, match=str(expected.value)):
            derivative(x, k)


def neighbours(x):
    items = []
    for e in x:
        items.append(e * 2)
    s = 0.0
    for i in range(1, len(items)):
        s += items[i] * items[i - 1]
    for i in range(len(items) - 1):
        s -= items[i + 1]
    return s + items[len(items) - 1]


def bracketed(x):
    items = []
    for e in x:
        if e < 0 and len(items) > 0:
            items.pop()
        else:
            items.append(e)
    return items[-1] * items[0] + len(items)


def test_what_is_certainly_inside_is_not_checked() -> None:
    x = np.array([1.0, 2.0, -3.0, 4.0])
    derivative = symdiff.grad(neighbours)
    assert derivative.check(x)
    assert derivative.source.count("IndexError") == 1  # the last of none
    assert symdiff.grad(bracketed).check(x)
    folding = symdiff.grad(folded)
    assert folding.check(x)
    assert folding.source.count("IndexError") == 1


def popped(x):
    items = []
    for e in x:
        items.append(e)
    s = 0.0
    for e in items:
        s += e * e
        items.pop()
    return s


def overwritten(x):
    items = []
    for e in x:
        items.append(e)
    s = 0.0
    for i, e in enumerate(items):
        if i + 1 < len(items):
            items[i + 1] = items[i + 1] * e
        s += e
    return s


@pytest.mark.parametrize("f", [popped, overwritten])
def test_a_list_that_changes_while_a_loop_runs_over_it(f) -> None:
    with pytest.raises(symdiff.UnsupportedError, match="items changes while a loop runs over it"):
        symdiff.grad(f)(np.array([1.0, 2.0, 3.0]))


def pushed(x):
    items = [1.0]
    items.append(x[0])
    for v in x:
        items.append(v * items[-1] + items[1])
        if v > 1.0:
            items.pop()
    return items[-2] * items[0]


def drained(x):
    items = [1.0]
    for v in x:
        items.append(v)
        if v > 1.0:
            items.pop()
            items.pop()
    return items[-1]


def test_what_rounds_never_have_less_than() -> None:
    x = np.array([0.5, 1.5, -0.7])
    derivative = symdiff.grad(pushed)
    assert derivative.check(x)
    assert derivative.source.count("IndexError") == 0
    derivative = symdiff.value_and_grad(drained)
    assert derivative(x)[0] == -0.7
    with pytest.raises(IndexError, match="pop from empty list"):
        drained(x + 3.0)
    with pytest.raises(IndexError, match="pop from empty list"):
        derivative(x + 3.0)


def test_what_rounds_demand_is_not_checked_in_a_loop_over_seeds() -> None:
    """The loop over what `eye` gives has a variable that its rounds read."""
    x = np.array([1.0, 2.0, 3.0])
    forward = symdiff.jacobian(bracketed, mode="forward")
    np.testing.assert_allclose(forward(x), symdiff.grad(bracketed)(x))
    forward = symdiff.jacobian(stacked, mode="forward")
    np.testing.assert_allclose(forward(x), symdiff.grad(stacked)(x))
    with pytest.raises(IndexError):
        forward(-x)


def stacked(x):
    items = []
    items.append(1.0)
    for e in x:
        if e < 0:
            items.pop()
        items.append(e * items[-1])
    return sum(items)


def counted_then_float(x, n: int):
    kept = []
    for i in range(n):
        kept.append(i)
    kept.append(x)
    kept[0] = x * x
    return kept[-1] * 2 + kept[0] + kept[1]


def float_in_some_rounds(x, n: int):
    kept = [1, 2]
    for i in range(n):
        kept.append(i)
        if i > 0:
            kept[0] = x * kept[1]
    return kept[0] * 2 + kept[-1]


def float_in_a_while(x, n: int):
    kept = [1]
    k = 0
    while k < n:
        kept.append(k)
        kept[0] = x * kept[0]
        k += 1
    kept.append(x**3)
    return kept[0] + kept[1] + kept[-1]


def float_that_is_popped(x, n: int):
    kept = [1, 2]
    s = 0.0
    for _ in range(n):
        for k in range(2):
            kept.append(x * k)
            s += kept.pop() * kept[-1]
        kept.append(3)
    return s + sum(kept)


@pytest.mark.parametrize(
    "f", [counted_then_float, float_in_some_rounds, float_in_a_while, float_that_is_popped]
)
def test_a_list_of_integers_that_gets_a_float(f) -> None:
    """The float became an integer: its derivative was 0."""
    assert symdiff.value_and_grad(f)(1.7, 3)[0] == pytest.approx(f(1.7, 3), rel=1e-15)
    assert symdiff.grad(f).check(1.7, 3)
    assert symdiff.jacobian(f, mode="forward").check(1.7, 3)
    plain = symdiff.grad(f, options=symdiff.Options(optimize=False))
    assert plain.check(1.7, 3)
