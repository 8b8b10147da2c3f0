"""Arrays as objects: names share them, views look into them, writes change them.

    b = a            b is a: one object
    row = a[i]       a view: what is written into row is in a, and the other way round
    c = a.copy()     another object

While a function is evaluated that writes into arrays, every array that it makes is marked, so that
its node is its identity; the current node of each object is kept here. A write makes a new node and
puts it wherever the old one is: in names, in containers, below views. The marks go when all is
evaluated. A function without such writes has no marks (see `frame.NeedsMemoryError`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symdiff.errors import IllTypedError, UnsupportedError
from symdiff.ir.expr import Apply, Expr, If, Var, with_operands
from symdiff.ir.tree import Nullable, Record
from symdiff.ir.walk import transform
from symdiff.primitives.arrays import broadcast_to, expand_dims, reshape, squeeze, transpose
from symdiff.primitives.elementary import cast, sized
from symdiff.primitives.indexing import RUN, accumulate, index, object_, update
from symdiff.primitives.shaping import diagonal
from symdiff.primitives.spell import subscript, template_of, to_expr

if TYPE_CHECKING:
    from symdiff.parse.frame import Context

_VIEWS = frozenset((reshape, expand_dims, squeeze, transpose, broadcast_to, sized, diagonal))
_WHOLE = ("slice", None, None, None)
ELSEWHERE = -1  # the object of what is held where objects are not kept apart


def looks_into(node: Expr) -> tuple[Expr, ...]:
    """The arrays whose memory the value of a node is."""
    if type(node) is If:
        return (node.then, node.orelse) if node.type.rank else ()
    if type(node) is not Apply:
        return ()
    if node.op is index:
        copies = any(e[0] in ("array", "mask") for e in node.attrs[0])
        return () if copies or not node.type.rank else node.operands[:1]
    return node.operands[:1] if node.op in _VIEWS else ()


class Memory:
    """The array objects of one evaluation.

    nodes: the current node of each object. shares: objects that one may be the same as, when that
    is not known. arguments: the variables of those that are the caller's. foreign: the names of
    those that are given to a function that calls itself at run time, which may not write.
    """

    def __init__(self, context: Context):
        self.context = context
        self.nodes: dict[int, Expr] = {}
        self.objects: dict[Expr, int] = {}
        self.shares: dict[int, frozenset[int]] = {}
        self.arguments: dict[int, Var] = {}
        self.foreign: dict[int, str] = {}
        self.written: set[int] = set()
        self.level: dict[int, int] = {}
        self._newer: dict[Expr, Expr] = {}
        self.line = 0  # of the statement that writes
        self.titles: dict[int, str] = {}  # what objects were called when they were made

    # Objects.

    def register(self, node: Expr, shares: frozenset[int] = frozenset()) -> int:
        """A new object whose node this is."""
        number = self.context.fresh()
        self.nodes[number] = node
        self.objects[node] = number
        self.level[number] = self.context.lazy
        if shares:
            self.shares[number] = shares
        return number

    def made(self, value: Any) -> Any:
        """A value that has just been computed: an array is an object of its own, unless a view."""
        if isinstance(value, Expr) and value.type.rank and not self.roots(value):
            return self.copy_of(value)
        return value

    def titled(self, number: int, node: Expr) -> str:
        """What the user calls an object: writes and loops make nodes that have no name yet."""
        plain = node.name if isinstance(node, Var) and node.name.isidentifier() else "a"
        return self.titles.setdefault(number, self.context.names.get(node, plain))

    def copy_of(self, value: Expr) -> Expr:
        """A new object that holds `value`."""
        node = object_.build(value, attrs=(self.context.fresh(),))
        self.register(node)
        names, lines = self.context.names, self.context.lines
        if value in names:
            names.setdefault(node, names[value])
            lines.setdefault(node, lines.get(value, 0))
        return node

    def fresh(self, value: Any) -> Any:
        """The result of a function that never returns a view: a copy, if it looks like one."""
        if isinstance(value, Expr) and value.type.rank:
            return self.copy_of(value)
        return value

    def now(self, value: Any) -> Any:
        """An operand as it is by now: evaluating another may have written into it."""
        if isinstance(value, Expr) and value.type.rank and self._newer:
            while (new := self.moved(value, self._newer)) is not value:
                value = new
        return value

    def roots(self, node: Expr) -> set[int]:
        """The objects that a value looks into."""
        return self._below([node], looks_into)

    def sources(self, nodes: Iterable[Expr]) -> set[int]:
        """The objects that values are computed from."""
        return self._below(nodes, lambda x: x.operands)

    def _below(self, nodes: Iterable[Expr], below: Callable[[Expr], Sequence[Expr]]) -> set[int]:
        found: set[int] = set()
        stack = list(nodes)
        seen = set(stack)
        while stack:
            top = stack.pop()
            number = self.objects.get(top)
            if number is not None:
                found.add(number)
                continue
            for x in below(top):
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return found

    def moved(self, node: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
        """`node`, when the objects of `mapping` have new nodes: views look into the new ones."""
        new = mapping.get(node)
        if new is not None:
            return new
        if node in self.objects:
            return node
        below = looks_into(node)
        if not below:
            return node
        changed = {x: self.moved(x, mapping) for x in below}
        if all(a is b for a, b in changed.items()):
            return node
        new = with_operands(node, tuple(changed.get(x, x) for x in node.operands))
        names = self.context.names
        if node in names:
            names.setdefault(new, names[node])
            self.context.lines.setdefault(new, self.context.lines.get(node, 0))
        return new

    def moved_tree(self, tree: Any, mapping: Mapping[Expr, Expr]) -> Any:
        """The same for the arrays in a tuple; lists and dicts are places of their own."""
        if isinstance(tree, Expr):
            return self.moved(tree, mapping) if tree.type.rank else tree
        if isinstance(tree, tuple) and not hasattr(tree, "_fields"):
            items = [self.moved_tree(x, mapping) for x in tree]
            return tree if all(a is b for a, b in zip(items, tree, strict=True)) else tuple(items)
        if isinstance(tree, Nullable):
            value = self.moved_tree(tree.value, mapping)
            return tree if value is tree.value else type(tree)(value, tree.there)
        if isinstance(tree, Record) and id(tree.fields) not in self.context.births:
            fields = {k: self.moved_tree(v, mapping) for k, v in tree.fields.items()}
            same = all(fields[k] is v for k, v in tree.fields.items())
            return tree if same else Record(tree.cls, fields)
        return tree

    def holders(self) -> Iterator[tuple[Any, Any, Any]]:
        """(a mapping or list, key, value) of everything that holds a value."""
        for frame in self.context.frames:
            for name, value in list(frame.env.items()):
                yield frame.env, name, value
        for owner, _ in list(self.context.births.values()):
            if isinstance(owner, set):
                continue
            for key in list(owner) if isinstance(owner, dict) else range(len(owner)):
                yield owner, key, owner[key]

    def replace(self, mapping: Mapping[Expr, Expr]) -> None:
        """Give objects new nodes, everywhere: {old node: new node}."""
        if not mapping:
            return
        for owner, key, value in self.holders():
            new = self.moved_tree(value, mapping)
            if new is not value:
                owner[key] = new
        for old, new in mapping.items():
            number = self.objects.pop(old)
            self.nodes[number] = new
            self.objects[new] = number

    def held(self, number: int) -> list[str]:
        """The names of what looks into an object."""
        found: list[str] = []
        for _, key, value in self.holders():
            stack = [value]
            while stack:
                top = stack.pop()
                if isinstance(top, Nullable):
                    stack.append(top.value)
                elif isinstance(top, (tuple, Record)):
                    stack.extend(top.fields.values() if isinstance(top, Record) else top)
                elif isinstance(top, Expr) and top.type.rank and number in self.roots(top):
                    found.append(str(key))
        return found

    def lend(self, node: Expr) -> None:
        """Something else may hold the array from now on: it cannot be written any more."""
        for number in self.roots(node):
            self.shares[number] = self.shares.get(number, frozenset()) | {ELSEWHERE}

    # Writes.

    def store(self, target: Expr, key: Any, value: Any) -> None:
        """`target[key] = value`."""
        template, operands = template_of(target, key)
        place = subscript(target, key)
        new = _fitted(to_expr(value), place, target)
        self._put(target, update.build(target, new, *operands, attrs=(template,)))

    def add(self, target: Expr, key: Any, value: Any, current: Expr) -> None:
        """`target[key] += value`, where `current` is `target[key]`."""
        template, operands = template_of(target, key)
        new = _fitted(to_expr(value), current, target)
        self._put(target, accumulate.build(target, new, *operands, attrs=(template,)))

    def fill(self, target: Expr, value: Any) -> None:
        """Replace the whole content of an array: `target[...] = value`, `target *= 2`."""
        new = _fitted(to_expr(value), target, target)
        if new.type.shape != target.type.shape:
            new = broadcast_to.build(new, attrs=(target.type.shape,))
        self._put(target, new)

    def _put(self, node: Expr, new: Expr) -> None:
        """Make `new` the content of `node`: an object, or what a view looks into."""
        while True:
            number = self.objects.get(node)
            if number is not None:
                self._write(number, node, new)
                return
            below = looks_into(node)
            if not below:
                raise UnsupportedError(
                    "this writes into an array that the function has not made, or that nothing "
                    "refers to any more",
                    hint="give it a name first, or work on a copy: x = x.copy()",
                )
            if type(node) is If:
                raise UnsupportedError(
                    "this writes into an array that a run-time branch has chosen from several",
                    hint="write in the branches, or into a copy",
                )
            (base,) = below
            node, new = base, _through(node, base, new)

    def _write(self, number: int, node: Expr, new: Expr) -> None:
        context = self.context
        if node in context.names:
            self.titles.setdefault(number, context.names[node])
        if self.line:
            context.lines.setdefault(new, self.line)
        context.note(new)  # a place that does not exist raises
        if number in self.foreign:
            raise UnsupportedError(
                f"this writes into the argument {self.foreign[number]} of a function that calls "
                "itself at run time",
                hint="let it return the new value, or write in a loop",
            )
        if self.level[number] < context.lazy:
            raise UnsupportedError(
                "this writes into an array inside an expression that runs only under a condition",
                hint="write an if statement",
            )
        for other, shared in self.shares.items():
            if number == other or number in shared:
                others = sorted({n for o in (shared if number == other else (other,))
                                 for n in self.held(o)})  # fmt: skip
                if others or number == other:
                    mine = ", ".join(sorted(set(self.held(number)))) or "it"
                    found = (
                        ", ".join(others) or "one of an earlier round, or what the loop runs over"
                    )
                    raise UnsupportedError(
                        f"this writes into {mine}, which may be the same array as {found}",
                        hint="make a copy where one of them is assigned: x = y.copy()",
                    )
        marked = object_.build(new, attrs=(context.fresh(),))
        wish = context.names.get(node)
        if wish is not None:
            for x in (marked, new):
                context.names.setdefault(x, wish)
        self.written.add(number)
        self._newer[node] = marked
        self.replace({node: marked})

    def effects(self) -> tuple[tuple[Var, Expr], ...]:
        """What the function leaves in the arguments that it writes into."""
        return tuple(
            (v, self.nodes[n]) for n, v in self.arguments.items() if self.nodes[n] is not v
        )

    # Snapshots.

    def save(self) -> tuple[Any, ...]:
        return dict(self.nodes), dict(self.shares), dict(self._newer)

    def load(self, saved: tuple[Any, ...]) -> None:
        nodes, shares, newer = saved
        self.nodes = {**self.nodes, **nodes}
        self.objects = {node: number for number, node in self.nodes.items()}
        self.shares = {**self.shares, **shares}
        self._newer = dict(newer)


def _fitted(value: Expr, place: Expr, target: Expr) -> Expr:
    """`value` in the dtype of `target`; it must broadcast to the shape of `place`."""
    if value.type.rank > place.type.rank:
        raise IllTypedError(
            f"could not broadcast an array of {value.type.rank} dimensions into a place of "
            f"{place.type.rank}"
        )
    for a, b in zip(value.type.shape[::-1], place.type.shape[::-1], strict=False):
        if isinstance(a, int) and isinstance(b, int) and a not in (1, b):
            raise IllTypedError(f"could not broadcast {value.type} into a place of {place.type}")
    if value.type.dtype != target.type.dtype:
        if target.type.dtype in ("int", "bool") and value.type.differentiable:
            raise UnsupportedError(
                f"this writes a float into an array of {target.type.dtype}, which would cut it off",
                hint="make the array one of floats: np.zeros(n), np.array([1.0, 2.0])",
            )
        value = cast.build(value, attrs=(target.type.dtype, value.type.weak))
    return value


def _through(view: Expr, base: Expr, new: Expr) -> Expr:
    """The content of `base` when that of a view into it has become `new`."""
    assert type(view) is Apply
    if view.op is sized:
        return new
    if view.op is index:
        (template,) = view.attrs
        operands = view.operands[1:]
        merged = _merged(template, operands, new, view)
        if merged is not None:
            inner, parts, value = merged
            assert type(new) is Apply
            return new.op.build(base, value, *parts, attrs=(inner,))
        return update.build(base, new, *operands, attrs=(template,))
    if view.op is transpose:
        (order,) = view.attrs
        rank = len(order)
        places = [a % rank for a in order]
        back = tuple(places.index(i) - rank for i in range(rank))
        return transpose.build(new, attrs=(back,))
    if view.op in (reshape, expand_dims, squeeze):
        return reshape.build(new, attrs=(base.type.shape,))
    raise UnsupportedError(
        "this writes into a view that is to be read only",
        hint="write into the array itself",
    )


def _merged(
    template: Any, operands: tuple[Expr, ...], new: Expr, view: Expr
) -> tuple[Any, list[Expr], Expr] | None:
    """a[i][j] = v as a[i, j] = v, where the outer index is of integers and whole axes."""
    if type(new) is not Apply or new.op not in (update, accumulate) or new.operands[0] is not view:
        return None
    if any(e[0] != "int" and e != _WHOLE for e in template):
        return None
    (inner,) = new.attrs
    if any(e[0] not in ("int", "slice") for e in inner):
        return None
    outer = iter(operands)
    below = iter(new.operands[2:])
    rest = list(inner)
    made: list[Any] = []
    parts: list[Expr] = []
    for entry in template:
        source = outer
        if entry == _WHOLE and rest:
            entry, source = rest.pop(0), below
        made.append(entry)
        parts += [next(source) for p in entry[1:4] if p == RUN]
    for entry in rest:
        made.append(entry)
        parts += [next(below) for p in entry[1:4] if p == RUN]
    return tuple(made), parts, new.operands[1]


def without_marks(roots: list[Expr]) -> dict[Expr, Expr]:
    """The map from each node to the same without the marks of objects."""
    return transform(roots, lambda n: n.operands[0] if type(n) is Apply and n.op is object_ else n)


VIEWING = frozenset((
    "reshape", "ravel", "transpose", "swapaxes", "moveaxis", "squeeze", "expand_dims", "view",
    "diagonal", "diag", "atleast_1d", "atleast_2d", "atleast_3d", "asarray", "asanyarray",
    "ascontiguousarray", "broadcast_to", "broadcast_arrays", "split", "array_split", "hsplit",
    "vsplit", "dsplit", "flip", "fliplr", "flipud", "rot90", "real", "rollaxis", "matrix_transpose",
))  # fmt: skip


def returned(memory: Memory | None, name: str, result: Any) -> Any:
    """What a function or method of NumPy returns: a view, or an array of its own."""
    if memory is None or name in VIEWING:
        return result
    if isinstance(result, (list, tuple)) and not hasattr(result, "_fields"):
        return type(result)(memory.fresh(x) for x in result)
    return memory.fresh(result)
