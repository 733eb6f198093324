"""Penalties on the features of D, its last hidden layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.config import ConfigError
from gan_jax.regularizers.making import memoryless
from gan_jax.types import GContext


@memoryless
def feature_matching(context: GContext):
    """``|mean f(x) - mean f(G(z))|^2`` over the minibatch, the same for each example (Salimans et al. 2016, section 3.1).

    The features of real examples are constant, also where batch norm lets generated ones change them.
    """
    real, fake = context.real_critique.features, context.fake_critique.features
    if real is None or fake is None:
        raise ConfigError(
            "feature_matching: this discriminator gives no features; accepted: one whose critique has them."
        )
    distance = jnp.sum(jnp.square(jax.lax.stop_gradient(real).mean(0) - fake.mean(0)))
    return jnp.broadcast_to(distance, fake.shape[:1])
