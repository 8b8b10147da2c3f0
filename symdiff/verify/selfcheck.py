# pyright: basic
# ruff: noqa: B905  (lengths are compared where they could differ)
"""The check that generated modules carry: each derivative against finite differences.

`symdiff.aot` copies the text below the mark into every module that it writes, so it must not use
symdiff, nor anything that is not installed with Python; arrays are met by their own methods. It
stays without the type hints of the rest of this package because people read it in that form.

A row of a module's CHECKS is

    (name, kind, base, derivative, wrt, seeds, flags, points)

`derivative` is the operator `kind` (grad, jacobian, hessian, jvp, vjp, hvp) of `base` in the
parameters `wrt`; of a hessian or hvp, `base` is the gradient. `seeds` are the parameters that hold
tangents or the cotangent, `flags` says "value" where the value is returned too and "aux" where
`base` returns (value, aux). A point maps parameters to arguments; where there is none, `flags`
says why.
"""

from __future__ import annotations

import math

# --- The text of generated modules starts here.


def _leaves(tree):
    """The numbers and arrays inside tuples, lists, dicts, dataclasses, named tuples."""
    if hasattr(tree, "__dataclass_fields__"):
        tree = [getattr(tree, name) for name in tree.__dataclass_fields__]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in _leaves(item)]
    return [] if tree is None or isinstance(tree, str) else [tree]


def _flat(tree):
    """The same as one list of floats."""
    arrays = [x.ravel() if hasattr(x, "ravel") else [x] for x in _leaves(tree)]
    return [float(value) for array in arrays for value in array]


