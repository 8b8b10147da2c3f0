"""The call layer of compiled kernels: what it takes, what it gives back, what it refuses."""

from __future__ import annotations

import gc
import inspect
import math
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symdiff.codegen.c.header import header
from symdiff.ir.interface import Size
from symdiff.ir.types import Type, dim_add, dim_mul, symbol
from symdiff.options import CompilerOptions
from symdiff.runtime.toolchain import run
from tests.helpers_c import compiled, interface, listed, source_of

DOUBLED = "for (int64_t i = 0; i < n; i++) out[i] = 2 * x[i];"
BIG = 2**70


class Number:
    """Something that is a number because it says so."""

    def __init__(self, value: Any):
        self.value = value

    def __float__(self) -> float:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


# Numbers


@pytest.fixture(scope="module")
def halved(cc: CompilerOptions) -> Callable[..., Any]:
    return compiled(cc, "*out = 0.5 * x;", {"x": "float"}, {"out": "float"})


@pytest.mark.parametrize(
    "given",
    [3.0, 3, True, -1, -1.0, -0.0, math.inf, np.float64(3.0), np.float32(0.1), np.int8(3), np.True_,
     np.array(3.0), np.array(3, dtype=np.int16), np.float16(0.5), np.longdouble(0.25),
     Number(1.25), 2**60 + 1],
)  # fmt: skip
def test_floats(halved: Callable[..., Any], given: Any) -> None:
    result = halved(given)
    assert type(result) is float
    assert (result, math.copysign(1.0, result)) == (
        0.5 * float(given),
        math.copysign(1.0, float(given)),
    )


def test_nan_stays(halved: Callable[..., Any]) -> None:
    assert math.isnan(halved(math.nan))


