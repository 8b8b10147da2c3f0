"""Moving a local variable: finite differences with respect to an intermediate of a function.

    def f(x):                      def f(x):
        y = 2 * x                      y = 2 * x
        return y * y                   y = __symdiff_moved__(y)
                                       return y * y

The function is run once to count how often `y` is assigned; its last assignment is the one that
is replaced.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from symdiff.errors import SourceError, UnknownNameError

_HOOK = "__symdiff_moved__"


class Overridden:
    """`function` with its local variable `name` under control.

    value: what the variable was when last run without a replacement. replacement: what to put in
    its place, None for nothing.
    Raises SourceError where the source cannot be read, UnknownNameError where nothing assigns it.
    """

    def __init__(self, function: Callable[..., Any], name: str):
        self.value: Any = None
        self.replacement: Any = None
        self._count = 0
        self._last = 0
        self._run = _instrumented(function, name, self._moved)
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        measuring = self.replacement is None
        self._count = 0
        result = self._run(*args, **kwargs)
        if measuring:
            self._last = self._count
            if not self._count:
                raise UnknownNameError(f"{self._name} is not assigned at these arguments")
        return result

    def _moved(self, value: Any) -> Any:
        self._count += 1
        if self.replacement is None:
            self.value = value
            return value
        return self.replacement if self._count == self._last else value


class _Hooks(ast.NodeTransformer):
    """Puts a call of the hook behind every assignment of one name."""

    def __init__(self, name: str):
        self.name = name
        self.found = False

    def _hook(self, node: Any) -> Any:
        self.generic_visit(node)
        targets = ast.walk(node.target) if hasattr(node, "target") else (
            t for target in node.targets for t in ast.walk(target)
        )  # fmt: skip
        names = {t.id for t in targets if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)}
        if self.name not in names:
            return node
        self.found = True
        hook = ast.parse(f"{self.name} = {_HOOK}({self.name})").body[0]
        if isinstance(node, ast.For):
            node.body.insert(0, hook)
            return node
        return [node, hook]

    visit_Assign = visit_AugAssign = visit_AnnAssign = visit_For = _hook  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        self.generic_visit(node)
        if node.target.id == self.name:
            self.found = True
            node.value = ast.Call(ast.Name(_HOOK, ast.Load()), [node.value], [])
        return node


def _instrumented(function: Any, name: str, hook: Callable[[Any], Any]) -> Callable[..., Any]:
    plain = inspect.unwrap(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, TypeError, SyntaxError) as error:
        raise SourceError(f"the source of {plain.__name__} cannot be read: {error}") from None
    definition = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None)
    if definition is None:
        raise SourceError(f"{plain.__name__} is not a def: its local variables cannot be moved")
    definition.decorator_list = []
    hooks = _Hooks(name)
    definition.body = [s for old in definition.body for s in _many(hooks.visit(old))]
    if not hooks.found:
        raise UnknownNameError(f"{plain.__name__} does not assign {name}")
    definition.args.defaults = []  # the arguments of every call are complete
    definition.args.kw_defaults = [None] * len(definition.args.kwonlyargs)
    definition.returns = None
    for argument in ast.walk(definition.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    closure = inspect.getclosurevars(plain).nonlocals
    outer = ast.parse(f"def __outer__({', '.join([_HOOK, *closure])}):\n    pass")
    body = outer.body[0]
    assert isinstance(body, ast.FunctionDef)
    body.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
    ast.fix_missing_locations(outer)
    scope: dict[str, Any] = {}
    exec(
        compile(outer, inspect.getsourcefile(plain) or "<symdiff>", "exec"),
        plain.__globals__,
        scope,
    )
    return scope["__outer__"](hook, **closure)


def _many(found: Any) -> list[ast.stmt]:
    return found if isinstance(found, list) else [found]
