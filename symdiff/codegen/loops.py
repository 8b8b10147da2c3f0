"""Loops as statements: `for i in range(n)`, `while`, and the values that they carry.

    x_2 = For(carrying x: r * x * (1 - x))   ->   for i in range(n):
                                                      x = r * x * (1.0 - x)

A carried value has one name: what it starts as, what a round makes of it and what the loop leaves
are all called so. A new value is written over the old one where nothing reads that any more, else
at the end of the round, several in an order, or in one tuple, that loses none.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any

from symdiff.codegen.arrays import copy_of
from symdiff.codegen.heirs import Heirs, readers_of, seen, unsized
from symdiff.codegen.names import tape_name
from symdiff.codegen.spell import call, name
from symdiff.codegen.statements import Statement, assign, negated, updated
from symdiff.ir.expr import Apply, Const, Expr, For, If, Loop, Map, Project, Var, While
from symdiff.ir.types import Type
from symdiff.plan.order import emission_order
from symdiff.plan.schedule import Block, Group, ancestors
from symdiff.plan.storage import innermost, is_write
from symdiff.primitives.elementary import sized

if TYPE_CHECKING:
    from symdiff.codegen.emit import Emitter


class Looping:
    """Emits the loops of one function."""

    def __init__(self, emitter: Emitter):
        self.to = emitter
        self.written: dict[str, Var] = {}  # names that a round of an open loop writes
        self.spare: dict[str, list[str]] = {}
        self.onward: dict[
            Expr, Expr
        ] = {}  # what goes on in the memory of an argument, and from what
        self.projects: dict[Expr, list[Project]] = {}
        for node in emitter.plan.sites:
            if isinstance(node, Project):
                self.projects.setdefault(node.operands[0], []).append(node)
        self.owner: dict[Expr, Expr] = {
            v: loop for loop, _ in emitter.plan.loops if isinstance(loop, (Loop, Map))
            for v in (loop.indices if isinstance(loop, Map) else loop.bound)
        }  # fmt: skip
        self.heirs = Heirs(emitter.plan, emitter.storage)
        self.ends = self._ends()
        self.unused: dict[tuple[str, Type], list[str]] = {}  # names whose values are no more needed
        self.given: list[tuple[tuple[str, Type], str]] = []
        self.handed: dict[Expr, Loop] = {}  # the inner loop that goes on with a carried value
        self.measured = {m.of for m in emitter.function.sizes.values()}
        self.wish: dict[Expr, str] = {}  # what only starts a carried value is called as that is
        self.names = {v.name for v in self.owner if isinstance(v, Var)}
        for loop, _ in emitter.plan.loops:
            if isinstance(loop, Loop):
                for k, (v, start) in enumerate(zip(loop.carried, loop.initial, strict=True)):
                    if emitter.plan.uses.get(start) == 1:
                        self.wish[start] = self._called_for(loop, k, v)

    def fresh(self, wish: str, node: Expr) -> str:
        """A name for a value; what a loop that is over has called the same way may lend it."""
        sites = self.to.plan.sites.get(node, ())
        if len(sites) > 1 or wish == self.to.plain:
            return self.to.names.fresh(wish)
        key = (wish, node.type)
        unused = self.unused.get(key)
        label = unused.pop(0) if unused else self.to.names.fresh(wish)
        self.given.append((key, label))
        return label

    def _called_for(self, loop: Loop, k: int, v: Var) -> str:
        """The name that a carried value should have."""
        names = self.to.function.names
        new = loop.body[k]
        if v.name not in ("t_tape", "t_saved") or not isinstance(new, Apply):
            return names.get(v) or v.name
        recorded = new.operands[1]
        if isinstance(recorded, Project) and isinstance(recorded.operands[0], Loop):
            inner, slot = recorded.operands[0], recorded.index
            kept = self._called_for(inner, slot, inner.carried[slot])
            return f"{kept}s" if kept.endswith("tape") else f"{kept}_tape"
        return tape_name(recorded, {**names, **self.to.label})

    def _ends(self) -> set[Expr]:
        """What is only ever the new value of something carried: it needs no other name."""
        found: set[Expr] = set()
        stack = [x for loop, _ in self.to.plan.loops if isinstance(loop, Loop) for x in loop.body]
        while stack:
            node = stack.pop()
            if self.to.plan.uses.get(node) == 1 and node not in found:
                found.add(node)
                if isinstance(node, If):
                    stack += [node.then, node.orelse]
        return found

    def _bounds(self, loop: For, out: list[Statement]) -> list[Any]:
        """The bounds of a range; those that the line has no room for get names."""
        to = self.to
        head = f"for {to.label[loop.index]} in :  # {to.comment(loop)}"
        room = to.options.line_width - 4 * to.depth - len(head)
        for bound in loop.bounds:
            text = ast.unparse(_range(loop, [to.operand(x) for x in loop.bounds]))
            # What is of a block around this one may be read by other branches: it has no name here.
            if len(text) > room and bound in to.text and to.at in to.plan.sites[bound]:
                to.assign(bound, to.text.pop(bound).node, out)
        return [to.operand(x) for x in loop.bounds]

    def emit(self, loop: Loop, block: Block, out: list[Statement]) -> None:
        """The statements of a loop."""
        to = self.to
        for v, start in zip(loop.carried, loop.initial, strict=True):
            self._start(loop, v, start, block, out)
        bounds: list[Any] = []
        if isinstance(loop, For):
            wish = loop.index.name
            spare = self.spare.setdefault(wish, [])  # loops one after the other share it
            to.label[loop.index] = spare.pop() if spare else to.names.fresh(wish)
            bounds = self._bounds(loop, out)
        body = to.plan.loops[loop, block]
        mark = len(self.given)
        outer = dict(self.written)  # names may be those of a loop around this one
        self.written.update((to.label[v], v) for v in loop.carried)
        inner, test = self._round(loop, body, to.plan.rests.get((loop, block), body))
        self.written = outer
        comment = to.comment(loop)
        if isinstance(loop, For):
            self.spare[loop.index.name].append(to.label[loop.index])
            node: ast.stmt = ast.For(name(to.label[loop.index]), _range(loop, bounds), [], [])
        else:
            node = ast.While(test, [], [])
        if inner or isinstance(loop, While):  # rounds that change nothing leave nothing
            out.append(Statement(node, comment, inner or [Statement(ast.Pass())]))
        for project in self.projects.get(loop, ()):
            to.label[project] = to.label[loop.carried[project.index]]
        for key, label in self.given[mark:]:  # what a round has named is not seen outside of it
            self.unused.setdefault(key, []).append(label)
        del self.given[mark:]
        for v, new in zip(loop.carried, loop.body, strict=True):
            # What is computed elsewhere, too, is called otherwise there.
            if to.forced.get(new) == to.label[v] and len(to.plan.sites[new]) > 1:
                del to.forced[new], to.label[new]
        self._let_go(loop)

    def _let_go(self, loop: Loop) -> None:
        """The names of numbers that nobody wants when the loop is over."""
        to = self.to
        wanted = {loop.carried[project.index] for project in self.projects.get(loop, ())}
        if len(to.plan.sites[loop]) > 1:
            return
        for v, start in zip(loop.carried, loop.initial, strict=True):
            label = to.label[v]
            if v in wanted or v.type.rank or v.type.listed or label in self.written:
                continue
            if to.label.get(start) == label and not self._read_once(start):
                continue
            key = (v.name, v.type)
            self.given = [pair for pair in self.given if pair[1] != label]
            self.unused.setdefault(key, []).append(label)

    def _start(self, loop: Loop, v: Var, start: Expr, block: Block, out: list[Statement]) -> None:
        """Give a carried variable its name and its first value."""
        to = self.to
        if v in to.label:  # the loop of another branch: what comes of it has its names already
            made = to.operand(start).node
            if not isinstance(made, ast.Name) or made.id != to.label[v]:
                named = isinstance(made, ast.Name) and v in to.storage.kept
                made = copy_of(made, v.type) if named else made
                out.append(Statement(assign(to.label[v], made), to.comment(start)))
            return
        label = to.label.get(start)
        kept = v in to.storage.kept
        single = len(to.plan.sites[loop]) == 1  # the loop of another branch starts there, too
        own = not kept or (single and self._takes(loop, start, block, out))
        if self.handed.get(start) is loop:
            self.before_write(to.label[start], out)
            to.label[v] = to.label[start]
            return
        if not to.storage.given.keys().isdisjoint(to.memory(start)):
            # The argument's name stays its own, whichever loops have gone on in its memory.
            own = kept and own and v in to.storage.leading and to.storage.is_steady(v)
            if own:
                self._go_on(loop, v, start)
        last = self._read_once(start) or kept  # what is kept and its own is the last, too
        alone = last and label is not None and (own or not start.type.rank)
        once = self._made_in(start) is innermost(block)  # else each round starts from it again
        base = unsized(start)
        measured = isinstance(base, (Var, Const)) or base in self.measured  # its size is read
        fixed = isinstance(start, Const) or (start.type.rank and measured and not kept)
        if alone and once and single and not fixed:
            assert label is not None
            to.label[v] = label  # nothing else reads what the loop starts from
            return
        wish = self._called_for(loop, loop.carried.index(v), v)
        to.label[v] = self.fresh(wish, v) if single else to.names.fresh(wish)
        made = to.operand(start).node
        fresh = start in to.text and to.storage.is_fresh(start) and not isinstance(made, ast.Name)
        if kept and not own and not fresh:
            made = copy_of(made, v.type)
        to.consumed(start)
        out.append(Statement(assign(to.label[v], made), to.comment(start)))

    def _read_once(self, value: Expr) -> bool:
        """Whether a value has one reader, by whichever size it goes."""
        uses = self.to.plan.uses
        while uses.get(value) == 1 and isinstance(value, Apply) and value.op is sized:
            (value,) = value.operands
        return uses.get(value) == 1

    def _takes(self, loop: Loop, start: Expr, block: Block, out: list[Statement]) -> bool:
        """Whether a loop may write into what it starts from."""
        to, storage = self.to, self.to.storage
        if not storage.is_own(start, block):
            return False
        if storage.is_last(start, block):
            return True
        if (loop, start) not in storage.taken or not storage.is_free(loop, block, to.done):
            return False
        aliases = storage.aliases(storage.roots(start))
        self.flush({to.label[x] for x in aliases if x in to.label}, out, sizes=False)
        return True

    def _go_on(self, loop: Loop, v: Var, start: Expr) -> None:
        """Let the rounds write into the argument that the loop starts from."""
        self.onward[v] = start
        for p in self.projects.get(loop, ()):
            if loop.carried[p.index] is v:
                self.onward[p] = start

    def _made_in(self, start: Expr) -> Expr | None:
        """The loop in whose rounds a value is computed; None: before all loops."""
        if isinstance(start, Project):
            start = start.operands[0]
        if isinstance(start, Var):
            return self.owner.get(start)
        sites = self.to.plan.sites.get(start, ())
        return innermost(sites[0]) if len(sites) == 1 else start  # `start`: in several places

    def _round(self, loop: Loop, body: Block, rest: Block) -> tuple[list[Statement], ast.expr]:
        """The statements of a round, and the test of a `while`."""
        to = self.to
        out: list[Statement] = []
        to.depth += 1
        around, to.at = to.at, body
        items = emission_order(to.plan, body)
        test: ast.expr = ast.Constant(True)
        if isinstance(loop, While):
            to.emit_items(items, body, out)
            items = emission_order(to.plan, rest)
            if out or not isinstance(loop.cond, Const):
                test = to.operand(loop.cond).node
                to.consumed(loop.cond)
            if out:
                leave = Statement(ast.If(negated(test), [], []), body=[Statement(ast.Break())])
                out.append(leave)
                test = ast.Constant(True)
        self._plan_writes(loop, items)
        to.emit_items(items, rest, out)
        self._end(loop, rest, out)
        to.at = around
        to.depth -= 1
        return out, test

    def _plan_writes(self, loop: Loop, items: Sequence[Expr | Group]) -> None:
        """Let new values take the name of the old ones where all readers of those come before."""
        tests = loop.inside[: len(loop.inside) - len(loop.body) - 1]
        results = list(zip(loop.carried, loop.body, strict=True))
        self._hand_over(loop, items)
        self._write_over(results, [*tests, loop.until], items)

    def plan_branch(self, group: Group, side: Block) -> None:
        """The same in a branch that decides what carried values become."""
        to = self.to
        at_end = [(m, m.then if side.side else m.orelse) for m in group.members]
        found = [(self.written.get(to.forced.get(m, "")), m, new) for m, new in at_end]
        results = [(v, new) for v, m, new in found if v is not None and v.type == m.type]
        if not any(isinstance(new, If) or is_write(new) for _, new in results):
            return
        items = emission_order(to.plan, side)
        single = [(v, new) for v, new in results if to.plan.sites.get(new) == [side]]
        self._write_over(single, [new for _, new in at_end], items)

    def _write_over(
        self,
        results: Sequence[tuple[Var, Expr]],
        others: Sequence[Expr],
        items: Sequence[Expr | Group],
    ) -> None:
        """Let `results` take the names of carried values, if `items` and `others` allow that.

        others: what is read last, besides.
        """
        to = self.to
        position = {item: i for i, item in enumerate(items)}
        heirs = self.heirs.of(results)
        readers = readers_of(to.plan, heirs, items)
        last = [*(new for _, new in results), *others]
        for v, new in results:
            item: Any = to.plan.groups.get((new, to.plan.sites[new][0]), new) if (
                new in to.plan.sites
            ) else new  # fmt: skip
            if (
                item not in position
                or (new in self.ends and not isinstance(new, If))
                or isinstance(new, (Var, Project, Const))
            ):
                continue
            if sum(x is new for _, x in results) > 1 or new in to.forced or new in to.label:
                continue
            at = position[item]
            if any(i > at for i in readers.get(v, ())):
                continue
            if any(heirs.get(seen(x)) is v for x in last if x is not new):
                continue
            # The name goes to what is written into first, and then what is written is read.
            anew = is_write(new) and heirs.get(seen(new.operands[0])) is not v
            if anew and any(heirs.get(seen(x)) is v for x in new.operands[1:]):
                continue
            to.forced[new] = to.label[v]

    def _hand_over(self, loop: Loop, items: Sequence[Expr | Group]) -> None:
        """Let an inner loop go on under the name of a number that nobody reads after it.

        for block in ...: saved[block] = x; for i in ...: x = f(x)
        """
        to = self.to
        numbers: dict[Expr, Var] = {
            v: v for v in loop.carried if not v.type.rank and not v.type.listed
        }
        readers = readers_of(to.plan, numbers, items)
        ends = {seen(x) for x in loop.inside[: len(loop.inside) - len(loop.body) - 1]}
        ends.update(seen(x) for x in (*loop.body, loop.until))
        for at, inner in enumerate(items):
            if not isinstance(inner, Loop) or len(to.plan.sites[inner]) != 1:
                continue
            for start in inner.initial:
                v = numbers.get(start)
                if v is None or v in ends:
                    continue
                if max(readers[v]) == at and readers[v].count(at) == 1:
                    self.handed[v] = inner

    def _end(self, loop: Loop, body: Block, out: list[Statement]) -> None:
        """The end of a round: new values where the old ones were; `break`."""
        to = self.to
        pairs: list[tuple[str, Expr, str]] = []
        copied: set[str] = set()  # those that get a copy of what somebody else holds
        for v, new in zip(loop.carried, loop.body, strict=True):
            shared = v in to.storage.kept and not self._own_after(v, new, body)
            if shared:
                copied.add(to.label[v])
            if shared or to.label.get(new) != to.label[v]:
                pairs.append((to.label[v], new, to.comment(new)))
        stop = loop.until
        never = isinstance(stop, Const) and not stop.value
        if not never and stop not in to.label:
            text = to.operand(stop)
            if _names_in(text.node) & {label for label, _, _ in pairs}:
                to.assign(stop, text.node, out)
                to.text.pop(stop, None)
        self.assign_all(pairs, out, copied)
        if not never:
            out.append(Statement(ast.If(to.operand(stop).node, [], []), body=[_break()]))

    def _own_after(self, v: Var, new: Expr, body: Block) -> bool:
        """Whether what a round leaves in `v`, which is written, is nobody else's memory."""
        storage = self.to.storage
        return not storage.is_lent(new) and all(
            root is v or (not isinstance(root, Var) and storage.is_own(root, body))
            for root in storage.roots(new)
        )

    def assign_all(
        self,
        pairs: Sequence[tuple[str, Expr, str]],
        out: list[Statement],
        copied: Set[str] = frozenset(),
    ) -> None:
        """All the assignments at once: none reads what another has written already."""
        to = self.to
        pending: list[tuple[str, Expr, ast.expr, str]] = []
        for label, new, comment in pairs:
            made = to.operand(new).node
            if isinstance(made, ast.Name) and made.id == label and label not in copied:
                continue
            if label in copied:
                made = copy_of(made, new.type)
            pending.append((label, new, made, comment))
        while pending:
            reads = [_names_in(made) for _, _, made, _ in pending]
            free = next(
                (i for i, (label, *_) in enumerate(pending)
                 if not any(label in r for j, r in enumerate(reads) if j != i)),
                None,
            )  # fmt: skip
            if free is None:
                targets = ast.Tuple([name(label) for label, *_ in pending], ast.Store())
                values = ast.Tuple([made for _, _, made, _ in pending], ast.Load())
                out.append(Statement(ast.Assign([targets], values)))
                for label, new, *_ in pending:
                    self._called(new, label)
                break
            label, new, made, comment = pending.pop(free)
            write = updated if not new.type.rank else assign
            out.append(Statement(write(label, made), comment))
            self._called(new, label)

    def _called(self, new: Expr, label: str) -> None:
        """A value that nothing else reads has the name it was assigned to; others stay formulas."""
        if new in self.to.text and self.to.plan.uses.get(new, 0) <= 1:
            del self.to.text[new]
            self.to.label[new] = label

    def before_write(self, label: str, out: list[Statement]) -> None:
        """Name the pending formulas that read a carried `label`, which is about to be written."""
        if label in self.written:
            self.flush({label}, out)

    def flush(
        self, labels: set[str], out: list[Statement], keep: Sequence[Expr] = (), sizes: bool = True
    ) -> None:
        """Name the pending formulas that read one of `labels`; sizes: or ask for its size alone.

        Each where it belongs, which may be before the branch or loop that `out` is in; not those of
        the other side of a branch, which are not evaluated after this one.
        """
        to = self.to
        around = list(ancestors(to.at))
        for node, text in list(to.text.items()):
            if node in to.spent or node in keep or node not in to.text:
                continue
            if node in to.still or node in to.blank:  # they look at the size of an array only
                continue
            sites = to.plan.sites.get(node, around)
            home = next((block for block in around if block in sites), None)
            read = _names_in(text.node) if sizes else contents_in(text.node)
            if home is not None and not labels.isdisjoint(read):
                made = to.text.pop(node).node
                if home is not to.at:  # loops before may use what names they have let go
                    to.label.setdefault(node, to.names.fresh(to.wish_for(node)))
                to.assign(node, made, out if home is to.at else to.outs[home])


def _break() -> Statement:
    return Statement(ast.Break())


def _range(loop: For, bounds: Sequence[Any]) -> ast.expr:
    start, stop, step = (b.node for b in bounds)
    if not _is(loop.bounds[2], 1):
        return call("range", start, stop, step)
    return call("range", stop) if _is(loop.bounds[0], 0) else call("range", start, stop)


def _is(node: Expr, value: int) -> bool:
    return isinstance(node, Const) and node.value == value


def _names_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def contents_in(node: ast.expr) -> set[str]:
    """The names in a formula, but those of arrays of which only the size is asked for."""
    found: set[str] = set()
    stack: list[ast.AST] = [node]
    while stack:
        match stack.pop():
            case ast.Name(label):
                found.add(label)
            case ast.Call(ast.Name("len"), [ast.Name()]) | ast.Attribute(attr="shape" | "size"):
                pass
            case other:
                stack.extend(ast.iter_child_nodes(other))
    return found
