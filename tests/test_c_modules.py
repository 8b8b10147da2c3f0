"""Modules of C: NAME.c and NAME.h for any program, NAME.py for Python without symdiff."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import itertools
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import symdiff
from symdiff.aot import Provenance, check_stale, module_texts, write_module, write_texts
from symdiff.commands.main import cli
from symdiff.errors import StaleError, SymdiffError
from symdiff.options import CompilerOptions, Request
from symdiff.pipeline import Compiled, compile_function
from symdiff.runtime.signature import describe
from symdiff.runtime.toolchain import find_compiler
from tests.language import Row, rows
from tests.language.__main__ import static_names
from tests.test_language_rows import numbers
from tests.test_modules import SCALAR, Pair, Point, of_point, product, swapped
from tests.test_targets import NOT_IN_C
from tests.test_targets import outcome as outcome_of

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic")
MODEL = """\
import numpy as np

import symdiff


def loss(w, b, X, y):
    z = X @ w + b
    return np.mean(np.log(1 + np.exp(-y * z)))


def energy(x, k=2.0):
    e = 0.0
    for i in range(len(x) - 1):
        d = x[i + 1] - x[i]
        e += k * d * d
    return e


def largest(x):
    return np.max(x) ** 2


types = {"w": "float64[d]", "X": "float64[n,d]", "y": "float64[n]"}
loss_all = symdiff.value_and_grad(loss, wrt=("w", "b"), types=types)
loss_hessian = symdiff.hessian(loss, wrt="w", types=types)
energy_grad = symdiff.grad(energy, types={"x": "float64[n]"})
largest_grad = symdiff.grad(largest, types={"x": "float64[n]"})
"""
# No symdiff, and nothing else that is installed but NumPy.
ALONE = """
import sys
class Stub:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("symdiff", "scipy", "sympy", "astor", "optree", "platformdirs"):
            raise ImportError(name)
sys.meta_path.insert(0, Stub())
"""


@pytest.fixture(autouse=True)
def compiling(cc: CompilerOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled here, strictly, is kept in the session's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", cc.cache)
    monkeypatch.setenv("CC", shlex.join([*find_compiler(cc).command, *STRICT, "-O1"]))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def build(path: Path, output: Path, *arguments: object) -> Result:
    words = ["build", str(path), "-o", str(output), "--target", "c", *map(str, arguments)]
    return CliRunner().invoke(cli, words)


def built(path: Path, output: Path, *arguments: object) -> ModuleType:
    result = build(path, output, *arguments)
    assert result.exit_code == 0, result.output
    return imported(output)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", *map(str, words)],
        capture_output=True, text=True, timeout=300, env={**kept, **environment},
    )  # fmt: skip


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    code = f"import runpy\nsys.argv = ['x', '--check']\nrunpy.run_path({str(path)!r}, None, '__main__')"
    return python("-c", ALONE + code)


def outcome(function: Any, *arguments: Any) -> Any:
    try:
        return function(*(x.copy() if isinstance(x, np.ndarray) else x for x in arguments))
    except (ArithmeticError, ValueError, IndexError, TypeError) as error:
        return type(error), str(error)


# What is written


def test_three_files_that_need_numpy_alone(tmp_path: Path) -> None:
    path, output = tmp_path / "scalar.py", tmp_path / "out" / "scalar_grad.py"
    path.write_text(SCALAR)
    output.parent.mkdir()
    result = build(path, output)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in output.parent.iterdir()) == [
        "scalar_grad.c", "scalar_grad.h", "scalar_grad.py",
    ]  # fmt: skip
    assert (
        f"wrote {output}, {output.with_suffix('.c')}, {output.with_suffix('.h')}" in result.stderr
    )
    c = output.with_suffix(".c").read_text()
    assert "Python" not in c and '#include "scalar_grad.h"' in c
    assert "import symdiff" not in output.read_text()
    run = checked(output)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "36 checks, all right" in run.stdout


def test_functions_are_those_of_the_python_module(model: Path, tmp_path: Path) -> None:
    c = built(model, tmp_path / "of_c.py")
    plain = built(model, tmp_path / "of_python.py", "--target", "python")
    assert c.__all__ == plain.__all__ and len(c.__all__) == 8
    for name in c.__all__:
        one, other = getattr(c, name), getattr(plain, name)
        assert str(inspect.signature(one)) == str(inspect.signature(other))
        assert one.__doc__ == other.__doc__ and one.__name__ == other.__name__
    x = np.array([1.0, 3.0, 2.0])
    np.testing.assert_array_equal(c.energy_grad(x=x), plain.energy_grad(x=x))
    np.testing.assert_array_equal(c.energy_grad(x, k=3.0), plain.energy_grad(x, k=3.0))
    assert not tmp_path.joinpath("of_python.c").exists()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_size_and_what_does_not_fit(model: Path, tmp_path: Path) -> None:
    c = built(model, tmp_path / "of_c.py")
    plain = built(model, tmp_path / "of_python.py", "--target", "python")
    random = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        for n, d in itertools.product((0, 1, 2, 3), repeat=2):
            w, X, y = random.normal(size=d), random.normal(size=(n, d)), random.normal(size=n)
            for name, args in (
                ("loss", (w, 0.3, X, y)), ("loss_all", (w, 0.3, X, y)),
                ("loss_hessian", (w, 0.3, X, y)), ("energy", (y,)), ("energy_grad", (y,)),
                ("largest", (y,)), ("largest_grad", (y,)),
            ):  # fmt: skip
                found, expected = (
                    outcome(getattr(c, name), *args),
                    outcome(getattr(plain, name), *args),
                )
                if isinstance(expected, tuple) and isinstance(expected[0], type):
                    assert found[0] is expected[0], (name, n, d)
                    continue
                for a, b in zip(symdiff_leaves(found), symdiff_leaves(expected), strict=True):
                    np.testing.assert_allclose(
                        a, b, rtol=1e-11, atol=1e-13, err_msg=f"{name} {n} {d}"
                    )
    w, X, y = random.normal(size=3), random.normal(size=(4, 3)), random.normal(size=5)
    for module in (c, plain):
        with pytest.raises(ValueError, match="y"):
            module.loss_all(w, 0.3, X, y)


def symdiff_leaves(tree: Any) -> list[Any]:
    return [x for t in tree for x in symdiff_leaves(t)] if isinstance(tree, tuple) else [tree]


def test_c_without_python(model: Path, tmp_path: Path, cc: CompilerOptions) -> None:
    """A program of C alone that fits a line by gradient descent with what is generated."""
    assert build(model, tmp_path / "model_grad.py").exit_code == 0
    (tmp_path / "main.c").write_text(
        """\
