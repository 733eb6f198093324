"""DiffAugment (Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training"),
with the ranges of the authors' code.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.parts.augment.plain import moved
from gan_jax.types import Array

MOVE, CUT = 1 / 8, 1 / 2
"""The largest move and the side of the square that is cut out, as shares of the image's sides."""


def diffaugment(
    key: Array,
    x: Array,
    strength: Array,
    *,
    colour: bool = True,
    translation: bool = True,
    cutout: bool = True,
) -> Array:
    """Images ``[b, h, w, c]`` in [-1, 1] in other colours, moved, and with a square cut out.

    Args:
      key: determines the changes; each image draws its own.
      x: the images; what a move brings in and what is cut out becomes 0, grey.
      strength: share of the images that are changed, each time; the paper changes all.
      colour, translation, cutout: which changes are made. The authors' policy for StyleGAN2 has all
        three; for BigGAN on CIFAR, translation and cutout.
    """
    b, h, w, _ = x.shape
    keys = jax.random.split(key, 8)
    uniform = lambda key, low, high: batch_axis.draw(
        jax.random.uniform, key, (b,), minval=low, maxval=high
    )
    whole = lambda key, low, high: batch_axis.draw(jax.random.randint, key, (b,), low, high + 1)
    changed = x
    if colour:
        changed = brightened(changed, uniform(keys[0], -0.5, 0.5))
        changed = saturated(changed, uniform(keys[1], 0.0, 2.0))
        changed = contrasted(changed, uniform(keys[2], 0.5, 1.5))
    if translation:
        bounds = (_pixels(MOVE, side) for side in (h, w))
        steps = (whole(k, -n, n) for k, n in zip(keys[3:5], bounds, strict=True))
        changed = moved(changed, *steps)
    if cutout:
        changed = random_cutout(keys[5:7], changed, CUT)
    chosen = batch_axis.draw(jax.random.uniform, keys[7], (b, 1, 1, 1)) < strength
    return jnp.where(chosen, changed, x)


def brightened(x: Array, by: Array) -> Array:
    """``x + by``, with ``by`` ``[b]``."""
    return x + _each(by)


def saturated(x: Array, factor: Array) -> Array:
    """Distances of the channels from their mean at each pixel, times ``factor`` ``[b]``."""
    return _spread(x, factor, (3,))


def contrasted(x: Array, factor: Array) -> Array:
    """Distances from the mean of the image, times ``factor`` ``[b]``."""
    return _spread(x, factor, (1, 2, 3))


def random_cutout(keys: Array, x: Array, share: float) -> Array:
    """Images with 0 in a square whose sides are ``share`` of theirs, at a random place.

    As in the authors' code, a square of an even side has one place more than the image, so that it
    may stick out by one more row or column.
    """
    bounds = (side - _pixels(share, side) % 2 for side in x.shape[1:3])
    places = [
        batch_axis.draw(jax.random.randint, key, x.shape[:1], 0, bound + 1)
        for key, bound in zip(keys, bounds, strict=True)
    ]
    return cut(x, *places, share)


def cut(x: Array, rows: Array, columns: Array, share: float = CUT) -> Array:
    """Images with 0 in a square whose sides are ``share`` of theirs, at whole numbers ``[b]``:
    those of the row and column half of its side below and right of its corner. It may stick out.
    """
    inside = [
        _covered(place, side, _pixels(share, side))
        for place, side in zip((rows, columns), x.shape[1:3], strict=True)
    ]
    square = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return jnp.where(square, 0, x)


def _covered(place: Array, side: int, length: int) -> Array:
    """``[b, side]``: which places a square covers along one side."""
    first = (place - length // 2)[:, None]
    pixel = jnp.arange(side)[None, :]
    return (pixel >= first) & (pixel < first + length)


def _pixels(share: float, side: int) -> int:
    return int(share * side + 0.5)


def _spread(x: Array, factor: Array, axes: tuple[int, ...]) -> Array:
    mean = x.mean(axes, keepdims=True)
    return mean + (x - mean) * _each(factor)


def _each(numbers: Array) -> Array:
    return numbers[:, None, None, None]
