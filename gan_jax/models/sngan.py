"""SNGAN (Miyato et al. 2018, table 4): residual blocks, batch normalization in G, spectral
normalization in D; with classes, as in Miyato & Koyama 2018 with the norm ``conditional`` of G and
the conditioning ``projection``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.blocks import GLOROT, DownBlock, UpBlock
from gan_jax.models.options import MINIBATCH_STD, SPECTRAL, option
from gan_jax.models.sides import halvings
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.heads import with_condition
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.norms import NORMS, BatchNorm, ConditionalBatchNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

_WIDTH, _BASE = "Channels of each block.", "Smallest side of the feature maps."
_NORM = (
    "Normalization of the layers. With conditional, labels select the gain and bias of batch "
    "normalization (Miyato & Koyama 2018); otherwise they are concatenated to the latents."
)


class Generator(nn.Module):
    """Latents -> dense to the smallest feature map -> blocks of ``width`` channels, each doubling
    the side -> 3x3 -> tanh if examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(256, 1, _WIDTH)
    base: int = option(4, 1, _BASE)
    norm: Callable[..., nn.Module] = option(
        BatchNorm, NORMS | {"conditional": ConditionalBatchNorm}, _NORM
    )
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        norm = functools.partial(self.norm, dtype=self.dtype)
        n = halvings(self.shape, self.base)
        h, w, channels = self.shape
        condition = ()
        if self.norm is not ConditionalBatchNorm:
            latents = with_condition(latents, y, self.num_classes)
        elif self.num_classes:
            condition = (jax.nn.one_hot(y, self.num_classes),)
        x = Dense((h >> n) * (w >> n) * self.width, kernel_init=GLOROT.skip, dtype=self.dtype)(
            latents
        )
        x = x.reshape(-1, h >> n, w >> n, self.width)
        for _ in range(n):
            x = UpBlock(self.width, norm, dtype=self.dtype)(x, *condition, train=train)
        x = nn.relu(norm()(x, train=train))
        x = Conv(channels, (3, 3), kernel_init=GLOROT.skip, dtype=self.dtype)(x)
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
