"""Accumulation in place, on an array of the function's own: `total[i] += v`."""

from __future__ import annotations

import ast
import weakref
from typing import TYPE_CHECKING

from symdiff.codegen.arrays import FILLS, index_key, is_repeatable, key_argument, spell_apply
from symdiff.codegen.spell import call, name
from symdiff.codegen.statements import Statement, assign, in_place
from symdiff.ir.expr import Apply, Expr
from symdiff.primitives.indexing import accumulate
from symdiff.primitives.row import Elementwise, is_zero

if TYPE_CHECKING:
    from symdiff.codegen.emit import Emitter


class Accumulation:
    """Turns chains of `accumulate` into writes to one array."""

    def __init__(self, emitter: Emitter):
        # No cycle: all that was made on the way goes at once, without a garbage collection.
        self.to: Emitter = weakref.proxy(emitter)
        self._user_of: dict[Expr, Expr] | None = None

    def emit(self, node: Apply, out: list[Statement]) -> None:
        """The statements of one link of a chain."""
        base, value = node.operands[:2]
        label = self.to.label.get(base)
        same_block = self.to.plan.sites.get(base) == self.to.plan.sites[node]
        owned = (
            isinstance(base, Apply) and base.op is accumulate
            and self.to.plan.uses.get(base) == 1 and same_block
        )  # fmt: skip
        if not owned:
            label = self._chain_label(node)
            fresh = assign(label, self._fresh_array(base, node))
            out.append(Statement(fresh, self.to.comment(node)))
        assert label is not None
        key = index_key(
            self.to.spelling, node.attrs[0], [self.to.operand(x).node for x in node.operands[2:]]
        )
        text = self.to.operand(value)
        head = len(f"{label}[{ast.unparse(key)}] += ")
        room = self.to.options.line_width - 4 * self.to.depth - head
        if value in self.to.text and text.width > room:
            self.to.assign(value, self.to.text.pop(value).node, out)
            text = self.to.operand(value)
        amount = text.node
        if is_repeatable(node.attrs[0]):
            made: ast.stmt = ast.Expr(call("np.add.at", name(label), key_argument(key), amount))
        elif not owned and is_zero(base):
            made = ast.Assign([ast.Subscript(name(label), key, ast.Store())], amount)
        else:
            made = in_place(ast.Subscript(name(label), key, ast.Store()), amount)
        out.append(Statement(made))
        self.to.label[node] = label

    def _chain_label(self, node: Apply) -> str:
        """The name of a chain of accumulations: the one of its last link."""
        at: Expr = node
        users = self._users()
        while self.to.plan.uses.get(at) == 1 and at in users:
            user = users[at]
            if not (isinstance(user, Apply) and user.op is accumulate and user.operands[0] is at):
                break
            if self.to.plan.sites[user] != self.to.plan.sites[at]:
                break
            at = user
        wish = self.to.function.names.get(at) or "total"
        return self.to.names.fresh(wish)

    def _users(self) -> dict[Expr, Expr]:
        if self._user_of is None:
            self._user_of = {x: n for n in self.to.plan.sites for x in n.operands}
        return self._user_of

    def _fresh_array(self, base: Expr, node: Apply) -> ast.expr:
        text = self.to.operand(base).node if not self._is_fill(base) else self._fill(base)
        inlined = base in self.to.text
        fresh = (
            inlined
            and isinstance(base, Apply)
            and (isinstance(base.op, Elementwise) or self._is_fill(base))
        )
        if fresh or self._is_fill(base):
            return text
        return ast.Call(ast.Attribute(text, "copy", ast.Load()), [], [])

    def _is_fill(self, base: Expr) -> bool:
        return isinstance(base, Apply) and base.op in FILLS and base not in self.to.label

    def _fill(self, base: Expr) -> ast.expr:
        assert isinstance(base, Apply)
        return spell_apply(self.to.spelling, [self.to.operand(x).node for x in base.operands], base)
