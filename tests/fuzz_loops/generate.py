"""Writes random programs whose loops, branches and exits depend on run-time values.

A program is written top-down, without running it: what a name holds at each place is known from
how it was written. Its points are tried afterwards, and another is drawn where none is usable.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.fuzz_loops.program import HELPERS, Program, traced

LIMIT = 1e3  # no result at a sample point is larger
INDENT = "    "


class Retry(Exception):
    """Nothing suitable is in scope here."""


@dataclass
class Scope:
    """The names in reach, by what they hold.

    indices: an integer and the names of the arrays that have an element of that number.
    """

    floats: list[str] = field(default_factory=list)
    ints: list[str] = field(default_factory=list)
    vectors: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    indices: list[tuple[str, str]] = field(default_factory=list)
    owned: list[str] = field(default_factory=list)  # arrays that may be written: arguments, too
    fixed: frozenset[str] = frozenset()  # what the enclosing loops count or run over

    def copy(self) -> Scope:
        return Scope(
            *(list(getattr(self, n)) for n in
              ("floats", "ints", "vectors", "pairs", "matrices", "indices", "owned")),
            self.fixed,
        )  # fmt: skip

    def names(self) -> set[str]:
        return {*self.floats, *self.ints, *self.vectors, *self.pairs, *self.matrices}


class Writer:
    """Writes one function. writes: whether arrays are written in place, too."""

    def __init__(self, rng: random.Random, writes: bool = False):
        self.rng, self.writes = rng, writes
        self.scope = Scope()
        self.used: set[str] = set()
        self.loops = 0  # how many are open
        self.depth = 0
        self.budget = rng.randint(5, 14)  # statements still to be written

    # Names.

    def fresh(self, taste: str) -> str:
        """A name not used so far; some are names that generated code likes to use."""
        names = [*taste.split(), "t", "d_x", "rounds", "x_tape", "k", "total", "returned"]
        while True:
            name = self.rng.choice(names[: len(taste.split())] * 4 + names)
            if self.rng.random() < 0.4:
                name += str(self.rng.randint(1, 9))
            if name not in self.used:
                self.used.add(name)
                return name

    def a(self, names: list[str]) -> str:
        if not names:
            raise Retry
        return self.rng.choice(names)

    def pick(self, *options: Callable[[], Any]) -> Any:
        """One of `options`; another where it finds nothing."""
        for option in self.rng.sample(options, len(options)):
            try:
                return option()
            except Retry:
                continue
        raise Retry

    # Expressions: bounded, so that many rounds do not overflow.

    def number(self) -> str:
        return self.rng.choice(("0.5", "1.5", "0.3", "-0.7", "2", "0.9", "1.1"))

    def atom(self) -> str:
        return self.pick(
            lambda: self.a(self.scope.floats),
            lambda: self.a(self.scope.floats),
            lambda: self.a(self.scope.floats),
            self.element,
            lambda: f"{self.a(self.scope.pairs)}[{self.rng.randint(0, 1)}]",
            self.number,
        )

    def element(self) -> str:
        index, array = self.rng.choice(self.scope.indices or [("", "")])
        if not array:
            raise Retry
        if array in self.scope.matrices:
            return f"np.sum({array}[{index}])"
        return f"{array}[{index}]"

    def scalar(self, size: int | None = None) -> str:
        """A scalar."""
        size = self.rng.randint(0, 2) if size is None else size
        if size == 0:
            return self.atom()
        e = lambda: self.scalar(size - 1)
        return self.pick(
            lambda: f"math.sin({e()})",
            lambda: f"math.tanh({e()} + {self.atom()})",
            lambda: f"({e()} * {self.atom()})",
            lambda: f"({e()} * {self.atom()} + {self.number()})",
            lambda: f"({e()} - {self.atom()})",
            lambda: f"({e()} + {self.atom()} * 0.5)",
            lambda: f"{e()} / (1.0 + {self.atom()} ** 2)",
            lambda: f"math.exp(-(({e()}) ** 2))",
            lambda: f"0.1 * {self.a(self.scope.ints)} * {e()}",
            lambda: f"{self.a(['smooth', 'hinge', 'stepped'])}({e()}, {self.atom()})",
            lambda: f"halved({e()}, {self.rng.randint(1, 3)})",
            lambda: self.recursion(e()),
            lambda: f"({e()} if {self.condition()} else {e()})",
            lambda: f"max({e()}, {self.atom()})",
            lambda: f"abs({e()})",
            lambda: f"np.sum({self.vector(size - 1)})",
            lambda: f"({self.vector(0)} @ {self.vector(size - 1)})",
        )

    def recursion(self, start: str) -> str:
        """A call of a helper that calls itself as deep as a run-time value says."""
        depth = lambda: self.a(self.scope.ints)
        return self.pick(
            lambda: f"powered({start}, {depth()})",
            lambda: f"settled({start}, {self.atom()})",
            lambda: f"branching({start}, {depth()})[{self.rng.randint(0, 1)}]",
            lambda: f"folded({self.vector(0)}, {start}, {self.rng.choice(('0', depth()))})",
            lambda: f"nested({start}, {depth()})",
            lambda: f"np.sum(waved({self.vector(0)}, {depth()})) * {start}",
        )

    def vector(self, size: int | None = None) -> str:
        """A vector of the one length that all vectors have."""
        size = self.rng.randint(0, 2) if size is None else size
        if size == 0:
            return self.a(self.scope.vectors)
        e = lambda: self.vector(size - 1)
        return self.pick(
            lambda: f"np.tanh({self.a(self.scope.matrices)} @ {e()})",
            lambda: f"np.sin({e()})",
            lambda: f"({e()} * {self.scalar(size - 1)})",
            lambda: f"({e()} + {self.vector(0)} * {self.number()})",
            lambda: f"({e()} - {self.atom()})",
            lambda: f"{e()}[::-1]",
            lambda: f"({self.vector(0)} * {self.vector(0)})",
            lambda: f"np.where({self.vector(0)} > {self.atom()}, {e()}, {self.vector(0)})",
            self.row,
        )

    def row(self) -> str:
        known = [(i, a) for i, a in self.scope.indices if a in self.scope.matrices]
        if not known:
            raise Retry
        index, array = self.rng.choice(known)
        return f"{array}[{index}]"

    def condition(self, size: int = 1) -> str:
        """A test on run-time values."""
        return self.pick(
            lambda: f"{self.atom()} {self.rng.choice('<>')} {self.scalar(1)}",
            lambda: f"{self.a(self.scope.ints)} % 2 == {self.rng.randint(0, 1)}",
            lambda: f"{self.a(self.scope.ints)} {self.rng.choice(('<', '>', '==', '!=', '<='))} "
            f"{self.whole()}",
            lambda: f"abs({self.atom()}) < {self.rng.choice(('0.5', '1.0', '2.0'))}",
            *((
                lambda: f"{self.condition(0)} {self.rng.choice(('and', 'or'))} {self.condition(0)}",
                lambda: f"not ({self.condition(0)})",
                lambda: f"-1.0 < {self.a(self.scope.floats)} < {self.atom()}",
            ) if size else ()),
        )  # fmt: skip

    def whole(self) -> str:
        """A small integer."""
        return self.pick(
            lambda: self.a(self.scope.ints), lambda: str(self.rng.randint(0, 4)),
            lambda: f"{self.a(self.scope.ints)} + 1", lambda: f"{self.a(self.scope.ints)} // 2",
        )  # fmt: skip

    # Statements.

    def block(self, count: int) -> list[str]:
        """About `count` statements."""
        lines: list[str] = []
        for _ in range(count):
            if self.budget <= 0:
                break
            for _ in range(20):
                kind = self.rng.choice(self.kinds())
                before = self.scope.copy()
                try:
                    lines += kind()
                    self.budget -= 1
                    break
                except Retry:
                    self.scope = before
        return lines or ["pass"]

    def kinds(self) -> list[Callable[[], list[str]]]:
        simple = [self.assign, self.assign, self.augment, self.augment, self.rebind, self.several,
                  self.pair, self.count]  # fmt: skip
        if self.writes:
            simple += [self.store, self.store, self.own]
        nested = [self.for_, self.for_, self.for_, self.while_, self.if_, self.if_]
        leaving = [self.leave, self.leave] if self.loops else []
        return simple + (nested if self.depth < 3 else []) + leaving

    def targets(self, names: list[str]) -> list[str]:
        return [n for n in names if n not in self.scope.fixed]

    def bind(self, kind: list[str], name: str) -> None:
        for names in (self.scope.floats, self.scope.ints, self.scope.vectors, self.scope.pairs):
            if name in names:
                names.remove(name)
        kind.append(name)

    def assign(self) -> list[str]:
        value = self.scalar()
        if self.rng.random() < 0.7:
            name = self.a(self.targets(self.scope.floats))
        else:
            name = self.fresh("a b c s u")
        self.bind(self.scope.floats, name)
        return [f"{name} = {value}"]

    def augment(self) -> list[str]:
        name = self.a(self.targets(self.scope.floats))
        form = self.rng.choice(("+= {}", "+= {}", "-= {}", "*= math.sin({}) + 0.3", "*= 0.8"))
        return [f"{name} {form.format(self.scalar())}"]

    def rebind(self) -> list[str]:
        value = self.vector(self.rng.randint(1, 2))
        if self.rng.random() < 0.7:
            name = self.a([v for v in self.targets(self.scope.vectors)])
        else:
            name = self.fresh("v w z")
        if name in self.scope.owned:
            self.scope.owned.remove(name)
        self.bind(self.scope.vectors, name)
        return [f"{name} = {value}"]

    def several(self) -> list[str]:
        names = self.targets(self.scope.floats)
        if len(names) < 2:
            raise Retry
        a, b = self.rng.sample(names, 2)
        second = self.rng.choice((a, f"0.5 * {a} + {self.scalar(1)}"))
        return [f"{a}, {b} = {self.rng.choice((b, self.scalar(1)))}, {second}"]

    def pair(self) -> list[str]:
        p = self.targets(self.scope.pairs)
        if p and self.rng.random() < 0.7:
            name = self.rng.choice(p)
            if self.rng.random() < 0.5:
                return [f"{name} = ({name}[1], {self.scalar()})"]
        else:
            name = self.fresh("p q pair")
        line = f"{name} = ({self.scalar()}, {self.scalar()})"
        self.bind(self.scope.pairs, name)
        return [line]

    def count(self) -> list[str]:
        names = [n for n in self.targets(self.scope.ints) if n not in ("n", "m")]
        if names and self.rng.random() < 0.7:
            return [f"{self.rng.choice(names)} += {self.rng.choice(('1', '1', '2'))}"]
        if self.loops:
            raise Retry
        name = self.fresh("j count")
        self.bind(self.scope.ints, name)
        return [f"{name} = {self.rng.choice(('0', '0', '1', 'n'))}"]

    def leave(self) -> list[str]:
        """break, continue or return, behind a condition."""
        test = self.condition()
        how = self.rng.choice(("break", "break", "continue", "return"))
        with self.nested():
            inner = self.block(1) if self.rng.random() < 0.4 else []
            inner = [x for x in inner if x != "pass"]
            if how == "return":
                how = f"return {self.result()}"
            if self.rng.random() < 0.15 and self.depth < 3:
                return [f"if {test}:", *_in([*inner, how]), "else:", *_in(self.block(1))]
        return [f"if {test}:", *_in([*inner, how])]

    def if_(self) -> list[str]:
        test = self.condition()
        with self.nested():
            then = self.block(self.rng.randint(1, 2))
        lines = [f"if {test}:", *_in(then)]
        if self.rng.random() < 0.3:
            test = self.condition()
            with self.nested():
                lines += [f"elif {test}:", *_in(self.block(1))]
        if self.rng.random() < 0.5:
            with self.nested():
                lines += ["else:", *_in(self.block(self.rng.randint(1, 2)))]
        return lines

    @contextmanager
    def nested(self) -> Any:
        """A block whose new names are forgotten, and whose names of other kinds are, too."""
        before = self.scope.copy()
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            after = self.scope
            for kind in ("floats", "ints", "vectors", "pairs", "owned"):
                kept = [x for x in getattr(before, kind) if x in getattr(after, kind)]
                setattr(before, kind, kept)
            self.scope = before

    def loop(self, head: str, target: Callable[[], None], fixed: list[str]) -> list[str]:
        """A loop: its head, what its target binds, what its body must leave alone."""
        with self.nested():
            self.scope.fixed |= set(fixed)
            target()
            self.loops += 1
            body = self.block(self.rng.randint(1, 4))
            self.loops -= 1
        lines = [head, *_in(body)]
        if self.rng.random() < 0.2:
            with self.nested():
                lines += ["else:", *_in(self.block(1))]
        return lines

    def for_(self) -> list[str]:
        return self.pick(
            self.counted, self.counted, self.over_elements, self.over_rows, self.zipped,
            self.enumerated, self.backwards, self.known,
        )  # fmt: skip

    def counted(self) -> list[str]:
        i = self.fresh("i j")
        form = self.rng.choice((
            "range(n)", "range(n)", "range(m)", "range(n, 0, -1)", "range(1, n)", "range(0, n, 2)",
            "range(n, -1, -2)", "range(n - m)", "range(m, n + 1)", "range(n, m, 3)", "range(outer)",
            "range(len(v))", "range(len(v) - 1)", "range(len(v) - 1, -1, -1)", "reversed(range(n))",
            "range(A.shape[1])", "range(n * m)", "range(min(n, 3))",
        ))  # fmt: skip
        inside: list[tuple[str, str]] = []
        vectors = self.scope.vectors
        if "outer" in form:
            form = f"range({self.a([x for x in self.scope.ints if x not in 'nm'])})"
        elif "len(v)" in form:
            v = self.a(vectors)
            form = form.replace("v", v) if "rev" not in form else form
            inside = [(i, w) for w in [*vectors, *self.scope.matrices]]
            if form.endswith("- 1)"):
                inside += [(f"{i} + 1", w) for w in vectors]
        elif "A" in form:
            form = form.replace("A", self.a(self.scope.matrices))
            inside = [(i, w) for w in [*vectors, *self.scope.matrices]]

        def target() -> None:
            self.scope.ints.append(i)
            self.scope.indices += inside

        return self.loop(f"for {i} in {form}:", target, [i])

    def over_elements(self) -> list[str]:
        e, v = self.fresh("e u"), self.vector(self.rng.choice((0, 0, 1)))
        return self.loop(f"for {e} in {v}:", lambda: self.scope.floats.append(e), [])

    def over_rows(self) -> list[str]:
        row, a = self.fresh("row r"), self.a(self.scope.matrices)
        return self.loop(f"for {row} in {a}:", lambda: self.scope.vectors.append(row), [])

    def zipped(self) -> list[str]:
        a, b = self.fresh("a e"), self.fresh("b u")
        v, w = self.a(self.scope.vectors), self.vector(self.rng.choice((0, 1)))

        def target() -> None:
            self.scope.floats.extend((a, b))

        form = self.rng.choice((f"zip({v}, {w})", f"zip({v}[1:], {v})", f"zip({v}, {w}[1:])"))
        return self.loop(f"for {a}, {b} in {form}:", target, [])

    def enumerated(self) -> list[str]:
        i, e, v = self.fresh("i k"), self.fresh("e u"), self.a(self.scope.vectors)
        start = self.rng.choice(("", "", ", 1"))

        def target() -> None:
            self.scope.ints.append(i)
            self.scope.floats.append(e)
            if not start:
                self.scope.indices += [(i, w) for w in self.scope.vectors]

        return self.loop(f"for {i}, {e} in enumerate({v}{start}):", target, [i])

    def backwards(self) -> list[str]:
        e, v = self.fresh("e u"), self.a(self.scope.vectors)
        form = self.rng.choice((f"reversed({v})", f"{v}[::-1]", f"{v}[1:]", f"{v}[::2]"))
        return self.loop(f"for {e} in {form}:", lambda: self.scope.floats.append(e), [])

    def known(self) -> list[str]:
        """A loop whose rounds are known when compiling, inside of or around others."""
        i = self.fresh("i j")
        rounds = self.rng.choice(("range(2)", "(0, 3)", "range(3, 0, -1)", "range(40)", "range(1)"))
        if rounds == "range(40)" and self.loops:
            raise Retry
        return self.loop(f"for {i} in {rounds}:", lambda: self.scope.ints.append(i), [i])

    def while_(self) -> list[str]:
        """A `while` that certainly ends: it counts its rounds first."""
        k = self.fresh("k step")
        most = self.rng.choice(("n", "n", "m", "4", "n + m"))
        start = [f"{k} = 0"]
        self.scope.ints.append(k)
        up = [f"{k} += 1"]
        kind = self.rng.randint(0, 4)

        def loop(head: str, first: list[str]) -> list[str]:
            lines = self.loop(head, lambda: None, [k])
            return [lines[0], *_in(first), *lines[1:]]

        if kind == 0:
            return start + loop(f"while {k} < {most}:", up)
        if kind == 1:
            with_test = self.condition(0)
            return start + loop(f"while {k} < {most} and {with_test}:", up)
        if kind == 2:
            s = self.a(self.targets(self.scope.floats))
            rate = self.rng.choice(("0.5", "0.6"))
            return start + loop(f"while abs({s}) > 0.2 and {k} < 8:", [f"{s} *= {rate}", *up])
        end = "break" if self.rng.random() < 0.8 else f"return {self.result()}"
        test = f"{k} >= {most}" if kind == 3 else f"{k} >= {most} or {self.condition(0)}"
        return start + loop("while True:", [f"if {test}:", INDENT + end, *up])

    def result(self) -> str:
        return self.scalar()

    # Writes in place.

    def own(self) -> list[str]:
        """An array of the function's own."""
        name = self.fresh("out buffer acc")
        form = self.rng.choice(
            ("np.zeros(len({0}))", "{0}.copy()", "np.zeros_like({0})", "{0} * 1.0")
        )
        lines = [f"{name} = {form.format(self.a(self.scope.vectors))}"]
        self.bind(self.scope.vectors, name)
        self.scope.owned.append(name)
        return lines

    def store(self) -> list[str]:
        """A write into an array of the function's own."""
        name = self.a(self.targets(self.scope.owned))
        places = [i for i, a in self.scope.indices if a in self.scope.vectors]

        def at_index() -> str:
            op = self.rng.choice(("=", "=", "+=", "-=", "*="))
            return f"{name}[{self.a(places)}] {op} {self.scalar(1)}"

        return [self.pick(
            at_index, at_index,
            lambda: f"{name}[1:] = {self.vector(1)}[:-1]",
            lambda: f"{name}[1:] += {self.scalar(1)}",
            lambda: f"{name}[:-1] -= {self.vector(0)}[1:]",
            lambda: f"{name} += {self.vector(1)}",
            lambda: f"{name} *= {self.scalar(1)}",
            lambda: f"{name}[:] = {self.vector(1)}",
            lambda: f"np.tanh({self.vector(0)}, out={name})",
            lambda: f"{name}[{name} > {self.atom()}] = {self.atom()}",
            lambda: self.alias(name),
        )]  # fmt: skip

    def alias(self, name: str) -> str:
        other = self.fresh("alias view")
        self.bind(self.scope.vectors, other)
        self.scope.owned.append(other)
        return f"{other} = {name}"

    def program(self) -> list[str]:
        """The lines of the whole function."""
        self.used |= {"x", "y", "v", "w", "A", "n", "m"}
        self.scope = Scope(["x", "y"], ["n", "m"], ["v", "w"], [], ["A"])
        lines = ["def f(x, y, v, w, A, n, m):"]
        for name in ("s", "t")[: self.rng.randint(1, 2)]:
            self.used.add(name)
            lines.append(f"{INDENT}{name} = {self.rng.choice(('0.0', '1.0', 'x', '0', 'x * y'))}")
            self.scope.floats.append(name)
        if self.writes:
            self.scope.owned += [v for v in ("v", "w") if self.rng.random() < 0.25]
        if self.writes and self.rng.random() < 0.8:
            lines += _in(self.own())
        lines += _in(self.block(self.rng.randint(0, 2)))
        self.budget = max(self.budget, 5)
        lines += _in(self.pick(self.for_, self.for_, self.while_))
        lines += _in(self.block(self.rng.randint(1, 3)))
        ends = [*self.scope.floats, *(f"np.sum({v})" for v in self.scope.vectors[2:]),
                *(f"{p}[0]" for p in self.scope.pairs),
                *(f"0.1 * {k} * x" for k in self.scope.ints if k not in "nm")]  # fmt: skip
        chosen = self.rng.sample(ends, min(len(ends), 4))
        terms = " + ".join(f"{e} * {self.rng.choice(('1.0', '0.7', 'y'))}" for e in chosen)
        return [*lines, f"{INDENT}return {terms}"]


