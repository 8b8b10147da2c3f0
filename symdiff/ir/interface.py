"""What a compiled kernel takes and gives back, and how Python's arguments and results map to it.

    def f(x, w): return (w * x, {"n": len(w)})

    arguments  x: float, w: float64[n]        sizes  n: axis 0 of w
    results    0: float64[n], 1: int          tree   (0, {"n": 1})

The kernel is a C function

    int f(double x, const double *w, int64_t n, double *out, int64_t *count);

of the arguments, then the sizes, then where each result goes. It returns 0, 1 where memory has run
out, or 2 + k for the k-th of the faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from symdiff.ir.types import SymDim, Type, symbol

Tree = Any  # an int, or a tuple, list or dict of trees


@dataclass(frozen=True, slots=True)
class Value:
    """An argument or a result: what messages call it, its type, what C calls it.

    c_name: a C identifier that no other argument, size or result has; "" is `name`.
    """

    name: str
    type: Type
    c_name: str = ""

    def __post_init__(self) -> None:
        if not self.c_name:
            object.__setattr__(self, "c_name", self.name)

    @property
    def is_scalar(self) -> bool:
        return not self.type.rank

    @property
    def is_array(self) -> bool:
        """Whether it is one array, and not a list of numbers or of arrays."""
        return bool(self.type.rank) and not self.type.listed


@dataclass(frozen=True, slots=True)
class Size:
    """Where a size symbol is read: an axis of an argument; axis -1 is the value of an integer.

    function: one in the text of the kernel, which takes the sizes before this one, as int64_t, and
    returns it; nothing is read then.
    """

    symbol: str
    c_name: str
    argument: int = -1
    axis: int = -1
    function: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """All that the call layer of a kernel is made of.

    name: the kernel's, an identifier of C; those that start with `call_` are the call layer's.
    written: names of the array arguments that the kernel writes into.
    tree: how what is returned is put together: tuples, lists and dicts of integers, which are
    places in `results`, or -1 - k for the k-th of `constants`.
    faults: (name of an exception, message) of what the kernel may raise.
    external: the functions that it calls through pointers, by their names in `codegen.c.external`.
    """

    name: str
    doc: str
    arguments: tuple[Value, ...]
    sizes: tuple[Size, ...]
    results: tuple[Value, ...]
    tree: Tree
    written: frozenset[str] = frozenset()
    constants: tuple[object, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    external: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        arrays = {x.name for x in self.arguments if x.is_array}
        if not self.written <= arrays:
            raise ValueError(f"no arrays: {', '.join(sorted(self.written - arrays))}")

    @property
    def objects(self) -> tuple[object, ...]:
        """The Python objects that no text can hold: the constants, then the keys of the tree."""
        return (*self.constants, *(key for at in _dicts(self.tree) for key in at))

    def is_read(self, argument: int, axis: int) -> bool:
        """Whether a size is read from this axis, so that there is nothing to compare it with."""
        dim = self.arguments[argument].type.shape[axis]
        return isinstance(dim, SymDim) and any(
            (size.argument, size.axis) == (argument, axis)
            and dim == symbol(size.symbol)
            and not size.function
            for size in self.sizes
        )


def _dicts(tree: Tree) -> Iterator[dict[Any, Tree]]:
    """The dicts in a tree, each before those inside of it."""
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, (tuple, list, dict)):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from _dicts(child)
