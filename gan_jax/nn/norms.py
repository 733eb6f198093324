"""Normalizations as modules ``(x, *, train) -> x``, chosen by a network's field ``norm``.

``dtype`` is the dtype of the output; parameters and statistics are float32.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis


class BatchNorm(nn.Module):
    """Batch normalization (Ioffe & Szegedy 2015) over all axes but the last.

    The scale starts at N(1, 0.02), as in DCGAN (Radford et al. 2016). The statistics
    cover the whole batch, also on several devices.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            axis_name=batch_axis.name(),
            dtype=self.dtype,
            scale_init=lambda key, shape, dtype: 1 + 0.02 * jax.random.normal(key, shape, dtype),
        )(x)


class BiasOnly(nn.Module):
    """No normalization: only the bias per channel that every normalization ends with."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],)).reshape(
            (1,) * (x.ndim - 1) + (-1,)
        )
        return (x + bias).astype(self.dtype)


NORMS = {"batch": BatchNorm, "none": BiasOnly}
