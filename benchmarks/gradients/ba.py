"""BA (GradBench): the Jacobian of bundle adjustment.

Cameras (eleven parameters: a rotation vector, a centre, a focal length, a principal point, two
coefficients of radial distortion) see points; an observation has a weight w. Its residuals are the
two coordinates of its reprojection error, times w, and 1 - w**2. The Jacobian is sparse: a residual
has 15 entries, or one. What is computed are the values of the compressed rows, in GradBench's order
(`structure` gives the rest, which no parameter changes): both coordinates of all observations, each
with camera, point and weight, then the weights' own residuals.

Both functions loop over the observations and ask for the Jacobian of one's two coordinates in its
15 numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Peer, Primal, Problem, Run
from benchmarks.gradients.tools import casadi, jax_compiled, numba_by_hand, tensors

CAMERA, ROW = 11, 15


def project(camera, point, w, feature):
    """The residuals of one observation, by its camera, its point and its weight."""
    r1, r2, r3, c1, c2, c3, f, x0, y0, k1, k2 = camera
    x, y, z = point[0] - c1, point[1] - c2, point[2] - c3
    squared = r1 * r1 + r2 * r2 + r3 * r3
    if squared > 0.0:
        angle = math.sqrt(squared)
        c, s = math.cos(angle), math.sin(angle)
        n1, n2, n3 = r1 / angle, r2 / angle, r3 / angle
        along = (n1 * x + n2 * y + n3 * z) * (1.0 - c)
        q1 = c * x + s * (n2 * z - n3 * y) + along * n1
        q2 = c * y + s * (n3 * x - n1 * z) + along * n2
        q3 = c * z + s * (n1 * y - n2 * x) + along * n3
    else:
        q1 = x + (r2 * z - r3 * y)
        q2 = y + (r3 * x - r1 * z)
        q3 = z + (r1 * y - r2 * x)
    u, v = q1 / q3, q2 / q3
    squared = u * u + v * v
    lens = 1.0 + k1 * squared + k2 * squared * squared
    return np.array([w * (f * u * lens + x0 - feature[0]), w * (f * v * lens + y0 - feature[1])])


def project_in_numpy(camera, point, w, feature):
    """The same, in vectors."""
    rotation, p = camera[:3], point - camera[3:6]
    angle = np.sqrt(rotation @ rotation)
    axis, cosine = rotation / angle, np.cos(angle)
    seen = cosine * p + np.sin(angle) * np.cross(axis, p) + (1.0 - cosine) * (axis @ p) * axis
    image = seen[:2] / seen[2]
    squared = image @ image
    lens = 1.0 + camera[9] * squared + camera[10] * squared**2
    return w * (camera[6] * lens * image + camera[7:9] - feature)


PARTS = ("camera", "point", "w")
by_scalars = symdiff.jacobian(project, wrt=PARTS, mode="reverse")
by_vectors = symdiff.jacobian(project_in_numpy, wrt=PARTS, mode="reverse")


def in_loops(cameras, points, weights, observations, features):
    n = len(observations)
    rows = np.zeros((n, 2, ROW))
    for i in range(n):
        camera, point = observations[i]
        seen = cameras[camera], points[point], weights[i], features[i]
        by_camera, by_point, by_weight = by_scalars(*seen)
        for row in range(2):
            for k in range(CAMERA):
                rows[i, row, k] = by_camera[row, k]
            for k in range(3):
                rows[i, row, CAMERA + k] = by_point[row, k]
            rows[i, row, 14] = by_weight[row]
    return np.concatenate((rows.ravel(), -2.0 * weights))


def in_numpy(cameras, points, weights, observations, features):
    n = len(observations)
    rows = np.zeros((n, 2, ROW))
    for i, (camera, point) in enumerate(observations):
        seen = cameras[camera], points[point], weights[i], features[i]
        rows[i, :, :11], rows[i, :, 11:14], rows[i, :, 14] = by_vectors(*seen)
    return np.concatenate((rows.ravel(), -2.0 * weights))


def structure(observations: np.ndarray, cameras: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each row starts, and the column of each value, as compressed sparse rows have them."""
    n = len(observations)
    camera = observations[:, :1] * CAMERA + np.arange(CAMERA)
    point = CAMERA * cameras + observations[:, 1:] * 3 + np.arange(3)
    weight = CAMERA * cameras + 3 * points + np.arange(n)[:, None]
    rows = np.repeat(np.concatenate((camera, point, weight), axis=1), 2, axis=0)
    starts = np.concatenate((ROW * np.arange(2 * n), 2 * ROW * n + np.arange(n + 1)))
    return starts, np.concatenate((rows.ravel(), weight.ravel()))


