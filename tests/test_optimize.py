"""The optimiser: every rewrite under its condition, operation counts, and no wrong number."""

from __future__ import annotations

import inspect
import itertools
import math
import random
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from math import cos, exp, sin, sqrt
from typing import Any

import numpy as np
import pytest
from scipy import special

import symdiff.primitives.table  # noqa: F401
from symdiff.differentiate.operators import Request, differentiate
from symdiff.ir.expr import Apply, Const, Expr, If, Map, Var, var
from symdiff.ir.function import Function, Param
from symdiff.ir.text import dump
from symdiff.ir.types import FLOAT, Type, symbol
from symdiff.ir.walk import topological
from symdiff.optimize.count import operations
from symdiff.optimize.erase import erase
from symdiff.optimize.factor import factor
from symdiff.optimize.guards import drop_guards
from symdiff.optimize.match import Rule
from symdiff.optimize.rules import PARITY, RULES
from symdiff.optimize.simplify import simplified, simplify
from symdiff.optimize.stabilise import STABLE, stabilise
from symdiff.optimize.structure import STRUCTURE
from symdiff.optimize.sympy_simplify import sympy_simplify
from symdiff.options import DEFAULT, Options
from symdiff.parse.entry import parse
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import arrays as A
from symdiff.primitives import elementary as el
from symdiff.primitives import stable
from symdiff.primitives.indexing import accumulate, index
from symdiff.primitives.row import Term, choose
from symdiff.primitives.shape import size_of

N, D = symbol("n"), symbol("d")
VECTOR, MATRIX = Type("float64", (N,)), Type("float64", (N, D))
SIZES = {"n": 4, "d": 3}


# A small evaluator, so that these tests need no code generation.


def _size(dim: Any) -> int:
    if isinstance(dim, int):
        return dim
    return sum(c * math.prod(SIZES[s] for s in f) for f, c in dim.terms)


def _shape(dims: Any) -> tuple[int, ...]:
    return tuple(map(_size, dims))


_ARRAY_OPS: dict[Any, Callable[..., Any]] = {
    A.full: lambda a, v: np.full(_shape(a[0]), v, dtype=a[1]),
    A.broadcast_to: lambda a, v: np.broadcast_to(v, _shape(a[0])),
    A.broadcast_like: lambda a, v, x: np.broadcast_to(v, np.shape(x)),
    A.reshape: lambda a, v: np.reshape(v, _shape(a[0])),
    A.expand_dims: lambda a, v: np.expand_dims(v, a[0]),
    A.squeeze: lambda a, v: np.squeeze(v, a[0]),
    A.transpose: lambda a, v: np.transpose(v, [i % len(a[0]) for i in a[0]]),
    A.sum_: lambda a, v: np.sum(v, axis=a[0], keepdims=a[1]),
    A.mean: lambda a, v: np.mean(v, axis=a[0], keepdims=a[1]),
    A.max_: lambda a, v: np.max(v, axis=a[0], keepdims=a[1]),
    A.concatenate: lambda a, *v: np.concatenate(v, axis=a[0]),
    el.cast: lambda a, v: float(v) if a[1] else np.asarray(v).astype(a[0])[()],
    el.detach: lambda a, v: v,
    el.where: lambda a, m, x, y: np.where(m, x, y)[()],
    el.logaddexp: lambda a, x, y: np.logaddexp(x, y),
    index: lambda a, v: v[tuple(slice(*e[1:4]) if e[0] == "slice" else e[1] for e in a[0])],
    accumulate: lambda a, base, v: _accumulated(a, base, v),
}


def _accumulated(a: Any, base: Any, value: Any) -> Any:
    result = np.array(base)
    key = tuple(slice(*e[1:4]) if e[0] == "slice" else e[1] for e in a[0])
    np.add.at(result, key, value)
    return result


