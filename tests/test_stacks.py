"""Lists that loops append to and pop from: stacks of what is still to be done."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symdiff


def halves(x):
    """A walk over a tree, as deep as the values say."""
    stack = [x[0], x[1]]
    total = 0.0
    while stack:
        a = stack.pop()
        total += a * a
        if a > 0.1:
            stack.append(a / 2)
            stack.append(math.sin(a) / 3)
    return total


def reverse_polish(x, n: int):
    stack = []
    k = 0
    while k < n:
        stack.append(x[k])
        if k % 2 == 1:
            b = stack.pop()
            a = stack.pop()
            stack.append(a * b + a)
        k += 1
    result = 1.0
    while len(stack) > 0:
        result = result * stack.pop() + 0.1 * len(stack)
    return result


def simpson(a, b):
    """Adaptive quadrature of exp(-x) * sin(3 x), with a stack of intervals."""
    left, right = [a], [b]
    area = 0.0
    while left:
        p, q = left.pop(), right.pop()
        m = 0.5 * (p + q)
        whole = (q - p) * math.exp(-m) * math.sin(3 * m)
        h = 0.5 * (q - p)
        u, w = p + 0.5 * h, q - 0.5 * h
        halved = h * (math.exp(-u) * math.sin(3 * u) + math.exp(-w) * math.sin(3 * w))
        if abs(whole - halved) > 1e-4:
            left.extend([p, m])
            right.extend([m, q])
        else:
            area += halved
    return area


def emptied(x, n: int):
    found = []
    s = 0.0
    for i in range(n):
        found.append(x * i)
        if len(found) > 2:
            s += found[0] * found[-1]
            found.clear()
    return s + sum(found)


def deleted(x, v):
    found = [x]
    k = 0
    while k < len(v):
        found.append(found[-1] * v[k])
        if v[k] > 1.0:
            del found[-1]
        k += 1
    return found[-1] * len(found) + np.sum(np.array(found))


def cleared(x):
    found = [x[0]]
    k = 0
    while k < len(x):
        if len(found) > 2:
            found.clear()
        found.append(x[k] * x[k])
        k += 1
    return sum(found) * found[0]


def written(x):
    """Items are changed in place, too."""
    stack = [x[0], x[1], x[2]]
    total = 0.0
    while len(stack) > 1:
        a = stack.pop()
        stack[-1] = stack[-1] * a + 0.5
        if a > 0.3:
            stack.append(a * 0.5)
        total += a * stack[0]
    return total + stack[0]


def steps(x):
    """A loop of three rounds, in which a branch appends."""
    found = [x]
    for k in range(3):
        if found[-1] > 0.2:
            found.append(found[-1] * x - 0.1 * k)
    return found[-1] * len(found)


X = np.array([0.5, 0.8, 0.9])
PROGRAMS = [
    (halves, (X,)),
    (reverse_polish, (np.array([0.3, 0.4, 0.5, 0.6, 0.7]), 5)),
    (simpson, (0.1, 1.7)),
    (emptied, (0.7, 8)),
    (deleted, (0.7, np.array([0.5, 1.5, -0.7, 1.2]))),
    (written, (X,)),
    (steps, (0.7,)),
]


@pytest.mark.parametrize("f, args", PROGRAMS, ids=lambda x: getattr(x, "__name__", ""))
def test_stacks(f, args) -> None:
    value, slopes = symdiff.value_and_grad(f, wrt="*")(*args)
    assert value == pytest.approx(f(*args), rel=1e-14)
    assert symdiff.grad(f, wrt="*").check(*args)
    plain = symdiff.Options(optimize=False)
    for other in (
        symdiff.jacobian(f, wrt="*", mode="forward")(*args),
        symdiff.grad(f, wrt="*", options=plain)(*args),
    ):
        np.testing.assert_allclose(flat(slopes), flat(other), rtol=1e-12, atol=1e-13)
    assert symdiff.jacobian(symdiff.grad(f), mode="forward").check(*args)
    assert symdiff.jacobian(symdiff.grad(f), mode="reverse").check(*args)


def flat(values):
    several = values if isinstance(values, tuple) else (values,)
    return np.concatenate([np.ravel(v) for v in several])


def test_what_is_popped_is_popped_in_the_derivative() -> None:
    walk = symdiff.grad(halves)
    walk(X)
    assert "stack.pop()" in walk.source
    assert "IndexError" not in walk.source  # `while stack` says that there is one
    other = symdiff.grad(reverse_polish)
    other(*PROGRAMS[1][1])
    assert other.source.count("IndexError") == 1  # of the two that the first loop takes


def drained(x, n: int):
    stack = [x]
    k = 0
    while k < n:
        if x > 0.0:
            stack.append(x * k)
        x = x - stack.pop() * 0.1 - 0.2
        k += 1
    return x


def test_popping_from_none_raises() -> None:
    assert symdiff.grad(drained).check(2.0, 3)
    with pytest.raises(IndexError, match="pop from empty list"):
        drained(0.1, 9)
    with pytest.raises(IndexError):
        symdiff.grad(drained)(0.1, 9)


def queued(x, n: int):
    queue = [x]
    s = 0.0
    while n > 0:
        a = queue.pop(0)
        s += a
        queue.append(a * x)
        if a > 0.5:
            queue.append(a * a)
        n -= 1
    return s


def test_what_is_refused() -> None:
    with pytest.raises(symdiff.UnsupportedError, match="pop from inside of a list"):
        symdiff.grad(queued)(0.7, 3)
    with pytest.raises(symdiff.UnsupportedError, match="clear of a list of which nothing tells"):
        symdiff.grad(cleared)(X)


def of_tuples(x, n: int):
    work = [(x, 1.0)]
    s = 0.0
    while n > 0:
        a, b = work.pop()
        s += a * b
        work.append((a * 0.5, b))
        work.append((a, b * x))
        n -= 1
    return s


def test_a_stack_of_tuples_is_refused() -> None:
    with pytest.raises(symdiff.UnsupportedError, match="a list of tuples grows"):
        symdiff.grad(of_tuples)(0.7, 3)


def test_what_several_pops_demand_is_found_out_in_one_loop() -> None:
    def paired(v, n: int):
        xs, ys = [1.0], [2.0]
        s = 0.0
        for i in range(n):
            if v[i] > 0.0:
                xs.append(v[i])
            ys.append(v[i] * xs[-1])
            s += xs.pop() * ys.pop() + xs[-1] * ys[-1]
            xs.append(s)
        return s

    derivative = symdiff.grad(paired)
    assert derivative.check(X, 3)
    assert derivative.source.count("raise IndexError") <= 2  # of `pop` and of `[-1]`
    with pytest.raises(IndexError):
        paired(-X, 3)
    with pytest.raises(IndexError):
        derivative(-X, 3)