def _in(lines: list[str]) -> list[str]:
    return [INDENT + line for line in lines]


def points(rng: random.Random) -> list[tuple[Any, ...]]:
    """Arguments: one ordinary point, one with few rounds, at times with arrays of size 0 or 1."""
    found: list[tuple[Any, ...]] = []
    for few in (False, True):
        size = rng.choice((0, 1, 2)) if few and rng.random() < 0.3 else rng.randint(2, 4)
        draw = np.random.default_rng(rng.getrandbits(32))
        array = lambda *shape: np.round(draw.uniform(-1.2, 1.2, shape), 3)  # noqa: B023
        n, m = (
            (rng.randint(0, 1), rng.randint(0, 1))
            if few
            else (rng.randint(2, 5), rng.randint(1, 3))
        )
        x, y = (round(float(draw.uniform(-1.2, 1.5)), 3) for _ in range(2))
        found.append((x, y, array(size), array(size), array(size, size), n, m))
    return found


def generate(seed: int, writes: bool | None = None) -> Program:
    """The program of a seed: the same everywhere.

    writes: whether it writes into arrays; by default those of odd seeds do.
    """
    writes = seed % 2 == 1 if writes is None else writes
    rng = random.Random(f"loops {seed} {writes}")
    while True:
        source = "\n".join(Writer(rng, writes).program()) + "\n"
        program = Program(seed, HELPERS + source, "f", tuple(points(rng)))
        if _usable(program):
            return program


def _usable(program: Program) -> bool:
    """Whether the first point can be evaluated; the second may raise."""
    function = traced(program)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value, decisions = function(*program.points[0])
            program.fits()
    except (ArithmeticError, ValueError, NameError, Warning):
        return False
    return bool(np.all(np.isfinite(value)) and np.all(np.abs(value) < LIMIT)) and (
        len(decisions) < 2000
    )
