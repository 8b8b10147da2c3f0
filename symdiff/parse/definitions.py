"""What has been evaluated as a definition becomes a function of its own.

    y = math.exp(a)
    go = lambda i: 0.0 if i == n else y + go(i + 1)      ->   go(i, n, y), called go(i + 1, n, y)

What its body reads from outside, the values that have a name there and variables, becomes
parameters behind its own, and calls pass them on.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Call, Const, Expr, Var, call, var
from symdiff.ir.function import Function, Param, moved_ahead
from symdiff.ir.tree import expressions, leaves
from symdiff.ir.types import symbol, symbols_in
from symdiff.ir.walk import bound, substitute, topological, transform
from symdiff.parse.abstract import as_type
from symdiff.parse.frame import Context
from symdiff.parse.memory import without_marks
from symdiff.parse.recursion import Recursive
from symdiff.parse.requires import requirements
from symdiff.parse.sizes import sizes_of
from symdiff.parse.state import State
from symdiff.primitives.shape import size
from symdiff.primitives.spell import to_expr


def finish(context: Context, of: Recursive, value: Any, outside: State) -> None:
    """Make the function of a definition that has been evaluated to `value`."""
    types = iter(of.types)
    results = [
        as_type(to_expr(x), next(types)) for x in leaves(value)
        if x is not None and not isinstance(x, str)
    ]  # fmt: skip
    bare = _without_marks(context, results)
    results = [bare.get(x, x) for x in results]
    order = topological([*bare.values(), *results])
    inner = bound(order).union(of.variables)
    everything = frozenset(n for n in order if isinstance(n, Var) and n not in inner)
    requires = requirements(context, everything.union(of.variables))
    roots = [*results, *(x for r in requires for x in (r.fails, r.by))]
    captured = _captured(roots, inner, _held(outside, bare))
    params = [var(name, v.type) for name, v in zip(of.names, of.variables, strict=True)]
    taken = set(of.names)
    params += [_parameter(context, x, taken) for x in captured]
    mapping = dict(zip((*of.variables, *captured), params, strict=True))
    names = {bare.get(n, n): name for n, name in reversed(context.names.items())}
    lines = {bare.get(n, n): line for n, line in reversed(context.lines.items())}
    below = topological(roots)
    new = substitute([*roots, *below], mapping)
    sizes = sizes_of([Param(v.name, v) for v in params], new)
    for name in sorted(
        symbols_in(tuple(n.attrs for n in new if isinstance(n, Apply))) - sizes.keys()
    ):  # sizes of what is not passed itself
        captured.append(size.build(attrs=(symbol(name),)))
        params.append(_parameter(context, captured[-1], taken))
        mapping[captured[-1]] = params[-1]
    if captured:
        _check_callers(context, of)
        new = substitute([*roots, *below], mapping)
        extra = tuple(params[len(of.variables) :])
        done = transform(new, lambda n: _passing(n, of.title, extra))
        new = [done[x] for x in new]
    closed, moved = new[: len(roots)], new[len(roots) :]
    flat = iter(closed[len(results) :])
    of.captured = tuple(captured)
    span = context.frames[-1].source.span(context.frames[-1].node)
    of.made = Function(
        name=of.name,
        params=tuple(Param(v.name, v) for v in params),
        result=tuple(closed[: len(results)]),
        names={y: names[x] for x, y in zip(below, moved, strict=True) if x in names},
        lines={y: lines[x] for x, y in zip(below, moved, strict=True) if x in lines},
        ahead=moved_ahead(moved_ahead(context.ahead, bare), dict(zip(below, moved, strict=True))),
        sizes=sizes_of([Param(v.name, v) for v in params], new),
        requires=tuple(replace(r, fails=next(flat), by=next(flat)) for r in requires),
        span=span,
        doc=f"{of.name} ({span.place}).",
    )


def _without_marks(context: Context, results: Sequence[Expr]) -> dict[Expr, Expr]:
    """The map from all that was evaluated to the same without the marks of array objects."""
    roots = [
        *results, *context.evaluated,
        *(p for paths in context.evaluated.values() for path in paths for p, _ in path),
        *(x for demand in context.demands for x in demand.expressions),
    ]  # fmt: skip
    if context.memory is None:
        return {x: x for x in topological(roots)}
    bare = without_marks([*roots, *context.names])

    def paths(path: Any) -> Any:
        return tuple((bare[p], side) for p, side in path)

    context.evaluated = {
        bare[n]: {paths(path): None for path in found} for n, found in context.evaluated.items()
    }
    context.demands = [demand.moved(bare.__getitem__) for demand in context.demands]
    return bare


def _held(outside: State, bare: Mapping[Expr, Expr]) -> set[Expr]:
    """The values that names and containers outside of a definition hold."""
    found: set[Expr] = set()
    for place in outside.places():
        for leaf in expressions(place.get(outside)):
            found.add(bare.get(leaf, leaf))
    return found


def _captured(roots: Sequence[Expr], inner: set[Var], held: set[Expr]) -> list[Expr]:
    """What `roots` read from outside: values that are held there, and other variables."""
    found: dict[Expr, None] = {}
    seen: set[Expr] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if node in seen or isinstance(node, Const) or node in inner:
            continue
        seen.add(node)
        if node in held or isinstance(node, Var):
            found[node] = None
        else:
            stack.extend(reversed(node.operands))
    return list(found)


def _parameter(context: Context, value: Expr, taken: set[str]) -> Var:
    wish = context.names.get(value) or getattr(value, "name", "")
    if not wish:
        wish = str(value.attrs[0]) if isinstance(value, Apply) and value.op is size else "outer"
    wish = fresh = wish if wish.isidentifier() else "outer"
    number = 1
    while fresh in taken:
        number += 1
        fresh = f"{wish}_{number}"
    taken.add(fresh)
    return var(fresh, value.type)


def _passing(node: Expr, title: str, extra: tuple[Expr, ...]) -> Expr:
    """A call of the definition itself, with what it captures."""
    if isinstance(node, Call) and node.callee == title:
        return call(title, (*node.operands, *extra), node.types)
    return node


def _check_callers(context: Context, of: Recursive) -> None:
    """Refuse definitions inside of this one that call it: they would have to pass on more."""
    for other in context.definitions:
        made = other.made
        if made is not None and any(
            isinstance(n, Call) and n.callee == of.title for n in made.nodes()
        ):
            raise UnsupportedError(
                f"{of.name} and {other.name} call one another at run time, and read variables of "
                "a function around them",
                hint="pass these as arguments",
            )


def definitions_of(context: Context, roots: Sequence[Expr]) -> dict[str, Function]:
    """The definitions that `roots` call, by the titles that the calls have."""
    known = {d.title: d.made for d in context.definitions if d.made is not None}
    found: dict[str, Function] = {}
    stack: list[Sequence[Expr]] = [roots]
    while stack:
        for node in topological(stack.pop()):
            if isinstance(node, Call):
                title = _base(node.callee)
                if title not in found:
                    made = found[title] = known[title]
                    inner = (x for r in made.requires for x in (r.fails, r.by))
                    stack.append([*made.results, *inner])
    return found


def _base(callee: Any) -> str:
    while not isinstance(callee, str):
        callee = callee.of
    return callee


def _shape(title: str, made: Function) -> Hashable:
    """What two definitions that do the same have in common."""
    roots = [*made.results, *(x for r in made.requires for x in (r.fails, r.by))]

    def anonymous(node: Expr) -> Expr:
        own = isinstance(node, Call) and node.callee == title
        return call("", node.operands, node.types) if own and isinstance(node, Call) else node

    done = transform(roots, anonymous)
    errors = tuple((r.error, r.message) for r in made.requires)
    return made.name, tuple(made.variables), tuple(done[x] for x in roots), errors


def named(function: Function, definitions: Mapping[str, Function]) -> Function:
    """`function` with its definitions, each by a name of its own: the user's, or `power_2`."""
    names: dict[str, str] = {}
    first: dict[Hashable, str] = {}
    for title, made in definitions.items():
        same = first.setdefault(_shape(title, made), title)
        if same != title:
            names[title] = names[same]
            continue
        fresh, number = made.name, 1
        while fresh in names.values():
            number += 1
            fresh = f"{made.name}_{number}"
        names[title] = fresh

    def renamed(callee: Any) -> Any:
        return names[callee] if isinstance(callee, str) else replace(callee, of=renamed(callee.of))

    def rewrite(node: Expr) -> Expr:
        return (
            call(renamed(node.callee), node.operands, node.types)
            if isinstance(node, Call)
            else node
        )

    def rewritten(part: Function) -> Function:
        roots = [*part.results, *(x for r in part.requires for x in (r.fails, r.by))]
        return part.rewritten(transform(roots, rewrite))

    made = {names[t]: rewritten(d).replace(name=names[t]) for t, d in definitions.items()}
    return rewritten(function).replace(definitions=made)
