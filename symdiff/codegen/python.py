"""The python target: plain `math` and NumPy, as a careful numerical programmer would write it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symdiff.codegen.arrays import (
    FILLS,
    PRINTERS,
    VIEWS,
    Spelling,
    index_key,
    is_flavour_change,
    is_repeatable,
    key_argument,
    row_template,
    spell_apply,
)
from symdiff.codegen.checks import early, pending, placed, support_names
from symdiff.codegen.names import MODULES, RESERVED, Names, telling_name
from symdiff.codegen.schedule import Block, Group, emission_order, is_free, schedule
from symdiff.codegen.spell import Sizes, call, literal, name, number
from symdiff.ir.expr import Apply, Const, Expr, If, Map, Var
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Record, Tree, children, expressions, is_container, paths
from symdiff.ir.types import Dim, SymDim, Type, dim_symbols
from symdiff.ir.walk import topological
from symdiff.options import Options
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
from symdiff.primitives.elementary import sized
from symdiff.primitives.indexing import accumulate
from symdiff.primitives.row import Elementwise, is_zero
from symdiff.primitives.shape import shape_size

INLINE_ARRAY = 16  # constant arrays of at most this many elements are written in place


@dataclass(slots=True)
class Statement:
    """A statement with its comment; `body` and `orelse` hold those of an `if` or `for`."""

    node: ast.stmt
    comment: str = ""
    body: list[Statement] = field(default_factory=list)
    orelse: list[Statement] = field(default_factory=list)


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


def generate(function: Function, options: Options) -> Definition:
    """The statements of `function`."""
    inner = {p.name: f"{p.name}_parameter" for p in function.params if p.name in RESERVED}
    if not inner:
        return _Emitter(function, options).run()
    params = tuple(replace(p, name=inner.get(p.name, p.name)) for p in function.params)
    made = _Emitter(function.replace(params=params), options).run()
    made.renames = {new: old for old, new in inner.items()} | {
        old: f"_{old}" if old in MODULES else f"builtins.{old}" for old in inner
    }
    return made


@dataclass(slots=True)
class _Text:
    """An expression not yet in a statement: its syntax, about how wide and deep it is."""

    node: ast.expr
    width: int
    depth: int


class _Emitter:
    def __init__(self, function: Function, options: Options):
        self.function = function
        self.options = options
        params = [p.name for p in function.params]
        self.names = Names([*params, *support_names(function)])
        self.label: dict[Expr, str] = {}
        self.text: dict[Expr, _Text] = {}
        self.forced: dict[Expr, str] = {}
        self.bindings: dict[str, Any] = {}
        self.returned: set[Expr] = set()
        self.mixed = any(v.type.dtype == "float32" for v in function.variables)
        self.depth = 0  # how far statements are indented
        self._ends = set(function.results) if len(function.results) == 1 else set[Expr]()
        self.requires = pending(function)
        self.roots = [*function.results, *(r.fails for r in self.requires)]
        self.masks = self._counted_masks()
        user = [n for n in function.names if not is_free(n)]
        self.early = early(function)
        self.plan = schedule([*self.roots, *self.masks], [*self.masks, *self.early, *user])
        self.opening = self._name_variables()
        self.spelling = self._spelling()

    # Variables and sizes.

    def _counted_masks(self) -> list[Expr]:
        """Boolean masks whose count is the size of something: they need a name."""
        live = topological(self.roots)
        used = {s for n in live if isinstance(n, Apply) for s in _symbols(n.attrs)}
        counted = [m.of for s, m in self.function.sizes.items() if s in used and m.axis is None]
        return [m for m in dict.fromkeys(counted) if m.type.dtype == "bool" and not is_free(m)]

    def _name_variables(self) -> list[Statement]:
        """Names of the parameters' variables; those inside containers are read first."""
        opening: list[Statement] = []
        live = set(self.plan.sites)
        used = {s for n in live if isinstance(n, Apply) for s in _symbols(n.attrs)}
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
                    opening.append(Statement(_assign(label, source)))
        return opening

    def _spelling(self) -> Spelling:
        variables = [
            (v, self.label[v]) for v in self.function.variables if v in self.label
        ]
        measures: dict[str, ast.expr] = {}
        for symbol, measure in self.function.sizes.items():
            if measure.of in self.masks:
                measures[symbol] = call("np.count_nonzero", name(self._label(measure.of)))
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

    # The function.

    def run(self) -> Definition:
        f = self.function
        body = list(self.opening)
        body += self._block(self.plan.root)
        checks: list[Statement] = []
        for require in self.requires:
            test = self._operand(require.fails).node
            error = ast.Raise(call(require.error, ast.Constant(require.message)), None)
            checks.append(Statement(ast.If(test, [], []), body=[Statement(error)]))
        body = placed(body, checks)
        body.append(Statement(ast.Return(self._tree(f.result))))
        params = [Signature(p.name, self._annotation(p.tree), p.default, p.kind) for p in f.params]
        return Definition(f.name, params, self._annotation(f.result), f.doc, body, self.bindings)

    def _annotation(self, tree: Tree) -> str:
        if isinstance(tree, Expr):
            return _annotation_of(tree.type)
        if isinstance(tree, tuple) and tree and all(isinstance(t, Expr) for t in tree):
            parts = [_annotation_of(t.type) for t in tree]
            if len(set(parts)) == 1 and len(parts) > 3:
                return f"tuple[{parts[0]}, ...]"
            return f"tuple[{', '.join(parts)}]"
        for kind in (tuple, list, dict):
            if isinstance(tree, kind):
                return kind.__name__
        if tree is None:
            return "None"
        return ""

    def _tree(self, tree: Tree) -> ast.expr:
        if isinstance(tree, Expr):
            return self._result(tree)
        if isinstance(tree, Record):
            return self._record(tree)
        if isinstance(tree, dict):
            keys: list[ast.expr | None] = [ast.Constant(k) for k in tree]
            return ast.Dict(keys, [self._tree(v) for v in tree.values()])
        if isinstance(tree, tuple):
            return ast.Tuple([self._tree(t) for t in tree], ast.Load())
        if isinstance(tree, list):
            return ast.List([self._tree(t) for t in tree], ast.Load())
        return ast.Constant(tree)

    def _result(self, node: Expr) -> ast.expr:
        """A result; one that shares memory with an argument or another result is copied."""
        text = self._operand(node).node
        if not node.type.rank:
            return text
        shared = isinstance(_base(node), Var) or node in self.returned
        self.returned.add(node)
        if shared:
            return ast.Call(ast.Attribute(text, "copy", ast.Load()), [], [])
        return text

    def _record(self, record: Record) -> ast.expr:
        """A record, made from a parameter of the same class where there is one."""
        fields = {k: self._tree(v) for k, v in record.fields.items()}
        for param in self.function.params:
            for path, found in _records(param.tree):
                if found.cls is record.cls:
                    owner = ast.parse(param.name + path, mode="eval").body
                    keywords = [ast.keyword(k, v) for k, v in fields.items()]
                    if record.is_namedtuple:
                        return ast.Call(ast.Attribute(owner, "_replace", ast.Load()), [], keywords)
                    made = call("dataclasses.replace", owner)
                    made.keywords.extend(keywords)
                    return made
        label = record.cls.__name__
        self.bindings[label] = record.cls
        return ast.Call(name(label), [], [ast.keyword(k, v) for k, v in fields.items()])

    # Blocks.

    def _block(self, block: Block) -> list[Statement]:
        out: list[Statement] = []
        self.depth += 1
        for item in emission_order(self.plan, block):
            if isinstance(item, Group):
                self._group(item, out)
            elif isinstance(item, Map):
                self._map(item, block, out)
            elif not is_free(item):
                self._node(item, out)
        self.depth -= 1
        return out

    def _node(self, node: Expr, out: list[Statement]) -> None:
        assert isinstance(node, Apply), node
        if node.op is accumulate:
            self._accumulate(node, out)
            return
        if node.op is sized:  # another type for the same value
            (operand,) = node.operands
            if operand not in self.label:
                self._assign(operand, self.text.pop(operand).node, out)
            self.label[node] = self.label[operand]
            return
        text = self._apply(node, out)
        self._place(node, text, out)

    def _place(self, node: Expr, text: _Text, out: list[Statement]) -> None:
        """Keep `text` for the one expression that uses it, or give the value a name."""
        if self._inlined(node):
            self.text[node] = text
            return
        self._assign(node, text.node, out)

    def _inlined(self, node: Expr) -> bool:
        if node in self.forced or node in self.masks or node in self.early or len(self.plan.sites[node]) > 1:
            return False
        if is_flavour_change(node) or _is_trivial(node):
            return True
        named = self.function.names.get(node)
        # `return expression` reads better than a name for a single result.
        return self.plan.uses.get(node, 0) <= 1 and (named is None or node in self._ends)

    def _assign(self, node: Expr, value: ast.expr, out: list[Statement], force: str | None = None) -> None:
        label = force or self._label(node)
        self.label[node] = label
        if isinstance(value, ast.Name) and value.id == label:
            return
        out.append(Statement(_assign(label, value), self._comment(node)))

    def _label(self, node: Expr) -> str:
        if node in self.label:
            return self.label[node]
        if node in self.forced:
            return self.forced[node]
        wish = self.function.names.get(node)
        if wish is None:
            wish = telling_name(node, self.label)
        self.label[node] = self.names.fresh(wish)
        return self.label[node]

    def _comment(self, node: Expr) -> str:
        line = self.function.lines.get(node)
        return f"line {line}" if line else ""

    # Expressions.

    def _operand(self, node: Expr, parent: Apply | None = None) -> _Text:
        if parent is not None and is_flavour_change(node):
            library = row_template(parent) if isinstance(parent.op, Elementwise) else ""
            if isinstance(library, str):
                wanted = "math." if node.type.weak else "np."
                if library.startswith(wanted):
                    return self._operand(node.operands[0], parent)
        if node in self.label:
            label = self.label[node]
            return _Text(name(label), len(label), 0)
        if node in self.text:
            return self.text[node]
        if isinstance(node, Const):
            made = self._constant(node)
            return _Text(made, len(ast.unparse(made)), 0)
        if isinstance(node, Apply):  # a size
            made = spell_apply(self.spelling, [], node)
            return _Text(made, len(ast.unparse(made)), 1)
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

    def _apply(self, node: Apply, out: list[Statement]) -> _Text:
        limit = self.options.line_width - 4 * self.depth - 8
        operands = [self._operand(x, node) for x in node.operands]
        extra = _extra_width(node)
        repeats = getattr(node.op, "repeats", False)
        while True:
            if extra is None:  # a printer of its own decides how wide it is
                made = spell_apply(self.spelling, [t.node for t in operands], node)
                width = len(ast.unparse(made))
            else:
                width = sum(t.width for t in operands) + extra
            depth = 1 + max((t.depth for t in operands), default=0)
            if len(operands) == 2 and _continues(node, operands[0].node):
                depth = max(operands[0].depth, 1 + operands[1].depth)  # a + b + c is flat
                width -= 2
            wide = width > limit or depth > self.options.nesting
            at = [i for i, x in enumerate(node.operands) if x in self.text]
            if repeats and at:
                wide = True
            if not wide or not at:
                break
            # Name the part that is widest, so that what stays reads as one formula.
            key = (lambda i: operands[i].depth) if width <= limit else (lambda i: operands[i].width)
            worst = max(at, key=key)
            part = node.operands[worst]
            self._assign(part, self.text.pop(part).node, out)
            operands[worst] = self._operand(part, node)
        made = spell_apply(self.spelling, [t.node for t in operands], node)
        return _Text(made, width, depth)

    # Branches.

    def _group(self, group: Group, out: list[Statement]) -> None:
        for member in group.members:
            for side in (member.then, member.orelse):
                if self.plan.uses.get(side) == 1 and not is_free(side):
                    self._force(side, member)
        then, orelse = self._block(group.then), self._block(group.orelse)
        test = self._operand(group.pred)
        if not then and not orelse and len(group.members) == 1:
            (member,) = group.members
            a, b = self._operand(member.then), self._operand(member.orelse)
            width = test.width + a.width + b.width + 16
            if width <= self.options.line_width - 18 and not self._is_forced(member):
                made = _choice(member, test.node, a.node, b.node)
                self._place(member, _Text(made, width, 2 + max(a.depth, b.depth)), out)
                return
        for member in group.members:
            label = self._label(member)
            self._assign(member, self._operand(member.then).node, then, label)
            self._assign(member, self._operand(member.orelse).node, orelse, label)
        out.append(_if(test.node, then, orelse, self._comment(group.members[0])))

    def _force(self, node: Expr, like: If) -> None:
        """A value that is only one side of a choice gets the name of the choice at once."""
        named = node in self.function.names and len(self.plan.sites[node]) == 1
        if named or (isinstance(node, If) and not self._short(node)):
            self.forced[node] = self._label(like)

    def _short(self, node: Expr) -> bool:
        return isinstance(node, If) and all(is_free(x) for x in node.operands[1:])

    def _is_forced(self, node: Expr) -> bool:
        return node in self.forced

    # Loops over rows.

    def _map(self, node: Map, block: Block, out: list[Statement]) -> None:
        for v in node.indices:
            self.label[v] = self.names.fresh(self.function.names.get(v) or v.name)
        inner = self._block(self.plan.loops[node, block])
        over = [self._operand(x).node for x in node.over]
        labels: list[ast.expr] = [name(self.label[v]) for v in node.indices]
        target = labels[0] if len(labels) == 1 else ast.Tuple(labels, ast.Store())
        iterable = over[0] if len(over) == 1 else call("zip", *over)
        body = self._operand(node.body)
        if not inner and body.width < 40:
            generator = ast.comprehension(target, iterable, [], 0)
            made = self._stacked(node, ast.ListComp(body.node, [generator]))
            self._place(node, _Text(made, body.width + 40, body.depth + 3), out)
            return
        rows = self.names.fresh("rows")
        out.append(Statement(_assign(rows, ast.List([], ast.Load()))))
        append = ast.Call(ast.Attribute(name(rows), "append", ast.Load()), [body.node], [])
        inner.append(Statement(ast.Expr(append)))
        out.append(Statement(ast.For(target, iterable, [], []), body=inner))
        made = self._stacked(node, name(rows))
        self._place(node, _Text(made, len(ast.unparse(made)), 2), out)

    def _stacked(self, node: Map, rows: ast.expr) -> ast.expr:
        """Rows as one array; where there may be none, the array still has their shape."""
        if node.body.type.rank and not all(isinstance(d, int) for d in node.type.shape):
            return call("np.reshape", rows, self.spelling.shape(node.type.shape))
        return call("np.array", rows)

    # Accumulation in place.

    def _accumulate(self, node: Apply, out: list[Statement]) -> None:
        base, value = node.operands[:2]
        label = self.label.get(base)
        same_block = self.plan.sites.get(base) == self.plan.sites[node]
        owned = (
            isinstance(base, Apply) and base.op is accumulate
            and self.plan.uses.get(base) == 1 and same_block
        )  # fmt: skip
        if not owned:
            label = self._chain_label(node)
            out.append(Statement(_assign(label, self._fresh_array(base, node)), self._comment(node)))
        assert label is not None
        key = index_key(
            self.spelling, node.attrs[0], [self._operand(x).node for x in node.operands[2:]]
        )
        text = self._operand(value)
        room = self.options.line_width - 4 * self.depth - len(f"{label}[{ast.unparse(key)}] += ")
        if value in self.text and text.width > room:
            self._assign(value, self.text.pop(value).node, out)
            text = self._operand(value)
        amount = text.node
        if is_repeatable(node.attrs[0]):
            made: ast.stmt = ast.Expr(call("np.add.at", name(label), key_argument(key), amount))
        elif not owned and is_zero(base) and self._covers_once(node):
            made = ast.Assign([ast.Subscript(name(label), key, ast.Store())], amount)
        else:
            made = _in_place(ast.Subscript(name(label), key, ast.Store()), amount)
        out.append(Statement(made))
        self.label[node] = label

    def _covers_once(self, node: Apply) -> bool:
        return True

    def _chain_label(self, node: Apply) -> str:
        """The name of a chain of accumulations: the one of its last link."""
        at: Expr = node
        users = self._users()
        while self.plan.uses.get(at) == 1 and at in users:
            user = users[at]
            if not (isinstance(user, Apply) and user.op is accumulate and user.operands[0] is at):
                break
            if self.plan.sites[user] != self.plan.sites[at]:
                break
            at = user
        wish = self.function.names.get(at) or "total"
        return self.names.fresh(wish)

    def _users(self) -> dict[Expr, Expr]:
        if not hasattr(self, "_user_of"):
            self._user_of = {x: n for n in self.plan.sites for x in n.operands}
        return self._user_of

    def _fresh_array(self, base: Expr, node: Apply) -> ast.expr:
        text = self._operand(base).node if not self._is_fill(base) else self._fill(base)
        inlined = base in self.text
        fresh = inlined and isinstance(base, Apply) and (
            isinstance(base.op, Elementwise) or self._is_fill(base)
        )
        if fresh or self._is_fill(base):
            return text
        return ast.Call(ast.Attribute(text, "copy", ast.Load()), [], [])

    def _is_fill(self, base: Expr) -> bool:
        return isinstance(base, Apply) and base.op in FILLS and base not in self.label

    def _fill(self, base: Expr) -> ast.expr:
        assert isinstance(base, Apply)
        return spell_apply(self.spelling, [self._operand(x).node for x in base.operands], base)


