"""Constructs together

Loops and branches on run-time values, with everything else inside of them. Integers annotated
`n: int` are known only at run time.
"""

import contextlib
import functools
import math
from dataclasses import dataclass

import numpy as np

import symdiff
from tests.language import raises, refuses, shows

SCALE = 2.0


@dataclass
class Point:
    x: float
    y: float = 1.0

    @property
    def norm(self):
        return math.hypot(self.x, self.y)

    def moved(self, by):
        return Point(self.x + by, self.y * by)

    def __call__(self, u):
        return self.x * u + self.y


def doubled(a):
    a *= 2.0


def first_above(v, limit):
    for i, e in enumerate(v):
        if e > limit:
            return i, e
    return None


X = np.array([0.5, 1.5, -0.7])


@shows(0.7, X)
def best_so_far(x, v):
    """`best = None` before a search"""
    best = None
    for e in v:
        u = (e - x) ** 2
        if best is None or u < best:
            best = u
    return best * x


@shows(0.7, X)
def pair_or_none(x, v):
    """A tuple or None: a helper that may find nothing"""
    found = first_above(v, x)
    if found is None:
        return x
    i, e = found
    return e * x * (i + 1)


@shows(0.7, X)
def previous_or_none(x, v):
    """What the last round left, None in the first"""
    last, s = None, 0.0
    for e in v:
        if last is not None:
            s += (e - last) * last
        last = e * x
    return s


@shows(0.7, 0.2)
def none_in_a_branch(x, y):
    """None from one side of a branch, `or` and a conditional expression"""
    weight = x * y
    if y > 0.5:
        weight = None
    return (weight or 2.0) * x + (1.0 if weight is None else weight)


@shows(0.7, X)
def attribute_or_none(x, v):
    """An attribute that is None at first"""

    class Largest:
        def __init__(self):
            self.value = None

        def see(self, u):
            if self.value is None or u > self.value:
                self.value = u

    largest = Largest()
    for e in v:
        largest.see(e * x)
    return largest.value


@raises(TypeError, 2.7, X)
def still_none(x, v):
    """None where a number is needed"""
    best = None
    for e in v:
        if e > x:
            best = e
    return best * x


@shows(0.3, 6)
def elif_in_a_loop(x, n: int):
    """`elif` and chained comparisons in a loop"""
    s = 0.0
    for i in range(n):
        if i % 3 == 0:
            s += x * i
        elif 1 < i <= 4:
            s *= 1.0 + x
        else:
            s -= x * x
    return s


@shows(0.7, X)
def short_circuit(x, v):
    """`and`, `or` and `not` in a loop: what stands behind them may not be defined"""
    s = 0.0
    for e in v:
        if e > 0.0 and math.log(e) < x or not e < 1.0:
            s += e * x
    return s


@shows(0.7, 3, "cube")
def match_in_a_loop(x, n: int, kind):
    """`match` on a static value, inside of a loop"""
    s = 0.0
    for i in range(n):
        match kind:
            case "square":
                s += x**2
            case "cube" | "third":
                s += x**3 * i
            case _:
                s += x
    return s


@shows(0.7, 5)
def return_from_two_loops(x, n: int):
    """`return` from an inner loop, `else` of both"""
    s = x
    for i in range(n):
        for j in range(i):
            s += x * j
            if s > 4.0:
                return s * i
        else:
            s += 0.1 * x
    else:
        s = s * s
    return s


@shows(0.7, 4)
def continue_and_while(x, n: int):
    """`while` in a `for`, with `continue` and `break` in both"""
    s = 0.0
    for i in range(n):
        if i == 1:
            continue
        k = i
        while True:
            k += 1
            if k % 2:
                continue
            s += x**k
            if k > 4:
                break
        if s > 3.0:
            break
    return s


@shows(X)
def while_else(v):
    """`while` with `else`, over an index"""
    i, s = 0, 0.0
    while i < len(v):
        if v[i] > 3.0:
            break
        s += v[i] ** 2
        i += 1
    else:
        s *= 2.0
    return s


@shows(0.7)
def unrolled_inside(x):
    """A loop that is written out, inside of one that is not"""
    table = {0: math.sin, 1: math.cos}
    s = x
    for i in range(50):
        for k in symdiff.unroll(range(2)):
            s = table[k](s) + x * i * 1e-3
    return s


@shows(X, 0.7)
def backwards_in_pairs(v, x):
    """`reversed`, `zip` and `enumerate` in nested loops"""
    s = 0.0
    for i, a in enumerate(reversed(v)):
        for b, c in zip(v, v[1:]):
            s += a * b * c * (i + x)
    return s


