"""Penalties on the gradient of D by its input."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.regularizers.memoryless import memoryless
from gan_jax.types import Array, Batch, DContext


def squared_gradient_norm(discriminate, batch: Batch) -> Array:
    """``|dD/dx|^2`` of each example, ``[b]``; examples do not interact unless D normalizes over the batch."""
    gradient = jax.grad(lambda x: discriminate(x, batch.y).score.sum())(batch.x)
    return jnp.sum(jnp.square(gradient), axis=range(1, gradient.ndim))


@memoryless
def r1(context: DContext):
    """Half the squared gradient of D at real images (Mescheder et al. 2018, equation 9, without its gamma)."""
    return 0.5 * squared_gradient_norm(context.discriminate, context.real)