def _apply(node: Apply, values: Sequence[Any], flavour: str) -> Any:
    if node.op.name == "size":
        return _size(node.attrs[0])
    if node.op in _ARRAY_OPS:
        return _ARRAY_OPS[node.op](node.attrs, *values)
    weak = flavour == "math" or (flavour == "auto" and node.type.weak)
    template = node.op.math if weak and node.op.math else node.op.numpy
    names = {f"_{i}": v for i, v in enumerate(values)}
    text = template.format(*names)
    return eval(text, {"math": math, "np": np, "special": special, **names})


def evaluate(roots: Sequence[Expr], given: Mapping[Any, Any], flavour: str = "auto") -> list[Any]:
    """The values of `roots`; branches that are not taken are not evaluated."""
    values: dict[Expr, Any] = dict(given)
    stack = list(roots)
    while stack:
        node = stack[-1]
        if node in values:
            stack.pop()
            continue
        if isinstance(node, Const):
            values[node] = node.value
            continue
        needed = list(node.operands)
        if isinstance(node, If):
            needed = [node.pred]
            if node.pred in values:
                needed.append(node.then if values[node.pred] else node.orelse)
        missing = [x for x in needed if x not in values]
        if missing:
            stack.extend(missing)
            continue
        if isinstance(node, If):
            values[node] = values[needed[-1]]
        else:
            assert isinstance(node, Apply), node
            values[node] = _apply(node, [values[x] for x in node.operands], flavour)
    return [values[r] for r in roots]


def function_of(*results: Expr) -> Function:
    variables = [n for n in topological(results) if isinstance(n, Var)]
    params = tuple(Param(v.name, v) for v in dict.fromkeys(variables))
    return Function("f", params, tuple(results))


def parsed(python: Callable[..., Any], *types: Type) -> Function:
    names = list(inspect.signature(python).parameters)
    types = types or (FLOAT,) * len(names)
    return parse(python, {n: var(n, t) for n, t in zip(names, types, strict=True)})


def optimised(function: Function) -> Function:
    for step in (erase, drop_guards, simplify, factor):
        function = step(function, DEFAULT)
    return function


def gradient(python: Callable[..., Any], *types: Type, kind: str = "grad") -> Function:
    request = Request(kind, wrt=("*",), many=True)  # type: ignore[arg-type]
    return differentiate(stabilise(parsed(python, *types), DEFAULT), request)


def random_arguments(function: Function, seed: int) -> dict[Expr, Any]:
    rng = np.random.default_rng(seed)
    return {
        v: rng.uniform(0.3, 1.5, _shape(v.type.shape))
        if v.type.shape
        else float(rng.uniform(0.3, 1.5))
        for v in function.variables
    }


def assert_same_values(before: Function, after: Function, rtol: float = 1e-11) -> None:
    for seed in range(8):
        given = random_arguments(before, seed)
        old, new = evaluate(before.results, given), evaluate(after.results, given)
        scale = max(float(np.max(np.abs(v))) for v in old)
        for a, b, x, y in zip(old, new, before.results, after.results, strict=True):
            assert x.type == y.type
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * scale)


# The table of rewrites.

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-300, 1e300, math.inf, -math.inf, math.nan)


def _samples(rule: Rule) -> list[dict[Expr, Any]]:
    variables = [n for n in topological([rule.left, rule.right]) if isinstance(n, Var)]
    rng = random.Random(rule.name)
    low, high = rule.over
    bounded = math.isfinite(low) or math.isfinite(high)
    choices: list[list[Any]] = []
    for v in variables:
        if v.type.dtype == "bool":
            choices.append([True, False])
        elif rule.condition == "real" or bounded:
            low_, high_ = max(low, -20.0), min(high, 20.0)
            inner = [rng.uniform(low_, high_) for _ in range(12)]
            edges = [low * 0.99, high * 0.99] if math.isfinite(low) and math.isfinite(high) else []
            choices.append([x for x in inner + edges if low < x < high])
        else:
            choices.append([*SPECIAL, *(rng.uniform(-9, 9) for _ in range(3))])
    rows = list(itertools.product(*choices))
    rng.shuffle(rows)
    return [dict(zip(variables, map(_as_numpy, row), strict=True)) for row in rows[:400]]


