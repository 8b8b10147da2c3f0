"""Every construct of Python that a differentiated function may use.

`cases` are functions of floats whose gradient is compared with finite differences and with the
primal's own value; what needs more than that has a test of its own.
"""

import contextlib
import dataclasses
import functools
import math
import operator
from math import sin as s
from typing import NamedTuple

import numpy as np
import pytest

import symdiff
from tests.fuzz.oracle import flat, numeric

GAIN = 1.7
WEIGHTS = np.array([0.5, -1.25, 2.0])
TABLE = {"a": 0.3, "b": [1.0, -2.0]}
CASES = []


def case(*args):
    """Register a function and the arguments at which its gradient is checked."""

    def register(function):
        CASES.append(pytest.param(function, args, id=function.__name__))
        return function

    return register


# Assignments.


@case(0.7, -0.4)
def plain_assignment(x, y):
    a = x * y
    b = a + x
    return b * a


@case(0.7, -0.4)
def rebinding(x, y):
    x = x * y
    x = x + math.sin(x)
    y = x * y
    return x * y


@case(0.7, -0.4)
def chained_assignment(x, y):
    a = b = x * y
    a = a + 1.0
    return a * b


@case(0.7, -0.4)
def annotated_assignment(x, y):
    a: float = x * y
    b: "float"
    b = a * a
    return b


@case(0.7, 0.4)
def augmented_assignments(x, y):
    a = x
    a += y
    a -= 0.3
    a *= x
    a /= 1.0 + y
    a **= 2
    return a


@case(7.7, 2.4)
def floor_division_and_remainder(x, y):
    a = x
    a %= y
    b = x
    b //= y
    return a * x + b * y + x % 1.5 + x // 2.0 + divmod(x, y)[1]


@case(0.7, -0.4)
def tuple_unpacking(x, y):
    a, b = x * y, x + y
    (c, d), e = (a, b), x
    a, b = b, a
    [f, g] = [c * e, d]
    return a * b + f * g


@case(0.7, -0.4, 0.2)
def starred_unpacking(x, y, z):
    first, *rest = x * y, y, z
    *most, last = [x, y, z]
    a, *middle, b = x, y, z, x * z
    return first * rest[0] + most[1] * last + a * middle[1] * b


@case(0.7, -0.4)
def walrus(x, y):
    return (a := x * y) * a + (b := math.sin(a)) * b


@case(0.7)
def walrus_in_condition(x):
    if (t := x * x) > 0.1:
        return t * t
    return t


@case(0.7, -0.4)
def subscript_and_slice_targets(x, y):
    items = [x, y, x * y]
    items[0] = items[1] * items[2]
    items[1:] = [x, y, x]
    named = {"a": x}
    named["b"] = y * x
    named["a"] += 2.0 * y
    return items[0] * items[-1] + named["a"] * named["b"] + len(items)


# Conditions.


@pytest.mark.parametrize("x", [-1.2, 0.4, 2.5])
def test_branches(x):
    def f(x):
        if x < 0.0:
            y = x * x
        elif x < 1.0:
            y = math.sin(x)
            if x > 0.2:
                y = y * 3.0
        else:
            y = math.log(x)
        return y * x

    check(f, (x,))


@pytest.mark.parametrize("x", [-1.2, 0.4, 2.5])
def test_early_and_multiple_returns(x):
    def f(x):
        if x < 0.0:
            return x**2
        y = math.sqrt(x)
        if y > 1.0:
            if x > 100.0:
                return x
            return math.log(y)
        return y * x

    check(f, (x,))


@pytest.mark.parametrize("x", [-1.2, 0.4, 2.5])
def test_ternaries(x):
    def f(x):
        return (x**2 if x > 0.0 else -x) * (1.0 if x < 1.0 else math.log(x) if x > 2.0 else x)

    check(f, (x,))


@pytest.mark.parametrize(
    ("x", "y"), [(-1.2, 0.6), (0.4, 0.7), (0.4, -0.7), (2.5, 0.1), (-2.0, -1.0)]
)
def test_logic(x, y):
    def f(x, y):
        a = x * y if x > 0.0 and y > 0.0 else x + y
        b = x if x > 1.0 or not y < 0.5 else y * y
        c = math.log(x) if not (x <= 0.0) else 0.0
        d = a if 0.0 < x < y < 1.0 else b
        return a * b + c * d

    check(f, (x, y))


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.7), (0.4, 0.7), (0.4, 0.0)])
def test_logic_as_values(x, y):
    """`x or y` and `x and y` are Python's: values, chosen by truth."""

    def f(x, y):
        return (x or 2.0 * y) * 3.0 + (x and y)

    # d/dx: 3 where x is taken, plus 1 where `x and y` is x; d/dy likewise.
    assert symdiff.grad(f, wrt="*")(x, y) == ((3.0, 1.0) if x else (1.0, 6.0))
    assert symdiff.value_and_grad(f)(x, y)[0] == f(x, y)


