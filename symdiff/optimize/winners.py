"""The largest of what the rounds of a loop see has its derivative from the round that won.

    for i in range(n): m = max(m, x[i])     ->     m, and its derivative is that of s:
                                                   for i in range(n):
                                                       if x[i] == m:
                                                           s = x[i] if i == k else (s + x[i]) / 2

Here k is the first round with x[i] == m, and m is what the loop has found. The second loop is
linear, so nothing is recorded; it is never run, but its sweep is. Rounds that equal m share as the
row of `max` says. `if x[i] > m: m = x[i]` has no shares: its derivative is that of x[k]. `min`
likewise. Runs before differentiation. Condition: `exact`.
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Const, Expr, For, If, Project, Var, for_, if_, project, var
from symdiff.ir.function import Function
from symdiff.ir.types import INT
from symdiff.ir.walk import depends_on, substitute, topological
from symdiff.optimize.rebuild import rebuilt
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, equal, greater, less, multiply, negative, subtract
from symdiff.primitives.custom import custom
from symdiff.primitives.elementary import abs_, cast, greatest, least, maximum, minimum
from symdiff.primitives.indexing import index
from symdiff.primitives.row import Primitive, as_expr, conform

_LARGEST, _SMALLEST = frozenset((greatest, maximum)), frozenset((least, minimum))
# What a round may compare: looked at again, so it must be cheap.
_CHEAP = frozenset((index, add, subtract, multiply, negative, abs_, cast))
_MOST = 8  # operations


def settle_winners(function: Function, options: Options) -> Function:
    """`function`, where extrema that loops find are differentiated where they were found."""
    order = function.nodes()
    if not any(isinstance(n, For) for n in order):
        return function
    settling = _Settling(order)
    mapping = rebuilt(order, settling.settled)
    return function.rewritten(mapping) if settling.found else function


class _Settling:
    def __init__(self, order: list[Expr]):
        self.tag = 1 + max((n.tag for n in order if isinstance(n, Var)), default=0)
        self.found = False

    def settled(self, node: Expr) -> Expr:
        """A result of a loop, with its derivative from the round that won."""
        if not (isinstance(node, Project) and isinstance(node.operands[0], For)):
            return node
        loop = node.operands[0]
        seen = _contest(loop, node.index)
        if seen is None:
            return node
        value, wins, shares = seen
        v, start = loop.carried[node.index], loop.initial[node.index]
        if not shares and not isinstance(start, Const):
            return node  # what it starts from may be one of what the rounds have
        self.found = True
        first = self._first(loop, equal.build(value, node))
        won = wins.build(node, start)
        if shares:
            none = subtract.build(loop.bounds[0], loop.bounds[2])
            from_ = self._shared(loop, v, value, node, if_(won, first, none, INT))
        else:
            from_ = if_(won, self._at(value, loop.index, first), start, v.type)
        self.tag += 3
        return custom.build(node, from_, 1.0, attrs=(1,))

    def _at(self, value: Expr, at: Var, new: Expr) -> Expr:
        (made,) = substitute([value], {at: new})
        return made

    def _first(self, loop: For, found: Expr) -> Expr:
        """The first round in which `found` holds; the first of all where none does."""
        i, at = var(loop.index.name, INT, self.tag), var("first", INT, self.tag)
        until = self._at(found, loop.index, i)
        made = for_(i, (at,), (*loop.bounds, loop.bounds[0], i, until), INT)
        return project(made, 0, INT)

    def _shared(self, loop: For, v: Var, value: Expr, end: Expr, first: Expr) -> Expr:
        """What the round `first` has, of which each later one that has the same takes half."""
        i, share = var(loop.index.name, INT, self.tag + 1), var(v.name, v.type, self.tag + 2)
        mine = self._at(value, loop.index, i)
        half = conform(multiply.build(0.5, add.build(share, mine)), v.type)
        taken = if_(equal.build(i, first), mine, half, v.type)
        body = if_(equal.build(mine, end), taken, share, v.type)
        start = loop.initial[loop.carried.index(v)]
        made = for_(i, (share,), (*loop.bounds, start, body, as_expr(False)), INT)
        return project(made, 0, v.type)


def _contest(loop: For, k: int) -> tuple[Expr, Primitive, bool] | None:
    """(what each round has, the comparison by which it wins, whether equals share)."""
    v, new = loop.carried[k], loop.body[k]
    if v.type.rank or not v.type.is_float or not _is_false(loop.until):
        return None
    value: Expr | None = None
    wins, shares = greater, True
    if isinstance(new, Apply) and new.op in _LARGEST | _SMALLEST and v in new.operands:
        (value,) = [x for x in new.operands if x is not v] or [None]
        wins = greater if new.op in _LARGEST else less
    elif isinstance(new, If) and new.orelse is v and isinstance(new.pred, Apply):
        test, value, shares = new.pred, new.then, False
        if test.op not in (greater, less) or set(test.operands) != {value, v}:
            return None
        ahead = test.operands[0] is value
        wins = test.op if ahead else (less if test.op is greater else greater)
    if value is None or value.type != v.type or not _is_cheap(value, loop):
        return None
    others = [x for n, x in enumerate(loop.body) if n != k]
    reading = depends_on(others, [v])
    if any(x in reading for x in others):
        return None
    return value, wins, shares


def _is_false(x: Expr) -> bool:
    return isinstance(x, Const) and not x.value


def _is_cheap(value: Expr, loop: For) -> bool:
    """Whether a few operations compute `value` from what no round changes, and none may raise."""
    carried = depends_on([value], loop.carried)
    varying = [x for x in topological([value]) if x in depends_on([value], [loop.index])]
    return value not in carried and 0 < len(varying) <= _MOST and all(
        x is loop.index or (isinstance(x, Apply) and x.op in _CHEAP) for x in varying
    )  # fmt: skip