def _as_numpy(x: Any) -> Any:
    return x if isinstance(x, bool) else np.float64(x)


APPLIED = [r for r in (*RULES, *PARITY, *STABLE) if r.condition != "finite"]


@pytest.mark.parametrize("rule", APPLIED, ids=lambda r: r.name)
def test_rule_holds_under_its_condition(rule: Rule) -> None:
    with np.errstate(all="ignore"):
        for given in _samples(rule):
            (left,) = evaluate([rule.left], given, "numpy")
            (right,) = evaluate([rule.right], given, "numpy")
            if np.isnan(left) or np.isnan(right):
                assert np.isnan(left) and np.isnan(right), (given, left, right)
            elif rule.condition == "real":
                assert math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-13), (given, left, right)
            else:
                assert left == right, (given, left, right)
                if rule.condition == "exact" and left == 0:
                    assert math.copysign(1, left) == math.copysign(1, right), (given, left, right)


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.condition != "finite"], ids=lambda r: r.name
)
def test_rule_fires(rule: Rule) -> None:
    variables = [v for v in topological([rule.left]) if isinstance(v, Var)]
    if any(v.name.startswith("c") for v in variables):
        return  # they match constants only
    fired = False
    for shape in ((), (N,)):
        fresh = {v: var(v.name, Type(v.type.dtype, shape, not shape)) for v in variables}
        left = _retyped(rule.left, fresh)
        new = simplified([left])[left] if left is not None else left
        if new is not left:
            fired = True
            assert len(topological([new])) <= len(topological([left]))
    assert fired


def _retyped(node: Expr, fresh: Mapping[Any, Expr]) -> Any:
    """The pattern on other variables, with the types that follow; None for an `If` of arrays."""
    done: dict[Expr, Any] = dict(fresh)
    for n in topological([node]):
        if n in done:
            continue
        operands = [done[x] for x in n.operands]
        if isinstance(n, If):
            if operands[0].type.shape:
                return None
            done[n] = choose(*operands).expr
        else:
            done[n] = n.op.build(*operands) if isinstance(n, Apply) else n
    return done[node]


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.condition == "finite"], ids=lambda r: r.name
)
def test_rules_that_lose_nan_are_not_applied(rule: Rule) -> None:
    assert simplified([rule.left])[rule.left] is rule.left
    after = factor(function_of(rule.left), DEFAULT)
    assert not isinstance(after.results[0], Const)


def test_neutral_elements_keep_the_type() -> None:
    n = var("n", Type("int", (), True))
    x = var("x", Type("float32", (N,)))
    wide = var("wide", Type("float64"))
    assert simplified([p := ar.multiply.build(n, 1.0)])[p] is p  # makes a float of n
    assert simplified([p := ar.multiply.build(x, 1.0)])[p] is x
    one = ar.multiply.build(wide, A.full.build(1.0, attrs=((N,), "float64")))
    assert simplified([one])[one].type == one.type


def test_constants_that_raise_are_not_folded() -> None:
    quotient = ar.divide.build(1.0, 0.0)
    overflow = ar.power.build(1e200, 2)
    assert simplified([quotient])[quotient] is quotient
    assert simplified([overflow])[overflow] is overflow
    assert simplified([p := ar.add.build(1.5, ar.multiply.build(2, 3))])[p].value == 7.5  # type: ignore[attr-defined]


# Shapes.

X, Y, S = var("X", MATRIX), var("v", VECTOR), var("s", Type("float64"))
W = var("w", Type("float64", (D,)))
LAST = (("slice", None, None, None), ("int", 0))