def test_conditions_are_lazy():
    """What stands behind a false condition is not evaluated, in the derivative either."""

    def f(x):
        return x > 0.0 and math.log(x) > 1.0

    def g(x):
        return math.sqrt(x) if x >= 0.0 else 2.0 * x

    def h(x):
        return x * 3.0 if f(x) else x

    assert symdiff.grad(g)(-1.0) == 2.0
    assert symdiff.grad(h)(-1.0) == 1.0
    assert symdiff.grad(h)(5.0) == 3.0


@case(0.7)
def static_conditions(x):
    kind = "train"
    if kind == "train" and x is not None:
        x = x * 2.0
    if isinstance(x, float) and kind in ("train", "test"):
        x = x * x
    if not TABLE or "c" in TABLE:
        x = x * 100.0
    return x


# Functions.


def square(u):
    return u * u


def affine(u, scale=2.0, *, shift=0.5):
    return u * scale + shift * u * u


def gather(*items, weight=1.0, **named):
    result = 0.0
    for i, item in enumerate(items):
        result = result + (i + 1) * item
    for key, value in named.items():
        result = result + len(key) * value * value
    return result * weight


@case(0.7, -0.4)
def helpers(x, y):
    return square(x * y) + affine(x) + affine(y, 3.0) + affine(shift=x, u=y, scale=x)


@case(0.7, -0.4)
def star_arguments(x, y):
    pair, options = (x, y), {"long": x * y, "weight": 2.0}
    return gather(*pair, x) + gather(x, **options) + gather(*[x * i for i in range(3)], b=y)


@case(0.7, -0.4)
def nested_functions(x, y):
    scale = x * y

    def inner(u, v=y):
        def innermost(w):
            return w * scale + v

        if u > 0.0:
            return innermost(u) * u
        return u

    return inner(x) + inner(y) + inner(x, v=2.0 * x)


@case(0.7)
def late_binding(x):
    def inner():
        return scale * x

    scale = x
    first = inner()
    scale = 3.0 * x * x
    return first * inner()


@case(0.7)
def nonlocal_variables(x):
    total = 0.0

    def add(u):
        nonlocal total
        total = total + u * u
        return total

    add(x)
    add(2.0 * x)
    return total * x


@case(0.7, -0.4)
def lambdas(x, y):
    f, g = lambda u: u * y, lambda u, v=2.0: u**v  # several on a line
    return f(x) + g(y) + (lambda *a: a[0] * a[1])(x, y) + (lambda: x)()


@case(0.7, -0.4)
def functions_as_values(x, y):
    table = {"sq": square, "sin": math.sin}
    chosen = [math.cos, square][1]
    compose = lambda f, g: lambda u: f(g(u))  # noqa: E731
    return table["sq"](x) * table["sin"](y) + chosen(y) + compose(math.exp, square)(x)


@case(0.7, -0.4)
def partials(x, y):
    f = functools.partial(affine, shift=x)
    g = functools.partial(affine, y, scale=x)
    return f(y) + g() + functools.partial(lambda a, b: a * b * b, x)(y)


@case(0.7)
def mapped(x):
    total = sum(map(square, [x, 2.0 * x])) + functools.reduce(operator.mul, [x, x, 3.0])
    return total + sum(filter(None, [2.0, 0.0])) * math.prod([x, x])


@case(0.7)
def static_recursion(x):
    def power(u, n):
        return 1.0 if n == 0 else u * power(u, n - 1)

    return power(x, 5)


@case(0.7)
def imported_names(x):
    return s(x) + operator.add(x, x * x) + pow(x, 3) + abs(-x) + math.fsum([x, x * x])


@case(0.7)
def globals_of_all_kinds(x):
    return GAIN * x * TABLE["b"][1] + WEIGHTS[2] * x * x + float(np.sum(WEIGHTS)) * x


def test_a_global_array():
    def f(x):
        return np.sum(WEIGHTS * x) + WEIGHTS @ np.sin(x)

    check(f, (np.array([0.3, 0.2, -0.5]),))


