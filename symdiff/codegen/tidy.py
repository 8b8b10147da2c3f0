"""What reads better once all statements are there: copies, counters, tests, numbers of names.

rounds = 0                      for i in range(n):
for i in range(n):                  f = x * x - a
    f = x * x - a          ->       if abs(f) < tol:
    done = abs(f) < tol                 break
    if not done:                    x -= f
        t_2 = x - f
        x = t_2
    rounds += 1
    if done:
        break
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from symdiff.codegen.coalesce import coalesced
from symdiff.codegen.names import RESERVED
from symdiff.codegen.statements import Definition, Statement, negated, plain

_LOOPS = (ast.For, ast.While)
_ARITHMETIC = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator,
               ast.unaryop, ast.cmpop, ast.expr_context)  # fmt: skip
_FAR = 100  # statements between a value and its copy, at most
_WIDE = 50  # what a test that is written out may take


def tidy(definition: Definition) -> None:
    """Tidy the statements of `definition`, in place."""
    body = definition.body
    if not any(s.body for s in body):
        _rename(body, coalesced(definition))
        _drop_self(body)
        return
    given = {*definition.bindings, *(p.name for p in definition.params)}
    _drop_counters(body, given)
    _leave_first(body, _numbers(body))
    better: dict[str, str] = {}
    _drop_copies(body, _occurrences(body), given, better)
    _rename(body, better)
    _rename(body, coalesced(definition))
    _drop_self(body)
    _inline_tests(body, _occurrences(body))
    _renumber(definition)


# What statements read and write.


def _walk(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Statements with all that is nested in them, in their order."""
    stack = list(statements)[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        stack += [*statement.body, *statement.orelse][::-1]


def _occurrences(statements: Iterable[Statement]) -> Counter[str]:
    """How often each name stands in statements."""
    return Counter(n.id for s in _walk(statements) for n in s.names)


def _changed(statements: Iterable[Statement]) -> set[str]:
    """The names that statements bind, and those of what they write into."""
    found: set[str] = set()
    for statement in _walk(statements):
        written: list[ast.AST] = []
        match statement.node:
            case ast.Assign(targets):
                written.extend(targets)
            case ast.AugAssign(target) | ast.For(target):
                written.append(target)
            case ast.Expr(value):  # `tape.append(x)`
                written.append(value)
            case _:
                pass
        found.update(
            n.id for target in written for n in ast.walk(target) if isinstance(n, ast.Name)
        )
    return found


def _copied(statement: Statement) -> tuple[str, str] | None:
    """(b, a) of `b = a`."""
    match statement.node:
        case ast.Assign([ast.Name(target)], ast.Name(source)) if target != source:
            return target, source
        case _:
            return None


# Counters that nothing reads.


def _drop_counters(body: list[Statement], given: Set[str]) -> None:
    """Drop `rounds = 0` and `rounds += 1`, where that is all."""
    steps: Counter[str] = Counter()
    for statement in _walk(body):
        match statement.node:
            case ast.AugAssign(ast.Name(label), _, ast.Constant()) | ast.Assign(
                [ast.Name(label)], ast.Constant()
            ):
                steps[label] += 1
            case _:
                pass
    if not steps:
        return
    count = _occurrences(body)
    vain = {label for label, number in steps.items() if count[label] == number} - given
    if vain:
        _drop(body, vain)


def _drop(statements: list[Statement], vain: set[str]) -> None:
    """Drop assignments to `vain` names, and loops and branches that do nothing else."""
    for statement in statements:
        for part in (statement.body, statement.orelse):
            if part:
                _drop(part, vain)
                if not part and part is statement.body:
                    part.append(Statement(ast.Pass()))
    statements[:] = [
        s for s in statements
        if not (isinstance(s.node, ast.Assign | ast.AugAssign) and _target(s.node) in vain)
    ]  # fmt: skip


def _target(node: ast.Assign | ast.AugAssign) -> str | None:
    """The one name that an assignment binds."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


# Leaving a loop before what the last round skips.


def _leave_first(statements: Sequence[Statement], numbers: Set[str]) -> None:
    """`if not c: work` and then `if c: break`: first leave, then work."""
    for statement in statements:
        if isinstance(statement.node, _LOOPS):
            while _left_first(statement.body, numbers):
                pass
        _leave_first(statement.body, numbers)
        _leave_first(statement.orelse, numbers)


def _left_first(body: list[Statement], numbers: Set[str]) -> bool:
    """Move what the last `if` but one of a round does behind the `break` at its end.

    What stands between the two comes first then. So it may not look into arrays, which the branch
    may write under another name, nor write into any. numbers: names that are none.
    """
    if len(body) < 2 or not _is_leaving(body[-1]):
        return False
    leave = body[-1]
    assert isinstance(leave.node, ast.If)
    at = next((i for i in range(len(body) - 2, -1, -1) if isinstance(body[i].node, ast.If)), -1)
    if at < 0:
        return False
    branch = body[at]
    assert isinstance(branch.node, ast.If)
    if _leaves(branch):
        return False
    wanted, turned = plain(leave.node.test)
    test, other = plain(branch.node.test)
    if ast.dump(test) != ast.dump(wanted):
        return False
    last, others = branch.body, branch.orelse
    if other != turned:
        last, others = others, last
    between = body[at + 1 : -1]
    if not all(_is_apart(s, numbers) for s in between):
        return False
    asked = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    moved = _changed(between)
    read = set(_occurrences(between))
    if not asked.isdisjoint(_changed([branch]) | moved):
        return False
    if not moved.isdisjoint(_occurrences([branch])) or not read.isdisjoint(_changed([branch])):
        return False
    body[at:] = [*between, Statement(leave.node, leave.comment, [*last, *leave.body]), *others]
    return True


def _is_apart(statement: Statement, numbers: Set[str]) -> bool:
    """Whether a statement neither looks into memory nor writes there, but for a list's end."""
    match statement.node:
        case ast.Assign([ast.Name()], value):
            return _is_plain(value)
        case ast.AugAssign(ast.Name(label), _, value):
            return label in numbers and _is_plain(value)
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(), "append"), [ast.Name() | ast.Constant()])):
            return True
        case _:
            return False


