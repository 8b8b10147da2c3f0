"""The results of a kernel: where each goes, and how the call layer puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symdiff.ir.expr import Expr
from symdiff.ir.interface import Value
from symdiff.ir.nest import Buffer, Local, Store
from symdiff.ir.tree import Tree, children, expressions, has_records, is_container, rebuild
from symdiff.ir.types import dim_symbols
from symdiff.lower.arrays import Array
from symdiff.lower.context import refused

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering


@dataclass
class Results:
    """Where results go: as the kernel has it, and as its caller is told."""

    places: list[Local | Buffer] = field(default_factory=list[Local | Buffer])
    values: list[Value] = field(default_factory=list[Value])


def results(to: Lowering) -> Results:
    """Leave the results where the caller wants them, and arguments as they are at the end."""
    for v, value in to.function.effects:
        target = to.values[v]
        assert isinstance(target, Array) and target.buffer is not None
        array = to.array(value)
        if array.buffer is not target.buffer:
            array = to.realized(array)
            to.before_write(target.buffer)
            to.copied_into(target.buffer, array)
    made = Results()
    for number, node in enumerate(expressions(to.function.result), 1):
        value = to.value(node)
        wish = to.function.names.get(node) or f"result_{number}"
        made.values.append(Value(wish, node.type))
        if isinstance(value, Array) and node.type.rank:
            made.places.append(_array(to, node, value, wish, made.places))
        else:
            scalar = value.at(()) if isinstance(value, Array) else value
            buffer = Buffer(wish, node.type.dtype, (), "result")
            to.out.append(Store(buffer, (), to.converted(scalar, buffer.dtype)))
            made.places.append(buffer)
    return made


def _array(
    to: Lowering, node: Expr, value: Array, wish: str, others: list[Local | Buffer]
) -> Buffer:
    """The memory of the caller that an array is left in: its own from the start, or a copy."""
    for d in node.type.shape:
        if any(s not in to.measured for s in dim_symbols(d)):
            raise refused("a result whose size is found out while running")
    dims = to.dims(node.type.shape)
    for have, want in zip(value.dims, dims, strict=True):
        to.require_equal(have, want, "a result has another size than it should")
    own = value.buffer
    if own is not None and own.kind == "work" and not own.growing and own not in others:
        own.kind, own.dims = "result", dims
        return own
    buffer = Buffer(wish, node.type.dtype, dims, "result")
    to.copied_into(buffer, value)
    return buffer


def result_tree(tree: Tree) -> tuple[Tree, tuple[object, ...]]:
    """What the call layer makes of the results: their places, and the constants among them.

    Where there are dataclasses or named tuples it makes a tuple of all results, and the adaptor
    (`codegen.adaptor`) makes the rest of that.
    """
    if has_records(tree):
        return tuple(range(len(expressions(tree)))), ()
    constants: list[object] = []
    counter = iter(range(1 << 30))

    def walk(part: Tree) -> Tree:
        if isinstance(part, Expr):
            return next(counter)
        if not is_container(part):
            constants.append(part)
            return -len(constants)
        return rebuild(part, [walk(child) for _, _, child in children(part)])

    return walk(tree), tuple(constants)