def test_lambdas_on_one_line():
    f, g = symdiff.grad(lambda x: x * x), symdiff.grad(lambda x: math.sin(x))
    assert (f(3.0), g(0.0)) == (6.0, 1.0)
    pair = [lambda x: x**2, lambda x: x**3]
    assert [symdiff.grad(p)(2.0) for p in pair] == [4.0, 12.0]


def test_closures_of_the_caller():
    def make(k):
        def f(x):
            return k * x * x

        return f

    assert symdiff.grad(make(3.0))(2.0) == 12.0
    assert symdiff.grad(make(5.0))(2.0) == 20.0


def test_a_partial_as_the_function():
    f = symdiff.grad(functools.partial(affine, scale=3.0))
    assert f(2.0) == pytest.approx(3.0 + 2.0 * 0.5 * 2.0)


# Containers.


@case(0.7, -0.4)
def comprehensions(x, y):
    a = [u * x for u in (1.0, 2.0, 3.0) if u > 1.0]
    b = {k: v * y for k, v in [("p", x), ("q", y)]}
    c = sum(u * v for u in a for v in (x, y))
    d = [[i * j * x for j in range(i)] for i in range(3)]
    e = {len(k) for k in b}
    return sum(a) * b["q"] + c + d[2][1] + len(e) * b["p"]


@case(0.7, -0.4)
def comprehension_scope(x, y):
    u = 5.0
    total = sum([u * x for u in (1.0, 2.0)])
    return total * u * y


@case(0.7, -0.4)
def container_methods(x, y):
    items = [x]
    items.append(y)
    items.extend([x * y])
    items.insert(0, 2.0)
    last = items.pop()
    named = dict(a=x, b=y)
    named.update(c=x * y)
    total = named.get("z", 3.0 * x) + named.pop("c") * last
    return total + sum(named.values()) * items[-1] + len(items) + sum(v for _, v in named.items())


@case(0.7, -0.4)
def list_arithmetic(x, y):
    items = [x, y] + [x * y] * 2
    both = (x,) + (y, 2.0)
    return items[0] * items[3] + both[1] * both[-1] + sum(items[::2]) + sum(reversed(items[1:3]))


@case(0.7, -0.4)
def display_unpacking(x, y):
    items = [*(x, y), x * y]
    named = {**{"a": x}, "b": y}
    return items[2] * named["a"] + max(items) * named["b"]


@dataclasses.dataclass
class Spring:
    k: float
    rest: float = 1.0

    def energy(self, length):
        return 0.5 * self.k * (length - self.rest) ** 2

    @property
    def double(self):
        return 2.0 * self.k


class Point(NamedTuple):
    x: float
    y: float

    def dot(self, other):
        return self.x * other.x + self.y * other.y


@case(0.7, -0.4)
def records(x, y):
    spring = Spring(x, rest=y)
    p, q = Point(x, y), Point(y=x, x=2.0)
    moved = p._replace(x=x * y)
    spring = dataclasses.replace(spring, rest=spring.rest + x)
    return spring.energy(2.0) + spring.k * p.dot(q) + p[1] * q.x + moved.x


@case(0.7)
def a_property(x):
    return Spring(x * x).double * x


def test_record_arguments_and_results():
    def f(spring, p):
        return spring.energy(p.x) * p.y

    g = symdiff.grad(f, wrt=("spring", "p"))(Spring(2.0, 0.5), Point(1.5, 3.0))
    spring, p = g
    assert isinstance(spring, Spring)
    assert isinstance(p, Point)
    assert (spring.k, spring.rest) == (0.5 * 1.0 * 3.0, -2.0 * 1.0 * 3.0)
    assert (p.x, p.y) == (6.0, 1.0)


def test_nested_container_arguments_and_results():
    def f(params):
        a, (b, c) = params["pair"]
        return a * b + np.sum(params["w"] * c) + params["items"][0]

    params = {"pair": (2.0, [3.0, 4.0]), "w": np.array([1.0, 2.0]), "items": [5.0]}
    g = symdiff.grad(f)(params)
    assert g["pair"] == (3.0, [2.0, 3.0])
    assert g["items"] == [1.0]
    np.testing.assert_array_equal(g["w"], [4.0, 4.0])
    assert params["pair"] == (2.0, [3.0, 4.0])


def test_jacobian_of_containers():
    def f(x, y):
        return {"a": x * y, "b": (x, y * y)}

    found = symdiff.jacobian(f, wrt="*")(2.0, 3.0)
    assert found == {"a": (3.0, 2.0), "b": ((1.0, 0.0), (0.0, 6.0))}


# Loops with a number of rounds known when compiling.


