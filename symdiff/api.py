"""The operators: `grad`, `value_and_grad`, `jvp`, `vjp`, `jacobian`, `hessian`, `hvp`, `compiled`.

Each takes a Python function and returns its derivative as a callable that keeps the function's
name, signature and docstring and carries its own source. They nest, and serve as decorators with
and without arguments.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symdiff.errors import CompilerError, IllTypedError, SymdiffError, UnsupportedError
from symdiff.options import DEFAULT, Kind, Mode, Options, Request, Target, with_target

# The compiler is imported at the first compilation, which keeps `import symdiff` quick.
if TYPE_CHECKING:
    from pathlib import Path

    from symdiff.ir.types import Type
    from symdiff.pipeline import Compiled

_MOST_KEYS = 1024  # signatures of calls that are remembered

Wrt = str | int | Sequence[str | int] | None


@dataclass(frozen=True, slots=True)
class Spec:
    """What the parser sees of a derivative that is called inside another function."""

    target: Any
    request: Request


class Derivative:
    """A derivative of a function: call it, print it, save it, check it.

    Compiled at the first call for each signature of arguments (dtype, rank, which sizes are one).

    >>> import symdiff
    >>> df = symdiff.grad(lambda x: x**3)
    >>> df(2.0), df.operations
    (12.0, 2)
    """

    def __init__(
        self,
        target: Callable[..., Any],
        request: Request,
        options: Options = DEFAULT,
        static: Sequence[str] = (),
        declared: Mapping[str, Type] | None = None,
    ):
        inner = target if isinstance(target, Derivative) else None
        self.primal: Callable[..., Any] = inner.primal if inner else target
        self.requests: tuple[Request, ...] = (*(inner.requests if inner else ()), request)
        self.options = options
        self.static = frozenset(static) | (inner.static if inner else frozenset())
        self.declared = {**(inner.declared if inner else {}), **(declared or {})}
        self.__symdiff_derivative__ = Spec(target, request)
        self._arity = -1  # how many floats `_on_floats` takes; -1 before it is compiled
        self._on_floats: Callable[..., Any] = self.__call__
        self._plain_key: Callable[[tuple[Any, ...]], Any] | None = None
        self._plain: dict[Any, tuple[Compiled, Callable[..., Any]]] = {}
        self._compiled: dict[Any, tuple[Compiled, Callable[..., Any]]] = {}
        self._last: Compiled | None = None
        self.__name__ = getattr(self.primal, "__name__", type(self.primal).__name__)
        functools.update_wrapper(self, self.primal, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if len(args) == self._arity and not kwargs:
                for arg in args:
                    if type(arg) is not float:
                        break
                else:  # floats alone: nothing else to look at
                    return self._on_floats(*args)
            return self._dispatch(args, kwargs)
        except _ChangedError:  # a global is not what it was when compiling: compile again
            self._arity, self._plain_key = -1, None
            self._plain.clear()
            self._compiled.clear()
            return self._dispatch(args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    # Compiling.

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        try:
            if isinstance(self.primal, type):  # some have one: that of their constructor
                raise ValueError("a class")
            return inspect.signature(self.primal)
        except ValueError as error:
            raise UnsupportedError(
                f"{self.primal!r} has no signature: it is not a Python function",
                hint="wrap it: lambda x: ...",
            ) from error

    @functools.cached_property
    def _types(self) -> dict[str, Type | None]:
        from symdiff.runtime.signature import declared_type

        found = {p.name: declared_type(p, self.primal) for p in self._signature.parameters.values()}
        return {**found, **self.declared}

    @functools.cached_property
    def _demanding(self) -> bool:
        """Whether arguments must be looked at in each call: static ones, and declared sizes."""
        declared = [t for t in self._types.values() if t is not None]
        return bool(self.static) or any(t.rank for t in declared)

    @property
    def _seeded(self) -> list[Request]:
        return [r for r in self.requests if r.kind in ("jvp", "vjp", "hvp")]

    def _dispatch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._plain_key is not None and not kwargs:
            known = self._plain.get(self._plain_key(args))
            if known is not None:
                self._last, run = known
                return run(*args)
        return self._specialise(args, kwargs)

    def _specialise(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Look at every argument, compile for its signature where that is new, and call."""
        from symdiff.runtime.signature import describe, plain_key, shaped_key

        count = len(self._seeded)
        if count and len(args) <= count - 1:
            raise IllTypedError(
                f"{self.__name__}: the last argument must be the tangent or cotangent",
                hint=f"call it as {self.__name__}(*arguments, vector)",
            )
        plain, seeds = (args[:-count], args[-count:]) if count else (args, ())
        bound = self._signature.bind(*plain, **kwargs)
        bound.apply_defaults()
        keys: list[Any] = []
        trees: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            key, tree, passed = describe(name, value, self._types[name], name in self.static)
            keys.append(key)
            trees[name] = tree
            bound.arguments[name] = passed
        key = tuple(keys)
        found = self._compiled.get(key)
        if found is None:
            try:
                found = self._compile(trees)
            except SymdiffError as error:  # the compiler's own frames tell the user nothing
                raise error.with_traceback(None) from None
            self._compiled[key] = found
            plainly = all(k == "f" for k in keys[: len(plain)])
            floats = bool(args) and all(isinstance(a, float) for a in args)
            if plainly and floats and not kwargs and not any(r.many for r in self._seeded):
                self._arity, self._on_floats = len(args), found[1]
        left = found[0].function.params[len(args) :]  # those whose defaults the text may not show
        whole = all(p.default is not None or p.kind.startswith("star") for p in left)
        as_given = all(a is b for a, b in zip(args, bound.args, strict=False))
        extra = self._spread(found[0], seeds, bound.arguments)
        as_given = as_given and len(extra) == count and all(map(operator.is_, extra, seeds))
        if whole and not kwargs and not self._demanding and as_given:
            self._plain_key = shaped_key if count else plain_key
            quick = self._plain_key(args)
            if len(self._plain) >= _MOST_KEYS:
                self._plain.clear()
            if quick is not None:
                self._plain[quick] = found
        self._last, run = found
        return run(*bound.args, *extra, **bound.kwargs)

    def _spread(
        self, compiled: Compiled, seeds: Sequence[Any], arguments: Mapping[str, Any]
    ) -> list[Any]:
        """Tangents and cotangents as the generated function takes them, checked for shape."""
        if not seeds:
            return []
        from symdiff.runtime.seeds import measured, spread

        params = compiled.function.params[len(self._signature.parameters) :]
        many = [r.many and r.kind != "vjp" for r in self._seeded]
        given = list(zip(seeds, many, strict=True))
        return spread(self.__name__, params, given, measured(compiled.function, arguments))

    def _compile(self, trees: Mapping[str, Any]) -> tuple[Compiled, Callable[..., Any]]:

        from symdiff.pipeline import compile_function, loaded

        compiled = compile_function(self.primal, trees, self.requests, self.options)
        try:
            run = loaded(compiled, self.options)
        except CompilerError as error:
            if self.options.target != "auto":
                raise
            python = replace(self.options, target="python")
            compiled = compile_function(self.primal, trees, self.requests, python)
            compiled = replace(compiled, why=error.message)
            run = loaded(compiled, python)
        return compiled, _watching(run, compiled.function.reads)

    def compiled(self) -> Compiled:
        """The version that was called last; before any call, the one that annotations declare."""
        if self._last is None:
            from symdiff.runtime.signature import default_arguments

            trees = default_arguments(self.primal, self.declared)
            self._last, _ = self._compile(trees)
        return self._last

    # What there is to see.

    @property
    def target(self) -> str:
        """What the version that was called last is written in: "python" or "c"."""
        return self.compiled().target

    @property
    def why(self) -> str:
        """Why it is, where `target="auto"` has chosen."""
        return self.compiled().why

    @property
    def source(self) -> str:
        """The generated source, ready to run by itself.

        >>> import symdiff
        >>> df = symdiff.grad(lambda x: x**3)
        >>> print(df.source.splitlines()[-1])
            return 3 * x ** 2
        """
        return self.compiled().module

    @property
    def operations(self) -> int:
        """Arithmetic operations and function calls in the generated function.

        They are counted in Python's form of it: the same number whatever the target.
        """
        from symdiff.pipeline import operations_of

        return operations_of(self.compiled())

    def latex(self) -> str:
        """The derivative as a formula, through SymPy. Scalar functions only."""
        from symdiff.codegen.latex import latex

        return latex(self.compiled().function)

    def save(self, path: str | Path) -> Path:
        """Write the derivative as a module that runs without symdiff, and return its path. Atomic.

        Of C there are two files more beside it: its kernels in NAME.c, declared in NAME.h.
        """
        from pathlib import Path

        from symdiff.aot import write_module

        return write_module([self], Path(path))[0]

    def check(self, *args: Any, **kwargs: Any) -> Any:
        """Compare with finite differences at `args`; the report prints as a table.

        Raises CheckError where they disagree.
        """
        from symdiff.verify.check import check_derivative

        return check_derivative(self, args, kwargs)

    def __repr__(self) -> str:
        try:
            source = self.source
        except SymdiffError as error:
            return f"<symdiff {self.requests[-1].kind} of {self.primal!r}: {error.message}>"
        import sys

        if getattr(sys.stdout, "isatty", lambda: False)():
            from symdiff.codegen.highlight import highlighted

            return highlighted(source, self.target)
        return source

    def _repr_html_(self) -> str:
        from symdiff.codegen.highlight import html

        return html(self.source, self.target)


