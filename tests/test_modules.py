"""Generated modules: standalone, checking themselves, stale when their source changes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import symdiff
from symdiff.aot import Provenance, check_stale, file_hash, module_text, write_text
from symdiff.codegen.rename import renamed
from symdiff.commands.main import cli
from symdiff.errors import StaleError, SymdiffError

SCALAR = """\
import math

import symdiff


@symdiff.grad
def f(x):
    return math.sin(x**2)


@symdiff.grad
@symdiff.grad
def cube(x):
    return x**3


def line(w, b, x):
    return (w * x + b) ** 2


line_w = symdiff.grad(line, wrt="w")
line_b = symdiff.grad(line, wrt="b")
line_hessian = symdiff.hessian(line, wrt=("w", "b"))
line_hvp = symdiff.hvp(line, wrt=("w", "b"))


@symdiff.value_and_grad
def root(x):
    return math.sqrt(x) * math.log(x)


@symdiff.jvp
def pushed(x):
    return x * math.exp(x), {"sin": math.sin(x)}


@symdiff.vjp(wrt="*")
def pulled(x, y):
    return x * y, x - y


@symdiff.jacobian(wrt="*")
def polar(r, angle):
    return r * math.cos(angle), r * math.sin(angle)
"""
ARRAY = """\
import numpy as np

WEIGHTS = np.linspace(0.0, 1.0, 40)


def loss(w, b, X, y):
    z = X @ w + b
    return np.mean(np.log(1 + np.exp(-y * z)))


def weighted(x):
    return np.sum(WEIGHTS * np.sin(x))
