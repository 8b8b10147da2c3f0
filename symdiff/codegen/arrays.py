"""How the structural rows print: filling, shaping, indexing, reducing. Spelling, no algebra."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from symdiff.codegen.spell import Sizes, call, dotted, literal, name, number
from symdiff.codegen.templates import Builder, builder, width_of
from symdiff.ir.expr import Apply, Const, Expr, Var
from symdiff.ir.types import Type
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives import lists
from symdiff.primitives.indexing import RUN, index
from symdiff.primitives.shape import axis_size, size
from symdiff.primitives.sharing import snapshot

Printer = Callable[["Spelling", list[ast.expr], Apply], ast.expr]


class Spelling:
    """What a printer may ask: how sizes are written, and which variables have a given type."""

    def __init__(self, sizes: Sizes, variables: list[tuple[Var, str]]):
        self.sizes = sizes
        self.variables = variables

    def dim(self, dim: Any) -> ast.expr:
        return self.sizes.dim(dim)

    def shape(self, shape: Any) -> ast.expr:
        """A shape: of a variable that has it (`x.shape`), or written out."""
        found = self.alike_shape(shape)
        if found is not None and any(not isinstance(d, int) for d in shape):
            return ast.Attribute(name(found), "shape", ast.Load())
        if len(shape) == 1:
            return self.dim(shape[0])
        return self.sizes.shape(shape)

    def shape_tuple(self, shape: Any) -> ast.expr:
        return self.shape(shape) if len(shape) != 1 else self.sizes.shape(shape)

    def alike(self, type_: Type) -> str | None:
        """A variable of this very dtype and shape."""
        for variable, label in self.variables:
            if variable.type.shape == type_.shape and variable.type.dtype == type_.dtype:
                return label
        return None

    def alike_shape(self, shape: Any) -> str | None:
        for variable, label in self.variables:
            if variable.type.shape == shape:
                return label
        return None

    def dtype(self, dtype: str) -> ast.expr:
        if dtype in ("bool", "int"):
            return name(dtype)
        return dotted(f"np.{dtype}")


def _filled(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    value = node.operands[0]
    alike = to.alike(node.type) if node.type.rank else None
    plain = value.value if isinstance(value, Const) and not value.type.rank else None
    kinds = {0.0: "zeros", 1.0: "ones"}
    if plain in kinds:
        if alike is not None:
            return call(f"np.{kinds[plain]}_like", name(alike))
        made = call(f"np.{kinds[plain]}", to.shape(node.type.shape))
        return _with_dtype(to, made, node.type.dtype, "float64")
    if alike is not None:
        return call("np.full_like", name(alike), operands[0])
    made = call("np.full", to.shape(node.type.shape), operands[0])
    natural = node.operands[0].type.dtype
    return _with_dtype(to, made, node.type.dtype, natural)


def _with_dtype(to: Spelling, made: ast.Call, dtype: str, natural: str) -> ast.Call:
    if dtype != natural:
        made.keywords.append(ast.keyword("dtype", to.dtype(dtype)))
    return made


def _broadcast(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    if not node.operands[0].type.rank:
        return _filled(to, operands, node)
    return call("np.broadcast_to", operands[0], to.shape_tuple(node.type.shape))


def _broadcast_like(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    value, like = node.operands
    if type(like) is Apply and like.op is A.shaped and isinstance(operands[1], ast.Call):
        return _of_shape(to, operands[0], value, operands[1].args[0], node.type.dtype)
    if value.type.rank:
        shape = ast.Attribute(operands[1], "shape", ast.Load())
        return call("np.broadcast_to", operands[0], shape)
    kind = {0.0: "zeros", 1.0: "ones"}.get(value.value) if isinstance(value, Const) else None
    if kind:
        made = call(f"np.{kind}_like", operands[1])
    else:
        made = call("np.full_like", operands[1], operands[0])
    return _with_dtype(to, made, node.type.dtype, like.type.dtype)


def _of_shape(to: Spelling, fill: ast.expr, value: Expr, shape: ast.expr, dtype: str) -> ast.expr:
    """An array of a computed shape: `np.zeros(k)`."""
    kind = {0.0: "zeros", 1.0: "ones"}.get(value.value) if isinstance(value, Const) else None
    if kind:
        return _with_dtype(to, call(f"np.{kind}", shape), dtype, "float64")
    return _with_dtype(to, call("np.full", shape, fill), dtype, value.type.dtype)


def _shaped(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    shape = operands[0] if len(operands) == 1 else ast.Tuple(operands, ast.Load())
    return _with_dtype(to, call("np.empty", shape), node.type.dtype, "float64")


def _reshape(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    shape = node.attrs[0]
    if not node.operands[0].type.rank:  # it may be a Python number, which has no methods
        return call("np.reshape", operands[0], to.shape_tuple(shape))
    if len(shape) == 1:
        return _method(operands[0], "ravel")
    found = to.alike_shape(shape)
    if found is not None and any(not isinstance(d, int) for d in shape):
        return _method(operands[0], "reshape", ast.Attribute(name(found), "shape", ast.Load()))
    sizes = [to.dim(d) for d in shape]
    unknown = [i for i, d in enumerate(shape) if not isinstance(d, int)]
    if len(unknown) == 1 and 0 not in shape:
        sizes[unknown[0]] = number(-1)
    if not shape:
        return _method(operands[0], "reshape", literal(()))
    return _method(operands[0], "reshape", *sizes)


def _method(owner: ast.expr, attr: str, *args: ast.expr, **keywords: ast.expr) -> ast.Call:
    return ast.Call(
        ast.Attribute(owner, attr, ast.Load()),
        list(args),
        [ast.keyword(k, v) for k, v in keywords.items()],
    )


def _expand(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    axes, rank = node.attrs[0], node.type.rank
    if not node.operands[0].type.rank:
        return call("np.reshape", operands[0], literal((1,) * rank))
    new = {a + rank for a in axes}
    full: ast.expr = ast.Slice(None, None, None)
    items: list[ast.expr] = [ast.Constant(None) if i in new else full for i in range(rank)]
    while len(items) > 1 and isinstance(items[-1], ast.Slice):
        items.pop()
    return _subscript(operands[0], items)


def _subscript(value: ast.expr, items: list[ast.expr]) -> ast.expr:
    key = items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())
    return ast.Subscript(value, key, ast.Load())


def _squeeze(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    axes = node.attrs[0]
    return _method(operands[0], "squeeze", axis=literal(axes[0] if len(axes) == 1 else axes))


def _transpose(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    order = node.attrs[0]
    rank = len(order)
    if order == tuple(range(-1, -rank - 1, -1)):
        return ast.Attribute(operands[0], "T", ast.Load())
    if order == (*range(-rank, -2), -1, -2):
        return _method(operands[0], "swapaxes", number(-1), number(-2))
    if order == (*range(-rank + 1, 0), -rank):
        return call("np.moveaxis", operands[0], number(0), number(-1))
    return _method(operands[0], "transpose", *[number(a + rank) for a in order])


def _reduction(attr: str) -> Printer:
    def spell(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
        axes, keepdims = node.attrs[:2]
        x = node.operands[0]
        keywords: dict[str, ast.expr] = {}
        if axes != tuple(range(-x.type.rank, 0)):
            shown = tuple(a + x.type.rank if a != -1 else -1 for a in axes)
            keywords["axis"] = literal(shown[0] if len(shown) == 1 else shown)
        if keepdims:
            keywords["keepdims"] = ast.Constant(True)
        if x.type.rank and x.type.dtype != "bool":
            return _method(operands[0], attr, **keywords)
        return call(f"np.{attr}", operands[0], **keywords)

    return spell


def index_key(to: Spelling, node_template: Any, dynamic: list[ast.expr]) -> ast.expr:
    """What stands in the brackets."""
    parts = iter(dynamic)

    def part(value: Any) -> ast.expr | None:
        if value == RUN:
            return next(parts)
        return None if value is None else number(value)

    items: list[ast.expr] = []
    for entry in node_template:
        match entry[0]:
            case "int":
                items.append(part(entry[1]))  # type: ignore[arg-type]
            case "slice":
                items.append(ast.Slice(*(part(p) for p in entry[1:4])))
            case "new":
                items.append(ast.Constant(None))
            case "ellipsis":
                items.append(ast.Constant(Ellipsis))
            case _:
                items.append(next(parts))
    return items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())


def key_argument(key: ast.expr) -> ast.expr:
    """A key as an argument of a call, where slices have no syntax of their own: `np.s_[:, i]`."""
    parts = key.elts if isinstance(key, ast.Tuple) else [key]
    if not any(isinstance(part, ast.Slice) for part in parts):
        return key
    return ast.Subscript(dotted("np.s_"), key, ast.Load())


def _index(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    key = index_key(to, node.attrs[0], operands[1:])
    return ast.Subscript(operands[0], key, ast.Load())


def is_repeatable(node_template: Any) -> bool:
    """Whether an index may name a place twice, so that `+=` would lose one of the additions."""
    return any(entry[0] == "array" for entry in node_template)


def _size(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    return to.dim(node.attrs[0])


def _axis_size(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    axis = node.attrs[0]
    if axis == 0:
        return call("len", operands[0])
    shape = ast.Attribute(operands[0], "shape", ast.Load())
    return ast.Subscript(shape, number(axis), ast.Load())


def _eye(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    rows, columns, dtype, offset = node.attrs
    args = [to.dim(rows)] + ([] if rows == columns else [to.dim(columns)])
    keywords = {"k": number(offset)} if offset else {}
    return _with_dtype(to, call("np.eye", *args, **keywords), dtype, "float64")


def _arange(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    return call("np.arange", *operands) if operands else call("np.arange", to.dim(node.attrs[0]))


def _joined(function: str) -> Printer:
    def spell(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
        (axis,) = node.attrs
        if function == "stack" and not node.operands[0].type.rank:
            return call("np.array", ast.List(operands, ast.Load()))
        items = ast.Tuple(operands, ast.Load())
        at = axis + node.type.rank if axis != -1 else -1
        keywords = {} if at == 0 or node.type.rank == 1 else {"axis": number(at)}
        return call(f"np.{function}", items, **keywords)

    return spell


def _cast(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    dtype, _ = node.attrs
    if node.type.rank:
        return _method(operands[0], "astype", to.dtype(dtype))
    if node.type.weak:
        return call({"float64": "float", "int": "int", "bool": "bool"}[dtype], operands[0])
    return call(f"np.{'int64' if dtype == 'int' else dtype}", operands[0])


def _new_list(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    count = node.operands[0]
    if isinstance(count, Const) and count.value == 0:
        return ast.List([], ast.Load())
    scalars = node.type.rank == 1
    blank: Any = {"float64": 0.0, "int": 0, "bool": False}.get(node.type.dtype, 0.0)
    item = number(blank) if scalars and node.type.dtype != "bool" else ast.Constant(blank)
    return ast.BinOp(ast.List([item if scalars else ast.Constant(None)], ast.Load()), ast.Mult(),
                     operands[0])  # fmt: skip


def _zeros_list(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    if node.type.rank == 1:
        zeros = ast.List([number(0.0)], ast.Load())
        return ast.BinOp(zeros, ast.Mult(), call("len", operands[1]))
    row = name("row")
    inner: ast.expr = call("np.zeros_like", row)
    for depth in range(node.type.listed - 1):
        inner = _zero_rows(depth, node.type.listed - 1, node.type)
        break
    return ast.ListComp(inner, [ast.comprehension(row, operands[1], [], 0)])


def _zero_rows(depth: int, levels: int, type_: Type) -> ast.expr:
    """Zeros for a row, itself a list of `levels` more levels."""
    row = name("row")
    if levels == 1:
        if type_.rank == type_.listed:
            return ast.BinOp(ast.List([number(0.0)], ast.Load()), ast.Mult(), call("len", row))
        inner: ast.expr = call("np.zeros_like", row)
    else:
        inner = _zero_rows(depth + 1, levels - 1, type_)
    return ast.ListComp(inner, [ast.comprehension(row, row, [], 0)])


def _add_lists(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    return added_lists(operands[0], operands[1], node.type.listed)


def _list_of(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    if node.type.weak:
        return ast.Call(ast.Attribute(operands[0], "tolist", ast.Load()), [], [])
    return call("list", operands[0])


def added_lists(first: ast.expr, second: ast.expr, levels: int) -> ast.expr:
    """The sums of the items of two lists, of so many levels."""

    def added(x: ast.expr, y: ast.expr, levels: int) -> ast.expr:
        if levels == 0:
            return ast.BinOp(x, ast.Add(), y)
        a, b = name("ab"[0] * levels), name("b" * levels)
        target = ast.Tuple([a, b], ast.Store())
        return ast.ListComp(
            added(a, b, levels - 1), [ast.comprehension(target, call("zip", x, y), [], 0)]
        )

    return added(first, second, levels)


def copy_of(value: ast.expr, type_: Type) -> ast.expr:
    """A copy of an array or list that may be written, with the lists and arrays that are in it."""
    levels = type_.listed - (type_.rank == type_.listed)  # the innermost list may be one of numbers

    def copy(x: ast.expr, levels: int) -> ast.expr:
        if levels <= 0:
            return ast.Call(ast.Attribute(x, "copy", ast.Load()), [], [])
        row = name("row" if levels == 1 else "r" * levels)
        missing = ast.Compare(row, [ast.Is()], [ast.Constant(None)])  # the loop ended before
        item = ast.IfExp(missing, ast.Constant(None), copy(row, levels - 1))
        return ast.ListComp(item, [ast.comprehension(row, x, [], 0)])

    return copy(value, levels)


def _snapshot(to: Spelling, operands: list[ast.expr], node: Apply) -> ast.expr:
    return copy_of(operands[0], node.type)


# Rows with a printer of their own; all others print by their template.
PRINTERS: dict[Any, Printer] = {
    A.full: _filled, A.broadcast_to: _broadcast,
    A.broadcast_like: _broadcast_like, A.reshape: _reshape, A.expand_dims: _expand,
    A.squeeze: _squeeze, A.transpose: _transpose, A.sum_: _reduction("sum"),
    A.mean: _reduction("mean"), A.max_: _reduction("max"), A.min_: _reduction("min"),
    index: _index, size: _size, axis_size: _axis_size, A.eye: _eye, A.arange: _arange,
    lists.new_list: _new_list, lists.list_of: _list_of, lists.zeros_list: _zeros_list,
    lists.add_lists: _add_lists, snapshot: _snapshot, A.shaped: _shaped,
    A.concatenate: _joined("concatenate"), A.stack: _joined("stack"), el.cast: _cast,
}  # fmt: skip


# Rows whose result may share memory with their first operand, and rows that make a new array.
@dataclass(frozen=True, slots=True)
class Spelt:
    """How a row prints, for Python numbers or for NumPy's.

    printer, else build: what makes its syntax; neither: a function of the row itself.
    width: of the template besides operands, None without one. library: that it starts with.
    """

    printer: Printer | None
    build: Builder | None
    width: int | None
    library: str


@functools.cache
def _spelt(op: Any, weak: bool) -> Spelt:
    text = op.math if weak and op.math else op.numpy
    printer = PRINTERS.get(op)
    if not isinstance(text, str):
        return Spelt(printer, None, None, "")
    return Spelt(
        printer,
        None if printer or callable(op.numpy) else builder(text),
        None if printer else width_of(text),
        next((library for library in ("math.", "np.") if text.startswith(library)), ""),
    )


def spelt(node: Apply) -> Spelt:
    """How `node` prints: with `math` where it computes with Python numbers only."""
    weak = node.type.weak
    if weak:
        for x in node.operands:
            if not x.type.weak:
                weak = False
                break
    return _spelt(node.op, weak)


def spell_apply(
    to: Spelling, operands: list[ast.expr], node: Apply, how: Spelt | None = None
) -> ast.expr:
    """The syntax of an operator applied to operands; `how` is `spelt(node)`, where it is known."""
    how = how or spelt(node)
    if how.build is not None:
        attrs = dict(zip(node.op.attr_names, node.attrs, strict=False)) if node.attrs else {}
        return how.build(operands, attrs)
    if how.printer is not None:
        return how.printer(to, operands, node)
    return node.op.numpy(operands, node, to)
