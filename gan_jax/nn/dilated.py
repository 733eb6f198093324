"""Sequences as maps in which each row holds ``period`` steps, and convolutions along their columns:
dilated convolutions, and those of multi-period discriminators.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Array = jax.Array


def dilated(layer: Callable[[Array], Array], x: Array, dilation: int) -> Array:
    """A convolution of ``x [b, n, c]`` whose taps are ``dilation`` steps apart, with padding
    "SAME": along the columns of the folded sequence, which has fast kernels on all devices, as have
    its derivatives.

    Args:
      layer: a `gan_jax.nn.conv.Conv` with a kernel of odd size ``(k, 1)``, or one that wraps it.
    """
    return unfolded(layer(folded(x, dilation)), x.shape[1])


def folded(x: Array, period: int, mode: str = "constant") -> Array:
    """``[b, n, c] -> [b, rows, period, c]``: the steps one after the other in rows of ``period``,
    with more at the end if the last row is not full: zeros, or by a mode of `jnp.pad`.
    """
    b, n, c = x.shape
    rows = -(-n // period)
    x = jnp.pad(x, ((0, 0), (0, rows * period - n), (0, 0)), mode=mode)
    return x.reshape(b, rows, period, c)


def unfolded(x: Array, n: int) -> Array:
    """The inverse of `folded`: ``[b, rows, period, c] -> [b, n, c]``."""
    return x.reshape(x.shape[0], -1, x.shape[-1])[:, :n]
