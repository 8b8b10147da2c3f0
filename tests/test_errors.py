"""Bad input gives one clear error: what, where (file, line, column, caret), and what to do instead."""

import ast
import math
import random
import re
import threading
import time
import warnings

import numpy as np
import pytest

import symdiff
from tests.fuzz.generate import HELPERS, generate
from tests.fuzz.program import Program

counter = 0
LOCK = threading.Lock()
UNSUPPORTED = []
ILL_TYPED = []


def refuse(kind, match, *args, at=None):
    """Register a function whose differentiation at `args` fails with `kind`, at the text `at`."""

    def register(function):
        kind.append(pytest.param(function, match, args, at, id=function.__name__))
        return function

    return register


def raised(function, args, **options):
    with pytest.raises(symdiff.SymdiffError) as info:
        symdiff.grad(function, **options)(*args)
    return info.value


def assert_clear(error, match, at=None):
    """The message, the place in this file, the source line with a caret under the right text."""
    assert re.search(match, error.message), error.message
    text = str(error)
    assert error.span is not None, text
    first, source, carets = text.splitlines()[:3]
    assert re.match(r".*test_errors\.py:\d+:\d+: ", first)
    assert source.strip().startswith(f"{error.span.line} | ")
    assert set(carets.split("|", 1)[1].strip()) == {"^"}
    shown = source.split("| ", 1)[1]
    start = carets.index("^") - source.index("| ") - 2
    underlined = shown[start : start + carets.count("^")]
    if at is not None:
        assert underlined == at
    assert isinstance(error, symdiff.SymdiffError)
    assert error.__cause__ is None or not isinstance(error.__cause__, symdiff.SymdiffError)


# What is not supported.


@refuse(UNSUPPORTED, "a generator as the function to differentiate", 1.0)
def generator(x):
    yield x


@refuse(UNSUPPORTED, "the global .counter. is assigned", 1.0, at="global counter")
def global_statement(x):
    global counter
    counter = 1
    return x


@refuse(UNSUPPORTED, "open is not in the table of primitives", 1.0, at='open("f")')
def a_builtin_outside_the_table(x):
    return x * len(open("f").read())


@refuse(UNSUPPORTED, "not in the table of primitives", 1.0)
def a_function_outside_the_table(x):
    return x * time.time()


@refuse(UNSUPPORTED, "not in the table of primitives", np.ones(3))
def a_numpy_function_outside_the_table(x):
    return np.sum(np.unwrap(x))


@refuse(UNSUPPORTED, "arrays have no attribute 'frobnicate'", np.ones(3), at="x.frobnicate")
def unknown_attribute(x):
    return x.frobnicate()


@refuse(UNSUPPORTED, "different (structure|things)", 1.0)
def different_structures_on_two_sides(x):
    if x > 0.0:
        y = (x, x)
    else:
        y = [x]
    return y[0]


@refuse(UNSUPPORTED, "condition must be known when compiling", 1.0)
def filter_in_a_comprehension(x):
    return sum([y for y in (x, 2.0) if y > 0.0])


@refuse(UNSUPPORTED, "'with LOCK' is not supported", 1.0, at="with LOCK:")
def an_unknown_context(x):
    with LOCK:
        return x


@refuse(UNSUPPORTED, "without an end|nested too deeply", 1.0)
def endless_recursion(x):
    return endless_recursion(x) * x


@pytest.mark.parametrize(("function", "match", "args", "at"), UNSUPPORTED)
def test_unsupported(function, match, args, at):
    error = raised(function, args)
    assert_clear(error, match, at)
    assert isinstance(error, symdiff.UnsupportedError)
    assert error.hint


# What is ill-typed.


@refuse(ILL_TYPED, "unsupported operand|not a number", 1.0)
def adding_a_string(x):
    return x + "1"


@refuse(ILL_TYPED, "unsupported operand types", 1.0)
def adding_a_list(x):
    return x + [1.0]


