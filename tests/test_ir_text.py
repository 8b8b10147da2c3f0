"""`load(dump(f))` is made of the very nodes of f, and every compiled function is well formed."""

from __future__ import annotations

import math
import re
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff.ir.expr import apply, call, const, for_, if_, map_, project, var, while_
from symdiff.ir.function import Function, Param
from symdiff.ir.text import digest, dump, load
from symdiff.ir.types import BOOL, FLOAT, INT, Type, dim_add, dim_mul, symbol
from symdiff.ir.verify import verify
from symdiff.primitives.table import ROWS

Pair = namedtuple("Pair", "w b")
RNG = np.random.default_rng(3)
W, X = RNG.normal(size=3), RNG.normal(size=(5, 3))
Y = np.sign(RNG.normal(size=5))


@dataclass
class Model:
    w: np.ndarray
    b: float


def same(function: Function) -> None:
    text = dump(function)
    back = load(text, ROWS)
    assert back.name == function.name
    assert [p.name for p in back.params] == [p.name for p in function.params]
    assert all(a is b for a, b in zip(back.variables, function.variables, strict=True))
    assert len(back.results) == len(function.results)
    assert all(a is b for a, b in zip(back.results, function.results, strict=True))
    assert dump(back) == text


def loss(w, b, X, y):
    return np.mean(np.log(1 + np.exp(-y * (X @ w + b))))


def branches(x, y):
    if x > y:
        return math.sin(x * y)
    return abs(x) ** 0.5 if y < 0.0 else max(x, 0.25)


def indexing(p, X):
    rows = X[1:, ::2] @ p["w"][::2] + p["b"][0]
    return np.sum(rows[rows > 0.0] ** 2) + X[-1, [0, 2]].sum() + X[..., None].mean()


def record(p, X):
    return np.sum((X @ p.w + p.b) ** 2)


def constants(x):
    return np.sum(x * np.array([1.0, 2.5, -0.0]) + x[0] * np.float32(0.1) + 1e-300 * x)


def reductions(x):
    return np.max(x) + np.prod(x) + np.std(x) + np.linalg.norm(x) + np.cumsum(x)[-1]


def shapes(x):
    return np.sum(np.concatenate([x, x[::-1]]).reshape(2, -1).T @ np.ones((2, 4)) * len(x))


def contraction(x):
    return np.einsum("i,j->ij", x, x).trace() + np.outer(x, x).sum() + np.dot(x, x)


def single(x):
    return np.sum(np.sqrt(x * x + 1) / 3)


def several(x):
    return x * 2.0, {"total": np.sum(x**2), "rest": [x[0], x]}


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "chain": (lambda x: math.sin(x**2), (4.0,)),
    "loss": (loss, (W, 0.1, X, Y)),
    "branches": (branches, (2.0, 0.5)),
    "indexing": (indexing, ({"w": W, "b": [0.1, 2.0]}, X)),
    "named tuple": (record, (Pair(W, 0.1), X)),
    "dataclass": (record, (Model(W, 0.1), X)),
    "constants": (constants, (W,)),
    "reductions": (reductions, (W,)),
    "shapes": (shapes, (W,)),
    "contraction": (contraction, (W,)),
    "float32": (single, (W.astype("f4"),)),
}
KINDS = {
    "grad": (symdiff.grad, 0),
    "value_and_grad": (symdiff.value_and_grad, 0),
    "jvp": (symdiff.jvp, 1),
    "vjp": (symdiff.vjp, 2),
    "jacobian": (symdiff.jacobian, 0),
    "forward jacobian": (lambda f, **k: symdiff.jacobian(f, mode="forward", **k), 0),
    "hessian": (symdiff.hessian, 0),
    "hvp": (symdiff.hvp, 1),
    "grad of grad of sum": (
        lambda f, **k: symdiff.jvp(symdiff.grad(f, **k), **k), 1,
    ),
}  # fmt: skip


def compiled(kind: str, case: str, optimize: bool) -> Function:
    make, seeds = KINDS[kind]
    function, args = CASES[case]
    derivative = make(function, options=symdiff.Options(optimize=optimize))
    derivative(*args, *(() if not seeds else (args[0],) if seeds == 1 else (1.0,)))
    return derivative.compiled().function