@case(0.7, -0.4)
def static_loops(x, y):
    total = 0.0
    for i in range(3):
        total += x**i
    for i in range(5, 0, -2):
        total = total * 0.5 + i * y
    for a, (b, c) in zip((x, y), ((1.0, 2.0), (3.0, x)), strict=True):
        total += a * b * c
    for i, a in enumerate([x, y], start=1):
        total += a / i
    for a in reversed((x, 2.0)):
        total = total * a
    for key in {"k": x}:
        total += len(key)
    return total


@case(0.7)
def loop_control(x):
    total = 0.0
    for i in range(10):
        if i == 1:
            continue
        if i > 3:
            break
        total += x**i
    else:
        total = total * 100.0
    for _ in ():
        pass
    else:
        total = total * 2.0
    return total


@case(0.7)
def static_while(x):
    n, total = 4, x
    while n:
        n -= 1
        if n == 2:
            continue
        total = total * x + n
    else:
        total += x
    while True:
        total = total * 2.0
        break
    return total


@case(0.7)
def loops_with_branches(x):
    total = 0.0
    for i in range(4):
        if x * i > 1.0:
            total += x * x
        else:
            total = total - i * x
    return total


@case(0.7)
def return_in_a_loop(x):
    for i in range(5):
        if i == 3:
            return x**i
    return x


def test_a_loop_over_the_rows_of_a_fixed_array():
    def f(x):
        total = 0.0
        for w, row in zip(WEIGHTS, np.eye(3), strict=True):
            total = total + w * np.sum(row * x) ** 2
        return total

    check(f, (np.array([0.3, 0.2, -0.5]),))


# with, strings, no-ops.


@case(0.7)
def with_statements(x):
    with np.errstate(divide="ignore"), contextlib.nullcontext():
        y = np.log(x)
    with contextlib.nullcontext():
        z = y * x
    return z * y


@case(0.7)
def strings(x):
    """A docstring."""
    name = f"layer{1 + 1}"
    params = {"layer2": x, "bias": 2.0}
    label = "a" + "b" * 2
    pass
    ...
    return params[name] * len(label) + params["bias".lower()] * x


def test_f_string_of_a_run_time_value_is_refused():
    def f(x):
        name = f"{x:.2f}"
        return x * len(name)

    with pytest.raises(symdiff.SymdiffError):
        symdiff.grad(f)(1.0)


# Arguments of the operators.


def test_has_aux():
    def f(x, y):
        return x * y, {"sum": x + y, "label": "kept"}

    assert symdiff.grad(f, has_aux=True)(2.0, 3.0) == (3.0, {"sum": 5.0, "label": "kept"})
    value, aux_free = symdiff.value_and_grad(f, has_aux=True)(2.0, 3.0)
    assert value == (6.0, {"sum": 5.0, "label": "kept"})
    assert aux_free == 3.0


def test_wrt():
    def f(x, y, n):
        z = x * y
        w = z * z
        return w * n + x

    args = (2.0, 3.0, 4)
    assert symdiff.grad(f)(*args) == 2 * 6 * 3.0 * 4 + 1.0
    assert symdiff.grad(f, wrt="y")(*args) == 2 * 6 * 2.0 * 4
    assert symdiff.grad(f, wrt=1)(*args) == 2 * 6 * 2.0 * 4
    assert symdiff.grad(f, wrt=-2)(*args) == 2 * 6 * 2.0 * 4
    assert symdiff.grad(f, wrt=("y", "x"))(*args) == (96.0, 145.0)
    assert symdiff.grad(f, wrt=(1, "x"))(*args) == (96.0, 145.0)
    assert symdiff.grad(f, wrt="*")(*args) == (145.0, 96.0)
    assert symdiff.grad(f, wrt="z")(*args) == 2 * 6.0 * 4
    assert symdiff.grad(f, wrt="w")(*args) == 4.0
    assert symdiff.grad(f, wrt=("w", "x"))(*args) == (4.0, 145.0)


def test_wrt_a_local_that_equals_another_expression():
    """An intermediate is its assignment, not every expression that looks like it."""

    def f(x):
        y = x * x
        return y * 3.0 + x * x

    assert symdiff.grad(f, wrt="y")(2.0) == 3.0
    assert symdiff.grad(f)(2.0) == 16.0


def test_wrt_a_local_assigned_twice_is_its_last_value():
    def f(x):
        y = x * x
        y = y + 1.0
        return y * y

    assert symdiff.grad(f, wrt="y")(2.0) == 2.0 * 5.0


