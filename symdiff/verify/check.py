"""A derivative against finite differences of what it is the derivative of, one order lower.

    gradient        differences of the user's function
    hessian, hvp    differences of the compiled gradient, which is checked first
    grad of grad    differences of the inner gradient, which is checked first
    compiled        no differences: the function itself, as Python runs it

Derivatives are taken as they come from `symdiff.api`: anything with its attributes `primal`,
`requests`, `compiled` will do.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CheckError, IllTypedError, UnsupportedError
from symdiff.ir.expr import Expr
from symdiff.ir.tree import leaves as ir_leaves
from symdiff.verify import trees
from symdiff.verify.compare import Comparison, constant_rows
from symdiff.verify.finite import Vector
from symdiff.verify.judge import COARSE, DOUBLE, SINGLE
from symdiff.verify.report import Report, Row
from symdiff.verify.subject import Arguments, Subject

_SEEDED = ("jvp", "vjp", "hvp")


def check_derivative(derivative: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Report:
    """The report of `derivative` at these arguments, when it agrees with finite differences.

    derivative: a `symdiff.Derivative` of any kind. args, kwargs: of one call of it, tangents and
    cotangents included. The arguments themselves are never written to.
    Raises CheckError, its message the table, where they disagree; what the function or the
    derivative raises at these arguments.
    """
    report = report_derivative(derivative, args, kwargs)
    if not report.ok:
        raise CheckError(f"{report.title} disagrees with finite differences\n{report}")
    return report


def report_derivative(derivative: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Report:
    """The same, without raising CheckError: `report.ok` tells."""
    rows: list[Row] = []
    lower, pick_aux = _lower(derivative)
    request = derivative.requests[-1]
    if hasattr(lower, "requests"):
        kept = len(args) - (request.kind in _SEEDED)
        rows += report_derivative(lower, args[:kept], kwargs).rows
    found = _Check(derivative, lower, pick_aux, args, kwargs)
    rows += found.rows()
    if not rows:
        raise CheckError(f"{found.name}: there is nothing to compare with finite differences")
    return Report(found.name, rows, found.notes)


def _lower(derivative: Any) -> tuple[Any, bool]:
    """The function one order lower; whether it returns (value, aux)."""
    spec = derivative.__symdiff_derivative__
    request = spec.request
    if request.kind not in ("hessian", "hvp"):
        return spec.target, request.has_aux
    gradient = dataclasses.replace(request, kind="grad", mode="auto", value=False)
    made = type(derivative)(
        spec.target, gradient, derivative.options, tuple(derivative.static), derivative.declared
    )
    return made, request.has_aux


class _Check:
    """The comparison of one derivative with the function one order lower."""

    def __init__(
        self,
        derivative: Any,
        lower: Any,
        has_aux: bool,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ):
        self.request = derivative.requests[-1]
        self.result = derivative(*map(_fresh, args), **{k: _fresh(v) for k, v in kwargs.items()})
        compiled = derivative.compiled()
        self.name: str = compiled.name
        self.cuts = tuple(compiled.function.cuts)
        self.has_aux = has_aux
        params = compiled.function.params
        arguments, self.seed, own = _arguments(derivative, args, kwargs, params)
        known = params[: len(params) - own]
        self.subject = Subject(
            lower if hasattr(lower, "requests") else derivative.primal,
            arguments,
            _wrt_names(self.request, known),
            (lambda result: result[0]) if has_aux else (lambda result: result),
        )
        single = any(
            trees.dtype_of(x).name in ("float32", "complex64")
            for x in [*self.subject.leaves, *filter(trees.is_number, trees.leaves(self.result))]
        )
        coarse = single and any(
            trees.dtype_of(x).name in ("float32", "complex64")
            for x in self.subject.outputs(self.subject.base)
        )
        self.tolerance = COARSE if coarse else SINGLE if single else DOUBLE

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report must know."""
        return tuple(
            f"{cut.what} cuts the derivative on purpose"
            + (f" ({cut.span.place})" if cut.span else "")
            + ": finite differences do not see that"
            for cut in self.cuts
        )

    def rows(self) -> list[Row]:
        value, answer, aux = self._parts()
        rows: list[Row] = []
        outside = self.subject.base
        if value is not None:
            rows += constant_rows(
                self.name, "value", value, self.subject.pick(outside), self.tolerance
            )
        if aux is not None:
            rows += constant_rows(self.name, "aux", aux, outside[1], self.tolerance)
        if self.request.kind != "primal":
            rows += self._derivative_rows(answer)
        if self.cuts:
            rows = [
                dataclasses.replace(r, verdict="unsure") if r.verdict == "FAIL" else r for r in rows
            ]
        return rows

    def _parts(self) -> tuple[Any, Any, Any]:
        """(value, derivative, aux) of the derivative's result; None for what it does not hold."""
        result, kind = self.result, self.request.kind
        if kind == "primal":
            return result, None, None
        if kind == "grad":
            return (None, *result) if self.has_aux else (None, result, None)
        if kind == "value_and_grad":
            value, answer = result
            return (value[0], answer, value[1]) if self.has_aux else (value, answer, None)
        if kind in ("jvp", "vjp"):
            return (*result, None) if len(result) == 2 else result
        value = aux = None
        wanted = self._count(kind)
        if self.request.value and len(trees.leaves(result)) != wanted:
            value, result = result
            value, aux = value if self.has_aux else (value, None)
        elif self.has_aux and isinstance(result, tuple) and len(trees.leaves(result)) != wanted:
            result, aux = result
        if kind == "hessian":  # what it is compared with, the gradient, has no value beside it
            value = None
        return value, result, aux

    def _count(self, kind: str) -> int:
        """How many arrays the answer consists of."""
        outputs = len(self.subject.outputs(self.subject.base))
        return outputs if kind == "hvp" else outputs * len(self.subject.leaves)

    def _derivative_rows(self, answer: Any) -> list[Row]:
        subject, kind = self.subject, self.request.kind
        root = {"hessian": "gradient", "hvp": "gradient"}.get(kind, "result")
        comparison = Comparison(self.name, subject, self.tolerance)
        found = trees.leaves(answer)
        if kind in ("jvp", "hvp"):
            tangent = [trees.reals(x) for x in trees.leaves(self.seed)]
            return comparison.directional(
                [x for x in found if trees.is_number(x)], tangent, subject.output_paths(root)
            )
        if kind == "vjp":
            weights = self._weights()
            return comparison.linear([found], [""], weights)
        if kind in ("grad", "value_and_grad"):
            return comparison.linear([found], [""])
        width = len(subject.leaves)
        blocks = [found[i : i + width] for i in range(0, len(found), width)]
        names = subject.output_paths(root)
        blocks = [b for b in blocks if all(trees.is_number(x) for x in b)]
        return comparison.linear(blocks, [""] if names == [root] and self._scalar() else names)

    def _scalar(self) -> bool:
        return [np.size(x) for x in self.subject.outputs(self.subject.base)] == [1]

    def _weights(self) -> Vector:
        """The cotangent, flat, one number for each output."""
        tree = self.subject.pick(self.subject.base)
        pairs = zip(trees.leaves(tree), trees.leaves(self.seed), strict=True)
        kept = [(out, ct) for out, ct in pairs if trees.is_number(out)]
        if any(np.iscomplexobj(out) for out, _ in kept):
            raise UnsupportedError("the pullback of a complex result cannot be checked")
        flat = [np.broadcast_to(trees.reals(ct), (np.size(out),)) for out, ct in kept]
        return np.concatenate(flat) if flat else np.zeros(0)


