"""Interned expressions: equal structure is the same object, so equality is identity.

    Expr := Const value | Var name | Apply operator operands attributes
          | If pred then orelse            lazily: only the side that is taken is evaluated
          | Map index over body            one row of the result for each row of `over`
          | For / While / Call             loops with carried values, recursive calls
          | Project region index           one of the results of a region

A region refers to outer values directly; what it binds (an index, carried values) are `Var`s of
its own, unique in the function. Constructors never simplify.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal
from weakref import ref

from symdiff.ir.types import INT, Type


class _Entry(ref["Expr"]):
    """A weak reference to a node that knows where the table has it."""

    __slots__ = ("key",)
    key: Hashable


# Every live node by its structure. A `WeakValueDictionary` does the same at three times the cost.
_INTERNED: dict[Hashable, _Entry] = {}


def _forget(entry: _Entry, table: dict[Hashable, _Entry] = _INTERNED) -> None:
    """Called when a node dies; an equal one may have taken its place already."""
    if table.get(entry.key) is entry:
        del table[entry.key]


class Operator:
    """What an `Apply` applies. The table's rows subclass it; the IR knows only its name."""

    name: str

    def __repr__(self) -> str:
        return self.name


class Expr:
    """A value of the program. Frozen and interned; compare with `is`."""

    __slots__ = ("__weakref__", "type")
    type: Type
    operands: tuple[Expr, ...] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type}>"


class Const(Expr):
    """A number, or a NumPy array that the function refers to."""

    __slots__ = ("value",)
    __match_args__ = ("value",)
    value: Any

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


class Var(Expr):
    """A parameter of the function, or a value that a region binds; `tag` keeps namesakes apart."""

    __slots__ = ("name", "tag")
    __match_args__ = ("name",)
    name: str
    tag: int

    def __repr__(self) -> str:
        return f"Var({self.name})"


class Apply(Expr):
    """An operator of the table on operands; `attrs` are its static arguments (axis, ...)."""

    __slots__ = ("attrs", "op", "operands")
    __match_args__ = ("op", "operands", "attrs")
    op: Any
    operands: tuple[Expr, ...]
    attrs: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.op.name}({', '.join(map(repr, self.operands))})"


class If(Expr):
    """`then if pred else orelse`; operands are (pred, then, orelse)."""

    __slots__ = ("operands",)
    operands: tuple[Expr, Expr, Expr]

    @property
    def pred(self) -> Expr:
        return self.operands[0]

    @property
    def then(self) -> Expr:
        return self.operands[1]

    @property
    def orelse(self) -> Expr:
        return self.operands[2]


class Map(Expr):
    """`stack([body for indices in zip(*over)])`; operands are (*over, body)."""

    __slots__ = ("indices", "operands")
    indices: tuple[Var, ...]
    operands: tuple[Expr, ...]

    @property
    def over(self) -> tuple[Expr, ...]:
        return self.operands[:-1]

    @property
    def body(self) -> Expr:
        return self.operands[-1]


class Loop(Expr):
    """A `For` or `While`. Its results, the carried values after the last round, are `Project`s.

    A round computes `body` from the carried variables, all at once; then the loop ends if
    `until`, which a round computes too, holds. What it does not bind it refers to directly.
    """

    __slots__ = ()
    carried: tuple[Var, ...]
    head = 0  # how many operands stand before `initial`

    @property
    def initial(self) -> tuple[Expr, ...]:
        return self.operands[self.head : self.head + len(self.carried)]

    @property
    def body(self) -> tuple[Expr, ...]:
        return self.operands[self.head + len(self.carried) : -1]

    @property
    def until(self) -> Expr:
        return self.operands[-1]

    @property
    def bound(self) -> tuple[Var, ...]:
        """The variables that it binds."""
        return self.carried

    @property
    def outside(self) -> tuple[Expr, ...]:
        """The operands that are computed once, before the loop."""
        return self.initial

    @property
    def inside(self) -> tuple[Expr, ...]:
        """The operands that every round computes."""
        return self.operands[self.head + len(self.carried) :]


class For(Loop):
    """`for index in range(start, stop, step)`, its step a constant.

    operands are (start, stop, step, *initial, *body, until). recompute: its reverse sweep runs each
    round again from what it carries, where it would else read what rounds have recorded.
    """

    __slots__ = ("carried", "index", "operands", "recompute")
    index: Var
    carried: tuple[Var, ...]
    operands: tuple[Expr, ...]
    recompute: bool
    head = 3

    @property
    def bounds(self) -> tuple[Expr, ...]:
        return self.operands[:3]

    @property
    def bound(self) -> tuple[Var, ...]:
        return (self.index, *self.carried)

    @property
    def outside(self) -> tuple[Expr, ...]:
        return self.operands[: 3 + len(self.carried)]


class While(Loop):
    """`while cond`: cond is computed before each round.

    operands are (cond, *initial, *body, until).
    """

    __slots__ = ("carried", "operands")
    carried: tuple[Var, ...]
    operands: tuple[Expr, ...]
    head = 1

    @property
    def cond(self) -> Expr:
        return self.operands[0]

    @property
    def inside(self) -> tuple[Expr, ...]:
        return (self.operands[0], *self.operands[1 + len(self.carried) :])