@pytest.mark.parametrize(
    "given",
    ["1.0", b"1.0", np.str_("1.0"), np.bytes_(b"1"), 1j, np.complex64(1), np.complex128(1),
     np.array(1j), np.array([1.0]), np.array("1"), None, [1.0], object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_float(halved: Callable[..., Any], given: Any) -> None:
    with pytest.raises(TypeError, match="^x must be a number, not "):
        halved(given)


def test_errors_of_conversions_pass(halved: Callable[..., Any]) -> None:
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        halved(10**400)
    with pytest.raises(ZeroDivisionError, match="mine"):
        halved(Number(ZeroDivisionError("mine")))


def test_integers(cc: CompilerOptions) -> None:
    f = compiled(cc, "*out = n + 1;", {"n": "int"}, {"out": "int"})
    for given in (0, -7, True, 2**63 - 2, -(2**63), np.int64(5), np.uint8(5), np.array(5)):
        assert f(given) == int(given) + 1
        assert type(f(given)) is int
    for wrong in (1.0, "1", None, np.float64(1.0), np.True_, Number(1.0), np.array([1])):
        with pytest.raises(TypeError, match="^n must be an integer, not "):
            f(wrong)
    for large in (2**63, -BIG, np.uint64(2**63)):
        with pytest.raises(OverflowError, match="^n does not fit into 64 bits"):
            f(large)


def test_bools(cc: CompilerOptions) -> None:
    f = compiled(cc, "*out = !p;", {"p": Type("bool", (), True)}, {"out": Type("bool", (), True)})
    for given in (True, False, np.True_, np.False_, np.array(True)):
        assert f(given) is (not given)
    for wrong in (1, 0.0, "yes", None, np.array([True]), np.int64(1)):
        with pytest.raises(TypeError, match="^p must be a bool, not "):
            f(wrong)


@pytest.mark.parametrize(
    "dtype, kind, given",
    [("float64", np.float64, 0.1), ("float32", np.float32, 0.1), ("int", np.int64, -3),
     ("bool", np.bool_, True)],
)  # fmt: skip
def test_numbers_of_numpy(cc: CompilerOptions, dtype: Any, kind: Any, given: Any) -> None:
    """Not weak: they come back as NumPy's, of the same precision."""
    f = compiled(cc, "*out = x;", {"x": Type(dtype)}, {"out": Type(dtype)})
    for x in (given, kind(given), np.array(given, dtype=kind)):
        assert type(f(x)) is kind
        assert f(x) == kind(given)


def test_count_of_arguments(cc: CompilerOptions, halved: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"^kernel\(\) takes 1 argument, not 2$"):
        halved(1.0, 2.0)
    with pytest.raises(TypeError, match="keyword"):
        halved(x=1.0)
    none = compiled(cc, "*out = 1.5;", {}, {"out": "float"})
    assert none() == 1.5
    with pytest.raises(TypeError, match=r"^kernel\(\) takes 0 arguments, not 1$"):
        none(1.0)


def test_docstring_and_signature(halved: Callable[..., Any]) -> None:
    assert halved.__name__ == "kernel"
    assert halved.__doc__ == "A kernel under test."
    assert str(inspect.signature(halved)) == "(x, /)"


# Arrays


@pytest.fixture(scope="module")
def doubled(cc: CompilerOptions) -> Callable[..., Any]:
    return compiled(cc, DOUBLED, {"x": "float64[n]"}, {"out": "float64[n]"})


def _unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:]
    made = raw.view(x.dtype).reshape(x.shape)
    made[...] = x
    assert not (x.size and made.flags.aligned)
    return made


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda x: x,
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": _unaligned,
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    "transposed": lambda x: x.T.copy().T,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_layouts(doubled: Callable[..., Any], layout: str, size: int) -> None:
    x = LAYOUTS[layout](np.arange(float(size)) + 0.5)
    before = x.tolist()
    result = doubled(x)
    assert result.dtype == np.float64 and result.flags.c_contiguous and result.flags.owndata
    assert result.flags.writeable
    np.testing.assert_array_equal(result, 2.0 * x)
    assert x.tolist() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_matrices(cc: CompilerOptions, layout: str) -> None:
    body = "for (int64_t i = 0; i < d; i++) for (int64_t j = 0; j < n; j++)\n"
    body += "        out[i * n + j] = x[j * d + i];"
    f = compiled(cc, body, {"x": "float64[n,d]"}, {"out": "float64[d,n]"})
    x = LAYOUTS[layout](np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(f(x), x.T)


@pytest.mark.parametrize(
    "given, kind, message",
    [
        ([1.0], TypeError, "x must be an array, not list"),
        (1.0, TypeError, "x must be an array, not float"),
        (np.float64(1.0), TypeError, "x must be an array, not numpy.float64"),
        (np.ma.array([1.0], mask=[True]), TypeError, "x must be an array, not MaskedArray"),
        (np.arange(3), TypeError, "x must be an array of float64, not of int64"),
        (np.zeros(3, np.float32), TypeError, "x must be an array of float64, not of float32"),
        (np.zeros(3, complex), TypeError, "x must be an array of float64, not of complex128"),
        (np.zeros(3, object), TypeError, "x must be an array of float64, not of object"),
        (np.zeros((3, 1)), TypeError, "x must be of rank 1, not 2"),
        (np.zeros(()), TypeError, "x must be of rank 1, not 0"),
    ],
    ids=repr,
)
def test_what_is_no_such_array(
    doubled: Callable[..., Any], given: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        doubled(given)
    assert str(caught.value) == message


def test_arrays_of_float32_and_bool(cc: CompilerOptions) -> None:
    body = "for (int64_t i = 0; i < n; i++) out[i] = p[i] ? x[i] : -x[i];"
    f = compiled(cc, body, {"x": "float32[n]", "p": "bool[n]"}, {"out": "float32[n]"})
    x, p = np.arange(4, dtype=np.float32), np.array([True, False, True, False])
    result = f(x, p)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [0.0, -1.0, 2.0, -3.0])
    with pytest.raises(TypeError, match="p must be an array of bool, not of uint8"):
        f(x, p.view(np.uint8))


WIDTHS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64,
          np.longlong, np.ulonglong, np.intp]  # fmt: skip


@pytest.mark.parametrize("kind", WIDTHS)
def test_integers_of_any_width(cc: CompilerOptions, kind: Any) -> None:
    f = compiled(cc, DOUBLED, {"x": "int[n]"}, {"out": "int[n]"})
    for x in (np.arange(5, dtype=kind), np.arange(10, dtype=kind)[::-2], np.zeros(0, kind)):
        assert f(x).dtype == np.int64
        np.testing.assert_array_equal(f(x), 2 * x)


def test_integers_that_do_not_fit(cc: CompilerOptions) -> None:
    f = compiled(cc, DOUBLED, {"x": "int[n]"}, {"out": "int[n]"})
    with pytest.raises(OverflowError, match=r"^x\[...\] does not fit into 64 bits"):
        f(np.array([1, 2**63], dtype=np.uint64))
    with pytest.raises(TypeError, match="x must be an array of int64, not of bool"):
        f(np.array([True]))
    with pytest.raises(TypeError, match="x must be of rank 1, not 2"):
        f(np.zeros((2, 2), dtype=np.int16))


# Sizes


def test_sizes_are_compared(cc: CompilerOptions) -> None:
    n, d = symbol("n"), symbol("d")
    arguments = {
        "x": "float64[n,d]", "y": "float64[n]", "z": Type("float64", (dim_add(dim_mul(2, n), d),)),
        "w": "float64[3]",
    }  # fmt: skip
    f = compiled(cc, "*out = n * d;", arguments, {"out": "int"})
    x, y, z, w = np.zeros((4, 5)), np.zeros(4), np.zeros(13), np.zeros(3)
    assert f(x, y, z, w) == 20
    for wrong, message in [
        ((x, y[1:], z, w), "axis 0 of y has size 3, not n = 4"),
        ((x, y, z[1:], w), "axis 0 of z has size 12, not d+2*n = 13"),
        ((x, y, z, w[1:]), "axis 0 of w has size 2, not 3"),
    ]:
        with pytest.raises(ValueError) as caught:
            f(*wrong)
        assert str(caught.value) == message


def test_sizes_of_results(cc: CompilerOptions) -> None:
    n, m = symbol("n"), symbol("m")
    results = {"a": Type("float64", (dim_add(dim_mul(n, m), -1), 2)), "b": Type("int", (m,))}
    sizes = (Size("n", "n", 0, 0), Size("m", "m_size", 1, -1))
    body = (
        "for (int64_t i = 0; i < 2 * (n * m_size - 1); i++) a[i] = i;\n"
        "    for (int64_t i = 0; i < m; i++) b[i] = i;"
    )
    f = compiled(cc, body, {"x": "float64[n]", "m": "int"}, results, (0, 1), sizes=sizes)
    a, b = f(np.zeros(4), 3)
    np.testing.assert_array_equal(a, np.arange(22.0).reshape(11, 2))
    np.testing.assert_array_equal(b, [0, 1, 2])
    with pytest.raises(ValueError, match="negative dimensions"):
        f(np.zeros(4), -1)
    for huge in (2**40, 2**62, 2**63 - 1):
        with pytest.raises(MemoryError):
            f(np.zeros(2**14), huge)


def test_sizes_that_the_kernel_computes(cc: CompilerOptions) -> None:
    """As of a slice, `x[1:m]`: a function of the sizes before it."""
    before = (
        "static int64_t five(void) { return 5; }\n"
        "static int64_t smaller(int64_t five, int64_t n) { return n < five ? n : five; }\n"
    )
    sizes = (
        Size("five", "five_size", function="five"), Size("n", "n", 0, 0),
        Size("min(n, five)", "k", function="smaller"),
    )  # fmt: skip
    shape = (symbol("min(n, five)"), symbol("five"))
    body = "for (int64_t i = 0; i < k * 5; i++) out[i] = i;"
    arguments, results = {"x": "float64[n]"}, {"out": Type("float64", shape)}
    f = compiled(cc, body, arguments, results, before=before, sizes=sizes)
    for n in (0, 3, 8):
        np.testing.assert_array_equal(f(np.zeros(n)), np.arange(min(n, 5) * 5.0).reshape(-1, 5))
    text = header([interface(arguments, results, sizes=sizes)])
    assert "   k: min(n, five)\n" in text and "   out: where float64[k, five_size] goes\n" in text


def test_huge_lists(cc: CompilerOptions) -> None:
    """Lists that stand in one another many times have more numbers than there is memory for."""
    f = compiled(cc, "*out = l[0];", {"l": listed("float64[a,b,c]", 3)}, {"out": "float"})
    for row in (10**5, 3 * 10**6):
        inner = [[0.0] * row] * row
        with pytest.raises(MemoryError):
            f([inner] * row)


# Lists


@pytest.mark.parametrize(
    "dtype, rows",
    [("float64", [[1.0, 2, np.float32(3)], (4.0, np.float64(5), True)]),
     ("float32", [[1.0, 2, 0.1], (4.0, 5, 6)]), ("int", [[1, 2, np.int8(3)], (4, 5, 6)]),
     ("bool", [[True, False, np.True_], (False, False, True)])],
)  # fmt: skip
@pytest.mark.parametrize("weak", [True, False])
def test_lists_of_lists(cc: CompilerOptions, dtype: Any, rows: Any, weak: bool) -> None:
    type_ = listed(f"{dtype}[m,n]", 2, weak)
    body = "for (int64_t i = 0; i < n * m; i++) out[i] = x[i];"
    f = compiled(cc, body, {"x": type_}, {"out": type_})
    kind = {"int": np.int64, "bool": np.bool_}.get(dtype) or np.dtype(dtype).type
    result = f(rows)
    assert result == [[kind(x) for x in row] for row in rows]
    assert isinstance(result, list) and all(type(row) is list for row in result)
    wanted = {"int": int, "bool": bool}.get(dtype, float) if weak else kind
    assert {type(x) for row in result for x in row} == {wanted}
    assert f([]) == [] and f([[], []]) == [[], []] and f(()) == []


@pytest.fixture(scope="module")
def summed(cc: CompilerOptions) -> Callable[..., Any]:
    body = "*out = 0;\n    for (int64_t i = 0; i < n * m; i++) *out += x[i];"
    return compiled(cc, body, {"x": listed("float64[m,n]", 2)}, {"out": "float"})


class Shrinking:
    """A number that takes the last item out of a list when it is read."""

    def __init__(self, victim: list[Any]):
        self.victim = victim

    def __float__(self) -> float:
        self.victim.pop()
        return 1.0


@pytest.mark.parametrize(
    "given, kind, message",
    [
        (5.0, TypeError, "x must be a list, not float"),
        (np.zeros((2, 2)), TypeError, "x must be a list, not numpy.ndarray"),
        ("ab", TypeError, "x must be a list, not str"),
        ([1.0, 2.0], TypeError, "x[...] must be a list, not float"),
        ([[1.0], 2.0], TypeError, "x[...] must be a list, not float"),
        ([[1.0], ["2"]], TypeError, "x[...] must be a number, not str"),
        ([[1.0], [[2.0]]], TypeError, "x[...] must be a number, not list"),
        ([[1.0], [2.0, 3.0]], ValueError, "x[...] differ in length: 1 and 2"),
        ([[], [3.0]], ValueError, "x[...] differ in length: 0 and 1"),
        ([[1.0, 10**400]], OverflowError, "int too large to convert to float"),
    ],
    ids=repr,
)
def test_what_is_no_such_list(
    summed: Callable[..., Any], given: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        summed(given)
    assert str(caught.value) == message


def test_lists_that_shrink_while_they_are_read(summed: Callable[..., Any]) -> None:
    row: list[Any] = [0.0, 0.0, 0.0]
    row[0] = Shrinking(row)
    with pytest.raises(IndexError):
        summed([row])
    rows: list[Any] = [[0.0], [0.0], [0.0]]
    rows[0][0] = Shrinking(rows)
    with pytest.raises(IndexError):
        summed(rows)


def test_sizes_in_empty_lists_are_unknown(cc: CompilerOptions) -> None:
    types = {"w": "float64[d]", "x": listed("float64[m,d]", 2), "y": listed("float64[m,2]", 2)}
    f = compiled(cc, "*out = m + d;", types, {"out": "int"})
    assert f(np.zeros(3), [], []) == 3
    assert f(np.zeros(3), [[1.0, 2.0, 3.0]], [[1.0, 2.0]]) == 4
    with pytest.raises(ValueError, match="axis 1 of x has size 2, not d = 3"):
        f(np.zeros(3), [[1.0, 2.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="axis 1 of y has size 1, not 2"):
        f(np.zeros(3), [[1.0, 2.0, 3.0]], [[1.0]])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int", "bool"])
def test_lists_of_arrays(cc: CompilerOptions, dtype: str) -> None:
    body = "for (int64_t i = 0; i < 2 * n * m; i++) out[i] = x[i];"
    type_ = listed(f"{dtype}[m,n,2]", 1, False)
    f = compiled(cc, body, {"x": type_}, {"out": type_})
    kind = np.int16 if dtype == "int" else dtype
    rows = [np.arange(6).reshape(3, 2).astype(kind), np.ones((2, 3), kind).T]
    result = f(rows)
    assert type(result) is list and len(result) == 2
    for made, row in zip(result, rows, strict=True):
        assert made.dtype == np.dtype("int64" if dtype == "int" else dtype)
        np.testing.assert_array_equal(made, row)
    result[0][0, 0] = 1  # of its own
    assert f([]) == []


def test_lists_of_lists_of_arrays(cc: CompilerOptions) -> None:
    body = "for (int64_t i = 0; i < a * b * n; i++) out[i] = -x[i];"
    type_ = listed("float64[a,b,n]", 2, False)
    f = compiled(cc, body, {"x": type_}, {"out": type_})
    result = f([[np.arange(2.0), np.ones(2)], [np.zeros(2), np.full(2, 5.0)]])
    assert [[x.tolist() for x in row] for row in result] == [
        [[0.0, -1.0], [-1.0, -1.0]], [[0.0, 0.0], [-5.0, -5.0]]
    ]  # fmt: skip
    x = np.zeros(2)
    for wrong, message in [
        ([[x], [x, x]], "x[...] differ in length: 1 and 2"),
        ([[x, x[1:]]], "axis 0 of x[...] has size 1, not 2"),
        ([[x, [0.0, 0.0]]], "x[...] must be an array, not list"),
        ([[x, x.astype(int)]], "x[...] must be an array of float64, not of int64"),
        ([[np.zeros((2, 2))]], "x[...] must be of rank 1, not 2"),
    ]:
        with pytest.raises((TypeError, ValueError)) as caught:
            f(wrong)
        assert str(caught.value) == message


# What is returned


def test_containers(cc: CompilerOptions) -> None:
    marker = object()
    tree = (0, [1, {"b": 0, ("key", 1): (2,)}, []], {}, (), -1, {3: -2, "c": {"d": -1}}, 2)
    results = {"a": "float", "v": "float64[n]", "k": "int"}
    body = "*a = 0.5;\n    *k = n;\n    for (int64_t i = 0; i < n; i++) v[i] = i;"
    arguments = {"x": "float64[n]"}
    f = compiled(cc, body, arguments, results, tree, constants=(marker, None))
    first = f(np.zeros(2))
    assert first[1][0].tolist() == [0.0, 1.0]
    first[1][0] = "v"
    assert first == (
        0.5, ["v", {"b": 0.5, ("key", 1): (2,)}, []], {}, (), marker,
        {3: None, "c": {"d": marker}}, 2,
    )  # fmt: skip
    assert f(np.zeros(2)) is not first
    assert first[4] is marker


def test_one_array_in_two_places_is_one_object(cc: CompilerOptions) -> None:
    f = compiled(cc, DOUBLED, {"x": "float64[n]"}, {"out": "float64[n]"}, (0, [0]))
    first, (second,) = f(np.ones(2))
    assert first is second


@pytest.mark.parametrize("tree, wanted", [((), ()), ([], []), ({}, {}), (-1, None)])
def test_nothing_is_returned(cc: CompilerOptions, tree: Any, wanted: Any) -> None:
    constants = (None,) if tree == -1 else ()
    f = compiled(cc, "", {"x": "float"}, {}, tree, constants=constants)
    assert f(1.0) == wanted


def test_the_objects_are_wanted_first(cc: CompilerOptions) -> None:
    f = compiled(cc, "*out = x;", {"x": "float"}, {"out": "float"}, {"a": 0})
    assert f(2.0) == {"a": 2.0}
    from symdiff.runtime.compiler import load_extension

    face = interface({"x": "float"}, {"out": "float"}, {"a": 0})
    module = load_extension(source_of(face, "*out = x;"), "kernel", cc)
    assert module.kernel(("b",))(2.0) == {"b": 2.0}
    for wrong in (None, (), ["a"], ("a", "b")):
        with pytest.raises(TypeError, match=r"kernel\(\) takes a tuple of 1"):
            module.kernel(wrong)


def test_faults(cc: CompilerOptions) -> None:
    faults = (
        ("ValueError", "math domain error"), ("ZeroDivisionError", 'a "quoted" \\ %d ??/ μ\n'),
        ("KeyError", ""),
    )  # fmt: skip
    f = compiled(cc, "if (n) return (int)n;\n    *out = 1.0;", {"n": "int"}, {"out": "float"},
                 faults=faults)  # fmt: skip
    assert f(0) == 1.0
    with pytest.raises(MemoryError):
        f(1)
    for k, (name, message) in enumerate(faults, 2):
        with pytest.raises(Exception) as caught:
            f(k)
        assert type(caught.value).__name__ == name
        assert caught.value.args == (message,)


# Arguments that are written into


@pytest.fixture(scope="module")
def filled(cc: CompilerOptions) -> Callable[..., Any]:
    """Adds y to x; where y starts with a negative number it raises after that."""
    body = "for (int64_t i = 0; i < n; i++) x[i] += y[i];\n    if (n && y[0] < 0) return 2;"
    return compiled(
        cc, body, {"x": "float64[n]", "y": "float64[n]"}, {}, -1, constants=(None,),
        written=frozenset("x"), faults=(("ValueError", "negative"),),
    )  # fmt: skip


@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"broadcast", "read-only"}))
def test_writes(filled: Callable[..., Any], layout: str) -> None:
    x, y = LAYOUTS[layout](np.arange(5.0)), np.ones(5)
    assert filled(x, y) is None
    assert x.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert x.flags.writeable
    y[0] = -1.0
    with pytest.raises(ValueError, match="^negative$"):
        filled(x, y)
    assert x.tolist() == [0.0, 3.0, 4.0, 5.0, 6.0]  # as in Python, what has been written stays


def test_writes_between_other_elements(filled: Callable[..., Any]) -> None:
    whole = np.zeros((3, 4))
    filled(whole[:, 1], np.ones(3))
    assert whole.tolist() == [[0.0, 1.0, 0.0, 0.0]] * 3


def test_what_cannot_be_written(cc: CompilerOptions, filled: Callable[..., Any]) -> None:
    for layout in ("broadcast", "read-only"):
        with pytest.raises(ValueError, match="^x is written into, but it is read-only$"):
            filled(LAYOUTS[layout](np.arange(3.0)), np.ones(3))
    body = "for (int64_t i = 0; i < n; i++) x[i] += 1;"
    f = compiled(cc, body, {"x": "int[n]"}, {}, (), written=frozenset("x"))
    x = np.zeros(3, np.int64)
    f(x)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="x must be an array of int64, not of int32"):
        f(np.zeros(3, np.int32))
    with pytest.raises(TypeError, match="x must be an array, not list"):
        f([1, 2])


