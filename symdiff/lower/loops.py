"""Loops: carried numbers are variables, carried arrays have memory that rounds go on in.

x = For(carrying x: r * x * (1 - x))   ->   x = x0; for i in ...: x = r * x * (1 - x)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.ir.expr import Apply, Const, Expr, For, If, Loop, Map, Project, Var, While
from symdiff.ir.nest import (
    Branch,
    Buffer,
    Each,
    Forever,
    Leave,
    Let,
    Local,
    Num,
    Op,
    Ref,
    Set,
    Term,
)
from symdiff.ir.types import dim_symbols
from symdiff.ir.walk import depends_on
from symdiff.lower import lists, ragged
from symdiff.lower.arrays import ZERO, Array, blank, moved, renewed, stored
from symdiff.lower.context import refused
from symdiff.plan.schedule import Block
from symdiff.primitives.arithmetic import add
from symdiff.primitives.indexing import update
from symdiff.primitives.lists import append, new_list

if TYPE_CHECKING:
    from symdiff.lower.function import Lowering


def lower_loop(to: Lowering, loop: Loop, block: Block) -> None:
    """The statements of a loop."""
    line = to.line
    for v, start, new in zip(loop.carried, loop.initial, loop.body, strict=True):
        _start(to, loop, v, start, new, block)
    body = to.plan.loops[loop, block]
    if isinstance(loop, For):
        start = to.bind(to.scalar(loop.bounds[0]), "start")
        stop = to.bind(to.scalar(loop.bounds[1]), "stop")
        step = step_of(loop)
        with to.each(start, stop, step, loop.index.name) as index:
            to.values[loop.index] = index
            _count_rounds(to, loop, to.op("{0} - {1}", index, start) if step == 1 else None)
            _take_lengths(to, loop)
            to.block(body)
            _end(to, loop)
        _count_rounds(to, loop, to.op("{0} - {1}", stop, start) if step == 1 else None)
    else:
        assert isinstance(loop, While)
        with to.inside([]) as inner:
            _take_lengths(to, loop)
            to.block(body)
            test = to.scalar(loop.cond)
            if not (isinstance(test, Num) and test.value):  # `while True`
                inner.append(Branch(Op("!{0}", (test,), "bool"), [Leave()]))
            to.block(to.plan.rests[loop, block])
            _end(to, loop)
        to.out.append(Forever(inner, line))
    for node in to.projects.get(loop, ()):
        k = node.index
        v, new = loop.carried[k], loop.body[k]
        value = to.value(v if new is not v else loop.initial[k])
        if isinstance(value, Array):
            to.keep(node, renewed(value) if new is v else lists.at_present(to, value), False)
        else:
            to.values[node] = value
    for x in loop.outside:
        to.read(x)


def _take_lengths(to: Lowering, loop: Loop) -> None:
    """At the start of a round, carried lists are as long as they are."""
    for v, new in zip(loop.carried, loop.body, strict=True):
        value = to.values[v]
        if new is not v and isinstance(value, Array) and v.type.listed:
            to.values[v] = lists.at_present(to, value)


def _varies(v: Var) -> bool:
    """Whether a carried list may get another length."""
    dim = v.type.shape[0]
    return bool(v.type.listed) and any(
        name.startswith("count(list") for name in ([] if isinstance(dim, int) else dim_symbols(dim))
    )


def step_of(loop: For) -> int:
    """The step of a loop."""
    step = loop.bounds[2]
    assert isinstance(step, Const)
    return int(step.value)


def _count_rounds(to: Lowering, loop: Loop, most: Term | None) -> None:
    """A number that rounds add one to, or leave, is at most how many rounds there have been."""
    for v, start, new in zip(loop.carried, loop.initial, loop.body, strict=True):
        if v in to.carried and v.type.dtype == "int" and _is_counter(v, start, new):
            local = to.carried[v]
            to.known.sizes[local] = 0
            if most is not None:
                to.known.ranges[local] = ZERO, to.at_least_zero(most, "rounds")


def _is_counter(v: Var, start: Expr, new: Expr) -> bool:
    stack = [new]
    while stack:
        x = stack.pop()
        if isinstance(x, If):
            stack += [x.then, x.orelse]
        elif isinstance(x, Apply) and x.op is add and v in x.operands:
            (other,) = [y for y in x.operands if y is not v] or [v]
            if not (isinstance(other, Const) and other.value == 1):
                return False
        elif x is not v:
            return False
    return isinstance(start, Const) and start.value == 0


def _start(to: Lowering, loop: Loop, v: Var, start: Expr, new: Expr, block: Block) -> None:
    """Give a carried variable its first value."""
    value = to.value(start)
    if new is v:  # no round changes it
        to.values[v] = value
        return
    if not v.type.rank:
        local = to.carried.get(v)
        if local is None:
            local = to.carried[v] = Local(_name(to, v), v.type.dtype)
        assert not isinstance(value, Array)
        to.out.append(Set(local, to.converted(value, v.type.dtype), to.line))
        to.values[v] = Ref(local)
        return
    array = to.array(start)
    if isinstance(array, ragged.Ragged):
        to.values[v] = _lists(to, loop, v, start, new, block)
        return
    if type(start) is Apply and start.op is new_list and array.dims[0] == ZERO:
        to.values[v] = stored(_list(to, loop, v, new, array))
        return
    if v in to.storage.kept and array.buffer is not None and _takes(to, loop, start, block):
        to.before_write(array.buffer, (start,))
        to.pending.pop(start, None)
        to.values[v] = renewed(array)
        return
    if lists.is_growing(array) or _varies(v):
        to.values[v] = lists.copied(to, _name(to, v), v.type.dtype, array)
        return
    buffer = to.work(_name(to, v), v.type.dtype, array.dims)
    if not (type(start) is Apply and start.op is new_list):
        to.copied_into(buffer, array)
    elif not _is_filled(v, new):
        to.copied_into(buffer, blank(buffer))
    to.values[v] = stored(buffer)


def _is_filled(v: Var, new: Expr) -> bool:
    """Whether each round writes an item, so that none is read that has not been written."""
    return type(new) is Apply and new.op is update and new.operands[0] is v


def _list(to: Lowering, loop: Loop, v: Var, new: Expr, empty: Array) -> Buffer:
    """Memory for a list that rounds append to: as much as they need, where that is known."""
    count = _appended(to, loop, v, new)
    if count is None:
        return lists.empty(to, _name(to, v), v.type.dtype, empty.dims[1:])
    return to.work(_name(to, v), v.type.dtype, (count, *empty.dims[1:]))


def _appended(to: Lowering, loop: Loop, v: Var, new: Expr) -> Term | None:
    """How many items rounds append, where each appends one, and it is known how many there are."""
    names = [] if isinstance(v.type.shape[0], int) else list(dim_symbols(v.type.shape[0]))
    single = type(new) is Apply and new.op is append and new.operands[0] is v
    single = single and to.plan.uses.get(v, 0) == 1  # nobody looks at what is there so far
    if not single or not isinstance(loop, For) or names[0].startswith("count("):
        return None
    start, stop = (to.scalar(b) for b in loop.bounds[:2])
    count = to.rounds(start, stop, step_of(loop))
    to.symbols[names[0]] = count
    return count


def _lists(to: Lowering, loop: Loop, v: Var, start: Expr, new: Expr, block: Block) -> ragged.Ragged:
    """A list of lists that rounds write or append to."""
    old = to.array(start)
    assert isinstance(old, ragged.Ragged)
    if type(start) is Apply and start.op is new_list:
        count = _appended(to, loop, v, new) if old.dims[0] == ZERO else old.dims[0]
        tape = ragged.made(to, _name(to, v), v.type, count)
        if count is not None and not _is_filled(v, new):
            ragged.emptied(to, tape)
        return tape
    if v in to.storage.kept and _takes(to, loop, start, block):
        to.pending.pop(start, None)
        return ragged.renewed(old)
    raise refused("a list of lists that is written, and read as it was before", to.line)


def _takes(to: Lowering, loop: Loop, start: Expr, block: Block) -> bool:
    """Whether a loop may write into what it starts from, of which all else has been read."""
    storage = to.storage
    if not storage.is_own(start, block) or len(to.plan.sites[loop]) > 1:
        return False
    if storage.is_given(start) and not all(
        v in storage.leading and storage.is_steady(v)
        for v, s in zip(loop.carried, loop.initial, strict=True)
        if s is start
    ):
        return False
    if storage.is_last(start, block):
        return True
    return (loop, start) in storage.taken and storage.is_free(loop, block, to.done)


def _name(to: Lowering, v: Var) -> str:
    return to.function.names.get(v) or v.name


def _end(to: Lowering, loop: Loop) -> None:
    """The end of a round: carried values get what it has computed, all at once."""
    until = loop.until
    leave: Term | None = None
    if not (isinstance(until, Const) and not until.value):
        leave = to.bind(to.scalar(until), "stop")
    changed = [(v, new) for v, new in zip(loop.carried, loop.body, strict=True) if new is not v]
    fresh: list[tuple[Buffer, Array]] = []
    targets = {array.buffer for v, _ in changed if isinstance(array := to.values[v], Array)}
    for v, new in changed:
        target = to.values[v]
        if not isinstance(target, Array):
            continue
        value = to.array(new)
        if isinstance(target, ragged.Ragged):
            if not (isinstance(value, ragged.Ragged) and value.items is target.items):
                raise refused("a list of lists that another one replaces", to.line)
            continue
        assert target.buffer is not None
        if value.buffer is target.buffer:
            continue
        for a, b in zip(target.dims, value.dims, strict=True):
            if not to.known.equal(a, b):
                raise refused("an array whose size changes from round to round", to.line)
        if not targets.isdisjoint(value.reads):
            copy = to.work(_name(to, v), value.dtype, value.dims)
            to.copied_into(copy, value)
            value = stored(copy)
        fresh.append((target.buffer, value))
    for buffer, value in fresh:
        to.copied_into(buffer, value)
    numbers: list[tuple[Local, Term]] = []
    assigned = {to.carried[v] for v, _ in changed if v in to.carried}
    for v, new in changed:
        if v.type.rank:
            continue
        value = to.scalar(new)
        local = to.carried[v]
        value = to.converted(value, v.type.dtype)
        if isinstance(value, Ref) and value.local in assigned and value.local is not local:
            copy = Local(value.local.name, value.dtype)
            to.out.append(Let(copy, value))
            value = Ref(copy)
        numbers.append((local, value))
    for local, value in numbers:
        if value != Ref(local):
            to.out.append(Set(local, value, to.line))
    if leave is not None:
        to.out.append(Branch(leave, [Leave()]))


def lower_map(to: Lowering, node: Map, block: Block) -> None:
    """One body for each row, into an array of them."""
    over = [to.array(x) for x in node.over]
    count = over[0].dims[0]
    for other in over[1:]:
        to.require_equal(count, other.dims[0], "arguments of different lengths")
    shape = to.dims(node.type.shape[1:])
    buffer = to.work(to.wish_for(node), node.type.dtype, (count, *shape))
    around = to.beside
    to.beside = around or any(isinstance(n, Loop) for n in depends_on([node.body], node.indices))
    with to.each(ZERO, count, wish="row") as index:
        for v, rows in zip(node.indices, over, strict=True):
            if rows.rank == 1:
                to.values[v] = to.bind(rows.at((index,)), v.name)
            else:
                to.values[v] = moved(rows, rows.dims[1:], lambda i, r=index: (r, *i))
        to.block(to.plan.loops[node, block])
        from symdiff.lower.writes import store_into

        store_into(to, lambda i: (buffer, (index, *i)), shape, to.array(node.body))
    made = to.out[-1] if to.out else None
    if isinstance(made, Each):
        made.rows = True
    to.beside = around
    to.keep(node, stored(buffer), False)
    for x in node.over:
        to.read(x)


def projects_of(nodes: object) -> dict[Expr, list[Project]]:
    found: dict[Expr, list[Project]] = {}
    for node in nodes:  # type: ignore[attr-defined]
        if isinstance(node, Project):
            found.setdefault(node.operands[0], []).append(node)
    return found
