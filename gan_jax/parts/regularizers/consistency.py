"""Consistency: changes that preserve the content of an example should not change its score."""

from __future__ import annotations

import functools
import operator

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, within
from gan_jax.modality import Images
from gan_jax.parts.augment import random_flip, random_shift
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Batch, Context, Critique, Fake, PyTree


@memoryless
def cr(context: Context, *, shift: float = 0.125, flip: float = 0.5):
    """``(D(x) - D(T(x)))^2`` at real images (Zhang et al. 2020, "Consistency regularization for
    generative adversarial networks").

    T shifts an image by up to ``shift`` of its sides and flips it with the probability ``flip``;
    use 0 if flipping changes the content, as for digits.
    """
    return _augmented_change(context, context.key, context.real, context.real_critique, shift, flip)


@memoryless
def bcr(context: Context, *, shift: float = 0.125, flip: float = 0.5):
    """The sum of `cr` at real and at generated images: balanced (Zhao et al. 2021, "Improved
    consistency regularization for GANs").
    """
    keys = jax.random.split(context.key)
    return _augmented_change(
        context, keys[0], context.real, context.real_critique, shift, flip
    ) + _augmented_change(context, keys[1], context.fake, context.fake_critique, shift, flip)


@memoryless
def zcr(context: Context, *, noise: float = 0.05):
    """``(D(G(z)) - D(G(z + e)))^2`` with ``e`` from N(0, noise^2): latent consistency, D's part
    (Zhao et al. 2021).
    """
    moved = _moved_fakes(context, noise)
    return jnp.square(
        context.fake_critique.score - context.discriminate(moved, context.fake.y).score
    )


@memoryless
def g_zcr(context: Context, *, noise: float = 0.05):
    """``-(G(z) - G(z + e))^2``, averaged over pixels, with ``e`` from N(0, noise^2): latent
    consistency, G's part (Zhao et al. 2021).

    It is negative, to reward G for samples that differ.
    """
    squares = jax.tree.map(
        lambda a, b: jnp.mean(jnp.square(a - b), axis=range(1, a.ndim)),
        context.fake.x,
        _moved_fakes(context, noise),
    )
    return -functools.reduce(operator.add, jax.tree.leaves(squares))


def _augmented_change(
    context: Context, key: Array, batch: Batch | Fake, critique: Critique, shift: float, flip: float
):
    within("shift", shift, "[0, 0.5]")
    within("flip", flip, "[0, 1]")
    if not isinstance(context.modality, Images):
        raise ConfigError(
            f"cr and bcr shift and mirror images and do not apply to {context.modality.name}; use "
            "zcr instead."
        )
    shift_key, flip_key = jax.random.split(key)
    augmented = random_flip(flip_key, random_shift(shift_key, batch.x, shift), flip)
    return jnp.square(critique.score - context.discriminate(augmented, batch.y).score)


def _moved_fakes(context: Context, noise: float) -> PyTree:
    within("noise", noise, "[0, inf)")
    leaves, structure = jax.tree.flatten(context.latents)
    keys = [context.key] if len(leaves) == 1 else jax.random.split(context.key, len(leaves))
    moved = [
        z + noise * batch_axis.draw(jax.random.normal, key, z.shape, z.dtype)
        for z, key in zip(leaves, keys, strict=True)
    ]
    return context.generate(structure.unflatten(moved), context.fake.y).x
