"""BigGAN (Brock et al. 2019, "Large scale GAN training for high fidelity natural image synthesis"),
as in the authors' PyTorch code.

Labels and parts of the latents reach every layer of G by batch normalization. The settings of the
paper, with hinge loss: fake labels ``uniform``, ``joint``, ``adam:5e-5:b1=0:b2=0.999`` for G and
``2e-4`` for D, the regularizer ``orthogonal:5e-5:diagonal=0`` of both; samples with
`gan_jax.engine.trained.with_standing_statistics`.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
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
from gan_jax.nn.heads import ClassEmbedding
from gan_jax.nn.norms import ConditionalBatchNorm
from gan_jax.types import Critique

WIDTH = (
    "Unit of the channels: images up to 32 pixels have 4 units everywhere, larger ones 1 to 16 as "
    "in the paper."
)
G_BASE = "Smallest side of the feature maps."
D_BASE = "Smallest side of the feature maps; half of it where that is more than two halvings away."
SHARED = (
    "Length of the embedding of a label that all layers share; 0: a table of gains and biases for "
    "each layer."
)
_HIERARCHICAL = "Each block gets a part of the latents; otherwise the first layer gets all."
UP = {
    4: (16, 16, 8, 4, 2),
    5: (16, 16, 8, 4, 2, 1),
    6: (16, 16, 8, 8, 4, 2, 1),
    7: (16, 16, 8, 8, 4, 2, 1, 1),
}
"""By the number of G's blocks, units of the channels of its maps, smallest sides first: 64 to 512
pixels.
"""
DOWN = {
    4: (1, 2, 4, 8, 16),
    5: (1, 2, 4, 8, 16, 16),
    6: (1, 2, 4, 8, 8, 16, 16),
    7: (1, 1, 2, 4, 8, 8, 16, 16),
}
"""Of D's maps, by the number of blocks that halve the sides."""


def up_widths(n: int, width: int) -> list[int]:
    """Channels of G's maps, ``n + 1`` of them, smallest sides first."""
    return [width * units for units in UP.get(n, (4,) * (n + 1))]


def down_widths(shape: tuple[int, ...], base: int, width: int) -> tuple[int, list[int]]:
    """How many blocks of D halve the sides, and the channels of its maps: one more than halvings,
    and for small images two more.
    """
    n = halvings(shape, base)
    if n <= 2:
        return n, [4 * width] * (n + 2)
    n = halvings(shape, max(1, base // 2))
    return n, [width * units for units in DOWN.get(n, (4,) * (n + 1))]


class Generator(nn.Module):
    """Latents, or their first part -> dense to the smallest feature map -> blocks, each doubling
    the sides -> 3x3 -> tanh where examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(64, 1, WIDTH)
    base: int = option(4, 1, G_BASE)
    shared: int = option(128, 0, SHARED)
    hierarchical: bool = option(True, bool, _HIERARCHICAL)
    attention: int = option(0, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        n = halvings(self.shape, self.base)
        check_attention(self.attention, 1, 2**n)
        first, conditions = self._conditions(latents, y, n)
        norm = functools.partial(
            ConditionalBatchNorm,
            self.spectral and (self.shared > 0 or self.hierarchical),  # never plain tables
            ORTHOGONAL.block,
            dtype=self.dtype,
        )
        widths, (h, w, _) = up_widths(n, self.width), self.shape
        x = start(first, (h >> n, w >> n, widths[0]), self.spectral, self.dtype)
        for i, features in enumerate(widths):
            if i:
                block = UpBlock(features, norm, ORTHOGONAL, self.spectral, dtype=self.dtype)
                x = block(x, *conditions[i - 1], train=train)
            if self.attention == 2 ** (n - i):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        x = nn.relu(norm()(x, train=train))
        return image(x, self.shape[-1], self.spectral, self.bounded, self.dtype)

    def _conditions(self, latents: jax.Array, y: jax.Array, n: int) -> tuple[jax.Array, list]:
        """What the first layer gets, and what each of ``n`` blocks is conditioned on."""
        label = []
        if self.num_classes and self.shared:
            label = [ClassEmbedding(self.num_classes, self.shared, name="label")(y)]
        elif self.num_classes:
            label = [jax.nn.one_hot(y, self.num_classes)]
        if not self.hierarchical:
            return latents, [tuple(label)] * n
        if latents.shape[-1] <= n:
            raise ConfigError(
                f"latents must be at least {n + 1} for the first layer and {n} blocks, not "
                f"{latents.shape[-1]}, unless the generator has hierarchical=False."
            )
        first, *parts = jnp.array_split(latents, n + 1, axis=-1)
        return first, [(jnp.concatenate([*label, part], axis=-1),) for part in parts]


class Discriminator(nn.Module):
    """Blocks that halve the sides, and one or two that do not -> ReLU -> sum over positions ->
    head.
    """

    head: nn.Module
    width: int = option(64, 1, WIDTH)
    base: int = option(8, 1, D_BASE)
    attention: int = option(0, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        n, widths = down_widths(x.shape[1:], self.base, self.width)
        check_attention(self.attention, 2, 2**n)
        for i, features in enumerate(widths):
            x = DownBlock(
                features, i == 0, i < n, ORTHOGONAL, self.spectral, dtype=self.dtype
            )(x)  # fmt: skip
            if i < n and self.attention == 2 ** (i + 1):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        return judged(x, y, self.head, self.spectral)
