"""Definitions, which call themselves, are kernels of their own; a `Call` is a statement.

    y = Project(Call power(x, n), 0)   ->   double y; status = recursive_power(x, n, left - 1, &y);

C's stack is finite: each call is told how many more may follow, and raises RecursionError where
none may, as Python does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symdiff.ir.expr import Call, Expr, Var
from symdiff.ir.function import Function
from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Declare,
    Invoke,
    Kernel,
    Let,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Term,
    statements,
)
from symdiff.ir.types import Dim, Type, dim_symbols
from symdiff.lower.arrays import ONE, ZERO, stored
from symdiff.lower.context import refused
from symdiff.lower.parameters import is_integer, single_symbol, sizes_read

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering

_DEEPEST = 10_000  # calls in one another
_STACK = 4 << 20  # bytes of the stack that they may fill: half of what threads commonly have


@dataclass(frozen=True)
class Callee:
    """How a definition is called: its name in C, its parameters, and the types of its results.

    sizes: (symbol, parameter, axis) of the sizes that are passed behind the arguments.
    """

    name: str
    params: tuple[Var, ...]
    results: tuple[Type, ...]
    sizes: tuple[tuple[str, int, int], ...]


@dataclass
class Unit:
    """What the kernels of a file share: what they call, what they raise, how deep calls may go."""

    callees: Mapping[str, Callee]
    faults: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    deepest: int = 0


def callee_of(definition: Function) -> Callee:
    """How a definition is called. Its name is one that no header has."""
    params = tuple(definition.variables)
    types = tuple(r.type for r in definition.results)
    return Callee(f"recursive_{definition.name}", params, types, tuple(sizes_read(params)))


def lower_call(to: Lowering, node: Call) -> None:
    """The statements of a call."""
    assert isinstance(node.callee, str)
    callee = to.unit.callees[node.callee]
    given: list[Term | Buffer] = []
    passed = list(zip(callee.params, node.operands, strict=True))
    numbers = {v: to.converted(to.scalar(x), v.type.dtype) for v, x in passed if not v.type.rank}
    sizes: dict[str, Term] = {v.name: n for v, n in numbers.items() if is_integer(v)}
    for v, x in passed:
        if v in numbers:
            given.append(numbers[v])
            continue
        array = to.realized(to.array(x), to.wish_for(x))
        assert array.buffer is not None
        given.append(array.buffer)
        for have, dim in zip(array.dims, v.type.shape, strict=True):
            symbol = single_symbol(dim)
            if symbol is not None and symbol not in sizes:
                sizes[symbol] = have
            want = _sized(to, dim, sizes)
            to.require_equal(have, want, "an array has another size than it should")
    given += (sizes[symbol] for symbol, _, _ in callee.sizes)
    given.append(_left(to))
    for x in node.operands:
        to.read(x)
    found = {p.index: p for p in to.projects.get(node, ())}
    several = len(to.plan.sites.get(node, ())) > 1
    results: list[Local | Buffer] = []
    for k, type_ in enumerate(callee.results):
        project = found.get(k)
        if not type_.rank:
            results.append(_number(to, project, type_, several))
            continue
        dims = tuple(to.at_least_zero(_sized(to, d, sizes), "size") for d in type_.shape)
        results.append(_memory(to, project, type_, dims, several))
    to.out.append(Invoke(callee.name, tuple(given), tuple(results), to.line))


def check_depth(to: Lowering) -> None:
    """Raise where no more calls may follow."""
    if to.left is not None:
        test = Op("{0} == {1}", (Ref(to.left), ZERO), "bool")
        to.fail(test, "RecursionError", "maximum recursion depth exceeded")


def _left(to: Lowering) -> Term:
    """How many calls may follow a call, and be in it."""
    if to.left is None:
        return Num(to.unit.deepest, "int")
    return to.op("{0} - {1}", Ref(to.left), ONE)


def _number(to: Lowering, project: Expr | None, type_: Type, several: bool) -> Local:
    """The variable of a result; several: other places compute it, too."""
    if project is None:
        local = Local("unused", type_.dtype)
    else:
        local = Local(to.wish_for(project), type_.dtype)
        local = to.shared.setdefault(project, local) if several else local
        to.values[project] = Ref(local)
    to.out.append(Declare(local))
    return local


def _memory(
    to: Lowering, project: Expr | None, type_: Type, dims: tuple[Term, ...], several: bool
) -> Buffer:
    """The memory of a result."""
    buffer = Buffer("unused" if project is None else to.wish_for(project), type_.dtype, dims)
    if project is not None and several:
        buffer = to.kept.setdefault(project, buffer)
        if buffer.dims != dims:
            raise refused("an array that several branches compute, each of its own size,", to.line)
    to.out.append(Alloc(buffer))
    if project is not None:
        to.keep(project, stored(buffer), False)
    return buffer


def _sized(to: Lowering, dim: Dim, sizes: Mapping[str, Term]) -> Term:
    """A size of the callee as its caller knows it."""
    if isinstance(dim, int):
        return Num(dim, "int")
    if not sizes.keys() >= dim_symbols(dim):
        raise refused("a call whose result has a size that is found out while running", to.line)
    total: Term = ZERO
    for factors, coefficient in dim.terms:
        part: Term = Num(coefficient, "int")
        for symbol in factors:
            part = to.op("{0} * {1}", part, sizes[symbol])
        total = to.op("{0} + {1}", total, part)
    return total


def deepest(definitions: Sequence[Kernel]) -> int:
    """How many calls of definitions may be in one another."""
    return min(_DEEPEST, _STACK // max(map(_frame, definitions), default=1))


def _frame(kernel: Kernel) -> int:
    """Bytes of the stack that a call takes: at most, for compilers that optimise nothing, too."""
    own = {
        s.local if not isinstance(s, Invoke) else s
        for s in statements(kernel.body)
        if isinstance(s, (Let, Set, Declare, Invoke))
    }
    passed = len(kernel.arguments) + len(kernel.sizes) + len(kernel.results)
    arrays = sum(count for _, count in kernel.memory.stacked)
    return 192 + 8 * (len(own) + passed + len(kernel.memory.buffers)) + 8 * arrays
