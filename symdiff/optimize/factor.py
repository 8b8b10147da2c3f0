"""Common factors, like terms, collected constants and shared subproducts.

    -2 * g * x - 2 * (1 - x)            ->  -2 * (g * x + (1 - x))
    d / v + d * (-q / v) + d * s * e    ->  d * ((1 - q) / v + p)      where p = s * e is known

Sums and products that only one other sum or product uses are taken apart into flat forms (see
`forms`). Each sum gives up its best common factors (`sums`), then products anywhere in the function
share their most frequent pairs of factors (`pairs`). Signs travel on their own, so a negation is
paid for only where no sum can take it. Condition: `real` - rounding may differ, but nothing is
cancelled: x - x and x / x stay, so nan and inf stay too.
"""

from __future__ import annotations

from typing import Any

from symdiff.ir.expr import Apply, Expr, apply, const, with_operands
from symdiff.ir.function import Function
from symdiff.ir.types import FLOAT, INT
from symdiff.optimize.count import count
from symdiff.optimize.flat import Flat, number
from symdiff.optimize.forms import Number, Product, Sum
from symdiff.optimize.pairs import share_pairs
from symdiff.optimize.rules import PARITY
from symdiff.optimize.sums import factored
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, divide, multiply, negative, power, subtract


def factor(function: Function, options: Options) -> Function:
    """`function` with fewer multiplications and additions."""
    if not options.optimize:
        return function
    best = function.rewritten(_Factoring(function).run())
    fewest = count(best.nodes())
    before = count(function.nodes())
    arrays = any(node.type.rank for node in function.nodes())
    if fewest > before or (arrays and before < _SMALL):
        other = function.rewritten(_Factoring(function, signs=False).run())
        operations = count(other.nodes())
        if operations < fewest:
            best, fewest = other, operations
    # Greedy choices may lose.
    return function if fewest > before else best


_SMALL = 2000  # operations; up to there, array functions are tried both ways
# f(-x) = sign * f(x)
_PARITY = {r.left.op: 1 if r.right.op is r.left.op else -1 for r in PARITY}  # type: ignore[attr-defined]


def _is_square(node: Apply) -> bool:
    return number(node.operands[1]) == 2


