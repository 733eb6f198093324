"""Consistency: what changes an example without changing what it shows shall not change its score."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.parts.augment import random_flip, random_shift
from gan_jax.parts.regularizers.making import memoryless, within
from gan_jax.types import Array, Batch, Critique, DContext, GContext


@memoryless
def cr(context: DContext, *, shift: float = 0.125, flip: float = 0.5):
    """``(D(x) - D(T(x)))^2`` at real images (Zhang et al. 2020, "Consistency regularization for
    generative adversarial networks").

    T moves an image by up to ``shift`` of its sides and mirrors it with the probability ``flip``: 0
    where a mirrored image shows something else, such as digits.
    """
    return _augmented_change(context, context.key, context.real, context.real_critique, shift, flip)


@memoryless
def bcr(context: DContext, *, shift: float = 0.125, flip: float = 0.5):
    """`cr` at real and, added, at generated images: balanced (Zhao et al. 2021, "Improved
    consistency regularization for GANs").
    """
    keys = jax.random.split(context.key)
    return _augmented_change(
        context, keys[0], context.real, context.real_critique, shift, flip
    ) + _augmented_change(context, keys[1], context.fake, context.fake_critique, shift, flip)


@memoryless
def zcr(context: DContext, *, noise: float = 0.05):
    """``(D(G(z)) - D(G(z + e)))^2`` with ``e`` from N(0, noise^2): latent consistency, D's part
    (Zhao et al. 2021).
    """
    moved = _moved_fakes(context, noise)
    return jnp.square(
        context.fake_critique.score - context.discriminate(moved, context.fake.y).score
    )


@memoryless
def g_zcr(context: GContext, *, noise: float = 0.05):
    """``-(G(z) - G(z + e))^2``, averaged over pixels, with ``e`` from N(0, noise^2): latent
    consistency, G's part (Zhao et al. 2021).

    Negative: G is rewarded for samples that differ.
    """
    difference = context.fake.x - _moved_fakes(context, noise)
    return -jnp.mean(jnp.square(difference), axis=range(1, difference.ndim))


def _augmented_change(
    context: DContext, key: Array, batch: Batch, critique: Critique, shift: float, flip: float
):
    within("shift", shift, 0, 0.5)
    within("flip", flip, 0, 1)
    if batch.x.ndim != 4:
        raise ConfigError(
            f"cr, bcr: examples of shape {list(batch.x.shape)} are not images; accepted: [b, h, w, c]."
        )
    shift_key, flip_key = jax.random.split(key)
    augmented = random_flip(flip_key, random_shift(shift_key, batch.x, shift), flip)
    return jnp.square(critique.score - context.discriminate(augmented, batch.y).score)


def _moved_fakes(context: DContext | GContext, noise: float) -> Array:
    within("noise", noise, 0)
    z = context.latents
    return context.generate(
        z + noise * jax.random.normal(context.key, z.shape, z.dtype), context.fake.y
    )
