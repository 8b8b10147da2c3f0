"""Products of arrays: matmul, outer, einsum and tensordot, as nests that run along memory.

c = a @ b   ->   for i: for k: for j: c[i, j] += a[i, k] * b[k, j]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Local, Num, Op, Ref, Set, Store, Term
from symdiff.lower.arrays import ONE, ZERO, Array, Index, filled, stored
from symdiff.lower.context import Context, Value
from symdiff.lower.gemm import product_called
from symdiff.primitives import arrays as A
from symdiff.primitives import contraction as C
from symdiff.primitives.row import Primitive


def contracted(to: Context, node: Apply, operands: Sequence[tuple[str, Array]], out: str) -> Value:
    """An einsum: a letter for each axis; those that `out` does not have are summed over."""
    kind = node.type.dtype
    sizes: dict[str, Term] = {}
    for letters, x in operands:
        for letter, dim in zip(letters, x.dims, strict=True):
            if letter not in sizes or sizes[letter] == ONE:
                sizes[letter] = dim
            elif dim != ONE:
                to.require_equal(
                    sizes[letter], dim, "operands could not be multiplied: sizes differ"
                )
    summed = "".join(c for c in sizes if c not in out)
    work = [(letters, x if x.cheap else to.realized(x)) for letters, x in operands]

    def product(at: dict[str, Term]) -> Term:
        total: Term | None = None
        for letters, x in work:
            index = tuple(ZERO if d == ONE else at[c] for c, d in zip(letters, x.dims, strict=True))
            item = to.converted(to.element(x, index), kind)
            total = item if total is None else Op("{0} * {1}", (total, item), kind)
        assert total is not None
        return total

    called = product_called(to, kind, work, out, sizes, to.wish_for(node))
    if called is not None:
        return stored(called)
    zero = Num(0.0 if kind.startswith("float") else 0, kind)
    if not out:
        total = Local(to.wish_for(node) if to.wish_for(node) != "t" else "total", kind)
        to.out.append(Set(total, zero, to.line))

        def add(index: Index) -> None:
            made = product(dict(zip(summed, index, strict=True)))
            to.out.append(Set(total, Op("{0} + {1}", (Ref(total), made), kind), to.line))

        to.over([sizes[c] for c in summed], add)
        return Ref(total)
    buffer = to.work(to.wish_for(node), kind, [sizes[c] for c in out])
    inner = _innermost(work, out, summed)
    if inner in summed or not summed:  # rows of both run along what is summed: a dot product

        def dot(index: Index) -> None:
            at = dict(zip(out, index, strict=True))
            if not summed:
                to.out.append(Store(buffer, index, product(at), line=to.line))
                return
            total = Local("total", kind)
            to.out.append(Set(total, zero, to.line))

            def add(rest: Index) -> None:
                made = product({**at, **dict(zip(summed, rest, strict=True))})
                to.out.append(Set(total, Op("{0} + {1}", (Ref(total), made), kind), to.line))

            to.over([sizes[c] for c in summed], add)
            to.out.append(Store(buffer, index, Ref(total), line=to.line))

        to.over(buffer.dims, dot)
        return stored(buffer)
    to.copied_into(buffer, filled(zero, buffer.dims))
    order = [*(c for c in out if c != inner), *summed, inner]

    def store(index: Index) -> None:
        at = dict(zip(order, index, strict=True))
        where = tuple(at[c] for c in out)
        to.out.append(Store(buffer, where, product(at), add=True, line=to.line))

    to.over([sizes[c] for c in order], store)
    return stored(buffer)


def _innermost(operands: Sequence[tuple[str, Array]], out: str, summed: str) -> str:
    """The letter that most operands, and the result, have last in memory."""
    last = [_fastest(letters, x) for letters, x in operands]
    candidates = [*out[-1:], *summed]
    return max(candidates, key=lambda c: (last.count(c) + (c == out[-1:]), c in summed))


def _fastest(letters: str, x: Array) -> str:
    """The letter along which an operand is contiguous in memory; "" where there is none."""
    if x.place is None or not letters:
        return ""
    index = {c: Local(c, "int") for c in letters}
    _, there = x.place(tuple(Ref(index[c]) for c in letters))
    names = {Ref(local): c for c, local in index.items()}
    return names.get(there[-1], "") if there else ""  # type: ignore[arg-type]


def _matmul(to: Context, node: Apply) -> Value:
    a, b = (to.array(x) for x in node.operands)
    lead = max(a.rank, b.rank) - 2
    batch = "abcdefgh"[: max(lead, 0)]
    left = batch[len(batch) - max(a.rank - 2, 0) :] + ("ik" if a.rank > 1 else "k")
    right = batch[len(batch) - max(b.rank - 2, 0) :] + ("kj" if b.rank > 1 else "k")
    out = batch + ("i" if a.rank > 1 else "") + ("j" if b.rank > 1 else "")
    return contracted(to, node, [(left, a), (right, b)], out)


def _outer(to: Context, node: Apply) -> Value:
    from symdiff.lower.structural import reshaped

    a, b = (reshaped(to, x, (to.count(x.dims),)) for x in map(to.array, node.operands))
    return contracted(to, node, [("i", a), ("j", b)], "ij")


def _einsum(to: Context, node: Apply) -> Value:
    subscripts, out, _ = node.attrs
    arrays = [to.array(x) for x in node.operands]
    return contracted(to, node, list(zip(subscripts, arrays, strict=True)), out)


def _tensordot(to: Context, node: Apply) -> Value:
    a, b = (to.array(x) for x in node.operands)
    left, right = node.attrs
    first = list("abcdefghijklm"[: a.rank])
    second = list("nopqrstuvwxyz"[: b.rank])
    for i, j in zip(left, right, strict=True):
        second[j] = first[i]
    kept = [c for k, c in enumerate(first) if k - a.rank not in left]
    kept += [c for k, c in enumerate(second) if k - b.rank not in right]
    return contracted(to, node, [("".join(first), a), ("".join(second), b)], "".join(kept))


def _convolve(to: Context, node: Apply) -> Value:
    """Sums of products along the anti-diagonals."""
    a, b = (to.realized(x) if not x.cheap else x for x in map(to.array, node.operands))
    kind = node.type.dtype
    n, m = a.dims[0], b.dims[0]
    full = node.attrs[0] == "full"
    last = to.op("{0} - {1}", m, ONE)
    total = to.op("{0} + {1}", n, last) if full else to.op("{0} - {1}", n, last)
    count = to.bind(total, "count")
    buffer = to.work(to.wish_for(node), kind, (count,))
    zero = Num(0.0 if kind.startswith("float") else 0, kind)

    def store(index: Index) -> None:
        (i,) = index
        if not full:
            i = to.op("{0} + {1}", i, last)
        local = Local("total", kind)
        to.out.append(Set(local, zero))
        low = to.bind(Op("{0} > {1} ? {0} - {1} : 0", (i, last), "int"), "low")
        high = to.bind(Op("{0} < {1} ? {0} + 1 : {1}", (i, n), "int"), "high")
        with to.each(low, high, wish="k", free=True) as k:
            x = to.converted(to.element(a, (k,)), kind)
            y = to.converted(to.element(b, (to.op("{0} - {1}", i, k),)), kind)
            made = Op("{0} * {1}", (x, y), kind)
            to.out.append(Set(local, Op("{0} + {1}", (Ref(local), made), kind)))
        to.out.append(Store(buffer, index, Ref(local)))

    to.over((count,), store)
    return stored(buffer)


PRODUCTS: dict[Primitive, Any] = {
    A.matmul: _matmul, A.outer: _outer, C.einsum: _einsum, C.tensordot: _tensordot,
    C.convolve: _convolve,
}  # fmt: skip
