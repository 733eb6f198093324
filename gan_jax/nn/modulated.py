"""Convolutions that a style modulates: the layers of StyleGAN2's synthesis network (Karras et al.
2020, section 2.2).

Instead of a kernel for each example, its input channels are scaled before a convolution with one
kernel, and its output channels after it: the same values without grouped convolutions.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.nn.broadcast import add_bias, broadcast
from gan_jax.nn.conv_ops import conv, conv_transpose
from gan_jax.nn.equalized import ROOT2, EqualDense, activated
from gan_jax.nn.resample import blurred

BUFFERS = "buffers"
"""The collection of what is kept but not learned."""


class StyleConv(nn.Module):
    """Modulated and demodulated 3x3, noise, bias, leaky ReLU: ``(x [b, h, w, c], w [b, n]) -> [b,
    h, w, features]``.

    The noise, one number for each place, is drawn from the random stream ``noise``; where there is
    no such stream, it is a constant of the network, ``[h, w]``.

    Attributes:
      up: double the sides.
      gain: factor of the result.
      dtype: of the convolution and the result; styles and their demodulation are float32.
    """

    features: int
    up: bool = False
    gain: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        style = EqualDense(x.shape[-1], bias=1.0, name="affine")(w)
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape)
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        power = jnp.sum(jnp.square(kernel), axis=(0, 1))
        norm = jax.lax.rsqrt(jnp.square(style) @ power + 1e-8)
        x = x.astype(self.dtype) * _everywhere(style, x.shape, self.dtype)
        if self.up:
            pads = ((2, 2), (2, 2))
            x = conv_transpose(x, kernel.astype(self.dtype), (2, 2), pads)
            x = blurred(x, 1, gain=4.0)
        else:
            x = conv(x, kernel.astype(self.dtype), (1, 1), ((1, 1), (1, 1)))
        gain = ROOT2 * self.gain
        x = x * _everywhere(norm * gain, x.shape, self.dtype)
        noise = self._noise(x.shape[:3]) * (strength * gain)
        x = x + broadcast(noise[..., None], x.shape, self.dtype)
        return activated(add_bias(x, bias * gain))

    def _noise(self, shape: tuple[int, int, int]) -> jax.Array:
        """``[b, h, w]``, or ``[1, h, w]`` where it is constant."""
        first = lambda: jax.random.normal(self.make_rng("params"), shape[1:])
        constant = self.variable(BUFFERS, "noise", first)
        if not self.has_rng("noise"):
            return constant.value[None]
        return batch_axis.draw(jax.random.normal, self.make_rng("noise"), shape)


class ToImage(nn.Module):
    """Modulated 1x1 without demodulation, and a bias: ``(x [b, h, w, c], w [b, n]) -> [b, h, w,
    features]``.

    So few channels come out that a kernel for each example, as a product of matrices, costs less
    than scaling the map.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        style = EqualDense(channels, bias=1.0, name="affine")(w) / math.sqrt(channels)
        kernel = self.param("kernel", nn.initializers.normal(1.0), (1, 1, channels, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        own = (style[:, :, None] * kernel[0]).astype(self.dtype)
        y = jnp.einsum("bhwi,bio->bhwo", x.astype(self.dtype), own)
        return add_bias(y, bias)


def _everywhere(a: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """``[b, c] -> [b, h, w, c]``."""
    return broadcast(a[:, None, None], shape, dtype)
