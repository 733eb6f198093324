"""Fully connected networks, as in Goodfellow et al. 2014: latents -> 128 -> 128 -> pixels, and
pixels -> 128 -> 128 -> score.

They support examples of any shape, including vectors.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import DROPOUT, MINIBATCH_STD, NOISE, SPECTRAL, option
from gan_jax.nn.dense import Dense
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import with_condition
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

_WIDTH, _DEPTH = "Units per hidden layer.", "Number of hidden layers."


class Generator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units, then one unit per number, with tanh if
    examples are bounded.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(128, 1, _WIDTH)
    depth: int = option(2, 1, _DEPTH)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        h = with_condition(latents, y, self.num_classes)
        for _ in range(self.depth):
            h = nn.relu(Dense(self.width, dtype=self.dtype)(h))
        x = Dense(math.prod(self.shape), dtype=self.dtype)(h)
        x = x.astype(jnp.float32).reshape(-1, *self.shape)
        return nn.tanh(x) if self.bounded else x


class Discriminator(nn.Module):
    """``depth`` hidden ReLU layers of ``width`` units, then the head."""

    head: nn.Module
    width: int = option(128, 1, _WIDTH)
    depth: int = option(2, 1, _DEPTH)
    spectral: bool = option(False, bool, SPECTRAL)
    minibatch_std: int = option(0, 0, MINIBATCH_STD)
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    noise: float = option(0.0, "[0, inf)", NOISE)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        normalized = spectral_norm(self.spectral)
        h = x.reshape(x.shape[0], -1)
        for _ in range(self.depth):
            h = nn.relu(normalized(Dense(self.width, dtype=self.dtype))(h))
            h = Disturbance(self.dropout, self.noise)(h, train=train)
        if self.minibatch_std:
            h = minibatch_std(h, self.minibatch_std)
        return normalized(self.head)(h.astype(jnp.float32), y)
