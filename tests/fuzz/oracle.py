"""What must hold for the derivative of a generated program.

forward = reverse = finite differences, optimised = unoptimised, value = primal; the text is
deterministic, narrow, runs by itself, and raises where the primal raises.
"""

from __future__ import annotations

import ast
import builtins
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symdiff
from symdiff.api import Derivative
from tests.fuzz.generate import generate
from tests.fuzz.program import Program

PLAIN = symdiff.Options(optimize=False)
STEPS = (4e-3, 1e-3, 2.5e-4)
SECONDS = 30  # of the processor: a program that takes longer to compile and check has failed
RAISES = (ArithmeticError, ValueError)


@dataclass
class Verdict:
    """failures: what does not hold. unreliable: entries whose finite difference is not usable."""

    seed: int
    failures: list[str] = field(default_factory=list)
    compared: int = 0
    unreliable: int = 0


def flat(tree: Any) -> np.ndarray:
    """Every number in a tree, as one vector."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return np.concatenate([flat(t) for t in tree]) if len(tree) else np.zeros(0)
    return np.ravel(np.asarray(tree, dtype=float))


def leaves(tree: Any) -> list[np.ndarray]:
    """The numbers and arrays of a tree, in order."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for t in tree for leaf in leaves(t)]
    return [np.asarray(tree, dtype=float)]


def _raw(tree: Any) -> list[Any]:
    """The leaves of a tree as they are."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for t in tree for leaf in _raw(t)]
    return [tree]


def jacobian_matrix(tree: Any, outputs: int, args: Sequence[Any]) -> np.ndarray:
    """The answer of `jacobian(f, wrt="*")` as one matrix, of (output entries, input entries)."""
    found, rows = leaves(tree), []
    for i in range(outputs):
        blocks = found[i * len(args) : (i + 1) * len(args)]
        rows.append(
            np.hstack([b.reshape(-1, np.size(a)) for b, a in zip(blocks, args, strict=True)])
        )
    return np.vstack(rows)


def perturbed(args: Sequence[Any], entry: int, step: float) -> list[Any]:
    """`args` with one number of them moved by `step`."""
    moved: list[Any] = []
    for a in args:
        size = int(np.size(a))
        if 0 <= entry < size:
            if isinstance(a, float):
                a = a + step
            else:
                a = a.copy()
                a.reshape(-1)[entry] += step
        entry -= size
        moved.append(a)
    return moved


def numeric(
    function: Callable[..., np.ndarray], args: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Five-point differences of a vector function and their error estimates, (outputs, inputs).

    Three step sizes; of two neighbours that agree best the finer is taken, and their distance is
    the estimate. Where none agree (a kink or a pole close by) the estimate says so.
    """
    columns, errors = [], []
    for entry in range(sum(int(np.size(a)) for a in args)):
        tries = []
        for h in STEPS:
            try:
                y = [function(*perturbed(args, entry, k * h)) for k in (-2, -1, 1, 2)]
                tries.append((y[0] - 8 * y[1] + 8 * y[2] - y[3]) / (12 * h))
            except RAISES:
                continue
        if len(tries) < 2:
            columns.append(np.full_like(function(*args), np.nan))
            errors.append(np.full_like(columns[-1], np.inf))
            continue
        gaps = np.array([np.abs(a - b) for a, b in zip(tries, tries[1:], strict=False)])
        best = np.argmin(np.where(np.isnan(gaps), np.inf, gaps), axis=0)
        columns.append(np.choose(best, tries[1:]))
        errors.append(np.choose(best, gaps))
    return np.array(columns).T, np.array(errors).T


