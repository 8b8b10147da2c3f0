"""Functions that call themselves as often as a run-time value says."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.errors import SymdiffError

PLAIN = symdiff.Options(optimize=False)
A = np.array([0.3, -0.2, 0.7, 0.9, 0.4])


def power(x, n):
    return 1.0 if n == 0 else x * power(x, n - 1)


def sine_of_power(x, n: int):
    return math.sin(power(x, n))


def by_squaring(x, n: int):
    if n == 0:
        return 1.0
    half = by_squaring(x, n // 2)
    if n % 2 == 0:
        return half * half
    return half * half * x


def horner(a, x, i):
    if i == len(a):
        return 0.0
    return a[i] + x * horner(a, x, i + 1)


def polynomial(a, x):
    return horner(a, x, 0)


def fraction(x, before):
    value = 1.0 / (x + before)
    if abs(value - before) < 1e-12:
        return value
    return fraction(x, value)


def continued_fraction(x):
    return fraction(x, 0.0)


def fibonacci(x, n: int):
    return x if n < 2 else fibonacci(x, n - 1) * 1.1 + math.sin(fibonacci(x * 0.9, n - 2))


def simpson(f, a, b, fa, fm, fb, whole, tol, depth):
    m = (a + b) / 2
    fl, fr = f((a + m) / 2), f((m + b) / 2)
    left = (m - a) / 6 * (fa + 4 * fl + fm)
    right = (b - m) / 6 * (fm + 4 * fr + fb)
    rest = left + right - whole
    if depth == 0 or abs(rest) <= 15 * tol:
        return left + right + rest / 15
    return simpson(f, a, m, fa, fl, fm, left, tol / 2, depth - 1) + simpson(
        f, m, b, fm, fr, fb, right, tol / 2, depth - 1
    )


def integral(f, a, b, tol=1e-8):
    fa, fb, fm = f(a), f(b), f((a + b) / 2)
    return simpson(f, a, b, fa, fm, fb, (b - a) / 6 * (fa + 4 * fm + fb), tol, 40)


def bell(k, b):
    return integral(lambda t: math.exp(-k * t * t), 0.0, b)


def even(x, n):
    return 1.0 if n == 0 else x * odd(x, n - 1)


def odd(x, n):
    return 0.5 if n == 0 else x + even(x, n - 1)


def mutual(x, n: int):
    return even(x, n) * odd(x, n)


def double_angle(x, n):
    if n == 0:
        return math.sin(x), math.cos(x)
    s, c = double_angle(x / 2, n - 1)
    return 2 * s * c, c * c - s * s


def several_results(x, n: int):
    s, c = double_angle(x, n)
    return s + 2 * c


def in_a_loop(x, n: int):
    s = 0.0
    for i in range(n):
        s += power(x, i) * math.cos(s)
    return s


def with_a_loop(x, n: int):
    s = x * x
    for i in range(n):
        s += math.sin(with_a_loop(x * 0.5, i))
    return s


def in_a_closure(x, n: int):
    y = x * x + 1

    def go(i):
        return 0.0 if i == n else math.sin(y * x) + go(i + 1) * y * 0.1

    return go(0)


def over_an_array(a):
    def total(i):
        return 0.0 if i < 0 else math.exp(-a[i]) + total(i - 1) * a[i]

    return total(len(a) - 1)


def of_arrays(a, n):
    if n == 0:
        return a
    return of_arrays(np.sin(a), n - 1) * a


def sum_of_arrays(a, n: int):
    return np.sum(of_arrays(a, n))


def halves(a):
    if len(a) < 2:
        return a[0] * a[0]
    middle = len(a) // 2
    return halves(a[:middle]) * math.sin(halves(a[middle:]))


def shuffled(a):
    if len(a) == 1:
        return np.sin(a)
    middle = len(a) // 2
    return np.concatenate([shuffled(a[middle:]), shuffled(a[:middle])]) * a


def weighted(a):
    return np.sum(shuffled(a) * np.arange(len(a)))


def halved(x):
    def down(u):
        return u * u if u < 1.0 else down(u * 0.5)

    return down(x)


def sum_with_writes(a, n: int):
    def filled(i):
        row = np.zeros(3)
        row[1] = a[i] * a[0]
        row += a[i]
        return row if i == 0 else row * filled(i - 1)

    return np.sum(filled(n))


def rebound(x, n: int):
    y, k = x, 2.0

    def go(i):
        return x if i == 0 else y + k * go(i - 1)

    first = go(n)
    y = x * x
    second = go(n)
    k = 3.0
    return first * second + go(n)


def namesakes(a, n: int):
    def outer(a, i):
        def inner(a, j):
            return 0.0 if j == len(a) else a[j] * first + inner(a, j + 1)

        first = a[i]
        if i == 0:
            return inner(a[1:], 0)
        return np.sum(a) * outer(a * 0.9, i - 1) + inner(a, 0)

    return outer(a, n)


def of_other_sizes(a, n: int):
    def go(b, i):
        w = np.ones(len(a)) * b[0]
        return np.sum(w * a) if i == 0 else go(b[1:], i - 1) * w[0]

    return go(a, n)


def sizes_of_its_own(a, n: int):
    def go(m):
        z = np.zeros(m + 1)
        z[m] = a[m]
        return np.sum(z) if m == 0 else go(m - 1) * np.sum(z)

    return go(n)


def decides(x, n):
    return n == 0 or (x > 0.1 and decides(x * 0.9, n - 1))


def of_a_condition(x, n: int):
    return x * x if decides(x, n) else x


def of_lists(x, n: int):
    def go(u, i):
        if i == 0:
            return [u, u * u]
        return [a + b for a, b in zip(go(u * 0.5, i - 1), go(u * 0.3, i - 1), strict=True)]

    a, b = go(x, n)
    return a * b


def taking_turns(x, y, z, n: int):
    def go(a, b, c, i):
        return a if i == 0 else go(b, math.sin(c), a * b, i - 1)

    return go(x, y, z, n)


def written_results(a, n: int):
    def go(v, i):
        return v if i == 0 else np.sin(go(v, i - 1)) * a

    s = 0.0
    for k in range(n):
        b = go(a, k)
        b[0] = 2.0 * b[1]
        s += np.sum(b * b)
    return s


def in_a_while(x, n: int):
    def go(u, i):
        while u > 1.0:
            u = u * 0.5 if i == 0 else u * 0.5 * go(0.9, i - 1)
        return u

    return go(x, n)


def of_itself(x, n: int):
    return math.cos(x) if n <= 0 else of_itself(of_itself(x, n - 1) * 0.5, n - 2)


def nested_gradients(x, n: int):
    return symdiff.grad(lambda t: power(t, n))(x) * x


def gradients_inside(x, n: int):
    return x if n == 0 else symdiff.grad(lambda t: t * t * x)(gradients_inside(x, n - 1))


@dataclass
class State:
    position: float
    velocity: float


def step(s, n, h):
    if n == 0:
        return s
    velocity = s.velocity - h * math.sin(s.position)
    return step(State(s.position + h * s.velocity, velocity), n - 1, h)


def pendulum(x, v, n: int):
    end = step(State(x, v), n, 0.1)
    return end.position * end.velocity


def used_in_branches(x, n: int):
    if n == 0:
        return x
    y = used_in_branches(x * 0.9, n - 1)
    return math.sin(y) * x if x > 0.5 else y * y


def the_same_in_every_round(x, n: int, m: int):
    s = x
    for i in range(n):
        if i % 2:
            for _ in range(m):
                s += power(x, 3 - n)
    return s


def branching(u, n):
    if n < 1:
        return u, 1.0
    a, b = branching(0.7 * u, n - 2)
    c, _ = branching(math.sin(u), n - 1)
    return a * b + 0.5 * c, b * 0.9 + a


def in_unrolled_rounds(x, y, n: int):
    s = x * y
    for _ in (0, 3):
        if s < 0.1 * s:
            s, x = branching(y, n)[1], s
            break
    return s + x


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (sine_of_power, (1.3, 5)), (power, (1.3, 4)), (power, (1.3, 0)), (by_squaring, (1.1, 11)),
    (polynomial, (A, 0.7)), (continued_fraction, (0.8,)), (fibonacci, (0.7, 7)),
    (bell, (0.7, 1.3)), (mutual, (1.2, 5)), (several_results, (0.9, 4)), (in_a_loop, (0.8, 6)),
    (in_a_loop, (0.8, 0)), (with_a_loop, (0.7, 4)), (in_a_closure, (0.4, 6)),
    (over_an_array, (A,)), (sum_of_arrays, (A, 3)), (halves, (A,)), (weighted, (A,)), (halved, (13.0,)),
    (sum_with_writes, (A, 3)), (rebound, (1.2, 3)), (namesakes, (A, 3)), (of_other_sizes, (A, 3)),
    (sizes_of_its_own, (A, 3)), (of_a_condition, (0.4, 3)), (of_a_condition, (0.1, 3)),
    (of_lists, (0.7, 3)), (taking_turns, (0.7, 0.8, 0.9, 5)), (written_results, (A, 3)),
    (the_same_in_every_round, (1.2, 2, 3)), (the_same_in_every_round, (1.2, 4, 0)),
    (in_unrolled_rounds, (-0.7, 0.3, 3)), (in_unrolled_rounds, (0.7, 0.3, 3)),
    (in_a_while, (1.7, 2)), (of_itself, (0.7, 5)), (nested_gradients, (1.2, 4)),
    (gradients_inside, (1.1, 3)), (pendulum, (0.3, 0.4, 6)), (used_in_branches, (0.7, 4)),
]  # fmt: skip


def slope(f: Any, args: tuple[Any, ...], at: int) -> np.ndarray:
    """The derivative of `f` in one argument, by central differences."""
    x, h = np.asarray(args[at], float), 1e-6
    rows: list[Any] = []
    for k in range(x.size):
        step = np.zeros(x.size)
        step[k] = h
        ends = [
            np.asarray(f(*args[:at], _like(args[at], x + sign * step.reshape(x.shape)),
                         *args[at + 1 :]), float)
            for sign in (1, -1)
        ]  # fmt: skip
        rows.append((ends[0] - ends[1]) / (2 * h))
    return np.moveaxis(np.array(rows), 0, -1).reshape(np.shape(rows[0]) + x.shape)


def _like(old: Any, new: np.ndarray) -> Any:
    return float(new) if isinstance(old, float) else new


def tupled(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("options", [symdiff.Options(), PLAIN], ids=["optimized", "plain"])
@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_both_modes(f, args, options):
    floats = [i for i, a in enumerate(args) if not isinstance(a, int)]
    reverse = tupled(symdiff.grad(f, wrt="*", options=options)(*args))
    forward = tupled(symdiff.jacobian(f, wrt="*", mode="forward", options=options)(*args))
    for at, backward, onward in zip(floats, reverse, forward, strict=True):
        np.testing.assert_allclose(backward, slope(f, args, at), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(backward, onward, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_second_order(f, args, mode):
    gradient = symdiff.grad(f)
    hessian = symdiff.hessian(f, mode=mode)(*args)
    np.testing.assert_allclose(hessian, slope(gradient, args, 0), rtol=1e-4, atol=1e-5)


def test_closed_forms():
    for n in (0, 1, 2, 7):
        assert math.isclose(symdiff.grad(power)(1.3, n), n * 1.3 ** max(n - 1, 0))
        third = symdiff.grad(symdiff.grad(symdiff.grad(power)))(1.3, n)
        assert math.isclose(third, n * (n - 1) * (n - 2) * 1.3 ** (n - 3) if n > 2 else 0.0)
    root = (math.sqrt(0.8**2 + 4) - 0.8) / 2
    assert math.isclose(symdiff.grad(continued_fraction)(0.8), -root / (0.8 + 2 * root))


def test_products_with_vectors():
    value, tangent = symdiff.jvp(power)(1.3, 5, 2.0)
    assert math.isclose(value, 1.3**5) and math.isclose(tangent, 2 * 5 * 1.3**4)
    value, adjoint = symdiff.vjp(power)(1.3, 5, 2.0)
    assert math.isclose(value, 1.3**5) and math.isclose(adjoint, 2 * 5 * 1.3**4)


def test_static_recursion_stays_inline():
    derivative = symdiff.grad(lambda x: power(x, 5))
    assert math.isclose(derivative(1.3), 5 * 1.3**4)
    assert derivative.source.count("def ") == 1


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_value(f, args):
    value, _ = symdiff.value_and_grad(f, wrt="*")(*args)
    np.testing.assert_allclose(value, f(*args), rtol=1e-12)


def test_generated_code():
    derivative = symdiff.grad(halved)
    derivative(3.0)
    assert "return x + x if x < 1.0 else 0.5 * dhalved_dx(0.5 * x)" in derivative.source
    derivative = symdiff.jvp(power)
    derivative(1.3, 5, 1.0)
    assert derivative.source.count("def ") == 1  # it is its own definition


def counted_calls(source: str, function: str, args: tuple[Any, ...]) -> int:
    """How many calls of its functions running generated code makes."""
    scope: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), scope)
    count = 0

    def note(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename == "<generated>"

    sys.setprofile(note)
    try:
        scope[function](*args)
    finally:
        sys.setprofile(None)
    return count


def chain(x, n):
    return x if n == 0 else math.sin(1.1 * chain(x, n - 1))


@pytest.mark.parametrize("f", [chain, power, several_results])
def test_as_many_calls_as_the_function(f):
    derivative = symdiff.grad(f)
    derivative(0.3, 3)
    name = f"{f.__name__}_grad"
    few, many = (counted_calls(derivative.source, name, (0.3, n)) for n in (20, 40))
    assert many - few == 20


def test_depth_is_pythons():
    with pytest.raises(RecursionError):
        power(1.0, 10_000)
    with pytest.raises(RecursionError):
        symdiff.grad(power)(1.0, 10_000)


def checked(x, n):
    if n < 0:
        raise ValueError("n is negative")
    return 1.0 if n == 0 else math.log(x) * checked(x - 0.1, n - 1)


def test_what_raises():
    derivative = symdiff.grad(checked)
    assert math.isclose(derivative(2.0, 1), 0.5)
    for args, message in (((2.0, -1), "n is negative"), ((0.05, 2), "math domain error")):
        for f in (checked, derivative):
            with pytest.raises(ValueError, match=message):
                f(*args)


def endless(x):
    return endless(x * 0.5) * x if x > 0 else endless(x) + 1.0


def growing(x, n, rows):
    rows.append(x)
    return x if n == 0 else growing(x * 2, n - 1, rows)


def appends(x, n: int):
    rows = [x]
    growing(x, n, rows)
    return rows[0]


def writes_into(a, n):
    a[n] = 0.0
    return a[0] if n == 0 else writes_into(a, n - 1)


def writes_argument(x, n: int):
    a = np.ones(4) * x
    return writes_into(a, n)


def changes_outside(x, n: int):
    count = x

    def go(i):
        nonlocal count
        count = count * 2
        return count if i == 0 else go(i - 1)

    return go(n)


def changes_meanwhile(x, n: int):
    y = x

    def go(i):
        nonlocal y
        y, before = y * x, y
        result = y if i == 0 else go(i - 1)
        y = before
        return result

    return go(n)


def other_functions(x):
    def go(f, u):
        return f(u) if u < 1.0 else go(lambda t: f(t) * 2, u * 0.5)

    return go(math.sin, x)


def other_structures(x, n):
    return x if n == 0 else (other_structures(x, n - 1), x)


REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    (endless, (1.0,), "without an end"),
    (appends, (1.0, 3), "list|container"),
    (writes_argument, (1.0, 3), "writes into"),
    (changes_outside, (1.0, 3), "changes count outside"),
    (changes_meanwhile, (1.0, 3), "changes y outside"),
    (other_functions, (3.0,), "other functions"),
    (other_structures, (1.0, 3), "other things|structure"),
]


@pytest.mark.parametrize(("f", "args", "match"), REFUSED, ids=lambda x: getattr(x, "__name__", ""))
def test_refused(f, args, match):
    with pytest.raises(SymdiffError, match=match):
        symdiff.grad(f)(*args)


def test_modules(tmp_path):
    path = tmp_path / "derivatives.py"
    derivative = symdiff.hessian(sine_of_power)
    derivative(1.3, 5)
    derivative.save(path)
    spec = importlib.util.spec_from_file_location("derivatives", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert math.isclose(module.sine_of_power_hessian(1.3, 5), derivative(1.3, 5))
    assert math.isclose(module.sine_of_power_grad(1.3, 5), symdiff.grad(sine_of_power)(1.3, 5))
    done = subprocess.run([sys.executable, str(path), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_command_line(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "def power(x: float, n: int) -> float:\n    return 1.0 if n == 0 else x * power(x, n - 1)\n"
    )
    run = [sys.executable, "-m", "symdiff"]
    shown = subprocess.run(
        [*run, "diff", f"{program}:power"], capture_output=True, text=True, check=True
    )
    scope: dict[str, Any] = {}
    exec(shown.stdout, scope)
    assert math.isclose(scope["power_grad"](1.3, 5), 5 * 1.3**4)
    for command in (["check", f"{program}:power"],
                    ["build", str(program), "-f", "power", "-o", str(tmp_path / "made.py")]):  # fmt: skip
        subprocess.run([*run, *command], capture_output=True, text=True, check=True)
    made = [sys.executable, str(tmp_path / "made.py"), "--check"]
    assert subprocess.run(made, cwd=Path(tmp_path), capture_output=True).returncode == 0
