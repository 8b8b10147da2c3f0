"""LSTM (GradBench): the loss of a network that predicts the next character of a text.

As in ADBench, weights are diagonal: a unit of a layer sees its own input and its own past. Of each
layer there are eight rows of parameters, the weights of the gates forget, in, out and change, then
their biases; `extra` weighs the input, weighs the output, and is added to it. A character is 14
bits. The derivative is with respect to both.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import symdiff
from benchmarks.gradients.hand import Kernel, address, hand_c
from benchmarks.gradients.problem import Case, Primal, Problem, Run
from benchmarks.gradients.tools import (
    autograd_value_and_grad,
    casadi,
    jax_value_and_grad,
    numba_by_hand,
    torch_compiled_value_and_grad,
    torch_value_and_grad,
)

BITS = 14


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


def in_loops(main, extra, state, sequence):
    layers, _, bits = main.shape
    steps = len(sequence) - 1
    hidden = state[:, 0].copy()
    cell = state[:, 1].copy()
    y = np.zeros(bits)
    loss = 0.0
    for t in range(steps):
        for i in range(bits):
            y[i] = sequence[t, i] * extra[0, i]
        for j in range(layers):
            for i in range(bits):
                forget = logistic(y[i] * main[j, 0, i] + main[j, 4, i])
                ingate = logistic(hidden[j, i] * main[j, 1, i] + main[j, 5, i])
                outgate = logistic(y[i] * main[j, 2, i] + main[j, 6, i])
                change = math.tanh(hidden[j, i] * main[j, 3, i] + main[j, 7, i])
                cell[j, i] = cell[j, i] * forget + ingate * change
                hidden[j, i] = outgate * math.tanh(cell[j, i])
                y[i] = hidden[j, i]
        total = 2.0
        for i in range(bits):
            y[i] = y[i] * extra[1, i] + extra[2, i]
            total += math.exp(y[i])
        for i in range(bits):
            loss -= sequence[t + 1, i] * (y[i] - math.log(total))
    return loss / (bits * steps)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def in_numpy(main, extra, state, sequence):
    layers, _, bits = main.shape
    steps = len(sequence) - 1
    hidden = state[:, 0].copy()
    cell = state[:, 1].copy()
    loss = 0.0
    for t in range(steps):
        x = sequence[t] * extra[0]
        for j in range(layers):
            weight, bias = main[j, :4], main[j, 4:]
            forget = sigmoid(x * weight[0] + bias[0])
            ingate = sigmoid(hidden[j] * weight[1] + bias[1])
            outgate = sigmoid(x * weight[2] + bias[2])
            change = np.tanh(hidden[j] * weight[3] + bias[3])
            cell[j] = cell[j] * forget + ingate * change
            x = outgate * np.tanh(cell[j])
            hidden[j] = x
        y = x * extra[1] + extra[2]
        loss -= np.sum(sequence[t + 1] * (y - np.log(2.0 + np.sum(np.exp(y)))))
    return loss / (bits * steps)


def in_autograd(main, extra, state, sequence):
    """The states in lists: autograd has no writes into arrays."""
    layers, _, bits = main.shape
    steps = len(sequence) - 1
    hidden = [state[j, 0] for j in range(layers)]
    cell = [state[j, 1] for j in range(layers)]
    loss = 0.0
    for t in range(steps):
        x = sequence[t] * extra[0]
        for j in range(layers):
            gates = main[j]
            forget = sigmoid(x * gates[0] + gates[4])
            ingate = sigmoid(hidden[j] * gates[1] + gates[5])
            outgate = sigmoid(x * gates[2] + gates[6])
            change = np.tanh(hidden[j] * gates[3] + gates[7])
            cell[j] = cell[j] * forget + ingate * change
            x = hidden[j] = outgate * np.tanh(cell[j])
        y = x * extra[1] + extra[2]
        loss = loss - np.sum(sequence[t + 1] * (y - np.log(2.0 + np.sum(np.exp(y)))))
    return loss / (bits * steps)


def in_torch(main, extra, state, sequence):
    import torch

    layers, _, bits = main.shape
    steps = len(sequence) - 1
    gates = [main[j].unbind() for j in range(layers)]
    hidden = [state[j, 0] for j in range(layers)]
    cell = [state[j, 1] for j in range(layers)]
    outputs = []
    for x in sequence[:-1] * extra[0]:
        for j in range(layers):
            w_forget, w_in, w_out, w_change, b_forget, b_in, b_out, b_change = gates[j]
            forget = torch.sigmoid(x * w_forget + b_forget)
            ingate = torch.sigmoid(hidden[j] * w_in + b_in)
            outgate = torch.sigmoid(x * w_out + b_out)
            change = torch.tanh(hidden[j] * w_change + b_change)
            cell[j] = cell[j] * forget + ingate * change
            x = hidden[j] = outgate * torch.tanh(cell[j])
        outputs.append(x)
    y = torch.stack(outputs) * extra[1] + extra[2]
    total = torch.log(2.0 + y.exp().sum(1, keepdim=True))
    return -(sequence[1:] * (y - total)).sum() / (bits * steps)


def in_jax(main, extra, state, sequence):
    import jax
    import jax.numpy as jnp

    layers, _, bits = main.shape
    steps = len(sequence) - 1

    def step(carried, given):
        x, gold = given
        hidden, cell = carried
        hidden, cell = list(hidden), list(cell)
        x = x * extra[0]
        for j in range(layers):
            forget = jax.nn.sigmoid(x * main[j, 0] + main[j, 4])
            ingate = jax.nn.sigmoid(hidden[j] * main[j, 1] + main[j, 5])
            outgate = jax.nn.sigmoid(x * main[j, 2] + main[j, 6])
            change = jnp.tanh(hidden[j] * main[j, 3] + main[j, 7])
            cell[j] = cell[j] * forget + ingate * change
            x = hidden[j] = outgate * jnp.tanh(cell[j])
        y = x * extra[1] + extra[2]
        loss = -jnp.sum(gold * (y - jnp.log(2.0 + jnp.sum(jnp.exp(y)))))
        return (tuple(hidden), tuple(cell)), loss

    start = tuple(state[:, 0]), tuple(state[:, 1])
    _, losses = jax.lax.scan(step, start, (sequence[:-1], sequence[1:]))
    return jnp.sum(losses) / (bits * steps)


def by_hand(main, extra, state, sequence):
    layers, _, bits = main.shape
    steps = len(sequence) - 1
    scale = 1.0 / (bits * steps)
    gates = np.empty((steps, layers, 4, bits))
    cells = np.empty((steps + 1, layers, bits))
    hiddens = np.empty((steps + 1, layers, bits))
    squashed = np.empty((steps, layers, bits))
    d_ys = np.empty((steps, bits))
    cells[0], hiddens[0] = state[:, 1], state[:, 0]
    loss = 0.0
    for t in range(steps):
        for i in range(bits):
            x = sequence[t, i] * extra[0, i]
            for j in range(layers):
                h = hiddens[t, j, i]
                forget = 1.0 / (1.0 + math.exp(-x * main[j, 0, i] - main[j, 4, i]))
                ingate = 1.0 / (1.0 + math.exp(-h * main[j, 1, i] - main[j, 5, i]))
                outgate = 1.0 / (1.0 + math.exp(-x * main[j, 2, i] - main[j, 6, i]))
                change = math.tanh(h * main[j, 3, i] + main[j, 7, i])
                c = cells[t, j, i] * forget + ingate * change
                gates[t, j, 0, i], gates[t, j, 1, i] = forget, ingate
                gates[t, j, 2, i], gates[t, j, 3, i] = outgate, change
                cells[t + 1, j, i] = c
                squashed[t, j, i] = math.tanh(c)
                x = outgate * squashed[t, j, i]
                hiddens[t + 1, j, i] = x
        total, gold = 2.0, 0.0
        for i in range(bits):
            y = hiddens[t + 1, layers - 1, i] * extra[1, i] + extra[2, i]
            d_ys[t, i] = math.exp(y)
            total += d_ys[t, i]
            gold += sequence[t + 1, i]
            loss -= sequence[t + 1, i] * y
        loss += gold * math.log(total)
        for i in range(bits):
            d_ys[t, i] = scale * (d_ys[t, i] * gold / total - sequence[t + 1, i])
    d_main = np.zeros(main.shape)
    d_extra = np.zeros(extra.shape)
    d_hidden = np.zeros((layers, bits))
    d_cell = np.zeros((layers, bits))
    for t in range(steps - 1, -1, -1):
        for i in range(bits):
            d_x = d_ys[t, i] * extra[1, i]
            d_extra[1, i] += d_ys[t, i] * hiddens[t + 1, layers - 1, i]
            d_extra[2, i] += d_ys[t, i]
            for j in range(layers - 1, -1, -1):
                x = hiddens[t + 1, j - 1, i] if j > 0 else sequence[t, i] * extra[0, i]
                h = hiddens[t, j, i]
                forget, ingate = gates[t, j, 0, i], gates[t, j, 1, i]
                outgate, change = gates[t, j, 2, i], gates[t, j, 3, i]
                s = squashed[t, j, i]
                d_h = d_hidden[j, i] + d_x
                d_c = d_cell[j, i] + d_h * outgate * (1.0 - s * s)
                d_forget = d_c * cells[t, j, i] * forget * (1.0 - forget)
                d_ingate = d_c * change * ingate * (1.0 - ingate)
                d_outgate = d_h * s * outgate * (1.0 - outgate)
                d_change = d_c * ingate * (1.0 - change * change)
                d_cell[j, i] = d_c * forget
                d_hidden[j, i] = d_ingate * main[j, 1, i] + d_change * main[j, 3, i]
                d_x = d_forget * main[j, 0, i] + d_outgate * main[j, 2, i]
                d_main[j, 0, i] += d_forget * x
                d_main[j, 1, i] += d_ingate * h
                d_main[j, 2, i] += d_outgate * x
                d_main[j, 3, i] += d_change * h
                d_main[j, 4, i] += d_forget
                d_main[j, 5, i] += d_ingate
                d_main[j, 6, i] += d_outgate
                d_main[j, 7, i] += d_change
            d_extra[0, i] += d_x * sequence[t, i]
    return scale * loss, (d_main, d_extra)


def in_c(kernel: Kernel, main, extra, state, sequence) -> Run:
    inputs = [address(a) for a in (main, extra, state, sequence)]
    steps = len(sequence) - 1

    def run() -> Any:
        gradient = np.empty_like(main), np.empty_like(extra)
        outputs = [address(a) for a in gradient]
        return kernel(len(main), steps, main.shape[2], *inputs, *outputs), gradient

    return run


def in_casadi(ca: Any, main, extra, state, sequence) -> Run:
    """A step as scalar operations, folded over the text; the gradient is of the fold."""
    layers, _, bits = main.shape
    steps = len(sequence) - 1
    m, e = ca.SX.sym("main", bits, 8 * layers), ca.SX.sym("extra", bits, 3)
    before, now = ca.SX.sym("state", bits, 2 * layers), ca.SX.sym("now", bits)
    following, after = ca.SX.sym("following", bits), []
    x = now * e[:, 0]
    for j in range(layers):
        hidden, cell, of = before[:, 2 * j], before[:, 2 * j + 1], m[:, 8 * j : 8 * j + 8]
        forget = 1 / (1 + ca.exp(-x * of[:, 0] - of[:, 4]))
        ingate = 1 / (1 + ca.exp(-hidden * of[:, 1] - of[:, 5]))
        outgate = 1 / (1 + ca.exp(-x * of[:, 2] - of[:, 6]))
        cell = cell * forget + ingate * ca.tanh(hidden * of[:, 3] + of[:, 7])
        x = outgate * ca.tanh(cell)
        after += [x, cell]
    y = x * e[:, 1] + e[:, 2]
    loss = -ca.dot(following, y - ca.log(2 + ca.sum1(ca.exp(y))))
    arguments = [before, m, e, now, following]
    step = ca.Function("step", arguments, [ca.horzcat(*after), loss])

    mains, extras = ca.MX.sym("main", *m.shape), ca.MX.sym("extra", *e.shape)
    texts = ca.MX(sequence[:-1].T), ca.MX(sequence[1:].T)
    first = ca.MX(state.reshape(2 * layers, bits).T)
    shared = ca.repmat(mains, 1, steps), ca.repmat(extras, 1, steps)
    _, losses = step.mapaccum("all", steps)(first, *shared, *texts)
    value = ca.sum2(losses) / (bits * steps)
    outputs = [value, ca.gradient(value, mains), ca.gradient(value, extras)]
    run_all = ca.Function("lstm", [mains, extras], outputs)
    given = ca.DM(main.reshape(8 * layers, bits).T), ca.DM(extra.T)
    return lambda: tuple(np.array(a).T for a in run_all(*given))


def network(layers: int, characters: int) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=(layers, 8, BITS)),
        random.normal(size=(3, BITS)),
        random.normal(size=(layers, 2, BITS)),
        random.integers(0, 2, (characters, BITS)).astype(np.float64),
    )


def case(layers: int, characters: int, quick: bool = False) -> Case:
    label = f"{layers} layers, {characters:,} characters"
    return Case(label, lambda: network(layers, characters), layers * characters, quick)


PARAMETERS = (0, 1)
GRADIENT = functools.partial(symdiff.value_and_grad, wrt=("main", "extra"))
UNROLLED = "its graph has every step of the text, hours to compile"

PROBLEM = Problem(
    name="lstm",
    title="LSTM: value and gradient",
    primals=(Primal("loops", in_loops, GRADIENT), Primal("NumPy", in_numpy, GRADIENT)),
    peers=(
        hand_c("lstm", "lstm", "lllpppppp", in_c, returns="d"),
        jax_value_and_grad(in_jax, PARAMETERS),
        torch_value_and_grad(in_torch, PARAMETERS),
        torch_compiled_value_and_grad(in_torch, PARAMETERS, upto=100, reason=UNROLLED),
        autograd_value_and_grad(in_autograd, PARAMETERS),
        numba_by_hand(by_hand),
        casadi(in_casadi),
    ),
    cases=(case(2, 1_024, quick=True), case(4, 1_024), case(2, 4_096), case(4, 4_096)),
    small=case(2, 4),
)
