"""Names with a number go by that of an earlier value that is not needed any more.

    z = x @ w                       z = x @ w
    z_2 = z / z.sum()        ->     z = z / z.sum()
    z_3 = np.log(z_2)               z = np.log(z)

Two names may become one where neither is assigned while the other is *live*: may still be read. The
live names are found backwards through branches and loops, those of a loop until they stay the same.
Source: Appel, Modern Compiler Implementation, chapters 10 and 11 (liveness, coalescing).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from symdiff.codegen.statements import Definition, Statement

_PLAIN = re.compile(r"[tuwq]")  # names of many values that have nothing in common
_SIMPLE = (ast.Expr, ast.Return, ast.Raise, ast.Assert, ast.Pass)

Live = frozenset[str]


def coalesced(definition: Definition) -> dict[str, str]:
    """{name: the earlier one that it can go by}."""
    groups = _groups(definition)
    if not groups:
        return {}
    liveness = _Liveness(groups)
    start = liveness.before(definition.body, frozenset())
    params = {p.name for p in definition.params}
    liveness.assigned(params & liveness.members, start)
    found: dict[str, str] = {}
    for group in groups:
        classes: list[list[str]] = []
        for label in group:
            apart = liveness.apart.get(label, set())
            if label in liveness.excluded or (label in params and classes):
                continue
            fitting = next((c for c in classes if apart.isdisjoint(c)), None)
            if fitting is None:
                classes.append([label])
            else:
                fitting.append(label)
                found[label] = fitting[0]
    return {**_compounds(definition, found), **found} if found else found


def _compounds(definition: Definition, found: dict[str, str]) -> dict[str, str]:
    """`sum_p4` is the sum of what is now called `p2`."""
    here = _labels(definition)
    made: dict[str, str] = {}
    for label in here:
        words = label.split("_")
        for i in range(len(words)):
            for j in range(i + 1, len(words) + 1):
                new = found.get("_".join(words[i:j]))
                if new is None or j - i == len(words):
                    continue
                better = "_".join((*words[:i], new, *words[j:]))
                if better not in here and better not in made.values():
                    made[label] = better
    return made


def _labels(definition: Definition) -> dict[str, None]:
    """The names in the statements of a definition."""
    here: dict[str, None] = {}
    stack = definition.body[::-1]
    while stack:
        statement = stack.pop()
        here.update((n.id, None) for n in ast.walk(statement.node) if isinstance(n, ast.Name))
        stack += [*statement.orelse[::-1], *statement.body[::-1]]
    return here


def _groups(definition: Definition) -> list[list[str]]:
    """The names that differ in their number alone, the one without a number first."""
    if all(_PLAIN.fullmatch(wish) for wish, _ in definition.numbered.values()):
        return []
    here = _labels(definition)
    params = {p.name for p in definition.params}
    here.update(dict.fromkeys(params))
    taken = (definition.taken - params) | {*definition.bindings, *definition.renames}
    groups: dict[str, list[str]] = {}
    for label in here:
        wish = definition.numbered.get(label, (label, ""))[0]
        if label not in taken and not _PLAIN.fullmatch(wish):
            groups.setdefault(wish, []).append(label)
    return [
        sorted(group, key=lambda x, w=wish: x != w)
        for wish, group in groups.items() if len(group) > 1
    ]  # fmt: skip


class _Liveness:
    """Which names are live where others are assigned.

    apart: for each name those of its group that it may not share a name with. excluded: names that
    other syntax binds.
    """

    def __init__(self, groups: Iterable[Sequence[str]]):
        self._group = {label: frozenset(group) for group in groups for label in group}
        self.members = frozenset(self._group)
        self.apart: dict[str, set[str]] = {}
        self.excluded: set[str] = set()

    def assigned(self, labels: Iterable[str], live: Live, source: str = "") -> None:
        """Each of `labels` gets a value while others are live; that of `source` is the same."""
        labels = set(labels)
        for label in labels:
            group = self._group.get(label)
            if group is None:
                continue
            for other in group & (live | labels) - {label, source}:
                self.apart.setdefault(label, set()).add(other)
                self.apart.setdefault(other, set()).add(label)

    def before(
        self,
        body: Sequence[Statement],
        after: Live,
        left: Live = frozenset(),
        again: Live = frozenset(),
    ) -> Live:
        """What is live before statements, if `after` is so behind them.

        left: what is live where a `break` goes to; again: where a `continue` does.
        """
        live = after
        for statement in reversed(body):
            node = statement.node
            match node:
                case ast.Break():
                    live = left
                case ast.Continue():
                    live = again
                case ast.If(test):
                    sides = (statement.body, statement.orelse)
                    live = self._read(test).union(
                        *(self.before(side, live, left, again) for side in sides)
                    )
                case ast.For() | ast.While():
                    live = self._around(statement, live, left, again)
                case ast.Assign([target], value):
                    source = value.id if isinstance(value, ast.Name) else ""
                    labels, read = self._target(target)
                    self.assigned(labels, live, source)
                    live = (live - labels) | read | self._read(value)
                case ast.AugAssign(target, _, value):
                    labels, read = self._target(target)
                    self.assigned(labels, live)
                    live = live | labels | read | self._read(value)
                case ast.Return() | ast.Raise():
                    live = self._read(node)
                case _:
                    if not isinstance(node, _SIMPLE):  # what it binds is not looked at
                        self.excluded |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                    live = live | self._read(node)
        return live

    def _around(self, statement: Statement, after: Live, left: Live, again: Live) -> Live:
        """What is live before a loop."""
        node = statement.node
        assert isinstance(node, ast.For | ast.While)
        behind = self.before(statement.orelse, after, left, again)
        labels, read = self._target(node.target) if isinstance(node, ast.For) else (set(), Live())
        test = self._read(node.test) if isinstance(node, ast.While) else read
        head = behind | test
        while True:
            inner = self.before(statement.body, head, left=after, again=head)
            self.assigned(labels, inner)
            new = head | (inner - labels) | test
            if new == head:
                break
            head = new
        return head | self._read(node.iter) if isinstance(node, ast.For) else head

    def _target(self, target: ast.expr) -> tuple[set[str], Live]:
        """The names that an assignment to `target` binds, and those that it reads."""
        match target:
            case ast.Name(label):
                return {label} & self.members, Live()
            case ast.Tuple(elts):
                parts = [self._target(x) for x in elts]
                labels = set[str]().union(*(a for a, _ in parts))
                return labels, Live().union(*(b for _, b in parts))
            case _:
                return set(), self._read(target)

    def _read(self, node: ast.AST) -> Live:
        found: set[str] = set()
        for x in ast.walk(node):
            if isinstance(x, ast.Name) and x.id in self.members:
                found.add(x.id)
            elif isinstance(x, ast.comprehension):
                self.excluded |= {n.id for n in ast.walk(x.target) if isinstance(n, ast.Name)}
            elif isinstance(x, ast.Lambda):
                self.excluded |= {a.arg for a in x.args.args}
        return Live(found)
