"""The numbers that a small array is made of, each followed to what it is computed from.

    image = seen[:2] / seen[2]      ->      seen[0] / seen[2], seen[1] / seen[2]

A reverse sweep of one of them meets only what that one depends on; a sweep of the array would
multiply all the rest by zero.
"""

from __future__ import annotations

from symdiff.ir.expr import Apply, Call, Const, Expr, Loop, Map, const
from symdiff.ir.walk import topological
from symdiff.primitives.arrays import stack
from symdiff.primitives.indexing import index, object_
from symdiff.primitives.row import Elementwise

_FEW = 4  # beyond that, one sweep for all of them is shorter


def numbers_of(x: Expr) -> list[Expr]:
    """The elements of a small vector of known length; none where it is something else.

    What loops and calls compute is not followed: each number would repeat them.
    """
    (length,) = x.type.shape if x.type.rank == 1 else (0,)
    if not isinstance(length, int) or not 0 < length <= _FEW:
        return []
    while isinstance(x, Apply) and x.op is object_:
        (x,) = x.operands
    if not isinstance(x, Apply) or not (x.op is stack or isinstance(x.op, Elementwise)):
        return []
    if any(isinstance(node, (Loop, Map, Call)) for node in topological([x])):
        return []
    if x.op is stack:
        return list(x.operands)
    found = [_number(x, k) for k in range(length)]
    numbers = [n for n in found if n is not None]
    return numbers if len(numbers) == length else []


def _number(x: Expr, k: int) -> Expr | None:
    """x[k] of a vector, a number of NumPy's.

    None where that takes numbers of Python's: they may raise where NumPy's are infinite.
    """
    match x:
        case Const(value=value):
            return const(value[k].item(), x.type.item)
        case Apply(op=op, operands=operands, attrs=attrs):
            if op is object_:
                return _number(operands[0], k)
            if op is stack:
                return operands[k] if operands[k].type == x.type.item else None
            if isinstance(op, Elementwise):
                parts = [_part(y, k, x.type.shape[0]) for y in operands]
                given = [p for p in parts if p is not None]
                return op.build(*given, attrs=attrs) if len(given) == len(parts) else None
            if op is index and len(operands) == 1 and operands[0].type.rank == 1:
                (template,) = attrs
                if len(template) == 1 and template[0][0] == "slice":
                    start, step = template[0][1] or 0, template[0][3] or 1
                    if start >= 0 and step > 0:
                        return _number(operands[0], start + k * step)
        case _:
            pass
    return index.build(x, attrs=((("int", k),),))


def _part(y: Expr, k: int, length: object) -> Expr | None:
    """Element k of an operand that is broadcast to `length` numbers."""
    if not y.type.rank:
        return y if isinstance(y, Const) or not y.type.weak else None
    return _number(y, 0 if y.type.shape[0] == 1 != length else k)
