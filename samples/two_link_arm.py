"""A planar robot arm with two links: how does its motion respond to every one of its parameters?

The arm swings under gravity. Given its two joint angles, their speeds, the two motor torques, and
the masses and lengths of its links, the equations of motion give the two angular accelerations:

    M(q) @ acceleration = torque - coriolis(q, speed) - gravity(q)

M is the 2x2 mass matrix. Engineers want the derivative of the accelerations (to linearise the arm
around a posture, for control or parameter fitting) and of scalar costs made from them (to
optimise). By hand that is pages of algebra; symdiff writes it as straight-line Python.

    python samples/two_link_arm.py
"""

from math import cos, pi, sin

import symdiff

GRAVITY = 9.81  # m/s^2

# Angles of the joints [rad], their speeds [rad/s], motor torques [N m], masses [kg], lengths [m].
NAMES = ("q1", "q2", "dq1", "dq2", "tau1", "tau2", "m1", "m2", "l1", "l2")
POSTURE = (pi / 6, pi / 4, 0.5, -0.3, 2.0, 1.0, 1.5, 1.0, 0.8, 0.6)


def accelerations(q1, q2, dq1, dq2, tau1, tau2, m1, m2, l1, l2):
    """The angular accelerations of both joints [rad/s^2]."""
    # Each link is a uniform rod: its centre is half way, its inertia m*l**2/12 about that centre.
    r1, r2 = l1 / 2, l2 / 2
    inertia1, inertia2 = m1 * l1**2 / 12, m2 * l2**2 / 12

    # The mass matrix: how hard each joint is to accelerate, and how they drag each other along.
    coupling = m2 * l1 * r2 * cos(q2)
    m22 = inertia2 + m2 * r2**2
    m12 = m22 + coupling
    m11 = inertia1 + m1 * r1**2 + m22 + m2 * l1**2 + 2 * coupling

    # The forces of a turning frame (Coriolis, centrifugal), and the weight of the links.
    swing = m2 * l1 * r2 * sin(q2)
    coriolis1 = -swing * (2 * dq1 * dq2 + dq2**2)
    coriolis2 = swing * dq1**2
    weight2 = m2 * GRAVITY * r2 * cos(q1 + q2)
    weight1 = (m1 * r1 + m2 * l1) * GRAVITY * cos(q1) + weight2

    # Two equations, two unknowns: Cramer's rule.
    rest1 = tau1 - coriolis1 - weight1
    rest2 = tau2 - coriolis2 - weight2
    determinant = m11 * m22 - m12**2
    return (m22 * rest1 - m12 * rest2) / determinant, (m11 * rest2 - m12 * rest1) / determinant


def effort(q1, q2, dq1, dq2, tau1, tau2, m1, m2, l1, l2):
    """A cost: the squared length of the acceleration. Helper functions are followed."""
    a1, a2 = accelerations(q1, q2, dq1, dq2, tau1, tau2, m1, m2, l1, l2)
    return a1**2 + a2**2


def finite_difference(function, at, index, step=1e-6):
    """Central difference of `function` in one of its arguments, to compare with."""
    up, down = list(at), list(at)
    up[index] += step
    down[index] -= step
    return (function(*up) - function(*down)) / (2 * step)


def balance(torques, posture=POSTURE, steps=5):
    """Find the torques that hold the arm still in a posture: Newton's method, `effort` -> 0.

    The accelerations are linear in the torques, so the 2x2 block of the Jacobian solves it.
    """
    jacobian = symdiff.jacobian(accelerations, wrt=("tau1", "tau2"))
    t1, t2 = torques
    for _ in range(steps):
        state = (*posture[:4], t1, t2, *posture[6:])
        a1, a2 = accelerations(*state)
        (a, b), (c, d) = jacobian(*state)
        t1, t2 = t1 - (d * a1 - b * a2) / (a * d - b * c), t2 - (a * a2 - c * a1) / (a * d - b * c)
    return t1, t2


def main():
    a1, a2 = accelerations(*POSTURE)
    print(f"accelerations: {a1:.6f} {a2:.6f} rad/s^2")

    # The gradient of the cost in all ten parameters, from one call.
    gradient = symdiff.grad(effort, wrt="*")(*POSTURE)
    print("gradient of the effort a1**2 + a2**2:")
    worst = 0.0
    for i, (name, value) in enumerate(zip(NAMES, gradient, strict=True)):
        numeric = finite_difference(effort, POSTURE, i)
        worst = max(worst, abs(value - numeric) / max(1.0, abs(numeric)))
        print(f"  d effort / d {name:<4} = {value:14.6f}   (finite differences {numeric:14.6f})")
    print(f"largest relative difference below 1e-6: {worst < 1e-6}")

    # The 2x10 Jacobian of both accelerations.
    rows = symdiff.jacobian(accelerations, wrt="*")(*POSTURE)
    print("Jacobian of the accelerations:")
    for label, row in zip(("a1", "a2"), rows, strict=True):
        print(f"  d {label}: " + " ".join(f"{value:9.4f}" for value in row))

    # The gradient of a1**2 + a2**2 must be 2*a1*(first row) + 2*a2*(second row).
    combined = [2 * a1 * x + 2 * a2 * y for x, y in zip(*rows, strict=True)]
    agree = all(
        abs(g - c) <= 1e-9 * max(1.0, abs(g)) for g, c in zip(gradient, combined, strict=True)
    )
    print(f"gradient and Jacobian agree: {agree}")

    t1, t2 = balance((2.0, 1.0))
    still = effort(*POSTURE[:4], t1, t2, *POSTURE[6:])
    print(
        f"torques that hold it still: {t1:.6f} {t2:.6f} N m (effort below 1e-20: {still < 1e-20})"
    )


if __name__ == "__main__":
    main()
