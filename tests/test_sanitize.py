"""Some kernels under the sanitizers: `python -m tests.sanitize` runs them all, and valgrind."""

from __future__ import annotations

import numpy as np
import pytest

from symdiff.options import CompilerOptions
from tests.helpers_c import interface, source_of
from tests.sanitize.collect import KNOWN, OPEN, Call, benchmarks, generated, language
from tests.sanitize.tools import ASAN, TOOLS, Tool, reports


def called(what: str, body: str) -> Call:
    """A kernel that has four numbers, and room for four."""
    faults = (("ValueError", "wrong"),)
    face = interface({"x": "float64[4]"}, {"out": "float64[4]"}, faults=faults)
    source = source_of(face, body, "#include <stdlib.h>")
    return Call(what, face.name, source, None, (np.arange(4.0),))


def usable(tool: Tool) -> None:
    if reason := tool.why_not():
        pytest.skip(reason)


RIGHT = "for (int i = 0; i < 4; i++) out[i] = x[i];"
WRONG = {
    "write": "for (int i = 0; i < 5; i++) out[i] = x[0];",
    "read": "for (int i = 0; i < 4; i++) out[i] = x[i + 1];",
    "leak": f"{RIGHT}\n    if (malloc(8) == NULL) return 1;",
    "leak_where_memory_ends": (
        "double *a = malloc(8);\n    if (a == NULL) return 1;\n    double *b = malloc(8);\n"
        f"    if (b == NULL) return 1;\n    free(a);\n    free(b);\n    {RIGHT}"
    ),
    "no_memory_error": f"double *a = malloc(8);\n    free(a);\n    if (a == NULL) return 2;\n    {RIGHT}",
    "freed_twice": f"double *a = malloc(8);\n    if (a == NULL) return 1;\n    {RIGHT}\n    free(a);\n    free(a);",
    "undefined_cast": "for (int i = 0; i < 4; i++) out[i] = (double)(int64_t)(1e300 * (x[i] + 1.0));",
    "undefined_shift": "for (int i = 0; i < 4; i++) out[i] = 1 << (100 + (int)x[0]);",
    "uninitialised": (
        "double *a = malloc(32);\n    if (a == NULL) return 1;\n"
        f"    if (a[1] > 0.5) out[0] = 1.0;\n    free(a);\n    {RIGHT}"
    ),
}  # fmt: skip
SEEN_BY = {
    "asan": WRONG.keys() - {"uninitialised"},
    "valgrind": WRONG.keys() - {"undefined_cast", "undefined_shift"},
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_tools_see_what_is_wrong(name: str, cc: CompilerOptions) -> None:
    usable(TOOLS[name])
    wrong = sorted(SEEN_BY[name])
    found = reports([called("right", RIGHT), *(called(n, WRONG[n]) for n in wrong)], TOOLS[name])
    assert sorted({text.split(":")[0] for text in found}) == wrong


def test_kernels(cc: CompilerOptions) -> None:
    usable(ASAN)
    calls = [
        *benchmarks(KNOWN, ("lse", "kmeans", "kalman")), *benchmarks(OPEN, ("rk4",)),
        *language(KNOWN, 24), *language(OPEN, 23),
        *generated("loops", range(4), OPEN), *generated("arrays", range(3), OPEN),
    ]  # fmt: skip
    assert len(calls) > 20
    assert not reports(calls, ASAN)
