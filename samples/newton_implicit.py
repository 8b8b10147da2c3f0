"""Differentiate through Newton's method: a `while` loop that runs until it has converged.

Kepler's equation E - e * sin(E) = M gives the place E of a planet on its ellipse (eccentricity e)
from the time M since it was closest to the sun. It has no closed form: one solves it by Newton's
method. How does E change with e and M? The derivative of the loop answers; so does the implicit
function theorem, on paper:

    dE/de = sin(E) / (1 - e * cos(E))        dE/dM = 1 / (1 - e * cos(E))

    python samples/newton_implicit.py
"""

import math

import symdiff


def eccentric_anomaly(e, M):
    """The solution E of Kepler's equation."""
    E = M
    change = 1.0
    while abs(change) > 1e-12:
        change = (E - e * math.sin(E) - M) / (1 - e * math.cos(E))
        E -= change
    return E


gradient = symdiff.grad(eccentric_anomaly, wrt=("e", "M"))


def by_hand(e, M):
    """The same derivatives by the implicit function theorem."""
    E = eccentric_anomaly(e, M)
    slope = 1 - e * math.cos(E)
    return math.sin(E) / slope, 1 / slope


def radius(e, M):
    """Distance from the sun, in semi-major axes: a function that calls the solver."""
    return 1 - e * math.cos(eccentric_anomaly(e, M))


def main():
    for planet, e, M in (("Earth", 0.0167, 1.0), ("Mercury", 0.2056, 1.0), ("Halley", 0.967, 0.1)):
        E = eccentric_anomaly(e, M)
        loop, paper = gradient(e, M), by_hand(e, M)
        agree = all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(loop, paper, strict=True))
        print(f"{planet:<8} E = {E:.6f}  dE/de = {loop[0]:.6f}  dE/dM = {loop[1]:.6f}")
        print(f"         as by the implicit function theorem: {agree}")
    # Halley's comet is closest at M = 0: how fast does it leave, and is that speed still growing?
    print(f"dr/dM   = {symdiff.grad(radius, wrt='M')(0.967, 0.1):.6f}")
    print(f"d2r/dM2 = {symdiff.grad(symdiff.grad(radius, wrt='M'), wrt='M')(0.967, 0.1):.6f}")


if __name__ == "__main__":
    main()
