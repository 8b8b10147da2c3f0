"""The teaching notebook "Autograd in PyTorch", step by step, with plain Python functions.

PyTorch records the operations that tensors take part in, and `loss.backward()` walks that record
backwards and leaves gradients in `x.grad`. symdiff reads the source of a function instead, and
writes another function: its derivative. So there are no tensors here, no recording and no hidden
state; a gradient is a value that a function returns. Every number of the notebook comes out.

    python samples/autograd_notebook.py                 sections 1 to 9
    python samples/autograd_notebook.py --three-ways    and 10, which starts twelve commands
"""

import ast
import math
import runpy
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import symdiff

# 1. A derivative --------------------------------------------------------------------------------
#
#    PyTorch:  x = torch.tensor(3.0, requires_grad=True);  y = x**2;  y.backward();  x.grad


def square(x):
    return x**2


def section_1():
    print("1. y = x**2")
    dy_dx = symdiff.grad(square)
    print(f"   dy/dx at 3 = {dy_dx(3.0)!r}")


# 2. The chain rule ------------------------------------------------------------------------------
#
#    z = sin(y), y = x**2:  dz/dx = dz/dy * dy/dx = cos(y) * 2*x


def sine_of_square(x):
    return math.sin(x**2)


def sine_of_square_by_hand(x):
    return 2 * x * math.cos(x**2)


def section_2():
    print("2. z = sin(x**2)")
    dz_dx = symdiff.grad(sine_of_square)
    print(f"   dz/dx at 4 = {dz_dx(4.0)!r}")
    print(f"   dz/dx at 2 = {dz_dx(2.0)!r}")
    print(f"   by hand, 2*x*cos(x**2): at 4 = {sine_of_square_by_hand(4.0)!r}")
    print(f"   by hand, 2*x*cos(x**2): at 2 = {sine_of_square_by_hand(2.0)!r}")
    print("   what symdiff wrote:")
    print_indented(dz_dx.source)


# 3. Longer chains -------------------------------------------------------------------------------
#
#    By hand every further function is one more factor; symdiff does not mind how many.


def exp_sin_square(x):
    return math.exp(math.sin(x**2))


def section_3():
    print("3. u = exp(sin(x**2))")
    du_dx = symdiff.grad(exp_sin_square)
    by_hand = math.exp(math.sin(1.0)) * math.cos(1.0) * 2
    print(f"   du/dx at 1 = {du_dx(1.0):.12f}")
    print(f"   by hand    = {by_hand:.12f}")


# 4. A neuron that classifies: logistic regression -----------------------------------------------
#
#    x = 6.7 is a student's grade, y = 0 says that the student was not hired. The neuron predicts
#    sigmoid(w*x + b); the loss is the binary cross-entropy. A prediction of exactly 0 or 1 would
#    put log(0) into it, so it is clamped first (PyTorch: torch.clamp).


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def binary_cross_entropy(prediction, target):
    epsilon = 1e-8
    prediction = min(max(prediction, epsilon), 1 - epsilon)
    return -(target * math.log(prediction) + (1 - target) * math.log(1 - prediction))


def neuron_loss(w, b, x, y):
    z = w * x + b
    prediction = sigmoid(z)
    return binary_cross_entropy(prediction, y)


def neuron_gradient_by_hand(w, b, x, y):
    """Each link of the chain worked out on paper, then multiplied: dL/dp * dp/dz * dz/dw."""
    p = sigmoid(w * x + b)
    dloss_dp = (p - y) / (p * (1 - p))
    dp_dz = p * (1 - p)
    dz_dw, dz_db = x, 1.0
    return dloss_dp * dp_dz * dz_dw, dloss_dp * dp_dz * dz_db


def section_4():
    print("4. binary cross-entropy of a neuron: x = 6.7, y = 0, w = 1, b = 0")
    print(f"   loss = {neuron_loss(1.0, 0.0, 6.7, 0.0):.4f}")
    dw, db = neuron_gradient_by_hand(1.0, 0.0, 6.7, 0.0)
    print(f"   by hand: dL/dw = {dw:.4f}, dL/db = {db:.5f}")

    # `wrt` says which arguments are the parameters. x and y are data: nobody asks for them, so
    # nothing is computed for them (in PyTorch: requires_grad=False).
    dw, db = symdiff.grad(neuron_loss, wrt=("w", "b"))(1.0, 0.0, 6.7, 0.0)
    print(f"   symdiff: dL/dw = {dw:.4f}, dL/db = {db:.5f}")