@refuse(ILL_TYPED, "must be real number, not str", 1.0)
def sine_of_a_string(x):
    return math.sin("1") * x


@refuse(ILL_TYPED, "must be real number, not NoneType", 1.0)
def sine_of_none(x):
    return math.sin(None) * x


@refuse(ILL_TYPED, "shapes.*do not|mismatch|matmul", np.ones((2, 3)))
def matmul_of_wrong_shapes(x):
    return np.sum(np.ones((4, 5)) @ np.ones((4, 5)) * x[0, 0])


@refuse(ILL_TYPED, "do not broadcast", np.ones((2, 3)))
def broadcast_of_wrong_shapes(x):
    return np.sum((x[0, 0] * np.ones(3)) + (x[0, 1] * np.ones(4)))


@refuse(ILL_TYPED, "ragged", 1.0)
def ragged_list(x):
    return np.sum(np.array([[x, x], [x]]))


@refuse(ILL_TYPED, "axis 2 is out of bounds", np.ones((2, 3)))
def wrong_axis(x):
    return np.sum(x, axis=2)[0]


@refuse(ILL_TYPED, "cannot reshape", 1.0)
def wrong_reshape(x):
    return np.sum(np.reshape(x * np.ones(6), (4, 2)))


@refuse(ILL_TYPED, "truth value of an array is ambiguous", np.ones(3))
def truth_of_an_array(x):
    if x > 0.0:
        return np.sum(x)
    return 0.0


@refuse(ILL_TYPED, "truth value of an array is ambiguous", np.ones(3))
def max_of_arrays(x):
    return np.sum(max(x, 2.0 * x))


@refuse(ILL_TYPED, "chained comparison", np.ones(3))
def chained_comparison_of_arrays(x):
    return np.sum(np.where(0.0 < x < 1.0, x, 0.0))


@refuse(ILL_TYPED, "different shapes", np.ones(3))
def different_shapes_on_two_sides(x):
    y = x if x[0] > 0.0 else x[:, None]
    return np.sum(y)


@refuse(ILL_TYPED, "too many values to unpack", 1.0)
def unpacking_too_many(x):
    a, b = x, x, x
    return a * b


@refuse(ILL_TYPED, "not enough values to unpack", 1.0)
def unpacking_too_few(x):
    a, b, *c = (x,)
    return a * b


@refuse(ILL_TYPED, "missing", 1.0)
def missing_argument(x):
    return math.pow(x, *[])


@refuse(ILL_TYPED, "takes 1 argument|takes 1 positional", 1.0)
def too_many_arguments(x):
    return (lambda u: u)(x, x)


@refuse(ILL_TYPED, "unexpected keyword argument 'v'", 1.0)
def unknown_keyword(x):
    return (lambda u: u)(x, v=x)


@refuse(ILL_TYPED, "KeyError|no key", 1.0)
def missing_key(x):
    return {"a": x}["b"]


@refuse(ILL_TYPED, "IndexError|out of range", 1.0)
def missing_item(x):
    return [x][3]


@refuse(ILL_TYPED, "not callable", 1.0)
def calling_a_number(x):
    return x * (2.0)(x)


@refuse(ILL_TYPED, "not iterable", 1.0)
def iterating_over_a_number(x):
    a, b = x
    return a * b


@refuse(ILL_TYPED, "len\\(\\)", 1.0)
def len_of_a_number(x):
    return len(x) * x


@refuse(ILL_TYPED, "index", 1.0)
def indexing_a_number(x):
    return x[0]


@refuse(ILL_TYPED, "too many indices", np.ones(3))
def too_many_indices(x):
    return x[0, 0]


@refuse(ILL_TYPED, "indices must be integers", np.ones(3))
def indexing_with_a_float(x):
    return x[1.5]


@refuse(ILL_TYPED, "division by zero", 1.0)
def static_division_by_zero(x):
    return x * (1 / 0)


@pytest.mark.parametrize(("function", "match", "args", "at"), ILL_TYPED)
def test_ill_typed(function, match, args, at):
    error = raised(function, args)
    assert_clear(error, match, at)