class _Factoring:
    """One run: the flat forms, rewritten, and back to expressions."""

    def __init__(self, function: Function, signs: bool = True):
        self.flat = Flat(function.nodes(), function.results, signs)
        self.made: dict[Expr, tuple[int, Expr]] = {}
        self.values: dict[int, tuple[int, Expr]] = {}

    def run(self) -> dict[Expr, Expr]:
        """The map from old nodes to new ones."""
        flat = self.flat
        for node, form in flat.forms.items():
            if type(form) is Sum:
                form = factored(flat, form.terms)
                flat.forms[node] = form.terms[0] if len(form.terms) == 1 else form
        touched = share_pairs(flat)
        for node in flat.order:
            if node not in flat.absorbed:
                made = self._make(node, touched)
                if made[0] < 0 and not flat.signs:
                    made = (1, negative.build(made[1]))
                self.made[node] = made
        return {
            old: new if sign > 0 else negative.build(new) for old, (sign, new) in self.made.items()
        }

    def _make(self, node: Expr, touched: set[int]) -> tuple[int, Expr]:
        form = self.flat.forms.get(node)
        if form is None:
            if type(node) is Apply and node.op in _PARITY:
                sign, x = self.made[node.operands[0]]
                if sign < 0:
                    rest = tuple([self._plain(y) for y in node.operands[1:]])
                    if node.op is not power or _is_square(node):
                        return _PARITY[node.op], with_operands(node, (x, *rest))
            return 1, self._moved(node)
        if self._kept(node, form, touched):
            return 1, self._rebuilt(node)
        sign, new = self._sum(form) if isinstance(form, Sum) else self._expr(form)
        if new.type != node.type:
            return 1, self._rebuilt(node)
        return sign, new

    def _plain(self, node: Expr) -> Expr:
        sign, new = self.made[node] if node.operands else (1, node)
        return new if sign > 0 else negative.build(new)

    def _moved(self, node: Expr) -> Expr:
        """The same operation on new operands."""
        return with_operands(node, tuple([self._plain(x) for x in node.operands]))

    def _kept(self, node: Expr, form: Product | Sum, touched: set[int]) -> bool:
        """Whether the form is what the function computes already: then its own spelling stays."""
        if isinstance(form, Sum):
            if form.changed or any(id(t) in touched for t in form.terms):
                return False
            terms = form.terms
            cost = len(terms) - 1 + sum([0 if t.trivial else t.cost() for t in terms])
        else:
            if id(form) in touched:
                return False
            terms = [form]
            cost = form.cost()
            if form.sign < 0:
                return False
        if cost < self.flat.size[node] or node in self.flat.signed:
            return False
        if node.type.shape:
            return False
        return all(self.value(a)[0] > 0 for t in terms for a in (*t.nums, *t.dens))

    def _rebuilt(self, node: Expr) -> Expr:
        """The node as it stood, with all that is part of it, on new operands."""
        if self.flat.absorbed.keys().isdisjoint(node.operands):
            return self._moved(node)
        stack = [node]
        done: dict[Expr, Expr] = {}
        while stack:
            top = stack[-1]
            if top in done:
                stack.pop()
                continue
            pending = [x for x in top.operands if x in self.flat.absorbed and x not in done]
            if pending:
                stack.extend(pending)
                continue
            stack.pop()
            done[top] = with_operands(
                top, tuple([done[x] if x in done else self._plain(x) for x in top.operands])
            )
        return done[node]

    def value(self, atom: int) -> tuple[int, Expr]:
        """(sign, expression) of an atom."""
        what = self.flat.atoms[atom]
        found = self.made.get(what) or self.values.get(atom)
        if found is not None:
            return found
        if isinstance(what, Expr):
            # Part of another value, or a square that comes later.
            found = self.made[what] = (1, self._rebuilt(what))
            return found
        if isinstance(what, Sum):
            found = self._sum(what)
        elif isinstance(what, Product):
            found = self._expr(what)
        else:
            found = (1, self.constant(*what))
        self.values[atom] = found
        return found

    def constant(self, num: Number, den: Number) -> Expr:
        value = num if den == 1 else num / den
        return const(value, INT if type(value) is int else FLOAT)

    def _expr(self, form: Product) -> tuple[int, Expr]:
        sign, num, den = form.sign, form.num, form.den
        nums: list[Expr] = []
        dens: list[Expr] = []
        for atoms, side in ((form.nums, nums), (form.dens, dens)):
            for atom in atoms:
                s, value = self.value(atom)
                sign *= s
                side.append(value)
        if not nums:
            top = self.constant(num, den)
        else:
            if den != 1 and num != 1:
                num, den = num / den, 1
            if num != 1:
                nums.insert(0, self.constant(num, 1))
            top = _times(nums)
            if den != 1:
                top = build(divide, top, self.constant(den, 1))
        if dens:
            top = build(divide, top, _times(dens))
        return sign, top

    def _sum(self, form: Sum) -> tuple[int, Expr]:
        parts = [self._expr(term) for term in form.terms]
        overall = 1
        first = next((i for i, (sign, _) in enumerate(parts) if sign > 0), None)
        if first is None:
            overall, first = -1, 0
        _, total = parts.pop(first)
        for sign, value in parts:
            total = build(add if sign == overall else subtract, total, value)
        return overall, total


def _times(factors: list[Expr]) -> Expr:
    """The product, small operands first, so that scalars are multiplied before arrays."""
    if len(factors) > 2 and any(x.type.shape for x in factors):
        factors = sorted(factors, key=lambda x: x.type.rank)
    total = factors[0]
    for factor_ in factors[1:]:
        total = build(multiply, total, factor_)
    return total


def build(op: Any, a: Expr, b: Expr) -> Expr:
    """`op.build(a, b)`, without inference for two Python floats."""
    if a.type is b.type and a.type == FLOAT:
        return apply(op, (a, b), (), a.type)
    return op.build(a, b)
