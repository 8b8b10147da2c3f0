"""Bundle adjustment, one observation at a time: where does a camera see a point?

A camera has a rotation (a Rodrigues vector: its direction is the axis, its length the angle), a
centre, a focal length, a principal point and two coefficients of radial lens distortion: eleven
parameters. A point has three coordinates, and each observation a weight. The reprojection error is
the difference between where the model puts the point in the image and where it was seen:

    rotate and shift the point, divide by its depth, distort, scale, subtract the measurement

Fitting cameras and points to photographs minimises the sum of its squares, and every step of that
needs the Jacobian of these two numbers in all fifteen parameters.

    python samples/bundle_adjustment.py
"""

from math import cos, sin, sqrt

import numpy as np

import symdiff

CAMERA = (0.1, -0.2, 0.3, 0.5, -0.4, -3.0, 800.0, 320.0, 240.0, -0.05, 0.01)
POINT = (0.3, -0.2, 2.0)
NAMES = ("r1", "r2", "r3", "c1", "c2", "c3", "f", "x0", "y0", "k1", "k2", "px", "py", "pz", "w")


def rotate(r, p):
    """The vector p turned about the axis r by the angle |r|: Rodrigues' formula."""
    angle = sqrt(r[0] ** 2 + r[1] ** 2 + r[2] ** 2)
    c, s = cos(angle), sin(angle)
    n = [x / angle for x in r]  # the unit axis
    along = (n[0] * p[0] + n[1] * p[1] + n[2] * p[2]) * (1 - c)
    cross = (
        n[1] * p[2] - n[2] * p[1],
        n[2] * p[0] - n[0] * p[2],
        n[0] * p[1] - n[1] * p[0],
    )
    return [p[i] * c + cross[i] * s + n[i] * along for i in range(3)]


def reproject(r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2, px, py, pz):
    """Where the camera sees the point, in pixels."""
    seen = rotate((r1, r2, r3), (px - c1, py - c2, pz - c3))
    u, v = seen[0] / seen[2], seen[1] / seen[2]  # perspective: farther is smaller
    radius2 = u**2 + v**2
    lens = 1 + k1 * radius2 + k2 * radius2**2  # the lens bends rays away from its axis
    return f * u * lens + x0, f * v * lens + y0


def residual(r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2, px, py, pz, w, mx, my):
    """The weighted difference of the reprojection from the measured pixel (mx, my)."""
    x, y = reproject(r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2, px, py, pz)
    return w * (x - mx), w * (y - my)


# The 2x15 Jacobian: a row for each of the two residuals, a column for each parameter.
jacobian = symdiff.jacobian(residual, wrt=NAMES)

# The two rows again, only in the pose of the camera: what a fit of its pose needs.
pose_jacobian = symdiff.jacobian(residual, wrt=NAMES[:6])


def finite_differences(at, count=15):
    """The same Jacobian by central differences: 2 * 15 evaluations, and half of the digits."""
    columns = []
    for i in range(count):
        step = 1e-6 * max(1.0, abs(at[i]))
        up, down = list(at), list(at)
        up[i] += step
        down[i] -= step
        columns.append((np.array(residual(*up)) - np.array(residual(*down))) / (2 * step))
    return np.array(columns).T


def fit_pose(points, pixels, camera, steps=10):
    """Gauss-Newton: find rotation and centre of a camera from points it has seen.

    Each step linearises the residuals r and solves the least-squares problem |J @ step + r|.
    Returns the camera and the root-mean-square error in pixels before each step.
    """
    camera, errors = list(camera), []
    for _ in range(steps):
        rows, rest = [], []
        for point, pixel in zip(points, pixels, strict=True):
            at = (*camera, *point, 1.0, *pixel)
            rows.extend(pose_jacobian(*at))
            rest.extend(residual(*at))
        errors.append(float(np.sqrt(np.mean(np.square(rest)))))
        step, *_ = np.linalg.lstsq(np.array(rows), -np.array(rest), rcond=None)
        camera[:6] = [float(a + b) for a, b in zip(camera[:6], step, strict=True)]
        if np.abs(step).max() < 1e-12:
            break
    return tuple(camera), errors


def main():
    x, y = reproject(*CAMERA, *POINT)
    print(f"the camera sees the point at ({x:.4f}, {y:.4f}) pixels")

    at = (*CAMERA, *POINT, 1.0, 420.0, 250.0)
    rows = np.array(jacobian(*at))
    numeric = finite_differences(at)
    print(f"Jacobian {rows.shape[0]}x{rows.shape[1]}:")
    for name, (dx, dy) in zip(NAMES, rows.T, strict=True):
        print(f"  {name:<2} {dx:14.6f} {dy:14.6f}")
    error = np.max(np.abs(rows - numeric) / np.maximum(1.0, np.abs(numeric)))
    print(f"agrees with finite differences to 1e-6: {error < 1e-6}")

    # A tiny fit: look at twelve points, disturb the camera's pose, and find it again.
    random = np.random.default_rng(1)
    points = random.uniform((-1.0, -1.0, 1.0), (1.0, 1.0, 3.0), (12, 3))
    points = [tuple(map(float, point)) for point in points]
    pixels = [reproject(*CAMERA, *point) for point in points]
    start = (
        *(v + d for v, d in zip(CAMERA, (0.05, 0.05, -0.05, 0.2, -0.1, 0.2), strict=False)),
        *CAMERA[6:],
    )
    camera, errors = fit_pose(points, pixels, start)
    print("Gauss-Newton on 12 points, error in pixels:")
    for i, value in enumerate(errors[:6]):
        print(f"  step {i}: {value:.6f}")
    found = max(abs(a - b) for a, b in zip(camera, CAMERA, strict=True))
    print(f"pose recovered to 1e-9: {found < 1e-9}")


if __name__ == "__main__":
    main()
