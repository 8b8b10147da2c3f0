"""Points to check a derivative at: drawn from a fixed seed, inside the domain of the function.

Where the domain lies is found by trying: a point at which the function raises, or is not finite,
is drawn again, each time from another range.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symdiff.errors import CheckError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record, Tree, expressions, record_fields
from symdiff.ir.types import Dim, Type, dim_symbols

Point = dict[str, Any]

OUTSIDE = (
    ArithmeticError, AssertionError, LookupError, NameError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a function raises outside its domain: where a name has no value or is None, too."""

_RANGES = ((-2.0, 2.0), (0.1, 2.0), (0.05, 0.95), (-0.95, 0.95), (1.1, 4.0))
_SIZES = (3, 2, 4, 5)
_ATTEMPTS = 200


def find_points(
    run: Callable[[Point], Any],
    trees: Mapping[str, Tree],
    count: int,
    seed: int,
    fixed: Mapping[str, Any] | None = None,
) -> list[Point]:
    """`count` arguments, one value for each of `trees`, at which `run` returns finite numbers.

    fixed: values that are not drawn. Raises CheckError where no point is found.
    """
    generator = random.Random(seed)
    found: list[Point] = []
    last: Exception | None = None
    for attempt in range(_ATTEMPTS):
        point = {**_draw(trees, generator, attempt), **(fixed or {})}
        try:
            with np.errstate(all="ignore"):
                inside = _finite(run(point))
        except OUTSIDE as error:
            last, inside = error, False
        if inside:
            found.append(point)
            if len(found) == count:
                return found
    why = f": {type(last).__name__}: {last}" if last else ""
    raise CheckError(
        f"none of {_ATTEMPTS} random points lies in the domain of the function{why}",
        hint="give a point, with --at x=1.5",
    )


def _draw(trees: Mapping[str, Tree], generator: random.Random, attempt: int) -> Point:
    """Arguments for one attempt: reals first, then mixtures of ranges, then sizes all alike."""
    sizes: dict[str, int] = {}
    for tree in trees.values():
        for leaf in expressions(tree):
            for dim in leaf.type.shape:
                for name in sorted(dim_symbols(dim)):
                    alike = attempt % 4 == 3
                    sizes.setdefault(name, 3 if alike else _SIZES[len(sizes) % len(_SIZES)])
    point: Point = {}
    for index, (name, tree) in enumerate(trees.items()):
        mixed = 0 if attempt < len(_RANGES) else generator.randrange(len(_RANGES))
        low, high = _RANGES[(attempt + index * mixed) % len(_RANGES)]
        point[name] = _value(tree, sizes, lambda a=low, b=high: round(generator.uniform(a, b), 3))
        if isinstance(tree, Expr) and not tree.type.rank and tree.type.dtype == "int":
            point[name] = sizes.get(name, point[name])  # x: float64[n] with a parameter n
    return point


def _value(tree: Tree, sizes: Mapping[str, int], draw: Callable[[], float]) -> Any:
    """A value of the structure and types of `tree`."""
    if isinstance(tree, Expr):
        return _leaf(tree.type, sizes, draw)
    if isinstance(tree, Record):
        return tree.cls(**{k: _value(v, sizes, draw) for k, v in tree.fields.items()})
    if isinstance(tree, dict):
        return {k: _value(v, sizes, draw) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(_value(v, sizes, draw) for v in tree)
    return tree  # static


def _leaf(type_: Type, sizes: Mapping[str, int], draw: Callable[[], float]) -> Any:
    def number() -> Any:
        match type_.dtype:
            case "bool":
                return draw() > 0.5
            case "int":
                return 1 + int(abs(draw()))
            case "complex64" | "complex128":
                return complex(draw(), draw())
            case _:
                return draw()

    dtype = "int64" if type_.dtype == "int" else type_.dtype
    if not type_.rank:
        return number() if type_.weak else np.dtype(dtype).type(number())
    shape = tuple(_size(d, sizes) for d in type_.shape)
    values = [number() for _ in range(math.prod(shape))]
    return np.array(values, dtype=dtype).reshape(shape)


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    return sum(c * math.prod(sizes[f] for f in factors) for factors, c in dim.terms)


def _finite(value: Any) -> bool:
    """Whether every number in nested containers is finite."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, (tuple, list)):
        return all(map(_finite, value))
    if hasattr(value, "__dataclass_fields__"):
        return all(map(_finite, record_fields(value).values()))
    if value is None or isinstance(value, str):
        return True
    return bool(np.all(np.isfinite(np.asarray(value))))
