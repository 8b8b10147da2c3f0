"""HT (GradBench): the Jacobian of hand tracking.

A skeleton of 22 bones carries the vertices of a hand (linear blend skinning: a vertex is moved by a
mean of what its bones do). 26 numbers pose it: a rotation vector and a shift of the wrist, and for
each finger four angles; the first of its bones bends both ways, two more bend, the last is stiff.
The residuals are how far measured points are from points of the hand, three for each.

In the simple problem those are vertices. In the complicated one they are points of triangles, and
their barycentric coordinates are unknown, too: a point's own two coordinates change its residuals
alone, so all points may be moved by one `shift` at a time, and its derivative holds all the blocks.
The parameters are that shift, of none or two numbers, and the pose; the Jacobian is compressed as
GradBench has it. The hand is made up, of the sizes of the original.
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
from benchmarks.gradients.tools import (
    casadi,
    jax_compiled,
    numba_by_hand,
    tensors,
    translated,
)

BONES, VERTICES, POSE = 22, 544, 26

# The forearm carries the palm, that five fingers, and each bone of them the next.
PARENTS = (-1, 0, *(bone for f in range(2, BONES, 4) for bone in (1, f, f + 1, f + 2)))


def composed(a, b):
    """An affine transformation after another: matrices of 3 x 4, with 0 0 0 1 in mind below."""
    c = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            for k in range(3):
                c[i, j] += a[i, k] * b[k, j]
        c[i, 3] += a[i, 3]
    return c


def in_loops(parameters, parents, relatives, inverses, base, weights, us, corners, points):
    others = us.shape[1]
    theta = parameters[others:]
    bends = np.zeros((BONES, 2))
    for finger in range(5):
        bone, first = 2 + 4 * finger, 6 + 4 * finger
        bends[bone, 0] = theta[first]
        bends[bone, 1] = theta[first + 1]
        bends[bone + 1, 0] = theta[first + 2]
        bends[bone + 2, 0] = theta[first + 3]

    absolutes = np.zeros((BONES, 3, 4))
    transforms = np.zeros((BONES, 3, 4))
    for b in range(len(parents)):
        cx, sx = math.cos(bends[b, 0]), math.sin(bends[b, 0])
        cy, sy = math.cos(bends[b, 1]), math.sin(bends[b, 1])
        own = np.zeros((3, 4))
        for i in range(3):
            p, q, r = relatives[b, i, 0], relatives[b, i, 1], relatives[b, i, 2]
            own[i, 0] = p * cy - r * sy
            own[i, 1] = (p * sy + r * cy) * sx + q * cx
            own[i, 2] = (p * sy + r * cy) * cx - q * sx
            own[i, 3] = relatives[b, i, 3]
        if parents[b] >= 0:
            own = composed(absolutes[parents[b]], own)
        absolutes[b] = own
        transforms[b] = composed(own, inverses[b])

    angle = math.sqrt(theta[0] ** 2 + theta[1] ** 2 + theta[2] ** 2)
    c, s = math.cos(angle), math.sin(angle)
    n1, n2, n3 = theta[0] / angle, theta[1] / angle, theta[2] / angle
    count, which = 0, np.zeros(len(base), dtype=int)  # the vertices that are seen
    known = np.zeros(len(base), dtype=bool)
    for n in range(len(points)):
        for k in range(others + 1):
            if not known[corners[n, k]]:
                known[corners[n, k]] = True
                which[count] = corners[n, k]
                count += 1

    placed = np.zeros((len(base), 3))
    for seen_now in range(count):
        v = which[seen_now]
        p1, p2, p3, _ = base[v]
        x = y = z = 0.0
        for b in range(len(parents)):
            w, t = weights[v, b], transforms[b]
            if w != 0.0:  # few bones carry a vertex
                x += w * (t[0, 0] * p1 + t[0, 1] * p2 + t[0, 2] * p3 + t[0, 3])
                y += w * (t[1, 0] * p1 + t[1, 1] * p2 + t[1, 2] * p3 + t[1, 3])
                z += w * (t[2, 0] * p1 + t[2, 1] * p2 + t[2, 2] * p3 + t[2, 3])
        along = (n1 * x + n2 * y + n3 * z) * (1.0 - c)
        placed[v, 0] = c * x + s * (n2 * z - n3 * y) + along * n1 + theta[3]
        placed[v, 1] = c * y + s * (n3 * x - n1 * z) + along * n2 + theta[4]
        placed[v, 2] = c * z + s * (n1 * y - n2 * x) + along * n3 + theta[5]

    errors = np.zeros((len(points), 3))
    for n in range(len(points)):
        for i in range(3):
            seen, rest = 0.0, 1.0
            for k in range(others):
                u = us[n, k] + parameters[k]
                seen += u * placed[corners[n, k], i]
                rest -= u
            errors[n, i] = points[n, i] - (seen + rest * placed[corners[n, others], i])
    return errors


def bone_turn(bend):
    """Rotation about the y axis, after one about the x axis."""
    x, y = bend
    cx, sx, cy, sy = np.cos(x), np.sin(x), np.cos(y), np.sin(y)
    return np.array([[cy, sy * sx, sy * cx], [0.0, cx, -sx], [-sy, cy * sx, cy * cx]])


def wrist_turn(r):
    """Rotation about the vector r by its length."""
    angle = np.sqrt(np.sum(r**2))
    x, y, z = r / angle
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * across + (1.0 - np.cos(angle)) * (across @ across)


def in_numpy(parameters, parents, relatives, inverses, base, weights, us, corners, points):
    shift, theta = parameters[:-POSE], parameters[-POSE:]
    fingers = theta[6:].reshape(5, 4)
    bends = np.zeros((BONES, 2))
    bends[2::4] = fingers[:, :2]
    bends[3::4, 0] = fingers[:, 2]
    bends[4::4, 0] = fingers[:, 3]

    absolutes = np.zeros((BONES, 4, 4))
    for b in range(len(parents)):
        own = relatives[b].copy()
        own[:3, :3] = own[:3, :3] @ bone_turn(bends[b])
        absolutes[b] = own if parents[b] < 0 else absolutes[parents[b]] @ own
    transforms = (absolutes @ inverses)[:, :3]

    skinned = np.einsum("vij,vj->vi", np.tensordot(weights, transforms, 1), base)
    placed = skinned @ wrist_turn(theta[:3]).T + theta[3:6]
    u = us + shift
    shares = np.concatenate((u, 1.0 - np.sum(u, axis=1, keepdims=True)), axis=1)
    return points - np.einsum("nk,nki->ni", shares, placed[corners])


def without_writes(parameters, relatives, inverses, base, weights, us, corners, points):
    """For those who cannot write into arrays: bones are a list, and PARENTS is known."""
    shift, theta = parameters[:-POSE], parameters[-POSE:]
    absolutes = []
    for b, parent in enumerate(PARENTS):
        own = relatives[b]
        finger, part = (b - 2) // 4, (b - 2) % 4
        if finger >= 0 and part < 3:
            angles = theta[6 + 4 * finger : 10 + 4 * finger]
            x = angles[(0, 2, 3)[part]]
            turn = bone_turn((x, angles[1] if part == 0 else 0.0 * x))
            own = np.concatenate((own[:, :3] @ turn, own[:, 3:]), axis=1)
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    transforms = (np.stack(absolutes) @ inverses)[:, :3]

    skinned = np.einsum("vij,vj->vi", np.tensordot(weights, transforms, 1), base)
    placed = skinned @ wrist_turn(theta[:3]).T + theta[3:6]
    u = us + shift
    shares = np.concatenate((u, 1.0 - np.sum(u, axis=1, keepdims=True)), axis=1)
    return points - np.einsum("nk,nki->ni", shares, placed[corners])


def by_hand(parameters, parents, relatives, inverses, base, weights, us, corners, points):
    bones, others = len(parents), us.shape[1]
    theta = parameters[others:]
    angle = math.sqrt(theta[0] ** 2 + theta[1] ** 2 + theta[2] ** 2)
    c, s = math.cos(angle), math.sin(angle)
    n = theta[:3] / angle
    across = np.array([[0.0, -n[2], n[1]], [n[2], 0.0, -n[0]], [-n[1], n[0], 0.0]])
    wrist = np.eye(3) + s * across + (1.0 - c) * (across @ across)
    turning = np.empty((3, 3))  # a column is the vector that a change of one angle turns by
    for k in range(3):
        d = -n * n[k] / angle
        d[k] += 1.0 / angle
        turning[:, k] = n * n[k] + s * d + (1.0 - c) * (across @ d)

    # A bone's matrix, then its derivatives in the four angles of its finger.
    absolutes = np.zeros((bones, 5, 4, 4))
    moved = np.zeros((bones, 5, 3, 4))
    for b in range(bones):
        part = 3 if b < 2 else (b - 2) % 4
        at = 6 + 4 * ((b - 2) // 4)
        own = np.zeros((5, 4, 4))
        own[0] = relatives[b]
        if part < 3:
            x = theta[at + (part + 1 if part > 0 else 0)]
            y = theta[at + 1] if part == 0 else 0.0
            cx, sx, cy, sy = math.cos(x), math.sin(x), math.cos(y), math.sin(y)
            old = relatives[b][:3, :3].copy()
            turn = np.array([[cy, sy * sx, sy * cx], [0.0, cx, -sx], [-sy, cy * sx, cy * cx]])
            turn_x = np.array([[0.0, sy * cx, -sy * sx], [0.0, -sx, -cx], [0.0, cy * cx, -cy * sx]])
            turn_y = np.array([[-sy, cy * sx, cy * cx], [0.0, 0.0, 0.0], [-cy, -sy * sx, -sy * cx]])
            own[0, :3, :3] = old @ turn
            own[1 if part == 0 else part + 2, :3, :3] = old @ turn_x
            if part == 0:
                own[2, :3, :3] = old @ turn_y
        before = absolutes[parents[b]]
        for k in range(5):
            if parents[b] < 0:
                absolutes[b, k] = own[k]
            elif k == 0:
                absolutes[b, 0] = before[0] @ own[0]
            else:
                absolutes[b, k] = before[k] @ own[0] + before[0] @ own[k]
            moved[b, k] = wrist @ (absolutes[b, k] @ inverses[b])[:3]

    placed = np.zeros((len(base), 3))
    slopes = np.zeros((len(base), 3, POSE))
    for v in range(len(base)):
        for b in range(bones):
            w = weights[v, b]
            if w == 0.0:
                continue
            first = 6 + 4 * ((b - 2) // 4)
            for i in range(3):
                for j in range(4):
                    p = w * base[v, j]
                    placed[v, i] += p * moved[b, 0, i, j]
                    if b >= 2:
                        for k in range(4):
                            slopes[v, i, first + k] += p * moved[b, k + 1, i, j]
        x, y, z = placed[v]
        for k in range(3):
            slopes[v, 0, k] = turning[1, k] * z - turning[2, k] * y
            slopes[v, 1, k] = turning[2, k] * x - turning[0, k] * z
            slopes[v, 2, k] = turning[0, k] * y - turning[1, k] * x
            slopes[v, k, 3 + k] = 1.0
            placed[v, k] += theta[3 + k]

    out = np.empty((len(points), 3, others + POSE))
    for m in range(len(points)):
        last = corners[m, others]
        for i in range(3):
            rest = 1.0
            for k in range(others):
                rest -= us[m, k] + parameters[k]
                out[m, i, k] = placed[last, i] - placed[corners[m, k], i]
            for j in range(POSE):
                slope = rest * slopes[last, i, j]
                for k in range(others):
                    slope += (us[m, k] + parameters[k]) * slopes[corners[m, k], i, j]
                out[m, i, others + j] = -slope
    return out


def in_c(kernel: Kernel, parameters: Any, *rest: Any) -> Run:
    *model, us, corners, _ = rest
    vertices, (n, others) = len(model[3]), us.shape
    at = [address(a) if a.size else None for a in (parameters, *model, us, corners)]

    def run() -> Any:
        jacobian = np.empty((n, 3, others + POSE))
        kernel(BONES, vertices, n, others, *at, address(jacobian))
        return jacobian

    return run


def in_jax(jax: Any) -> Callable[..., Any]:
    residuals = translated(without_writes, np=jax.numpy)
    return lambda parameters, _, *rest: jax.jacfwd(residuals)(parameters, *rest)


def in_torch(parameters, relatives, inverses, base, weights, us, corners, points):
    import torch

    def square(*entries):
        items = [torch.as_tensor(x, dtype=torch.float64) for x in entries]
        return torch.stack(items).reshape(3, 3)

    def bone_turn(x, y):
        cx, sx, cy, sy = x.cos(), x.sin(), y.cos(), y.sin()
        return square(cy, sy * sx, sy * cx, 0.0, cx, -sx, -sy, cy * sx, cy * cx)

    shift, theta = parameters[:-POSE], parameters[-POSE:]
    absolutes = []
    for b, parent in enumerate(PARENTS):
        own = relatives[b]
        finger, part = (b - 2) // 4, (b - 2) % 4
        if finger >= 0 and part < 3:
            angles = theta[6 + 4 * finger : 10 + 4 * finger]
            x = angles[(0, 2, 3)[part]]
            turn = bone_turn(x, angles[1] if part == 0 else 0.0 * x)
            own = torch.cat((own[:, :3] @ turn, own[:, 3:]), 1)
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    transforms = (torch.stack(absolutes) @ inverses)[:, :3]

    angle = (theta[:3] ** 2).sum().sqrt()
    x, y, z = theta[:3] / angle
    across = square(0.0, -z, y, z, 0.0, -x, -y, x, 0.0)
    wrist = torch.eye(3) + angle.sin() * across + (1.0 - angle.cos()) * (across @ across)
    skinned = torch.einsum("vij,vj->vi", torch.tensordot(weights, transforms, 1), base)
    placed = skinned @ wrist.T + theta[3:6]
    u = us + shift
    shares = torch.cat((u, 1.0 - u.sum(1, keepdim=True)), 1)
    return points - torch.einsum("nk,nki->ni", shares, placed[corners])


def torch_jacobian(compiled: bool) -> Callable[..., Run]:
    def make(*arguments: Any) -> Run:
        import torch

        parameters, _, *rest = tensors(arguments)
        jacobian = torch.func.jacfwd(in_torch)
        if compiled:
            jacobian = torch.compile(jacobian)
        return lambda: jacobian(parameters, *rest)

    return make


def in_autograd(parameters: Any, _: Any, *rest: Any) -> Run:
    import autograd

    jacobian = autograd.jacobian(translated(without_writes, np=autograd.numpy))
    return lambda: jacobian(parameters, *rest)


def in_casadi(ca: Any, parameters, _, relatives, inverses, base, weights, us, corners, points):
    """The bones as scalar operations; then a vertex, and a point, as functions mapped over all."""
    theta = ca.SX.sym("theta", POSE)
    absolutes, columns = [], []
    for b, parent in enumerate(PARENTS):
        own = ca.SX(relatives[b])
        finger, part = (b - 2) // 4, (b - 2) % 4
        if finger >= 0 and part < 3:
            x = theta[6 + 4 * finger + (0, 2, 3)[part]]
            y = theta[7 + 4 * finger] if part == 0 else 0.0
            cx, sx, cy, sy = ca.cos(x), ca.sin(x), ca.cos(y), ca.sin(y)
            turn = [[cy, sy * sx, sy * cx], [0.0, cx, -sx], [-sy, cy * sx, cy * cx]]
            rows = [ca.horzcat(*row) for row in turn]
            own[:3, :3] = own[:3, :3] @ ca.vertcat(*rows)
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
        columns.append(ca.vec((absolutes[b] @ inverses[b])[:3, :]))
    skeleton = ca.Function("skeleton", [theta], [ca.horzcat(*columns)])

    r, shift = theta[:3], theta[3:6]
    angle = ca.norm_2(r)
    across = ca.skew(r / angle)
    wrist = ca.SX.eye(3) + ca.sin(angle) * across + (1 - ca.cos(angle)) * (across @ across)
    skinned = ca.SX.sym("skinned", 12)
    at = ca.SX.sym("at", 4)
    place = ca.Function(
        "place", [theta, skinned, at], [wrist @ (ca.reshape(skinned, 3, 4) @ at) + shift]
    ).map(len(base))

    n, others = us.shape
    moved, u = ca.SX.sym("shift", others), ca.SX.sym("u", others)
    corner, point = ca.SX.sym("corner", 3, others + 1), ca.SX.sym("point", 3)
    shares = ca.vertcat(u + moved, 1 - ca.sum1(u + moved))
    miss = ca.Function("miss", [moved, u, corner, point], [point - corner @ shares]).map(n)

    both = ca.MX.sym("parameters", len(parameters))
    move, pose = both[:others], both[others:]
    blended = skeleton(pose) @ weights.T
    placed = place(ca.repmat(pose, 1, len(base)), blended, base.T)
    seen = placed[:, corners.ravel().tolist()]
    misses = miss(ca.repmat(move, 1, n), us.T, seen, points.T)
    jacobian = ca.densify(ca.jacobian(ca.vec(misses), both))
    run = ca.Function("ht", [both], [jacobian])
    return lambda: run(parameters)


def hand(vertices: int) -> tuple[Any, ...]:
    """A skeleton, and vertices around its bones, each of which is carried by up to three."""
    random = np.random.default_rng(0)
    relatives, absolutes = np.zeros((BONES, 4, 4)), np.zeros((BONES, 4, 4))
    for b, parent in enumerate(PARENTS):
        turn, _ = np.linalg.qr(np.eye(3) + 0.1 * random.normal(size=(3, 3)))
        relatives[b, :3, :3] = turn * np.sign(np.diag(turn))
        relatives[b, :3, 3] = random.normal((0.0, 0.3, 0.0), 0.02)
        relatives[b, 3, 3] = 1.0
        absolutes[b] = relatives[b] if parent < 0 else absolutes[parent] @ relatives[b]
    base, weights = np.ones((vertices, 4)), np.zeros((vertices, BONES))
    for v in range(vertices):
        b = v % BONES
        around = np.append(random.normal((0.0, 0.15, 0.0), 0.05), 1.0)
        base[v] = absolutes[b] @ around
        carriers = {b, max(PARENTS[b], 0), max(PARENTS[max(PARENTS[b], 0)], 0)}
        weights[v, list(carriers)] = random.dirichlet(np.ones(len(carriers)))
    return np.array(PARENTS), relatives, np.linalg.inv(absolutes), base, weights


def tracked(n: int, others: int, vertices: int) -> tuple[Any, ...]:
    """A pose, and n measured points, each with corners at vertices that lie near one another."""
    random = np.random.default_rng(1)
    pose = np.concatenate((random.normal(scale=0.5, size=6), random.uniform(-0.2, 1.0, POSE - 6)))
    us = random.dirichlet(np.ones(others + 1), n)[:, :others].copy()
    first = random.integers(0, vertices, (n, 1))
    corners = (first + BONES * np.arange(others + 1)) % vertices
    points = random.normal(size=(n, 3))
    return np.concatenate((np.zeros(others), pose)), *hand(vertices), us, corners, points


def case(n: int, others: int, quick: bool = False, vertices: int = VERTICES) -> Case:
    label = f"{'complicated' if others else 'simple'}, {n:,} points"
    return Case(label, lambda: tracked(n, others, vertices), n * (others + 1), quick)


JACOBIAN = functools.partial(symdiff.jacobian, wrt="parameters")

PROBLEM = Problem(
    name="ht",
    title="hand tracking: Jacobian in pose and positions on the hand",
    primals=(Primal("loops", in_loops, JACOBIAN), Primal("NumPy", in_numpy, JACOBIAN)),
    peers=(
        hand_c("ht", "ht", "llllppppppppp", in_c),
        jax_compiled(in_jax),
        Peer("torch", torch_jacobian(False)),
        Peer("torch-compiled", torch_jacobian(True)),
        Peer("autograd", in_autograd, upto=300, reason="a reverse sweep for each residual"),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(
        case(100, 0, quick=True),
        case(100, 2, quick=True),
        case(1_000, 0),
        case(1_000, 2),
        case(5_000, 0),
        case(5_000, 2),
    ),
    small=case(3, 2, vertices=3 * BONES),
)
