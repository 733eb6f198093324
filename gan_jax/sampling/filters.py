"""Which samples are drawn and kept: truncated latents, confidence of a recognizer, rejection by
the discriminator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np

from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, within
from gan_jax.metrics.labels import confidence
from gan_jax.sampling import rejection
from gan_jax.sampling.draw import Accept, discriminator_scores, draw
from gan_jax.types import GanState

FIRST_DRAW = 4_000
"""Samples, and at most as many real images, that the rule of rejection is made from."""
RULE_SEED = 0x5EED
"""Added bitwise to the seed of the samples, so that the rule is made from other latents than those
of the samples that it decides on.
"""


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
        """Refuses what cannot be met, before anything is drawn.

        Raises:
          ConfigError: for a number out of range, or confidence in labels that the GAN does not
            have.
        """
        intervals = {
            "truncation": "[0.01, inf)",
            "min_confidence": "[0, 1)",
            "rejection": "[0, 100)",
        }
        for name, interval in intervals.items():
            if getattr(self, name) is not None:
                within(name, getattr(self, name), interval)
        if self.min_confidence is not None and not num_classes:
            raise ConfigError(
                "min_confidence: the samples of an unconditional GAN have no labels; "
                "accepted: None."
            )


ALL = Filters()


class Recognizes(Protocol):
    """What `confident` needs of a recognizer: `gan_jax.recognizers.Recognizer` has it."""

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def accepting(
    filters: Filters,
    gan: Gan,
    state: GanState,
    seed: int,
    *,
    real: Callable[[], tuple[np.ndarray, np.ndarray]],
    recognizer: Callable[[], Recognizes],
) -> tuple[Accept, ...]:
    """The filters that decide on a sample, for `draw`, the cheap one first.

    Args:
      filters: of which `gan_jax.sampling.draw.draw` itself takes the truncation.
      gan, state: D decides as it is in the state.
      seed: that of the samples.
      real: gives images ``[m, h, w, c]`` and labels ``[m]`` for `by_discriminator`; called only
        where the filters need them.
      recognizer: gives the recognizer for `confident`, likewise.
    """
    accepts = []
    if filters.rejection is not None:
        rule = (filters.rejection, seed ^ RULE_SEED, filters.truncation)
        accepts.append(by_discriminator(gan, state, real(), *rule))
    if filters.min_confidence is not None:
        accepts.append(confident(recognizer(), filters.min_confidence))
    return tuple(accepts)


def confident(recognizer: Recognizes, least: float) -> Accept:
    """Keeps images to whose label the recognizer gives a probability of at least ``least``."""

    def accept(images: np.ndarray, labels: np.ndarray, _) -> np.ndarray:
        return confidence(recognizer.features(images)[1], labels) >= least

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
    scores = lambda images, labels: discriminator_scores(gan, state, images, labels)
    rule = rejection.rule(scores(images, labels), scores(fakes, wanted), percentile)

    def accept(images: np.ndarray, labels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        ratios = rejection.log_ratios(rule.calibration, scores(images, labels))
        return chance.random(len(labels)) < rejection.acceptance(ratios, rule.log_max, rule.gamma)

    return accept