def test_keyword_calls_and_defaults():
    @symdiff.grad
    def f(x, scale=2.0, *, power=3):
        return scale * x**power

    assert f(2.0) == 24.0
    assert f(x=2.0) == 24.0
    assert f(2.0, scale=1.0) == 12.0
    assert f(scale=1.0, power=2, x=2.0) == 4.0


def test_variadic_parameters():
    @symdiff.grad(wrt="*")
    def f(*xs, **named):
        return xs[0] * xs[1] + named["a"] * named["b"]

    xs, named = f(2.0, 3.0, a=4.0, b=5.0)
    assert xs == (3.0, 2.0)
    assert named == {"a": 5.0, "b": 4.0}


def test_decorators_with_and_without_arguments():
    @symdiff.value_and_grad(wrt="y")
    def f(x, y):
        """The docstring."""
        return x * y

    @symdiff.grad
    def g(x):
        return x * x

    assert f(2.0, 3.0) == (6.0, 2.0)
    assert g(3.0) == 6.0
    assert (f.__name__, f.__doc__) == ("f", "The docstring.")


def test_stacked_decorators():
    @symdiff.grad
    @symdiff.grad
    def f(x):
        return x**3

    assert f(2.0) == 12.0


def test_a_method():
    class Model:
        gain = 3.0

        def __init__(self, k):
            self.k = k

        def loss(self, x):
            return self.k * x * x * self.gain

        @symdiff.grad
        def decorated(self, x):
            return x * x * 2.0

    assert symdiff.grad(Model(2.0).loss)(1.5) == 18.0


def test_a_callable_object():
    class Cubic:
        def __call__(self, x):
            return x**3

    assert symdiff.grad(Cubic())(2.0) == 12.0


def test_static_parameters():
    @symdiff.grad(static=("n", "kind"))
    def f(x, n, kind):
        for _ in range(n):
            x = x * x
        return x if kind == "plain" else 2.0 * x

    assert f(2.0, 2, "plain") == 32.0
    assert f(2.0, 1, "plain") == 4.0
    assert f(2.0, 1, "twice") == 8.0
    assert f(2.0, n=1, kind="twice") == 8.0


# Cutting derivatives.


def test_stop_gradient_and_detach():
    def f(x):
        return x * symdiff.stop_gradient(x * x) + symdiff.detach(math.sin(x))

    assert symdiff.grad(f)(3.0) == 9.0
    with pytest.raises(symdiff.NotConnectedError):  # the first derivative is x * x, detached
        symdiff.grad(symdiff.grad(f))(3.0)
    assert symdiff.value_and_grad(f)(3.0)[0] == pytest.approx(27.0 + math.sin(3.0))


def test_no_grad():
    def f(x):
        with symdiff.no_grad():
            y = x * x
            z = y + x
        return x * y + z

    assert symdiff.grad(f)(3.0) == 9.0
    assert symdiff.value_and_grad(f)(3.0)[0] == 27.0 + 12.0


# Derivatives inside a differentiated function.


def test_perturbation_confusion():
    """d/dx [x * d/dy (x + y)] at 1 is 1, not 2 (Siskind and Pearlmutter)."""

    def f(x):
        return x * symdiff.grad(lambda y: x + y)(1.0)

    def g(x):
        return x * symdiff.jvp(lambda y: x * y)(2.0, 1.0)[1]

    for mode in ("forward", "reverse"):
        assert symdiff.jacobian(f, mode=mode)(1.0) == 1.0
        assert symdiff.jacobian(g, mode=mode)(3.0) == 6.0


def test_perturbation_confusion_at_the_same_point():
    """The inner function is differentiated where the outer one is: same variable, other role."""

    def f(x):
        return symdiff.grad(lambda y: x * y * y)(x)

    assert symdiff.grad(f)(3.0) == 4.0 * 3.0
    assert symdiff.grad(symdiff.grad(f))(3.0) == 4.0


def test_a_derivative_that_closes_over_a_derivative():
    def f(x):
        def inner(y):
            return symdiff.grad(lambda z: x * y * z * z)(y)

        return symdiff.grad(inner)(x)

    # inner(y) = 2 x y^2; its derivative at y = x is 4 x^2.
    assert symdiff.grad(f)(1.5) == pytest.approx(8.0 * 1.5)


@pytest.mark.parametrize("x", [0.3, 1.1])
def test_every_operator_inside(x):
    def cube(y):
        return y**3

    def f(x):
        a = symdiff.grad(cube)(x)
        b = symdiff.value_and_grad(cube)(x)[1]
        c = symdiff.jvp(cube)(x, x)[1]
        d = symdiff.vjp(cube)(x, 2.0)[1]
        e = symdiff.hessian(cube)(x)
        g = symdiff.jacobian(cube)(x)
        h = symdiff.hvp(cube)(x, x)
        return a + b + c + d + e + g + h

    expected = 6 * x + 6 * x + 9 * x**2 + 12 * x + 6.0 + 6 * x + 12 * x
    assert symdiff.grad(f)(x) == pytest.approx(expected)


