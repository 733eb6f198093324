"""Affine maps of images without aliasing, as in ADA (Karras et al. 2020, "Training generative
adversarial networks with limited data", appendix B): an image continues as its reflection, is
sampled up by two, read between pixels at the places that the map gives, and sampled down.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from gan_jax.parts.augment.plain import along_sides
from gan_jax.types import Array

SYM6 = np.array(
    [0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
     0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
     -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148]
) / np.sqrt(2)  # fmt: skip
"""The low-pass filter of the wavelet sym6 (Daubechies 1992), with sum 1."""
MARGIN = 3
"""Pixels beyond each edge that sampling down needs."""


def warped(x: Array, inverse: Array) -> Array:
    """Images under affine maps of the plane.

    Args:
      x: ``[b, h, w, c]``.
      inverse: ``[b, 3, 3]``: for each place of a new image the place in the old one, as ``(x, y,
        1)`` in pixels from the middle, to the right and down. Places more than one reflection away
        show 0.
    """
    h, w = x.shape[1:3]
    large = along_sides(x, *(jnp.asarray(_up(side), x.dtype) for side in (h, w)))
    rows, columns = _places(inverse, h, w)
    read = lambda plane, *places: map_coordinates(plane, places, order=1, mode="constant")
    of_channels = jax.vmap(read, in_axes=(2, None, None), out_axes=2)
    fine = jax.vmap(of_channels)(large, rows, columns)
    return along_sides(fine, *(jnp.asarray(_down(side), x.dtype) for side in (h, w)))


def _places(inverse: Array, h: int, w: int) -> tuple[Array, Array]:
    """Rows and columns of the large image at which the fine one is read: ``[b, 2 (h + 2 MARGIN), 2
    (w + 2 MARGIN)]`` each. A pixel of either is half as large as one of the image, whose middle is
    a quarter of a pixel, half of theirs, away.
    """
    down, right = (
        jnp.arange(2 * (n + 2 * MARGIN), dtype=jnp.float32) - (n + 2 * MARGIN) + 1.0 for n in (h, w)
    )
    down, right = down[None, :, None], right[None, None, :]
    at = inverse[:, :2, :, None, None]
    x = at[:, 0, 0] * right + at[:, 0, 1] * down + 2 * at[:, 0, 2]
    y = at[:, 1, 0] * right + at[:, 1, 1] * down + 2 * at[:, 1, 2]
    middle = lambda n: (6 * n - 4) / 2 - 1.0
    return y + middle(h), x + middle(w)


@functools.cache
def _up(side: int) -> np.ndarray:
    """``[6 side - 4, side]``: a line of pixels, with its reflection at either end, sampled up."""
    line = np.pad(np.eye(side), ((side - 1, side - 1), (0, 0)), mode="reflect")
    spread = np.zeros((2 * len(line), side))
    spread[::2] = line
    first = len(SYM6) // 2 - 1
    filtered = [np.convolve(column, 2 * SYM6)[first : first + len(spread)] for column in spread.T]
    return np.stack(filtered, axis=1)


@functools.cache
def _down(side: int) -> np.ndarray:
    """``[side, 2 (side + 2 MARGIN)]``: fine pixels sampled down, by the mirrored filter."""
    matrix = np.zeros((side, 2 * (side + 2 * MARGIN)))
    for i in range(side):
        matrix[i, 2 * i + 1 : 2 * i + 1 + len(SYM6)] = SYM6
    return matrix
