"""The check that a module carries: its rows, with points inside of the functions' domains.

The text of the check is that of `symdiff/verify/selfcheck.py`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from symdiff.aot.classes import class_imports
from symdiff.codegen.literal import NotLiteralError, literal, quoted, wrapped
from symdiff.errors import CheckError
from symdiff.ir.tree import leaves
from symdiff.options import DEFAULT, Request
from symdiff.pipeline import Compiled, emitted
from symdiff.runtime.load import load
from symdiff.verify.points import Point, find_points

POINTS = 3
_SEED = 0
_MARK = "# --- The text of generated modules starts here.\n"


def check_row(
    classes: dict[str, Any],
    name: str,
    base: Compiled,
    base_name: str,
    request: Request,
    above: Compiled,
    wrt: Sequence[str],
) -> str:
    """One row of a module's checks: see `symdiff/verify/selfcheck.py`.

    classes: those that its arguments are made of are added.
    """
    params = {p.name: p.tree for p in above.function.params}
    seeds = [p for p in params if p not in {q.name for q in base.function.params}]
    flags = "aux" if request.has_aux else ""
    kind = request.kind
    derivative = name
    if kind in ("jvp", "vjp") or kind == "value_and_grad" or (kind == "jacobian" and request.value):
        flags = f"{flags} value".strip()
    if kind == "hessian" and request.value:
        derivative = f"(lambda **point: {name}(**point)[1])"  # the value is not of the gradient
    if kind == "value_and_grad":
        kind = "grad"
    points: list[str] = []
    why = _uncheckable(base, params, wrt)
    if not why:
        try:
            points = [literal(p, classes) for p in _points(base, above, seeds)]
        except CheckError:
            why = "no random point lies in its domain"
        except NotLiteralError as error:
            why = str(error)
    head = (
        f"({quoted(name)}, {quoted(kind)}, {base_name}, {derivative}, {_names(wrt)}, "
        f"{_names(seeds)}, {quoted(why or flags)}, ["
    )
    if not points:
        return wrapped(f"{head}]),", " " * 8)
    lines = [wrapped(f"{point},", " " * 12) for point in points]
    return "\n".join([wrapped(head, " " * 8), *lines, " " * 8 + "]),"])


def _uncheckable(base: Compiled, params: Mapping[str, Any], wrt: Sequence[str]) -> str:
    """Why finite differences say nothing about a derivative, or an empty text."""
    hidden = [n for n in wrt if n not in params]
    if hidden:
        return f"with respect to the local variable {hidden[0]}"
    cuts = [c for c in base.function.cuts if "detach" in c.what or "grad" in c.what]
    if cuts:
        place = f" at {cuts[0].span.place}" if cuts[0].span else ""
        return f"{cuts[0].what}{place} cuts it"
    if any(p.kind.startswith("star") and any(leaves(p.tree)) for p in base.function.params):
        return "takes a varying number of arguments"
    return ""


def _points(base: Compiled, above: Compiled, seeds: Sequence[str]) -> list[Point]:
    """Points inside the domain of `base`, by trying; the derivative's own value plays no part."""
    # Of C too, as Python: to write a module takes no compiler.
    python = base if base.target == "python" else emitted(base.function, DEFAULT)
    run = load(python.module, python.name, python.bindings)
    trees = {p.name: p.tree for p in above.function.params if not p.kind.startswith("star")}
    defaults = {
        p.name: ast.literal_eval(p.default)
        for p in above.function.params
        if p.default is not None and p.name in trees and type(p.tree).__name__ == "Var"
    }
    integers = {k: v for k, v in defaults.items() if isinstance(v, int)}

    def inside(point: Point) -> Any:
        return run(**{k: v for k, v in point.items() if k not in seeds})

    return find_points(inside, trees, POINTS, _SEED, integers)


def _names(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def check_text(rows: Iterable[str], classes: Mapping[str, Any]) -> str:
    """The self-check: its text, the rows of a module, and what runs it."""
    lines = [f"    {line}\n" for line in class_imports(classes)]
    listed = "\n".join(rows)
    return (
        "# The check of the derivatives above: `--check` on the command line.\n\n\n"
        f"{selfcheck_text()}\n\n"
        "def _checks():\n"
        '    """(name, kind, base, derivative, wrt, seeds, flags, points) of each derivative."""\n'
        f"{''.join(lines)}    return [\n{listed}\n    ]\n\n\n"
        'if __name__ == "__main__":\n    import sys\n\n    sys.exit(_main(sys.argv[1:], _checks))\n'
    )


@functools.cache
def selfcheck_text() -> str:
    """The functions that every module carries to check itself."""
    source = resources.files("symdiff.verify").joinpath("selfcheck.py").read_text("utf-8")
    return source.split(_MARK, 1)[1].strip() + "\n"
