"""Strings and static values

Text exists when compiling: to choose what is computed, not as a result of it.
"""

from tests.language import refuses, shows


@shows(0.7)
def f_strings(x):
    """f-strings of static values"""
    table = {"layer02": x, "layer1": 2.0}
    n = 2
    return table[f"layer{n:02d}"] * table[f"{'layer'}{n - 1!s}"]


@shows(0.7)
def methods(x):
    """Methods of strings"""
    name = " Bias,Weight ".strip().lower().split(",")[1]
    return x ** len(name.replace("t", "tt")) if name.startswith("w") else x


@shows(0.7)
def operations(x):
    """`+`, `*`, `%`, `in`, indices and slices of strings"""
    text = "ab" * 2 + "%d" % 3
    return x ** len(text[1:]) if "b3" in text and text[0] == "a" else x


@shows(0.7)
def formatting(x):
    """`format` and `join`"""
    key = "-".join(["a", "b"]) + "{:>3}".format("c")
    return x ** len(key)


@shows(0.7)
def characters(x):
    """Running through a string"""
    weights = {"a": x, "b": 2.0, "c": x * x}
    total = 0.0
    for i, c in enumerate("cab"):
        total = total + i * weights[c]
    return total


@shows(0.7)
def numbers_from_text(x):
    """Numbers from text"""
    return x ** int("3") * float("1.5")


@shows(0.7)
def byte_strings(x):
    """Bytes"""
    return x ** len(b"abc") + b"a"[0] * x


@shows(0.7, "cube")
def as_arguments(x, kind):
    """Strings as arguments: a version for each"""
    return {"square": x**2, "cube": x**3}[kind]


@refuses(0.7)
def run_time_f_string(x):
    """An f-string of a run-time value"""
    return x * len(f"{x:.3f}")


@refuses(0.7)
def run_time_percent(x):
    """`%` with a run-time value"""
    return x * len("%f" % x)
