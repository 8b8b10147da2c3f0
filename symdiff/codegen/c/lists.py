"""The helper functions of a kernel's call layer for lists, in C.

Lists (of lists) of numbers or of arrays come as contiguous memory to the kernel, and go as such.
What takes an argument returns NULL, or -1, where it has raised an exception.
"""

from __future__ import annotations

from string import Template

from symdiff.codegen.c.helpers import ELEMENTS, functions_in

_TEXT = r"""
static int
call_is_list(PyObject *given, const char *name)
{
    if (PyList_Check(given) || PyTuple_Check(given)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s must be a list, not %.200s", name, Py_TYPE(given)->tp_name);
    return -1;
}

/* The sizes of lists in lists, and of the arrays in them, by the first item of each. Those inside
   of an empty list are 0. */
static int
call_shape(PyObject *given, const char *name, int depth, int rank, npy_intp *shape)
{
    PyObject *at = Py_NewRef(given);
    for (int axis = 0; axis < rank; axis++) {
        shape[axis] = 0;
    }
    for (int axis = 0; axis < depth; axis++) {
        if (call_is_list(at, name) < 0) {
            Py_DECREF(at);
            return -1;
        }
        shape[axis] = PySequence_Size(at);
        if (shape[axis] <= 0) {
            Py_DECREF(at);
            return shape[axis] < 0 ? -1 : 0;
        }
        PyObject *first = PySequence_GetItem(at, 0);
        Py_DECREF(at);
        if (first == NULL) {
            return -1;
        }
        at = first;
    }
    if (PyArray_Check(at) && PyArray_NDIM((PyArrayObject *)at) == rank - depth) {
        for (int axis = depth; axis < rank; axis++) {
            shape[axis] = PyArray_DIM((PyArrayObject *)at, axis - depth);
        }
    }
    Py_DECREF(at);
    return 0;
}

/* That a list is as long as the first of its kind. */
static int
call_length(PyObject *given, const char *name, npy_intp size)
{
    if (call_is_list(given, name) < 0) {
        return -1;
    }
    Py_ssize_t length = PySequence_Size(given);
    if (length >= 0 && length != size) {
        PyErr_Format(PyExc_ValueError, "%s differ in length: %zd and %zd", name, (Py_ssize_t)size,
                     length);
    }
    return length == size ? 0 : -1;
}
"""

# One for each element type, called by its name.
_TAKEN = Template(r"""
static $type *
call_fill_$suffix(PyObject *given, const char *name, int depth, const npy_intp *shape, $type *to)
{
    if (call_length(given, name, shape[0]) < 0) {
        return NULL;
    }
    for (npy_intp i = 0; i < shape[0]; i++) {
        PyObject *item = PySequence_GetItem(given, i);
        if (item == NULL) {
            return NULL;
        }
        if (depth > 1) {
            to = call_fill_$suffix(item, name, depth - 1, shape + 1, to);
        }
        else {
            $given value;
            to = $read(item, name, &value) < 0 ? NULL : to;
            if (to != NULL) {
                *to++ = ($type)value;
            }
        }
        Py_DECREF(item);
        if (to == NULL) {
            return NULL;
        }
    }
    return to;
}

/* Numbers in lists as contiguous memory, and its shape. */
static $type *
call_list_$suffix(PyObject *given, const char *name, int depth, npy_intp *shape)
{
    if (call_shape(given, name, depth, depth, shape) < 0) {
        return NULL;
    }
    $type *data = call_memory(depth, shape, sizeof *data);
    if (data != NULL && call_fill_$suffix(given, name, depth, shape, data) == NULL) {
        PyMem_Free(data);
        return NULL;
    }
    return data;
}

static $type *
call_stack_$suffix(PyObject *given, const char *name, int depth, int rank, const npy_intp *shape,
    $type *to)
{
    if (call_length(given, name, shape[0]) < 0) {
        return NULL;
    }
    for (npy_intp i = 0; i < shape[0]; i++) {
        PyObject *item = PySequence_GetItem(given, i);
        if (item == NULL) {
            return NULL;
        }
        if (depth > 1) {
            to = call_stack_$suffix(item, name, depth - 1, rank - 1, shape + 1, to);
        }
        else {
            PyArrayObject *array = NULL;
            bool taken = $take >= 0;
            for (int axis = 1; taken && axis < rank; axis++) {
                npy_intp size = PyArray_DIM(array, axis - 1);
                taken = call_size(name, axis - 1, size, "", shape[axis]) >= 0;
            }
            if (taken) {
                memcpy(to, PyArray_DATA(array), PyArray_NBYTES(array));
            }
            to = taken ? to + PyArray_SIZE(array) : NULL;
            Py_XDECREF(array);
        }
        Py_DECREF(item);
        if (to == NULL) {
            return NULL;
        }
    }
    return to;
}

/* Arrays in lists as contiguous memory, and its shape. */
static $type *
call_arrays_$suffix(PyObject *given, const char *name, int depth, int rank, npy_intp *shape)
{
    if (call_shape(given, name, depth, rank, shape) < 0) {
        return NULL;
    }
    $type *data = call_memory(rank, shape, sizeof *data);
    if (data != NULL && call_stack_$suffix(given, name, depth, rank, shape, data) == NULL) {
        PyMem_Free(data);
        return NULL;
    }
    return data;
}
""")

