"""Definitions, and calls of them: passes go through them all, and nothing is called in vain.

    y = power(x, n - 1);  y', d = power_jvp(x, n - 1, d_x)    ->   y, d = power_jvp(x, n - 1, d_x)

A derivative of a call returns the value too, so that one call does for both. Results that nothing
reads, the parameters that only they need, and definitions that nothing calls, are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from symdiff.ir.expr import Apply, Call, Expr, If, Loop, Map, Project, call, project
from symdiff.ir.function import Function, Require
from symdiff.ir.types import symbols_in
from symdiff.ir.walk import topological, transform
from symdiff.optimize.rebuild import rebuilt
from symdiff.options import Options

Pass = Callable[[Function, Options], Function]
Way = frozenset[tuple[Expr, bool]]  # predicates and their sides, loops that are run
_WAYS = 16  # where a call has more ways that lead to it, nothing is concluded


def everywhere(run: Pass) -> Pass:
    """The pass `run` on a function and on its definitions."""

    def through(function: Function, options: Options) -> Function:
        if not function.definitions:
            return run(function, options)
        definitions = {name: run(d, options) for name, d in function.definitions.items()}
        return run(function, options).replace(definitions=definitions)

    return through


def in_turn(*passes: Pass) -> Pass:
    """Several passes as one."""

    def through(function: Function, options: Options) -> Function:
        for run in passes:
            function = run(function, options)
        return function

    return through


# Values from the calls of derivatives.


def join_calls(function: Function, options: Options) -> Function:
    """`function`, where what a call results in is taken from a derivative that is called too.

    It comes before results are dropped: `Function.origin` tells which are the values.
    """
    if not function.definitions:
        return function
    definitions = {n: _joined(d, function.definitions) for n, d in function.definitions.items()}
    return _joined(function, function.definitions).replace(definitions=definitions)


def _joined(part: Function, definitions: Mapping[str, Function]) -> Function:
    while True:
        order = topological([*part.results, *(r.fails for r in part.requires)])
        found = next(_pairs(order, definitions), None)
        if found is None:
            return part
        plain, rich = found

        def taken(node: Expr, plain: Call = plain, rich: Call = rich) -> Expr:
            if isinstance(node, Project) and node.operands[0] is plain:
                return project(rich, node.index, node.type)
            return node

        part = part.rewritten(rebuilt(order, taken))


def _pairs(
    order: Sequence[Expr], definitions: Mapping[str, Function]
) -> Iterator[tuple[Call, Call]]:
    """(a call, one of its derivative that is made wherever it is, and does not need it)."""
    calls = [n for n in order if isinstance(n, Call)]
    ways: Mapping[Expr, set[Way]] = {}
    for rich in calls:
        for name in _values_of(rich, definitions):
            count = len(definitions[name].params)
            for plain in calls:
                if plain.callee != name or rich.operands[:count] != plain.operands:
                    continue
                ways = ways or _ways(order)
                here, there = ways[plain], ways[rich]
                covered = all(any(w <= way for w in there) for way in here)
                if here and covered and plain not in topological([rich]):
                    yield plain, rich


def _values_of(rich: Call, definitions: Mapping[str, Function]) -> Iterator[str]:
    """The functions whose values a call of a derivative returns, as its first results."""
    assert isinstance(rich.callee, str)
    origin = definitions[rich.callee].origin
    while origin is not None:
        assert isinstance(origin.of, str)
        yield origin.of
        origin = definitions[origin.of].origin


def _ways(order: Sequence[Expr]) -> dict[Expr, set[Way]]:
    """Under which branches each node is computed; none where there are too many to tell."""
    used = {x for node in order for x in node.operands}
    ways: dict[Expr, set[Way]] = {n: set() if n in used else {frozenset()} for n in order}
    full: set[Expr] = set()
    for node in reversed(order):
        for i, x in enumerate(node.operands):
            step: tuple[Expr, bool] | None = None
            if isinstance(node, If) and i:
                step = (node.pred, i == 1)
            elif isinstance(node, (Loop, Map)) and x not in _outside(node):
                step = (node, True)
            if node in full or x in full:
                full.add(x)
                continue
            ways[x].update(way if step is None else way | {step} for way in ways[node])
            if len(ways[x]) > _WAYS:
                full.add(x)
    return {n: set() if n in full else found for n, found in ways.items()}


def _outside(region: Loop | Map) -> tuple[Expr, ...]:
    return region.outside if isinstance(region, Loop) else region.over


# What nothing reads.


@dataclass(slots=True)
class _Needs:
    """What of a definition is needed: numbers of results, and of parameters."""

    results: set[int] = field(default_factory=set[int])
    params: set[int] = field(default_factory=set[int])


def trim_calls(function: Function, options: Options) -> Function:
    """`function` without results, parameters and definitions that nothing needs."""
    if not function.definitions:
        return function
    function = function.replace(
        requires=_without_calls(function),
        definitions={
            n: d.replace(requires=_without_calls(d)) for n, d in function.definitions.items()
        },
    )
    needs = _needs(function)
    definitions: dict[str, Function] = {}
    for name, part in function.definitions.items():
        if name in needs:
            need = needs[name]
            kept = part.replace(
                params=tuple(p for i, p in enumerate(part.params) if i in need.params),
                result=tuple(x for i, x in enumerate(part.results) if i in need.results),
            )
            definitions[name] = _shortened(kept, needs)
    return _shortened(function, needs).replace(definitions=definitions)


def _without_calls(part: Function) -> tuple[Require, ...]:
    """The requirements, none of which is met by a call that is not made."""
    if not part.requires:
        return ()
    computed = set(part.nodes())
    return tuple(
        r if r.by in computed or not any(isinstance(n, Call) for n in topological([r.by]))
        else replace(r, by=r.fails) for r in part.requires
    )  # fmt: skip


def _needs(function: Function) -> dict[str, _Needs]:
    """What is needed of the definitions that are called, found until nothing is added."""
    needs: dict[str, _Needs] = {}
    found, before = 0, -1
    while found != before:
        before = found
        _reach(function.results, function, needs)
        for name in list(needs):
            part = function.definitions[name]
            reached = _reach([part.results[k] for k in needs[name].results], part, needs)
            needs[name].params.update(i for i, v in enumerate(part.variables) if v in reached)
        found = sum(len(n.results) + len(n.params) for n in needs.values())
    return needs


def _reach(results: Sequence[Expr], part: Function, needs: dict[str, _Needs]) -> set[Expr]:
    """All that is computed for some results of a function, as far as calls need it."""
    seen: set[Expr] = set()
    stack = [*results, *(r.fails for r in part.requires), *(r.by for r in part.requires)]
    while stack:
        node = stack.pop()
        if node in seen and not isinstance(node, Call):
            continue
        seen.add(node)
        if isinstance(node, Project) and isinstance(node.operands[0], Call):
            made = node.operands[0]
            assert isinstance(made.callee, str)
            need = needs.setdefault(made.callee, _Needs())
            need.results.add(node.index)
            stack.extend(x for i, x in enumerate(made.operands) if i in need.params)
        else:
            stack.extend(node.operands)
            if isinstance(node, Apply) and node.attrs:
                sizes = (part.sizes.get(name) for name in symbols_in(node.attrs))
                stack.extend(m.of for m in sizes if m is not None)
    return seen


def _shortened(part: Function, needs: Mapping[str, _Needs]) -> Function:
    """`part`, its calls without what is not needed."""

    def shorter(node: Expr) -> Expr:
        if isinstance(node, Call):
            assert isinstance(node.callee, str)
            need = needs.get(node.callee)
            if need is None:
                return node  # nothing reads it
            operands = (x for i, x in enumerate(node.operands) if i in need.params)
            types = (t for i, t in enumerate(node.types) if i in need.results)
            return call(node.callee, tuple(operands), tuple(types))
        if isinstance(node, Project) and isinstance(node.operands[0], Call):
            made = node.operands[0]
            assert isinstance(made.callee, str)
            kept = sorted(needs.get(made.callee, _Needs()).results)
            if node.index in kept:  # else it is of an operand that is dropped
                return project(made, kept.index(node.index), node.type)
        return node

    roots = [*part.results, *(x for r in part.requires for x in (r.fails, r.by))]
    return part.rewritten(transform(roots, shorter))