# 5. Vectors -------------------------------------------------------------------------------------
#
#    Arguments may be NumPy arrays; the gradient then has the same shape.


def mean_square(x):
    return np.mean(x**2)


def section_5():
    print("5. y = mean(x**2) at x = [1, 2, 3]")
    dy_dx = symdiff.grad(mean_square)(np.array([1.0, 2.0, 3.0]))
    print(f"   dy/dx = [{', '.join(f'{v:.4f}' for v in dy_dx)}]")


# 6. Gradients of intermediate values ------------------------------------------------------------
#
#    PyTorch throws them away unless told in advance: z.retain_grad(). Here `wrt` may name a local
#    variable of the function: dL/dz of the neuron is prediction - y.


def section_6():
    print("6. the neuron's gradient with respect to its local variables")
    at = (1.0, 0.0, 6.7, 0.0)
    dz = symdiff.grad(neuron_loss, wrt="z")(*at)
    dprediction = symdiff.grad(neuron_loss, wrt="prediction")(*at)
    print(f"   dL/dz = {dz:.5f}")
    print(f"   dL/dprediction = {dprediction:.2f}")


# 7. Accumulation, and clearing it ---------------------------------------------------------------
#
#    In PyTorch every backward() adds to x.grad, so a second one doubles it, and one must not
#    forget x.grad.zero_(). A gradient that is a return value is only ever added up on purpose.


def section_7():
    print("7. gradients add up only where you add them")
    gradient = symdiff.grad(square)
    total = 0.0
    for step in (1, 2, 3):
        total += gradient(2.0)
        print(f"   after {step} backward passes: {total!r}")
    total = 0.0  # PyTorch: x.grad.zero_()
    total += gradient(2.0)
    print(f"   cleared, then one more: {total!r}")


# 8. Switching differentiation off ---------------------------------------------------------------
#
#    Three ways in PyTorch, and their counterparts:
#      requires_grad=False      leave the argument out of `wrt` (as x and y in section 4)
#      x.detach()               symdiff.detach(x): the same value, but no derivative flows through
#      with torch.no_grad():    with symdiff.no_grad(): nothing assigned inside carries a derivative


def detached(x):
    return x * symdiff.detach(x**2)  # to the derivative, x**2 is a number like any other


def partly_off(x):
    with symdiff.no_grad():
        scale = x**2
    return x * scale + x


def all_off(x):
    with symdiff.no_grad():
        y = x**2
    return y


def section_8():
    print("8. switching it off, at x = 3")
    print(f"   x * detach(x**2): value {detached(3.0)!r}, dy/dx = {symdiff.grad(detached)(3.0)!r}")
    print(f"   no_grad for x**2, in x * x**2 + x: dy/dx = {symdiff.grad(partly_off)(3.0)!r}")

    # Where everything is off, there is nothing to differentiate. PyTorch: "element 0 of tensors
    # does not require grad and does not have a grad_fn". symdiff shows what cut the connection.
    try:
        symdiff.grad(all_off)(3.0)
    except symdiff.NotConnectedError as error:
        print("   nothing requires a gradient:")
        print_indented(str(error).replace(str(Path(__file__).parent) + "/", ""))


# 9. A training loop -----------------------------------------------------------------------------
#
#    Zero the gradient, differentiate, step: the loop of every training script. As a decorator,
#    `value_and_grad` turns the loss into a function that returns (loss, gradient).

GRADES = (6.7, 8.1, 5.2, 9.3, 7.4, 4.8)
HIRED = (0.0, 1.0, 0.0, 1.0, 1.0, 0.0)


@symdiff.value_and_grad(wrt=("w", "b"))
def training_loss(w, b, x, y):
    return binary_cross_entropy(sigmoid(w * x + b), y)


