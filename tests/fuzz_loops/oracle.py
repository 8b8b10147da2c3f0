"""What must hold for the derivative of a program with loops.

value = primal; reverse = finite differences; forward = reverse; optimised = unoptimised; both
second orders (forward over reverse, reverse over reverse) = differences of the gradient; where
the function raises, so does its derivative; what it writes into its arguments, so does its
derivative; each compiles in seconds; the text is narrow.
"""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symdiff
from symdiff import pipeline
from symdiff.ir.function import Function
from symdiff.ir.verify import verify
from tests.fuzz_loops.generate import generate
from tests.fuzz_loops.program import Program, differentiable, traced

PLAIN = symdiff.Options(optimize=False)
STEPS = (4e-3, 1e-3, 2.5e-4, 6e-5)
COMPILING = 10  # seconds: longer is a failure
SECONDS = 60  # for all of the checks of one program


def _verified(label: str, run: pipeline.Pass) -> pipeline.Pass:
    def verified(function: Function, options: symdiff.Options) -> Function:
        result = run(function, options)
        try:
            verify(result)
        except AssertionError as error:
            raise AssertionError(f"after {label}: {error}") from None
        return result

    return verified


@contextmanager
def passes_verified() -> Generator[None, None, None]:
    """Inside, what every pass makes is verified."""
    plain = {name: getattr(pipeline, name) for name in ("BEFORE", "ERASE", "PASSES")}
    for name, passes in plain.items():
        setattr(pipeline, name, tuple((label, _verified(label, run)) for label, run in passes))
    try:
        yield
    finally:
        for name, passes in plain.items():
            setattr(pipeline, name, passes)


# Writes into what may be one of several arrays.
REFUSALS = ("may be the same array", "has chosen from several", "may hold too")
RAISES = (ArithmeticError, ValueError, UnboundLocalError)


@dataclass
class Verdict:
    """failures: what does not hold. unreliable: entries whose finite difference is not usable.

    refused: whether it writes into what may be one of several arrays, which is an error.
    """

    seed: int
    failures: list[str] = field(default_factory=list)
    compared: int = 0
    unreliable: int = 0
    slowest: float = 0.0
    refused: bool = False

    @property
    def kinds(self) -> set[str]:
        return {f.split(":", 1)[0] for f in self.failures}


def flat(tree: Any) -> np.ndarray:
    """Every number in a tree, as one vector."""
    if isinstance(tree, (tuple, list)):
        return np.concatenate([flat(t) for t in tree]) if tree else np.zeros(0)
    return np.ravel(np.asarray(tree, dtype=float))


