"""Reductions and running sums: an accumulator, and a loop over what is reduced.

s = x.sum(axis=1)   ->   for i: s_i = 0; for j: s_i += x[i, j]; s[i] = s_i
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Local, Num, Op, Ref, Set, Store, Term
from symdiff.ir.types import DType
from symdiff.lower.arrays import ONE, ZERO, Array, Index, filled, stored
from symdiff.lower.context import Context, Value
from symdiff.primitives import arrays as A
from symdiff.primitives import reductions as R
from symdiff.primitives.row import Primitive

Step = Callable[[Context, Term, Term, DType], Term]


def _reduction(start: Callable[[DType], Any], step: Step, empty: str = "") -> Any:
    """A rule for a reduction; empty: what NumPy says where there is nothing to reduce."""

    def rule(to: Context, node: Apply) -> Value:
        old = to.array(node.operands[0])
        kind = node.type.dtype
        if empty:
            _not_empty(to, old, node.attrs[0], empty)
        first = Num(start(kind), kind)

        def finish(total: Term, count: Term) -> Term:
            return total

        return reduced(to, node, old, first, step, finish)

    return rule


def _not_empty(to: Context, old: Array, axes: tuple[int, ...], message: str) -> None:
    for a in axes:
        size = old.dims[a]
        if not to.known.at_least(size, 1):
            to.fail(Op("{0} == 0", (size,), "bool"), "ValueError", message, guard=True)


def reduced(
    to: Context,
    node: Apply,
    old: Array,
    first: Num,
    step: Step,
    finish: Callable[[Term, Term], Term],
) -> Value:
    """Fold the elements along the axes of a node; `finish(total, count)` is the result."""
    axes = sorted(a % old.rank for a in node.attrs[0]) if old.rank else []
    kept = [i for i in range(old.rank) if i not in axes]
    keepdims = node.attrs[1]
    wish = to.wish_for(node)
    kind = first.dtype
    count = to.count([old.dims[a] for a in axes])

    # A comparison overlooks nan; whether there was one is found out beside it.
    wary = step in (_larger, _smaller) and kind.startswith("float")

    def fold(outer: Index) -> Term:
        total = Local(wish if wish != "t" else "total", kind)
        nans = Local("nans", "int")
        to.out.append(Set(total, first, to.line))
        if wary:
            to.out.append(Set(nans, ZERO))

        def add(inner: Index) -> None:
            index: list[Term] = [ZERO] * old.rank
            for axis, i in zip(kept, outer, strict=True):
                index[axis] = i
            for axis, i in zip(axes, inner, strict=True):
                index[axis] = i
            item = to.element(old, tuple(index))
            to.out.append(Set(total, step(to, Ref(total), item, kind), to.line))
            if wary:
                to.out.append(Set(nans, Op("{0} | {1}", (Ref(nans), _is_nan(item)), "int")))

        to.over([old.dims[a] for a in axes], add)
        if wary:
            nan = Num(float("nan"), kind)
            return Op("{0} ? {1} : {2}", (Ref(nans), nan, Ref(total)), kind)
        return finish(Ref(total), count)

    if not kept:
        value = to.converted(fold(()), node.type.dtype)
        if not keepdims or not node.type.rank:
            return to.bind(value, wish)
        value = to.bind(value, wish)
        return Array(node.type.dtype, (ONE,) * node.type.rank, lambda index: value)
    dims = [old.dims[a] for a in kept]
    shape = [ONE if i in axes else d for i, d in enumerate(old.dims)] if keepdims else dims
    buffer = to.work(wish, node.type.dtype, shape)

    def place(outer: Index) -> Index:
        rest = iter(outer)
        return tuple(ZERO if i in axes else next(rest) for i in range(old.rank)) if keepdims else (
            outer
        )  # fmt: skip

    if step is _add and buffer.dtype == kind and _is_by_rows(to, old, axes):
        to.copied_into(buffer, filled(first, buffer.dims))

        def add_row(index: Index) -> None:
            item = to.converted(to.element(old, index), kind)
            there = place(tuple(index[a] for a in kept))
            to.out.append(Store(buffer, there, item, add=True, line=to.line))

        to.over(old.dims, add_row)
        return _finished(to, stored(buffer), count, finish)

    def store(outer: Index) -> None:
        to.out.append(Store(buffer, place(outer), to.converted(fold(outer), buffer.dtype)))

    to.over(dims, store)
    return stored(buffer)


def _is_by_rows(to: Context, old: Array, axes: Sequence[int]) -> bool:
    """Whether what is summed lies across memory: then whole rows are added."""
    last = old.rank - 1
    if old.place is not None:
        index = tuple(Ref(Local("i", "int")) for _ in old.dims)
        there = old.place(index)[1]
        if not there or there[-1] not in index:
            return False
        last = index.index(there[-1])  # type: ignore[arg-type]
    short = all(isinstance(to.known.plain(old.dims[a]), Num) for a in axes)
    return last not in axes and last == old.rank - 1 and not short


def _finished(to: Context, sums: Array, count: Term, finish: Callable[[Term, Term], Term]) -> Array:
    """Sums as what they are for."""
    example = Num(1.0, sums.dtype)
    if finish(example, count) == example:
        return sums
    return Array(
        sums.dtype, sums.dims, lambda index: finish(to.element(sums, index), count), sums.reads,
        cheap=False,
    )  # fmt: skip


def _is_nan(item: Term) -> Term:
    if isinstance(item, Num):
        return Num(item.value != item.value, "bool")
    if not item.dtype.startswith("float"):
        return Num(False, "bool")
    return Op("isnan({0})", (item,), "bool")


def _zero(kind: DType) -> Any:
    return 0.0 if kind.startswith("float") else 0


def _one(kind: DType) -> Any:
    return 1.0 if kind.startswith("float") else 1


def _add(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{0} + {1}", (total, to.converted(item, kind)), kind)


def _multiply(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{0} * {1}", (total, to.converted(item, kind)), kind)


def _lowest(kind: DType) -> Any:
    return float("-inf") if kind.startswith("float") else False if kind == "bool" else -(1 << 63)


def _highest(kind: DType) -> Any:
    return float("inf") if kind.startswith("float") else True if kind == "bool" else (1 << 63) - 1


def _larger(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{1} > {0} ? {1} : {0}", (total, item), kind)


def _smaller(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{1} < {0} ? {1} : {0}", (total, item), kind)


def _mean(to: Context, node: Apply) -> Value:
    kind = node.type.dtype

    def finish(total: Term, count: Term) -> Term:
        return Op("{0} / {1}", (total, to.converted(count, kind)), kind)

    return reduced(to, node, to.array(node.operands[0]), Num(0.0, kind), _add, finish)


def _either(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{0} || {1}", (total, to.converted(item, "bool")), "bool")


def _both(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{0} && {1}", (total, to.converted(item, "bool")), "bool")


def _counted(to: Context, total: Term, item: Term, kind: DType) -> Term:
    return Op("{0} + {1}", (total, to.converted(to.converted(item, "bool"), "int")), "int")


def _place(better: str) -> Any:
    """argmax and argmin: the first place of the best, where nan is better than all."""

    def rule(to: Context, node: Apply) -> Value:
        old = to.array(node.operands[0])
        _not_empty(to, old, node.attrs[0], "attempt to get argmax of an empty sequence")
        if old.dtype == "bool":
            source = old
            old = Array("int", old.dims, lambda i: to.converted(source.at(i), "int"), old.reads)
        rank = old.rank
        axes = sorted(a % rank for a in node.attrs[0])
        kept = [i for i in range(rank) if i not in axes]
        dims = [old.dims[a] for a in kept]

        def search(outer: Index) -> Term:
            best, place, number = Local("best", old.dtype), Local("place", "int"), Local("k", "int")
            lead = [ZERO] * rank
            for axis, i in zip(kept, outer, strict=True):
                lead[axis] = i  # type: ignore[call-overload]
            to.out.append(Set(best, to.element(old, tuple(lead))))
            to.out.append(Set(place, ZERO))
            to.out.append(Set(number, ZERO))

            def look(inner: Index) -> None:
                from symdiff.ir.nest import Branch

                index = list(lead)
                for axis, i in zip(axes, inner, strict=True):
                    index[axis] = i  # type: ignore[call-overload]
                item = to.element(old, tuple(index))
                test = f"{{0}} {better} {{1}}"
                if old.dtype.startswith("float"):
                    test = f"({test} || {{0}} != {{0}}) && {{1}} == {{1}}"
                found = Op(test, (item, Ref(best)), "bool")
                to.out.append(Branch(found, [Set(best, item), Set(place, Ref(number))]))
                to.out.append(Set(number, Op("{0} + {1}", (Ref(number), ONE), "int")))

            to.over([old.dims[a] for a in axes], look, free=False)
            return Ref(place)

        if not kept and not node.type.rank:
            return to.bind(search(()), to.wish_for(node))
        shape = [ONE if i in axes else d for i, d in enumerate(old.dims)] if node.attrs[1] else dims
        buffer = to.work(to.wish_for(node), "int", shape)

        def store(outer: Index) -> None:
            rest = iter(outer)
            at = [ZERO if i in axes else next(rest) for i in range(rank)]
            to.out.append(Store(buffer, tuple(at) if node.attrs[1] else outer, search(outer)))

        to.over(dims, store)
        return stored(buffer)

    return rule


def _running(step: Step, start: Callable[[DType], Any]) -> Any:
    """cumsum and cumprod."""

    def rule(to: Context, node: Apply) -> Value:
        old = to.array(node.operands[0])
        axis = node.attrs[0] + old.rank
        kind = node.type.dtype
        buffer = to.work(to.wish_for(node), kind, old.dims)
        rest = [d for i, d in enumerate(old.dims) if i != axis]

        def run(outer: Index) -> None:
            total = Local("total", kind)
            to.out.append(Set(total, Num(start(kind), kind)))
            with to.each(ZERO, old.dims[axis], wish="k") as k:
                at = (*outer[:axis], k, *outer[axis:])
                item = to.element(old, at)
                to.out.append(Set(total, step(to, Ref(total), item, kind)))
                to.out.append(Store(buffer, at, Ref(total)))

        to.over(rest, run)
        return stored(buffer)

    return rule


_NOTHING = "zero-size array to reduction operation which has no identity"
REDUCTIONS: dict[Primitive, Any] = {
    A.sum_: _reduction(_zero, _add),
    A.mean: _mean,
    A.max_: _reduction(_lowest, _larger, _NOTHING),
    A.min_: _reduction(_highest, _smaller, _NOTHING),
    R.prod: _reduction(_one, _multiply),
    R.any_: _reduction(lambda kind: False, _either),
    R.all_: _reduction(lambda kind: True, _both),
    R.count_nonzero: _reduction(_zero, _counted),
    R.argmax: _place(">"),
    R.argmin: _place("<"),
    R.cumsum: _running(_add, _zero),
    R.cumprod: _running(_multiply, _one),
}
