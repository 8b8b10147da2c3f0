"""The sums and products of a function, taken apart: which are, and into what.

A sum or product that only one other sum or product uses is part of that one. The others are roots:
values that have a form of their own. Constant multiples are seen through even where several use
them, so that `0.5 / r * (2 * x)` becomes `x / r`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.ir.expr import Apply, Const, Expr, If
from symdiff.optimize.forms import Number, Product, Sum, Through, scale
from symdiff.primitives.arithmetic import add, divide, multiply, negative, power, subtract

_PRODUCTS = (multiply, divide)
_LINEAR = frozenset((multiply, divide, negative))
_RING = frozenset((add, subtract, multiply, divide, negative))
_ALONE, _IN_SUM, _IN_PRODUCT = 0, 1, 2


def number(node: Expr) -> Number | None:
    """The value of a plain Python number, else None."""
    if type(node) is Const and node.type.weak and type(node.value) in (int, float):
        return node.value
    return None


class Flat:
    """The forms of all roots below `results`, and the numbers of their atoms.

    order: everything that `results` are made of, operands first.
    signs: whether a negation that several use is seen through; each then pays for its own sign,
    or passes it on.
    """

    def __init__(self, order: Sequence[Expr], results: Sequence[Expr], signs: bool = True):
        self.order = order
        self.signs = signs
        self.atom_of: dict[Any, int] = {}
        self.atoms: list[Any] = []  # an Expr, a Sum, a Product, or a constant (num, den)
        self.forms: dict[Expr, Product | Sum] = {}
        self.absorbed: dict[Expr, int] = {}  # operations that are part of a root
        self.size: dict[Expr, int] = {}  # how many operations a root is made of
        self.signed: set[Expr] = set()  # roots with a negation in them that others use too
        self._squares: dict[Expr, Expr] = {}
        self._seen_through: dict[Expr, int] = {}
        self._find_roots(results)
        for node in self.order:
            if node in self.roots:
                self._root = node
                self.forms[node] = self._form(node)
        self._settle()

    def atom(self, what: Any) -> int:
        """The number that stands for `what`."""
        found = self.atom_of.get(what)
        if found is None:
            found = self.atom_of[what] = len(self.atoms)
            self.atoms.append(what)
        return found

    def _find_roots(self, results: Sequence[Expr]) -> None:
        wanted = set(results)
        uses: dict[Expr, int] = dict.fromkeys(results, 2)
        role: dict[Expr, int] = {}
        self.roots: set[Expr] = set()
        self._ring = ring = set[Expr]()
        branches = False
        for node in self.order:
            for operand in node.operands:
                uses[operand] = uses.get(operand, 0) + 1
            if type(node) is Apply:
                if node.op in _RING:
                    if in_ring(node):
                        ring.add(node)
                elif node.op is power and number(node.operands[1]) == 2:
                    self._squares[node.operands[0]] = node
            else:
                branches = branches or type(node) is If
        if branches:  # Python's x**2 may raise where x * x is inf, so it stays in its branch
            self._squares.clear()
        for node in reversed(self.order):
            if node not in ring:
                continue
            op = node.op  # type: ignore[attr-defined]
            here = role.get(node, _ALONE)
            if here == _ALONE:
                self.roots.add(node)
                here = _IN_PRODUCT if op in _PRODUCTS else _IN_SUM
                if op is negative and uses[node] - (2 if node in wanted else 1) > 0:
                    here = _IN_PRODUCT  # others look through it: a sum below stays one value
            for operand in node.operands:
                if uses[operand] != 1 or operand not in ring:
                    continue
                inner = operand.op  # type: ignore[attr-defined]
                if inner is negative:
                    role[operand] = here
                elif inner in _PRODUCTS:
                    role[operand] = _IN_PRODUCT
                elif here == _IN_SUM:
                    role[operand] = _IN_SUM
        self.absorbed = role
        self._uses = uses

    def _form(self, root: Expr) -> Product | Sum:
        if root.op in _PRODUCTS:  # type: ignore[attr-defined]
            product, self.size[root] = self._product(root, 1)
            return product
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
            elif (
                op is negative
                and node in self._ring
                and (self.signs or node is root or node in self.absorbed)
            ):
                stack.append((-sign, node.operands[0]))
                if node in self.absorbed or node is root:
                    count += 1
                else:
                    self.signed.add(root)
            else:
                term, size = self._product(node, sign)
                terms.append(term)
                count += size
        self.size[root] = count
        return terms[0] if len(terms) == 1 else Sum(terms)

    def _product(self, root: Expr, sign: int) -> tuple[Product, int]:
        """A flat product, and how many operations it is made of."""
        if type(root) is not Const and (type(root) is not Apply or root.op not in _LINEAR):
            return Product(sign, 1, 1, [self.atom(root)], []), 0
        num: Number = 1
        den: Number = 1
        nums: list[int] = []
        dens: list[int] = []
        through: list[Through] = []
        stack: list[tuple[Expr, bool]] = [(root, False)]
        count = 0
        ring = self._ring
        while stack:
            node, under = stack.pop()
            value = number(node) if type(node) is Const else None
            if value is not None and value != 0 and value == value:
                size = abs(value)
                scaled = scale(num, den, 1, size) if under else scale(num, den, size, 1)
                if scaled is not None:
                    num, den = scaled
                    sign = sign if value > 0 else -sign
                    continue
            elif node in ring and node.op in _LINEAR:  # type: ignore[attr-defined]
                op = node.op  # type: ignore[attr-defined]
                if node in self.absorbed or node is self._root:
                    count += 1
                    if op is negative:
                        sign = -sign
                        stack.append((node.operands[0], under))
                    else:
                        a, b = node.operands
                        stack.append((b, under if op is multiply else not under))
                        stack.append((a, under))
                    continue
                if op is negative:
                    if self.signs:
                        self.signed.add(self._root)
                        sign = -sign
                        stack.append((node.operands[0], under))
                    else:
                        (dens if under else nums).append(self.atom(node))
                    continue
                form = self.forms[node]
                if (
                    type(form) is Product
                    and len(form.nums) + len(form.dens) == 1
                    and not form.plain
                ):
                    # Anything but a constant times one value stays a value of its own.
                    sign *= form.sign
                    inverted = under is not bool(form.dens)
                    (base,) = form.nums or form.dens
                    constant = (form.den, form.num) if under else (form.num, form.den)
                    atom = self.atom(node)
                    through.append((inverted, base, atom, *constant, form.sign, under))
                    self._seen_through[node] = self._seen_through.get(node, 0) + 1
                    (dens if inverted else nums).append(base)
                    continue
            (dens if under else nums).append(self.atom(node))
        product = Product(sign, num, den, nums, dens)
        if through:
            product.through = through
            product.own = (num, den)
            failed = False
            for entry in through:
                scaled = scale(product.num, product.den, *entry[3:5])
                if scaled is None:
                    failed = True
                    break
                product.num, product.den = scaled
            if failed:
                self._restore(product, {entry[2] for entry in through})
                product.through = ()
        return product, count

    def _settle(self) -> None:
        """Decide which shared multiples are still needed as such, and square what is squared."""
        products: list[Product] = []
        for form in self.forms.values():
            if isinstance(form, Sum):
                products += form.terms
            else:
                products.append(form)
        needed: set[int] = set()
        for node, count in self._seen_through.items():
            if self._uses[node] > count:
                needed.add(self.atom(node))
        for p in products:
            if len(p.through) == 1 and p.own == (1, 1):
                needed.add(p.through[0][2])
        for p in products:
            if p.through and not p.plain:
                self._restore(p, needed)
            if len(p.nums) > 1 and len(set(p.nums)) < len(p.nums):
                p.nums = self._squared(p.nums)

    def _restore(self, p: Product, needed: set[int]) -> None:
        """Take multiples that are values anyway as such, where that leaves a smaller constant."""
        num, den = p.own
        for inverted, base, atom, by, over, sign, under in p.through:
            if atom in needed:
                (p.dens if inverted else p.nums).remove(base)
                (p.dens if under else p.nums).append(atom)
                p.sign *= sign  # it comes with the atom again
            else:
                scaled = scale(num, den, by, over)
                assert scaled is not None
                num, den = scaled
        p.num, p.den = num, den

    def _squared(self, nums: list[int]) -> list[int]:
        """x, x -> x**2 where the function computes that square anyway."""
        result: list[int] = []
        for atom in nums:
            square = self._squares.get(self.atoms[atom]) if atom in result else None
            if square is not None:
                result[result.index(atom)] = self.atom(square)
            else:
                result.append(atom)
        return result


def in_ring(node: Expr) -> bool:
    """Whether an operation of the ring is one on real numbers, which may be regrouped.

    Mixed dtypes and NumPy integers may not: their promotion and overflow depend on the grouping.
    """
    type_ = node.type
    dtype = type_.dtype
    if dtype != "float64" and dtype != "float32":
        return False
    for operand in node.operands:
        other = operand.type
        if (
            other is not type_
            and other.dtype != dtype
            and not (other.weak and other.dtype in ("int", "float64"))
        ):
            return False
    return True
