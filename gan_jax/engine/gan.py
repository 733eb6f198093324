"""One GAN as a frozen value, and its first state."""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.engine import scalars
from gan_jax.errors import ConfigError
from gan_jax.types import (
    Augment,
    Batch,
    Dynamics,
    GanState,
    Gradients,
    Loss,
    Player,
    PyTree,
    Scalar,
    Term,
    TermState,
    Tunable,
    scalar,
)


@dataclasses.dataclass(frozen=True)
class Gan:
    """Networks, objective and optimizers of one experiment: hashable, hence a static argument of
    the jitted functions.

    Its scalars (weights, strengths, numbers of the optimizers, half-lives) are only what a state
    begins with: they are data of the compiled step, and GANs that differ in nothing else are equal.

    Attributes:
      generator: module ``(latents [b, n], y [b], *, train) -> x [b, *shape]`` in [-1, 1].
      discriminator: module ``(x, y, *, train) -> Critique``.
      loss: the objective of both players.
      g_optimizer, d_optimizer: optax transformations, or `Tunable` ones, whose numbers are scalars.
      shape: of one example, ``(h, w, c)``.
      latents: length of the latent vector.
      num_classes: of the labels that condition the GAN; 0 for an unconditional one.
      d_terms, g_terms: weighted regularizers of either player.
      joint: real and fake go through D as one batch, so that normalization over the batch sees
        both.
      ema: half-life of the generator's moving average, in images; 0 keeps none. Scalar.
      d_ema: the same of the discriminator's.
      g_loss_weight: of the loss in G's objective, beside its regularizers; None is 1. Scalar.
      micro_batches: parts that a minibatch is differentiated in, one after the other; their
        gradients are averaged.
      dynamics: how both players move at once; None: D, then G.
      augments: random changes of all that D sees.
      clip: bound on the weights of D; None sets none. Scalar.
      top_k: share of its samples, those with the highest scores, from which G learns; None is all.
        Scalar.
      lookahead: steps after which both players return part of the way; 0: never.
      lookahead_rate: the part that is kept. Scalar.
    """

    generator: nn.Module
    discriminator: nn.Module
    loss: Loss
    g_optimizer: optax.GradientTransformation | Tunable
    d_optimizer: optax.GradientTransformation | Tunable
    shape: tuple[int, ...]
    latents: int
    num_classes: int = 0
    d_terms: tuple[Term, ...] = ()
    g_terms: tuple[Term, ...] = ()
    joint: bool = False
    ema: Scalar = scalar(10_000.0)
    micro_batches: int = 1
    dynamics: Dynamics | None = None
    augments: tuple[Augment, ...] = ()
    clip: Scalar | None = scalar(None)
    top_k: Scalar | None = scalar(None)
    lookahead: int = 0
    lookahead_rate: Scalar = scalar(0.5)
    d_ema: Scalar = scalar(0.0)
    g_loss_weight: Scalar | None = scalar(None)

    @property
    def scalars(self) -> PyTree:
        """All scalars by name, those of the parts in dicts of their own; what is not set is not
        there.
        """
        numbers = lambda optimizer: (
            dict(optimizer.numbers) if isinstance(optimizer, Tunable) else {}
        )
        weights = lambda terms: {term.name: term.weight for term in terms}
        own = {
            "ema": self.ema,
            "clip": self.clip,
            "top_k": self.top_k,
            "g_loss_weight": self.g_loss_weight,
        }
        own["d_ema"] = None if self.d_ema == 0 else self.d_ema
        return {
            "g_optimizer": numbers(self.g_optimizer),
            "d_optimizer": numbers(self.d_optimizer),
            "d_terms": weights(self.d_terms),
            "g_terms": weights(self.g_terms),
            "augments": {augment.name: augment.strength for augment in self.augments},
            "dynamics": dict(self.dynamics.numbers) if self.dynamics else {},
            **{name: value for name, value in own.items() if value is not None},
            **({"lookahead_rate": self.lookahead_rate} if self.lookahead else {}),
        }


def transformation(
    optimizer: optax.GradientTransformation | Tunable, numbers: dict[str, jax.Array]
) -> optax.GradientTransformation:
    """The optax transformation with its numbers of the moment."""
    return optimizer.make(**numbers) if isinstance(optimizer, Tunable) else optimizer


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
    return first_state(gan, key, scalars.encode(gan.scalars), gan.ema != 0)


@functools.partial(jax.jit, static_argnames=("gan", "ema"))
def first_state(gan: Gan, key: jax.Array, numbers: PyTree, ema: bool) -> GanState:
    """`init_state` with the GAN's scalars as data, and whether a moving average is kept."""
    g_key, d_key, run_key = (jax.random.fold_in(key, i) for i in range(3))
    latents, x, y = jnp.zeros((2, gan.latents)), jnp.zeros((2, *gan.shape)), jnp.zeros(2, jnp.int32)
    now = scalars.values(numbers, jnp.zeros((), jnp.int32))

    def player(
        module: nn.Module, optimizer: optax.GradientTransformation | Tunable, name: str, *inputs
    ) -> Player:
        variables = module.init(*inputs, train=False)
        params = variables["params"]
        stats = {k: v for k, v in variables.items() if k != "params"}
        return Player(params, stats, transformation(optimizer, now[name]).init(params))

    generator = player(gan.generator, gan.g_optimizer, "g_optimizer", g_key, latents, y)
    discriminator = player(gan.discriminator, gan.d_optimizer, "d_optimizer", d_key, x, y)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        key=run_key,
        generator=generator,
        discriminator=discriminator,
        ema={"params": generator.params, **generator.stats} if ema else None,
        d_ema={"params": discriminator.params, **discriminator.stats}
        if "d_ema" in numbers
        else None,
        terms={
            "d": {t.name: _term_state(t) for t in gan.d_terms},
            "g": {t.name: _term_state(t) for t in gan.g_terms},
        },
        scalars=numbers,
        slow=Gradients(generator.params, discriminator.params) if gan.lookahead else None,
    )


def _term_state(term: Term) -> TermState:
    return TermState(term.regularizer.init(), jnp.zeros(()))
