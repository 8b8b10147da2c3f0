"""What a problem of the gradient benchmarks is: programs, sizes, and who else computes the same.

One problem is one file of this folder that defines `PROBLEM`, and `hand/<name>.c` beside it. The
model is `lse.py`. Everyone is given the same arguments and returns the same numbers: for a gradient
`(value, gradient)` with a tuple of gradients where `wrt` is one. Results may be nested tuples of
whatever arrays a tool has; `results.flat` strings their numbers together, and the cross-check
compares those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Computes everything once and returns when it is done, with the result.
Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One size of a problem.

    arguments: builds those of the primal, from a fixed seed. work: a number that running times
    grow in proportion to, as the product of the sizes; who is too slow for the next size is
    foreseen by it. quick: part of `--quick`, which takes seconds.
    """

    label: str
    arguments: Callable[[], tuple[Any, ...]]
    work: float
    quick: bool = False


def plainly(derivative: Callable[..., Any], *arguments: Any) -> Any:
    """Most derivatives take what their function takes, and return what is asked for."""
    return derivative(*arguments)


@dataclass(frozen=True)
class Primal:
    """The function to differentiate as a person writes it, and what symdiff is asked for.

    style: "loops" or "NumPy". derive: `derive(function, **options)` is the derivative, where
    `options` are the target and the like: `functools.partial(symdiff.value_and_grad, wrt="x")`.
    run: `run(derivative, *arguments)` is the problem's result, where it is not what the derivative
    returns for the arguments of the case: tangents may have to be passed, rows put in order. All of
    it is timed.
    """

    style: str
    function: Callable[..., Any]
    derive: Callable[..., Callable[..., Any]]
    run: Callable[..., Any] = plainly


@dataclass(frozen=True)
class Peer:
    """Another tool that computes the same.

    tool: a key of `tools.TOOLS`. make: takes the arguments of a case and returns what computes the
    result; what it does, and what the first run does beyond the others, is counted as compiling.
    upto: the greatest `work` that it is tried at, and why: the reason is shown for larger ones.
    """

    tool: str
    make: Callable[..., Run]
    upto: float = math.inf
    reason: str = ""


@dataclass(frozen=True)
class Problem:
    """A derivative that everyone computes.

    title: what is computed, for the head of the table. small: a size at which finite differences
    take no time; the tests check every primal there. tolerance: by how much two results may
    differ, of the largest number in them.
    """

    name: str
    title: str
    primals: tuple[Primal, ...]
    peers: tuple[Peer, ...]
    cases: tuple[Case, ...]
    small: Case
    tolerance: float = 1e-9
