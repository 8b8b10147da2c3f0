"""Moving local variables: finite differences with respect to intermediates of a function.

    def f(x):                      def f(x):
        y = 2 * x                      y = 2 * x
        return y * y                   y = __symdiff_moved__("y", y)
                                       return y * y

The function is run once to count how often `y` is assigned; its last assignment is the one that
is moved. It is moved by a difference, not set: when x moves beside it, y still follows x.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import SourceError, UnknownNameError
from symdiff.verify import trees

_HOOK = "__symdiff_moved__"


class Overridden:
    """`function` with some of its local variables under control.

    values: what they were at the arguments of `measure`. replacements: what to make of those
    values, by name; empty for nothing.
    Raises SourceError where the source cannot be read, UnknownNameError where nothing assigns one.
    """

    def __init__(self, function: Callable[..., Any], names: Sequence[str]):
        self.values: dict[str, Any] = {}
        self.replacements: dict[str, Any] = {}
        self._counts: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._names = names
        self._run = _instrumented(function, names, self._moved)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._counts = dict.fromkeys(self._names, 0)
        return self._run(*args, **kwargs)

    def measure(self, *args: Any, **kwargs: Any) -> None:
        """Run once as it is, to learn the values and which assignment of each is the last."""
        self.replacements = {}
        self(*args, **kwargs)
        self._last = self._counts
        for name, count in self._counts.items():
            if not count:
                raise UnknownNameError(f"{name} is not assigned at these arguments")

    def _moved(self, name: str, value: Any) -> Any:
        self._counts[name] += 1
        if name not in self.replacements:
            self.values[name] = value
            return value
        if self._counts[name] != self._last[name]:
            return value
        new, base = trees.leaves(self.replacements[name]), trees.leaves(self.values[name])
        now = trees.leaves(value)
        # Where nothing else moved, the new value itself: n + (v - n) would be rounded.
        shifted = [
            n if np.array_equal(v, b) else v + (n - b)
            for v, b, n in zip(now, base, new, strict=True)
        ]
        return trees.rebuild(value, shifted)


class _Hooks(ast.NodeTransformer):
    """Puts a call of the hook behind every assignment of some names."""

    def __init__(self, names: Sequence[str]):
        self.names = names
        self.found: set[str] = set()

    def _hook(self, node: Any) -> Any:
        self.generic_visit(node)
        targets = ast.walk(node.target) if hasattr(node, "target") else (
            t for target in node.targets for t in ast.walk(target)
        )  # fmt: skip
        stored = {t.id for t in targets if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)}
        moved = [name for name in self.names if name in stored]
        self.found.update(moved)
        hooks = [ast.parse(f"{name} = {_HOOK}({name!r}, {name})").body[0] for name in moved]
        if isinstance(node, ast.For):
            node.body[:0] = hooks
            return node
        return [node, *hooks] if hooks else node

    visit_Assign = visit_AugAssign = visit_AnnAssign = visit_For = _hook  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        self.generic_visit(node)
        name = node.target.id
        if name in self.names:
            self.found.add(name)
            node.value = ast.Call(ast.Name(_HOOK, ast.Load()), [ast.Constant(name), node.value], [])
        return node


def _instrumented(
    function: Any, names: Sequence[str], hook: Callable[[str, Any], Any]
) -> Callable[..., Any]:
    plain = inspect.unwrap(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, TypeError, SyntaxError) as error:
        raise SourceError(f"the source of {plain.__name__} cannot be read: {error}") from None
    definition = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None)
    if definition is None:
        raise SourceError(f"{plain.__name__} is not a def: its local variables cannot be moved")
    definition.decorator_list = []
    hooks = _Hooks(names)
    definition.body = [s for old in definition.body for s in _many(hooks.visit(old))]
    for name in names:
        if name not in hooks.found:
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
