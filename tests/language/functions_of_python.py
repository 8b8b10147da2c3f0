"""Builtins

Python's functions work on containers of run-time values as far as what they decide is static.
"""

import math
from typing import NamedTuple

from tests.language import refuses, shows


@shows(0.7, -0.4)
def sums(x, y):
    """`sum`, with `start`"""
    return sum([x, y, x * y]) * sum((x,), start=y)


@shows(0.7, -0.4)
def extremes(x, y):
    """`min` and `max` of run-time values"""
    return max(x, y, 0.1) * min([x * x, y])


@shows(0.7, -0.4)
def extremes_by_key(x, y):
    """`min` and `max` with a static key, and a default"""
    longest = max([("a", x), ("bbb", y)], key=lambda pair: len(pair[0]))
    return longest[1] * x + max([], default=y)


@shows(-0.7)
def absolute(x):
    """`abs`"""
    return abs(x) * x


@shows(7.3, 2.0)
def division(x, y):
    """`divmod`, `pow`"""
    q, r = divmod(x, y)
    return q * r * y + pow(x, 2) + pow(y, x)


@shows(2.6)
def rounding(x):
    """`round`, `int`, `float`, `bool`"""
    return x * round(x) + int(x) * x + float(x) ** 2 + bool(x) * x


@shows(0.7)
def static_arithmetic(x):
    """Static numbers: `int`, `round`, `pow` with a modulus, `hash`-free arithmetic"""
    return x ** pow(7, 2, 5) * int("3") * round(2.567, 1) * 0x10 * 1_000 * 1e-3


@shows(0.7)
def ranges(x):
    """`range`: length, index, membership, reversal"""
    r = range(2, 10, 3)
    return x ** len(r) * r[1] + (5 in r) * sum(reversed(r)) * x


@shows(0.7, -0.4)
def zipping(x, y):
    """`zip`, `strict` and by the star"""
    pairs = list(zip((x, y), (2.0, x), strict=True))
    a, b = zip(*pairs)
    return pairs[1][0] * a[0] * b[1]


@shows(0.7, -0.4)
def enumerating(x, y):
    """`enumerate`, with `start`"""
    return sum(i * u for i, u in enumerate([x, y], start=1))


@shows(0.7, -0.4)
def reversing(x, y):
    """`reversed`"""
    a, b, *_ = reversed([x, y, 3.0])
    return a * b * x


@shows(0.7, -0.4)
def mapping(x, y):
    """`map` over several lists"""
    return sum(map(lambda a, b: a * b, [x, y], [y, 2.0])) + list(map(math.sin, [x]))[0]


@shows(0.7, -0.4)
def filtering(x, y):
    """`filter` by a static condition"""
    kept = list(filter(lambda pair: pair[0] > 1, [(1, x), (2, y), (3, x)]))
    return kept[0][1] * kept[1][1]


@shows(0.7, -0.4)
def sorting(x, y):
    """`sorted` by a static key"""
    table = {"b": x, "a": y}
    ordered = sorted(table.items(), key=lambda item: item[0], reverse=True)
    return ordered[0][1] ** 2 * ordered[1][1]


@shows(0.7, -0.4)
def sorted_pairs(x, y):
    """`sorted`, `max` of tuples that static items tell apart"""
    ordered = sorted([(2, x), (1, y), (3, 5.0)])
    return ordered[0][1] ** 2 * max((1, x), (2, y))[1] * x


@shows(0.7, -0.4)
def quantifiers(x, y):
    """`any` and `all` of run-time conditions"""
    return x * y if any([x < 0.0, y < 0.0]) and all(u < 1.0 for u in (x, y)) else x


@shows(0.7)
def types(x):
    """`isinstance`, `type`, `callable`"""
    known = isinstance(x, float) and type(x) is float and not isinstance(x, (int, list))
    return x * x if known and callable(math.sin) and isinstance([x], list) else x


class Pair(NamedTuple):
    a: float
    b: float


@shows(0.7, -0.4)
def attributes(x, y):
    """`getattr`, `hasattr`, with a default"""
    p = Pair(x, y)
    return getattr(p, "a") * getattr(p, "b", 0.0) + getattr(p, "c", 2.0) * hasattr(p, "b") * x


@shows(0.7)
def conversions(x):
    """`list`, `tuple`, `dict`, `set`, `len`"""
    items = list((x, 2.0))
    table = dict(zip("ab", items))
    return tuple(items)[0] * table["b"] * len(set("abca"))


@shows(0.7, -0.4)
def slices(x, y):
    """`slice` objects"""
    middle = slice(1, 3)
    return sum([x, y, x * y, 2.0][middle])


@shows(0.7)
def printing(x):
    """`print`: the function prints, its derivative does not"""
    print("x is", x, end="", file=None)
    return x * x


@shows(0.7, 3)
def printing_in_a_loop(x, n):
    """`print` in a loop"""
    for k in range(n):
        x = x * x
        print(k, x, sep=": ")
    return x


@refuses(0.7)
def identities(x):
    """`id`"""
    return x * id(x)


@refuses(0.7)
def evaluating(x):
    """`eval` and `exec`"""
    return eval("x * x")


@refuses(0.7)
def opening(x):
    """`open` and `input`"""
    return x * len(open("file").read())


@refuses(0.7)
def local_names(x):
    """`locals` and `globals`"""
    return locals()["x"] ** 2


@refuses(0.7)
def text_of_a_number(x):
    """`str` and `repr` of a run-time value"""
    return x * len(str(x))
