"""A generated function before it is text: statements, the parts of its `def` line, small syntax."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from symdiff.ir.expr import Const, If


@dataclass(slots=True)
class Statement:
    """A statement with its comment; `body` and `orelse` hold those of an `if` or `for`."""

    node: ast.stmt
    comment: str = ""
    body: list[Statement] = field(default_factory=list)
    orelse: list[Statement] = field(default_factory=list)
    _found: tuple[ast.stmt, list[ast.Name]] | None = field(default=None, init=False, compare=False)

    @property
    def names(self) -> list[ast.Name]:
        """The names in `node`; found once, so a `node` that gets other parts is a new one."""
        if self._found is None or self._found[0] is not self.node:
            names = [n for n in ast.walk(self.node) if isinstance(n, ast.Name)]
            self._found = self.node, names
        return self._found[1]


@dataclass(slots=True)
class Signature:
    """One parameter as it stands in the `def` line."""

    name: str
    annotation: str = ""
    default: str | None = None
    kind: str = "plain"


@dataclass(slots=True)
class Definition:
    """A generated function: what the printer lays out, and objects that it refers to."""

    name: str
    params: list[Signature]
    returns: str
    doc: str
    body: list[Statement]
    bindings: dict[str, Any] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)  # where a parameter is called `np`
    taken: set[str] = field(default_factory=set)  # names that are not the function's own
    # What names with a number were wished to be, and what stands before the number.
    numbered: dict[str, tuple[str, str]] = field(default_factory=dict)


def assign(label: str, value: ast.expr) -> ast.stmt:
    """`label = value`."""
    return ast.Assign([ast.Name(label, ast.Store())], value)


_UPDATES = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv)


def updated(label: str, value: ast.expr) -> ast.stmt:
    """`label = value`, or `label += rest` where the value is `label + rest`."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, _UPDATES):
        spine = value.left
        if isinstance(spine, ast.Name) and spine.id == label:
            return ast.AugAssign(ast.Name(label, ast.Store()), value.op, value.right)
        if isinstance(value.op, ast.Add | ast.Mult) and isinstance(value.right, ast.Name) and (
            value.right.id == label
        ):  # fmt: skip
            return ast.AugAssign(ast.Name(label, ast.Store()), value.op, value.left)
    return assign(label, value)


def in_place(target: ast.expr, amount: ast.expr) -> ast.stmt:
    """`target += amount`, or `-=` where the amount is negated."""
    if isinstance(amount, ast.UnaryOp) and isinstance(amount.op, ast.USub):
        return ast.AugAssign(target, ast.Sub(), amount.operand)  # type: ignore[arg-type]
    return ast.AugAssign(target, ast.Add(), amount)  # type: ignore[arg-type]


def negated(test: ast.expr) -> ast.expr:
    """`not test`, as one writes it."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return operand
        case ast.Compare(left, [ast.Eq()], right):
            return ast.Compare(left, [ast.NotEq()], right)
        case _:
            return ast.UnaryOp(ast.Not(), test)


def plain(test: ast.expr) -> tuple[ast.expr, bool]:
    """A condition without `not`, and whether it had one; `a != b` is `not a == b`."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return operand, True
        case ast.Compare(left, [ast.NotEq()], right):
            return ast.Compare(left, [ast.Eq()], right), True
        case _:
            return test, False


def branch(
    test: ast.expr, then: list[Statement], orelse: list[Statement], comment: str
) -> Statement:
    """An `if` statement; an empty first side is turned around."""
    if not then:
        test = negated(test)
        then, orelse = orelse, []
    return Statement(ast.If(test, [], []), comment, then, orelse)


# What `a if a < b else b` is, of integers; of other numbers there is nan.
_LEAST_MOST: dict[type[ast.cmpop], str] = {
    ast.Lt: "min", ast.LtE: "min", ast.Gt: "max", ast.GtE: "max",
}  # fmt: skip


def choice(member: If, test: ast.expr, then: ast.expr, orelse: ast.expr) -> ast.expr:
    """`then if test else orelse`; as `and`, `or` where one side is True or False; `min`, `max`."""
    if member.type.dtype == "bool":
        if isinstance(member.then, Const) and isinstance(member.orelse, Const):
            sides = bool(member.then.value), bool(member.orelse.value)
            if sides[0] is not sides[1]:
                return test if sides[0] else negated(test)
        for value, (a, b) in ((False, (test, then)), (True, (negated(test), then))):
            if isinstance(member.orelse, Const) and bool(member.orelse.value) is value:
                return ast.BoolOp(ast.Or() if value else ast.And(), [a, b])
        for value, a in ((True, test), (False, negated(test))):
            if isinstance(member.then, Const) and bool(member.then.value) is value:
                return ast.BoolOp(ast.Or() if value else ast.And(), [a, orelse])
    if member.type.dtype == "int" and not member.type.rank and isinstance(test, ast.Compare):
        kind = _LEAST_MOST.get(type(test.ops[0]))
        sides = [ast.dump(test.left), ast.dump(test.comparators[0])]
        if kind and sides == [ast.dump(then), ast.dump(orelse)]:
            return ast.Call(ast.Name(kind, ast.Load()), [then, orelse], [])
    return ast.IfExp(test, then, orelse)
