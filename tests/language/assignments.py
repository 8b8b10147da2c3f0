"""Assignments and names

Assignments bind names at compile time; the generated code keeps the names.
"""

from tests.language import refuses, shows


@shows(0.7, -0.4)
def plain(x, y):
    """Assignment"""
    a = x * y
    return a * a


@shows(0.7, -0.4)
def chained(x, y):
    """Assignment to several names"""
    a = b = x * y
    a = a + 1.0
    return a * b


@shows(0.7)
def annotated(x):
    """Annotated assignment"""
    a: float = x * x
    b: "float"
    b = a * x
    return b


@shows(0.7)
def complicated_annotations(x: float) -> "float | None":
    """Annotations of every kind"""
    table: dict[str, list[float]] = {"a": [x]}
    return table["a"][0] ** 2


@shows(0.7, 0.4)
def augmented(x, y):
    """Augmented assignment"""
    a = x
    a += y
    a *= x
    a -= 0.3
    a /= 1.0 + y
    a **= 2
    return a


@shows(7.7, 2.4)
def augmented_division(x, y):
    """`//=` and `%=`"""
    a = x
    a %= y
    b = x
    b //= y
    return a * x + b * y


@shows(0.7, -0.4)
def tuples(x, y):
    """Tuple unpacking"""
    a, b = x * y, x + y
    return a * b


@shows(0.7, -0.4)
def swapping(x, y):
    """Swapping"""
    x, y = y, x
    return x * x * y


@shows(0.7, -0.4)
def nested_targets(x, y):
    """Nested and bracketed targets"""
    (a, b), [c, d] = (x, y), [x * y, 2.0]
    return a * b * c * d


@shows(0.7, -0.4)
def starred(x, y):
    """Starred targets"""
    first, *middle, last = x, y, x * y, 3.0
    return first * middle[0] * middle[1] * last


@shows(0.7, -0.4)
def starred_first(x, y):
    """Starred target in first place"""
    *most, last = [x, y, x * y]
    return most[0] * most[1] + last


@shows(0.7)
def starred_empty(x):
    """Starred target that stays empty"""
    a, *rest = (x,)
    return a * a + len(rest)


@shows(0.7, -0.4)
def walrus(x, y):
    """Assignment expression"""
    return (a := x * y) * a


@shows(0.7)
def walrus_in_condition(x):
    """Assignment expression in a condition"""
    if (t := x * x) > 0.1:
        return t * t
    return t


@shows(0.7)
def walrus_in_comprehension(x):
    """Assignment expression in a comprehension: it binds the function's name"""
    last = 0.0
    total = sum([(last := u * x) for u in (1.0, 2.0)])
    return total * last * last


@shows(0.7, -0.4)
def list_items(x, y):
    """Assignment to list items"""
    items = [x, y]
    items[0] = items[1] * x
    items[-1] += 2.0
    return items[0] * items[1]


@shows(0.7, -0.4)
def list_slices(x, y):
    """Assignment to slices of lists"""
    items = [x, 0.0, 0.0, y]
    items[1:3] = [y, x, x]
    return items[1] * items[2] * items[3] * len(items)


@shows(0.7, -0.4)
def dict_items(x, y):
    """Assignment to dict items"""
    table = {"a": x}
    table["b"] = y
    table["a"] *= table["b"]
    return table["a"] * table["b"]


@shows(0.7)
def deleting(x):
    """`del` of a name"""
    y = x * x
    z = y * x
    del y
    return z


@shows(0.7, -0.4)
def deleting_items(x, y):
    """`del` of items and slices"""
    items = [x, y, 1.0, 2.0, 3.0]
    table = {"a": x, "b": y}
    del items[0], items[1:3], table["a"]
    return items[0] * items[1] * table["b"]


@refuses(0.7)
def deleted_name(x):
    """A name after its `del`"""
    y = x * x
    del y
    return y  # noqa: F821


@shows(0.7)
def colliding_names(x):
    """Names like those that are generated"""
    d_x = x * x
    math = d_x * x
    t, df_dx, np = math + x, x, 2.0
    return t * d_x * df_dx * np


@shows(0.7)
def builtin_names(x):
    """Names that hide builtins"""
    sum, len, float = x * x, x, 3.0
    return sum * len * float


@shows(0.7)
def unicode_names(x):
    """Names in other alphabets"""
    θ, größe = x * x, 3.0
    return θ * größe * x


@shows(0.7)
def docstrings(x):
    """Strings, numbers and `...` as statements"""
    "a comment"
    3.0
    ...
    pass
    return x * x
