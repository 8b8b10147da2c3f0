"""Functions

Calls are evaluated inline: the generated code has the operations, not the calls.
"""

import functools
import math

from tests.language import refuses, shows


def square(u):
    return u * u


def affine(u, scale=2.0, *, shift=0.5):
    return u * scale + shift * u * u


def twice(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return 2.0 * f(*args, **kwargs)

    return wrapper


@twice
def doubled_cube(u):
    return u**3


@shows(0.7, -0.4)
def helpers(x, y):
    """Calls of other functions"""
    return square(x * y) + affine(x)


@shows(0.7, -0.4)
def keywords(x, y):
    """Keyword arguments and defaults"""
    return affine(y, 3.0) + affine(shift=x, u=y, scale=x)


@shows(0.7, -0.4)
def parameters(x, y):
    """Positional-only and keyword-only parameters"""

    def f(a, /, b, *, c=2.0):
        return a * b * c

    return f(x, y) + f(x, b=x, c=y)


@shows(0.7, -0.4)
def variadic(x, y):
    """`*args` and `**kwargs`"""

    def f(*args, scale=1.0, **options):
        return args[0] * args[-1] * scale + options["bias"] * len(options)

    return f(x, y, scale=x, bias=y, unused=0.0)


@shows(0.7, -0.4)
def unpacked(x, y):
    """`*` and `**` in calls"""
    pair, options = (x, y), {"shift": x}
    return affine(*pair, **options) + affine(*[y], **{"scale": x}, shift=y)


@shows(0.7, -0.4)
def star_everywhere(x, y):
    """Several stars, between other arguments"""
    f = lambda *a: a[0] * a[1] + a[2] * a[3]
    return f(x, *[y, x], *(y,))


@shows(0.7)
def variadic_parameters(*xs):
    """A function of `*args` itself"""
    return xs[0] ** 2


@shows(0.7, -0.4)
def nested(x, y):
    """Nested functions and closures"""
    scale = x * y

    def inner(u, v=y):
        return u * scale + v

    return inner(x) * inner(y, v=2.0)


@shows(0.7)
def late_binding(x):
    """Closures see the last value of a name"""

    def inner():
        return scale * x

    scale = x
    first = inner()
    scale = 3.0 * x * x
    return first * inner()


@shows(0.7)
def bound_early(x):
    """Defaults are evaluated once, where the function is defined"""
    k = x
    f = lambda u, k=k: u * k
    k = 100.0
    return f(x) * k


@shows(0.7)
def nonlocals(x):
    """`nonlocal`"""
    total = 0.0

    def add(u):
        nonlocal total
        total = total + u * u

    add(x)
    add(2.0 * x)
    return total * x


@shows(0.7)
def mutable_default(x):
    """A list that a closure appends to"""
    seen = []

    def note(u):
        seen.append(u)
        return u * u

    return note(x) + note(2.0 * x) + seen[0] * seen[1]


@shows(0.7, -0.4)
def lambdas(x, y):
    """Lambdas, several on a line"""
    f, g = lambda u: u * y, lambda u, v=2.0: u**v
    return f(x) + g(y)


@shows(0.7, -0.4)
def called_at_once(x, y):
    """A lambda called at once"""
    return (lambda *a: a[0] * a[1])(x, y)


@shows(0.7, -0.4)
def as_values(x, y):
    """Functions as values in containers"""
    table = {"square": square, "sine": math.sin}
    chosen = [math.cos, square][1]
    return table["square"](x) * table["sine"](y) + chosen(y)


@shows(0.7)
def composed(x):
    """Functions that return functions"""
    compose = lambda f, g: lambda u: f(g(u))
    return compose(math.exp, square)(x)


@shows(0.7, -0.4)
def partials(x, y):
    """`functools.partial`"""
    f = functools.partial(affine, shift=x)
    return f(y) + functools.partial(lambda a, b: a * b * b, x)(y)


@shows(0.7)
def decorated(x):
    """Calls of decorated functions"""
    return doubled_cube(x)


@shows(0.7)
def decorated_inside(x):
    """Decorators inside the function"""

    @twice
    def cube(u):
        return u**3

    def shifted(by):
        return lambda f: lambda u: f(u + by)

    @shifted(x)
    def linear(u):
        return u * 5.0

    return cube(x) * linear(1.0)


@shows(0.7)
def recursion(x):
    """Recursion that ends statically"""

    def power(u, n):
        return 1.0 if n == 0 else u * power(u, n - 1)

    return power(x, 5)


@shows(3.0)
def dynamic_recursion(x):
    """Recursion that a run-time value ends"""

    def down(u):
        return u * u if u < 1.0 else down(u * 0.5)

    return down(x)


@shows(3.0, 0.4)
def recursion_of_several(x, y):
    """Recursion of run-time depth, with several results, in two branches"""

    def split(u, v):
        if u < 1.0:
            return u * v, v
        a, b = split(u * 0.5, v + y)
        c, _ = split(u * 0.4, b)
        return a + c, a * b

    p, q = split(x, y)
    return p * q


@shows(0.7)
def mutual_recursion(x):
    """Mutual recursion"""

    def even(u, n):
        return 1.0 if n == 0 else u * odd(u, n - 1)

    def odd(u, n):
        return 2.0 if n == 0 else u + even(u, n - 1)

    return even(x, 4)


@shows([1.0, [2.0, [3.0, 4.0]]])
def tree_recursion(tree):
    """Recursion over a tree"""

    def total(node):
        return sum(total(child) for child in node) if isinstance(node, list) else node**2

    return total(tree)


@shows(0.7)
def returns_several(x):
    """Several results of a helper"""

    def both(u):
        return u * u, {"cube": u**3}

    a, rest = both(x)
    return a * rest["cube"]


@shows(0.7)
def no_result(x):
    """A helper without result"""

    def nothing(u):
        u * u

    return x * x if nothing(x) is None else x


@functools.cache
def cached_square(u):
    return u * u


@shows(0.7)
def cached(x):
    """`functools.cache` and `lru_cache`"""
    return cached_square(x) * 3.0


@refuses(0.7)
def missing_argument(x):
    """A call without a required argument"""
    return affine(shift=x)


@refuses(0.7)
def unknown_keyword(x):
    """A call with an unknown keyword"""
    return affine(x, bias=2.0)


@refuses(3.0)
def recursion_that_writes(x):
    """A recursion of run-time depth that changes what is outside of it"""
    total = x

    def down(u):
        nonlocal total
        total = total * 2.0
        return total if u < 1.0 else down(u * 0.5)

    return down(x)


@refuses(0.7)
def unknown_function(x):
    """A function without source or derivative"""
    import time

    return x * time.time()
