"""`match`: patterns on static structure are decided when compiling, on numbers at run time.

match n:                       if n == 0.0:
    case 0.0: ...       ->         ...
    case _: ...                else:
                                   ...
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import Record
from symdiff.parse.builtins import BUILTINS, attribute_of
from symdiff.parse.comparing import compare, is_same
from symdiff.parse.expressions import Known
from symdiff.parse.frame import Evaluation, Frame, handles
from symdiff.parse.objects import as_tuple
from symdiff.parse.statements import bind
from symdiff.parse.values import truth
from symdiff.primitives.row import choose

# Classes whose pattern has one positional part: the value itself.
_ITSELF = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


@dataclass
class _Match:
    """Whether a pattern matches, and what it binds if so."""

    holds: Any
    names: dict[str, Any]


class _Cases(ast.stmt):
    """The cases that are left to try, on a value that is known."""

    def __init__(self, subject: Any, cases: list[ast.match_case]):
        super().__init__()
        self.subject, self.cases = subject, cases


class _Bind(ast.stmt):
    """The names that a pattern binds."""

    def __init__(self, names: dict[str, Any]):
        super().__init__()
        self.names = names


@handles(ast.Match)
def match_statement(frame: Frame, node: ast.Match) -> Evaluation:
    subject = yield node.subject
    return (yield ast.copy_location(_Cases(subject, node.cases), node))


@handles(_Bind)
def bind_names(frame: Frame, node: _Bind) -> None:
    for name, value in node.names.items():
        bind(frame, name, value, node)


@handles(_Cases)
def cases(frame: Frame, node: _Cases) -> Evaluation:
    """The first case that matches: an `if` where only the run time tells."""
    if not node.cases:
        return None
    case, *others = node.cases
    found = yield _match(frame, case.pattern, node.subject)
    rest = ast.copy_location(_Cases(node.subject, others), node)
    if found.holds is False:
        return (yield rest)
    binding = [ast.copy_location(_Bind(found.names), case.pattern)] if found.names else []
    test: ast.expr = ast.copy_location(Known(found.holds), case.pattern)
    if case.guard is not None:
        if isinstance(found.holds, Expr):
            if found.names:
                raise UnsupportedError(
                    "a guard on a pattern that binds names and that only the run time decides",
                    hint="write if and elif",
                )
            test = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), case.guard)
        else:
            for name, value in found.names.items():
                bind(frame, name, value, case.pattern)
            binding, test = [], case.guard
    chosen = ast.If(test, [*binding, *case.body], [rest])
    return (yield ast.copy_location(chosen, case.pattern))


def _match(frame: Frame, pattern: ast.pattern, subject: Any) -> Evaluation:
    match pattern:
        case ast.MatchValue():
            value = yield pattern.value
            return _Match(_scalar((yield compare(frame, operator.eq, subject, value, pattern))), {})
        case ast.MatchSingleton():
            return _Match(is_same(subject, pattern.value), {})
        case ast.MatchAs():
            inner = _Match(True, {})
            if pattern.pattern is not None:
                inner = yield _match(frame, pattern.pattern, subject)
            if pattern.name is not None:
                inner.names[pattern.name] = subject
            return inner
        case ast.MatchOr():
            return (yield _either(frame, pattern, subject))
        case ast.MatchSequence():
            return (yield _sequence(frame, pattern, subject))
        case ast.MatchMapping():
            return (yield _mapping(frame, pattern, subject))
        case ast.MatchClass():
            return (yield _class(frame, pattern, subject))
        case _:
            raise UnsupportedError(
                f"this pattern ({type(pattern).__name__}) is not supported",
                hint="write if and elif",
            )


def _scalar(holds: Any) -> Any:
    return truth(holds)


def _both(parts: list[_Match]) -> _Match:
    """All of the parts; Python stops at the first that does not match."""
    holds: Any = True
    for part in reversed(parts):
        if isinstance(part.holds, Expr):
            holds = choose(part.holds, holds, False).expr
        elif not part.holds:
            holds = False
    return _Match(holds, {k: v for part in parts for k, v in part.names.items()})


def _either(frame: Frame, pattern: ast.MatchOr, subject: Any) -> Evaluation:
    holds: Any = False
    names: dict[str, Any] = {}
    pending: list[Any] = []
    for option in pattern.patterns:
        found = yield _match(frame, option, subject)
        if found.holds is False:
            continue
        if pending and found.names:
            raise UnsupportedError(
                "alternatives that bind names, and that only the run time decides between",
                hint="write one case for each",
            )
        names = found.names
        pending.append(found.holds)
        if found.holds is True:
            break
    for part in reversed(pending):
        holds = choose(part, True, holds).expr if isinstance(part, Expr) else True
    return _Match(holds, names)


def _sequence(frame: Frame, pattern: ast.MatchSequence, subject: Any) -> Evaluation:
    if isinstance(subject, (Expr, np.ndarray)):
        return _Match(False, {})  # arrays are no sequences to `match`
    items = as_tuple(subject)
    if not isinstance(items, (list, tuple, range)):
        return _Match(False, {})
    stars = [i for i, p in enumerate(pattern.patterns) if isinstance(p, ast.MatchStar)]
    least = len(pattern.patterns) - len(stars)
    if len(items) < least or (not stars and len(items) != least):
        return _Match(False, {})
    parts: list[_Match] = []
    at = stars[0] if stars else len(pattern.patterns)
    tail = len(pattern.patterns) - at - 1
    for i, p in enumerate(pattern.patterns):
        if isinstance(p, ast.MatchStar):
            rest = frame.context.born(list(items[at : len(items) - tail]))
            parts.append(_Match(True, {p.name: rest} if p.name else {}))
        else:
            item = items[i if i < at else len(items) - len(pattern.patterns) + i]
            parts.append((yield _match(frame, p, item)))
        if parts[-1].holds is False:
            break
    return _both(parts)


def _mapping(frame: Frame, pattern: ast.MatchMapping, subject: Any) -> Evaluation:
    if not isinstance(subject, dict):
        return _Match(False, {})
    parts: list[_Match] = []
    keys: list[Any] = []
    for key_node, p in zip(pattern.keys, pattern.patterns, strict=True):
        key = yield key_node
        keys.append(key)
        if key not in subject:
            return _Match(False, {})
        parts.append((yield _match(frame, p, subject[key])))
    if pattern.rest is not None:
        rest = {k: v for k, v in subject.items() if k not in keys}
        parts.append(_Match(True, {pattern.rest: frame.context.born(rest)}))
    return _both(parts)


def _class(frame: Frame, pattern: ast.MatchClass, subject: Any) -> Evaluation:
    cls = yield pattern.cls
    if not BUILTINS[isinstance](subject, cls):
        return _Match(False, {})
    parts: list[_Match] = []
    names = getattr(cls, "__match_args__", ())
    if pattern.patterns and cls in _ITSELF:
        names = (None,)
    if len(pattern.patterns) > len(names):
        raise TypeError(f"{cls.__name__}() accepts {len(names)} positional sub-patterns")
    given: list[tuple[Any, ast.pattern]] = list(zip(names, pattern.patterns, strict=False))
    given += zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)
    for attr, p in given:
        if attr is None:
            value = subject
        elif isinstance(subject, Record) and attr not in subject.fields:
            return _Match(False, {})
        else:
            value = attribute_of(subject, attr)
        parts.append((yield _match(frame, p, value)))
    return _both(parts)
