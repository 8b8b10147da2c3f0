"""Which kernels there are, and with what they are called.

Of a program the derivative is made as a user makes it; where it would load its compiled kernel, the
C source and the arguments are kept instead.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

import symdiff
from benchmarks.gradients.suite import NAMES, problem_named
from symdiff.pipeline import compiled_c
from symdiff.primitives.table import ROWS
from tests.fuzz.generate import generate as generate_arrays
from tests.fuzz_loops.generate import generate as generate_loops
from tests.fuzz_loops.program import differentiable
from tests.language import rows
from tests.language.__main__ import static_names
from tests.rows import SEED, derived, flavours, operand_type, orders
from tests.test_primitives import SCALAR, random_points, reference_of

# As for a decorator, whose kernels are called with no axis of size 0 or 1 that they do not know of;
# and as for a module, whose kernels are called with any.
KNOWN = symdiff.Options(target="c")
OPEN = symdiff.Options(target="c", check_shapes=True)


@dataclass(frozen=True)
class Call:
    """One call of a kernel.

    what: the program that it comes from. name: of the module and its function; source: its C.
    objects: what the function is bound to, None where it is bound to nothing. open: axes may have
    any size.
    """

    what: str
    name: str
    source: str
    objects: tuple[Any, ...] | None
    arguments: tuple[Any, ...]
    open: bool = False


class _Stopped(BaseException):
    """In the place of a kernel's result."""


class _Recorder:
    """Loads no module: what stands in its place keeps what it is called with."""

    def __init__(self, what: str, options: symdiff.Options):
        self.what = what
        self.open = options.check_shapes
        self.calls: list[Call] = []

    def load(self, source: str, name: str, *_: Any) -> Any:
        module = type("Module", (), {})()
        bound = f"call_bind_{name}(" in source

        def run(objects: tuple[Any, ...] | None, arguments: tuple[Any, ...]) -> None:
            given = copy.deepcopy(arguments)
            # Constants and keys may be anything; others do as well.
            named = None if objects is None else tuple(f"object {k}" for k in range(len(objects)))
            self.calls.append(Call(self.what, name, source, named, given, self.open))
            raise _Stopped

        def bind(objects: tuple[Any, ...]) -> Callable[..., None]:
            return lambda *arguments: run(objects, arguments)

        setattr(module, name, bind if bound else lambda *arguments: run(None, arguments))
        return module


def calls_of(what: str, run: Callable[[], Any], options: symdiff.Options) -> list[Call]:
    """The first call of a kernel in `run`; none where it is refused, or raises before."""
    recorder = _Recorder(what, options)
    with mock.patch("symdiff.runtime.compiler.load_extension", recorder.load):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run()
            except (_Stopped, Exception):  # what is refused is tested elsewhere
                pass
    return recorder.calls


def benchmarks(options: symdiff.Options = KNOWN, names: Sequence[str] = NAMES) -> Iterator[Call]:
    """The problems of the benchmarks at their small sizes."""
    for name in names:
        problem = problem_named(name)
        arguments = problem.small.arguments()
        for primal in problem.primals:
            derivative: Any = primal.derive(primal.function, options=options)
            what = f"{name}, {primal.style}"
            run = functools.partial(primal.run, derivative, *arguments)
            yield from calls_of(what, run, options)


def language(options: symdiff.Options = KNOWN, step: int = 1) -> Iterator[Call]:
    """The rows of docs/language.md; each `step`-th of them."""
    for row in rows()[::step]:
        if row.kind != "refuses":
            run = symdiff.value_and_grad(
                row.function, wrt="*", static=static_names(row), options=options
            )
            given = copy.deepcopy((row.args, row.kwargs))
            yield from calls_of(row.name, lambda f=run, g=given: f(*g[0], **g[1]), options)


def generated(kind: str, seeds: Iterable[int], options: symdiff.Options = KNOWN) -> Iterator[Call]:
    """Programs of tests.fuzz ("arrays") and tests.fuzz_loops ("loops"), at their first point."""
    for seed in seeds:
        program: Any = generate_loops(seed) if kind == "loops" else generate_arrays(seed)
        wrt: Any = tuple(differentiable(program)) if kind == "loops" else "*"
        run = symdiff.value_and_grad(program.load(), wrt=wrt, options=options)
        point = copy.deepcopy(program.points[0])
        yield from calls_of(f"{kind} seed {seed}", functools.partial(run, *point), options)


def table(names: Sequence[str] = SCALAR) -> Iterator[Call]:
    """The first derivatives of the rows of the table."""
    for name in names:
        row, reference = ROWS[name], reference_of(name)
        total = reference.count or len(row.over)
        free = [i for i in range(total) if i not in reference.fixed]
        for flavour in flavours(row):
            try:
                made = compiled_c(derived(row, reference, flavour, orders(free, 1)))
            except symdiff.UnsupportedError:
                continue
            columns = [np.array(c) for c in random_points(name, row, reference, flavour)]
            given = [c[0].item() for c in columns]
            if flavour != "python":
                given = [c.astype(flavour) for c in columns]
            seed = (
                SEED if flavour == "python" else np.full(operand_type(flavour).shape, SEED, flavour)
            )
            yield Call(f"{name}, {flavour}", made.name, made.extension, None, (*given, seed))
