"""Sides doubled and halved by the filter [1, 3, 3, 1] along each of them (Zhang 2019, "Making
convolutional networks shift-invariant again"; Karras et al. 2020), with zeros around the map.

Each is a sum of shifted maps. The three maps are one linear operation: zeros between the places,
``pad`` of them around the map, the filter, and every second place or all. Its transpose is such an
operation, too: the filter reads the same from both ends. So one primitive is closed under
differentiation; the derivative of a sum of slices, left to JAX, would be a sum of padded maps, with
which the CPU is slow.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

AXES = (1, 2)
SPAN = 3
"""Of the four taps: the distance between the first and the last."""


def doubled(x: jax.Array) -> jax.Array:
    """``[b, h, w, c] -> [b, 2 h, 2 w, c]``: an output is 3/4 of the nearest input and 1/4 of the
    next along each axis; inner values of a constant map stay as they are.
    """
    return 4 * _filter_p.bind(x, up=2, down=1, pad=2)


def halved(x: jax.Array) -> jax.Array:
    """``[b, h, w, c] -> [b, h / 2, w / 2, c]`` for even sides: a quarter of the transpose of
    `doubled`."""
    return _filter_p.bind(x, up=1, down=2, pad=1)


def blurred(x: jax.Array, pad: int, gain: float = 1.0) -> jax.Array:
    """``[b, h, w, c] -> [b, h + 2 pad - 3, w + 2 pad - 3, c]``: the filter alone, normalized to the
    sum ``gain``, on a map with ``pad`` zeros around it.
    """
    return gain * _filter_p.bind(x, up=1, down=1, pad=pad)


def _filtered(x: jax.Array, *, up: int, down: int, pad: int) -> jax.Array:
    """By the filter with sum 1, along both axes."""
    along = {(2, 1): _doubled, (1, 2): _halved, (1, 1): partial(_blurred, pad=pad)}[up, down]
    for axis in AXES:
        x = along(x, axis)
    return x


def _doubled(x: jax.Array, axis: int) -> jax.Array:
    parts = [_shifted(x, axis, 1) + 3 * x, 3 * x + _shifted(x, axis, -1)]
    shape = (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    return (jnp.stack(parts, axis + 1) / 8).reshape(shape)


def _halved(x: jax.Array, axis: int) -> jax.Array:
    shape = (*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
    even, odd = jnp.moveaxis(x.reshape(shape), axis + 1, 0)
    return (_shifted(odd, axis, 1) + 3 * (even + odd) + _shifted(even, axis, -1)) / 8


def _blurred(x: jax.Array, axis: int, pad: int) -> jax.Array:
    x = _padded(x, axis, pad, pad)
    n = x.shape[axis] - SPAN
    a, b, c, d = (lax.slice_in_dim(x, i, n + i, axis=axis) for i in range(SPAN + 1))
    return (a + 3 * (b + c) + d) / 8


def _shifted(x: jax.Array, axis: int, by: int) -> jax.Array:
    """Moved along an axis, with zeros behind it."""
    return _padded(x, axis, by, -by)


def _padded(x: jax.Array, axis: int, before: int, after: int) -> jax.Array:
    sides = [(before, after, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), sides)


# The primitive.

_filter_p = Primitive("gan_jax_filter")


def _abstract(x: Any, *, up: int, down: int, pad: int) -> Any:
    b, *sides, c = x.shape
    h, w = (((n - 1) * up + 2 * pad - SPAN) // down + 1 for n in sides)
    return x.update(shape=(b, h, w, c), weak_type=False)


def _transposed(ct: jax.Array, x: Any, *, up: int, down: int, pad: int) -> list[jax.Array]:
    return [_filter_p.bind(ct, up=down, down=up, pad=SPAN - pad)]


def _batched(operands: Any, axes: Any, **how: int) -> tuple[jax.Array, int]:
    """A map does not depend on the others, so that members of a vmap are further examples."""
    members = jnp.moveaxis(operands[0], axes[0], 0)
    y = _filter_p.bind(members.reshape(-1, *members.shape[2:]), **how)
    return y.reshape(*members.shape[:2], *y.shape[1:]), 0


_filter_p.def_impl(jax.jit(_filter_p.bind, static_argnames=("up", "down", "pad")))
_filter_p.def_abstract_eval(_abstract)
ad.deflinear2(_filter_p, _transposed)
batching.primitive_batchers[_filter_p] = _batched
mlir.register_lowering(_filter_p, mlir.lower_fun(_filtered, multiple_results=False))