def _base(node: Expr) -> Expr:
    """What `node` may be a view of."""
    while isinstance(node, Apply) and node.op in VIEWS:
        node = node.operands[0]
    return node


def _symbols(attrs: tuple[Any, ...]) -> set[str]:
    """The names of the sizes in the attributes of a node."""
    found: set[str] = set()
    stack: list[Any] = [attrs]
    while stack:
        at = stack.pop()
        if isinstance(at, tuple):
            stack.extend(at)
        elif isinstance(at, SymDim):
            found |= dim_symbols(at)
    return found


def _records(tree: Tree, prefix: str = "") -> list[tuple[str, Record]]:
    found: list[tuple[str, Record]] = []
    if isinstance(tree, Record):
        found.append((prefix, tree))
    if is_container(tree):
        for step, _, child in children(tree):
            found += _records(child, prefix + step)
    return found


def _continues(node: Apply, left: ast.expr) -> bool:
    """Whether `left` is a sum or product that `node` only makes longer."""
    if not isinstance(left, ast.BinOp):
        return False
    if node.op in (add, subtract):
        return isinstance(left.op, (ast.Add, ast.Sub))
    return node.op is multiply and isinstance(left.op, ast.Mult)


def _choice(member: If, test: ast.expr, then: ast.expr, orelse: ast.expr) -> ast.expr:
    """`then if test else orelse`; as `and`, `or` where one side is True or False."""
    if member.type.dtype == "bool":
        for value, (a, b) in ((False, (test, then)), (True, (ast.UnaryOp(ast.Not(), test), then))):
            if isinstance(member.orelse, Const) and bool(member.orelse.value) is value:
                return ast.BoolOp(ast.Or() if value else ast.And(), [a, b])
        for value, a in ((True, test), (False, ast.UnaryOp(ast.Not(), test))):
            if isinstance(member.then, Const) and bool(member.then.value) is value:
                return ast.BoolOp(ast.Or() if value else ast.And(), [a, orelse])
    return ast.IfExp(test, then, orelse)


