"""torch.optim.LBFGS and torch.optim.Adam on the functions of functions.py."""
import numpy as np
import torch

from functions import FUNCTIONS, start

SHOWN = [0, 1, 2, 3, 4, 6, 9, 14, 19, 20, 21, 24, 29, 34, 39]  # evaluations whose x is written down
SAMPLES = 24

# name, function, unknowns, center and amplitude of the start, step() calls, evaluations compared, options
LBFGS = [
    ("quadratic", "quadratic", 500, 0.0, 1.0, 2, 40, {}),
    ("short history", "quadratic", 500, 0.0, 1.0, 2, 40, {"history": 5}),
    ("history of one", "rosenbrock", 1000, 1.0, 0.1, 2, 40, {"history": 1, "learning_rate": 0.1}),
    ("short steps", "quadratic", 500, 0.0, 1.0, 6, 40, {"max_iterations": 7}),
    ("steps of two", "quadratic", 500, 0.0, 1.0, 20, 40, {"max_iterations": 2}),
    ("rosenbrock", "rosenbrock", 1000, 1.0, 0.1, 2, 40, {"learning_rate": 0.25}),
    ("rosenbrock, full steps", "rosenbrock", 20, 1.0, 0.01, 1, 20, {}),
    ("smooth", "smooth", 10000, 0.0, 2e-3, 2, 40, {"tolerance_gradient": 0.0, "tolerance_change": 0.0}),
    ("smooth, short history", "smooth", 10000, 0.0, 2e-3, 2, 40,
     {"history": 5, "tolerance_gradient": 0.0, "tolerance_change": 0.0}),
    ("faint", "faint", 60, 0.0, 3e-5, 2, 40, {"tolerance_gradient": 0.0, "tolerance_change": 0.0}),
    ("well", "well", 20, 0.3, 0.1, 1, 13, {}),
]
ADAM = [
    ("adam, quadratic", "quadratic", 500, 0.0, 1.0, 40, 40, {"learning_rate": 0.05}),
    ("adam, rosenbrock", "rosenbrock", 1000, 1.0, 0.1, 40, 40, {}),
    ("adam, smooth", "smooth", 10000, 0.0, 2e-3, 40, 40,
     {"learning_rate": 1e-4, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}),
]


def make_lbfgs(x, o):
    return torch.optim.LBFGS([x], lr=o["learning_rate"], max_iter=o["max_iterations"], history_size=o["history"],
                             tolerance_grad=o["tolerance_gradient"], tolerance_change=o["tolerance_change"])


def make_adam(x, o):
    return torch.optim.Adam([x], lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"])


def run(make, function, x0, steps, options, noise=0.0):
    """The loss and x of every evaluation, and x at the end; the gradient is off by up to `noise`, relative."""
    x = torch.from_numpy(x0.copy()).requires_grad_(True)
    optimizer, losses, points = make(x, options), [], []

    def closure():
        at = x.detach().numpy().copy()
        loss, gradient = function(at.astype(np.float64))
        gradient = gradient * (1.0 + noise * np.cos(np.arange(at.size) * 12.9898 + len(losses)))
        x.grad = torch.from_numpy(gradient.astype(np.float32))
        losses.append(float(loss))
        points.append(at)
        return float(loss)

    for _ in range(steps):
        optimizer.step(closure)
    return losses, points, x.detach().numpy()


def sketch(x):
    """Some of the unknowns, evenly spaced, and the norm of all."""
    at = np.arange(min(SAMPLES, x.size)) * x.size // min(SAMPLES, x.size)
    return {"norm": float(f"{np.linalg.norm(x.astype(np.float64)):.12g}"),
            "values": [float(f"{x[i]:.9g}") for i in at]}


def check(name, points, others):
    """A function that magnifies rounding would be no measure."""
    growth = max(np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(points, others))
    print(f"{name}: half a unit in the last place of the gradient moves x by {growth:.1e}")
    assert growth < 5e-6, name


def case(optimizer, defaults, make, row):
    name, function, n, center, amplitude, steps, compared, changed = row
    arguments = (make, FUNCTIONS[function], start(n, center, amplitude), steps, {**defaults, **changed})
    losses, points, last = run(*arguments)
    assert len(losses) >= compared, f"{name}: only {len(losses)} evaluations"
    check(name, points[:compared], run(*arguments, noise=3e-8)[1])
    whole = len(losses) == compared
    return {"name": name, "optimizer": optimizer, "function": function, "n": n, "center": center,
            "amplitude": amplitude, "steps": steps, "options": arguments[-1],
            "losses": [float(f"{v:.15g}") for v in losses[:compared]],
            "points": [{"evaluation": i, **sketch(points[i])} for i in SHOWN if i < compared],
            "last": sketch(last) if whole else None}


def make():
    lbfgs = {"learning_rate": 1.0, "history": 100, "max_iterations": 20, "tolerance_gradient": 1e-7,
             "tolerance_change": 1e-9}
    adam = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    return ([case("lbfgs", lbfgs, make_lbfgs, row) for row in LBFGS]
            + [case("adam", adam, make_adam, row) for row in ADAM])
