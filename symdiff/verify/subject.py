"""What is differenced: a function whose chosen arguments are numbers that can be moved.

Subject(f, arguments, wrt ("x", "p"))  ->  at([x0, x1, p.w, p.b])  ->  results, each flat
"""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.verify import trees
from symdiff.verify.finite import Vector
from symdiff.verify.intermediate import Overridden


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call: the user's by parameter, and then tangents and cotangents.

    seeds: (names, values, many) of each vector; `many` ones are passed as one tuple.
    """

    bound: inspect.BoundArguments
    seeds: tuple[tuple[tuple[str, ...], tuple[Any, ...], bool], ...] = ()

    def has(self, name: str) -> bool:
        """Whether there is an argument of that name."""
        return name in self.bound.arguments or any(name in names for names, _, _ in self.seeds)

    def value(self, name: str) -> Any:
        """The argument of that name. Raises KeyError where there is none."""
        for names, values, _ in self.seeds:
            if name in names:
                return values[names.index(name)]
        return self.bound.arguments[name]

    def call(self, function: Callable[..., Any], changed: dict[str, Any], convert: Any) -> Any:
        """`function` on copies of the arguments, with some of them changed."""

        def of(name: str, value: Any) -> Any:
            return changed[name] if name in changed else trees.map_leaves(convert, value)

        bound = inspect.BoundArguments(
            self.bound.signature,
            type(self.bound.arguments)((k, of(k, v)) for k, v in self.bound.arguments.items()),
        )
        extra: list[Any] = []
        for names, values, many in self.seeds:
            moved = tuple(of(k, v) for k, v in zip(names, values, strict=True))
            extra.append(moved if many else moved[0])
        return function(*bound.args, *extra, **bound.kwargs)


class Subject:
    """A function of the leaves of some of its arguments.

    function: the primal, or a compiled derivative of lower order. wrt: the names of arguments, or
    of local variables of a primal. pick: takes the tree that is differentiated from the result.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Arguments,
        wrt: Sequence[str],
        pick: Callable[[Any], Any],
    ):
        self.function = function
        self.arguments = arguments
        self.pick = pick
        self.local = self._overridden(wrt)
        self.values = [self._value(name) for name in wrt]
        self.wrt = list(wrt)
        self.leaves = [leaf for v in self.values for leaf in trees.leaves(v)]
        self.paths = [p for n, v in zip(wrt, self.values, strict=True) for p in trees.paths(v, n)]
        self.widened = self._any_single() and self._accepts_double()
        self.base = self.result([trees.reals(x).reshape(np.shape(x)) for x in self.leaves])

    def _overridden(self, wrt: Sequence[str]) -> Overridden | None:
        """The function with its local variables under control, where `wrt` names some."""
        local = [name for name in wrt if not self.arguments.has(name)]
        if not local:
            return None
        if not inspect.isroutine(self.function):
            raise UnsupportedError(
                f"differences with respect to the local variable {local[0]} need the function "
                "itself",
                hint="check the derivative of first order",
            )
        overridden = Overridden(self.function, local)
        self.arguments.call(overridden.measure, {}, trees.copied)
        self.function = overridden
        return overridden

    def _value(self, name: str) -> Any:
        if self.local is not None and name in self.local.values:
            return self.local.values[name]
        return self.arguments.value(name)

    # float32: a finite difference in float32 is good for two digits, so it is taken in float64.

    def _any_single(self) -> bool:
        every = [*self.arguments.bound.arguments.values(), *(s[1] for s in self.arguments.seeds)]
        return any(
            trees.is_number(leaf) and trees.dtype_of(leaf).name in ("float32", "complex64")
            for leaf in trees.leaves([*every, *self.values])
        )

    def _accepts_double(self) -> bool:
        try:
            with quiet():
                self.arguments.call(self.function, {}, self._wide)
        except Exception:
            return False
        return True

    @staticmethod
    def _wide(leaf: Any) -> Any:
        kind = getattr(getattr(leaf, "dtype", None), "name", "")
        wider = {"float32": np.float64, "complex64": np.complex128}.get(kind)
        return leaf.astype(wider) if wider else trees.copied(leaf)

    # Evaluating.

    def result(self, values: Sequence[Any]) -> Any:
        """The result where the leaves have these values. Raises what the function raises."""
        moved = [self._like(x, v) for x, v in zip(self.leaves, values, strict=True)]
        changed: dict[str, Any] = {}
        at = 0
        for name, tree in zip(self.wrt, self.values, strict=True):
            count = len(trees.leaves(tree))
            new = trees.rebuild(tree, moved[at : at + count])
            at += count
            if self.local is not None and name in self.local.values:
                self.local.replacements[name] = new
            else:
                changed[name] = new
        convert = self._wide if self.widened else trees.copied
        with quiet():
            return self.arguments.call(self.function, changed, convert)

    def _like(self, leaf: Any, value: Any) -> Any:
        if isinstance(leaf, (int, float)) and not isinstance(leaf, np.generic):
            return float(value)
        dtype = np.float64 if self.widened else leaf.dtype
        return np.array(value, dtype) if isinstance(leaf, np.ndarray) else dtype_type(dtype)(value)

    def outputs(self, result: Any) -> list[Any]:
        """The differentiable leaves of a result."""
        return [x for x in trees.leaves(self.pick(result)) if trees.is_number(x)]

    def output_paths(self, root: str) -> list[str]:
        """How source reaches each of `outputs`."""
        tree = self.pick(self.base)
        kept = zip(trees.leaves(tree), trees.paths(tree, root), strict=True)
        return [path for leaf, path in kept if trees.is_number(leaf)]

    def along(self, direction: Sequence[Vector]) -> Callable[[float], Vector]:
        """t -> all outputs in one flat array, with the leaves moved by t * direction; nan where
        the function raises."""
        start = [np.asarray(x, np.float64) for x in self.leaves]
        count = sum(trees.reals(x).size for x in self.outputs(self.base))

        def line(t: float) -> Vector:
            try:
                moved = [
                    x + t * np.reshape(d, x.shape) for x, d in zip(start, direction, strict=True)
                ]
                found = [trees.reals(x) for x in self.outputs(self.result(moved))]
            except (ArithmeticError, ValueError):  # outside the function's domain
                return np.full(count, np.nan)
            flat = np.concatenate(found) if found else np.zeros(0)
            return flat if flat.size == count else np.full(count, np.nan)

        return line


def dtype_type(dtype: Any) -> Any:
    """The scalar type of a dtype."""
    return np.dtype(dtype).type


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """No printing and no warnings: the function runs at many points that nobody asked about."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            yield
