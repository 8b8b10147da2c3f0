"""The same program under JAX: `np` and `math` of its namespace are JAX's, branches run eagerly."""

from __future__ import annotations

import functools
import types
from typing import Any

import jax
import jax.numpy as jnp

from tests.fuzz.program import Program

jax.config.update("jax_enable_x64", True)

_MATH = {
    "atan": jnp.arctan, "asinh": jnp.arcsinh, "fabs": jnp.abs, "atan2": jnp.arctan2,
    "pow": jnp.power, "erf": jax.scipy.special.erf, "lgamma": jax.scipy.special.gammaln,
    "pi": 3.141592653589793, "fsum": sum,
    "prod": lambda items: functools.reduce(lambda a, b: a * b, items),
}  # fmt: skip
_SAME = ["sin", "cos", "tanh", "exp", "sinh", "cosh", "expm1", "log", "log1p", "log2", "log10",
         "sqrt", "hypot", "fmod", "copysign"]  # fmt: skip


def _shadow() -> dict[str, Any]:
    math = types.SimpleNamespace(**{k: getattr(jnp, k) for k in _SAME}, **_MATH)
    numpy = types.SimpleNamespace(**{k: getattr(jnp, k) for k in dir(jnp) if not k.startswith("_")})
    return {"math": math, "np": numpy, "float": lambda x: x, "TABLE": jnp.array([0.5, -1.25, 2.0])}


def jax_jacobian(program: Program) -> Any:
    """JAX's Jacobian in every argument, or None where JAX does not run the program."""
    function = program.load(_shadow())
    args = [jnp.asarray(a) for a in program.points[0]]
    try:
        return jax.jacrev(function, argnums=tuple(range(len(args))))(*args)
    except (jax.errors.JAXTypeError, NotImplementedError, TypeError, AttributeError, IndexError):
        return None  # lists as indices, float(), tuple operands: NumPy's own, not JAX's
