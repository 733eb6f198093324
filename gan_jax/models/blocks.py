"""Residual blocks of SNGAN, SAGAN and BigGAN, which double or halve both sides next to a 3x3
convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError, either
from gan_jax.nn.conv import Conv, ConvPool, UpConv
from gan_jax.nn.dense import Dense
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique


class Inits(NamedTuple):
    """First weights of the 3x3 convolutions and of the skips."""

    block: Callable
    skip: Callable


GLOROT = Inits(
    nn.initializers.variance_scaling(2.0, "fan_avg", "uniform"), nn.initializers.xavier_uniform()
)
"""Glorot & Bengio 2010, with twice the variance where a ReLU comes before, as in SNGAN's code."""
ORTHOGONAL = Inits(nn.initializers.orthogonal(), nn.initializers.orthogonal())
"""Saxe et al. 2014, as in BigGAN."""


class UpBlock(nn.Module):
    """Norm, ReLU, up-sampling, 3x3, norm, ReLU, 3x3, beside a skip of 1x1 and up-sampling: both
    sides double.

    Call: ``x [b, h, w, c]``, and a condition if the norms take one.

    Attributes:
      norm: makes a module ``(x, *condition, train) -> x``.
      spectral: normalize the weights.
    """

    features: int
    norm: Callable[[], nn.Module]
    inits: Inits = GLOROT
    spectral: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *condition: jax.Array, train: bool) -> jax.Array:
        normalized = spectral_norm(self.spectral)
        options = {"kernel_init": self.inits.block, "dtype": self.dtype}
        h = nn.relu(self.norm()(x, *condition, train=train))
        h = normalized(UpConv(self.features, **options))(h)
        h = nn.relu(self.norm()(h, *condition, train=train))
        h = normalized(Conv(self.features, (3, 3), **options))(h)
        skip = Conv(self.features, (1, 1), kernel_init=self.inits.skip, dtype=self.dtype)
        return h + doubled(normalized(skip)(x))


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, mean over windows of two, beside a skip of mean and 1x1: both sides
    halve.

    Attributes:
      first: the block next to the image, without the first ReLU.
      down: halve; otherwise, and with as many channels as before, the skip is the identity.
      spectral: normalize the weights.
    """

    features: int
    first: bool = False
    down: bool = True
    inits: Inits = GLOROT
    spectral: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        normalized, last = spectral_norm(self.spectral), ConvPool if self.down else Conv
        options = {"kernel_init": self.inits.block, "dtype": self.dtype}
        h = x if self.first else nn.relu(x)
        h = normalized(Conv(self.features, (3, 3), **options))(h)
        h = normalized(last(self.features, (3, 3), **options))(nn.relu(h))
        if self.down:
            x = halved(x)
        if self.down or x.shape[-1] != self.features:
            skip = Conv(self.features, (1, 1), kernel_init=self.inits.skip, dtype=self.dtype)
            x = normalized(skip)(x)
        return h + x


def doubled(x: jax.Array) -> jax.Array:
    """Nearest-neighbour up-sampling by two: ``[b, h, w, c] -> [b, 2 h, 2 w, c]``."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def halved(x: jax.Array) -> jax.Array:
    """Means over windows of two: ``[b, h, w, c] -> [b, h / 2, w / 2, c]``."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def check_attention(attention: int, least: int, most: int) -> None:
    """Refuses attention at maps that a network does not have.

    Args:
      attention: how often the sides of these maps go into the image's; 0: no attention.
      least, most: how often those of the network's largest and smallest maps do; powers of two.

    Raises:
      ConfigError: naming the option and what would be accepted.
    """
    accepted = [2**i for i in range(least.bit_length() - 1, most.bit_length())]
    if attention and attention not in accepted:
        raise ConfigError(
            f"attention {attention}: no feature map of this network has 1/{attention} of the "
            f"image's side; use {either(map(str, [0, *accepted]))}."
        )


def start(latents: jax.Array, shape: tuple[int, ...], spectral: bool, dtype: Any) -> jax.Array:
    """Latents -> dense to the smallest feature map."""
    h, w, c = shape
    dense = Dense(h * w * c, kernel_init=ORTHOGONAL.block, dtype=dtype, name="dense")
    return spectral_norm(spectral)(dense)(latents).reshape(-1, h, w, c)


def image(x: jax.Array, channels: int, spectral: bool, bounded: bool, dtype: Any) -> jax.Array:
    """3x3 to the channels of an image, float32 at least, and tanh where examples are bounded."""
    conv = Conv(channels, (3, 3), kernel_init=ORTHOGONAL.block, dtype=dtype, name="to_image")
    x = spectral_norm(spectral)(conv)(x).astype(jnp.promote_types(dtype, jnp.float32))
    return nn.tanh(x) if bounded else x


def judged(x: jax.Array, y: jax.Array, head: nn.Module, spectral: bool) -> Critique:
    """ReLU, sum over positions, head."""
    features = jnp.sum(nn.relu(x), axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))
    return spectral_norm(spectral)(head)(features, y)
