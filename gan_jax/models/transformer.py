"""Small causal transformers (Vaswani et al. 2017, "Attention is all you need"), normalized before
each layer, as GPT-2 is: G writes with a cache of keys and values, D scores each token.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import DROPOUT, option
from gan_jax.models.writing import Writer
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import at_each_place
from gan_jax.nn.sequences import Causal
from gan_jax.types import Critique

_WIDTH = "Numbers of each position; a multiple of the heads."
_LAYERS, _HEADS = "Layers of attention and a hidden layer.", "Heads of the attention."


class Generator(Writer):
    """A causal transformer of the embedded tokens, with a dense layer to the logits of the next."""

    width: int = option(64, 1, _WIDTH)
    layers: int = option(2, 1, _LAYERS)
    heads: int = option(4, 1, _HEADS)

    def network(self) -> nn.Module:
        return _causal("generator", self, self.shape[0])


class Discriminator(nn.Module):
    """Embedded tokens -> causal transformer -> the head at each position: scores ``[b, length]``,
    each of the text up to there.
    """

    head: nn.Module
    width: int = option(64, 1, _WIDTH)
    layers: int = option(2, 1, _LAYERS)
    heads: int = option(4, 1, _HEADS)
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        h = _causal("discriminator", self, x.shape[1]).whole(x.astype(self.dtype))
        h = Disturbance(self.dropout)(h, train=train)
        return at_each_place(self.head, h.astype(jnp.float32), y)


def _causal(side: str, player: Generator | Discriminator, length: int) -> Causal:
    if player.width % player.heads:
        raise ConfigError(
            f"{side}.width must be a multiple of the {player.heads} heads, not {player.width}."
        )
    return Causal(length, player.width, player.layers, player.heads, player.dtype)
