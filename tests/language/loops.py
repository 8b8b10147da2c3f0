"""Loops on run-time values

How many rounds there are shows when the function runs; integers annotated `n: int` are known only
then. The derivative has loops too.
"""

import symdiff
from tests.language import refuses, shows


@shows(0.7)
def written_out(x):
    """A loop that is written out round by round, though it is long"""
    s = 0.0
    for k in symdiff.unroll(range(40)):
        s += x ** (k % 3)
    return s


@shows(0.3, 9)
def checkpoints(x, n: int):
    """A loop that stores few states, and runs its rounds again"""
    for _ in symdiff.checkpoint(range(n)):
        x = 3.1 * x * (1.0 - x)
    return x


@refuses(0.7, 4)
def unknown_rounds_written_out(x, n: int):
    """... of which the length is not known when compiling"""
    s = x
    for _ in symdiff.unroll(range(n)):
        s *= x
    return s
