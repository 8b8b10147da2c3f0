"""Where the call layer takes what a kernel calls through pointers: from SciPy, when it is loaded.

    special.erfcx(x)   ->   static double (*call_scipy_erfcx)(double, int);
                            static double call_erfcx(double a) { return call_scipy_erfcx(a, 0); }

SciPy exports C functions for Cython, each with a text that tells its signature, which is compared.
Those that are Python's, too, have a flag as their last parameter.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.codegen.c.external import EXTERNAL, External
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


def taking(external: Iterable[str], unit: str) -> list[str]:
    """The functions that set the pointers of a file; none where it has none."""
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
