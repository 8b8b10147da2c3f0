"""The C target: a kernel of loop nests as C99 that a person could have written.

    for i in 0 .. n: s += x[i] * x[i]   ->   for (int64_t i = 0; i < n; i++)
                                                 s += x[i] * x[i];

Emitters spell: what is computed, in which order and in which memory has been decided (`lower`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symdiff.codegen.c.external import pointed
from symdiff.codegen.c.support import SUPPORT
from symdiff.codegen.c.terms import C_TYPES, Spelling, number
from symdiff.ir.nest import (
    Alloc,
    Branch,
    Buffer,
    Declare,
    Each,
    Fail,
    Forever,
    Grow,
    Invoke,
    Kernel,
    Leave,
    Let,
    Local,
    Memory,
    Num,
    Op,
    Ref,
    Set,
    Statement,
    Store,
    Term,
    statements,
    tables_of,
)

_WIDTH = 96
# What no variable is called: C's keywords, and what its headers and kernels define.
_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union
unsigned void volatile while asm bool true false NULL I NAN INFINITY INT64_MIN INT64_MAX
abs acos asin atan atan2 cbrt ceil copysign cos cosh div erf erfc exp exp2 expm1 fabs floor fma
fmax fmin fmod frexp gamma hypot j0 j1 jn ldexp lgamma log log10 log1p log2 modf nextafter pow
remainder rint round signgam sin sinh sqrt tan tanh tgamma trunc y0 y1 yn
done exit free index isfinite isinf isnan main malloc realloc reserve signbit status work
"""
TAKEN = frozenset(_WORDS.split())


@dataclass(frozen=True)
class Printed:
    """A kernel as text: its definitions and itself, and what C calls its parameters.

    faults: what the numbers mean that it returns.
    """

    name: str
    text: str
    prototype: str
    names: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]
    definitions: tuple[Printed, ...] = ()


def printed(kernel: Kernel, unit: str, others: Iterable[str] = ()) -> Printed:
    """The text of a kernel. unit: the name of its file; others: those of the file's functions."""
    called = {kernel.name, f"{unit}_external", *(d.name for d in kernel.definitions), *others}
    return _printed(kernel, unit, called)


def _printed(kernel: Kernel, unit: str, called: set[str]) -> Printed:
    definitions = tuple(_printed(d, unit, called) for d in kernel.definitions)
    printer = _Printer(kernel, called, unit)
    text = printer.function()
    names, faults = tuple(printer.parameters), tuple(kernel.faults)
    return Printed(kernel.name, text, printer.prototype, names, faults, definitions)


