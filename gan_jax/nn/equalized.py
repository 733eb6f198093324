"""Layers with an equalized learning rate (Karras et al. 2018, "Progressive growing of GANs",
section 4.1): weights begin at N(0, 1) and are scaled where they are used, so that an optimizer like
Adam changes all of them at one speed.

An active layer ends with leaky ReLU 0.2, scaled by sqrt(2) so that the variance stays. Constant
factors act upon weights and biases instead of maps.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.broadcast import add_bias
from gan_jax.nn.conv_ops import conv
from gan_jax.nn.resample import blurred

ROOT2 = math.sqrt(2)


def activated(x: jax.Array) -> jax.Array:
    """Leaky ReLU 0.2; its factor sqrt(2) is that of the layer before."""
    return nn.leaky_relu(x, 0.2)


class EqualDense(nn.Module):
    """``x [b, n] -> [b, features]``.

    Attributes:
      lr_multiplier: factor of the learning rate of weights and biases.
      bias: what biases begin with, where ``lr_multiplier`` is 1.
      active: with leaky ReLU.
    """

    features: int
    lr_multiplier: float = 1.0
    bias: float = 0.0
    active: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1 / self.lr_multiplier), shape)
        bias = self.param("bias", nn.initializers.constant(self.bias), (self.features,))
        gain = self.lr_multiplier * (ROOT2 if self.active else 1)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias)
        y = add_bias(x @ (kernel * (gain / math.sqrt(x.shape[-1]))), bias * gain)
        return activated(y) if self.active else y


class EqualConv(nn.Module):
    """Square convolution ``x [b, h, w, c] -> [b, h, w, features]``.

    Attributes:
      taps: of the kernel along each side, an odd number.
      down: blur, then halve the sides.
      active: with a bias and leaky ReLU; otherwise the layer is linear.
      gain: factor of the result.
      dtype: of the arithmetic and the result.
    """

    features: int
    taps: int
    down: bool = False
    active: bool = True
    gain: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.taps, self.taps, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape)
        gain = self.gain * (ROOT2 if self.active else 1)
        kernel = kernel * (gain / math.sqrt(math.prod(shape[:-1])))
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        if self.down:
            y = conv(blurred(x, (self.taps + 1) // 2), kernel, (2, 2), ((0, 0), (0, 0)))
        else:
            y = conv(x, kernel, (1, 1), ((self.taps // 2,) * 2,) * 2)
        if not self.active:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,)) * gain
        return activated(add_bias(y, bias))