def test_a_misspelled_name():
    def f(x):
        return x * scael  # noqa: F821

    error = raised(f, (1.0,))
    assert isinstance(error, symdiff.UnknownNameError)
    assert_clear(error, "'scael' is not defined", at="scael")


def test_a_misspelled_function_of_a_module():
    def f(x):
        return np.snh(x)

    assert_clear(raised(f, (1.0,)), "snh")


def test_an_error_in_a_helper_points_into_the_helper():
    def helper(u):
        return u * [1.0]

    def f(x):
        return helper(x)

    assert_clear(raised(f, (1.0,)), "operand|repeated|list")


# Arguments.


def square(x):
    return x * x


def first(x):
    """Asks nothing of its argument."""
    return 1.0


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (1, "integer"), (np.array([1, 2]), "integer|int"), (1j, "complex"), ("text", "float"),
        (None, "float"), (np.array(["a"]), "dtype"), (np.array([1.0, None]), "dtype|object"),
        ([1.0, "a"], "cannot differentiate|float"), (np.array([True]), "bool|integer"),
        ({"w": 1}, "integer|float"), (np.float16(1.0), "float16"),
    ],
)  # fmt: skip
def test_arguments_that_are_not_differentiable(value, match):
    error = raised(first, (value,), wrt="x")
    assert re.search(match, str(error)), str(error)
    assert isinstance(error, (symdiff.IllTypedError, symdiff.UnsupportedError))
    assert error.hint


def test_no_float_parameter():
    error = raised(lambda n: n * 2, (3,))
    assert "no floating-point parameter" in error.message
    assert "integers are not differentiable" in error.hint


@pytest.mark.parametrize("wrt", ["q", 5, -3, ("x", "q"), ("x", 7)])
def test_unknown_wrt(wrt):
    error = raised(square, (1.0,), wrt=wrt)
    assert isinstance(error, symdiff.UnknownNameError)
    assert "q" in error.message or "number" in error.message


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: np.array([1.0, 2.0]) * x, "array of shape"), (lambda x: (x, x), "tuple"),
        (lambda x: {"a": x}, "dict"), (lambda x: [x], "list"), (lambda x: "text", "str"),
        (lambda x: x * 1j, "complex"),
    ],
)  # fmt: skip
def test_a_result_that_is_not_a_scalar(function, match):
    error = raised(function, (1.0,))
    assert re.search(match, error.message)
    assert error.hint


def test_a_result_that_is_no_number():
    error = raised(lambda x: object, (1.0,))
    assert "returns a type" in error.message


def test_has_aux_without_aux():
    assert "(value, aux)" in raised(square, (1.0,), has_aux=True).message


def test_wrong_mode():
    with pytest.raises(symdiff.IllTypedError, match="mode 'sideways'"):
        symdiff.jacobian(square, mode="sideways")


def test_not_a_function():
    for value in (3.0, "f", None.__class__):
        with pytest.raises(symdiff.SymdiffError):
            symdiff.grad(value)(1.0)


def test_builtins_have_no_source():
    for function in (math.sin, np.sin, len):
        with pytest.raises(symdiff.SymdiffError, match="no source|not a Python function"):
            symdiff.grad(function)(1.0)


def test_missing_source():
    scope = {}
    # Not "<string>": that is what Python 3.13 calls the program of `python -c`, as a test runs in.
    exec(compile("def f(x):\n    return x * x\n", "<nowhere>", "exec"), scope)
    error = raised(scope["f"], (1.0,))
    assert isinstance(error, symdiff.SourceError)
    assert "not available" in error.message
    assert "linecache" in error.hint


def test_calls_that_do_not_fit_the_signature():
    d = symdiff.grad(square)
    for args, kwargs in [((), {}), ((1.0, 2.0), {}), ((1.0,), {"y": 2.0}), ((1.0,), {"x": 2.0})]:
        with pytest.raises(TypeError):
            d(*args, **kwargs)
        with pytest.raises(TypeError):
            square(*args, **kwargs)


