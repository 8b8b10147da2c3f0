"""FILE:FUNCTION, and which derivative of it: the options that diff, build and check share."""

from __future__ import annotations

import difflib
import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import click

from symdiff.api import Derivative
from symdiff.commands.arguments import Declared, parameters, parse_declarations, trees_of
from symdiff.errors import IllTypedError, SymdiffError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Tree, is_container
from symdiff.ir.types import FLOAT
from symdiff.options import DEFAULT, Options, Request, Target, with_target
from symdiff.pipeline import Compiled, compile_function
from symdiff.runtime.signature import default_arguments

_KINDS = ("grad", "jacobian", "hessian", "jvp", "vjp", "hvp")
_MODES = ("auto", "forward", "reverse")
_TARGETS = ("python", "c", "auto")


@dataclass(frozen=True)
class Ask:
    """Which derivative the options ask for; `given` tells whether any of them was used.

    target: None where nothing is said of it. Of `options`, what else was asked of the compilation.
    """

    wrt: str | None
    mode: Literal["auto", "forward", "reverse"] | None
    kind: str | None
    order: int
    value: bool
    options: Options = DEFAULT
    target: Target | None = None

    @property
    def given(self) -> bool:
        return bool(self.wrt or self.mode or self.kind or self.order != 1 or self.value)

    @property
    def words(self) -> list[str]:
        """The options as they are written, in one order."""
        named = (
            ("--wrt", self.wrt), ("--kind", self.kind), ("--mode", self.mode),
            ("--target", self.target),
        )  # fmt: skip
        words = [word for option, value in named if value for word in (option, value)]
        words += ["--order", str(self.order)] if self.order != 1 else []
        flags = (
            ("--value", self.value),
            ("--no-optimize", not self.options.optimize),
            ("--simplify", self.options.simplify),
        )
        return words + [flag for flag, on in flags if on]

    def choices(self, made: Derivative | None) -> Options:
        """How to compile: as asked, and in all else as a decorator says."""
        own = made.options if made else DEFAULT
        asked = (self.options.optimize, self.options.simplify)
        if asked != (DEFAULT.optimize, DEFAULT.simplify):
            own = replace(own, optimize=asked[0], simplify=asked[1])
        return with_target(own, self.target) if self.target else own


