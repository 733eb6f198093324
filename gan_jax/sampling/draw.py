"""Many samples of a trained GAN as images, with or without a filter on what is kept."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from gan_jax import pictures
from gan_jax.engine.gan import Gan
from gan_jax.engine.train_step import generate
from gan_jax.errors import ConfigError
from gan_jax.metrics.streaming import stream
from gan_jax.modality import to_float
from gan_jax.sampling import rejection
from gan_jax.types import Array, GanState

BLOCK = 500
"""Images generated at once."""
PATIENCE = 200
"""Draws for an image that is kept, on the average, after which a filter is taken for too strict."""
FIRST_DRAW = 4_000
"""Samples, and at most as many real images, that the rule of rejection is made from."""

Accept = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""Which of images ``[b, h, w, c]`` uint8 with labels ``[b]`` to keep, bool ``[b]``."""


@dataclasses.dataclass(frozen=True)
class Filters:
    """Which samples are drawn and kept; the default is all of them."""

    truncation: float | None = None
    """Latents are drawn from N(0, 1) within [-PSI, PSI], which costs variety for quality (Brock et
    al. 2019, section 3.1).
    """
    min_confidence: float | None = None
    """Keep samples to whose label a recognizer of real images gives at least this probability."""
    rejection: float | None = None
    """Keep samples by discriminator rejection (Azadi et al. 2019); the percentile that gamma is set
    to: the higher, the fewer are kept.
    """

    def check(self, num_classes: int) -> None:
        """
        Raises: ConfigError: for a number out of range, or confidence in labels that the GAN does
          not have.
        """
        if self.truncation is not None and not 0 < self.truncation < float("inf"):
            raise ConfigError(f"truncation: {self.truncation} is out of range; accepted: above 0.")
        if self.min_confidence is not None:
            if not 0 <= self.min_confidence < 1:
                raise ConfigError(
                    f"min_confidence: {self.min_confidence} is out of range; accepted: 0 to below 1."
                )
            if not num_classes:
                raise ConfigError(
                    "min_confidence: the samples of an unconditional GAN have no labels; accepted: None."
                )
        if self.rejection is not None and not 0 <= self.rejection < 100:
            raise ConfigError(
                f"rejection: {self.rejection} is out of range; accepted: 0 to below 100."
            )


ALL = Filters()


class Recognizes(Protocol):
    """What confidence asks of a recognizer: `gan_jax.recognizers.Recognizer` has it."""

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def latents(key: Array, n: int, size: int, truncation: float | None = None) -> Array:
    """``[n, size]`` from N(0, 1); with ``truncation``, values outside of [-truncation, truncation]
    are drawn again.
    """
    if truncation is None:
        return jax.random.normal(key, (n, size))
    return jax.random.truncated_normal(key, -truncation, truncation, (n, size))


def draw(
    gan: Gan,
    state: GanState,
    labels: np.ndarray,
    seed: int,
    *,
    truncation: float | None = None,
    accepts: tuple[Accept, ...] = (),
    told: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Images of wanted labels: a function of its arguments alone.

    Args:
      gan, state: the generator's moving average draws.
      labels: ``[n]``; those of an unconditional GAN are ignored.
      seed: determines latents and chance.
      truncation: of the latents.
      accepts: an image is kept if all of these keep it; otherwise another one is drawn in its
        place.
      told: called with the number of images kept since the last call.

    Returns:
      Images ``[n, h, w, c]`` uint8, and how many were drawn for them.

    Raises:
      ConfigError: if more than `PATIENCE` draws an image would be needed.
    """
    labels = np.asarray(labels, np.int32)
    n, block = len(labels), min(BLOCK, len(labels))
    key, chance = jax.random.key(seed), np.random.default_rng(seed)
    images = np.empty((n, *gan.shape), np.uint8)
    pending, drawn = np.arange(n), 0
    while len(pending):
        if drawn >= PATIENCE * (n - len(pending) + BLOCK):
            raise ConfigError(
                f"filters: {drawn:,} draws gave {n - len(pending):,} images; accepted: filters that keep more."
            )
        places = np.resize(pending[:block], block)
        z = latents(jax.random.fold_in(key, drawn), block, gan.latents, truncation)
        made = pictures.to_uint8(generate(gan, state, z, labels[places]))
        kept = np.ones(block, bool)
        kept[len(pending) :] = bool(accepts)  # without a filter the filling is no second chance
        for accept in accepts:
            kept &= accept(made, labels[places], chance)
        filled, first = np.unique(places[kept], return_index=True)
        images[filled] = made[kept][first]
        drawn += block if accepts else len(filled)
        pending = np.setdiff1d(pending, filled, assume_unique=True)
        if told is not None:
            told(len(filled))
    return images, drawn


def confident(recognizer: Recognizes, least: float) -> Accept:
    """Keeps images to whose label the recognizer gives a probability of at least ``least``."""

    def accept(images: np.ndarray, labels: np.ndarray, _) -> np.ndarray:
        logits = np.asarray(recognizer.features(images)[1], np.float64)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares[np.arange(len(labels)), labels] >= least * shares.sum(1)

    return accept


def by_discriminator(
    gan: Gan,
    state: GanState,
    real: tuple[np.ndarray, np.ndarray],
    percentile: float,
    seed: int,
    truncation: float | None = None,
) -> Accept:
    """Keeps images by the rejection of Azadi et al. 2019, with a rule made from real images and a
    first draw of samples.

    A discriminator that knows its few training images by heart takes nothing else for real; its
    scores are then no density ratio.

    Args:
      real: images ``[m, h, w, c]`` and labels ``[m]`` of the training set, or of one that D has not
        seen, which is better.
      percentile: see `gan_jax.sampling.rejection.rule`.
      seed, truncation: of the first draw.
    """
    images, labels = (array[:: max(1, len(array) // FIRST_DRAW)][:FIRST_DRAW] for array in real)
    wanted = labels[np.arange(FIRST_DRAW) % len(labels)]
    fakes, _ = draw(gan, state, wanted, seed, truncation=truncation)
    made = rejection.rule(
        _scores(gan, state, images, labels), _scores(gan, state, fakes, wanted), percentile
    )

    def accept(images: np.ndarray, labels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        ratios = rejection.log_ratios(made.calibration, _scores(gan, state, images, labels))
        return chance.random(len(labels)) < rejection.acceptance(ratios, made.log_max, made.gamma)

    return accept


@functools.partial(jax.jit, static_argnames="gan")
def discriminate(gan: Gan, state: GanState, images: Array, labels: Array) -> Array:
    """Scores ``[b]`` of images ``[b, h, w, c]``, uint8 or float32 in [-1, 1], with labels ``[b]``."""
    variables = {"params": state.discriminator.params, **state.discriminator.stats}
    return gan.discriminator.apply(variables, to_float(images), labels, train=False).score


def _scores(gan: Gan, state: GanState, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    score = functools.partial(discriminate, gan, state)
    return stream(score, images, np.asarray(labels, np.int32), block=min(BLOCK, len(labels)))
