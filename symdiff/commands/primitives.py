"""`symdiff primitives [NAME]`: the table of what can be differentiated."""

from __future__ import annotations

import difflib
import re

import click
import numpy as np

from symdiff.commands.console import show_table
from symdiff.primitives.row import Composite, Discrete, Elementwise, Linear, Primitive, Reduction
from symdiff.primitives.table import ROWS

_KINDS = (
    (Discrete, "discrete", "locally constant: no derivative flows through it"),
    (Elementwise, "elementwise", "partial derivatives, element by element"),
    (Linear, "linear", "linear in its operands; the transpose is stated"),
    (Reduction, "reduction", "reduces axes; the partial in each element is stated"),
    (Composite, "composite", "differentiated through its expansion into other rows"),
)
_OPERANDS = "xyzuvw"


@click.command()
@click.argument("name", required=False)
@click.option(
    "--kind", type=click.Choice([k for _, k, _ in _KINDS]), help="Only rows of this kind."
)
def primitives(name: str | None, kind: str | None) -> None:
    """List the functions that symdiff can differentiate, or show the row called NAME."""
    if name is not None:
        _show(name)
        return
    rows = [row for row in ROWS.values() if kind is None or kind_of(row)[0] == kind]
    show_table(
        ("name", "operands", "math", "NumPy", "kind"),
        [
            (r.name, operands(r), *spellings(r), kind_of(r)[0])
            for r in sorted(rows, key=lambda r: r.name)
        ],
    )


def _show(name: str) -> None:
    row = ROWS.get(name) or next((r for r in ROWS.values() if name in " ".join(spellings(r))), None)
    if row is None:
        like = difflib.get_close_matches(name, ROWS, 1)
        more = f"; did you mean {like[0]}?" if like else ""
        raise click.UsageError(f"the table has no row {name!r}{more}")
    kind, meaning = kind_of(row)
    math, numpy = spellings(row)
    lines = [("name", row.name), ("operands", operands(row)), ("math", math), ("NumPy", numpy)]
    lines += [("parameters", ", ".join(row.attr_names)), ("kind", f"{kind}: {meaning}")]
    lines += [("derivative", text) for text in partials(row)]
    lines += [("note", row.doc)]
    for label, text in lines:
        if text:
            click.echo(f"{label:12}{text}")


def kind_of(row: Primitive) -> tuple[str, str]:
    """How the row states its derivative: (in a word, in a line)."""
    for cls, word, meaning in _KINDS:
        if isinstance(row, cls):
            return word, meaning
    return "rule", "both modes are stated"


def operands(row: Primitive) -> str:
    """The operands by the letters that `spellings` uses, or nothing where their number varies."""
    count = _count(row)
    return ", ".join(_OPERANDS[:count])


def _count(row: Primitive) -> int:
    if isinstance(row, Elementwise) and row.partials:
        return len(row.partials)
    text = row.numpy if isinstance(row.numpy, str) else ""
    places = [int(n) for n in re.findall(r"\{(\d+)\}", text)]
    if places:
        return max(places) + 1
    return 1 if isinstance(row, Reduction) else 0


def spellings(row: Primitive) -> tuple[str, str]:
    """How `math` and NumPy (or SciPy) spell the row; both empty where it has no one spelling."""
    numpy = row.numpy if isinstance(row.numpy, str) and "{" in row.numpy else ""
    if not numpy and callable(getattr(np, row.name, None)):
        numpy = f"np.{row.name}"
    return _filled(row.math or ""), _filled(numpy)


def _filled(text: str) -> str:
    shown = re.sub(r"\{(\d+)\}", lambda found: _OPERANDS[int(found[1])], text)
    if shown.startswith("_"):  # a helper function that generated code carries
        return ""
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def partials(row: Primitive) -> list[str]:
    """The partial derivatives of an elementwise row of floats, as code."""
    if not isinstance(row, Elementwise) or not row.partials or row.attr_names:
        return []
    from symdiff.codegen.printer import expression_text
    from symdiff.codegen.python import generate
    from symdiff.errors import SymdiffError
    from symdiff.ir.expr import Apply, var
    from symdiff.ir.function import Function, Param
    from symdiff.ir.types import FLOAT
    from symdiff.options import DEFAULT

    letters = _OPERANDS[: len(row.partials)]
    inputs = [var(letter, FLOAT) for letter in letters]
    lines: list[str] = []
    try:
        node = row.build(*inputs)
        for i, letter in enumerate(letters):
            partial = row.partial(node, i) if isinstance(node, Apply) else None
            if partial is None:
                continue
            params = tuple(Param(x, v) for x, v in zip(letters, inputs, strict=True))
            made = generate(Function(row.name, params, partial), DEFAULT)
            text = "; ".join(expression_text(s.node) for s in made.body)
            lines.append(f"d/d{letter}: {text.replace('return ', '')}")
    except (SymdiffError, AssertionError, TypeError, ValueError):
        return []  # a row that does not take floats
    return lines
