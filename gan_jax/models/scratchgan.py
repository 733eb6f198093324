"""ScratchGAN (de Masson d'Autume et al. 2019, "Training language GANs from scratch"): both players
are recurrent, and D scores each token, so that G gets a reward for each. It is made for the term
``reinforce``, as the loss has no gradient through sampled tokens.

With width 32, embedding 32 and one layer, G is the generator of SeqGAN.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import DROPOUT, option
from gan_jax.models.writing import Writer
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import at_each_place
from gan_jax.nn.sequences import Lstm, position_signal
from gan_jax.types import Critique

POSITION = 8
"""Numbers of the position signal."""
_WIDTH = "Units of a layer; the paper's networks have 512."
_LAYERS = "Layers of the LSTM; the paper's G has 2, its D 1."


class Generator(Writer):
    """An LSTM that reads the embedded tokens, with a dense layer to the logits of the next one."""

    width: int = option(128, 1, _WIDTH)
    layers: int = option(1, 1, _LAYERS)

    def network(self) -> nn.Module:
        return Lstm(self.width, self.layers, self.dtype)


class Discriminator(nn.Module):
    """Embedded tokens and a signal of their position -> LSTM -> layer normalization -> the head at
    each position: scores ``[b, length]``, each of the text up to there.
    """

    head: nn.Module
    width: int = option(128, 1, _WIDTH)
    layers: int = option(1, 1, _LAYERS)
    embedding: int = option(32, 1, "Size of the embeddings of the tokens.")
    dropout: float = option(0.0, "[0, 1)", DROPOUT)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        b, n, _ = x.shape
        x = nn.Dense(self.embedding, use_bias=False, dtype=self.dtype)(x)
        x = Disturbance(self.dropout)(x, train=train)
        signal = jnp.asarray(position_signal(n, POSITION), x.dtype)
        x = jnp.concatenate([x, jnp.broadcast_to(signal[None], (b, n, POSITION))], axis=-1)
        h = nn.LayerNorm(dtype=self.dtype)(Lstm(self.width, self.layers, self.dtype).whole(x))
        h = Disturbance(self.dropout)(h, train=train)
        return at_each_place(self.head, h.astype(jnp.float32), y)