class _ChangedError(Exception):
    """A variable from outside that is part of the compiled function has another value now."""


def _watching(run: Callable[..., Any], reads: Sequence[tuple[Any, str, Any]]) -> Any:
    """`run`, unless what was read from outside when compiling has been given another value."""
    if not reads:
        return run

    def watching(*args: Any, **kwargs: Any) -> Any:
        for scope, name, value in reads:
            if scope.get(name) is not value:
                raise _ChangedError
        return run(*args, **kwargs)

    return watching


def _normal_wrt(wrt: Wrt) -> tuple[tuple[str | int, ...] | None, bool]:
    if wrt is None:
        return None, False
    if isinstance(wrt, str):
        return (wrt,), wrt == "*"
    if isinstance(wrt, int):
        return (wrt,), False
    return tuple(wrt), True


def _operator(kind: Kind, doc: str) -> Callable[..., Any]:
    def operate(
        function: Callable[..., Any] | None = None,
        *,
        wrt: Wrt = None,
        mode: Mode = "auto",
        has_aux: bool = False,
        static: str | Sequence[str] = (),
        types: Mapping[str, str] | None = None,
        value: bool = False,
        target: Target | None = None,
        options: Options = DEFAULT,
    ) -> Any:
        names, many = _normal_wrt(wrt)
        if value and kind not in ("jacobian", "hessian"):
            others = "use value_and_grad" if kind == "grad" else "it returns all that it computes"
            raise IllTypedError(f"{kind} has no value=True", hint=others)
        if mode not in ("auto", "forward", "reverse"):
            raise IllTypedError(f"mode {mode!r} is not one of auto, forward, reverse")
        if target is not None:
            options = with_target(options, target)
        request = Request(kind, names, many, mode, has_aux, value)
        fixed_names = (static,) if isinstance(static, str) else tuple(static)
        declared: dict[str, Type] = {}
        if types:
            from symdiff.runtime.declare import parse_type

            declared = {k: parse_type(v) for k, v in types.items()}

        def decorate(target: Callable[..., Any]) -> Derivative:
            return Derivative(target, request, options, fixed_names, declared)

        if function is None:
            return decorate
        if not callable(function) and not hasattr(function, "node"):
            raise IllTypedError(f"{kind} takes a function, not {type(function).__name__}")
        return decorate(function)

    operate.__name__ = operate.__qualname__ = kind
    operate.__doc__ = doc
    operate.__symdiff_operator__ = kind  # type: ignore[attr-defined]
    return operate


