"""Derivative operators inside a function that is itself differentiated.

    def f(x):
        return x * symdiff.grad(lambda y: x * y**2)(x)

g is evaluated on variables of its own, differentiated with respect to those alone, and then the
arguments are put in their place. What g closes over (x here) is an outer value and stays one, so
the two perturbations cannot be confused.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr, var
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Tree, expressions, is_container, leaves, map_tree
from symdiff.ir.types import Type
from symdiff.ir.walk import substitute
from symdiff.parse.calls import Closure, call
from symdiff.parse.frame import Evaluation, Frame
from symdiff.parse.nullable import without_none
from symdiff.primitives.spell import to_expr


def nested_derivative(
    derive: Callable[[Function, Any], Function],
) -> Callable[..., Evaluation]:
    """How the evaluator calls a derivative, given the operator `Function, Request -> Function`."""

    def evaluate(
        frame: Frame, spec: Any, args: list[Any], kwargs: dict[str, Any], node: ast.AST
    ) -> Evaluation:
        target, request = spec.target, spec.request
        names = parameter_names(target)
        count = len(names) if names is not None else len(args)
        extra = 1 if request.kind in ("jvp", "vjp", "hvp") else 0
        positional = args[: len(args) - extra]
        if names is None:
            names = [f"arg{i}" for i in range(count)]
        given = dict(zip(names, positional, strict=False))
        given.update(kwargs)
        params: list[Param] = []
        arguments: dict[Expr, Expr] = {}
        for name, value in given.items():
            params.append(Param(name, _open(frame, name, value, arguments)))
        context = frame.context
        required, context.evaluated = context.evaluated, {}
        stated = len(context.demands)
        inner_args = [p.tree for p in params[: len(positional)]]
        inner_kwargs = {p.name: p.tree for p in params[len(positional) :]}
        result = yield call(frame, target, inner_args, inner_kwargs, node)
        name = getattr(target, "__name__", "g")
        result = without_none(context, result)
        derived = derive(Function(name, tuple(params), result, span=frame.span(node)), request)
        if extra:
            _bind_seeds(derived.params[len(params) :], args[-1], arguments)
        for i, stated_one in enumerate(context.demands[stated:], stated):
            found = stated_one.expressions
            closed = dict(zip(found, substitute(found, arguments), strict=True))
            context.demands[i] = stated_one.moved(closed.__getitem__)
        for demand, paths in context.evaluated.items():  # what g demands, of these arguments
            (closed_node,) = substitute([demand], arguments)
            for path in paths:
                preds = substitute([p for p, _ in path], arguments)
                sides = tuple(zip(preds, (side for _, side in path), strict=True))
                required.setdefault(closed_node, {}).setdefault(sides)
        context.evaluated = required
        found = expressions(derived.result)
        closed = dict(zip(found, substitute(found, arguments), strict=True))
        return map_tree(lambda x: closed[x] if isinstance(x, Expr) else x, derived.result)

    return evaluate


def _open(frame: Frame, name: str, value: Any, arguments: dict[Expr, Expr]) -> Tree:
    """`value` with every number in it replaced by a variable of its own."""

    def of(leaf: Any) -> Any:
        if isinstance(leaf, (bool, str, int)) or leaf is None:
            return leaf
        if not isinstance(leaf, Expr):
            try:
                leaf = to_expr(leaf)
            except Exception:
                return leaf
        if not leaf.type.differentiable:
            return leaf
        fresh = var(name, leaf.type, frame.context.fresh())
        arguments[fresh] = leaf
        return fresh

    return map_tree(of, value)


def _bind_seeds(params: Any, value: Any, arguments: dict[Expr, Expr]) -> None:
    trees = [p.tree for p in params]
    given = list(value) if len(trees) > 1 else [value]
    for tree, item in zip(trees, given, strict=True):
        if is_container(tree) != is_container(item):
            raise UnsupportedError("the tangent's structure differs from the argument's")
        for variable, number in zip(leaves(tree), leaves(item), strict=True):
            if isinstance(variable, Expr):
                arguments[variable] = to_expr(number)


def parameter_names(target: Any) -> list[str] | None:
    """The positional parameters of a function, a closure or a derivative of one."""
    while hasattr(target, "__symdiff_derivative__"):
        target = target.__symdiff_derivative__.target
    if isinstance(target, Closure):
        a = target.node.args
        return [x.arg for x in (*a.posonlyargs, *a.args)]
    try:
        return list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return None


__all__ = ["Type", "nested_derivative", "parameter_names"]
