"""What the evaluator does with values: numbers become constants, branches are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, cast

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr
from symdiff.ir.tree import MISSING, Maybe, Nullable, Record, is_container, is_record, record_fields
from symdiff.ir.types import Dim, Shape, dim_add, dim_mul
from symdiff.parse.frame import Unbound
from symdiff.primitives.conditions import Facts, either, value_of, with_fact
from symdiff.primitives.elementary import detach
from symdiff.primitives.row import choose
from symdiff.primitives.spell import StandIn, to_expr

NUMBERS = (int, float, complex, np.generic)
NUMERIC = (Expr, *NUMBERS, np.ndarray)


NEVER = Maybe(MISSING, False)  # what a name is that has not been assigned


def is_static(value: Any) -> bool:
    """Whether a value, with all that it contains, is known when compiling."""
    if isinstance(value, Expr):
        return False
    if isinstance(value, (tuple, list)):
        return all(is_static(v) for v in value)
    if isinstance(value, dict):
        return all(is_static(v) for v in value.values())
    return not isinstance(value, (Record, Nullable, Opaque))


class Opaque(StandIn):
    """What stands for an object of Python's while the function is evaluated."""


_TRUTH = ("__bool__", "__len__")


def truth(value: Any) -> Any:
    """`bool(value)`: a Python bool where it is known, else a boolean expression."""
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Nullable):
        return either(value.there, truth(value.value), False)
    if not isinstance(value, Expr):
        if isinstance(value, Record):
            if not value.is_namedtuple and any(hasattr(value.cls, n) for n in _TRUTH):
                raise UnsupportedError(
                    f"the truth of a {value.cls.__name__} is what its methods say",
                    hint="call it: bool(...)",
                )
            return bool(value.fields) or not value.is_namedtuple
        length = getattr(value, "length", None) if isinstance(value, Opaque) else None
        return bool(value) if length is None else _nonzero(to_expr(length))
    if value.type.rank:
        raise IllTypedError(
            "the truth value of an array is ambiguous",
            hint="use np.where for a choice in each element, or .any() / .all()",
        )
    if value.type.dtype == "bool":
        return value
    return choose(value, True, False).expr if False else _nonzero(value)


def _nonzero(value: Expr) -> Expr:
    from symdiff.primitives.arithmetic import not_equal

    return not_equal.build(value, 0)


Freeze = Callable[..., None]
Contents = Mapping[int, Any]  # what containers hold, by their id
Held = tuple[Contents, Contents]  # at the end of either side of a branch


def join(
    pred: Expr,
    then: Any,
    orelse: Any,
    what: str,
    freeze: Freeze,
    held: Held = ({}, {}),
) -> Any:
    """The value after a run-time branch: `then if pred else orelse`, leaf by leaf.

    freeze: called with containers that are copied so, which may not change any more, and with the
    copies and what they are copies of. held: what containers hold at the end of either side, where
    that is not what they hold now.
    """
    if then is orelse:
        return then
    if isinstance(then, Maybe) or isinstance(orelse, Maybe):
        (a, a_ran), (b, b_ran) = (
            (x.value, x.there) if isinstance(x, Maybe) else (x, True) for x in (then, orelse)
        )
        ran = either(pred, a_ran, b_ran)
        value = b if a is MISSING else a if b is MISSING else join(pred, a, b, what, freeze, held)
        return value if isinstance(value, Unbound) or ran is True else Maybe(value, ran)
    if isinstance(then, Unbound) or isinstance(orelse, Unbound):
        return then if isinstance(then, Unbound) else orelse
    if isinstance(then, Nullable) or isinstance(orelse, Nullable) or _either_none(then, orelse):
        return _join_nullable(pred, then, orelse, what, freeze, held)
    if is_container(then) and is_container(orelse):
        freeze(then)
        freeze(orelse)
        joined = _join_containers(pred, then, orelse, what, freeze, held)
        freeze(joined, then, orelse)
        return joined
    numeric = NUMERIC
    if isinstance(then, numeric) and isinstance(orelse, numeric):
        static = not isinstance(then, Expr) and not isinstance(orelse, Expr)
        if static and type(then) is type(orelse) and np.array_equal(*cast(Any, (then, orelse))):
            return then
        a, b = to_expr(then), to_expr(orelse)
        if a is b:
            return a
        if not _may_be_equal(a.type.shape, b.type.shape):
            raise IllTypedError(
                f"the two branches give {what} different shapes: {a.type} and {b.type}"
            )
        return choose(pred, a, b).expr
    try:
        if then == orelse:
            freeze(then)
            freeze(orelse)
            return then
    except Exception:
        pass
    return Unbound("is different things on the two sides of a branch that is taken at run time")


