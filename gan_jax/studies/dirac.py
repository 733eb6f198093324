"""The Dirac-GAN (Mescheder et al. 2018, definition 2.1): data at 0, a generator that is a point, a
discriminator that is a slope.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.engine.gan import Gan, Player
from gan_jax.modality import Vectors
from gan_jax.parts.priors import Normal
from gan_jax.types import Array, Batch, Critique, GanState, Loss, Pair


class Generator(nn.Module):
    """``G(z) = theta`` for all latents: ``[b, 1]``."""

    @nn.compact
    def __call__(self, latents: Array, y: Array, *, train: bool) -> Array:
        theta = self.param("theta", nn.initializers.ones, (1,))
        return jnp.broadcast_to(theta[None], (len(y), 1))


class Discriminator(nn.Module):
    """``D(x) = psi x``, as logits."""

    @nn.compact
    def __call__(self, x: Array, y: Array, *, train: bool) -> Critique:
        psi = self.param("psi", nn.initializers.ones, (1,))
        return Critique(jnp.sum(psi[None] * x, axis=-1), {"features": x})


def players(gan: Gan) -> Gan:
    """A copy of the GAN with the networks of the Dirac-GAN."""
    return dataclasses.replace(
        gan,
        generator=dataclasses.replace(gan.generator, network=Generator()),
        discriminator=dataclasses.replace(gan.discriminator, network=Discriminator()),
    )


def dirac_gan(
    loss: Loss,
    optimizers: Pair,
    d: dict[str, Any] | None = None,
    **parts: Any,
) -> Gan:
    """The GAN with a loss, both optimizers, and other fields of D's player and of the `Gan`."""
    generator = Player(Generator(), optimizers.generator)
    discriminator = Player(Discriminator(), optimizers.discriminator, **(d or {}))
    return Gan(generator, discriminator, loss, Normal(1), Vectors((1,)), **parts)


def batch(b: int = 1, d_steps: int = 1) -> Batch:
    """The data: ``b`` points at 0 for each D step."""
    return Batch(jnp.zeros((d_steps, b, 1)), jnp.zeros((d_steps, b), jnp.int32))


def placed(state: GanState, theta: Array, psi: Array) -> GanState:
    """The state with other weights, each ``()``."""
    weights = {"theta": jnp.reshape(theta, (1,))}, {"psi": jnp.reshape(psi, (1,))}
    copy = lambda own, slow: None if slow is None else jax.tree.map(jnp.copy, own)
    generator, discriminator = (
        player.replace(params=own, slow=copy(own, player.slow))
        for player, own in zip(state.players, weights, strict=True)
    )
    return state.replace(generator=generator, discriminator=discriminator)


def place(state: GanState) -> Array:
    """``(theta, psi)`` as ``[..., 2]``, of one or more states."""
    return jnp.concatenate(
        [state.generator.params["theta"], state.discriminator.params["psi"]], axis=-1
    )
