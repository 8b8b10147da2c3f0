"""Types: a dtype, a shape whose dims are integers or symbols, and whether Python or NumPy owns it.

A *weak* type is that of a Python number: it adopts the dtype of the NumPy value it meets
(NEP 50), `math` computes with it, and it raises where NumPy would warn. Everything that
depends on that difference (which library to call, whether `1 / 0` raises) reads it here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from symdiff.errors import IllTypedError

DType = Literal["bool", "int", "float32", "float64", "complex64", "complex128"]
DTYPES: tuple[DType, ...] = ("bool", "int", "float32", "float64", "complex64", "complex128")
_KIND = {"bool": 0, "int": 1, "float32": 2, "float64": 2, "complex64": 3, "complex128": 3}
_DEFAULT_OF_KIND: tuple[DType, ...] = ("bool", "int", "float64", "complex128")


@dataclass(frozen=True, slots=True)
class SymDim:
    """A size known at run time: a polynomial with integer coefficients over named sizes.

    `terms` maps a sorted tuple of symbol names to its coefficient: n*d - 1 is
    ((("d", "n"), 1), ((), -1)). Equal polynomials are equal values.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    def __str__(self) -> str:
        text = ""
        for factors, coefficient in self.terms:
            body = "*".join(factors)
            magnitude = abs(coefficient)
            shown = (
                body if body and magnitude == 1 else "*".join(filter(None, (str(magnitude), body)))
            )
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + shown
        return text or "0"


Dim = int | SymDim
Shape = tuple[Dim, ...]


def symbol(name: str) -> Dim:
    """The size called `name`."""
    return SymDim((((name,), 1),))


def _terms(dim: Dim) -> dict[tuple[str, ...], int]:
    if isinstance(dim, int):
        return {(): dim} if dim else {}
    return dict(dim.terms)


def _dim(terms: dict[tuple[str, ...], int]) -> Dim:
    kept = {factors: c for factors, c in terms.items() if c}
    if not kept or set(kept) == {()}:
        return kept.get((), 0)
    # Longer monomials first, the constant last: `n*d - 1`, not `-1 + n*d`.
    return SymDim(tuple(sorted(kept.items(), key=lambda item: (-len(item[0]), item[0]))))


def dim_add(*dims: Dim) -> Dim:
    """The sum of sizes, in normal form."""
    total: dict[tuple[str, ...], int] = {}
    for dim in dims:
        for factors, coefficient in _terms(dim).items():
            total[factors] = total.get(factors, 0) + coefficient
    return _dim(total)


def dim_mul(*dims: Dim) -> Dim:
    """The product of sizes, in normal form."""
    product: dict[tuple[str, ...], int] = {(): 1}
    for dim in dims:
        step: dict[tuple[str, ...], int] = {}
        for left, a in product.items():
            for right, b in _terms(dim).items():
                key = tuple(sorted(left + right))
                step[key] = step.get(key, 0) + a * b
        product = step
    return _dim(product)