_COMMON = """

    wrt: a parameter's name or position, a local variable's name, a tuple of them (then the answer
    is a tuple), or "*" for every floating-point parameter; by default the first of those.
    has_aux: the function returns (value, aux), and aux is passed through. static: parameters
    known when compiling. types: what parameters are, {"X": "float64[n,d]"}, where a call does not
    tell. target: "python", "c" or "auto". options: see `Options`. Units are the function's, divided
    by those of the arguments.
    Raises SymdiffError, with the place in your source, for what cannot be differentiated.
    """

grad = _operator(
    "grad",
    """The gradient of a function with one number as its result.

    `grad(f)(*args)` has the shape and the structure of the argument. Reverse mode (Griewank and
    Walther, Evaluating Derivatives, 2008, chapter 3): it costs a few times what the function does.

    >>> import math, symdiff
    >>> def f(x):
    ...     return math.sin(x**2)
    >>> symdiff.grad(f)(4.0)
    -7.661275842587077"""
    + _COMMON,
)
value_and_grad = _operator(
    "value_and_grad",
    """The value of a function with one number as its result, and its gradient.

    `value_and_grad(f)(*args)` is (value, gradient), which share what they compute: what optimizers
    ask for, `scipy.optimize.minimize(..., jac=True)` among them. The gradient is that of `grad`.

    >>> import symdiff
    >>> def f(x, y):
    ...     return x * y**2
    >>> symdiff.value_and_grad(f, wrt="y")(3.0, 2.0)
    (12.0, 12.0)"""
    + _COMMON,
)
jvp = _operator(
    "jvp",
    """The value of a function, and how it changes in one direction: J @ tangent.

    `jvp(f)(*args, tangent)` is (value, derivative); the tangent has the shape of the argument (a
    tuple of them for several), the derivative that of the value. Forward mode (Griewank and
    Walther 2008, section 3.1): it costs about twice what the function does, and keeps nothing.

    >>> import symdiff
    >>> def f(x):
    ...     return x**3
    >>> symdiff.jvp(f)(2.0, 10.0)
    (8.0, 120.0)"""
    + _COMMON,
)
vjp = _operator(
    "vjp",
    """The value of a function, and what a cotangent of the value is in the argument: w @ J.

    `vjp(f)(*args, cotangent)` is (value, pullback); the cotangent has the shape of the value, the
    pullback that of the argument. Reverse mode (Griewank and Walther 2008, section 3.2).

    >>> import numpy as np, symdiff
    >>> def f(x):
    ...     return x**2
    >>> value, pullback = symdiff.vjp(f)(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    >>> print(value, pullback)
    [1. 4.] [ 2. 40.]"""
    + _COMMON,
)
jacobian = _operator(
    "jacobian",
    """The Jacobian: the derivative of every element of the result in every one of the argument.

    Its shape is result.shape + argument.shape. mode: "forward" (a sweep for each element of the
    argument), "reverse" (for each of the result), or "auto": whichever are fewer. value: return
    (value, Jacobian).

    >>> import numpy as np, symdiff
    >>> def f(x):
    ...     return np.array([x[0] * x[1], x[1]])
    >>> print(symdiff.jacobian(f)(np.array([2.0, 3.0])))
    [[3. 2.]
     [0. 1.]]"""
    + _COMMON,
)
hessian = _operator(
    "hessian",
    """The Hessian of a function with one number as its result: its second derivatives.

    Its shape is argument.shape + argument.shape; with several arguments it is a tuple of rows, one
    for each. Forward over reverse (Griewank and Walther 2008, section 5.2) by default; see `mode`
    of `jacobian`. value: return (value, Hessian).

    >>> import symdiff
    >>> def f(x, y):
    ...     return x**2 * y
    >>> symdiff.hessian(f, wrt=("x", "y"))(3.0, 2.0)
    ((4.0, 6.0), (6.0, 0.0))"""
    + _COMMON,
)
hvp = _operator(
    "hvp",
    """The Hessian of a function with one number as its result, times a vector.

    `hvp(f)(*args, v)` is H @ v, of the shape of the argument, as v is. The matrix is never formed:
    it costs a few gradients, whatever the size (Pearlmutter, Neural Computation 6, 1994).

    >>> import numpy as np, symdiff
    >>> def f(x):
    ...     return np.sum(x**3)
    >>> print(symdiff.hvp(f)(np.array([1.0, 2.0]), np.array([1.0, 10.0])))
    [  6. 120.]"""
    + _COMMON,
)


