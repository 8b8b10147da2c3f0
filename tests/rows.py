"""Derivatives of a single row of the table, compiled: what the generated test runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from symdiff.codegen.c.extension import call_layer
from symdiff.codegen.c.source import called, generate
from symdiff.differentiate.forward import pushforward
from symdiff.differentiate.reverse import pullback
from symdiff.ir.expr import Expr, Var, var
from symdiff.ir.function import Function, Param
from symdiff.ir.interface import Interface
from symdiff.ir.nest import Kernel
from symdiff.ir.types import FLOAT, Type
from symdiff.ir.walk import topological
from symdiff.lower.function import lower
from symdiff.options import DEFAULT, CompilerOptions
from symdiff.parse.frame import Context
from symdiff.parse.requires import may_raise, requirements
from symdiff.pipeline import ERASE, PASSES, emitted
from symdiff.primitives.domain import Domain
from symdiff.primitives.row import Primitive, as_expr, zero_of
from symdiff.primitives.scalars import Variadic
from symdiff.runtime.compiler import load_extension
from symdiff.runtime.load import load
from tests.bare import bare
from tests.mp_reference import Reference

Flavour = Literal["python", "float64", "float32"]
Step = tuple[Literal["forward", "reverse"], int]  # one differentiation: its mode, and in what
COUNT = 5  # random points for each row
SEED = 1.5  # the tangent or cotangent of each differentiation: not 1, so that it must be used


def flavours(row: Primitive) -> list[Flavour]:
    """How a row can be computed: with Python floats, with arrays of each precision."""
    if not isinstance(row.numpy, str):
        return ["python"] if isinstance(row, Variadic) else ["float64"]
    found: list[Flavour] = []
    if row.math or not re.search(r"\b(np|special)\.", row.numpy):
        found.append("python")
    if "math." not in row.numpy:
        found += ["float64", "float32"]
    return found


def operand_type(flavour: Flavour) -> Type:
    return FLOAT if flavour == "python" else Type(flavour, (COUNT,))


def variables(row: Primitive, reference: Reference, flavour: Flavour) -> list[Expr]:
    """The operands: variables, but for those that are fixed."""
    count = reference.count or len(row.over)
    return [
        as_expr(reference.fixed[i]) if i in reference.fixed else var(f"x{i}", operand_type(flavour))
        for i in range(count)
    ]


def derived(
    row: Primitive, reference: Reference, flavour: Flavour, ways: Sequence[Sequence[Step]]
) -> Function:
    """The derivatives of `row` after each of the sequences of steps, as results of one function.

    Its parameters are the operands, then as many seeds as the longest of them needs.
    """
    operands = variables(row, reference, flavour)
    primal: Expr = row.build(*operands, attrs=reference.attrs)
    params = [x for x in operands if isinstance(x, Var)]
    context = Context()
    context.evaluated.update({n: {(): None} for n in topological([primal]) if may_raise(n)})
    needs = requirements(context, frozenset(params))
    count = max((len(steps) for steps in ways), default=0)
    seeds = [var(f"seed{k}", operand_type(flavour)) for k in range(count)]
    results: list[Expr] = []
    for steps in ways:
        value = primal
        for (mode, i), seed in zip(steps, seeds, strict=False):
            x = operands[i]
            if mode == "forward":
                (found,), _ = pushforward([value], {x: seed})
            else:
                (found,), _ = pullback([value], [seed], [x])
            value = zero_of(operand_type(flavour)) if found is None else found
        results.append(value)
    function = Function(
        "derivative",
        tuple(Param(v.name, v) for v in (*params, *seeds)),
        results[0] if len(results) == 1 else tuple(results),
        requires=needs,  # type: ignore[attr-defined]
    )
    for _, run in (*ERASE, *PASSES):
        function = run(function, DEFAULT)
    return function


def seeded(run: Callable[..., Any], flavour: Flavour, count: int) -> Callable[..., Any]:
    """`run` as a function of the operands alone."""
    if flavour == "python":
        return lambda *values: run(*values, *[SEED] * count)
    ones = np.full(COUNT, SEED, flavour)
    return lambda *values: run(*[np.asarray(v, flavour) for v in values], *[ones] * count)


def compiled(
    row: Primitive, reference: Reference, flavour: Flavour, steps: Sequence[Step]
) -> Callable[..., Any]:
    """The derivative of `row` after `steps`, as a function of its operands."""
    made = emitted(derived(row, reference, flavour, [steps]), DEFAULT)
    return seeded(load(made.module, made.name, made.bindings), flavour, len(steps))


Wanted = tuple[Flavour, Sequence[Sequence[Step]]]


def compiled_c(
    row: Primitive, reference: Reference, wanted: Sequence[Wanted], options: CompilerOptions
) -> list[Callable[..., Any]]:
    """Derivatives of `row`, a function for each of `wanted`; all are compiled at once.

    Each function has the derivatives after each of its sequences of steps, as a list.
    """
    kernels: list[Kernel] = []
    interfaces: list[Interface] = []
    for k, (flavour, ways) in enumerate(wanted):
        function = replace(derived(row, reference, flavour, ways), name=f"derivative_{k}")
        kernel, interface = lower(function)
        kernels.append(kernel)
        interfaces.append(interface)
    source = generate(kernels, "derivatives")
    interfaces = [called(i, k, source) for i, k in zip(interfaces, source.kernels, strict=True)]
    if source.external:
        text = f"{source.text}\n{call_layer(interfaces, source.unit)}"
        module = load_extension(text, source.unit, options)
        found = [_listing(getattr(module, x.name), x) for x in interfaces]
    else:
        found = bare(source, interfaces, options)
    return [
        seeded(run, flavour, max((len(steps) for steps in ways), default=0))
        for run, (flavour, ways) in zip(found, wanted, strict=True)
    ]


def _listing(run: Callable[..., Any], interface: Interface) -> Callable[..., list[Any]]:
    """`run` with its results in a list."""
    if isinstance(interface.tree, int):
        return lambda *values: [run(*values)]
    return lambda *values: list(run(*values))


def orders(indices: Sequence[int], order: int) -> list[tuple[Step, ...]]:
    """The ways to differentiate `order` times, in every operand and every mix of modes."""
    modes: tuple[Literal["forward", "reverse"], ...] = ("forward", "reverse")
    if order == 1:
        return [((m, i),) for m in modes for i in indices]
    return [((a, i), (b, j)) for a in modes for b in modes for i in indices for j in indices]


def sample(domain: Domain, override: tuple[float, float] | None, rng: np.random.Generator) -> Any:
    """Random points where a row is smooth."""
    low, high = override or (domain.low, domain.high)
    if override is None:
        if math.isinf(low):
            low = -3.0 if math.isinf(high) else high - 3.0
        if math.isinf(high):
            high = low + 3.0 if low > -3.0 else 3.0
        margin = 0.05 * (high - low)
        low, high = low + margin, high - margin
    points: list[float] = []
    while len(points) < COUNT:
        x = float(rng.uniform(low, high))
        if all(abs(x - s) > 0.05 for s in domain.singular):
            points.append(x)
    return points
