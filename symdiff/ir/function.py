"""A function of the program: parameters, result, and what is known of the user's source."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from symdiff.errors import Span
from symdiff.ir.expr import Derived, Expr, Loop, Var
from symdiff.ir.tree import Tree, expressions, map_tree
from symdiff.ir.types import Dim
from symdiff.ir.walk import topological, transform

_EMPTY: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; `tree` holds its `Var`s, or its static value.

    seed: of a tangent or cotangent, the number of the operator that added it; else -1.
    """

    name: str
    tree: Tree
    default: str | None = None  # source of the default value, where it is a plain number
    kind: str = "plain"  # plain | keyword | star | starstar: how it stands in the signature
    seed: int = -1


@dataclass(frozen=True, slots=True)
class Measure:
    """Where the size `symbol` is read: an axis of a parameter, or another expression."""

    of: Expr
    axis: int | None = None  # None: `of` is itself the size, an integer expression


Path = tuple[tuple[Expr, bool], ...]  # conditions, and on which side of each


@dataclass(frozen=True, slots=True)
class Require:
    """Where `fails` the primal raises `error(message)`; `by`, if computed, does so itself.

    stated: by the user's own `raise` or `assert`, so that nothing else does.
    """

    fails: Expr
    by: Expr
    error: str
    message: str
    always: bool = True  # else only under a branch, whose condition `fails` includes
    stated: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where the user cuts the derivative: `detach`, `no_grad`, a cast to an integer."""

    node: Expr
    what: str
    span: Span | None


@dataclass(frozen=True)
class Function:
    """name(params) -> result, with the user's names and lines for its values.

    names: the user's name of a value. lines: the source line that computes it.
    sizes: where the symbols of its shapes are read. equal: sizes that must agree although they
    are read from different places. doc: the docstring of generated code. effects: what the function
    leaves in the arrays that it was given and writes into; no derivative changes them.
    """

    name: str
    params: tuple[Param, ...]
    result: Tree
    names: Mapping[Expr, str] = field(default_factory=lambda: _EMPTY)
    lines: Mapping[Expr, int] = field(default_factory=lambda: _EMPTY)
    sizes: Mapping[str, Measure] = field(default_factory=lambda: _EMPTY)
    equal: tuple[tuple[Dim, Dim], ...] = ()
    requires: tuple[Require, ...] = ()
    cuts: tuple[Cut, ...] = ()
    locals: Mapping[str, Tree] = field(default_factory=lambda: _EMPTY)
    span: Span | None = None
    doc: str = ""
    effects: tuple[tuple[Var, Expr], ...] = ()
    reads: tuple[tuple[Any, str, Any], ...] = ()  # (scope, name, value) of what is part of it
    # What its `Call`s call, by name: functions whose parameters are variables and whose result is
    # a tuple of values. They have no definitions of their own, but call those beside them.
    definitions: Mapping[str, Function] = field(default_factory=lambda: _EMPTY)
    origin: Derived | None = None  # of a definition: which derivative it is
    # What may raise and has been computed, whatever happens, before the loop that binds a variable.
    ahead: Mapping[Var, frozenset[Expr]] = field(default_factory=lambda: _EMPTY)
    # The conditions under which the primal computes a value, where no loop does; of a variable that
    # a loop binds: runs that loop.
    paths: Mapping[Expr, Path] = field(default_factory=lambda: _EMPTY)

    @property
    def results(self) -> list[Expr]:
        """The expressions among the results, in order, and what is left in arguments."""
        return [*expressions(self.result), *(value for _, value in self.effects)]

    @property
    def variables(self) -> list[Var]:
        """The variables among the parameters, in order."""
        return [e for p in self.params for e in expressions(p.tree) if isinstance(e, Var)]

    def nodes(self) -> list[Expr]:
        """Everything that the results are made of, operands first. Found once: do not change it."""
        return self._nodes

    @functools.cached_property
    def _nodes(self) -> list[Expr]:
        return topological(self.results)

    def replace(self, **changes: Any) -> Function:
        """A copy with some fields changed."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        made = Function(**{**fields, **changes})
        same = made.result is self.result and made.effects is self.effects
        if same and "_nodes" in self.__dict__:
            made.__dict__["_nodes"] = self._nodes  # the same expressions, found already
        return made

    def rewritten(self, mapping: Mapping[Expr, Expr]) -> Function:
        """This function with its expressions replaced; names and lines follow the values.

        `mapping` must know every node of the results; what only names or requires refer to is
        rebuilt from it.
        """
        done = dict(mapping)

        def moved(node: Expr) -> Expr:
            if node not in done:
                transform([node], lambda n: n, done)
            return done[node]

        names: dict[Expr, str] = {}
        lines: dict[Expr, int] = {}
        for old, name in self.names.items():
            if old in mapping:
                names.setdefault(mapping[old], name)
        for old, line in self.lines.items():
            if old in mapping:
                lines.setdefault(mapping[old], line)
            elif isinstance(old, Var):
                lines.setdefault(old, line)
        result = self.result
        if any(moved(x) is not x for x in self.results):
            result = map_tree(lambda x: moved(x) if isinstance(x, Expr) else x, result)
        return self.replace(
            result=result,
            names=names,
            lines=lines,
            requires=tuple(replace(r, fails=moved(r.fails), by=moved(r.by)) for r in self.requires),
            effects=tuple((v, moved(value)) for v, value in self.effects),
            ahead=moved_ahead(self.ahead, mapping),
            paths=moved_paths(self.paths, mapping),
        )


def moved_ahead(
    ahead: Mapping[Var, Iterable[Expr]], mapping: Mapping[Expr, Expr]
) -> dict[Var, frozenset[Expr]]:
    """`Function.ahead` of what `mapping` makes of the nodes."""
    moved = {v: frozenset(mapping[n] for n in nodes if n in mapping) for v, nodes in ahead.items()}
    return {v: nodes for v, nodes in moved.items() if nodes}


def moved_paths(
    paths: Mapping[Expr, Path | None], mapping: Mapping[Expr, Expr]
) -> dict[Expr, Path]:
    """`Function.paths` of what `mapping` makes of the nodes."""
    moved: dict[Expr, Path] = {}
    known: dict[Path, Path | None] = {}
    for node, path in paths.items():
        new = mapping.get(node, node if isinstance(node, Var) else None)
        if new is None or path is None:
            continue
        if path not in known:
            steps = [(mapping[pred], side) for pred, side in path if pred in mapping]
            known[path] = tuple(steps) if len(steps) == len(path) else None
        there = known[path]
        if there is not None:
            moved.setdefault(new, there)
    return moved


def line_of(node: Expr, lines: Mapping[Expr, int]) -> int | None:
    """The source line of a value; of a loop that has been changed, that of its variables."""
    line = lines.get(node)
    if line is None and isinstance(node, Loop):
        line = next((lines[v] for v in node.bound if v in lines), None)
    return line
