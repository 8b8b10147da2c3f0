"""What kernels call of other libraries: SciPy's functions, or those that a program sets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import symdiff
from symdiff.codegen.c.external import EXTERNAL, SPECIAL, pointers
from symdiff.options import CompilerOptions
from symdiff.runtime.compiler import load_extension
from symdiff.runtime.toolchain import find_compiler
from tests.helpers_c import interface, source_of

INF, NAN = np.inf, np.nan


def test_they_are_what_scipy_exports(cc: CompilerOptions) -> None:
    names = tuple(name for name, e in EXTERNAL.items() if e.module == SPECIAL)
    given = [(2.0, 0.5)[-len(EXTERNAL[n].parameters) :] for n in names]
    calls = [
        f"out[{i}] = kernel_external.{n}{x};"
        for i, (n, x) in enumerate(zip(names, given, strict=True))
    ]
    body = "\n    ".join(calls).replace(",)", ")")
    face = interface({}, {"out": f"float64[{len(names)}]"}, external=names)
    source = source_of(face, body, f"{pointers('kernel', names)};")
    found = load_extension(source, "kernel", cc).kernel()
    want = [getattr(special, n)(*x) for n, x in zip(names, given, strict=True)]
    np.testing.assert_allclose(found, want, rtol=1e-14)


def values(x: Any) -> Any:
    return (
        special.entr(x), special.exprel(x), special.rel_entr(x, 2.0), special.kl_div(x, 3.0),
        special.rel_entr(2.0, x), special.kl_div(3.0, x), special.betaln(x, 1.0), special.beta(x, 2.0),
        special.digamma(x), special.log_ndtr(x), special.ndtri(x), np.i0(np.clip(x, -700, 700)),
    )  # fmt: skip


def test_values_are_those_of_scipy(quick: symdiff.Options) -> None:
    """Also where a direct formula overflows, cancels, or is not defined."""
    points = [0.0, -0.0, 1.0, 1.9999, -1.5, 0.5, 1e-300, 1e-17, 1e300, 1e10, 1.4616321449683623,
              700.0, -40.0, 0.9999999, INF, -INF, NAN]  # fmt: skip
    x = np.array(points)
    with np.errstate(all="ignore"):
        (found, _), want = symdiff.jvp(values, options=quick)(x, x), values(x)
    for k, (a, b) in enumerate(zip(found, want, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-13, err_msg=f"number {k}")


def f(x: Any) -> Any:
    return np.sum(special.erfcx(x) * special.jv(1.5, x))


def compiled(function: Callable[..., Any], options: symdiff.Options) -> Any:
    derivative = symdiff.grad(function, options=options)
    derivative(np.ones(2))
    return derivative.compiled()


PROGRAM = """\
#include "f_grad.h"
#include <stdio.h>

static double half(double x) { return 0.5 * x; }
static double product(double n, double x) { return n * x; }

int main(void)
{
    const double x[2] = {1.0, 3.0};
    double d_x[2];
    f_grad_external.erfcx = half;
    f_grad_external.jv = product;
    if (f_grad(x, 2, d_x) != 0)
        return 1;
    printf("%.17g %.17g\\n", d_x[0], d_x[1]);
    return 0;
}
"""


def test_a_program_sets_them(quick: symdiff.Options, cc: CompilerOptions, tmp_path: Path) -> None:
    """The text has the formulas of derivatives, with whatever functions it is given."""
    made = compiled(f, quick)
    (tmp_path / "f_grad.c").write_text(made.text)
    (tmp_path / "f_grad.h").write_text(made.header)
    (tmp_path / "main.c").write_text(PROGRAM)
    assert "what scipy.special.erfcx computes" in made.header
    command = [
        *find_compiler(cc).command,
        "-std=c99",
        "-fopenmp-simd",
        *cc.flags,
        "main.c",
        "f_grad.c",
        "-lm",
    ]
    subprocess.run([*command, "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True)
    x = np.array([1.0, 3.0])
    slope = (2.0 * x * (0.5 * x) - 2.0 / np.sqrt(np.pi)) * (1.5 * x) + 0.5 * x * (-x)
    np.testing.assert_allclose(np.array(printed.stdout.split(), float), slope, rtol=1e-14)


@pytest.mark.parametrize("how", ["no SciPy", "another signature"])
def test_where_scipy_has_them_not(how: str, quick: symdiff.Options, tmp_path: Path) -> None:
    made = compiled(f, quick)
    source = made.extension
    if how != "no SciPy":
        source = source.replace('"double (double, int', '"double (long, int')
    (tmp_path / "source.c").write_text(source)
    script = f"""
import sys
sys.modules["scipy"] = None if {how == "no SciPy"} else __import__("scipy")
from symdiff.errors import CompilerError
from symdiff.options import CompilerOptions
from symdiff.runtime.compiler import load_extension
for _ in range(2):
    try:
        options = CompilerOptions(cache={str(tmp_path)!r}, flags=("-O0",))
        load_extension(open({str(tmp_path / "source.c")!r}).read(), "f_grad", options)
    except CompilerError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == 2 * (
        "f_grad calls erfcx of scipy.special.cython_special, which is missing, or is not what it "
        'was\nhint: install SciPy 1.15 or later, or use target="python"\n'
    )
    assert not done.stderr
    assert len(list(tmp_path.glob("c/*/*.so"))) == 1  # it is kept, for when SciPy is there
