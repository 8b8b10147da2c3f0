"""Where the working memory of a kernel comes from: the stack, one `malloc`, or memory that grows.

What is small and of known size is on the stack. What has a size that arguments tell is cut from one
piece, reserved before anything is computed. Only what is found out while running is reserved where
it is needed. All of it is freed on the one way out.
"""

from __future__ import annotations

from symdiff.ir.nest import (
    Alloc,
    Buffer,
    Grow,
    Kernel,
    Let,
    Local,
    Memory,
    Num,
    Op,
    Ref,
    Term,
    blocks_of,
    statements,
    subterms,
)
from symdiff.lower.affine import Known

_SMALL = 256  # elements that one array may have on the stack
_TINY = 8  # the same in a function that calls itself


def place(kernel: Kernel, known: Known) -> None:
    """Decide where each buffer of a kernel is, and drop what need not be reserved on the way."""
    memory = planned(kernel, known)
    kernel.memory = memory
    growing = set(memory.growing)
    stack = [kernel.body]
    while stack:
        block = stack.pop()
        block[:] = [s for s in block if not isinstance(s, Alloc) or s.buffer in growing]
        for s in block:
            stack.extend(blocks_of(s))


def planned(kernel: Kernel, known: Known) -> Memory:
    """Where each buffer of a kernel is."""
    memory = Memory()
    small = _SMALL if kernel.left is None else _TINY
    entry = {x for x in (*kernel.arguments, *kernel.sizes) if isinstance(x, Local)}
    meaning: dict[Local, Term] = {
        s.local: s.value for s in statements(kernel.body) if isinstance(s, Let)
    }
    seen: set[Buffer] = set()
    for s in statements(kernel.body):
        if not isinstance(s, (Alloc, Grow)) or s.buffer in seen or s.buffer.kind != "work":
            continue
        seen.add(s.buffer)
        if s.buffer.growing:
            memory.growing.append(s.buffer)
            continue
        size: Term | None = Num(1, "int")
        for d in s.buffer.dims:
            most = known.ceilings.get(d.local, d) if isinstance(d, Ref) else d
            dim = _at_entry(most, entry, meaning)
            size = None if size is None or dim is None else _times(size, dim)
        if size is None:
            memory.growing.append(s.buffer)
        elif isinstance(size, Num) and size.value <= small:
            memory.stacked.append((s.buffer, max(int(size.value), 1)))
        else:
            if s.buffer.most is not None and not isinstance(size, Num):
                most = Num(s.buffer.most, "int")
                size = Op("{0} <= {1} ? {0} : {2}", (size, most, Num(0, "int")), "int")
            memory.pooled.append((s.buffer, size))
    return memory


def _times(a: Term, b: Term) -> Term:
    if isinstance(a, Num) and isinstance(b, Num):
        return Num(a.value * b.value, "int")
    if a == Num(1, "int"):
        return b
    return a if b == Num(1, "int") else Op("{0} * {1}", (a, b), "int")


def _at_entry(term: Term, entry: set[Local], meaning: dict[Local, Term]) -> Term | None:
    """A size in terms of what is known when the function starts, or None."""
    match term:
        case Num():
            return term
        case Ref(local):
            if local in entry:
                return term
            known = meaning.get(local)
            return None if known is None else _at_entry(known, entry, meaning)
        case Op(code, args, dtype):
            parts = [_at_entry(a, entry, meaning) for a in args]
            if any(p is None for p in parts) or sum(1 for _ in subterms(term)) > 12:
                return None
            return Op(code, tuple(p for p in parts if p is not None), dtype)
        case _:
            return None