def in_jax(jax: Any) -> Callable[..., Any]:
    """The Jacobian of one observation, in reverse mode, for all observations."""
    jnp = jax.numpy

    def project(camera, point, w, feature):
        rotation, p = camera[:3], point - camera[3:6]
        squared = rotation @ rotation
        angle = jnp.sqrt(squared)
        axis = rotation / angle
        cosine = jnp.cos(angle)
        turned = cosine * p + jnp.sin(angle) * jnp.cross(axis, p) + (1 - cosine) * (axis @ p) * axis
        image = turned[:2] / turned[2]
        r2 = image @ image
        lens = 1.0 + camera[9] * r2 + camera[10] * r2 * r2
        return w * (camera[6] * lens * image + camera[7:9] - feature)

    blocks = jax.vmap(jax.jacrev(project, argnums=(0, 1, 2)))

    def values(cameras, points, weights, observations, features):
        at = cameras[observations[:, 0]], points[observations[:, 1]], weights
        camera, point, weight = blocks(*at, features)
        rows = jnp.concatenate((camera, point, weight[:, :, None]), axis=2)
        return jnp.concatenate((rows.ravel(), -2.0 * weights))

    return values


def torch_values(compiled: bool) -> Callable[..., Run]:
    """Two backward passes over all observations at once: each coordinate's sum."""

    def make(*arguments: Any) -> Run:
        import torch

        cameras, points, weights, observations, features = tensors(arguments)

        def sums(parameters: Any) -> Any:
            rotation, point = parameters[:, :3], parameters[:, 11:14] - parameters[:, 3:6]
            angle = torch.sqrt((rotation**2).sum(1, keepdim=True))
            axis = rotation / angle
            cosine = torch.cos(angle)
            along = (axis * point).sum(1, keepdim=True) * (1.0 - cosine)
            crossed = torch.linalg.cross(axis, point)
            seen = cosine * point + torch.sin(angle) * crossed + along * axis
            image = seen[:, :2] / seen[:, 2:]
            r2 = (image**2).sum(1, keepdim=True)
            lens = 1.0 + parameters[:, 9:10] * r2 + parameters[:, 10:11] * r2 * r2
            error = parameters[:, 6:7] * lens * image + parameters[:, 7:9] - features
            return (parameters[:, 14:15] * error).sum(0)

        errors = torch.compile(sums) if compiled else sums

        def run() -> Any:
            at = cameras[observations[:, 0]], points[observations[:, 1]], weights[:, None]
            parameters = torch.cat(at, 1).requires_grad_()
            x, y = errors(parameters)
            (first,) = torch.autograd.grad(x, parameters, retain_graph=True)
            (second,) = torch.autograd.grad(y, parameters)
            rows = torch.stack((first, second), 1)
            return torch.cat((rows.ravel(), -2.0 * weights))

        return run

    return make


def by_hand(cameras, points, weights, observations, features):
    n = len(observations)
    out = np.empty(31 * n)
    for i in range(n):
        camera = cameras[observations[i, 0]]
        point = points[observations[i, 1]]
        w, f, k1, k2 = weights[i], camera[6], camera[9], camera[10]
        x, y, z = point[0] - camera[3], point[1] - camera[4], point[2] - camera[5]
        angle = math.sqrt(camera[0] ** 2 + camera[1] ** 2 + camera[2] ** 2)
        n1, n2, n3 = camera[0] / angle, camera[1] / angle, camera[2] / angle
        c, s = math.cos(angle), math.sin(angle)
        n_p = n1 * x + n2 * y + n3 * z
        along = n_p * (1.0 - c)
        q1 = c * x + s * (n2 * z - n3 * y) + along * n1
        q2 = c * y + s * (n3 * x - n1 * z) + along * n2
        q3 = c * z + s * (n1 * y - n2 * x) + along * n3
        u, v = q1 / q3, q2 / q3
        r2 = u * u + v * v
        lens = 1.0 + k1 * r2 + k2 * r2 * r2
        slope = 2.0 * (k1 + 2.0 * k2 * r2)
        near = w * f / q3
        for row in range(2):
            if row == 0:
                g1, g2, at = near * (lens + slope * u * u), near * slope * u * v, u
            else:
                g1, g2, at = near * slope * u * v, near * (lens + slope * v * v), v
            g3 = -(g1 * u + g2 * v)
            n_g = n1 * g1 + n2 * g2 + n3 * g3
            a, b = s / angle, (1.0 - c) / angle
            h1 = a * (y * g3 - z * g2) + b * (n_g * x + n_p * g1)
            h2 = a * (z * g1 - x * g3) + b * (n_g * y + n_p * g2)
            h3 = a * (x * g2 - y * g1) + b * (n_g * z + n_p * g3)
            turn = g1 * (n2 * q3 - n3 * q2) + g2 * (n3 * q1 - n1 * q3) + g3 * (n1 * q2 - n2 * q1)
            turn -= n1 * h1 + n2 * h2 + n3 * h3
            d1 = c * g1 + s * (g2 * n3 - g3 * n2) + (1.0 - c) * n_g * n1
            d2 = c * g2 + s * (g3 * n1 - g1 * n3) + (1.0 - c) * n_g * n2
            d3 = c * g3 + s * (g1 * n2 - g2 * n1) + (1.0 - c) * n_g * n3
            to = out[30 * i + 15 * row :]
            to[0], to[1], to[2] = h1 + turn * n1, h2 + turn * n2, h3 + turn * n3
            to[3], to[4], to[5] = -d1, -d2, -d3
            to[6] = w * lens * at
            to[7], to[8] = w * (1 - row), w * row
            to[9] = w * f * at * r2
            to[10] = w * f * at * r2 * r2
            to[11], to[12], to[13] = d1, d2, d3
            to[14] = f * lens * at + camera[7 + row] - features[i, row]
        out[30 * n + i] = -2.0 * w
    return out


