"""Array functions where it matters: ties, zeros, float32, integers, empty arrays, odd indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from symdiff import IllTypedError, UnsupportedError
from tests.helpers_arrays import check, random_like, same_kind
from tests.test_arrays import GROUPS, arr, params

# Conventions where the derivative is not defined.

CONVENTIONS: list[Any] = [
    ("ties of max share", lambda x: np.max(x), [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
    ("ties of min share", lambda x: np.min(x), [1.0, 1.0, 3.0, 1.0], [1 / 3, 1 / 3, 0.0, 1 / 3]),
    (
        "max along an axis",
        lambda x: np.sum(x.max(axis=0)),
        [[2.0, 1.0], [2.0, 5.0]],
        [[0.5, 0.0], [0.5, 1.0]],
    ),
    ("ptp of equal values", lambda x: np.ptp(x), [2.0, 2.0], [0.0, 0.0]),
    ("norm at 0", lambda x: np.linalg.norm(x), [0.0, 0.0], [0.0, 0.0]),
    (
        "one row of norms at 0",
        lambda x: np.sum(np.linalg.norm(x, axis=1)),
        [[0.0, 0.0], [3.0, 4.0]],
        [[0.0, 0.0], [0.6, 0.8]],
    ),
    ("p-norm at 0", lambda x: np.linalg.norm(x, 3), [0.0, 0.0], [0.0, 0.0]),
    ("std of equal values", lambda x: np.std(x), [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    (
        "clip at its bounds",
        lambda x: np.sum(np.clip(x, -1.0, 1.0)),
        [-1.0, 0.0, 1.0, 2.0],
        [1.0, 1.0, 1.0, 0.0],
    ),
    (
        "clip open above, at its bound",
        lambda x: np.sum(np.clip(x, 0.0, None)),
        [-1.0, 0.0, 1.0],
        [0.0, 1.0, 1.0],
    ),
    ("maximum at a tie", lambda x: np.sum(np.maximum(x, 0.0)), [-1.0, 0.0, 1.0], [0.0, 0.5, 1.0]),
    ("abs at 0", lambda x: np.sum(np.abs(x)), [-1.0, 0.0], [-1.0, 0.0]),
    ("where guards", lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), [0.0, 2.0], [0.0, 0.5]),
    ("sinc at 0", lambda x: np.sum(np.sinc(x)), [0.0], [0.0]),
    ("prod with one zero", lambda x: np.prod(x), [2.0, 0.0, 5.0], [0.0, 10.0, 0.0]),
    ("prod with two zeros", lambda x: np.prod(x), [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ("prod that underflows", lambda x: np.prod(x), [1e-200, 1e-200], [1e-200, 1e-200]),
    ("nansum leaves nan alone", lambda x: np.nansum(x * x), [np.nan, 2.0], [0.0, 4.0]),
    ("nan_to_num", lambda x: np.sum(np.nan_to_num(x)), [np.inf, 2.0, np.nan], [0.0, 1.0, 0.0]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("f", "x", "expected"), [pytest.param(*c, id=i) for i, *c in CONVENTIONS])
def test_conventions(f: Any, x: list[float], expected: list[float]) -> None:
    at = np.array(x)
    np.testing.assert_allclose(symdiff.grad(f)(at), expected, rtol=1e-12)
    forward = [symdiff.jvp(f)(at, d.reshape(at.shape))[1] for d in np.eye(at.size)]
    np.testing.assert_allclose(np.reshape(forward, at.shape), expected, rtol=1e-12)


def test_second_derivatives_where_factors_are_zero() -> None:
    def f(x: Any) -> Any:
        return np.prod(x)

    def g(x: Any) -> Any:
        return np.sum(np.cumprod(x))

    x = np.array([0.0, 0.0, 3.0])
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = 3.0
    np.testing.assert_array_equal(symdiff.hessian(f)(x), expected)
    expected[0, 1] = expected[1, 0] = 4.0  # x0 x1 and x0 x1 x2
    expected[1, 2] = expected[2, 1] = 0.0
    np.testing.assert_array_equal(symdiff.hessian(g)(x), expected)


def test_third_derivative_of_prod() -> None:
    def f(x: Any) -> Any:
        return np.prod(x)

    third = symdiff.jacobian(symdiff.hessian(f))(np.array([0.0, 0.0, 0.0]))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                assert third[i, j, k] == float(len({i, j, k}) == 3)


def test_determinant_of_a_singular_matrix() -> None:
    def f(x: Any) -> Any:
        return np.linalg.det(x)

    rng = np.random.default_rng(0)
    low = rng.standard_normal((4, 3))
    for a in (low @ low.T, np.diag([1.0, 2.0, 0.0, 3.0])):
        cofactors = np.empty((4, 4))
        for i in range(4):
            for j in range(4):
                minor = np.delete(np.delete(a, i, 0), j, 1)
                cofactors[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        np.testing.assert_allclose(symdiff.grad(f)(a), cofactors, rtol=1e-6, atol=1e-9)


# float32 stays float32, integers stay integers.


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("f", "args"), [p for group in GROUPS for p in params(group)])
def test_float32(f: Any, args: list[Any]) -> None:
    single = [np.asarray(a, dtype=np.float32)[()] for a in args]
    every = list(range(len(args)))
    expected = f(*single)
    if np.asarray(expected).dtype != np.float32:
        pytest.skip("NumPy itself widens")
    value, tangent = symdiff.jvp(f, wrt=every)(*single, tuple(random_like(tuple(single), 1)))
    same_kind(value, expected)
    same_kind(tangent, expected)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)
    _, grads = symdiff.vjp(f, wrt=every)(*single, random_like((expected,), 2)[0])
    for grad, arg in zip(grads, single, strict=True):
        same_kind(grad, arg)


INTEGERS: list[Any] = [
    lambda x, k: (x * np.sum(k), np.sum(k)),
    lambda x, k: (x, np.prod(k, axis=0)),
    lambda x, k: (x, np.cumsum(k, axis=1), np.max(k), np.mean(k)),
    lambda x, k: (x, np.cumsum(k > 2, axis=0), np.sum(k > 2)),
    lambda x, k: (x, k.T @ k, np.diag(k[0]), np.tril(k), np.diff(k)),
    lambda x, k: (x, np.argmax(k, axis=1), np.any(k > 2), np.count_nonzero(k)),
    lambda x, k: (x, np.max(k > 2), np.var(k), np.sort(k, axis=0)),
    lambda x, k: (x * len(k), np.repeat(k, 2, axis=0), np.tile(k, 2), np.flip(k, 1)),
    lambda x, k: (x, np.zeros_like(k), np.ones(3, dtype=int), np.full(2, 7), np.eye(2, dtype=int)),
    lambda x, k: (x, np.arange(3), np.arange(2, 8, 3), np.arange(3, dtype=float), k.astype(float)),
    lambda x, k: (x, np.linspace(0, 1, 3), np.concatenate([k, k]), np.stack([k, k], -1)),
    lambda x, k: (x, np.searchsorted(x, 0.5), np.array_equal(k, k), np.allclose(x, x)),
    lambda x, k: (x, np.logical_and(k, k > 2), np.isclose(k, 2), np.round(x, 1)),
]


@pytest.mark.parametrize("f", INTEGERS, ids=[str(f.__code__.co_firstlineno) for f in INTEGERS])
def test_integers(f: Any) -> None:
    x, k = np.sort(arr(3)), np.array([[3, 0, 2], [1, 5, -2]])
    value, _ = symdiff.jvp(f)(x, k, x)
    for got, expected in zip(value, f(x, k), strict=True):
        same_kind(got, expected)
        np.testing.assert_array_equal(got, expected)


# Empty arrays.


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x),
        lambda x: np.prod(x),
        lambda x: np.sum(x, axis=0),
        lambda x: np.cumsum(x),
        lambda x: np.concatenate([x, x]),
        lambda x: x @ x,
        lambda x: np.flip(x) * 2.0,
        lambda x: np.linalg.norm(x),
        lambda x: x[::2],
        lambda x: x[x > 0],
        lambda x: np.sort(x),
        lambda x: np.outer(x, x),
        lambda x: x.reshape(0, 3),
    ],
)
def test_empty(f: Any) -> None:
    check(f, np.zeros(0), second=False)


# Indices known only at run time.


def test_run_time_indices() -> None:
    def one(x: Any, i: Any) -> Any:
        return x[i] * x[-1]

    def several(x: Any, places: Any) -> Any:
        return np.sum(x[places] ** 2)

    def sliced(x: Any, i: Any, j: Any) -> Any:
        return np.sum(x[i:j] ** 2)

    x = arr(5)
    for i in (0, 3, -2):
        expected = np.zeros(5)
        expected[i] += x[-1]
        expected[-1] += x[i]
        np.testing.assert_allclose(symdiff.grad(one)(x, i), expected)
    places = np.array([0, 2, 2, -1])
    expected = np.zeros(5)
    np.add.at(expected, places, 2 * x[places])
    np.testing.assert_allclose(symdiff.grad(several)(x, places), expected)
    for i, j in ((0, 3), (1, 99), (-2, 5), (3, 1), (-99, 2)):
        expected = np.zeros(5)
        expected[i:j] = 2 * x[i:j]
        np.testing.assert_allclose(symdiff.grad(sliced)(x, i, j), expected)
    with pytest.raises(IndexError):
        symdiff.grad(one)(x, 5)
    with pytest.raises(IndexError):
        symdiff.grad(several)(x, np.array([5]))


def random_key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index expression of any kinds of items, not always a valid one."""
    key: list[Any] = []
    axis = 0
    for _ in range(rng.integers(1, len(shape) + 2)):
        dim = shape[min(axis, len(shape) - 1)]
        bounds = [
            None if rng.random() < 0.4 else int(rng.integers(-dim - 2, dim + 3)) for _ in "ab"
        ]
        if None not in bounds and bounds[1] == bounds[0] + 1:  # type: ignore[operator]
            bounds[1] = None  # taken to be one wide: see `shape._takes_one`
        options: list[Any] = [
            int(rng.integers(-dim, dim)),
            slice(*bounds, None if rng.random() < 0.5 else int(rng.choice([-2, -1, 1, 2]))),
            slice(None),
            None,
            Ellipsis,
            rng.integers(-dim, dim, [(2,), (1,), (3, 2), (2, 1)][rng.integers(0, 4)]),
            [int(v) for v in rng.integers(-dim, dim, 2)],
            rng.random(dim) < 0.5,
        ]
        item = options[rng.integers(0, len(options))]
        key.append(item)
        axis += item is not None and item is not Ellipsis
    return tuple(key)


