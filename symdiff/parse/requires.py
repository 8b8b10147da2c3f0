"""What the primal demands of its arguments: `math.log(x)` raises unless x > 0.

The derivative of log is 1 / x, which would not raise at x = -1; that of sum(x + y) does not even
look at y, whose length may not fit. So each such operation, where it is evaluated, leaves a
`Require`; code generation prints it as a check where the operation itself is no longer computed.
What a round of a loop demands becomes a demand of the loop (see `parse.demanded`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from symdiff.ir.expr import Apply, Const, Expr, Loop, Map, Var
from symdiff.ir.function import Function, Path, Require
from symdiff.ir.types import Dim, SymDim, is_counted, show_shape
from symdiff.ir.walk import topological
from symdiff.parse.integers import offset
from symdiff.primitives.arithmetic import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    not_,
    not_equal,
)
from symdiff.primitives.arrays import matmul
from symdiff.primitives.elementary import cast, sized
from symdiff.primitives.indexing import accumulate, index, relied_on, update
from symdiff.primitives.row import Elementwise, Term, as_expr, choose
from symdiff.primitives.shape import axis_size, least_size, size

if TYPE_CHECKING:
    from symdiff.parse.frame import Context


class Demand(NamedTuple):
    """That `ran` holds on a `path`, or else the primal raises `error` (class, message).

    ran: a condition; False: reaching the place is enough. by: the operation that raises, which may
    be computed anyway; None: the user's own `raise` or `assert`.
    """

    ran: Any
    error: tuple[str, str]
    path: Path
    by: Expr | None = None

    def moved(self, by: Callable[[Expr], Expr]) -> Demand:
        """The same of other expressions."""
        path = tuple((by(pred), side) for pred, side in self.path)
        ran = by(self.ran) if isinstance(self.ran, Expr) else self.ran
        return Demand(ran, self.error, path, self.by and by(self.by))

    @property
    def expressions(self) -> list[Expr]:
        """What `moved` moves."""
        found = [pred for pred, _ in self.path]
        return found + [x for x in (self.ran, self.by) if isinstance(x, Expr)]


def requirements(context: Context, params: frozenset[Expr]) -> tuple[Require, ...]:
    """The requirements of what was evaluated and may raise, under the branches that led to it.

    What depends on more than `params`, as values inside a comprehension do, is not known here.
    """
    kept = required(context.demands, context.evaluated)
    if context.loops:
        inner = _bound_in([r.fails for r in kept], params | set(context.marked))
        kept = [r for r in kept if r.fails not in inner]
    return tuple(kept)


def required(
    demands: Iterable[Demand], evaluated: Mapping[Expr, Mapping[Path, None]]
) -> list[Require]:
    """What the demands, and the operations that were evaluated on some paths, require."""
    found: list[Require | None] = []
    for ran, error, path, by in dict.fromkeys(demands):
        fails = as_expr(True) if ran is False else negation(ran)
        demand = _require(fails if by is None else by, fails, {path: None}, error)
        found.append(None if demand is None else replace(demand, stated=by is None))
    for node, paths in evaluated.items():
        assert isinstance(node, Apply)
        if node.op.fails and node.type.weak:
            fails = as_expr(node.op.fails(*map(Term, node.operands)))
            if not _settled(fails):
                found.append(_require(node, fails, paths, node.op.error))
        for axis, dim in _relied_on(node):
            fails = as_expr(Term(axis_size.build(node.operands[0], attrs=(axis,))).differs(dim))
            found.append(_require(fails, fails, paths, SHAPES))
        for a, b in _claimed(node):
            fails = negation(equal_sizes(a, b))
            found.append(_require(fails, fails, paths, SHAPES))
        for a, b in unequal_sizes(node):
            fails = as_expr(Term(_size_in(node, a)).differs(Term(_size_in(node, b))))
            # A size of one would broadcast: NumPy does not raise, but the derivative is wrong.
            by = fails if least_size(a) < 2 or least_size(b) < 2 else node
            found.append(_require(by, fails, paths, SHAPES))
        for dim, needed in _too_short(node):
            fails = as_expr(Term(_size(dim)) < needed)
            found.append(_require(fails, fails, paths, _SHORT))
    return [r for r in found if r is not None]


def _bound_in(nodes: list[Expr], params: Set[Expr]) -> set[Expr]:
    """Those nodes that depend on what a loop binds."""
    order = topological(nodes)
    free: dict[Expr, frozenset[Expr]] = {}
    for node in order:
        if isinstance(node, Var):
            free[node] = frozenset() if node in params else frozenset((node,))
        else:
            free[node] = frozenset().union(*(free[x] for x in node.operands))
            if isinstance(node, (Loop, Map)):
                free[node] -= frozenset(node.bound if isinstance(node, Loop) else node.indices)
    return {n for n in order if free[n]}


def names_place(node: Expr) -> bool:
    """Whether `node` reads or writes a single element, or row, which must be there."""
    return isinstance(node, Apply) and node.op in (index, update, accumulate) and any(
        entry[0] in ("int", "array") for entry in node.attrs[0]
    )  # fmt: skip


def may_raise(node: Expr) -> bool:
    """Whether computing `node` may raise for some arguments."""
    if not isinstance(node, Apply):
        return False
    if node.op.fails and node.type.weak:
        return True
    return bool(node.type.rank and (node.op is sized or _too_short(node) or unequal_sizes(node)))


def _too_short(node: Apply) -> list[tuple[Dim, int]]:
    """Sizes that a slice takes for granted, and that are not certain: x[5:6] has one element."""
    if node.op is not index:
        return []
    return [(dim, needed) for dim, needed in relied_on(node) if least_size(dim) < needed]


def _relied_on(node: Apply) -> list[tuple[int, int]]:
    """(axis, size) of each size that the program takes for granted."""
    if node.op is not sized:
        return []
    pairs = zip(node.operands[0].type.shape, node.type.shape, strict=True)
    return [(i, b) for i, (a, b) in enumerate(pairs) if a != b and isinstance(b, int)]


def _claimed(node: Apply) -> list[tuple[Dim, Dim]]:
    """Sizes that only run time can tell apart, and that are taken for equal."""
    if node.op is not sized:
        return []
    pairs = zip(node.operands[0].type.shape, node.type.shape, strict=True)
    return [(a, b) for a, b in pairs if a != b and not isinstance(b, int)]


def _size(dim: Dim) -> Expr:
    return as_expr(dim) if isinstance(dim, int) else size.build(attrs=(dim,))


def equal_sizes(a: Dim, b: Dim) -> Expr:
    """Whether two sizes are equal."""
    return equal.build(_size(a), _size(b))


def _size_in(node: Apply, dim: Dim) -> Expr:
    """A size that an operand of `node` has."""
    if is_counted((dim,)):
        for x in node.operands:
            for axis, mine in enumerate(x.type.shape):
                if mine == dim:
                    return axis_size.build(x, attrs=(axis,))
    return _size(dim)


def unequal_sizes(node: Apply) -> list[tuple[Dim, Dim]]:
    """Sizes that differ in their symbols and that NumPy wants equal when it computes `node`."""
    shapes = [x.type.shape for x in node.operands if x.type.rank]
    if len(shapes) < 2:
        return []
    if node.op is matmul:
        a, b = shapes
        pairs = [(a[-1], b[-2 if len(b) > 1 else -1])]
    elif isinstance(node.op, Elementwise):
        pairs = [
            (first, other)
            for axis in range(1, max(map(len, shapes)) + 1)
            for first, *others in [[s[-axis] for s in shapes if len(s) >= axis and s[-axis] != 1]
                                   or [1]]
            for other in others
        ]  # fmt: skip
    else:
        return []
    unequal = [(a, b) if isinstance(a, SymDim) else (b, a) for a, b in pairs if a != b]
    return [(a, b) for a, b in unequal if isinstance(a, SymDim)]


def _settled(fails: Expr) -> bool:
    """Whether it is known when compiling: division by a constant."""
    parts = fails.operands if isinstance(fails, Apply) else (fails,)
    return all(isinstance(x, Const) for x in parts)


def _require(
    node: Expr, fails: Expr, paths: Mapping[Path, None], error: tuple[str, str]
) -> Require | None:
    if () in paths:
        return Require(fails, node, *error)
    possible = [p for p in paths if not any(excludes(pred, side, fails) for pred, side in p)]
    if not possible:
        return None
    total: Expr | None = None
    for path in sorted(possible, key=len):  # on any of the ways that lead there
        there = fails
        if isinstance(fails, Const) and fails.value:  # the last condition alone decides
            *rest, (pred, side) = path
            there, path = pred if side else not_.build(pred), tuple(rest)
        for pred, side in reversed(path):
            there = choose(pred, there, False).expr if side else choose(pred, False, there).expr
        total = there if total is None else choose(there, True, total).expr
    assert total is not None
    return Require(total, node, *error, always=False)


# x > a rules out x <= b where b <= a, and so on: (what holds, what would fail, may they be equal).
_OPPOSITES = {
    (greater, less_equal): True, (greater, less): True, (greater_equal, less): True,
    (greater_equal, less_equal): False, (less, greater_equal): True, (less, greater): True,
    (less_equal, greater): True, (less_equal, greater_equal): False,
}  # fmt: skip
_NEGATED = {
    less: greater_equal, less_equal: greater, greater: less_equal, greater_equal: less,
    equal: not_equal, not_equal: equal,
}  # fmt: skip


def excludes(pred: Expr, side: bool, fails: Expr) -> bool:
    """Whether `fails` cannot be where `pred` is `side`: both compare one value with numbers."""
    if not isinstance(pred, Apply) or not isinstance(fails, Apply):
        return False
    if pred is fails:
        return not side
    if fails.op is not_ and fails.operands[0] is pred:
        return side
    if pred.op not in _NEGATED or len(fails.operands) != 2:
        return False
    x, shift = offset(_number(pred.operands[0]))
    y, other = offset(_number(fails.operands[0]))
    first, second = pred.operands[1], fails.operands[1]
    if x is not y or not isinstance(first, Const) or not isinstance(second, Const):
        return False
    if first.type.rank or second.type.rank:
        return False
    a, b = first.value - shift, second.value - other
    holds = pred.op if side else _NEGATED[pred.op]
    if holds in (equal, not_equal):
        return fails.op is _NEGATED[holds] and a == b
    (holds, a), (broken, b) = _closed(holds, a, x), _closed(fails.op, b, y)
    equality = _OPPOSITES.get((holds, broken))
    if equality is None:
        return False
    low, high = (b, a) if holds in (greater, greater_equal) else (a, b)
    return low < high or (equality and low == high)


def _closed(op: Any, bound: Any, of: Expr) -> tuple[Any, Any]:
    """`n >= 1` for `n > 0`."""
    if of.type.dtype != "int" or not isinstance(bound, int):
        return op, bound
    if op is greater:
        return greater_equal, bound + 1
    return (less_equal, bound - 1) if op is less else (op, bound)


def negation(test: Any) -> Expr:
    """Where `test` does not hold. Not of `x > a` alone: there is nan."""
    if isinstance(test, Apply) and test.op in _NEGATED and not test.type.rank:
        exact = all(x.type.dtype in ("int", "bool") for x in test.operands)
        if exact or test.op in (equal, not_equal):
            return _NEGATED[test.op].build(*test.operands)
    return not_.build(test)


def _number(node: Expr) -> Expr:
    """`float(x)` of a NumPy number is the same number."""
    while isinstance(node, Apply) and node.op is cast and not node.type.rank:
        if not (node.type.is_float and node.operands[0].type.is_float):
            break
        node = node.operands[0]
    return node


SHAPES = ("ValueError", "the shapes do not match")
_SHORT = ("ValueError", "an axis is shorter than a slice of it")


def with_declared_sizes(function: Function) -> Function:
    """Check the sizes that a function was declared with: what a module is called with is unknown.

    f(X: float64[n,d], y: float64[n])  ->  if len(y) != len(X): raise ValueError(...)

    A size that is called like an integer among the parameters is that integer.
    """
    integers: dict[str, Expr] = {
        v.name: v for v in function.variables if not v.type.rank and v.type.dtype == "int"
    }
    requires = [
        replace(r, by=r.fails) if (r.error, r.message) == SHAPES else r for r in function.requires
    ]
    for node in function.nodes():
        if isinstance(node, Apply) and node.op is index:
            for dim, needed in relied_on(node):
                fails = as_expr(Term(_size(dim)) < needed)
                requires.append(Require(fails, fails, *_SHORT))
    for variable in function.variables:
        for axis, dim in enumerate(variable.type.shape):
            actual = axis_size.build(variable, attrs=(axis,))
            measure = function.sizes.get(str(dim))
            if isinstance(dim, int):
                wanted: Expr = as_expr(dim)
            elif str(dim) in integers:
                wanted = integers[str(dim)]
            elif measure is not None and measure.axis is not None:
                wanted = axis_size.build(measure.of, attrs=(measure.axis,))
            else:
                continue
            if wanted is not actual:
                fails = as_expr(Term(actual).differs(Term(wanted)))
                label = f"{variable.name} must have the shape {show_shape(variable.type.shape)}"
                requires.append(Require(fails, fails, "ValueError", label))
    return function.replace(requires=tuple(requires))