@shows(0.7, X)
def kept_copy(x, v):
    """A copy of what rounds go on to write"""
    best, a = np.ones(3), np.zeros(3)
    for e in v:
        a[0] = e * x
        a[1] += a[0]
        if a[0] < best[0]:
            best = a.copy()
    return np.sum(best * best)


@shows(X, 0.7)
def rows_written(v, x):
    """Rows of a matrix, from the row before"""
    table = np.zeros((4, 3))
    table[0] = v
    for k in range(1, 4):
        table[k] = x * table[k - 1]
        table[k, 0] += table[k - 1, 2]
        table[k, 1:] *= 0.5
    return np.sum(table[-1]) * table[2, 0]


@shows(X, 0.7)
def aliases_in_a_loop(v, x):
    """Two names of one array, and a view, in a loop"""
    a = v.copy()
    b = a
    tail = a[1:]
    for i in range(len(v)):
        b[i] *= x
        tail[0] += a[0]
    return np.sum(a * b) + tail[1]


@shows(X, 0.7)
def helper_writes(v, x):
    """A helper that changes its argument, under a run-time condition"""
    a = v.copy()
    for _ in range(2):
        if a[0] < 1.5:
            doubled(a)
        doubled(a[1:])
    return np.sum(a) * x


@shows(X, 0.7)
def masked_updates(v, x):
    """Masks and `out=` in a loop"""
    a, b = v.copy(), np.zeros(3)
    for _ in range(3):
        a[a > 0.6] *= x
        np.multiply(a, x, out=b)
        a += b
    b.fill(x)
    return np.sum(a) + np.sum(b)


@shows(X, 0.7)
def slice_up_to_the_round(v, x):
    """Slices that end where the round is, and what is computed of them"""
    s = 0.0
    for i in range(1, len(v) + 1):
        w = v[:i]
        s += np.mean(w) * x / len(w) + np.max(w)
    return s


@shows(0.7, 5)
def array_as_long_as_the_round(x, n: int):
    """Arrays that are as long as the round says"""
    s = 0.0
    for k in range(1, n):
        a = np.zeros(k)
        a[:] = x
        a[0] += x * k
        s += np.mean(a) + np.sum(np.ones(k) * x)
    return s


@shows(0.7, 4)
def closures_in_rounds(x, n: int):
    """Lambdas, partials and nested functions made in rounds"""

    def power(u, k=2):
        return u**k

    s = 0.0
    for i in range(n):
        shifted = lambda u: u + s
        s = functools.partial(power, k=3)(x) + shifted(x) * 0.5 + power(x * i)
    return s


@shows(0.7, 3)
def recursion_in_a_loop(x, n: int):
    """Recursion of static and of run-time depth, in a loop"""

    def static(u, k):
        return u if k == 0 else u * static(u, k - 1)

    def dynamic(u, k):
        return 1.0 if k <= 0 else u + 0.5 * dynamic(u * u, k - 1)

    s = 0.0
    for i in range(n):
        s += static(x, 3) * dynamic(x, i)
    return s


@shows(0.7, 4)
def objects_in_rounds(x, n: int):
    """Dataclasses, properties and `__call__` in a loop"""
    p = Point(x)
    for i in range(n):
        p = p.moved(0.1 * i + x)
        if p.norm > 2.0:
            p.x -= 0.5 * p(x)
    return p.norm


@shows(0.7, X)
def star_arguments(x, v):
    """`*args` and `**kwargs` handed on, in a loop"""

    def total(*terms, scale=1.0, **more):
        return scale * sum(terms) + sum(more.values())

    s = 0.0
    for e in v:
        s += total(e, x, e * x, scale=x, rest=e)
    return s


@shows(0.7, 0.2)
def reduced(x, y):
    """`map`, `filter`, `reduce`, `sorted`, `any`, `all` on static containers"""
    terms = list(map(lambda u: u * x, (x, y, 1.0)))
    kept = [t for k, t in enumerate(terms) if k != 1]
    product = functools.reduce(lambda a, b: a * b, kept)
    order = sorted([("b", x), ("a", y)])
    return product + order[0][1] * order[1][1] + (x if any(t > 0.1 for t in terms) else y)


@shows(0.7, 0.2)
def best_by_key(x, y):
    """`min` and `max` by a run-time key, `sorted` numbers"""
    points = [(x, y), (x + 1.0, y), (x, y + 1.0)]
    far = max(points, key=lambda p: math.hypot(*p))
    low, middle, high = sorted([x, y, 0.4])
    return far[0] * far[1] + low * middle - high


