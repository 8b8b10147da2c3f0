"""Checks that a function is well formed; the tests run it after every pass.

A pass that builds a node with the wrong type, or lets a region's own variable escape, is caught
where it happens instead of in generated code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Map, Project, Var, While
from symdiff.ir.function import Function
from symdiff.ir.types import Dim, SymDim, Type

_NONE: frozenset[Var] = frozenset()


def verify(function: Function) -> None:
    """Raises AssertionError, its message naming the node, unless `function` is well formed.

    Every node has the type that its operator infers, the sides of an `If` have its type, what a
    region binds is used only inside it, every other variable is a parameter. Calls fit what they
    call, which is well formed too.

    >>> from symdiff.ir.expr import var
    >>> from symdiff.ir.function import Param
    >>> from symdiff.ir.types import FLOAT
    >>> x, y = var("x", FLOAT), var("y", FLOAT)
    >>> verify(Function("f", (Param("x", x),), x))
    >>> verify(Function("f", (Param("x", x),), y))
    Traceback (most recent call last):
    ...
    AssertionError: f: y.0 is neither a parameter nor bound by a region
    """
    for part in (*function.definitions.values(), function):
        _verify(part, function.definitions)


def _verify(function: Function, definitions: Mapping[str, Function]) -> None:
    order = function.nodes()
    for node in order:
        for problem in (*_problems(node), *_call_problems(node, definitions)):
            raise AssertionError(f"{function.name}: {problem}, in {_shown(node)}")
    free = _free(order, set(function.variables))
    for root in function.results:
        for variable in free[root]:
            raise AssertionError(
                f"{function.name}: {variable.name}.{variable.tag} is neither a parameter "
                "nor bound by a region"
            )


def _shown(node: Expr) -> str:
    kind = node.op.name if isinstance(node, Apply) else type(node).__name__
    operands = ", ".join(f"{_leaf(x)}: {x.type}" for x in node.operands[:6])
    attrs = f" {node.attrs!r}" if isinstance(node, Apply) and node.attrs else ""
    return f"{kind}({operands}){attrs} -> {node.type}"


def _leaf(node: Expr) -> str:
    match node:
        case Const(value):
            return repr(value)
        case Var(name):
            return name
        case Apply(op):
            return op.name
        case _:
            return type(node).__name__


# Types.


def _problems(node: Expr) -> Iterable[str]:
    match node:
        case Apply():
            yield from _apply(node)
        case Const(value) if hasattr(value, "shape") and value.shape:
            if not same_shape(node.type.shape, value.shape):
                yield f"a constant of shape {value.shape} has type {node.type}"
        case If():
            if node.pred.type.shape or node.pred.type.dtype != "bool":
                yield f"the condition is {node.pred.type}, not a bool"
            for side, value in (("then", node.then), ("else", node.orelse)):
                if not same_type(value.type, node.type):
                    yield f"the {side} side is {value.type}, the whole {node.type}"
        case Map():
            if len(node.indices) != len(node.over):
                yield f"{len(node.indices)} variables over {len(node.over)} arrays"
            for index, rows in zip(node.indices, node.over, strict=False):
                if not rows.type.shape or not same_shape(index.type.shape, rows.type.shape[1:]):
                    yield f"{index.name}: {index.type} runs over rows of {rows.type}"
            if node.over and not same_shape(
                node.type.shape, (node.over[0].type.shape[:1] + node.body.type.shape)
            ):
                yield f"rows of {node.body.type} are stacked to {node.type}"
        case For() | While():
            if len(node.body) != len(node.carried):
                yield f"{len(node.carried)} carried values, {len(node.body)} new ones"
            for variable, first, after in zip(node.carried, node.initial, node.body, strict=False):
                for what, value in (("starts as", first), ("becomes", after)):
                    if not same_type(value.type, variable.type):
                        yield f"{variable.name}: {variable.type} {what} {value.type}"
            for test in (node.until, node.cond) if isinstance(node, While) else (node.until,):
                if test.type.shape or test.type.dtype != "bool":
                    yield f"the condition is {test.type}, not a bool"
        case Project():
            region = node.operands[0]
            if isinstance(region, (For, While)):
                if not node.index < len(region.carried):
                    yield f"there is no result number {node.index}"
                elif not same_type(region.carried[node.index].type, node.type):
                    yield f"result number {node.index} is {region.carried[node.index].type}"
            elif isinstance(region, Call):
                types = region.types
                if not node.index < len(types) or not same_type(types[node.index], node.type):
                    yield f"result number {node.index} is not one of {_listed(types)}"
        case _:
            pass


def _call_problems(node: Expr, definitions: Mapping[str, Function]) -> Iterable[str]:
    if not isinstance(node, Call):
        return
    called = definitions.get(node.callee) if isinstance(node.callee, str) else None
    if called is None:
        yield f"there is no definition of {node.callee}"
        return
    for what, given, wanted in (
        ("parameters", [x.type for x in node.operands], [v.type for v in called.variables]),
        ("results", node.types, [x.type for x in called.results]),
    ):
        if len(given) != len(wanted) or not all(map(same_type, given, wanted)):
            yield f"the {what} of {called.name} are {_listed(wanted)}, not {_listed(given)}"


def _listed(types: Iterable[Type]) -> str:
    return f"({', '.join(map(str, types))})"


def _apply(node: Apply) -> Iterable[str]:
    infer = getattr(node.op, "infer", None)
    if infer is None:
        return
    try:
        wanted: Type = infer(node.attrs, [x.type for x in node.operands])
    except Exception as error:
        yield f"its type rule raises {type(error).__name__}: {error}"
        return
    if not same_type(wanted, node.type):
        yield f"the type rule gives {wanted}"


def same_type(a: Type, b: Type) -> bool:
    """Whether two types agree: dtype, rank, whether Python's, and the sizes that are known."""
    return a.dtype == b.dtype and a.weak == b.weak and same_shape(a.shape, b.shape)


def same_shape(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    """Whether shapes agree. Two different symbols may be equal when run (see `ir.types`)."""
    return len(a) == len(b) and all(
        x == y or isinstance(x, SymDim) or isinstance(y, SymDim) for x, y in zip(a, b, strict=True)
    )


# Variables.


def _free(order: Iterable[Expr], params: set[Var]) -> Mapping[Expr, frozenset[Var]]:
    """The variables of each node, parameters aside, that no region below it binds."""
    free: dict[Expr, frozenset[Var]] = {}
    for node in order:
        free[node] = _NONE if node in params else _free_of(node, free)
    return free


def _free_of(node: Expr, free: Mapping[Expr, frozenset[Var]]) -> frozenset[Var]:
    match node:
        case Var():
            return frozenset((node,))
        case Map():
            return _union(node.over, free) | (free[node.body] - set(node.indices))
        case For() | While():
            return _union(node.outside, free) | (_union(node.inside, free) - set(node.bound))
        case _:
            return _union(node.operands, free)


def _union(nodes: Iterable[Expr], free: Mapping[Expr, frozenset[Var]]) -> frozenset[Var]:
    found = _NONE
    for node in nodes:
        more = free[node]
        # Most nodes add nothing: keeping the set object itself keeps this linear.
        found = found if more <= found else more if found <= more else found | more
    return found
