"""Conditions that are made from the example: the pairs of image-to-image translation.

Each rule is a function ``x [b, h, w, c] -> y [b, h, w, c']``, both float32 in [-1, 1].
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, whole, within
from gan_jax.types import Array

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue: Rec. 601."""
LEVELS = 255
"""Steps from black to white of the luminance that edges are found in."""


def grey(x: Array) -> Array:
    """The luminance of colour images, ``[b, h, w, 1]`` (Rec. 601).

    Raises:
      ConfigError: for images that do not have 3 channels.
    """
    if x.shape[-1] != len(LUMINANCE):
        raise ConfigError(f"pairs grey requires images of 3 channels, not {x.shape[-1]}.")
    return _luminance(x)


def edges(x: Array, threshold: float = 0.1) -> Array:
    """A line drawing ``[b, h, w, 1]``: 1 on lines, which are one pixel wide, and -1 elsewhere.

    A line is where the Sobel gradient of the luminance is not less than at both neighbours along
    its direction, as in the detector of Canny (1986), and above ``threshold``. The gradient of a
    vertical or horizontal step from black to white is 1. The luminance is rounded to 8 bits, so
    that equal gradients compare as equal on all devices.

    Raises:
      ConfigError: for images that have neither 1 nor 3 channels, and a threshold outside of [0, 1].
    """
    within("pairs edges threshold", threshold, "[0, 1]")
    if x.shape[-1] not in (1, len(LUMINANCE)):
        raise ConfigError(f"pairs edges requires images of 1 or 3 channels, not {x.shape[-1]}.")
    level = jnp.round((_luminance(x) + 1) * (LEVELS / 2))
    smooth = lambda a, i, j: _at(a, -i, -j, "edge") + 2 * a + _at(a, i, j, "edge")
    slope = lambda a, i, j: _at(a, i, j, "edge") - _at(a, -i, -j, "edge")
    gy, gx = smooth(slope(level, 1, 0), 0, 1), smooth(slope(level, 0, 1), 1, 0)
    square, flat = gy * gy + gx * gx, math.tan(math.pi / 8)
    across, down = jnp.abs(gy) < flat * jnp.abs(gx), jnp.abs(gx) < flat * jnp.abs(gy)
    falling = gy * gx > 0  # the gradient points down to the right, or up to the left
    top = lambda i, j: (square >= _at(square, i, j)) & (square > _at(square, -i, -j))
    line = jnp.where(falling, top(1, 1), top(1, -1))
    line = jnp.where(across, top(0, 1), jnp.where(down, top(1, 0), line))
    strong = square > (4 * LEVELS * threshold) ** 2
    return jnp.where(line & strong, 1.0, -1.0).astype(jnp.float32)


def downsample(x: Array, factor: int) -> Array:
    """Every square of ``factor`` x ``factor`` pixels replaced by its mean: the image in low
    resolution, at its own size.

    Raises:
      ConfigError: for a factor below 2, or one that does not divide both sides.
    """
    whole("pairs downsample factor", factor, 2)
    b, h, w, c = x.shape
    if h % factor or w % factor:
        raise ConfigError(
            f"pairs downsample: the factor must divide the sides of images of {h}x{w}, which "
            f"{factor} does not."
        )
    small = x.reshape(b, h // factor, factor, w // factor, factor, c).mean(axis=(2, 4))
    return jnp.repeat(jnp.repeat(small, factor, axis=1), factor, axis=2)


def masked(x: Array, share: float, key: Array | None = None) -> Array:
    """The image with a hidden square, and a mask: ``[b, h, w, c + 1]``.

    In the square, the image is 0, mid-grey, and the mask 1; elsewhere, the mask is -1. The sides of
    the square are those of the image times the root of ``share``, rounded to pixels.

    Args:
      x: the images.
      share: the share of the area that is hidden, in (0, 1).
      key: draws the place of the square in each image; None: in the middle.

    Raises:
      ConfigError: for another share, or one that hides no pixel or all of them.
    """
    within("pairs mask share", share, "(0, 1)")
    b, sides = len(x), x.shape[1:3]
    hidden = [round(side * math.sqrt(share)) for side in sides]
    if not (all(hidden) and any(n < side for n, side in zip(hidden, sides, strict=True))):
        raise ConfigError(
            f"pairs mask: a share of {share} hides {hidden[0]}x{hidden[1]} pixels of images of "
            f"{sides[0]}x{sides[1]}; at least one must be hidden, and one seen."
        )
    inside = jnp.ones((b, *sides), bool)
    for axis, (side, n) in enumerate(zip(sides, hidden, strict=True)):
        first = jnp.full((b,), (side - n) // 2)
        if key is not None:
            own = jax.random.fold_in(key, axis)
            first = batch_axis.draw(jax.random.randint, own, (b,), 0, side - n + 1)
        place = jnp.arange(side)[None] - first[:, None]
        within_side = (place >= 0) & (place < n)
        inside &= jnp.expand_dims(within_side, 2 - axis)
    inside = inside[..., None]
    return jnp.concatenate([jnp.where(inside, 0, x), jnp.where(inside, 1.0, -1.0)], axis=-1)


def _luminance(x: Array) -> Array:
    """``[b, h, w, 1]`` of images of 1 or 3 channels."""
    if x.shape[-1] == 1:
        return x
    return sum(share * x[..., i : i + 1] for i, share in enumerate(LUMINANCE))


def _at(a: Array, i: int, j: int, mode: str = "constant") -> Array:
    """``a [b, h, w, c]`` at the neighbours ``i`` rows below and ``j`` columns to the right; beyond
    the image, 0 or, with the mode ``edge``, the nearest pixel.
    """
    _, h, w, _ = a.shape
    padded = jnp.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=mode)
    return padded[:, 1 + i : 1 + i + h, 1 + j : 1 + j + w]
