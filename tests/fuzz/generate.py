"""Writes random programs: statements are tried on a sample point as they are written.

A statement that leaves its domain, grows too large or comes too close to a kink at the sample is
thrown away and another is drawn, so every program is smooth near its first point.
"""

from __future__ import annotations

import random
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.program import Program

LIMIT = 30.0  # no value at the sample point is larger
MARGIN = 0.02  # no comparison at the sample point is closer

HELPERS = '''\
SCALE = 0.75
TABLE = np.array([0.5, -1.25, 2.0])


def smooth(u, *, k=0.5):
    """A helper with a keyword-only parameter."""
    return math.sin(k * u) + u / (1.0 + u * u)


def hinge(u, limit=0.3):
    if u > limit:
        return (u - limit) ** 2
    return 0.0


def total(*items, **named):
    result = 0.0
    for item in items:
        result += item
    for name in sorted(named):
        result = result * 0.9 + named[name]
    return result


def both(u, v):
    return u * v, u - v


def squash(u):
    return u / np.sqrt(1.0 + u * u)


'''


def _stand_in(*results: float) -> Callable[..., Any]:
    answer = results if len(results) > 1 else results[0]
    return lambda function: lambda *arguments: answer


# Trial execution has no source to differentiate: derivatives inside a program are any number.
_STAND_IN = types.SimpleNamespace(
    grad=_stand_in(0.4), jvp=_stand_in(0.4, 0.6), vjp=_stand_in(0.4, 0.6)
)


class Retry(Exception):
    """Nothing suitable was found here."""


def near(a: Any, b: Any) -> bool:
    """Whether a comparison of a and b would be within reach of a finite difference."""
    return bool(np.any(np.abs(np.subtract(a, b)) < MARGIN))


def bounded(value: Any) -> bool:
    """Whether every number in `value` is finite and moderate."""
    if isinstance(value, (tuple, list)):
        return all(map(bounded, value))
    if isinstance(value, dict):
        return all(map(bounded, value.values()))
    if isinstance(value, (bool, np.bool_, str)) or value is None or callable(value):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = np.asarray(value, dtype=float)
        return bool(np.all(np.isfinite(array)) and np.all(np.abs(array) <= LIMIT))


