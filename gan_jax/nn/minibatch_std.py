"""Minibatch standard deviation (Karras et al. 2018, "Progressive growing of GANs", section 3): D
sees how much the examples of a minibatch differ.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.nn.broadcast import broadcast


def minibatch_std(x: jax.Array, group: int, *, apart: bool = False) -> jax.Array:
    """Appends one channel that contains, for each group of examples, the mean over features of
    their standard deviation.

    Args:
      x: ``[b, ..., c]``.
      group: examples per group, which are neighbours in the batch; a smaller batch is one group.
        The paper uses the whole minibatch; the authors' code uses groups of 4, so that the
        statistic does not depend on the batch size.
      apart: the members of a group are equally spread over the batch, as in the authors' code,
        instead of neighbours.

    Returns:
      ``[b, ..., c + 1]`` of the dtype of ``x``; the statistic is computed in float32 (float64 for
      float64).

    Raises:
      ConfigError: for groups of fewer than 2, or a batch that is not divisible into them.
    """
    rows = batch_axis.whole(x)
    b = len(rows)
    size = min(group, b)
    if group < 2:
        raise ConfigError(f"minibatch_std needs groups of 2 or more examples, not {group}.")
    if b % size:
        raise ConfigError(f"minibatch_std {group} must divide the batch of {b} examples.")
    shape = (size, b // size, -1) if apart else (b // size, size, -1)
    groups = rows.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape(shape)
    # The constant keeps the derivative of the root finite if examples are equal.
    deviation = jnp.sqrt(groups.var(axis=0 if apart else 1) + 1e-8).mean(axis=-1)
    channel = jnp.tile(deviation, size) if apart else jnp.repeat(deviation, size)
    channel = batch_axis.own(channel).reshape(len(x), *(1,) * (x.ndim - 1))
    channel = broadcast(channel, (*x.shape[:-1], 1), x.dtype)
    return jnp.concatenate([x, channel], axis=-1)
