"""One GAN as a frozen value, and its first state."""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.config import ConfigError
from gan_jax.types import Batch, GanState, Loss, Player, Term, TermState


@dataclasses.dataclass(frozen=True)
class Gan:
    """Networks, objective and optimizers of one experiment: hashable, hence a static argument of the jitted functions.

    Attributes:
      generator: module ``(latents [b, n], y [b], *, train) -> x [b, *shape]`` in [-1, 1].
      discriminator: module ``(x, y, *, train) -> Critique``.
      loss: the objective of both players.
      g_optimizer, d_optimizer: optax transformations.
      shape: of one example, ``(h, w, c)``.
      latents: length of the latent vector.
      num_classes: of the labels that condition the GAN; 0 for an unconditional one.
      d_terms, g_terms: weighted regularizers of either player.
      joint: real and fake go through D as one batch, so that normalization over the batch sees both.
      ema: half-life of the generator's moving average, in images; 0 keeps none.
      micro_batches: parts that a minibatch is differentiated in, one after the other; their gradients are averaged.
    """

    generator: nn.Module
    discriminator: nn.Module
    loss: Loss
    g_optimizer: optax.GradientTransformation
    d_optimizer: optax.GradientTransformation
    shape: tuple[int, ...]
    latents: int
    num_classes: int = 0
    d_terms: tuple[Term, ...] = ()
    g_terms: tuple[Term, ...] = ()
    joint: bool = False
    ema: float = 10_000.0
    micro_batches: int = 1


def init_state(gan: Gan, key: jax.Array, batch: Batch) -> GanState:
    """The state before the first step: weights, optimizer states, statistics, memories.

    Args:
      gan: the value to train.
      key: determines the initial weights and, with the step number, all that is random later.
      batch: any batch as `train_step` will get it; only its shape is looked at.

    Raises:
      ConfigError: if the batch does not hold examples of the GAN's shape.
    """
    shape = tuple(batch.x.shape[2:])
    if shape != gan.shape:
        raise ConfigError(
            f"batch.x: shape {tuple(batch.x.shape)} is not [d_steps, b, {', '.join(map(str, gan.shape))}]."
        )
    return _init_state(gan, key)


@functools.partial(jax.jit, static_argnames="gan")
def _init_state(gan: Gan, key: jax.Array) -> GanState:
    g_key, d_key, run_key = (jax.random.fold_in(key, i) for i in range(3))
    latents, x, y = jnp.zeros((2, gan.latents)), jnp.zeros((2, *gan.shape)), jnp.zeros(2, jnp.int32)
    generator = _player(gan.generator.init(g_key, latents, y, train=False), gan.g_optimizer)
    discriminator = _player(gan.discriminator.init(d_key, x, y, train=False), gan.d_optimizer)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        key=run_key,
        generator=generator,
        discriminator=discriminator,
        ema={"params": generator.params, **generator.stats} if gan.ema else None,
        terms={
            "d": {t.name: _term_state(t) for t in gan.d_terms},
            "g": {t.name: _term_state(t) for t in gan.g_terms},
        },
    )


def _player(variables, optimizer: optax.GradientTransformation) -> Player:
    params = variables["params"]
    return Player(params, {k: v for k, v in variables.items() if k != "params"}, optimizer.init(params))


def _term_state(term: Term) -> TermState:
    return TermState(term.regularizer.init(), jnp.zeros(()))
