"""What is known of integers: linear forms in sizes and loop indices, and where they lie.

    for i in range(n - 1): x[i + 1]        0 <= i + 1 < n holds, so nothing is checked

A form is {variable: coefficient}, with the constant under None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from symdiff.ir.nest import Local, Num, Op, Ref, Term

Form = dict[Local | None, int]


class Known:
    """Definitions of integer variables, and ranges of loop indices.

    sizes: variables that are never negative, with what they are at least: 2 of arguments whose
    sizes 0 and 1 are part of the signature, so that other kernels get them.
    """

    def __init__(self) -> None:
        self.meaning: dict[Local, Term] = {}
        self.ranges: dict[Local, tuple[Term, Term]] = {}  # first and last value
        self.sizes: dict[Local, int] = {}  # the least value
        self.floors: dict[Local, Term] = {}  # what a variable is at least
        self.ceilings: dict[Local, Term] = {}  # what a size is at most
        self.small: set[Local] = set()  # integers that are bounded where that is relied on
        self.relied: set[Local] = set()
        self.held: list[Term] = []  # how many elements arrays have: they are in memory
        self._products: dict[tuple[Local, ...], Local] = {}
        self._factors: dict[Local, tuple[Local, ...]] = {}
        self._forms: dict[Local, Form | None] = {}

    def form(self, term: Term, depth: int = 40) -> Form | None:
        """`term` as a linear form, or None."""
        if depth == 0 or term.dtype != "int":
            return None
        match term:
            case Num(value):
                return {None: int(value)}
            case Ref(local):
                if local in self.meaning:
                    if local not in self._forms:
                        self._forms[local] = self.form(self.meaning[local], depth - 1)
                    found = self._forms[local]
                    if found is not None:
                        return found
                return {local: 1}
            case Op(code, args):
                parts = [self.form(a, depth - 1) for a in args]
                if any(p is None for p in parts):
                    return None
                if code == "-{0}":
                    return _scaled(parts[0], -1)  # type: ignore[arg-type]
                if len(parts) != 2:
                    return None
                a, b = parts[0], parts[1]
                assert a is not None and b is not None
                if code == "{0} + {1}":
                    return _sum(a, b)
                if code == "{0} - {1}":
                    return _sum(a, _scaled(b, -1))
                if code == "{0} * {1}":
                    for x, y in ((a, b), (b, a)):
                        if set(x) <= {None}:
                            return _scaled(y, x.get(None, 0))
                    return self._product(a, b)
                return None
            case _:
                return None

    def is_product(self, local: Local) -> bool:
        """Whether a variable of a form only stands for a product."""
        return local in self._factors

    def _product(self, a: Form, b: Form) -> Form | None:
        """The product of two single variables, by a variable that stands for it."""
        if len(a) != 1 or len(b) != 1:
            return None
        (x, m), (y, n) = *a.items(), *b.items()
        if x is None or y is None:
            return None
        factors = (*self._factors.get(x, (x,)), *self._factors.get(y, (y,)))
        key = tuple(sorted(factors, key=id))
        made = self._products.setdefault(key, Local("product", "int"))
        self._factors[made] = key
        if all(v in self.sizes for v in key):
            self.sizes.setdefault(made, math.prod(self.sizes[v] for v in key))
        return {made: m * n}

    def at_least(self, term: Term, least: int) -> bool:
        """Whether `term >= least` for certain."""
        form = self.form(term)
        return form is not None and self._least(form) >= least

    def below(self, term: Term, limit: Term) -> bool:
        """Whether `term < limit` for certain."""
        a, b = self.form(term), self.form(limit)
        return a is not None and b is not None and self._least(_sum(b, _scaled(a, -1))) >= 1

    def is_held(self, term: Term) -> bool:
        """Whether an integer is not negative and no larger than an array that is in memory."""
        return self.at_least(term, 0) and any(
            self.below(term, Op("{0} + {1}", (count, Num(1, "int")), "int")) for count in self.held
        )

    def _least(self, form: Form, rounds: int = 8) -> float:
        """A lower bound of a form: loop indices at the end of their range that is least."""
        for _ in range(rounds):
            index = next((v for v in form if v in self.ranges), None)
            if index is None:
                break
            coefficient = form[index]
            first, last = self.ranges[index]
            end = self.form(first if coefficient > 0 else last)
            if end is None:
                return float("-inf")
            rest = {v: c for v, c in form.items() if v is not index}
            form = _sum(rest, _scaled(end, coefficient))
        raised = next((v for v in form if v in self.floors and form[v] > 0), None)
        if raised is not None and rounds:
            low = self.form(self.floors[raised])  # type: ignore[index]
            if low is not None:
                rest = {v: c for v, c in form.items() if v is not raised}
                better = self._least(_sum(rest, _scaled(low, form[raised])), rounds - 1)
                if better > float("-inf"):
                    return better
        total: float = form.get(None, 0)
        for v, c in form.items():
            if v is None or not c:
                continue
            if c < 0 or v not in self.sizes:
                return float("-inf")
            total += c * self.sizes[v]
        return total

    def shortest(self, term: Term) -> Term:
        """`term` as a variable with at most a constant added, where it comes to that."""
        form = self.form(term)
        if form is None or len([v for v in form if v is not None]) > 1:
            return term
        constant = form.get(None, 0)
        local = next((v for v in form if v is not None), None)
        if local is None:
            return Num(constant, "int")
        if form[local] != 1 or local in self._factors:
            return term
        if not constant:
            return Ref(local)
        sign = "+" if constant > 0 else "-"
        return Op(f"{{0}} {sign} {{1}}", (Ref(local), Num(abs(constant), "int")), "int")

    def plain(self, term: Term) -> Term:
        """`term` as a number, where it is known to be one."""
        form = None if isinstance(term, Num) else self.form(term)
        return Num(form.get(None, 0), "int") if form is not None and set(form) <= {None} else term

    def forget(self, unified: list[Local]) -> None:
        """What has been compared is not known to be equal elsewhere."""
        for local in unified:
            del self.meaning[local]
        if unified:
            self._forms.clear()

    def redefine(self, meanings: Mapping[Local, Term]) -> None:
        """Variables are defined in other words now, of the same meaning."""
        self.meaning.update(meanings)
        self._forms.clear()

    def unify(self, a: Term, b: Term) -> Local | None:
        """Two sizes that have been compared are the same; which is now known by the other."""
        for one, other in ((b, a), (a, b)):
            if isinstance(one, Ref) and one.local in self.sizes and one.local not in self.meaning:
                form = self.form(other)
                if form is not None and one.local not in form:
                    self.meaning[one.local] = other
                    self._forms.clear()
                    return one.local
        return None

    def equal(self, a: Term, b: Term) -> bool:
        """Whether two integers are the same for certain."""
        if a == b:
            return True
        x, y = self.form(a), self.form(b)
        return x is not None and y is not None and not _sum(x, _scaled(y, -1))


def _sum(a: Mapping[Local | None, int], b: Mapping[Local | None, int]) -> Form:
    total = dict(a)
    for v, c in b.items():
        total[v] = total.get(v, 0) + c
        if not total[v]:
            del total[v]
    return total


def _scaled(a: Mapping[Local | None, int], by: int) -> Form:
    return {v: c * by for v, c in a.items()} if by else {}
