"""Statements for the values of a function: which get a name, which are written where they are used.

A value used once is written inside the formula that uses it, as long as the line and the nesting
stay within limits; others are assigned, in the order that `schedule` found.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.codegen.arrays import Spelling, spell_apply, spelt
from symdiff.codegen.checks import support_names
from symdiff.codegen.definitions import emit_call
from symdiff.codegen.flavour import is_needless
from symdiff.codegen.loops import Looping
from symdiff.codegen.names import Names, telling_name
from symdiff.codegen.spell import Sizes, call, literal, name, number
from symdiff.codegen.statements import Statement, assign, branch, choice, negated, updated
from symdiff.codegen.writes import Writes
from symdiff.ir.expr import Apply, Call, Const, Expr, For, If, Loop, Map, Var
from symdiff.ir.function import Function, line_of
from symdiff.ir.tree import expressions, paths
from symdiff.ir.types import INT, Dim, SymDim, symbols_in
from symdiff.ir.walk import depends_on, topological, users
from symdiff.options import Options
from symdiff.plan.demands import early, looks_at_sizes, pending
from symdiff.plan.memory import is_flavour_change
from symdiff.plan.order import emission_order
from symdiff.plan.schedule import (
    Block,
    Group,
    crossing,
    is_free,
    schedule,
)
from symdiff.plan.storage import Storage, is_write
from symdiff.primitives.arithmetic import (
    add,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    multiply,
    negative,
    not_equal,
    subtract,
)
from symdiff.primitives.conditions import NEGATIONS
from symdiff.primitives.elementary import sized
from symdiff.primitives.lists import new_list
from symdiff.primitives.row import Elementwise
from symdiff.primitives.shape import shape_size

INLINE_ARRAY = 16  # constant arrays of at most this many elements are written in place


@dataclass(slots=True)
class Text:
    """An expression not yet in a statement: its syntax, about how wide and deep it is."""

    node: ast.expr
    width: int
    depth: int


class Emitter:
    """What is known while the statements of one function are made.

    label: the names of values. text: values that are written where they are used.
    """

    def __init__(self, function: Function, options: Options):
        self.function = function
        self.options = options
        params = [p.name for p in function.params]
        self.names = Names([*params, *support_names(function), *function.definitions])
        self.label: dict[Expr, str] = {}
        self.text: dict[Expr, Text] = {}
        self.forced: dict[Expr, str] = {}
        self.spent: set[Expr] = set()  # values whose formula is part of a statement already
        self.bindings: dict[str, Any] = {}
        self.mixed = any(v.type.dtype == "float32" for v in function.variables)
        self.depth = 0  # how far statements are indented
        returned = expressions(function.result)
        self._ends = set(returned) if len(returned) == 1 else set[Expr]()
        self._read: dict[str, Text] = {}
        self.requires = pending(function)
        self.still = {r.fails for r in self.requires if looks_at_sizes(r.fails)}
        self.roots = [*function.results, *(r.fails for r in self.requires)]
        live = topological(self.roots) if self.requires else function.nodes()
        self.masks = self._counted_masks(live)
        user = [n for n in function.names if not is_free(n)]
        first = [*self.masks, *early(function)]
        self._named = frozenset(first)  # these are assigned, however often they are used
        if self.masks:
            live = topological([*self.roots, *self.masks])
        certain = [r.by for r in function.requires if r.always]
        self.plan = schedule(
            [*self.roots, *self.masks],
            [*first, *user],
            live,
            certain,
            function.ahead,
            function.paths,
        )
        self.storage = Storage(self.plan, [*self.roots, *self.masks], function.effects)
        self.apart: set[Expr] = set()  # results that have been copied already
        self.blank = self.storage.blank
        self._named = (self._named | crossing(self.plan)) - self.blank - _bounds(live)
        self.plan.after = self.storage.after
        self.done: set[tuple[Expr, Block]] = set()  # what has been computed, and where
        self.at = self.plan.root  # where statements are being made
        self.outs: dict[Block, list[Statement]] = {}  # what has been made of each block
        self.writes = Writes(self)
        self.looping = Looping(self)
        self._ends |= self.looping.ends
        mine = {*function.names.values(), *self.looping.names}
        self.plain = next((x for x in "tuwq" if x not in mine), "t")  # for what has no better name
        self.opening = self._name_variables()
        self.spelling = self._spelling()
        self.opening += self._name_constants(live)

    # Variables and sizes.

    def _counted_masks(self, live: list[Expr]) -> list[Expr]:
        """Boolean masks whose count is the size of something: they need a name."""
        if not self.function.sizes:
            return []
        used = _sizes_used(live)
        counted = [m.of for s, m in self.function.sizes.items() if s in used and m.axis is None]
        masks = [m for m in dict.fromkeys(counted) if m.type.dtype == "bool" and not is_free(m)]
        given = set(self.function.variables)
        bound = {x for x in topological(masks) if isinstance(x, Var) and x not in given}
        in_loops = depends_on(masks, bound) if bound else set[Expr]()
        return [m for m in masks if m not in in_loops]

    def _name_variables(self) -> list[Statement]:
        """Names of the parameters' variables; those inside containers are read first."""
        opening: list[Statement] = []
        live: set[Expr] = {*self.plan.sites, *self.storage.given}
        used = _sizes_used(live) if self.function.sizes else frozenset[str]()
        for measure_name, measure in self.function.sizes.items():
            if measure_name in used:
                live.add(measure.of)
        for param in self.function.params:
            if isinstance(param.tree, Expr):
                self.label[param.tree] = param.name
                continue
            for path, leaf in paths(param.tree):
                if isinstance(leaf, Expr) and leaf in live:
                    wish = self.function.names.get(leaf) or leaf.name  # type: ignore[attr-defined]
                    label = self.names.fresh(wish)
                    self.label[leaf] = label
                    source = ast.parse(param.name + path, mode="eval").body
                    opening.append(Statement(assign(label, source)))
        return opening

    def _name_constants(self, live: list[Expr]) -> list[Statement]:
        """Small arrays that stand in several places, made once."""
        shared: list[Statement] = []
        count = users(live) if any(type(n) is Const and n.type.rank for n in live) else {}
        for node, uses in count.items():
            if uses > 1 and type(node) is Const and 1 < np.size(node.value) <= INLINE_ARRAY:
                made = self._constant(node)
                self.label[node] = self.names.fresh(self.function.names.get(node, "constant"))
                shared.append(Statement(assign(self.label[node], made)))
        return shared

    def _spelling(self) -> Spelling:
        variables = [(v, self.label[v]) for v in self.function.variables if v in self.label]
        measures: dict[str, ast.expr] = {}
        for symbol, measure in self.function.sizes.items():
            if measure.of in self.masks:
                measures[symbol] = call("np.count_nonzero", name(self.name_of(measure.of)))
                continue
            label = self.label.get(measure.of)
            if label is None:
                continue
            if measure.axis is None:
                measures[symbol] = name(label)
            elif measure.axis == 0:
                measures[symbol] = call("len", name(label))
            else:
                shape = ast.Attribute(name(label), "shape", ast.Load())
                measures[symbol] = ast.Subscript(shape, number(measure.axis), ast.Load())
        totals: list[tuple[Dim, str]] = []
        for v, label in variables:
            total = shape_size(v.type.shape)
            if v.type.rank > 1 and isinstance(total, SymDim):
                totals.append((total, label))
        return Spelling(Sizes(measures, totals), variables)

    def memory(self, node: Expr) -> set[Expr]:
        """Where the memory of a value was made; a loop may have gone on in that of an argument."""
        found: set[Expr] = set()
        stack = [node]
        while stack:
            for root in self.storage.roots(stack.pop()):
                start = self.looping.onward.get(root)
                if start is None:
                    found.add(root)
                else:
                    stack.append(start)
        return found

    # Blocks.

    def block(self, block: Block) -> list[Statement]:
        """The statements of a block."""
        out: list[Statement] = []
        self.depth += 1
        self.emit_items(emission_order(self.plan, block), block, out)
        self.depth -= 1
        return out

    def emit_items(self, items: Iterable[Expr | Group], block: Block, out: list[Statement]) -> None:
        """The statements of some items of a block."""
        around, self.at = self.at, block
        self.outs[block] = out
        for item in items:
            if isinstance(item, Group):
                self._group(item, out)
            elif isinstance(item, Loop):
                self.looping.emit(item, block, out)
            elif isinstance(item, If):  # a branch around it has decided it
                self.place(item, self.operand(self.plan.decided[item, block]), out)
            elif isinstance(item, Map):
                self._map(item, block, out)
            elif isinstance(item, Call):
                emit_call(self, item, out)
            elif isinstance(item, Apply) and not is_free(item):
                self._node(item, out)
            made = item.members if isinstance(item, Group) else (item,)
            self.done.update((node, block) for node in made)
        self.at = around

    def _node(self, node: Apply, out: list[Statement]) -> None:
        if is_write(node):
            self.writes.emit(node, out)
            return
        if node.op is sized:  # another type for the same value
            (operand,) = node.operands
            read = self.operand(operand) if operand in self.label else self.named(operand, out)
            assert isinstance(read.node, ast.Name)
            self.label[node] = read.node.id
            return
        text = self._apply(node, out)
        self.place(node, text, out)

    def place(self, node: Expr, text: Text, out: list[Statement]) -> None:
        """Keep `text` for the one expression that uses it, or give the value a name."""
        if self._inlined(node):
            self.text[node] = text
            return
        self.assign(node, text.node, out)

    def _inlined(self, node: Expr) -> bool:
        if node in self.forced or node in self._named:
            return False
        if node in self.blank:
            return True
        if _is_trivial(node):
            return True
        if len(self.plan.sites[node]) > 1:
            return False
        if is_flavour_change(node):  # the cast is written at each use, a formula only once
            return self.plan.uses.get(node, 0) <= 1 or node.operands[0] not in self.text
        # `return expression` reads better than a name for a single result.
        return self.plan.uses.get(node, 0) <= 1 and (
            node not in self.function.names or node in self._ends
        )

    def assign(
        self, node: Expr, value: ast.expr, out: list[Statement], force: str | None = None
    ) -> None:
        """Give a value its name."""
        label = force or self.name_of(node)
        if label in self.looping.written:
            self.looping.before_write(label, out)
        self.label[node] = label
        if isinstance(value, ast.Name) and value.id == label:
            return
        made = updated if label in self.looping.written and not node.type.rank else assign
        out.append(Statement(made(label, value), self.comment(node)))

    def name_of(self, node: Expr) -> str:
        """The name of a value; a new one where it has none."""
        if node in self.label:
            return self.label[node]
        if node in self.forced:
            return self.forced[node]
        self.label[node] = self.looping.fresh(self.wish_for(node), node)
        return self.label[node]

    def wish_for(self, node: Expr) -> str:
        """What a value should be called."""
        wish = self.function.names.get(node) or self.looping.wish.get(node)
        if wish is None:
            wish = telling_name(node, self.label)
        return self.plain if wish == "t" else wish

    def comment(self, node: Expr) -> str:
        """The line of the user's source that computes a value."""
        line = line_of(node, self.function.lines)
        return f"line {line}" if line else ""

    # Expressions.

    def operand(self, node: Expr, parent: Apply | None = None) -> Text:
        """A value as an operand: its name, or its formula."""
        if parent is not None and type(node) is Apply and is_flavour_change(node):
            library = spelt(parent).library if isinstance(parent.op, Elementwise) else ""
            # The formula of what a named cast casts may read what has been written over since.
            current = node not in self.label or node.operands[0] in self.label
            told = library == ("math." if node.type.weak else "np.")
            if current and (told or is_needless(node, parent)):
                return self.operand(node.operands[0], parent)
        label = self.label.get(node)
        if label is not None:
            read = self._read.get(label)
            if read is None:  # names are shared: how one prints does not depend on its place
                read = self._read[label] = Text(name(label), len(label), 0)
            return read
        text = self.text.get(node)
        if text is not None:
            return text
        if isinstance(node, Const):
            made = self._constant(node)
            return Text(made, _constant_width(node, made), 0)
        if isinstance(node, Apply) and not node.operands:  # a size
            made = spell_apply(self.spelling, [], node)
            return Text(made, len(ast.unparse(made)), 1)
        raise AssertionError(f"{node!r} has no value here")

    def _constant(self, node: Const) -> ast.expr:
        value = node.value
        if isinstance(value, np.ndarray):
            if value.size > INLINE_ARRAY:
                label = self.names.fresh("constant")
                self.bindings[label] = value
                self.label[node] = label
                return name(label)
            made = call("np.array", literal(value.tolist()))
            if value.dtype not in (np.float64, np.int64, np.bool_):
                made.keywords.append(ast.keyword("dtype", self.spelling.dtype(node.type.dtype)))
            return made
        if not node.type.weak and isinstance(value, np.generic):
            return call(f"np.{value.dtype.name}", number(value.item()))
        if self.mixed and node.type.dtype == "float64" and not node.type.weak:
            return call("np.float64", number(value))  # a bare one would adopt float32
        return number(value)

    def _apply(self, node: Apply, out: list[Statement]) -> Text:
        # `label = `, with room for a number behind a name that is taken.
        label = len(self.forced.get(node) or self.function.names.get(node, "")) + 7
        limit = self.options.line_width - 4 * self.depth - max(10, label)
        operands = [self.operand(x, node) for x in node.operands]
        extra = spelt(node).width
        repeats = getattr(node.op, "repeats", False)
        while True:
            width = depth = 0
            for text in operands:
                width += text.width
                if text.depth > depth:
                    depth = text.depth
            depth += 1
            if extra is None:  # a printer of its own decides how wide it is
                made = spell_apply(self.spelling, [t.node for t in operands], node)
                width = len(ast.unparse(made))
            else:
                width += extra + 8 * len(node.attrs)
            if len(operands) == 2 and _continues(node, operands[0].node):
                depth = max(operands[0].depth, 1 + operands[1].depth)  # a + b + c is flat
                width -= 2
            if not (repeats or width > limit or depth > self.options.nesting):
                break
            at = [i for i, x in enumerate(node.operands)
                  if x in self.text and not isinstance(operands[i].node, ast.Name)]  # fmt: skip
            if not at:
                break
            # Name the part that is widest, so that what stays reads as one formula.
            key = (lambda i: operands[i].depth) if width <= limit else (lambda i: operands[i].width)
            worst = max(at, key=key)
            operands[worst] = self.named(node.operands[worst], out, node)
        for x in node.operands:
            self.consumed(x)
        made = spell_apply(self.spelling, [t.node for t in operands], node)
        if node.op in NEGATIONS and not node.type.rank:
            made = negated(operands[0].node)
        return Text(made, width, depth)

    def named(self, node: Expr, out: list[Statement], parent: Apply | None = None) -> Text:
        """The name of a value that has been a formula so far.

        What is of a block around this one may be read by other branches: the name is not for them.
        """
        if self.plan.uses.get(node, 0) <= 1 or self.at in self.plan.sites.get(node, (self.at,)):
            self.assign(node, self.text.pop(node).node, out)
            return self.operand(node, parent)
        label = self.names.fresh(self.wish_for(node))
        out.append(Statement(assign(label, self.text[node].node)))
        return Text(name(label), len(label), 0)

    def consumed(self, node: Expr) -> None:
        """The formula of `node` is part of another now, or of a statement."""
        if self.plan.uses.get(node, 0) <= 1:
            self.spent.add(node)

    # Branches.

    def _group(self, group: Group, out: list[Statement]) -> None:
        written = {self.forced.get(m) for m in group.members} & self.looping.written.keys()
        for label in written:
            assert label is not None
            self.looping.before_write(label, out)
        for member in group.members:
            for side in (member.then, member.orelse):
                if self.plan.uses.get(side) == 1 and not is_free(side):
                    self._force(side, member)
        if written:
            self.looping.plan_branch(group, group.then)
            self.looping.plan_branch(group, group.orelse)
        then, orelse = self.block(group.then), self.block(group.orelse)
        test = self.operand(group.pred)
        if not then and not orelse and len(group.members) == 1:
            (member,) = group.members
            a, b = self.operand(member.then), self.operand(member.orelse)
            made = choice(member, test.node, a.node, b.node)
            width = test.width + a.width + b.width + 16  # counted as more than it is: it is dense
            room = self.options.line_width - 4 * self.depth - len(self.wish_for(member)) - 6
            if len(ast.unparse(made)) <= room and member not in self.forced:
                for x in member.operands:
                    self.consumed(x)
                self.place(member, Text(made, width, 2 + max(a.depth, b.depth)), out)
                return
        self._stay(group)
        labels = [self.name_of(member) for member in group.members]
        for side, statements in ((0, then), (1, orelse)):
            pairs = [
                (label, member.operands[1 + side], self._comment_in(group, side, member))
                for label, member in zip(labels, group.members, strict=True)
            ]
            self.looping.assign_all(pairs, statements)
        for label, member in zip(labels, group.members, strict=True):
            self.label[member] = label
        self.consumed(group.pred)
        if then or orelse:
            comment = self.comment(group.members[0]) if group.members else ""
            out.append(branch(test.node, then, orelse, comment))

    def _comment_in(self, group: Group, side: int, member: If) -> str:
        """The line of what one side computes for a choice."""
        block = group.orelse if side else group.then
        value = member.operands[1 + side]
        return self.comment(value) if block in self.plan.sites.get(value, ()) else ""

    def _stay(self, group: Group) -> None:
        """An array that a branch may write into goes by its name afterwards, too."""
        for member in group.members:
            there = self.label.get(member.then)
            if there is None or there != self.label.get(member.orelse) or not member.type.rank:
                continue
            if member not in self.forced:
                self.label[member] = there

    def _force(self, node: Expr, like: If) -> None:
        """A value that is only one side of a choice gets the name of the choice at once."""
        if self.forced.get(like) in self.looping.written:
            return  # it is written last, when nothing reads the old value any more
        if node in self.label or node in self.text:
            return  # it has been computed before the branch
        named = node in self.function.names and len(self.plan.sites[node]) == 1
        if named or (isinstance(node, If) and not self._short(node)):
            self.forced[node] = self.name_of(like)

    def _short(self, node: Expr) -> bool:
        return isinstance(node, If) and all(is_free(x) for x in node.operands[1:])

    # Loops over rows.

    def _map(self, node: Map, block: Block, out: list[Statement]) -> None:
        for v in node.indices:
            self.label[v] = self.names.fresh(self.function.names.get(v) or v.name)
        inner = self.block(self.plan.loops[node, block])
        over = [self.operand(x).node for x in node.over]
        labels: list[ast.expr] = [name(self.label[v]) for v in node.indices]
        target = labels[0] if len(labels) == 1 else ast.Tuple(labels, ast.Store())
        iterable = over[0] if len(over) == 1 else call("zip", *over)
        body = self.operand(node.body)
        if not inner and body.width < 40:
            generator = ast.comprehension(target, iterable, [], 0)
            made = self._stacked(node, ast.ListComp(body.node, [generator]))
            width = len(ast.unparse(made))
            if width <= self.options.line_width - 4 * self.depth - 12:
                self.place(node, Text(made, width, body.depth + 3), out)
                return
        rows = self.names.fresh("rows")
        out.append(Statement(assign(rows, ast.List([], ast.Load()))))
        room = self.options.line_width - 4 * (self.depth + 1) - len(f"{rows}.append()")
        if node.body in self.text and body.width > room:
            self.assign(node.body, self.text.pop(node.body).node, inner)
            body = self.operand(node.body)
        append = ast.Call(ast.Attribute(name(rows), "append", ast.Load()), [body.node], [])
        inner.append(Statement(ast.Expr(append)))
        out.append(Statement(ast.For(target, iterable, [], []), body=inner))
        made = self._stacked(node, name(rows))
        self.place(node, Text(made, len(ast.unparse(made)), 2), out)

    def _stacked(self, node: Map, rows: ast.expr) -> ast.expr:
        """Rows as one array; where there may be none, the array still has their shape."""
        if node.body.type.rank and not all(isinstance(d, int) for d in node.type.shape):
            return call("np.reshape", rows, self.spelling.shape(node.type.shape))
        return call("np.array", rows)