def _is_plain(value: ast.expr) -> bool:
    """Arithmetic and comparisons of names and constants, and `abs` of such."""
    return all(
        isinstance(n, _ARITHMETIC) or (isinstance(n, ast.Call) and ast.unparse(n.func) == "abs")
        for n in ast.walk(value)
    )


def _numbers(body: Iterable[Statement]) -> set[str]:
    """Names that start as a number."""
    return {
        s.node.targets[0].id
        for s in _walk(body)
        if isinstance(s.node, ast.Assign)
        and isinstance(s.node.targets[0], ast.Name)
        and isinstance(s.node.value, ast.Constant)
    }


def _is_leaving(statement: Statement) -> bool:
    return (
        isinstance(statement.node, ast.If) and not statement.orelse
        and len(statement.body) == 1 and isinstance(statement.body[0].node, ast.Break)
    )  # fmt: skip


# Copies.


def _drop_copies(
    statements: list[Statement], count: Counter[str], given: Set[str], better: dict[str, str]
) -> None:
    """Where `a` is made only to become `b`, in the same block, it is called b at once.

    better: names `b` that tell less than their `a`, by which they should go.
    """
    for statement in statements:
        for part in (statement.body, statement.orelse):
            if part:
                _drop_copies(part, count, given, better)
    at = 0
    while at < len(statements):
        pair = _copied(statements[at])
        start = None
        if pair is not None and pair[1] not in given:
            start = _made_for(statements, at, *pair, count[pair[1]])
        if pair is None or start is None:
            at += 1
            continue
        target, source = pair
        _rename(statements[start:], {source: target})
        count[target] += count.pop(source) - 2  # but those of the copy
        del statements[at]
        known = better.pop(source, source)
        if target not in given and _told(known) > _told(better.get(target, target)):
            better[target] = known


def _drop_self(statements: list[Statement]) -> None:
    """Drop `a = a`, which is what a copy becomes where both go by one name."""
    for statement in statements:
        for part in (statement.body, statement.orelse):
            if part:
                _drop_self(part)
                if not part and part is statement.body:
                    part.append(Statement(ast.Pass()))
    statements[:] = [s for s in statements if not _is_self(s.node)]


def _is_self(node: ast.stmt) -> bool:
    match node:
        case ast.Assign([ast.Name(target)], ast.Name(source)):
            return target == source
        case _:
            return False


