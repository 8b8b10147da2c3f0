"""Where the call layer takes what a kernel calls through pointers: from SciPy.

    special.erfcx(x)   ->   static double (*call_scipy_erfcx)(double, int);
                            static double call_erfcx(double a) { return call_scipy_erfcx(a, 0); }

SciPy exports C functions for Cython, each with a text that tells its signature, which is compared.
Those that are Python's, too, have a flag as their last parameter.

What a kernel can do without is taken before the first call with large arrays: importing SciPy's
linear algebra costs more than small ones gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.codegen.c.external import EXTERNAL, External, indented
from symdiff.codegen.c.text import filled, literal

_MISSING = """\
static int
call_take(void)
{{
    const char *missing = NULL;
{taken}    if (missing != NULL) {{
        PyObject *message = PyUnicode_FromFormat("{name} calls %s of {module}, "
            "which is missing, or is not what it was", missing);
        PyObject *scipy = PyUnicode_FromString("scipy");
        if (message != NULL && scipy != NULL) {{
            PyErr_SetImportError(message, scipy, NULL);
        }}
        Py_XDECREF(message);
        Py_XDECREF(scipy);
        return -1;
    }}
    return 0;
}}
"""


_BORROW = """\
/* Take what is faster for large arrays, once; threads that come here at once take the same. */
static void
call_borrow(void)
{{
    static int tried = 0;
    if (__atomic_load_n(&tried, __ATOMIC_ACQUIRE)) {{
        return;
    }}
{taken}    __atomic_store_n(&tried, 1, __ATOMIC_RELEASE);
}}
"""


def borrowing(external: Iterable[str], unit: str) -> list[str]:
    """The function that sets the pointers that may be NULL; none where there are none."""
    found = [EXTERNAL[name] for name in external if EXTERNAL[name].optional]
    taken: list[str] = []
    for e in found:
        parts = [literal(e.module), literal(e.name), literal(e.signature), f"&{e.name}"]
        call = filled("call_exported(", parts, ");").replace("\n", "\n    ")
        pointer = f"{unit}_external.{e.name}"
        taken += [
            f"    {indented(e.declared)};\n    {call}\n",
            f"    __atomic_store_n(&{pointer}, {e.name}, __ATOMIC_RELEASE);\n",
        ]
    return [_BORROW.format(taken="".join(taken))] if found else []


def taking(external: Iterable[str], unit: str) -> list[str]:
    """The functions that set the pointers that a file needs; none where it needs none."""
    found = [EXTERNAL[name] for name in external]
    needed = [e for e in found if not e.optional]
    if not needed:
        return []
    texts = [_adapted(e) for e in needed]
    taken = "".join(_taken(e, unit) for e in needed)
    module = needed[0].module
    return [*texts, _MISSING.format(taken=taken, name=unit, module=module)]


def _adapted(e: External) -> str:
    """SciPy's function without the flag that it has behind its parameters."""
    letters = "abcdefgh"[: len(e.parameters)]
    given = ", ".join(f"{p} {a}" for p, a in zip(e.parameters, letters, strict=True))
    return (
        f"static {e.result} (*call_scipy_{e.name})({', '.join([*e.parameters, 'int'])});\n\n"
        f"static {e.result}\ncall_{e.name}({given})\n{{\n"
        f"    return call_scipy_{e.name}({', '.join([*letters, '0'])});\n}}\n"
    )


def _taken(e: External, unit: str) -> str:
    parts = [literal(e.module), literal(e.exported), literal(e.signature), f"&call_scipy_{e.name}"]
    test = filled("if (missing == NULL && !call_exported(", parts, ")) {").replace("\n", "\n    ")
    return (
        f"    {test}\n        missing = {literal(e.exported)};\n    }}\n"
        f"    {unit}_external.{e.name} = call_{e.name};\n"
    )