def _examples() -> dict[str, Expr]:
    def t(x: Expr) -> Expr:
        return A.swap_last(x)

    wide = A.broadcast_to.build(W, attrs=((N, D),))
    mask = ar.greater.build(X, 1.0)
    zeros = A.full.build(0.0, attrs=((N, D), "float64"))
    return {
        "transposes": t(t(X)),
        "reshapes": A.reshape.build(A.reshape.build(X, attrs=((12,),)), attrs=((2, 6),)),
        "expanded_squeeze": A.expand_dims.build(
            A.sum_.build(X, attrs=((-1,), False)), attrs=((-1,),)
        ),
        "squeezed_expand": A.squeeze.build(A.expand_dims.build(Y, attrs=((-1,),)), attrs=((-1,),)),
        "broadcasts": A.broadcast_to.build(A.broadcast_to.build(S, attrs=((D,),)), attrs=((N, D),)),
        "measured": A.broadcast_like.build(S, el.exp.build(Y)),
        "implicit_broadcast": ar.multiply.build(X, wide),
        "scaled_fill": ar.multiply.build(S, wide),
        "broadcast_last": el.exp.build(wide),
        "reductions": A.sum_.build(
            ar.multiply.build(ar.multiply.build(S, X), 2.0), attrs=((-1,), False)
        ),
        "casts": el.cast.build(X, attrs=("float64", False)),
        "scaled_matmul": A.matmul.build(ar.multiply.build(S, X), W),
        "joined_one": A.concatenate.build(X, attrs=(-1,)),
        "masked_fill": el.where.build(mask, X, zeros),
        "accumulated_zero": accumulate.build(X, 0.0, attrs=(LAST,)),
        "shifted_size": ar.multiply.build(S, ar.add.build(size_of(N), 1)),
        "indexed_fill": index.build(zeros, attrs=((("slice", 1, None, None),),)),
    }


@pytest.mark.parametrize("entry", STRUCTURE, ids=lambda s: s.name)
def test_structural_rewrite(entry: Any) -> None:
    node = _examples()[entry.name]
    before = function_of(node)
    after = simplify(before, DEFAULT)
    assert after.results[0] is not node
    if not before.variables:
        (a,), (b,) = evaluate(before.results, {}), evaluate(after.results, {})
        np.testing.assert_array_equal(a, b)
        return
    assert_same_values(before, after)


def test_scalars_leave_sums_and_products_of_arrays() -> None:
    def f(s, x, A):
        return np.sum(2.0 * s * x), (s * A * 3.0) @ x[:3]

    function = simplify(parsed(f, Type("float64"), VECTOR, Type("float64", (N, 3))), DEFAULT)
    sums = [n for n in function.nodes() if isinstance(n, Apply) and n.op in (A.sum_, A.matmul)]
    assert all(not isinstance(x, Apply) or x.op is index for n in sums for x in n.operands)


def test_scalars_are_multiplied_before_arrays() -> None:
    def f(s, x, A):
        return A * s * 2.0 * x * 3.0

    function = factor(parsed(f, Type("float64"), Type("float64", (D,)), MATRIX), DEFAULT)
    big = [n for n in function.nodes() if isinstance(n, Apply) and n.type.rank == 2]
    assert len(big) == 1
    assert_same_values(parsed(f, Type("float64"), Type("float64", (D,)), MATRIX), function)


# Choices, guards, marks.


def test_branches_with_one_predicate_are_joined() -> None:
    x, y = var("x", FLOAT), var("y", FLOAT)
    p = ar.greater.build(x, y)
    split = Term(choose(p, ar.multiply.build(x, y), 0.0).expr) + choose(p, 0.0, x)
    new = simplify(function_of(split.expr), DEFAULT).results[0]
    assert isinstance(new, If) and new.pred is p and new.orelse is x


def norm(x, y):
    r = sqrt(x * x + y * y)
    return x / r


def guarded_norm(x, y):
    r = sqrt(x * x + y * y)
    return x / r if x > 0 else r


def test_guard_goes_where_the_division_is_certain() -> None:
    before = gradient(norm)
    assert any(isinstance(n, If) for n in before.nodes())
    after = drop_guards(before, DEFAULT)
    assert not any(isinstance(n, If) for n in after.nodes())
    assert_same_values(before, after)


def test_guard_stays_where_the_division_is_in_a_branch() -> None:
    after = optimised(gradient(guarded_norm))
    x, y = after.variables
    assert evaluate(after.results, {x: 0.0, y: 0.0}) == [0.0, 0.0]


