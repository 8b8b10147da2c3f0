"""Fit Fisher's iris measurements with an exact gradient: SciPy minimises, symdiff differentiates.

`scipy.optimize.minimize` needs the gradient of the loss. Left alone it makes one by finite
differences: an extra evaluation of the loss for every parameter, at every step, with half of the
digits. `symdiff.value_and_grad` turns the loss below, as it stands, into code for both the value
and the exact gradient, and `jac=True` hands it over.

Data: samples/iris.csv, 150 flowers of three species, four measurements each (in cm), from
R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936)
179-188.

    python samples/logistic_regression.py
"""

import csv
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import symdiff

DATA = Path(__file__).with_name("iris.csv")
RIDGE = 1e-3  # weight of the penalty on large weights; without one the best weights are infinite


def load_iris(path=DATA):
    """Measurements, standardised to mean 0 and deviation 1 (150, 4); species 0..2; their names."""
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    X = np.array([[float(x) for x in row[:4]] for row in rows])
    names = list(dict.fromkeys(row[4] for row in rows))
    species = np.array([names.index(row[4]) for row in rows])
    return (X - X.mean(axis=0)) / X.std(axis=0), species, names


# Two classes: virginica (+1) or not (-1).


def binary_loss(theta, X, y):
    """Mean logistic loss of labels y in {-1, +1}; theta holds the four weights and the bias."""
    w, b = theta[:4], theta[4]
    z = X @ w + b
    return np.mean(np.log(1 + np.exp(-y * z))) + RIDGE * np.sum(w**2)


# Three classes: softmax regression.


def softmax_loss(theta, X, Y):
    """Mean cross-entropy; Y is one-hot (n, 3), theta the 4x3 weights, then the 3 biases."""
    W, b = theta[:12].reshape(4, 3), theta[12:]
    scores = X @ W + b
    log_total = np.log(np.sum(np.exp(scores), axis=1))
    return np.mean(log_total - np.sum(Y * scores, axis=1)) + RIDGE * np.sum(W**2)


def fit(loss, theta, data, gradient):
    """Minimise with BFGS; gradient is "symdiff" or "finite differences".

    Returns SciPy's result and the seconds that it took, compilation not included.
    """
    if gradient == "symdiff":
        function, jac = symdiff.value_and_grad(loss, wrt="theta"), True
        function(theta, *data)  # the first call compiles
    else:
        function, jac = loss, None
    start = time.perf_counter()
    result = minimize(function, theta, args=data, jac=jac, method="BFGS")
    return result, time.perf_counter() - start


def report(loss, theta, data):
    """Fit both ways, print how they compare, and return the better-informed fit."""
    results = {}
    for gradient in ("symdiff", "finite differences"):
        result, seconds = fit(loss, theta, data, gradient)
        results[gradient] = result
        # SciPy counts the calls of the function; finite differences need one per parameter more.
        print(
            f"  {gradient:<18}: loss {result.fun:.6f}, {result.nit} iterations, "
            f"{result.nfev} evaluations, {seconds * 1e3:.1f} ms"
        )
    exact, numeric = results["symdiff"], results["finite differences"]
    print(f"  same minimum: {np.allclose(exact.x, numeric.x, atol=1e-2)}")
    return exact.x


def main():
    X, species, names = load_iris()
    print(f"{len(X)} flowers: {', '.join(names)}")

    y = np.where(species == names.index("virginica"), 1.0, -1.0)
    print("virginica or not, 5 parameters:")
    theta = report(binary_loss, np.zeros(5), (X, y))
    predicted = np.sign(X @ theta[:4] + theta[4])
    print(f"  right: {np.sum(predicted == y)} of {len(y)} ({np.mean(predicted == y):.2%})")

    Y = np.eye(3)[species]
    print("all three species, 15 parameters:")
    theta = report(softmax_loss, np.zeros(15), (X, Y))
    predicted = np.argmax(X @ theta[:12].reshape(4, 3) + theta[12:], axis=1)
    print(f"  right: {np.sum(predicted == species)} of {len(species)} "
          f"({np.mean(predicted == species):.2%})")  # fmt: skip


if __name__ == "__main__":
    main()
