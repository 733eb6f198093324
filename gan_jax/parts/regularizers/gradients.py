"""Regularizers of the gradient of D with respect to its input."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import within
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, Critique, PyTree


def squared_gradient_norm(critique: Callable[[PyTree], Critique], x: PyTree) -> Array:
    """``|dD/dx|^2`` of each example, ``[b]``, over all leaves of ``x`` and all of its scores.

    Examples do not interact unless D normalizes over the batch.
    """
    gradient = jax.grad(lambda x: critique(x).score.sum())(x)
    squares = [jnp.sum(jnp.square(g), axis=range(1, g.ndim)) for g in jax.tree.leaves(gradient)]
    return functools.reduce(operator.add, squares)


def gradient_norm(critique: Callable[[PyTree], Critique], x: PyTree) -> Array:
    """``|dD/dx|`` of each example, ``[b]``; its derivative at zero is defined as zero."""
    squared = squared_gradient_norm(critique, x)
    flat = squared == 0
    return jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, squared)))


@memoryless
def r1(context: Context):
    """Half the squared gradient of D at real examples (Mescheder et al. 2018, equation 9, without
    its gamma), with the augmentation of the scores.
    """
    return 0.5 * squared_gradient_norm(context.see_real, context.real.x)


@memoryless
def r2(context: Context):
    """Half the squared gradient of D at generated examples (Mescheder et al. 2018, equation 10,
    without its gamma), with the augmentation of the scores.
    """
    return 0.5 * squared_gradient_norm(context.see_fake, context.fake.x)


@memoryless
def gp(context: Context, *, target: float = 1.0):
    """``(|dD/dx| - target)^2`` at points between a real and a generated example: WGAN-GP (Gulrajani
    et al. 2017, equation 3).
    """
    within("target", target, "[0, inf)")
    return jnp.square(gradient_norm(*_between(context)) - target)


@memoryless
def gp_one_sided(context: Context, *, target: float = 1.0):
    """As `gp`, but penalizes only norms above the target: WGAN-LP (Petzka et al. 2018, "On the
    regularization of Wasserstein GANs").
    """
    within("target", target, "[0, inf)")
    return jnp.square(jax.nn.relu(gradient_norm(*_between(context)) - target))


@memoryless
def zero_centred(context: Context):
    """``|dD/dx|^2`` at points between a real and a generated example: 0-GP; `gp` with target 0.

    Thanh-Tung et al. 2019, "Improving generalization and stability of generative adversarial
    networks".
    """
    return squared_gradient_norm(*_between(context))


@memoryless
def max_gp(context: Context):
    """The largest ``|dD/dx|^2`` at points between real and generated examples, the same for each
    example of the minibatch.

    A lower estimate of the squared Lipschitz constant (Zhou et al. 2019, "Lipschitz
    generative adversarial nets").
    """
    squared = squared_gradient_norm(*_between(context))
    return jnp.broadcast_to(batch_axis.whole(squared).max(), squared.shape)


@memoryless
def dragan(context: Context, *, target: float = 1.0, noise: float = 0.5):
    """``(|dD/dx| - target)^2`` at real examples plus noise from N(0, noise^2); images are in [-1,
    1].

    Kodali et al. 2017, "On convergence and stability of GANs".
    """
    within("target", target, "[0, inf)")
    within("noise", noise, "[0, inf)")
    leaves, structure = jax.tree.flatten(context.real.x)
    keys = [context.key] if len(leaves) == 1 else jax.random.split(context.key, len(leaves))
    around = structure.unflatten(
        x + noise * batch_axis.draw(jax.random.normal, key, x.shape, x.dtype)
        for x, key in zip(leaves, keys, strict=True)
    )
    return jnp.square(gradient_norm(_at_real_labels(context), around) - target)


def _between(context: Context) -> tuple[Callable[[PyTree], Critique], PyTree]:
    """D with the real labels, and for each real example a point drawn uniformly between it and the
    generated example at the same position.
    """
    b = len(context.real_critique.score)
    share = batch_axis.draw(jax.random.uniform, context.key, (b,))
    mix = lambda real, fake: fake + _per_example(share, real) * (real - fake)
    return _at_real_labels(context), jax.tree.map(mix, context.real.x, context.fake.x)


def _per_example(numbers: Array, x: Array) -> Array:
    """``[b]`` as ``[b, 1, ...]`` with the rank and dtype of ``x``."""
    return numbers.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _at_real_labels(context: Context) -> Callable[[PyTree], Critique]:
    return lambda x: context.discriminate(x, context.real.y)