"""
LOSS = [
    "--function", "loss", "--wrt", "w,b", "--arg", "w=float64[d]", "--arg", "X=float64[n,d]",
    "--arg", "y=float64[n]",
]  # fmt: skip


def build(path: Path, output: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, ["build", str(path), "-o", str(output), *map(str, arguments)])


def alone(*command: object, site: bool) -> subprocess.CompletedProcess[str]:
    """Run Python without the checkout; without any installed package unless `site`."""
    flags = ["-I"] if site else ["-I", "-S"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *flags, *map(str, command)],
        capture_output=True, text=True, timeout=120, env=environment,
    )  # fmt: skip


@pytest.fixture
def scalar(tmp_path: Path) -> Path:
    path = tmp_path / "scalar.py"
    path.write_text(SCALAR)
    return path


@pytest.fixture
def array(tmp_path: Path) -> Path:
    path = tmp_path / "array.py"
    path.write_text(ARRAY)
    return path


def test_a_scalar_module_needs_nothing_at_all(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "scalar_grad.py"
    output.parent.mkdir()
    result = build(scalar, output)
    assert result.exit_code == 0, result.output
    checked = alone(output, "--check", site=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "36 checks, all right" in checked.stdout
    code = (
        f"import sys; sys.path.insert(0, {str(output.parent)!r}); import scalar_grad as g\n"
        "print(g.df_dx(4.0), g.d2cube_dx2(2.0), g.line_w(1.0, 2.0, 3.0), g.line_b(1.0, 2.0, 3.0),"
        " g.f(0.0), 'numpy' in sys.modules)"
    )
    assert alone("-c", code, site=False).stdout == "-7.661275842587077 12.0 30.0 10.0 0.0 False\n"


def test_an_array_module_needs_numpy_alone(array: Path, tmp_path: Path) -> None:
    output = tmp_path / "array_grad.py"
    assert build(array, output, *LOSS, "--value").exit_code == 0
    text = output.read_text()
    imports = [x for x in text.splitlines() if x.startswith(("import", "from"))]
    assert imports == ["import math", "import numpy as np"]
    code = (
        "import sys\nclass Stub:\n    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in ('symdiff', 'scipy', 'sympy', 'astor'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Stub())\nimport runpy\n"
        f"sys.argv = ['module', '--check']\nrunpy.run_path({str(output)!r}, run_name='__main__')"
    )
    checked = alone("-c", code, site=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "3 checks, all right" in checked.stdout


def test_large_constants_are_literals_shared_by_functions(
    array: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(array.parent)
    output = Path("weighted_grad.py")
    result = build(Path(array.name), output, "-f", "weighted", "--arg", "x=float64[40]")
    assert result.exit_code == 0, result.output
    text = output.read_text()
    assert text.count("np.linspace") == 0 and text.count("\nconstant = np.array(") == 1
    namespace: dict[str, object] = {"__name__": "module"}
    exec(text, namespace)
    x = np.linspace(-1.0, 1.0, 40)
    expected = np.linspace(0.0, 1.0, 40) * np.cos(x)
    np.testing.assert_allclose(namespace["weighted_grad"](x), expected, rtol=1e-15)  # type: ignore[operator]
    assert max(map(len, text.splitlines())) <= 88
    again = build(
        Path(array.name), output, "-f", "weighted", "--arg", "x=float64[40]", "--check-stale"
    )
    assert again.exit_code == 0, again.output


def test_a_long_command_is_wrapped_and_still_fresh(
    array: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(array.parent)
    output = Path("loss_grad.py")
    assert build(Path(array.name), output, *LOSS).exit_code == 0
    namespace: dict[str, object] = {"__name__": "module"}
    text = output.read_text()
    exec(text, namespace)
    assert max(map(len, text.splitlines())) <= 88
    doc = str(namespace["__doc__"])
    assert "build array.py -o loss_grad.py \\\n        --function loss \\\n" in doc
    assert build(Path(array.name), output, *LOSS, "--check-stale").exit_code == 0
    assert build(Path(array.name), output, *LOSS[:-2], "--check-stale").exit_code == 1


def test_provenance(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    build(scalar, output, "--function", "line", "--wrt", "w,b")
    namespace: dict[str, object] = {"__name__": "made"}
    exec(output.read_text(), namespace)
    assert namespace["SOURCE_HASH"] == file_hash(scalar)
    assert namespace["SYMDIFF_VERSION"] == symdiff.__version__
    assert namespace["OPTIONS"] == "--function line --wrt w,b"
    assert set(namespace["__all__"]) == {"line", "line_grad"}  # type: ignore[arg-type]
    doc = str(namespace["__doc__"])
    assert "scalar.py" in doc
    doc = doc.replace("\\\n        ", "")
    assert f"symdiff build {scalar} -o {output} --function line --wrt w,b" in doc


def test_the_same_build_gives_the_same_bytes(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    texts: set[bytes] = set()
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "symdiff", "build", str(scalar), "-o", str(output)],
            check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed,
                 "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        )  # fmt: skip
        texts.add(output.read_bytes())
    assert len(texts) == 1
    assert b"\r" not in texts.pop()


def test_the_recorded_command_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file.py").write_text(
        "def f(x, mode):\n    return x**2 if mode == 'a  --b' else x\n"
    )
    monkeypatch.chdir(tmp_path)
    output = Path("made.py")
    assert build(Path("a file.py"), output, "-f", "f", "--arg", "mode='a  --b'").exit_code == 0
    namespace: dict[str, object] = {"__name__": "module"}
    exec(output.read_text(), namespace)
    assert namespace["f_grad"](3.0, "a  --b") == 6.0  # type: ignore[operator]
    (line,) = [x for x in str(namespace["__doc__"]).splitlines() if "symdiff build" in x]
    before = output.read_bytes()
    again = CliRunner().invoke(cli, shlex.split(line)[1:])
    assert again.exit_code == 0 and output.read_bytes() == before


# The check can fail.


@pytest.mark.parametrize("function", ["df_dx", "d2cube_dx2", "line_b", "line_w"])
def test_a_tampered_derivative_is_found(scalar: Path, tmp_path: Path, function: str) -> None:
    output = tmp_path / "made.py"
    build(scalar, output)
    head, mark, tail = output.read_text().partition(f"def {function}(")
    body, separator, rest = tail.partition("return ")
    output.write_text(f"{head}{mark}{body}{separator}1e-4 + {rest}")
    checked = alone(output, "--check", site=False)
    assert checked.returncode == 1
    wrong = [x.split()[0] for x in checked.stdout.splitlines() if x.endswith("WRONG")]
    assert function in wrong and set(wrong) <= {function, "line_hessian"}


def test_a_tampered_function_is_found(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    build(scalar, output)
    text = output.read_text()
    changed = text.replace("return math.sin(x ** 2)", "return math.sin(x ** 2) + 0.001 * x", 1)
    changed = changed.replace("return math.sin(x**2)", "return math.sin(x**2) + 0.001 * x", 1)
    assert changed != text
    output.write_text(changed)
    assert alone(output, "--check", site=False).returncode == 1


def test_a_missing_or_infinite_number_is_found(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    build(scalar, output, "--function", "polar", "--wrt", "*")
    head, mark, tail = output.read_text().partition("def polar_jacobian(")
    body, _, rest = tail.partition("return ")
    following = rest.partition("\n\n\n")[2]
    for answer in ("(0.0, 0.0)", "math.nan, 0.0, 0.0, 0.0", "math.inf, 0.0, 0.0, 0.0"):
        output.write_text(f"{head}{mark}{body}return {answer}\n\n\n{following}")
        checked = alone(output, "--check", site=False)
        assert checked.returncode == 1 and "WRONG" in checked.stdout, answer


def test_without_check_it_says_what_it_is(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    build(scalar, output)
    shown = alone(output, site=False)
    assert shown.returncode == 2 and "python made.py --check" in shown.stdout


def test_what_finite_differences_cannot_tell_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cut.py"
    path.write_text(
        "import symdiff\n\n\ndef f(x):\n    y = x * x\n    return y * symdiff.detach(x)\n"
    )
    output = tmp_path / "cut_grad.py"
    assert build(path, output, "--function", "f").exit_code == 0
    checked = alone(output, "--check", site=False)
    assert checked.returncode == 0 and "not checked: detach" in checked.stdout
    assert build(path, output, "--function", "f", "--wrt", "y").exit_code == 0
    assert "local variable y" in alone(output, "--check", site=False).stdout


# Staleness.


def test_points_avoid_what_raises_for_lack_of_a_value(tmp_path: Path) -> None:
    path = tmp_path / "partial.py"
    path.write_text(
        "def unassigned(x):\n    if x > 0.0:\n        y = x * x\n    return y\n\n\n"
        "def never(x):\n    if x > 100.0:\n        y = x * x\n    return y\n"
    )
    output = tmp_path / "made.py"
    result = build(path, output, "-f", "unassigned", "-f", "never")
    assert result.exit_code == 0, result.output
    checked = alone(output, "--check", site=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "3 checks, all right" in checked.stdout
    assert "not checked: no random point lies in its domain" in checked.stdout


def test_check_stale(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    assert build(scalar, output, "--check-stale").exit_code == 1
    assert not output.exists()
    assert build(scalar, output).exit_code == 0
    before = output.read_bytes()
    fresh = build(scalar, output, "--check-stale")
    assert fresh.exit_code == 0 and "importing" not in fresh.output
    assert build(scalar, output, "--check-stale", "--wrt", "x").exit_code == 1
    scalar.write_text(SCALAR.replace("\n", "\r\n"))  # as git may check it out
    assert build(scalar, output, "--check-stale").exit_code == 0
    scalar.write_text(SCALAR.replace("x**2", "x**4"))
    stale = build(scalar, output, "--check-stale")
    assert stale.exit_code == 1 and "older than scalar.py" in stale.stderr
    assert output.read_bytes() == before


def test_a_helper_file_makes_it_stale_too(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    helper = tmp_path / "parts" / "helper.py"
    helper.write_text("def twice(x):\n    return 2.0 * x\n")
    path = tmp_path / "uses_helper.py"
    path.write_text("from parts.helper import twice\n\n\ndef f(x):\n    return twice(x) * x\n")
    output = tmp_path / "made.py"
    assert build(path, output, "--function", "f").exit_code == 0
    assert build(path, output, "--function", "f", "--check-stale").exit_code == 0
    helper.write_text("def twice(x):\n    return 2.5 * x\n")
    stale = build(path, output, "--function", "f", "--check-stale")
    assert stale.exit_code == 1 and "parts/helper.py" in stale.stderr


@pytest.mark.parametrize("text", ["", "x = 1\n", "not python (", "SOURCES = {}\n"])
def test_other_files_are_stale(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.py"
    path.write_text(text)
    with pytest.raises(StaleError):
        check_stale(path, tmp_path, "")


def test_another_version_is_stale(scalar: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.py"
    build(scalar, output)
    text = output.read_text()
    output.write_text(text.replace(f'"{symdiff.__version__}"', '"0.0.1"'))
    with pytest.raises(StaleError, match=r"0\.0\.1"):
        check_stale(output, tmp_path, "")


# Writing.


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "module.py"
    target.write_text("old")

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SymdiffError, match="No space left"):
        write_text(target, "something new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["module.py"]


def test_a_link_and_the_mode_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "module.py", tmp_path / "link.py"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_text(link, "new\n")
    assert link.is_symlink() and target.read_bytes() == b"new\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_nothing_is_written_when_a_function_fails(tmp_path: Path) -> None:
    path = tmp_path / "partly.py"
    path.write_text("def good(x):\n    return x * x\n\n\ndef bad(x):\n    return sorted(x)\n")
    output = tmp_path / "made.py"
    result = build(path, output, "--function", "good", "--function", "bad")
    assert result.exit_code == 1 and not output.exists()
    assert "partly.py:6" in result.stderr


def test_nothing_to_build_is_bad_usage(array: Path, tmp_path: Path) -> None:
    result = build(array, tmp_path / "made.py")
    assert result.exit_code == 2 and "--function" in result.stderr
    unknown = build(array, tmp_path / "made.py", "--function", "lost")
    assert unknown.exit_code == 2 and "did you mean loss" in unknown.stderr


# From Python.


@dataclass
class Pair:
    a: float
    b: float


Point = namedtuple("Point", "x y")


def product(p: Pair, scale: float) -> float:
    return p.a * p.b * scale


def swapped(x: float) -> Pair:
    return Pair(x * x, 3.0 * x)


def of_point(p: Point) -> float:
    return p.x * p.y**2


def imported(text: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "generated"}
    exec(text, namespace)
    return namespace


def text_of(*derivatives: symdiff.Derivative) -> str:
    return module_text(derivatives, "made.py", Provenance("test", {}, "", "a test"))


def checks(text: str) -> bool:
    namespace = imported(text)
    return namespace["_check"](namespace["_checks"]())  # type: ignore[operator]


def test_save_writes_what_was_called_last(tmp_path: Path) -> None:
    def f(x):
        return np.sum(x * x)

    df = symdiff.grad(f)
    df(np.array([1.0, 2.0]))
    path = df.save(tmp_path / "saved.py")
    namespace = imported(path.read_text())
    np.testing.assert_array_equal(namespace["f_grad"](np.array([3.0])), [6.0])  # type: ignore[operator]
    assert alone(path, "--check", site=True).returncode == 0


def test_names_do_not_collide() -> None:
    def max(x: float) -> float:
        return x**3

    text = text_of(symdiff.grad(max), symdiff.value_and_grad(max), symdiff.grad(max))
    namespace = imported(text)
    assert namespace["max_"](2.0) == 8.0  # type: ignore[operator]
    assert namespace["dmax_dx"](2.0) == 12.0  # type: ignore[operator]
    assert "max" not in namespace and text.count("def dmax_dx") == 1
    assert checks(text)


def test_gradients_of_one_function_get_names_of_their_own() -> None:
    def area(w: float, h: float) -> float:
        return w * h * h

    text = text_of(symdiff.grad(area, wrt="w"), symdiff.grad(area, wrt="h"))
    namespace = imported(text)
    assert namespace["area_grad"](2.0, 3.0) == 9.0  # type: ignore[operator]
    assert namespace["area_grad_wrt_h"](2.0, 3.0) == 12.0  # type: ignore[operator]
    assert checks(text)


def test_records_in_arguments_and_results() -> None:
    gradient = symdiff.grad(product)
    gradient(Pair(1.0, 2.0), 3.0)
    of_tuple = symdiff.grad(of_point)
    of_tuple(Point(1.0, 2.0))
    text = text_of(gradient, symdiff.jacobian(swapped), of_tuple)
    assert f"from {__name__} import Pair" in text
    assert checks(text)
    assert imported(text)["product_grad"](Pair(1.0, 2.0), 3.0) == Pair(6.0, 3.0)  # type: ignore[operator]


def test_every_operator_and_flag_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: float, y: float) -> tuple[float, float]:
        return x * x * y, x + y

    def g(x: float, y: float) -> float:
        return x**3 * y**2

    both = ("x", "y")
    made = [
        symdiff.grad(f, wrt=both, has_aux=True), symdiff.value_and_grad(f, has_aux=True),
        symdiff.jvp(f, wrt=both, has_aux=True), symdiff.vjp(f, wrt=both, has_aux=True),
        symdiff.jacobian(f, wrt=both), symdiff.hessian(g, wrt=both), symdiff.hvp(g, wrt=both),
        symdiff.jacobian(symdiff.hessian(g, wrt=both), wrt=both),
        symdiff.grad(symdiff.grad(symdiff.grad(g))),
    ]  # fmt: skip
    assert checks(text_of(*made))
    assert "not checked" not in capsys.readouterr().out


def test_single_precision() -> None:
    def f(x):
        return np.sum(np.exp(x) * x)

    gradient = symdiff.grad(f)
    gradient(np.array([1.0, 2.0], dtype=np.float32))
    text = text_of(gradient)
    assert "dtype=np.float32" in text
    assert checks(text)
    head, mark, tail = text.partition("def f_grad(")
    assert not checks(head + mark + tail.replace("return ", "return np.float32(1.1) * ", 1))


def test_local_classes_cannot_be_imported() -> None:
    @dataclass
    class Hidden:
        a: float

    def f(x: float) -> Hidden:
        return Hidden(x * x)

    with pytest.raises(SymdiffError, match="cannot import"):
        text_of(symdiff.jacobian(f))


def test_renaming_leaves_strings_and_attributes() -> None:
    text = 'def f(x):\n    """f of f."""\n    return f(x.f) + "f"  # f\n'
    assert renamed(text, {"f": "g"}) == (
        'def g(x):\n    """f of f."""\n    return g(x.f) + "f"  # f\n'
    )