def _fresh(value: Any) -> Any:
    """A copy of an argument: the derivative may write to its arguments as the function does."""
    return trees.map_leaves(trees.copied, value)


def _arguments(
    derivative: Any, args: Sequence[Any], kwargs: Mapping[str, Any], params: Sequence[Any]
) -> tuple[Arguments, Any, int]:
    """(arguments of the lower function, the vector of the last operator, how many parameters of
    the compiled function are that vector's)."""
    seeded = [r for r in derivative.requests if r.kind in _SEEDED]
    plain = args[: len(args) - len(seeded)]
    bound = inspect.signature(derivative.primal).bind(*plain, **kwargs)
    bound.apply_defaults()
    names = [p.name for p in params[len(bound.signature.parameters) :]]
    seeds: list[tuple[tuple[str, ...], tuple[Any, ...], bool]] = []
    for request, seed in zip(seeded, args[len(plain) :], strict=True):
        many = request.many and request.kind != "vjp"
        values = tuple(seed) if many else (seed,)
        seeds.append((tuple(names[: len(values)]), values, many))
        del names[: len(values)]
    if derivative.requests[-1].kind not in _SEEDED:
        return Arguments(bound, tuple(seeds)), None, 0
    return Arguments(bound, tuple(seeds[:-1])), args[-1], len(seeds[-1][1])