#include <stdio.h>
#include "model_grad.h"

int main(void)
{
    const double X[] = {1.0, 2.0, -1.0, 0.5, 0.0, 1.0}, y[] = {1.0, -1.0, 1.0}, x[] = {1.0, 3.0, 2.0};
    double w[] = {0.5, -0.25}, value, d_w[2], d_b, d_x[3], H[4];
    if (loss_value_and_grad(w, 0.1, X, y, 2, 3, &value, d_w, &d_b) != 0)
        return 1;
    if (energy_grad(x, 2.0, 3, d_x) != 0 || loss_hessian(w, 0.1, X, y, 2, 3, H) != 0)
        return 1;
    printf("%.17g %.17g %.17g %.17g\\n", value, d_w[0], d_w[1], d_b);
    printf("%g %g %g\\n", d_x[0], d_x[1], d_x[2]);
    printf("%d %d\\n", energy_grad(x, 2.0, 0, d_x), largest_value(x, 0, &value));
    return 0;
}
""".replace("loss_value_and_grad(", "loss_all(")
    )
    command = [*find_compiler(cc).command, "-std=c99", *STRICT]
    files = ["main.c", "model_grad.c", "-lm", "-o", "main"]
    said = ""
    for flags in (["-O0"], ["-O3", "-fopenmp-simd"]):
        subprocess.run([*command, *flags, *files], cwd=tmp_path, check=True, timeout=120)
        run = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
        assert not said or said.split("\n")[1:] == run.stdout.split("\n")[1:]
        said = run.stdout
    numbers, slopes, codes = said.splitlines()
    X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.0, 1.0]])
    module = imported(tmp_path / "model_grad.py")
    args = (np.array([0.5, -0.25]), 0.1, X, np.array([1.0, -1.0, 1.0]))
    value, (d_w, d_b) = module.loss_all(*args)
    np.testing.assert_allclose([float(x) for x in numbers.split()], [value, *d_w, d_b], rtol=1e-14)
    assert slopes == "-8 12 -4"
    assert codes.split()[0] == "0" and int(codes.split()[1]) >= 2
    header = (tmp_path / "model_grad.h").read_text()
    assert f"\n   {codes.split()[1]} for ValueError: zero-size array" in header


def test_the_header_in_cpp(model: Path, tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("there is no compiler of C++")
    assert build(model, tmp_path / "model_grad.py").exit_code == 0
    (tmp_path / "main.cpp").write_text('#include "model_grad.h"\nint main() { return 0; }\n')
    command = ["g++", "-std=c++11", *STRICT, "-fsyntax-only", "main.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)


def test_the_same_build_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    texts: list[list[bytes]] = []
    for _ in range(2):
        assert build(model, tmp_path / "made.py").exit_code == 0
        texts.append([(tmp_path / f"made{end}").read_bytes() for end in (".py", ".c", ".h")])
    assert texts[0] == texts[1]


# Names, containers, definitions


def test_names_that_c_has_itself(tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    names = (
        "exp",
        "read",
        "double",
        "call_price",
        "größe",
        "gamma",
        "external_x",
        "I",
        "__x",
        "_y",
    )
    path.write_text(
        "".join(f"def {n}(x, int, sin=1.0):\n    return x * x * int * sin\n\n" for n in names)
    )
    options = [word for name in names for word in ("-f", name)]
    module = built(path, tmp_path / "1 odd-made.py", *options, "--wrt", "x")
    for name in names:
        assert getattr(module, name)(3.0, 2.0) == 18.0
        assert getattr(module, f"{name}_grad")(3.0, 2.0, sin=2.0) == 24.0


def test_recursion_of_two_functions_with_one_name(tmp_path: Path) -> None:
    path = tmp_path / "recursive.py"
    path.write_text(
        "def a(x, n: int):\n"
        "    def power(u, k):\n        return 1.0 if k == 0 else u * power(u, k - 1)\n"
        "    return power(x, n)\n\n"
        "def b(x, n: int):\n"
        "    def power(u, k):\n        return 2.0 if k == 0 else u * u * power(u, k - 1)\n"
        "    return power(x, n)\n\n"
        "def c(x, n: int):\n    return a(x, n) * 3.0\n"
    )
    module = built(path, tmp_path / "made.py", "-f", "a", "-f", "b", "-f", "c")
    assert (module.a(3.0, 4), module.b(3.0, 2), module.c(3.0, 4)) == (81.0, 162.0, 243.0)
    found = (module.a_grad(3.0, 4), module.b_grad(3.0, 2), module.c_grad(3.0, 4))
    assert found == (108.0, 216.0, 324.0)


def test_records_statics_dicts_and_constants(tmp_path: Path) -> None:
    def switched(x: float, mode: str = "cube", *, scale: float = 1.0) -> Any:
        value = x**3 if mode == "cube" else x
        return {"value": value * scale, "rest": (mode, None, float("inf")), 3: [x, x * x]}

    options = symdiff.Options(target="c")
    saved = symdiff.jacobian(switched, static="mode", value=True, options=options)
    expected = saved(2.0, scale=2.0)
    module = imported(saved.save(tmp_path / "switched_jac.py"))
    assert module.switched_value_and_jacobian(2.0, scale=2.0) == expected
    with pytest.raises(ValueError, match="this was generated for mode='cube'"):
        module.switched_value_and_jacobian(2.0, "square")
    for number, (f, args) in enumerate((
        (product, (Pair(2.0, 3.0), 2.0)), (swapped, (2.0,)), (of_point, (Point(2.0, 3.0),)),
    )):  # fmt: skip
        derivative = symdiff.jacobian(f, options=options)
        expected = derivative(*args)
        module = imported(derivative.save(tmp_path / f"records_{number}.py"))
        assert getattr(module, f"{f.__name__}_jacobian")(*args) == expected
        assert module._check(module._checks())


def test_functions_that_are_only_compiled(tmp_path: Path) -> None:
    path = tmp_path / "roots.py"
    path.write_text(
        "import symdiff\n\n\ndef root(x: float):\n    def f(y):\n        return y**3 - x\n"
        "    y = 1.0\n    for _ in range(30):\n        y = y - f(y) / symdiff.grad(f)(y)\n"
        "    return y\n\n\nfast_root = symdiff.compiled(root)\n"
    )
    for target in ("c", "python"):
        output = tmp_path / f"of_{target}.py"
        module = built(path, output, "--target", target)
        assert module.__all__ == ["fast_root"]
        assert module.fast_root(27.0) == 3.0
        run = python(output, "--check")
        assert run.returncode == 0 and "0 checks, all right" in run.stdout


def test_arrays_that_are_written_and_other_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "writes.py"
    path.write_text("def scaled(x, k, m):\n    x[0] = x[0] * k\n    return (x * x * m).sum()\n")
    types = ["--arg", "x=float32[n]", "--arg", "k=float", "--arg", "m=int[n]", "--wrt", "k"]
    c = built(path, tmp_path / "c_made.py", "-f", "scaled", *types)
    plain = built(path, tmp_path / "p_made.py", "-f", "scaled", *types, "--target", "python")
    for n in (1, 2, 3):
        found: list[Any] = []
        for module in (c, plain):
            x = np.arange(1, n + 1, dtype=np.float32)
            found += [module.scaled_grad(x, 3.0, np.arange(n) + 2), *x]
        np.testing.assert_allclose(found[: n + 1], found[n + 1 :], rtol=1e-6)


def test_what_is_of_scipy_comes_through_pointers(tmp_path: Path) -> None:
    path = tmp_path / "borrowing.py"
    path.write_text(
        "import numpy as np\nfrom scipy import special\n\n\n"
        "def total(x):\n    return np.sum(special.erfcx(x) * special.jv(1.5, x * x))\n\n\n"
        "def beta(x, n: int):\n    return special.beta(x, 2.5) * special.digamma(x)\n"
    )
    output = tmp_path / "made.py"
    types = ("--arg", "x=float64[n]")
    module = built(path, output, "-f", "total", "-f", "beta", *types)
    assert module._check(module._checks())
    assert "extern struct made_external {" in output.with_suffix(".h").read_text()
    refused = checked(output)  # where there is no SciPy
    assert refused.returncode == 1 and "scipy.special" in refused.stderr
    assert "Traceback" not in refused.stderr


@dataclass
class Unit:
    """A row of the language as a derivative that is compiled for its arguments, but not called."""

    row: Row
    options: symdiff.Options
    requests: tuple[Request, ...] = (Request("value_and_grad", ("*",), True),)

    @property
    def primal(self) -> Any:
        return self.row.function

    def compiled(self) -> Compiled:
        static = static_names(self.row)
        made = symdiff.value_and_grad(self.primal, wrt="*", static=static)
        bound = inspect.signature(self.primal).bind(*self.row.args, **self.row.kwargs)
        bound.apply_defaults()
        trees = {
            name: describe(name, value, made._types[name], name in made.static)[1]
            for name, value in bound.arguments.items()
        }
        return compile_function(self.primal, trees, self.requests, self.options)


def test_rows_of_the_language_in_one_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cc: CompilerOptions
) -> None:
    monkeypatch.setenv("CC", shlex.join([*find_compiler(cc).command, "-w"]))
    options = symdiff.Options(target="c", compiler=CompilerOptions(flags=("-O0",)))
    some = [row for row in rows() if row.kind in ("shows", "raises") and row.name not in NOT_IN_C]
    units = [Unit(row, options) for row in some[::8]]
    names = [f"row_{k}" for k in range(len(units))]
    provenance = Provenance("rows", {}, "", "a test")
    files = module_texts(units, "made.py", provenance, names)
    write_texts({tmp_path / name: text for name, text in files.items()})
    module = imported(tmp_path / "made.py")
    for name, unit in zip(names, units, strict=True):
        try:
            expected = outcome_of(unit.row, symdiff.Options())
        except symdiff.SymdiffError:  # found out when compiling
            continue
        row = copy.deepcopy(unit.row)
        try:
            found = numbers(getattr(module, name)(*row.args, **row.kwargs))
        except Exception as error:
            found = type(error)
        if isinstance(expected, type):
            assert found is expected, unit.row.name
            continue
        assert not isinstance(found, type), (unit.row.name, found)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=unit.row.name)


def test_auto_takes_c_where_there_is_a_form(tmp_path: Path) -> None:
    path = tmp_path / "mixed.py"
    path.write_text(
        "def good(x):\n    return x * x * x\n\n\ndef chosen(x):\n    return x[x > 0.0] * 2.0\n"
    )
    options = ["-f", "good", "-f", "chosen", "--arg", "x=float64[n]", "--kind", "jvp"]
    refused = build(path, tmp_path / "made.py", *options)
    assert refused.exit_code == 1 and "not lowered to C" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mixed.py"]
    module = built(path, tmp_path / "made.py", *options, "--target", "auto")
    x, one = np.array([1.0, -2.0, 3.0]), np.ones(3)
    np.testing.assert_array_equal(module.good_jvp(x, one)[1], 3.0 * x * x)
    np.testing.assert_array_equal(module.chosen_jvp(x, one)[1], [2.0, 2.0])
    c = (tmp_path / "made.c").read_text()
    assert "int good_jvp(" in c and "chosen" not in c


def test_flags_of_the_compiler_go_with_the_module(tmp_path: Path) -> None:
    def f(x: float) -> float:
        return x * x

    def g(x: float) -> float:
        return x * x * x

    fast = symdiff.Options(target="c", compiler=CompilerOptions(flags=("-DFAST",), fast_math=True))
    path = symdiff.grad(f, options=fast).save(tmp_path / "fast.py")
    assert '["-ffp-contract=fast"], ["-DFAST"],' in path.read_text()
    assert imported(path).df_dx(3.0) == 6.0
    plain = symdiff.Options(target="c")
    with pytest.raises(SymdiffError, match="dg_dx asks for|g asks for"):
        write_module(
            [symdiff.grad(f, options=fast), symdiff.grad(g, options=plain)], tmp_path / "both.py"
        )


# What may go wrong


def test_without_a_compiler_it_is_written_but_not_imported(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "made.py"
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build(model, output).exit_code == 0
    message = (
        "made.py is compiled when it is imported, and there is no C compiler: "
        "CC names no-such-compiler; install gcc or clang"
    )
    with pytest.raises(ImportError) as caught:
        imported(output)
    assert str(caught.value) == message
    run = python(output, "--check")
    assert (run.returncode, run.stdout, run.stderr) == (1, "", f"{message}\n")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="none of cc, gcc, clang is on the PATH"):
        imported(output)


def test_a_compiler_that_fails(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "made.py"
    assert build(model, output).exit_code == 0
    script = tmp_path / "cc.sh"
    script.write_text("#!/bin/sh\necho 'x.c:1: error: no licence'; exit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(ImportError, match=r"made.py needs\nx.c:1: error: no licence\n\$ .*cc.sh"):
        imported(output)


def test_c_files_that_are_not_its_own(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    assert build(model, output).exit_code == 0
    options = "--target c"
    check_stale(output, tmp_path, options)
    text = output.with_suffix(".c").read_text()
    output.with_suffix(".c").write_text(text.replace("\n", "\r\n"), newline="")  # as git may do
    imported(output)
    check_stale(output, tmp_path, options)
    output.with_suffix(".c").write_text(text.replace("1.0", "2.0"))
    with pytest.raises(ImportError, match="made.c is not what made.py was written with"):
        imported(output)
    with pytest.raises(StaleError, match="made.c is not what made.py was written with"):
        check_stale(output, tmp_path, options)
    output.with_suffix(".h").unlink()
    output.with_suffix(".c").write_text(text)
    with pytest.raises(ImportError, match="made.py needs made.h beside it: No such file"):
        imported(output)


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_all_three_or_none(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "made.py"
    (tmp_path / "made.h").mkdir()
    before = files_of(tmp_path)
    failed = build(model, output)
    assert failed.exit_code == 1 and "cannot write" in failed.stderr
    assert "made.h" in failed.stderr and "Traceback" not in failed.stderr
    assert files_of(tmp_path) == before
    (tmp_path / "made.h").rmdir()
    assert build(model, output).exit_code == 0
    before = files_of(tmp_path)
    model.write_text(MODEL.replace("2.0", "3.0"))
    before["model.py"] = model.read_bytes()
    real, moved = Path.replace, []

    def second_fails(self: Path, target: Path) -> Path:
        moved.append(target)
        if len(moved) == 2:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", second_fails)
    failed = build(model, output)
    assert failed.exit_code == 1 and "No space left on device" in failed.stderr
    assert files_of(tmp_path) == before


def test_output_that_cannot_be(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.c").write_text("int mine;\n")
    for output, message in (
        (tmp_path / "nowhere" / "made.py", "cannot write"),
        (tmp_path / "mine.py", "mine.c is there already, and not of symdiff"),
        (tmp_path / "made", "cannot be called 'made'"),
        (tmp_path / 'a"b.py', "cannot be called"),
    ):
        failed = build(model, output)
        assert failed.exit_code == 1 and message in failed.stderr, failed.stderr
        assert "Traceback" not in failed.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.c", "model.py"]
    unknown = build(model, tmp_path / "made.py", "--target", "fortran")
    assert unknown.exit_code == 2 and "'fortran' is not one of" in unknown.stderr


def test_a_link_to_the_module(model: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "made.py", tmp_path / "link.py"
    assert build(model, target).exit_code == 0
    link.symlink_to(target)
    module = built(model, link)
    assert link.is_symlink() and (tmp_path / "real" / "link.c").exists()
    np.testing.assert_array_equal(module.energy_grad(np.array([1.0, 2.0])), [-4.0, 4.0])
    assert imported(target).__all__ == module.__all__


def test_writing_nothing_of_several(tmp_path: Path) -> None:
    with pytest.raises(SymdiffError, match="cannot write .*nowhere"):
        write_texts({tmp_path / "a": "a", tmp_path / "nowhere" / "b": "b"})
    assert not list(tmp_path.iterdir())


# Compiled once


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cc: CompilerOptions) -> Any:
    """How often the compiler has run; the caches are empty."""
    log, script = tmp_path / "log", tmp_path / "counting.sh"
    real = shlex.join(find_compiler(cc).command)
    script.write_text(f'#!/bin/sh\necho run >> {shlex.quote(str(log))}\nexec {real} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.so"))


def test_compiled_once(model: Path, tmp_path: Path, counted: Any) -> None:
    output = tmp_path / "made.py"
    assert build(model, output, "-f", "energy", "--arg", "x=float64[n]").exit_code == 0
    assert counted() == 0
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import made"
    assert python("-c", code).returncode == 0
    first = counted()
    assert first > 0
    assert python("-c", code).returncode == 0 and counted() == first
    (entry,) = entries(tmp_path / "cache")
    assert entry.parent.stat().st_mode & 0o77 == 0
    data = entry.read_bytes()
    entry.write_bytes(data[: len(data) // 2])  # damaged
    assert python("-c", code).returncode == 0 and counted() > first
    assert [p.read_bytes() == data for p in entries(tmp_path / "cache")].count(True) == 1
    model.write_text(MODEL.replace("k * d * d", "k * d * d * d"))
    again = counted()
    assert build(model, output, "-f", "energy", "--arg", "x=float64[n]").exit_code == 0
    assert python("-c", code).returncode == 0 and counted() > again


def test_where_the_cache_cannot_be_written(
    model: Path, tmp_path: Path, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "made.py"
    assert build(model, output, "-f", "energy", "--arg", "x=float64[n]").exit_code == 0
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    imported(output)
    assert len(entries(tmp_path / "__pycache__")) == 1
    runs = counted()
    imported(output)
    assert counted() == runs
    shutil.rmtree(tmp_path / "__pycache__")
    (tmp_path / "__pycache__").write_text("")  # neither there
    module = imported(output)
    np.testing.assert_array_equal(module.energy_grad(np.array([1.0, 2.0])), [-4.0, 4.0])


def test_flags_that_a_compiler_does_not_take(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cc: CompilerOptions
) -> None:
    output, script = tmp_path / "made.py", tmp_path / "old.sh"
    real = shlex.join(find_compiler(cc).command)
    refused = 'case "$*" in *-march=native*|*-fopenmp-simd*) echo unknown flag; exit 1;; esac'
    script.write_text(f'#!/bin/sh\n{refused}\nexec {real} "$@" -Wno-unknown-pragmas\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    module = built(model, output, "-f", "energy", "--arg", "x=float64[n]")
    np.testing.assert_array_equal(module.energy_grad(np.array([1.0, 2.0])), [-4.0, 4.0])


def test_processes_that_import_it_at_once(model: Path, tmp_path: Path, counted: Any) -> None:
    output = tmp_path / "made.py"
    assert build(model, output, "-f", "energy", "--arg", "x=float64[n]").exit_code == 0
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import made, numpy\n"
        "print(made.energy_grad(numpy.array([1.0, 2.0])))"
    )
    running = [
        subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [p.communicate(timeout=300)[0] for p in running] == ["[-4.  4.]\n"] * 4
