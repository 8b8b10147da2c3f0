"""Loop nests: what compiled targets print. Scalar formulas, loads and stores, explicit memory.

    s = 0.0                                   Let(s)
    for i in 0 .. n:                          Each(i, 0, n, 1, [...])
        t = x[i] * w                            Let(t, Op("*", Load(x, (i,)), w))
        s = s + t                               Set(s, Op("+", s, t))

A `Term` is a number of one dtype; a `Statement` computes or stores some. Like the rest of `ir` it
knows no calculus and no target's syntax: an operation goes by its name in C, an operator or a
function of the standard library or of `codegen.c.support`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from symdiff.ir.types import DType


@dataclass(eq=False, slots=True)
class Local:
    """A scalar variable; `name` is what it should be called."""

    name: str
    dtype: DType

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory for an array, in C order; `dims` are its sizes.

    kind: "argument" (read only), "written" (an argument that is written into), "result", "work", or
    "table" (constants, which are its `values`).
    growing: the first of its sizes is not known; `room` is how many items it has memory for.
    most: it is not used where it would have more elements than that.
    """

    name: str
    dtype: DType
    dims: tuple[Term, ...]
    kind: str = "work"
    growing: bool = False
    values: tuple[bool | int | float, ...] = ()
    most: int | None = None

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Num:
    """A constant."""

    value: Any
    dtype: DType


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of a variable."""

    local: Local

    @property
    def dtype(self) -> DType:
        return self.local.dtype


@dataclass(frozen=True, slots=True)
class Load:
    """An element of a buffer."""

    buffer: Buffer
    index: tuple[Term, ...]

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype


@dataclass(frozen=True, slots=True)
class Op:
    """An operation: `code` is a template such as "{0} + {1}" or "sin({0})"."""

    code: str
    args: tuple[Term, ...]
    dtype: DType


Term = Num | Ref | Load | Op


@dataclass(eq=False, slots=True)
class Let:
    """The one definition of a variable."""

    local: Local
    value: Term
    line: int | None = None


@dataclass(eq=False, slots=True)
class Set:
    """A variable that changes gets a value; the first one declares it."""

    local: Local
    value: Term
    line: int | None = None


@dataclass(eq=False, slots=True)
class Declare:
    """A variable that is given its value further inside; hoisted: perhaps by no statement."""

    local: Local
    hoisted: bool = False


@dataclass(eq=False, slots=True)
class Store:
    """`buffer[index] = value`, or `+=`."""

    buffer: Buffer
    index: tuple[Term, ...]
    value: Term
    add: bool = False
    line: int | None = None


@dataclass(eq=False, slots=True)
class Each:
    """`for index in range(start, stop, step)`.

    free: the order of its rounds does not matter, but for what they fold into `sums`: variables,
    each with the operator. rows: each round computes a row of one array, by itself.
    """

    index: Local
    start: Term
    stop: Term
    step: int
    body: list[Statement]
    free: bool = False
    line: int | None = None
    sums: tuple[tuple[str, Local], ...] = ()
    rows: bool = False


@dataclass(eq=False, slots=True)
class Forever:
    """Rounds until a `Leave`."""

    body: list[Statement]
    line: int | None = None


@dataclass(eq=False, slots=True)
class Leave:
    """`break`."""


@dataclass(eq=False, slots=True)
class Branch:
    """`if`."""

    test: Term
    then: list[Statement]
    orelse: list[Statement] = field(default_factory=list["Statement"])
    line: int | None = None


@dataclass(eq=False, slots=True)
class Fail:
    """The function raises fault number `fault` where `test` holds.

    guard: what comes after relies on it, so as not to leave memory.
    """

    test: Term
    fault: int
    guard: bool = False


@dataclass(eq=False, slots=True)
class Alloc:
    """From here on a buffer is used; its sizes are known now."""

    buffer: Buffer


@dataclass(eq=False, slots=True)
class Grow:
    """A growing buffer gets memory for item number `item`, too."""

    buffer: Buffer
    item: Term


@dataclass(eq=False, slots=True)
class Invoke:
    """A call of another kernel of the unit, which may raise; of a buffer it gets all.

    given: in the order of the kernel's parameters. results: variables and buffers, each written.
    raises: or it is a support function that does not. starts: of buffers, by their places in
    `given` and `results`, the element from which on they are passed, where it is not the first.
    """

    kernel: str
    given: tuple[Term | Buffer, ...]
    results: tuple[Local | Buffer, ...]
    line: int | None = None
    raises: bool = True
    starts: dict[int, Term] = field(default_factory=dict[int, "Term"])

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """The buffers that it looks into or fills."""
        return tuple(x for x in (*self.given, *self.results) if isinstance(x, Buffer))


Statement = (
    Let | Set | Declare | Store | Each | Forever | Leave | Branch | Fail | Alloc | Grow | Invoke
)


@dataclass(eq=False, slots=True)
class Memory:
    """Where the working memory of a kernel is.

    stacked: arrays on the stack, and how many elements they have. pooled: those that are cut from
    one piece, reserved at the start. growing: those that are reserved on the way.
    """

    stacked: list[tuple[Buffer, int]] = field(default_factory=list[tuple[Buffer, int]])
    pooled: list[tuple[Buffer, Term]] = field(default_factory=list[tuple[Buffer, Term]])
    growing: list[Buffer] = field(default_factory=list[Buffer])

    @property
    def buffers(self) -> list[Buffer]:
        return [*(b for b, _ in self.stacked), *(b for b, _ in self.pooled), *self.growing]


@dataclass(eq=False, slots=True)
class Kernel:
    """A function of loop nests.

    arguments: scalars and buffers, in order. sizes: the variables that hold sizes of arguments.
    results: scalars as variables, arrays as buffers that the caller has made. faults: what it
    raises, exception and message. definitions: the kernels that it calls, which call themselves.
    left: of a definition, the last of its sizes, which says how many calls may follow.
    """

    name: str
    doc: str
    arguments: list[Local | Buffer]
    sizes: list[Local]
    results: list[Local | Buffer]
    body: list[Statement]
    faults: list[tuple[str, str]]
    memory: Memory = field(default_factory=Memory)
    definitions: list[Kernel] = field(default_factory=list["Kernel"])
    left: Local | None = None


def blocks_of(statement: Statement) -> tuple[list[Statement], ...]:
    """The lists of statements inside of one."""
    match statement:
        case Each(body=body) | Forever(body=body):
            return (body,)
        case Branch(then=then, orelse=orelse):
            return (then, orelse)
        case _:
            return ()


def tables_of(body: Sequence[Statement]) -> list[Buffer]:
    """The tables that statements read."""
    found: dict[Buffer, None] = {}
    for s in statements(body):
        for term in terms_of(s):
            for part in subterms(term):
                if isinstance(part, Load) and part.buffer.kind == "table":
                    found[part.buffer] = None
    return list(found)


def terms_of(statement: Statement) -> tuple[Term, ...]:
    """The terms that a statement itself reads."""
    match statement:
        case Let(value=value) | Set(value=value):
            return (value,)
        case Store(index=index, value=value):
            return (*index, value)
        case Each(start=start, stop=stop):
            return (start, stop)
        case Branch(test=test) | Fail(test=test):
            return (test,)
        case Alloc(buffer=buffer):
            return buffer.dims
        case Grow(item=item):
            return (item,)
        case Invoke(given=given, starts=starts):
            return (*(x for x in given if not isinstance(x, Buffer)), *starts.values())
        case _:
            return ()


def written_by(statement: Statement) -> tuple[Local | Buffer, ...]:
    """The variables and buffers that a statement itself gives a value."""
    match statement:
        case Let(local=local) | Set(local=local):
            return (local,)
        case Store(buffer=buffer):
            return (buffer,)
        case Invoke(results=results):
            return results
        case _:
            return ()


def with_terms(statement: Statement, change: Callable[[Term], Term]) -> None:
    """Replace the terms that a statement itself reads."""
    match statement:
        case Let() | Set():
            statement.value = change(statement.value)
        case Store():
            statement.index = tuple(change(i) for i in statement.index)
            statement.value = change(statement.value)
        case Each():
            statement.start = change(statement.start)
            statement.stop = change(statement.stop)
        case Branch() | Fail():
            statement.test = change(statement.test)
        case Grow():
            statement.item = change(statement.item)
        case Invoke():
            statement.given = tuple(
                x if isinstance(x, Buffer) else change(x) for x in statement.given
            )
            statement.starts = {k: change(start) for k, start in statement.starts.items()}
        case _:
            pass


def subterms(term: Term) -> Iterator[Term]:
    """`term` and all that it is made of."""
    stack = [term]
    while stack:
        top = stack.pop()
        yield top
        if isinstance(top, Op):
            stack.extend(top.args)
        elif isinstance(top, Load):
            stack.extend(top.index)


def statements(body: Sequence[Statement]) -> Iterator[Statement]:
    """All statements of a body, outer ones first, in order."""
    stack = list(body)[::-1]
    while stack:
        top = stack.pop()
        yield top
        for inner in reversed(blocks_of(top)):
            stack.extend(reversed(inner))


def substituted(term: Term, mapping: dict[Local, Term]) -> Term:
    """`term` with variables replaced."""
    match term:
        case Ref(local):
            return mapping.get(local, term)
        case Op(code, args, dtype):
            return Op(code, tuple(substituted(a, mapping) for a in args), dtype)
        case Load(buffer, index):
            return Load(buffer, tuple(substituted(i, mapping) for i in index))
        case Num():
            return term