def train(loss_and_gradient, epochs=2000, rate=0.1):
    """Gradient descent on the six students; returns w, b and the mean loss of each epoch."""
    w, b, losses = 1.0, 0.0, []
    for _ in range(epochs):
        total, total_dw, total_db = 0.0, 0.0, 0.0  # zero
        for x, y in zip(GRADES, HIRED, strict=True):
            loss, (dw, db) = loss_and_gradient(w, b, x, y)  # differentiate
            total, total_dw, total_db = total + loss, total_dw + dw, total_db + db
        n = len(GRADES)
        w, b = w - rate * total_dw / n, b - rate * total_db / n  # step
        losses.append(total / n)
    return w, b, losses


def section_9():
    print("9. a training loop")
    w, b, losses = train(training_loss)
    for epoch in (0, 1, 10, 100, 1000, 1999):
        print(f"   epoch {epoch:4}: loss {losses[epoch]:.4f}")
    right = sum(
        (sigmoid(w * x + b) > 0.5) == (y == 1.0) for x, y in zip(GRADES, HIRED, strict=True)
    )
    print(f"   w = {w:.4f}, b = {b:.4f}, right: {right} of {len(GRADES)}")


# Part two: the same numbers, three ways ---------------------------------------------------------
#
#    Up to here symdiff differentiated while the program ran. The command line does it beforehand:
#    `symdiff diff FILE:FUNCTION --at POINT` prints a derivative's code and its value there, and
#    `symdiff build FILE -o MODULE` writes a module of derivatives that needs no symdiff any more.

# function, options of the command, arguments
CASES = (
    (square, [], {"x": 3.0}),
    (sine_of_square, [], {"x": 4.0}),
    (sine_of_square, [], {"x": 2.0}),
    (exp_sin_square, [], {"x": 1.0}),
    (neuron_loss, ["--wrt", "w,b"], {"w": 1.0, "b": 0.0, "x": 6.7, "y": 0.0}),
    (mean_square, ["--arg", "x=float64[n]"], {"x": [1.0, 2.0, 3.0]}),
)


def by_decorator(function, options, at):
    wrt = ("w", "b") if "--wrt" in options else None
    return symdiff.grad(function, wrt=wrt)(*map(as_argument, at.values()))


def by_command(function, options, at):
    """What `symdiff diff FILE:FUNCTION --at ...` prints last: the value at that point."""
    point = ",".join(f"{name}={value}" for name, value in at.items())
    printed = command("diff", f"{__file__}:{function.__name__}", *options, "--at", point)
    return ast.literal_eval(printed.strip().splitlines()[-1].rpartition(": ")[2])


def by_module(function, options, at):
    """Build a module, import it, and call what it holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.py"
        command("build", f"{__file__}:{function.__name__}", *options, "-o", str(path))
        module = runpy.run_path(str(path))
    (derivative,) = set(module["__all__"]) - {function.__name__}
    return module[derivative](*map(as_argument, at.values()))


def command(*arguments):
    """Run `symdiff ...` as one would in a terminal, and return what it prints."""
    run = [sys.executable, "-m", "symdiff", *arguments, "--quiet"]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


def as_argument(value):
    return np.array(value) if isinstance(value, list) else value


def as_plain(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


def section_10():
    print("10. decorator, command line and module: the same numbers")
    with ThreadPoolExecutor() as pool:  # the commands run side by side
        printed = [pool.submit(by_command, *case) for case in CASES]
        built = [pool.submit(by_module, *case) for case in CASES]
        for case, command_line, module in zip(CASES, printed, built, strict=True):
            function, _, at = case
            here = as_plain(by_decorator(*case))
            same = here == command_line.result() == as_plain(module.result())
            point = ", ".join(f"{name} = {value}" for name, value in at.items())
            print(f"   {function.__name__} at {point}: {here}")
            print(f"      all three the same: {same}")


def print_indented(text):
    print("\n".join("      " + line if line else "" for line in text.strip().splitlines()))


def main():
    for section in (
        section_1, section_2, section_3, section_4, section_5, section_6, section_7, section_8,
        section_9,
    ):  # fmt: skip
        section()
    if "--three-ways" in sys.argv[1:]:
        section_10()


if __name__ == "__main__":
    main()