_TRIVIAL = frozenset((negative, less, less_equal, greater, greater_equal, equal, not_equal))


def _is_trivial(node: Expr) -> bool:
    """-x, or a comparison of plain scalars: written again at each use, not named."""
    return (
        isinstance(node, Apply) and node.op in _TRIVIAL and not node.type.rank
        and all(isinstance(x, (Var, Const)) for x in node.operands)
    )  # fmt: skip


@functools.cache
def _template_width(text: str) -> int:
    """Characters of a template besides its operands; operators may get parentheses."""
    bare = re.sub(r"\{\w+\}", "", text)
    return len(bare) + (0 if text[0].isalpha() else 2)


def _extra_width(node: Apply) -> int | None:
    """About how many characters an operator adds around its operands, where a template says."""
    text = row_template(node)
    if node.op in PRINTERS or not isinstance(text, str):
        return None
    return _template_width(text) + 8 * len(node.attrs)


def _assign(label: str, value: ast.expr) -> ast.stmt:
    """`label = value`."""
    return ast.Assign([ast.Name(label, ast.Store())], value)


def _in_place(target: ast.expr, amount: ast.expr) -> ast.stmt:
    """`target += amount`, or `-=` where the amount is negated."""
    if isinstance(amount, ast.UnaryOp) and isinstance(amount.op, ast.USub):
        return ast.AugAssign(target, ast.Sub(), amount.operand)  # type: ignore[arg-type]
    return ast.AugAssign(target, ast.Add(), amount)  # type: ignore[arg-type]


def _if(test: ast.expr, then: list[Statement], orelse: list[Statement], comment: str) -> Statement:
    """An `if` statement; an empty first side is turned around."""
    if not then:
        test = ast.UnaryOp(ast.Not(), test)
        then, orelse = orelse, []
    return Statement(ast.If(test, [], []), comment, then, orelse)


def _annotation_of(type_: Type) -> str:
    if type_.rank:
        return "np.ndarray"
    return {"bool": "bool", "int": "int"}.get(type_.dtype, "complex" if type_.is_complex else "float")


def parameters_of(params: Sequence[Param]) -> list[str]:
    """The names in a parameter list."""
    return [p.name for p in params]


__all__ = ["Definition", "Signature", "Statement", "expressions", "generate"]
