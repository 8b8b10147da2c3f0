"""The chain rule on one line: derivatives of small nested functions, as code you can read.

python samples/chain_rule.py                            what this script prints
symdiff diff samples/chain_rule.py:f                    the derivative of f, as source
symdiff build samples/chain_rule.py -o chain_grad.py    the same as a module of its own
"""

import math

import symdiff


def f(x): return math.sin(x**2)  # fmt: skip


def square(x):
    """d/dx x**2 = 2*x: the power rule."""
    return x**2


def nested(x):
    """Three functions deep: d/dx exp(sin(x**2)) = exp(sin(x**2)) * cos(x**2) * 2*x."""
    return math.exp(math.sin(x**2))


def df_by_hand(x):
    """What the chain rule gives on paper: the outer derivative times the inner one."""
    return math.cos(x**2) * 2 * x


def dnested_by_hand(x):
    """One factor for each of the three functions, from the outside in."""
    return math.exp(math.sin(x**2)) * math.cos(x**2) * 2 * x


def main():
    # `symdiff.grad(f)` is a function; calling it compiles the derivative once and runs it.
    df = symdiff.grad(f)
    print("f(x) = sin(x**2)")
    print(f"  f'(4) = {df(4.0)!r}")
    print(f"  f'(2) = {df(2.0)!r}")
    print(f"  by hand at 4: {df_by_hand(4.0)!r}")
    print("  the derivative, as symdiff wrote it:\n")
    print(df.source)

    dsquare = symdiff.grad(square)
    print("square(x) = x**2")
    print(f"  square'(3) = {dsquare(3.0)!r}")

    dnested = symdiff.grad(nested)
    print("nested(x) = exp(sin(x**2))")
    print(f"  nested'(1) = {dnested(1.0)!r}")
    print(f"  by hand at 1: {dnested_by_hand(1.0)!r}")

    # A derivative is a function like any other, so it can be differentiated again.
    d2f = symdiff.grad(symdiff.grad(f))
    print("f''(x) = 2*cos(x**2) - 4*x**2*sin(x**2)")
    print(f"  f''(2) = {d2f(2.0):.12f}")
    print(f"  by hand at 2: {2 * math.cos(4.0) - 16 * math.sin(4.0):.12f}")


if __name__ == "__main__":
    main()
