"""The methods that the study of oracles compares, as GANs built from objects."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import optax

from gan_jax.config import Schedule
from gan_jax.engine.gan import Gan, Player
from gan_jax.modality import Text
from gan_jax.models import mlp, relgan, scratchgan, seqgan
from gan_jax.models.writing import ESTIMATORS
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import likelihood, reinforce, rollouts
from gan_jax.types import Loss, Regularizer, Scalar, Term

BATCH = 64


@dataclasses.dataclass(frozen=True)
class Method:
    """A method of training a generator.

    Attributes:
      title: for the table, with its source.
      generator: ``(length, words) -> module``.
      discriminator: its D; None: no game, maximum likelihood alone.
      loss: of the game.
      term: how G learns from D; None: from the loss.
      rates: learning rates of G and D in the game.
      d_steps: updates of D for each of G.
      pretrained: makes the generator that maximum likelihood trains first, or alone; its weights
        are those of ``generator``. None: the game begins with new weights.
      temperatures: at which its texts are drawn, each a row of the table.
    """

    title: str
    generator: Callable[..., nn.Module]
    discriminator: nn.Module | None = None
    loss: str = "nonsaturating"
    term: Callable[[], Regularizer] | None = None
    rates: tuple[float, float] = (1e-3, 1e-3)
    d_steps: int = 1
    pretrained: Callable[..., nn.Module] | None = None
    temperatures: tuple[float, ...] = (1.0,)

    def game(self, shape: tuple[int, int], steps: int) -> Gan:
        """The GAN of a method that has a D. ``steps``: the length of schedules."""
        softness = Schedule(1.0, 0.1, steps)
        terms = () if self.term is None else (Term("reward", self.term(), 1.0),)
        g, loss = self.generator(shape), LOSSES[self.loss]
        return _gan(g, self.discriminator, loss, terms, self.rates, softness)


def by_likelihood(generator: nn.Module) -> Gan:
    """Maximum likelihood of a generator; D is a small network that does not learn."""
    still = mlp.Discriminator(UnconditionalHead(), width=1, depth=1)
    terms = (Term("likelihood", likelihood(), 1.0),)
    return _gan(generator, still, LOSSES["none"], terms, (5e-3, 1e-3), 1.0)


def _gan(
    g: nn.Module,
    d: nn.Module,
    loss: Loss,
    terms: tuple[Term, ...],
    rates: tuple[float, float],
    softness: Scalar,
) -> Gan:
    numbers = {"temperature": 1.0, "softness": softness}
    return Gan(
        Player(g, _adam(rates[0]), terms, numbers=numbers), Player(d, _adam(rates[1])),
        loss, Normal(2), Text(g.shape),
    )  # fmt: skip


@functools.cache  # equal GANs share compiled programs
def _adam(rate: float) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(5.0), optax.adam(rate, b1=0.5))


def _lstm(shape: tuple[int, int], **options: Any) -> nn.Module:
    """The generator of SeqGAN; all words are words here, also token 0."""
    return seqgan.Generator(shape, ends=False, **options)


def _relational(shape: tuple[int, int]) -> nn.Module:
    return relgan.Generator(shape, ends=False, size=32)


METHODS = {
    "mle": Method(
        "maximum likelihood, LSTM of 32", _lstm, pretrained=_lstm, temperatures=(1.0, 0.8, 0.6)
    ),
    "seqgan": Method(
        "SeqGAN (Yu et al. 2017)",
        _lstm,
        seqgan.Discriminator(UnconditionalHead(), share=0.1),
        term=lambda: rollouts(n=4),
        rates=(1e-3, 1e-3),
        d_steps=5,
        pretrained=_lstm,
    ),
    "scratchgan": Method(
        "ScratchGAN (de Masson d'Autume et al. 2019)",
        _lstm,
        scratchgan.Discriminator(UnconditionalHead(), width=64, dropout=0.1),
        term=lambda: reinforce(discount=0.23, decay=0.08),
        rates=(1e-3, 3e-3),
    ),
    "reinforce": Method(
        "ScratchGAN's networks after maximum likelihood",
        _lstm,
        scratchgan.Discriminator(UnconditionalHead(), width=64, dropout=0.1),
        term=lambda: reinforce(discount=0.23, decay=0.08),
        rates=(2e-4, 3e-3),
        pretrained=_lstm,
    ),
    "relgan": Method(
        "RelGAN (Nie et al. 2019)",
        _relational,
        relgan.Discriminator(UnconditionalHead(), representations=16, filters=32, width=32),
        loss="relativistic",
        rates=(1e-4, 1e-4),
        d_steps=5,
        pretrained=_relational,
    ),
    "straight_through": Method(
        "straight-through Gumbel-softmax after maximum likelihood",
        lambda shape: _lstm(shape, estimator=ESTIMATORS["straight_through"]),
        scratchgan.Discriminator(UnconditionalHead(), width=64, dropout=0.1),
        rates=(2e-4, 3e-3),
        pretrained=_lstm,
    ),
}
"""By name; settings are smaller than the papers', for one core."""
