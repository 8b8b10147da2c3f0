"""Names, modules, scopes"""

import math
import math as maths
from math import sin as sine

import numpy
import numpy as np

from tests.language import refuses, shows

GAIN = 1.7
WEIGHTS = np.array([0.5, -1.25, 2.0])
CALLS = 0


@shows(0.7)
def imported(x):
    """Imported names, by whatever name"""
    return sine(x) * maths.sin(x) * float(np.sin(x)) * float(numpy.sin(x))


@shows(0.7)
def global_constants(x):
    """Global constants"""
    return GAIN * x * x * WEIGHTS[2] + float(np.sum(WEIGHTS)) * x


@shows(0.7)
def import_inside(x):
    """`import` inside the function"""
    import collections.abc
    import math as m
    from math import cos  # noqa: I001
    from math import exp as e

    return m.sin(x) * e(x) * cos(x) * isinstance([], collections.abc.Sequence)


@shows(0.7)
def global_read(x):
    """`global` of a name that is only read"""
    global GAIN
    return GAIN * x * x


@refuses(0.7)
def global_write(x):
    """Assigning to a global"""
    global CALLS
    CALLS += 1
    return x * x


@refuses(0.7)
def undefined(x):
    """A name that is not defined"""
    return x * undefined_name  # noqa: F821


@shows(0.7)
def type_checking(x):
    """Static flags"""
    if __debug__ and __name__ != "__main__":
        return x * x
    return x


@shows(0.7)
def constants(x):
    """Constants of `math` and numpy"""
    return math.pi * x + math.e * x**2 + np.pi * math.tau
