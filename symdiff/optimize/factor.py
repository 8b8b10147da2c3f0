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

from symdiff.ir.expr import Apply, Const, Expr, const, with_operands
from symdiff.ir.function import Function
from symdiff.ir.types import FLOAT, INT
from symdiff.ir.walk import topological
from symdiff.optimize.forms import Number, Product, Sum, scale
from symdiff.optimize.pairs import share_pairs
from symdiff.optimize.sums import factored
from symdiff.options import Options
from symdiff.primitives.arithmetic import add, divide, multiply, negative, power, subtract

_SUMS = (add, subtract)
_PRODUCTS = (multiply, divide)
_ALONE, _IN_SUM, _IN_PRODUCT = 0, 1, 2


def factor(function: Function, options: Options) -> Function:
    """`function` with fewer multiplications and additions."""
    if not options.optimize:
        return function
    return function.rewritten(_Factoring(function.results).run())


def number(node: Expr) -> Number | None:
    """The value of a plain Python number, else None."""
    if type(node) is Const and node.type.weak and type(node.value) in (int, float):
        return node.value
    return None


class _Factoring:
    def __init__(self, results: list[Expr]):
        self.results = results
        self.order = topological(results)
        self.atom_of: dict[Any, int] = {}
        self.atoms: list[Any] = []
        self.made: dict[Expr, tuple[int, Expr]] = {}
        self.values: dict[int, tuple[int, Expr]] = {}
        self.forms: dict[Expr, Product | Sum] = {}
        self.squares: dict[Expr, Expr] = {}
        self.absorbed: dict[Expr, int] = {}
        self.size: dict[Expr, int] = {}
        self.signed: set[Expr] = set()  # roots with a negation in them that others use too

    def atom(self, what: Any) -> int:
        found = self.atom_of.get(what)
        if found is None:
            found = self.atom_of[what] = len(self.atoms)
            self.atoms.append(what)
        return found

    def run(self) -> dict[Expr, Expr]:
        self._find_roots()
        for node in self.order:
            if type(node) is Apply and node in self.roots:
                self.forms[node] = self._form(node)
        touched = share_pairs(self)
        for node in self.order:
            if node not in self.absorbed:
                self.made[node] = self._make(node, touched)
        return {
            old: new if sign > 0 else negative.build(new) for old, (sign, new) in self.made.items()
        }

    # Which operations are taken apart, and into what.

    def _find_roots(self) -> None:
        uses: dict[Expr, int] = dict.fromkeys(self.results, 2)
        for node in self.order:
            for operand in node.operands:
                uses[operand] = uses.get(operand, 0) + 1
        role: dict[Expr, int] = {}
        self.roots: set[Expr] = set()
        for node in reversed(self.order):
            if type(node) is not Apply:
                continue
            op = node.op
            if op is power and number(node.operands[1]) == 2:
                self.squares[node.operands[0]] = node
            if not _in_ring(node):
                continue
            here = role.get(node, _ALONE)
            if here == _ALONE:
                self.roots.add(node)
                here = _IN_PRODUCT if op in _PRODUCTS else _IN_SUM
            for operand in node.operands:
                if uses[operand] != 1 or type(operand) is not Apply or not _in_ring(operand):
                    continue
                inner = operand.op
                if inner is negative:
                    role[operand] = here
                elif inner in _PRODUCTS:
                    role[operand] = _IN_PRODUCT
                elif here == _IN_SUM and op not in _PRODUCTS:
                    role[operand] = _IN_SUM
        self.absorbed = role

    def _form(self, root: Expr) -> Product | Sum:
        self._root = root
        if root.op in _PRODUCTS:  # type: ignore[attr-defined]
            return self._product(root, 1)
        terms: list[Product] = []
        stack = [(1, root)]
        count = 0
        while stack:
            sign, node = stack.pop()
            inside = node is root or self.absorbed.get(node) == _IN_SUM
            op = node.op if type(node) is Apply else None
            if inside and op is add:
                a, b = node.operands
                stack += [(sign, b), (sign, a)]
                count += 1
            elif inside and op is subtract:
                a, b = node.operands
                stack += [(-sign, b), (sign, a)]
                count += 1
            elif op is negative and _in_ring(node):
                stack.append((-sign, node.operands[0]))
                if node in self.absorbed or node is root:
                    count += 1
                else:
                    self.signed.add(root)
            else:
                before = self._count
                self._count = 0
                terms.append(self._product(node, sign))
                count += self._count
                self._count = before
        self.size[root] = count
        result = factored(self, terms)
        if len(result.terms) == 1:
            return result.terms[0]
        return result

    _count = 0

    def _product(self, root: Expr, sign: int) -> Product:
        """A flat product: through what only it uses, and through constant multiples."""
        num: Number = 1
        den: Number = 1
        nums: list[int] = []
        dens: list[int] = []
        stack: list[tuple[Expr, bool]] = [(root, False)]
        count = 0
        while stack:
            node, under = stack.pop()
            value = number(node)
            if value is not None and value != 0 and value == value:
                size = abs(value)
                scaled = scale(num, den, 1, size) if under else scale(num, den, size, 1)
                if scaled is not None:
                    num, den = scaled
                    sign = sign if value > 0 else -sign
                    continue
            elif type(node) is Apply and node.op in _LINEAR and _in_ring(node):
                mine = node in self.absorbed or (node is root and node in self.roots)
                op = node.op
                if mine or op is negative or _is_multiple(node):
                    count += mine
                    if op is negative:
                        if not mine:
                            self.signed.add(self._root)
                        sign = -sign
                        stack.append((node.operands[0], under))
                    else:
                        a, b = node.operands
                        stack.append((b, under if op is multiply else not under))
                        stack.append((a, under))
                    continue
            (dens if under else nums).append(self.atom(node))
        if len(nums) > 1 and len(set(nums)) < len(nums):
            nums = self._squared(nums)
        self.size[root] = count
        self._count = count
        return Product(sign, num, den, nums, dens)

    def _squared(self, nums: list[int]) -> list[int]:
        """x, x -> x**2 where the function computes that square anyway."""
        result: list[int] = []
        for atom in nums:
            square = self.squares.get(self.atoms[atom]) if atom in result else None
            if square is not None:
                result[result.index(atom)] = self.atom(square)
            else:
                result.append(atom)
        return result

    # Back to expressions.

    def _make(self, node: Expr, touched: set[int]) -> tuple[int, Expr]:
        form = self.forms.get(node)
        if form is None:
            return 1, with_operands(node, tuple([self._plain(x) for x in node.operands]))
        if self._kept(node, form, touched):
            return 1, self._rebuilt(node)
        sign, new = self._sum(form) if isinstance(form, Sum) else self._expr(form)
        if new.type != node.type:
            return 1, self._rebuilt(node)
        return sign, new

    def _plain(self, node: Expr) -> Expr:
        sign, new = self.made[node]
        return new if sign > 0 else negative.build(new)

    def _kept(self, node: Expr, form: Product | Sum, touched: set[int]) -> bool:
        """Whether the form is what the function computes already: then its own spelling stays."""
        if isinstance(form, Sum):
            if form.changed or any(id(t) in touched for t in form.terms):
                return False
            terms = form.terms
            cost = len(terms) - 1 + sum(t.cost() for t in terms)
        else:
            if id(form) in touched:
                return False
            terms = [form]
            cost = form.cost()
            if form.sign < 0:
                return False
        if cost < self.size[node] or node in self.signed:
            return False
        if node.type.shape:
            return False
        return all(self.value(a)[0] > 0 for t in terms for a in (*t.nums, *t.dens))

    def _rebuilt(self, node: Expr) -> Expr:
        """The node as it stood, on new operands."""
        stack = [node]
        done: dict[Expr, Expr] = {}
        while stack:
            top = stack[-1]
            if top in done:
                stack.pop()
                continue
            pending = [x for x in top.operands if x in self.absorbed and x not in done]
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
        what = self.atoms[atom]
        if isinstance(what, Expr):
            return self.made[what]
        found = self.values.get(atom)
        if found is None:
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
                if top.type.shape:
                    top = _times([*nums[:1], *nums[1:]])
                top = divide.build(top, self.constant(den, 1))
        if dens:
            top = divide.build(top, _times(dens))
        return sign, top

    def _sum(self, form: Sum) -> tuple[int, Expr]:
        parts = [self._expr(term) for term in form.terms]
        overall = 1
        first = next((i for i, (sign, _) in enumerate(parts) if sign > 0), None)
        if first is None:
            overall, first = -1, 0
        _, total = parts.pop(first)
        for sign, value in parts:
            total = (add if sign == overall else subtract).build(total, value)
        return overall, total


_LINEAR = (multiply, divide, negative)
_RING = (add, subtract, multiply, divide, negative)


def _in_ring(node: Expr) -> bool:
    """Whether the operation is one on real numbers that may be regrouped.

    Mixed dtypes and NumPy integers may not: their promotion and overflow depend on the grouping.
    """
    if node.op not in _RING:  # type: ignore[attr-defined]
        return False
    type_ = node.type
    dtype = type_.dtype
    if dtype != "float64" and dtype != "float32":
        return False
    for operand in node.operands:
        other = operand.type
        if other is not type_ and other.dtype != dtype and not (
            other.weak and other.dtype in ("int", "float64")
        ):
            return False
    return True


def _is_multiple(node: Expr) -> bool:
    """c * x, x / c, c / x: cheap to take apart, however many use it."""
    return any(number(x) is not None for x in node.operands)


def _times(factors: list[Expr]) -> Expr:
    """The product, small operands first, so that scalars are multiplied before arrays."""
    if len(factors) > 2 and any(x.type.shape for x in factors):
        factors = sorted(factors, key=lambda x: x.type.rank)
    total = factors[0]
    for factor_ in factors[1:]:
        total = multiply.build(total, factor_)
    return total
