"""`match`

Patterns on structure are decided when compiling; those that compare run-time numbers become `if`s.
"""

from dataclasses import dataclass

from tests.language import refuses, shows


@dataclass
class Circle:
    r: float


@dataclass
class Box:
    w: float
    h: float


def area(shape):
    match shape:
        case Circle(r):
            return 3.0 * r * r
        case Box(w, h=height) if height is not None:
            return w * height
        case [first, *rest]:
            return area(first) + sum(map(area, rest))
        case {"scale": s, **others}:
            return s * area(others["of"])
        case int() | float():
            return shape
        case _:
            return 0.0


@shows(0.7)
def strings(x):
    """Literals"""
    match "sin":
        case "cos":
            return x
        case "sin" | "sine":
            return x * x
    return 3.0 * x


@shows(0.7)
def classes(x):
    """Class patterns with captures"""
    return area(Circle(x)) * area(Box(x, 2.0))


@shows(0.7, -0.4)
def sequences(x, y):
    """Sequence patterns with a star"""
    match [x, y, 3.0]:
        case [a]:
            return a
        case [a, *middle, b]:
            return a * b * middle[0]
    return x


@shows(0.7, -0.4)
def nested(x, y):
    """Nested patterns"""
    return area([Circle(x), {"scale": y, "of": Box(x, y)}, 2.0])


@shows(0.7)
def mappings(x):
    """Mapping patterns"""
    match {"kind": "power", "n": 3, "extra": x}:
        case {"kind": "exp"}:
            return x
        case {"kind": "power", "n": n, **rest}:
            return rest["extra"] ** n
    return x


@shows(0.7)
def guards(x):
    """Guards, static and at run time"""
    match (2, x):
        case (n, u) if n > 5:
            return u
        case (n, u) if u < 0.5:
            return u**n
        case (n, u):
            return u ** (n + 1)


@shows(2.5)
def numbers(x):
    """Run-time numbers against literals"""
    match x:
        case 0.0:
            y = 1.0
        case 1.0 | -1.0:
            y = x
        case _:
            y = x * x
    return y * x


@shows(0.7)
def captures(x):
    """`as` and captures"""
    match (x, (x, 2.0)):
        case (a, (_, _) as pair):
            return a * pair[0] * pair[1]
    return x


@shows(0.7)
def none(x):
    """`None`, `True`, `False`"""
    match None:
        case False | True:
            return x
        case None:
            return x * x


@shows(0.7)
def constants(x):
    """Dotted names"""
    import math

    match 3.141592653589793:
        case math.e:
            return x
        case math.pi:
            return x * x
    return x


@shows(0.7)
def no_case(x):
    """No case matches"""
    match (1, 2):
        case (3, _):
            x = x * 100.0
    return x * x


@refuses(0.7)
def guarded_capture(x):
    """A run-time pattern that binds a name, with a guard"""
    match x:
        case 1.0 as one if one > 0.0:
            return one
    return x * x
