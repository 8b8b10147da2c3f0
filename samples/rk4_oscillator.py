"""Fit a damped oscillator to measured data: the gradient goes through the whole simulation.

A mass on a spring with friction follows x'' = -(stiffness * x + damping * x'). Given noisy
measurements of its position, find stiffness, damping and where it started. The misfit is computed
by simulating: classical fourth-order Runge-Kutta (RK4), an ordinary loop. symdiff differentiates
that loop, as it stands.

    python samples/rk4_oscillator.py
"""

import numpy as np
from scipy.optimize import minimize

import symdiff

STEP = 0.05  # seconds between measurements
TRUTH = (4.0, 0.3, 1.0, 0.0)  # stiffness, damping, position and velocity at the start


def misfit(stiffness, damping, x, v, measured, h):
    """Mean squared difference of the simulated positions from the measured ones."""
    total = 0.0
    for seen in measured:
        total += (x - seen) ** 2

        a1 = -stiffness * x - damping * v
        x2, v2 = x + 0.5 * h * v, v + 0.5 * h * a1
        a2 = -stiffness * x2 - damping * v2
        x3, v3 = x + 0.5 * h * v2, v + 0.5 * h * a2
        a3 = -stiffness * x3 - damping * v3
        x4, v4 = x + h * v3, v + h * a3
        a4 = -stiffness * x4 - damping * v4

        x += h * (v + 2 * v2 + 2 * v3 + v4) / 6
        v += h * (a1 + 2 * a2 + 2 * a3 + a4) / 6
    return total / len(measured)


misfit_and_gradient = symdiff.value_and_grad(misfit, wrt=("stiffness", "damping", "x", "v"))


def measure(count=200, noise=0.02):
    """The positions of the true oscillator, which has a closed form, with noise."""
    stiffness, damping, x0, v0 = TRUTH
    t = STEP * np.arange(count)
    rate = np.sqrt(stiffness - damping**2 / 4)
    swing = x0 * np.cos(rate * t) + (v0 + damping * x0 / 2) / rate * np.sin(rate * t)
    random = np.random.default_rng(0)
    return np.exp(-damping * t / 2) * swing + noise * random.standard_normal(count)


def fit(measured, start):
    """Minimise the misfit with BFGS."""

    def objective(theta):
        value, gradient = misfit_and_gradient(*map(float, theta), measured, STEP)
        return value, np.array(gradient)

    return minimize(objective, start, jac=True, method="BFGS")


def main():
    measured = measure()
    at = (3.5, 0.5, 0.8, 0.1)
    value, gradient = misfit_and_gradient(*at, measured, STEP)
    print(f"misfit at the start: {value:.6f}")
    for i, (name, slope) in enumerate(
        zip(("stiffness", "damping", "position", "velocity"), gradient, strict=True)
    ):
        up, down = list(at), list(at)
        up[i] += 1e-6
        down[i] -= 1e-6
        numeric = (misfit(*up, measured, STEP) - misfit(*down, measured, STEP)) / 2e-6
        agrees = abs(slope - numeric) < 1e-6 * max(1.0, abs(numeric))
        print(f"  by {name:<9} {slope:10.6f}   as finite differences: {agrees}")

    found = fit(measured, at)
    print(f"fitted: misfit {found.fun:.6f}; the noise alone has {0.02**2:.6f}")
    for name, value, true in zip(
        ("stiffness", "damping", "position", "velocity"), found.x, TRUTH, strict=True
    ):
        print(f"  {name:<9} {value:8.4f}   (true: {true})")


if __name__ == "__main__":
    main()
