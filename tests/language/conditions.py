"""Conditions and comparisons

What is known when compiling is decided then; a condition on a run-time value stays an `if` in the
generated code, and only the side that is taken is evaluated.
"""

import math

from tests.language import raises, refuses, shows


@shows(0.7)
def if_else(x):
    """`if`, `elif`, `else`"""
    if x < 0.0:
        y = x * x
    elif x < 1.0:
        y = math.sin(x)
    else:
        y = math.log(x)
    return y * x


@shows(0.7)
def static_if(x):
    """`if` on something known when compiling"""
    mode = "train"
    if mode == "train" and x is not None:
        return x * x
    return undefined  # noqa: F821


@shows(2.5)
def early_return(x):
    """Early returns"""
    if x < 0.0:
        return x**2
    y = math.sqrt(x)
    if y > 1.0:
        return math.log(y)
    return y * x


@shows(0.7)
def conditional_expression(x):
    """Conditional expression"""
    return x**2 if x > 0.0 else -x


@shows(0.7, -0.4)
def conjunction(x, y):
    """`and`, `or`, `not` as conditions"""
    return x * y if x > 0.0 and not (y > 0.0 or x > 9.0) else x + y


@shows(0.7, -0.4)
def operands(x, y):
    """`and` and `or` as values"""
    return (x or 2.0 * y) * 3.0 + (x and y)


@shows(-0.7)
def lazy(x):
    """What stands behind a false condition is not evaluated"""
    return x * 2.0 if x > 0.0 and math.log(x) > 0.1 else x * x


@shows(0.7, 0.9)
def chained(x, y):
    """Chained comparison"""
    return x * y if 0.0 < x < y <= 1.0 else x + y


@shows(0.7, -0.4)
def equality(x, y):
    """`==` and `!=` of run-time numbers"""
    return x * x if x != y and not x == 3.0 else y


@shows(0.7, -0.4)
def tuples(x, y):
    """`==` of tuples, item by item"""
    return x if (x, y) == (0.7, 2.0) else x * y


@shows(0.7, -0.4)
def ordered_tuples(x, y):
    """`<` of tuples: the first items that differ decide"""
    return x * x if (1, y, x) < (1, x, y) else y


@shows(0.7, -0.4)
def lists(x, y):
    """`==` of lists and dicts"""
    same = [x, 1.0] == [x, 2.0] or {"a": x} == {"a": y}
    return x * x if not same else y


@shows(0.7, -0.4)
def membership(x, y):
    """`in` with run-time values"""
    return x * y if x in (y, 3.0) else x * x


@shows(0.7)
def static_membership(x):
    """`in` and `not in` of static containers"""
    if "a" in {"a": 1} and 3 not in [1, 2] and "b" in "abc" and 4 in range(5):
        return x * x
    return x


@shows(0.7)
def none(x):
    """`is None` and `is not None`"""
    weight = None
    return x * x if weight is None and x is not None else x


@shows(0.7)
def truth(x):
    """Truth of numbers and containers"""
    empty, full = [], (x,)
    return x * x if x and full and not empty else 2.0 * x


@shows(0.7)
def booleans(x):
    """Conditions kept in names"""
    positive = x > 0.0
    small = abs(x) < 1.0
    both = positive and small
    return x**3 if both is True else x


@shows(0.7)
def arithmetic(x):
    """Conditions as numbers"""
    return (x > 0.0) * x * x + (x <= 0.0) * x


@shows(0.7, 0.4)
def structures(x, y):
    """Different values of one structure on the two sides"""
    if x > y:
        a, b = x, [y, {"k": x}]
    else:
        a, b = y, [x, {"k": y}]
    return a * b[0] * b[1]["k"]


@shows(0.7)
def changed_lists(x):
    """A list that is changed on both sides"""
    items = [x, 1.0]
    if x > 0.5:
        items[1] = x * x
        items.append(2.0)
    else:
        items.append(x)
    return items[0] * items[1] * items[2]


@refuses(0.7)
def other_lengths(x):
    """Lists that get another length on one side"""
    items = [x]
    if x > 0.5:
        items.append(x)
    return sum(items)


@refuses(0.7)
def chosen_then_changed(x):
    """A list chosen at run time, then changed under its other name"""
    a, b = [x, 1.0], [2.0, x]
    c = a if x > 0.5 else b
    a[0] = 5.0
    return c[0] * c[1]


@shows(0.7)
def perhaps_unassigned(x):
    """A name that only one side assigns, read later"""
    if x > 0.5:
        y = x * x
    z = x
    if x > 0.6:
        z = y * x
    return z


@raises(UnboundLocalError, 0.3)
def unassigned(x):
    """A name that the other side would have assigned"""
    if x > 0.5:
        y = x * x
    return y


@refuses(0.7)
def structures_that_differ(x):
    """A result of different structure on the two sides"""
    pair = (x, x) if x > 0.5 else (x,)
    return pair[0]


@refuses(0.7, 0.7)
def identity(x, y):
    """`is` between run-time numbers"""
    return x if x is y else 2.0 * y
