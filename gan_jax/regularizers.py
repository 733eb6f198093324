"""Penalties on the players, each a pair of pure functions (see `gan_jax.types.Regularizer`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from gan_jax.types import Array, Batch, DContext, GContext, Regularizer


def _no_memory():
    return ()


def _squared_gradient_norm(discriminate, batch: Batch) -> Array:
    """``|dD/dx|^2`` of each example, ``[b]``; examples do not interact unless D normalizes over the batch."""
    gradient = jax.grad(lambda x: discriminate(x, batch.y).score.sum())(batch.x)
    return jnp.sum(jnp.square(gradient), axis=range(1, gradient.ndim))


def _r1(memory, context: DContext):
    return 0.5 * _squared_gradient_norm(context.discriminate, context.real), memory


r1 = Regularizer(_no_memory, _r1)
"""Half the squared gradient of D at real images (Mescheder et al. 2018, equation 9, without its gamma)."""


def _d_classes(memory, context: DContext):
    return _class_loss(context.real_critique, context.real) + _class_loss(context.fake_critique, context.fake), memory


def _g_classes(memory, context: GContext):
    return _class_loss(context.fake_critique, context.fake), memory


def _class_loss(critique, batch):
    return optax.softmax_cross_entropy_with_integer_labels(critique.class_logits, batch.y)


d_classes = Regularizer(_no_memory, _d_classes)
"""Cross entropy of D's class logits on real and on generated images: -L_C of Odena et al. 2017, equation 3."""

g_classes = Regularizer(_no_memory, _g_classes)
"""Cross entropy of D's class logits on generated images, the part of -L_C that G can change."""

REGULARIZERS = {"r1": r1}
