"""SeqGAN (Yu et al. 2017, "SeqGAN: sequence generative adversarial nets with policy gradient"): a
recurrent G, and a convolutional D of whole texts (Zhang & LeCun 2015; Kim 2014), whose score is the
reward of a text. It is made for the term ``rollouts`` or ``reinforce``, as the loss has no
gradient through sampled tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models import scratchgan
from gan_jax.models.options import DROPOUT, option
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.disturbance import Disturbance
from gan_jax.types import Critique

FILTERS = {
    1: 100, 2: 200, 3: 200, 4: 200, 5: 200, 6: 100,
    7: 100, 8: 100, 9: 100, 10: 100, 15: 160, 20: 160,
}  # fmt: skip
"""Filters of each window, in tokens; windows longer than the text are left out."""
EMBEDDING = 64


class Generator(scratchgan.Generator):
    """An LSTM; the paper's has 32 units."""

    width: int = option(32, 1, "Units of a layer; the paper's network has 32.")


class Discriminator(nn.Module):
    """Embedded tokens -> convolutions of many windows, ReLU, the maxima over positions -> highway
    layer -> the head.
    """

    head: nn.Module
    share: float = option(1.0, "(0, 1]", "Share of the paper's 1,720 filters.")
    dropout: float = option(0.25, "[0, 1)", DROPOUT)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        x = nn.Dense(EMBEDDING, use_bias=False, dtype=self.dtype)(x)
        filters = {
            window: max(1, round(n * self.share))
            for window, n in FILTERS.items()
            if window <= x.shape[1]
        }
        h = Windows(tuple(filters), tuple(filters.values()), self.dtype)(x)
        h = Disturbance(self.dropout)(Highway(self.dtype)(h), train=train)
        return self.head(h.astype(jnp.float32), y)


class Windows(nn.Module):
    """The largest value, over the positions of ``x [b, n, c]``, of ReLU of each filter: ``[b,
    sum(filters)]``.
    """

    windows: Sequence[int]
    filters: Sequence[int]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        found = [
            nn.relu(Conv(n, window, padding="VALID", dtype=self.dtype)(x)).max(axis=1)
            for window, n in zip(self.windows, self.filters, strict=True)
        ]
        return jnp.concatenate(found, axis=-1)


class Highway(nn.Module):
    """``t relu(W h) + (1 - t) h`` with ``t = sigmoid(V h)``, mostly ``h`` at the beginning
    (Srivastava et al. 2015, "Highway networks").
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        dense = lambda bias: Dense(
            h.shape[-1], bias_init=nn.initializers.constant(bias), dtype=self.dtype
        )
        t = nn.sigmoid(dense(-2.0)(h))
        return t * nn.relu(dense(0.0)(h)) + (1 - t) * h
