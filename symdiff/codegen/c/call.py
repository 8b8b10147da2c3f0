"""The C function that Python calls, which calls the kernel.

    int f(double x, const double *w, int64_t n, double *out)

    call_kernel_f(self, given, count):
        x_value, w_array from given     n_size from w_array     out_object of n_size elements
        f(x_value, w_array's data, n_size, out_object's data)
        answer from out_object
    done:
        let go of what is owned; return answer, NULL where an exception has been raised

What it holds of an argument, size or result is called by a suffix, so no names can clash.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.codegen.c.external import EXTERNAL
from symdiff.codegen.c.helpers import ELEMENTS
from symdiff.codegen.c.text import filled, literal
from symdiff.ir.interface import Interface, Tree, Value
from symdiff.ir.types import Dim

_LARGE = 8192  # elements of arrays from which on BLAS and LAPACK are worth importing
_ALONE = 4096  # elements of arrays from which on other threads run while the kernel does


def call_function(interface: Interface) -> str:
    """The text of the function `call_kernel_` and the kernel's name."""
    to = _Writer(interface)
    to.take()
    to.measure()
    to.make_room()
    to.compute()
    to.put_together()
    self = "self" if interface.objects else "Py_UNUSED(self)"
    given = "given" if interface.arguments else "Py_UNUSED(given)"
    lines = "\n".join([*to.declared, "PyObject *answer = NULL;", "", *to.body]).split("\n")
    body = "".join(f"    {line}\n" if line else "\n" for line in lines)
    freed = "".join(f"    {line}\n" for line in to.freed)
    return (
        "static PyObject *\n"
        f"call_kernel_{interface.name}(\n"
        f"    PyObject *{self}, PyObject *const *{given}, Py_ssize_t count)\n"
        f"{{\n{body}\ndone:\n{freed}    return answer;\n}}\n"
    )


