"""The call layer of a kernel: the text of an extension module of CPython.

    int f(double x, const double *w, int64_t n, double *out)   ->   f(0.5, np.ones(3))

The module has no state: what text cannot hold (constant objects, keys of dicts) is in the tuple
that its function is bound to, and nothing is written after loading. What the kernel calls of other
libraries is taken from SciPy then. So threads may call at once,
with and without a GIL. Sub-interpreters refuse it, from Python 3.12 on, as they refuse NumPy.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

from symdiff.codegen.c.call import call_function
from symdiff.codegen.c.helpers import HELPERS
from symdiff.codegen.c.lists import LIST_HELPERS
from symdiff.codegen.c.taken import borrowing, taking
from symdiff.codegen.c.text import comment, literal
from symdiff.ir.interface import Interface

_HELPERS = {**HELPERS, **LIST_HELPERS}

_INCLUDES = """\
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <stdbool.h>
#include <stdint.h>
"""

_MODULE = """\
static struct PyModuleDef_Slot call_slots[] = {{
#ifdef Py_mod_multiple_interpreters
    {{Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED}},
#endif
#ifdef Py_mod_gil
    {{Py_mod_gil, Py_MOD_GIL_NOT_USED}},
#endif
    {{0, NULL}},
}};

static struct PyModuleDef call_module = {{
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "{name}",
    .m_methods = call_methods,
    .m_slots = call_slots,
}};

PyMODINIT_FUNC
PyInit_{name}(void)
{{
    return {failed} ? NULL : PyModuleDef_Init(&call_module);
}}
"""

_BIND = """\
static PyMethodDef call_function_{name}[] = {{
    {entry},
}};

static PyObject *
call_bind_{name}(PyObject *Py_UNUSED(self), PyObject *objects)
{{
    if (!PyTuple_CheckExact(objects) || PyTuple_GET_SIZE(objects) != {count}) {{
        PyErr_SetString(PyExc_TypeError, "{name}() takes a tuple of {count}");
        return NULL;
    }}
    return PyCFunction_New(call_function_{name}, objects);
}}
"""
_BINDING = "The function, with the objects that it returns."


def extension(interface: Interface, kernel: str) -> str:
    """The C source of a module called `interface.name`; `kernel` is the text of the kernel.

    The module has a function of the same name, which takes the arguments by position. Where there
    are `interface.objects`, that takes the tuple of them instead, and returns that function.
    """
    return f"{kernel.rstrip()}\n\n{call_layer([interface], interface.name)}"


def call_layer(interfaces: Sequence[Interface], unit: str) -> str:
    """What follows the text of kernels in the C source of a module called `unit`."""
    external = tuple(sorted({name for x in interfaces for name in x.external}))
    taken = taking(external, unit)
    layer = [*taken, *borrowing(external, unit)]
    for x in interfaces:
        layer += [_raising(x), call_function(x)]
        if x.objects:
            layer.append(_BIND.format(name=x.name, entry=_entry(x), count=len(x.objects)))
    entries = [
        f'{{"{x.name}", call_bind_{x.name}, METH_O, "{_BINDING}"}}' if x.objects else _entry(x)
        for x in interfaces
    ]
    listed = "".join(f"    {entry},\n" for entry in [*entries, "{NULL, NULL, 0, NULL}"])
    table = f"static PyMethodDef call_methods[] = {{\n{listed}}};\n"
    opening = f"{comment(f'How Python calls {unit}.')}\n\n{_INCLUDES}"
    failed = " || ".join(["_import_array() < 0", *(["call_take() < 0"] if taken else [])])
    module = _MODULE.format(name=unit, failed=failed)
    return "\n".join([opening, *_needed("".join([*layer, table])), *layer, table, module])


def _needed(text: str) -> list[str]:
    """The helper functions that `text` calls, and those that these call, in order."""
    found: set[str] = set()
    left = [text]
    while left:
        called = set(re.findall(r"\bcall_\w+", left.pop())) & _HELPERS.keys()
        left += [_HELPERS[name] for name in called - found]
        found |= called
    return [part for name, part in _HELPERS.items() if name in found]


def _raising(interface: Interface) -> str:
    """The function that raises what a kernel has found."""
    cases = "".join(
        f"    case {number}:\n        {_raised(name, literal(message))}\n        break;\n"
        for number, (name, message) in enumerate(interface.faults, 2)
    )
    if cases:
        body = f"    switch (fault) {{\n{cases}    default:\n        PyErr_NoMemory();\n    }}\n"
        return f"static void\ncall_raise_{interface.name}(int fault)\n{{\n{body}}}\n"
    head = f"static void\ncall_raise_{interface.name}(int Py_UNUSED(fault))\n"
    return f"{head}{{\n    PyErr_NoMemory();\n}}\n"


def _raised(name: str, message: str) -> str:
    """The statement that raises an exception of Python's, or NumPy's."""
    if name == "LinAlgError":
        return f"call_lin_alg_error({message});"
    return f"PyErr_SetString(PyExc_{name}, {message});"


def _entry(interface: Interface) -> str:
    """The row of the function in the table of a module."""
    called = f"(PyCFunction)(void (*)(void))call_kernel_{interface.name}"
    return f'{{"{interface.name}", {called}, METH_FASTCALL,\n     {_doc(interface)}}}'


def _doc(interface: Interface) -> str:
    """The docstring as literals, a line each; it starts with what `inspect.signature` reads."""
    names = [x.name for x in interface.arguments]
    lines = interface.doc.splitlines(keepends=True) or [""]
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
        listed = f"{', '.join(names)}, /" if names else ""
        lines = [f"{interface.name}({listed})\n", "--\n", "\n", *lines]
    return "\n     ".join(map(literal, lines))
