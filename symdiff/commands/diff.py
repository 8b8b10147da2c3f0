"""`symdiff diff FILE:FUNCTION`: print the code of a derivative, or what became of it on the way."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from symdiff.commands.arguments import Declared, bind_point, fitted, given_values, shown_point
from symdiff.commands.console import deliver
from symdiff.commands.load import imported
from symdiff.commands.main import Failure
from symdiff.commands.target import Ask, Job, derivative_options, job_for, resolve, split_target
from symdiff.pipeline import Compiled, loaded


@click.command()
@click.argument("target", metavar="FILE:FUNCTION")
@derivative_options
@click.option("--at", metavar="VALUES", help="Evaluate there, too: 4.0 or x=4.0,y=[1,2].")
@click.option(
    "--stage", metavar="NAME", help="Show the IR after a stage: parse, differentiate, ... all."
)
@click.option("--latex", is_flag=True, help="Print a formula instead of code.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to a file instead.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing on stderr but errors.")
def diff(
    target: str,
    ask: Ask,
    declared: Declared,
    at: str | None,
    stage: str | None,
    latex: bool,
    output: Path | None,
    quiet: bool,
) -> None:
    """Print the code of a derivative of FUNCTION, which FILE defines.

    \b
    symdiff diff model.py:f --at 4.0
    symdiff diff model.py:loss --wrt w,b --arg w=float64[d] --arg X=float64[n,d]
    symdiff diff model.py:f --order 2 --stage all
    """
    if stage and latex:
        raise click.UsageError("--stage and --latex do not go together")
    path, function = split_target(target)
    if output is not None and output.exists() and output.samefile(path):
        raise click.UsageError(f"--output {output} would overwrite the source")
    with imported(path, quiet) as module:
        name, value = resolve(module, function)
        given = given_values(value, at)
        job = job_for(name, value, ask, declared, given)
        if stage:
            deliver(_stages(job, stage), output, quiet, "text")
            return
        compiled = job.compiled()
        if latex:
            from symdiff.codegen.latex import latex as formula

            deliver(formula(compiled.function), output, quiet, "latex")
            return
        code = compiled.module
        if at is not None:
            code += f"\n{evaluate(job, compiled, at)}\n"
        deliver(code, output, quiet, compiled.target)


def _stages(job: Job, wanted: str) -> str:
    """The IR after the stage `wanted`; `optimize` is the last one before code is generated."""
    compiled = job.compile(stages=True)
    stages = [*compiled.stages]
    labels = list(dict.fromkeys(label for label, _ in stages))
    if wanted == "all":
        chosen: Sequence[tuple[str, str]] = [*stages, ("generate", compiled.module.rstrip("\n"))]
    elif wanted in labels:
        chosen = [s for s in stages if s[0] == wanted]
    elif wanted in ("optimize", "optimise"):
        chosen = [("optimize", stages[-1][1])]
    elif wanted == "generate":
        chosen = [("generate", compiled.module.rstrip("\n"))]
    else:
        known = dict.fromkeys([*labels, "optimize", "generate", "all"])
        raise click.BadParameter(
            f"{wanted!r} is not one of {', '.join(known)}", param_hint="--stage"
        )
    return "\n\n".join(f"# after {label}\n{text}" for label, text in chosen)


def evaluate(job: Job, compiled: Compiled, at: str) -> str:
    """`# at x=4.0: -7.661275842587077`. Raises Failure where the derivative raises."""
    params = [p for p in compiled.function.params if not p.kind.startswith("star")]
    trees = {p.name: p.tree for p in params}
    run = loaded(compiled, job.options)
    values = bind_point(at, list(trees))
    arguments = {k: fitted(k, v, trees[k]) for k, v in values.items()}
    arguments = {**job.declared.static, **arguments}
    empty = inspect.Parameter.empty
    own = {k: p.default for k, p in inspect.signature(job.primal).parameters.items()}
    for name in trees:
        arguments.setdefault(name, own.get(name, empty))
        if arguments[name] is empty:
            raise click.BadParameter(f"there is no value for {name}", param_hint="--at")
    label = shown_point({k: arguments[k] for k in values})
    plain = [arguments.pop(p.name) for p in params if p.kind == "plain"]
    try:
        result = run(*plain, **arguments)
    except Exception as error:
        raise Failure(
            f"{compiled.name} at {label} raises {type(error).__name__}: {error}"
        ) from None
    lines = shown_value(result).splitlines()
    mark = {"python": "#", "c": "//"}[compiled.target]
    return "\n".join([f"{mark} at {label}: {lines[0]}", *(f"{mark}     {x}" for x in lines[1:])])


def shown_value(value: Any) -> str:
    """A result, its numbers exact, NumPy's scalars and arrays as plain numbers and lists."""
    return repr(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_plain, value))
    return type(value)(map(_plain, value)) if isinstance(value, (tuple, list)) else value
