"""Penalties on the gradient of D by its input: how steep the landscape may be that G climbs, and
where.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.parts.regularizers.making import memoryless, within
from gan_jax.types import Array, Batch, DContext


def squared_gradient_norm(discriminate, batch: Batch) -> Array:
    """``|dD/dx|^2`` of each example, ``[b]``; examples do not interact unless D normalizes over the
    batch.
    """
    gradient = jax.grad(lambda x: discriminate(x, batch.y).score.sum())(batch.x)
    return jnp.sum(jnp.square(gradient), axis=range(1, gradient.ndim))


def gradient_norm(discriminate, batch: Batch) -> Array:
    """``|dD/dx|`` of each example, ``[b]``; where it is zero, its own derivative is taken to be
    zero too.
    """
    squared = squared_gradient_norm(discriminate, batch)
    flat = squared == 0
    return jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, squared)))


@memoryless
def r1(context: DContext):
    """Half the squared gradient of D at real examples (Mescheder et al. 2018, equation 9, without
    its gamma).
    """
    return 0.5 * squared_gradient_norm(context.discriminate, context.real)


@memoryless
def r2(context: DContext):
    """Half the squared gradient of D at generated examples (Mescheder et al. 2018, equation 10,
    without its gamma).
    """
    return 0.5 * squared_gradient_norm(context.discriminate, context.fake)


@memoryless
def gp(context: DContext, *, target: float = 1.0):
    """``(|dD/dx| - target)^2`` at points between a real and a generated example: WGAN-GP (Gulrajani
    et al. 2017, equation 3).
    """
    within("target", target, 0)
    return jnp.square(gradient_norm(context.discriminate, _between(context)) - target)


@memoryless
def gp_one_sided(context: DContext, *, target: float = 1.0):
    """As `gp`, but only gradients above the target cost: WGAN-LP (Petzka et al. 2018, "On the
    regularization of Wasserstein GANs").
    """
    within("target", target, 0)
    return jnp.square(jax.nn.relu(gradient_norm(context.discriminate, _between(context)) - target))


@memoryless
def zero_centred(context: DContext):
    """``|dD/dx|^2`` at points between a real and a generated example: 0-GP; `gp` with target 0,
    without a root.

    Thanh-Tung et al. 2019, "Improving generalization and stability of generative adversarial
    networks".
    """
    return squared_gradient_norm(context.discriminate, _between(context))


@memoryless
def max_gp(context: DContext):
    """The largest ``|dD/dx|^2`` at points between real and generated examples, the same for each
    example of the minibatch.

    An estimate from below of the squared Lipschitz constant (Zhou et al. 2019, "Lipschitz
    generative adversarial nets").
    """
    squared = squared_gradient_norm(context.discriminate, _between(context))
    return jnp.broadcast_to(squared.max(), squared.shape)


@memoryless
def dragan(context: DContext, *, target: float = 1.0, noise: float = 0.5):
    """``(|dD/dx| - target)^2`` around real examples, which are moved by N(0, noise^2); images span
    [-1, 1].

    Kodali et al. 2017, "On convergence and stability of GANs".
    """
    within("target", target, 0)
    within("noise", noise, 0)
    x = context.real.x
    around = Batch(x + noise * jax.random.normal(context.key, x.shape, x.dtype), context.real.y)
    return jnp.square(gradient_norm(context.discriminate, around) - target)


def _between(context: DContext) -> Batch:
    """A point for each real example, uniform on the way to the generated one of its place, which
    has the same label.
    """
    real, fake = context.real.x, context.fake.x
    share = jax.random.uniform(context.key, (real.shape[0], *(1,) * (real.ndim - 1)), real.dtype)
    return Batch(fake + share * (real - fake), context.real.y)
