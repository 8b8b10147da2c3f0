"""Loops on run-time values

How many rounds there are shows when the function runs; integers annotated `n: int` are known only
then. The derivative has loops too.
"""

import functools
import math

import numpy as np

import symdiff
from tests.language import refuses, shows

RATE = 0.3


def half(u, by=0.5):
    return by * u


X = np.array([0.5, 1.5, -0.7])


@shows(0.7, 4)
def over_range(x, n: int):
    """`for` over `range(n)`"""
    s = 0.0
    for i in range(n):
        s += x**i
    return s


@shows(0.7, 2, 9)
def range_bounds(x, a: int, b: int):
    """A range with run-time bounds and a step"""
    s = 0.0
    for i in range(a, b, 3):
        s += math.sin(i * x)
    return s


@shows(0.7, 5)
def range_backwards(x, n: int):
    """A range backwards"""
    s = x
    for i in range(n, 0, -2):
        s = s * x + i
    return s


@shows(0.7, 3)
def run_time_step(x, step: int):
    """A run-time step"""
    s = 0.0
    for i in range(0, 10, step):
        s += x * i * s + x
    return s


@shows(0.7, 0)
def no_rounds(x, n: int):
    """No round at all"""
    s = x
    for _ in range(n):
        s = s * s
    return s


@shows(X)
def over_array(x):
    """`for` over an array"""
    s = 0.0
    for v in x:
        s += v * v
    return s


@shows(X.reshape(3, 1) * X)
def over_rows(a):
    """`for` over the rows of a matrix"""
    s = 0.0
    for row in a:
        s += row[0] * np.sum(row)
    return s


@shows(X, X[::-1].copy())
def over_zip(x, y):
    """`zip` of arrays"""
    s = 0.0
    for u, v in zip(x, y):
        s = math.sin(s + u * v)
    return s


@shows(X)
def over_enumerate(x):
    """`enumerate`, `reversed`, `zip` with a slice, one in the other"""
    s = 0.0
    for i, (u, v) in enumerate(zip(x, x[1:]), start=1):
        s += i * u * v
    for v in reversed(x):
        s = 0.5 * s + v * s
    return s


@shows(X)
def over_indices(x):
    """Indices: `range(len(x))`, neighbours"""
    s = 0.0
    for i in range(1, len(x) - 1):
        s += (x[i + 1] - 2.0 * x[i] + x[i - 1]) ** 2
    return s


@shows(X.reshape(3, 1) * X)
def nested(a):
    """Loops in loops, the bounds of the inner one run-time values"""
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(i, a.shape[1]):
            s += a[i, j] * a[j, i] * (i + 1)
    return s


@shows(5.0)
def while_loop(a):
    """`while` on run-time values: Newton's method"""
    x = a
    while abs(x * x - a) > 1e-10:
        x = 0.5 * (x + a / x)
    return x


@shows(0.3)
def while_true(x):
    """`while True` with `break`"""
    n = 0
    while True:
        x = x * x + 0.5
        n += 1
        if x > 0.9 or n == 20:
            break
    return x * n


@shows(X)
def break_and_continue(x):
    """`break` and `continue` on run-time conditions"""
    s = 0.0
    for v in x:
        if v < 0.0:
            continue
        s += v * v
        if s > 2.0:
            break
    return s


@shows(X)
def for_else(x):
    """`else` of a `for`, and of a `while`"""
    for v in x:
        if v > 10.0:
            s = v
            break
    else:
        s = x[0] * x[1]
    while s > 0.1:
        s *= 0.5
    else:
        s += x[2] * x[2]
    return s


@shows(X)
def return_inside(x):
    """`return` inside a loop"""
    s = 0.0
    for v in x:
        s += v * v
        if s > 1.0:
            return s * v
    return s


@shows(X)
def return_from_helper(x):
    """A helper that returns from inside its loop"""

    def first_above(y, limit):
        for v in y:
            if v > limit:
                return v * v
        return limit

    return first_above(x, 1.0) * first_above(x, 0.2)


@shows(0.7, 0.2, 4)
def several_values(x, v, n: int):
    """Several values that go from round to round, swapped too"""
    for _ in range(n):
        x, v = x + 0.1 * v, v - 0.1 * math.sin(x)
        x, v = v, x
    return x * v