def _fresh(tree):
    """`tree` with copies of its arrays: what is called may write into them."""
    if isinstance(tree, dict):
        return {key: _fresh(item) for key, item in tree.items()}
    if hasattr(tree, "__dataclass_fields__"):
        items = {k: _fresh(getattr(tree, k)) for k in tree.__dataclass_fields__}
        return type(tree)(**items)
    if hasattr(tree, "_fields"):
        return type(tree)(*map(_fresh, tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(map(_fresh, tree))
    return tree.copy() if getattr(tree, "shape", ()) else tree


def _fresh_arguments(point):
    return {name: _fresh(value) for name, value in point.items()}


def _moved(tree, steps):
    """`tree` with the next of `steps` added to each of its numbers."""
    if isinstance(tree, dict):
        return {key: _moved(item, steps) for key, item in tree.items()}
    if hasattr(tree, "__dataclass_fields__"):
        items = {k: getattr(tree, k) for k in tree.__dataclass_fields__}
        return type(tree)(**_moved(items, steps))
    if hasattr(tree, "_fields"):
        return type(tree)(*[_moved(item, steps) for item in tree])
    if isinstance(tree, (tuple, list)):
        return type(tree)(_moved(item, steps) for item in tree)
    if getattr(tree, "shape", ()):
        moved = tree.copy()
        for i in range(tree.size):
            moved.flat[i] += next(steps)
        return moved
    return type(tree)(tree + next(steps))


def _slopes(along, reach, grain):
    """(derivative at 0, doubt) of each number that along(t) returns.

    Central differences, the step halved ten times, extrapolated to step 0 (Ridders);
    of all estimates the one that agrees best with its neighbours is taken, so a kink or
    the edge of the domain within reach does no harm. `doubt` is by how much they
    disagree, and what rounding to `grain` may do.
    """
    best = [(math.nan, math.inf)] * len(_flat(along(0.0)))
    above = []
    step = reach
    for _ in range(10):
        try:
            ahead, behind = _flat(along(step)), _flat(along(-step))
        except (ValueError, ZeroDivisionError, OverflowError):  # outside the domain
            ahead = behind = above = []
        row = [[(a - b) / (2.0 * step) for a, b in zip(ahead, behind)]]
        for k, coarse in enumerate(above):
            gain = 4.0 ** (k + 1)
            row.append([(gain * x - y) / (gain - 1.0) for x, y in zip(row[k], coarse)])
        for k in range(1, len(row)):
            for i, value in enumerate(row[k]):
                doubt = max(abs(value - row[k - 1][i]), abs(value - above[k - 1][i]))
                doubt += grain * abs(ahead[i]) / step
                if doubt < best[i][1]:
                    best[i] = (value, doubt)
        above = row if ahead else []
        step /= 2.0
    return best


def _expected(kind, base, wrt, point, seeds, grain):
    """What the derivative should return, from `base` alone: (number, doubt) pairs."""

    def along(direction):
        def at(t):
            steps = iter([t * d for d in direction])
            return base({**point, **{name: _moved(point[name], steps) for name in wrt}})

        return at

    seed = _flat(seeds)
    if kind in ("jvp", "hvp"):
        return _slopes(along(seed), 0.05, grain)
    inputs = [_flat(leaf) for name in wrt for leaf in _leaves(point[name])]
    outputs = [_flat(leaf) for leaf in _leaves(base(point))]
    numbers = [x for leaf in inputs for x in leaf]
    columns = []
    for i, x in enumerate(numbers):
        unit = [float(i == j) for j in range(len(numbers))]
        columns.append(_slopes(along(unit), 0.05 * max(abs(x), 0.1), grain))
    if kind == "vjp":
        return [
            (sum(c * s for c, (s, _) in zip(seed, column)), sum(d for _, d in column))
            for column in columns
        ]
    # A Jacobian is one array for each output and input: its blocks, in that order.
    result = []
    row = 0
    for output in outputs:
        column = 0
        for leaf in inputs:
            for i in range(len(output)):
                result += [columns[column + j][row + i] for j in range(len(leaf))]
            column += len(leaf)
        row += len(output)
    return result


def _verdict(kind, base, derivative, wrt, seeds, flags, point):
    """(analytic, numeric, error, whether they agree) of the number that is worst."""
    plain = {name: value for name, value in point.items() if name not in seeds}

    def value_of(arguments):
        result = base(**_fresh_arguments(arguments))
        return result[0] if "aux" in flags else result

    answer = derivative(**_fresh_arguments(point))
    if "aux" in flags and kind in ("grad", "jvp", "vjp"):
        aux_with_value = kind == "grad" and "value" in flags
        answer = (answer[0][0], answer[1]) if aux_with_value else answer
        answer = answer[0] if kind == "grad" and "value" not in flags else answer[:2]
    near, far, floor, grain = 1e-6, 1e-3, 1e-7, 1e-15
    if "float32" in [str(getattr(x, "dtype", "")) for x in _leaves([plain, answer])]:
        near, far, floor, grain = 1e-3, 1e-2, 1e-4, 1e-7
    seed = [point[name] for name in seeds]
    expected = _expected(kind, value_of, wrt, plain, seed, grain)
    if "value" in flags:
        expected = [(x, 0.0) for x in _flat(value_of(plain))] + expected
    got = _flat(answer)
    if len(got) != len(expected):
        return len(got), len(expected), math.inf, False  # not even as many numbers
    worst = (0.0, 0.0, 0.0, True)
    for a, (n, doubt) in zip(got, expected):
        size = max(abs(a), abs(n))
        error = abs(a - n) / (size or 1.0)
        allowed = near * size + min(10.0 * doubt, far * size + floor)
        good = abs(a - n) <= allowed or a == n
        if (not good, error) >= (not worst[3], worst[2]):
            worst = (a, n, error, good)
    return worst


def _check(checks):
    """Print the worst number of each derivative at each point; whether all hold."""
    width = max([len("derivative"), *(len(row[0]) for row in checks)])
    print(f"{'derivative':{width}} {'analytic':>24} {'numeric':>24} {'error':>9}")
    failures = 0
    for name, kind, base, derivative, wrt, seeds, flags, points in checks:
        for point in points:
            worst = _verdict(kind, base, derivative, wrt, seeds, flags, point)
            analytic, numeric, error, good = worst
            failures += not good
            line = f"{name:{width}} {analytic:24.16g} {numeric:24.16g} {error:9.1e}"
            print(line, " ok" if good else " WRONG")
            if not good:
                print(" " * width, f"at {point}")
        if not points:
            print(f"{name:{width}} not checked: {flags}")
    done = sum(len(row[-1]) for row in checks)
    print(f"{done} checks, {f'{failures} wrong' if failures else 'all right'}")
    return not failures


def _main(arguments, checks):
    import warnings

    if arguments != ["--check"]:
        print(__doc__)
        return 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, at points outside the domain
        return 0 if _check(checks()) else 1
