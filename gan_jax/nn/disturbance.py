"""Noise on hidden units in training, which keeps a network from memorizing few examples."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis


class Dropout(nn.Module):
    """Sets a fraction ``rate`` of the units to 0 and scales the others up (Srivastava et al. 2014).

    Like `flax.linen.Dropout`, but draws for the whole batch under ``pmap``.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if not train:
            return x
        keep = 1.0 - self.rate
        kept = batch_axis.draw(
            lambda key, shape: jax.random.bernoulli(key, keep, shape),
            self.make_rng("noise"),
            x.shape,
        )
        return jax.lax.select(kept, x / keep, jnp.zeros_like(x))


class Disturbance(nn.Module):
    """``x`` after dropout, with noise from N(0, noise^2) added (Salimans et al. 2016, section 6.1).

    The random stream is ``noise``. Outside of training, or with zeros, returns ``x``.
    """

    dropout: float = 0.0
    noise: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if self.dropout:
            x = Dropout(self.dropout)(x, train=train)
        if self.noise and train:
            key = self.make_rng("noise")
            x = x + self.noise * batch_axis.draw(jax.random.normal, key, x.shape, x.dtype)
        return x