@shows(0.7, 4)
def carried_containers(x, n: int):
    """Tuples, dicts and objects that rounds change"""
    state = {"at": x, "pair": (1.0, x)}
    for i in range(n):
        a, b = state["pair"]
        state["at"] += a * b
        state["pair"] = (b, 0.5 * a + i * x)
    return state["at"] * state["pair"][1]


@shows(0.7, 3)
def functions_inside(x, n: int):
    """Helpers, lambdas, partials and closures called in rounds"""
    twice = functools.partial(half, by=2.0)
    shifted = lambda u: u + x
    for _ in range(n):
        x = half(shifted(math.sin(x))) + RATE * twice(x)
    return x


@shows(0.7, 3)
def nonlocal_in_rounds(x, n: int):
    """`nonlocal` from rounds"""
    total = 0.0

    def add(u):
        nonlocal total
        total += u * x

    for i in range(n):
        add(i * x)
    return total


@shows(X, 2)
def branch_on_round(x, n: int):
    """Branches on the number of the round and on values"""
    s = 0.0
    for i in range(len(x)):
        s += x[i] if i % n == 0 else x[i] * s
        if s > 0.4:
            s = math.log(s)
    return s


@shows(0.7, 4)
def last_value(x, n: int):
    """A loop's variables after the loop"""
    for i in range(1, n):
        y = x * i
    return y * i


@shows(X)
def appended(x):
    """A list that grows in a loop"""
    seen = [1.0]
    for v in x:
        seen.append(v * seen[-1])
    return sum(seen) * len(seen)


@shows(X)
def list_to_array(x):
    """... and becomes an array"""
    seen = []
    for v in x:
        seen.append(math.sin(v))
    y = np.array(seen)
    return np.sum(y * y[::-1])


@shows(X)
def comprehension(x):
    """Comprehensions over arrays, with a run-time condition"""
    return sum([v * v for v in x if v > 0.0]) * np.prod(np.array([v + 1.0 for v in x]))


@shows(X)
def reductions(x):
    """`sum`, `min`, `max`, `any`, `all` of generators over arrays"""
    s = sum(v * v for v in x) + max(v * x[0] for v in x)
    return s if any(v > 1.0 for v in x) and all(abs(v) < 2.0 for v in x) else 0.0


@shows(X)
def length_of_what_grew(x):
    """Items of a grown list, by run-time indices, in a second loop"""
    path = []
    for v in x:
        path.append(v * v)
    s = 0.0
    for i in range(1, len(path)):
        s += path[i] * path[i - 1]
    return s


@shows(0.7)
def written_out(x):
    """A loop that is written out round by round, though it is long"""
    s = 0.0
    for k in symdiff.unroll(range(40)):
        s += x ** (k % 3)
    return s


@shows(0.3, 9)
def checkpoints(x, n: int):
    """A loop that stores few states, and runs its rounds again"""
    for _ in symdiff.checkpoint(range(n)):
        x = 3.1 * x * (1.0 - x)
    return x


@refuses(0.7, 4)
def unknown_rounds_written_out(x, n: int):
    """... of which the length is not known when compiling"""
    s = x
    for _ in symdiff.unroll(range(n)):
        s *= x
    return s


@refuses(0.7, 3)
def changing_structure(x, n: int):
    """A tuple that gets longer in each round"""
    t = (x,)
    for _ in range(n):
        t = (*t, x * t[-1])
    return sum(t)


@refuses(0.7, 3)
def generator_kept(x, n: int):
    """A generator over run-time rounds, kept in a name"""
    g = (x * i for i in range(n))
    return sum(g)


@shows(X)
def set_in_loop(x):
    """A set that a loop reads"""
    known = {0, 2}
    s = 0.0
    for i in range(len(X)):
        if i in known:
            s += x[i] * len(known)
    return s


@refuses(0.7, 3)
def growing_set(x, n: int):
    """A set to which rounds add"""
    seen = {0}
    for _ in range(n):
        x *= len(seen)
        seen.add(7)
    return x


@refuses(0.7)
def set_in_a_branch(x):
    """... or one side of a run-time branch"""
    seen = {0}
    if x > 0.0:
        seen.add(7)
    return x * len(seen)
