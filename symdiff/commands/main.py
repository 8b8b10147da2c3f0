"""The `symdiff` command: its subcommands, exit codes, and how errors are told.

Exit codes: 0 all is well; 1 a derivative disagrees, a module is stale, or the user's code has an
error; 2 bad usage (a file or function that does not exist, an option that makes no sense).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

import symdiff
from symdiff.errors import SymdiffError

_COMMANDS = {
    "build": "Write a module that holds the derivatives of a file's functions.",
    "check": "Compare a derivative with finite differences.",
    "diff": "Print the code of a derivative.",
    "primitives": "List the functions that symdiff can differentiate.",
}


class Failure(click.ClickException):
    """An error with exit code 1: one message on stderr, no traceback."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        head = click.style("error:", fg="red", bold=True)
        click.echo(f"symdiff: {head} {self.message}", err=True)


class _Commands(click.Group):
    """Imports a command when it is asked for, so that `symdiff --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"symdiff.commands.{cmd_name}")
        return getattr(module, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except SymdiffError as error:
            raise Failure(f"{type(error).__name__}: {error}") from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(symdiff.__version__, prog_name="symdiff")
def cli() -> None:
    """Derivatives of Python functions, as Python code.

    A FILE is imported to find its functions: under its own name, so that what stands under
    `if __name__ == "__main__"` does not run.

    Exit codes: 0 all is well; 1 a derivative disagrees, a module is stale or your code has an
    error; 2 bad usage.
    """


def main() -> None:
    """The entry point of `symdiff`, `python -m symdiff` and `python cli.py`."""
    cli(prog_name="symdiff")
