"""Functions of the standard library that work on containers: itertools, operator, statistics.

They are given as what they mean in terms of the evaluator's operations, so their items may be
run-time values. What calls a function back is `Lazy`: the evaluator runs it.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.containers import items_of
from symdiff.parse.expressions import apply_operator
from symdiff.parse.frame import Unbound
from symdiff.parse.streams import ENDLESS, Stream
from symdiff.parse.values import is_static, join, static_index, truth
from symdiff.primitives.elementary import cast
from symdiff.primitives.spell import spelled, subscript, to_expr


class Lazy:
    """A function that calls functions back (map, sorted with a key): run by the evaluator."""

    def __init__(self, run: Callable[[Any], Any]):
        self.run = run


def total(values: Any, start: Any = 0) -> Any:
    """`sum(values, start)`, item by item."""
    result: Any = start
    for item in items_of(values):
        first = result is start and not isinstance(start, Expr) and start == 0
        result = (
            item if first and isinstance(item, Expr) else apply_operator(operator.add, result, item)
        )
    return result


def zipped(*values: Any, strict: bool = False) -> list[Any]:
    """`zip`; iterators without end give as many items as the others."""
    known = [None if isinstance(v, ENDLESS) else items_of(v) for v in _dealt(values)]
    if values and all(k is None for k in known):
        raise UnsupportedError(
            "zip of iterators without end is not supported",
            hint="zip them with something that ends",
        )
    lengths = [len(k) for k in known if k is not None]
    if strict and len(set(lengths)) > 1:
        raise ValueError("zip() arguments have different lengths")
    count = min(lengths, default=0)
    columns = [
        list(itertools.islice(v, count)) if k is None else k[:count]
        for v, k in zip(values, known, strict=True)
    ]
    return list(zip(*columns, strict=True))


def _dealt(values: Sequence[Any]) -> list[Any]:
    """`values`, where one iterator that stands there several times gives each its share."""
    streams = [v for v in values if isinstance(v, Stream)]
    result = list(values)
    for stream in {id(s): s for s in streams}.values():
        at = [i for i, v in enumerate(values) if v is stream]
        items = stream.lent()
        for k, i in enumerate(at):
            result[i] = items[k :: len(at)]
    return result


# itertools: positions are static, so Python's own functions pick the items.


def _picking(function: Callable[..., Any], several: bool = False) -> Callable[..., list[Any]]:
    """A function of itertools that only picks and arranges items."""

    def run(*args: Any, **kwargs: Any) -> list[Any]:
        if several:
            return list(function(*map(items_of, args), **kwargs))
        return list(function(items_of(args[0]), *args[1:], **kwargs))

    return run


def _chain_of(values: Any) -> list[Any]:
    return [x for v in items_of(values) for x in items_of(v)]


def _islice(values: Any, *bounds: Any) -> list[Any]:
    fixed = [static_index(b, "a bound of islice") for b in bounds]
    if isinstance(values, ENDLESS):
        return list(itertools.islice(values, *fixed))
    return list(itertools.islice(items_of(values), *fixed))


def _accumulate(values: Any, function: Any = None, *, initial: Any = None) -> Lazy:
    def run(call: Any) -> Any:
        items = items_of(values)
        if initial is not None:
            items = [initial, *items]
        result: list[Any] = []
        for item in items:
            if not result:
                result.append(item)
            elif function is None:
                result.append(apply_operator(operator.add, result[-1], item))
            else:
                result.append((yield call(function, [result[-1], item])))
        return result

    return Lazy(run)


def _starmap(function: Any, values: Any) -> Lazy:
    def run(call: Any) -> Any:
        result: list[Any] = []
        for item in items_of(values):
            result.append((yield call(function, items_of(item))))
        return result

    return Lazy(run)


def _while(taking: bool) -> Callable[..., Lazy]:
    def start(function: Any, values: Any) -> Lazy:
        def run(call: Any) -> Any:
            items = items_of(values)
            for i, item in enumerate(items):
                if not known((yield call(function, [item])), "the condition"):
                    return items[:i] if taking else items[i:]
            return items if taking else []

        return Lazy(run)

    return start


def _groupby(values: Any, key: Any = None) -> Lazy:
    def run(call: Any) -> Any:
        groups: list[tuple[Any, list[Any]]] = []
        for item in items_of(values):
            k = item if key is None else (yield call(key, [item]))
            k = static_index(k, "the key of groupby")
            if groups and groups[-1][0] == k:
                groups[-1][1].append(item)
            else:
                groups.append((k, [item]))
        return groups

    return Lazy(run)


def known(value: Any, what: str) -> bool:
    """A condition that must be known when compiling."""
    result = truth(value)
    if not isinstance(result, bool):
        raise UnsupportedError(
            f"{what} must be known when compiling",
            hint="use a conditional expression: sum(x if x > 0 else 0 for x in xs)",
        )
    return result


# Sorting and picking: by static keys.


def sorted_list(values: Any, *, key: Any = None, reverse: Any = False) -> Lazy:
    """`sorted`: of run-time numbers; by keys that are static, of anything."""

    def run(call: Any) -> Any:
        items = items_of(values)
        numbers = None if key is not None else _sorted_numbers(items, bool(reverse))
        if numbers is not None:
            return numbers
        ranks = yield _ranks(call, items, key)
        order = sorted(range(len(items)), key=ranks.__getitem__, reverse=bool(reverse))
        return [items[i] for i in order]

    return Lazy(run)


def _ranks(call: Any, items: list[Any], key: Any) -> Any:
    """What to sort `items` by: objects that compare as Python compares the keys."""
    keys = items
    if key is not None:
        keys = []
        for item in items:
            keys.append((yield call(key, [item])))
    return [functools.cmp_to_key(_static_order)(k) for k in keys]


def _static_order(a: Any, b: Any) -> int:
    """Compare what is known when compiling; tuples as far as it takes to tell them apart."""
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        for x, y in zip(a, b, strict=False):
            order = _static_order(x, y)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    if not is_static(a) or not is_static(b):
        raise UnsupportedError(
            "sorting by run-time values is not supported",
            hint="use np.sort or np.argsort on an array",
        )
    return (b < a) - (a < b)


def best_by(name: str, items: list[Any], key: Any) -> Lazy:
    """`max(items, key=...)`: one of the items, or at run time the first of those that are best."""
    better = operator.gt if name == "max" else operator.lt

    def run(call: Any) -> Any:
        ranks: list[Any] = []
        for item in items:
            ranks.append(item if key is None else (yield call(key, [item])))
        best, rank = items[0], ranks[0]
        for item, other in zip(items[1:], ranks[1:], strict=True):
            wins = truth((yield call(better, [other, rank])))
            if isinstance(wins, bool):
                best, rank = (item, other) if wins else (best, rank)
                continue
            best = _chosen(wins, item, best)
            rank = _chosen(wins, other, rank)
        return best

    return Lazy(run)


def _chosen(pred: Expr, then: Any, orelse: Any) -> Any:
    """`then if pred else orelse`, of what cannot be changed later."""
    value = join(pred, then, orelse, "an item", _refuse_changeable)
    if isinstance(value, Unbound):
        raise UnsupportedError(
            f"the item that is best {value.why}", hint="give the items the same structure"
        )
    return value


def _refuse_changeable(value: Any, *of: Any) -> None:
    if isinstance(value, (list, dict)) or (isinstance(value, Record) and not value.is_namedtuple):
        raise UnsupportedError(
            "one of several lists or objects is chosen by run-time values",
            hint="use tuples of numbers, or choose an index",
        )


def _sorted_numbers(items: list[Any], reverse: bool) -> list[Any] | None:
    """Run-time numbers in order, through an array; None where there are other things."""
    numbers = (Expr, int, float, np.generic)
    if not items or is_static(items) or not all(
        isinstance(x, numbers) and not to_expr(x).type.rank for x in items
    ):  # fmt: skip
        return None
    array, sort = spelled(np.array), spelled(np.sort)
    assert array is not None and sort is not None
    ordered = sort(array(items))
    plain = all(to_expr(x).type.weak for x in items)
    found: list[Any] = [subscript(ordered, i) for i in range(len(items))]
    if plain:
        found = [cast.build(x, attrs=(x.type.dtype, True)) for x in found]
    return found[::-1] if reverse else found


# operator, math and statistics.


def _item_getter(*keys: Any) -> Any:
    def get(value: Any) -> Any:
        found = tuple(subscript(value, k) if isinstance(value, Expr) else value[k] for k in keys)
        return found[0] if len(found) == 1 else found

    return Function(lambda value: get(value))


class Function:
    """A function that the evaluator calls with values as they are."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function