@pytest.mark.parametrize("optimize", [True, False], ids=["optimised", "plain"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_derivative_reads_back(case, kind, optimize):
    function = compiled(kind, case, optimize)
    same(function)
    verify(function)
    assert function.results


def test_structured_results_read_back():
    derivative = symdiff.jacobian(several)
    derivative(W)
    same(derivative.compiled().function)
    text = dump(derivative.compiled().function)
    assert load(text, ROWS).result[1].keys() == {"total", "rest"}


def test_the_primal_reads_like_this():
    derivative = symdiff.grad(lambda x: math.sin(x**2), options=symdiff.Options(optimize=False))
    text = dump(derivative.compiled().function)
    assert text.splitlines()[0] == "df_dx(x: float)"
    assert re.fullmatch(r"  %0 = power\(x, 2\) : float", text.splitlines()[1])
    assert re.fullmatch(r"  return %\d+", text.splitlines()[-1])


# Nodes that few functions hold, built by hand.

x, n = var("x", FLOAT), var("n", INT)
ROW = Type("float64", (symbol("n"),))
NUMBERS = [
    1, 1.0, True, False, -1, 0.0, -0.0, math.inf, -math.inf, math.nan, 1e-07, 1e22, 0.1 + 0.2,
    10**30, 1 + 2j, complex(math.nan, -0.0), 2j,
]  # fmt: skip


def function_of(*results: Any, params: tuple[Any, ...] = (x, n)) -> Function:
    return Function("f", tuple(Param(v.name, v) for v in params), tuple(results))


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_numbers(value):
    dtype = {bool: "bool", int: "int", float: "float64", complex: "complex128"}[type(value)]
    weak = const(value, Type(dtype, (), True))
    strong = const(value, Type(dtype))
    narrow = const(value, Type("complex64", (), True))
    assert weak is not strong
    same(function_of(weak, strong, narrow))


def test_different_zeros_stay_different():
    zeros = [const(v, FLOAT) for v in (0.0, -0.0, 0)] + [const(False, BOOL), const(0, INT)]
    assert len(set(map(id, zeros))) == 5
    same(function_of(*zeros))


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0, math.nan, -0.0, math.inf]),
        np.array([[1, 2], [3, 4]]),
        np.array([True, False]),
        np.array([0.1, 0.2], dtype="f4"),
        np.zeros((0, 3)),
        np.array(2.5),
        np.float64(0.1),
        np.array([1 + 2j, complex(math.nan, 1.0)]),
        np.arange(1000.0),
        np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff"),  # a nan with a payload and a sign
        np.arange(12.0).reshape(3, 4).T,
    ],
    ids=lambda v: f"{v.dtype}{v.shape}",
)
def test_arrays(value):
    node = const(value, Type("float64", np.shape(value)))
    same(function_of(node))
    assert load(dump(function_of(node)), ROWS).results[0].value.tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "dim",
    [
        symbol("n"), symbol("x.shape[0]"), dim_add(symbol("n"), -1),
        dim_add(dim_mul(symbol("n"), symbol("d")), dim_mul(-2, symbol("m")), 7),
        dim_mul(-1, symbol("n")), symbol("len(range(n*d-1)[a:(b) - (1):2])"), symbol("it's"),
        symbol("count(1a2b)"), dim_mul(symbol("n"), symbol("n")),
    ],
    ids=str,
)  # fmt: skip
def test_sizes(dim):
    array = var("a", Type("float64", (dim, 3)))
    size = ROWS["size"].build(attrs=(dim,))
    same(function_of(array, size, params=(array,)))


def test_attributes_of_every_sort():
    array = var("a", Type("float64", (symbol("n"), symbol("d"))))
    template = (
        ("new",), ("ellipsis",), ("int", "*"),
        ("slice", None, "*", -1, dim_add(symbol("n"), -1)), ("mask", "count(ab)"),
    )  # fmt: skip
    attrs = (template, 'it\'s "so"', None, True, -2.5, (), ((),), (symbol("n"),), np.int64(3))
    same(function_of(apply(ROWS["index"], (array, n), attrs, ROW), params=(array, n)))


def test_regions():
    i, s, t = var("i", INT, 1), var("s", FLOAT, 1), var("t", FLOAT, 2)
    add = ROWS["add"].build
    body = (add(s, i), add(s, x))
    never = const(False, BOOL)
    loop = for_(i, (s, t), (const(0, INT), n, const(1, INT), x, x, *body, never), FLOAT)
    again = while_((s,), (ROWS["less"].build(s, 3.0), x, add(s, 1.0), never), FLOAT)
    choice = if_(
        ROWS["less"].build(x, 0.0), project(loop, 0, FLOAT), project(again, 0, FLOAT), FLOAT
    )
    function = function_of(choice, project(loop, 1, FLOAT))
    verify(function)
    same(function)


