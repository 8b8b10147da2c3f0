"""The other tools: given a function, what computes its derivative, ready to be timed.

Each maker returns a `Peer`; `upto` and `reason` say where one ends, as `Peer` has them. Functions
written for NumPy serve JAX and autograd too: they are run with the other library in the place of
the global name `np`. Arguments are handed over before anything is timed; results are waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from benchmarks.gradients.problem import Peer, Run

# key: how the table calls it, the package that it needs
TOOLS: dict[str, tuple[str, str | None]] = {
    "hand": ("C by hand", None),
    "symdiff-c": ("symdiff C", None),
    "symdiff-python": ("symdiff Python", None),
    "jax": ("JAX jit", "jax"),
    "torch": ("PyTorch", "torch"),
    "torch-compiled": ("PyTorch compiled", "torch"),
    "autograd": ("autograd", "autograd"),
    "numba": ("Numba, by hand", "numba"),
    "casadi": ("CasADi", "casadi"),
}

Function = Callable[..., Any]


def translated(function: Function, **names: Any) -> Function:
    """`function`, and what it calls of its own module, with other values of global names."""
    scope: dict[str, Any] = {**function.__globals__, **names}
    for name, value in function.__globals__.items():
        if isinstance(value, FunctionType) and value.__globals__ is function.__globals__:
            scope[name] = FunctionType(
                value.__code__, scope, name, value.__defaults__, value.__closure__
            )
    return scope[function.__name__]


# Each takes a function, and the positions of the parameters to differentiate in: a tuple, whose
# gradient is a tuple, or one. `static` are positions of numbers that are known when compiling.

Positions = int | tuple[int, ...]


def jax_value_and_grad(
    function: Function, wrt: Positions = 0, static: tuple[int, ...] = (), **limit: Any
) -> Peer:
    """JAX, compiled."""

    def gradient(jax: Any) -> Function:
        return jax.value_and_grad(translated(function, np=jax.numpy), argnums=wrt)

    return jax_compiled(gradient, static, **limit)


def jax_compiled(
    build: Callable[[Any], Function], static: tuple[int, ...] = (), **limit: Any
) -> Peer:
    """JAX, compiled, for other derivatives: `build(jax)` is the function to compile."""

    def make(*arguments: Any) -> Run:
        import jax

        jax.config.update("jax_enable_x64", True)
        run = jax.jit(build(jax), static_argnums=static)
        given = [
            a if i in static else jax.tree.map(jax.numpy.asarray, a)
            for i, a in enumerate(arguments)
        ]
        return lambda: jax.block_until_ready(run(*given))

    return Peer("jax", make, **limit)


def torch_value_and_grad(function: Function, wrt: Positions = 0, **limit: Any) -> Peer:
    """PyTorch, operation by operation. `function` is written for tensors."""
    return Peer("torch", lambda *arguments: _torch(function, wrt, arguments), **limit)


def torch_compiled_value_and_grad(function: Function, wrt: Positions = 0, **limit: Any) -> Peer:
    """PyTorch through `torch.compile`."""

    def make(*arguments: Any) -> Run:
        import torch

        return _torch(torch.compile(function), wrt, arguments)

    return Peer("torch-compiled", make, **limit)


def _torch(function: Function, wrt: Positions, arguments: tuple[Any, ...]) -> Run:
    import torch

    given = list(tensors(arguments))
    for i in positions(wrt):
        given[i] = torch.utils._pytree.tree_map(lambda x: x.requires_grad_(), given[i])
    varying = torch.utils._pytree.tree_leaves([given[i] for i in positions(wrt)])

    def run() -> Any:
        value = function(*given)
        return value, torch.autograd.grad(value, varying)

    return run


def positions(wrt: Positions) -> tuple[int, ...]:
    """As a tuple, whichever way it was given."""
    return (wrt,) if isinstance(wrt, int) else wrt


def tensors(argument: Any) -> Any:
    """Arrays and floats as tensors, in the same containers; integers as they are."""
    import torch

    if isinstance(argument, (tuple, list)):
        return type(argument)(tensors(a) for a in argument)
    if isinstance(argument, float):
        return torch.tensor(argument, dtype=torch.float64)  # a bare float would be float32
    if isinstance(argument, np.ndarray):
        return torch.tensor(argument)
    return argument


def autograd_value_and_grad(function: Function, wrt: Positions = 0, **limit: Any) -> Peer:
    """autograd."""

    def make(*arguments: Any) -> Run:
        import autograd
        import autograd.numpy as anp

        run = autograd.value_and_grad(translated(function, np=anp), argnum=wrt)
        return lambda: run(*arguments)

    return Peer("autograd", make, **limit)


def numba_by_hand(function: Function, **limit: Any) -> Peer:
    """A gradient that a person derived, in loops, compiled by Numba.

    It may reorder sums, which lets it use vector instructions; NaN and infinity keep their meaning.
    """

    def make(*arguments: Any) -> Run:
        import numba

        run = numba.njit(fastmath={"reassoc", "contract", "arcp", "nsz"})(function)
        return lambda: run(*arguments)

    return Peer("numba", make, **limit)


def casadi(build: Callable[..., Run], **limit: Any) -> Peer:
    """CasADi: `build(casadi, *arguments)` writes the function and returns what runs it."""

    def make(*arguments: Any) -> Run:
        import casadi

        return build(casadi, *arguments)

    return Peer("casadi", make, **limit)