def test_marks_are_erased() -> None:
    x = var("x", FLOAT)
    function = function_of(ar.multiply.build(el.detach.build(x), x))
    assert erase(function, Options(optimize=False)).results[0] is ar.multiply.build(x, x)


# Sums and products.


def test_nothing_is_cancelled() -> None:
    x, y = var("x", FLOAT), var("y", FLOAT)
    for node in (
        Term(x) - x,
        Term(x) / x,
        Term(x) * 2 - Term(x) * 2,
        (Term(y) * x) / (Term(x) * x),
    ):
        new = factor(simplify(function_of(node.expr), DEFAULT), DEFAULT).results[0]
        assert math.isnan(evaluate([new], {x: math.inf, y: 1.0})[0])


def test_overflowing_constants_are_not_collected() -> None:
    x = var("x", FLOAT)
    node = (Term(x) * 1e200) * 1e200
    (new,) = factor(function_of(node.expr), DEFAULT).results
    assert evaluate([new], {x: 1e-250}) == [1e-250 * 1e200 * 1e200]


def test_integers_are_not_regrouped() -> None:
    n, m = (var(name, Type("int", (N,))) for name in "nm")
    node = ar.add.build(ar.multiply.build(n, m), ar.multiply.build(n, 3))
    assert factor(function_of(node), DEFAULT).results[0] is node


CASES: list[tuple[Callable[..., Any], int]] = [
    (lambda x, a, b: x * a + x * b, 2),
    (lambda x: x + x + x, 1),
    (lambda x, y: 2 * (3 * x * y), 2),
    (lambda x, y: (-x) * (-y), 1),
    (lambda x, y: -(x - y), 1),
    (lambda x, y, z: -x - y * -z, 2),
    (lambda x, a, b: (a * b * x, a * b + x), 3),
    (lambda a, b, y: a / y + b / y, 2),
    (lambda a, b, x, y: (a * x / y, b * x / y), 3),
    (lambda x, y: (x * x * y, x**2), 2),
    (lambda x, y, z: 3 * x - 3 * y + 3 * z, 3),
    (lambda x, y: 0.5 / y * (2 * x), 1),
    (lambda x, y: sin(-x) * cos(-x) - y * (-x) ** 2, 7),
]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_operations_that_are_saved(case: tuple[Callable[..., Any], int]) -> None:
    python, wanted = case
    before = parsed(python)
    after = factor(before, DEFAULT)
    assert operations(after) <= wanted, dump(after)
    assert_same_values(before, after)


def random_dag(seed: int, size: int) -> Function:
    """Sums, products, quotients and a few functions of what came before."""
    rng = random.Random(seed)
    nodes: list[Expr] = [var(n, FLOAT) for n in "abcd"]
    rows = [ar.add, ar.subtract, ar.multiply, ar.multiply, ar.divide, ar.negative, el.sin]
    for _ in range(size):
        row = rng.choice(rows)
        a, b = rng.choice(nodes[-8:]), rng.choice([*nodes[-8:], Term(nodes[0]) + 2.0, 3, 0.25])
        if row is ar.divide:
            b = ar.add.build(2.5, el.sin.build(a))
        operands = (
            (a,) if row in (ar.negative, el.sin) else (a, b) if rng.random() < 0.5 else (b, a)
        )
        if row is ar.divide:
            operands = (a, b)
        nodes.append(row.build(*operands))
    return function_of(*nodes[-4:])


@pytest.mark.parametrize("seed", range(60))
def test_random_functions_keep_their_values(seed: int) -> None:
    before = random_dag(seed, 40)
    after = optimised(before)
    assert operations(after) <= operations(before)
    given = {v: float(x) for v, x in zip(before.variables, (0.7, -1.3, 0.4, 1.1), strict=False)}
    inner = [n for n in topological(before.results) if n.operands]
    largest = max(abs(v) for v in evaluate(inner, given))
    for a, b in zip(evaluate(before.results, given), evaluate(after.results, given), strict=True):
        assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-13 * largest)
    again = optimised(after)
    assert operations(again) <= operations(after)


