"""Fully connected networks, as in Goodfellow et al. 2014: latents -> 128 -> 128 -> pixels, and
pixels -> 128 -> 128 -> score.

They make and judge examples of any shape, vectors too.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import with_labels
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique


class Generator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units, then one unit a number, with tanh for
    images; vectors have no bounds.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = 128
    depth: int = 2
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        h = with_labels(latents, y, self.num_classes)
        for _ in range(self.depth):
            h = nn.relu(nn.Dense(self.width, dtype=self.dtype)(h))
        x = nn.Dense(math.prod(self.shape), dtype=self.dtype)(h)
        x = x.astype(jnp.float32).reshape(-1, *self.shape)
        return nn.tanh(x) if len(self.shape) > 1 else x


class Discriminator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units under the head; ``spectral`` normalizes all
    weights.

    ``minibatch_std``: what the head sees ends with the minibatch standard deviation of groups of so
    many examples; 0 is without. ``dropout``, ``noise``: as of `dcgan.Discriminator`.
    """

    head: nn.Module
    width: int = 128
    depth: int = 2
    spectral: bool = False
    minibatch_std: int = 0
    dropout: float = 0.0
    noise: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        normalized = spectral_norm(self.spectral)
        h = x.reshape(x.shape[0], -1)
        for _ in range(self.depth):
            h = nn.relu(normalized(nn.Dense(self.width, dtype=self.dtype))(h))
            h = Disturbance(self.dropout, self.noise)(h, train=train)
        if self.minibatch_std:
            h = minibatch_std(h, self.minibatch_std)
        return normalized(self.head)(h.astype(jnp.float32), y)
