"""The pipeline: parse, differentiate, optimise, generate. Every stage's result can be printed."""

from __future__ import annotations

import contextlib
import gc
import inspect
import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from symdiff.codegen.checks import support_of
from symdiff.codegen.definitions import prepared, printed
from symdiff.codegen.fixed import fixed_parameters
from symdiff.codegen.merge import merged
from symdiff.codegen.printer import imports_of, indented_less, print_definition
from symdiff.codegen.python import generate
from symdiff.codegen.rename import renamed
from symdiff.codegen.split import split_wide
from symdiff.codegen.statements import Definition
from symdiff.codegen.tidy import tidy
from symdiff.differentiate.calls import linked
from symdiff.differentiate.operators import differentiate
from symdiff.errors import UnsupportedError
from symdiff.ir.function import Function
from symdiff.ir.interface import Interface
from symdiff.ir.nest import Kernel
from symdiff.ir.text import dump
from symdiff.ir.tree import Tree
from symdiff.optimize.arrange import arrange
from symdiff.optimize.calls import everywhere, in_turn, join_calls, trim_calls
from symdiff.optimize.checks import join_checks
from symdiff.optimize.erase import erase
from symdiff.optimize.factor import factor
from symdiff.optimize.guards import drop_guards
from symdiff.optimize.loops import carry_less, tidy_loops
from symdiff.optimize.quiet import quiet
from symdiff.optimize.simplify import simplify
from symdiff.optimize.stabilise import stabilise
from symdiff.optimize.winners import settle_winners
from symdiff.options import DEFAULT, Options, Request
from symdiff.parse.entry import parse
from symdiff.parse.nested import nested_derivative
from symdiff.parse.requires import with_declared_sizes

Pass = Callable[[Function, Options], Function]

# On the primal, before it is differentiated.
BEFORE: tuple[tuple[str, Pass], ...] = (
    ("stabilise", everywhere(stabilise)),
    ("winners", everywhere(settle_winners)),
)
# On the derivative. `erase` removes what only differentiation looks at, and always runs.
ERASE: tuple[tuple[str, Pass], ...] = (
    ("erase", everywhere(erase)),
    ("carry", in_turn(join_calls, everywhere(carry_less), trim_calls)),
)
PASSES: tuple[tuple[str, Pass], ...] = (
    ("simplify", everywhere(simplify)),
    ("loops", in_turn(everywhere(tidy_loops), trim_calls)),
    ("guards", everywhere(drop_guards)),
    ("factor", everywhere(factor)),
    ("arrange", everywhere(arrange)),
)


@dataclass(frozen=True)
class Compiled:
    """The result of one compilation.

    function: the optimised IR. name: of the generated function. text: its `def`.
    imports: the import lines that it needs. bindings: objects that it refers to by name.
    stages: (name, IR) after each stage, where asked for. support: source of the helper functions
    that it calls. definitions: source of the functions that it calls and that call themselves.
    target: what the text is in; why: the reason, where it was to be chosen. Of C, `text` is the
    kernel, `header` its header, `extension` the source of the module that Python calls it through,
    and `interface` how; `kernel` is what is printed.
    """

    function: Function
    name: str
    text: str
    imports: tuple[str, ...]
    bindings: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[tuple[str, str], ...] = ()
    support: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    target: Literal["python", "c"] = "python"
    why: str = ""
    header: str = ""
    extension: str = ""
    interface: Interface | None = None
    kernel: Kernel | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """The text of the definitions and of the function itself."""
        return (*self.definitions.values(), self.text)

    @property
    def module(self) -> str:
        """Source that runs by itself."""
        if self.target == "c":
            return self.text
        head = "\n".join(self.imports)
        return "\n\n\n".join(filter(None, (head, *self.support, *self.code)))


