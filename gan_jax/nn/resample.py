"""Sides doubled and halved by the filter [1, 3, 3, 1] along each of them (Zhang 2019, "Making
convolutional networks shift-invariant again"; Karras et al. 2020), with zeros around the map.

Each is a sum of shifted maps, so that every derivative of it is one, too.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

AXES = (1, 2)


def doubled(x: jax.Array) -> jax.Array:
    """``[b, h, w, c] -> [b, 2 h, 2 w, c]``: an output is 3/4 of the nearest input and 1/4 of the
    next along each axis; inner values of a constant map stay as they are.
    """
    for axis in AXES:
        parts = [_shifted(x, axis, 1) + 3 * x, 3 * x + _shifted(x, axis, -1)]
        shape = (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
        x = (jnp.stack(parts, axis + 1) / 4).reshape(shape)
    return x


def halved(x: jax.Array) -> jax.Array:
    """``[b, h, w, c] -> [b, h / 2, w / 2, c]`` for even sides: a quarter of the transpose of
    `doubled`."""
    for axis in AXES:
        shape = (*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
        even, odd = jnp.moveaxis(x.reshape(shape), axis + 1, 0)
        x = (_shifted(odd, axis, 1) + 3 * (even + odd) + _shifted(even, axis, -1)) / 8
    return x


def blurred(x: jax.Array, pad: int, gain: float = 1.0) -> jax.Array:
    """``[b, h, w, c] -> [b, h + 2 pad - 3, w + 2 pad - 3, c]``: the filter alone, normalized to the
    sum ``gain``, on a map with ``pad`` zeros around it.
    """
    for axis in AXES:
        x = _padded(x, axis, pad, pad)
        a, b, c, d = (lax.slice_in_dim(x, i, x.shape[axis] - 3 + i, axis=axis) for i in range(4))
        x = (a + 3 * (b + c) + d) * (gain**0.5 / 8)
    return x


def _shifted(x: jax.Array, axis: int, by: int) -> jax.Array:
    """Moved along an axis, with zeros behind it."""
    return _padded(x, axis, by, -by)


def _padded(x: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    sides = [(before, after, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), sides)
