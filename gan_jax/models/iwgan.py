"""The networks for text of WGAN-GP (Gulrajani et al. 2017, "Improved training of Wasserstein GANs",
section 5.4): residual blocks of convolutions in one dimension. G returns the probabilities of all
tokens at all positions at once, and D compares them with one-hot vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import DROPOUT, NOISE, SPECTRAL, option
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import with_condition
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Critique

TAPS, SCALE = 5, 0.3
"""Taps of the convolutions of a block, and the factor of its result."""
_WIDTH = "Channels of all layers; the paper's networks have 512."
_BLOCKS = "Residual blocks; the paper's networks have 5."
_OUTPUT = (
    "What D sees of G: softmax, the probabilities of the tokens; or straight_through, the most "
    "probable tokens, one-hot, with the gradient of the probabilities."
)


def straight_through(logits: jax.Array) -> jax.Array:
    """The most probable tokens one-hot, with the gradient of their probabilities."""
    soft = nn.softmax(logits)
    hard = jax.nn.one_hot(soft.argmax(-1), soft.shape[-1], dtype=soft.dtype)
    return soft + jax.lax.stop_gradient(hard - soft)


OUTPUTS = {"softmax": nn.softmax, "straight_through": straight_through}


class Block(nn.Module):
    """``x + 0.3 f(x)``, where ``f`` is twice ReLU and a convolution of 5 taps."""

    width: int
    layer: Callable[[nn.Module], nn.Module] = lambda layer: layer
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = x
        for _ in range(2):
            h = self.layer(Conv(self.width, TAPS, dtype=self.dtype))(nn.relu(h))
        return x + SCALE * h


class Generator(nn.Module):
    """Latents and labels -> dense to all positions -> residual blocks -> probabilities of the
    tokens at each position.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    width: int = option(128, 1, _WIDTH)
    blocks: int = option(5, 0, _BLOCKS)
    output: Callable[[jax.Array], jax.Array] = option(nn.softmax, OUTPUTS, _OUTPUT)
    bounded: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: jax.Array, y: jax.Array, *, train: bool) -> jax.Array:
        length, words = self.shape
        x = Dense(length * self.width, dtype=self.dtype)(
            with_condition(latents, y, self.num_classes)
        )
        x = x.reshape(-1, length, self.width)
        for _ in range(self.blocks):
            x = Block(self.width, dtype=self.dtype)(x)
        return self.output(Conv(words, 1, dtype=self.dtype)(x).astype(jnp.float32))


class Discriminator(nn.Module):
    """A convolution of one tap -> residual blocks -> the head of the flattened features."""

    head: nn.Module
    width: int = option(128, 1, _WIDTH)
    blocks: int = option(5, 0, _BLOCKS)
    spectral: bool = option(False, bool, SPECTRAL)
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    noise: float = option(0.0, "[0, inf)", NOISE)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        normalized = spectral_norm(self.spectral)
        x = normalized(Conv(self.width, 1, dtype=self.dtype))(x)
        for _ in range(self.blocks):
            x = Block(self.width, normalized, dtype=self.dtype)(x)
            x = Disturbance(self.dropout, self.noise)(x, train=train)
        return normalized(self.head)(x.reshape(x.shape[0], -1).astype(jnp.float32), y)