class Writer:
    """What scalar and array programs share: scopes, trial execution, names."""

    def __init__(self, rng: random.Random, nesting: int = 4):
        self.rng, self.nesting = rng, nesting  # how deep branches may nest
        self.scope: dict[str, Any] = {}
        exec("import functools, math\nimport numpy as np\n" + HELPERS, self.scope)
        self.scope["symdiff"] = _STAND_IN
        self.fixed = set(self.scope)
        self.jax = True
        self.depth = 0
        self.allowed: set[str] | None = None

    def pick(self, *options: Callable[[], str]) -> str:
        """One of `options`; another where it finds nothing."""
        for option in self.rng.sample(options, len(options)):
            try:
                return option()
            except Retry:
                continue
        raise Retry

    def value(self, text: str) -> Any:
        """The value of an expression at the sample. Raises Retry outside its domain."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = eval(text, dict(self.scope))
        except (ArithmeticError, ValueError):
            raise Retry from None
        if not bounded(value):
            raise Retry
        return value

    def fresh(self) -> str:
        """A name not used so far; some are names that generated code likes to use."""
        taste = ["a", "t", "u", "v", "d_x", "s", "rows", "out", "exp_t", "q"]
        while True:
            name = self.rng.choice(taste)
            if self.rng.random() < 0.5:
                name += str(self.rng.randint(1, 9))
            if name not in self.scope:
                return name

    def number(self) -> str:
        """A literal."""
        return self.rng.choice(
            [
                "0.5",
                "2.0",
                "1.5",
                "-0.75",
                "3",
                "2",
                "0.1",
                "-1.0",
                "math.pi",
                "SCALE",
                "1e-1",
                "0.3",
            ]
        )

    def attempt(self, write: Callable[[], list[str]]) -> list[str]:
        """The lines of a statement that runs at the sample; its effect stays in the scope."""
        before = dict(self.scope)
        self.allowed = None
        try:
            lines = write()
            allowed, self.allowed = self.allowed, None
            text = "\n".join(_runnable(lines))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(text, self.scope)
            if allowed is not None:  # what only one side of a branch assigns
                self.scope = {k: v for k, v in self.scope.items() if k in allowed}
            if not all(bounded(v) for k, v in self.scope.items() if k not in self.fixed
                       and k != "__builtins__"):  # fmt: skip
                raise Retry
            return lines
        except (Retry, ArithmeticError, ValueError) as error:
            self.scope = before
            raise Retry from error

    def nested(self, write: Callable[[], list[str]], tries: int = 3) -> list[str]:
        """The lines of a block written in a scope of its own, which is then forgotten."""
        before = dict(self.scope)
        self.depth += 1
        try:
            for _ in range(tries):
                try:
                    return write()
                except Retry:
                    self.scope = dict(before)
            raise Retry
        finally:
            self.depth -= 1
            self.scope = before

    def statements(self, kinds: list[Callable[[], list[str]]], count: int) -> list[str]:
        """`count` statements, in order."""
        lines: list[str] = []
        written = tries = 0
        while written < count and tries < 20 * count:
            tries += 1
            try:
                lines += self.attempt(self.rng.choice(kinds))
                written += 1
            except Retry:
                continue
        return lines

    def differs(self, left: str, right: str) -> None:
        """Raises Retry where the two are too close to compare at the sample."""
        if near(self.value(left), self.value(right)):
            raise Retry


def _runnable(lines: list[str]) -> list[str]:
    """Lines for trial execution: an early return of the function (written `@return`) is a pass."""
    return [
        line[: len(line) - len(line.lstrip())] + "pass"
        if line.lstrip().startswith("@return")
        else line
        for line in lines
    ]


def indent(lines: list[str]) -> list[str]:
    """Lines one level deeper."""
    return ["    " + line for line in lines]


class ScalarWriter(Writer):
    """Functions of floats."""

    def floats(self) -> list[str]:
        return [
            k for k, v in self.scope.items()
            if k not in self.fixed and isinstance(v, float) and not isinstance(v, bool)
        ]  # fmt: skip

    # Expressions.

    def leaf(self) -> str:
        names = self.floats()
        if names and self.rng.random() < 0.85:
            return self.rng.choice(names)
        return self.number()

    def expr(self, depth: int = 3) -> str:
        """A float expression with a bounded value at the sample."""
        if depth <= 0 or self.rng.random() < 0.12:
            return self.leaf()
        for _ in range(12):
            try:
                text = self.rng.choice([
                    self.arithmetic, self.arithmetic, self.unary, self.unary, self.power,
                    self.quotient, self.positive_only, self.ternary, self.extreme, self.call,
                    self.binary_call, self.container, self.comprehension, self.guarded,
                    self.logical_value,
                ])(depth)  # fmt: skip
                self.value(text)
                return text
            except Retry:
                continue
        return self.leaf()

    def arithmetic(self, depth: int) -> str:
        op = self.rng.choice(["+", "-", "*", "*"])
        text = f"{self.expr(depth - 1)} {op} {self.expr(depth - 1)}"
        return f"({text})" if self.rng.random() < 0.8 else f"-({text})"

    def unary(self, depth: int) -> str:
        name = self.rng.choice(
            ["sin", "cos", "tanh", "exp", "atan", "erf", "sinh", "asinh", "expm1", "fabs", "cosh",
             "sin", "cos", "exp"]
        )  # fmt: skip
        inner = self.expr(depth - 1)
        if name == "fabs":
            self.differs(inner, "0.0")
            name = self.rng.choice(["math.fabs", "abs"])
            return f"{name}({inner})"
        return f"math.{name}({inner})"

    def power(self, depth: int) -> str:
        inner = self.expr(depth - 1)
        if self.rng.random() < 0.7:
            return f"({inner}) ** {self.rng.choice(['2', '3', '2.0', '4', '-1', '-2', '1'])}"
        if self.value(inner) < 0.1:
            raise Retry
        return f"({inner}) ** {self.rng.choice(['0.5', '1.5', '-0.5', self.leaf()])}"

    def quotient(self, depth: int) -> str:
        below = self.expr(depth - 1)
        if abs(self.value(below)) < 0.1:
            below = f"(1.5 + ({below}) ** 2)"
        return f"({self.expr(depth - 1)}) / ({below})"

    def positive_only(self, depth: int) -> str:
        inner = self.expr(depth - 1)
        name = self.rng.choice(["log", "sqrt", "log", "log1p", "log2", "lgamma", "log10"])
        if self.value(inner) < 0.15:
            inner = f"({inner}) ** 2 + 0.4"
        return f"math.{name}({inner})"

    def comparison(self, depth: int) -> str:
        left, right = self.expr(depth - 1), self.expr(min(depth - 1, 1))
        self.differs(left, right)
        op = self.rng.choice(["<", ">", "<=", ">="])
        if self.rng.random() < 0.2:
            third = self.expr(1)
            self.differs(right, third)
            return f"{left} {op} {right} {self.rng.choice(['<', '>'])} {third}"
        return f"{left} {op} {right}"

    def condition(self, depth: int = 2) -> str:
        text = self.comparison(depth)
        roll = self.rng.random()
        if roll < 0.15:
            return f"not {text}"
        if roll < 0.35:
            return f"{text} {self.rng.choice(['and', 'or'])} {self.comparison(depth)}"
        return text

    def ternary(self, depth: int) -> str:
        return f"({self.expr(depth - 1)} if {self.condition()} else {self.expr(depth - 1)})"

    def guarded(self, depth: int) -> str:
        """A branch that may be outside the domain of the other side."""
        inner = self.leaf()
        self.differs(inner, "0.0")
        name = self.rng.choice(["log", "sqrt"])
        return f"(math.{name}({inner}) if {inner} > 0.0 else {self.expr(depth - 2)})"

    def extreme(self, depth: int) -> str:
        items = [self.expr(depth - 1) for _ in range(self.rng.choice([2, 2, 3]))]
        for i, item in enumerate(items):
            for other in items[:i]:
                self.differs(item, other)
        return f"{self.rng.choice(['max', 'min'])}({', '.join(items)})"

    def logical_value(self, depth: int) -> str:
        """`a and b`, `a or b` as values: Python's, by truth."""
        left = self.leaf()
        self.differs(left, "0.0")
        return f"({left} {self.rng.choice(['and', 'or'])} {self.expr(depth - 1)})"

    def call(self, depth: int) -> str:
        inner = self.expr(depth - 1)
        options = [
            lambda: f"smooth({inner})",
            lambda: f"smooth(k={self.leaf()}, u={inner})",
            lambda: self._hinge(inner),
            lambda: f"total({inner}, {self.leaf()}, b={self.leaf()}, a={self.expr(1)})",
            lambda: f"total(*({inner}, {self.leaf()}), **{{'c': {self.leaf()}}})",
            lambda: f"(lambda r, m=0.5: m * r * r)({inner})",
            lambda: f"functools.partial(smooth, k={self.leaf()})({inner})",
            lambda: f"both({inner}, {self.leaf()})[{self.rng.choice(['0', '1', '-1'])}]",
            lambda: f"float({inner}) * TABLE[{self.rng.randrange(3)}]",
        ]
        local = [k for k, v in self.scope.items() if k not in self.fixed and callable(v)]
        if local:
            options.append(lambda: f"{self.rng.choice(local)}({inner})")
        return self.rng.choice(options)()

    def _hinge(self, inner: str) -> str:
        self.differs(inner, "0.3")
        return f"hinge({inner})"

    def binary_call(self, depth: int) -> str:
        a, b = self.expr(depth - 1), self.expr(depth - 1)
        name = self.rng.choice(["hypot", "atan2", "pow", "fmod", "copysign"])
        if name == "pow" and not 0.1 < self.value(a) < 4.0:
            raise Retry
        if name in ("hypot", "atan2"):
            if abs(self.value(a)) + abs(self.value(b)) < 0.1:
                raise Retry
            if name == "atan2" and abs(self.value(a)) < 0.05:
                raise Retry
        if name == "fmod":
            ratio = self.value(f"({a}) / ({b})")
            if abs(self.value(b)) < 0.2 or abs(ratio - round(ratio)) < 0.05:
                raise Retry
        if name == "copysign":
            self.differs(a, "0.0")
            self.differs(b, "0.0")
        return f"math.{name}({a}, {b})"

    def container(self, depth: int) -> str:
        items = [self.expr(depth - 2) for _ in range(3)]
        listed = ", ".join(items)
        return self.rng.choice([
            f"[{listed}][{self.rng.randrange(3)}]", f"({listed})[-1]", f"sum([{listed}])",
            f"{{'p': {items[0]}, 'q': {items[1]}}}['p']", f"sum(({listed})[1:])",
            f"math.prod([{items[0]}, {items[1]}])", f"math.fsum([{listed}])",
            f"sum(map(smooth, [{listed}]))",
        ])  # fmt: skip

    def comprehension(self, depth: int) -> str:
        names = self.floats()
        if not names:
            raise Retry
        x = self.rng.choice(names)
        k = self.rng.randint(2, 4)
        return self.rng.choice([
            f"sum({x} ** i for i in range(1, {k}))",
            f"sum(math.sin(i * {x}) * w for i, w in enumerate(TABLE))",
            f"sum([{x} * c if c > 1.0 else c for c in (0.5, 1.5, 2.0)])",
            f"sum(c * {x} for c in (1.0, -2.0, 0.5) if c > 0.0)",
            f"sum(r * s for r, s in zip([{x}, {self.leaf()}], [{self.leaf()}, 0.5]))",
            f"sum({{i: {x} / (i + 1.0) for i in range({k})}}.values())",
            f"functools.reduce(lambda acc, c: acc * {x} + c, [1.0, 0.5, -0.25])",
            f"sum(i * j * {x} for i in range({k}) for j in range(i))",
        ])  # fmt: skip

    # Statements.

    def assign(self) -> list[str]:
        names = self.floats()
        inputs = self.inputs
        free = [n for n in names if n not in inputs or self.rng.random() < 0.2]
        name = self.rng.choice(free) if free and self.rng.random() < 0.3 else self.fresh()
        form = self.rng.random()
        if form < 0.1:
            other = self.fresh()
            return [f"{name} = {other} = {self.float_expr()}"]
        if form < 0.2:
            return [f"{name}: float = {self.float_expr()}"]
        return [f"{name} = {self.float_expr()}"]

    def float_expr(self, depth: int = 3) -> str:
        """An expression whose value is a float, not an integer."""
        for _ in range(10):
            text = self.expr(depth)
            if isinstance(self.value(text), float):
                return text
        raise Retry

    def augmented(self) -> list[str]:
        names = self.floats()
        if not names:
            raise Retry
        name = self.rng.choice(names)
        op = self.rng.choice(["+=", "-=", "*=", "/=", "**="])
        right = self.expr(2)
        if op == "/=" and abs(self.value(right)) < 0.1:
            op = "+="
        if op == "**=":
            right = "2"
        return [f"{name} {op} {right}"]

    def unpack(self) -> list[str]:
        a, b, c = self._names(3)
        x, y, z = (self.float_expr(2) for _ in range(3))
        return self.rng.choice([
            [f"{a}, {b} = {x}, {y}"],
            [f"({a}, {b}), {c} = ({x}, {y}), {z}"],
            [f"{a}, *{b} = {x}, {y}, {z}", f"{b} = {b}[0] * {b}[-1]"],
            [f"{a}, {b} = both({x}, {y})"],
            [f"[{a}, {b}] = [{x}, {y}]", f"{a}, {b} = {b}, {a}"],
        ])  # fmt: skip

    def _names(self, count: int) -> list[str]:
        names: list[str] = []
        while len(names) < count:
            name = self.fresh()
            if name not in names:
                names.append(name)
        return names

    def walrus(self) -> list[str]:
        name, out = self._names(2)
        return [f"{out} = ({name} := {self.float_expr(2)}) * {name} + {self.leaf()}"]

    def branch(self) -> list[str]:
        if self.depth >= self.nesting:
            raise Retry
        names = self.floats()
        known = set(self.scope)
        rebound = self.rng.sample(names, min(len(names), self.rng.choice([0, 1, 2])))
        new = [self.fresh()] if self.rng.random() < 0.6 or not rebound else []

        def body() -> list[str]:
            lines = self.statements(self.inner_kinds, self.rng.randint(0, 2))
            for name in dict.fromkeys([*rebound, *new]):
                lines += self.attempt(lambda name=name: [f"{name} = {self.float_expr(2)}"])
            return lines or ["pass"]

        lines = self._branches(body, bool(new))
        self.allowed = known | set(new)
        return lines

    def _branches(self, body: Callable[[], list[str]], complete: bool) -> list[str]:
        lines = [f"if {self.condition()}:", *indent(self.nested(body))]
        if self.rng.random() < 0.3:
            lines += [f"elif {self.condition()}:", *indent(self.nested(body))]
        elif self.rng.random() < 0.15 and not complete:
            return lines
        return [*lines, "else:", *indent(self.nested(body))]

    def early_return(self) -> list[str]:
        if self.depth > 1 or self.result != "scalar":
            raise Retry
        return [f"if {self.condition()}:", f"    @return {self.float_expr(2)}"]

    def loop(self) -> list[str]:
        if self.depth > 1:
            raise Retry
        names = self.floats()
        if not names:
            raise Retry
        acc, i, w = self._names(3)
        self.scope[acc] = 0.5
        start = f"{acc} = {self.rng.choice(names)}"
        x, y = self.rng.choice(names), self.leaf()
        k = self.rng.randint(2, 4)
        body = self.rng.choice([
            f"{acc} = 0.5 * {acc} + math.sin({x} * {i})", f"{acc} += {x} / ({i} + 1)",
            f"{acc} = math.tanh({acc} * {x}) - 0.1 * {i}", f"{acc} *= 0.5 + 0.1 * {x}",
        ])  # fmt: skip
        over_list = [
            [start, f"for {i}, {w} in enumerate([{x}, {y}, 0.5], start=1):",
             f"    {acc} = {acc} * 0.5 + {w} / {i}"],
            [start, f"for {i}, {w} in zip(({x}, {y}), (2.0, {x})):", f"    {acc} += {i} * {w}"],
            [start, f"for {w} in reversed([{x}, {y}]):", f"    {acc} = math.cos({acc}) + {w}"],
            [start, f"for {i}, {w} in {{'a': {x}, 'b': {y}}}.items():",
             f"    {acc} += {w} if {i} == 'a' else 2.0 * {w}"],
        ]  # fmt: skip
        counted = [
            [start, f"for {i} in range({k}):", f"    {body}"],
            [start, f"for {i} in range({k}, 0, -1):", f"    {body}", "else:",
             f"    {acc} = {acc} - 0.25"],
            [start, f"for {i} in range({k + 2}):", f"    if {i} == 1:", "        continue",
             f"    if {i} > {k}:", "        break", f"    {body}"],
            [start, f"{i} = 0", f"while {i} < {k}:", f"    {i} += 1", f"    {body}"],
            [start, f"for {i} in range(2):", f"    for {w} in range({i} + 1):",
             f"        {acc} = 0.5 * {acc} + {x} * {w}"],
        ]  # fmt: skip
        lines = self.rng.choice([self.rng.choice(over_list), self.rng.choice(counted)])
        if self.rng.random() < 0.2 and len(lines) == 3:
            self.differs(x, "0.3")
            lines = [*lines, f"    if {x} > 0.3:", f"        {acc} = {acc} * 0.7"]
        return lines

    def containers(self) -> list[str]:
        name, other = self._names(2)
        x, y, z = (self.float_expr(1) for _ in range(3))
        return self.rng.choice([
            [f"{name} = [{x}, {y}]", f"{name}.append({z})", f"{name} = sum({name}) * 0.3"],
            [f"{name} = {{'k': {x}}}", f"{name}['m'] = {y}", f"{other} = {name}['m'] - {name}['k']",
             f"{name} = {other} * 0.5"],
            [f"{name} = [{x}, {y}, {z}]", f"{name}[1] = {name}[0] * {name}[2]",
             f"{name} = {name}[1] + {name}[-1]"],
            [f"{name} = [c * {x} for c in (1.0, 2.0)]", f"{other} = {name}[0] - {name}[1]",
             f"{name} = {other} * {other}"],
            [f"{name} = dict(p={x}, q={y})", f"{name}['p'] += {z}",
             f"{name} = {name}['p'] * {name}['q']"],
        ])  # fmt: skip

    def closure(self) -> list[str]:
        if self.depth:
            raise Retry
        name, p = self._names(2)
        names = self.floats()
        if not names:
            raise Retry
        c = self.rng.choice(names)
        self.scope[p] = 0.4
        options = [
            [f"def {name}({p}, gain=0.5):", f"    inner = {p} * {c}",
             f"    return gain * inner + math.cos({p})"],
            [f"def {name}({p}):", f"    if {p} > 100.0:", f"        return {p}",
             f"    return {c} - {p} * {p}"],
            [f"{name} = lambda {p}: {p} * {c} - 0.5"],
        ]  # fmt: skip
        del self.scope[p]
        lines = self.rng.choice(options)
        x = self.rng.choice(names)
        out = self.fresh()
        while out in (name, p):
            out = self.fresh()
        return [*lines, f"{out} = {name}({x})"]

    def derivative(self) -> list[str]:
        """A derivative taken inside the function: nested differentiation."""
        names = self.floats()
        if self.depth or len(names) < 2:
            raise Retry
        self.jax = False
        x, c = self.rng.sample(names, 2)
        out = self.fresh()
        inner = self.rng.choice(
            [f"r * r * {c}", f"math.sin(r * {c})", f"math.exp(0.3 * r) * {c} + r", f"{c} * {c} * r"]
        )
        form = self.rng.choice([
            f"symdiff.grad(lambda r: {inner})({x})",
            f"symdiff.jvp(lambda r: {inner})({x}, 0.5)[1]",
            f"symdiff.vjp(lambda r: {inner})({x}, 1.5)[1]",
            f"symdiff.grad(symdiff.grad(lambda r: {inner}))({x})",
        ])  # fmt: skip
        return [f"{out} = {form}"]

    # Programs.

    @property
    def inner_kinds(self) -> list[Callable[[], list[str]]]:
        return [self.assign, self.assign, self.augmented, self.branch, self.unpack]

    def write(self, seed: int) -> Program:
        rng = self.rng
        self.result = "scalar" if rng.random() < 0.8 else "tree"
        count = rng.randint(1, 4)
        names = rng.sample(["x", "y", "z", "w", "t", "d_x", "t2", "p", "b"], count)
        self.inputs = names
        sample = tuple(round(rng.uniform(-2.0, 2.0), 3) for _ in names)
        self.scope.update(zip(names, sample, strict=True))
        kinds = [self.assign] * 5 + [self.augmented, self.unpack, self.walrus, self.branch, self.branch,
                 self.early_return, self.loop, self.containers, self.closure]  # fmt: skip
        if rng.random() < 0.1:
            kinds.append(self.derivative)
        lines = self.statements(kinds, rng.randint(1, 8))
        for _ in range(50):
            try:
                ending = self.ending()
                self.value(ending)
                break
            except Retry:
                continue
        else:
            ending = names[0]
        name = rng.choice(["f", "loss", "energy", "g"])
        source = _function(name, names, [*lines, f"return {ending}"])
        other = tuple(round(rng.uniform(-2.0, 2.0), 3) for _ in names)
        return Program(seed, source, name, (sample, other), self.result, False, self.jax)

    def ending(self) -> str:
        if self.result == "scalar":
            return self.float_expr(3)
        items = [self.float_expr(2) for _ in range(self.rng.randint(1, 3))]
        return self.rng.choice([
            f"({', '.join(items)},)", f"[{', '.join(items)}]", f"np.array([{', '.join(items)}])",
            "{" + ", ".join(f"'r{i}': {x}" for i, x in enumerate(items)) + "}",
        ])  # fmt: skip


def _function(name: str, params: list[str], body: list[str]) -> str:
    text = "\n".join(indent([line.replace("@return", "return") for line in body]))
    used = HELPERS if any(h in text for h in ("SCALE", "TABLE", "smooth", "hinge", "total", "both",
                                              "squash")) else ""  # fmt: skip
    return f"{used}def {name}({', '.join(params)}):\n{text}\n"


def generate(seed: int, nesting: int = 4) -> Program:
    """The program of `seed`: the same text on every machine. nesting: of branches, at most."""
    from tests.fuzz.arrays import ArrayWriter

    rng = random.Random(f"symdiff {seed}")
    kind = ScalarWriter if seed % 2 == 0 else ArrayWriter
    while True:
        program = kind(rng, nesting).write(seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if bounded(program.load()(*program.points[0])):
                    return program
        except (ArithmeticError, ValueError):
            continue
        except Exception:  # a derivative inside it fails: for the oracle to report
            return program


__all__ = ["Program", "Retry", "ScalarWriter", "Writer", "generate"]