class _Printer:
    """Prints one kernel. unit: the name of the file."""

    def __init__(self, kernel: Kernel, functions: Iterable[str], unit: str):
        self.kernel, self.unit = kernel, unit
        self.names: dict[Local | Buffer, str] = {}
        self.spelling = Spelling(self.names)
        self.taken: list[set[str]] = [{*TAKEN, *SUPPORT, *functions}]
        self.lines: list[str] = []
        self.depth = 0
        self.declared: set[Local] = set()
        self.line: int | None = None
        self.parameters: list[str] = []
        self.memory = self._named()
        self.prototype = self._prototype()

    def _named(self) -> Memory:
        """Names of what is known in all of the function."""
        kernel = self.kernel
        for x in (*kernel.arguments, *kernel.sizes, *kernel.results):
            self._name(x)
            self.parameters.append(self.names[x])
        self.taken.append(set())
        self.tables = tables_of(kernel.body)
        for buffer in (*self.tables, *kernel.memory.buffers):
            self._name(buffer)
        return kernel.memory

    def _name(self, x: Local | Buffer) -> str:
        if x in self.names:
            return self.names[x]
        wish = re.sub(r"\W+", "_", x.name).strip("_") or "t"
        wish = f"v{wish}" if wish[0].isdigit() else wish
        name, number = wish, 1
        while any(name in scope for scope in self.taken):
            number += 1
            name = f"{wish}{number}" if len(wish) == 1 else f"{wish}_{number}"
        self.taken[-1].add(name)
        self.names[x] = name
        return name

    def _prototype(self) -> str:
        kernel, parts = self.kernel, []
        for x in kernel.arguments:
            if isinstance(x, Local):
                parts.append(f"{C_TYPES[x.dtype]} {self.names[x]}")
            else:
                const = "const " if x.kind == "argument" else ""
                parts.append(f"{const}{C_TYPES[x.dtype]} *{self.names[x]}")
        parts += [f"int64_t {self.names[s]}" for s in kernel.sizes]
        for x in kernel.results:
            restrict = "restrict " if isinstance(x, Buffer) and x.dims else ""
            parts.append(f"{C_TYPES[x.dtype]} *{restrict}{self.names[x]}")
        static = "static " if kernel.left is not None else ""
        head = f"{static}int {kernel.name}("
        line = head
        rows: list[str] = []
        for k, part in enumerate(parts or ["void"]):
            text = part + (", " if k + 1 < len(parts) else ")")
            if len(line) + len(text) > _WIDTH:
                rows.append(line.rstrip())
                line = " " * len(head)
            line += text
        return "\n".join([*rows, line])

    # Statements.

    def function(self) -> str:
        kernel, memory = self.kernel, self.memory
        # What is wrong with sizes is told before memory is asked for, which may be of no size then.
        first = next((k for k, s in enumerate(kernel.body) if not isinstance(s, Fail)), None)
        checks, body = kernel.body[:first], [] if first is None else kernel.body[first:]
        every = list(statements(body))
        calls = any(isinstance(s, Invoke) and s.raises for s in every)
        fails = bool(memory.growing) or calls or any(isinstance(s, Fail) for s in every)
        self.leaves = False
        self.lines = [f"/* {kernel.doc} */"] if kernel.doc else []
        self.lines += [*self.prototype.splitlines(), "{"]
        self.depth = 1
        start = len(self.lines)
        self._block(checks)
        self.leaves = bool(memory.buffers) and len(memory.stacked) < len(memory.buffers)
        if calls or (self.leaves and fails):
            self._put("int status = 0;")
        self._reserve()
        self._block(body)
        if self.leaves and fails:
            self.lines.append("done:")
        for buffer in memory.growing:
            self._put(f"free({self.names[buffer]});")
        if memory.pooled:
            self._put("free(work);")
        if self.leaves and fails:
            self._put("return status;")
        else:
            self._put("return 0;")
        self.lines.append("}")
        self.lines[start:start] = [f"    (void){name};" for name in self._unused(start)]
        return "\n".join(self.lines)

    def _unused(self, start: int) -> list[str]:
        """The parameters that no line from `start` on names."""
        kernel = self.kernel
        read = set(re.findall(r"\w+", "\n".join(self.lines[start:])))
        parameters = (*kernel.arguments, *kernel.sizes, *kernel.results)
        return [name for x in parameters if (name := self.names[x]) not in read]

    def _reserve(self) -> None:
        """Memory whose size is known at the start: on the stack, or in one piece."""
        memory = self.memory
        for buffer in self.tables:
            values = ", ".join(number(x, buffer.dtype) for x in buffer.values)
            size = f"{self.names[buffer]}[{len(buffer.values)}]"
            self._put(f"static const {C_TYPES[buffer.dtype]} {size} = {{{values}}};")
        for buffer, count in memory.stacked:
            self._put(f"{C_TYPES[buffer.dtype]} {self.names[buffer]}[{count}];")
        for buffer in memory.growing:
            self._put(f"{C_TYPES[buffer.dtype]} *{self.names[buffer]} = NULL;")
            self._put(f"size_t {self.names[buffer]}_room = 0;")
        if not memory.pooled:
            return
        sizes = [self.spelling.text(size) for _, size in memory.pooled]
        counts = {s: sizes.count(s) for s in dict.fromkeys(sizes)}
        parts = [_factor(s) if n == 1 else f"{n} * {_factor(s)}" for s, n in counts.items()]
        self._put(f"double *work = malloc(sizeof(double) * (size_t)({' + '.join(parts)} + 1));")
        self._put("if (work == NULL)")
        self._put("    return 1;")
        start = "work"
        for (buffer, _), size in zip(memory.pooled, sizes, strict=True):
            name, kind = self.names[buffer], C_TYPES[buffer.dtype]
            if kind == "double":
                self._put(f"double *{name} = {start};")
                start = f"{name} + {_factor(size)}"
            else:  # a place for each element that a double would fill
                inner = f"({start})" if " " in start else start
                self._put(f"{kind} *{name} = ({kind} *){inner};")
                start = f"(double *){name} + {_factor(size)}"

    def _block(self, body: Sequence[Statement]) -> None:
        self.taken.append(set())
        for s in body:
            self._statement(s)
        self.taken.pop()

    def _put(self, text: str, line: int | None = None) -> None:
        text = "    " * self.depth + pointed(text, self.unit)
        if line is not None and line != self.line and len(text) < 80:
            text += f"  // line {line}"
            self.line = line
        rows = _wrapped(text)
        joint = " \\" if text.lstrip().startswith("#") else ""  # a directive is one line
        self.lines += [*(row + joint for row in rows[:-1]), rows[-1]]

    def _statement(self, s: Statement) -> None:
        text = self.spelling.text
        match s:
            case Let(local, value, line):
                made = text(value)
                self._put(f"const {C_TYPES[local.dtype]} {self._name(local)} = {made};", line)
            case Set(local, value, line):
                made = text(value)
                if local in self.names:
                    self._put(self._assigned(self.names[local], value, Ref(local), made), line)
                else:
                    self._put(f"{C_TYPES[local.dtype]} {self._name(local)} = {made};", line)
            case Declare(local=local):
                start = {"bool": " = false", "int": " = 0"}.get(local.dtype, " = 0.0")
                start = start if s.hoisted else ""
                self._put(f"{C_TYPES[local.dtype]} {self._name(local)}{start};")
            case Store(buffer, index, value, add, line):
                there = self.spelling.place(buffer, index)
                made = text(value)
                if add:
                    negative = isinstance(value, Op) and value.code == "-{0}"
                    sign, made = ("-", text(value.args[0])) if negative else ("+", made)  # type: ignore[union-attr]
                    self._put(f"{there} {sign}= {made};", line)
                else:
                    self._put(f"{there} = {made};", line)
            case Each():
                self._each(s)
            case Forever(body, line):
                self._put("for (;;) {", line)
                self._inner(body)
                self._put("}")
            case Leave():
                self._put("break;")
            case Branch(test, then, orelse, line):
                if not then:
                    test, then, orelse = Op("!{0}", (test,), "bool"), orelse, []
                self._put(f"if ({text(test)}) {{", line)
                self._inner(then)
                if orelse:
                    self._put("} else {")
                    self._inner(orelse)
                self._put("}")
            case Fail(test, fault):
                self._raise(text(test), 2 + fault)
            case Alloc(buffer):
                if buffer in self.memory.growing and not buffer.growing:
                    self._grow(buffer, self.spelling.count(buffer.dims))
            case Invoke():
                self._call(s)
            case Grow(buffer, item):
                rest = self.spelling.count(buffer.dims[1:])
                match item:
                    case Op("{0} - {1}", (count, Num(1))):
                        made = text(count)
                    case _:
                        made = f"{text(item)} + 1"
                made = made if rest == "1" else f"{_factor(made)} * {_factor(rest)}"
                self._grow(buffer, made)

    def _call(self, s: Invoke) -> None:
        """A call, and what it raises passed on."""
        given = [self.names[x] if isinstance(x, Buffer) else self.spelling.text(x) for x in s.given]
        if not s.raises and isinstance(s.results[0], Local):
            self._put(f"{self.names[s.results[0]]} = {s.kernel}({', '.join(given)});", s.line)
            return
        given += [f"{'&' * isinstance(x, Local)}{self.names[x]}" for x in s.results]
        for place, start in s.starts.items():
            given[place] += f" + {_factor(self.spelling.text(start))}"
        if not s.raises:
            self._put(f"{s.kernel}({', '.join(given)});", s.line)
            return
        self._put(f"status = {s.kernel}({', '.join(given)});", s.line)
        self._put(f"if (status != 0) {'goto done' if self.leaves else 'return status'};")

    def _raise(self, test: str, code: int) -> None:
        """Give up with a code where `test` holds."""
        ways = [f"return {code};"] if not self.leaves else [f"status = {code};", "goto done;"]
        line = f"if ({test}) " + (ways[0] if len(ways) == 1 else f"{{ {' '.join(ways)} }}")
        if len(line) + 4 * self.depth <= _WIDTH or len(ways) == 1:
            self._put(line)
            return
        self._put(f"if ({test}) {{")
        for way in ways:
            self._put(f"    {way}")
        self._put("}")

    def _grow(self, buffer: Buffer, count: str) -> None:
        name, kind = self.names[buffer], C_TYPES[buffer.dtype]
        size = f"(size_t){count if count.isidentifier() else f'({count})'} * sizeof({kind})"
        self._raise(f"!reserve((void **)&{name}, &{name}_room, {size})", 1)

    def _assigned(self, name: str, value: Term, own: Term, made: str) -> str:
        """`name += rest` where a value is added to what was there."""
        if isinstance(value, Op) and value.code in (
            "{0} + {1}",
            "{0} - {1}",
            "{0} * {1}",
            "{0} | {1}",
        ):
            if value.args[0] == own:
                sign, rest = value.code[4], value.args[1]
                if sign == "+" and isinstance(rest, Op) and rest.code == "-{0}":
                    sign, rest = "-", rest.args[0]
                return f"{name} {sign}= {self.spelling.text(rest)};"
            if value.args[1] == own and value.code[4] in "+*|":
                return f"{name} {value.code[4]}= {self.spelling.text(value.args[0])};"
        return f"{name} = {made};"

    def _each(self, s: Each) -> None:
        text = self.spelling.text
        start = text(s.start)
        self.taken.append(set())
        i = self._name(s.index)
        sign = "<" if s.step > 0 else ">"
        goes_on = text(Op(f"{{0}} {sign} {{1}}", (Ref(s.index), s.stop), "bool"))
        step = {1: f"{i}++", -1: f"{i}--"}.get(
            s.step, f"{i} += {s.step}" if s.step > 0 else f"{i} -= {-s.step}"
        )
        if s.free and not any(isinstance(x, (Each, Forever)) for x in statements(s.body)):
            folds: dict[str, list[str]] = {}
            for fold, x in s.sums:
                folds.setdefault(fold, []).append(self.names[x])
            clauses = [f" reduction({fold} : {', '.join(found)})" for fold, found in folds.items()]
            self._put("#pragma omp simd" + "".join(clauses))
        self._put(f"for (int64_t {i} = {start}; {goes_on}; {step}) {{", s.line)
        self._inner(s.body)
        self._put("}")
        self.taken.pop()

    def _inner(self, body: Sequence[Statement]) -> None:
        self.depth += 1
        self._block(body)
        self.depth -= 1


def _factor(size: str) -> str:
    """A size as a term of a sum or a factor."""
    return size if size.replace("_", "").isalnum() else f"({size})"


def _wrapped(text: str) -> list[str]:
    """A line broken behind operators where it is too wide."""
    if len(text) <= _WIDTH:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    rows: list[str] = []
    while len(text) > _WIDTH:
        cut = max(
            (
                m.start()
                for m in re.finditer(r" [-+*/&|?:<>=]+ |, ", text[:_WIDTH])
                if m.start() > 24
            ),
            default=-1,
        )
        if cut < len(indent):
            break
        after = 1 if text[cut] == " " else 2
        rows.append(text[: cut + (0 if after == 1 else 1)])
        text = indent + text[cut + after :]
    return [*rows, text]