def _either_none(then: Any, orelse: Any) -> bool:
    """Whether one is None and the other something that a run-time value may be."""
    other = orelse if then is None else then
    return (then is None or orelse is None) and (is_container(other) or isinstance(other, NUMERIC))


def _join_nullable(
    pred: Expr, then: Any, orelse: Any, what: str, freeze: Freeze, held: Held
) -> Any:
    """`join` of what may be None: the two values are joined, and so is whether they are there."""
    (a, a_there), (b, b_there) = (
        content_of(narrowed(x, ((pred, side),))) for x, side in ((then, True), (orelse, False))
    )
    if a is MISSING or b is MISSING:
        value = b if a is MISSING else a
        freeze(value)
    else:
        value = join(pred, a, b, what, freeze, held)
    return value if isinstance(value, Unbound) else nullable(value, either(pred, a_there, b_there))


def content_of(value: Any) -> tuple[Any, Expr | bool]:
    """A value, `MISSING` for None, and whether it is there."""
    if isinstance(value, Nullable):
        return value.value, value.there
    return (MISSING, False) if value is None else (value, True)


def nullable(value: Any, there: Expr | bool) -> Any:
    """`value` where `there` holds, else None."""
    if isinstance(there, bool):
        return value if there else None
    return Nullable(value, there)


def narrowed(value: Any, path: Iterable[tuple[Expr, bool]]) -> Any:
    """What may be None, where these conditions hold: they may tell."""
    if not isinstance(value, Nullable):
        return value
    facts = Facts()
    for test, side in path:
        facts = with_fact(facts, test, side)
    there = value_of(value.there, facts)
    return value if there is None else nullable(value.value, there)


def _may_be_equal(a: Shape, b: Shape) -> bool:
    """Whether two shapes can be the same at run time: a symbol is never 0 or 1."""

    def fits(m: Dim, n: Dim) -> bool:
        if isinstance(m, int) and isinstance(n, int):
            return m == n
        if isinstance(gap := dim_add(m, dim_mul(-1, n)), int) and gap:
            return False
        return m == n or (m not in (0, 1) and n not in (0, 1))

    return len(a) == len(b) and all(map(fits, a, b))


def _join_containers(
    pred: Expr, then: Any, orelse: Any, what: str, freeze: Freeze, held: Held
) -> Any:
    from symdiff.ir.tree import children, rebuild

    then, orelse = _holding(then, held[0]), _holding(orelse, held[1])
    a, b = children(then), children(orelse)
    same = type(then) is type(orelse) and [k for _, k, _ in a] == [k for _, k, _ in b]
    if isinstance(then, Record):
        same = same and then.cls is orelse.cls
    if not same:
        return Unbound("has a different structure on the two sides of a run-time branch")
    pairs = [(x, y) for (_, _, x), (_, _, y) in zip(a, b, strict=True)]
    return rebuild(then, [join(pred, x, y, what, freeze, held) for x, y in pairs])


def _holding(tree: Any, contents: Contents) -> Any:
    """A container like `tree`, with what it holds by `contents`."""
    if isinstance(tree, Record):
        fields = contents.get(id(tree.fields))
        return tree if fields is None else Record(tree.cls, fields)
    return contents.get(id(tree), tree)


def detached(value: Any) -> Any:
    """`value` with no derivative flowing through it."""
    from symdiff.ir.tree import map_tree

    def cut(leaf: Any) -> Any:
        if isinstance(leaf, Expr) and leaf.type.differentiable and not isinstance(leaf, Const):
            return detach.build(leaf)
        return leaf

    return map_tree(cut, value)


_PLAIN = frozenset((float, int, bool, str, list, dict, ModuleType))  # never records


def from_python(value: Any) -> Any:
    """A Python object met in the program as a tree: records become `Record`s."""
    if isinstance(value, Expr) or type(value) in _PLAIN:
        return value
    if is_record(value):
        return Record(type(value), {k: from_python(v) for k, v in record_fields(value).items()})
    return value


def static_index(value: Any, what: str) -> Any:
    """An index into a Python container, which must be known when compiling."""
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Expr):
        raise UnsupportedError(
            f"{what} must be known when compiling",
            hint="make the parameter static, or turn the list into an array (np.array)",
        )
    return value
