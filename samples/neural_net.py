"""A neural network from scratch: layers in a loop, gradients accumulated, zeroed and stepped.

Nothing but NumPy: a list of weight matrices, `tanh` between them, softmax and cross-entropy at the
end. symdiff writes the backward pass. Training goes as in PyTorch: gradients of one flower after
the other add up in buffers, a step follows each batch, and the buffers are set back to zero.

Data: Fisher's irises, samples/iris.csv.

    python samples/neural_net.py
"""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np

import symdiff

DATA = Path(__file__).with_name("iris.csv")


def load_iris(path=DATA):
    """Standardised measurements (150, 4) and species 0..2."""
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    X = np.array([[float(x) for x in row[:4]] for row in rows])
    names = list(dict.fromkeys(row[4] for row in rows))
    return (X - X.mean(axis=0)) / X.std(axis=0), np.array([names.index(row[4]) for row in rows])


def forward(weights, biases, x):
    """Scores of the three species: tanh after every layer but the last."""
    for i in range(len(weights)):
        x = weights[i] @ x + biases[i]
        if i < len(weights) - 1:
            x = np.tanh(x)
    return x


def loss(weights, biases, x, species):
    """Cross-entropy of one flower."""
    scores = forward(weights, biases, x)
    return np.log(np.sum(np.exp(scores))) - scores[species]


value_and_grad = symdiff.value_and_grad(loss, wrt=("weights", "biases"))


def initial(sizes, random):
    """Random weights, scaled to the layer's inputs, and biases of zero."""
    weights = [random.standard_normal((n, m)) / np.sqrt(m) for m, n in pairwise(sizes)]
    return weights, [np.zeros(n) for n in sizes[1:]]


def train(X, y, sizes=(4, 8, 8, 3), epochs=30, batch=10, rate=0.3):
    """Stochastic gradient descent; returns the parameters and the loss of each epoch."""
    random = np.random.default_rng(0)
    weights, biases = initial(sizes, random)
    grad_weights = [np.zeros_like(w) for w in weights]
    grad_biases = [np.zeros_like(b) for b in biases]
    history = []
    for _ in range(epochs):
        total = 0.0
        order = random.permutation(len(X))
        for start in range(0, len(X), batch):
            chosen = order[start : start + batch]
            for i in chosen:
                value, (dw, db) = value_and_grad(weights, biases, X[i], int(y[i]))
                total += float(value)
                for buffer, d in zip(grad_weights + grad_biases, [*dw, *db], strict=True):
                    buffer += d  # accumulate
            for parameter, gradient in zip(
                weights + biases, grad_weights + grad_biases, strict=True
            ):
                parameter -= rate / len(chosen) * gradient  # step
                gradient[:] = 0.0  # zero
        history.append(total / len(X))
    return weights, biases, history


def main():
    X, y = load_iris()
    weights, biases, history = train(X, y)
    for epoch in (0, 1, 9, len(history) - 1):
        print(f"epoch {epoch:>3}: loss {history[epoch]:.4f}")
    right = sum(int(np.argmax(forward(weights, biases, x))) == k for x, k in zip(X, y, strict=True))
    print(f"right: {right} of {len(X)}")
    at = (weights, biases, X[75], int(y[75]))
    symdiff.grad(loss, wrt=("weights", "biases")).check(*at)
    print("the backward pass agrees with finite differences")


if __name__ == "__main__":
    main()
