"""Maximum likelihood through a Kalman filter: how noisy is the Nile?

The yearly flow of the Nile is modelled as a level that drifts at random, measured with noise (the
local level model). How much of the movement is drift, how much noise? The Kalman filter follows the
level through the series and gives the likelihood of the two variances; the gradient of its loop
finds the most likely ones.

Data: annual flow of the Nile at Aswan, 1871-1970, in 10^8 cubic metres, from J. Durbin and
S. J. Koopman, "Time Series Analysis by State Space Methods" (2001), whose estimates (section 2.10)
are 15099 for the noise and 1469.1 for the drift.

    python samples/kalman_filter.py
"""

import math

import numpy as np
from scipy.optimize import minimize

import symdiff

NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180,
    799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833,
    701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845,
    864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649,
    846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815,
    1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], dtype=float)  # fmt: skip


def minus_log_likelihood(log_noise, log_drift, flow):
    """Minus the log-likelihood of the two variances, given by their logarithms.

    The first year only tells where the level starts (a diffuse prior).
    """
    noise, drift = math.exp(log_noise), math.exp(log_drift)
    level = flow[0]
    variance = noise + drift
    total = 0.0
    for t in range(1, len(flow)):
        surprise = flow[t] - level
        spread = variance + noise
        total += 0.5 * (math.log(2 * math.pi * spread) + surprise**2 / spread)
        gain = variance / spread
        level += gain * surprise
        variance = variance * (1 - gain) + drift
    return total


value_and_gradient = symdiff.value_and_grad(minus_log_likelihood, wrt=("log_noise", "log_drift"))


def fit(flow, start=(9.0, 9.0)):
    """The most likely variances, and what SciPy says of the search."""

    def objective(theta):
        value, gradient = value_and_gradient(float(theta[0]), float(theta[1]), flow)
        return value, np.array(gradient)

    result = minimize(objective, start, jac=True, method="BFGS")
    return np.exp(result.x), result


def main():
    value, (by_noise, by_drift) = value_and_gradient(9.0, 9.0, NILE)
    print(f"at the start: {value:.6f}, gradient {by_noise:.6f} {by_drift:.6f}")
    (noise, drift), result = fit(NILE)
    print(f"most likely: noise {noise:.0f}, drift {drift:.0f}, log-likelihood {-result.fun:.4f}")
    # The curvature there says how well the variances are known.
    hessian = np.array(
        symdiff.hessian(minus_log_likelihood, wrt=("log_noise", "log_drift"))(
            *map(float, result.x), NILE
        )
    )
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    print(f"standard errors of their logarithms: {errors[0]:.3f} and {errors[1]:.3f}")


if __name__ == "__main__":
    main()
