"""Golden files: each of tests/cases/*.md holds prose, a function, a call, and the derivative's text.

`pytest tests/test_cases.py --update` rewrites the derivatives and the operation counts; a wrong
golden fails all the same, since every case is compared with finite differences.
"""

import ast
import copy
import linecache
import re
from pathlib import Path

import numpy as np
import pytest

import symdiff
from symdiff.codegen.count import operations
from symdiff.ir.text import dump, load
from symdiff.ir.verify import verify
from symdiff.primitives.table import ROWS
from tests.fuzz.oracle import flat, leaves, numeric

FILES = sorted((Path(__file__).parent / "cases").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```\n", re.S)


class Case:
    """One file, taken apart.

    Its first block defines the function; its second sets `df` and `args` (and `primal`, a plain
    function with the derivative that is meant, where that is not f's); its third is the golden.
    """

    def __init__(self, path):
        self.path, self.text = path, path.read_text()
        blocks = list(BLOCK.finditer(self.text))
        assert len(blocks) == 3, f"{path.name} needs three blocks of Python"
        self.define, self.call, self.golden = blocks
        self.source = self.define[1]
        # Padded, so that lines of the file are lines of the code.
        padding = "\n" * self.text[: self.define.start(1)].count("\n")
        linecache.cache[path.name] = (
            len(self.text), None, (padding + self.source).splitlines(keepends=True), path.name
        )  # fmt: skip
        self.scope = {"__name__": path.stem}
        exec("import math\nimport numpy as np\nimport symdiff\n", self.scope)
        exec(compile(padding + self.source, path.name, "exec"), self.scope)
        exec(self.call[1], self.scope)
        self.df = self.scope["df"]
        self.answer = self.df(*self.args)

    @property
    def args(self):
        """The arguments of the call: copies each time, as functions may write into them."""
        return copy.deepcopy(self.scope["args"])

    @property
    def counts(self):
        """Operations of the derivative, and of the function itself: the printed ones."""
        return operations(self.df.compiled().text), operations(self.source)

    def updated(self):
        """The file with what the compiler generates now."""
        head = self.text[: self.golden.start(1)]
        derived, primal = self.counts
        return f"{head}{self.df.source}```\n\nOperations: {derived}, of the function: {primal}.\n"


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def case(request):
    return Case(request.param)


def test_golden(case, update):
    if update:
        case.path.write_text(case.updated())
    assert case.path.read_text() == case.updated()


def test_against_finite_differences(case):
    """The derivative that the file shows is the derivative of the function that it shows."""
    request = case.df.requests[-1]
    primal = case.scope.get("primal") or inner(case)
    args, seeds = case.args, ()
    if request.kind in ("jvp", "vjp", "hvp"):
        args, seeds = case.args[:-1], case.args[-1:]
    value = primal(*copy.deepcopy(args))
    outputs = leaves(value)
    found = wanted(case, request, args, lambda *a: flat(primal(*a)))
    answer = case.answer
    match request.kind:
        case "grad" | "jacobian":
            expected = found
            if request.has_aux:
                answer = answer[0]
        case "value_and_grad":
            np.testing.assert_allclose(answer[0], value, rtol=1e-12)
            answer, expected = answer[1], found
        case "jvp":
            np.testing.assert_allclose(flat(answer[0]), flat(outputs), rtol=1e-12)
            answer, expected = answer[1], found @ flat(seeds)
        case "vjp":
            np.testing.assert_allclose(flat(answer[0]), flat(outputs), rtol=1e-12)
            answer, expected = answer[1], flat(seeds) @ found
        case "hessian":
            gradient = symdiff.grad(primal, wrt=request.wrt and wrt_of(request))
            expected = wanted(case, request, args, lambda *a: flat(gradient(*a)))
        case kind:
            raise AssertionError(f"no check for {kind}")
    np.testing.assert_allclose(flat(answer), np.ravel(expected), rtol=1e-6, atol=1e-7)


def inner(case):
    """What the last operator differentiates: the function, or its derivative of lower order."""
    if len(case.df.requests) == 1:
        return case.df.primal
    return case.df.__symdiff_derivative__.target


def wrt_of(request):
    return request.wrt if request.many else request.wrt[0]


def wanted(case, request, args, function):
    """Finite differences in the arguments that `wrt` names, of shape (outputs, inputs)."""
    names = list(case.df.primal.__code__.co_varnames[: case.df.primal.__code__.co_argcount])
    if "primal" in case.scope:
        positions = list(range(len(args)))
    elif request.wrt is None:
        positions = [0]
    elif request.wrt == ("*",):
        positions = list(range(len(names)))
    else:
        positions = [w if isinstance(w, int) else names.index(w) for w in request.wrt]
    shapes = {i: [np.shape(leaf) for leaf in leaves(args[i])] for i in positions}

    def of(*parts):
        full = list(args)
        parts = list(parts)
        for i in positions:
            mine = [parts.pop(0) for _ in shapes[i]]
            full[i] = filled(args[i], mine)
        return function(*copy.deepcopy(full))

    start = [
        leaf.astype(float) if leaf.ndim else float(leaf)
        for i in positions
        for leaf in leaves(args[i])
    ]
    found, error = numeric(of, start)
    assert np.all(error < 1e-6)
    return found


def filled(tree, values):
    """`tree` with its numbers replaced, in order."""
    if isinstance(tree, dict):
        return {k: filled(v, values) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(filled(v, values) for v in tree)
    return values.pop(0)


def test_the_text_runs_by_itself(case):
    compiled = case.df.compiled()
    assert not compiled.bindings
    scope = {}
    exec(compile(case.golden[1], "<golden>", "exec"), scope)
    args = list(case.args)
    if case.df.requests[-1].kind in ("jvp", "hvp") and case.df.requests[-1].many:
        args[-1:] = args[-1]  # one tangent for each of wrt
    np.testing.assert_array_equal(flat(scope[compiled.name](*args)), flat(case.answer))
    assert all(len(line) <= 88 for line in case.golden[1].splitlines())
    assert ast.get_docstring(ast.parse(case.golden[1]).body[-1])


def test_ir_reads_back(case):
    """parse(print(ir)) is the same IR."""
    function = case.df.compiled().function
    verify(function)
    again = load(dump(function), ROWS)
    assert dump(again) == dump(function)
    assert again.results == function.results


def test_cost(case):
    """The cheap-gradient bound: one sweep costs at most four functions, and a few for the ends.

    With checkpoints the function runs once more, and there are blocks to count.
    """
    derived, primal = case.counts
    kinds = [r.kind for r in case.df.requests]
    if kinds in (["grad"], ["value_and_grad"], ["jvp"], ["vjp"]):
        blocks = "_saved = " in case.golden[1]
        assert derived <= (5 * primal + 24 if blocks else 4 * primal + 4)


def test_there_are_cases():
    assert len(FILES) >= 20
