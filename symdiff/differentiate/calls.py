"""Derivatives of calls are calls of derivatives, which are definitions like any other.

    y = power(x, n)    ->   y, d_y = power_jvp(x, n, d_x)           forward
                       ->   y, dy_dx = power_jac(x, n)              reverse: d_x += d_y * dy_dx
    y = total(a, i)    ->   y, t = total_vjp(a, i, d_y)             reverse: d_a += t

Which derivative is called is written into the call (`Derived`), as what is called may not be known
yet: the parser derives functions while it evaluates others. `linked` makes what is missing, once
for each of what varies. Inside, calls become calls of derivatives in turn, of itself most often.
What a vjp computes of the values of inner calls that depends on its cotangents is computed again,
by calling the function, so a chain of n such calls makes n * n / 2 calls in all; a jac needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symdiff.differentiate.forward import pushforward
from symdiff.differentiate.loops import lines_of_sweeps
from symdiff.differentiate.reverse import pullback
from symdiff.ir.expr import Call, Callee, Derived, Expr, Var, call, const, var
from symdiff.ir.function import Function, Param
from symdiff.ir.walk import topological, transform
from symdiff.primitives.row import conform, fit, zeros_like

_WHAT = {"jvp": "Directional derivative", "vjp": "Pullback", "jac": "Derivatives"}


def linked(function: Function) -> Function:
    """`function` with a definition of all that it calls; calls are by name."""
    if not function.definitions:
        return function
    linker = _Linker(function.definitions)
    main = linker.named(function)
    while linker.waiting:
        name, made = linker.waiting.pop()
        linker.definitions[name] = linker.named(made)
    return main.replace(definitions=linker.definitions)


class _Linker:
    """Makes derivatives of definitions, and gives them names."""

    def __init__(self, definitions: Mapping[str, Function]):
        self.definitions = dict(definitions)
        self.names = {f.origin: name for name, f in definitions.items() if f.origin is not None}
        self.waiting = list(definitions.items())

    def named(self, function: Function) -> Function:
        """`function`, its calls by name."""
        roots = [*function.results, *(x for r in function.requires for x in (r.fails, r.by))]
        order = topological(roots)
        if not any(isinstance(n, Call) and isinstance(n.callee, Derived) for n in order):
            return function
        done: dict[Expr, Expr] = {}
        transform(roots, self._renamed, done)
        return function.rewritten(done)

    def _renamed(self, node: Expr) -> Expr:
        if isinstance(node, Call) and isinstance(node.callee, Derived):
            return call(self._name(node.callee), node.operands, node.types)
        return node

    def _name(self, callee: Callee) -> str:
        if isinstance(callee, str):
            return callee
        base = self._name(callee.of)
        callee = replace(callee, of=base)
        if callee not in self.names:
            name = wish = f"{base}_{callee.kind}"
            number = 1
            while name in self.definitions:
                number += 1
                name = f"{wish}_{number}"
            self.names[callee] = name
            made = derived(self.definitions[base], callee).replace(name=name)
            self.definitions[name] = made
            self.waiting.append((name, made))
        return self.names[callee]


def derived(function: Function, wanted: Derived) -> Function:
    """A derivative of a definition; its own calls may be of derivatives that are still to make."""
    taken = {p.name for p in function.params}
    names = dict(function.names)
    values = function.results
    active = [v for v, moves in zip(function.variables, wanted.active, strict=True) if moves]
    if wanted.kind == "jvp":
        seeds = [_seed(v, v.name, taken) for v in active]
        tangents, every = pushforward(values, dict(zip(active, seeds, strict=True)))
        pairs = zip(values, tangents, strict=True)
        results = [*values, *(_fitted(t, x) for x, t in pairs if x.type.differentiable)]
    else:
        seeded = [x for x, given in zip(values, wanted.seeded, strict=True) if given]
        every = {}
        if wanted.kind == "vjp":
            seeds = [_seed(x, _result_name(function, x), taken) for x in seeded]
            adjoints, every = pullback(seeded, seeds, active)
        else:
            seeds, adjoints = [], []
            for x in seeded:
                row, named = pullback([x], [const(1.0, x.type)], active)
                adjoints += row
                every = {**named, **every}
        of = active * (len(adjoints) // max(len(active), 1))
        results = [*values, *(_fitted(d, v) for v, d in zip(of, adjoints, strict=True))]
    if len(values) == 1 and values[0].operands:
        names.setdefault(values[0], "value")
    for node, derivative in every.items():
        name = names.get(node) or (node.name if isinstance(node, Var) else None)
        if name and derivative.operands:
            names.setdefault(derivative, f"d_{name}")
    place = f" ({function.span.place})" if function.span else ""
    return function.replace(
        params=(*function.params, *(Param(v.name, v) for v in seeds)),
        result=tuple(results),
        names=names,
        lines=lines_of_sweeps(function),
        doc=f"{_WHAT[wanted.kind]} of {function.name}{place}.",
        origin=wanted,
    )


def _fitted(derivative: Expr | None, like: Expr) -> Expr:
    if derivative is None:
        return zeros_like(like)
    return conform(fit(derivative, like.type), like.type)


def _seed(like: Expr, name: str, taken: set[str]) -> Var:
    """The parameter that holds the tangent or cotangent of `like`."""
    wish = fresh = f"d_{name}"
    number = 1
    while fresh in taken:
        number += 1
        fresh = f"{wish}_{number}"
    taken.add(fresh)
    return var(fresh, like.type)


def _result_name(function: Function, result: Expr) -> str:
    if isinstance(result, Var):
        return result.name
    return function.names.get(result, function.name if len(function.results) == 1 else "out")
