"""What items of lists that grow in loops are: tuples, lists, records; lists that rounds replace."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import symdiff


class Point(NamedTuple):
    a: float
    b: float


@dataclass
class Body:
    a: float
    b: float


# Items.


def tuple_repeated(x, n):
    rows = []
    for i in range(n):
        rows.append((x, x * i))
    return (rows[1] * 2)[2] * x


def list_repeated(x, n):
    rows = [[x, x * i] for i in range(n)]
    return (rows[1] * 2)[2] * x


def tuples_joined(x, n):
    rows = [(x, x * i) for i in range(n)]
    both = rows[1] + rows[2]
    return both[1] * both[3] + len(both)


def tuples_unpacked(x, n):
    rows = [(x, 1.0)]
    for _ in range(n):
        a, b = rows[-1]
        rows.append((a * b, b + a))
    return rows[-1][0] + sum(a * b for a, b in rows)


def named_tuples(x, n):
    rows = [Point(x, x * i) for i in range(n)]
    return rows[1].a * rows[2].b + sum(p.a * p.b for p in rows)


def dataclasses_(x, n):
    rows = []
    for i in range(n):
        rows.append(Body(x, x * i))
    return rows[1].a * rows[2].b + sum(p.a * p.b for p in rows)


def integers_in_tuples(x, n):
    v = np.array([1.0, 3.0, 2.0, 5.0])
    rows = [(i, x * i, i > 1) for i in range(n)]
    s = 0.0
    for k, t, late in rows:
        if late:
            s += v[k] * t
    return s


def items_of_two_branches(x, n):
    rows = []
    for i in range(n):
        if i % 2:
            rows.append((x, i))
        else:
            rows.append((x * x, 2.5))
    return sum(a * b for a, b in rows)


def popped(x, n):
    rows = [(x, x * i) for i in range(n)]
    a, b = rows.pop()
    return (rows.pop() + (a * b,))[2] + len(rows)


def slices_joined(x, n):
    rows = [x * i for i in range(n)]
    tail = rows[1:]
    both = tail + tail
    return both[0] * both[4] + len(both) + sum(tail + [x])


def with_lists_on_either_side(x, n):
    rows = [x * i for i in range(n)]
    return ([x, 2.0 * x] + rows)[1] * (rows + rows)[5] + list(rows)[2]


def with_arrays(x, n):
    rows = [x * i for i in range(n)]
    w = np.arange(1.0, 5.0)
    return (rows * w)[2] * (w - rows)[1]


def kept_states(x, n):
    state, rows = [x, 1.0], []
    for _ in range(n):
        rows.append(state)
        state = [state[0] * x, state[1] + state[0]]
    return rows[-1][1] * state[0]


def kept_copies(x, n):
    state, rows = [x, 1.0], []
    for _ in range(n):
        state[0] *= x
        rows.append(list(state))
    return rows[-1][0] + rows[0][0]


# Lists that rounds replace.


def row_by_row(x, n):
    row = [x * j for j in range(n)]
    for i in range(n):
        new = []
        for j in range(n):
            new.append(row[j] * x + i)
        row = new
    return row[n - 1]


def edit_distance(x, n):
    previous = list(range(n + 1))
    for i in range(1, n + 1):
        current = [i]
        for j in range(1, n + 1):
            cost = abs(x * i - j)
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost))
        previous = current
    return previous[n]


def in_a_while(x, n):
    row, k = [x * j for j in range(n)], 0
    while row[1] < 5.0 and k < 10:
        row = [v * 1.5 + x for v in row]
        k += 1
    return sum(row) * row[2]


def nested(x, n):
    row = [x * j for j in range(n)]
    for _ in range(n):
        for _ in range(2):
            row = [v * x for v in row]
        row = [v + x for v in row]
    return sum(row)


def of_tuples(x, n):
    rows = [(x * j, j) for j in range(n)]
    for _ in range(n):
        rows = [(v * x, k) for v, k in rows]
    return sum(v * k for v, k in rows)


def changing_places(x, n):
    a, b = [x * j for j in range(n)], [x + j for j in range(n)]
    for _ in range(3):
        a, b = b, [v * x for v in a]
    return a[1] * b[2]


def read_after_the_loop(x, n):
    row = [x * j for j in range(n)]
    for _ in range(n):
        new = [v * x for v in row]
        row = new
    return row[1] + new[2] * len(new)


# Lists of lists.


def table(x, n):
    d = [[0.0] * (n + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        d[i][0] = x * i
        d[0][i] = i
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            step = min(d[i - 1][j] + 1.0, d[i][j - 1] + 1.5)
            d[i][j] = min(step, d[i - 1][j - 1] + abs(x * i - j))
    return d[n][n]


def rows_by_name(x, n):
    d = [[0.0] * n for _ in range(n)]
    previous = d[0]
    for i in range(n):
        current = d[i]
        for j in range(n):
            current[j] = previous[j] * x + x + i
        previous = current
    d[1][1] = 5.0
    return sum(previous) + d[1][1] * d[n - 1][1] + current[0]


def row_under_two_names(x, n):
    d = [[0.0] * n for _ in range(n)]
    row, again = d[0], d[0]
    row[1] = x
    d[0][1] *= 3.0
    again[1] += x * x
    return row[1] * d[0][1]


def appended_then_filled(x, n):
    d = []
    for i in range(n):
        row = [0.0] * n
        d.append(row)
        row[0] = x * i
    return d[2][0] * d[1][0]


def product(x, n):
    a = [[x + i - j for j in range(n)] for i in range(n)]
    b = [[1.0 * (i == j) + x for j in range(n)] for i in range(n)]
    c = [[sum(a[i][k] * b[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
    return sum(c[i][i] for i in range(n)) + c[0][1] * c[1][2]


def changed_while_run_over(x, n):
    d = [[x * i * j for j in range(n)] for i in range(n)]
    for row in d:
        for j in range(len(row)):
            row[j] = row[j] * x
    return np.sum(np.array(d)) + len(d) * len(d[0])


def shortest_paths(x, n):
    d = [[x * (i - j) ** 2 + 0.1 * (i + 2 * j) for j in range(n)] for i in range(n)]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i][k] + d[k][j] < d[i][j]:
                    d[i][j] = d[i][k] + d[k][j]
    return sum(d[i][j] for i in range(n) for j in range(n))


def heat(x, n):
    u = [[x * i + j * j for j in range(n)] for i in range(n)]
    for _ in range(n):
        new = [[0.0] * n for _ in range(n)]
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                new[i][j] = u[i][j] + 0.1 * (u[i - 1][j] + u[i + 1][j] - x * u[i][j])
        u = new
    return u[1][2] + u[2][1]


def in_helpers(x, n):
    def bump(row, k):
        row[k] = row[k] * x + 1.0

    d = [[x * j for j in range(n)] for _ in range(n)]
    row = d[1]
    for k in range(n):
        bump(row, k)
        bump(d[2], k)
    return row[2] + d[1][3] + d[2][1]


def of_lists_of_lists(x, n):
    d = [[[x * i + j - k for k in range(n)] for j in range(n)] for i in range(n)]
    plane = d[1]
    plane[2][3] = x * x
    d[1][2][3] *= 3.0
    return d[1][2][3] + sum(sum(row) for row in plane) + len(d[0][0])


def integers_that_become_floats(x, n):
    d = [[0] * n for _ in range(n)]
    for i in range(n):
        d[i][i] = x * i
    return sum(d[i][i] * i for i in range(n))


@pytest.mark.parametrize("f", [
    table, rows_by_name, row_under_two_names, appended_then_filled, product, changed_while_run_over,
    shortest_paths, heat, in_helpers, of_lists_of_lists, integers_that_become_floats,
    tuple_repeated, list_repeated, tuples_joined, tuples_unpacked, named_tuples, dataclasses_,
    integers_in_tuples, items_of_two_branches, popped, slices_joined, with_lists_on_either_side,
    with_arrays, kept_states, kept_copies, row_by_row, edit_distance, in_a_while, nested, of_tuples,
    changing_places, read_after_the_loop,
])  # fmt: skip
def test_value_and_slopes(f: Any) -> None:
    x, n, h = 0.7, 4, 1e-6
    value, slope = symdiff.value_and_grad(f)(x, n)
    _, forward = symdiff.jvp(f)(x, n, 1.0)
    assert value == pytest.approx(f(x, n), rel=1e-14)
    assert slope == pytest.approx((f(x + h, n) - f(x - h, n)) / (2.0 * h), rel=1e-7)
    assert forward == pytest.approx(slope, rel=1e-12)
    twice = symdiff.grad(symdiff.grad(f))(x, n)
    grad = symdiff.grad(f)
    assert twice == pytest.approx((grad(x + h, n) - grad(x - h, n)) / (2.0 * h), rel=1e-6, abs=1e-8)


def test_a_table_is_filled_and_swept_entry_by_entry() -> None:
    """No row is made on the way to an entry, and no entry is looked for that is certain to be."""
    grad = symdiff.grad(table)
    grad(0.7, 4)
    loops = [n for n in ast.walk(ast.parse(grad.source)) if isinstance(n, ast.For)]
    inner = [ast.unparse(n) for n in loops if not any(isinstance(x, ast.For) for x in n.body)]
    assert not [text for text in inner if "zeros" in text or "failed" in text or "copy" in text]
    assert len(loops) == 7  # the rows, the edges, the table; and backwards


# Refused: what in Python is one object would be two.


def changed_after(x, n):
    rows = []
    for i in range(n):
        row = [x, x * i]
        rows.append(row)
        row[0] = 7.0 * x
    return rows[1][0]


def changed_before(x, n):
    rows, row = [], [0.0, 1.0]
    for _ in range(n):
        row[0] += x
        rows.append(row)
    return rows[0][0]


def changed_at_last(x, n):
    first = [x, 1.0]
    rows = [first]
    for i in range(n):
        rows.append([x, i * x])
    first[0] = 5.0
    return rows[0][0] * x


def changed_inside(x, n):
    rows = [[x, x * i] for i in range(n)]
    rows[1][0] = 5.0 * x
    return rows[1][0]


def changed_record(x, n):
    rows = [Body(x, x * i) for i in range(n)]
    rows[1].a = 5.0 * x
    return rows[1].a


def replaced_and_changed(x, n):
    row = [x * j for j in range(n)]
    for _ in range(n):
        row[0] += x
        row = [v * x for v in row]
    return row[2] + row[0]


def replaced_and_changed_by_another_name(x, n):
    row = [x * j for j in range(n)]
    other = row
    for _ in range(n):
        row = [v * x for v in row]
    other.append(x)
    return row[2] + other[-1]


def changed_by_its_older_name(x, n):
    row = [x * j for j in range(n)]
    for _ in range(n):
        new = [v * x for v in row]
        row = new
    new[1] = 3.0
    return row[1]


def compared(x, n):
    rows = [x * i for i in range(n)]
    return x if rows == [0.0, 1.0] else rows[1]


def asked_for(x, n):
    rows = [x * i for i in range(n)]
    return x if 2.0 in rows else rows[1]


def greatest(x, n):
    rows = [(x, x * i) for i in range(n)]
    return max(rows)[1]


def multiplied(x, n):
    rows = [x * i for i in range(n)]
    return (rows * 2)[1]


def of_two_kinds(x, n):
    rows = []
    for i in range(n):
        rows.append((x, i))
        rows.append([x, i])
    return rows[0][0]


def one_row_everywhere(x, n):
    d, row = [], [0.0] * n
    for _ in range(n):
        d.append(row)
        row[0] += x
    return d[0][0]


def one_row_twice(x, n):
    d = []
    for i in range(n):
        row = [x * i] * n
        d.append(row)
        d.append(row)
    d[0][0] = 3.0
    return d[1][0]


def one_row_repeated(x, n):
    d = [[0.0] * n] * n
    d[0][0] = x
    return d[1][0]


def row_assigned(x, n):
    d = [[x * i * j for j in range(n)] for i in range(n)]
    row = d[0]
    d[0] = d[1]
    return row[1] + d[0][1]


def row_appended_perhaps(x, n):
    d = []
    for i in range(n):
        row = [x * j for j in range(n)]
        if i > 1:
            d.append(row)
        row[0] = 5.0 * x
    return d[0][0]


def rows_sliced(x, n):
    d = [[x * i * j for j in range(n)] for i in range(n)]
    tail = d[1:]
    d[1][0] = 3.0
    return tail[0][0]


def replaced_table_changed(x, n):
    u = [[x * j for j in range(n)] for _ in range(n)]
    for _ in range(n):
        u[0][0] = x
        u = [[v * x for v in row] for row in u]
    return u[1][1]


def ragged(x, n):
    d = [[x * j for j in range(i)] for i in range(n)]
    return d[3][2]


@pytest.mark.parametrize(("f", "says"), [
    (one_row_everywhere, "may be an item of several lists"),
    (one_row_twice, "may be an item of several lists"), (one_row_repeated, "are not repeated"),
    (row_assigned, "assignment to an item of a list of lists"),
    (row_appended_perhaps, "may be an item of several lists"),
    (rows_sliced, "a slice of a list of lists"),
    (replaced_table_changed, "u is another list from round to round"), (ragged, "a size that"),
    (changed_after, "is an item of a list that grows"), (changed_before, "that rounds change"),
    (changed_at_last, "is an item of a list that grows"),
    (changed_inside, "is an item of a list that grows"),
    (changed_record, "is an item of a list that grows"),
    (replaced_and_changed, "row is another list from round to round"),
    (replaced_and_changed_by_another_name, "is another list from round to round"),
    (changed_by_its_older_name, "new is another list from round to round"),
    (compared, "is compared"), (asked_for, "'in' of a list that grows"),
    (greatest, "max of a list of tuples"), (multiplied, "this operation on a list that grows"),
    (of_two_kinds, "items of different kinds"),
])  # fmt: skip
def test_what_is_refused(f: Any, says: str) -> None:
    with pytest.raises(symdiff.SymdiffError, match=says) as caught:
        symdiff.grad(f)(0.7, 4)
    assert f"{__name__.rsplit('.', maxsplit=1)[-1]}.py:" in str(caught.value)