def test_tangents_that_do_not_fit():
    f = symdiff.jvp(lambda x: np.sum(x * x))
    x = np.ones(3)
    for tangent in (1.0, np.ones(2), np.ones((3, 1)), "text", (x, x)):
        with pytest.raises(symdiff.IllTypedError):
            f(x, tangent)
    with pytest.raises(TypeError):
        f(x)
    with pytest.raises(symdiff.IllTypedError):
        symdiff.jvp(lambda x, y: x * y, wrt="*")(1.0, 2.0, 3.0)
    with pytest.raises(symdiff.IllTypedError):
        symdiff.vjp(lambda x: x * np.ones(3))(1.0, np.ones(2))
    with pytest.raises(symdiff.IllTypedError):
        symdiff.hvp(lambda x: np.sum(x * x))(x, np.ones(4))


# Connection.


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: symdiff.detach(x) * 2.0, "detach"),
        (lambda x: symdiff.stop_gradient(x * x), "stop_gradient"),
        (lambda x: int(x) * 2.0, "int"),
        (lambda x: np.sum(np.array([x, 2.0]).astype(int)) * 1.0, "int"),
    ],
)
def test_not_connected(function, what):
    error = raised(function, (1.5,))
    assert isinstance(error, symdiff.NotConnectedError), error
    assert re.search(what, error.message)
    assert error.span is not None


def test_not_connected_by_no_grad():
    def f(x):
        with symdiff.no_grad():
            y = x * x
        return y

    error = raised(f, (1.5,))
    assert isinstance(error, symdiff.NotConnectedError)
    assert "no_grad" in error.message
    assert_clear(error, "not connected to x")


def test_a_constant_function_has_a_zero_derivative():
    assert symdiff.grad(lambda x: 3.0)(1.0) == 0.0
    assert symdiff.grad(lambda x: math.floor(x) * 1.0)(1.5) == 0.0
    np.testing.assert_array_equal(symdiff.grad(lambda x: 3.0)(np.ones(2)), [0.0, 0.0])


# Values that are no errors.


def test_empty_arrays():
    np.testing.assert_array_equal(symdiff.grad(lambda x: np.sum(x * x))(np.zeros(0)), np.zeros(0))
    g = symdiff.grad(lambda x: np.sum(np.exp(x) @ np.ones(3)))(np.zeros((0, 3)))
    assert g.shape == (0, 3)


def test_an_empty_reduction_has_no_value():
    with pytest.raises(symdiff.IllTypedError, match="max of an empty array has no value"):
        symdiff.grad(lambda x: np.max(x) * 1.0)(np.zeros(0))


def test_shapes_that_disagree_at_run_time_raise_as_numpy_does():
    d = symdiff.grad(lambda x, y: np.sum(np.sin(x) * y), wrt="*")
    d(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="broadcast|shape"):
        d(np.ones(3), np.ones(4))


# No raw internal exception, whatever the program.

PIECES = [
    "None", "'text'", "x", "[]", "{}", "()", "0", "1j", "x.T", "x[0]", "lambda: 0", "np", "math.sin",
    "[x, x]", "*x", "True", "x > 0", "slice(1)", "...", "range(3)", "np.array([1.0, 2.0])", "-x",
    "{'a': x}", "object()", "x @ x", "len(x)", "int(x)", "sum(x)", "f", "print", "np.newaxis",
    "float('nan')", "1 // 0", "not x", "x if x else x", "[y for y in x]", "x is None", "x in (x,)",
]  # fmt: skip
STATEMENTS = [
    "raise ValueError('no')", "assert x > 0", "del x", "global x", "return", "pass", "break",
    "x[0] = 1.0", "x.a = 2", "x: int", "import os", "continue", "x += [1]", "x, y = x",
    "while x: pass", "for i in x: pass", "with x: pass", "try:\n    pass\nfinally:\n    pass",
    "def x(): return x", "x = yield", "lambda: (yield)", "nonlocal x", "class A: pass", "print(x)",
    "for k in range(10**9): x = x", "x = x[1:]", "return x, x", "x()", "return lambda: x",
]  # fmt: skip


