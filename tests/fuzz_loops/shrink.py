"""Makes a program that fails smaller, as long as it still fails in the same way."""

from __future__ import annotations

import ast
import copy
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from tests.fuzz_loops.oracle import RAISES, Verdict, judge, time_limit
from tests.fuzz_loops.program import Program, traced


def shrunk(program: Program, verdict: Verdict, seconds: float) -> tuple[Program, list[str]]:
    """The smallest program found within `seconds`, and its failures."""
    end = time.monotonic() + seconds
    wanted, failures = _key(verdict.failures[0]), verdict.failures
    progress = True
    while progress:
        progress = False
        for candidate in _candidates(program):
            if time.monotonic() > end:
                return program, failures
            found = _failure(candidate, wanted)
            if found is not None:
                program, failures, progress = candidate, found, True
                break
    return program, failures


def _key(failure: str) -> str:
    """What a failure is recognised by: its kind; of an error the message, too."""
    kind = failure.split(":", 1)[0]
    return failure[:60].split("'")[0] if kind in ("compile", "internal") else kind


def _failure(program: Program, wanted: str) -> list[str] | None:
    try:
        with time_limit(2):  # without its counter a `while` may not end
            traced(program)(*program.points[0])
    except RAISES:
        pass
    except Exception:
        return None  # not a program
    try:
        verdict = judge(program, seconds=15)
    except Exception:
        return None
    same = [f for f in verdict.failures if _key(f) == wanted]
    return same or None


def _candidates(program: Program) -> Iterator[Program]:
    """The program with one thing less, the largest things first."""
    tree = ast.parse(program.source)
    places = [
        (i, field, k)
        for i, node in enumerate(ast.walk(tree))
        for field in ("body", "orelse")
        if isinstance(getattr(node, field, None), list)
        for k in range(len(getattr(node, field)))
    ]
    for i, field, k in places:
        for change in ("drop", "unwrap", "unwrap orelse", "no orelse"):
            new = copy.deepcopy(tree)
            parent: Any = list(ast.walk(new))[i]
            statements = getattr(parent, field)
            node = statements[k]
            if change == "drop":
                statements[k : k + 1] = []
            elif change == "unwrap" and isinstance(node, (ast.If, ast.For, ast.While)):
                statements[k : k + 1] = node.body
            elif change == "unwrap orelse" and getattr(node, "orelse", None):
                statements[k : k + 1] = node.orelse
            elif change == "no orelse" and getattr(node, "orelse", None):
                node.orelse = []
            else:
                continue
            if field == "body" and not statements:
                if not isinstance(parent, (ast.For, ast.While, ast.If)):
                    continue
                statements.append(ast.Pass())
            yield from _program(program, new)
    expressions = [
        i for i, node in enumerate(ast.walk(tree))
        if isinstance(node, (ast.BinOp, ast.Call, ast.IfExp, ast.BoolOp, ast.UnaryOp, ast.Name))
        and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    ]  # fmt: skip
    for i in expressions:
        node: Any = list(ast.walk(tree))[i]
        parts = [c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)]
        if isinstance(node, ast.Call):
            parts = node.args
        if isinstance(node, ast.Name):
            parts = (
                [] if node.id in ("x", "math", "np", "n", "range") else [ast.Name("x", ast.Load())]
            )
        for part in parts:
            new = _Replaced(i, part).done(tree)
            if new is not None:
                yield from _program(program, new)


class _Replaced(ast.NodeTransformer):
    def __init__(self, number: int, by: ast.expr):
        self.number, self.by = number, by

    def done(self, tree: ast.AST) -> ast.AST | None:
        new = copy.deepcopy(tree)
        self.target = list(ast.walk(new))[self.number]
        return ast.fix_missing_locations(self.visit(new))

    def visit(self, node: ast.AST) -> Any:
        if node is self.target:
            return copy.deepcopy(self.by)
        return self.generic_visit(node)


def _program(program: Program, tree: ast.AST) -> Iterator[Program]:
    try:
        source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        compile(source, "<candidate>", "exec")
    except (SyntaxError, ValueError):
        return
    if source != program.source:
        yield dataclasses.replace(program, source=source)