def test_definitions():
    less = ROWS["subtract"].build(n, 1)
    again = call("power", (x, less), (FLOAT, INT))
    ends = ROWS["equal"].build(n, 0)
    results = (
        if_(ends, const(1.0, FLOAT), ROWS["multiply"].build(x, project(again, 0, FLOAT)), FLOAT),
        if_(ends, const(0, INT), project(again, 1, INT), INT),
    )
    power = function_of(*results).replace(name="power")
    start = call("power", (x, n), (FLOAT, INT))
    function = function_of(project(start, 0, FLOAT)).replace(definitions={"power": power})
    verify(function)
    same(function)
    read = load(dump(function), ROWS)
    assert read.definitions["power"].result == results
    for wrong in (("power", (x,), (FLOAT, INT)), ("power", (x, n), (FLOAT,)), ("f", (), ())):
        with pytest.raises(AssertionError, match="power|no definition"):
            verify(function.replace(result=(project(call(*wrong), 0, FLOAT),)))


def test_namesakes_of_different_types():
    short, long = var("d_out", Type("float64", (2,)), 1), var("d_out", Type("float64", (3,)), 1)
    rows = [var("a", Type("float64", (2, 2))), var("b", Type("float64", (3, 3)))]
    maps = [
        map_((v,), (over,), ROWS["negative"].build(v), over.type)
        for v, over in zip((short, long), rows, strict=True)
    ]
    function = function_of(*maps, params=tuple(rows))
    verify(function)
    same(function)


@pytest.mark.parametrize("name", ["nan", "inf", "float", "float64", "array", "static", "if", "x.y"])
def test_variables_that_look_like_something_else(name):
    variable = var(name, FLOAT)
    nested = var(name, FLOAT, 4)
    params = (Param("p", (variable, nested)),)
    same(Function("f", params, (variable, ROWS["sin"].build(nested))))


def test_static_parameters():
    params = (
        Param("mode", "train, it's"), Param("flag", True), Param("none", None),
        Param("scale", -0.5), Param("fn", math.sin), Param("x", x), Param("rest", (1, "a", x)),
    )  # fmt: skip
    function = Function("f", params, {"a": x, 1: [None, x], (1, 2): "text"})
    back = load(dump(function), ROWS)
    assert back.result == {"a": x, 1: [None, x], (1, 2): "text"}
    assert [p.tree for p in back.params][:4] == ["train, it's", True, None, -0.5]
    same(function)


def test_names_come_back():
    node = ROWS["sin"].build(x)
    back = load(dump(function_of(node).replace(names={node: "wave"})), ROWS)
    assert dict(back.names) == {node: "wave"}


def test_what_is_not_ir_is_an_error_with_its_line():
    with pytest.raises(ValueError, match="line 2 of the IR"):
        load("f(x: float)\n  %0 = no_such_row(x) : float\n  return %0", ROWS)
    with pytest.raises(ValueError, match="line 2"):
        load("f(x: float)\n  return y", ROWS)


def test_digest_tells_structures_apart():
    sine = ROWS["sin"].build(x)
    assert digest(sine) == digest(ROWS["sin"].build(x))
    assert len({digest(v) for v in (sine, x, ROWS["cos"].build(x), ROWS["sin"].build(n))}) == 4
    assert digest(var("x", ROW)) != digest(x)


def test_a_long_chain_is_linear():
    node: Any = x
    for _ in range(20_000):
        node = ROWS["sin"].build(node)
    function = function_of(node)
    assert load(dump(function), ROWS).results[0] is node
    verify(function)


# The verifier.


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (apply(ROWS["sin"], (x,), (), ROW), "the type rule gives float"),
        (apply(ROWS["add"], (x, const(np.ones(2), Type("float64", (2,)))), (), FLOAT), "type rule"),
        (if_(x, x, x, FLOAT), "condition"),
        (if_(ROWS["less"].build(x, 0.0), x, n, FLOAT), "else side"),
        (var("stranger", FLOAT), "stranger"),
        (ROWS["sin"].build(var("s", FLOAT, 1)), "s.1 is neither a parameter nor bound"),
        (
            while_((var("s", FLOAT, 1),), (const(True, BOOL), n, x, const(False, BOOL)), FLOAT),
            "starts as int",
        ),
        (map_((var("r", ROW, 1),), (var("a", ROW),), x, ROW), "runs over rows"),
        (const(np.ones(3), Type("float64", (2,))), "constant of shape"),
    ],
)
def test_the_verifier_finds(result, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        verify(function_of(result, params=(x, n, var("a", ROW))))


def test_what_a_region_binds_must_not_escape():
    row = var("r", Type("float64"), 1)
    array = var("a", ROW)
    inside = map_((row,), (array,), ROWS["sin"].build(row), ROW)
    verify(function_of(inside, params=(array,)))
    with pytest.raises(AssertionError, match=r"r\.1"):
        verify(function_of(inside, ROWS["sin"].build(row), params=(array,)))
