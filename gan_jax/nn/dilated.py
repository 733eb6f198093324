"""Sequences as maps in which each row holds ``period`` steps, and convolutions along its columns:
dilated convolutions, and those of multi-period discriminators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.nn.conv_ops import conv

Array = jax.Array


class DilatedConv(nn.Module):
    """Convolution over a sequence whose taps are ``dilation`` steps apart, with padding "SAME";
    parameters and values are those of `nn.Conv` with this ``kernel_dilation``.

    Call: ``x [b, n, ci] -> [b, n, features]``. It is a convolution along the columns of `folded`
    sequences, which has fast kernels on all devices, as have its derivatives.

    Raises:
      ConfigError: for an even kernel, or a dilation below 1.
    """

    features: int
    kernel_size: int
    dilation: int = 1
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.kernel_size < 1 or self.kernel_size % 2 == 0 or self.dilation < 1:
            raise ConfigError(
                "DilatedConv: kernel_size must be odd and dilation positive, not "
                f"{self.kernel_size} and {self.dilation}."
            )
        shape = (self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        sides = (self.kernel_size // 2,) * 2
        y = conv(folded(x, self.dilation), kernel[:, None], (1, 1), (sides, (0, 0)))
        return unfolded(y, x.shape[1]) + bias[None, None]


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
