"""The helper functions of a kernel's call layer, in C: scalars, arrays and sizes.

Functions that take an argument name it in what they raise, and return -1 then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from symdiff.ir.types import DType


@dataclass(frozen=True, slots=True)
class Element:
    """An element type in C, in NumPy's C API, and how its values come from Python and go there.

    given: the type that the function `take` fills in. make: makes the number of Python.
    scalar: NumPy's class of it, as its C API names it.
    """

    type: str
    number: str
    given: str
    take: str
    make: str
    scalar: str


ELEMENTS: dict[DType, Element] = {
    "bool": Element("bool", "NPY_BOOL", "bool", "call_bool", "PyBool_FromLong", "Bool"),
    "int": Element("int64_t", "NPY_INT64", "int64_t", "call_int", "PyLong_FromLongLong", "Int64"),
    "float32": Element("float", "NPY_FLOAT", "double", "call_float", "PyFloat_FromDouble", "Float"),
    "float64": Element(
        "double", "NPY_DOUBLE", "double", "call_float", "PyFloat_FromDouble", "Double"
    ),
}

# Each function comes after those that it calls.
_TEXT = r"""
static int
call_float(PyObject *given, const char *name, double *value)
{
    if (PyFloat_Check(given)) {
        *value = PyFloat_AS_DOUBLE(given);
        return 0;
    }
    /* NumPy converts texts and complex numbers, too. */
    bool refused = PyUnicode_Check(given) || PyBytes_Check(given) || PyComplex_Check(given)
        || PyArray_IsScalar(given, ComplexFloating);
    if (PyArray_Check(given)) {
        PyArrayObject *array = (PyArrayObject *)given;
        refused = PyArray_NDIM(array) > 0
            || !(PyArray_ISFLOAT(array) || PyArray_ISINTEGER(array) || PyArray_ISBOOL(array));
    }
    *value = refused ? -1.0 : PyFloat_AsDouble(given);
    if (*value != -1.0 || !(refused || PyErr_Occurred())) {
        return 0;
    }
    if (refused || PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "%s must be a number, not %.200s", name,
                     Py_TYPE(given)->tp_name);
    }
    return -1;
}

static int
call_int(PyObject *given, const char *name, int64_t *value)
{
    int overflow;
    bool refused = PyArray_IsScalar(given, Bool);
    PyObject *index = refused ? NULL : PyNumber_Index(given);
    if (index == NULL) {
        if (refused || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s must be an integer, not %.200s", name,
                         Py_TYPE(given)->tp_name);
        }
        return -1;
    }
    *value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow) {
        PyErr_Format(PyExc_OverflowError, "%s does not fit into 64 bits", name);
        return -1;
    }
    return 0;
}

