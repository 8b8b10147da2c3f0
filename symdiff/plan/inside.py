"""Reads of elements that are certain to be inside: such a read never raises, wherever it is.

    for i in range(1, len(x)): ... x[i - 1]       0 <= i - 1 < len(x)

A size is at least 2 (see `least_size`), but that of a list. Elsewhere an index is inside where
another array of that size has been read, or written into, with the same index.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from symdiff.ir.expr import Apply, Const, Expr, For, Loop, Var
from symdiff.ir.types import Dim, SymDim, dim_add, dim_mul, dim_symbols, symbol
from symdiff.primitives.arithmetic import add, multiply, negative, subtract
from symdiff.primitives.indexing import RUN, accumulate, full_template, index, update
from symdiff.primitives.lists import is_recorded
from symdiff.primitives.shape import as_dim, axis_size, is_steady, size

Place = tuple[Dim, Expr | int]  # the size of an axis, and an index or an array of them

_HOWEVER_DEEP = 8  # ranges that depend on those of loops around


class Inside:
    """What is known of indices. order: the nodes of a function, operands first."""

    def __init__(self, order: Iterable[Expr]):
        self._ranges: dict[str, tuple[Dim | None, Dim | None]] = {}  # of loops: least and most
        self._lists: set[str] = set()  # sizes that may be 0 or 1
        self._forms: dict[Expr, Dim | None] = {}
        for node in order:
            if isinstance(node, For):
                self._forms[node.index] = symbol(f"({node.index.name} {node.index.tag})")
            if node.type.listed:
                self._lists.update(s for d in node.type.shape for s in dim_symbols(d))
        for node in order:
            if isinstance(node, For):
                name = f"({node.index.name} {node.index.tag})"
                self._ranges[name] = self._range(node)

    def has_round(self, loop: Loop) -> bool:
        """Whether a loop surely has a round."""
        if not isinstance(loop, For):
            return False
        low, high = self._range(loop)
        return low is not None and high is not None and self._least(_minus(high, low)) >= 0

    def may_be_outside(self, node: Expr) -> list[Place]:
        """The places that a node reads, of those that are not certain to be there."""
        if not isinstance(node, Apply) or node.op is not index:
            return []
        return [place for place in places_of(node) if not self._certain(*place)]

    def _certain(self, dim: Dim, at: Expr | int) -> bool:
        if is_recorded(dim):
            return True
        form = at if isinstance(at, int) else self._form(at) if not at.type.rank else None
        if form is None:
            return False
        above, below = dim_add(form, dim), dim_add(_minus(dim, form), -1)
        return self._least(above) >= 0 and self._least(below) >= 0

    def _range(self, loop: For) -> tuple[Dim | None, Dim | None]:
        """The least and the largest index of a loop that has a round."""
        start, stop, step = loop.bounds
        first, end = self._form(start), self._form(stop)
        if not isinstance(step, Const):
            return None, None
        if step.value > 0:
            return first, None if end is None else dim_add(end, -1)
        return None if end is None else dim_add(end, 1), first

    def _form(self, node: Expr) -> Dim | None:
        """An integer as a polynomial over sizes and indices of loops."""
        if node not in self._forms:
            self._forms[node] = self._made(node)
        return self._forms[node]

    def _made(self, node: Expr) -> Dim | None:
        match node:
            case Apply() if node.op in (add, subtract, multiply, negative):
                parts = [self._form(x) for x in node.operands]
                known = [p for p in parts if p is not None]
                if len(known) < len(parts) or node.type.dtype != "int" or node.type.rank:
                    return None
                if node.op is add:
                    return dim_add(*known)
                if node.op is multiply:
                    return dim_mul(*known)
                return dim_add(*known[:-1], dim_mul(-1, known[-1]))
            case Const(value):
                return value if type(value) is int else None
            case Apply() if node.op in (size, axis_size):
                return as_dim(node)
            case Var() if node.type.dtype == "int" and not node.type.rank and is_steady(node):
                return as_dim(node)
            case _:
                return None

    def _least(self, form: Dim) -> float:
        """A lower bound: indices of loops at that end of their range where it is least."""
        for _ in range(_HOWEVER_DEEP):
            name = next((s for s in dim_symbols(form) if s in self._ranges), None)
            if name is None:
                break
            assert isinstance(form, SymDim)
            factors = {f: c for f, c in form.terms if name in f}
            if any(f.count(name) > 1 or not self._counts(f, name) for f in factors):
                return -math.inf
            rising = [c > 0 for c in factors.values()]
            end = self._ranges[name][0 if all(rising) else 1]
            if end is None or (any(rising) and not all(rising)):
                return -math.inf
            others = [_monomial(f, c) for f, c in form.terms if f not in factors]
            moved = [
                dim_mul(_monomial(tuple(s for s in f if s != name), c), end)
                for f, c in factors.items()
            ]
            form = dim_add(*others, *moved)
        if isinstance(form, int):
            return form
        total = 0
        for factors, coefficient in form.terms:
            if factors and (coefficient < 0 or not self._counts(factors)):
                return -math.inf
            total += coefficient * math.prod(self._at_least(s) for s in factors)
        return total

    def _counts(self, factors: Iterable[str], besides: str = "") -> bool:
        """Whether factors are sizes, so that none is negative."""
        return all(s == besides or "(" not in s or s.startswith("len(") for s in factors)

    def _at_least(self, size_: str) -> int:
        return 0 if "(" in size_ or size_ in self._lists else 2


def places_of(node: Expr) -> Iterator[Place]:
    """The places in an array that a read, or a write, names one by one."""
    if not isinstance(node, Apply) or node.op not in (index, update, accumulate):
        return
    shape = node.operands[0].type.shape
    given = node.operands[1 if node.op is index else 2 :]
    masks = [x.type.rank for x in given if x.type.dtype == "bool"]
    dynamic = iter(given)
    axis = 0
    for entry in full_template(node.attrs[0], len(shape), masks):
        match entry[0]:
            case "new" | "ellipsis":
                continue
            case "mask":
                axis += next(dynamic).type.rank
                continue
            case "slice":
                for part in entry[1:4]:
                    if part == RUN:
                        next(dynamic)
            case "int":
                yield shape[axis], next(dynamic) if entry[1] == RUN else entry[1]
            case _:
                yield shape[axis], next(dynamic)
        axis += 1


def _minus(a: Dim, b: Dim) -> Dim:
    return dim_add(a, dim_mul(-1, b))


def _monomial(factors: tuple[str, ...], coefficient: int) -> Dim:
    return dim_mul(coefficient, *(symbol(s) for s in factors))
