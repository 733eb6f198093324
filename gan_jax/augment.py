"""Random changes of what D sees: pure functions ``(key, x [b, ...], strength ()) -> x``, differentiable by ``x``."""

from __future__ import annotations

import jax

from gan_jax.types import Array


def instance_noise(key: Array, x: Array, strength: Array) -> Array:
    """``x`` plus noise from N(0, strength^2), of real and fake alike (Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3)."""
    return x + strength * jax.random.normal(key, x.shape)


AUGMENTS = {"instance_noise": instance_noise}
