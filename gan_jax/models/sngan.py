"""SNGAN (Miyato et al. 2018, table 4): residual blocks, batch normalization in G, spectral
normalization in D.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import MINIBATCH_STD, SPECTRAL, option
from gan_jax.models.sides import halvings
from gan_jax.nn.conv import Conv, ConvPool, UpConv
from gan_jax.nn.heads import with_labels
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.norms import NORMS, BatchNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

_WIDTH, _BASE = "Channels of each block.", "Smallest side of the feature maps."
# As in the authors' code: Glorot & Bengio 2010, with twice the variance after a ReLU.
_skip_init = nn.initializers.xavier_uniform()
_block_init = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")


class UpBlock(nn.Module):
    """Norm, ReLU, up-sampling, 3x3, norm, ReLU, 3x3; the skip connection is 1x1 and up-sampling.
    Both sides double.
    """

    features: int
    norm: Callable[[], nn.Module]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        h = nn.relu(self.norm()(x, train=train))
        h = UpConv(self.features, kernel_init=_block_init, dtype=self.dtype)(h)
        h = nn.relu(self.norm()(h, train=train))
        h = Conv(self.features, (3, 3), kernel_init=_block_init, dtype=self.dtype)(h)
        return h + _doubled(
            Conv(self.features, (1, 1), kernel_init=_skip_init, dtype=self.dtype)(x)
        )


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, 2x2 average pooling; the skip connection is average pooling and 1x1.
    Both sides halve.

    Attributes:
      first: the block next to the image, without the first ReLU.
      down: halve the sides; otherwise, if the number of channels is unchanged, the skip is the
        identity.
      spectral: normalize the weights.
    """

    features: int
    first: bool = False
    down: bool = True
    spectral: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        normalized, last = spectral_norm(self.spectral), ConvPool if self.down else Conv
        h = x if self.first else nn.relu(x)
        h = normalized(Conv(self.features, (3, 3), kernel_init=_block_init, dtype=self.dtype))(h)
        h = normalized(last(self.features, (3, 3), kernel_init=_block_init, dtype=self.dtype))(
            nn.relu(h)
        )
        if self.down:
            x = _halved(x)
        if self.down or x.shape[-1] != self.features:
            x = normalized(Conv(self.features, (1, 1), kernel_init=_skip_init, dtype=self.dtype))(x)
        return h + x


class Generator(nn.Module):
    """Latents -> dense to the smallest feature map -> blocks of ``width`` channels, each doubling
    the side -> 3x3 -> tanh if examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(256, 1, _WIDTH)
    base: int = option(4, 1, _BASE)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, "Normalization of the layers.")
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        norm = functools.partial(self.norm, dtype=self.dtype)
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        x = nn.Dense((h >> n) * (w >> n) * self.width, kernel_init=_skip_init, dtype=self.dtype)(
            with_labels(latents, y, self.num_classes)
        )
        x = x.reshape(-1, h >> n, w >> n, self.width)
        for _ in range(n):
            x = UpBlock(self.width, norm, self.dtype)(x, train=train)
        x = nn.relu(norm()(x, train=train))
        x = Conv(channels, (3, 3), kernel_init=_skip_init, dtype=self.dtype)(x)
        x = x.astype(jnp.float32)
        return nn.tanh(x) if self.bounded else x


class Discriminator(nn.Module):
    """Blocks of ``width`` channels, halving the sides down to ``base``, and two more -> ReLU -> sum
    over positions -> head.
    """

    head: nn.Module
    width: int = option(128, 1, _WIDTH)
    base: int = option(8, 1, _BASE)
    spectral: bool = option(True, bool, SPECTRAL)
    minibatch_std: int = option(0, 0, MINIBATCH_STD)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        block = functools.partial(DownBlock, self.width, spectral=self.spectral, dtype=self.dtype)
        for i in range(halvings(x.shape[1:], self.base)):
            x = block(first=i == 0)(x)
        x = block(down=False)(x)
        if self.minibatch_std:
            x = minibatch_std(x, self.minibatch_std)
        x = block(down=False)(x)
        features = jnp.sum(nn.relu(x), axis=(1, 2), dtype=jnp.float32)
        return spectral_norm(self.spectral)(self.head)(features, y)


def _doubled(x: jax.Array) -> jax.Array:
    """Nearest-neighbour up-sampling by two: ``[b, h, w, c] -> [b, 2 h, 2 w, c]``."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def _halved(x: jax.Array) -> jax.Array:
    """2x2 average pooling: ``[b, h, w, c] -> [b, h / 2, w / 2, c]``."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
