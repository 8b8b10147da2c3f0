"""A function as a kernel: parameters, the statements of its blocks, what it returns.

What is computed where, and which writes happen in place, is what `plan` says: the same for every
target. Here each value becomes a number in a variable, or an `Array`.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Loop, Map, Var, const
from symdiff.ir.function import Function, line_of
from symdiff.ir.interface import Interface, Size
from symdiff.ir.interface import Value as Leaf
from symdiff.ir.nest import (
    Branch,
    Buffer,
    Declare,
    Fail,
    Kernel,
    Local,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
)
from symdiff.ir.tree import Record, Tree, children, expressions, is_container, leaves, rebuild
from symdiff.ir.types import INT, SymDim, dim_symbols
from symdiff.ir.walk import topological
from symdiff.lower.arrays import Array, renewed, stored
from symdiff.lower.context import Context, Value, refused
from symdiff.lower.decompose import decomposed
from symdiff.lower.elementwise import operate
from symdiff.lower.loops import lower_loop, lower_map, projects_of, span_of
from symdiff.lower.structural import lower_array
from symdiff.lower.tidy import tidy
from symdiff.lower.writes import lower_write
from symdiff.plan.apart import apart
from symdiff.plan.demands import early, pending
from symdiff.plan.memory import is_flavour_change
from symdiff.plan.order import emission_order
from symdiff.plan.rounds import with_joined_checks
from symdiff.plan.schedule import Block, Group, crossing, is_free, schedule
from symdiff.plan.snapshots import with_snapshots
from symdiff.plan.storage import Storage, is_write
from symdiff.primitives.elementary import sized
from symdiff.primitives.lists import new_list
from symdiff.primitives.row import Discrete, Elementwise

_NOTHING = const(0, INT)
Lowered = tuple[Kernel, Interface]


def lower(function: Function) -> Lowered:
    """The kernel of `function`, and how it is called.

    Raises UnsupportedError, with the line, for what has no form in a compiled target.
    """
    function = with_joined_checks(decomposed(function))
    roots = [*function.results, *(r.fails for r in function.requires)]
    if any(isinstance(node, Loop) for node in topological(roots)):
        function = with_snapshots(apart(function))
    try:
        lowering = Lowering(function)
        kernel, interface = lowering.kernel()
    except UnsupportedError as error:
        raise error.located(function.span) from None
    tidy(kernel, lowering.known)
    return kernel, interface


class Lowering(Context):
    """Lowers one function."""

    def __init__(self, function: Function):
        super().__init__(function)
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
        self.left = dict(self.plan.uses)
        self.done: set[tuple[Expr, Block]] = set()
        self.at = self.plan.root
        self.ends = set(self.roots)
        self.shared: dict[Expr, Local] = {}  # the variable of a number that several places compute
        self.carried: dict[Var, Local] = {}  # the variable of a number that a loop carries
        self.measured: set[str] = set()  # the sizes that are known when the function is called
        self.integers: dict[str, int] = {}  # the arguments that are integers
        self.projects = projects_of(self.plan.sites)
        self.kept: dict[Expr, Buffer] = {}  # the same of arrays
        self.failing: dict[Expr, list[tuple[str, str]]] = {}
        for node in self.plan.sites:
            if type(node) is Apply and node.op is new_list:
                for symbol in dim_symbols(node.type.shape[0]):
                    if node.operands[0] is not _NOTHING:
                        self.counts.setdefault(symbol, (_NOTHING, node.operands[0]))
        for loop, _ in self.plan.loops:
            if isinstance(loop, For):
                for v in loop.carried:
                    for symbol in dim_symbols(v.type.shape[0]) if v.type.listed else ():
                        self.counts.setdefault(symbol, span_of(loop))
        for r in self.requires:
            self.failing.setdefault(r.fails, []).append((r.error, r.message))

    # The function.

    def kernel(self) -> Lowered:
        function = self.function
        if function.definitions and any(isinstance(n, Call) for n in self.plan.sites):
            raise refused("a function that calls itself")
        arguments: list[Local | Buffer] = []
        given: list[Leaf] = []
        written = {v for v, _ in function.effects}
        sizes: list[Local] = []
        measured: list[Size] = []
        for param in function.params:
            for leaf in leaves(param.tree):
                if isinstance(leaf, Var):
                    self._argument(leaf, leaf in written, arguments, given, sizes, measured)
        self._check_sizes()
        for node, faults in self.failing.items():
            if isinstance(node, Const):
                for error, message in faults:
                    self.fail(self.scalar(node), error, message)
        self.block(self.plan.root)
        results, returned = self._results()
        tree, constants = self._tree(function.result)
        for symbol in dict.fromkeys(
            s for r in returned for d in r.type.shape for s in dim_symbols(d)
        ):
            if symbol in self.integers:  # the call layer makes an array of that size
                sizes.append(Local(f"{symbol}_size", "int"))
                measured.append(Size(symbol, f"{symbol}_size", self.integers[symbol], -1))
        body = [*self._bounded(arguments), *self.out]
        faults = list(self.faults)
        kernel = Kernel(function.name, function.doc, arguments, sizes, results, body, faults)
        interface = Interface(
            function.name, function.doc, tuple(given), tuple(measured), tuple(returned), tree,
            written=frozenset(v.name for v in written), constants=constants, faults=tuple(faults),
        )  # fmt: skip
        return kernel, interface

    def _argument(
        self,
        v: Var,
        is_written: bool,
        arguments: list[Local | Buffer],
        given: list[Leaf],
        sizes: list[Local],
        measured: list[Size],
    ) -> None:
        if v.type.is_complex:
            raise refused(f"{v.name}: a complex number")
        number = len(given)
        given.append(Leaf(v.name, v.type))
        if not v.type.rank:
            local = Local(v.name, v.type.dtype)
            arguments.append(local)
            self.values[v] = Ref(local)
            if v.type.dtype == "int":
                self.symbols.setdefault(v.name, Ref(local))
                self.known.small.add(local)
                self.integers[v.name] = number
                self.measured.add(v.name)
            return
        for axis, dim in enumerate(v.type.shape):
            if isinstance(dim, SymDim) and len(dim.terms) == 1 and dim.terms[0][1] == 1:
                (symbol,) = dim_symbols(dim)
                if dim.terms[0][0] == (symbol,) and symbol not in self.symbols:
                    local = Local(self._size_name(symbol, v, axis), "int")
                    self.symbols[symbol] = Ref(local)
                    self.known.sizes[local] = 0 if v.type.listed else 2
                    sizes.append(local)
                    self.measured.add(symbol)
                    measured.append(Size(symbol, local.name, number, axis))
        kind = "written" if is_written else "argument"
        buffer = Buffer(
            self.function.names.get(v) or v.name, v.type.dtype, self.dims(v.type.shape), kind
        )
        arguments.append(buffer)
        self.values[v] = stored(buffer)
        self.pending[v] = stored(buffer)
        self.homes[v] = self.out

    def _bounded(self, arguments: Iterable[Local | Buffer]) -> list[Statement]:
        """Integers that sums have been made of are not so large that these could wrap around."""
        found: list[Statement] = []
        for x in arguments:
            if isinstance(x, Local) and x in self.known.relied:
                large = Op("{0} > INT64_MAX / 8 || {0} < INT64_MIN / 8", (Ref(x),), "bool")
                fault = self.fault("OverflowError", "an integer has more than 60 bits")
                found.append(Fail(large, fault))
        return found

    def _size_name(self, symbol: str, v: Var, axis: int) -> str:
        return symbol if symbol.isidentifier() else f"{v.name}_{'nmklpq'[axis % 6]}"

    def _check_sizes(self) -> None:
        """Sizes that must agree although they are read from different places."""
        for a, b in self.function.equal:
            self.require_equal(self.dim(a), self.dim(b), "sizes that must agree differ")

    def _results(self) -> tuple[list[Local | Buffer], list[Leaf]]:
        results: list[Local | Buffer] = []
        returned: list[Leaf] = []
        for v, value in self.function.effects:
            target = self.values[v]
            assert isinstance(target, Array) and target.buffer is not None
            array = self.array(value)
            if array.buffer is not target.buffer:
                array = self.realized(array)
                self.before_write(target.buffer)
                self.copied_into(target.buffer, array)
        for number, node in enumerate(expressions(self.function.result), 1):
            value = self.value(node)
            wish = self.function.names.get(node) or f"result_{number}"
            returned.append(Leaf(wish, node.type))
            if isinstance(value, Array) and node.type.rank:
                results.append(self._returned(node, value, wish, results))
            else:
                local = Local(wish, node.type.dtype)
                scalar = value.at(()) if isinstance(value, Array) else value
                buffer = Buffer(wish, node.type.dtype, (), "result")
                self.out.append(Store(buffer, (), self.converted(scalar, local.dtype)))
                results.append(buffer)
        return results, returned

    def _returned(
        self, node: Expr, value: Array, wish: str, others: list[Local | Buffer]
    ) -> Buffer:
        """The memory of the caller that an array is left in: its own from the start, or a copy."""
        for d in node.type.shape:
            if any(s not in self.measured for s in dim_symbols(d)):
                raise refused("a result whose size is found out while running")
        dims = self.dims(node.type.shape)
        for have, want in zip(value.dims, dims, strict=True):
            self.require_equal(have, want, "a result has another size than it should")
        own = value.buffer
        if own is not None and own.kind == "work" and not own.growing and own not in others:
            own.kind, own.dims = "result", dims
            return own
        buffer = Buffer(wish, node.type.dtype, dims, "result")
        self.copied_into(buffer, value)
        return buffer

    def _tree(self, tree: Tree) -> tuple[Tree, tuple[object, ...]]:
        constants: list[object] = []
        counter = iter(range(1 << 30))

        def walk(part: Tree) -> Tree:
            if isinstance(part, Expr):
                return next(counter)
            if isinstance(part, Record) or not is_container(part):
                if isinstance(part, Record):
                    raise refused("a dataclass or named tuple as a result")
                constants.append(part)
                return -len(constants)
            return rebuild(part, [walk(child) for _, _, child in children(part)])

        return walk(tree), tuple(constants)

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
                    self.fail(self.scalar(node), error, message)
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
                raise refused("a function that calls itself", self.line)
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
        return node in self.crossing or self.left.get(node, 0) > 1

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
                self._choice(m, [(sides[0], found[0][k]), (sides[1], found[1][k])])
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

    def _choice(self, member: If, sides: list[tuple[list[Statement], Value]]) -> None:
        """An array of one of two branches: their memory where it is one, else a copy."""
        arrays = [v for _, v in sides if isinstance(v, Array)]
        assert len(arrays) == 2
        one, two = arrays
        if one is two or (one.buffer is not None and one.buffer is two.buffer):
            self.keep(member, renewed(one), False)
            return
        for a, b in zip(one.dims, two.dims, strict=True):
            if not self.known.equal(a, b):
                raise refused("a branch that decides the size of an array", self.line)
        buffer = self.kept.get(member) or self.work(
            self.wish_for(member), member.type.dtype, one.dims
        )
        if len(self.plan.sites.get(member, ())) > 1:
            self.kept[member] = buffer
        for body, value in sides:
            assert isinstance(value, Array)
            with self.inside(body):
                self.copied_into(buffer, value)
        self.keep(member, stored(buffer), False)
