"""A soft edit distance, and which letters matter: dynamic programming, differentiated.

The edit distance of two words is the least cost of turning one into the other by inserting,
deleting and replacing letters. The textbook fills a table, cell by cell, with the least of three
neighbours. With a *soft* minimum instead the distance is smooth in all costs, and its gradient in
the costs of replacing says how much each pair of letters takes part in the alignment: a soft
alignment, without any backtracking.

    python samples/edit_distance.py
"""

import math

import numpy as np

import symdiff


def softmin(a, b, c, temperature):
    """A smooth minimum of three numbers; the plain minimum as the temperature goes to 0."""
    least = min(a, b, c)
    total = (
        math.exp((least - a) / temperature)
        + math.exp((least - b) / temperature)
        + math.exp((least - c) / temperature)
    )
    return least - temperature * math.log(total)


def distance(replace, gap, temperature):
    """Soft edit distance; replace[i, j] is the cost of letter i for letter j, gap of none."""
    m, n = replace.shape
    D = np.zeros((m + 1, n + 1))
    for i in range(m + 1):
        for j in range(n + 1):
            if i == 0:
                D[i, j] = j * gap
            elif j == 0:
                D[i, j] = i * gap
            else:
                D[i, j] = softmin(
                    D[i - 1, j] + gap,
                    D[i, j - 1] + gap,
                    D[i - 1, j - 1] + replace[i - 1, j - 1],
                    temperature,
                )
    return D[m, n]


alignment = symdiff.value_and_grad(distance, wrt=("replace", "gap"))


def costs(first, second):
    """0 where letters are the same, 1 where they are not."""
    return np.array([[0.0 if a == b else 1.0 for b in second] for a in first])


def main():
    first, second = "kitten", "sitting"
    replace = costs(first, second)
    print(f"edit distance of {first} and {second}: {distance(replace, 1.0, 1e-3):.4f}")
    for temperature in (1e-3, 0.3):
        value, (weights, per_gap) = alignment(replace, 1.0, temperature)
        print(f"temperature {temperature}: distance {value:.4f}, letters left out: {per_gap:.4f}")
        print("     " + "     ".join(second))
        for letter, row in zip(first, weights, strict=True):
            print(f"  {letter} " + " ".join(f"{abs(w):.3f}" for w in row))
    step = 1e-6
    i, j = 1, 1
    up, down = replace.copy(), replace.copy()
    up[i, j] += step
    down[i, j] -= step
    numeric = (distance(up, 1.0, 0.3) - distance(down, 1.0, 0.3)) / (2 * step)
    print(f"agrees with finite differences: {abs(numeric - weights[i, j]) < 1e-7}")


if __name__ == "__main__":
    main()