# Names.


def test_names_of_values_survive() -> None:
    def f(x, y):
        speed = x * y
        return sin(speed) * speed

    after = optimised(gradient(f))
    assert "speed" in after.names.values()


# The swell functions, in our own hand: five that symbolic derivatives blow up on.


def wave(x):
    return sin(x**2) * exp(x)


def rosenbrock(
    x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17, x18, x19
):
    x = (x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x17, x18, x19)
    total = 0.0
    for here, after in zip(x, x[1:]):
        total = total + 100 * (after - here**2) ** 2 + (1 - here) ** 2
    return total


def arm(q1, q2, w1, w2, t1, t2, m1, m2, l1, l2):
    g = 9.81
    c2, s2 = cos(q2), sin(q2)
    r1, r2 = l1 / 2, l2 / 2
    j1, j2 = m1 * l1**2 / 12, m2 * l2**2 / 12
    a = j1 + j2 + m1 * r1**2 + m2 * (l1**2 + r2**2 + 2 * l1 * r2 * c2)
    b = j2 + m2 * (r2**2 + l1 * r2 * c2)
    c = j2 + m2 * r2**2
    h = -m2 * l1 * r2 * s2
    v1, v2 = h * (2 * w1 * w2 + w2**2), -h * w1**2
    g1 = (m1 * r1 + m2 * l1) * g * cos(q1) + m2 * r2 * g * cos(q1 + q2)
    g2 = m2 * r2 * g * cos(q1 + q2)
    u1, u2 = t1 - v1 - g1, t2 - v2 - g2
    det = a * c - b**2
    return ((c * u1 - b * u2) / det) ** 2 + ((a * u2 - b * u1) / det) ** 2


def composite(x, a, b):
    for _ in (1, 2, 3, 4, 5, 6):
        x = sin(a * x) * exp(-b * x**2) + x**2 / (1 + x**2)
    return x


def camera(r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2, px, py, pz, w):
    angle = sqrt(r1**2 + r2**2 + r3**2)
    ct, st = cos(angle), sin(angle)
    p = (px - c1, py - c2, pz - c3)
    n = (r1 / angle, r2 / angle, r3 / angle)
    cross = (n[1] * p[2] - n[2] * p[1], n[2] * p[0] - n[0] * p[2], n[0] * p[1] - n[1] * p[0])
    along = (n[0] * p[0] + n[1] * p[1] + n[2] * p[2]) * (1 - ct)
    turned = [p[i] * ct + cross[i] * st + n[i] * along for i in range(3)]
    u, v = turned[0] / turned[2], turned[1] / turned[2]
    rr = u**2 + v**2
    lens = 1 + k1 * rr + k2 * rr**2
    return w * (f * u * lens + x0 - 0.7), w * (f * v * lens + y0 + 0.3)


SWELL = [(wave, 8), (rosenbrock, 152), (arm, 180), (composite, 157), (camera, 277)]


@pytest.mark.parametrize(("python", "most"), SWELL, ids=lambda v: getattr(v, "__name__", None))
def test_swell(python: Callable[..., Any], most: int) -> None:
    before = gradient(python, kind="jacobian" if python is camera else "grad")
    after = optimised(before)
    assert operations(after) <= most
    assert_same_values(before, after, rtol=1e-9)


# Time is linear.


def _seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def test_long_sums_and_chains_take_linear_time() -> None:
    def wide(terms: int) -> Function:
        xs = [var(f"x{i}", FLOAT) for i in range(terms)]
        total = Term(xs[0])
        for a, b in zip(xs, xs[1:]):  # each neighbour shares a factor
            total = total + Term(a) * b
        return function_of(total.expr)

    def deep(length: int) -> Function:
        x = Term(var("x", FLOAT))
        y = x
        for _ in range(length):
            y = Term(el.sin.build(y)) * x + y
        return function_of(y.expr)

    for build, size in ((wide, 4000), (deep, 4000)):
        small, large = build(size), build(8 * size)
        optimised(small)
        ratio = _seconds(lambda: optimised(large)) / max(_seconds(lambda: optimised(small)), 0.05)
        assert ratio < 24


