"""What a loop does to array objects: those that its rounds write into are carried along.

A name that a round binds to another array holds, at the start of a round, one of several: the one
from before the loop or the one of the last round. It is an object of its own then, which may be
written only if nothing else holds those (`Memory.shares`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symdiff.ir.expr import Expr, Var, var
from symdiff.ir.tree import leaves, map_tree
from symdiff.ir.walk import substitute
from symdiff.parse.frame import Context
from symdiff.parse.memory import ELSEWHERE, Memory
from symdiff.parse.state import State


class CarriedArrays:
    """The array objects that one loop writes, by number, with the variables they become."""

    def __init__(self, context: Context, serial: int):
        self.memory: Memory | None = context.memory
        self.serial = serial
        self.variables: dict[int, Var] = {}
        self.entry: dict[int, Expr] = {}
        memory = context.memory
        self.known = frozenset(memory.nodes if memory is not None else ())  # before the loop

    def open(self, entry: State) -> None:
        """Give each written object its variable, wherever it is looked into."""
        memory = self.memory
        if memory is None:
            return
        self.entry = dict(memory.nodes)
        memory.replace({self.entry[n]: v for n, v in self.variables.items()})

    def settled(self) -> bool:
        """Whether the round wrote into no more objects than were carried."""
        memory, same = self.memory, True
        if memory is None:
            return True
        for number, node in self.entry.items():
            if number not in self.variables and memory.nodes[number] is not node:
                name = memory.titled(number, node)
                tag = self.serial + (number + 1) * 1_000_000_007
                self.variables[number] = var(name, node.type, tag)
                same = False
        return same

    def content(self) -> list[Expr]:
        """What is now in the objects that the loop writes."""
        return [] if self.memory is None else [self.memory.nodes[n] for n in self.variables]

    def moves(self) -> dict[Expr, Expr]:
        """{node of an object before the loop: its node after the round}."""
        memory = self.memory
        if memory is None:
            return {}
        return {node: memory.nodes[n] for n, node in self.entry.items()
                if memory.nodes[n] is not node}  # fmt: skip

    def expected(self, value: Any, moves: dict[Expr, Expr]) -> Any:
        """What a place holds after a round that only wrote into objects."""
        return value if self.memory is None else self.memory.moved_tree(value, moves)

    def holds_arrays(self, value: Any) -> bool:
        """Whether a place's value has an array in it, which is looked at when a round has run."""
        return self.memory is not None and any(
            isinstance(x, Expr) and x.type.rank for x in leaves(value)
        )

    def opened(self, v: Var, shares: frozenset[int]) -> None:
        """A variable that stands for an array bound in a round is an object of its own."""
        if self.memory is not None and v.type.rank:
            self.memory.register(v, shares)

    def present(self, value: Any) -> Any:
        """What the loop runs over, as the arrays are in this round.

        But not what was computed from them before: `for e in np.sin(a)` sees no write into `a`.
        """
        if self.memory is None or not self.variables:
            return value
        now: dict[Expr, Expr] = {node: node for node in self.memory.objects}
        now.update((self.entry[n], v) for n, v in self.variables.items())
        return map_tree(lambda x: substitute([x], now)[0] if isinstance(x, Expr) else x, value)

    def read_by(self, value: Any) -> set[int]:
        """The objects that a value is read from."""
        nodes = [x for x in leaves(value) if isinstance(x, Expr)]
        return set() if self.memory is None else self.memory.sources(nodes)

    def objects(self, value: Any) -> set[int]:
        """The objects that a place's value looks into, or may look into."""
        found: set[int] = set()
        if self.memory is None:
            return found
        for leaf in leaves(value):
            if isinstance(leaf, Expr) and leaf.type.rank:
                found |= self.memory.roots(leaf)
        stack = list(found)
        while stack:  # what an inner loop has left may be another
            new = self.memory.shares.get(stack.pop(), frozenset()) - found
            found |= new
            stack += new
        return found

    def among(self, run_over: set[int], held: set[int]) -> frozenset[int]:
        """Those of `run_over` that a place which rounds bind anew may hold."""
        assert self.memory is not None
        perhaps = held.union(*(self.memory.shares.get(n, ()) for n in held))
        return frozenset(perhaps & run_over)

    def shared(
        self, first: set[int], last: set[int], steady: set[int], others: Iterable[tuple[Any, Any]]
    ) -> frozenset[int]:
        """The objects that a place which rounds bind anew may have in common with others.

        first, last: those it looks into before the loop and after a round. steady: those that
        places look into which no round binds. others: (first, last) of the other such places.
        """
        memory = self.memory
        assert memory is not None
        both = first | last
        given = memory.arguments.keys() | memory.foreign.keys()
        found = {n for n in both if n in given or n in steady}
        for a, b in others:
            found |= (first & a) | (last & b)
        # What a round makes is another object, with another number, whenever it is evaluated.
        return frozenset(n if n in self.known else ELSEWHERE for n in found)
