"""The python target: plain `math` and NumPy, as a careful numerical programmer would write it."""

from __future__ import annotations

import ast
from dataclasses import replace

from symdiff.codegen.adaptor import records
from symdiff.codegen.arrays import copy_of
from symdiff.codegen.checks import placed, support_names
from symdiff.codegen.effects import write_back
from symdiff.codegen.emit import Emitter
from symdiff.codegen.names import MODULES, RESERVED
from symdiff.codegen.spell import call, name
from symdiff.codegen.statements import Definition, Signature, Statement
from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Expr, Loop, Var
from symdiff.ir.function import Function
from symdiff.ir.tree import Record, Tree, expressions
from symdiff.ir.types import Type
from symdiff.ir.walk import topological
from symdiff.options import Options
from symdiff.plan.apart import apart
from symdiff.plan.memory import VIEWS
from symdiff.plan.snapshots import with_snapshots


def generate(function: Function, options: Options, *, owned: bool = False) -> Definition:
    """The statements of `function`; owned: what it returns is written by those who call it."""
    try:
        return _renamed(function, options, owned)
    except UnsupportedError as error:
        raise error.located(function.span) from None


def _renamed(function: Function, options: Options, owned: bool) -> Definition:
    """The same; parameters that are called as what generated code needs have other names inside."""
    helpers = support_names(function)
    reserved = RESERVED | helpers
    given = {p.name for p in function.params}
    inner = {name: _longer(f"{name}_parameter", given) for name in sorted(given & reserved)}
    if not inner:
        return _definition(function, options, owned)
    params = tuple(replace(p, name=inner.get(p.name, p.name)) for p in function.params)
    made = _definition(function.replace(params=params), options, owned)
    taken = given | _names_in(made.body)
    outer = {name: _longer(name, taken, "_") for name in inner if name in MODULES | helpers}
    library = outer.get("builtins", "builtins")
    made.renames = {
        **{new: old for old, new in inner.items()},
        **{name: f"{library}.{name}" for name in inner if name not in outer},
        **outer,
    }
    return made


def _longer(name: str, taken: set[str], prefix: str = "") -> str:
    """`name`, made longer until it is not taken."""
    while name in taken:
        name = f"{prefix}{name}" if prefix else f"{name}_"
    return name


def _names_in(statements: list[Statement]) -> set[str]:
    """The names that stand in statements."""
    found: set[str] = set()
    for s in statements:
        found |= {n.id for n in ast.walk(s.node) if isinstance(n, ast.Name)}
        found |= _names_in(s.body) | _names_in(s.orelse)
    return found


def _definition(function: Function, options: Options, owned: bool) -> Definition:
    roots = [*function.results, *(r.fails for r in function.requires)]
    if any(isinstance(node, Loop) for node in topological(roots)):
        function = with_snapshots(apart(function))
    emitter = Emitter(function, options)
    body = emitter.opening + emitter.block(emitter.plan.root)
    checks: list[tuple[Statement, bool]] = []
    for require in emitter.requires:
        test = emitter.operand(require.fails).node
        error = ast.Raise(call(require.error, ast.Constant(require.message)), None)
        check = Statement(ast.If(test, [], []), body=[Statement(error)])
        checks.append((check, require.fails in emitter.still))
    body = placed(body, checks)
    for result in expressions(function.result):  # in a nested tuple there is less room
        text = emitter.text.get(result)
        if text is not None and text.width > options.line_width - 24 and not _alone(function):
            emitter.assign(result, emitter.text.pop(result).node, body)
    write_back(emitter, body)
    body.append(Statement(ast.Return(_Results(emitter, owned).tree(function.result))))
    made = Definition(
        function.name,
        [Signature(p.name, annotation(p.tree), p.default, p.kind) for p in function.params],
        annotation(function.result),
        function.doc,
        body,
        emitter.bindings,
        taken=emitter.names.given,
        numbered=emitter.names.numbered,
    )
    # Its helpers refer back to it: without the cycles, all that it knew goes at once.
    vars(emitter).clear()
    return made


def _alone(function: Function) -> bool:
    """Whether the function returns one value, and no container of them."""
    return isinstance(function.result, Expr)


class _Results:
    """What a function returns, as syntax."""

    def __init__(self, emitter: Emitter, owned: bool):
        self.to = emitter
        self.owned = owned
        self.returned: set[Expr] = set()

    def tree(self, tree: Tree) -> ast.expr:
        """A result, container or value."""
        if isinstance(tree, Expr):
            return self._result(tree)
        if isinstance(tree, Record):
            return self._record(tree)
        if isinstance(tree, dict):
            keys: list[ast.expr | None] = [ast.Constant(k) for k in tree]
            return ast.Dict(keys, [self.tree(v) for v in tree.values()])
        if isinstance(tree, tuple):
            return ast.Tuple([self.tree(t) for t in tree], ast.Load())
        if isinstance(tree, list):
            return ast.List([self.tree(t) for t in tree], ast.Load())
        return ast.Constant(tree)

    def _result(self, node: Expr) -> ast.expr:
        """A result; one that shares memory with an argument or another result is copied."""
        text = self.to.operand(node).node
        if not node.type.rank:
            return text
        lent = isinstance(_base(node), Var) or self.to.storage.is_given(node)
        shared = (lent and node not in self.to.apart) or node in self.returned
        if self.owned:
            storage, root = self.to.storage, self.to.plan.root
            memory = storage.roots(node)
            shared = not storage.is_own(node, root) or not memory.isdisjoint(self.returned)
            self.returned |= memory
        self.returned.add(node)
        if shared:
            return copy_of(text, node.type)
        return text

    def _record(self, record: Record) -> ast.expr:
        """A record, made from a parameter of the same class where there is one."""
        fields = {k: self.tree(v) for k, v in record.fields.items()}
        for param in self.to.function.params:
            for path, found in records(param.tree):
                if found.cls is record.cls:
                    owner = ast.parse(param.name + path, mode="eval").body
                    keywords = [ast.keyword(k, v) for k, v in fields.items()]
                    if record.is_namedtuple:
                        return ast.Call(ast.Attribute(owner, "_replace", ast.Load()), [], keywords)
                    made = call("dataclasses.replace", owner)
                    made.keywords.extend(keywords)
                    return made
        label = record.cls.__name__
        self.to.bindings[label] = record.cls
        return ast.Call(name(label), [], [ast.keyword(k, v) for k, v in fields.items()])


def annotation(tree: Tree) -> str:
    """The annotation of a parameter or result."""
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


def _annotation_of(type_: Type) -> str:
    if type_.rank:
        return "np.ndarray"
    number = "complex" if type_.is_complex else "float"
    return {"bool": "bool", "int": "int"}.get(type_.dtype, number)


def _base(node: Expr) -> Expr:
    """What `node` may be a view of."""
    while isinstance(node, Apply) and node.op in VIEWS:
        node = node.operands[0]
    return node
