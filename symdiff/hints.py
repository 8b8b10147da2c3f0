"""What a function that is differentiated may say to the compiler.

Outside of compilation these change nothing: a function runs as if they were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def detach(value: Any) -> Any:
    """`value`, of any shape or structure, through which no derivative flows (PyTorch's detach).

    >>> import symdiff
    >>> symdiff.grad(lambda x: x * symdiff.detach(x))(3.0)
    3.0
    """
    return value


def stop_gradient(value: Any) -> Any:
    """`value`, of any shape or structure, through which no derivative flows (JAX's name of it).

    >>> import symdiff
    >>> symdiff.grad(lambda x: x * symdiff.stop_gradient(x))(3.0)
    3.0
    """
    return value


detach.__symdiff_detach__ = True  # type: ignore[attr-defined]
stop_gradient.__symdiff_detach__ = True  # type: ignore[attr-defined]


class no_grad:  # noqa: N801  (PyTorch's name)
    """`with symdiff.no_grad():` - what is assigned inside carries no derivative.

    >>> import symdiff
    >>> @symdiff.grad
    ... def f(x):
    ...     with symdiff.no_grad():
    ...         scale = x
    ...     return scale * x
    >>> f(3.0)
    3.0
    """

    __symdiff_cuts__ = True

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def rule(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give `function` a derivative of its own: its partial in each argument.

    The decorated function gets the result and the arguments, and returns the partial, or a tuple
    with one for each argument, of the shape of the result.

    >>> import math, symdiff
    >>> def softplus(x):
    ...     return math.log1p(math.exp(x))
    >>> @symdiff.rule(softplus)
    ... def _(y, x):
    ...     return 1.0 / (1.0 + math.exp(-x))
    >>> symdiff.grad(lambda x: softplus(x))(0.0)
    0.5
    """

    def decorate(partials: Callable[..., Any]) -> Callable[..., Any]:
        function.__symdiff_rule__ = partials  # type: ignore[attr-defined]
        return partials

    return decorate


def unroll(iterable: Iterable[T]) -> Iterable[T]:
    """`iterable`; a `for` over it is written out round by round, however many rounds there are.

    Without it loops of up to 32 rounds are written out, and longer ones stay loops. How many rounds
    there are must be known when compiling: a number, a static argument, an array's declared size.

    >>> import symdiff
    >>> def f(x):
    ...     s = 0.0
    ...     for k in symdiff.unroll(range(40)):
    ...         s += x**k
    ...     return s
    >>> symdiff.grad(f)(1.0)
    780.0
    """
    return iterable


unroll.__symdiff_loop__ = "unroll"  # type: ignore[attr-defined]


def checkpoint(iterable: Iterable[T], *, every: int | None = None) -> Iterable[T]:
    """`iterable`; the reverse sweep of a `for` over it stores few states, and runs rounds again.

    The gradient of a loop of n rounds stores what n rounds have computed. Here it stores what the
    loop carries at the start of each block of `every` rounds, by default about sqrt(n), and runs
    the rounds of one block again, storing them, when it comes to it: O(sqrt(n)) numbers for one
    more run of the loop (Griewank and Walther, Evaluating Derivatives, 2008, section 12.1). `every`
    below 1 counts as 1. Loops over tuples and lists are written out, and store what they did.

    >>> import math, symdiff
    >>> def f(x, n):
    ...     for _ in symdiff.checkpoint(range(n)):
    ...         x = math.sin(x)
    ...     return x
    >>> round(symdiff.grad(f)(1.0, 100), 9)
    0.00369862
    """
    return iterable


checkpoint.__symdiff_loop__ = "checkpoint"  # type: ignore[attr-defined]
