"""symdiff: source-to-source symbolic differentiation of Python functions.

>>> import math, symdiff
>>> @symdiff.grad
... def f(x):
...     return math.sin(x**2)
>>> f(4.0)
-7.661275842587077
"""

from symdiff.api import (
    Derivative,
    check_grads,
    compiled,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from symdiff.errors import (
    CheckError,
    IllTypedError,
    NotConnectedError,
    SourceError,
    StaleError,
    SymdiffError,
    UnknownNameError,
    UnsupportedError,
)
from symdiff.hints import checkpoint, detach, no_grad, rule, stop_gradient, unroll
from symdiff.options import Options
from symdiff.version import VERSION

__version__ = VERSION

__all__ = [
    "CheckError", "Derivative", "IllTypedError", "NotConnectedError", "Options", "SourceError",
    "StaleError", "SymdiffError", "UnknownNameError", "UnsupportedError", "check_grads",
    "checkpoint", "compiled", "detach", "grad", "hessian", "hvp", "jacobian", "jvp", "no_grad",
    "rule", "stop_gradient", "unroll", "value_and_grad", "vjp",
]  # fmt: skip
