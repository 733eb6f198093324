"""RelGAN (Nie et al. 2019, "RelGAN: relational generative adversarial networks for text
generation"): G has a relational memory, D looks at a text in many representations and gives a score
for each. It is made for the loss ``relativistic`` and a falling ``softness``.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.models.options import DROPOUT, option
from gan_jax.models.seqgan import Highway, Windows
from gan_jax.models.writing import ESTIMATOR, ESTIMATORS, Estimator, Writer
from gan_jax.nn.dense import Dense
from gan_jax.nn.disturbance import Disturbance
from gan_jax.nn.heads import at_each_place
from gan_jax.nn.sequences import RelationalMemory
from gan_jax.types import Critique

WINDOWS = (2, 3, 4, 5)


class Generator(Writer):
    """A relational memory that reads the embedded tokens; the paper's has one slot and 2 heads of
    256 numbers.
    """

    estimator: Estimator = option(ESTIMATORS["relaxed"], ESTIMATORS, ESTIMATOR)
    heads: int = option(2, 1, "Heads of the attention.")
    size: int = option(64, 1, "Numbers of a head; the paper's has 256.")
    slots: int = option(1, 1, "Vectors of the memory.")

    def network(self) -> nn.Module:
        return RelationalMemory(self.heads, self.size, self.slots, self.dtype)


class Discriminator(nn.Module):
    """``representations`` embeddings of the tokens, each one number per position -> convolutions of
    windows of 2 to 5 tokens, the same for all of them, ReLU, the maxima over positions -> highway
    layer -> dense -> the head of each representation: scores ``[b, representations]``.
    """

    head: nn.Module
    representations: int = option(64, 1, "Embeddings of the text, each with a score.")
    filters: int = option(64, 1, "Filters of each window; the paper's D has 300.")
    width: int = option(100, 1, "Features of a representation.")
    dropout: float = option(0.25, "[0, 1)", DROPOUT)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array, *, train: bool) -> Critique:
        b, n, _ = x.shape
        x = nn.Dense(self.representations, use_bias=False, dtype=self.dtype)(x)
        x = jnp.swapaxes(x, 1, 2).reshape(b * self.representations, n, 1)
        windows = tuple(window for window in WINDOWS if window <= n) or (1,)
        h = Windows(windows, (self.filters,) * len(windows), self.dtype)(x)
        h = Disturbance(self.dropout)(Highway(self.dtype)(h), train=train)
        h = Dense(self.width, dtype=self.dtype)(h).reshape(b, self.representations, -1)
        return at_each_place(self.head, h.astype(jnp.float32), y)