def _attribute_getter(*names: str) -> Any:
    def get(value: Any) -> Any:
        from symdiff.parse.expressions import get_attribute

        found: list[Any] = []
        for name in names:
            result = value
            for part in name.split("."):
                result = get_attribute(result, part)
            found.append(result)
        return found[0] if len(found) == 1 else tuple(found)

    return Function(get)


def _mean(values: Any, weights: Any = None) -> Any:
    items = items_of(values)
    if not items:
        raise statistics.StatisticsError("mean requires at least one data point")
    if is_static(items) and is_static(weights):
        return statistics.fmean(items, weights) if weights else statistics.fmean(items)
    if weights is not None:
        pairs = zip(items, items_of(weights), strict=True)
        top = total([apply_operator(operator.mul, a, w) for a, w in pairs])
        return apply_operator(operator.truediv, top, total(weights))
    return apply_operator(operator.truediv, total(items), len(items))


def _spread(minus: int, root: bool) -> Callable[..., Any]:
    def run(values: Any, middle: Any = None) -> Any:
        items = items_of(values)
        if len(items) <= minus:
            raise statistics.StatisticsError("variance requires more data points")
        center = _mean(items) if middle is None else middle
        squares = [apply_operator(operator.pow, apply_operator(operator.sub, x, center), 2)
                   for x in items]  # fmt: skip
        result = apply_operator(operator.truediv, total(squares), len(items) - minus)
        square_root = spelled(math.sqrt)
        assert square_root is not None
        return square_root(to_expr(result)) if root else result

    return run