def test_overlaps(filled: Callable[..., Any]) -> None:
    base = np.zeros(8)
    for x, y in [
        (base, base), (base[:4], base[3:7]), (base[1:5], base[:4]), (base[::2], base[:4]),
        (base[::-1], base), (base, base.view(np.int64).view(float)), (base[4:], base[7:3:-1]),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="^y shares memory with x, which is written into$"):
            filled(x, y)
    assert not base.any()
    base[1::2] = 1.0
    filled(base[::2], base[1::2])  # between one another, and yet apart
    assert base.tolist() == [1.0] * 8
    filled(base[:4], base[4:])
    assert base.tolist() == [2.0] * 4 + [1.0] * 4
    filled(base[:0], base[:0])
    assert base.tolist() == [2.0] * 4 + [1.0] * 4


def test_reading_one_array_twice(cc: CompilerOptions) -> None:
    types = {"x": "float64[n]", "y": "float64[n]"}
    body = "for (int64_t i = 0; i < n; i++) out[i] = x[i] * y[i];"
    f = compiled(cc, body, types, {"out": "float64[n]"})
    x = np.arange(4.0)
    assert f(x, x).tolist() == [0.0, 1.0, 4.0, 9.0]
    assert f(x, x[::-1]).tolist() == [0.0, 2.0, 2.0, 0.0]


