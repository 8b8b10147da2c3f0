"""What is computed of all elements at once, and is no reduction: comparisons, exact sums.

np.array_equal(x, y)   ->   equal = n == m; if (equal) for i: if (x[i] != y[i]) equal = false
"""

from __future__ import annotations

import functools

from symdiff.ir.expr import Apply
from symdiff.ir.nest import Branch, Declare, Invoke, Local, Num, Op, Ref, Set, Store, Term
from symdiff.lower.arrays import Index
from symdiff.lower.context import Context, Value
from symdiff.lower.elementwise import promoted
from symdiff.primitives.pointwise import array_equal
from symdiff.primitives.scalars import fsum


def _array_equal(to: Context, node: Apply) -> Value:
    """Whether sizes and elements are the same."""
    a, b = (to.array(x) for x in node.operands)
    equal = Local(to.wish_for(node, "equal"), "bool")
    alike: list[Term] = [
        Op("{0} == {1}", (n, m), "bool")
        for n, m in zip(a.dims, b.dims, strict=True)
        if not to.known.equal(n, m)
    ]
    if not alike:
        to.out.append(Set(equal, Num(True, "bool")))
    else:
        to.out.append(Set(equal, functools.reduce(_and, alike)))
    kind = promoted([x.type for x in node.operands], [a.dtype, b.dtype])

    def compare(index: Index) -> None:
        parts = [to.converted(to.element(x, index), kind) for x in (a, b)]
        differ = Op("{0} != {1}", tuple(parts), "bool")
        to.out.append(Branch(differ, [Set(equal, Num(False, "bool"))]))

    with to.inside([]) as body:
        to.over(a.dims, compare, free=False)
    to.out += [Branch(Ref(equal), body)] if alike else body
    return Ref(equal)


def _and(a: Term, b: Term) -> Term:
    return Op("{0} && {1}", (a, b), "bool")


def _fsum(to: Context, node: Apply) -> Value:
    """The exactly rounded sum of Python's numbers; it raises where it is none."""
    numbers = [to.bind(to.converted(to.scalar(x), "float64")) for x in node.operands]
    terms = to.work("terms", "float64", (Num(len(numbers), "int"),))
    for k, number in enumerate(numbers):
        to.out.append(Store(terms, (Num(k, "int"),), number, line=to.line))
    total = Local(to.wish_for(node, "total"), "float64")
    to.out.append(Declare(total))
    to.out.append(Invoke("exact_sum", (terms, terms.dims[0]), (total,), to.line, raises=False))
    for wrong, error, message in (
        ("isinf", "OverflowError", "intermediate overflow in fsum"),
        ("isnan", "ValueError", "-inf + inf in fsum"),
    ):
        tests: list[Term] = [Op(f"{wrong}({{0}})", (Ref(total),), "bool")]
        tests += (Op(f"!{wrong}({{0}})", (x,), "bool") for x in numbers)
        to.fail(functools.reduce(_and, tests), error, message)
    return Ref(total)


RULES = {array_equal: _array_equal, fsum: _fsum}