def dim_quotient(dim: Dim, by: Dim) -> Dim | None:
    """`dim / by` where it divides exactly, else None."""
    if dim == by:
        return 1
    if isinstance(by, int):
        if by == 0:
            return None
        if isinstance(dim, int):
            return dim // by if dim % by == 0 else None
        if all(c % by == 0 for _, c in dim.terms):
            return _dim({f: c // by for f, c in dim.terms})
        return None
    if isinstance(dim, int) or len(by.terms) != 1:
        return None
    factors, coefficient = by.terms[0]
    result: dict[tuple[str, ...], int] = {}
    for monomial, c in dim.terms:
        rest = list(monomial)
        for factor in factors:
            if factor not in rest:
                return None
            rest.remove(factor)
        if c % coefficient:
            return None
        result[tuple(rest)] = c // coefficient
    return _dim(result)


def dim_symbols(dim: Dim) -> frozenset[str]:
    """The names of the sizes that `dim` is made of."""
    return frozenset() if isinstance(dim, int) else frozenset(s for f, _ in dim.terms for s in f)


def is_counted(shape: Shape) -> bool:
    """Whether a size is how many elements a mask keeps: only an array of it tells how many."""
    return any("count(" in name for dim in shape for name in dim_symbols(dim))


def symbols_in(value: object) -> set[str]:
    """The names of the sizes in nested tuples, as the attributes of a node are."""
    found: set[str] = set()
    stack: list[object] = [value]
    while stack:
        at = stack.pop()
        if isinstance(at, tuple):
            stack.extend(at)  # type: ignore[arg-type]
        elif isinstance(at, SymDim):
            found |= dim_symbols(at)
    return found


class Type:
    """What is known of a value when compiling: dtype, shape, and `weak` for Python numbers.

    listed: how many of the first axes are those of Python lists (of lists), not of an array.
    Frozen and interned: equal types are the same object, so comparing and hashing them is cheap.
    """

    __slots__ = (
        "differentiable", "dtype", "is_complex", "is_float", "listed", "rank", "shape", "strong",
        "weak",
    )  # fmt: skip
    dtype: DType
    shape: Shape
    weak: bool
    listed: int
    rank: int
    is_float: bool
    is_complex: bool
    differentiable: bool
    strong: Type  # the same but for `weak`

    def __new__(cls, dtype: DType, shape: Shape = (), weak: bool = False, listed: int = 0) -> Type:
        return _type(dtype, shape, weak, listed)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"types are frozen: cannot set {name}")

    def __reduce__(self) -> tuple[type[Type], tuple[DType, Shape, bool, int]]:
        return Type, (self.dtype, self.shape, self.weak, self.listed)

    def __repr__(self) -> str:
        return f"Type(dtype={self.dtype!r}, shape={self.shape!r}, weak={self.weak!r})"

    def with_shape(self, shape: Shape) -> Type:
        return Type(self.dtype, shape, self.weak and not shape)

    def with_dtype(self, dtype: DType) -> Type:
        return Type(dtype, self.shape, self.weak, self.listed)

    @property
    def item(self) -> Type:
        """The type of an item: of a list, or a row of an array."""
        return Type(self.dtype, self.shape[1:], self.weak, max(self.listed - 1, 0))

    def __str__(self) -> str:
        if self.listed:
            return f"list of {self.item}"
        if self.weak:
            return {"float64": "float", "complex128": "complex"}.get(self.dtype, self.dtype)
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@functools.cache
def _type(dtype: DType, shape: Shape, weak: bool, listed: int) -> Type:
    """The one type with these fields; what else is asked of it is worked out once."""
    made = object.__new__(Type)
    rank, kind = len(shape), _KIND[dtype]
    fields = {
        "dtype": dtype, "shape": shape, "weak": weak, "rank": rank, "is_float": kind == 2,
        "is_complex": kind == 3, "differentiable": kind >= 2, "listed": listed,
        "strong": _type(dtype, shape, False, listed) if weak else made,
    }  # fmt: skip
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


FLOAT = Type("float64", (), True)
INT = Type("int", (), True)
BOOL = Type("bool", (), True)


def promote_dtype(*types: Type) -> DType:
    """The dtype of an operation on operands of `types`, by NumPy's rules (NEP 50).

    Raises nothing: every pair of dtypes has a common one.
    """
    strong = [t.dtype for t in types if not t.weak]
    kind = max(_KIND[t.dtype] for t in types)
    if not strong:
        return _DEFAULT_OF_KIND[kind]
    strong_kind = max(map(_KIND.__getitem__, strong))
    wide = any(d in ("float64", "complex128") for d in strong)
    # An integer array among float32 ones widens the result, as in NumPy.
    wide = wide or (strong_kind >= 2 and "int" in strong)
    if kind > strong_kind:  # a Python number decides the kind
        wide = wide or strong_kind < 2
    if kind < 2:
        return "int" if kind == 1 else "bool"
    if kind == 2:
        return "float64" if wide else "float32"
    return "complex128" if wide else "complex64"


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that `shapes` broadcast to.

    Two different symbols are taken to be equal: sizes of one are part of a signature, so at run
    time either they are equal or NumPy raises. Raises IllTypedError for sizes that can't fit.
    """
    rank = max(map(len, shapes), default=0)
    result: list[Dim] = []
    for axis in range(rank):
        best: Dim = 1
        for shape in shapes:
            at = axis - (rank - len(shape))
            if at < 0 or shape[at] == 1:
                continue
            dim = shape[at]
            if best == 1 or (isinstance(dim, int) and not isinstance(best, int)):
                best = dim
            elif isinstance(dim, SymDim) and isinstance(best, SymDim):
                best = dim if "(" in str(best) and "(" not in str(dim) else best  # the simpler
            elif isinstance(dim, int) and isinstance(best, int) and dim != best:
                shown = " and ".join(show_shape(s) for s in shapes)
                raise IllTypedError(f"shapes {shown} do not broadcast together")
        result.append(best)
    return tuple(result)


def show_shape(shape: Shape) -> str:
    """`(n, d)`, `(n,)`, `()`: as Python prints a tuple."""
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
