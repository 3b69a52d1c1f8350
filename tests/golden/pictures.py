"""Pictures by integer formulas; pictures.c has the same ones."""
import numpy as np


def wave(u, period):
    """A triangle wave from 0 to `period` and back."""
    u = u % (2 * period)
    return np.minimum(u, 2 * period - u)


def picture(height, width, seed):
    """Slopes, a fine grain, and patches turned into their negative: height x width x 3, uint8."""
    y, x, k = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    value = (2 * wave(5 * x + 3 * y + 20 * k + 13 * seed, 64) + 2 * wave((seed + 1) * x * y // 4 + 31 * k, 50)
             + (3 * x * x + 5 * y * y + 7 * x * y * seed + 17 * k) % 28)
    value = np.where((x // 12 + y // 9 + seed) % 3 == 0, 255 - value, value)
    return value.astype(np.uint8)