class Oracle:
    """The checks of one program; each failure is a line of text."""

    def __init__(self, program: Program, *, jax: bool = False, second_order: bool | None = None):
        self.program = program
        self.verdict = Verdict(program.seed)
        self.jax = jax and program.jax
        self.second = program.seed % 5 == 0 if second_order is None else second_order

    def fail(self, kind: str, message: object) -> None:
        self.verdict.failures.append(f"{kind}: {message}")

    def run(self) -> Verdict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.function = self.program.load()
                self.check()
            except symdiff.SymdiffError as error:
                self.fail("compile", f"{type(error).__name__}: {error}")
            except Exception as error:
                self.fail("internal", f"{type(error).__name__}: {error}\n{_where(error)}")
        return self.verdict

    def check(self) -> None:
        args = self.program.points[0]
        value = self.function(*args)
        self.args, self.value = args, value
        self.outputs = len(leaves(value))
        reverse = symdiff.jacobian(self.function, wrt="*", mode="reverse")
        expected = self.matrix(reverse)
        self.scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        self.reverse = reverse
        self.plain = symdiff.jacobian(self.function, wrt="*", mode="forward", options=PLAIN)
        auto = symdiff.jacobian(self.function, wrt="*")
        forward = symdiff.jacobian(self.function, wrt="*", mode="forward")
        for label, other in [("forward", forward), ("plain forward", self.plain), ("auto", auto)]:
            if other is not auto or self.outputs > 1:  # of one output auto is reverse
                self.agree(f"{label} = reverse", self.matrix(other), expected)
        self.differences(expected)
        self.text(forward)
        self.text(reverse)
        if self.program.result == "scalar":
            self.scalar(expected)
        self.directional(expected)
        self.other_point()
        if self.jax:
            self.compare_jax(expected)

    def matrix(self, derivative: Derivative) -> np.ndarray:
        return jacobian_matrix(derivative(*self.args), self.outputs, self.args)

    def agree(self, what: str, found: Any, expected: Any, rtol: float = 1e-7) -> None:
        """Both within rounding, relative to the largest entry."""
        a, b = flat(found), flat(expected)
        if a.shape != b.shape:
            self.fail(what, f"shapes {a.shape} and {b.shape}")
            return
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        if not np.allclose(a, b, rtol=rtol, atol=rtol * scale, equal_nan=False):
            self.fail(what, f"{a} is not {b}")

    def differences(self, expected: np.ndarray) -> None:
        found, error = numeric(lambda *a: flat(self.function(*a)), self.args)
        # An estimate above this tells a kink or a pole nearby: no judge of a derivative.
        usable = np.isfinite(found) & (error <= 1e-5 * np.maximum(self.scale, np.abs(found)))
        self.verdict.compared += int(usable.size)
        self.verdict.unreliable += int(np.sum(~usable))
        if not np.all(np.isfinite(expected)):
            self.fail("not finite", expected)
            return
        gap = np.abs(np.where(usable, found - expected, 0.0))
        if np.any(gap > 3e-6 * self.scale + 5.0 * np.where(usable, error, 0.0)):
            self.fail("finite differences", f"\n{found}\n is not\n{expected}\n(estimates {error})")

    def scalar(self, expected: np.ndarray) -> None:
        args = self.args
        for options in (symdiff.Options(), PLAIN):
            both = symdiff.value_and_grad(self.function, wrt="*", options=options)
            value, grads = both(*args)
            self.agree("value_and_grad's value", value, self.value, 1e-9)
            self.agree("value_and_grad's gradient", grads, expected)
            for a, d in zip(args, grads, strict=True):
                if np.shape(d) != np.shape(a):
                    self.fail("shape", f"gradient of shape {np.shape(d)} for {np.shape(a)}")
        grad = symdiff.grad(self.function, wrt="*")
        self.agree("grad", grad(*args), expected)
        if self.second:
            self.hessian(grad)

    def hessian(self, grad: Derivative) -> None:
        args = self.args
        found, error = numeric(lambda *a: flat(grad(*a)), args)
        hessian = symdiff.hessian(self.function, wrt="*")
        size = sum(int(np.size(a)) for a in args)
        rows = []
        answer = hessian(*args)
        for a, row in zip(args, answer, strict=True):
            rows.append(np.hstack([
                np.asarray(block).reshape(np.size(a), np.size(b))
                for block, b in zip(row, args, strict=True)
            ]))  # fmt: skip
        matrix = np.vstack(rows)
        scale = max(1.0, float(np.max(np.abs(found[np.isfinite(found)]), initial=0.0)))
        usable = np.isfinite(found) & (error <= 1e-4 * scale)
        self.verdict.compared += int(usable.size)
        self.verdict.unreliable += int(np.sum(~usable))
        gap = np.abs(np.where(usable, found - matrix, 0.0))
        if not np.all(gap <= 1e-5 * scale + 5.0 * np.where(usable, error, 0.0)):
            self.fail("hessian = differences of grad", f"\n{found}\n is not\n{matrix}")
        self.agree("hessian is symmetric", matrix, matrix.T)
        forward = symdiff.jacobian(grad, wrt="*", mode="forward", options=PLAIN)
        self.agree(
            "jacobian of grad = hessian", jacobian_matrix(forward(*args), len(args), args), matrix
        )
        v = self.vectors()
        product = symdiff.hvp(self.function, wrt="*")(*args, v)
        self.agree("hvp = hessian @ v", product, matrix @ flat(v))
        assert matrix.shape == (size, size)
        self.text(hessian)

    def vectors(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(self.program.seed)
        return tuple(
            float(rng.normal()) if isinstance(a, float) else rng.normal(size=np.shape(a))
            for a in self.args
        )

    def directional(self, expected: np.ndarray) -> None:
        v = self.vectors()
        value, tangent = symdiff.jvp(self.function, wrt="*")(*self.args, v)
        self.agree("jvp's value", value, self.value, 1e-9)
        self.agree("jvp", tangent, expected @ flat(v))
        if self.outputs == 1:
            out = leaves(self.value)[0]
            seed = np.random.default_rng(7).normal(size=out.shape)
            ct = [float(seed)] if out.ndim == 0 else [seed]
            if isinstance(self.value, dict):
                given: Any = dict(zip(self.value, ct, strict=True))
            elif isinstance(self.value, (tuple, list)):
                given = type(self.value)(ct)
            else:
                given = ct[0]
            value, pulled = symdiff.vjp(self.function, wrt="*")(*self.args, given)
            self.agree("vjp's value", value, self.value, 1e-9)
            self.agree("vjp", pulled, np.ravel(seed) @ expected)

    def text(self, derivative: Derivative) -> None:
        """The generated text: deterministic, narrow, free of clashes, and runs by itself."""
        compiled = derivative.compiled()
        source = derivative.source
        for line in source.splitlines():
            if len(line) > 88:
                self.fail("line width", f"{len(line)}: {line}")
        again = type(derivative)(
            derivative.primal, derivative.requests[0], derivative.options
        )  # fmt: skip
        for request in derivative.requests[1:]:
            again = type(derivative)(again, request, derivative.options)
        again(*self.args)
        if again.source != source:
            self.fail("deterministic", f"\n{source}\n---\n{again.source}")
        self.names(source)
        if not compiled.bindings:
            scope: dict[str, Any] = {"__name__": "standalone"}
            exec(compile(source, "<standalone>", "exec"), scope)
            alone, here = scope[compiled.name](*self.args), derivative(*self.args)
            if not np.array_equal(flat(alone), flat(here), equal_nan=True):
                self.fail("standalone", f"{alone} is not {here}")
        verify = _verifier()
        if verify is not None:
            verify(compiled.function)

    def names(self, source: str) -> None:
        """No local name hides an imported module or a builtin that the text uses."""
        tree = ast.parse(source)
        stored = {
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        stored |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        imported = {
            (a.asname or a.name).split(".")[0] for n in ast.walk(tree)
            if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names
        }  # fmt: skip
        called = {
            n.func.id
            for n in ast.walk(tree)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        clash = stored & (imported | (called & set(dir(builtins))))
        if clash:
            self.fail("names", f"{sorted(clash)} in\n{source}")

    def other_point(self) -> None:
        """At another point: the same value or the same exception as the primal."""
        args = self.program.points[1]
        derivative = self.reverse
        try:
            value = self.function(*args)
            if any(np.iscomplexobj(v) for v in _raw(value)):
                return
        except TypeError:  # a negative number to a broken power is complex: not in scope
            return
        except RAISES as error:
            try:
                answer = derivative(*args)
            except type(error):
                return
            except TypeError as other:  # the derivative came first to a power that is complex
                if "complex" not in str(other):
                    self.fail("exception", f"primal raised {error!r}, derivative {other!r}")
                return
            except RAISES as other:
                self.fail("exception", f"primal raised {error!r}, derivative {other!r}")
                return
            if isinstance(error, OverflowError):  # stable forms are there to avoid it
                return
            self.fail("exception", f"primal raised {error!r} at {args}, derivative gave {answer}")
            return
        if not np.all(np.isfinite(flat(value))):
            return
        found = jacobian_matrix(derivative(*args), len(leaves(value)), args)
        if np.all(np.isfinite(found)):
            plain = jacobian_matrix(self.plain(*args), len(leaves(value)), args)
            self.agree("other point", plain, found, 1e-6)

    def compare_jax(self, expected: np.ndarray) -> None:
        from tests.fuzz.with_jax import jax_jacobian

        found = jax_jacobian(self.program)
        if found is not None:
            self.agree("JAX", jacobian_matrix(found, self.outputs, self.args), expected, 1e-6)


def _verifier() -> Callable[[Any], Any] | None:
    try:
        from symdiff.ir.verify import verify
    except ImportError:
        return None
    return verify


def _where(error: BaseException) -> str:
    """The innermost places of a traceback, for a report."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " <- ".join(
        f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in reversed(frames)
    )


def judge(program: Program, *, jax: bool = False, second_order: bool | None = None) -> Verdict:
    """Everything that must hold for one program."""
    return Oracle(program, jax=jax, second_order=second_order).run()


def work(item: tuple[int, bool, int]) -> Verdict:
    """What one process of the command does: the program of one seed, under a time limit."""
    seed, jax, nesting = item

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return judge(generate(seed, nesting), jax=jax)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
