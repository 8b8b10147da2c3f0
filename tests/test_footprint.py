"""What compiling leaves behind: no cyclic garbage, no syntax tree of a long file, no warning."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import symdiff
from symdiff.parse.source import definition_of


def imported(path: Path, text: str) -> dict[str, Any]:
    """The names of a module with this text."""
    path.write_text(text)
    scope: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text, str(path), "exec"), scope)
    return scope


def chain(lines: int) -> str:
    body = [f"    v{i + 1} = 0.5 * v{i} - math.cos(x * v{i})" for i in range(lines)]
    return "\n".join(
        ["import math", "def chain(x):", "    v0 = x", *body, f"    return v{lines}\n"]
    )


def test_compiling_makes_no_cycles(tmp_path: Path) -> None:
    """A cycle would keep all that was made on the way until the collector finds it."""
    found: list[int] = []
    for lines in (100, 100, 400):  # the first one imports
        function = imported(tmp_path / f"chain{len(found)}.py", chain(lines))["chain"]
        gc.collect()
        gc.disable()
        try:
            symdiff.grad(function)(0.3)
            found.append(gc.collect())
        finally:
            gc.enable()
    assert found[2] < found[1] + 100, "cyclic garbage grows with the function"


@pytest.mark.parametrize("length, stays", [(10, True), (300_000, False)])
def test_the_tree_of_a_long_file_goes(tmp_path: Path, length: int, stays: bool) -> None:
    scope = imported(tmp_path / "file.py", f"def f(x):\n    return x * x\n\n# {'-' * length}\n")
    definition = definition_of(scope["f"])
    assert definition_of(scope["f"]).source is definition.source
    known = weakref.ref(definition.source)
    del definition
    assert (known() is not None) == stays


# As in Python 3.14: what is deprecated since 3.8 is not there any more.
_REMOVED = """
import ast
for name in ("Num", "Str", "Bytes", "NameConstant", "Ellipsis"):
    vars(ast).pop(name, None)
vars(ast).pop("__getattr__", None)
assert not hasattr(ast, "Num")
"""


@pytest.mark.parametrize("before", ["", _REMOVED], ids=["as it is", "as in 3.14"])
def test_compiling_warns_of_nothing(tmp_path: Path, before: str) -> None:
    path = tmp_path / "program.py"
    path.write_text(before + "import math\nimport symdiff\n"
                    "@symdiff.grad\ndef f(x):\n    return math.sin(x) * x**2 if x > 0 else -x\n"
                    "print(f(1.0))\n")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(2.2232442754839328)