static int
call_bool(PyObject *given, const char *name, bool *value)
{
    bool array = PyArray_IsZeroDim(given) && PyArray_ISBOOL((PyArrayObject *)given);
    if (!PyBool_Check(given) && !PyArray_IsScalar(given, Bool) && !array) {
        PyErr_Format(PyExc_TypeError, "%s must be a bool, not %.200s", name,
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    *value = PyObject_IsTrue(given);
    return 0;
}

/* The array itself where a kernel can read it, else a copy. Subclasses may mean something else by
   the same memory, as masked arrays do. */
static int
call_array(PyObject *given, const char *name, int type, int rank, PyArrayObject **array)
{
    PyArrayObject *at = (PyArrayObject *)given;
    if (!PyArray_CheckExact(given)) {
        PyErr_Format(PyExc_TypeError, "%s must be an array, not %.200s", name,
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    if (PyArray_TYPE(at) != type && !PyArray_EquivTypenums(PyArray_TYPE(at), type)) {
        PyArray_Descr *wanted = PyArray_DescrFromType(type);
        PyErr_Format(PyExc_TypeError, "%s must be an array of %S, not of %S", name, wanted,
                     PyArray_DESCR(at));
        Py_DECREF(wanted);
        return -1;
    }
    if (PyArray_NDIM(at) != rank) {
        PyErr_Format(PyExc_TypeError, "%s must be of rank %d, not %d", name, rank,
                     PyArray_NDIM(at));
        return -1;
    }
    if (PyArray_TYPE(at) == type && PyArray_ISCARRAY_RO(at)) {
        *array = (PyArrayObject *)Py_NewRef(given);
        return 0;
    }
    PyObject *made = PyArray_FromArray(at, PyArray_DescrFromType(type), NPY_ARRAY_CARRAY_RO);
    *array = (PyArrayObject *)made;
    return made == NULL ? -1 : 0;
}

/* An array of integers of any width. */
static int
call_int_array(PyObject *given, const char *name, int rank, PyArrayObject **array)
{
    PyArrayObject *at = (PyArrayObject *)given;
    if (!PyArray_CheckExact(given) || !PyArray_ISINTEGER(at)
        || PyArray_EquivTypenums(PyArray_TYPE(at), NPY_INT64)) {
        return call_array(given, name, NPY_INT64, rank, array);
    }
    PyObject *cast = PyArray_Cast(at, NPY_INT64);
    int failed = cast == NULL || call_array(cast, name, NPY_INT64, rank, array) < 0;
    Py_XDECREF(cast);
    if (failed) {
        return -1;
    }
    const int64_t *values = PyArray_DATA(*array);
    for (npy_intp i = 0; PyArray_ISUNSIGNED(at) && i < PyArray_SIZE(*array); i++) {
        if (values[i] < 0) {
            PyErr_Format(PyExc_OverflowError, "%s[...] does not fit into 64 bits", name);
            Py_CLEAR(*array);
            return -1;
        }
    }
    return 0;
}

/* An array that the kernel writes into; a copy has to be written back. */
static int
call_written(PyObject *given, const char *name, int type, int rank, PyArrayObject **array)
{
    if (PyArray_Check(given) && !PyArray_ISWRITEABLE((PyArrayObject *)given)) {
        PyErr_Format(PyExc_ValueError, "%s is written into, but it is read-only", name);
        return -1;
    }
    return call_array(given, name, type, rank, array);
}

static int
call_bring_back(PyArrayObject *array, PyObject *given)
{
    PyArrayObject *original = (PyArrayObject *)given;
    return array == original ? 0 : PyArray_CopyInto(original, array);
}

/* The addresses between which an array lies: none where it has no elements. */
static void
call_extent(PyArrayObject *array, uintptr_t *low, uintptr_t *high)
{
    *low = (uintptr_t)PyArray_BYTES(array);
    *high = *low + PyArray_ITEMSIZE(array);
    for (int axis = 0; axis < PyArray_NDIM(array); axis++) {
        npy_intp size = PyArray_DIM(array, axis);
        npy_intp span = (size - 1) * PyArray_STRIDE(array, axis);
        if (size == 0) {
            *high = *low;
            return;
        }
        if (span < 0) {
            *low += span;
        }
        else {
            *high += span;
        }
    }
}

/* That a write into one array does not change the other. */
static int
call_apart(PyObject *written, const char *name, PyObject *other, const char *other_name)
{
    uintptr_t low, high, other_low, other_high;
    call_extent((PyArrayObject *)written, &low, &high);
    call_extent((PyArrayObject *)other, &other_low, &other_high);
    if (low == high || other_low == other_high || high <= other_low || other_high <= low) {
        return 0;
    }
    PyObject *shared = NULL;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy != NULL) {
        shared = PyObject_CallMethod(numpy, "shares_memory", "OO", written, other);
    }
    int overlap = shared == NULL ? -1 : PyObject_IsTrue(shared);
    if (overlap > 0) {
        PyErr_Format(PyExc_ValueError, "%s shares memory with %s, which is written into",
                     other_name, name);
    }
    Py_XDECREF(shared);
    Py_XDECREF(numpy);
    return overlap == 0 ? 0 : -1;
}

static int
call_size(const char *name, int axis, npy_intp size, const char *wanted_as, int64_t wanted)
{
    if (size == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "axis %d of %s has size %zd, not %s%lld", axis, name,
                 (Py_ssize_t)size, wanted_as, (long long)wanted);
    return -1;
}

static int64_t
call_plus(int64_t left, int64_t right, bool *fits)
{
    int64_t sum;
    *fits &= !__builtin_add_overflow(left, right, &sum);
    return sum;
}

static int64_t
call_times(int64_t left, int64_t right, bool *fits)
{
    int64_t product;
    *fits &= !__builtin_mul_overflow(left, right, &product);
    return product;
}

/* How many bytes elements of a shape take, or -1. */
static npy_intp
call_bytes(int rank, const npy_intp *shape, npy_intp bytes)
{
    for (int axis = 0; axis < rank; axis++) {
        if (shape[axis] < 0) {
            PyErr_SetString(PyExc_ValueError, "negative dimensions are not allowed");
            return -1;
        }
        if (__builtin_mul_overflow(bytes, shape[axis], &bytes)) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return bytes;
}

static void *
call_memory(int rank, const npy_intp *shape, npy_intp itemsize)
{
    npy_intp bytes = call_bytes(rank, shape, itemsize);
    void *memory = bytes < 0 ? NULL : PyMem_Malloc(bytes);
    if (memory == NULL && bytes >= 0) {
        PyErr_NoMemory();
    }
    return memory;
}

static PyObject *
call_pack_list(Py_ssize_t count, PyObject *const *items)
{
    PyObject *made = PyList_New(count);
    for (Py_ssize_t i = 0; made != NULL && i < count; i++) {
        PyList_SET_ITEM(made, i, Py_NewRef(items[i]));
    }
    return made;
}

/* A dict whose keys are those from `first` on of a tuple. */
static PyObject *
call_pack_dict(PyObject *objects, Py_ssize_t first, Py_ssize_t count, PyObject *const *values)
{
    PyObject *made = PyDict_New();
    for (Py_ssize_t i = 0; made != NULL && i < count; i++) {
        if (PyDict_SetItem(made, PyTuple_GET_ITEM(objects, first + i), values[i]) < 0) {
            Py_CLEAR(made);
        }
    }
    return made;
}

/* Raise NumPy's error for matrices. */
static void
call_lin_alg_error(const char *message)
{
    PyObject *module = PyImport_ImportModule("numpy.linalg");
    PyObject *kind = module ? PyObject_GetAttrString(module, "LinAlgError") : NULL;
    if (kind != NULL) {
        PyErr_SetString(kind, message);
    }
    Py_XDECREF(kind);
    Py_XDECREF(module);
}

/* Set the pointer at `target` to a function that a module exports to Cython; one for several types
   has several names. The answer is false, without an exception, where there is none of that
   signature. */
static bool
call_exported(const char *module, const char *name, const char *signature, void *target)
{
    static const char *const names[] = {"", "__pyx_fuse_0", "__pyx_fuse_1", "__pyx_fuse_2"};
    void *found = NULL;
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *table = imported ? PyObject_GetAttrString(imported, "__pyx_capi__") : NULL;
    for (int i = 0; table != NULL && found == NULL && i < 4; i++) {
        PyObject *key = PyUnicode_FromFormat("%s%s", names[i], name);
        PyObject *capsule = key ? PyObject_GetItem(table, key) : NULL;
        if (capsule != NULL && PyCapsule_IsValid(capsule, signature)) {
            found = PyCapsule_GetPointer(capsule, signature);
        }
        Py_XDECREF(capsule);
        Py_XDECREF(key);
        PyErr_Clear();
    }
    PyErr_Clear();
    Py_XDECREF(table);
    Py_XDECREF(imported);
    memcpy(target, &found, sizeof(found));
    return found != NULL;
}

static PyObject *
call_new(int rank, npy_intp *shape, int type, npy_intp itemsize)
{
    return call_bytes(rank, shape, itemsize) < 0 ? NULL : PyArray_SimpleNew(rank, shape, type);
}
"""


def functions_in(text: str) -> dict[str, str]:
    """The functions of a C text by name, each with the comment before it."""
    found: dict[str, str] = {}
    for part in re.split(r"(?<=\n}\n)\n", text.strip() + "\n"):
        name = re.search(r"^(\w+)\(", part, re.MULTILINE)
        assert name is not None, part
        found[name[1]] = part
    return found


def scalar_functions() -> dict[str, str]:
    """What makes a number of NumPy, for each element type."""
    found: dict[str, str] = {}
    for dtype, element in ELEMENTS.items():
        if dtype == "bool":
            body = "    return Py_NewRef(PyArrayScalar_FromLong(value));\n"
        else:
            body = (
                f"    PyObject *made = PyArrayScalar_New({element.scalar});\n"
                "    if (made != NULL) {\n"
                f"        PyArrayScalar_ASSIGN(made, {element.scalar}, value);\n"
                "    }\n"
                "    return made;\n"
            )
        name = f"call_numpy_{dtype}"
        found[name] = f"static PyObject *\n{name}({element.type} value)\n{{\n{body}}}\n"
    return found


HELPERS: dict[str, str] = {**functions_in(_TEXT), **scalar_functions()}
