"""Fully connected networks, as in Goodfellow et al. 2014: latents -> 128 -> 128 -> pixels, and pixels -> 128 -> 128 -> score."""

from __future__ import annotations

import math

import flax.linen as nn
import jax

from gan_jax.nn.conditioning import with_labels
from gan_jax.types import Critique


class Generator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units, then one unit a pixel and tanh."""

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = 128
    depth: int = 2

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        h = with_labels(latents, y, self.num_classes)
        for _ in range(self.depth):
            h = nn.relu(nn.Dense(self.width)(h))
        return nn.tanh(nn.Dense(math.prod(self.shape))(h)).reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units under the head."""

    head: nn.Module
    width: int = 128
    depth: int = 2

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        h = x.reshape(x.shape[0], -1)
        for _ in range(self.depth):
            h = nn.relu(nn.Dense(self.width)(h))
        return self.head(h, y)