@shows(X, 0.7)
def grown_twice(v, x):
    """A list that two loops and the lines after them append to"""
    rows = [x]
    for e in v:
        rows.append(e * rows[-1])
    for e in v:
        if e > 0.0:
            rows.append(e * x)
    rows += [x * x]
    return sum(rows) * rows[-2] * len(rows)


@shows(X, 0.7)
def list_of_an_array(v, x):
    """`list(v)` of run-time length, its items changed"""
    p = list(v)
    for i in range(1, len(p)):
        p[i] += x * p[i - 1]
    return p[-1] * p[0]


@shows(X, 0.7)
def list_per_round(v, x):
    """A list made anew in each round, and turned into an array"""
    s = 0.0
    for a in v:
        row = [x]
        for b in v:
            row.append(a * b)
        s += np.sum(np.array(row) ** 2)
    return s


@shows(0.7, 3)
def dicts_in_rounds(x, n: int):
    """Dicts, sets of static keys and comprehensions in a loop"""
    totals = {"a": 0.0, "b": x}
    for i in range(n):
        for key in sorted({"a", "b"}):
            totals[key] += x**i
        totals = {k: 0.5 * t for k, t in totals.items()}
    return totals["a"] * totals["b"]


@shows(0.7, X)
def forgotten_list(x, v):
    """A list that one way out leaves shorter, and nobody needs any more"""
    seen = [x]
    if x > 0.9:
        return x * x
    seen.append(v[0])
    seen.extend([v[1] * x, 2.0])
    return sum(seen)


@shows(0.7, X)
def asserted_and_printed(x, v):
    """`assert`, `print`, `with` and a docstring in a loop"""
    s = 0.0
    for i, e in enumerate(v):
        "not a docstring, but allowed"
        assert i >= 0, f"{SCALE}"
        with np.errstate(all="ignore"), contextlib.nullcontext():
            s += e * x
        print(end="")
    return s * SCALE


@shows(0.7, X)
def without_gradient(x, v):
    """`no_grad` in a loop"""
    s = 0.0
    for e in v:
        with symdiff.no_grad():
            weight = 2.0 if e > 0.0 else 0.5
        s += weight * x * e
    return s


@shows(0.7, 3)
def caught_in_a_loop(x, n: int):
    """`try`, `else` and `finally` in a loop, on what is certain"""
    table, count, s = {"a": x}, 0.0, 0.0
    for i in range(n):
        try:
            u = table["b"]
        except KeyError:
            u = table["a"] * i
        else:
            u = 0.0
        finally:
            count += x
        s += u
    return s * count


@raises(ZeroDivisionError, 0.7, 3)
def raised_in_a_nested_loop(x, n: int):
    """What raises in an inner loop"""
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += x / (i - j + 5 * (i != j))
    return s


@shows(0.7, 3)
def colliding(x, n: int):
    """Names like those of generated code, in a loop"""
    d_x, t, t_tape, rounds, np_, has_s = x, 1.0, x, 2.0, x, x * x
    for i in range(n):
        t = t * d_x + t_tape * i
        d_x = math.sin(t) * rounds
    return t * d_x * np_ + has_s


@refuses(X, 0.7)
def one_of_two_arrays(v, x):
    """Writing into one of two arrays that a loop swaps"""
    a, b = v.copy(), v.copy()
    for i in range(len(v)):
        c = a if v[i] > 0.0 else b
        c[i] = x
    return np.sum(a * b)


@refuses(X, 0.7)
def shrinking(v, x):
    """An array that gets shorter in each round"""
    a = v
    while len(a) > 1:
        a = a[1:] * x
    return a[0]


@refuses(0.7, X)
def number_or_function(x, v):
    """A name that is a function on one path"""
    f = None
    if x > 0.5:
        f = math.sin
    return x if f is None else f(x)


@shows(X)
def stack_of_work(x):
    """A stack in a `while`: what is popped appends more"""
    stack = [x[0], x[1]]
    total = 0.0
    while stack:
        a = stack.pop()
        total += a * a
        if a > 0.4:
            stack.append(a / 2)
            stack.append(math.sin(a) / 3)
    return total


@shows(X)
def popped_in_rounds(x):
    """`pop` and `del` of the last item in a loop"""
    kept = [1.0]
    for v in x:
        kept.append(v * kept[-1])
        if v > 1.0:
            del kept[-1]
    return kept.pop() * len(kept) + sum(kept)


@raises(IndexError, X)
def popped_from_none(x):
    """... of a list that is empty by then"""
    kept = [1.0]
    for v in x:
        kept.pop()
        if v > 0.6:
            kept.append(v)
    return sum(kept)