def derivative_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Ask` and `--arg`; the command gets them as `ask` and `declared`."""

    @click.option("--wrt", metavar="NAMES", help="With respect to: names or positions (w,b), or *.")
    @click.option("--kind", type=click.Choice(_KINDS), help="[default: grad, or jacobian]")
    @click.option("--mode", type=click.Choice(_MODES), help="Forward or reverse differentiation.")
    @click.option(
        "--order", type=click.IntRange(1), default=1, metavar="N", help="Differentiate N times."
    )
    @click.option("--value", is_flag=True, help="Return the function's value too.")
    @click.option(
        "--arg", "args", multiple=True, metavar="NAME=TYPE",
        help="A parameter's type, x=float64[n,d], or a fixed value, k=3. Repeatable.",
    )  # fmt: skip
    @click.option(
        "--target",
        "language",
        type=click.Choice(_TARGETS),
        help="What the derivative is written in. [default: python]",
    )
    @click.option("--no-optimize", is_flag=True, help="Keep the plain chain rule.")
    @click.option("--simplify", is_flag=True, help="Try SymPy on scalar results, too.")
    @functools.wraps(command)
    def run(
        wrt: str | None, kind: str | None, mode: Any, order: int, value: bool,
        args: Sequence[str], language: Any, no_optimize: bool, simplify: bool, **others: Any,
    ) -> Any:  # fmt: skip
        options = replace(DEFAULT, optimize=not no_optimize, simplify=simplify)
        ask = Ask(wrt, mode, kind, order, value, options, language)
        return command(ask=ask, declared=parse_declarations(args), **others)

    return run


@dataclass(frozen=True)
class Job:
    """One derivative to make. `symdiff.aot` takes it as it is.

    name: what the user calls it. as_is: the decorated function where no option changes it.
    decorated: it is the derivative that the user has made, perhaps compiled in another way.
    """

    name: str
    primal: Callable[..., Any]
    requests: tuple[Request, ...]
    options: Options
    trees: Mapping[str, Tree]
    declared: Declared
    as_is: Derivative | None = None
    decorated: bool = False
    _made: list[Compiled] = field(default_factory=list[Compiled], repr=False, compare=False)

    def compiled(self) -> Compiled:
        """Compiled once."""
        if not self._made:
            self._made.append(self.as_is.compiled() if self.as_is else self.compile())
        return self._made[0]

    def compile(self, *, stages: bool = False) -> Compiled:
        return _compile(self.primal, self.trees, self.requests, self.options, self.declared, stages)

    def derivative(self) -> Derivative:
        """A derivative that can be called and checked."""
        if self.as_is is not None:
            return self.as_is
        made: Any = self.primal
        for request in self.requests:
            made = Derivative(
                made, request, self.options, tuple(self.declared.static), self.declared.types
            )
        return made


def split_target(text: str) -> tuple[Path, str | None]:
    """`FILE:FUNCTION` or `FILE`. Raises click.UsageError where the file does not exist."""
    file, colon, name = text.rpartition(":")
    if not colon or Path(text).is_file():
        file, name = text, ""
    path = Path(file)
    if not path.is_file():
        raise click.UsageError(f"there is no file {file!r}")
    return path, name or None


def functions_of(module: types.ModuleType) -> dict[str, Any]:
    """The functions, lambdas and derivatives that a file defines at its top level."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        primal = value.primal if isinstance(value, Derivative) else value
        code = getattr(inspect.unwrap(primal), "__code__", None) if callable(primal) else None
        if code is not None and code.co_filename == module.__file__:
            found[name] = value
    return found


def resolve(module: types.ModuleType, name: str | None) -> tuple[str, Any]:
    """(name, function or Derivative) for `name`, which may have dots: Class.method.

    Raises click.UsageError, with what there is instead.
    """
    own = functions_of(module)
    file = Path(str(module.__file__)).name
    if name is None:
        if len(own) == 1:
            return next(iter(own.items()))
        listed = ", ".join(own) or "none"
        raise click.UsageError(f"which function of {file}? Write {file}:NAME; there is {listed}")
    value: Any = module
    owner: Any = None
    for part in name.split("."):
        owner, value = value, getattr(value, part, None)
        if value is None:
            like = difflib.get_close_matches(name, own, 1)
            more = (
                f"; did you mean {like[0]}?" if like else f"; there is {', '.join(own) or 'none'}"
            )
            raise click.UsageError(f"{file} has no function {name!r}{more}")
    if isinstance(value, functools.partial) and isinstance(value.func, Derivative):
        return name, _bound(value.func, value.args[0])  # obj.method, decorated
    if inspect.isclass(owner) and _takes_self(owner, name.rpartition(".")[2]):
        value = _bound(value, _instance(owner, name))
    if inspect.isclass(value) or not callable(value):
        raise click.UsageError(f"{name!r} of {file} is not a function but a {type(value).__name__}")
    return name, _named(value, name)


def _takes_self(cls: type, name: str) -> bool:
    found = inspect.getattr_static(cls, name)
    return isinstance(found, (types.FunctionType, Derivative))


def _instance(cls: type, name: str) -> Any:
    try:
        return cls()
    except Exception as error:
        raise click.UsageError(
            f"{name} needs an instance, and {cls.__name__}() raises {type(error).__name__}: "
            f"{error}; make one at the top level of the file and name its method"
        ) from None


def _bound(method: Any, instance: Any) -> Any:
    if not isinstance(method, Derivative):
        return types.MethodType(method, instance)
    made: Any = types.MethodType(method.primal, instance)
    for request in method.requests:
        made = Derivative(made, request, method.options, tuple(method.static), method.declared)
    return made


def _named(value: Any, name: str) -> Any:
    """A lambda under the name that it was assigned to; anything else as it is."""
    if not isinstance(value, types.FunctionType) or value.__name__ != "<lambda>":
        return value
    copy = types.FunctionType(
        value.__code__,
        value.__globals__,
        name.rpartition(".")[2],
        value.__defaults__,
        value.__closure__,
    )
    copy.__kwdefaults__ = value.__kwdefaults__
    copy.__module__ = value.__module__
    return copy


def job_for(
    name: str, value: Any, ask: Ask, declared: Declared, given: Mapping[str, Any] | None = None
) -> Job:
    """The derivative that `ask` wants of a function, or the one that a decorator made of it.

    Options replace those of the decorator. given: arguments at which it will be evaluated, whose
    types hold where nothing else declares any. Raises click.UsageError.
    """
    made = value if isinstance(value, Derivative) else None
    primal = made.primal if made else value
    names = parameters(primal)
    for unknown in sorted(declared.names - set(names)):
        raise click.BadParameter(
            f"{name} has no parameter {unknown}; it has {', '.join(names) or 'none'}",
            param_hint="--arg",
        )
    known = {**(made.declared if made else {}), **declared.types}
    trees: dict[str, Tree] = default_arguments(primal, known)
    loose = {k: v for k, v in (given or {}).items() if k in trees and _is_loose(primal, k, known)}
    trees.update(trees_of({k: v for k, v in loose.items() if not _is_number(v)}))
    trees.update(declared.static)
    options = ask.choices(made)
    if made is not None and not ask.given:
        changed = options != made.options or declared.names or loose
        as_is = None if changed else made
        return Job(name, primal, made.requests, options, trees, declared, as_is, decorated=True)
    plain = replace(options, optimize=False, target="python")
    requests = requests_for(
        ask, lambda: _compile(primal, trees, [Request("primal")], plain, declared)
    )
    return Job(name, primal, requests, options, trees, declared)


def _compile(
    primal: Callable[..., Any],
    trees: Mapping[str, Tree],
    requests: Sequence[Request],
    options: Options,
    declared: Declared,
    stages: bool = False,
) -> Compiled:
    """Compile; an error that may come from taking a parameter for a float says that it was."""
    try:
        return compile_function(primal, trees, requests, options, stages=stages)
    except (IllTypedError, UnsupportedError) as error:
        assumed = [
            k for k, t in trees.items()
            if k not in declared.names and isinstance(t, Expr) and t.type == FLOAT
            and _is_loose(primal, k, {})
        ]  # fmt: skip
        if assumed and not _compiles(primal, trees, requests, replace(options, target="python")):
            note = (
                f"{', '.join(assumed)} {'was' if len(assumed) == 1 else 'were'} taken for float: "
                f"for arrays say --arg '{assumed[0]}=float64[n]'"
            )
            error.hint = f"{error.hint}\n      {note}" if error.hint else note
        raise


def _compiles(*asked: Any) -> bool:
    """Whether it is another target alone that has no form of something."""
    try:
        compile_function(*asked)
    except SymdiffError:
        return False
    return True


def _is_loose(primal: Any, name: str, known: Mapping[str, Any]) -> bool:
    """Whether nothing tells a parameter's type: no --arg, annotation or default."""
    p = inspect.signature(primal).parameters[name]
    return name not in known and p.annotation is p.empty and p.default is p.empty


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def requests_for(ask: Ask, primal: Callable[[], Compiled]) -> tuple[Request, ...]:
    """The operators, innermost first. Raises click.UsageError for what makes no sense together.

    Of a scalar function in one scalar, order 3 is the gradient of the gradient of the gradient; in
    several variables or an array, it is the Jacobian of the Hessian.
    """
    wrt, many = parse_wrt(ask.wrt)
    _check_wrt(wrt, primal)
    kind = ask.kind
    if kind in ("jvp", "vjp", "hvp"):
        if ask.order != 1 or (ask.value and kind == "hvp"):
            option = "--order" if ask.order != 1 else "--value"
            raise click.UsageError(f"{option} does not go with --kind {kind}")
        return (Request(cast(Any, kind), wrt, many, ask.mode or "auto"),)
    repeatable = False
    if kind in (None, "grad"):
        function = primal().function
        kind = kind or ("grad" if _is_scalar(function.result) else "jacobian")
        repeatable = not many and not ask.value and _is_scalar_wrt(function.params, wrt)
    if ask.value and ask.order > (2 if kind == "grad" else 1):
        raise click.UsageError("--value does not go with an --order this high")
    order = ask.order
    if kind == "grad" and order == 1 and ask.value:
        kind = "value_and_grad"
    elif kind == "grad" and order > 1 and not repeatable:
        kind, order = "hessian", order - 1
    if kind in ("grad", "value_and_grad") and ask.mode == "forward":
        kind = "jacobian"  # a gradient by forward sweeps is a Jacobian with one row
    value = ask.value and kind != "value_and_grad"
    first = Request(cast(Any, kind), wrt, many, ask.mode or "auto", value=value)
    again = first if kind == "grad" else replace(first, kind="jacobian", value=False)
    return (first, *[again] * (order - 1))


def _check_wrt(wrt: Sequence[str | int] | None, primal: Callable[[], Compiled]) -> None:
    """Raise click.BadParameter for names that the function does not have, parameter or local."""
    if wrt is None or wrt == ("*",):
        return
    function = primal().function
    names = [p.name for p in function.params]
    for key in wrt:
        if key in function.locals or (key in names if isinstance(key, str) else key < len(names)):
            continue
        what = f"no {key!r}" if isinstance(key, str) else f"only {len(names)} parameters"
        known = ", ".join([*names, *sorted(set(function.locals) - set(names))])
        raise click.BadParameter(f"{function.name} has {what}; it has {known}", param_hint="--wrt")


def _is_scalar(result: Tree) -> bool:
    """Whether a function's result is a number, not an array or a container."""
    return not result.type.rank if isinstance(result, Expr) else not is_container(result)


def _is_scalar_wrt(params: Sequence[Any], wrt: tuple[str | int, ...] | None) -> bool:
    """Whether what is differentiated is one number; a local variable is taken for one."""
    floats = [p for p in params if isinstance(p.tree, Expr) and p.tree.type.is_float]
    if wrt is None:
        return bool(floats) and not floats[0].tree.type.rank
    by_key = {**{p.name: p for p in params}, **dict(enumerate(params))}
    found = by_key.get(wrt[0])
    return found is None or (isinstance(found.tree, Expr) and not found.tree.type.rank)


def parse_wrt(text: str | None) -> tuple[tuple[str | int, ...] | None, bool]:
    """`w`, `0`, `w,b`, `*` as (names or positions, whether the answer is a tuple)."""
    if text is None:
        return None, False
    if text.strip() == "*":
        return ("*",), True
    parts = [p.strip() for p in text.split(",")]
    names = tuple(int(p) if p.lstrip("-").isdigit() else p for p in parts if p)
    if not names or "*" in names:
        raise click.BadParameter(f"{text!r} is not a list of names", param_hint="--wrt")
    return names, len(parts) > 1