def test_a_newton_step_inside():
    def f(a):
        def residual(x):
            return x * x - a

        x = 1.0
        for _ in range(8):
            x = x - residual(x) / symdiff.grad(residual)(x)
        return x

    assert symdiff.grad(f)(2.0) == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-9)


def test_nested_arrays():
    def f(x):
        g = symdiff.grad(lambda y: np.sum(y**3) * x[0])(x)
        return np.sum(g)

    x = np.array([2.0, 3.0])
    # f = 3 x0 (x0^2 + x1^2)
    np.testing.assert_allclose(symdiff.grad(f)(x), [3 * (4 + 9) + 6 * 4, 6 * 2 * 3])


def test_third_order_in_every_mix_of_modes():
    def f(x):
        return math.sin(x) * x**2

    x = 0.8
    third = -math.cos(x) * x**2 - 3 * math.sin(x) * 2 * x + 3 * math.cos(x) * 2
    for first in ("forward", "reverse"):
        for second in ("forward", "reverse"):
            for last in ("forward", "reverse"):
                d = symdiff.jacobian(f, mode=first)
                d = symdiff.jacobian(d, mode=second)
                d = symdiff.jacobian(d, mode=last)
                assert d(x) == pytest.approx(third, rel=1e-12)
    assert symdiff.grad(symdiff.hessian(f))(x) == pytest.approx(third, rel=1e-12)


# Rules.


def test_a_rule():
    def clipped(x):
        return max(-1.0, min(1.0, x))

    @symdiff.rule(clipped)
    def _(y, x):
        return 1.0  # straight through

    assert symdiff.grad(lambda x: clipped(x) * x)(3.0) == 1.0 + 3.0


def test_a_rule_of_two_arguments_and_its_second_order():
    def product(a, b):
        return a * b

    @symdiff.rule(product)
    def _(y, a, b):
        return 10.0 * b, 20.0 * a

    assert symdiff.grad(lambda a, b: product(a, b), wrt="*")(2.0, 3.0) == (30.0, 40.0)
    hessian = symdiff.hessian(lambda a, b: product(a, b), wrt="*")(2.0, 3.0)
    assert hessian[0][1] in (10.0, 20.0)
    second = symdiff.grad(symdiff.grad(lambda a: product(a, a * a)))(2.0)
    # f = a^3 by value; f' by the rule is 10 a^2 + 20 a * 2 a = 50 a^2.
    assert second == pytest.approx(100.0 * 2.0)


# Types and signatures.


def test_float32_stays_float32():
    @symdiff.value_and_grad
    def f(x):
        return np.sum(np.sin(x) * 2.0)

    value, g = f(np.array([1.0, 2.0], dtype=np.float32))
    assert g.dtype == np.float32
    assert value.dtype == np.float32
    assert symdiff.jacobian(lambda x: x * 2.0)(np.ones(2, np.float32)).dtype == np.float32


def test_one_specialisation_for_each_signature():
    @symdiff.grad
    def f(x):
        return np.sum(x * x)

    assert f(3.0) == 6.0
    np.testing.assert_array_equal(f(np.array([1.0, 2.0])), [2.0, 4.0])
    assert f(np.array([1.0, 2.0], dtype=np.float32)).dtype == np.float32
    np.testing.assert_array_equal(f(np.ones((2, 3))), np.full((2, 3), 2.0))
    assert f(np.float64(3.0)) == 6.0
    assert f(3.0) == 6.0


def test_sizes_are_not_part_of_a_signature():
    @symdiff.grad
    def f(x):
        return np.sum(x * x)

    f(np.ones(3))
    first = f.compiled()
    f(np.ones(7))
    assert f.compiled() is first
    f(np.ones(1))
    assert f.compiled() is not first


def test_size_one_broadcasts():
    @symdiff.grad(wrt="*")
    def f(x, y):
        return np.sum(x * y)

    for shapes in [((2, 3), (1, 3)), ((2, 3), (2, 1)), ((2, 1), (1, 3)), ((1, 1), (2, 3))]:
        x, y = np.full(shapes[0], 2.0), np.full(shapes[1], 3.0)
        dx, dy = f(x, y)
        size = np.broadcast(x, y).size
        np.testing.assert_allclose(dx, np.full(shapes[0], 3.0 * size / x.size))
        np.testing.assert_allclose(dy, np.full(shapes[1], 2.0 * size / y.size))


