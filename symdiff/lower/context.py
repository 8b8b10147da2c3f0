"""What is known while one function is lowered: values, where statements go, sizes, faults."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr
from symdiff.ir.function import Function
from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Each,
    Fail,
    Let,
    Local,
    Num,
    Op,
    Ref,
    Statement,
    Store,
    Term,
)
from symdiff.ir.types import Dim, DType, SymDim, Type, dim_symbols
from symdiff.lower.affine import Known
from symdiff.lower.arrays import ONE, ZERO, Array, Index, broadcast_index, stored
from symdiff.lower.constants import constant

T = TypeVar("T")
Value = Term | Array
_UNLIKE = "operands could not be broadcast together"
_DEEP = 24  # operations between an element and memory, after which an array is stored


def refused(what: str, line: int | None = None) -> UnsupportedError:
    """The error for what has no form in a compiled target."""
    where = f" (line {line})" if line else ""
    return UnsupportedError(
        f"{what} is not lowered to C{where}", hint='use target="python", which has all of it'
    )


class Context:
    """Emits statements and keeps what values are.

    values: what is known of each node. out: where statements go. pending: arrays that are computed
    where they are read, with the list that they would be stored in. uses_left: how often a node
    is still to be read. faults: the number of each exception that is raised.
    """

    def __init__(self, function: Function, faults: dict[tuple[str, str], int]):
        self.function = function
        self.values: dict[Expr, Value] = {}
        self.out: list[Statement] = []
        self.known = Known()
        self.symbols: dict[str, Term] = {}
        self.faults = faults
        self.pending: dict[Expr, Array] = {}
        self.homes: dict[Expr, list[Statement]] = {}
        self.uses_left: dict[Expr, int] = {}
        self.line: int | None = None
        # The (start, stop, step) of loops, by what counts their rounds.
        self.counts: dict[str, tuple[Expr, Expr, int]] = {}
        self.masks: dict[str, Expr] = {}  # by what counts their true elements
        self.uneven: set[str] = set()  # sizes that differ from one item of a list to the next
        self._elements: list[dict[tuple[Array, Index], Term]] = [{}]
        self._once: list[dict[Hashable, Any]] = [{}]
        self._unified: list[list[Local]] = [[]]
        self._failed: list[set[tuple[Term, int]]] = [set()]
        self._nested = 0
        self.beside = False  # whether these are rounds of loops that may run side by side (`lanes`)
        self.conditions: dict[Local, Term] = {}  # what boolean variables are
        self._false: list[Term] = []  # what does not hold here

    # Scalars.

    def bind(self, term: Term, wish: str = "t") -> Term:
        """The value of `term` under a name, so that it is computed once, here."""
        if isinstance(term, (Num, Ref)):
            return term
        local = Local(wish, term.dtype)
        if term.dtype == "int":
            self.known.meaning[local] = term
        elif term.dtype == "bool":
            self.conditions[local] = term
        self.out.append(Let(local, term, self.line))
        return Ref(local)

    def op(self, code: str, *args: Term, dtype: DType | None = None) -> Term:
        """An operation; of integers, worked out where its operands are known."""
        kind = dtype or args[0].dtype
        if kind == "int" and all(isinstance(a, Num) for a in args) and code in _FOLDED:
            return Num(_FOLDED[code](*(a.value for a in args)), "int")  # type: ignore[union-attr]
        if code == "{0} + {1}" and kind == "int":
            if args[0] == ZERO:
                return args[1]
            if args[1] == ZERO:
                return args[0]
            if isinstance(args[1], Num) and args[1].value < 0:
                return Op("{0} - {1}", (args[0], Num(-args[1].value, "int")), "int")
        if code == "{0} - {1}" and kind == "int" and args[1] == ZERO:
            return args[0]
        if code == "{0} * {1}" and kind == "int":
            if ZERO in args:
                return ZERO
            if args[0] == ONE:
                return args[1]
            if args[1] == ONE:
                return args[0]
        made = Op(code, args, kind)
        if kind == "int" and code in _FOLDED:  # sums may cancel: n + 1 - 1
            form = self.known.form(made)
            if form is not None and set(form) <= {None}:
                return Num(form.get(None, 0), "int")
            if form is not None and len(form) == 1 and isinstance(made.args[0], Op):
                (local, factor), *_ = form.items()
                if local is not None and factor == 1 and not self.known.is_product(local):
                    return Ref(local)
        return made

    def fault(self, error: str, message: str) -> int:
        return self.faults.setdefault((error, message), len(self.faults))

    def fail(self, test: Term, error: str, message: str, *, guard: bool = False) -> None:
        """Raise where `test` holds; guard: what comes after relies on that."""
        if (isinstance(test, Num) and not test.value) or test in self._false:
            return
        fault = self.fault(error, message)
        key = (test, fault)
        if any(key in made for made in self._failed):
            return
        self._failed[-1].add(key)
        self.out.append(Fail(test, fault, guard))

    @contextlib.contextmanager
    def unless(self, test: Term | None) -> Generator[None]:
        """`test` does not hold meanwhile."""
        while isinstance(test, Ref) and test.local in self.conditions:
            test = self.conditions[test.local]
        added = [] if test is None else [test]
        self._false += added
        try:
            yield
        finally:
            del self._false[len(self._false) - len(added) :]

    def converted(self, term: Term, dtype: DType) -> Term:
        """`term` as a number of another dtype."""
        if term.dtype == dtype:
            return term
        if isinstance(term, Num):
            if dtype in ("float64", "float32") and term.dtype != "float32":
                return Num(float(term.value), dtype)
            if dtype == "int" and term.dtype == "bool":
                return Num(int(term.value), dtype)
        if dtype == "bool":
            return Op("{0} != 0", (term,), "bool")
        return Op(f"({dtype}){{0}}", (term,), dtype)

    # Sizes.

    def dim(self, dim: Dim) -> Term:
        """A size as a term."""
        if isinstance(dim, int):
            return Num(dim, "int")
        total: Term = ZERO
        for factors, coefficient in dim.terms:
            part: Term = Num(coefficient, "int")
            for symbol in factors:
                part = self.op("{0} * {1}", part, self.symbol(symbol))
            total = self.op("{0} + {1}", total, part)
        return total

    def symbol(self, name: str) -> Term:
        """The value of a size."""
        from symdiff.lower.sizes import derived  # which asks for the sizes that it is made of

        found = self.measured_symbol(name)
        if found is None:
            found = derived(self, name)
            if found is not None:
                self.symbols[name] = found
        if found is not None:
            return found
        mask = self.values.get(self.masks[name]) if name in self.masks else None
        if isinstance(mask, Array):
            from symdiff.lower.masks import kept

            return kept(self, mask)[0].dims[0]
        count = self.counts.get(name)
        if count is not None and not name.startswith("count("):
            return self.rounds(self.early(count[0]), self.early(count[1]), count[2])
        raise refused(f"an array whose size is {name}", self.line)

    def rounds(self, start: Term, stop: Term, step: int) -> Term:
        """How many rounds a loop has."""
        low, high = (start, stop) if step > 0 else (stop, start)
        span = self.op("{0} - {1}", high, low)
        if abs(step) > 1:
            more = self.at_least_zero(self.op("{0} + {1}", span, Num(abs(step) - 1, "int")), "span")
            span = self.bind(Op("{0} / {1}", (more, Num(abs(step), "int")), "int"), "rounds")
            if isinstance(span, Ref):
                self.known.sizes.setdefault(span.local, 0)
        return self.at_least_zero(span, "rounds")

    def is_ragged(self, type_: Type) -> bool:
        """Whether the items of a list are lists that may differ in length."""
        inner = type_.shape[1 : type_.listed]
        if any(s in self.uneven for d in inner if isinstance(d, SymDim) for s in dim_symbols(d)):
            return True
        try:
            self.dims(inner)
        except UnsupportedError:
            return True
        return False

    def measured_symbol(self, name: str) -> Term | None:
        """The value of a size that has a name here, or that an argument or array has."""
        found = self.symbols.get(name)
        if found is not None:
            return found
        measure = self.function.sizes.get(name)
        value = self.values.get(measure.of) if measure is not None else None
        if measure is None or value is None:
            return None
        if measure.axis is not None and isinstance(value, Array):
            return value.dims[measure.axis]
        if measure.axis is None and not isinstance(value, Array) and value.dtype == "int":
            return value
        return None

    def early(self, node: Expr) -> Term:
        """An integer that is wanted before its turn: from what is known already, or not at all."""
        found = self.values.get(node)
        if found is not None and not isinstance(found, Array):
            return found
        if isinstance(node, Const):
            return Num(int(node.value), "int")
        if isinstance(node, Apply) and not node.operands:
            return self.dim(node.attrs[0])
        code = node.op.c if isinstance(node, Apply) and node.type.dtype == "int" else None
        if isinstance(node, Apply) and isinstance(code, str) and code in _FOLDED:
            return self.op(code, *(self.early(x) for x in node.operands), dtype="int")
        raise refused("a loop in a loop, of as many rounds as that decides,", self.line)

    def dims(self, shape: Iterable[Dim]) -> tuple[Term, ...]:
        return tuple(self.dim(d) for d in shape)

    def count(self, dims: Sequence[Term]) -> Term:
        """How many elements there are."""
        total: Term = ONE
        for d in dims:
            total = self.op("{0} * {1}", total, d)
        return total

    def at_least_zero(self, term: Term, wish: str) -> Term:
        """How many there are: `term`, 0 where it is less."""
        if self.known.at_least(term, 0):
            return term
        return self.once(("count", term), lambda: self._count(term, wish))

    def _count(self, term: Term, wish: str) -> Term:
        wanted = self.bind(term, wish)
        count = self.bind(Op("{0} > 0 ? {0} : 0", (wanted,), "int"), wish)
        assert isinstance(count, Ref)
        self.known.sizes[count.local] = 0
        self.known.floors[count.local] = wanted
        return count

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for each key here and inside of here."""
        for made in reversed(self._once):
            if key in made:
                return made[key]
        made = self._once[-1][key] = compute()
        return made

    def require_equal(self, a: Term, b: Term, message: str, error: str = "ValueError") -> None:
        """Raise where two sizes differ."""
        if not self.known.equal(a, b):
            self.fail(Op("{0} != {1}", (a, b), "bool"), error, message, guard=True)
            unified = self.known.unify(a, b)  # from here on they are known to be equal
            if unified is not None and len(self._failed) > 1:
                self._unified[-1].append(unified)

    def common(
        self, dims: Sequence[Sequence[Term]], message: str = _UNLIKE, error: str = "ValueError"
    ) -> tuple[Term, ...]:
        """The sizes that arrays broadcast to, which are compared where they are not known."""
        rank = max(map(len, dims), default=0)
        result: list[Term] = []
        for axis in range(rank):
            best: Term = ONE
            for each in dims:
                at = axis - (rank - len(each))
                if at < 0 or each[at] == ONE:
                    continue
                if best == ONE:
                    best = each[at]
                else:
                    self.require_equal(best, each[at], message, error)
                    best = each[at] if isinstance(each[at], Num) else best
            result.append(best)
        return tuple(result)

    # Loops and elements.

    @contextlib.contextmanager
    def inside(self, body: list[Statement]) -> Generator[list[Statement]]:
        """Statements go to `body` meanwhile."""
        outer, self.out = self.out, body
        symbols = dict(self.symbols)  # what gets a name inside has none outside
        self._elements.append({})
        self._failed.append(set())
        self._once.append({})
        self._unified.append([])
        try:
            yield body
        finally:
            self.out, self.symbols = outer, symbols
            self._elements.pop()
            self._failed.pop()
            self._once.pop()
            self.known.forget(self._unified.pop())

    @contextlib.contextmanager
    def each(
        self, start: Term, stop: Term, step: int = 1, wish: str = "", free: bool = False
    ) -> Generator[Ref]:
        """Statements go into a loop meanwhile; the value is its index."""
        index = Local(wish or "ijklmnpq"[min(self._nested, 7)], "int")
        one = Num(1, "int")
        if step > 0:
            self.known.ranges[index] = start, self.op("{0} - {1}", stop, one)
        else:
            self.known.ranges[index] = self.op("{0} + {1}", stop, one), start
        line = self.line
        body: list[Statement] = []
        self._nested += 1
        with self.inside(body):
            yield Ref(index)
        self._nested -= 1
        if body:
            self.out.append(Each(index, start, stop, step, body, free, line))

    def over(self, dims: Sequence[Term], act: Callable[[Index], None], free: bool = True) -> None:
        """`act` at every index of an array."""
        with contextlib.ExitStack() as stack:
            index: list[Term] = []
            for dim in map(self.known.plain, dims):
                if dim == ONE:
                    index.append(ZERO)
                    continue
                index.append(stack.enter_context(self.each(ZERO, dim, free=free)))
            act(tuple(index))

    def element(self, array: Array, index: Index) -> Term:
        """An element, computed once for each index here."""
        key = (array, index)
        for known in reversed(self._elements):
            if key in known:
                return known[key]
        made = array.at(index)
        if not isinstance(made, (Num, Ref)):
            made = self.bind(made)
        self._elements[-1][key] = made
        return made

    # Values.

    def value(self, node: Expr) -> Value:
        """What a node is; a constant is made here."""
        found = self.values.get(node)
        if found is None and isinstance(node, Const):
            found = self.values[node] = constant(node, self.wish_for(node, "table"))
        if found is None and isinstance(node, Apply) and not node.operands:
            return self.dim(node.attrs[0])  # a size
        assert found is not None, f"{node!r} has no value here"
        return found

    def scalar(self, node: Expr) -> Term:
        found = self.value(node)
        assert not isinstance(found, Array)
        return found

    def array(self, node: Expr) -> Array:
        """A node as an array; a number is one without dimensions."""
        found = self.value(node)
        if isinstance(found, Array):
            return found
        return Array(found.dtype, (), lambda index: found)

    def read(self, node: Expr) -> None:
        """One reader of a node less is to come."""
        if node in self.uses_left:
            self.uses_left[node] -= 1
            if self.uses_left[node] <= 0:
                self.pending.pop(node, None)

    def wish_for(self, node: Expr, otherwise: str = "t") -> str:
        """What a value should be called."""
        return self.function.names.get(node) or otherwise

    # Memory.

    def work(self, wish: str, dtype: DType, dims: Sequence[Term]) -> Buffer:
        """New memory."""
        buffer = Buffer(wish, dtype, tuple(dims))
        self.out.append(Alloc(buffer))
        return buffer

    def copied_into(self, buffer: Buffer, array: Array, dims: Sequence[Term] | None = None) -> None:
        """Store the elements of an array, broadcast to a buffer's sizes."""
        dims = buffer.dims if dims is None else dims
        if array.origin is not None and len(dims) == array.rank and array.dims != (ONE,):
            source, goes = array.origin

            def put(index: Index) -> None:
                value = self.converted(self.element(source, index), buffer.dtype)
                self.out.append(Store(buffer, goes(index), value, line=self.line))

            self.over(source.dims, put)
            return
        place = broadcast_index(array, len(dims))

        def store(index: Index) -> None:
            value = self.converted(self.element(array, place(index)), buffer.dtype)
            self.out.append(Store(buffer, index, value, line=self.line))

        self.over(dims, store)

    def realized(self, array: Array, wish: str = "t") -> Array:
        """`array` in memory of its own, unless it is in some already."""
        if array.buffer is not None:
            return array
        buffer = self.work(wish, array.dtype, array.dims)
        self.copied_into(buffer, array)
        return stored(buffer)

    def before_write(self, buffer: Buffer, keep: Sequence[Expr] = ()) -> None:
        """What is still to be read of a buffer's content gets memory of its own."""
        for node, array in list(self.pending.items()):
            if buffer in array.reads and node not in keep:
                with self._home(node):
                    self.values[node] = self.realized(array, self.wish_for(node))
                self.pending.pop(node, None)

    @contextlib.contextmanager
    def _home(self, node: Expr) -> Generator[None]:
        """Statements go where a node has been met."""
        home = self.homes[node]
        if home is self.out:
            yield
            return
        outer = self.out, self._elements, self._failed, self._once
        self.out = home  # what has been computed since is not there
        self._elements, self._failed, self._once = [{}], [set(), set()], [{}]
        self._unified.append([])
        try:
            yield
        finally:
            self.out, self._elements, self._failed, self._once = outer
            self.known.forget(self._unified.pop())

    def keep(self, node: Expr, array: Array, realize: bool) -> None:
        """Note what an array node is; realize: it gets memory at once."""
        if realize or array.depth > _DEEP:
            array = self.realized(array, self.wish_for(node))
        self.values[node] = array
        if array.reads:
            self.pending[node] = array
            self.homes[node] = self.out


_FOLDED: dict[str, Callable[..., Any]] = {
    "{0} + {1}": lambda a, b: a + b, "{0} - {1}": lambda a, b: a - b,
    "{0} * {1}": lambda a, b: a * b, "-{0}": lambda a: -a,
}  # fmt: skip


def symbols_of(dim: Dim) -> bool:
    return isinstance(dim, SymDim)