# Stable formulas.


def softplus(x):
    return math.log(1 + math.exp(x))


def logistic(x):
    return 1 / (1 + math.exp(-x))


def log_logistic(x):
    return math.log(1 / (1 + math.exp(-x)))


def log_one_minus(x):
    return math.log(1 - math.exp(x))


def minus_one(x):
    return math.exp(x) - 1


def near_one(x):
    return math.log(1 + x)


STABLE_CASES = [
    (softplus, 1000.0, 1000.0, 1.0),
    (softplus, -1000.0, 0.0, 0.0),
    (softplus, -40.0, math.exp(-40.0), math.exp(-40.0)),
    (logistic, -1000.0, 0.0, 0.0),
    (logistic, -40.0, math.exp(-40.0), math.exp(-40.0)),
    (logistic, 1000.0, 1.0, 0.0),
    (log_logistic, -1000.0, -1000.0, 1.0),
    (log_logistic, 1000.0, 0.0, 0.0),
    (log_one_minus, -1e-20, math.log(1e-20), -1e20),
    (log_one_minus, -50.0, -math.exp(-50.0), -math.exp(-50.0)),
    (minus_one, 1e-20, 1e-20, 1.0),
    (near_one, 1e-20, 1e-20, 1.0),
]


@pytest.mark.parametrize("case", STABLE_CASES, ids=lambda c: f"{c[0].__name__}({c[1]})")
def test_stable_at_extremes(case: tuple[Any, float, float, float]) -> None:
    python, at, value, slope = case
    for type_ in (FLOAT, Type("float64")):
        function = parsed(python, type_) if type_ is FLOAT else parsed(_with_numpy(python), type_)
        request = Request("value_and_grad")
        function = optimised(differentiate(stabilise(function, DEFAULT), request))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with np.errstate(over="raise", invalid="raise"):
                found = evaluate(
                    function.results, {function.variables[0]: type_.weak and at or np.float64(at)}
                )
        assert found == pytest.approx([value, slope], rel=1e-13, abs=1e-300)


def np_softplus(x):
    return np.log(1 + np.exp(x))


def np_logistic(x):
    return 1 / (1 + np.exp(-x))


def np_log_logistic(x):
    return np.log(1 / (1 + np.exp(-x)))


def np_log_one_minus(x):
    return np.log(1 - np.exp(x))


def np_minus_one(x):
    return np.exp(x) - 1


def np_near_one(x):
    return np.log(1 + x)


def _with_numpy(python: Any) -> Any:
    return globals()[f"np_{python.__name__}"]


def test_requirements_that_cannot_fail_are_dropped() -> None:
    before = parsed(softplus)
    assert before.requires
    assert not stabilise(before, DEFAULT).requires
    assert len(stabilise(parsed(near_one), DEFAULT).requires) == 1


def log_sum_exp(x):
    return np.log(np.sum(np.exp(x)))


def rows_log_sum_exp(x):
    return np.sum(np.log(np.sum(np.exp(x), axis=1)))


def entropy(x):
    p = np.exp(x) / np.sum(np.exp(x))
    return -np.sum(p * np.log(p))


def test_log_sum_exp_of_large_numbers() -> None:
    function = optimised(
        differentiate(stabilise(parsed(log_sum_exp, VECTOR), DEFAULT), Request("value_and_grad"))
    )
    (x,) = function.variables
    value, slope = evaluate(function.results, {x: np.array([1000.0, 1000.0, 0.0, -1000.0])})
    assert value == pytest.approx(1000.0 + math.log(2.0))
    np.testing.assert_allclose(slope, [0.5, 0.5, 0.0, 0.0])
    with np.errstate(divide="ignore"):
        (empty,) = evaluate(function.results[:1], {x: np.full(4, -np.inf)})
        assert empty == -np.inf
        (full,) = evaluate(function.results[:1], {x: np.array([1.0, np.inf, 0.0, 0.0])})
        assert full == np.inf