def in_c(kernel: Kernel, *arguments: np.ndarray) -> Run:
    cameras, points, weights = arguments[:3]
    n = len(weights)
    inputs = [address(a) for a in arguments]

    def run() -> Any:
        values = np.empty(31 * n)
        kernel(len(cameras), len(points), n, *inputs, address(values))
        return values

    return run


def in_casadi(ca: Any, cameras, points, weights, observations, features) -> Run:
    """The Jacobian of one observation, as scalar operations, mapped over all."""
    r, p, w = ca.SX.sym("camera", CAMERA), ca.SX.sym("point", 3), ca.SX.sym("w")
    feature = ca.SX.sym("feature", 2)
    angle = ca.norm_2(r[:3])
    axis, at = r[:3] / angle, p - r[3:6]
    along = ca.dot(axis, at) * (1 - ca.cos(angle))
    seen = ca.cos(angle) * at + ca.sin(angle) * ca.cross(axis, at) + along * axis
    image = seen[:2] / seen[2]
    r2 = ca.sumsqr(image)
    lens = 1 + r[9] * r2 + r[10] * r2 * r2
    error = w * (r[6] * lens * image + r[7:9] - feature)
    rows = ca.densify(ca.jacobian(error, ca.vertcat(r, p, w)).T)
    n = len(weights)
    run_all = ca.Function("rows", [r, p, w, feature], [rows]).map(n)

    def run() -> Any:
        at = cameras[observations[:, 0]].T, points[observations[:, 1]].T, weights[None, :]
        return np.concatenate((np.array(run_all(*at, features.T)).T.ravel(), -2.0 * weights))

    return run


def scene(n_cameras: int, n_points: int, n: int) -> tuple[Any, ...]:
    """Cameras all around, each of which looks at the middle; observations in no useful order."""
    random = np.random.default_rng(0)
    cameras = np.column_stack(
        (
            random.uniform(-0.5, 0.5, (n_cameras, 3)),
            random.uniform(-1.0, 1.0, (n_cameras, 2)),
            random.uniform(-8.0, -6.0, n_cameras),
            random.uniform(500.0, 1000.0, n_cameras),
            random.uniform(200.0, 400.0, (n_cameras, 2)),
            random.uniform(-0.1, 0.1, (n_cameras, 2)),
        )
    )
    points = random.uniform(-1.0, 1.0, (n_points, 3))
    observations = np.column_stack((np.arange(n) % n_cameras, np.arange(n) * 7 % n_points))
    features = random.uniform(0.0, 600.0, (n, 2))
    return cameras, points, random.uniform(0.5, 1.5, n), observations, features


def case(n_cameras: int, n_points: int, n: int, quick: bool = False) -> Case:
    return Case(f"{n:,} observations", lambda: scene(n_cameras, n_points, n), n, quick)


COMPILED = functools.partial(
    symdiff.compiled,
    types={
        "cameras": "float64[cameras,11]", "points": "float64[points,3]", "weights": "float64[n]",
        "observations": "int64[n,2]", "features": "float64[n,2]",
    },
)  # fmt: skip

PROBLEM = Problem(
    name="ba",
    title="bundle adjustment: values of the sparse Jacobian",
    primals=(
        Primal("loops", in_loops, COMPILED),
        Primal("NumPy", in_numpy, COMPILED),
    ),
    peers=(
        hand_c("ba", "ba", "lllpppppp", in_c),
        jax_compiled(in_jax),
        Peer("torch", torch_values(False)),
        Peer("torch-compiled", torch_values(True)),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(
        case(21, 2_660, 8_000, quick=True),
        case(49, 7_776, 31_843),
        case(93, 20_000, 100_000),
        case(257, 65_132, 200_000),
    ),
    small=case(2, 3, 5),
)