def test_integers_are_not_differentiated_but_may_be_passed():
    def f(x, n, k):
        return x**n * k

    assert symdiff.grad(f)(2.0, 3, 2) == 24.0
    assert symdiff.grad(f)(2.0, 3, True) == 12.0


def test_an_annotated_float_takes_an_integer():
    def f(x: float) -> float:
        return x * x

    assert symdiff.grad(f)(3) == 6.0


# Names that generated code uses itself.


def test_parameters_with_the_names_of_modules():
    def f(np, math, d_x, x):
        t = s(np * math)
        t2 = t * d_x
        rows = t2 * x
        d_t = rows * t
        return s(d_t) * t2

    args = (0.3, 0.7, -0.4, 1.2)
    check(f, args)
    check(f, args, symdiff.Options(optimize=False))


def test_parameters_with_the_names_of_builtins():
    def f(abs, len, range, sum, float):
        return s(abs * len) + range * sum * float

    check(f, (0.3, 0.7, -0.4, 1.2, 0.6))


def test_array_parameters_with_the_names_of_modules():
    def f(np, rows, t):
        return (np * rows).sum() * t

    check(f, (np.array([1.0, 2.0]), np.array([0.3, 0.7]), 0.5))


def test_parameters_named_like_tangents():
    def f(x, d_x, d_f, f_x, seed, out):
        return x * d_x + d_f * f_x * seed * out

    args = (0.3, 0.7, -0.4, 1.2, 0.5, 0.9)
    v = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    _, tangent = symdiff.jvp(f, wrt="*")(*args, v)
    assert tangent == pytest.approx(
        sum(a * b for a, b in zip(symdiff.grad(f, wrt="*")(*args), v, strict=True))
    )


def test_a_function_named_like_its_own_variable():
    def t(t, t2):
        t3 = t * t2
        return t3 * t

    check(t, (0.3, 0.7))


# Python's numbers and NumPy's.


def test_math_raises_where_python_does():
    @symdiff.grad
    def f(x):
        return math.exp(x)

    with pytest.raises(OverflowError):
        f(1000.0)

    @symdiff.grad
    def g(x):
        return 1.0 / x

    with pytest.raises(ZeroDivisionError):
        g(0.0)

    @symdiff.grad
    def h(x):
        return math.log(x)

    with pytest.raises(ValueError, match="math domain error"):
        h(-1.0)

    @symdiff.grad
    def r(x):
        return math.sqrt(x)

    with pytest.raises(ValueError, match="math domain error"):
        r(-1.0)


def test_numpy_warns_where_numpy_does():
    @symdiff.value_and_grad
    def f(x):
        return 1.0 / x

    with pytest.warns(RuntimeWarning):
        value, slope = f(np.float64(0.0))
    assert value == math.inf
    assert slope == -math.inf


def test_numpy_scalars():
    def f(x):
        return np.exp(x) * x

    check(f, (np.float64(0.3),))
    check(f, (np.float64(1.3),))


def test_nan_propagates():
    def f(x):
        return math.sin(x) * x

    assert math.isnan(symdiff.grad(f)(math.nan))
    g = symdiff.grad(lambda x: np.sum(np.sin(x)))(np.array([0.0, np.nan]))
    assert g[0] == 1.0
    assert np.isnan(g[1])


# Arrays.


def test_array_attributes_and_methods():
    def f(x):
        n, d = x.shape
        y = x.T.reshape(d, n).sum(axis=0) * x.ndim
        return (y @ x.mean(axis=1)) * x.size / len(x) + x.max() + x.ravel()[1] + np.size(x[0])

    check(f, (np.array([[0.3, -0.7, 1.1], [0.5, 0.2, -0.4]]),))


def test_indexing():
    def f(x):
        return (
            x[0, 1] + x[-1] @ x[0] + np.sum(x[:, ::2] ** 2) + np.sum(x[..., None] * 2.0)
            + np.sum(x[[1, 0, 1]] ** 3) + np.sum(x[x > 0.25] ** 2) + x[1:][0][2]
        )  # fmt: skip

    check(f, (np.array([[0.3, -0.7, 1.1], [0.5, 0.2, -0.4]]),))


def test_the_callers_arrays_are_not_written():
    def f(x):
        y = x * 2.0
        return np.sum(y * x)

    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    g = symdiff.grad(f)(x)
    np.testing.assert_array_equal(g, 4.0 * x)
    g[0] = 7.0
    np.testing.assert_array_equal(symdiff.grad(f)(x), 4.0 * x)


