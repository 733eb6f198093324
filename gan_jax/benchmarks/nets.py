"""The GANs that are measured, by name: unconditional, no penalty, no moving average, one update of
either player a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from gan_jax.engine.gan import Gan
from gan_jax.models import dcgan, mlp, sngan
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.losses import LOSSES


def dcgan32(dtype: Any) -> Gan:
    """DCGAN for 32x32x1: 128 -> 4x4x256 -> 128 -> 64 -> 1, and 1 -> 64 -> 128 -> 256 -> 1."""
    shape = (32, 32, 1)
    return Gan(
        generator=dcgan.Generator(shape, dtype=dtype),
        discriminator=dcgan.Discriminator(UnconditionalHead(), dtype=dtype),
        loss=LOSSES["nonsaturating"],
        g_optimizer=optax.adam(2e-4, b1=0.5, b2=0.999),
        d_optimizer=optax.adam(2e-4, b1=0.5, b2=0.999),
        shape=shape,
        latents=128,
        ema=0.0,
    )


def sngan32(dtype: Any) -> Gan:
    """SNGAN for 32x32x3 (Miyato et al. 2018, table 4): three up blocks of 256, four blocks of 128."""
    shape = (32, 32, 3)
    return Gan(
        generator=sngan.Generator(shape, dtype=dtype),
        discriminator=sngan.Discriminator(UnconditionalHead(), dtype=dtype),
        loss=LOSSES["hinge"],
        g_optimizer=optax.adam(2e-4, b1=0.0, b2=0.9),
        d_optimizer=optax.adam(2e-4, b1=0.0, b2=0.9),
        shape=shape,
        latents=128,
        ema=0.0,
    )


def mlp28(dtype: Any) -> Gan:
    """Dense layers for 28x28x1: 100 -> 128 -> 128 -> 784, and 784 -> 128 -> 128 -> 1."""
    shape = (28, 28, 1)
    return Gan(
        generator=mlp.Generator(shape, dtype=dtype),
        discriminator=mlp.Discriminator(UnconditionalHead(), dtype=dtype),
        loss=LOSSES["nonsaturating"],
        g_optimizer=optax.adam(2e-4, b1=0.5, b2=0.999),
        d_optimizer=optax.adam(2e-4, b1=0.5, b2=0.999),
        shape=shape,
        latents=100,
        ema=0.0,
    )


NETS: dict[str, Callable[[Any], Gan]] = {"dcgan32": dcgan32, "sngan32": sngan32, "mlp28": mlp28}
