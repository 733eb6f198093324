"""Affine maps of images without aliasing, as in ADA (Karras et al. 2020, "Training generative
adversarial networks with limited data", appendix B): an image continues as its reflection, is
sampled up by two, read between pixels at the places that the map gives, and sampled down.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
        show 0. It counts as constant in derivatives.
    """
    h, w = x.shape[1:3]
    lines = [sampled_up(side) for side in (h, w)]
    large = along_sides(x, *(jnp.asarray(line.pixels, x.dtype) for line in lines))
    rows, columns = map(_neighbours, _places(lax.stop_gradient(inverse), h, w), lines)
    # Not computed anew for each of the neighbours that are read.
    large, rows, columns = lax.optimization_barrier((large, rows, columns))
    fine = jax.vmap(functools.partial(_read, large.shape[1:]))(large, *rows, *columns)
    return along_sides(fine, *(jnp.asarray(_down(side), x.dtype) for side in (h, w)))


class Line(NamedTuple):
    """A line of pixels with its reflection at either end, sampled up: ``length`` places.

    They repeat after ``period`` places, except near the ends. Each is computed once, and the
    first of a repetition twice, so that the next place is always the next row.

    Attributes:
      pixels: ``[rows, side]``: 0, the places until ``first``, those from ``last`` on, and 0 twice.
    """

    pixels: np.ndarray
    length: int
    period: int
    first: int
    last: int

    def row(self, place: Array) -> Array:
        """Of ``pixels`` for whole numbers from -1 to ``length``, both of which show 0."""
        beyond = jnp.where(
            place < self.last, place - self.period, place - self.last + self.first + 1
        )
        return jnp.where(place < self.first, place, beyond) + 1


@functools.cache
def sampled_up(side: int) -> Line:
    """The line of ``side`` pixels."""
    line = np.pad(np.eye(side), ((side - 1, side - 1), (0, 0)), mode="reflect")
    spread = np.zeros((2 * len(line), side))
    spread[::2] = line
    length, half = len(spread), len(SYM6) // 2
    filtered = [np.convolve(column, 2 * SYM6)[half - 1 :][:length] for column in spread.T]
    places, period, zero = np.stack(filtered, axis=1), 4 * side - 4, np.zeros((1, side))
    first, last = min(period + half - 1, length - 1), max(length - half, 0)
    pixels = np.concatenate([zero, places[: first + 1], places[last:], zero, zero])
    return Line(pixels, length, period, first, last)


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


def _neighbours(places: Array, line: Line) -> tuple[Array, Array]:
    """The row of ``line.pixels`` before each place, int32, and the share of the row after it."""
    places = jnp.clip(places, -1.0, line.length)
    before = jnp.floor(places)
    return line.row(before.astype(jnp.int32)), places - before


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _read(
    shape: tuple[int, ...], image: Array, row: Array, down: Array, column: Array, right: Array
) -> Array:
    """An image of ``shape`` ``[h, w, c]`` between its pixels: ``[h', w', c]``, from the four around
    each place, which lies ``down`` and ``right`` of the pixel ``row, column``; all ``[h', w']``.
    """
    pixel = lambda i, j: image.at[row + i, column + j].get(mode="promise_in_bounds")
    down, right = down[..., None], right[..., None]
    above = (1 - right) * pixel(0, 0) + right * pixel(0, 1)
    below = (1 - right) * pixel(1, 0) + right * pixel(1, 1)
    return (1 - down) * above + down * below


def _read_with_places(shape: tuple[int, ...], image: Array, *places: Array) -> tuple:
    return _read(shape, image, *places), places


def _spread(shape: tuple[int, ...], places: tuple[Array, ...], slope: Array) -> tuple:
    """The transpose of `_read`. A CPU adds one window after the other, so that there is one for the
    two pixels of a row with all channels, which lie side by side.
    """
    (row, down, column, right), (_, w, c) = places, shape
    down, right = down[..., None], right[..., None]
    pair = jnp.concatenate([(1 - right) * slope, right * slope], axis=-1)
    pairs = jnp.stack([(1 - down) * pair, down * pair])
    starts = (jnp.stack([row, row + 1]) * w + column[None]) * c
    window = lax.ScatterDimensionNumbers((3,), (), (0,))
    inside = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    image = jnp.zeros(math.prod(shape), slope.dtype)
    image = lax.scatter_add(image, starts[..., None], pairs, window, mode=inside)
    return image.reshape(shape), None, None, None, None


_read.defvjp(_read_with_places, _spread)


@functools.cache
def _down(side: int) -> np.ndarray:
    """``[side, 2 (side + 2 MARGIN)]``: fine pixels sampled down, by the mirrored filter."""
    matrix = np.zeros((side, 2 * (side + 2 * MARGIN)))
    for i in range(side):
        matrix[i, 2 * i + 1 : 2 * i + 1 + len(SYM6)] = SYM6
    return matrix
