"""Derivatives of whole functions: `Function -> Function`, so they nest.

f(x, y)                  ->  grad:            f_grad(x, y) -> d_x
                             value_and_grad:  ... -> (f, d_x)
                             jvp:             ... (x, y, d_x) -> (f, d_f)
                             vjp:             ... (x, y, d_f) -> (f, d_x)
                             jacobian, hessian, hvp
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from symdiff.differentiate.calls import linked
from symdiff.differentiate.forward import pushforward
from symdiff.differentiate.loops import lines_of_sweeps
from symdiff.differentiate.matrix import hessian_entries, jacobian_entries
from symdiff.differentiate.reverse import pullback
from symdiff.errors import IllTypedError, NotConnectedError, UnknownNameError
from symdiff.ir.expr import Expr, Var, const, var
from symdiff.ir.function import Function, Param
from symdiff.ir.tree import Tree, expressions, leaves, map_tree
from symdiff.ir.types import Type, show_shape
from symdiff.ir.walk import depends_on, substitute
from symdiff.options import ALL, Request
from symdiff.primitives.row import fit, zero_of
from symdiff.primitives.sharing import kept_apart


def differentiate(function: Function, request: Request) -> Function:
    """`function` under one derivative operator."""
    if request.kind == "primal":
        return function
    return linked(_Derivation(function, request).run())


@dataclass(frozen=True, slots=True)
class _Input:
    """What one entry of `wrt` names: a tree of variables to differentiate with respect to."""

    name: str
    tree: Tree
    variables: tuple[Expr, ...]


class _Derivation:
    """The derivation of one function; its fields are what the operators share."""

    def __init__(self, function: Function, request: Request):
        self.request = request
        self.function, self.definitions = open_locals(function, request.wrt or ())
        self.inputs = [self._input(name) for name in self._wanted()]
        self.wrt = list(dict.fromkeys(v for i in self.inputs for v in i.variables))
        self.names = dict(self.function.names)
        self.outputs: Tree = self.function.result
        self.aux: Tree = None
        if request.has_aux:
            if not isinstance(self.outputs, tuple) or len(self.outputs) != 2:
                raise IllTypedError(
                    f"has_aux=True needs {function.name} to return (value, aux)",
                    span=function.span,
                )
            self.outputs, self.aux = self.outputs
        # Parameters get the total derivative, also through a local that `wrt` names beside them.
        self.closing = _resolved(dict(self.definitions.values()))
        self.local = [v for v in self.wrt if v in self.closing]
        self._check_connected()

    # What `wrt` means.

    def _wanted(self) -> tuple[str | int, ...]:
        wrt = self.request.wrt
        floats = [p.name for p in self.function.params if p.seed < 0 and _floats(p.tree)]
        if wrt == (ALL,):
            return tuple(floats)
        if wrt is not None:
            return wrt
        if not floats:
            raise IllTypedError(
                f"{self.function.name} has no floating-point parameter to differentiate",
                span=self.function.span,
                hint="integers are not differentiable: pass floats, or annotate `: float`",
            )
        return (floats[0],)

    def _input(self, key: str | int) -> _Input:
        params = self.function.params
        if isinstance(key, int):
            if not -len(params) <= key < len(params):
                raise UnknownNameError(
                    f"{self.function.name} has {len(params)} parameters; there is no number {key}",
                    span=self.function.span,
                )
            key = params[key].name
        if key in self.definitions:
            return _Input(key, self.definitions[key][0], (self.definitions[key][0],))
        for param in params:
            if param.name == key:
                return _Input(key, param.tree, tuple(self._float_leaves(param)))
        known = ", ".join([p.name for p in params] + sorted(self.function.locals))
        raise UnknownNameError(
            f"{self.function.name} has no parameter or local variable {key!r}",
            span=self.function.span,
            hint=f"it has {known}",
        )

    def _float_leaves(self, param: Param) -> list[Expr]:
        found: list[Expr] = []
        for leaf in leaves(param.tree):
            if isinstance(leaf, Expr) and leaf.type.is_float:
                found.append(leaf)
                continue
            kind = str(leaf.type) if isinstance(leaf, Expr) else type(leaf).__name__
            what = "complex numbers" if kind.startswith("complex") else "integers"
            raise IllTypedError(
                f"cannot differentiate with respect to {param.name}: it holds {kind}",
                span=self.function.span,
                hint=f"{what} are not differentiable here: pass floats ({param.name} = 3.0), "
                "annotate the parameter `: float`, or leave it out of wrt",
            )
        return found

    def _check_connected(self) -> None:
        """An error when every path from `wrt` to the result was cut by the user."""
        from symdiff.differentiate.activity import active_nodes
        from symdiff.ir.walk import topological

        outputs = expressions(self.outputs)
        whole = self.outputs is self.function.result
        order = self.function.nodes() if whole else topological(outputs)
        active = active_nodes(order, self.wrt)
        if not self.wrt or any(o in active for o in outputs):
            return
        below = depends_on(outputs, self.wrt)
        for cut in self.function.cuts:
            if cut.node in below:
                names = ", ".join(i.name for i in self.inputs)
                raise NotConnectedError(
                    f"the result of {self.function.name} is not connected to {names}: "
                    f"{cut.what} cuts the derivative here",
                    span=cut.span,
                    hint="remove the cut, or differentiate with respect to something else",
                )

    # The operators.

    def run(self) -> Function:
        request, value = self.request, self.outputs
        match request.kind:
            case "grad" | "value_and_grad":
                grads = self._grads()
                if request.kind == "grad":
                    result = (grads, self.aux) if request.has_aux else grads
                else:
                    result = ((value, self.aux) if request.has_aux else value, grads)
                return self._finish(result)
            case "jvp":
                tangents, params = self._seeds("d_", [(i.name, i.tree) for i in self.inputs])
                result = map_tree(self._tangent(dict(tangents)), value)
                return self._finish(self._with_aux((value, result)), params)
            case "vjp":
                name = self._output_name()
                seeds, params = self._seeds("d_", [(name, value)])
                outputs, cotangents = zip(*seeds, strict=True) if seeds else ((), ())
                grads = self._reverse(outputs, cotangents)
                return self._finish(self._with_aux((value, self._answer(grads))), params)
            case "hvp":
                tangents, params = self._seeds("d_", [(i.name, i.tree) for i in self.inputs])
                product = map_tree(self._tangent(dict(tangents)), self._grads())
                product = (product, self.aux) if request.has_aux else product
                return self._finish(product, params)
            case "jacobian":
                rows = map_tree(self._jacobian_row, value)
                return self._finish(self._with_value(value, rows))
            case "hessian":
                grads = self._reverse([self._scalar()], [const(1.0, _seed_type(value))])
                entries = hessian_entries(
                    [grads.get(x) for x in self.wrt], self.wrt, request.mode, self.names
                )
                by_input = dict(zip(self.wrt, entries, strict=True))
                rows = self._answer({x: self._answer(by_input[x]) for x in self.wrt})
                return self._finish(self._with_value(value, rows))
            case "primal":
                return self.function
            case _:
                assert_never(request.kind)

    def _jacobian_row(self, out: Tree) -> Tree:
        if not isinstance(out, Expr):
            return None
        outputs, entries = expressions(self.outputs), {}
        for (result,), wrt in self._groups([out]):
            entries.update(jacobian_entries(result, wrt, self.request.mode, self.names, outputs))
        return self._answer(entries)

    def _with_aux(self, pair: tuple[Tree, Tree]) -> Tree:
        return (*pair, self.aux) if self.request.has_aux else pair

    def _with_value(self, value: Tree, rows: Tree) -> Tree:
        if not self.request.value:
            return (rows, self.aux) if self.request.has_aux else rows
        return ((value, self.aux) if self.request.has_aux else value, rows)

    def _scalar(self) -> Expr:
        out = self.outputs
        if isinstance(out, Expr) and out.type.rank == 0:
            if out.type.is_complex:
                raise IllTypedError(
                    f"{self.function.name} returns a complex number; its gradient is not defined",
                    span=self.function.span,
                    hint="return its real part or its absolute value",
                )
            return out
        if isinstance(out, Expr):
            what = f"an array of shape {show_shape(out.type.shape)}"
        elif out is None or isinstance(out, (int, float, bool)):
            return const(float(out or 0.0), Type("float64", (), True))
        else:
            what = f"a {type(out).__name__}"
        raise IllTypedError(
            f"the gradient needs a scalar result, but {self.function.name} returns {what}",
            span=self.function.span,
            hint="return a scalar (for example np.sum(...)), or ask for the jacobian",
        )

    def _grads(self) -> Tree:
        out = self._scalar()
        return self._answer(self._reverse([out], [const(1.0, _seed_type(out))]))

    def _reverse(self, outputs: Sequence[Expr], cotangents: Sequence[Expr]) -> dict[Expr, Any]:
        found: dict[Expr, Any] = {}
        for results, wrt in self._groups(outputs):
            adjoints, every = pullback(results, cotangents, wrt)
            for node, adjoint in every.items():
                self._name(adjoint, node)
            found.update(zip(wrt, adjoints, strict=True))
        return found

    def _groups(self, outputs: Sequence[Expr]) -> list[tuple[list[Expr], list[Expr]]]:
        """(results, what to differentiate them by): a local is open only for its own."""
        others = [v for v in self.wrt if v not in self.local]
        if not self.local:
            return [(list(outputs), others)]
        groups: list[tuple[list[Expr], list[Expr]]] = []
        for opened in self.local:
            others_closed = dict(self.definitions.values())
            del others_closed[opened]
            groups.append((substitute(outputs, _resolved(others_closed)), [opened]))
        if others:
            groups.append((substitute(outputs, self.closing), others))
        return groups

    def _tangent(self, tangents: dict[Expr, Expr]) -> Any:
        cache: dict[Expr, Expr | None] = {}

        def of(leaf: Tree) -> Tree:
            if not isinstance(leaf, Expr):
                return leaf
            if leaf not in cache:
                (cache[leaf],), every = pushforward([leaf], tangents)
                for node, tangent in every.items():
                    self._name(tangent, node)
            tangent = cache[leaf]
            return zero_of(leaf.type) if tangent is None else fit(tangent, leaf.type)

        return of

    def _name(self, derivative: Expr, node: Expr) -> None:
        name = self.names.get(node) or (node.name if isinstance(node, Var) else None)
        if name and derivative not in self.names and derivative.operands:
            self.names[derivative] = f"d_{name}"

    def _seeds(
        self, prefix: str, trees: list[tuple[str, Tree]]
    ) -> tuple[list[tuple[Expr, Expr]], list[Param]]:
        """New parameters `d_x`, one for each tree; and each leaf, with its new variable.

        A leaf may be there twice: a function may return one value as two results.
        """
        taken = {v.name for v in self.function.variables} | {p.name for p in self.function.params}
        seeds: list[tuple[Expr, Expr]] = []
        params: list[Param] = []
        number = 1 + max((p.seed for p in self.function.params), default=-1)
        for name, tree in trees:
            fresh = prefix + name
            while fresh in taken:
                fresh += "_"
            taken.add(fresh)
            counter = iter(range(1_000_000))
            single = isinstance(tree, Expr)

            def seed(
                leaf: Tree, fresh: str = fresh, single: bool = single, counter: Any = counter
            ) -> Tree:
                if not isinstance(leaf, Expr):
                    return leaf
                type_ = leaf.type if leaf.type.rank else Type(leaf.type.dtype, (), True)
                new = var(fresh if single else f"{fresh}_{next(counter)}", type_)
                if leaf.type.differentiable:  # what is passed for an integer is not looked at
                    seeds.append((leaf, new))
                return new

            params.append(Param(fresh, map_tree(seed, tree), seed=number))
        return seeds, params

    def _output_name(self) -> str:
        out = self.outputs
        return self.names.get(out, self.function.name) if isinstance(out, Expr) else "out"

    def _answer(self, by_variable: dict[Expr, Any]) -> Tree:
        """Results arranged as `wrt` was asked: one tree, or a tuple of them."""

        def of(leaf: Tree) -> Tree:
            if not isinstance(leaf, Expr):
                return leaf
            value = by_variable.get(leaf)
            return zero_of(leaf.type) if value is None else value

        answers = tuple(map_tree(of, i.tree) for i in self.inputs)
        return answers if self.request.many else answers[0]

    def _finish(self, result: Tree, params: Sequence[Param] = ()) -> Function:
        """The derivative as a function; local variables opened for `wrt` are defined again."""
        closed = self.closing
        names = dict(self.names)
        requires = self.function.requires
        effects = self.function.effects
        if closed:
            values = substitute([value for _, value in effects], closed)
            effects = tuple((v, value) for (v, _), value in zip(effects, values, strict=True))
            requires = tuple(
                replace(r, fails=fails, by=by)
                for r in requires
                for fails, by in [substitute([r.fails, r.by], closed)]
            )
            exprs = expressions(result)
            new = dict(zip(exprs, substitute(exprs, closed), strict=True))
            result = map_tree(
                lambda leaf: new.get(leaf, leaf) if isinstance(leaf, Expr) else leaf, result
            )
            keys = list(names)
            names = dict(zip(substitute(keys, closed), names.values(), strict=True))
        given = [leaf for p in params for leaf in expressions(p.tree)]
        return self.function.replace(
            lines=lines_of_sweeps(self.function),
            params=(*self.function.params, *params),
            result=result,
            names=names,
            requires=(*requires, *kept_apart(dict(effects), given)),
            effects=effects,
        )


def _resolved(definitions: dict[Expr, Expr]) -> dict[Expr, Expr]:
    """Each opened local's value in terms of arguments alone."""
    values = dict(definitions)
    for _ in definitions:  # one may be defined by another, in a chain no longer than this
        values = dict(zip(values, substitute(values.values(), values), strict=True))
    return values


def _floats(tree: Tree) -> bool:
    found = list(leaves(tree))
    return bool(found) and all(isinstance(x, Expr) and x.type.is_float for x in found)


def _seed_type(out: Tree) -> Type:
    if isinstance(out, Expr) and not out.type.weak and out.type.is_float:
        return Type(out.type.dtype, (), True)
    return Type("float64", (), True)


def open_locals(
    function: Function, wrt: Sequence[str | int]
) -> tuple[Function, dict[str, tuple[Expr, Expr]]]:
    """Local variables named in `wrt` become inputs: {name: (variable, its value)}.

    The parser has put a marker on each assignment of such a name (see `parse`), so a structurally
    equal expression elsewhere in the function is not mistaken for the variable.
    """
    definitions: dict[str, tuple[Expr, Expr]] = {}
    params = {p.name for p in function.params}
    for name in wrt:
        if isinstance(name, str) and name not in params and name in function.locals:
            marker, value = function.locals[name]
            definitions[name] = (marker, value)
    return function, definitions
