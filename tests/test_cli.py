"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import ast
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symdiff.commands.main import cli
from symdiff.options import CompilerOptions
from symdiff.runtime.toolchain import find_compiler

ROOT = Path(__file__).resolve().parent.parent
MODEL = """\
import math
import numpy as np
import symdiff


def f(x):
    return math.sin(x**2)


def loss(w, b, X, y):
    z = X @ w + b
    return np.mean((z - y) ** 2)


def switched(x, mode, k=2):
    return x**k if mode == "train" else x


def polar(r, angle):
    return r * math.cos(angle), r * math.sin(angle)


def root(x):
    return math.sqrt(x) * math.log(x)


@symdiff.grad
def decorated(x):
    return math.exp(x)


square = lambda x: x * x


class Line:
    slope = 3.0

    def value(self, x):
        return self.slope * x * x

    @staticmethod
    def cube(x):
        return x**3


line = Line()


def bad(x):
    return sorted(x)


def fake(x):
    return x * symdiff.detach(x)


CONSTANT = 3

if __name__ == "__main__":
    raise SystemExit("must not run")
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def compiling(cc: CompilerOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What C is compiled here, strictly, is kept in the session's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", cc.cache)
    monkeypatch.setenv("CC", shlex.join([*find_compiler(cc).command, *cc.flags]))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def process(
    *command: object, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True, text=True, env=environment, cwd=cwd, timeout=120,
    )  # fmt: skip


def evaluated(result: Result) -> str:
    """What stands behind the colon of the `# at ...:` line, which is `// at ...` in C."""
    assert result.exit_code == 0, result.output
    (line,) = [x for x in result.stdout.splitlines() if x.startswith(("# at ", "// at "))]
    return line.partition(": ")[2]


# diff


def test_diff_prints_code_that_runs(model: Path) -> None:
    result = run("diff", f"{model}:f")
    assert result.exit_code == 0, result.output
    namespace: dict[str, object] = {}
    exec(result.stdout, namespace)
    assert namespace["df_dx"](4.0) == -7.661275842587077  # type: ignore[operator]


def test_the_notebook_value_follows_the_code(model: Path) -> None:
    result = run("diff", f"{model}:f", "--at", "4.0")
    assert result.stdout.startswith("import math\n")
    assert result.stdout.endswith("# at x=4.0: -7.661275842587077\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["f", "--at", "x=2"], "-2.6145744834544478"),
        (["f", "--mode", "forward", "--at", "4"], "-7.661275842587077"),
        (["f", "--mode", "reverse", "--at", "4"], "-7.661275842587077"),
        (["square", "--at", "3"], "6.0"),
        (["square", "--order", "2", "--at", "3"], "2.0"),
        (["square", "--order", "3", "--at", "3"], "0.0"),
        (["square", "--value", "--at", "3"], "(9.0, 6.0)"),
        (["square", "--value", "--order", "2", "--at", "3"], "(9.0, 2.0)"),
        (["square", "--kind", "jvp", "--at", "3,d_x=2"], "(9.0, 12.0)"),
        (["square", "--kind", "vjp", "--at", "3,2"], "(9.0, 12.0)"),
        (["square", "--kind", "hvp", "--at", "3,5"], "10.0"),
        (["square", "--kind", "hessian", "--no-optimize", "--at", "3"], "2.0"),
        (["polar", "--at", "2.0,0.0"], "(1.0, 0.0)"),
        (["polar", "--wrt", "*", "--at", "2.0,0.0"], "((1.0, 0.0), (0.0, 2.0))"),
        (["polar", "--wrt", "1", "--at", "2.0,0.0"], "(0.0, 2.0)"),
        (["switched", "--arg", "mode=train", "--at", "3"], "6.0"),
        (["switched", "--arg", "mode='train'", "--arg", "k=3", "--at", "3"], "27.0"),
        (["switched", "--arg", "mode=test", "--at", "3"], "1.0"),
        (["decorated", "--at", "0"], "1.0"),
        (["decorated", "--order", "2", "--at", "0"], "1.0"),
        (["Line.value", "--at", "2"], "12.0"),
        (["Line.cube", "--at", "2"], "12.0"),
        (["line.value", "--at", "2"], "12.0"),
        (
            ["loss", "--wrt", "w,b", "--arg", "w=float64[d]", "--arg", "X=float64[n,d]",
             "--arg", "y=float64[n]", "--at", "[1,2],0.0,[[1,0],[0,1]],[0,0]"],
            "([1.0, 2.0], 3.0)",
        ),
        (["loss", "--at", "w=[1,2],b=0,X=[[1,0],[0,1]],y=[0,0]"], "[1.0, 2.0]"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("compiling")
@pytest.mark.parametrize("target", ["python", "c"])
def test_diff_evaluates(model: Path, target: str, arguments: list[str], expected: str) -> None:
    result = run("diff", f"{model}:{arguments[0]}", "--target", target, *arguments[1:])
    assert ast.literal_eval(evaluated(result)) == ast.literal_eval(expected)  # 0.0 is -0.0
    assert (target == "c") == ("int64_t" in result.stdout or "double *" in result.stdout)


def test_diff_prints_the_c_that_the_derivative_is(model: Path) -> None:
    result = run("diff", f"{model}:f", "--target", "c")
    text = result.stdout
    assert result.exit_code == 0, result.output
    assert text.startswith("#include <math.h>\n") and "\nint df_dx(double x, double *" in text
    assert "Python.h" not in text
    assert run("diff", f"{model}:f", "--target", "c", "--stage", "generate").stdout.endswith(text)


@pytest.mark.usefixtures("compiling")
def test_the_target_of_a_decorator_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "decorated.py"
    path.write_text("import symdiff\n\n@symdiff.grad(target='c')\ndef f(x):\n    return x * x\n")
    for more in ([], ["--order", "2"], ["--no-optimize"], ["--target", "auto"]):
        assert "#include" in run("diff", f"{path}:f", *more).stdout
    assert "#include" not in run("diff", f"{path}:f", "--target", "python").stdout


def test_what_has_no_form_in_c_is_said_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "chosen.py"
    path.write_text("def f(x, k):\n    return x[x > k]\n")  # as many as there are when called
    options = ["--arg", "x=float64[n]", "--kind", "jvp"]
    result = run("diff", f"{path}:f", "--target", "c", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(r"UnsupportedError: .*chosen.py:1:.*\n.*\n.*\^\^\^", result.stderr)
    assert "taken for float" not in result.stderr
    assert "#include" not in run("diff", f"{path}:f", "--target", "auto", *options).stdout


def test_without_a_compiler_c_is_printed_but_not_evaluated(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert run("diff", f"{model}:square", "--target", "c").exit_code == 0
    for command in (["diff", f"{model}:square", "--at", "2"], ["check", f"{model}:square"]):
        result = run(*command, "--target", "c")
        assert result.exit_code == 1
        assert "the C compiler 'no-such-compiler' is not found" in result.stderr
        assert "Traceback" not in result.stderr and "analytic" not in result.stdout


def test_order_of_an_array_argument_is_the_hessian(model: Path) -> None:
    declared = ["--arg", "w=float64[d]", "--arg", "X=float64[n,d]", "--arg", "y=float64[n]"]
    point = ["--at", "[1,2],0.0,[[1,0],[0,1]],[0,0]"]
    value = evaluated(run("diff", f"{model}:loss", "--order", "2", *declared, *point))
    assert value == "[[1.0, 0.0], [0.0, 1.0]]"


def test_stages_show_the_ir(model: Path) -> None:
    parsed = run("diff", f"{model}:f", "--stage", "parse")
    assert "# after parse" in parsed.stdout and "sin(%0)" in parsed.stdout
    assert "cos" not in parsed.stdout
    every = run("diff", f"{model}:f", "--stage", "all").stdout
    assert every.index("# after parse") < every.index("# after differentiate")
    assert every.index("# after differentiate") < every.index("def df_dx")
    optimised = run("diff", f"{model}:f", "--stage", "optimize")
    assert "cos" in optimised.stdout and optimised.exit_code == 0


def test_output_is_written_whole(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.py"
    result = run("diff", f"{model}:f", "--output", target)
    assert result.exit_code == 0 and result.stdout == ""
    assert target.read_bytes() == run("diff", f"{model}:f").stdout.encode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.py", "out.py"]


def test_the_source_is_not_overwritten(model: Path) -> None:
    assert run("diff", f"{model}:f", "--output", model).exit_code == 2
    assert run("build", f"{model}:f", "-o", model).exit_code == 2
    assert model.read_text() == MODEL


def test_unwritable_output_is_one_message(model: Path, tmp_path: Path) -> None:
    result = run("diff", f"{model}:f", "--output", tmp_path / "none" / "out.py")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr and "Traceback" not in result.stderr


# Importing the user's file.


def test_says_once_that_it_imports(model: Path) -> None:
    result = run("diff", f"{model}:f")
    assert result.stderr == f"symdiff: importing {model}\n"
    assert run("diff", f"{model}:f", "--quiet").stderr == ""


def test_import_is_like_running_the_file(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("FACTOR = 5.0\n")
    path = tmp_path / "uses.py"
    path.write_text(
        "import neighbour\nprint('noise')\ndef f(x):\n    return neighbour.FACTOR * x\n"
    )
    before, modules = list(sys.path), set(sys.modules)
    result = run("diff", f"{path}:f", "--at", "1")
    assert evaluated(result) == "5.0"
    assert "noise" not in result.stdout and "noise" in result.stderr
    assert sys.path == before
    assert not {"uses", "neighbour"} & (set(sys.modules) - modules)
    assert not (tmp_path / "__pycache__").exists()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "changing.py"
    path.write_text("def f(x):\n    return 2.0 * x\n")
    assert evaluated(run("diff", f"{path}:f", "--at", "1")) == "2.0"
    path.write_text("def f(x):\n    return 3.0 * x\n")
    assert evaluated(run("diff", f"{path}:f", "--at", "1")) == "3.0"


def test_a_file_called_like_a_library(tmp_path: Path) -> None:
    path = tmp_path / "random.py"
    path.write_text("def f(x):\n    return x * x\n")
    assert evaluated(run("diff", f"{path}:f", "--at", "3")) == "6.0"


def test_an_error_while_importing_shows_the_users_frames(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def helper():\n    return 1 / 0\n\n\nhelper()\n")
    result = run("diff", f"{path}:f")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr and "line 5" in result.stderr
    assert "symdiff/commands" not in result.stderr and "exec(" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("def f(x:\n", "SyntaxError"), ("import sys\nsys.exit(4)\n", "sys.exit(4)")],
)
def test_files_that_cannot_be_imported(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cannot.py"
    path.write_text(text)
    result = run("diff", f"{path}:f")
    assert result.exit_code == 1 and message in result.stderr


# Bad usage and errors in the user's function.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothere.py:f"], "no file"),
        (["MODEL"], "which function"),
        (["MODEL:ff"], "has no function 'ff'; did you mean f?"),
        (["MODEL:CONSTANT"], "not a function"),
        (["MODEL:f", "--wrt", "q"], "has no 'q'; it has x"),
        (["MODEL:f", "--wrt", "3"], "only 1 parameters"),
        (["MODEL:f", "--arg", "x=flaot"], "did you mean float"),
        (["MODEL:f", "--arg", "x"], "NAME=TYPE"),
        (["MODEL:f", "--arg", "q=float"], "no parameter q"),
        (["MODEL:f", "--kind", "gradient"], "'gradient'"),
        (["MODEL:f", "--kind", "jvp", "--order", "2"], "--order"),
        (["MODEL:f", "--target", "rust"], "'rust' is not one of 'python', 'c', 'auto'"),
        (["MODEL:f", "--order", "0"], "0"),
        (["MODEL:f", "--at", "y=3"], "y is not one of x"),
        (["MODEL:f", "--at", "import os"], "list of values"),
        (["MODEL:f", "--at", "1,x=1"], "given twice"),
        (["MODEL:polar", "--at", "1"], "no value for angle"),
        (["MODEL:f", "--stage", "nonsense"], "not one of parse"),
        (["MODEL:f", "--frobnicate"], "frobnicate"),
    ],
)
def test_bad_usage_exits_2(model: Path, arguments: list[str], message: str) -> None:
    result = run("diff", *(a.replace("MODEL", str(model)) for a in arguments))
    assert result.exit_code == 2, result.output
    assert message in result.stderr and result.stdout == ""


def test_an_error_in_the_function_exits_1_with_its_place(model: Path) -> None:
    result = run("diff", f"{model}:bad", "--arg", "x=float64[n]")
    assert result.exit_code == 1
    assert "model.py:" in result.stderr and "^^^" in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


def test_an_array_taken_for_a_float_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "arrays.py"
    path.write_text("def f(x):\n    return x[0] * x[1]\n")
    result = run("diff", f"{path}:f")
    assert result.exit_code == 1
    assert "x was taken for float: for arrays say --arg 'x=float64[n]'" in result.stderr
    assert run("diff", f"{path}:f", "--arg", "x=float64[n]").exit_code == 0


def test_a_derivative_that_raises_exits_1(model: Path) -> None:
    result = run("diff", f"{model}:root", "--at", "x=-1.0")
    assert result.exit_code == 1
    assert "at x=-1.0 raises ValueError" in result.stderr


# check


@pytest.mark.parametrize(
    "arguments",
    [
        ["f"], ["f", "--order", "2"], ["f", "--kind", "jvp"], ["f", "--kind", "jvp"],
        ["f", "--kind", "hvp"], ["f", "--mode", "forward"], ["f", "--at", "4.0"],
        ["root"], ["decorated"], ["square"], ["Line.value"], ["polar", "--wrt", "*"],
        ["switched", "--arg", "mode=train", "--arg", "k=3"],
        ["loss", "--wrt", "w,b", "--arg", "w=float64[d]", "--arg", "X=float64[n,d]",
         "--arg", "y=float64[n]"],
    ],
)  # fmt: skip
@pytest.mark.usefixtures("compiling")
@pytest.mark.parametrize("target", ["python", "c"])
def test_check_agrees(model: Path, target: str, arguments: list[str]) -> None:
    result = run("check", f"{model}:{arguments[0]}", "--target", target, *arguments[1:])
    assert result.exit_code == 0, result.output
    points = 1 if "--at" in arguments else 5
    assert f"ok at {points} point" in result.stdout
    assert result.stdout.count("analytic") >= points


def test_check_points_are_the_same_each_time(model: Path) -> None:
    first = run("check", f"{model}:f", "--points", "2", "--seed", "7").stdout
    assert first == run("check", f"{model}:f", "--points", "2", "--seed", "7").stdout
    assert first != run("check", f"{model}:f", "--points", "2", "--seed", "8").stdout


def test_check_tells_a_wrong_derivative(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(
        "import symdiff\n\n\ndef inner(x):\n    return x**3\n\n\n"
        "@symdiff.rule(inner)\ndef _(y, x):\n    return 2.0 * x\n\n\n"
        "def f(x):\n    return inner(x)\n"
    )
    result = run("check", f"{path}:f", "--points", "2")
    assert result.exit_code == 1
    assert "FAIL" in result.stdout and "disagrees" in result.stderr


def test_check_without_a_point_in_the_domain(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.py"
    path.write_text("import math\n\n\ndef f(x):\n    return math.log(-1.0 - x * x)\n")
    result = run("check", f"{path}:f")
    assert result.exit_code == 1 and "--at" in result.stderr


# primitives


def test_primitives_lists_every_row() -> None:
    from symdiff.primitives.table import ROWS

    result = run("primitives")
    names = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert result.exit_code == 0 and names == sorted(ROWS)


def test_primitives_shows_one_row() -> None:
    result = run("primitives", "sin")
    assert "math.sin(x)" in result.stdout and "d/dx: math.cos(x)" in result.stdout
    unknown = run("primitives", "sinn")
    assert unknown.exit_code == 2 and "did you mean sin" in unknown.stderr


def test_primitives_of_a_kind() -> None:
    rows = run("primitives", "--kind", "discrete").stdout.splitlines()[1:]
    assert any(r.startswith("floor ") for r in rows)
    assert all(r.endswith("discrete") for r in rows)


# Real processes.


@pytest.mark.parametrize("command", [["-m", "symdiff"], [ROOT / "cli.py"]])
def test_the_ways_to_start_it(model: Path, command: list[object]) -> None:
    result = process(*command, "diff", f"{model}:f", "--at", "4.0")
    assert result.returncode == 0
    assert result.stdout.endswith("# at x=4.0: -7.661275842587077\n")
    assert "\x1b" not in result.stdout + result.stderr
    assert process(*command, "diff", "nothere.py:f").returncode == 2
    assert process(*command, "diff", f"{model}:bad").returncode == 1


def test_help_is_quick_to_reach() -> None:
    code = (
        "import sys; from symdiff.commands.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit as e: print(e.code, [m for m in ('rich', 'sympy', 'scipy', 'astor')"
        " if m in sys.modules])"
    )
    result = process("-c", code)
    assert result.stdout.endswith("0 []\n")
    assert all(name in result.stdout for name in ("build", "check", "diff", "primitives"))


def test_a_closed_pipe_is_not_an_error(model: Path) -> None:
    command = f"'{sys.executable}' -m symdiff primitives | head -n 1"
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.stdout.startswith("name") and result.stderr == ""


def on_terminal(env: dict[str, str], *arguments: object) -> str:
    """What a command writes to a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **env}
    child = subprocess.Popen(
        [sys.executable, "-m", "symdiff", *map(str, arguments)],
        stdout=follower, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(follower)
    written = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(leader)
    assert child.wait(60) == 0
    return written.decode()


def test_highlighted_on_a_terminal_only(model: Path) -> None:
    plain = dict.fromkeys(("NO_COLOR",), "")
    assert "\x1b[" in on_terminal(plain, "diff", f"{model}:f")
    assert "\x1b[" in on_terminal(plain, "primitives")
    assert "\x1b[" not in on_terminal({"NO_COLOR": "1"}, "diff", f"{model}:f")
    assert "\x1b[" not in on_terminal({"NO_COLOR": "1"}, "primitives")
