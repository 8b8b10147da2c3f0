"""Derivatives of scalar functions and loops compile with Numba: `python -m tests.numba_output`.

The printed source of each is compiled with `numba.njit`, called, and compared with what Python
gives. What Numba cannot compile is listed below with the reason; anything else it refuses fails.
Numba is not needed for anything else: `pip install -e .[test,numba]` installs it.
"""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import symdiff
from tests.fuzz.oracle import flat, leaves
from tests.language import loops, writes
from tests.language.__main__ import static_names
from tests.test_cases import FILES, Case

# What is refused, and why.
REFUSED = {
    "jacobian_of_arrays": "np.reshape of a list of rows",
    "loop_raise": "array.tolist()",
    "parameters": "a dict as argument",
    "loops.reductions": "array.sum(keepdims=True)",
    "writes.slices": "range(n)[::2], for the length of a slice",
    "writes.filled": "np.add.at",
    "writes.sorted_in_place": "np.add.at",
}


def programs() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """(name, derivative, arguments) of every golden file of scalars or loops, and of the rows."""
    for path in FILES:
        case = Case(path)
        yield path.stem, case.df, case.args
    for section in (loops, writes):
        for row in vars(section)["ROWS"]:
            if row.kind == "shows":
                derivative = symdiff.value_and_grad(row.function, wrt="*", static=static_names(row))
                yield row.name, derivative, row.args


def compiled(source: str, njit: Callable[..., Any]) -> Callable[..., Any]:
    """The last function of `source`, all its functions compiled."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    for name, value in list(scope.items()):
        if inspect.isfunction(value):
            scope[name] = njit(value)
            last = scope[name]
    return last


def main() -> int:
    try:
        import numba
    except ImportError:
        print("numba is not installed: skipped")
        return 0
    warnings.simplefilter("ignore")
    failures = found = 0
    for name, derivative, args in programs():
        expected = derivative(*copy.deepcopy(args))
        if derivative.requests[-1].kind in ("jvp", "vjp", "hvp") and isinstance(args[-1], tuple):
            args = (*args[:-1], *args[-1])  # the generated function takes them one by one
        try:
            answer = compiled(derivative.source, numba.njit)(*copy.deepcopy(args))
        except Exception as error:  # Numba raises many kinds of them
            if name not in REFUSED:
                failures += 1
                print(f"{name}: {type(error).__name__}: {_reason(error)}")
            continue
        if name in REFUSED:
            failures += 1
            print(f"{name}: compiles, but is listed as refused")
        elif not np.allclose(flat(leaves(answer)), flat(leaves(expected)), rtol=1e-9, atol=1e-12):
            failures += 1
            print(f"{name}: {answer} is not {expected}")
        found += 1
    print(f"numba {numba.__version__}: {found} compile, {len(REFUSED)} are known not to, "
          f"{failures} failures")  # fmt: skip
    return 1 if failures else 0


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [x for x in lines if not x.startswith(("Failed", "File", "During", "-", "^", ">"))]
    return " | ".join(telling[:3])[:200]


if __name__ == "__main__":
    sys.exit(main())