class Mutant(ast.NodeTransformer):
    """One random change: an expression replaced, a statement dropped, replaced or repeated."""

    def __init__(self, rng, at):
        self.rng, self.at, self.seen = rng, at, 0

    def visit(self, node):
        if isinstance(node, (ast.expr, ast.stmt)) and not isinstance(node, ast.FunctionDef):
            self.seen += 1
            if self.seen == self.at:
                return self.changed(node)
        return self.generic_visit(node)

    def changed(self, node):
        if isinstance(node, ast.stmt):
            new = ast.parse(self.rng.choice(STATEMENTS)).body[0]
            return self.rng.choice([None, new, [new, node], [node, node]])
        if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
            return node
        if isinstance(node, (ast.BinOp, ast.Call, ast.Compare)) and self.rng.random() < 0.4:
            if isinstance(node, ast.BinOp):
                node.op = self.rng.choice(
                    [ast.MatMult(), ast.Mod(), ast.LShift(), ast.Pow(), ast.BitAnd()]
                )
                return node
            if isinstance(node, ast.Call):
                if node.args and self.rng.random() < 0.5:
                    node.args.pop()
                else:
                    node.args.append(ast.Constant(1.5))
                return node
            return node.left
        piece = self.rng.choice(PIECES)
        if piece.startswith("*"):
            return ast.Starred(ast.Name("x", ast.Load()), ast.Load())
        return ast.parse(piece, mode="eval").body


def mutated(seed):
    """A program broken in one to three places, or None where Python itself rejects it."""
    rng = random.Random(f"mutant {seed}")
    program = generate(rng.randrange(200))
    body = program.source.removeprefix(HELPERS)
    tree = ast.parse(body)
    for _ in range(rng.randint(1, 3)):
        size = sum(isinstance(n, (ast.expr, ast.stmt)) for n in ast.walk(tree))
        Mutant(rng, rng.randint(1, size)).visit(tree)
    first = tree.body[0]
    if not isinstance(first, ast.FunctionDef):
        return None
    first.body = first.body or [ast.Pass()]
    try:
        source = HELPERS + ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        compile(source, "<mutant>", "exec")
    except (SyntaxError, ValueError, AttributeError, TypeError):
        return None
    return Program(
        100_000 + seed, source, program.name, program.points, "scalar", program.arrays, False
    )


MUTANTS = 400


def outcome(program, operator):
    """None, or what went wrong: an exception that is neither ours nor the primal's own."""
    function = program.load()
    args = program.points[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            operator(function)(*args)
        except symdiff.SymdiffError as error:
            assert str(error)
            assert "Traceback" not in str(error)
            return None
        except Exception as error:
            try:
                function(*args)
            except Exception as own:
                if type(own) is type(error):
                    return None
            return error
    return None


@pytest.mark.parametrize("start", range(0, MUTANTS, 20))
def test_broken_programs_never_show_an_internal_exception(start):
    judged = 0
    for seed in range(start, start + 20):
        program = mutated(seed)
        if program is None:
            continue
        judged += 1
        for operator in (
            lambda f: symdiff.jacobian(f, wrt="*", mode="reverse"),
            lambda f: symdiff.grad(f, wrt="*", options=symdiff.Options(optimize=False)),
        ):
            error = outcome(program, operator)
            if error is not None:
                raise AssertionError(f"{error!r} from\n{program.script([])}") from error
    assert judged >= 8


def test_mutants_reach_the_compiler():
    """Enough of the broken programs run as plain Python: the test is not of syntax errors alone."""
    fine = 0
    for seed in range(100):
        program = mutated(seed)
        if program is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                program.load()(*program.points[0])
            except Exception:
                continue
        fine += 1
    assert fine >= 20