def test_two_arrays_that_are_written_into(cc: CompilerOptions) -> None:
    body = "for (int64_t i = 0; i < n; i++) { x[i] = 1; y[i] = 2; }"
    types = {"x": "float64[n]", "y": "float64[n]"}
    f = compiled(cc, body, types, {}, (), written=frozenset(types))
    x, y = np.zeros(3), np.zeros(6)
    f(x, y[::2])
    assert x.tolist() == [1.0] * 3 and y.tolist() == [2.0, 0.0] * 3
    with pytest.raises(ValueError, match="y shares memory with x"):
        f(x, x)


def test_only_arrays_are_written_into() -> None:
    with pytest.raises(ValueError, match="no arrays: x"):
        interface({"x": "float"}, {}, (), written=frozenset({"x"}))


# Memory


def everything(cc: CompilerOptions) -> tuple[Callable[..., Any], list[Any]]:
    """A function of all kinds of arguments and results, and arguments for it."""
    arguments = {
        "a": "float", "b": Type("float32"), "k": "int", "x": "float64[n]", "i": "int[n]",
        "w": "float64[n]", "l": listed("float64[m,n]", 2), "r": listed("float64[m,n]", 1, False),
    }  # fmt: skip
    results = {
        "a1": "float", "b1": Type("float32"), "x1": "float64[n]",
        "l1": listed("float64[m,n]", 2), "r1": listed("float64[m,n]", 1, False),
        "s1": listed("int[n]", 1, False),
    }  # fmt: skip
    body = (
        "if (k) return (int)k;\n    *a1 = a;\n    *b1 = b;\n"
        "    for (int64_t e = 0; e < n; e++) { x1[e] = x[e]; s1[e] = i[e]; w[e] += 1; }\n"
        "    for (int64_t e = 0; e < n * m; e++) { l1[e] = l[e]; r1[e] = r[e]; }"
    )
    f = compiled(
        cc, body, arguments, results, (0, [1, {"x": 2}], 3, 4, [5, -1]),
        constants=("constant",), written=frozenset("w"), faults=(("ValueError", "fault"),),
    )  # fmt: skip
    x = np.arange(8.0)[::2]
    w = np.zeros(8)[::2]
    given = [1.5, np.float32(2.5), 0, x, np.arange(4, dtype=np.int16), w]
    rows = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
    return f, [*given, rows, [x, np.ones(4)]]


