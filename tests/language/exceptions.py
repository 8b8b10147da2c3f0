"""Exceptions and `with`

What the function raises, its derivative raises: the same exception, with the same message.
"""

import contextlib
import math

import numpy as np

from tests.language import raises, refuses, shows


def positive(u):
    if u <= 0.0:
        raise ValueError("not positive")
    return u


@shows(0.7)
def raising(x):
    """`raise` under a run-time condition, not met"""
    if x < 0.0:
        raise ValueError("x is negative")
    return x**2


@raises(ValueError, -0.7)
def raised(x):
    """`raise` under a run-time condition, met"""
    if x < 0.0:
        raise ValueError("x is negative")
    return x**2


@raises(TypeError, 0.7)
def raised_in_else(x):
    """`raise` in `else`, an exception without message"""
    if x < 0.0:
        y = x * x
    elif x < 0.5:
        y = x
    else:
        raise TypeError
    return y


@shows(0.7, 3)
def raising_in_a_loop(x, n):
    """`raise` in a loop on run-time values, not met"""
    for _ in range(n):
        if x > 10.0:
            raise OverflowError("x is too large")
        x = x * x + 0.5
    return x


@raises(OverflowError, 0.7, 30)
def raised_in_a_loop(x, n):
    """`raise` in a loop on run-time values, met"""
    for _ in range(n):
        if x > 10.0:
            raise OverflowError("x is too large")
        x = x * x + 0.5
    return x


@shows(2.0)
def not_converged(x):
    """`while True` that raises where it takes too long"""
    y, rounds = x, 0
    while True:
        step = (y * y - x) / (2.0 * y)
        y, rounds = y - step, rounds + 1
        if abs(step) < 1e-10:
            return y
        if rounds > 60:
            raise RuntimeError("no convergence")


@raises(AssertionError, 2.0, np.array([1.0, -3.0, 2.0]))
def asserted_in_a_loop(x, v):
    """`assert` in a loop"""
    for e in v:
        assert e > 0.0, "only positive numbers"
        x = x * math.sqrt(e)
    return x


@raises(ValueError, 0.7, np.array([1.0, 3.0, -2.0]))
def domain_in_a_loop(x, v):
    """What an operation raises in one round of a loop, the derivative raises, too"""
    total = 0.0
    for e in v:
        total += math.log(x * float(e))
    return total


@shows(0.7)
def helpers_that_raise(x):
    """Helpers that raise"""
    return math.log(positive(x)) * positive(2.0 * x)


@raises(ValueError, -0.7)
def raised_in_a_helper(x):
    """A helper that raises"""
    return x * positive(x)


@shows(0.7)
def at_the_end(x):
    """`raise` after early returns"""
    if x > 0.5:
        return x * x
    if x > 0.0:
        return x
    raise ValueError("out of range")


@raises(ValueError, -0.7)
def raised_at_the_end(x):
    """`raise` after early returns, reached"""
    if x > 0.5:
        return x * x
    if x > 0.0:
        return x
    raise ValueError("out of range")


@shows(0.7)
def static_raise(x, mode="square"):
    """`raise` under a static condition, not met"""
    if mode == "square":
        return x * x
    raise ValueError(f"unknown mode {mode!r}")


@raises(ValueError, 0.7, "cube")
def static_raise_met(x, mode):
    """`raise` under a static condition, met: when compiling"""
    if mode == "square":
        return x * x
    raise ValueError(f"unknown mode {mode!r}")


@shows(0.7)
def asserting(x):
    """`assert`, holding"""
    assert x > 0.0, "x must be positive"
    assert isinstance(x, float)
    return math.sqrt(x)


@raises(AssertionError, -0.7)
def assertion(x):
    """`assert`, failing"""
    assert x > 0.0, "x must be positive"
    return x * x


@raises(AssertionError, 0.7)
def assertion_of_several(x):
    """`assert` of several conditions"""
    assert 0.0 < x < 0.5 and x != 0.3
    return x * x


@raises(AssertionError, 0.7)
def assertion_in_a_branch(x):
    """`assert` in a branch"""
    y = x
    if x > 0.5:
        assert x < 0.6, "too much"
        y = x * x
    return y


@raises(ValueError, -2.0)
def domain(x):
    """What `math` raises, even where the derivative does not need the value"""
    return 3.0 * math.log(x)


@shows(0.7)
def catching(x):
    """`try` with an exception that is certain"""
    try:
        y = {"a": x}["b"]
    except KeyError:
        y = x * x
    return y * x


@shows(0.7)
def several_handlers(x):
    """Several handlers, `as`, a tuple of classes"""
    try:
        raise IndexError("three")
    except KeyError:
        y = x
    except (ValueError, LookupError) as error:
        y = x ** len(error.args[0])
    return y


@shows(0.7)
def else_and_finally(x):
    """`else` and `finally`"""
    steps = []
    try:
        y = x * x
    except ValueError:
        y = x
    else:
        y = y * 2.0
    finally:
        steps.append("done")
    return y * len(steps)


@shows(0.7)
def own_exceptions(x):
    """Exceptions of one's own"""

    class TooDeep(Exception):
        pass

    def descend(u, n):
        if n > 3:
            raise TooDeep(n)
        return descend(u * x, n + 1)

    try:
        return descend(x, 0)
    except TooDeep as error:
        return x ** error.args[0]


@shows(0.7)
def reraising(x):
    """`raise` alone, and `raise ... from`"""
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise KeyError("outer") from error
    except KeyError:
        return x * x


@shows(0.7)
def imports(x):
    """A module that may be missing"""
    try:
        import a_module_that_does_not_exist as fast
    except ImportError:
        fast = None
    return x * x if fast is None else fast.square(x)


@shows(0.7)
def suppressing(x):
    """`contextlib.suppress`"""
    y = x
    with contextlib.suppress(ZeroDivisionError):
        y = x * x
        y = y * (1 / 0)
    return y * x


@shows(0.7)
def null_contexts(x):
    """`numpy.errstate`, `contextlib.nullcontext`"""
    with np.errstate(divide="ignore"), contextlib.nullcontext(2.0) as two:
        y = np.log(x) * two
    return y * x


@refuses(0.7)
def run_time_try(x):
    """`try` around what raises only for some values"""
    try:
        y = math.log(x)
    except ValueError:
        y = 0.0
    return y


@refuses(0.7)
def caught_at_run_time(x):
    """`raise` under a run-time condition, caught"""
    try:
        if x > 0.5:
            raise ValueError
        y = x
    except ValueError:
        y = x * x
    return y


@refuses(0.7)
def message_at_run_time(x):
    """A message made of run-time values"""
    if x < 0.0:
        raise ValueError(f"x is {x}")
    return x * x


@refuses(0.7)
def own_exception_at_run_time(x):
    """An exception of one's own under a run-time condition"""

    class NegativeError(Exception):
        pass

    if x < 0.0:
        raise NegativeError("negative")
    return x * x


@refuses(0.7)
def other_contexts(x):
    """Other context managers"""
    with open("file") as f:
        return x * len(f.read())


@refuses(0.7)
def exception_groups(x):
    """`except*`"""
    try:
        y = x * x
    except* ValueError:
        y = x
    return y
