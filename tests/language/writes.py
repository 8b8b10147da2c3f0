"""Writes into arrays

Arrays that the function has made are changed in place where that is safe, as they are in Python:
every name and view of an array sees the change.
"""

import numpy as np

from tests.language import refuses, shows

X = np.array([0.5, 1.5, -0.7])
A = np.array([[0.3, 1.2], [-0.8, 0.6]])


def doubled(y):
    y *= 2.0


@shows(X)
def items(x):
    """Items, negative indices too"""
    y = np.zeros(3)
    y[0] = x[1] * x[2]
    y[-1] = y[0] * x[0]
    return np.sum(y * y)


@shows(X)
def augmented_items(x):
    """`+=`, `*=`, `/=` of items"""
    y = x.copy()
    y[0] += y[1] * y[2]
    y[1] *= y[0]
    y[2] /= y[1]
    return np.sum(y)


@shows(X, 1)
def run_time_index(x, k: int):
    """A run-time index"""
    y = x * x
    y[k] = y[k - 1] * 3.0
    return np.sum(y * x)


@shows(X)
def slices(x):
    """Slices, with steps, on both sides"""
    y = np.ones(3)
    y[1:] = x[:-1] * x[1:]
    y[::2] *= x[::2]
    return np.sum(y * y)


@shows(A)
def rows_and_columns(a):
    """Rows and columns of matrices"""
    b = a @ a
    b[0] = a[1] * b[1]
    b[:, 1] += a[:, 0]
    b[1, 0] *= 2.0
    return np.sum(b * b)


@shows(A)
def rows_in_a_loop(a):
    """Rows in a loop: each is a view"""
    b = a.copy()
    for row in b:
        row *= row[0]
        row[1] += 1.0
    return np.sum(b * b)


@shows(X)
def masks(x):
    """Boolean masks"""
    y = x * 2.0
    y[y < 0.0] = 0.1
    y[x > 1.0] *= x[x > 1.0]
    return np.sum(y * x)


@shows(X)
def in_a_loop(x):
    """In a loop, from what was written before"""
    y = x.copy()
    for i in range(1, len(y)):
        y[i] = 0.5 * (y[i] + y[i - 1] ** 2)
    return y[-1]


@shows(X)
def in_branches(x):
    """Under run-time conditions"""
    y = x.copy()
    if x[0] > 0.0:
        y[1] = x[0] * x[2]
    else:
        y[2] = 0.0
    return np.sum(y * y)


@shows(X)
def whole_array(x):
    """`y += ...` and `y[:] = ...` change the array, `y = y + ...` makes another"""
    y = x.copy()
    z = y
    y += x
    y[:] = y * y
    y = y + 1.0
    return np.sum(y * z)


@shows(2.0, 3.0)
def numbers_are_bound(x, y):
    """`+=` of a number binds the name anew"""
    a = b = x * y
    a += x
    return a * b


@shows(X)
def aliases(x):
    """Two names of one array"""
    y = x * x
    z = y
    z[0] = 3.0 * x[1]
    return y[0] * y[1]


@shows(X)
def views(x):
    """Views: slices, `reshape`, `.T`, `ravel`"""
    y = np.zeros((3, 2))
    y[:, 0] = x
    y.T[1] = x * x
    y.reshape(6)[2:4] *= 2.0
    return np.sum(y * y)


@shows(X)
def copies(x):
    """A copy is another array"""
    y = x.copy()
    z = y.copy()
    z[0] = 0.0
    return np.sum(y * y) + np.sum(z)


@shows(X)
def filled(x):
    """`fill`, `out=`, `np.add.at`, `np.copyto`"""
    y = np.empty(3)
    y.fill(x[0])
    np.multiply(x, y, out=y)
    np.add.at(y, np.array([0, 0, 2]), x)
    return np.sum(y * y)


@shows(X)
def changed_by_helper(x):
    """A helper that changes what it is given"""
    y = x * x
    doubled(y)
    doubled(y[1:])
    return np.sum(y * x)


@shows(X)
def sorted_in_place(x):
    """`sort` in place"""
    y = x * x
    y.sort()
    return y[0] * y[2]


@shows(X)
def created(x):
    """Arrays made with `zeros_like`, `empty`, `full`, `ones`, of run-time length"""
    y, z = np.zeros_like(x), np.empty(len(x))
    z[:] = np.full(len(x), 2.0) * x
    y[0] = z[1]
    return np.sum(y * z)


@refuses(X)
def perhaps_the_same(x):
    """Writing into what may be one of two arrays"""
    y, z = x.copy(), x * 2.0
    w = y if x[0] > 0.0 else z
    w[0] = 1.0
    return np.sum(y * z)


@refuses(X)
def broadcast_is_read_only(x):
    """Writing into what NumPy only lends"""
    y = np.broadcast_to(x, (2, 3))
    y[0, 0] = 1.0
    return np.sum(y)


@refuses(X)
def floats_into_integers(x):
    """Writing floats into an array of integers"""
    y = np.zeros(3, dtype=int)
    y[0] = x[0]
    return np.sum(y * x)
