"""SAGAN (Zhang et al. 2019): the blocks of SNGAN, self-attention in the middle, spectral
normalization in both players, labels by batch normalization.

The paper has hinge loss, ``adam:1e-4:b1=0:b2=0.9`` for G and ``4e-4`` for D, which moves once.
Layers and sizes are those of PyTorch-StudioGAN at 32 pixels.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.blocks import (
    ORTHOGONAL,
    DownBlock,
    UpBlock,
    check_attention,
    image,
    judged,
    start,
)
from gan_jax.models.options import ATTENTION, SPECTRAL, option
from gan_jax.models.sides import halvings
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.norms import ConditionalBatchNorm
from gan_jax.types import Critique

_WIDTH, _BASE = "Channels of every block.", "Smallest side of the feature maps."


class Generator(nn.Module):
    """Latents -> dense to the smallest feature map -> blocks of ``width`` channels, each doubling
    the side, with attention in between -> 3x3 -> tanh where examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(256, 1, _WIDTH)
    base: int = option(4, 1, _BASE)
    attention: int = option(2, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        n = halvings(self.shape, self.base)
        check_attention(self.attention, 1, 2**n)
        norm = functools.partial(
            ConditionalBatchNorm, self.spectral, ORTHOGONAL.block, dtype=self.dtype
        )
        block = functools.partial(
            UpBlock, self.width, norm, ORTHOGONAL, self.spectral, dtype=self.dtype
        )
        condition = (jax.nn.one_hot(y, self.num_classes),) if self.num_classes else ()
        h, w, channels = self.shape
        x = start(latents, (h >> n, w >> n, self.width), self.spectral, self.dtype)
        for i in range(n + 1):
            x = block()(x, *condition, train=train) if i else x
            if self.attention == 2 ** (n - i):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        x = nn.relu(norm()(x, train=train))
        return image(x, channels, self.spectral, self.bounded, self.dtype)


class Discriminator(nn.Module):
    """Blocks of ``width`` channels, halving the sides down to ``base``, with attention in between,
    and two more -> ReLU -> sum over positions -> head.
    """

    head: nn.Module
    width: int = option(128, 1, _WIDTH)
    base: int = option(8, 1, _BASE)
    attention: int = option(2, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        block = functools.partial(
            DownBlock, self.width, inits=ORTHOGONAL, spectral=self.spectral, dtype=self.dtype
        )
        n = halvings(x.shape[1:], self.base)
        check_attention(self.attention, 2, 2**n)
        for i in range(n):
            x = block(first=i == 0)(x)
            if self.attention == 2 ** (i + 1):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        for _ in range(2):
            x = block(down=False)(x)
        return judged(x, y, self.head, self.spectral)