@raises(IndexError, X, 3)
def index_outside_of_a_grown_list(x, k: int):
    """An index outside of a list that has grown"""
    kept = []
    for v in x:
        kept.append(v * v)
    return kept[k]


@refuses(X)
def list_changed_under_a_loop(x):
    """A list that changes while a loop runs over it"""
    kept = []
    for v in x:
        kept.append(v)
    s = 0.0
    for v in kept:
        s += v
        kept.append(s)
    return s


@refuses(0.7, 3)
def queue(x, n: int):
    """`pop` from the front of a list in a loop"""
    waiting = [x]
    for _ in range(n):
        a = waiting.pop(0)
        waiting.append(a * x)
        waiting.append(a)
    return sum(waiting)


@shows(X)
def tuples_in_a_grown_list(x):
    """Tuples in a list that grows, an index among them"""
    best = []
    for i in range(len(x)):
        best.append((i, x[i] * x[i]))
    s = 0.0
    for k, t in best:
        s += x[k] * t
    return s + len(best[0] + best[1])


@shows(X)
def sums_of_grown_lists(x):
    """Slices and sums of lists that have grown are lists"""
    rows = [v * v for v in x]
    both = rows[1:] + rows
    return both[0] * both[-1] + len(both)


@shows(0.7, 4)
def two_rows_of_a_table(x, n: int):
    """A list that each round replaces by another"""
    previous = list(range(n + 1))
    for i in range(1, n + 1):
        current = [i]
        for j in range(1, n + 1):
            cost = abs(x * i - j)
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost))
        previous = current
    return previous[n]


@refuses(0.7, 4)
def one_list_in_many_places(x, n: int):
    """A list that rounds change, appended to another"""
    rows, row = [], [0.0, 1.0]
    for _ in range(n):
        row[0] += x
        rows.append(row)
    return rows[0][0]


@refuses(0.7, 4)
def item_of_a_grown_list_changed(x, n: int):
    """A list that is an item of a list that has grown, changed"""
    rows = [[x, x * i] for i in range(n)]
    rows[1][0] = 5.0
    return rows[1][0]


@refuses(0.7, 4)
def replaced_list_changed(x, n: int):
    """A list that each round replaces, changed in place"""
    row = [x * j for j in range(n)]
    for _ in range(n):
        row[0] += x
        row = [v * x for v in row]
    return row[0]


@refuses(0.7, 4)
def grown_list_multiplied(x, n: int):
    """`rows * 2` of a list that has grown"""
    rows = [x * i for i in range(n)]
    return (rows * 2)[1]


@refuses(0.7, 4)
def grown_list_compared(x, n: int):
    """`rows == [...]` of a list that has grown"""
    rows = [x * i for i in range(n)]
    return x if rows == [0.0, 1.0] else rows[1]


@shows(0.7, 3)
def table_as_lists(x, n: int):
    """A table as a list of lists"""
    d = [[0.0] * (n + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        d[i][0] = x * i
        d[0][i] = i
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            d[i][j] = min(d[i - 1][j], d[i][j - 1]) + abs(x * i - j)
    return d[n][n]


@shows(0.7, 3)
def rows_under_other_names(x, n: int):
    """Rows of a list of lists under names of their own"""
    d = [[x * j for j in range(n)] for _ in range(n)]
    previous = d[0]
    for current in d:
        for j in range(n):
            current[j] += previous[j] * x
        previous = current
    return d[n - 1][1] * previous[2]


@shows(0.7, 4)
def table_per_round(x, n: int):
    """A list of lists that each round replaces"""
    u = [[x * i + j for j in range(n)] for i in range(n)]
    for _ in range(n):
        new = [[0.0] * n for _ in range(n)]
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                new[i][j] = u[i][j] + 0.1 * (u[i - 1][j] - x * u[i][j + 1])
        u = new
    return u[1][2] * u[2][1]


@refuses(0.7, 4)
def one_row_in_many_places(x, n: int):
    """One list as several items of another"""
    d, row = [], [x] * n
    for _ in range(n):
        d.append(row)
    d[0][0] = 5.0
    return d[1][0]


@refuses(0.7, 4)
def rows_of_other_lengths(x, n: int):
    """A list of lists of different lengths"""
    d = [[x * j for j in range(i)] for i in range(n)]
    return d[3][2]


@refuses(0.7, 4)
def row_replaced(x, n: int):
    """An item of a list of lists replaced by another list"""
    d = [[x * i * j for j in range(n)] for i in range(n)]
    d[0] = d[1]
    return d[0][1]
