"""How source code spells the rows: objects of `math` and NumPy, operators, methods, subscripts.

`SPELLINGS` maps the *object* a name resolves to, not the name: `np.sin`, `numpy.sin` and
`from math import sin as s` are found whatever they are called. Modules that spell rows register
with `spells`; the elementwise functions are in the two lists below.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Const, Expr, const
from symdiff.ir.tree import Record
from symdiff.ir.types import DTYPES, DType, Type, show_shape
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import elementary as el
from symdiff.primitives.arrays import expand_dims, matmul, stack
from symdiff.primitives.indexing import RUN, index, slice_entry
from symdiff.primitives.row import Elementwise, Primitive, as_expr
from symdiff.primitives.shape import element_count, length_of

Spelling = Callable[..., Any]
SPELLINGS: dict[Any, Spelling] = {}
METHODS: dict[str, Spelling] = {}


def spells(*objects: Any, method: str | None = None) -> Callable[[Spelling], Spelling]:
    """Register what calling one of `objects` (or an array's `method`) means."""

    def register(spelling: Spelling) -> Spelling:
        for each in objects:
            SPELLINGS[each] = spelling
        if method is not None:
            METHODS[method] = spelling
        return spelling

    return register


def spelled(callee: Any) -> Spelling | None:
    """What calling `callee` means, or None for what the table does not know."""
    try:
        found = SPELLINGS.get(callee)
    except TypeError:  # unhashable
        return None
    if found is None and "scipy.special" in sys.modules:  # else nobody can hold its functions
        from symdiff.primitives.spellings.scipy_special import scipy_spellings

        found = scipy_spellings().get(callee)
    return found


def is_pure(callee: Any) -> bool:
    """Whether `callee`, called with values known when compiling, may be called then."""
    if isinstance(callee, np.ufunc):
        return True
    if isinstance(callee, type) and issubclass(callee, (np.generic, complex, str, set, frozenset)):
        return True
    module = getattr(callee, "__module__", None)
    owner = getattr(callee, "__self__", None)
    if module in ("math", "cmath", "_operator") or owner is math:
        return True
    if module in ("numpy", "numpy.linalg") and getattr(callee, "__name__", "") not in (
        "load", "save", "fromfile", "loadtxt", "genfromtxt",
    ):  # fmt: skip
        return True
    return isinstance(owner, (str, tuple, int, float, np.ndarray, range, bytes, frozenset))


# Values.


def dtype_of(dtype: Any) -> DType:
    """The dtype that a NumPy dtype, Python type or name stands for. Raises IllTypedError."""
    name = np.dtype(dtype).name
    if name.startswith(("int", "uint")):
        return "int"
    if name in DTYPES:
        return name  # type: ignore[return-value]
    raise IllTypedError(
        f"dtype {name} is not supported", hint="use float64, float32, int64 or bool"
    )


def to_expr(value: Any) -> Expr:
    """Any value of the program as an expression: numbers, arrays, nested lists of numbers."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, np.generic):
        return const(value, Type(dtype_of(value.dtype)))
    if isinstance(value, np.ndarray):
        return const(value, Type(dtype_of(value.dtype), value.shape))
    if isinstance(value, Record):
        value = tuple(value.fields.values())
    if isinstance(value, (list, tuple)):
        return stack_of(value)
    if isinstance(value, (bool, int, float, complex)):
        return as_expr(value)
    raise IllTypedError(f"{kind_name(value)} is not a number or an array")


def stack_of(values: Any) -> Expr:
    """A (nested) list of numbers as an array."""
    if not any(isinstance(v, Expr) for v in _flat(values)):
        return to_expr(np.array(values))
    parts = [to_expr(v) for v in values]
    shapes = {p.type.rank for p in parts}
    if len(shapes) != 1:
        raise IllTypedError("the nested list is ragged: its items have different shapes")
    for p in parts:
        for a, b in zip(parts[0].type.shape, p.type.shape, strict=True):
            if isinstance(a, int) and isinstance(b, int) and a != b:
                raise IllTypedError(
                    "the nested list is ragged: "
                    f"{show_shape(parts[0].type.shape)} beside {show_shape(p.type.shape)}"
                )
    return stack.build(*parts, attrs=(-parts[0].type.rank - 1,))


def _flat(values: Any) -> Any:
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _flat(v)
        else:
            yield v


def strong(x: Expr) -> Expr:
    """`x` as NumPy sees it: a Python number becomes a NumPy scalar."""
    if not x.type.weak:
        return x
    if isinstance(x, Const):
        return const(x.value, x.type.strong)
    return el.cast.build(x, attrs=(x.type.dtype, False))


def weak(x: Expr) -> Expr:
    """`x` as `math` sees it: a Python number. Raises IllTypedError for arrays."""
    if x.type.rank and any(d != 1 for d in x.type.shape):
        raise IllTypedError(
            "a function of math takes a number, not an array", hint="use the NumPy function"
        )
    if x.type.weak:
        return x
    return el.cast.build(x, attrs=("int" if x.type.dtype in ("int", "bool") else "float64", True))


def binary(op: Any, left: Any, right: Any) -> Expr:
    """`left op right` for one of Python's operators."""
    a, b = to_expr(left), to_expr(right)
    if op is operator.matmul:
        return matmul.build(a, b)
    if a.type.dtype == "bool" and b.type.dtype == "bool" and op is operator.sub:
        raise IllTypedError("numpy boolean subtract is not supported", hint="use ^ or logical_xor")
    return ar.OPERATORS[op].build(a, b)


# Elementwise functions: NumPy's take arrays and Python numbers alike, and return NumPy values.

_NUMPY: dict[Any, Primitive] = {
    np.add: ar.add, np.subtract: ar.subtract, np.multiply: ar.multiply, np.divide: ar.divide,
    np.power: ar.power, np.negative: ar.negative,
    np.floor_divide: ar.floor_divide, np.remainder: ar.remainder, np.fmod: el.fmod,
    np.less: ar.less, np.less_equal: ar.less_equal, np.greater: ar.greater,
    np.greater_equal: ar.greater_equal, np.equal: ar.equal, np.not_equal: ar.not_equal,
    np.logical_not: ar.logical_not, np.bitwise_and: ar.bitwise_and, np.bitwise_or: ar.bitwise_or,
    np.bitwise_xor: ar.bitwise_xor, np.invert: ar.invert,
    np.sin: el.sin, np.cos: el.cos, np.tan: el.tan, np.arcsin: el.asin, np.arccos: el.acos,
    np.arctan: el.atan, np.sinh: el.sinh, np.cosh: el.cosh, np.tanh: el.tanh,
    np.arcsinh: el.asinh, np.arccosh: el.acosh, np.arctanh: el.atanh, np.exp: el.exp,
    np.exp2: el.exp2, np.expm1: el.expm1, np.log: el.log, np.log2: el.log2, np.log10: el.log10,
    np.log1p: el.log1p, np.sqrt: el.sqrt, np.cbrt: el.cbrt, np.abs: el.abs_, np.fabs: el.fabs,
    np.sign: el.sign, np.degrees: el.degrees, np.rad2deg: el.degrees, np.radians: el.radians,
    np.deg2rad: el.radians, np.hypot: el.hypot, np.arctan2: el.atan2, np.copysign: el.copysign,
    np.logaddexp: el.logaddexp, np.logaddexp2: el.logaddexp2, np.maximum: el.maximum,
    np.minimum: el.minimum, np.fmax: el.fmax, np.fmin: el.fmin, np.floor: el.floor,
    np.ceil: el.ceil, np.trunc: el.trunc, np.fix: el.trunc, np.rint: el.rint,
    np.heaviside: el.heaviside, np.isnan: el.isnan, np.isinf: el.isinf, np.isfinite: el.isfinite,
    np.signbit: el.signbit, np.ldexp: el.ldexp, np.nextafter: el.nextafter,
}  # fmt: skip


def _numpy_spelling(function: Any, row: Primitive) -> Spelling:
    def call(*operands: Any, **options: Any) -> Any:
        _refuse(row.name, options)
        if all(isinstance(x, (int, np.integer)) for x in operands):
            value = function(*operands)  # a size such as np.minimum(n, 3)
            if value.dtype.kind in "iub":
                return value
        exprs = [to_expr(x) for x in operands]
        if any(e.type.is_complex for e in exprs):
            raise UnsupportedError(
                "complex numbers are not differentiated",
                hint="write the function with real and imaginary parts as separate arguments",
            )
        if all(e.type.weak for e in exprs):  # what NumPy returns is a NumPy number
            every = isinstance(row, Elementwise)
            exprs = [strong(e) if i == 0 or every else e for i, e in enumerate(exprs)]
        return row.build(*exprs)

    return call


def _refuse(name: str, options: dict[str, Any]) -> None:
    given = {k for k, v in options.items() if v is not None and v is not True}
    if given:
        hint = "assign the result instead" if "out" in given else None
        options_given = ", ".join(sorted(given))
        raise UnsupportedError(f"{name} with {options_given}= is not supported", hint=hint)


for _object, _row in _NUMPY.items():
    SPELLINGS[_object] = _numpy_spelling(_object, _row)


def as_float(x: Any) -> Expr:
    """`float(x)` of a number."""
    e = weak(to_expr(x))
    if isinstance(e, Const):
        return as_expr(float(e.value))
    return e if e.type.is_float else el.cast.build(e, attrs=("float64", True))


# Attributes and subscripts.


def _transposed(x: Expr) -> Expr:
    from symdiff.primitives.arrays import transpose

    if x.type.rank < 2:
        return x
    return transpose.build(x, attrs=(tuple(range(-1, -x.type.rank - 1, -1)),))


ATTRIBUTES: dict[str, Callable[[Expr], Any]] = {
    "T": _transposed,
    "shape": lambda x: tuple(length_of(x, axis) for axis in range(x.type.rank)),
    "ndim": lambda x: x.type.rank,
    "size": element_count,
    "dtype": lambda x: np.dtype("int64" if x.type.dtype == "int" else x.type.dtype),
    "real": lambda x: x,
}


class StandIn:
    """What stands for an object of Python's while a function is evaluated.

    called: what messages call its type.
    """

    called = "object"

    def as_indices(self) -> Any:
        """What it is as an index."""
        return self


def kind_name(value: Any) -> str:
    """What Python calls the type of a value."""
    return value.called if isinstance(value, StandIn) else type(value).__name__


class BoundMethod:
    """`x.sum`, before it is called."""

    def __init__(self, owner: Any, name: str):
        self.owner, self.name = owner, name


def call_method(method: BoundMethod, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`x.method(*args)`."""
    return METHODS[method.name](to_expr(method.owner), *args, **kwargs)


def subscript(x: Expr, key: Any) -> Expr:
    """`x[key]`, for every form of key."""
    if not x.type.rank:
        raise IllTypedError(f"a scalar ({x.type}) cannot be indexed")
    added = _new_axes(x, key)
    if added:
        return expand_dims.build(x, attrs=(added,))
    template, operands = template_of(x, key)
    return index.build(x, *operands, attrs=(template,))


def _new_axes(x: Expr, key: Any) -> tuple[int, ...]:
    """Where `key` puts new axes, counted from the end; () where it does anything else as well."""
    items = key if isinstance(key, tuple) else (key,)
    whole = slice(None)
    plain = all(k is None or k is Ellipsis or (type(k) is slice and k == whole) for k in items)
    if not plain or items.count(Ellipsis) > 1:
        return ()
    given = len(items) - items.count(None) - items.count(Ellipsis)
    if given > x.type.rank:
        return ()  # too many indices: an error
    rest = [whole] * (x.type.rank - given)
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    full = [*items[:at], *rest, *items[at + 1 :]]
    return tuple(i - len(full) for i, k in enumerate(full) if k is None)


def template_of(x: Expr, key: Any) -> tuple[tuple[Any, ...], list[Expr]]:
    """The index template of `key`, and its run-time parts (see `indexing`)."""
    items = tuple(map(_indices, key if isinstance(key, tuple) else (key,)))
    template: list[Any] = []
    operands: list[Expr] = []
    axis = 0
    ellipsis = [i for i, k in enumerate(items) if k is Ellipsis]
    if len(ellipsis) > 1:
        raise IllTypedError("an index can have only one ellipsis ('...')")
    after = 0
    if ellipsis:
        after = sum(_axes_used(k) for k in items[ellipsis[0] + 1 :])
    for item in items:
        if item is None:
            template.append(("new",))
        elif item is Ellipsis:
            template.append(("ellipsis",))
            axis = x.type.rank - after
        elif isinstance(item, slice):
            dim = x.type.shape[axis] if axis < x.type.rank else 1
            bounds = [_bound(p) for p in (item.start, item.stop, item.step)]
            entry, parts = slice_entry(dim, *bounds)
            template.append(entry)
            operands.extend(parts)
            axis += 1
        else:
            entry, parts, used = _item(item)
            template.append(entry)
            operands.extend(parts)
            axis += used
    return tuple(template), operands


def _indices(item: Any) -> Any:
    """A range, or a list as long as is known at run time, as an array of indices."""
    if isinstance(item, range):
        return np.arange(item.start, item.stop, item.step)
    return item.as_indices() if isinstance(item, StandIn) else item


def _axes_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, (list, np.ndarray, Expr)):
        e = to_expr(item)
        return e.type.rank if e.type.dtype == "bool" and e.type.rank else 1
    return 1


def _bound(part: Any) -> Any:
    if isinstance(part, Const):
        return part.value
    if isinstance(part, Expr):
        if part.type.dtype != "int" or part.type.rank:
            raise IllTypedError("slice indices must be integers")
        return part
    return None if part is None else operator.index(part)


def _item(item: Any) -> tuple[tuple[Any, ...], list[Expr], int]:
    if isinstance(item, (bool, np.bool_)):
        raise UnsupportedError("a single boolean as an index is not supported")
    if not isinstance(item, (Expr, list, np.ndarray, tuple)):
        try:
            return ("int", operator.index(item)), [], 1
        except TypeError:
            raise IllTypedError(
                f"indices must be integers, slices or arrays, not {kind_name(item)}",
                hint="use int(...) on it",
            ) from None
    e = to_expr(item)
    if isinstance(item, list) and not item:  # an empty list is one of integers here
        e = to_expr(np.zeros(0, dtype=int))
    if isinstance(e, Const) and not e.type.rank and e.type.dtype == "int":
        return ("int", int(e.value)), [], 1
    if e.type.dtype == "bool":
        if not e.type.rank:
            raise UnsupportedError("a single boolean as an index is not supported")
        return ("mask", f"count({_mask_name(e)})"), [e], e.type.rank
    if e.type.dtype != "int":
        raise IllTypedError(
            "arrays used as indices must be of integer or boolean type",
            hint="use .astype(int) on it",
        )
    return (("array",) if e.type.rank else ("int", RUN)), [e], 1


def _mask_name(mask: Expr) -> str:
    """A name for how many elements a mask keeps; the same mask keeps the same number."""
    from symdiff.ir.text import digest

    return digest(mask)
