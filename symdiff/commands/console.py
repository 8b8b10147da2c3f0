"""What goes to stdout: highlighted on a terminal, plain text when piped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click

from symdiff.aot import write_text

_Item = TypeVar("_Item")
_MANY = 4  # functions in a build from which on progress is shown


def coloured() -> bool:
    """Whether stdout is a terminal that may show colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def show_code(code: str, language: str = "python") -> None:
    """Print `code`; its lines are never wrapped, so what is copied from a terminal runs."""
    if not coloured():
        click.echo(code.rstrip("\n"))
        return
    from rich.console import Console
    from rich.syntax import Syntax

    syntax = Syntax(code, language, theme="ansi_dark", background_color="default")
    Console().print(syntax.highlight(code.rstrip("\n")), soft_wrap=True, end="\n")


def deliver(code: str, output: Path | None, quiet: bool, language: str = "python") -> None:
    """Print `code`, or write it to `output`, whole or not at all."""
    if output is None:
        show_code(code, language)
        return
    write_text(output, code.rstrip("\n") + "\n")
    if not quiet:
        click.echo(f"symdiff: wrote {output}", err=True)


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: ruled on a terminal, columns of text in a pipe."""
    if not coloured():
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo(line.rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, header_style="bold", show_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def with_progress(items: Sequence[_Item], what: str, quiet: bool) -> Iterable[_Item]:
    """`items`, with a bar on stderr where there are many and someone is looking."""
    if quiet or len(items) < _MANY or not sys.stderr.isatty():
        return items
    return _tracked(items, what)


def _tracked(items: Sequence[_Item], what: str) -> Iterator[_Item]:
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, console=Console(stderr=True), transient=True)
