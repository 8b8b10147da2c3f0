"""The standard library

`math` is in the table of primitives (`symdiff primitives`); these work on containers, too.
"""

import collections
import copy
import functools
import itertools
import math
import operator
import statistics

from tests.language import refuses, shows


@shows(0.7, -0.4)
def reduce(x, y):
    """`functools.reduce`"""
    return functools.reduce(lambda a, b: a * b + x, [x, y, 2.0], 1.0)


@shows(0.7, -0.4)
def operators(x, y):
    """`operator`: functions for operators"""
    return operator.mul(x, y) + operator.add(x, operator.neg(y)) + operator.pow(x, 2)


@shows(0.7, -0.4)
def getters(x, y):
    """`operator.itemgetter` and `attrgetter`"""
    second = operator.itemgetter(1)
    return second([x, y]) * operator.itemgetter("a", "b")({"a": x, "b": 2.0})[0]


@shows(0.7, -0.4)
def chain(x, y):
    """`itertools.chain`"""
    both = list(itertools.chain([x], (y, 2.0)))
    flat = itertools.chain.from_iterable([[x, y], [y]])
    return both[0] * both[1] * both[2] + sum(flat)


@shows(0.7, -0.4)
def product(x, y):
    """`itertools.product`, `combinations`, `permutations`"""
    total = sum(a * b for a, b in itertools.product([x, y], repeat=2))
    total += sum(a * b for a, b in itertools.combinations([x, y, 3.0], 2))
    return total + len(list(itertools.permutations(range(3)))) * x


@shows(0.7, -0.4)
def accumulate(x, y):
    """`itertools.accumulate`"""
    sums = list(itertools.accumulate([x, y, x]))
    products = list(itertools.accumulate([x, y], operator.mul, initial=2.0))
    return sums[2] * products[2]


@shows(0.7, -0.4)
def pairwise(x, y):
    """`itertools.pairwise`, `zip_longest`"""
    total = sum((b - a) ** 2 for a, b in itertools.pairwise([x, y, 2.0]))
    return total + sum(a * b for a, b in itertools.zip_longest([x, y], [3.0], fillvalue=x))


@shows(0.7, -0.4)
def islice(x, y):
    """`itertools.islice`, `takewhile`, `dropwhile`"""
    items = [x, y, x * y, 3.0]
    first = list(itertools.islice(items, 1, 3))
    small = itertools.takewhile(lambda pair: pair[0] < 2, enumerate(items))
    return first[0] * first[1] + sum(v for _, v in small)


@shows(0.7)
def repeat(x):
    """`itertools.repeat`, `cycle`, `count`"""
    total = sum(itertools.repeat(x, 3))
    return total + sum(a * b for a, b in zip([x, 2.0, 3.0], itertools.cycle([1.0, x])))


@shows(0.7, -0.4)
def starmap(x, y):
    """`itertools.starmap`, `compress`"""
    return sum(itertools.starmap(pow, [(x, 2), (y, 3)])) + sum(
        itertools.compress([x, y], [True, False])
    )


@shows(0.7, -0.4)
def groupby(x, y):
    """`itertools.groupby` by a static key"""
    total = 0.0
    for key, group in itertools.groupby([(1, x), (1, y), (2, x)], key=lambda pair: pair[0]):
        total += key * math.prod(v for _, v in group)
    return total


@shows(0.7, -0.4)
def products(x, y):
    """`math.prod`, `math.fsum`, `math.hypot`, `math.dist`"""
    return math.prod([x, y, 2.0]) + math.fsum([x, y]) + math.hypot(x, y) + math.dist([x, y], [1, 2])


@shows(0.7, -0.4)
def means(x, y):
    """`statistics.mean`, `fmean`"""
    return statistics.mean([x, y, 2.0]) ** 2 + statistics.fmean([x * y, x])


@shows(0.7, -0.4)
def variances(x, y):
    """`statistics.variance`, `pvariance`, `stdev`, `pstdev`"""
    data = [x, y, 2.0]
    return statistics.variance(data) + statistics.pvariance(data) * statistics.stdev(data)


@shows(0.7)
def copies(x):
    """`copy.copy` and `copy.deepcopy` of containers"""
    items = [x, [x]]
    shallow, deep = copy.copy(items), copy.deepcopy(items)
    items[1].append(3.0)
    return shallow[1][1] * x * len(deep[1])


@shows(0.7, -0.4)
def default_dicts(x, y):
    """`collections.defaultdict`, `namedtuple`"""
    pair = collections.namedtuple("pair", "name value")
    sums, groups = collections.defaultdict(float), collections.defaultdict(list)
    for p in (pair("a", x), pair("b", y), pair("a", y)):
        sums[p.name] += p.value
        groups[p.name].append(p.value)
    return sums["a"] * sums["b"] + groups["a"][0] * groups["a"][1]


@refuses(0.7)
def counters(x):
    """`collections.Counter`, `deque`, `OrderedDict`"""
    queue = collections.deque([x])
    queue.appendleft(2.0)
    return sum(queue)


@refuses(0.7)
def random_numbers(x):
    """Random numbers"""
    import random

    return x * random.random()