class Oracle:
    """The checks of one program; each failure is a line of text."""

    def __init__(self, program: Program, *, second_order: bool = True):
        self.program, self.second = program, second_order
        self.verdict = Verdict(program.seed)
        self.places = differentiable(program)
        self.wrt = tuple(self.places)

    def fail(self, kind: str, message: object) -> None:
        self.verdict.failures.append(f"{kind}: {message}")

    def run(self) -> Verdict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.function, self.traced = self.program.load(), traced(self.program)
                self.check()
            except symdiff.SymdiffError as error:
                if any(text in error.message for text in REFUSALS):
                    self.verdict.refused = True
                    return self.verdict
                self.fail("compile", f"{type(error).__name__}: {error}")
            except Exception as error:
                self.fail("internal", f"{type(error).__name__}: {error}\n{_where(error)}")
        return self.verdict

    def check(self) -> None:
        # Each is compiled at the first point and, where sizes allow, runs at the others as it is.
        f, wrt = self.function, self.wrt
        gradient = symdiff.value_and_grad(f, wrt=wrt)
        plain = symdiff.grad(f, wrt=wrt, options=PLAIN)
        forward = symdiff.jvp(f, wrt=wrt)
        for number, args in enumerate(self.program.points):
            try:
                value, self.decisions = self.traced(*args)
            except RAISES as error:
                self.raising(gradient, args, error)
                continue
            if not np.all(np.isfinite(value)) or self.chaotic(args, value):
                continue
            self.left = _copied(args)
            f(*self.left)
            found, grads = self.timed(gradient, *args)
            self.agree("value", found, value, 1e-10)
            self.agree("optimised = unoptimised", self.timed(plain, *args), grads, 1e-9)
            v = self.direction(args)
            found, tangent = self.timed(forward, *args, v)
            self.agree("jvp's value", found, value, 1e-10)
            self.agree("forward = reverse", tangent, flat(grads) @ flat(v), 1e-9, flat(grads))
            if number == 0:
                self.text(gradient)
            self.first_order(args, grads)
            if self.second:
                self.second_order(args, v, number)

    def chaotic(self, args: Sequence[Any], value: Any) -> bool:
        """Whether rounding alone moves the result: many rounds may double an error each."""
        moved = [
            a * (1.0 + 1e-14) if isinstance(a, (float, np.ndarray)) else a for a in _copied(args)
        ]
        try:
            other, decisions = self.traced(*moved)
        except RAISES:
            return False
        gap = np.abs(flat(other) - flat(value))
        moves = bool(np.any(gap > 1e-9 * np.maximum(1.0, np.abs(flat(value)))))
        self.verdict.unreliable += moves
        self.verdict.compared += moves
        return moves and decisions == self.decisions

    def timed(self, derivative: Any, *args: Any) -> Any:
        start = time.process_time()
        given = _copied(args)
        try:
            answer = derivative(*given)
        except symdiff.SymdiffError:
            raise
        except RAISES as error:
            raise AssertionError(f"only the derivative raises {error!r}") from error
        spent = time.process_time() - start
        self.verdict.slowest = max(self.verdict.slowest, spent)
        if spent > COMPILING:
            self.fail("slow", f"{spent:.1f} s to compile")
        arrays = [i for i, a in enumerate(self.left) if isinstance(a, np.ndarray)]
        self.agree("what is left in arguments", [given[i] for i in arrays],
                   [self.left[i] for i in arrays], 1e-12)  # fmt: skip
        return answer

    def raising(self, derivative: Any, args: Sequence[Any], error: Exception) -> None:
        """Where the function raises its derivative raises the same."""
        try:
            answer = derivative(*_copied(args))
        except type(error):
            return
        except RAISES as other:
            self.fail("exception", f"the function raised {error!r}, its derivative {other!r}")
            return
        self.fail("exception", f"the function raised {error!r}, its derivative gave {answer}")

    def direction(self, args: Sequence[Any]) -> tuple[Any, ...]:
        rng = np.random.default_rng(self.program.seed)
        return tuple(
            float(rng.normal()) if isinstance(args[i], float) else rng.normal(size=args[i].shape)
            for i in self.places.values()
        )

    def agree(self, what: str, found: Any, expected: Any, rtol: float, scale: Any = None) -> None:
        """Both within rounding, relative to the largest entry."""
        a, b = flat(found), flat(expected)
        if a.shape != b.shape:
            self.fail(what, f"shapes {a.shape} and {b.shape}")
            return
        largest = float(np.max(np.abs(b if scale is None else scale), initial=1.0))
        if not np.allclose(a, b, rtol=rtol, atol=rtol * largest, equal_nan=False):
            self.fail(what, f"{a} is not {b}")

    # Finite differences.

    def along(
        self, function: Callable[..., Any], args: Sequence[Any], v: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Five-point differences along `v` and an estimate of their error.

        Only steps on which no decision of the program flips count.
        """
        tries: list[np.ndarray] = []
        for h in STEPS:
            values = []
            for k in (-2, -1, 1, 2):
                moved = list(args)
                for i, d in zip(self.places.values(), v, strict=True):
                    moved[i] = args[i] + k * h * d
                try:
                    if self.traced(*moved)[1] != self.decisions:
                        break
                except RAISES:
                    break
                values.append(flat(function(*moved)))
            else:
                a, b, c, d = values
                tries.append((a - 8 * b + 8 * c - d) / (12 * h))
        if len(tries) < 2:
            return np.full(1, np.nan), np.full(1, np.inf)
        gaps = np.array([np.abs(a - b) for a, b in zip(tries, tries[1:], strict=False)])
        best = np.argmin(np.where(np.isnan(gaps), np.inf, gaps), axis=0)
        return np.choose(best, tries[1:]), np.choose(best, gaps)

    def judge(
        self, kind: str, numeric: tuple[np.ndarray, np.ndarray], found: Any, scale: float,
        rtol: float,
    ) -> None:  # fmt: skip
        expected, error = numeric
        found = np.atleast_1d(found)
        usable = np.isfinite(expected) & (error <= rtol * scale)
        self.verdict.compared += int(usable.size)
        self.verdict.unreliable += int(np.sum(~usable))
        gap = np.abs(np.where(usable, found - expected, 0.0))
        if np.any(gap > 0.3 * rtol * scale + 5.0 * np.where(usable, error, 0.0)):
            self.fail(kind, f"\n{expected}\n is not\n{found}\n(estimates {error})")

    def first_order(self, args: Sequence[Any], grads: Any) -> None:
        everything = flat(grads)
        if not np.all(np.isfinite(everything)):
            self.fail("not finite", everything)
            return
        scale = float(np.max(np.abs(everything), initial=1.0))
        at = 0
        for j, i in enumerate(self.places.values()):
            for entry in range(np.size(args[i])):
                v: list[Any] = [0.0 if isinstance(args[k], float) else np.zeros_like(args[k])
                                for k in self.places.values()]  # fmt: skip
                if isinstance(v[j], float):
                    v[j] = 1.0
                else:
                    v[j].reshape(-1)[entry] = 1.0
                numeric = self.along(self.function, args, v)
                self.judge("finite differences", numeric, everything[at], scale, 1e-5)
                at += 1

    def second_order(self, args: Sequence[Any], v: Any, number: int) -> None:
        """Hessian times `v`: forward over reverse, reverse over reverse, differences of grad."""
        if number == 0:
            f, wrt = self.function, self.wrt
            self.grad = symdiff.grad(f, wrt=wrt)
            self.mixed = symdiff.hvp(f, wrt=wrt)
            self.double = symdiff.vjp(symdiff.grad(f, wrt=wrt), wrt=wrt)
        product = flat(self.timed(self.mixed, *args, v))
        _, pulled = self.timed(self.double, *args, v)
        self.agree("reverse over reverse = forward over reverse", pulled, product, 1e-8)
        if number == 0:
            plain = symdiff.hvp(self.function, wrt=self.wrt, options=PLAIN)
            self.agree("plain hvp", self.timed(plain, *args, v), product, 1e-8)
        scale = float(np.max(np.abs(product), initial=1.0))
        self.judge("hvp", self.along(self.grad, args, v), product, scale, 1e-4)

    def text(self, derivative: Any) -> None:
        for line in derivative.source.splitlines():
            if len(line) > 88:
                self.fail("line width", f"{len(line)}: {line}")


def _copied(args: Sequence[Any]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def _where(error: BaseException) -> str:
    """The innermost places of a traceback, for a report."""
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)[-4:]
    return " <- ".join(
        f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in reversed(frames)
    )


@contextmanager
def time_limit(seconds: int) -> Generator[None]:
    """Raises TimeoutError inside of the block where that takes more of the processor's time."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(program: Program, *, second_order: bool = True, seconds: int = SECONDS) -> Verdict:
    """Everything that must hold for one program, under a time limit."""
    with time_limit(seconds), passes_verified():
        return Oracle(program, second_order=second_order).run()


def work(item: tuple[int, bool | None, int]) -> tuple[Verdict, str]:
    """What one process of the command does: the verdict on a seed, and where it fails a script."""
    from tests.fuzz_loops.shrink import shrunk

    seed, writes, shrinking = item
    program = generate(seed, writes)
    verdict = judge(program)
    if not verdict.failures:
        return verdict, ""
    small, failures = shrunk(program, verdict, shrinking) if shrinking else (program, None)
    return verdict, small.script((failures or verdict.failures)[:2])
