"""Writes into arrays and lists: `a[i] = v`, `a[i] += v`, `rows.append(v)`.

Where `storage` allows it the array itself is written, else a copy.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from symdiff.codegen.arrays import (
    added_lists,
    copy_of,
    index_key,
    is_repeatable,
    key_argument,
    spell_apply,
)
from symdiff.codegen.spell import call, name
from symdiff.codegen.statements import Statement, assign, in_place
from symdiff.ir.expr import Apply, Expr
from symdiff.plan.storage import FRESH
from symdiff.primitives.indexing import accumulate
from symdiff.primitives.lists import append, drop
from symdiff.primitives.row import Elementwise, is_zero

if TYPE_CHECKING:
    from symdiff.codegen.emit import Emitter, Text


class Writes:
    """Turns `accumulate`, `update`, `append` and `drop` into statements."""

    def __init__(self, emitter: Emitter):
        self.to = emitter
        self._user_of: dict[Expr, Expr] | None = None

    def emit(self, node: Apply, out: list[Statement]) -> None:
        """The statements of one write."""
        to = self.to
        base = node.operands[0]
        storage = to.storage
        place = node not in storage.copied and storage.is_free(node, to.at, to.done)
        first = base not in to.label  # nothing has been written into it
        if place and base in to.label:
            label = to.label[base]
        else:
            if not place:
                storage.copied.add(node)  # whatever was planned
            # Of several branches that make it each gives it the one name that is read later.
            label = to.forced.get(node) or to.label.get(node)
            if label is None or label == to.label.get(base):  # what is copied goes on to be read
                label = self._chain_label(node)
            made = self._fresh_array(base, owned=place)
            if base not in to.blank:
                to.text.pop(base, None)
            if place and base not in to.blank:
                to.label[base] = label
            to.looping.before_write(label, out)  # what is written may read what the name was
            out.append(Statement(assign(label, made), to.comment(node)))
        if place:
            to.looping.flush({to.label[x] for x in storage.aliases(storage.roots(base))
                              if x in to.label}, out, node.operands[1:],
                             sizes=node.op in (append, drop))  # fmt: skip
        self._write(node, label, out, first and is_zero(base))
        for x in node.operands[1:]:
            to.consumed(x)
        to.label[node] = label

    def _write(self, node: Apply, label: str, out: list[Statement], blank: bool) -> None:
        to = self.to
        if node.op is drop:
            pop = ast.Attribute(name(label), "pop", ast.Load())
            out.append(Statement(ast.Expr(ast.Call(pop, [], []))))
            return
        value = node.operands[1]
        if node.op is append:
            grown = ast.Attribute(name(label), "append", ast.Load())
            out.append(
                Statement(ast.Expr(ast.Call(grown, [self._item(value, to.operand(value))], [])))
            )
            return
        key = index_key(to.spelling, node.attrs[0], [to.operand(x).node for x in node.operands[2:]])
        text = to.operand(value)
        head = len(f"{label}[{ast.unparse(key)}] += ")
        room = to.options.line_width - 4 * to.depth - head
        if value in to.text and text.width > room:
            text = to.named(value, out)
        target = ast.Subscript(name(label), key, ast.Store())
        sums = node.op is accumulate and value.type.listed and not blank
        stored = node.operands[0].type.listed and not sums
        amount = self._item(value, text) if stored else text.node
        if node.op is not accumulate or (blank and not is_repeatable(node.attrs[0])):
            made: ast.stmt = ast.Assign([target], amount)
        elif is_repeatable(node.attrs[0]):
            made = ast.Expr(call("np.add.at", name(label), key_argument(key), amount))
        elif sums:  # `+=` would make the list longer
            there = ast.Subscript(name(label), key, ast.Load())
            made = ast.Assign([target], added_lists(there, amount, value.type.listed))
        else:
            made = in_place(target, amount)
        out.append(Statement(made, to.comment(node)))

    def _item(self, value: Expr, text: Text) -> ast.expr:
        """A value as an item of a list; arrays that are written later are copied."""
        if value.type.rank and self.to.storage.is_written(value):
            return copy_of(text.node, value.type)
        return text.node

    def _chain_label(self, node: Apply) -> str:
        """The name of a chain of writes: the one of its last link."""
        at: Expr = node
        users = self._users()
        while self.to.plan.uses.get(at) == 1 and at in users:
            user = users[at]
            if not (isinstance(user, Apply) and user.op is node.op and user.operands[0] is at):
                break
            if self.to.plan.sites[user] != self.to.plan.sites[at]:
                break
            at = user
        wish = self.to.function.names.get(at) or self.to.looping.wish.get(at) or "total"
        return self.to.names.fresh(wish)

    def _users(self) -> dict[Expr, Expr]:
        if self._user_of is None:
            self._user_of = {x: n for n in self.to.plan.sites for x in n.operands}
        return self._user_of

    def _fresh_array(self, base: Expr, owned: bool) -> ast.expr:
        """An array that may be written, with the value of `base`."""
        fill = isinstance(base, Apply) and base.op in FRESH and base not in self.to.label
        text = self._fill(base) if fill else self.to.operand(base).node
        inlined = base in self.to.text
        if fill or owned or (
            inlined and isinstance(base, Apply) and isinstance(base.op, Elementwise)
        ):  # fmt: skip
            return text
        return copy_of(text, base.type)

    def _fill(self, base: Expr) -> ast.expr:
        assert isinstance(base, Apply)
        return spell_apply(self.to.spelling, [self.to.operand(x).node for x in base.operands], base)
