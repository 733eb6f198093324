"""Noise, shifts and rotations: pure functions ``(key, x [b, ...], strength ()) -> x``,
differentiable with respect to ``x``. Each example gets a separate draw.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
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


def translation(
    key: Array, x: Array, strength: Array, *, vertical: bool = True, horizontal: bool = True
) -> Array:
    """Shifts images ``[b, h, w, c]`` by whole pixels, by up to ``strength`` of each side in both
    directions, padded with -1 (black).

    The translation of Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN
    training", who use 1/8. A shift is a matmul, and so are all of its derivatives.

    Args:
      vertical, horizontal: whether there are shifts along the side. In a spectrogram of
        ``[frames, bins]``, a vertical shift is a delay, and a horizontal one changes the pitch.
    """
    rows, columns = (
        _steps(k, len(x), jnp.round(strength * side * along))
        for k, side, along in zip(
            jax.random.split(key), x.shape[1:3], (vertical, horizontal), strict=True
        )
    )
    return moved(x + 1, rows, columns) - 1


def moved(x: Array, rows: Array, columns: Array) -> Array:
    """Images ``[b, h, w, c]`` moved down and to the right by whole numbers of pixels ``[b]``, which
    may be negative; what comes in is 0.
    """
    matrices = (
        _move(steps, side) for steps, side in zip((rows, columns), x.shape[1:3], strict=True)
    )
    return along_sides(x, *matrices)


def along_sides(x: Array, rows: Array, columns: Array) -> Array:
    """Images ``[b, h, w, c]`` whose columns and rows of pixels are multiplied by matrices, ``[b,
    h', h]`` and ``[b, w', w]``, or by the same for all images, ``[h', h]`` and ``[w', w]``.
    """
    product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    if rows.ndim == 3:
        return product("bij,bjkc,blk->bilc", rows, x, columns)
    x = x.transpose(1, 0, 3, 2)  # in this order of the axes, two products of whole matrices
    x = product("ibck,lk->ibcl", product("ij,jbck->ibck", rows, x), columns)
    return x.transpose(1, 0, 3, 2)


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


def _steps(key: Array, b: int, most: Array) -> Array:
    """``[b]`` whole numbers from ``-most`` to ``most``, all equally likely."""
    uniform = batch_axis.draw(jax.random.uniform, key, (b, 1, 1)).reshape(b)
    return jnp.floor(uniform * (2 * most + 1)) - most


def _move(steps: Array, side: int) -> Array:
    """``[b, side, side]``: matrices that move a vector by whole numbers of places."""
    place = jnp.arange(side)
    return (place[None, :, None] - place[None, None, :] == steps[:, None, None]).astype(jnp.float32)
