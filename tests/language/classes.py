"""Classes and objects

An object that the function makes may hold run-time values. Methods, properties and operators are
evaluated; objects that come from outside are not changed.
"""

import abc
import dataclasses
import enum
import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.language import raises, refuses, shows


@dataclass
class Spring:
    k: float
    rest: float = 1.0
    marks: list = field(default_factory=list)

    def energy(self, length):
        return 0.5 * self.k * (length - self.rest) ** 2

    @property
    def double(self):
        return 2.0 * self.k


@dataclass(frozen=True)
class Vector:
    x: float
    y: float = 0.0

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __abs__(self):
        return math.hypot(self.x, self.y)


class Point(NamedTuple):
    x: float
    y: float = 2.0

    def dot(self, other):
        return self.x * other.x + self.y * other.y


class Model:
    scale = 2.0

    def __init__(self, w, b=0.5):
        self.w = w
        self.b = b

    def __call__(self, x):
        return self.scale * self.w * x + self.b

    @classmethod
    def unit(cls, w):
        return cls(w, b=1.0)

    @staticmethod
    def square(u):
        return u * u

    @functools.cached_property
    def norm(self):
        return self.w**2 + self.b**2


class Deep(Model):
    def __init__(self, w, depth):
        super().__init__(w)
        self.depth = depth

    def __call__(self, x):
        for _ in range(self.depth):
            x = super().__call__(x)
        return x


class Series:
    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]

    def __setitem__(self, i, value):
        self.items[i] = value

    def __iter__(self):
        return iter(self.items)

    def __contains__(self, name):
        return name == "series"

    def __iadd__(self, other):
        self.items.append(other)
        return self

    def __eq__(self, other):
        return len(self) == len(other)

    def __bool__(self):
        return True

    def __enter__(self):
        self.items.append(2.0)
        return self

    def __exit__(self, *exc):
        self.items.pop()


class Color(enum.Enum):
    RED = 1.0
    BLUE = 2.0


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

    def twice(self):
        return 2.0 * self.area()


class Disc(Shape):
    def __init__(self, r):
        self.r = r

    def area(self):
        return math.pi * self.r**2


OUTSIDE = Model(3.0)


@shows(0.7, -0.4)
def dataclasses_made(x, y):
    """Dataclasses: fields, methods, properties"""
    spring = Spring(x, rest=y)
    return spring.energy(2.0) + spring.double * spring.rest


@shows(0.7, -0.4)
def default_factory(x, y):
    """`field(default_factory=...)`"""
    a, b = Spring(x), Spring(y)
    a.marks.append(x)
    return a.k * b.k * a.marks[0] + len(b.marks)


@shows(0.7, -0.4)
def replacing(x, y):
    """`dataclasses.replace`, `_replace`, `asdict`"""
    spring = dataclasses.replace(Spring(x), rest=y)
    point = Point(x, y)._replace(x=3.0)
    return spring.energy(x) + point.x * point.y + dataclasses.asdict(spring)["rest"]


@shows(0.7, -0.4)
def named_tuples(x, y):
    """Named tuples: fields, unpacking, methods, defaults"""
    p, q = Point(x, y), Point(y=x, x=2.0)
    a, b = p
    return p.dot(q) + a * b + p[1] * q[0] + Point(x).y + sum(p)


@shows(0.7, -0.4)
def operators(x, y):
    """Operators: `__add__`, `__mul__`, `__rmul__`, `__neg__`, `__matmul__`, `__abs__`"""
    v, w = Vector(x, y), Vector(1.0, x)
    return (v + 2.0 * w * y) @ -w + abs(v)


@shows(0.7, -0.4)
def instances(x, y):
    """Classes with `__init__`, attributes, `__call__`"""
    model = Model(x, b=y)
    model.w *= 2.0
    model.extra = y
    return model(3.0) * model.extra


@shows(0.7)
def methods(x):
    """Class methods, static methods, cached properties, class attributes"""
    model = Model.unit(x)
    return model.norm * Model.square(x) * model.scale * Model.scale


@shows(0.7)
def bound_methods(x):
    """Bound methods as values"""
    energy = Spring(x).energy
    return energy(2.0) * energy(length=3.0) * sum(map(Model(x), [1.0, 2.0]))


