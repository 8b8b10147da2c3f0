"""Comprehensions, generators, iterators

Iterators give their items as Python's do, each one once; what an iterator reads must not change
between where it is made and where it is used up.
"""

import itertools

from tests.language import refuses, shows


@shows(0.7)
def list_comprehension(x):
    """List comprehension"""
    items = [u * x for u in (1.0, 2.0, 3.0)]
    return items[0] * items[2]


@shows(0.7, -0.4)
def conditions(x, y):
    """Several `for` and `if`"""
    items = [a * b * x for a in range(4) if a % 2 for b in (x, y) if a < 3]
    return items[0] * items[1] + len(items)


@shows(0.7, -0.4)
def nested(x, y):
    """Nested comprehensions"""
    table = [[i * x + j * y for j in range(i + 1)] for i in range(3)]
    return table[2][1] * table[1][0] + sum(map(len, table))


@shows(0.7, -0.4)
def dict_comprehension(x, y):
    """Dict comprehension"""
    table = {k: v * y for k, v in zip("pq", (x, y))}
    return table["p"] * table["q"]


@shows(0.7)
def set_comprehension(x):
    """Set comprehension"""
    return x ** len({len(k) for k in ("a", "bb", "cc")})


@shows(0.7, -0.4)
def generator_expression(x, y):
    """Generator expression"""
    return sum(u * x for u in (x, y, 2.0))


@shows(0.7, -0.4)
def unpacking(x, y):
    """Unpacking in comprehensions"""
    return sum(a * sum(rest) for a, *rest in [(x, y, 1.0), (y, x)])


@shows(0.7)
def own_scope(x):
    """A comprehension's variable is its own"""
    u = 5.0
    total = sum([u * x for u in (1.0, 2.0)])
    return total * u


@shows(0.7)
def conditional_items(x):
    """Run-time conditions inside the items"""
    return sum(u * x if u * x > 1.0 else x * x for u in (1.0, 2.0, 3.0))


@refuses(0.7)
def run_time_filter(x):
    """A run-time condition on which items there are"""
    return sum([u * x for u in (1.0, 2.0) if u * x > 1.0])


@shows(0.7)
def for_over_tuple(x):
    """`for` over a tuple, with `else`"""
    total = 0.0
    for a, (b, c) in ((x, (1.0, x)), (2.0, (x, 3.0))):
        total += a * b * c
    else:
        total *= 2.0
    return total


@shows(0.7)
def loop_control(x):
    """`break` and `continue` on static conditions"""
    total = 0.0
    for i in range(10):
        if i == 1:
            continue
        if i > 3:
            break
        total += x**i
    return total


@shows(0.7)
def static_while(x):
    """`while` on a static condition"""
    n, total = 4, x
    while n:
        n -= 1
        total = total * x + n
    return total


@shows(0.7)
def growing(x):
    """A list that grows while it is run through"""
    items = [x]
    for u in items:
        if len(items) < 4:
            items.append(u * x)
    return sum(items)


@shows(0.7, -0.4)
def iterators(x, y):
    """`iter` and `next`"""
    it = iter([x, y, 3.0])
    first = next(it)
    return first * sum(it) + next(it, 5.0) * x


@shows(0.7, -0.4)
def used_up(x, y):
    """An iterator is used up by its first use"""
    g = (u * u for u in (x, y))
    return sum(g) + 100.0 * sum(g)


@shows(0.7, -0.4)
def pairs(x, y):
    """Two names of one iterator"""
    it = iter([x, y, y, x])
    return sum(a * b for a, b in zip(it, it))


@shows(0.7)
def generators(x):
    """Generator functions"""

    def powers(u, n):
        value = 1.0
        for _ in range(n):
            yield value
            value = value * u

    return sum(powers(x, 4)) * list(powers(x, 3))[2]


@shows(0.7)
def yield_from(x):
    """`yield from`"""

    def inner(u):
        yield u
        yield u * u

    def outer(u):
        yield from inner(u)
        yield 3.0

    a, b, c = outer(x)
    return a * b * c


@shows(0.7, -0.4)
def counted(x, y):
    """`zip` with an iterator without end"""
    return sum(i * u for i, u in zip(itertools.count(1), (x, y)))


@shows(0.7)
def short_circuit(x):
    """`any` and `all` stop at the item that decides"""
    return (
        x * x if any(u / x > 1.0 for u in (x, 1.0, 2.0)) and all(u > x for u in (1.0, 2.0)) else x
    )


@refuses(0.7)
def changed_meanwhile(x):
    """What an iterator reads is changed before it is used"""
    k = x
    g = (u * k for u in (1.0, 2.0))
    k = 5.0
    return sum(g) * k


@refuses(0.7)
def side_effects(x):
    """An iterator that changes something"""
    seen = []
    g = (seen.append(u * x) for u in (1.0, 2.0))
    return x * len(list(g)) + sum(seen)


@refuses(0.7)
def endless(x):
    """An iterator without end, used up"""
    return sum(x / (i + 1) ** 2 for i in itertools.count())


@refuses(0.7)
def async_function(x):
    """`async` and `await`"""

    async def f(u):
        return u * u

    return f(x)


@refuses(0.7)
def changed_deep_inside(x):
    """What an iterator reads is changed deep inside"""
    rows = [[x, 2.0], [3.0, x]]
    g = (row[0] * row[1] for row in rows)
    rows[0][1] = 5.0
    return sum(g)
