"""Products of matrices in C: loops for small ones, BLAS for large ones, and views as they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_c_matrices import PLAIN, assert_same, compare, general, made


def views(a, b, w):
    """Transposes, slices, batches, sums over what is not last: whatever has a place in memory."""
    z = a @ b
    total = np.sum(np.sin(z)) + np.sum((z.T @ w[0]) ** 2)
    total += np.sum((a[1:] @ b[:, 2:]) ** 2) + np.sum((a.T[2:] @ b.T) ** 2)
    total += np.sum((w @ b) ** 2) + np.sum((w @ w) ** 2) + np.sum(a[::2] @ b)
    total += np.sum(np.einsum("ij,kjl->kil", a, w) ** 2)
    total += np.sum(np.tensordot(w, b, axes=((1,), (0,))) ** 2)
    total += np.sum((np.tril(a) @ np.exp(b)) ** 2) + np.sum(w[1] @ w[2].T)
    return total


def in_turn(x, w):
    for i in range(len(w)):
        x = np.tanh(x @ w[i])
    return np.sum(x * x)


# From 8192 numbers on, BLAS is called for products of 32768 and more.
def test_views(quick: symdiff.Options) -> None:
    for n in (3, 20, 50):
        compare(views, quick, general(n, n), general(n, n) / n, general(3, n, n) / n, rtol=1e-11)


def test_products_in_loops(quick: symdiff.Options) -> None:
    for n in (3, 50):
        compare(in_turn, quick, general(n + 2, n), general(4, n, n) / n, rtol=1e-11)


def test_float32(quick: symdiff.Options) -> None:
    for n in (3, 70):
        x, w = general(n + 2, n), general(4, n, n) / n
        compare(in_turn, quick, x.astype(np.float32), w.astype(np.float32), rtol=1e-3)


def test_products_of_nothing(quick: symdiff.Options) -> None:
    run, plain = (made(symdiff.value_and_grad, in_turn, o) for o in (quick, PLAIN))
    for x, w in [((0, 3), (4, 3, 3)), ((2, 0), (4, 0, 0)), ((2, 3), (0, 3, 3))]:
        assert_same(run(np.ones(x), np.ones(w)), plain(np.ones(x), np.ones(w)), 1e-12)


def partly(a, b):
    return np.sum((a @ b)[3:])


@pytest.mark.parametrize("n", [4, 80])
def test_what_is_not_finite_spreads(n: int, quick: symdiff.Options) -> None:
    a, b = np.zeros((n, n)), np.ones((n, n))
    a[0, 0], a[1, 1], b[2, 2] = np.nan, np.inf, np.inf
    run, plain = (made(symdiff.value_and_grad, partly, o) for o in (quick, PLAIN))
    with np.errstate(invalid="ignore"):
        found, want = run(a, b), plain(a, b)
    assert np.isnan(found[0])  # 0 * inf
    for x, y in zip(found[1], want[1], strict=True):
        np.testing.assert_array_equal(x, y)


def test_without_scipy_the_loops_serve(quick: symdiff.Options, tmp_path: Any) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\nsys.modules['scipy'] = None\n"
        "import numpy as np, symdiff\n"
        "def f(a, b):\n    return np.sum((a @ b) ** 2) + np.sum(np.linalg.inv(a))\n"
        f"options = symdiff.Options(target='c', compiler=symdiff.options.{quick.compiler!r})\n"
        "a, b = np.eye(100) + 0.01, np.cos(np.arange(10000.0)).reshape(100, 100)\n"
        "found = symdiff.grad(f, options=options)(a, b)\n"
        "print(np.abs(found - symdiff.grad(f)(a, b)).max())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1e-10
