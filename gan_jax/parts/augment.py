"""Augmentations of the inputs of D: pure functions ``(key, x [b, ...], strength ()) -> x``,
differentiable with respect to ``x``. Each example gets a separate draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.modality import Images, Modality
from gan_jax.types import Array


def instance_noise(key: Array, x: Array, strength: Array) -> Array:
    """``x`` plus noise from N(0, strength^2), for both real and fake examples (Sonderby et al.
    2017; Arjovsky & Bottou 2017, section 3).
    """
    return x + strength * batch_axis.draw(jax.random.normal, key, x.shape)


def random_shift(key: Array, x: Array, fraction: float) -> Array:
    """Shifts each image by whole pixels, by up to ``fraction`` of each side in both directions,
    with reflection padding.

    Args:
      key: determines the shifts, which are uniform.
      x: ``[b, h, w, c]``.
      fraction: in [0, 0.5], not traced; below one pixel (1/8 of a side of 7) there is no
        shift along that side.
    """
    h, w = x.shape[1:3]
    rows, columns = int(fraction * h), int(fraction * w)
    padded = jnp.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="reflect")
    top_key, left_key = jax.random.split(key)
    tops = batch_axis.draw(jax.random.randint, top_key, x.shape[:1], 0, 2 * rows + 1)
    lefts = batch_axis.draw(jax.random.randint, left_key, x.shape[:1], 0, 2 * columns + 1)
    shifted = lambda image, top, left: jax.lax.dynamic_slice(image, (top, left, 0), x.shape[1:])
    return jax.vmap(shifted)(padded, tops, lefts)


def random_flip(key: Array, x: Array, probability: float) -> Array:
    """Flips each image ``[b, h, w, c]`` horizontally with this probability."""
    draw = lambda key, shape: jax.random.bernoulli(key, probability, shape)
    return jnp.where(batch_axis.draw(draw, key, (x.shape[0], 1, 1, 1)), x[:, :, ::-1], x)


def translation(key: Array, x: Array, strength: Array) -> Array:
    """Shifts images ``[b, h, w, c]`` by whole pixels, by up to ``strength`` of each side in both
    directions, padded with -1 (black).

    The translation of Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN
    training", who use 1/8. A shift is a matmul, and so are all of its derivatives.
    """
    keys = jax.random.split(key)
    rows, columns = (
        _moves(k, len(x), side, strength) for k, side in zip(keys, x.shape[1:3], strict=True)
    )
    return jnp.einsum("bij,bjkc,blk->bilc", rows, x + 1, columns) - 1


def rotation(key: Array, x: Array, strength: Array) -> Array:
    """Rotates images ``[b, h, w, c]`` about their centre by up to ``strength`` degrees, at most 90,
    in both directions, padded with -1 (black).

    A rotation is three shears (Paeth 1986, "A fast algorithm for general raster rotation") with
    linear interpolation, each a matmul like `translation`.
    """
    angle = jnp.deg2rad(strength) * batch_axis.draw(
        jax.random.uniform, key, (len(x),), minval=-1.0, maxval=1.0
    )
    for axis, slope in ((2, -jnp.tan(angle / 2)), (1, jnp.sin(angle)), (2, -jnp.tan(angle / 2))):
        x = _sheared(x, slope, axis)
    return x


def _sheared(x: Array, slope: Array, axis: int) -> Array:
    """Shifts each line of pixels along ``axis``, 1 or 2, by ``slope`` ``[b]`` times its distance
    from the central line.
    """
    lines = jnp.moveaxis(x + 1, axis, 2)  # [b, line, place, c]
    n, side = lines.shape[1:3]
    distance = jnp.arange(n, dtype=jnp.float32) - (n - 1) / 2
    place = jnp.arange(side, dtype=jnp.float32)
    moves = slope[:, None, None, None] * distance[None, :, None, None]
    from_there = jnp.abs((place[:, None] - place[None, :])[None, None] - moves)
    moved = jnp.einsum("bnij,bnjc->bnic", jnp.maximum(1 - from_there, 0), lines)
    return jnp.moveaxis(moved, 2, axis) - 1


def _moves(key: Array, b: int, side: int, strength: Array) -> Array:
    """``[b, side, side]``: matrices that shift a vector by random whole numbers of pixels."""
    pixels = jnp.round(strength * side)
    steps = (
        jnp.floor(batch_axis.draw(jax.random.uniform, key, (b, 1, 1)) * (2 * pixels + 1)) - pixels
    )
    place = jnp.arange(side, dtype=jnp.float32)
    return (place[None, :, None] - place[None, None, :] == steps).astype(jnp.float32)


class Change(NamedTuple):
    """An augmentation: its function, the interval of its strength, supported modalities."""

    apply: Callable[[Array, Array, Array], Array]
    strengths: str = "[0, inf)"
    modalities: tuple[type[Modality], ...] = (Modality,)


AUGMENTS = {
    "instance_noise": Change(instance_noise),
    "translation": Change(translation, "[0, 1]", (Images,)),
    "rotation": Change(rotation, "[0, 90]", (Images,)),
}
