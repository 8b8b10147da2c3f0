"""`symdiff check FILE:FUNCTION`: a derivative against finite differences, as a table."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Sequence
from typing import Any

import click

from symdiff.api import Derivative
from symdiff.commands.arguments import Declared, bind_point, fitted, given_values, shown_point
from symdiff.commands.load import imported
from symdiff.commands.main import Failure
from symdiff.commands.target import Ask, Job, derivative_options, job_for, resolve, split_target
from symdiff.errors import CheckError
from symdiff.ir.tree import Tree
from symdiff.options import Request
from symdiff.verify.check import check_derivative
from symdiff.verify.points import OUTSIDE, Point, find_points


@click.command()
@click.argument("target", metavar="FILE:FUNCTION")
@derivative_options
@click.option(
    "--at", multiple=True, metavar="VALUES", help="A point: 4.0 or x=4.0,y=[1,2]. Repeatable."
)
@click.option(
    "--points", type=click.IntRange(1), default=5, show_default=True, help="Random points."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random points.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what disagrees.")
def check(
    target: str,
    ask: Ask,
    declared: Declared,
    at: Sequence[str],
    points: int,
    seed: int,
    quiet: bool,
) -> None:
    """Compare a derivative of FUNCTION, which FILE defines, with finite differences.

    At random points, arrays of random content, those outside the function's domain drawn again;
    or at the points that --at gives. Exits with 1 where they disagree.

    \b
    symdiff check model.py:f
    symdiff check model.py:loss --wrt w,b --arg w=float64[d] --arg X=float64[n,d]
    """
    path, function = split_target(target)
    with imported(path, quiet) as module:
        name, value = resolve(module, function)
        job = job_for(name, value, ask, declared, given_values(value, at[0] if at else None))
        chosen = _given_points(job, at) if at else _random_points(job, points, seed)
        wrong = sum(not _agrees(job, point, quiet) for point in chosen)
    total = f"{len(chosen)} point{'s' if len(chosen) > 1 else ''}"
    if wrong:
        raise Failure(
            f"{job.compiled().name} disagrees with finite differences at {wrong} of {total}"
        )
    if not quiet:
        click.echo(click.style(f"{job.compiled().name}: ok at {total}", fg="green"))


def _trees(job: Job) -> dict[str, Tree]:
    params = job.compiled().function.params
    return {p.name: p.tree for p in params if not p.kind.startswith("star")}


def _given_points(job: Job, at: Sequence[str]) -> list[Point]:
    trees = _trees(job)
    parameters = inspect.signature(job.primal).parameters
    points: list[Point] = []
    for text in at:
        values = bind_point(text, list(trees))
        point: Point = {}
        for name, tree in trees.items():
            if name in values:
                point[name] = fitted(name, values[name], tree)
            elif name in job.declared.static:
                point[name] = job.declared.static[name]
            elif name not in parameters or parameters[name].default is inspect.Parameter.empty:
                raise click.BadParameter(f"there is no value for {name}", param_hint="--at")
        points.append(point)
    return points


def _random_points(job: Job, count: int, seed: int) -> list[Point]:
    """Points at which the user's own function returns finite numbers."""
    primal = inspect.signature(job.primal).parameters
    integers = {
        k: p.default for k, p in primal.items() if isinstance(p.default, int) and k in _trees(job)
    }

    def run(point: Point) -> Any:
        args, kwargs = _call(job, {k: v for k, v in point.items() if k in primal}, seeds=False)
        with contextlib.redirect_stdout(sys.stderr):
            return job.primal(*args, **kwargs)

    return find_points(run, _trees(job), count, seed, {**integers, **job.declared.static})


def _call(job: Job, point: Point, *, seeds: bool) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call of the derivative: by keyword where Python allows; tangents last."""
    own = inspect.signature(job.primal).parameters
    args = [point[k] for k, p in own.items() if p.kind is p.POSITIONAL_ONLY and k in point]
    kwargs = {k: point[k] for k, p in own.items() if p.kind is not p.POSITIONAL_ONLY and k in point}
    if seeds:
        args += _seeds(job.requests, [v for k, v in point.items() if k not in own])
    return args, kwargs


def _seeds(requests: Sequence[Request], values: Sequence[Any]) -> list[Any]:
    """Tangents and cotangents as `Derivative` takes them: one, or one tuple of several."""
    seeded = [r for r in requests if r.kind in ("jvp", "vjp", "hvp")]
    if len(seeded) == 1 and seeded[0].many and seeded[0].kind != "vjp":
        return [tuple(values)]
    return list(values)


def _agrees(job: Job, point: Point, quiet: bool) -> bool:
    """Print the table of one point; whether the derivative is right there."""
    derivative: Derivative = job.derivative()
    args, kwargs = _call(job, point, seeds=True)
    label = f"at {shown_point(point)}"
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the function prints is not the table
            report = check_derivative(derivative, args, kwargs)
    except CheckError as error:
        click.echo(f"{click.style(label, bold=True)}\n{error}\n")
        return False
    except OUTSIDE as error:
        raise Failure(f"{job.name} {label} raises {type(error).__name__}: {error}") from None
    if not quiet:
        click.echo(f"{click.style(label, bold=True)}\n{report}\n")
    return True
