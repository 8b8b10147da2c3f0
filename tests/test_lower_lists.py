"""Lists and tapes as C: of unknown length, of lists that differ in length, read while they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symdiff
from tests.test_lower_loops import same_as_python

# Tapes of loops in loops.


def rounds_by_value(x, n: int):
    s = 0.0
    for _ in range(n):
        y = x
        for _ in range(int(3 * s) % 4):
            y = y * y * 0.5 + x
        s += y * x
    return s


def rounds_by_index(x, n: int):
    s = x
    for i in range(n):
        for j in range(i, n):
            for _ in range(j):
                s = s * s * 0.1 + x
    return s


def steps(x, n: int):
    s = 0.0
    for i in range(n):
        for j in range(i, -1, -2):
            y = x
            for _ in range(j, n + j):
                y = y * y * x + x if y < 2.0 else np.log(y)
            s = s * np.cos(y) + y
            x = x * np.cos(s)
    return s


def every_second(x, n: int):
    s = 0.0
    for _ in range(n):
        for _ in range(0, n, 2):
            x = x * x * 0.4 + 0.3
            s += x
    return s


def while_in_while(x, n: int):
    s = 0.0
    for i in range(n):
        y = x + i
        while y < 6.0:
            z = y
            while z < 7.0:
                z = z * 1.2 + np.sin(z) * 0.1
            y = y * 1.3 + 0.01 * z * y
        s += y * y
        x = x * np.sin(s)
    return s


def in_branches(x, n: int):
    s = 0.0
    for i in range(n):
        if s < 1.0:
            y = x
            for _ in range(i):
                y = np.sin(y) + x * y
            s = s * np.cos(y) + y
        else:
            while s > 1.0:
                s = s * 0.7 * np.cos(x * s)
    return s


def of_arrays(x, n: int):
    v = np.ones(3) * x
    for i in range(n):
        for _ in range(i):
            v = np.sin(v) * np.sum(v)
        v = v * x
    return np.sum(v)


# Lists of the program.


def longer_later(x):
    r: list[Any] = []
    while x < 5.0:
        r.append(x)
        x = x * 1.5
    y = np.array(r) * 2
    r.append(100.0 * x)
    return np.sum(y) + np.sum(np.array(r))


def read_while_it_grows(x, n: int):
    r: list[Any] = []
    s = 0.0
    for i in range(n):
        r.append(x * i)
        s += np.sum(np.array(r)) * r[-1]
        x = np.sin(x)
    return s


def sometimes(x, n: int):
    r = [x]
    s = 0.0
    for i in range(n):
        y = np.array(r) * 2.0
        if x > 0.3:
            r.append(x * i)
        x = np.sin(x) * 0.8
        s += np.sum(y) * len(r)
    r.append(x)
    return s + np.sum(np.array(r))


def stack(x):
    work = [x]
    t = 0.0
    while work:
        y = work.pop()
        t += y * y
        if y > 0.1:
            work.append(y * 0.5)
            work.append(y * 0.3)
    return t


def popped(x, n: int):
    r = [x, 2 * x, 3 * x]
    for i in range(n):
        a = r.pop()
        if i % 2:
            r.append(a * x)
            r.append(a)
    return np.sum(np.array(r)) + len(r) * x


def in_a_loop(x, n: int):
    s = 0.0
    for i in range(n):
        r: list[Any] = []
        while x < 3.0 * (i + 1):
            r.append(x)
            x = x * 1.2 + 0.1
        for y in r:
            s += y * y * np.sin(y)
        x = x * 0.5
    return s


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    *((f, (0.5, n)) for f in (rounds_by_value, rounds_by_index, steps, in_branches, of_arrays)
      for n in (0, 1, 5)),
    (every_second, (0.5, 5)), (every_second, (0.5, 4)), (while_in_while, (0.5, 3)),
    (longer_later, (0.5,)), (read_while_it_grows, (0.5, 4)), (sometimes, (0.9, 6)), (stack, (1.0,)),
    (popped, (0.5, 4)), (popped, (0.5, 2)), (in_a_loop, (0.5, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_the_same_as_python(f: Any, args: tuple[Any, ...], quick: symdiff.Options):
    same_as_python(f, args, quick)
