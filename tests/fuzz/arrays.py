"""Random programs on arrays: broadcasting, reductions, products, indexing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.generate import Retry, Writer, _function
from tests.fuzz.program import Program

Shape = tuple[str, ...]  # of "n", "d", "1"
SHAPES: list[Shape] = [(), ("n",), ("d",), ("n", "d"), ("1", "d"), ("n", "1")]

ELEMENTWISE = ["np.sin", "np.cos", "np.tanh", "np.exp", "np.arctan", "np.expm1", "np.sinh",
               "np.square", "np.negative", "squash", "np.cosh", "np.arcsinh"]  # fmt: skip
POSITIVE = ["np.log", "np.sqrt", "np.log1p", "np.log2", "np.reciprocal", "np.log10", "np.cbrt"]


class ArrayWriter(Writer):
    """Functions of arrays of shapes built from two sizes, which differ."""

    def __init__(self, rng: random.Random, nesting: int = 4):
        super().__init__(rng, nesting)
        self.sizes = {"1": 1, "n": rng.choice([2, 3, 4]), "d": 0}
        self.sizes["d"] = rng.choice([k for k in (2, 3, 5) if k != self.sizes["n"]])

    def shape(self, shape: Shape) -> tuple[int, ...]:
        return tuple(self.sizes[s] for s in shape)

    def named(self, shape: Shape) -> list[str]:
        """The variables of this shape."""
        wanted = self.shape(shape)
        return [
            k for k, v in self.scope.items()
            if k not in self.fixed and isinstance(v, (float, np.ndarray)) and np.shape(v) == wanted
        ]  # fmt: skip

    def checked(self, text: str, shape: Shape) -> str:
        """`text`, where it has this shape at the sample."""
        value = self.value(text)
        if np.shape(value) != self.shape(shape) or np.size(value) == 0:
            raise Retry
        return text

    def leaf(self, shape: Shape) -> str:
        names = self.named(shape)
        if names and self.rng.random() < 0.9:
            return self.rng.choice(names)
        big = self.named(("n", "d"))
        if big and self.rng.random() < 0.8:
            x = self.rng.choice(big)
            parts = {
                (): [f"{x}[0, 0]", f"{x}[-1, 1]", f"{x}.mean()"],
                ("n",): [f"{x}[:, 0]", f"{x}[:, -1]"], ("d",): [f"{x}[0]", f"{x}[-1]"],
                ("1", "d"): [f"{x}[:1]", f"{x}[-1:]"], ("n", "1"): [f"{x}[:, :1]", f"{x}[:, 1:2]"],
            }  # fmt: skip
            if shape in parts:
                return self.rng.choice(parts[shape])
        if not shape:
            return self.number()
        if self.rng.random() < 0.5 and shape in (("n",), ("d",)):
            return f"np.linspace(0.1, 1.0, {self.sizes[shape[0]]})"
        sizes = ", ".join(self._size(s) for s in shape)
        return f"np.full(({sizes},), {self.rng.choice(['0.5', '1.0', '-0.25'])})"

    def _size(self, s: str) -> str:
        """A size as source text: read from a parameter where one has it."""
        if s == "1":
            return "1"
        for name, value in self.scope.items():
            if name in self.inputs and isinstance(value, np.ndarray) and value.ndim:
                if value.shape[0] == self.sizes[s]:
                    return self.rng.choice([f"len({name})", f"{name}.shape[0]"])
                if value.ndim == 2 and value.shape[1] == self.sizes[s]:
                    return f"{name}.shape[1]"
        raise Retry

    def expr(self, shape: Shape, depth: int = 3) -> str:
        """An expression of this shape."""
        if depth <= 0 or self.rng.random() < 0.1:
            return self.checked(self.leaf(shape), shape)
        options = [self.unary, self.unary, self.binary, self.binary, self.binary, self.positive,
                   self.power, self.choice, self.rearranged, self.rearranged, self.reduced,
                   self.reduced, self.product, self.product]  # fmt: skip
        for _ in range(15):
            try:
                return self.checked(self.rng.choice(options)(shape, depth), shape)
            except Retry:
                continue
        return self.checked(self.leaf(shape), shape)

    def unary(self, shape: Shape, depth: int) -> str:
        inner = self.expr(shape, depth - 1)
        if self.rng.random() < 0.1:
            self.differs(inner, "0.0")
            return f"{self.rng.choice(['np.abs', 'abs', 'np.fabs'])}({inner})"
        if self.rng.random() < 0.1:
            return f"-({inner})"
        return f"{self.rng.choice(ELEMENTWISE)}({inner})"

    def positive(self, shape: Shape, depth: int) -> str:
        inner = self.expr(shape, depth - 1)
        if np.any(np.asarray(self.value(inner)) < 0.15):
            inner = self.rng.choice([f"({inner}) ** 2 + 0.4", f"1.0 + np.exp({inner})"])
        return f"{self.rng.choice(POSITIVE)}({inner})"

    def power(self, shape: Shape, depth: int) -> str:
        inner = self.expr(shape, depth - 1)
        if self.rng.random() < 0.7:
            return f"({inner}) ** {self.rng.choice(['2', '3', '2.0'])}"
        if np.any(np.asarray(self.value(inner)) < 0.15):
            raise Retry
        return f"({inner}) ** {self.rng.choice(['0.5', '-1', '1.5', '-2.0'])}"

    def partner(self, shape: Shape) -> tuple[Shape, Shape]:
        """Two shapes that broadcast to `shape`."""
        smaller: list[Shape] = [(), shape]
        if shape == ("n", "d"):
            smaller += [("d",), ("1", "d"), ("n", "1")]
            if self.rng.random() < 0.2:
                return ("n", "1"), self.rng.choice([("1", "d"), ("d",)])
        if shape in (("1", "d"),):
            smaller += [("d",)]
        pair = [shape, self.rng.choice(smaller)]
        self.rng.shuffle(pair)
        return pair[0], pair[1]

    def binary(self, shape: Shape, depth: int) -> str:
        first, second = self.partner(shape)
        a, b = self.expr(first, depth - 1), self.expr(second, depth - 1)
        op = self.rng.choice(
            ["+", "-", "*", "*", "/", "np.maximum", "np.minimum", "np.logaddexp", "np.hypot",
             "np.arctan2", "np.multiply", "np.add"]
        )  # fmt: skip
        if op == "/":
            if np.any(np.abs(self.value(b)) < 0.15):
                b = f"(1.5 + ({b}) ** 2)"
            return f"({a}) / ({b})"
        if op in ("+", "-", "*"):
            return f"(({a}) {op} ({b}))"
        if op in ("np.maximum", "np.minimum"):
            self.differs(a, b)
        if op in ("np.hypot", "np.arctan2"):
            self.differs(a, "0.0")
        return f"{op}({a}, {b})"

    def choice(self, shape: Shape, depth: int) -> str:
        a, b = self.expr(shape, depth - 1), self.expr(shape, depth - 1)
        roll = self.rng.random()
        if roll < 0.25:
            s = self.expr((), 1)
            self.differs(s, "0.1")
            return f"({a} if {s} > 0.1 else {b})"
        test = self.expr(shape, 1)
        if roll < 0.4:
            self.differs(test, "-0.8")
            self.differs(test, "0.8")
            return f"np.clip({test}, -0.8, 0.8)"
        self.differs(test, "0.0")
        if roll < 0.55:
            self.jax = False  # JAX's gradient of the masked side is 0 * inf
            name = self.rng.choice(["np.log", "np.sqrt"])
            return f"np.where({test} > 0.0, {name}({test}), {self.rng.choice([b, '0.0'])})"
        self.differs(a, "0.2")
        both = self.rng.choice(
            [f"{test} > 0.0", f"({test} > 0.0) & ({a} < 0.2)", f"~({test} < 0.0)"]
        )
        return f"np.where({both}, {a}, {b})"

    def rearranged(self, shape: Shape, depth: int) -> str:
        """An array of another shape, or in another order."""

        def e(*s: str) -> str:
            return f"({self.expr(s, depth - 1)})"

        a, b = (*shape, "", "")[:2]
        match len(shape):
            case 0:
                options: list[Callable[[], str]] = [
                    lambda: f"{e('n')}[{self.rng.choice(['0', '-1', '1'])}]",
                    lambda: f"{e('n', 'd')}[{self.rng.choice(['0, 1', '-1, 0', '1, -1'])}]",
                    lambda: f"{e('n', 'd')}[1][0]",
                ]
            case 1:
                other = "d" if a == "n" else "n"
                options = [
                    lambda: f"{e(a)}[::-1]",
                    lambda: f"np.roll({e(a)}, 1)",
                    lambda: f"np.flip({e(a)})",
                    lambda: (
                        f"{e(a, other) if (a, other) == ('n', 'd') else e(other, a) + '.T'}[:, 0]"
                    ),
                    lambda: f"{e('n', 'd')}[-1]" if a == "d" else f"{e('n', '1')}[:, 0]",
                    lambda: f"{e('n', '1')}.ravel()" if a == "n" else f"{e('1', 'd')}.reshape(-1)",
                    lambda: (
                        f"np.squeeze({e('n', '1')})"
                        if a == "n"
                        else f"np.squeeze({e('1', 'd')}, axis=0)"
                    ),
                    lambda: f"np.concatenate([{e(a)}[1:], {e(a)}[:1]])",
                    lambda: f"np.concatenate([{e(a)}[:1] * 2.0, {e(a)}[1:]], axis=0)",
                    lambda: f"np.cumsum({e(a)})",
                    lambda: f"{e(a)}[{[*range(self.sizes[a])][::-1]}]",
                    lambda: f"np.hstack([{e(a)}[:1], {e(a)}[1:]])",
                    lambda: f"np.where(np.arange({self._size(a)}) < 1, {e(a)}, 0.5)",
                    lambda: f"np.broadcast_to({e()}, ({self._size(a)},))",
                ]
            case _:
                options = [
                    lambda: f"{e(*shape)}[::-1]",
                    lambda: f"{e(*shape)}[:, ::-1]",
                    lambda: f"{e(*shape)}.T.T",
                    lambda: f"np.swapaxes(np.transpose({e(*shape)}), 0, 1)",
                ]
                if b == "1":
                    options += [
                        lambda: f"{e('n')}[:, None]", lambda: f"{e('n')}.reshape(-1, 1)",
                        lambda: f"np.expand_dims({e('n')}, 1)", lambda: f"{e('n', 'd')}[:, 1:2]",
                        lambda: f"{e('n')}[:, np.newaxis]",
                    ]  # fmt: skip
                elif a == "1":
                    options += [
                        lambda: f"{e('d')}[None, :]", lambda: f"{e('d')}.reshape(1, -1)",
                        lambda: f"np.expand_dims({e('d')}, axis=0)", lambda: f"{e('n', 'd')}[:1]",
                        lambda: f"{e('d')}[None, ...]",
                    ]  # fmt: skip
                else:
                    options += [
                        lambda: f"np.stack([{e('n')}] * {self.sizes['d']}, axis=1)",
                        lambda: f"np.stack([{e('d')}] * {self.sizes['n']})",
                        lambda: f"np.concatenate([{e('n', 'd')}[:, :1], {e('n', 'd')}[:, 1:]], axis=1)",
                        lambda: f"np.roll({e('n', 'd')}, 1, axis=0)",
                        lambda: f"np.cumsum({e('n', 'd')}, axis={self.rng.choice(['0', '1', '-1'])})",
                        lambda: f"np.reshape({e('n', 'd')}.T, ({self._size('n')}, {self._size('d')}))",
                        lambda: f"np.repeat({e('1', 'd')}, {self._size('n')}, axis=0)",
                        lambda: f"np.tile({e('d')}, ({self._size('n')}, 1))",
                        lambda: f"np.broadcast_to({e('d')}, {e('n', 'd')}.shape)",
                        lambda: f"np.tril({e('n', 'd')})",
                        lambda: f"np.vstack([{e('n', 'd')}[:1], {e('n', 'd')}[1:]])",
                        lambda: f"np.zeros_like({e('n', 'd')}) + {e('n', '1')}",
                    ]  # fmt: skip
        return self.pick(*self.rng.sample(options, 1))

    def reduced(self, shape: Shape, depth: int) -> str:
        """A reduction of a larger array to this shape."""
        name = self.rng.choice(["sum", "mean", "sum", "mean", "max", "min", "std", "var", "prod"])
        if shape == ():
            inner, arguments = self.expr(self.rng.choice([("n",), ("n", "d")]), depth - 1), ""
        elif shape == ("n",):
            inner, arguments = (
                self.expr(("n", "d"), depth - 1),
                f"axis={self.rng.choice(['1', '-1'])}",
            )
        elif shape == ("d",):
            inner, arguments = (
                self.expr(("n", "d"), depth - 1),
                f"axis={self.rng.choice(['0', '-2'])}",
            )
        elif shape == ("n", "1"):
            inner, arguments = self.expr(("n", "d"), depth - 1), "axis=1, keepdims=True"
        elif shape == ("1", "d"):
            inner, arguments = self.expr(("n", "d"), depth - 1), "axis=0, keepdims=True"
        else:
            raise Retry
        if name in ("max", "min"):
            values = np.sort(np.ravel(self.value(inner)))
            if np.any(np.diff(values) < 0.05):
                raise Retry
        if name == "std" and np.any(np.asarray(self.value(f"({inner}).std({arguments})")) < 0.05):
            raise Retry
        if self.rng.random() < 0.5 or not isinstance(self.value(inner), np.ndarray):
            return f"np.{name}({', '.join(filter(None, [inner, arguments]))})"
        return f"({inner}).{name}({arguments})"

    def product(self, shape: Shape, depth: int) -> str:
        def e(*s: str) -> str:
            return f"({self.expr(s, depth - 1)})"

        table: dict[Shape, list[Callable[[], str]]] = {
            (): [
                lambda: f"{e('n')} @ {e('n')}", lambda: f"np.dot({e('d')}, {e('d')})",
                lambda: f"np.sum({e('n')}[1:] * {e('n')}[:-1])", lambda: f"np.inner({e('n')}, {e('n')})",
                lambda: f"np.trace({e('n', 'd')} @ {e('n', 'd')}.T)",
                lambda: f"np.sum(np.diff({e('n')}) ** 2)",
                lambda: f"np.einsum('ij,ij->', {e('n', 'd')}, {e('n', 'd')})",
                lambda: f"np.linalg.norm({e('n')} + 2.5)",
                lambda: f"np.vdot({e('n')}, {e('n')})" if False else f"np.sum(np.diag({e('n', 'd')}))",
            ],
            ("n",): [
                lambda: f"{e('n', 'd')} @ {e('d')}", lambda: f"np.dot({e('n', 'd')}, {e('d')})",
                lambda: f"np.einsum('ij,j->i', {e('n', 'd')}, {e('d')})",
                lambda: f"{e('d')} @ {e('n', 'd')}.T",
            ],
            ("d",): [
                lambda: f"{e('n')} @ {e('n', 'd')}", lambda: f"{e('n', 'd')}.T @ {e('n')}",
                lambda: f"np.dot({e('n')}, {e('n', 'd')})",
            ],
            ("n", "d"): [
                lambda: f"np.outer({e('n')}, {e('d')})", lambda: f"{e('n', '1')} @ {e('1', 'd')}",
                lambda: f"{e('n', 'd')} @ ({e('n', 'd')}.T @ {e('n', 'd')})",
                lambda: f"{e('n', 'd')} @ np.eye({self._size('d')})",
                lambda: f"np.matmul({e('n', 'd')} @ {e('n', 'd')}.T, {e('n', 'd')})",
                lambda: f"np.einsum('i,j->ij', {e('n')}, {e('d')})",
            ],
            ("1", "d"): [lambda: f"{e('n', '1')}.T @ {e('n', 'd')}"],
            ("n", "1"): [lambda: f"{e('n', 'd')} @ {e('1', 'd')}.T",
                         lambda: f"{e('n', 'd')} @ {e('d')}[:, None]"],
        }  # fmt: skip
        return self.pick(*self.rng.sample(table[shape], 1))

    # Statements.

    def any_shape(self) -> Shape:
        return self.rng.choice(SHAPES)

    def assign(self) -> list[str]:
        names = [
            k
            for k, v in self.scope.items()
            if k not in self.fixed and isinstance(v, (float, np.ndarray))
        ]
        if names and self.rng.random() < 0.15:
            name = self.rng.choice(names)
            shape = next((s for s in SHAPES if self.shape(s) == np.shape(self.scope[name])), None)
            if shape is None or name in self.inputs:
                raise Retry
            return [f"{name} = {self.typed(shape)}"]
        return [f"{self.fresh()} = {self.typed(self.any_shape())}"]

    def typed(self, shape: Shape, depth: int = 3) -> str:
        """An expression of floats (not a literal integer)."""
        text = self.expr(shape, depth)
        if not isinstance(self.value(text), (float, np.ndarray)):
            raise Retry
        return text

    def branch(self) -> list[str]:
        if self.depth > 1:
            raise Retry
        shape, name = self.any_shape(), self.fresh()
        test = self.expr((), 2)
        self.differs(test, "0.1")
        first, second = self.typed(shape, 2), self.typed(shape, 2)
        return [f"if {test} > 0.1:", f"    {name} = {first}", "else:", f"    {name} = {second}"]

    def loop(self) -> list[str]:
        name, row = "acc", "row"
        v = self.typed(("d",), 2)
        m = self.expr(("n", "d"), 1)
        return self.rng.choice([
            [f"{name} = {v}", "for k in range(2):", f"    {name} = np.tanh({name} + 0.1 * k)"],
            [f"{name} = {v}", f"for {row} in ({v}, {self.expr(('d',), 1)}):",
             f"    {name} = {name} * {row}"],
            [f"{name} = sum([np.sum({v}) * c for c in (0.5, 2.0)])", f"{row} = ({m})[0] * {name}"],
            [f"{name}, {row} = {v}, {m}", f"{name} = {name} + {row}[-1]"],
            [f"params = {{'w': {v}, 'b': {self.typed((), 1)}}}",
             f"{name} = params['w'] * params['b']"],
        ])  # fmt: skip

    def early_return(self) -> list[str]:
        if self.result != "scalar":
            raise Retry
        test = self.expr((), 2)
        self.differs(test, "0.4")
        return [f"if {test} > 0.4:", f"    @return {self.typed((), 2)}"]

    # Programs.

    def write(self, seed: int) -> Program:
        rng = self.rng
        self.result = "scalar" if rng.random() < 0.7 else "tree"
        shapes = [("n", "d"), rng.choice([("n",), ("d",)])]
        shapes += [rng.choice(SHAPES) for _ in range(rng.randint(0, 2))]
        rng.shuffle(shapes)
        self.inputs = rng.sample(["x", "w", "X", "y", "b", "rows", "t", "d_x", "z"], len(shapes))

        def arguments() -> tuple[Any, ...]:
            return tuple(
                np.array([round(rng.uniform(-1.6, 1.6), 3) for _ in range(_count(self.shape(s)))])
                .reshape(self.shape(s)) if s else round(rng.uniform(-1.6, 1.6), 3)
                for s in shapes
            )  # fmt: skip

        sample, other = arguments(), arguments()
        self.scope.update(zip(self.inputs, sample, strict=True))
        kinds = [self.assign] * 6 + [self.branch, self.loop, self.early_return]
        lines = self.statements(kinds, rng.randint(0, 5))
        shape: Shape = () if self.result == "scalar" else rng.choice([("n",), ("d",), ("n", "d")])
        for _ in range(50):
            try:
                ending = self.typed(shape, 4)
                break
            except Retry:
                continue
        else:
            ending = f"{self.inputs[0]} * 2.0" if shape else f"np.sum({self.inputs[0]})"
        name = rng.choice(["f", "loss", "model", "g"])
        source = _function(name, self.inputs, [*lines, f"return {ending}"])
        return Program(seed, source, name, (sample, other), self.result, True, self.jax)


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


__all__ = ["ArrayWriter"]