def _sumprod(p: Any, q: Any) -> Any:
    a, b = items_of(p), items_of(q)
    if len(a) != len(b):
        raise ValueError("Inputs are not the same length")
    return total([apply_operator(operator.mul, x, y) for x, y in zip(a, b, strict=True)])


LIBRARY: dict[Any, Callable[..., Any]] = {
    itertools.chain: lambda *xs: [x for v in xs for x in items_of(v)],
    itertools.chain.from_iterable: _chain_of,
    itertools.islice: _islice,
    itertools.accumulate: _accumulate,
    itertools.starmap: _starmap,
    itertools.takewhile: _while(True),
    itertools.dropwhile: _while(False),
    itertools.groupby: _groupby,
    itertools.product: _picking(itertools.product, several=True),
    itertools.zip_longest: _picking(itertools.zip_longest, several=True),
    itertools.pairwise: _picking(itertools.pairwise),
    itertools.combinations: _picking(itertools.combinations),
    itertools.permutations: _picking(itertools.permutations),
    itertools.combinations_with_replacement: _picking(itertools.combinations_with_replacement),
    itertools.count: itertools.count,
    itertools.cycle: lambda xs: itertools.cycle(items_of(xs)),
    itertools.repeat: lambda x, *n: [x] * n[0] if n else itertools.repeat(x),
    itertools.compress: lambda xs, on: [
        x for x, c in zip(items_of(xs), items_of(on), strict=False) if known(c, "a selector")
    ],
    operator.itemgetter: _item_getter,
    operator.attrgetter: _attribute_getter,
    operator.getitem: lambda v, k: subscript(v, k) if isinstance(v, Expr) else v[k],
    operator.truth: truth,
    operator.pos: lambda x: x,
    statistics.fmean: _mean,
    statistics.mean: _mean,
    statistics.variance: _spread(1, False), statistics.pvariance: _spread(0, False),
    statistics.stdev: _spread(1, True), statistics.pstdev: _spread(0, True),
    math.prod: lambda xs, *, start=1: functools.reduce(
        lambda a, b: apply_operator(operator.mul, a, b), items_of(xs), start
    ),
}  # fmt: skip
if hasattr(itertools, "batched"):  # 3.12
    _batched: Any = vars(itertools)["batched"]
    LIBRARY[_batched] = _picking(_batched)
if hasattr(math, "sumprod"):  # 3.12
    LIBRARY[vars(math)["sumprod"]] = _sumprod
# These give iterators; the rest give lists, tuples or numbers.
ITERATORS = {k for k in LIBRARY if getattr(k, "__module__", "") == "itertools"} | {
    itertools.chain.from_iterable
}

for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor",
):  # fmt: skip
    LIBRARY[getattr(operator, _name)] = functools.partial(apply_operator, getattr(operator, _name))
