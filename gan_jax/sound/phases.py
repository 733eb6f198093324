"""The phases of spectra as instantaneous frequencies, and back."""

from __future__ import annotations

import jax.numpy as jnp

from gan_jax.types import Array


def instantaneous_frequencies(spectra: Array) -> Array:
    """How far the phase of each frequency advances from one frame to the next, in half turns:
    ``[..., frames, bins]`` complex ``-> [..., frames, bins]`` float32 in [-1, 1]. The first frame
    has its phase (Engel et al. 2019, "GANSynth: adversarial neural audio synthesis", section 2.2).
    """
    turns = jnp.angle(spectra) / jnp.pi
    before = jnp.concatenate([jnp.zeros_like(turns[..., :1, :]), turns[..., :-1, :]], axis=-2)
    advance = turns - before
    return advance - 2 * jnp.round(advance / 2)


def phases(frequencies: Array) -> Array:
    """The inverse of `instantaneous_frequencies`: phases in radians, up to whole turns, by the
    cumulative sum ``[..., frames, bins]``.
    """
    return jnp.pi * jnp.cumsum(frequencies, axis=-2)
