"""What must hold of the targets: C gives what Python gives, or refuses by name.

Programs are those of `tests.fuzz` (arrays) and `tests.fuzz_loops` (loops, branches, writes).
"""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symdiff
from symdiff.errors import CompilerError
from symdiff.options import CompilerOptions
from tests.fuzz.generate import generate as generate_arrays
from tests.fuzz_loops.generate import generate as generate_loops
from tests.fuzz_loops.program import differentiable
from tests.helpers_c import DOUBTFUL, STRICT

SECONDS = 120  # for one program, compiler and all
FLAGS = (*STRICT, *DOUBTFUL)
QUICK = symdiff.Options(target="c", compiler=CompilerOptions(flags=(*FLAGS, "-O1")))
FULL = symdiff.Options(target="c", compiler=CompilerOptions(flags=FLAGS))


@dataclass
class Verdict:
    """kind: ok, refused, failed. compared: how many numbers; detail: what differs, or the refusal."""

    seed: int
    kind: str = "ok"
    detail: str = ""
    compared: int = 0
    raised: int = field(default=0)


def leaves(tree: Any) -> list[Any]:
    """The numbers and arrays of a result, in order."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for t in tree for leaf in leaves(t)]
    if dataclasses.is_dataclass(tree):
        return [leaf for f in dataclasses.fields(tree) for leaf in leaves(getattr(tree, f.name))]
    return [tree]


def difference(expected: Any, found: Any, tolerance: float = 1e-9) -> str:
    """What two results differ in; "" for nothing."""
    a, b = leaves(expected), leaves(found)
    if len(a) != len(b):
        return f"{len(a)} values and {len(b)}"
    for x, y in zip(a, b, strict=True):
        if x is None or isinstance(x, str):
            if x != y:
                return f"{x!r} and {y!r}"
            continue
        if np.shape(x) != np.shape(y):
            return f"shapes {np.shape(x)} and {np.shape(y)}"
        scale = 1.0 + float(
            np.max(np.abs(np.nan_to_num(np.asarray(x, float), posinf=0, neginf=0)), initial=0.0)
        )
        if not np.allclose(x, y, rtol=tolerance, atol=1e-12 * scale, equal_nan=True):
            return f"{x!r} and {y!r}"
    return ""


def outcome(run: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, Any, Any]:
    """(result, exception, what is left in the arguments) of a call."""
    given = copy.deepcopy(list(args))
    try:
        return run(*given), None, given
    except symdiff.SymdiffError:
        raise
    except Exception as error:
        return None, error, given


def compared(verdict: Verdict, name: str, python: Any, c: Any, points: Sequence[Any]) -> None:
    """Run both at all points."""
    for args in points:
        expected, error, left = outcome(python, args)
        found, fault, there = outcome(c, args)
        if error is not None or fault is not None:
            verdict.raised += 1
            if type(error) is not type(fault) and not _became_complex(error, fault):
                verdict.kind, verdict.detail = "failed", f"{name}: raises {error!r} and {fault!r}"
                return
            continue
        text = difference(expected, found) or difference(left, there)
        if text:
            verdict.kind, verdict.detail = "failed", f"{name}: {text}"
            return
        verdict.compared += sum(np.size(x) for x in leaves(expected))


def _became_complex(error: Exception | None, fault: Exception | None) -> bool:
    """Python goes on with a complex number until something refuses it; C refuses it at once."""
    return all("complex" in str(e) for e in (error, fault))


def check(kind: str, seed: int, options: symdiff.Options) -> Verdict:
    """All of one program."""
    verdict = Verdict(seed)
    program: Any = generate_loops(seed) if kind == "loops" else generate_arrays(seed)
    function = program.load()
    wrt: Any = tuple(differentiable(program)) if kind == "loops" else "*"
    points = program.points
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for operator in (symdiff.value_and_grad, symdiff.jvp):
            try:
                python = operator(function, wrt=wrt)
                c = operator(function, wrt=wrt, options=options)
                calls = points if operator is symdiff.value_and_grad else [
                    (*args, _direction(args, wrt, program, kind)) for args in points
                ]  # fmt: skip
                compared(verdict, operator.__name__, python, c, calls)
            except CompilerError as error:
                verdict.kind, verdict.detail = "failed", error.message
            except symdiff.SymdiffError as error:
                if verdict.kind == "ok":
                    verdict.kind, verdict.detail = "refused", error.message
                continue
            if verdict.kind == "failed":
                break
    return verdict


def _direction(args: Sequence[Any], wrt: Any, program: Any, kind: str) -> Any:
    """A tangent: ones of the shape of each variable."""
    ones = [np.ones_like(a, dtype=float) if np.ndim(a) else 1.0 for a in args]
    if kind == "loops":
        names = list(differentiable(program))
        places = (
            {n: differentiable(program)[n] for n in names}
            if isinstance(differentiable(program), dict)
            else {}
        )
        return tuple(ones[places[n]] if n in places else ones[names.index(n)] for n in wrt)
    return tuple(o for o, a in zip(ones, args, strict=True) if _is_float(a))


def _is_float(a: Any) -> bool:
    return isinstance(a, float) or (hasattr(a, "dtype") and a.dtype.kind == "f")


def isolated(kind: str, seed: int, options: symdiff.Options) -> Verdict:
    """The same in a process of its own: a kernel that crashes is a failure like others."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            try:
                verdict = check(kind, seed, options)
            except BaseException as error:
                verdict = Verdict(seed, "failed", f"internal: {type(error).__name__}: {error}")
            os.write(write, pickle.dumps(verdict)[:60_000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    try:
        return pickle.loads(data)
    except Exception:
        return Verdict(seed, "failed", f"the process ended with status {status}")