# One for the numbers of Python, and one for those of NumPy.
_NUMBERS = Template(r"""
/* Memory as lists in lists of numbers. */
static PyObject *
call_${kind}_$suffix(int depth, const npy_intp *shape, const $type **from)
{
    PyObject *made = PyList_New(shape[0]);
    for (npy_intp i = 0; made != NULL && i < shape[0]; i++) {
        PyObject *item;
        if (depth > 1) {
            item = call_${kind}_$suffix(depth - 1, shape + 1, from);
        }
        else {
            item = $make(*(*from)++);
        }
        if (item == NULL) {
            Py_CLEAR(made);
        }
        else {
            PyList_SET_ITEM(made, i, item);
        }
    }
    return made;
}
""")

_ROWS = Template(r"""
/* Memory as lists in lists of arrays. */
static PyObject *
call_rows_$suffix(int depth, int rank, npy_intp *shape, const $type **from)
{
    PyObject *made = PyList_New(shape[0]);
    for (npy_intp i = 0; made != NULL && i < shape[0]; i++) {
        PyObject *item;
        if (depth > 1) {
            item = call_rows_$suffix(depth - 1, rank - 1, shape + 1, from);
        }
        else {
            item = PyArray_SimpleNew(rank - 1, shape + 1, $number);
            if (item != NULL) {
                PyArrayObject *array = (PyArrayObject *)item;
                memcpy(PyArray_DATA(array), *from, PyArray_NBYTES(array));
                *from += PyArray_SIZE(array);
            }
        }
        if (item == NULL) {
            Py_CLEAR(made);
        }
        else {
            PyList_SET_ITEM(made, i, item);
        }
    }
    return made;
}
""")


def _typed() -> dict[str, str]:
    found: dict[str, str] = {}
    for dtype, element in ELEMENTS.items():
        take = f"call_array(item, name, {element.number}, rank - 1, &array)"
        if dtype == "int":
            take = "call_int_array(item, name, rank - 1, &array)"
        fields = {
            "suffix": dtype, "type": element.type, "number": element.number,
            "given": element.given, "read": element.take, "take": take,
        }  # fmt: skip
        found |= functions_in(_TAKEN.substitute(fields))
        found |= functions_in(_NUMBERS.substitute(fields, kind="numbers", make=element.make))
        made = f"call_numpy_{dtype}"
        found |= functions_in(_NUMBERS.substitute(fields, kind="scalars", make=made))
        found |= functions_in(_ROWS.substitute(fields))
    return found


LIST_HELPERS: dict[str, str] = {**functions_in(_TEXT), **_typed()}
