"""Iterative, memoised walks: a chain of 100,000 operations must not hit the recursion limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from symdiff.ir.expr import Expr, Map, Var, with_operands


def topological(roots: Iterable[Expr]) -> list[Expr]:
    """All nodes that `roots` are made of, each once, operands before their users."""
    order: dict[Expr, None] = {}
    for root in roots:
        if root in order:
            continue
        # What is being looked through, and the operands of it that are still to come.
        stack: list[tuple[Expr, Iterator[Expr]]] = []
        node, operands = root, iter(root.operands)
        while True:
            for x in operands:
                if x not in order:
                    below = x.operands
                    if below:
                        stack.append((node, operands))
                        node, operands = x, iter(below)
                        break
                    order[x] = None
            else:
                order[node] = None
                if not stack:
                    break
                node, operands = stack.pop()
    return list(order)


def transform(
    roots: Iterable[Expr],
    rewrite: Callable[[Expr], Expr],
    replaced: dict[Expr, Expr] | None = None,
) -> dict[Expr, Expr]:
    """Rebuild bottom-up: `rewrite` sees each node once, with its operands rewritten already.

    Returns the map from old node to new. Nodes already in `replaced` are taken from there.
    """
    done = {} if replaced is None else replaced
    roots = list(roots)
    stack = roots[::-1]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        operands = node.operands
        pending = [x for x in operands if x not in done]
        if pending:
            stack.extend(reversed(pending))
            continue
        stack.pop()
        new = with_operands(node, tuple([done[x] for x in operands])) if operands else node
        done[node] = rewrite(new)
    return done


def substitute(roots: Iterable[Expr], mapping: Mapping[Expr, Expr]) -> list[Expr]:
    """`roots` with every node of `mapping` replaced by what it maps to."""
    roots = list(roots)
    done = transform(roots, lambda node: node, dict(mapping))
    return [done[root] for root in roots]


def depends_on(roots: Iterable[Expr], sources: Iterable[Expr]) -> set[Expr]:
    """The nodes below `roots` that are, or are computed from, one of `sources`."""
    hit = set(sources)
    for node in topological(roots):
        if node not in hit and any(x in hit for x in node.operands):
            hit.add(node)
    return hit


def users(order: Iterable[Expr]) -> dict[Expr, int]:
    """How often each node of a topological `order` is an operand of another."""
    count: dict[Expr, int] = {}
    for node in order:
        for operand in node.operands:
            count[operand] = count.get(operand, 0) + 1
    return count


def bound(order: Iterable[Expr]) -> set[Var]:
    """The variables that regions among `order` bind."""
    return {v for node in order if isinstance(node, Map) for v in node.indices}
