"""`symdiff build FILE -o MODULE`: a module of derivatives that runs without symdiff."""

from __future__ import annotations

import shlex
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from symdiff import aot
from symdiff.api import Derivative
from symdiff.codegen.literal import quoted
from symdiff.commands.arguments import Declared, parameters
from symdiff.commands.console import with_progress
from symdiff.commands.load import imported, source_hashes
from symdiff.commands.target import (
    Ask,
    Job,
    derivative_options,
    functions_of,
    job_for,
    resolve,
    split_target,
)


@click.command()
@click.argument("target", metavar="FILE[:FUNCTION]")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="MODULE")
@click.option(
    "--function", "-f", "names", multiple=True, metavar="NAME", help="Which functions. Repeatable."
)
@derivative_options
@click.option(
    "--check-stale", is_flag=True, help="Write nothing; exit with 1 if MODULE is out of date."
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing on stderr but errors.")
def build(
    target: str,
    output: Path,
    names: Sequence[str],
    ask: Ask,
    declared: Declared,
    check_stale: bool,
    quiet: bool,
) -> None:
    """Write MODULE with the derivatives of the decorated functions of FILE, or of those named.

    MODULE needs neither symdiff nor FILE, and `python MODULE --check` compares every derivative
    in it with finite differences. It records the hash of its sources: --check-stale, for CI,
    compares without importing anything.

    \b
    symdiff build model.py -o model_grad.py
    symdiff build model.py -o model_grad.py --function loss --wrt w,b --arg w=float64[d]
    symdiff build model.py -o model_grad.py --target c   (and model_grad.c, model_grad.h)
    """
    path, single = split_target(target)
    wanted = [*([single] if single else []), *names]
    if output.exists() and output.samefile(path):
        raise click.UsageError(f"-o {output} would overwrite the source")
    options = _options(wanted, ask, declared)
    if check_stale:
        aot.check_stale(output, path.resolve().parent, options)
        if not quiet:
            click.echo(f"{output} is up to date")
        return
    with imported(path, quiet) as module:
        jobs = _jobs(module, wanted, ask, declared)
        for job in with_progress(jobs, "differentiating", quiet):
            job.compiled()
        command = shlex.join(
            ["symdiff", "build", str(path), "-o", str(output), *shlex.split(options)]
        )
        provenance = aot.Provenance(path.name, source_hashes(path), options, command)
        files = aot.write_module(jobs, output, provenance, [_own_name(j) for j in jobs])
    if not quiet:
        click.echo(f"symdiff: wrote {', '.join(map(str, files))}", err=True)


def _options(wanted: Sequence[str], ask: Ask, declared: Declared) -> str:
    """What was asked, in one canonical form: modules are stale when it changes."""
    words = [word for name in wanted for word in ("--function", name)]
    given = {k: str(v) for k, v in declared.types.items()}
    given |= {k: quoted(v) if isinstance(v, str) else repr(v) for k, v in declared.static.items()}
    words += ask.words
    words += [word for k, v in sorted(given.items()) for word in ("--arg", f"{k}={v}")]
    return shlex.join(words)


def _jobs(
    module: types.ModuleType, wanted: Sequence[str], ask: Ask, declared: Declared
) -> list[Job]:
    """The derivatives to write: of the named functions, or of all that are decorated."""
    file = Path(str(module.__file__)).name
    if wanted:
        found = [resolve(module, name) for name in dict.fromkeys(wanted)]
    else:
        found = [(k, v) for k, v in functions_of(module).items() if isinstance(v, Derivative)]
        if not found:
            raise click.UsageError(
                f"{file} has no function with a decorator of symdiff; name some with --function"
            )
    known = {p for _, value in found for p in parameters(getattr(value, "primal", value))}
    for unknown in sorted(declared.names - known):
        raise click.BadParameter(f"no function has a parameter {unknown}", param_hint="--arg")
    return [
        job_for(name, value, ask, declared.only(parameters(getattr(value, "primal", value))))
        for name, value in found
    ]


def _own_name(job: Job) -> str | None:
    """`loss_grad = symdiff.grad(loss)` is called loss_grad; a decorated f names no gradient."""
    primal: Any = job.primal
    named = job.decorated and job.name.isidentifier() and job.name != primal.__name__
    return job.name if named else None
