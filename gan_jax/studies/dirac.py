"""The Dirac-GAN (Mescheder et al. 2018, definition 2.1): data at 0, a generator that is a point, a
discriminator that is a slope.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.engine.gan import Gan
from gan_jax.types import Array, Batch, Critique, GanState, Gradients


class Generator(nn.Module):
    """``G(z) = theta``, whatever the latents: ``[b, 1]``."""

    @nn.compact
    def __call__(self, latents: Array, y: Array, *, train: bool) -> Array:
        theta = self.param("theta", nn.initializers.ones, (1,))
        return jnp.broadcast_to(theta[None], (len(y), 1))


class Discriminator(nn.Module):
    """``D(x) = psi x``, as logits."""

    @nn.compact
    def __call__(self, x: Array, y: Array, *, train: bool) -> Critique:
        psi = self.param("psi", nn.initializers.ones, (1,))
        return Critique(jnp.sum(psi[None] * x, axis=-1), features=x)


def dirac_gan(**parts: Any) -> Gan:
    """The GAN with the given loss, optimizers, terms and dynamics; without moving average."""
    return Gan(Generator(), Discriminator(), shape=(1,), latents=1, **({"ema": 0.0} | parts))


def batch(b: int = 1, d_steps: int = 1) -> Batch:
    """The data: ``b`` points at 0 for each update of D."""
    return Batch(jnp.zeros((d_steps, b, 1)), jnp.zeros((d_steps, b), jnp.int32))


def placed(state: GanState, theta: Array, psi: Array) -> GanState:
    """The state with other weights, each ``()``."""
    weights = Gradients({"theta": jnp.reshape(theta, (1,))}, {"psi": jnp.reshape(psi, (1,))})
    return state.replace(
        generator=state.generator.replace(params=weights.generator),
        discriminator=state.discriminator.replace(params=weights.discriminator),
        slow=None if state.slow is None else jax.tree.map(jnp.copy, weights),
    )


def place(state: GanState) -> Array:
    """``(theta, psi)`` as ``[..., 2]``, of one state or of many."""
    return jnp.concatenate(
        [state.generator.params["theta"], state.discriminator.params["psi"]], axis=-1
    )
