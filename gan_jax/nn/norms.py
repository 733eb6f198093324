"""Normalizations as modules ``(x, *, train) -> x``, chosen by a network's field ``norm``.

``dtype`` is the dtype of the output; parameters and statistics are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.nn.broadcast import broadcast
from gan_jax.nn.spectral import spectral_norm

MOMENTUM = 0.9
"""Share that the running averages of batch normalization keep at each update."""


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
            momentum=MOMENTUM,
            axis_name=batch_axis.name(),
            dtype=self.dtype,
            scale_init=lambda key, shape, dtype: 1 + 0.02 * jax.random.normal(key, shape, dtype),
        )(x)


class ConditionalBatchNorm(nn.Module):
    """Batch normalization whose gain and bias are linear in a condition: ``1 + W c`` and ``V c``.

    De Vries et al. 2017, "Modulating early visual processing by language"; for a one-hot ``c``, a
    row of a table for each class. Without a condition they are parameters, which start at 1 and 0.

    Call: ``x [b, ..., f]``, and ``condition [b, n]`` or none.

    Attributes:
      spectral: normalize ``W`` and ``V``.
      kernel_init: of ``W`` and ``V``.
    """

    spectral: bool = False
    kernel_init: Callable = nn.initializers.zeros
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, condition: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        plain = condition is None
        x = nn.BatchNorm(
            use_running_average=not train, momentum=MOMENTUM, axis_name=batch_axis.name(),
            use_scale=plain, use_bias=plain, dtype=self.dtype,
        )(x)  # fmt: skip
        if plain:
            return x

        def of_condition(name: str) -> jax.Array:
            layer = nn.Dense(x.shape[-1], use_bias=False, kernel_init=self.kernel_init, name=name)
            numbers = spectral_norm(self.spectral)(layer)(condition)
            numbers = numbers.reshape(x.shape[0], *(1,) * (x.ndim - 2), -1)
            return broadcast(numbers, x.shape, self.dtype)

        return x * (1 + of_condition("gain")) + of_condition("bias")


class BiasOnly(nn.Module):
    """No normalization: only the bias per channel that every normalization ends with."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],)).reshape(
            (1,) * (x.ndim - 1) + (-1,)
        )
        return (x + bias).astype(self.dtype)


class Identity(nn.Module):
    """No normalization and no parameters, for layers that have a bias of their own."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return x.astype(self.dtype)


class InstanceNorm(nn.Module):
    """Instance normalization (Ulyanov et al. 2016) over the places of each map, without gain and
    bias; the same in training and sampling.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return nn.InstanceNorm(epsilon=1e-5, use_bias=False, use_scale=False, dtype=self.dtype)(x)


NORMS = {"batch": BatchNorm, "none": BiasOnly}
PLAIN_NORMS = NORMS | {"instance": InstanceNorm}
"""Also those without a bias, for layers that have their own."""