class _Writer:
    """The declarations, the statements, and what is let go at the end."""

    def __init__(self, interface: Interface):
        self.interface = interface
        self.declared: list[str] = []
        self.body: list[str] = []
        self.freed: list[str] = []
        self.sizes = {size.symbol: f"{size.c_name}_size" for size in interface.sizes}
        self.parts = 0
        self.keys = len(interface.constants)  # where the next dict's are in `interface.objects`

    def declare(self, text: str) -> None:
        self.declared.append(f"{text};")

    def own(self, name: str, kind: str = "PyObject") -> None:
        """Declare a reference, which is let go at the end."""
        self.declare(f"{kind} *{name} = NULL")
        self.freed.append(f"Py_XDECREF({name});")

    def own_memory(self, name: str, kind: str) -> None:
        """Declare memory, which is freed at the end."""
        self.declare(f"{kind} *{name} = NULL")
        self.freed.append(f"PyMem_Free({name});")

    def when(self, tests: list[str], *statements: str) -> None:
        """`statements` where one of `tests` holds; they are asked in order."""
        if tests:
            test = "\n    || ".join(test.replace("\n", "\n    ") for test in tests)
            inner = (f"    {s}" for s in statements)
            self.body += [f"if ({test}) {{", *inner, "}"]

    def leave_if(self, *failures: str) -> None:
        """Leave where one of `failures` has raised an exception."""
        self.when([*failures], "goto done;")

    # What comes in.

    def take(self) -> None:
        """The arguments as the kernel wants them. Nothing of the user's runs after that."""
        name, arguments = self.interface.name, self.interface.arguments
        count = "1 argument" if len(arguments) == 1 else f"{len(arguments)} arguments"
        message = literal(f"{name}() takes {count}, not %zd")
        raised = f"PyErr_Format(PyExc_TypeError, {message}, count);"
        self.when([f"count != {len(arguments)}"], raised, "goto done;")
        self.leave_if(*(test for i, x in enumerate(arguments) for test in self._taken(i, x)))
        self.leave_if(*self._overlaps())

    def _taken(self, position: int, value: Value) -> list[str]:
        """The conditions under which an argument cannot be taken; declares what holds it."""
        name, type_, element = value.c_name, value.type, ELEMENTS[value.type.dtype]
        given = f"given[{position}], {literal(value.name)}"
        if value.is_scalar:
            self.declare(f"{element.given} {name}_value")
            return [f"{element.take}({given}, &{name}_value) < 0"]
        if value.is_array:
            self.own(f"{name}_array", "PyArrayObject")
            held = f"{type_.rank}, &{name}_array"
            if value.name in self.interface.written:
                return [f"call_written({given}, {element.number}, {held}) < 0"]
            if type_.dtype == "int":
                return [f"call_int_array({given}, {held}) < 0"]
            return [f"call_array({given}, {element.number}, {held}) < 0"]
        return self._taken_list(position, value)

    def _taken_list(self, position: int, value: Value) -> list[str]:
        name, type_ = value.c_name, value.type
        self.own_memory(f"{name}_list", ELEMENTS[type_.dtype].type)
        self.declare(f"npy_intp {name}_shape[{type_.rank}]")
        given, shape = f"given[{position}]", f"{type_.rank}, {name}_shape"
        items = f"{given}, {literal(f'{value.name}[...]')}"
        if type_.listed == type_.rank:
            made = f"call_list_{type_.dtype}({items}, {shape})"
        else:
            made = f"call_arrays_{type_.dtype}({items}, {type_.listed}, {shape})"
        is_other = f"call_is_list({given}, {literal(value.name)}) < 0"
        return [is_other, f"({name}_list = {made}) == NULL"]

    def _overlaps(self) -> list[str]:
        """The conditions under which a write into one argument would change another."""
        found: list[str] = []
        arrays = [(i, x) for i, x in enumerate(self.interface.arguments) if x.is_array]
        done: set[int] = set()
        for i, value in arrays:
            if value.name in self.interface.written:
                done.add(i)
                named = f"given[{i}], {literal(value.name)}"
                found += (
                    f"call_apart({named}, given[{k}], {literal(other.name)}) < 0"
                    for k, other in arrays
                    if k not in done
                )
        return found

    def measure(self) -> None:
        """Read the sizes, compare what is given twice, and work out the shapes of the results."""
        arguments, results = self.interface.arguments, self.interface.results
        known: list[str] = []
        for size in self.interface.sizes:
            name = f"{size.c_name}_size"
            if size.function:
                read = filled(f"{size.function}(", known, ")")
            elif size.axis < 0:
                read = f"{arguments[size.argument].c_name}_value"
            else:
                read = _axis(arguments[size.argument], size.axis)
            self.declare(f"int64_t {name}")
            self.body.append(f"{name} = {read};")
            known.append(name)
        compared = [
            self._differs(value, axis, dim)
            for i, value in enumerate(arguments)
            for axis, dim in enumerate(value.type.shape)
            if not self.interface.is_read(i, axis)
        ]
        self.leave_if(*compared)
        shapes: list[str] = []
        for r in results:
            if not r.is_scalar:
                self.declare(f"npy_intp {r.c_name}_shape[{r.type.rank}]")
            for axis, dim in enumerate(r.type.shape):
                shapes.append(f"{r.c_name}_shape[{axis}] = {self.size(dim)};")
        self.body += shapes
        if any("&fits" in text for text in (*compared, *shapes)):
            self.declare("bool fits = true")
            self.when(["!fits"], "PyErr_NoMemory();", "goto done;")

    def _differs(self, value: Value, axis: int, dim: Dim) -> str:
        named = "" if isinstance(dim, int) else f"{dim} = "
        measured = f"{literal(value.name)}, {axis}, {_axis(value, axis)}"
        test = filled("call_size(", [measured, literal(named), self.size(dim)], ") < 0")
        outer = range(min(axis, value.type.listed))  # an empty list does not tell what is in it
        tests = [*(f"{_axis(value, at)} > 0" for at in outer), test]
        return f"({' && '.join(tests)})" if outer else test

    def size(self, dim: Dim) -> str:
        """The value of a size, in C."""
        if isinstance(dim, int):
            return f"{dim}"
        total = ""
        for factors, coefficient in dim.terms:
            term = "" if factors and coefficient == 1 else f"{coefficient}"
            for symbol in factors:
                read = self.sizes[symbol]
                term = f"call_times({term}, {read}, &fits)" if term else read
            total = f"call_plus({total}, {term}, &fits)" if total else term
        return total

    # What goes out.

    def make_room(self) -> None:
        """Room for what the kernel computes."""
        failures: list[str] = []
        for r in self.interface.results:
            name, element = r.c_name, ELEMENTS[r.type.dtype]
            shape = f"{r.type.rank}, {name}_shape"
            if r.is_scalar:
                self.declare(f"{element.type} {name}_value = 0")
            elif r.is_array:
                self.own(f"{name}_object")
                made = f"call_new({shape}, {element.number}, sizeof({element.type}))"
                failures.append(f"({name}_object = {made}) == NULL")
            else:
                self.own_memory(f"{name}_list", element.type)
                made = f"call_memory({shape}, sizeof({element.type}))"
                failures.append(f"({name}_list = {made}) == NULL")
        self.leave_if(*failures)

    def compute(self) -> None:
        """Call the kernel, and bring back what it has written into copies."""
        arguments, results = self.interface.arguments, self.interface.results
        passed = [
            *map(_passed, arguments),
            *(f"{size.c_name}_size" for size in self.interface.sizes),
            *map(_destination, results),
        ]
        call = filled(f"fault = {self.interface.name}(", passed, ");")
        self.declare("int fault")
        counts = [
            _product(_axis(x, at) for at in range(x.type.rank)) for x in arguments if x.is_array
        ]
        counts += [
            _product(f"{r.c_name}_shape[{at}]" for at in range(r.type.rank))
            for r in results
            if r.is_array
        ]
        if counts:
            self.declare("PyThreadState *thread = NULL")
            large = filled("", counts, f" >= {_ALONE}", " +")
            if any(EXTERNAL[name].optional for name in self.interface.external):
                much = filled("", counts, f" >= {_LARGE}", " +")
                self.when([much], "call_borrow();")
            self.when([large], "thread = PyEval_SaveThread(); /* others run meanwhile */")
            self.body.append(call)
            self.when(["thread != NULL"], "PyEval_RestoreThread(thread);")
        else:
            self.body.append(call)
        for i, value in enumerate(arguments):
            if value.name in self.interface.written:
                self.leave_if(f"call_bring_back({value.c_name}_array, given[{i}]) < 0")
        self.when(["fault != 0"], f"call_raise_{self.interface.name}(fault);", "goto done;")

    def put_together(self) -> None:
        """What is returned."""
        tree = self.interface.tree
        if isinstance(tree, int):
            self.body.append(f"answer = {self._made(tree)};")
            return
        made: list[str] = []
        for place in sorted(set(_leaves(tree))):
            if place >= 0 and not self.interface.results[place].is_array:
                name = self._object(place)
                self.own(name)
                made.append(f"({name} = {self._made(place)}) == NULL")
        answer = self._container(tree, made)
        self.leave_if(*made)
        self.body.append(f"answer = {answer};")

    def _object(self, place: int) -> str:
        """A borrowed reference to a result, or to a constant."""
        if place < 0:
            return f"PyTuple_GET_ITEM(self, {-1 - place})"
        return f"{self.interface.results[place].c_name}_object"

    def _made(self, place: int) -> str:
        """A new reference to a result, or to a constant."""
        if place < 0 or self.interface.results[place].is_array:
            return f"Py_NewRef({self._object(place)})"
        r = self.interface.results[place]
        name, type_ = r.c_name, r.type
        if r.is_scalar:
            make = ELEMENTS[type_.dtype].make if type_.weak else f"call_numpy_{type_.dtype}"
            return f"{make}({name}_value)"
        self.declare(f"const {ELEMENTS[type_.dtype].type} *{name}_next")
        self.body.append(f"{name}_next = {name}_list;")
        rest = f"{name}_shape, &{name}_next"
        if type_.listed < type_.rank:
            return f"call_rows_{type_.dtype}({type_.listed}, {type_.rank}, {rest})"
        kind = "numbers" if type_.weak else "scalars"
        return f"call_{kind}_{type_.dtype}({type_.rank}, {rest})"

    def _container(self, tree: Tree, made: list[str]) -> str:
        """A new tuple, list or dict; what is inside of it is added to `made`."""
        first = self.keys
        if isinstance(tree, dict):
            self.keys += len(tree)
        items = [self._item(x, made) for x in (tree.values() if isinstance(tree, dict) else tree)]
        count = f"{len(items)}"
        if isinstance(tree, tuple):
            return filled("PyTuple_Pack(", [count, *items], ")")
        if not items:
            return "PyList_New(0)" if isinstance(tree, list) else "PyDict_New()"
        if isinstance(tree, list):
            return filled(f"call_pack_list({count}, (PyObject *[]){{", items, "})")
        return filled(f"call_pack_dict(self, {first}, {count}, (PyObject *[]){{", items, "})")

    def _item(self, child: Tree, made: list[str]) -> str:
        """A borrowed reference to an item of a container."""
        if isinstance(child, int):
            return self._object(child)
        container = self._container(child, made)
        name = f"part_{self.parts}"
        self.parts += 1
        self.own(name)
        made.append(f"({name} = {container}) == NULL")
        return name


def _leaves(tree: Tree) -> list[int]:
    if isinstance(tree, int):
        return [tree]
    children = tree.values() if isinstance(tree, dict) else tree
    return [leaf for child in children for leaf in _leaves(child)]


def _axis(value: Value, axis: int) -> str:
    """The size of an axis of an argument."""
    if value.is_array:
        return f"PyArray_DIM({value.c_name}_array, {axis})"
    return f"{value.c_name}_shape[{axis}]"


def _product(sizes: Iterable[str]) -> str:
    return " * ".join(sizes)


def _passed(value: Value) -> str:
    """What a kernel gets of an argument."""
    if value.is_scalar:
        cast = "(float)" if value.type.dtype == "float32" else ""
        return f"{cast}{value.c_name}_value"
    return f"PyArray_DATA({value.c_name}_array)" if value.is_array else f"{value.c_name}_list"


def _destination(result: Value) -> str:
    """Where a kernel puts a result."""
    if result.is_scalar:
        return f"&{result.c_name}_value"
    if result.is_array:
        return f"PyArray_DATA((PyArrayObject *){result.c_name}_object)"
    return f"{result.c_name}_list"
