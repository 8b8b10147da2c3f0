"""The parameters of a kernel: numbers, memory of arrays, and the sizes that are read from these.

f(x: float64[n], k: int)   ->   int f(const double *x, int64_t k, int64_t n, ...)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symdiff.ir.expr import Var
from symdiff.ir.interface import Size, Value
from symdiff.ir.nest import Buffer, Fail, Local, Op, Ref, Statement
from symdiff.ir.types import Dim, SymDim
from symdiff.lower.arrays import stored
from symdiff.lower.context import refused

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering


@dataclass
class Parameters:
    """What a kernel gets: arguments and sizes as it has them, and as its caller is told.

    integers: the places of arguments that are integers.
    """

    arguments: list[Local | Buffer] = field(default_factory=list[Local | Buffer])
    values: list[Value] = field(default_factory=list[Value])
    sizes: list[Local] = field(default_factory=list[Local])
    measured: list[Size] = field(default_factory=list[Size])
    integers: dict[str, int] = field(default_factory=dict[str, int])


def parameters(to: Lowering, variables: Sequence[Var], *, open_sizes: bool = False) -> Parameters:
    """Make `variables` the parameters; open_sizes: a size that is read may be 0 or 1."""
    made = Parameters()
    for number, v in enumerate(variables):
        if v.type.is_complex:
            raise refused(f"{v.name}: a complex number")
        made.values.append(Value(v.name, v.type))
        if is_integer(v):
            made.integers[v.name] = number
            to.symbols[v.name] = Ref(_number(to, v))
    known = {s: (number, axis) for s, number, axis in sizes_read(variables)}
    for number, v in enumerate(variables):
        if not v.type.rank:
            value = to.values[v] if is_integer(v) else Ref(_number(to, v))
            assert isinstance(value, Ref)
            made.arguments.append(value.local)
            continue
        for axis, dim in enumerate(v.type.shape):
            symbol = single_symbol(dim)
            if symbol is not None and known.get(symbol) == (number, axis):
                local = Local(symbol if symbol.isidentifier() else _size_name(v, axis), "int")
                to.symbols[symbol] = Ref(local)
                to.known.sizes[local] = 0 if v.type.listed or open_sizes else 2
                to.measured.add(symbol)
                made.sizes.append(local)
                made.measured.append(Size(symbol, local.name, number, axis))
        made.arguments.append(_memory(to, v))
    return made


def is_integer(v: Var) -> bool:
    """Whether a parameter is an integer: a size that is called like it is that integer."""
    return not v.type.rank and v.type.dtype == "int"


def sizes_read(variables: Sequence[Var]) -> Iterator[tuple[str, int, int]]:
    """(symbol, which variable, axis) of each size that is read from the shape of a variable."""
    known = {v.name for v in variables if is_integer(v)}
    for number, v in enumerate(variables):
        for axis, dim in enumerate(v.type.shape):
            symbol = single_symbol(dim)
            if symbol is not None and symbol not in known:
                known.add(symbol)
                yield symbol, number, axis


def single_symbol(dim: Dim) -> str | None:
    """The symbol that a size is, if it is one and nothing else."""
    if isinstance(dim, SymDim) and len(dim.terms) == 1:
        factors, coefficient = dim.terms[0]
        if coefficient == 1 and len(factors) == 1:
            return factors[0]
    return None


def _number(to: Lowering, v: Var) -> Local:
    local = Local(v.name, v.type.dtype)
    to.values[v] = Ref(local)
    if v.type.dtype == "int":
        to.known.small.add(local)
        to.measured.add(v.name)
    return local


def _memory(to: Lowering, v: Var) -> Buffer:
    written = any(v is w for w, _ in to.function.effects)
    name = to.function.names.get(v) or v.name
    kind = "written" if written else "argument"
    buffer = Buffer(name, v.type.dtype, to.dims(v.type.shape), kind)
    to.values[v] = stored(buffer)
    to.pending[v] = stored(buffer)
    to.homes[v] = to.out
    return buffer


def _size_name(v: Var, axis: int) -> str:
    return f"{v.name}_{'nmklpq'[axis % 6]}"


def bounded(to: Lowering, arguments: Iterable[Local | Buffer]) -> list[Statement]:
    """Integers that sums have been made of are not so large that these could wrap around."""
    found: list[Statement] = []
    for x in arguments:
        if isinstance(x, Local) and x in to.known.relied:
            large = Op("{0} > INT64_MAX / 8 || {0} < INT64_MIN / 8", (Ref(x),), "bool")
            fault = to.fault("OverflowError", "an integer has more than 60 bits")
            found.append(Fail(large, fault, True))
    return found