def test_a_result_does_not_alias_an_argument():
    """`grad` of sum(x * y) in x is y: the caller's array, handed back, must be a copy."""
    y = np.array([3.0, 4.0])
    g = symdiff.grad(lambda x, y: np.sum(x * y))(np.ones(2), y)
    g += 1.0
    np.testing.assert_array_equal(y, [3.0, 4.0])


def test_results_do_not_alias_one_another():
    gx, gy = symdiff.grad(lambda x, y: np.sum(np.sin(x + y)), wrt="*")(np.ones(2), np.ones(2))
    gx += 1.0
    np.testing.assert_allclose(gy, np.cos([2.0, 2.0]))


def check(function, args, options=None):
    """Value, reverse and forward gradient against the primal and finite differences."""
    options = options or symdiff.Options()
    value, grads = symdiff.value_and_grad(function, wrt="*", options=options)(*args)
    assert value == pytest.approx(function(*args), rel=1e-12)
    found, error = numeric(lambda *a: flat(function(*a)), args)
    assert np.all(error < 1e-6)
    np.testing.assert_allclose(flat(grads), found[0], rtol=1e-7, atol=1e-7)
    forward = symdiff.jacobian(function, wrt="*", mode="forward", options=options)(*args)
    np.testing.assert_allclose(flat(forward), flat(grads), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("function", "args"), CASES)
def test_gradient(function, args):
    check(function, args)


@pytest.mark.parametrize(("function", "args"), CASES)
def test_gradient_unoptimised(function, args):
    check(function, args, symdiff.Options(optimize=False))


def test_signs_of_shared_multiples():
    """A multiple of a multiple of a negation, each used twice: no sign gets lost."""

    def f(t):
        a = -t
        b = 0.9 * a
        c = 0.9 * b
        return a + c, t + b + c, b / c

    for t in (1.0, -2.5):
        value, slope = symdiff.jvp(f)(t, 1.0)
        assert value == pytest.approx(f(t), rel=1e-14)
        assert slope == pytest.approx((-1.81, 1.0 - 0.9 - 0.81, 0.0), abs=1e-14)


# Masks and branches, in every mode and order.


MASKED = [
    lambda x: np.sum(np.sqrt(np.where(x > 0.0, np.sqrt(x), 0.0))),
    lambda x: np.sum(-np.where(x > 0.0, np.sqrt(x), x) * x),
    lambda x: np.sum(np.sin(np.where(x > 0.0, np.log(x), 0.0) * 2.0) ** 2),
    lambda x: -np.where(x[0] > 0.0, np.sqrt(x[0]), 1.0) * x[1],
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("function", MASKED)
def test_what_a_mask_hides_contributes_exactly_zero(function, optimize):
    options = symdiff.Options(optimize=optimize)
    x = np.array([-0.3, 0.5])
    rows = {
        mode: symdiff.jacobian(function, mode=mode, options=options)(x)
        for mode in ("forward", "reverse")
    }
    np.testing.assert_allclose(rows["forward"], rows["reverse"], rtol=1e-12)
    assert np.all(np.isfinite(symdiff.hessian(function, options=options)(x)))
    found, _ = numeric(lambda v: flat(function(v)), (x,))
    np.testing.assert_allclose(rows["forward"], found[0], rtol=1e-6, atol=1e-8)


def guarded_by_several(x, y):
    if x > 0.0:
        s = math.log(x)
        if y > 1.0:
            return s * s
        if y < -1.0:
            return s * y
        return y
    return y


def guarded_twice(x, y):
    r = math.sqrt(x) if x > 0.0 else 1.0
    if y > 2.0:
        return r if x > 0.0 else y
    return y * r


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("y", [-3.0, 0.0, 1.5, 3.0])
@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("function", [guarded_by_several, guarded_twice])
def test_nothing_is_computed_outside_its_branch(function, x, y, optimize):
    """1 / x and sqrt(x) exist only where log(x) and sqrt(x) do, whichever branch uses them."""
    options = symdiff.Options(optimize=optimize)
    reverse = symdiff.jacobian(function, wrt="*", mode="reverse", options=options)(x, y)
    forward = symdiff.jacobian(function, wrt="*", mode="forward", options=options)(x, y)
    assert forward == pytest.approx(reverse, rel=1e-12)
    hessian = symdiff.hessian(function, wrt="*", options=options)(x, y)
    assert np.all(np.isfinite(hessian))
    if x < 0.0:
        assert reverse[0] == 0.0