@contextlib.contextmanager
def _without_collector() -> Generator[None]:
    """No cyclic garbage collection meanwhile: expressions have no cycles, and it costs a third."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_collector()
def compile_function(
    target: Callable[..., Any],
    arguments: Mapping[str, Tree],
    requests: Sequence[Request],
    options: Options,
    *,
    stages: bool = False,
) -> Compiled:
    """Compile `target` under the derivative operators `requests`, innermost first."""
    shown: list[tuple[str, str]] = []

    def stage(label: str, function: Function) -> Function:
        if stages:
            shown.append((label, dump(function)))
        return function

    opened = {w for r in requests for w in (r.wrt or ()) if isinstance(w, str)}
    function = parse(
        target, arguments, opened=opened - set(arguments), nested=nested_derivative(differentiate)
    )
    function = linked(function)  # it may hold derivatives of what it calls
    if options.check_shapes:
        function = with_declared_sizes(function)
    primal = stage("parse", function)
    if options.optimize:
        for label, run in BEFORE:
            function = stage(label, run(function, options))
    for request in requests:
        function = stage("differentiate", differentiate(function, request))
    for label, run in (*ERASE, *(PASSES if options.optimize else ())):
        function = stage(label, run(function, options))
    if options.optimize:
        function = stage("quiet", quiet(function, _value_part(function, requests)))
    if options.simplify:
        from symdiff.optimize.sympy_simplify import sympy_simplify

        function = stage("sympy", sympy_simplify(function, options))
    function = stage("checks", everywhere(join_checks)(function, options))
    function = function.replace(
        name=generated_name(primal, requests), doc=documentation(primal, requests)
    )
    why = ""
    if options.target != "python":
        try:
            return compiled_c(function, tuple(shown), open_sizes=options.check_shapes)
        except UnsupportedError as error:
            if options.target == "c":
                raise
            why = error.message
    return replace(emitted(function, options, tuple(shown)), why=why)


def compiled_c(
    function: Function, stages: tuple[tuple[str, str], ...] = (), *, open_sizes: bool = False
) -> Compiled:
    """The C source of `function`, which has been through the passes.

    open_sizes: symbolic sizes may be 0 or 1, too, as who will call is unknown.
    Raises UnsupportedError, with the place, for what has no form in C.
    """
    from symdiff.codegen.c.extension import extension
    from symdiff.codegen.c.header import header
    from symdiff.codegen.c.source import called
    from symdiff.codegen.c.source import generate as generate_c
    from symdiff.lower.function import lower

    kernel, interface = lower(function, open_sizes=open_sizes)
    source = generate_c([kernel])
    interface = called(interface, source.kernels[0], source)
    return Compiled(
        function, function.name, source.text, (), stages=stages, target="c",
        why="it lowers, and is compiled", header=header([interface]),
        extension=extension(interface, source.text), interface=interface, kernel=kernel,
    )  # fmt: skip


def loaded(compiled: Compiled, options: Options) -> Callable[..., Any]:
    """The generated function, ready to be called.

    Of C, without an adaptor, it takes its arguments by position alone.
    Raises CompilerError where C cannot be compiled.
    """
    from symdiff.runtime.load import load, load_kernel

    if compiled.target == "python":
        return load(compiled.module, compiled.name, compiled.bindings)
    from symdiff.codegen.adaptor import adaptor

    assert compiled.interface is not None
    around = adaptor(compiled.function)
    text, bindings = (around.source, around.bindings) if around is not None else ("", {})
    return load_kernel(compiled.extension, compiled.interface, text, options.compiler, bindings)


def operations_of(compiled: Compiled) -> int:
    """Arithmetic operations and function calls of what is computed, counted as Python writes it."""
    from symdiff.codegen.count import operations

    made = compiled if compiled.target == "python" else emitted(compiled.function, DEFAULT)
    return operations("\n".join(made.code))


def _value_part(function: Function, requests: Sequence[Request]) -> Tree:
    """What of the result is the value of the function itself."""
    returned = {"value_and_grad", "jvp", "vjp"}
    if any(r.kind == "primal" for r in requests) or not requests:
        return function.result
    has_value = requests[-1].kind in returned or requests[-1].value
    return function.result[0] if has_value and isinstance(function.result, tuple) else ()


def emitted(
    function: Function, options: Options, stages: tuple[tuple[str, str], ...] = ()
) -> Compiled:
    """The source of `function`, which has been through the passes."""
    function = prepared(function)
    bindings: dict[str, Any] = {}
    definitions = {
        part.name: _text(part, generate(part, options, owned=True), options, bindings).strip()
        for part in printed(function)
    }
    definition = generate(function, options)
    if options.check_shapes:
        definition.body[:0] = fixed_parameters(function)
    text = _text(function, definition, options, bindings)
    support = {
        # A parameter may be called as the helper is.
        renamed(inspect.getsource(helper), _only(definition.renames, helper.__name__)).strip(): None
        for part, source in [*zip(printed(function), definitions.values(), strict=True),
                             (function, text)]
        for helper in support_of(part, source)
    }  # fmt: skip
    imports = tuple(imports_of([*support, *definitions.values(), text]))
    return Compiled(
        function, definition.name, text, imports, bindings, stages, tuple(support), definitions
    )


def _text(
    function: Function, definition: Definition, options: Options, bindings: dict[str, Any]
) -> str:
    """The text of one function; what it refers to is added to `bindings`, under free names."""
    definition.body = merged(definition.body)
    tidy(definition)
    text = print_definition(definition, options)
    if max(map(len, text.splitlines())) > options.line_width:
        split_wide(definition, options.line_width)
        text = print_definition(definition, options)
    if max(map(len, text.splitlines())) > options.line_width:
        text = indented_less(text)
    fresh: dict[str, str] = {}
    for label, value in definition.bindings.items():
        if bindings.get(label, value) is not value:
            wish = f"{function.name}_{label}"
            fresh[label] = wish if wish not in bindings else f"{wish}_{len(bindings)}"
        bindings[fresh.get(label, label)] = value
    return renamed(text, fresh)


def _only(renames: Mapping[str, str], name: str) -> dict[str, str]:
    return {name: renames[name]} if name in renames else {}


def wrt_names(primal: Function, request: Request) -> list[str]:
    """The names that `wrt` means."""
    floats = [
        p.name for p in primal.params
        if any(getattr(getattr(x, "type", None), "is_float", False) for x in _leaves(p.tree))
    ]  # fmt: skip
    if request.wrt is None:
        return floats[:1]
    if request.wrt == ("*",):
        return floats
    return [primal.params[w].name if isinstance(w, int) else w for w in request.wrt]


def _leaves(tree: Tree) -> list[Any]:
    from symdiff.ir.tree import leaves

    return list(leaves(tree))


def generated_name(primal: Function, requests: Sequence[Request]) -> str:
    """`df_dx` for the derivative in one scalar, else `f_grad`, `f_value_and_grad`, `f_hessian`."""
    name = primal.name
    kinds = [r.kind for r in requests if r.kind != "primal"]
    if kinds and set(kinds) == {"grad"} and not any(r.many or r.has_aux for r in requests):
        wanted = {tuple(wrt_names(primal, r)) for r in requests}
        if len(wanted) == 1 and len(next(iter(wanted))) == 1 and len(primal.params) == 1:
            (variable,) = next(iter(wanted))
            order = len(kinds)
            param = primal.params[0].tree
            if getattr(getattr(param, "type", None), "rank", 1) == 0:
                power = "" if order == 1 else str(order)
                return f"d{power}{name}_d{variable}{power}"
    shown = [f"value_and_{r.kind}" if r.value else r.kind for r in requests if r.kind in kinds]
    runs = [(kind, len(list(run))) for kind, run in itertools.groupby(shown)]
    return "_".join([name, *(f"{kind}{count}" if count > 1 else kind for kind, count in runs)])


_WHAT = {
    "grad": "Gradient of {f}", "value_and_grad": "Value of {f} and its gradient",
    "jvp": "Value of {f} and its directional derivative", "vjp": "Value of {f} and its pullback",
    "jacobian": "Jacobian of {f}", "hessian": "Hessian of {f}",
    "hvp": "Product of the Hessian of {f} with a vector",
}  # fmt: skip


def documentation(primal: Function, requests: Sequence[Request]) -> str:
    """The docstring: what was differentiated, from where, with respect to what."""
    place = f"{primal.name} ({primal.span.place})" if primal.span else primal.name
    kinds = [r for r in requests if r.kind != "primal"]
    if not kinds:
        return f"{place}, as compiled."
    last = kinds[0]
    names = [_shown(primal, n) for n in wrt_names(primal, last)]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    if all(r.kind == "grad" for r in kinds) and generated_name(primal, requests).startswith("d"):
        order = {1: "Derivative", 2: "Second derivative", 3: "Third derivative"}.get(
            len(kinds), f"Derivative of order {len(kinds)}"
        )
        scalar = len(kinds) > 1 or not any("(" in n for n in names)
        if scalar:
            return f"{order} of {place} with respect to {listed}."
    text = place
    for request in kinds:
        what = _WHAT[request.kind]
        if request.value:
            what = "Value of {f} and its " + request.kind.capitalize()
        text = what.format(f=text if text == place else text[0].lower() + text[1:])
    return f"{text} with respect to {listed}."


def _shown(primal: Function, name: str) -> str:
    from symdiff.ir.types import show_shape

    for p in primal.params:
        type_ = getattr(p.tree, "type", None)
        if p.name == name and type_ is not None and type_.rank:
            if any("." in str(d) for d in type_.shape):  # sizes that have no name of their own
                return name
            return f"{name} {show_shape(type_.shape)}"
    return name