@pytest.mark.parametrize(
    "case", [(log_sum_exp, VECTOR), (rows_log_sum_exp, MATRIX), (entropy, VECTOR)]
)
def test_stable_reductions_keep_their_values(case: Any) -> None:
    python, type_ = case
    plain = differentiate(parsed(python, type_), Request("value_and_grad"))
    assert_same_values(
        erase(plain, DEFAULT), optimised(gradient(python, type_, kind="value_and_grad"))
    )


def test_x_log_x_is_zero_at_zero() -> None:
    def f(x):
        return np.sum(x * np.log(x))

    function = optimised(
        differentiate(stabilise(parsed(f, VECTOR), DEFAULT), Request("value_and_grad"))
    )
    with np.errstate(divide="ignore"):
        value, slope = evaluate(
            function.results, {function.variables[0]: np.array([0.0, 1.0, 2.0, 0.0])}
        )
    assert value == pytest.approx(2 * math.log(2))
    np.testing.assert_allclose(slope, [-np.inf, 1.0, 1.0 + math.log(2), -np.inf])


@pytest.mark.parametrize("row", [stable.softplus, stable.sigmoid, stable.log1mexp, stable.xlogx])
def test_both_spellings_agree(row: Any) -> None:
    x, y = var("x", FLOAT), var("x", Type("float64"))
    low, high = row.over[0].low, row.over[0].high
    for at in np.random.default_rng(1).uniform(max(low, -50), min(high, 50), 40):
        (a,) = evaluate([row.build(x)], {x: float(at)}, "math")
        (b,) = evaluate([row.build(y)], {y: np.float64(at)}, "numpy")
        assert a == pytest.approx(b, rel=1e-13)


# Arrays as a whole.


def logistic_loss(w, X, y):
    z = X @ w
    return np.mean(np.log(1 + np.exp(-y * z)))


def least_squares(X, w, v):
    r = X @ w - v
    return np.sum(r * r) / 2 + 0.1 * np.sum(w**2)


def centred(x):
    z = (x - np.mean(x)) / np.sqrt(np.mean((x - np.mean(x)) ** 2) + 1e-3)
    return np.sum(z**3)


@pytest.mark.parametrize(
    "case",
    [
        (logistic_loss, Type("float64", (D,)), MATRIX, VECTOR),
        (least_squares, MATRIX, Type("float64", (D,)), VECTOR),
        (centred, VECTOR),
    ],
    ids=lambda c: c[0].__name__,
)
def test_array_gradients_keep_their_values(case: Any) -> None:
    python, *types = case
    before = erase(gradient(python, *types, kind="value_and_grad"), DEFAULT)
    after = optimised(before)
    assert operations(after) < operations(before)
    assert_same_values(before, after)


def test_switched_off() -> None:
    off = Options(optimize=False)
    function = gradient(norm)
    for step in (stabilise, drop_guards, simplify, factor):
        assert step(function, off) is function


__all__ = ["Map"]


# SymPy, when asked.


def pythagoras(x, y):
    return sin(x) ** 2 + cos(x) ** 2 + x * y, (x * x - y * y) / (x - y)


def test_sympy_takes_what_is_shorter() -> None:
    before = optimised(parsed(pythagoras))
    after = sympy_simplify(before, Options(simplify=True, simplify_seconds=60.0))
    assert operations(after) <= 3
    assert_same_values(before, after)


def test_sympy_is_stopped_at_the_time_limit() -> None:
    before = optimised(gradient(norm))
    start = time.perf_counter()
    after = sympy_simplify(before, Options(simplify=True, simplify_seconds=0.01))
    assert time.perf_counter() - start < 5.0
    assert operations(after) <= operations(before)


def test_sympy_runs_only_when_asked() -> None:
    function = parsed(pythagoras)
    assert sympy_simplify(function, DEFAULT) is function
