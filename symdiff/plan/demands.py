"""What the primal demands of its arguments: which of it must be checked, and how early.

log(x)  ->  1.0 / x            needs   if x <= 0.0: raise ValueError("math domain error")
a / x   ->  -a / x**2          needs nothing: it divides by x itself
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.expr import Apply, Const, Expr, If, Loop, Project
from symdiff.ir.function import Function, Require
from symdiff.ir.walk import topological
from symdiff.primitives.arithmetic import (
    add,
    divide,
    floor_divide,
    multiply,
    negative,
    power,
    remainder,
    subtract,
)
from symdiff.primitives.shape import axis_size
from symdiff.primitives.sharing import shares_memory

_SHAPES = (axis_size, shares_memory)
_DIVISIONS = (divide, floor_divide, remainder)


def pending(function: Function) -> list[Require]:
    """The requirements of `function` that nothing it computes anyway enforces."""
    if not function.requires:
        return []
    computed = _Computed(function.results)
    needed: list[Require] = []
    for require in function.requires:
        enforced = isinstance(require.fails, Const) or all(
            computed.enforces(require.by, facts) for facts in _ways(require.fails)
        )
        if require.stated or not enforced or _is_test(require.by):
            needed.append(require)
    return needed


def _is_test(by: Expr) -> bool:
    """Whether what fails is a condition alone, which raises nothing itself."""
    return by.type.dtype == "bool" and not by.type.rank


Facts = frozenset[tuple[Expr, bool]]  # predicates, and what they are


def _ways(fails: Expr) -> list[Facts]:
    """Under which branches `fails` can hold: `q if p else False` only where p does."""
    found: list[Facts] = []
    stack: list[tuple[Expr, Facts]] = [(fails, frozenset())]
    while stack:
        node, facts = stack.pop()
        if isinstance(node, Const) and not node.value:
            continue
        if isinstance(node, Project) and isinstance(node.operands[0], Loop):
            stack.append((node.operands[0].body[node.index], facts))  # found out round by round
        elif type(node) is not If:
            found.append(facts)
        elif isinstance(node.then, Const) and node.then.value:
            stack += [(node.orelse, facts | {(node.pred, False)}), (node.pred, facts)]
        else:
            stack.append((node.orelse, facts | {(node.pred, False)}))
            stack.append((node.then, facts | {(node.pred, True)}))
    return found


class _Computed:
    """What is computed for certain, under given branches."""

    def __init__(self, results: Sequence[Expr]):
        self.always = _certain(results)
        self.branches = [node for node in self.always if type(node) is If]
        self.divisors = _divisors(self.always)
        self.under: dict[Facts, tuple[set[Expr], set[Expr]]] = {}

    def enforces(self, by: Expr, facts: Facts) -> bool:
        """Whether `by` is computed where `facts` hold, or something else that raises with it."""
        divisor = by.operands[1] if isinstance(by, Apply) and by.op in _DIVISIONS else None
        if by in self.always or divisor in self.divisors:
            return True
        if not facts:
            return False
        if facts not in self.under:
            more = self._more(facts)
            self.under[facts] = more, _divisors(more)
        nodes, divisors = self.under[facts]
        return by in nodes or divisor in divisors

    def _more(self, facts: Facts) -> set[Expr]:
        """What the sides that `facts` decide add."""
        sides = dict(facts)
        seen: set[Expr] = set()
        stack: list[Expr] = list(self.branches)
        while stack:
            node = stack.pop()
            if type(node) is If:
                new = [node.pred]
                if node.pred in sides:
                    new.append(node.then if sides[node.pred] else node.orelse)
            else:
                new = node.operands
            for x in new:
                if x not in seen and x not in self.always:
                    seen.add(x)
                    stack.append(x)
        return seen


def _certain(results: Sequence[Expr]) -> set[Expr]:
    """What is computed whichever branches are taken."""
    seen: set[Expr] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend([node.pred] if isinstance(node, If) else node.operands)
    return seen


def _divisors(nodes: set[Expr], *, sums: bool = False) -> set[Expr]:
    """What is divided by among `nodes`, with the factors of products and bases of powers.

    sums: also the terms of sums, which are not 0 where the sum is.
    """
    found: set[Expr] = set()
    stack = [
        node.operands[1] if node.op in _DIVISIONS else node.operands[0] for node in nodes
        if isinstance(node, Apply) and (node.op in _DIVISIONS or _is_power(node, negative_one=True))
    ]  # fmt: skip
    while stack:
        node = stack.pop()
        found.add(node)
        if isinstance(node, Apply):
            if node.op in (multiply, negative) or (sums and node.op in (add, subtract)):
                stack.extend(node.operands)
            elif _is_power(node, negative_one=False):
                stack.append(node.operands[0])
    return found


def _is_power(node: Apply, *, negative_one: bool) -> bool:
    if node.op is not power or not isinstance(node.operands[1], Const):
        return False
    exponent = node.operands[1].value
    return not getattr(exponent, "shape", ()) and (exponent < 0) == negative_one


def early(function: Function) -> list[Expr]:
    """Operations that raise ValueError where a division of the derivative would raise before them.

    At x = 0: log_x = math.log(x); d_x = 1.0 / x   and not   d_x = 1.0 / x; return math.log(x), d_x
    """
    found: list[Expr] = []
    if any(r.error == "ValueError" for r in function.requires):
        certain = _certain(function.results)
        divided = _divisors(certain, sums=True)
        for require in function.requires:
            by = require.by
            certain_to_raise = require.always and require.error == "ValueError" and by in certain
            if certain_to_raise and any(x in divided for x in by.operands):
                found.append(by)
    return found


def looks_at_sizes(fails: Expr) -> bool:
    """Whether a check looks at no element of an array: writing into it changes nothing then."""
    return not any(
        x.type.rank and isinstance(node, Apply) and node.op not in _SHAPES
        for node in topological([fails]) for x in node.operands
    )  # fmt: skip