def _bounds(live: Iterable[Expr]) -> set[Expr]:
    """Sums such as `len(x) - 1` that only say how far loops go, or how long lists are."""
    found: set[Expr] = set()
    others: set[Expr] = set()
    for node in live:
        plain = isinstance(node, For) or (isinstance(node, Apply) and node.op is new_list)
        (found if plain else others).update(node.bounds if isinstance(node, For) else node.operands)
        if isinstance(node, For):
            others.update(node.operands[node.head :])
    return {x for x in found - others if _is_trivial(x)}


def _sizes_used(nodes: Iterable[Expr]) -> set[str]:
    """The names of the sizes in the attributes of `nodes`."""
    return {s for n in nodes if type(n) is Apply and n.attrs for s in symbols_in(n.attrs)}


def _constant_width(node: Const, made: ast.expr) -> int:
    value = node.value
    if type(value) in (float, int) and node.type.weak and math.isfinite(value):
        return len(repr(value))
    return len(ast.unparse(made))


def _continues(node: Apply, left: ast.expr) -> bool:
    """Whether `left` is a sum or product that `node` only makes longer."""
    if type(left) is not ast.BinOp:
        return False
    if node.op in (add, subtract):
        return isinstance(left.op, (ast.Add, ast.Sub))
    return node.op is multiply and isinstance(left.op, ast.Mult)


_TRIVIAL = frozenset((negative, less, less_equal, greater, greater_equal, equal, not_equal))


def _is_trivial(node: Expr) -> bool:
    """-x, n - 1, [], or a comparison of plain scalars: written again at each use, not named."""
    if isinstance(node, Apply) and node.op in (add, subtract) and node.type is INT:
        size, step = node.operands
        return is_free(size) and isinstance(size, Apply) and isinstance(step, Const)
    if isinstance(node, Apply) and node.op is new_list:
        return isinstance(node.operands[0], Const) and node.operands[0].value == 0
    return (
        isinstance(node, Apply) and node.op in _TRIVIAL and not node.type.rank
        and all(isinstance(x, Const) or (isinstance(x, Var) and not x.tag) for x in node.operands)
    )  # fmt: skip
