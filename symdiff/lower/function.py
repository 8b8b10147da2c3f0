"""A function as a kernel: parameters, the statements of its blocks, what it returns.

What is computed where, and which writes happen in place, is what `plan` says: the same for every
target. Here each value becomes a number in a variable, or an `Array`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Loop, Map, Var, const
from symdiff.ir.function import Function, line_of
from symdiff.ir.interface import Interface, Size
from symdiff.ir.nest import (
    Branch,
    Buffer,
    Declare,
    Kernel,
    Local,
    Ref,
    Set,
    Statement,
    Term,
)
from symdiff.ir.tree import expressions
from symdiff.ir.types import INT, dim_symbols
from symdiff.ir.walk import topological
from symdiff.lower.arrays import Array, stored
from symdiff.lower.calls import Callee, Unit, callee_of, check_depth, deepest, lower_call
from symdiff.lower.choices import choose_array
from symdiff.lower.context import Context, Value, refused
from symdiff.lower.decompose import decomposed
from symdiff.lower.elementwise import operate
from symdiff.lower.loops import lower_loop, lower_map, projects_of, step_of
from symdiff.lower.masks import masks_of
from symdiff.lower.parameters import Parameters, bounded, parameters
from symdiff.lower.results import Results, result_tree, results
from symdiff.lower.structural import lower_array
from symdiff.lower.tidy import tidy
from symdiff.lower.writes import lower_write
from symdiff.plan.apart import apart
from symdiff.plan.definitions import needed
from symdiff.plan.demands import early, pending
from symdiff.plan.memory import is_flavour_change
from symdiff.plan.order import emission_order
from symdiff.plan.schedule import Block, Group, crossing, is_free, schedule
from symdiff.plan.snapshots import with_snapshots
from symdiff.plan.storage import Storage, is_write
from symdiff.primitives.elementary import sized
from symdiff.primitives.lists import new_list
from symdiff.primitives.row import Discrete, Elementwise

_NOTHING = const(0, INT)
Lowered = tuple[Kernel, Interface]


def lower(function: Function, *, open_sizes: bool = False) -> Lowered:
    """The kernel of `function`, and how it is called.

    open_sizes: symbolic sizes may be 0 or 1, too; else each is at least 2.
    Raises UnsupportedError, with the line, for what has no form in a compiled target.
    """
    function = needed(function)
    callees = {name: callee_of(d) for name, d in function.definitions.items()}
    unit = Unit(callees)
    definitions = [_definition(d, callees[n], unit) for n, d in function.definitions.items()]
    unit.deepest = deepest(definitions)
    with _located(function):
        lowering = _lowering(function, unit)
        kernel, interface = lowering.kernel(open_sizes)
    tidy(kernel, lowering.known)
    kernel.definitions = definitions
    return kernel, interface


def _definition(definition: Function, callee: Callee, unit: Unit) -> Kernel:
    """A function that calls itself, as a kernel."""
    with _located(definition):
        lowering = _lowering(definition, unit, Local("left", "int"))
        kernel = lowering.definition(callee)
    tidy(kernel, lowering.known)
    return kernel


def _lowering(function: Function, unit: Unit, left: Local | None = None) -> Lowering:
    function = decomposed(function)
    roots = [*function.results, *(r.fails for r in function.requires)]
    if any(isinstance(node, Loop) for node in topological(roots)):
        function = with_snapshots(apart(function))
    return Lowering(function, unit, left)


@contextlib.contextmanager
def _located(function: Function) -> Generator[None]:
    """What is refused meanwhile has a place."""
    try:
        yield
    except UnsupportedError as error:
        raise error.located(function.span) from None


class Lowering(Context):
    """Lowers one function.

    left: of a definition, the variable that says how many calls may follow.
    """

    def __init__(self, function: Function, unit: Unit, left: Local | None = None):
        super().__init__(function, unit.faults)
        self.unit, self.left = unit, left
        self.requires = pending(function)
        self.roots = [*function.results, *(r.fails for r in self.requires)]
        live = topological(self.roots)
        user = [n for n in function.names if not is_free(n)]
        certain = [r.by for r in function.requires if r.always]
        self.plan = schedule(
            self.roots,
            [*early(function), *(r.fails for r in self.requires), *user],
            live,
            certain,
            function.ahead,
            function.paths,
        )
        self.storage = Storage(self.plan, self.roots, function.effects)
        self.plan.after = self.storage.after
        self.crossing = crossing(self.plan)
        self.uses_left = dict(self.plan.uses)
        self.done: set[tuple[Expr, Block]] = set()
        self.at = self.plan.root
        self.ends = set(self.roots)
        self.shared: dict[Expr, Local] = {}  # the variable of a number that several places compute
        self.carried: dict[Var, Local] = {}  # the variable of a number that a loop carries
        self.measured: set[str] = set()  # the sizes that are known when the function is called
        self.projects = projects_of(self.plan.sites)
        self.kept: dict[Expr, Buffer] = {}  # the same of arrays
        self.failing: dict[Expr, list[tuple[str, str]]] = {}
        for node in self.plan.sites:
            if type(node) is Apply and node.op is new_list:
                for symbol in dim_symbols(node.type.shape[0]):
                    if node.operands[0] is not _NOTHING:
                        self.counts.setdefault(symbol, (_NOTHING, node.operands[0], 1))
        for loop, _ in self.plan.loops:
            if isinstance(loop, For):
                for v in loop.carried:
                    for symbol in dim_symbols(v.type.shape[0]) if v.type.listed else ():
                        start, stop, _ = loop.bounds
                        self.counts.setdefault(symbol, (start, stop, step_of(loop)))
        for node in self.plan.sites:
            self.masks.update(masks_of(node))
            if type(node) is If and node.type.listed:
                self.uneven |= dim_symbols(node.type.shape[0])
        for r in self.requires:
            self.failing.setdefault(r.fails, []).append((r.error, r.message))

    # The function.

    def kernel(self, open_sizes: bool) -> Lowered:
        """The function that others call."""
        function = self.function
        given = parameters(self, function.variables, open_sizes=open_sizes)
        self._hold(expressions(function.result))
        self._body()
        returned = results(self)
        tree, constants = result_tree(function.result)
        shapes = [x.type.shape for x in (*given.values, *returned.values)]
        for symbol in dict.fromkeys(s for shape in shapes for d in shape for s in dim_symbols(d)):
            if symbol in given.integers:  # the call layer compares it, or makes such an array
                given.sizes.append(Local(f"{symbol}_size", "int"))
                given.measured.append(Size(symbol, f"{symbol}_size", given.integers[symbol], -1))
        body = [*bounded(self, given.arguments), *self.out]
        faults = tuple(self.faults)
        interface = Interface(
            function.name, function.doc, tuple(given.values), tuple(given.measured),
            tuple(returned.values), tree, written=frozenset(v.name for v, _ in function.effects),
            constants=constants, faults=faults,
        )  # fmt: skip
        return self._made(function.name, function.doc, given, returned, body), interface

    def _hold(self, made: Iterable[Expr]) -> None:
        """The caller has reserved memory for the results before anything is computed."""
        for node in made:
            names = {s for d in node.type.shape for s in dim_symbols(d)}
            if node.type.rank and not node.type.listed and names <= self.measured:
                self.known.held.append(self.count(self.dims(node.type.shape)))

    def definition(self, callee: Callee) -> Kernel:
        """A function that calls itself."""
        function = self.function
        assert self.left is not None
        given = parameters(self, function.variables, open_sizes=True)
        given.sizes.append(self.left)
        check_depth(self)
        self._body()
        returned = results(self)
        body = [*bounded(self, given.arguments), *self.out]
        doc = f"{function.doc} left: how many calls may follow, and be in this one."
        return self._made(callee.name, doc, given, returned, body)

    def _body(self) -> None:
        for a, b in self.function.equal:
            self.require_equal(self.dim(a), self.dim(b), "sizes that must agree differ")
        for node, faults in self.failing.items():
            if isinstance(node, Const):
                for error, message in faults:
                    self.fail(self.scalar(node), error, message)
        self.block(self.plan.root)

    def _made(
        self, name: str, doc: str, given: Parameters, returned: Results, body: list[Statement]
    ) -> Kernel:
        places, faults = list(returned.places), list(self.faults)
        return Kernel(name, doc, given.arguments, given.sizes, places, body, faults, left=self.left)

    # Blocks.

    def block(self, block: Block) -> None:
        """The statements of a block."""
        self.items(emission_order(self.plan, block), block)

    def items(self, items: Iterable[Expr | Group], block: Block) -> None:
        around, self.at = self.at, block
        for item in items:
            if isinstance(item, Group):
                self._group(item)
                made: Iterable[Expr] = item.members
            else:
                self.line = line_of(item, self.function.lines) or self.line
                self._item(item, block)
                made = (item,)
            for node in (*made, *self.projects.get(item, ())):  # type: ignore[arg-type]
                self.done.add((node, block))
                for error, message in self.failing.get(node, ()):
                    # What the caller's code demands of sizes may keep later indices inside.
                    test, guard = self.scalar(node), block is self.plan.root
                    self.fail(test, error, message, guard=guard)
        self.at = around

    def _item(self, item: Expr, block: Block) -> None:
        match item:
            case Loop():
                lower_loop(self, item, block)
            case If():  # a branch around it has decided it
                self._settle(item, self.value(self.plan.decided[item, block]))
            case Map():
                lower_map(self, item, block)
            case Call():
                lower_call(self, item)
            case Apply() if not is_free(item):
                self._apply(item)
            case _:
                pass

    def _apply(self, node: Apply) -> None:
        if is_write(node):
            lower_write(self, node)
            self._shared_memory(node)
        elif is_flavour_change(node):
            self._settle(node, self.value(node.operands[0]))
        elif node.op is sized and node.type.rank:
            old = self.array(node.operands[0])
            dims = self._sized(node, old)
            new = Array(
                old.dtype, dims, old.at, old.reads, old.place, old.buffer, old.cheap, old.depth
            )
            self._settle(node, new)
        elif not node.type.rank and isinstance(node.op, (Elementwise, Discrete)) and (
            node.op.c is not None and not any(x.type.rank for x in node.operands)
        ):  # fmt: skip
            self._settle(node, operate(self, node, [self.scalar(x) for x in node.operands]))
        else:
            made = lower_array(self, node)
            for x in node.operands:
                self.read(x)
            self._settle(node, made)

    def _sized(self, node: Apply, old: Array) -> tuple[Term, ...]:
        dims: list[Term] = []
        for have, want in zip(old.dims, node.type.shape, strict=True):
            try:
                dim = self.dim(want)
            except UnsupportedError:
                dim = have
            if not self.known.equal(have, dim):
                self.require_equal(have, dim, "an array has another size than it should")
            dims.append(dim)
        return tuple(dims)

    def _settle(self, node: Expr, value: Value) -> None:
        """Note what a node is, in a variable or in memory where others are to find it."""
        if isinstance(value, Array) and not node.type.rank:
            value = value.at(())
        if isinstance(value, Array):
            several = len(self.plan.sites.get(node, ())) > 1
            if several and self.kept.get(node) is not value.buffer:
                if node not in self.kept:
                    self.kept[node] = Buffer(self.wish_for(node), value.dtype, value.dims)
                buffer = self.kept[node]
                from symdiff.ir.nest import Alloc

                self.out.append(Alloc(buffer))
                self.copied_into(buffer, value)
                value = stored(buffer)
            self.keep(node, value, self._is_wanted(node, value))
            return
        if len(self.plan.sites.get(node, ())) > 1:
            local = self.shared.setdefault(node, Local(self.wish_for(node), value.dtype))
            self.out.append(Set(local, value, self.line))
            self.values[node] = Ref(local)
            return
        name = self.wish_for(node)
        self.values[node] = self.bind(self.converted(value, node.type.dtype), name)

    def _shared_memory(self, node: Expr) -> None:
        value = self.values[node]
        if len(self.plan.sites.get(node, ())) > 1 and isinstance(value, Array):
            known = self.kept.setdefault(node, value.buffer)  # type: ignore[arg-type]
            if known is not value.buffer:
                raise refused("an array that several branches write", self.line)

    def _is_wanted(self, node: Expr, array: Array) -> bool:
        """Whether an array gets memory where it is computed, not where it is read."""
        if array.buffer is not None or array.cheap:
            return False
        return node in self.crossing or self.uses_left.get(node, 0) > 1

    # Branches.

    def _group(self, group: Group) -> None:
        self.line = next(
            (line for m in group.members if (line := self.function.lines.get(m))), self.line
        )
        test = self.scalar(group.pred)
        sides: list[list[Statement]] = []
        found: list[list[Value]] = []
        numbers = {m: self._variable(m) for m in group.members if not m.type.rank}
        for local in numbers.values():
            self.out.append(Declare(local))
        for block in (group.then, group.orelse):
            with self.inside([]) as body, self.unless(None if block.side else test):
                self.block(block)
                values = [self.value(m.operands[1 if block.side else 2]) for m in group.members]
                for m, value in zip(group.members, values, strict=True):
                    if m in numbers:
                        scalar = value.at(()) if isinstance(value, Array) else value
                        assert not isinstance(scalar, Array)
                        self.out.append(
                            Set(numbers[m], self.converted(scalar, m.type.dtype), self.line)
                        )
            sides.append(body)
            found.append(values)
        for m, local in numbers.items():
            self.values[m] = Ref(local)
        for k, m in enumerate(group.members):
            if m not in numbers:
                choose_array(self, m, [(sides[0], found[0][k]), (sides[1], found[1][k])])
        if sides[0] or sides[1]:
            self.out.append(Branch(test, sides[0], sides[1], self.line))
        for m in group.members:
            for x in (m.then, m.orelse):
                self.read(x)
            self.read(group.pred)

    def _variable(self, member: If) -> Local:
        if len(self.plan.sites.get(member, ())) > 1:
            return self.shared.setdefault(member, Local(self.wish_for(member), member.type.dtype))
        return Local(self.wish_for(member), member.type.dtype)
