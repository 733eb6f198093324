"""Distances between sounds as they are heard, for vocoders."""

from __future__ import annotations

import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Context

MEL = "mel"
"""Name of the frozen network that computes the conditions ``y`` from examples ``x``."""


@memoryless
def mel(context: Context):
    """``|mel(G(z, y)) - y|``: L1 between the log-mel spectrogram of a fake and its condition, which
    is that of the real sound; the mean over frames and bands (Kong et al. 2020, "HiFi-GAN",
    equation 4; their weight is 45).
    """
    if MEL not in context.frozen:
        raise ConfigError("mel compares a sound with its condition; use pairs mel.")
    heard = context.frozen[MEL](context.fake.x)
    return jnp.mean(jnp.abs(heard - context.fake.y), axis=range(1, heard.ndim))
