"""BigGAN-deep (Brock et al. 2019, appendix B): two narrow residual blocks for each resolution, all
latents and the label's embedding in each layer of G. Settings as for `gan_jax.models.biggan`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.biggan import D_BASE, G_BASE, WIDTH, down_widths, up_widths
from gan_jax.models.blocks import (
    ORTHOGONAL,
    check_attention,
    doubled,
    halved,
    image,
    judged,
    start,
)
from gan_jax.models.options import ATTENTION, SPECTRAL, option
from gan_jax.models.sides import halvings
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.conv import Conv, UpConv
from gan_jax.nn.heads import ClassEmbedding
from gan_jax.nn.norms import ConditionalBatchNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

_DEPTH = "Blocks of each resolution."
NARROWER = 4
"""By which the channels within a block are fewer than outside."""


class NarrowUpBlock(nn.Module):
    """Norm, ReLU, 1x1, norm, ReLU, up-sampling, 3x3, norm, ReLU, 3x3, norm, ReLU, 1x1, beside the
    first of the channels, up-sampled.

    Attributes:
      norm: makes a module ``(x, condition, train) -> x``.
      up: double the sides.
    """

    features: int
    norm: Callable[[], nn.Module]
    up: bool
    spectral: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, condition: jax.Array, *, train: bool) -> jax.Array:
        inside = max(1, x.shape[-1] // NARROWER)
        h = x
        for layer, features, taps in (
            (Conv, inside, 1), (UpConv if self.up else Conv, inside, 3), (Conv, inside, 3),
            (Conv, self.features, 1),
        ):  # fmt: skip
            h = nn.relu(self.norm()(h, condition, train=train))
            conv = layer(features, (taps, taps), kernel_init=ORTHOGONAL.block, dtype=self.dtype)
            h = spectral_norm(self.spectral)(conv)(h)
        skip = x[..., : self.features]
        return h + (doubled(skip) if self.up else skip)


class NarrowDownBlock(nn.Module):
    """ReLU, 1x1, ReLU, 3x3, ReLU, 3x3, ReLU, mean over windows of two, 1x1, beside the mean, to
    which a 1x1 adds the channels that it lacks.

    Attributes:
      down: halve the sides.
    """

    features: int
    down: bool
    spectral: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inside = max(1, self.features // NARROWER)

        def conv(features: int, taps: int, x: jax.Array) -> jax.Array:
            layer = Conv(features, (taps, taps), kernel_init=ORTHOGONAL.block, dtype=self.dtype)
            return spectral_norm(self.spectral)(layer)(x)

        h = x
        for taps in (1, 3, 3):
            h = conv(inside, taps, nn.relu(h))
        h = nn.relu(h)
        if self.down:
            h, x = halved(h), halved(x)
        h = conv(self.features, 1, h)
        if (more := self.features - x.shape[-1]) > 0:
            x = jnp.concatenate([x, conv(more, 1, x)], axis=-1)
        return h + x


class Generator(nn.Module):
    """Latents and label -> dense to the smallest feature map -> ``depth`` blocks for each
    resolution, of which the last doubles the sides -> 3x3 -> tanh where examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(64, 1, WIDTH)
    base: int = option(4, 1, G_BASE)
    depth: int = option(2, 1, _DEPTH)
    shared: int = option(128, 1, "Length of the embedding of a label.")
    attention: int = option(0, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        n = halvings(self.shape, self.base)
        check_attention(self.attention, 1, 2**n)
        condition = latents
        if self.num_classes:
            label = ClassEmbedding(self.num_classes, self.shared, name="label")(y)
            condition = jnp.concatenate([label, latents], axis=-1)
        norm = functools.partial(
            ConditionalBatchNorm, self.spectral, ORTHOGONAL.block, dtype=self.dtype
        )
        widths, (h, w, _) = up_widths(n, self.width), self.shape
        x = start(condition, (h >> n, w >> n, widths[0]), self.spectral, self.dtype)
        for i, features in enumerate(widths):
            for block in range(self.depth if i else 0):
                last = block == self.depth - 1
                own = features if last else x.shape[-1]
                x = NarrowUpBlock(own, norm, last, self.spectral, self.dtype)(
                    x, condition, train=train
                )
            if self.attention == 2 ** (n - i):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        x = nn.relu(norm()(x, train=train))
        return image(x, self.shape[-1], self.spectral, self.bounded, self.dtype)


class Discriminator(nn.Module):
    """3x3 -> ``depth`` blocks for each resolution, of which the first halves the sides -> ReLU ->
    sum over positions -> head.
    """

    head: nn.Module
    width: int = option(64, 1, WIDTH)
    base: int = option(8, 1, D_BASE)
    depth: int = option(2, 1, _DEPTH)
    attention: int = option(0, 0, ATTENTION)
    spectral: bool = option(True, bool, SPECTRAL)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        n, (first, *widths) = down_widths(x.shape[1:], self.base, self.width)
        check_attention(self.attention, 2, 2**n)
        stem = Conv(first, (3, 3), kernel_init=ORTHOGONAL.block, dtype=self.dtype)
        x = spectral_norm(self.spectral)(stem)(x)
        for i, features in enumerate(widths):
            for block in range(self.depth):
                down = i < n and block == 0
                x = NarrowDownBlock(features, down, self.spectral, self.dtype)(x)
            if i < n and self.attention == 2 ** (i + 1):
                x = SelfAttention(self.spectral, dtype=self.dtype)(x)
        return judged(x, y, self.head, self.spectral)
