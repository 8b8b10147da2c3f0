"""Sorting orders, and places in what is sorted.

order = np.argsort(x)               ->   argsort_double(x, n, order, spare);
k = np.searchsorted(a, v)           ->   while (low < high) { ... a[middle] < v ... }
"""

from __future__ import annotations

from symdiff.ir.expr import Apply
from symdiff.ir.nest import (
    Branch,
    Buffer,
    Forever,
    Invoke,
    Leave,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
)
from symdiff.ir.types import DType
from symdiff.lower.arrays import ONE, ZERO, Array, Index, stored
from symdiff.lower.context import Context, Value
from symdiff.lower.elementwise import promoted
from symdiff.primitives.reductions import argsort, searchsorted

_TWO = Num(2, "int")


def lower_argsort(to: Context, node: Apply) -> Value:
    """The order along an axis: row by row, each in memory of its own unless there is just one."""
    old = to.array(node.operands[0])
    axis = node.attrs[0] + old.rank
    size = old.dims[axis]
    kind = "int" if old.dtype == "bool" else old.dtype
    wish = to.wish_for(node, "order")
    spare = to.work("spare", "int", (size,))
    if old.rank == 1 and old.dtype == kind:
        row = to.realized(old)
        order = to.work(wish, "int", (size,))
        _sorted(to, row, order, spare)
        return stored(order, below=size)
    row = stored(to.work("row", kind, (size,)))
    places = to.work("places", "int", (size,))
    order = to.work(wish, "int", old.dims)

    def sort_row(outer: Index) -> None:
        assert row.buffer is not None

        def at(k: Term) -> Index:
            return (*outer[:axis], k, *outer[axis:])

        with to.each(ZERO, size, wish="k", free=True) as k:
            value = to.converted(to.element(old, at(k)), kind)
            to.out.append(Store(row.buffer, (k,), value, line=to.line))
        _sorted(to, row, places, spare)
        with to.each(ZERO, size, wish="k", free=True) as k:
            to.out.append(Store(order, at(k), stored(places).at((k,))))

    to.over([d for i, d in enumerate(old.dims) if i != axis], sort_row, free=False)
    return stored(order, below=size)


def _sorted(to: Context, row: Array, order: Buffer, spare: Buffer) -> None:
    assert row.buffer is not None
    given = (row.buffer, row.dims[0])
    name = {"float64": "double", "float32": "float", "int": "int"}[row.dtype]
    call = Invoke(f"argsort_{name}", given, (order, spare), to.line, raises=False)
    to.out.append(call)


def lower_searchsorted(to: Context, node: Apply) -> Value:
    """By bisection; as in all of NumPy's sorting, nan comes last."""
    table, values = (to.array(x) for x in node.operands)
    common = promoted([x.type for x in node.operands], [table.dtype, values.dtype])
    common = "int" if common == "bool" else common
    if not table.cheap:
        table = to.realized(table)

    def precedes(a: Term, b: Term, kind: DType) -> Term:
        """kind: of b, before it has been converted."""
        test = "{0} < {1}"
        if kind.startswith("float"):
            test += " || (isnan({1}) && !isnan({0}))"
        return Op(test, (a, b), "bool")

    def search(index: Index) -> Term:
        wanted = to.bind(to.converted(to.element(values, index), common))
        low, high = Local("low", "int"), Local("high", "int")
        to.out += (Set(low, ZERO, to.line), Set(high, table.dims[0]))
        with to.inside([]) as body:
            middle = to.bind(Op("({0} + {1}) / {2}", (Ref(low), Ref(high), _TWO), "int"), "middle")
            item = to.bind(to.converted(to.element(table, (middle,)), common))
            right = Op("{0} + {1}", (middle, ONE), "int")
            above: list[Statement] = [Set(low, right)]
            below: list[Statement] = [Set(high, middle)]
            if node.attrs[0] == "left":
                body.append(Branch(precedes(item, wanted, values.dtype), above, below))
            else:
                body.append(Branch(precedes(wanted, item, table.dtype), below, above))
        done = Branch(Op("{0} >= {1}", (Ref(low), Ref(high)), "bool"), [Leave()])
        to.out.append(Forever([done, *body], to.line))
        return Ref(low)

    wish = to.wish_for(node, "place")
    if not values.rank:
        return to.bind(search(()), wish)
    buffer = to.work(wish, "int", values.dims)
    to.over(values.dims, lambda i: to.out.append(Store(buffer, i, search(i))), free=False)
    return stored(buffer)


RULES = {argsort: lower_argsort, searchsorted: lower_searchsorted}