OVERLAPPING = "an array that overlaps"
WRONG = [
    (5, OVERLAPPING),
    (), (0, "a"), (1, None), (2, 1.5), (2, 1), (2, 2), (2, BIG), (3, 1.0), (3, np.zeros(5)),
    (4, np.zeros(4)), (4, np.full(4, 2**63, np.uint64)), (5, np.zeros(3)), (6, [[1.0], 2.0]),
    (6, [[1.0] * 4, [1.0] * 3 + ["a"]]), (7, [np.zeros(4), 1.0]), (7, [np.zeros(4), np.zeros(3)]),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_nothing_leaks(cc: CompilerOptions, wrong: tuple[Any, ...]) -> None:
    f, given = everything(cc)
    if wrong:
        given[wrong[0]] = given[3] if wrong[1] is OVERLAPPING else wrong[1]

    def call(times: int) -> None:
        for _ in range(times):
            try:
                f(*given)
                assert not wrong
            except (TypeError, ValueError, OverflowError, MemoryError):
                assert wrong

    rows = given[7] if isinstance(given[7], list) else []
    kept = [*given, *given[6], *rows, np.dtype(float), np.dtype(np.int64), True]
    call(50)
    gc.collect()
    before = [sys.getrefcount(x) for x in kept]
    tracemalloc.start()
    try:
        call(10)
        small, _ = tracemalloc.get_traced_memory()
        call(2000)
        large, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    after = [sys.getrefcount(x) for x in kept]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 100, (before, after)
    assert large - small < 8000  # 4 bytes a call


def test_results_are_not_kept(doubled: Callable[..., Any]) -> None:
    x = np.ones(3)
    result = doubled(x)
    assert sys.getrefcount(result) == 2
    assert sys.getrefcount(x) == 2


# Threads

SPIN = """
    double s = 0.0;
    for (int64_t r = 0; r < 3000; r++)
        for (int64_t i = 0; i < n; i++) s = s * 0.999 + x[i] / (1.0 + r);
    *out = s;"""


def test_other_threads_run_during_a_long_kernel(cc: CompilerOptions) -> None:
    f = compiled(cc, SPIN, {"x": "float64[n]"}, {"out": "float"})
    x = np.ones(20_000)
    ticks = 0
    during: list[int] = []

    def call() -> None:
        before = ticks
        f(x)
        during.append(ticks - before)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # nobody is made to let others run
    thread = threading.Thread(target=call)
    try:
        thread.start()
        while thread.is_alive():
            ticks += 1
            time.sleep(1e-4)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert during[0] > 5


def test_calls_from_many_threads(cc: CompilerOptions) -> None:
    body = "for (int64_t i = 0; i < n; i++) out[i] = exp(x[i]) * a;"
    f = compiled(cc, body, {"a": "float", "x": "float64[n]"}, {"out": "float64[n]"})
    wrong: list[float] = []

    def work(a: float) -> None:
        x = np.linspace(0.0, a, 5000)
        wanted = np.exp(x) * a
        for _ in range(200):
            if not np.allclose(f(a, x), wanted, rtol=1e-12, atol=0.0):
                wrong.append(a)

    threads = [threading.Thread(target=work, args=(a,)) for a in (1.0, 2.0, 3.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_reentrance(cc: CompilerOptions, halved: Callable[..., Any]) -> None:
    """A conversion in the middle of a call calls the same function."""

    class Inner:
        def __float__(self) -> float:
            return halved(halved(8.0))

    assert halved(Inner()) == 1.0


# Flags


def test_ieee_arithmetic_is_kept(cc: CompilerOptions) -> None:
    body = (
        "out[0] = sqrt(x * x - y * y);\n    out[1] = x != x;\n    out[2] = 0.0 * x;\n"
        "    out[3] = (x + 1e16) - 1e16;\n    out[4] = x - x;\n    out[5] = 1.0 / (x * 0.0);"
    )
    f = compiled(cc, body, {"x": "float", "y": "float"}, {"out": "float64[6]"})
    for x in (0.1, 0.7, 1.3, 2.9):
        assert f(x, x)[0] == 0.0, "fused multiply-add"
    made = f(-3.0, 1.0)
    assert math.copysign(1.0, made[2]) == -1.0 and made[5] == -math.inf
    assert made[3] == (-3.0 + 1e16) - 1e16
    assert f(math.nan, 1.0)[1] == 1.0
    assert math.isnan(f(math.inf, 1.0)[4])


def test_integers_wrap(cc: CompilerOptions) -> None:
    f = compiled(cc, "*out = (n + 1 > n);", {"n": "int"}, {"out": "int"})
    assert f(1) == 1 and f(2**63 - 1) == 0


def test_fast_math_is_a_kernel_s_own(cc: CompilerOptions) -> None:
    """It makes no denormal number of the process 0."""
    options = CompilerOptions(flags=cc.flags, cache=cc.cache, fast_math=True)
    f = compiled(options, "*out = x * 2.0;", {"x": "float"}, {"out": "float"})
    assert f(1.5) == 3.0
    denormal = np.float64(5e-324)
    assert denormal * np.float64(3.0) > 0.0 and 5e-324 * 2.0 > 0.0


def test_kernels_are_not_confused_with_the_c_library(cc: CompilerOptions) -> None:
    f = compiled(cc, "*out = x + 1.0;", {"x": "float"}, {"out": "float"}, name="lgamma_r3")
    g = compiled(cc, "*out = x + 2.0;", {"x": "float"}, {"out": "float"}, name="gamma")
    assert f(1.0) == 2.0 and g(1.0) == 3.0


def test_names_of_any_kind(cc: CompilerOptions) -> None:
    from symdiff.ir.interface import Interface, Value
    from symdiff.runtime.compiler import load_extension

    float_ = Type("float64", (), True)
    values = [Value("p[0].w", float_, "p_0_w"), Value("given", float_), Value("answer", float_),
              Value("μ", float_, "mu"), Value("fault", float_), Value("self", float_)]  # fmt: skip
    results = (Value("count", float_), Value("thread", float_))
    face = Interface("done", "", tuple(values), (), results, (0, 1))
    body = "*count = p_0_w + given + answer;\n    *thread = mu + fault + self;"
    f = load_extension(source_of(face, body), "done", cc).done
    assert f(1.0, 2.0, 3.0, 4.0, 5.0, 6.0) == (6.0, 15.0)
    with pytest.raises(TypeError, match=r"^p\[0\]\.w must be a number"):
        f("", 2.0, 3.0, 4.0, 5.0, 6.0)
    with pytest.raises(TypeError, match="^μ must be a number"):
        f(1.0, 2.0, 3.0, "", 5.0, 6.0)


def test_header(cc: CompilerOptions, tmp_path: Any) -> None:
    face = interface(
        {"x": "float", "w": "float64[n,d]", "k": "int[n]"}, {"out": "float64[n]", "total": "float"},
        written=frozenset("k"), faults=(("ValueError", "math domain error"),),
    )  # fmt: skip
    text = header([face])
    assert (
        text
        == """\
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel under test.

   x: float64
   w: float64[n, d]
   k: int64[n], written into
   n: the size of axis 0 of w
   d: the size of axis 1 of w
   out: where float64[n] goes
   total: where float64 goes
   Arrays are contiguous and row-major: the last axis varies fastest.

   Returns 0, or
   1 where memory has run out
   2 for ValueError: math domain error */
int kernel(double x, const double *w, int64_t *k, int64_t n, int64_t d,
    double *out, double *total);

#ifdef __cplusplus
}
#endif

#endif /* KERNEL_H */
"""
    )
    from symdiff.runtime.toolchain import find_compiler

    (tmp_path / "kernel.h").write_text(text)
    (tmp_path / "main.c").write_text('#include "kernel.h"\n#include "kernel.h"\n')
    command = [*find_compiler(cc).command, "-std=c99", *cc.flags, "-c", "main.c"]
    run(command, tmp_path, "a header")
    assert (tmp_path / "main.o").exists()