def _wrt_names(request: Any, params: Sequence[Any]) -> list[str]:
    """The names that `wrt` means, as the operator itself resolves it."""
    floats = [p.name for p in params if _all_float(p.tree)]
    if request.wrt is None:
        return floats[:1]
    if request.wrt == ("*",):
        return floats
    return [params[w].name if isinstance(w, int) else w for w in request.wrt]


def _all_float(tree: Any) -> bool:
    found = list(ir_leaves(tree))
    return bool(found) and all(isinstance(x, Expr) and x.type.is_float for x in found)


def check_orders(
    function: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    wrt: Any,
    *,
    jvp: Callable[..., Any],
    vjp: Callable[..., Any],
) -> Report:
    """Derivatives of `function` up to `order`: forward = reverse = finite differences.

    Order k differentiates the pullback of order k - 1 in both modes, along fixed random tangents
    and cotangents. jvp, vjp: the operators of `symdiff.api`.
    Returns the report; raises CheckError where two of the three disagree.
    """
    if order < 1:
        raise IllTypedError(f"check_grads: order must be at least 1, not {order}")
    rng = np.random.default_rng(20)
    rows: list[Row] = []
    notes: tuple[str, ...] = ()
    target, arguments = function, list(args)
    wrt = _resolved(vjp(function, wrt=wrt), arguments, rng)
    for k in range(1, order + 1):
        forward, reverse = jvp(target, wrt=wrt), vjp(target, wrt=wrt)
        cotangent = trees.map_leaves(lambda x: _random(rng, x), target(*map(_fresh, arguments)))
        _, pulled = reverse(*map(_fresh, arguments), cotangent)
        tangent = trees.map_leaves(lambda x: _random(rng, x), pulled)
        for derivative, seed in ((forward, tangent), (reverse, cotangent)):
            check = _Check(derivative, *_lower(derivative), [*arguments, seed], {})
            rows += check.rows()
            notes = check.notes
        _, pushed = forward(*map(_fresh, arguments), tangent)
        rows.append(_duality(k, cotangent, pushed, pulled, tangent))
        target, arguments = reverse, [*arguments, cotangent]
    report = Report(getattr(function, "__name__", "f"), rows, notes)
    if not report.ok:
        raise CheckError(f"the derivatives of {report.title} disagree\n{report}")
    return report


def _resolved(reverse: Any, args: Sequence[Any], rng: np.random.Generator) -> Any:
    """`wrt` as names: "*" must mean the same at every order, where cotangents are arguments too."""
    seed = trees.map_leaves(lambda x: _random(rng, x), reverse.primal(*map(_fresh, args)))
    reverse(*map(_fresh, args), seed)
    names = _wrt_names(reverse.requests[-1], reverse.compiled().function.params[:-1])
    return tuple(names) if len(names) > 1 else names[0]


def _random(rng: np.random.Generator, leaf: Any) -> Any:
    if not trees.is_number(leaf):
        return leaf
    if not np.ndim(leaf):
        return float(rng.normal())
    return rng.normal(size=np.shape(leaf)).astype(leaf.dtype)


def _duality(order: int, cotangent: Any, pushed: Any, pulled: Any, tangent: Any) -> Row:
    """<cotangent, J tangent> = <J^T cotangent, tangent>."""

    def inner(a: Any, b: Any) -> tuple[float, float]:
        pairs = [
            (trees.reals(x), trees.reals(y))
            for x, y in zip(trees.leaves(a), trees.leaves(b), strict=True)
            if trees.is_number(x) and trees.is_number(y)
        ]
        # The second number bounds the rounding error of the first.
        return sum(float(x @ y) for x, y in pairs), sum(float(abs(x) @ abs(y)) for x, y in pairs)

    forward, size = inner(cotangent, pushed)
    reverse, other = inner(pulled, tangent)
    single = any(
        trees.dtype_of(x).name in ("float32", "complex64")
        for x in trees.leaves(pulled)
        if trees.is_number(x)
    )
    slack = (1e-3 if single else 1e-8) * max(size, other)
    from symdiff.verify.judge import relative

    return Row(
        f"order {order}", "forward, reverse", forward, reverse, relative(forward, reverse),
        "ok" if abs(forward - reverse) <= slack else "FAIL",
    )  # fmt: skip