def _told(label: str) -> int:
    """How much a name tells."""
    return 0 if re.fullmatch(r"[tuwq](_?\d+)?", label) else 1 if label.startswith("total") else 2


def _made_for(
    statements: Sequence[Statement], at: int, target: str, source: str, count: int
) -> int | None:
    """Where `source` is first assigned, if it can be called `target` from there on.

    Either it ends with the copy, or neither of the two changes after that: they are one value.
    """
    found, first = 1, at
    for i in range(at - 1, max(at - _FAR, 0) - 1, -1):
        there = _occurrences([statements[i]])
        found += there[source]
        if there[source] and _begins(statements[i], target, source):
            first = i
            if found == count:
                return first
        if there[target] or _leaves(statements[i]):
            break
    if first == at or any(source in _changed([s]) for s in statements[first + 1 : at]):
        return None
    found = sum(_occurrences([s])[source] for s in statements[first : at + 1])
    for later in statements[at + 1 : at + _FAR]:
        if not _changed([later]).isdisjoint((target, source)):
            return None
        found += _occurrences([later])[source]
        if found == count:
            return first
    return None


def _begins(statement: Statement, target: str, source: str) -> bool:
    """Whether a statement gives `source` a value of its own."""
    match statement.node:
        case ast.Assign([ast.Name(label)], value) if label == source:
            read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            return source not in read and not (isinstance(value, ast.Name) and target in read)
        case _:
            return False


def _leaves(statement: Statement) -> bool:
    """Whether a statement may leave the round that it is in."""
    stack = [statement]
    while stack:
        top = stack.pop()
        if isinstance(top.node, ast.Break | ast.Continue):
            return True
        if not isinstance(top.node, _LOOPS):
            stack += [*top.body, *top.orelse]
    return False


# Conditions that are asked once.


def _inline_tests(statements: list[Statement], count: Counter[str]) -> None:
    """`done = abs(f) < tol` that only one `if` asks, in the same block, is written there."""
    for statement in statements:
        _inline_tests(statement.body, count)
        _inline_tests(statement.orelse, count)
    for made in list(statements):
        match made.node:
            case ast.Assign([ast.Name(label)], (ast.Compare() | ast.UnaryOp(ast.Not())) as value):
                pass
            case _:
                continue
        if count[label] != 2 or len(ast.unparse(value)) > _WIDE:
            continue
        at = next(i for i, s in enumerate(statements) if s is made)
        read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        for later in statements[at + 1 :]:
            if any(n.id == label for n in later.names):
                if isinstance(later.node, ast.If):
                    test, turned = plain(later.node.test)
                    if isinstance(test, ast.Name):
                        later.node = ast.If(negated(value) if turned else value, [], [])
                        del statements[at]
                break
            if later.body or not _is_plain(value) or not read.isdisjoint(_changed([later])):
                break


# Numbers.


def _renumber(definition: Definition) -> None:
    """Close the gaps in `x_2`, `x_4`, and drop the number where no `x` is left.

    But not in `t4` where there is a `cos_t4`.
    """
    here = set(_occurrences(definition.body))
    taken = here | RESERVED | definition.taken | {p.name for p in definition.params}
    taken |= {*definition.bindings, *definition.renames, *definition.renames.values()}
    parts = set[str]()
    for label in here:
        words = label.split("_")
        parts.update(
            "_".join(words[i:j])
            for i in range(len(words)) for j in range(i + 1, len(words) + 1)
            if j - i < len(words)
        )  # fmt: skip
    mapping: dict[str, str] = {}
    for label, (wish, joint) in definition.numbered.items():
        if label not in here or label in parts:
            continue
        number = 1
        while (made := wish if number == 1 else f"{wish}{joint}{number}") in taken:
            if made == label:
                break
            number += 1
        if made != label:
            mapping[label] = made
            taken.remove(label)
            taken.add(made)
    _rename(definition.body, mapping)


def _rename(body: Sequence[Statement], mapping: Mapping[str, str]) -> None:
    if not mapping:
        return
    seen: set[int] = set()  # syntax may stand in several statements
    for statement in _walk(body):
        for label in statement.names:
            if id(label) not in seen:
                seen.add(id(label))
                label.id = mapping.get(label.id, label.id)
