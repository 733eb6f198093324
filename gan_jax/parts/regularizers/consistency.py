"""Consistency: changes that preserve the content of an example should not change its score."""

from __future__ import annotations

import functools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, within
from gan_jax.modality import Images
from gan_jax.parts.augment import random_cutout, random_flip, random_shift
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Batch, Context, Critique, Fake, PyTree, held


@memoryless
def cr(context: Context, *, shift: float = 0.125, flip: float = 0.5, cutout: float = 0.0):
    """``(D(x) - D(T(x)))^2`` at real images (Zhang et al. 2020, "Consistency regularization for
    generative adversarial networks").

    T shifts an image by up to ``shift`` of its sides and flips it with the probability ``flip``;
    use 0 if flipping changes the content, as for digits. It then makes a square grey whose sides
    are ``cutout`` of those of the image. Zhao et al. 2020, "Differentiable augmentation for
    data-efficient GAN training", compare with ``cr:10:shift=0:flip=0:cutout=0.5``.
    """
    change = _Change(shift, flip, cutout)
    return _augmented_change(context, context.key, context.real, context.real_critique, change)


@memoryless
def bcr(context: Context, *, shift: float = 0.125, flip: float = 0.5, cutout: float = 0.0):
    """The sum of `cr` at real and at generated images: balanced (Zhao et al. 2021, "Improved
    consistency regularization for GANs").
    """
    keys, change = jax.random.split(context.key), _Change(shift, flip, cutout)
    return _augmented_change(
        context, keys[0], context.real, context.real_critique, change
    ) + _augmented_change(context, keys[1], context.fake, context.fake_critique, change)


@memoryless
def zcr(context: Context, *, noise: float = 0.05):
    """``(D(G(z)) - D(G(z + e)))^2`` with ``e`` from N(0, noise^2): latent consistency, D's part
    (Zhao et al. 2021). Categorical codes of the latents do not change.
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


class _Change(NamedTuple):
    """The numbers of T, see `cr`."""

    shift: float
    flip: float
    cutout: float

    def __call__(self, key: Array, x: Array) -> Array:
        within("shift", self.shift, "[0, 0.5]")
        within("flip", self.flip, "[0, 1]")
        within("cutout", self.cutout, "[0, 1]")
        shift_key, flip_key = jax.random.split(key)
        x = random_flip(flip_key, random_shift(shift_key, x, self.shift), self.flip)
        cut_keys = jax.random.split(jax.random.fold_in(key, 2))
        return random_cutout(cut_keys, x, self.cutout) if self.cutout else x


def _augmented_change(
    context: Context, key: Array, batch: Batch | Fake, critique: Critique, change: _Change
):
    if not isinstance(context.modality, Images) or not context.modality.mirrors:
        raise ConfigError(
            f"cr and bcr shift and mirror images and do not apply to {context.modality.name}; use "
            "zcr instead."
        )
    changed = change(key, batch.x)
    return jnp.square(critique.score - context.discriminate(changed, batch.y).score)


def _moved_fakes(context: Context, noise: float) -> PyTree:
    within("noise", noise, "[0, inf)")
    leaves, structure = jax.tree.flatten(context.latents)
    keys = [context.key] if len(leaves) == 1 else jax.random.split(context.key, len(leaves))
    moved = [
        z + noise * batch_axis.draw(jax.random.normal, key, z.shape, z.dtype)
        for z, key in zip(leaves, keys, strict=True)
    ]
    latents = held(context.prior, structure.unflatten(moved), context.latents)
    return context.generate(latents, context.fake.y).x
