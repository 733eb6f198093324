"""Classic augmentation: random changes of images that leave the class what it is, each image's its
own.

All are functions ``(key, x [b, h, w, c] float32 in [-1, 1], amount) -> [b, h, w, c]``; an amount of
0 changes nothing. What comes in from outside of an image is black.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.modality import to_float
from gan_jax.types import Array


def turns_of(shape: tuple[int, ...]) -> int:
    """How many turns images of a shape (h, w, c) can be told by: four quarters of a square, two
    halves of any other.
    """
    return 4 if shape[0] == shape[1] else 2


def turned(x: Array, turn: int) -> Array:
    """Images ``[b, h, w, c]``, of numpy or jax, after ``turn`` of their `turns_of` turns."""
    rot90 = np.rot90 if isinstance(x, np.ndarray) else jnp.rot90
    return rot90(x, turn * 4 // turns_of(x.shape[1:]), axes=(1, 2))


def randomly_turned(key: Array, x: Array) -> tuple[Array, Array]:
    """Every image after a random turn, and which one, ``[b]`` int32."""
    turns = turns_of(x.shape[1:])
    y = jax.random.randint(key, (len(x),), 0, turns)
    every = jnp.stack([turned(x, turn) for turn in range(turns)])
    return every[y, jnp.arange(len(x))], y


def shifted(key: Array, x: Array, shift: int) -> Array:
    """Every image moved by random whole numbers of pixels, at most ``shift`` each way."""
    if not shift:
        return x
    padded = jnp.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)), constant_values=-1)
    corners = jax.random.randint(key, (len(x), 2), 0, 2 * shift + 1)
    cut = lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), x.shape[1:])
    return jax.vmap(cut)(padded, corners)


def mirrored(key: Array, x: Array, probability: float) -> Array:
    """Every image seen in a mirror, left for right, with a probability."""
    if not probability:
        return x
    return jnp.where(jax.random.bernoulli(key, probability, (len(x), 1, 1, 1)), x[:, :, ::-1], x)


def warped(key: Array, x: Array, rotation: float, scale: float) -> Array:
    """Every image turned about its middle by at most ``rotation`` degrees and stretched by factors
    of its own for height and width.

    The factors lie in [1 - scale, 1 + scale]. Values between pixels are interpolated linearly.
    """
    if not rotation and not scale:
        return x
    b, h, w, _ = x.shape
    angle_key, scale_key = jax.random.split(key)
    angle = jnp.deg2rad(jax.random.uniform(angle_key, (b, 1, 1), minval=-rotation, maxval=rotation))
    factors = jax.random.uniform(scale_key, (2, b, 1, 1), minval=1 - scale, maxval=1 + scale)
    # Where each pixel comes from: back by the stretching, then by the turn.
    i = (jnp.arange(h, dtype=jnp.float32)[None, :, None] - (h - 1) / 2) / factors[0]
    j = (jnp.arange(w, dtype=jnp.float32)[None, None, :] - (w - 1) / 2) / factors[1]
    rows = jnp.cos(angle) * i - jnp.sin(angle) * j + (h - 1) / 2
    columns = jnp.sin(angle) * i + jnp.cos(angle) * j + (w - 1) / 2
    return jax.vmap(_interpolated)(x, rows, columns)


def _interpolated(image: Array, rows: Array, columns: Array) -> Array:
    """The image ``[h, w, c]`` at coordinates ``[h, w]`` between its pixels."""
    at = lambda channel: jax.scipy.ndimage.map_coordinates(
        channel, (rows, columns), order=1, mode="constant", cval=-1
    )
    return jax.vmap(at, in_axes=-1, out_axes=-1)(image)


def cut_out(key: Array, x: Array, share: float) -> Array:
    """Every image without a square of ``share`` of its height and width, which has the mean colour
    of all images instead (DeVries & Taylor 2017, section 3.2).

    The middle of the square is any pixel; what lies outside of the image is not missed.
    """
    if not share:
        return x
    b, h, w, _ = x.shape

    def within(key: Array, n: int) -> Array:
        side = round(share * n)
        first = jax.random.randint(key, (b, 1), 0, n) - side // 2
        places = jnp.arange(n)[None, :]
        return (first <= places) & (places < first + side)

    row_key, column_key = jax.random.split(key)
    square = within(row_key, h)[:, :, None] & within(column_key, w)[:, None, :]
    return jnp.where(square[..., None], x.mean((0, 1, 2), keepdims=True), x)


def noisy(key: Array, x: Array, noise: float) -> Array:
    """Images or sounds ``x [b, ...]`` plus uniform noise, each one's of an amplitude of its own in
    [0, noise], clipped to [-1, 1].

    Generated images have such flaws, and a recognizer that never saw any takes them all for one
    class.
    """
    if not noise:
        return x
    amplitude_key, pixel_key = jax.random.split(key)
    each = (len(x),) + (1,) * (x.ndim - 1)
    amplitudes = jax.random.uniform(amplitude_key, each, maxval=noise)
    # Bytes are noise enough, and take a third of the time of floats.
    return jnp.clip(
        x + amplitudes * to_float(jax.random.bits(pixel_key, x.shape, jnp.uint8)), -1, 1
    )
