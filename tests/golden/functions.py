"""The functions that the optimisers are tried on, in double precision; functions.c has the same formulas.

Each takes x as float64 and returns (loss, gradient). They were chosen so that rounding does not grow: half a unit in
the last place of the gradient moves no iterate by more than a few 1e-6 (measured with PyTorch itself). Functions on
which full steps overshoot, such as Rosenbrock's from afar, magnify it by 10^5 within 40 iterations, and then nothing
can be compared.
"""
import numpy as np


def index(n):
    return np.arange(n, dtype=np.float64)


def quadratic(x):
    """Curvatures from 0.1 to 10, minimum 1 at cos(i)."""
    i = index(x.size)
    d = 10.0 ** (2.0 * i / (x.size - 1) - 1.0)
    e = x - np.cos(i)
    return 1.0 + 0.5 * np.sum(d * e * e), d * e


def rosenbrock(x):
    """Chained, minimum 1 where every x is 1."""
    a, b = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    g = np.zeros_like(x)
    g[1:] += 200.0 * a
    g[:-1] -= 400.0 * a * x[:-1] + 2.0 * b
    return 1.0 + np.sum(100.0 * a * a + b * b), g


SCALE = 1e-3


def smooth(x):
    """Like |x| far away and like x^2 near by, with neighbours tied to one another; unknowns of about 1e-3."""
    i, u = index(x.size), x / SCALE
    d = 0.3 * (1.0 + 3.0 * (i % 17) / 16.0)
    e, s = d * (u - np.cos(i)), u[1:] - u[:-1]
    r = np.sqrt(1.0 + e * e)
    g = e / r * d
    g[1:] += 0.5 * s
    g[:-1] -= 0.5 * s
    return SCALE * SCALE * (np.sum(r - 1.0) + 0.25 * np.sum(s * s)), SCALE * g


def faint(x):
    """A quadratic in unknowns of about 1e-5: the curvature along a step, y.s, crosses 1e-10, below which pairs are
    not kept, while there is still a long way to go."""
    i = index(x.size)
    d = 0.05 + 0.55 * i / (x.size - 1)
    e = x - 1e-5 * np.cos(i)
    return 0.5 * np.sum(d * e * e), d * e


def well(x):
    """Two minima per unknown, -1 and 1: negative curvature between them."""
    q = 0.5 * (1.0 + 0.1 * (index(x.size) % 7))
    return np.sum(q * (0.25 * x**4 - 0.5 * x * x)), q * (x**3 - x)


FUNCTIONS = {f.__name__: f for f in (quadratic, rosenbrock, smooth, faint, well)}


def start(n, center, amplitude):
    """Where an optimiser begins."""
    return (center + amplitude * np.sin(index(n) + 1.0)).astype(np.float32)