def compiled(
    function: Callable[..., Any] | None = None,
    *,
    static: str | Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    target: Target | None = None,
    options: Options = DEFAULT,
) -> Any:
    """The function itself, compiled, with all derivatives that are called inside of it.

    What it returns is what the function returns. It is meant for `target="c"`, and for loops
    around a derivative: each round then computes it in place, without a call. static, types,
    target, options: as of `grad`. Raises SymdiffError, with the place in your source, for what is
    not compiled.

    >>> import numpy as np, symdiff
    >>> slope = symdiff.grad(lambda x: x**3)
    >>> @symdiff.compiled
    ... def slopes(x):
    ...     out = np.zeros(len(x))
    ...     for i in range(len(x)):
    ...         out[i] = slope(x[i])
    ...     return out
    >>> print(slopes(np.array([1.0, 2.0])))
    [ 3. 12.]
    """
    given: dict[str, Any] = {"static": static, "types": types, "target": target}
    return _primal(function, **given, options=options)


_primal = _operator("primal", "The function itself.")
compiled.__symdiff_operator__ = "primal"  # type: ignore[attr-defined]


def check_grads(
    function: Callable[..., Any], args: Sequence[Any], *, order: int = 2, wrt: Wrt = "*"
) -> None:
    """Check the derivatives of `function` up to `order` against finite differences, in both modes.

    args: the arguments to check at, of any shapes. wrt: as of `grad`; by default all that are
    floating point. The differences are adaptive and estimate their own error (Ridders, Advances in
    Engineering Software 4, 1982). Raises CheckError, with the report, at the first that disagrees.

    >>> import math, symdiff
    >>> def f(x, y):
    ...     return x * math.exp(y)
    >>> symdiff.check_grads(f, (2.0, 0.5))
    """
    from symdiff.verify.check import check_orders

    check_orders(function, args, order, wrt, jvp=jvp, vjp=vjp)


__all__ = [
    "Derivative", "check_grads", "compiled", "grad", "hessian", "hvp", "jacobian", "jvp", "replace",
    "value_and_grad", "vjp",
]  # fmt: skip