@pytest.mark.parametrize("seed", range(60))
def test_random_index(seed: int) -> None:
    """Where the axes of integer arrays go is NumPy's rule; the adjoint adds up repeated places."""
    rng = np.random.default_rng(seed)
    while True:
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
        x, key = rng.standard_normal(shape), random_key(rng, shape)
        try:
            expected = x[key]
            break
        except IndexError:
            continue
    value, tangent = symdiff.jvp(lambda x: x[key])(x, 2.0 * x)
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(tangent, 2.0 * expected)
    ct = rng.standard_normal(np.shape(expected))
    adjoint = np.zeros(shape)
    np.add.at(adjoint, key, ct)
    _, grad = symdiff.vjp(lambda x: x[key])(x, ct)
    np.testing.assert_allclose(grad, adjoint, rtol=1e-14, atol=1e-14)


# What is refused, and what is wrong, says so.


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.sum(x, axis=2), IllTypedError, "axis 2 is out of bounds"),
        (lambda x: np.sum(x, axis=(0, 0)), IllTypedError, "duplicate value"),
        (lambda x: x.partition(1), UnsupportedError, "in place"),
        (lambda x: x.tolist(), UnsupportedError, "tolist"),
        (lambda x: np.where(x > 0), UnsupportedError, "one argument"),
        (lambda x: np.linalg.norm(x, 2), UnsupportedError, "matrix norm"),
        (lambda x: np.arange(0.0, x[0, 0]), UnsupportedError, "np.arange"),
        (lambda x: np.repeat(x, x), IllTypedError, "size"),
        (lambda x: np.einsum("ij,jk", x), IllTypedError, "operands"),
        (lambda x: np.einsum("ij->ijj", x), IllTypedError, "once"),
        (lambda x: np.reshape(x, (2, 3), order="F"), UnsupportedError, "order"),
        (lambda x: x[0, 0, 0], IllTypedError, "too many indices"),
        (lambda x: x[0.5], IllTypedError, "integer"),
        (lambda x: np.rot90(x, axes=(0, 0)), IllTypedError, "different"),
        (lambda x: np.tensordot(x, x, axes=3), IllTypedError, "axes"),
        (lambda x: x @ 2.0, IllTypedError, "matmul"),
        (lambda x: np.squeeze(x, axis=0), IllTypedError, "squeeze"),
        (lambda x: np.take(x, [0], axis=0, mode="clip"), UnsupportedError, "mode"),
        (lambda x: np.median(x, keepdims=True), UnsupportedError, "keepdims"),
        (lambda x: np.linalg.eigvals(x), UnsupportedError, "eigvals"),
        (lambda x: np.sum(x, axis=x), UnsupportedError, "axis"),
    ],
)
def test_refused(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        symdiff.jvp(f)(arr(2, 3), arr(2, 3))


def test_static_calls_are_sizes() -> None:
    def f(x: Any) -> Any:
        n = int(np.prod((2, 3)))
        table = np.argsort([3.0, 1.0, 2.0])
        return np.sum(x.reshape(np.prod(x.shape))[:n]) * table[0] + x.size

    x = arr(2, 4)
    expected = np.zeros(8)
    expected[:6] = 1.0
    np.testing.assert_array_equal(symdiff.grad(f)(x), expected.reshape(2, 4))


def test_sizes_of_slices_beyond_the_end() -> None:
    def f(x: Any) -> Any:
        return (1 + len(x[5:]) + len(x[:-4])) * np.sum(x) + np.sum(x[3:]) + np.sum(x[1:-3])

    for n in (2, 3, 6, 9):
        factor = 1 + max(n - 5, 0) + max(n - 4, 0)
        expected = np.full(n, float(factor))
        expected[3:] += 1.0
        expected[1:-3] += 1.0
        np.testing.assert_array_equal(symdiff.grad(f)(arr(n)), expected)


def test_item() -> None:
    def f(x: Any) -> Any:
        return x.item(1) * x[:1].item() * x.reshape(2, 2).item(0, 1)

    x = arr(4)
    np.testing.assert_allclose(symdiff.grad(f)(x), [x[1] ** 2, 2 * x[0] * x[1], 0.0, 0.0])
    with pytest.raises(ValueError):
        symdiff.grad(lambda x: x.item())(x)


# Ranges and lists as indices.


def test_ranges_as_indices():
    x = np.array([0.4, -0.3, 0.2, 0.5])
    expected = np.array([0.8, -0.6, 0.4, 0.0])
    np.testing.assert_allclose(symdiff.grad(lambda x: np.sum(x[range(3)] ** 2))(x), expected)
    np.testing.assert_allclose(
        symdiff.grad(lambda x: np.sum(x[range(len(x) - 1)] ** 2))(x), expected
    )

    def written(x, n: int):
        y = x.copy()
        y[range(1, n, 2)] = 1.0
        return np.sum(y * x) + np.sum(x[list(range(n))])

    np.testing.assert_allclose(symdiff.grad(written, static=())(x, 4), [1.8, 2.0, 1.4, 2.0])


def test_what_is_no_index_has_pythons_name():
    x = np.array([0.4, -0.3])
    with pytest.raises(symdiff.IllTypedError, match="not iterator") as info:
        symdiff.grad(lambda x: np.sum(x[enumerate(x)]))(x)
    assert info.value.span is not None
