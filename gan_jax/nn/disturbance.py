"""Random changes of hidden units in training, which keep a network from learning few examples by
heart.
"""

from __future__ import annotations

import flax.linen as nn
import jax


class Disturbance(nn.Module):
    """``x`` after dropout (Srivastava et al. 2014), with noise from N(0, noise^2) added (Salimans
    et al. 2016, section 6.1).

    The random stream is ``noise``. Outside of training, or with zeros, ``x`` itself.
    """

    dropout: float = 0.0
    noise: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if self.dropout:
            x = nn.Dropout(self.dropout, rng_collection="noise")(x, deterministic=not train)
        if self.noise and train:
            x = x + self.noise * jax.random.normal(self.make_rng("noise"), x.shape, x.dtype)
        return x
