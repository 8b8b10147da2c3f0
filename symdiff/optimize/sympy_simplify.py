"""SymPy on small scalar results, when asked: `--simplify`.

    sin(x)**2 + cos(x)**2 + x   ->   x + 1

SymPy runs in a process of its own (`sympy_worker.py`), which is killed at the time limit: nothing
else stops it for certain. What it returns is taken only where the operation count falls and random
points agree.
"""

from __future__ import annotations

import importlib.util
import json
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.expr import Apply, Const, Expr, const
from symdiff.ir.function import Function
from symdiff.ir.types import FLOAT, INT
from symdiff.ir.walk import topological, transform
from symdiff.optimize.constants import fold
from symdiff.optimize.count import cost
from symdiff.optimize.factor import factor
from symdiff.optimize.flat import number
from symdiff.options import Options
from symdiff.primitives import arithmetic as ar
from symdiff.primitives import elementary as el

# The worker's name for each row that SymPy knows.
_CODES: dict[Any, str] = {
    ar.add: "add", ar.subtract: "sub", ar.multiply: "mul", ar.divide: "div", ar.power: "pow",
    ar.negative: "neg", el.exp: "exp", el.log: "log", el.sqrt: "sqrt", el.sin: "sin",
    el.cos: "cos", el.tan: "tan", el.sinh: "sinh", el.cosh: "cosh", el.tanh: "tanh",
    el.atan: "atan", el.abs_: "abs",
}  # fmt: skip
_ROWS = {code: row for row, code in _CODES.items()}
_LARGEST = 80  # operations of one result; beyond that SymPy takes minutes
_LARGEST_TREE = 2000  # the same, shared values counted each time: what SymPy sees
_WORKER = Path(__file__).with_name("sympy_worker.py")

Program = list[list[Any]]


def sympy_simplify(function: Function, options: Options) -> Function:
    """`function` with its small scalar results simplified by SymPy, where that pays."""
    if not options.simplify:
        return function
    if importlib.util.find_spec("sympy") is None:
        raise UnsupportedError("simplify needs SymPy", hint="pip install sympy")
    targets = [r for r in dict.fromkeys(function.results) if r.type == FLOAT and _small(r)]
    opaque: list[Expr] = []
    programs = [_program(r, opaque) for r in targets]
    if not programs:
        return function
    best, fewest = function, cost(function.results)
    chosen: dict[Expr, Expr] = {}
    for target, answer in zip(targets, _ask(programs, options.simplify_seconds), strict=False):
        new = None if answer is None else _expression(answer, opaque)
        if new is None or new is target or new.type != target.type or not _agree(target, new):
            continue
        trial = {**chosen, target: new}
        candidate = factor(_with_results(function, trial), options)
        operations = cost(candidate.results)
        if operations < fewest:
            best, fewest, chosen = candidate, operations, trial
    return best


def _with_results(function: Function, chosen: dict[Expr, Expr]) -> Function:
    mapping = {node: node for node in function.nodes()}
    mapping.update(chosen)
    return function.rewritten(mapping)


def _small(result: Expr) -> bool:
    """Whether SymPy can cope with it; trees grow where values are shared."""
    size: dict[Expr, int] = {}
    order = topological([result])
    for node in order:
        size[node] = 1 + sum(size[x] for x in node.operands)
    return 1 < len(order) <= _LARGEST and size[result] <= _LARGEST_TREE


def _program(result: Expr, opaque: list[Expr]) -> Program:
    """One instruction a node; what SymPy does not know is a variable."""
    place: dict[Expr, int] = {}
    program: Program = []
    stack = [result]
    while stack:
        node = stack[-1]
        if node in place:
            stack.pop()
            continue
        value = number(node)
        code = _CODES.get(node.op) if type(node) is Apply and node.type == FLOAT else None
        if code is not None:
            missing = [x for x in node.operands if x not in place]
            if missing:
                stack.extend(missing)
                continue
            program.append([code, *[place[x] for x in node.operands]])
        elif value is not None and math.isfinite(value):
            program.append(["int" if isinstance(value, int) else "float", repr(value)])
        else:
            if node not in opaque:
                opaque.append(node)
            program.append(["var", opaque.index(node)])
        place[node] = len(program) - 1
        stack.pop()
    return program


def _ask(programs: Sequence[Program], seconds: float) -> list[Program | None]:
    """The worker's answers, one line each, as far as it got in the time given."""
    with subprocess.Popen(
        [sys.executable, str(_WORKER)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as worker:  # fmt: skip
        try:
            out, _ = worker.communicate(json.dumps(list(programs)), timeout=seconds)
        except subprocess.TimeoutExpired:
            worker.kill()
            out, _ = worker.communicate()
    return [json.loads(line) for line in out.splitlines() if line.endswith("]") or line == "null"]


def _expression(program: Program, opaque: Sequence[Expr]) -> Expr | None:
    nodes: list[Expr] = []
    for code, *args in program:
        if code == "var":
            nodes.append(opaque[args[0]])
        elif code == "int":
            nodes.append(const(int(args[0]), INT))
        elif code == "float":
            nodes.append(const(float(args[0]), FLOAT))
        else:
            nodes.append(_ROWS[code].build(*[nodes[i] for i in args]))
    return nodes[-1] if nodes else None


def _agree(old: Expr, new: Expr) -> bool:
    """Whether both have one value at random points; at least three where both are defined."""
    leaves = [n for n in topological([old, new]) if n.type == FLOAT and _is_leaf(n)]
    rng = random.Random(0)
    agreed = 0
    for trial in range(12):
        low = 0.2 if trial % 2 else -2.0
        done: dict[Expr, Expr] = {x: const(rng.uniform(low, 2.0), FLOAT) for x in leaves}
        transform([old, new], lambda node: fold(node) or node, done)
        a, b = number(done[old]), number(done[new])
        if a is None or b is None:
            if (a is None) != (b is None) and low > 0:
                return False
            continue
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
            return False
        agreed += 1
    return agreed >= 3


def _is_leaf(node: Expr) -> bool:
    return not isinstance(node, Const) and not (type(node) is Apply and node.op in _CODES)
