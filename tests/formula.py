"""Numbers made by a formula, so that what other implementations make of them can be compared
without their weights and images.

The references in ``parity_*.json`` were made by the authors' code for these numbers; they hold some
of its outputs to 7 digits.
"""

import json
import pathlib

import numpy as np
from inception_reference import integers


def reference(name):
    """The values in ``parity_NAME.json``."""
    return json.loads((pathlib.Path(__file__).parent / f"parity_{name}.json").read_text())


def number(name, shape, scale=1.0, shift=0.0):
    """Uniform in ``shift + scale [-1, 1)``."""
    return (shift + scale * (integers(name, shape) / 2.0**31 - 1)).astype(np.float32)


def images(name, n, side, channels=3):
    """``[n, side, side, channels]`` in [-1, 1]: waves without symmetry, and a little noise."""
    y, x = np.mgrid[:side, :side] / side
    i, j = np.arange(n)[:, None, None, None], np.arange(channels)[None, None, None, :]
    phase = (1 + i % 3) * x[None, :, :, None] + (1 + j) * y[None, :, :, None] ** 2
    wave = np.sin(2 * np.pi * phase + i + 2 * j)
    noise = integers(name, (n, side, side, channels)) / 2.0**31 - 1
    return (0.7 * wave + 0.3 * noise).astype(np.float32)