@dataclass(frozen=True, slots=True)
class Derived:
    """A derivative of a definition, by what it is; it gets a name when it is made.

    active: the operands that vary. seeded: of a vjp or jac, the results that are differentiated.
    Behind the operands a jvp takes a tangent for each active one, a vjp a cotangent for each seeded
    result. Behind the results a jvp returns a tangent for each that is differentiable, a vjp an
    adjoint for each active operand, a jac a derivative for each seeded result and active operand.
    """

    of: Callee
    kind: Literal["jvp", "vjp", "jac"]
    active: tuple[bool, ...]
    seeded: tuple[bool, ...] = ()


Callee = str | Derived


class Call(Expr):
    """A call of a definition of the same function (recursion); its results are `Project`s."""

    __slots__ = ("callee", "operands", "types")
    callee: Callee
    operands: tuple[Expr, ...]
    types: tuple[Type, ...]  # of the results


class Project(Expr):
    """Result number `index` of a loop or call; its one operand is that."""

    __slots__ = ("index", "operands")
    index: int
    operands: tuple[Expr, ...]


Region = If | Map | For | While | Call
Node = Const | Var | Apply | If | Map | For | While | Call | Project


def _intern(key: Hashable, kind: type, type_: Type, **fields: Any) -> Any:
    entry = _INTERNED.get(key)
    node: Any = None if entry is None else entry()
    if node is None:
        node = object.__new__(kind)
        node.type = type_
        for name, value in fields.items():
            setattr(node, name, value)
        entry = _INTERNED[key] = _Entry(node, _forget)
        entry.key = key
    return node


def const(value: Any, type_: Type) -> Const:
    """A constant. `1`, `1.0`, `True`, `-0.0` and `0.0` are different ones."""
    if hasattr(value, "tobytes") and hasattr(value, "shape"):
        identity = (value.dtype.str, value.shape, value.tobytes())
    else:
        identity = (type(value), repr(value))
    return _intern((Const, identity, type_), Const, type_, value=value)


def var(name: str, type_: Type, tag: int = 0) -> Var:
    """The variable `name`; the same name, type and tag is the same variable."""
    return _intern((Var, name, type_, tag), Var, type_, name=name, tag=tag)


def apply(op: Operator, operands: tuple[Expr, ...], attrs: tuple[Any, ...], type_: Type) -> Apply:
    """`op` on `operands`, of the given result type."""
    key = (op, operands, attrs, type_)
    entry = _INTERNED.get(key)
    node: Any = None if entry is None else entry()
    if node is None:
        node = object.__new__(Apply)
        node.type, node.op, node.operands, node.attrs = type_, op, operands, attrs
        entry = _INTERNED[key] = _Entry(node, _forget)
        entry.key = key
    return node


def if_(pred: Expr, then: Expr, orelse: Expr, type_: Type) -> If:
    """`then if pred else orelse`, lazily."""
    operands = (pred, then, orelse)
    return _intern((If, operands, type_), If, type_, operands=operands)


def map_(indices: tuple[Var, ...], over: tuple[Expr, ...], body: Expr, type_: Type) -> Map:
    """One `body` for each row of `over`, stacked on a new leading axis."""
    operands = (*over, body)
    return _intern((Map, indices, operands, type_), Map, type_, indices=indices, operands=operands)


def for_(
    index: Var,
    carried: tuple[Var, ...],
    operands: tuple[Expr, ...],
    type_: Type,
    recompute: bool = False,
) -> For:
    """A counted loop; see `For` for the layout of `operands`."""
    key = (For, index, carried, operands, type_, recompute)
    fields = {"index": index, "carried": carried, "operands": operands, "recompute": recompute}
    return _intern(key, For, type_, **fields)


def while_(carried: tuple[Var, ...], operands: tuple[Expr, ...], type_: Type) -> While:
    """A conditional loop; see `While` for the layout of `operands`."""
    key = (While, carried, operands, type_)
    return _intern(key, While, type_, carried=carried, operands=operands)


def call(callee: Callee, operands: tuple[Expr, ...], types: tuple[Type, ...]) -> Call:
    """A call of the definition `callee`, whose results are of these types."""
    key = (Call, callee, operands, types)
    return _intern(key, Call, INT, callee=callee, operands=operands, types=types)


def project(region: Expr, index: int, type_: Type) -> Project:
    """Result number `index` of `region`."""
    key = (Project, index, region, type_)
    return _intern(key, Project, type_, index=index, operands=(region,))


def with_operands(node: Expr, operands: tuple[Expr, ...]) -> Expr:
    """`node` with other operands of the same types."""
    if operands == node.operands:
        return node
    if type(node) is Apply:
        return apply(node.op, operands, node.attrs, node.type)
    match node:
        case If():
            return if_(*operands, node.type)  # type: ignore[arg-type]
        case Map():
            return map_(node.indices, operands[:-1], operands[-1], node.type)
        case For():
            return for_(node.index, node.carried, operands, node.type, node.recompute)
        case While():
            return while_(node.carried, operands, node.type)
        case Call():
            return call(node.callee, operands, node.types)
        case Project():
            return project(operands[0], node.index, node.type)
        case _:
            return node