@shows(0.7)
def inheritance(x):
    """Inheritance and `super()`"""
    return Deep(x, depth=3)(x)


@shows(0.7)
def abstract(x):
    """Abstract base classes"""
    disc = Disc(x)
    return disc.twice() * isinstance(disc, Shape)


@shows(0.7, -0.4)
def containers(x, y):
    """`__len__`, `__getitem__`, `__setitem__`, `__iter__`, `__contains__`"""
    s = Series([x, y])
    s[0] = s[1] * x
    total = sum(u * u for u in s) * len(s)
    a, b = s
    return total + s[0] * ("series" in s) + a * b + max(s)


@shows(0.7, -0.4)
def other_methods(x, y):
    """`__iadd__`, `__eq__`, `__bool__`"""
    s = t = Series([x])
    s += y
    return t[1] * x if s == Series([1.0, 2.0]) and bool(s) else x


@shows(0.7)
def context_managers(x):
    """`__enter__` and `__exit__`"""
    s = Series([x])
    with s as entered:
        y = sum(entered)
    return y * len(s) * x


@shows(0.7)
def enums(x):
    """Enums"""
    return x**2 * Color.BLUE.value if Color("RED" and 1.0) is Color.RED else x


@shows(0.7)
def class_inside(x):
    """A class defined inside the function"""

    class Counter:
        step = 2.0

        def __init__(self, start):
            self.value = start

        def advance(self):
            self.value = self.value * self.step
            return self

    return Counter(x).advance().advance().value * x


@shows(0.7)
def dataclass_inside(x):
    """A dataclass defined inside the function"""

    @dataclass
    class Pair:
        a: float
        b: float = 2.0

        def product(self):
            return self.a * self.b

    return Pair(x).product() * Pair(x, x).product()


@shows(0.7)
def inheritance_inside(x):
    """Inheritance among classes defined inside"""

    class Base:
        def value(self, u):
            return u * u

    class Derived(Base):
        def value(self, u):
            return super().value(u) + x * u

    return Derived().value(x)


@shows(0.7)
def objects_in_containers(x):
    """Objects in containers, and in each other"""
    parts = [Spring(x), Spring(2.0, rest=x)]
    parts.append(Spring(parts[0].k, parts[1]))
    return sum(p.k for p in parts) * parts[2].rest.rest


@shows(0.7)
def changed_by_a_function(x):
    """An object changed by a function that it is passed to"""

    def grow(model, by):
        model.w = model.w * by

    model = Model(x)
    same = model
    grow(model, x)
    return same.w * x


@shows(0.7)
def changed_in_a_branch(x):
    """An attribute changed under a run-time condition"""
    model = Model(x)
    if x > 0.5:
        model.w = x * x
    else:
        model.b = x
    return model(2.0)


@shows(0.7)
def from_outside(x):
    """Reading objects from outside, calling their methods"""
    return OUTSIDE(x) * OUTSIDE.w + OUTSIDE.square(x)


@shows(Spring(0.7, rest=2.0))
def as_argument(spring):
    """A dataclass as argument: the derivative is one too"""
    return spring.energy(3.0) * spring.k


@shows(Point(0.7, 2.0))
def named_tuple_as_argument(p):
    """A named tuple as argument"""
    return p.x * p.y**2


@shows(0.7)
def dataclass_equality(x):
    """`==` of dataclasses, field by field"""
    return x * x if Vector(x, 1.0) != Vector(x, 2.0) else x


@raises(dataclasses.FrozenInstanceError, 0.7)
def frozen(x):
    """Assigning to a field of a frozen dataclass"""
    v = Vector(x)
    v.x = 2.0
    return v.x


@refuses(0.7)
def changing_from_outside(x):
    """Changing an object from outside"""
    OUTSIDE.w = x
    return OUTSIDE(x)


@refuses(0.7)
def missing_attribute(x):
    """An attribute that an object does not have"""
    return Spring(x).length


@refuses(0.7)
def identity(x):
    """`is` between objects from outside"""
    return x if Spring(x) is Spring(x) else x


@refuses(0.7)
def returned_object(x):
    """Returning an object of an ordinary class"""
    return Model(x)
