"""Types as people write them: `float64[n,d]`, annotations, jaxtyping's `Float[..., "n d"]`."""

from __future__ import annotations

import re
from typing import Any

from symdiff.errors import IllTypedError
from symdiff.ir.types import BOOL, DTYPES, FLOAT, INT, Dim, DType, Type, symbol

_ARRAY = re.compile(r"^(\w+)\s*(?:\[(.*)\])?$")
_SHORT: dict[str, DType] = {"f8": "float64", "f4": "float32", "double": "float64", "int64": "int"}


def parse_type(text: str) -> Type:
    """`float`, `int`, `float32[3,n]`, ... as a type; a size is a number or a name.

    >>> str(parse_type("float64[n,3]"))
    'float64[n,3]'
    """
    found = _ARRAY.match(text.strip())
    name = found[1] if found else text
    if found is None or (
        name not in DTYPES and name not in _SHORT and name not in ("float", "int")
    ):
        raise IllTypedError(
            f"{text!r} is not a type", hint="write float, int, float64[n,d] or float32[3]"
        )
    if found[2] is None:
        return {"float": FLOAT, "int": INT, "bool": BOOL}.get(name) or Type(_SHORT.get(name, name))  # type: ignore[arg-type]
    dtype: Any = {"float": "float64"}.get(name) or _SHORT.get(name, name)
    return Type(dtype, shape_of(re.split(r"[,\s]+", found[2].strip()), text))


def shape_of(items: list[str], text: str) -> tuple[Dim, ...]:
    """Sizes from numbers and names."""
    shape: list[Dim] = []
    for item in filter(None, items):
        if item.isdigit():
            shape.append(int(item))
        elif item.isidentifier():
            shape.append(symbol(item))
        else:
            raise IllTypedError(f"{item!r} in {text!r} is not a size: write a name or a number")
    return tuple(shape)


def annotated_type(annotation: Any) -> Type | None:
    """The type that an annotation declares, or None where it does not say."""
    if annotation is float or annotation == "float":
        return FLOAT
    if annotation is int or annotation == "int":
        return INT
    if isinstance(annotation, str):
        try:
            return parse_type(annotation)
        except IllTypedError:
            return None
    dims = getattr(annotation, "dim_str", None)
    dtypes = getattr(annotation, "dtypes", None)
    if isinstance(dims, str) and dtypes is not None:  # jaxtyping
        names = [d for d in dtypes if d in DTYPES]
        dtype: Any = "float64" if "float64" in names or not names else names[0]
        items = [re.sub(r"^\w+=", "", d) for d in dims.split()]
        if any(not (i.isdigit() or i.isidentifier()) for i in items):
            return None
        return Type(dtype, shape_of(items, dims))
    return None
